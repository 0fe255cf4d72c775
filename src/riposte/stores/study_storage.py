"""Where a search keeps its trials: Optuna's tables in an SQLite file or in PostgreSQL.

In PostgreSQL they lie in a schema of their own, ``riposte_tuning``. Importing this needs Optuna.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from sqlalchemy.exc import SQLAlchemyError

from riposte.errors import InputError, MissingExtraError, StorageError
from riposte.stores.disk import explained, locked
from riposte.stores.postgres_errors import refused
from riposte.stores.postgres_schema import LOCK, STUDIES_LOCK

if TYPE_CHECKING:
    import psycopg
    from optuna.storages import RDBStorage

SCHEMA = "riposte_tuning"
HEARTBEAT_S = 15
GRACE_S = 120  # a trial whose process has not been heard of for so long is given up
_WAIT_S = 60.0
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class StudyStorage:
    """``address``: ``sqlite:///path`` or ``postgresql://user:password@host:5432/name``; never shown.

    Raises:
        InputError: if it is neither.
    """

    address: str = field(repr=False)

    def __post_init__(self) -> None:
        if not (self.path or self.address.startswith(("postgresql://", "postgres://"))):
            raise InputError(
                "tune.storage is not understood: write sqlite:///path or "
                "postgresql://user:password@host:5432/name"
            )

    @property
    def path(self) -> Path | None:
        """The SQLite file, None for PostgreSQL."""
        if self.address.startswith(_SQLITE) and len(self.address) > len(_SQLITE):
            return Path(self.address.removeprefix(_SQLITE))
        return None

    @property
    def place(self) -> str:
        """How messages name it."""
        return str(self.path) if self.path else "the database of tune.storage"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """For as long as this lasts nobody else makes tables or studies here.

        Raises:
            StorageError: if the file or the server cannot be used.
        """
        if self.path:
            with explained(self.path, "written"):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with locked(self.path.parent, _WAIT_S):
                    yield
            return
        with self._connected() as connection:
            connection.execute(f"set lock_timeout = '{_WAIT_S:g}s'")
            connection.execute("select pg_advisory_lock(%s, %s)", (LOCK, STUDIES_LOCK))
            connection.execute(f"create schema if not exists {SCHEMA}")
            yield

    @contextlib.contextmanager
    def opened(self) -> Iterator[RDBStorage]:
        """Optuna's storage; its tables are made if they are not there (do so :meth:`alone`).

        Raises:
            StorageError: if it cannot be used.
        """
        url, connect = self._for_sqlalchemy()
        with self._explained(), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            made = optuna.storages.RDBStorage(
                url,
                engine_kwargs={"connect_args": connect, "pool_pre_ping": True},
                heartbeat_interval=HEARTBEAT_S,
                grace_period=GRACE_S,
            )
        try:
            with self._explained():
                yield made
        finally:
            made.remove_session()
            made.engine.dispose()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the database says into one sentence, the password left out."""
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, SQLAlchemyError) else error
            first = getattr(cause, "orig", None) or cause
            # Without its cause: what the driver of a server says may carry the address.
            said = str(first).splitlines()[0] if self.path and str(first) else type(first).__name__
            raise StorageError(
                f"the tuning studies in {self.place} cannot be used: {said}",
                hint="run the same command again: what was finished is kept",
            ) from None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        psycopg = _psycopg()
        try:
            connection = psycopg.connect(
                self.address, autocommit=True, connect_timeout=10, application_name="riposte"
            )
        except psycopg.Error as error:
            raise refused(error, self.place) from None
        with connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise StorageError(
                    f"the tuning studies in {self.place} cannot be used: {type(error).__name__}",
                    hint="check the rights of its user, or wait until others are done",
                ) from None

    def _for_sqlalchemy(self) -> tuple[str, dict[str, Any]]:
        if self.path:
            return self.address, {"timeout": _WAIT_S}
        _psycopg()
        rest = self.address.partition("://")[2]
        return f"postgresql+psycopg://{rest}", {
            "options": f"-c search_path={SCHEMA}",
            "application_name": "riposte",
            "connect_timeout": 10,
        }


def _psycopg() -> Any:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise MissingExtraError("psycopg", "postgres") from None
    return psycopg
