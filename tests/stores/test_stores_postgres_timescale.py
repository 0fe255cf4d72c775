"""What TimescaleDB is told, statement by statement, and the same statements run where they can be.

TimescaleDB itself is not on every machine. Its functions are stood in for by some of the same name and
arguments (those of its 2.13 and later), so that PostgreSQL checks every call; only two statements that
plain PostgreSQL cannot parse are compared as texts alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from databases import sql
from some_series import START, candles

from riposte.errors import InputError
from riposte.market.interval import DAY_NS, INTERVALS
from riposte.market.series import KINDS, make_series
from riposte.stores.postgres import Postgres
from riposte.stores.postgres_schema import (
    candles_sql,
    compress_after,
    old_chunks_sql,
    policies_sql,
    tables_sql,
    timescale_sql,
)
from riposte.stores.postgres_server import Server, Timescale, lacking

STAND_INS = """
create schema timescaledb_information;
create view timescaledb_information.hypertables as select 'riposte' as hypertable_schema where false;
create table timescaledb_information.chunks (hypertable_schema name, hypertable_name name,
    chunk_schema name, chunk_name name, is_compressed boolean, range_end timestamptz);
create table called (number serial, what text);
create type dimension_info as (name name, width interval);
create function by_range(column_name name, partition_interval anyelement default null::bigint,
    partition_func regproc default null) returns dimension_info language sql
    as $$ select row(column_name, partition_interval)::dimension_info $$;
create function create_hypertable(relation regclass, dimension dimension_info,
    create_default_indexes boolean default true, if_not_exists boolean default false,
    migrate_data boolean default false) returns void language sql
    as $$ insert into called (what) values ('hypertable ' || relation || ' ' || dimension.width) $$;
create function add_compression_policy(hypertable regclass, compress_after "any" default null,
    if_not_exists bool default false, schedule_interval interval default null,
    initial_start timestamptz default null, timezone text default null,
    compress_created_before interval default null) returns integer language internal as 'pg_backend_pid';
create function remove_retention_policy(relation regclass, if_exists bool default false)
    returns void language sql as $$ insert into called (what) values ('forget ' || relation) $$;
create function add_retention_policy(relation regclass, drop_after interval,
    if_not_exists bool default false) returns integer language sql
    as $$ insert into called (what) values ('drop ' || relation || ' ' || drop_after) returning 1 $$;
create function remove_continuous_aggregate_policy(continuous_aggregate regclass,
    if_not_exists bool default false, if_exists bool default null) returns void language sql as $$ $$;
create function add_continuous_aggregate_policy(continuous_aggregate regclass, start_offset interval,
    end_offset interval, schedule_interval interval, if_not_exists bool default false)
    returns integer language sql as $$ insert into called (what) values ('refresh ' ||
    continuous_aggregate || ' from ' || coalesce(start_offset::text, 'always') || ' to ' || end_offset)
    returning 1 $$;
create function compress_chunk(uncompressed_chunk regclass, if_not_compressed boolean default true,
    recompress boolean default false) returns regclass language sql as $$
    update timescaledb_information.chunks set is_compressed = true
    where format('%I.%I', chunk_schema, chunk_name)::regclass = uncompressed_chunk
    returning uncompressed_chunk $$;
create function time_bucket(width interval, moment timestamptz) returns timestamptz
    language sql as $$ select date_bin(width, moment, '2000-01-03 00:00+00') $$;
create function earlier(state float8[], value float8, moment timestamptz) returns float8[]
    language sql as $$ select case when state is null or extract(epoch from moment) < state[2]
    then array[value, extract(epoch from moment)::float8] else state end $$;
create function later(state float8[], value float8, moment timestamptz) returns float8[]
    language sql as $$ select case when state is null or extract(epoch from moment) > state[2]
    then array[value, extract(epoch from moment)::float8] else state end $$;
create function value_of(state float8[]) returns float8 language sql as $$ select state[1] $$;
create aggregate first(float8, timestamptz) (sfunc = earlier, stype = float8[], finalfunc = value_of);
create aggregate last(float8, timestamptz) (sfunc = later, stype = float8[], finalfunc = value_of);
"""


@pytest.fixture
def stand_ins(databases: object, database: str) -> Iterator[str]:
    """The address of a database in which TimescaleDB's functions are stood in for."""
    sql(database, STAND_INS)
    try:
        yield database
    finally:
        sql(
            database,
            "drop schema public cascade",
            "drop schema timescaledb_information cascade",
            "create schema public",
        )


def test_the_table_of_a_kind_is_made_like_this() -> None:
    statements = tables_sql()
    assert (
        'create table if not exists riposte."mark" (series_id integer not null,'
        ' time timestamptz not null, "mark_price" double precision, primary key (series_id, time))'
    ) in statements
    assert (
        'create table if not exists riposte."trades" (series_id integer not null,'
        ' time timestamptz not null, "trade_id" double precision, "price" double precision,'
        ' "quantity" double precision, "buyer_is_maker" double precision,'
        ' primary key (series_id, time, "trade_id"))'
    ) in statements
    assert 'alter table riposte."mark" add column if not exists "mark_price" double precision' in (
        statements
    )


