"""``riposte data`` as a user runs it, against the archive and the exchange on real local sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from archive_files import made
from archive_server import Archive
from archive_server import serving as archive_serving
from console import COMMAND, Riposte, environment
from exchange_answers import Exchange
from exchange_answers import serving as exchange_serving

from riposte.sources.archive.layout import ArchiveFile

TODAY = datetime.now(UTC).date()
KINDS = {"klines", "mark", "funding", "open_interest", "ratios"}  # the last two come in one file
FIRST = TODAY - timedelta(days=45)


@dataclass
class World:
    archive: Archive
    exchange: Exchange
    settings: dict[str, str]


def published(file: ArchiveFile) -> bytes | None:
    """Days until the day before yesterday, months that are over for some days."""
    last = TODAY - timedelta(days=1 if file.day else 3)
    return made(file) if file.days[1] <= last else None


@pytest.fixture
def world() -> Iterator[World]:
    archive = Archive(published)
    exchange = Exchange(int(time.time() * 1000))
    with archive_serving(archive) as files, exchange_serving(exchange) as answers:
        yield World(
            archive,
            exchange,
            {
                "RIPOSTE__DATA__ARCHIVE_URL": files,
                "RIPOSTE__DATA__EXCHANGE_URL": answers,
                "RIPOSTE__DATA__SYMBOLS": "BTCUSDT",
                "RIPOSTE__DATA__KINDS": "klines,mark,funding,open_interest",
                "RIPOSTE__DATA__TIMERANGE": f"{FIRST:%Y%m%d}-",
            },
        )


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_download_brings_in_the_archive_and_the_newest_hours(
    riposte: Riposte, world: World
) -> None:
    first = printed(riposte("data", "download", "--json", **world.settings))
    assert first["failed"] == []
    assert first["rest"]["BTCUSDT klines"] >= 24
    held = {h["kind"]: h for h in printed(riposte("data", "list", "--json", **world.settings))}
    assert set(held) == KINDS
    assert held["klines"]["rows"] >= 45 * 24
    assert held["klines"]["first"].startswith(f"{FIRST:%Y-%m-%d} 00:00")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert held["klines"]["last"].startswith(f"{now - timedelta(hours=1):%Y-%m-%d %H:00}")
    assert held["mark"]["last"].startswith(f"{now:%Y-%m-%d %H:00}")

    files = len(world.archive.files_asked())
    again = printed(riposte("data", "download", "--json", **world.settings))
    assert again["files"] == 0
    assert len(world.archive.files_asked()) == files


def test_download_in_words_says_what_is_not_there(riposte: Riposte, world: World) -> None:
    done = riposte("data", "download", "--kinds", "funding,open_interest", **world.settings)
    assert done.returncode == 0, done.stderr
    assert "the archive has not" in done.stdout
    assert "rows new or changed in" in done.stdout
    assert "Nothing was missing" not in done.stdout


def test_a_file_that_cannot_be_had_leaves_the_rest_stored(riposte: Riposte, world: World) -> None:
    world.archive.bad_checksum.add(f"BTCUSDT-1h-{FIRST + timedelta(days=1):%Y-%m-%d}.zip")
    done = riposte("data", "download", "--no-rest", "--kinds", "klines", **world.settings)
    assert done.returncode == 7
    assert "does not fit its checksum" in done.stderr
    assert "run the same again" in done.stderr
    assert printed(riposte("data", "list", "--json"))


def test_an_archive_out_of_reach_is_one_sentence(riposte: Riposte) -> None:
    done = riposte("data", "download", RIPOSTE__DATA__ARCHIVE_URL="http://127.0.0.1:9")
    assert done.returncode == 7
    assert "no connection" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("data", "download", "--kinds", "klinse"), "did you mean 'klines'"),
        (("data", "download", "--timerange", "20990101-"), "not over yet"),
        (("data", "export", "out", "--format", "xlsx"), "use one of parquet, csv, feather"),
        (("data", "trim", "--before", "yesterday"), "is not a date"),
        (("data", "check", "nowhere"), "holds no recorded market data"),
        (("data", "import", "nowhere"), "there is no file or folder"),
    ],
)
def test_what_is_typed_wrongly_is_refused_in_words(
    riposte: Riposte, arguments: tuple[str, ...], words: str
) -> None:
    done = riposte(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_ctrl_c_ends_a_download_and_the_next_run_completes_it(
    riposte: Riposte, world: World, tmp_path: Path
) -> None:
    world.archive.pause_s, world.archive.chunk = 0.05, 512
    running = subprocess.Popen(
        [*COMMAND, "data", "download", "--no-rest"],
        cwd=tmp_path,
        env=environment(**world.settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(world.archive.asked) < 20:
        time.sleep(0.05)
        assert running.poll() is None
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in said
    world.archive.pause_s = 0.0
    summary = printed(riposte("data", "download", "--no-rest", "--json", **world.settings))
    assert summary["failed"] == []
    held = printed(riposte("data", "list", "--json"))
    assert {h["kind"] for h in held} == KINDS


def test_what_is_exported_is_imported_again_without_a_difference(
    riposte: Riposte, world: World, tmp_path: Path
) -> None:
    printed(riposte("data", "download", "--no-rest", "--json", **world.settings))
    before = printed(riposte("data", "check", "--json"))["series"]
    for form in ("parquet", "csv", "feather"):
        out = tmp_path / form
        done = printed(riposte("data", "export", str(out), "--format", form, "--json"))
        assert len(done["files"]) == len(KINDS)
        lake = {"RIPOSTE__DATA__LAKE": str(tmp_path / f"lake-{form}")}
        assert riposte("data", "import", str(out), "-p", "BTCUSDT", **lake).returncode == 0
        after = printed(riposte("data", "check", "--json", **lake))["series"]
        assert after == before


def test_zips_of_the_archive_are_imported_and_known_again(riposte: Riposte, tmp_path: Path) -> None:
    from riposte.market.interval import INTERVALS
    from riposte.sources.archive.layout import DATASETS

    mirror = tmp_path / "mirror"
    for dataset, interval in (("klines", "1h"), ("markPriceKlines", "1h"), ("fundingRate", None)):
        chosen = INTERVALS[interval] if interval else None
        for month in (1, 2):
            file = ArchiveFile(DATASETS[dataset], "BTCUSDT", chosen, date(2024, month, 1))
            path = mirror / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made(file))
    first = printed(riposte("data", "import", str(mirror), "--json"))
    assert first["series"] == 6
    again = riposte("data", "import", str(mirror))
    assert "6 archive files were stored before" in again.stdout
    assert "0 rows new or changed" in again.stdout


def test_trim_asks_first_and_removes_what_is_older(riposte: Riposte, world: World) -> None:
    printed(riposte("data", "download", "--no-rest", "--json", **world.settings))
    day = f"{FIRST + timedelta(days=10):%Y%m%d}"
    refused = riposte("data", "trim", "--before", day)
    assert refused.returncode == 2
    assert "add --yes" in refused.stderr
    done = printed(riposte("data", "trim", "--before", day, "--kinds", "klines", "--yes", "--json"))
    assert done == {"removed": 240, "series": 1}
    assert printed(riposte("data", "compact", "--json"))["gone"] >= 0


def test_the_check_of_a_store_is_kept_and_a_frame_of_bad_data_is_refused(
    riposte: Riposte, world: World, tmp_path: Path
) -> None:
    printed(riposte("data", "download", "--no-rest", "--json", **world.settings))
    assert riposte("data", "check").returncode == 0
    verdict = tmp_path / "data" / "lake" / "documents" / "quality.json"
    told = json.loads(verdict.read_text())
    told["BTCUSDT klines 1h"]["findings"] = [{"severity": "error", "message": "bars are wrong"}]
    verdict.write_text(json.dumps(told))
    done = riposte("labels", "-p", "BTCUSDT")
    assert done.returncode == 3
    assert "the last data check found bars are wrong" in done.stderr
    stale = riposte("data", "check", "--fresh")
    assert stale.returncode == 3
    assert "is stale" in stale.stdout


@pytest.fixture
def database() -> Iterator[str]:
    """A database of its own on the local server; skipped where there is none, failing in CI."""
    psycopg = pytest.importorskip("psycopg")
    server = os.environ.get(
        "RIPOSTE_TEST_DATABASE", "postgresql://postgres@127.0.0.1:5432/postgres"
    )
    name = f"riposte_cli_{os.getpid()}_{time.monotonic_ns()}"
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=3) as connection:
            connection.execute(f"create database {name}")
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            pytest.fail(f"no PostgreSQL: {error}")
        pytest.skip(f"no PostgreSQL: {error}")
    try:
        yield server.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


def test_a_database_serves_in_the_place_of_the_lake(
    riposte: Riposte, world: World, database: str
) -> None:
    there = {**world.settings, "RIPOSTE__DATA__STORE": "postgresql", "RIPOSTE_DATABASE": database}
    first = printed(riposte("data", "download", "--no-rest", "--json", **there))
    in_lake = printed(riposte("data", "download", "--no-rest", "--json", **world.settings))
    assert first["rows"] == in_lake["rows"]
    assert printed(riposte("data", "download", "--no-rest", "--json", **there))["files"] == 0
    ours = printed(riposte("data", "check", "--json", **there))["series"]
    assert ours == printed(riposte("data", "check", "--json", **world.settings))["series"]
    labels = printed(riposte("labels", "-p", "BTCUSDT", "--json", **there))
    assert labels == printed(riposte("labels", "-p", "BTCUSDT", "--json", **world.settings))


def test_a_database_that_is_not_there_is_one_sentence(riposte: Riposte) -> None:
    gone = {"RIPOSTE__DATA__STORE": "postgresql"}
    done = riposte("data", "list", **gone)
    assert done.returncode == 2
    assert "RIPOSTE_DATABASE" in done.stderr
    address = "postgresql://someone:secret@127.0.0.1:9/riposte"
    done = riposte("data", "list", **gone, RIPOSTE_DATABASE=address)
    assert done.returncode == 4
    assert "secret" not in done.stderr
    shown = riposte("config", "show", RIPOSTE_DATABASE=address)
    assert "secret" not in shown.stdout
    typo = riposte("config", "show", RIPOSTE__DATA__DATABSE=address)
    assert typo.returncode == 2
    assert "secret" not in typo.stderr
