"""Where studies are kept: an SQLite file or a schema in PostgreSQL, and nothing secret in any message."""

from __future__ import annotations

import threading
from pathlib import Path

import optuna
import pytest
from databases import as_user, sql

from riposte.errors import InputError, StorageError
from riposte.stores.study_storage import StudyStorage


def kept(storage: StudyStorage) -> list[float]:
    """Make a study, add a trial, and read it back through a storage opened anew."""
    with storage.alone(), storage.opened() as opened:
        study = optuna.create_study(storage=opened, study_name="s", load_if_exists=True)
        study.add_trial(optuna.create_trial(value=0.1 + 0.2, user_attrs={"weeks": [1.5] * 400}))
    with storage.opened() as opened:
        again = optuna.load_study(study_name="s", storage=opened)
        assert again.trials[-1].user_attrs["weeks"] == [1.5] * 400
        return [trial.value for trial in again.trials]


def test_a_study_is_kept_in_a_file_whose_folder_is_made(tmp_path: Path) -> None:
    storage = StudyStorage(f"sqlite:///{tmp_path / 'new' / 'tune.db'}")
    assert kept(storage) == [0.1 + 0.2]
    assert kept(storage) == [0.1 + 0.2] * 2


def test_in_postgresql_the_tables_lie_in_a_schema_of_their_own(database: str) -> None:
    storage = StudyStorage(database)
    assert kept(storage) == [0.1 + 0.2]
    schemas = sql(
        database,
        "select distinct schemaname from pg_tables where schemaname not like 'pg\\_%'"
        " and schemaname not in ('information_schema') and schemaname not like '%timescale%'",
    )
    assert schemas == [("riposte_tuning",)]
    sql(database, "drop schema riposte_tuning cascade")


@pytest.mark.parametrize("where", ["file", "database"])
def test_only_one_at_a_time_makes_studies(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    address = f"sqlite:///{tmp_path / 'tune.db'}"
    if where == "database":
        address = request.getfixturevalue("database")
    storage = StudyStorage(address)
    inside: list[str] = []

    def second() -> None:
        with storage.alone():
            inside.append("second")

    with storage.alone():
        other = threading.Thread(target=second)
        other.start()
        other.join(0.3)
        inside.append("first")
    other.join(30)
    assert inside == ["first", "second"]
    if where == "database":
        sql(address, "drop schema riposte_tuning cascade")


@pytest.mark.parametrize("address", ["", "sqlite:///", "mysql://x", "tune.db", "redis://x:y@z"])
def test_an_address_of_another_sort_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InputError, match="sqlite:///path or postgresql://") as refusal:
        StudyStorage(address)
    assert "x:y" not in refusal.value.message


def test_a_password_is_shown_nowhere(database: str) -> None:
    secret = as_user(database, "nobody_here:hush-hush")
    storage = StudyStorage(secret)
    assert "hush" not in repr(storage)
    for use in (storage.alone, storage.opened):
        with pytest.raises(StorageError) as refusal, use():
            pass
        assert "hush" not in refusal.value.message + refusal.value.hint
        assert refusal.value.__cause__ is None


def test_a_file_that_is_no_database_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "tune.db"
    path.write_text("this is no database, it is a letter to a friend" * 50)
    broken = StudyStorage(f"sqlite:///{path}")
    with pytest.raises(StorageError, match="not a database"), broken.opened():
        pass
