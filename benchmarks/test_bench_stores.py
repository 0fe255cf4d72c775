"""SPEC section 12, storage: one-minute candles into PostgreSQL and out, and psycopg's executemany as the peer.

Every side writes the same candles, eight values a row, into tables with the same primary key on the same
server, each with one commit. The figures that count are in the extra info; nothing is asserted about
time. The server is the one of the tests (``RIPOSTE_TEST_DATABASE``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from riposte.market.interval import INTERVALS, MINUTE_NS
from riposte.market.series import Series, kind_of, make_series
from riposte.stores.lake import Lake
from riposte.stores.postgres import Postgres
from riposte.stores.protocol import Store

SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"
MINUTE = INTERVALS["1m"]
START = int(np.datetime64("2023-01-01", "ns").astype(np.int64))
NAMES = kind_of("klines").columns
ROWS = 525_600  # a year
PEER_ROWS = 20_000

symbols = (f"BENCH{number}" for number in count())


def candles(rows: int, symbol: str, first: int = 0) -> Series:
    chance = np.random.default_rng(1)
    times = START + (first + np.arange(rows, dtype=np.int64)) * MINUTE_NS
    columns = {name: chance.normal(30_000.0, 100.0, rows) for name in NAMES}
    return make_series("klines", symbol, MINUTE, times, columns)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a database for the benchmarks alone."""
    psycopg = pytest.importorskip("psycopg")
    server = os.environ.get("RIPOSTE_TEST_DATABASE", SERVER)
    name = f"riposte_bench_{os.getpid()}"
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"create database {name}")
    except psycopg.Error as error:
        pytest.skip(f"no PostgreSQL server to measure (set RIPOSTE_TEST_DATABASE): {error}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture(params=["postgres", "lake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The store that is measured, and the lake beside it."""
    if request.param == "lake":
        yield Lake(tmp_path)
        return
    with Postgres(request.getfixturevalue("database")) as postgres:
        postgres.holdings()  # makes the tables
        yield postgres


def note_rate(benchmark: Any, rows: int) -> None:
    if benchmark.stats:
        rate = rows / benchmark.stats.stats.min
        benchmark.extra_info["rows_per_second"] = round(rate)
        print(f"\n{benchmark.name}: {rate:,.0f} rows/s")


def test_writing_a_year_of_minutes(benchmark: Any, store: Store) -> None:
    series = iter([candles(ROWS, next(symbols)) for _ in range(4)])
    benchmark.pedantic(lambda: store.write(next(series)), rounds=3, warmup_rounds=1)
    note_rate(benchmark, ROWS)


def test_writing_with_executemany(benchmark: Any, database: str) -> None:
    """The peer: what most programs do, with the same table and one commit."""
    import psycopg

    with psycopg.connect(database) as connection:
        columns = ", ".join(f'"{name}" double precision' for name in NAMES)
        connection.execute(
            "create table peer (series_id integer not null, time timestamptz not null,"
            f" {columns}, primary key (series_id, time))"
        )
        connection.commit()
        statement = f"insert into peer values ({', '.join(['%s'] * (2 + len(NAMES)))})"
        numbers = count()

        def write() -> None:
            series, number = candles(PEER_ROWS, "PEER"), next(numbers)
            times = series.event_time.astype("datetime64[ns]").astype("datetime64[us]").tolist()
            values = zip(*(series[name].tolist() for name in NAMES), strict=True)
            rows = [(number, time, *each) for time, each in zip(times, values, strict=True)]
            with connection.cursor() as cursor:
                cursor.executemany(statement, rows)
            connection.commit()

        benchmark.pedantic(write, rounds=3, warmup_rounds=1)
    note_rate(benchmark, PEER_ROWS)


def test_writing_what_is_there_already(benchmark: Any, store: Store) -> None:
    series = candles(ROWS, next(symbols))
    store.write(series)
    assert benchmark.pedantic(store.write, (series,), rounds=3) == 0
    note_rate(benchmark, ROWS)


def test_reading_a_year_of_minutes(benchmark: Any, store: Store) -> None:
    series = candles(ROWS, next(symbols))
    store.write(series)
    back = benchmark.pedantic(
        store.read, ("klines", series.symbol, MINUTE), rounds=3, warmup_rounds=1
    )
    assert back["close"].tobytes() == series["close"].tobytes()
    note_rate(benchmark, ROWS)


def test_adding_one_bar(benchmark: Any, store: Store) -> None:
    """As a live feed does: the newest bar, after a year of them."""
    symbol = next(symbols)
    store.write(candles(ROWS, symbol))
    bars = iter([candles(1, symbol, ROWS + number) for number in range(220)])
    benchmark.pedantic(lambda: store.write(next(bars)), rounds=200, warmup_rounds=5)
    if benchmark.stats:
        benchmark.extra_info["milliseconds"] = benchmark.stats.stats.median * 1e3
