"""PostgreSQL as a store: its tables, its books and its connections, on a real server."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from databases import sql
from some_series import HOUR, MINUTE, START, candles, interest

from riposte.errors import MissingExtraError, StorageError
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.market.series import Change, Series
from riposte.stores import postgres_series, postgres_server
from riposte.stores.postgres import Postgres
from riposte.stores.postgres_schema import LOCK
from riposte.stores.protocol import Store


def stored(store: Postgres, **between: int) -> list[float]:
    return store.read("open_interest", "BTCUSDT", HOUR, **between)["open_interest"].tolist()


def as_store(store: Postgres) -> Store:
    return store


def test_postgres_is_a_store(postgres: Postgres) -> None:
    assert as_store(postgres).holdings() == ()


def test_the_tables_are_what_a_person_asks_with_sql(postgres: Postgres, database: str) -> None:
    postgres.write(candles(100))
    rows = sql(
        database,
        "select count(*), count(trade_count), avg(trade_count), min(time)::text from riposte.klines"
        " join riposte.series on id = series_id where symbol = 'BTCUSDT' and interval = '1m'",
    )
    counts = candles(100)["trade_count"]
    known = int((~np.isnan(counts)).sum())
    assert rows[0][:2] == (100, known), "a missing value is NULL and not NaN"
    assert rows[0][2] == pytest.approx(np.nanmean(counts))
    assert rows[0][3].startswith("2024-01-30 00:00:00")


def test_writing_the_same_again_touches_no_row(postgres: Postgres, database: str) -> None:
    postgres.write(interest(0, np.arange(72.0)))
    rows = sql(database, "select ctid::text, xmin::text from riposte.open_interest order by 1")
    assert postgres.write(interest(0, np.arange(72.0))) == 0
    assert rows == sql(
        database, "select ctid::text, xmin::text from riposte.open_interest order by 1"
    )


def test_only_the_stretch_of_rows_that_changes_is_written(
    postgres: Postgres, database: str
) -> None:
    postgres.write(interest(0, np.arange(72.0)))
    (before,) = sql(database, "select max(xmin::text::bigint) from riposte.open_interest")[0]
    assert postgres.merge(interest(0, [*range(40), 40.5, *range(41, 45)])).rows == 1
    written = f"select count(*) from riposte.open_interest where xmin::text::bigint > {before}"
    assert sql(database, written) == [(1,)]
    assert postgres.merge(interest(60, np.arange(60.0, 75.0))) == Change(added=3)
    assert sql(database, written) == [(4,)]


def test_long_series_are_read_in_several_queries(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = interest(0, np.arange(24.0 * 200))
    postgres.write(series)
    monkeypatch.setattr(postgres_series, "_QUERY_ROWS", 1500)
    assert stored(postgres) == list(range(24 * 200))
    for start, stop in ((0, 1), (30, 31), (47, 49), (700, 3000), (4799, 9999)):
        found = stored(postgres, start_ns=START + start * HOUR_NS, stop_ns=START + stop * HOUR_NS)
        assert found == list(range(start, min(stop, 24 * 200)))


def test_only_changed_months_are_hashed_again(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.write(interest(0, np.arange(24.0 * 70)))
    read: list[int] = []
    whole = postgres_series.StoredSeries.read

    def counted(*arguments: Any) -> Series:
        rows = whole(*arguments)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(postgres_series.StoredSeries, "read", counted)
    version = postgres.version("open_interest", "BTCUSDT", HOUR)
    assert read == [2 * 24, 29 * 24, 31 * 24, 8 * 24]
    assert postgres.version("open_interest", "BTCUSDT", HOUR) == version
    assert len(read) == 4
    postgres.write(interest(24 * 40, [-1.0]))
    read.clear()
    assert postgres.version("open_interest", "BTCUSDT", HOUR) != version
    assert read == [31 * 24]


def test_a_hash_of_rows_that_changed_meanwhile_is_not_kept(
    postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.write(interest(0, [1, 2, 3]))

    def change_first(cursor: object) -> bool:
        with Postgres(database) as other:
            other.write(interest(1, [20]))
        return True

    with monkeypatch.context() as patched:
        patched.setattr("riposte.stores.postgres.may_save", change_first)
        before = postgres.version("open_interest", "BTCUSDT", HOUR)
    assert sql(database, "select content_hash from riposte.parts") == [(None,)]
    assert postgres.version("open_interest", "BTCUSDT", HOUR) != before


def test_rows_that_vanish_at_the_old_end_leave_the_books_right(
    fresh_database: Callable[[], str],
) -> None:
    """So it is when TimescaleDB drops old chunks: holdings, versions and receipts follow the rows."""
    database = fresh_database()
    with Postgres(database) as store, Postgres(fresh_database()) as other:
        store.merge(interest(0, np.arange(24.0 * 100)), {"all.zip": "1"})
        store.merge(interest(24 * 90, np.arange(24.0 * 90, 24.0 * 100)), {"late.zip": "2"})
        store.version("open_interest", "BTCUSDT", HOUR)
        sql(database, "delete from riposte.open_interest where time < '2024-02-10'")
        other.write(interest(24 * 11, np.arange(24.0 * 11, 24.0 * 100)))

        def agree() -> None:
            assert store.holdings() == other.holdings()
            versions = {s.version("open_interest", "BTCUSDT", HOUR) for s in (store, other)}
            assert len(versions) == 1
            assert stored(store) == stored(other)
            assert store.receipts("open_interest", "BTCUSDT", HOUR) == {"late.zip": "2"}

        agree()
        for hour in (24 * 5, 24 * 10, 0):  # older rows come back, into parts the books still knew
            for each in (store, other):
                each.write(interest(hour, [float(hour)]))
            agree()


# Other processes, threads and connections


def test_processes_that_make_the_tables_at_once_agree(database: str) -> None:
    script = (
        "import sys; from riposte.stores.postgres import Postgres;"
        "sys.stdin.read(); assert Postgres(sys.argv[1]).holdings() == ()"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", script, database], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.close()
    assert [maker.wait(timeout=60) for maker in makers] == [0] * 4
    assert sql(database, "select count(*) from riposte.version") == [(1,)]


def test_a_forked_child_uses_connections_of_its_own(database: str) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        from riposte.stores.postgres import Postgres
        store = Postgres(sys.argv[1])
        store.keep("a", b"1")
        child = os.fork()
        if child == 0:
            store.keep("b", store.kept("a") + b"2")
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert store.kept("b") == b"12"
        """
    )
    command = [sys.executable, "-W", "error", "-c", script, database]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_connections_are_kept_for_the_next_use_and_closed_with_the_store(database: str) -> None:
    def count() -> int:
        (number,) = sql(
            database,
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and application_name = 'riposte'",
        )[0]
        return int(number)

    def settles_at(wanted: int) -> bool:
        return any(count() == wanted or time.sleep(0.05) for _ in range(100))

    store = Postgres(database)
    for _ in range(3):
        store.holdings()
    assert count() == 1
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(store.write, [interest(hour, [0.0]) for hour in range(12)]))
    assert count() <= 4
    store.close()
    assert settles_at(0)
    store.holdings()
    del store
    gc.collect()
    assert settles_at(0)