def test_timescale_is_told_this() -> None:
    assert timescale_sql(["klines", "trades"]) == (
        """select create_hypertable('riposte."klines"', by_range('time', interval '7 days'), create_default_indexes => false, if_not_exists => true, migrate_data => true)""",
        """select create_hypertable('riposte."trades"', by_range('time', interval '1 day'), create_default_indexes => false, if_not_exists => true, migrate_data => true)""",
        """alter table riposte."klines" set (timescaledb.compress, timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'time')""",
        """select add_compression_policy('riposte."klines"', compress_after => interval '30 days', if_not_exists => true)""",
        """alter table riposte."trades" set (timescaledb.compress, timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'time, trade_id')""",
        """select add_compression_policy('riposte."trades"', compress_after => interval '7 days', if_not_exists => true)""",
        *(
            f"""create materialized view if not exists riposte."klines_{name}" with (timescaledb.continuous, timescaledb.materialized_only = false) as select k.series_id, time_bucket(interval '{bucket}', k.time) as time, first(k."open", k.time) as "open", max(k."high") as "high", min(k."low") as "low", last(k."close", k.time) as "close", sum(k."volume") as "volume", sum(k."quote_volume") as "quote_volume", sum(k."trade_count") as "trade_count", sum(k."taker_buy_volume") as "taker_buy_volume", count(*) as bars from riposte."klines" k join riposte.series s on s.id = k.series_id where s.interval = '1m' group by k.series_id, time_bucket(interval '{bucket}', k.time) with no data"""
            for name, bucket in (("5m", "5 minutes"), ("15m", "15 minutes"), ("1h", "1 hour"))
        ),
    )


def test_under_the_apache_licence_there_are_chunks_and_no_more() -> None:
    statements = timescale_sql(KINDS, community=False)
    assert len(statements) == len(KINDS)
    assert all(statement.startswith("select create_hypertable(") for statement in statements)


def test_policies_are_told_like_this() -> None:
    statements = policies_sql({"klines": 30 * DAY_NS, "trades": DAY_NS})
    assert statements[0] == (
        """select remove_retention_policy('riposte."klines"', if_exists => true)"""
    )
    assert statements[1] == (
        """select add_retention_policy('riposte."klines"', drop_after => interval '2592000 seconds')"""
    )
    assert sum("add_retention_policy" in statement for statement in statements) == 2
    assert statements[-2:] == (
        """select remove_continuous_aggregate_policy('riposte."klines_1h"', if_exists => true)""",
        """select add_continuous_aggregate_policy('riposte."klines_1h"', start_offset => interval '2592000 seconds', end_offset => interval '1 hour', schedule_interval => interval '1 hour')""",
    )
    assert "start_offset => null" in policies_sql({})[-1]


def test_a_retention_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'klines'"):
        Postgres("postgresql://localhost/x", retention={"kline": DAY_NS})
    with pytest.raises(InputError, match="retention of klines is shorter than a day"):
        Postgres("postgresql://localhost/x", retention={"klines": DAY_NS - 1})


@pytest.mark.parametrize("bucket", ["5m", "15m", "1h"])
def test_the_candles_of_the_aggregates_are_right(stand_ins: str, bucket: str) -> None:
    """Against the same candles made in NumPy, out of minutes that begin and end in mid-bucket."""
    words = {"5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour"}[bucket]
    minutes = candles(400).rows(7, 393)
    width = INTERVALS[bucket].ns
    with Postgres(stand_ins) as store:
        for start in (200, 0, 100):  # in any order
            store.write(minutes.rows(start, start + 200))
        store.write(make_series("klines", "BTCUSDT", INTERVALS["1h"], **hourly()))
    found = sql(
        stand_ins,
        f'select extract(epoch from time)::bigint, "open", "high", "low", "close", "volume",'
        f" trade_count, bars from ({candles_sql(words)}) as c order by time",
    )
    wanted = []
    buckets = minutes.event_time // width
    for number in np.unique(buckets):
        inside = {name: values[buckets == number] for name, values in minutes.columns.items()}
        counts = inside["trade_count"]
        wanted.append(
            (
                number * width // 10**9,
                inside["open"][0],
                inside["high"].max(),
                inside["low"].min(),
                inside["close"][-1],
                pytest.approx(inside["volume"].sum()),
                pytest.approx(np.nansum(counts)),
                len(counts),
            )
        )
    assert found == wanted


def hourly() -> dict[str, object]:
    names = ("open", "high", "low", "close", "volume")
    return {"event_time": np.array([START]), "columns": {name: np.full(1, 1e9) for name in names}}


def test_every_call_fits_the_functions_of_timescale(stand_ins: str) -> None:
    sql(stand_ins, *tables_sql())
    for name in ("5m", "15m", "1h"):
        sql(stand_ins, f'create view riposte."klines_{name}" as select 1')
    calls = [
        statement
        for statement in (*timescale_sql(KINDS), *policies_sql({"trades": 9 * DAY_NS}))
        if statement.startswith("select")
    ]
    assert len(calls) == 2 * len(KINDS) + len(KINDS) + 1 + 6
    for call in calls:
        sql(stand_ins, call)
    called = [what for (what,) in sql(stand_ins, "select what from called order by number")]
    assert "hypertable riposte.klines 7 days" in called
    assert "hypertable riposte.trades 1 day" in called
    assert "drop riposte.trades 216:00:00" in called
    assert "refresh riposte.klines_5m from always to 00:05:00" in called


