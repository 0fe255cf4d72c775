"""The tables in PostgreSQL, and what TimescaleDB makes of them where it is there.

Everything lies in the schema ``riposte``: a table per kind of series (``riposte.klines``) with a row per
observation, ``series`` that numbers the series, and the store's books (``parts``, ``receipts``,
``documents``, ``version``); ``trials`` is the log of every attempt. All of it is plain SQL in strings, made by pure functions; what makes a table
can run again where it is there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from riposte.errors import InputError
from riposte.market.interval import DAY_NS, SECOND_NS
from riposte.market.series import KINDS, kind_of

# Raise it when tables that are there cannot be used any more. New kinds and columns are added by
# themselves, wherever they are missing.
VERSION = 1
LOCK = (
    0x5269_706F  # the first number of all our advisory locks; the second is a series, 0 the schema
)
TRIALS_LOCK, STUDIES_LOCK = -1, -2  # second numbers that no series has
TIMESCALE_FROM = (2, 13)  # by_range(); joins in continuous aggregates are older

_BUCKETS = {"5m": "5 minutes", "15m": "15 minutes", "1h": "1 hour"}


def tables_sql() -> tuple[str, ...]:
    """The schema and its tables, as they are on any PostgreSQL."""
    books = (
        "create schema if not exists riposte",
        "create table if not exists riposte.version"
        " (only_row boolean primary key default true check (only_row), number integer not null,"
        " retention text not null default '')",
        "create table if not exists riposte.series (id integer generated always as identity primary key,"
        " kind text not null, symbol text not null, interval text not null default '',"
        " unique (kind, symbol, interval))",
        "create table if not exists riposte.parts"
        " (series_id integer not null references riposte.series on delete cascade, name text not null,"
        " rows bigint not null, first_time timestamptz not null, last_time timestamptz not null,"
        " content_hash text, changes bigint not null default 0, primary key (series_id, name))",
        "create table if not exists riposte.receipts"
        " (series_id integer not null references riposte.series on delete cascade, name text not null,"
        " checksum text not null, first_time timestamptz not null, primary key (series_id, name))",
        "create table if not exists riposte.documents"
        " (name text primary key, content bytea not null, written timestamptz not null default now())",
        "create table if not exists riposte.trials"
        " (number bigint primary key, line bytea not null)",
    )
    return books + tuple(statement for kind in KINDS for statement in _kind_sql(kind))


def _kind_sql(kind: str) -> tuple[str, ...]:
    columns = [f'"{name}" double precision' for name in kind_of(kind).columns]
    key = kind_of(kind).key
    unique = ", ".join(["series_id", "time", *([f'"{key}"'] if key else [])])
    return (
        f"create table if not exists {table(kind)} (series_id integer not null,"
        f" time timestamptz not null, {', '.join(columns)}, primary key ({unique}))",
        f"alter table {table(kind)} "
        + ", ".join(f"add column if not exists {column}" for column in columns),
    )


def table(kind: str) -> str:
    """The table of a kind, as SQL names it."""
    kind_of(kind)
    return f'riposte."{kind}"'


def columns_needed() -> frozenset[tuple[str, str]]:
    """Table and column of every value we store; tables that came later among them."""
    values = frozenset((kind, name) for kind in KINDS for name in kind_of(kind).columns)
    return values | {("trials", "line")}


PRESENT_SQL = (
    "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
    " where c.relnamespace = to_regnamespace('riposte') and c.relkind in ('r', 'p')"
    " and a.attnum > 0 and not a.attisdropped"
)


def timescale_sql(kinds: Iterable[str], *, community: bool = True) -> tuple[str, ...]:
    """What makes hypertables of the tables; compression and aggregates need the community licence.

    Rows that are already there move into chunks, which takes a while and locks the table.
    """
    kinds = list(kinds)
    statements = [_hypertable(kind) for kind in kinds]
    if community:
        statements += [statement for kind in kinds for statement in _compression(kind)]
        if "klines" in kinds:
            statements += [_aggregate(name, bucket) for name, bucket in _BUCKETS.items()]
    return tuple(statements)


def _hypertable(kind: str) -> str:
    chunk = "1 day" if kind_of(kind).key else "7 days"
    # The primary key finds a series' rows by time: no other index is needed.
    return (
        f"select create_hypertable('{table(kind)}', by_range('time', interval '{chunk}'),"
        " create_default_indexes => false, if_not_exists => true, migrate_data => true)"
    )


def compress_after(kind: str) -> str:
    """The age from which chunks of a kind are compressed; rows that are still changed are younger."""
    return "7 days" if kind_of(kind).key else "30 days"


def old_chunks_sql(kind: str) -> str:
    """The chunks of a kind that are old enough to be compressed and are not."""
    return (
        "select format('%I.%I', chunk_schema, chunk_name) from timescaledb_information.chunks"  # noqa: S608
        f" where hypertable_schema = 'riposte' and hypertable_name = '{kind}' and not is_compressed"
        f" and range_end < now() - interval '{compress_after(kind)}' order by range_end"
    )


def _compression(kind: str) -> tuple[str, str]:
    order = ", ".join(name for name in ("time", kind_of(kind).key) if name)
    return (
        f"alter table {table(kind)} set (timescaledb.compress,"
        f" timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = '{order}')",
        f"select add_compression_policy('{table(kind)}',"
        f" compress_after => interval '{compress_after(kind)}', if_not_exists => true)",
    )


def candles_sql(bucket: str) -> str:
    """The query that makes longer candles of the one-minute candles; ``bars`` says how many it had."""
    sums = ("volume", "quote_volume", "trade_count", "taker_buy_volume")
    return (
        f"select k.series_id, time_bucket(interval '{bucket}', k.time) as time,"  # noqa: S608  own names
        ' first(k."open", k.time) as "open", max(k."high") as "high", min(k."low") as "low",'
        ' last(k."close", k.time) as "close", '
        + ", ".join(f'sum(k."{name}") as "{name}"' for name in sums)
        + ', count(*) as bars from riposte."klines" k join riposte.series s on s.id = k.series_id'
        f" where s.interval = '1m' group by k.series_id, time_bucket(interval '{bucket}', k.time)"
    )


def _aggregate(name: str, bucket: str) -> str:
    # Not only what is materialised: the newest minutes are aggregated when they are asked for.
    return (
        f'create materialized view if not exists riposte."klines_{name}"'
        " with (timescaledb.continuous, timescaledb.materialized_only = false)"
        f" as {candles_sql(bucket)} with no data"
    )


def policies_sql(retention: Mapping[str, int]) -> tuple[str, ...]:
    """Old rows vanish after ``retention`` (kind to ns), other kinds keep theirs; candles are refreshed.

    Candles whose minutes are gone are left as they are: only what is inside the retention is refreshed.

    Raises:
        InputError: if a kind is not known or a time shorter than a day.
    """
    for kind, age_ns in retention.items():
        kind_of(kind)
        if age_ns < DAY_NS:
            raise InputError(f"retention of {kind} is shorter than a day: give it at least 1d")
    statements: list[str] = []
    for kind in KINDS:
        statements.append(f"select remove_retention_policy('{table(kind)}', if_exists => true)")
        if kind in retention:
            statements.append(
                f"select add_retention_policy('{table(kind)}', drop_after => {_span(retention[kind])})"
            )
    start = _span(retention["klines"]) if "klines" in retention else "null"
    for name, bucket in _BUCKETS.items():
        view = f"'riposte.\"klines_{name}\"'"
        statements += [
            f"select remove_continuous_aggregate_policy({view}, if_exists => true)",
            f"select add_continuous_aggregate_policy({view}, start_offset => {start},"
            f" end_offset => interval '{bucket}', schedule_interval => interval '{bucket}')",
        ]
    return tuple(statements)


def retention_text(retention: Mapping[str, int]) -> str:
    """The retention as the version row keeps it, so that a change of it is noticed."""
    return ", ".join(f"{kind} {retention[kind] // SECOND_NS} s" for kind in sorted(retention))


def _span(age_ns: int) -> str:
    return f"interval '{age_ns // SECOND_NS} seconds'"
