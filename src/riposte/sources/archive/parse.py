"""Archive files as series: what their columns mean, and what is odd about them.

Oddities that are mended, each with a finding where rows are affected: files with or without a header,
times in milliseconds or microseconds, rows out of order, rows twice, rows without a value, metrics
labelled by the end of their period or (from 2026-06-25) by its start, ten or twelve depth bands.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np
import polars as pl
from isal import isal_zlib

from riposte.errors import DataError
from riposte.market.checks import Finding, check
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS, INTERVALS, MINUTE_NS, Interval
from riposte.market.series import Series, kind_of, make_series
from riposte.sources.archive.layout import ArchiveFile
from riposte.sources.archive.shapes import (
    depth_columns,
    flags,
    funding_columns,
    liquidation_columns,
    numbers,
    ordered,
    times,
)

Columns = dict[str, Floats]

_BROKEN = cast(  # the stubs of isal call its exception class an instance
    "tuple[type[Exception], ...]",
    (zipfile.BadZipFile, struct.error, EOFError, NotImplementedError, isal_zlib.error),
)
METRICS_PERIOD_NS = 5 * MINUTE_NS
# From this day on the labels of metrics name the start of their period (binance-public-data #491).
_LABELS_START = date(2026, 6, 25)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The series of one archive file and what was noticed in it."""

    series: tuple[Series, ...]
    findings: tuple[Finding, ...]


def parse(file: ArchiveFile, content: bytes, *, source: str = "") -> Parsed:
    """The series in one zip of the archive.

    ``source`` is how messages name it.

    Raises:
        DataError: if it is no zip, its checksum fails, or its rows are not what they should be.
    """
    source = source or file.name
    table = _table(file, content, source)
    if table.height == 0:
        return Parsed((), ())
    made: list[Series] = []
    findings: list[Finding] = []
    for kind in file.dataset.kinds:
        try:
            event_time, columns = _READERS[kind](file, table)
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{source}: its cells are not what they should be ({error})") from error
        raw = Series(kind, file.symbol, _interval_of(file), event_time, columns)
        series, mended = ordered(raw)
        findings += mended
        if len(series) == 0:
            continue
        # Gaps and odd values are judged over the whole series later, not file by file.
        errors = [each for each in check(series, oddities=False) if each.severity == "error"]
        if errors:
            raise DataError(f"{source}: {errors[0].message}")
        made.append(
            make_series(kind, file.symbol, series.interval, series.event_time, series.columns)
        )
    return Parsed(tuple(made), tuple(findings))


def _interval_of(file: ArchiveFile) -> Interval | None:
    return INTERVALS["5m"] if file.dataset.name == "metrics" else file.interval


def unzipped(content: bytes, source: str) -> bytes:
    """The one file inside a zip, its checksum verified.

    Raises:
        DataError: if it is damaged or holds anything but one file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            if len(members) != 1:
                raise DataError(f"{source} holds {len(members)} files where one is expected")
            member = members[0]
            if member.compress_type != zipfile.ZIP_DEFLATED:
                return archive.read(member)
        # The same bytes as archive.read, twice as fast.
        header = member.header_offset
        lengths = struct.unpack_from("<HH", content, header + 26)
        start = header + 30 + sum(lengths)
        packed = memoryview(content)[start : start + member.compress_size]
        raw: bytes = isal_zlib.decompress(packed, -15, member.file_size or 1)
        if len(raw) != member.file_size or isal_zlib.crc32(raw) != member.CRC:
            raise DataError(f"{source} is damaged: its content fails its checksum")
    except _BROKEN as error:
        raise DataError(f"{source} is damaged or is not a zip", hint="download it again") from error
    return raw


def _table(file: ArchiveFile, content: bytes, source: str) -> pl.DataFrame:
    """The rows as a polars table with the archive's column names."""
    raw = unzipped(content, source)
    first_line, _, rest = raw[:10_000].decode("utf-8", errors="replace").partition("\n")
    cells = [cell.strip().strip('"') for cell in first_line.lstrip("\ufeff").split(",")]
    headed = cells[0].isidentifier()
    row = rest.partition("\n")[0] if headed else first_line
    if not row.strip():
        return pl.DataFrame()
    expected = file.dataset.columns
    names = [cell.lower() for cell in cells] if headed else list(expected)
    missing = [name for name in expected if name not in names]
    width = row.count(",") + 1
    if missing or width != len(names):
        told = f"lacks {', '.join(missing)}" if missing else f"has {width} columns"
        raise DataError(f"{source} {told}, where {', '.join(expected)} are expected")
    wanted = {name: f"column_{names.index(name)}" for name in expected if name not in _UNUSED}
    floats = {column: pl.Float64 for name, column in wanted.items() if name not in _NO_NUMBERS}
    try:
        table = pl.read_csv(
            raw,
            has_header=False,
            skip_rows=int(headed),
            columns=list(wanted.values()),
            schema_overrides=floats,
            infer_schema_length=100,
            null_values=["null"],
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{source} is not the table it should be: {str(error).splitlines()[0]}"
        ) from error
    return table.rename({column: name for name, column in wanted.items()})


