"""The ledger in SQLite and in PostgreSQL: nothing acknowledged is lost, one writer at a time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from databases import sql

from riposte.errors import InputError, StorageError
from riposte.stores.ledger import Lease, LeaseHeldError, SqlLedger
from riposte.trader.chain import following, read

SECOND = 10**9
MINUTE = 60 * SECOND


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}"
    fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
    url = fresh()
    sql(url, "drop table if exists riposte_ledger, riposte_lease")
    return url


@pytest.fixture
def ledger(address: str) -> Iterator[SqlLedger]:
    with SqlLedger(address, lock_timeout_s=5) as opened:
        yield opened


@pytest.fixture
def lease(ledger: SqlLedger) -> Lease:
    return ledger.acquire("first", 0, MINUTE)


def lines_of(*numbers: int) -> Callable[[bytes | None], Sequence[bytes]]:
    return lambda last: following(last, [(n, "test", {"n": n}) for n in numbers])


def numbers_in(ledger: SqlLedger) -> list[int]:
    return [entry.body["n"] for entry in read(ledger.lines())]


def test_lines_come_back_in_order_byte_for_byte_and_from_any_on(
    ledger: SqlLedger, lease: Lease, address: str
) -> None:
    assert list(ledger.lines()) == []
    added = ledger.append(lines_of(*range(1_500)), lease) + ledger.append(lines_of(1_500), lease)
    assert list(ledger.lines()) == added
    assert list(ledger.lines(first=1_400)) == added[1_399:]
    with SqlLedger(address) as again:
        assert numbers_in(again) == list(range(1_501))


def test_lines_are_added_together_or_not_at_all(ledger: SqlLedger, lease: Lease) -> None:
    ledger.append(lines_of(1), lease)

    def broken(last: bytes | None) -> Sequence[bytes]:
        raise RuntimeError("while they were made")

    with pytest.raises(RuntimeError, match="while they were made"):
        ledger.append(broken, lease)
    with pytest.raises(StorageError, match="could not be added to"):
        ledger.append(lambda last: [b"a", None], lease)  # type: ignore[list-item,return-value]
    assert numbers_in(ledger) == [1]
    assert ledger.append(lambda last: [], lease) == []


def test_the_table_refuses_to_be_changed(ledger: SqlLedger, lease: Lease, address: str) -> None:
    ledger.append(lines_of(1, 2), lease)
    for statement in (
        "delete from riposte_ledger where number = 2",
        "update riposte_ledger set line = 'x'",
    ):
        with pytest.raises(Exception, match="only added to"):
            past(address, statement)
    assert numbers_in(ledger) == [1, 2]


def past(address: str, statement: str) -> None:
    """Do it to the database past the ledger."""
    if address.startswith("postgresql"):
        sql(address, statement)
        return
    with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


# the lease


def test_a_second_writer_waits_until_the_lease_runs_out(ledger: SqlLedger, lease: Lease) -> None:
    with pytest.raises(LeaseHeldError, match="first trades on this ledger already") as caught:
        ledger.acquire("second", MINUTE - SECOND, MINUTE)
    assert "1.0 s" in caught.value.hint
    ledger.append(lines_of(1), lease)
    second = ledger.acquire("second", MINUTE, MINUTE)
    assert second.token == lease.token + 1
    assert ledger.holder() == second


def test_a_writer_that_slept_through_its_lease_cannot_write(
    ledger: SqlLedger, lease: Lease
) -> None:
    second = ledger.acquire("second", MINUTE, MINUTE)
    with pytest.raises(LeaseHeldError, match="second holds it now"):
        ledger.append(lines_of(1), lease)
    with pytest.raises(LeaseHeldError, match="second holds it now"):
        ledger.renew(lease, MINUTE, MINUTE)
    ledger.release(lease)  # changes nothing
    ledger.append(lines_of(2), second)
    assert numbers_in(ledger) == [2]


def test_a_lease_can_be_kept_and_given_back(ledger: SqlLedger, lease: Lease) -> None:
    kept = ledger.renew(lease, 2 * MINUTE, MINUTE)  # late, but nobody else came
    assert kept.until_ns == 3 * MINUTE
    ledger.append(lines_of(1), lease)  # the token counts
    ledger.release(kept)
    assert ledger.acquire("second", 2 * MINUTE, MINUTE).holder == "second"


def test_of_many_that_come_at_once_one_gets_the_lease(ledger: SqlLedger, address: str) -> None:
    got: list[str] = []
    start = threading.Barrier(8)

    def come(name: str) -> None:
        with SqlLedger(address, lock_timeout_s=20) as own:
            start.wait()
            try:
                own.acquire(name, 0, MINUTE)
            except LeaseHeldError:
                return
            got.append(name)

    threads = [threading.Thread(target=come, args=(f"trader {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    held = ledger.holder()
    assert held is not None
    assert got == [held.holder]


# what can go wrong


WRITER = """
    import sys, time
    from riposte.stores.ledger import SqlLedger
    from riposte.trader.chain import following
    ledger = SqlLedger(sys.argv[1])
    lease = ledger.acquire("killed", 0, 0)
    number = 0
    while True:
        pair = (number, number + 1)
        ledger.append(lambda last: following(last, [(n, "test", {"n": n}) for n in pair]), lease)
        print(pair[1], flush=True)
        number += 2
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(
    ledger: SqlLedger, address: str
) -> None:
    for round_ in range(4):
        before = len(numbers_in(ledger))
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), address],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(3 + round_):
            process.stdout.readline()
        time.sleep(0.003 * round_)
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read().split()
        process.wait(30)
        process.stdout.close()
        told = int(said[-1]) + 1 if said else 2 * (3 + round_)
        kept = numbers_in(ledger)[before:]
        assert len(kept) >= told
        assert len(kept) % 2 == 0  # lines of one call come together
        assert kept == list(range(len(kept)))


def test_a_writer_that_blocks_is_named_and_not_waited_for_for_ever(address: str) -> None:
    with SqlLedger(address, lock_timeout_s=0.3) as ledger:
        lease = ledger.acquire("first", 0, MINUTE)
        held, done = threading.Event(), threading.Event()

        def slow(last: bytes | None) -> Sequence[bytes]:
            held.set()
            done.wait(30)
            return []

        blocker = SqlLedger(address)
        thread = threading.Thread(target=blocker.append, args=(slow, lease))
        thread.start()
        assert held.wait(30)
        assert list(ledger.lines()) == []  # reading waits for nobody
        with pytest.raises(StorageError, match="another process is writing to it"):
            ledger.append(lines_of(1), lease)
        done.set()
        thread.join(30)
        blocker.close()
        ledger.append(lines_of(1), lease)


@pytest.mark.parametrize(
    "address", ["", "ledger.sqlite", "mysql://x/y", "sqlite://", "postgresql://"]
)
def test_an_address_that_means_nothing_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="write sqlite:///path or postgresql://"):
        SqlLedger(address)


def test_what_cannot_be_reached_is_said_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        SqlLedger("postgresql://someone:secret@127.0.0.1:1/none")
    assert "127.0.0.1:1" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint
    broken = tmp_path / "it.sqlite"
    broken.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="not a database"):
        SqlLedger(f"sqlite:///{broken}")
