"""PostgreSQL as a store when the server goes away, refuses or has no room: on a real server."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest
from databases import as_user, end_connections, sql
from some_series import HOUR, MINUTE, candles, interest

from riposte.errors import InputError, StorageError
from riposte.market.series import Change
from riposte.stores import postgres_series
from riposte.stores.postgres import Postgres
from riposte.stores.postgres_schema import LOCK


def stored(store: Postgres, **between: int) -> list[float]:
    return store.read("open_interest", "BTCUSDT", HOUR, **between)["open_interest"].tolist()


# A server that goes away


def test_a_connection_killed_in_the_middle_leaves_nothing_and_a_rerun_heals(
    postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = candles(200_000)
    postgres.write(series.rows(0, 1000))
    before = postgres.version("klines", "BTCUSDT", MINUTE)
    copied = postgres_series.copied
    ended: list[int] = []

    def killed(*arguments: Any) -> Iterator[memoryview | bytes]:
        for number, block in enumerate(copied(*arguments)):
            yield block
            if number == 5:
                ended.append(end_connections(database, "state = 'active'"))

    with monkeypatch.context() as patched:
        patched.setattr(postgres_series, "copied", killed)
        with pytest.raises(
            StorageError, match=r"connection to PostgreSQL at .* was lost"
        ) as caught:
            postgres.merge(series, {"klines.zip": "1"})
    assert ended == [1]
    assert "run again" in caught.value.hint
    assert postgres.version("klines", "BTCUSDT", MINUTE) == before
    assert postgres.receipts("klines", "BTCUSDT", MINUTE) == {}
    assert postgres.merge(series, {"klines.zip": "1"}) == Change(added=199_000)
    back = postgres.read("klines", "BTCUSDT", MINUTE)
    assert back.event_time.tobytes() == series.event_time.tobytes()
    assert np.array_equal(back["trade_count"], series["trade_count"], equal_nan=True)


def test_a_writer_killed_while_it_waits_says_so(database: str) -> None:
    with Postgres(database) as store, psycopg.connect(database) as other:
        store.write(interest(0, [1.0]))
        other.execute("select pg_advisory_lock(%s, id) from riposte.series", (LOCK,))
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(store.write, interest(1, [2.0]))
            while not end_connections(database, "wait_event_type = 'Lock'"):
                time.sleep(0.01)
            with pytest.raises(StorageError, match="was lost: BTCUSDT open_interest 1h could not"):
                writing.result(timeout=30)


def test_a_connection_lost_between_two_uses_is_replaced_unnoticed(
    postgres: Postgres, database: str
) -> None:
    postgres.write(interest(0, [1.0]))
    assert end_connections(database) == 1
    assert postgres.write(interest(1, [2.0])) == 1
    assert stored(postgres) == [1.0, 2.0]


def test_a_closed_port_is_an_error_in_words(database: str, free_port: int) -> None:
    url = f"postgresql://trader:secret@127.0.0.1:{free_port}/market"
    with pytest.raises(StorageError) as caught:
        Postgres(url).holdings()
    assert caught.value.message == f"no PostgreSQL server answers at 127.0.0.1:{free_port}/market"
    assert "start it" in caught.value.hint


def test_a_name_that_no_server_has_is_an_error_in_words() -> None:
    with pytest.raises(
        StorageError, match="no PostgreSQL server answers at nowhere.invalid:5432/x"
    ):
        Postgres("postgresql://nowhere.invalid/x").holdings()


def test_a_database_that_is_not_there_is_named(database: str) -> None:
    url = urlsplit(database)._replace(path="/not_there_at_all").geturl()
    with pytest.raises(StorageError, match='"not_there_at_all" does not exist') as caught:
        Postgres(url).holdings()
    assert "createdb" in caught.value.hint


def test_an_unknown_user_is_named(database: str) -> None:
    with pytest.raises(StorageError, match="nobody_of_that_name|did not accept the user"):
        Postgres(as_user(database, "nobody_of_that_name")).holdings()


@pytest.mark.parametrize(
    "said", ['password authentication failed for user "trader"', "Passwort wurde nicht anerkannt"]
)
def test_a_wrong_password_is_said_and_never_shown(
    refusing_server: Callable[[str], int], said: str
) -> None:
    url = f"postgresql://trader:s3cret@127.0.0.1:{refusing_server(said)}/market"
    store = Postgres(url)
    with pytest.raises(StorageError, match="did not accept the user or the password") as caught:
        store.holdings()
    shown = [repr(store), str(store), caught.value.message, caught.value.hint]
    shown += traceback.format_exception(caught.value)
    assert not [text for text in shown if "s3cret" in text]
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lake",
        "/data/lake",
        "mysql://trader:s3cret@host/market",
        "postgresql://trader:p@s3cret@host/market",
        "postgresql://trader:12/s3cret@host/market",
        "postgresql://trader:s3cret@host/market?sslmod=require",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InputError, match="address of the database") as caught:
        Postgres(url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "%40" in caught.value.hint


# A server that refuses


def test_a_disk_that_fills_while_writing_loses_nothing(small_database: str) -> None:
    with Postgres(small_database) as store:
        store.write(candles(1000))
        version = store.version("klines", "BTCUSDT", MINUTE)
        with pytest.raises(StorageError, match="the server's disk is full: BTCUSDT klines 1m"):
            store.merge(candles(600_000), {"klines.zip": "1"})
        assert store.version("klines", "BTCUSDT", MINUTE) == version
        assert store.receipts("klines", "BTCUSDT", MINUTE) == {}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("53100", "the server's disk is full"),
        ("53200", "out of memory"),
        ("40P01", "other work on the database"),
        ("58030", "a fault of its disk"),
        ("XX001", "the database is damaged"),
        ("P0001", "something new"),
    ],
)
def test_every_fault_of_the_server_is_one_sentence(
    postgres: Postgres, database: str, code: str, words: str
) -> None:
    postgres.write(interest(0, [1.0]))
    sql(
        database,
        "create function riposte.fail() returns trigger language plpgsql as"
        f" $$ begin raise 'something new' using errcode = '{code}'; end $$",
        "create trigger fail before insert on riposte.open_interest"
        " for each row execute function riposte.fail()",
    )
    with pytest.raises(StorageError, match=words) as caught:
        postgres.write(interest(1, [2.0]))
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith("what was stored before is unchanged")
    assert stored(postgres) == [1.0]


def test_a_read_only_database_can_be_read(postgres: Postgres, database: str) -> None:
    postgres.write(interest(0, [1.0]))
    name = urlsplit(database).path[1:]
    sql(database, f"alter database {name} set default_transaction_read_only = on")
    try:
        with Postgres(database) as reader:
            assert stored(reader) == [1.0]
            assert len(reader.version("open_interest", "BTCUSDT", HOUR)) == 16
            with pytest.raises(StorageError, match="the database is read-only") as caught:
                reader.write(interest(1, [2.0]))
            assert "primary" in caught.value.hint
    finally:
        sql(
            database,
            "set default_transaction_read_only = off",
            f"alter database {name} reset default_transaction_read_only",
        )


def test_a_user_who_may_only_read_reads(postgres: Postgres, database: str, user: str) -> None:
    with Postgres(as_user(database, user)) as reader:
        with pytest.raises(StorageError, match="no permission") as caught:
            reader.holdings()
        assert "grant" in caught.value.hint
        postgres.write(interest(0, [1.0]))
        sql(
            database,
            f"grant usage on schema riposte to {user}",
            f"grant select on all tables in schema riposte to {user}",
        )
        assert stored(reader) == [1.0]
        assert len(reader.version("open_interest", "BTCUSDT", HOUR)) == 16
        assert sql(database, "select content_hash from riposte.parts") == [(None,)]
        with pytest.raises(StorageError, match="no permission: BTCUSDT open_interest 1h could not"):
            reader.write(interest(1, [2.0]))


@pytest.fixture
def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def refusing_server() -> Iterator[Callable[[str], int]]:
    """A server that asks for the password and refuses it with a text; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(said: str) -> None:
        client, _ = listener.accept()
        with client:
            length = int.from_bytes(client.recv(4))
            if length == 8:  # may the connection be encrypted?
                client.recv(4)
                client.sendall(b"N")
                length = int.from_bytes(client.recv(4))
            client.recv(length - 4)
            client.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
            client.recv(1024)
            fields = [b"SFATAL", b"VFATAL", b"C28P01", b"M" + said.encode()]
            body = b"\0".join(fields) + b"\0\0"
            client.sendall(b"E" + (len(body) + 4).to_bytes(4) + body)

    threads: list[threading.Thread] = []

    def start(said: str) -> int:
        threads.append(threading.Thread(target=serve, args=(said,)))
        threads[-1].start()
        return int(listener.getsockname()[1])

    try:
        yield start
    finally:
        listener.close()
        for thread in threads:
            thread.join(timeout=10)