def timescale(
    monkeypatch: pytest.MonkeyPatch, *, community: bool, in_use: bool, version: str = "2.17.2"
) -> None:
    there = Timescale(version, community, in_use)
    monkeypatch.setattr(Server, "timescale", lambda server, connection: there)


def test_new_tables_become_hypertables(stand_ins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    timescale(monkeypatch, community=False, in_use=False)
    with Postgres(stand_ins) as store:
        store.write(candles(10))
        assert sql(stand_ins, "select count(*) from called") == [(len(KINDS),)]
    with Postgres(stand_ins) as again:
        again.write(candles(10))
        assert sql(stand_ins, "select count(*) from called") == [(len(KINDS),)], "once"
        again.convert()
        assert sql(stand_ins, "select count(*) from called") == [(2 * len(KINDS),)]


def test_a_kind_that_is_added_becomes_a_hypertable_too(
    stand_ins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    timescale(monkeypatch, community=False, in_use=True)
    with Postgres(stand_ins) as store:
        store.holdings()
    sql(stand_ins, "drop table riposte.mark", "delete from called")
    with Postgres(stand_ins) as store:
        store.holdings()
    assert sql(stand_ins, "select what from called") == [("hypertable riposte.mark 7 days",)]


def test_tables_older_than_timescale_stay_as_they_are_until_they_are_converted(
    stand_ins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Postgres(stand_ins) as store:
        store.write(candles(10))
        timescale(monkeypatch, community=True, in_use=False)
        assert "until they are converted" in (store.notice() or "")
    with Postgres(stand_ins, retention={"klines": DAY_NS}) as store:
        assert store.write(candles(10)) == 0
    assert sql(stand_ins, "select count(*) from called") == [(0,)]


def test_another_retention_is_told_once(stand_ins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres(stand_ins) as store:
        store.holdings()
    for name in ("5m", "15m", "1h"):
        sql(stand_ins, f'create view riposte."klines_{name}" as select 1')
    timescale(monkeypatch, community=True, in_use=True)

    def told(retention: dict[str, int] | None) -> list[str]:
        sql(stand_ins, "delete from called")
        with Postgres(stand_ins, retention=retention) as store:
            store.holdings()
        rows = sql(stand_ins, "select what from called where what like 'drop%' or what like 'ref%'")
        return [what for (what,) in rows]

    month = {"klines": 30 * DAY_NS}
    refreshed = [f"refresh riposte.klines_{name} from 720:00:00 to" for name in ("5m", "15m", "1h")]
    found = told(month)
    assert found[0] == "drop riposte.klines 720:00:00"
    assert [what.rsplit(" ", 1)[0] for what in found[1:]] == refreshed
    assert told(month) == []
    assert told(None) == [], "what was said before stays in force"
    assert len(told({})) == 3, "nothing is dropped any more, candles are refreshed from the first"
    assert told({}) == []


def test_old_chunks_are_compressed(stand_ins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres(stand_ins) as store:
        store.holdings()
        sql(
            stand_ins,
            "create table timescaledb_information.old ()",
            "create table timescaledb_information.new ()",
            "insert into timescaledb_information.chunks values"
            " ('riposte', 'klines', 'timescaledb_information', 'old', false, now() - interval '31 days'),"
            " ('riposte', 'klines', 'timescaledb_information', 'new', false, now() - interval '29 days')",
        )
        assert store.compact() == 0, "there is no TimescaleDB yet"
        timescale(monkeypatch, community=True, in_use=True)
        assert store.compact() == 1
        assert store.compact() == 0
    assert "interval '30 days'" in old_chunks_sql("klines")
    assert compress_after("trades") == "7 days"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (None, "without TimescaleDB: everything works"),
        (Timescale("2.9.3", community=True, in_use=False), "2.9.3 is older than 2.13"),
        (Timescale("2.13.0-rc1", community=True, in_use=False), "until they are converted"),
        (Timescale("3.0", community=False, in_use=True), "Apache licence only: compression"),
        (Timescale("2.20.1", community=True, in_use=True), None),
    ],
)
def test_what_is_missing_without_timescale_is_one_sentence(
    there: Timescale | None, words: str | None
) -> None:
    notice = lacking(there, retention=False)
    assert (notice is None) == (words is None)
    assert words is None or words in str(notice)
    if there is None:
        assert "old rows stay until they are trimmed" in str(lacking(None, retention=True))
        assert "create extension" in str(lacking(None, retention=False, available=True))


def test_a_plain_database_says_what_it_lacks(postgres: Postgres, database: str) -> None:
    there = sql(database, "select 1 from pg_available_extensions where name = 'timescaledb'")
    if there:
        pytest.skip("this server has TimescaleDB")
    assert "without TimescaleDB" in str(postgres.notice())
