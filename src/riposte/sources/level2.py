"""Recorded order-book days: a folder ``l2/<SYMBOL>-<YYYYMMDD>/`` as typed records, and its checks.

::

    depth.parquet        changes and snapshots, one row per level (U, u, pu, is_snapshot, side ...)
    trades.parquet       every trade                bookticker.parquet   best bid and ask
    markprice.parquet    mark and index price (may be absent)

Each stream has three times: when it happened at the exchange (the series' ``event_time``), when the
exchange sent it, and when it arrived by our own clock, which may be wrong by more than the way takes.
Trades that never met the book (``order_type`` other than MARKET: the insurance fund, deleveraging)
are kept apart: their prices are not the market's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from riposte.errors import DataError, InputError, StorageError
from riposte.market.book import Mask
from riposte.market.checks import Finding, in_unit
from riposte.market.cross_checks import (
    book_against_ticker,
    check_history,
    check_ticker,
    check_trades,
    clock_drift,
    sequence_breaks,
    trades_against_ticker,
)
from riposte.market.frame import Floats, Times
from riposte.market.instrument import parse_symbol
from riposte.market.replay import DepthChanges, make_depth_changes, replay
from riposte.market.series import Series, make_series
from riposte.sources.tables import Table, to_nanoseconds

_FOLDER = re.compile(r"([A-Z0-9]+)-(\d{8})")
_ON_BOOK = "MARKET"
_TIMES = ("local_ts_ns", "event_time")


@dataclass(frozen=True, slots=True)
class Stream:
    """A recorded series with the other two times of each row, ns UTC: ``sent_time`` by the
    exchange's clock, ``received_time`` by ours."""

    series: Series
    sent_time: Times
    received_time: Times


@dataclass(frozen=True, slots=True)
class Level2:
    """One recorded folder. ``off_book`` are the trades that never met the book; ``mark`` and
    ``index`` are None where they were not recorded."""

    symbol: str
    depth: DepthChanges
    trades: Stream
    off_book: Stream
    ticker: Stream
    mark: Stream | None
    index: Stream | None


def read_level2(folder: Path) -> Level2:
    """The streams of one folder.

    Raises:
        InputError: if it is not such a folder, or one of the three files it needs is not there.
        StorageError: if a file may not be read.
        DataError: if a file is damaged, lacks columns, or its rows are out of order or repeated.
    """
    record, _ = _read(folder)
    return replace(
        record,
        trades=_sound(folder / "trades.parquet", record.trades),
        off_book=_sound(folder / "trades.parquet", record.off_book),
        ticker=_sound(folder / "bookticker.parquet", record.ticker),
        mark=record.mark and _sound(folder / "markprice.parquet", record.mark),
        index=record.index and _sound(folder / "markprice.parquet", record.index),
    )


def _sound(path: Path, stream: Stream) -> Stream:
    raw = stream.series
    try:
        series = make_series(raw.kind, raw.symbol, raw.interval, raw.event_time, raw.columns)
    except DataError as error:
        raise DataError(
            f"{path}: {error.message}", hint="check the folder to see which rows are out of order"
        ) from error
    return replace(stream, series=series)


def check_level2(folder: Path) -> tuple[Finding, ...]:
    """Everything that one folder's streams say about themselves and one another, errors first.

    Sequence of the changes, the rebuilt book (crossed prices, impossible levels, the recorded best
    bid and ask at the same update), the clock, order and gaps of the trades, and their prices
    against the best bid and ask.

    Raises: as :func:`read_level2`, but out-of-order rows are findings.
    """
    record, every_trade = _read(folder)
    history = replay(record.depth)
    trades, ticker = _ordered(record.trades.series), _ordered(record.ticker.series)
    clock = clock_drift(
        record.depth.sent_time,
        record.depth.received_time,
        symbol=record.symbol,
        stream="depth_changes",
    )
    findings = (
        *sequence_breaks(record.depth),
        *check_history(record.depth, history),
        *check_trades(every_trade),
        *check_ticker(record.ticker.series),
        *book_against_ticker(history, ticker).findings,
        *trades_against_ticker(trades, ticker).findings,
        *clock.findings,
    )
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.severity]))


def _read(folder: Path) -> tuple[Level2, Series]:
    """The folder as it is, unchecked, and all its trades together in order of arrival."""
    symbol = _symbol_of(folder)
    every, on_book = _trades(folder / "trades.parquet", symbol)
    mark_file = folder / "markprice.parquet"
    mark, index = _mark(mark_file, symbol) if mark_file.exists() else (None, None)
    record = Level2(
        symbol,
        _depth(folder / "depth.parquet", symbol),
        _rows_of(every, on_book),
        _rows_of(every, ~on_book),
        _ticker(folder / "bookticker.parquet", symbol),
        mark,
        index,
    )
    return record, every.series


def _symbol_of(folder: Path) -> str:
    named = _FOLDER.fullmatch(folder.name)
    if named is None or not folder.is_dir():
        raise InputError(
            f"{folder} is not a recorded order book: it is a folder named like BTCUSDT-20240718"
        )
    return parse_symbol(named[1])


def _depth(path: Path, symbol: str) -> DepthChanges:
    table = _table(
        path, (*_TIMES, "trans_time", "U", "u", "pu", "is_snapshot", "side", "price", "qty")
    )
    is_snapshot = _flags(table, "is_snapshot")
    rows = {
        "event_time": _moments(table, "trans_time"),
        "sent_time": _moments(table, "event_time"),
        "received_time": _moments(table, "local_ts_ns", unit="ns"),
        "final_id": _numbers_of(table, "u"),
        "first_id": _numbers_of(table, "U", absent=is_snapshot),
        "previous_id": _numbers_of(table, "pu", absent=is_snapshot),
    }
    side = table.columns["side"]
    known = side.is_in(["a", "b"]).fill_null(False)
    if not known.all():
        row = int((~known).arg_max() or 0)
        raise DataError(f"{path}: side {side[row]!r} in row {row + 1} is neither 'b' nor 'a'")
    is_bid = (side == "b").to_numpy()
    return make_depth_changes(
        symbol, rows, is_snapshot, is_bid, table.numbers("price"), table.numbers("qty")
    )


