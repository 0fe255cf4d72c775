"""Rows on their way to PostgreSQL and back, without a Python loop over them.

In: binary ``COPY`` out of one big-endian record array. Each field is its length and its value; a
missing value is a length of -1 with no bytes after it, so the bytes of missing values are cut out of
the array by a mask. Out: one ``bytea`` per column, the values end to end, which is less than half the
bytes of ``COPY`` and has no message per row.

PostgreSQL counts microseconds from 2000-01-01 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from riposte.market.frame import Floats, Times
from riposte.market.interval import Interval
from riposte.market.series import Series, kind_of, make_series

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, no flags, no header extension
_END = b"\xff\xff"  # a row of -1 fields
_EPOCH_US = int(np.datetime64("2000-01-01", "us").astype(np.int64))
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = -(2**63) // 1000, (2**63 - 1) // 1000  # what int64 ns can name
# Rows encoded at a time: large enough for NumPy, small enough for the cache.
_BATCH = 16_384


def timestamp(time_ns: int) -> datetime:
    """The first moment PostgreSQL can name that is not before ``time_ns``."""
    microseconds = -(-int(time_ns) // 1000)
    return _UNIX + timedelta(microseconds=min(max(microseconds, _FIRST_US), _LAST_US))


def nanoseconds(time: datetime) -> int:
    """A time from PostgreSQL as ns UTC."""
    return (time - _UNIX) // timedelta(microseconds=1) * 1000


def columns_of(pieces: Sequence[Series]) -> tuple[str, ...]:
    """The columns that any of the pieces has, in the order of their kind."""
    present = {name for piece in pieces for name in piece.columns}
    return tuple(name for name in kind_of(pieces[0].kind).columns if name in present)


def copied(
    series_id: int, pieces: Iterable[Series], columns: Sequence[str]
) -> Iterator[memoryview | bytes]:
    """The rows of the pieces as binary ``COPY`` into series_id, time and ``columns``, in blocks.

    NaN becomes NULL, except in the key of the kind, which identifies a row.
    """
    record = _record(columns)
    yield _HEADER
    for piece in pieces:
        key = kind_of(piece.kind).key
        for start in range(0, len(piece), _BATCH):
            yield _encoded(series_id, piece.rows(start, start + _BATCH), columns, record, key)
    yield _END


def _record(columns: Sequence[str]) -> np.dtype[np.void]:
    fields = [("fields", ">i2"), ("id_length", ">i4"), ("id", ">i4")]
    fields += [("time_length", ">i4"), ("time", ">i8")]
    for name in columns:
        fields += [(f"{name} length", ">i4"), (name, ">f8")]
    return np.dtype(fields)


def _encoded(
    series_id: int, rows: Series, columns: Sequence[str], record: np.dtype[np.void], key: str
) -> memoryview:
    block = np.empty(len(rows), dtype=record)
    block["fields"] = 2 + len(columns)
    block["id_length"], block["id"] = 4, series_id
    block["time_length"], block["time"] = 8, rows.event_time // 1000 - _EPOCH_US
    missing: dict[str, NDArray[np.bool_]] = {}
    for name in columns:
        values = rows.columns.get(name)
        absent = np.ones(len(rows), np.bool_) if values is None else np.isnan(values)
        block[f"{name} length"] = 8
        block[name] = np.nan if values is None else values
        if name != key and absent.any():
            block[f"{name} length"][absent] = -1
            missing[name] = absent
    content = block.view(np.uint8)
    if not missing:
        return content.data
    kept = np.ones((len(rows), record.itemsize), dtype=np.bool_)
    for name, absent in missing.items():
        offset = record.fields[name][1]  # type: ignore[index]
        kept[absent, offset : offset + 8] = False
    return content[kept.reshape(-1)].data


def selected(kind: str, columns: Sequence[str]) -> str:
    """SQL that gives the rows of ``%(series)s`` from ``%(first)s`` to ``%(last)s``: one bytea a column."""
    order = ", ".join(f'"{name}"' for name in ("time", kind_of(kind).key) if name)
    names = ", ".join(f'"{name}"' for name in columns)
    packed = ", ".join(
        f"string_agg(float8send(coalesce(\"{name}\", 'NaN')), ''::bytea)" for name in columns
    )
    return (
        f"select string_agg(timestamptz_send(time), ''::bytea), {packed} from ("  # noqa: S608  names of KINDS
        f'select time, {names} from riposte."{kind}" where series_id = %(series)s '
        f"and time between %(first)s and %(last)s order by {order}) as rows"
    )


def unpacked(
    packed: Sequence[bytes | None], columns: Sequence[str]
) -> tuple[Times, dict[str, Floats]]:
    """Times (ns UTC) and columns out of one row of :func:`selected`; empty where there were no rows."""
    times = np.frombuffer(packed[0] or b"", dtype=">i8").astype(np.int64)
    values = {
        name: np.frombuffer(content or b"", dtype=">f8").astype(np.float64)
        for name, content in zip(columns, packed[1:], strict=True)
    }
    return (times + _EPOCH_US) * 1000, values


def joined(
    kind: str,
    symbol: str,
    interval: Interval | None,
    blocks: Sequence[tuple[Times, Mapping[str, Floats]]],
    columns: Sequence[str],
) -> Series:
    """Blocks that follow one another as one series."""
    none = np.empty(0, dtype=np.int64)
    return make_series(
        kind,
        symbol,
        interval,
        np.concatenate([none, *(times for times, _ in blocks)]),
        {name: np.concatenate([none, *(values[name] for _, values in blocks)]) for name in columns},
    )


def differing(stored: Series, merged: Series) -> tuple[Series, Series]:
    """The stretch of rows in which ``stored`` and ``merged`` differ: what is there, what is to be.

    Both stretches begin and end at the borders of moments, so that a range of times tells them apart
    from the rows around them.
    """
    most = min(len(stored), len(merged))
    head = _alike(stored.rows(0, most), merged.rows(0, most))
    tail = _alike(_backwards(stored, most - head), _backwards(merged, most - head))
    start, stop = head, len(merged) - tail
    if start < stop:
        times = merged.event_time
        start = int(np.searchsorted(times, times[start]))
        stop = int(np.searchsorted(times, times[stop - 1], side="right"))
    stop_stored = len(stored) - (len(merged) - stop)
    return stored.rows(start, stop_stored), merged.rows(start, stop)


def _alike(one: Series, other: Series) -> int:
    """How many rows at the beginning of two series of one length are the same."""
    same = one.event_time == other.event_time
    nothing = np.full(len(one), np.nan)
    for name in one.columns.keys() | other.columns.keys():
        left, right = one.columns.get(name, nothing), other.columns.get(name, nothing)
        # Bit by bit, so that a new -0.0 takes the place of 0.0.
        same &= (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
    return len(same) if same.all() else int(np.argmin(same))


def _backwards(series: Series, rows: int) -> Series:
    """The last rows in reverse order."""
    last = slice(len(series) - rows, None)
    return Series(
        series.kind,
        series.symbol,
        series.interval,
        series.event_time[last][::-1],
        {name: values[last][::-1] for name, values in series.columns.items()},
    )