def test_a_writer_does_not_wait_for_ever(database: str) -> None:
    with Postgres(database, lock_timeout_s=0.05) as store:
        store.write(interest(0, [1.0]))
        with psycopg.connect(database) as other:
            other.execute("select pg_advisory_lock(%s, id) from riposte.series", (LOCK,))
            with pytest.raises(StorageError, match="written by another process for more than 0.05"):
                store.write(interest(1, [2.0]))
            assert store.write(interest(0, [1.0], "ETHUSDT")) == 1, "other series are free"
            assert stored(store) == [1.0], "and readers need not wait"
        assert store.write(interest(1, [2.0])) == 1


def test_the_first_writers_of_a_series_take_turns_too(database: str) -> None:
    with Postgres(database, lock_timeout_s=0.05) as store:
        store.holdings()
        with psycopg.connect(database) as other:
            other.execute(
                "insert into riposte.series (kind, symbol, interval)"
                " values ('open_interest', 'BTCUSDT', '1h')"
            )
            with pytest.raises(StorageError, match="written by another process"):
                store.write(interest(1, [2.0]))
        assert store.write(interest(1, [2.0])) == 1


def test_rows_written_past_the_store_are_merged_like_any(postgres: Postgres, database: str) -> None:
    postgres.write(interest(0, [1.0]))
    sql(database, "insert into riposte.open_interest values (1, '2024-01-30 05:00+00', 5)")
    assert postgres.write(interest(1, np.arange(1.0, 10.0))) == 8
    assert stored(postgres) == [1.0, *range(1, 10)]


# The tables through time


def test_kinds_and_columns_of_a_later_riposte_are_added(postgres: Postgres, database: str) -> None:
    postgres.write(candles(10))
    sql(
        database,
        "alter table riposte.klines drop column trade_count",
        "drop table riposte.open_interest",
    )
    with Postgres(database) as later:
        assert "trade_count" not in later.read("klines", "BTCUSDT", MINUTE).columns
        assert later.write(candles(10)) == 8
        assert later.write(interest(0, [1.0])) == 1


def test_tables_of_a_newer_riposte_are_left_alone(postgres: Postgres, database: str) -> None:
    postgres.write(interest(0, [1.0]))
    sql(database, "update riposte.version set number = 99")
    with pytest.raises(StorageError, match="of version 99, newer than this Riposte") as caught:
        Postgres(database).holdings()
    assert caught.value.hint == "update Riposte"


def test_a_server_too_old_is_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_server, "_OLDEST", 990_000)
    with pytest.raises(StorageError, match=r"PostgreSQL \d+ at .* is too old"):
        Postgres(database).holdings()


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match="psycopg is not installed") as caught:
        Postgres("postgresql://localhost/x")
    assert caught.value.hint == 'pip install "riposte-futures[postgres]"'


def test_importing_the_store_does_not_import_psycopg() -> None:
    script = "import sys, riposte.stores.postgres; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_copy_of_a_store_is_of_the_same_database(database: str) -> None:
    with Postgres(database, 5.0, {"klines": 30 * DAY_NS}) as store:
        store.keep("a", b"1")
        again = pickle.loads(pickle.dumps(store))
        assert again.kept("a") == b"1"
        assert again.__reduce__() == store.__reduce__()