def _trades(path: Path, symbol: str) -> tuple[Stream, Mask]:
    """Every trade, and which of them met the book."""
    table = _table(path, (*_TIMES, "trade_time", "trade_id", "price", "qty", "is_buyer_maker"))
    columns = {
        "trade_id": _numbers_of(table, "trade_id").astype(np.float64),
        "price": table.numbers("price"),
        "quantity": table.numbers("qty"),
        "buyer_is_maker": _flags(table, "is_buyer_maker").astype(np.float64),
    }
    on_book = np.ones(table.rows, dtype=np.bool_)
    if "order_type" in table.columns:
        on_book = (table.columns["order_type"] == _ON_BOOK).fill_null(False).to_numpy()
    return _stream(table, "trades", symbol, "trade_time", columns), on_book


def _ticker(path: Path, symbol: str) -> Stream:
    table = _table(path, (*_TIMES, "trans_time", "update_id", "bid", "bid_qty", "ask", "ask_qty"))
    columns = {
        "update_id": _numbers_of(table, "update_id").astype(np.float64),
        "bid_price": table.numbers("bid"),
        "bid_quantity": table.numbers("bid_qty"),
        "ask_price": table.numbers("ask"),
        "ask_quantity": table.numbers("ask_qty"),
    }
    return _stream(table, "book_ticker", symbol, "trans_time", columns)


def _mark(path: Path, symbol: str) -> tuple[Stream, Stream]:
    table = _table(path, (*_TIMES, "mark_price", "index_price"))
    mark, index = (
        _stream(
            table, kind, symbol, "event_time", {f"{kind}_price": table.numbers(f"{kind}_price")}
        )
        for kind in ("mark", "index")
    )
    return mark, index


def _stream(
    table: Table, kind: str, symbol: str, time: str, columns: Mapping[str, Floats]
) -> Stream:
    series = Series(kind, symbol, None, _moments(table, time), columns)
    return Stream(series, _moments(table, "event_time"), _moments(table, "local_ts_ns", unit="ns"))


def _rows_of(stream: Stream, chosen: Mask) -> Stream:
    series = stream.series
    columns = {name: values[chosen] for name, values in series.columns.items()}
    return Stream(
        Series(series.kind, series.symbol, None, series.event_time[chosen], columns),
        stream.sent_time[chosen],
        stream.received_time[chosen],
    )


def _ordered(series: Series) -> Series:
    """In order of time and number, each once, so that what is compared with it makes sense."""
    key = "update_id" if series.kind == "book_ticker" else "trade_id"
    order = np.lexsort((series[key], series.event_time))
    fresh = np.append(True, np.diff(series[key][order]) != 0)[: len(order)]
    rows = order[fresh]
    columns = {name: values[rows] for name, values in series.columns.items()}
    return make_series(series.kind, series.symbol, None, series.event_time[rows], columns)


def _table(path: Path, wanted: tuple[str, ...]) -> Table:
    """The columns of a file by their exact names: ``U`` and ``u`` are two."""
    try:
        frame = pl.from_arrow(pq.read_table(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"there is no file {path}") from error
    except PermissionError as error:
        raise StorageError(f"no permission to read {path}") from error
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path} is damaged or is not a parquet file",
            hint="get the file again: it may have been cut off on the way",
        ) from error
    assert isinstance(frame, pl.DataFrame)
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        plural = "s" if len(absent) > 1 else ""
        raise DataError(f"{path}: missing column{plural} {', '.join(absent)}")
    if frame.height == 0:
        raise DataError(f"{path} holds no rows")
    return Table(path, {name: frame[name] for name in frame.columns}, frame.height)


def _moments(table: Table, name: str, unit: str = "ms") -> Times:
    """A column of times in ns, written as whole milliseconds or nanoseconds."""
    values, _ = table.times(name)
    wrong = ~in_unit(values, "ns" if unit == "ns" else "ms")
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{table.path}: {name} {int(values[row])} in row {row + 1} is not a time in {unit}"
        )
    return to_nanoseconds(values, unit)


def _numbers_of(table: Table, name: str, absent: Mask | None = None) -> Times:
    """A column of whole numbers; -1 where ``absent`` rows have none."""
    values = table.columns[name]
    if values.dtype.is_float():
        values = values.fill_nan(None)
        if (values.drop_nulls() % 1 != 0).any():
            raise DataError(f"{table.path}: column {name!r} holds numbers that are not whole")
    elif not values.dtype.is_integer():
        raise DataError(f"{table.path}: column {name!r} holds {values.dtype} values, not numbers")
    wrong = values.is_null().to_numpy() & (True if absent is None else ~absent)
    if wrong.any():
        raise DataError(f"{table.path}: {name} has no number in row {int(np.argmax(wrong)) + 1}")
    return values.fill_null(-1).cast(pl.Int64).to_numpy().astype(np.int64)


def _flags(table: Table, name: str) -> Mask:
    values = table.columns[name]
    if values.dtype != pl.Boolean or values.null_count():
        raise DataError(f"{table.path}: column {name!r} is not true or false in every row")
    return np.asarray(values.to_numpy(), dtype=np.bool_)