_UNUSED = {
    "close_time", "taker_buy_quote_volume", "ignore", "quote_qty", "event_time", "symbol",
    "sum_open_interest_value", "funding_interval_hours", "order_type", "time_in_force",
    "original_quantity", "order_status", "last_fill_quantity",
}  # fmt: skip
_NO_NUMBERS = {
    "open_time", "calc_time", "create_time", "transact_time", "transaction_time", "time", "timestamp",
    "side", "is_buyer_maker",
}  # fmt: skip


def _candles(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    columns = {name: numbers(table, name) for name in kind_of("klines").required}
    columns["quote_volume"] = numbers(table, "quote_volume")
    columns["trade_count"] = numbers(table, "count")
    columns["taker_buy_volume"] = numbers(table, "taker_buy_volume")
    return times(table, "open_time"), columns


def _closing_value(name: str) -> Callable[[ArchiveFile, pl.DataFrame], tuple[Times, Columns]]:
    """Mark, index and premium: the close of the bar, which held at the bar's end."""

    def read(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
        assert file.interval is not None
        return times(table, "open_time") + file.interval.ns, {name: numbers(table, "close")}

    return read


def _funding(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    return funding_columns(times(table, "calc_time"), numbers(table, "last_funding_rate"))


def _interest(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    values = numbers(table, "sum_open_interest")
    known = values > 0  # 0 is written where there was no snapshot
    return _period_end(file, table)[known], {"open_interest": values[known]}


def _ratios(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    columns = {
        "global_account_ratio": numbers(table, "count_long_short_ratio"),
        "top_account_ratio": numbers(table, "count_toptrader_long_short_ratio"),
        "top_position_ratio": numbers(table, "sum_toptrader_long_short_ratio"),
        "taker_volume_ratio": numbers(table, "sum_taker_long_short_vol_ratio"),
    }
    known = np.logical_or.reduce([np.isfinite(values) for values in columns.values()])
    return _period_end(file, table)[known], {n: values[known] for n, values in columns.items()}


def _period_end(file: ArchiveFile, table: pl.DataFrame) -> Times:
    """The end of each period of a day of metrics, under either meaning of its label.

    A file labelled by ends runs from 00:05 to 00:00 of the next day, one labelled by starts from 00:00
    to 23:55. Where a file shows neither edge, its day decides. A 00:00 that the neighbour's file
    repeats under the other meaning is therefore not taken for the same snapshot.
    """
    labels = times(table, "create_time")
    if file.day is None:
        return labels
    midnight = int(np.datetime64(file.day, "ns").astype(np.int64))
    at_start, at_end = bool((labels == midnight).any()), bool((labels == midnight + DAY_NS).any())
    starts = file.day >= _LABELS_START if at_start == at_end else at_start
    return labels + METRICS_PERIOD_NS if starts else labels


def _trades(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    columns = {
        "trade_id": numbers(table, "id"),
        "price": numbers(table, "price"),
        "quantity": numbers(table, "qty"),
        "buyer_is_maker": flags(table, "is_buyer_maker"),
    }
    return times(table, "time"), columns


def _agg_trades(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    columns = {
        "trade_id": numbers(table, "agg_trade_id"),
        "price": numbers(table, "price"),
        "quantity": numbers(table, "quantity"),
        "first_trade_id": numbers(table, "first_trade_id"),
        "last_trade_id": numbers(table, "last_trade_id"),
        "buyer_is_maker": flags(table, "is_buyer_maker"),
    }
    return times(table, "transact_time"), columns


def _book_ticker(file: ArchiveFile, table: pl.DataFrame) -> tuple[Times, Columns]:
    columns = {
        "update_id": numbers(table, "update_id"),
        "bid_price": numbers(table, "best_bid_price"),
        "bid_quantity": numbers(table, "best_bid_qty"),
        "ask_price": numbers(table, "best_ask_price"),
        "ask_quantity": numbers(table, "best_ask_qty"),
    }
    return times(table, "transaction_time"), columns


_READERS: Mapping[str, Callable[[ArchiveFile, pl.DataFrame], tuple[Times, Columns]]] = {
    "klines": _candles,
    "mark": _closing_value("mark_price"),
    "index": _closing_value("index_price"),
    "premium": _closing_value("premium"),
    "funding": _funding,
    "open_interest": _interest,
    "ratios": _ratios,
    "trades": _trades,
    "agg_trades": _agg_trades,
    "book_ticker": _book_ticker,
    "depth": lambda file, table: depth_columns(table),
    "liquidations": lambda file, table: liquidation_columns(table),
}