@pytest.fixture
def user(database: str) -> Iterator[str]:
    """A user of the server without any rights."""
    name = f"riposte_test_user_{os.getpid()}"
    sql(database, f"drop role if exists {name}", f"create role {name} login")
    try:
        yield name
    finally:
        end_connections(database)
        sql(database, f"drop owned by {name}", f"drop role {name}")


@pytest.fixture
def small_database(database_server: str, tmp_path: Path) -> Iterator[str]:
    """A database on a real disk of 48 MiB, where the server is on this machine and one may be mounted."""
    import pwd

    host = urlsplit(database_server).hostname
    owners = [entry for entry in pwd.getpwall() if entry.pw_name == "postgres"]
    if os.geteuid() != 0 or not owners or host not in ("127.0.0.1", "localhost", None):
        pytest.skip(
            "mounting a small disk for the server needs root and the server on this machine"
        )
    disk = Path(tempfile.gettempdir()) / f"riposte_test_disk_{os.getpid()}"
    disk.mkdir()
    options = f"size=48m,uid={owners[0].pw_uid},gid={owners[0].pw_gid},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        disk.rmdir()
        pytest.skip("mounting is not allowed here")
    name = f"riposte_test_small_{os.getpid()}"
    try:
        try:
            sql(database_server, f"create tablespace {name} location '{disk}'")
        except psycopg.Error:
            pytest.skip("the server is not on this machine, or its user may not make a tablespace")
        sql(database_server, f"create database {name} tablespace {name}")
        yield urlsplit(database_server)._replace(path=f"/{name}").geturl()
    finally:
        sql(
            database_server,
            f"drop database if exists {name} with (force)",
            f"drop tablespace if exists {name}",
        )
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()
