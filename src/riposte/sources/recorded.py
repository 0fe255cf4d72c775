"""Recorded files as series: what each column means, in which unit its times are, whether it is sound.

Understood are Parquet, Feather and CSV files with the names that the exchange's archive, its REST
interface, freqtrade and this project use. What a file does not say (symbol, interval, kind) is taken
from its name, as in ``BTCUSDT-1h.parquet`` or ``BTC_USDT_USDT-1h-futures.feather``, or is given.

A file that is not sound is refused whole, in one sentence, before anything is stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from riposte.errors import DataError, InputError
from riposte.market.assemble import settlement_time
from riposte.market.checks import UNIT_NAMES, Finding, Unit, check, in_unit, time_unit
from riposte.market.frame import Floats, Times
from riposte.market.instrument import parse_symbol
from riposte.market.interval import INTERVALS, Interval
from riposte.market.series import Series, kind_of, make_series
from riposte.sources.tables import Table, read_table, to_nanoseconds

_TIME_NAMES = (
    "event_time",
    "open_time",
    "funding_time",
    "calc_time",
    "timestamp",
    "date",
    "datetime",
    "time",
    "create_time",
)
# Other names of our columns: the exchange's archive, its REST interface, freqtrade, ccxt.
_ALIASES = {
    "quote_volume": ("quote_asset_volume", "quotevolume"),
    "trade_count": ("count", "trades", "number_of_trades"),
    "taker_buy_volume": (
        "taker_buy_base_asset_volume",
        "taker_buy_base_volume",
        "taker_base_vol",
    ),
    "mark_price": ("markprice",),
    "index_price": ("indexprice",),
    "premium": ("premium_index",),
    "funding_rate": ("last_funding_rate", "fundingrate"),
    "open_interest": ("sum_open_interest", "openinterest"),
    "global_account_ratio": ("count_long_short_ratio",),
    "top_account_ratio": ("count_toptrader_long_short_ratio",),
    "top_position_ratio": ("sum_toptrader_long_short_ratio",),
    "taker_volume_ratio": ("sum_taker_long_short_vol_ratio",),
}
# Kinds that come as events, not at a steady pace.
_EVENTS = ("funding", "liquidations", "depth", "book_ticker", "trades", "agg_trades")
# A value of these kinds is stamped with the opening of the bar it closes: it held at the bar's end.
# A file of ours says event_time and means the moment itself.
_STAMPED_AT_OPEN = ("mark", "index", "premium")
# Kinds told by a word in the name of the file or of its folder.
_WORDS = {
    "mark": "mark",
    "markpriceklines": "mark",
    "indexpriceklines": "index",
    "premiumindexklines": "premium",
    "funding": "funding",
    "funding_rate": "funding",
    "fundingrate": "funding",
    "open_interest": "open_interest",
}
_QUOTES = "USDT|USDC|FDUSD|BUSD"
_NAMED = re.compile(rf"([A-Z0-9]+?)_?({_QUOTES})(?:_\2)?(?=$|[-_.])")


@dataclass(frozen=True, slots=True)
class Reading:
    """A sound series and what was noticed about it (warnings and notes)."""

    series: Series
    findings: tuple[Finding, ...]


def read_series(
    path: Path,
    *,
    kind: str | None = None,
    symbol: str | None = None,
    interval: Interval | None = None,
    unit: Unit = "ms",
    repair: bool = False,
) -> Series:
    """The series of one file; :func:`read_checked` without its findings."""
    reading = read_checked(
        path, kind=kind, symbol=symbol, interval=interval, unit=unit, repair=repair
    )
    return reading.series


def read_checked(
    path: Path,
    *,
    kind: str | None = None,
    symbol: str | None = None,
    interval: Interval | None = None,
    unit: Unit = "ms",
    repair: bool = False,
) -> Reading:
    """The series of one file, and the findings about it.

    ``unit`` is the unit of times written as bare numbers. ``repair`` sorts the rows and keeps one
    of identical ones, with a finding, where they would otherwise be refused.

    Raises:
        InputError: if there is no such file, it is a folder, its kind of file is not known, or it
            does not say its symbol, interval or kind and none was given.
        StorageError: if the file may not be read.
        DataError: if it is empty, damaged, lacks columns, or holds data with errors.
    """
    table = read_table(path)
    kind = kind or _kind_in(table)
    symbol = parse_symbol(symbol) if symbol else _symbol_in(table)
    times = _times_in(table, unit)
    interval = None if kind in _EVENTS else interval or _interval_in(path, times)
    columns = _columns_in(table, kind)
    if kind in _STAMPED_AT_OPEN and interval is not None and "event_time" not in table.columns:
        times = times + interval.ns
    if kind == "funding":
        times = settlement_time(times)
    raw = Series(kind, symbol, interval, times, columns)
    repaired: tuple[Finding, ...] = ()
    if repair:
        raw, repaired = _repaired(raw)
    findings = check(raw)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(f"{path}: {errors[0].message}{more}", hint=_remedy(errors[0]))
    series = make_series(kind, symbol, interval, raw.event_time, raw.columns)
    return Reading(series, (*repaired, *findings))


def _remedy(error: Finding) -> str:
    if error.code in ("unsorted", "duplicate"):
        return "import it with repair to sort the rows and keep one of each"
    return "correct the file or get it again; nothing of it was stored"


def _repaired(raw: Series) -> tuple[Series, tuple[Finding, ...]]:
    """The rows in time order, one of identical ones; conflicting ones stay and are refused."""
    rows = np.column_stack([raw.event_time.view(np.float64), *raw.columns.values()])
    order = np.argsort(raw.event_time, kind="stable")
    times = raw.event_time[order]
    bits = np.ascontiguousarray(rows[order]).view(np.int64)
    repeated = np.append(False, (bits[1:] == bits[:-1]).all(axis=1))
    moved = int((order != np.arange(len(order))).sum())
    if not moved and not repeated.any():
        return raw, ()
    keep = order[~repeated]
    columns = {name: values[keep] for name, values in raw.columns.items()}
    what = f"{moved} rows were put in order and {int(repeated.sum())} repeated rows left out"
    finding = Finding(
        "warning",
        "repaired",
        raw.symbol,
        raw.kind,
        raw.interval,
        f"{raw.title}: {what}",
        int(times[0]),
        moved + int(repeated.sum()),
    )
    return replace(raw, event_time=raw.event_time[keep], columns=columns), (finding,)


def _kind_in(table: Table) -> str:
    """The kind of series, from the columns, else from the name of the file or its folder."""
    for kind in ("mark", "index", "premium", "funding", "open_interest"):
        if all(_source_name(table, name) for name in kind_of(kind).required):
            return kind
    if {"open", "high", "low", "close"} <= table.columns.keys():
        words = re.split(r"[-.]", table.path.stem.lower())
        return next((_WORDS[w] for w in (*words, table.path.parent.name) if w in _WORDS), "klines")
    wanted = ", ".join(kind_of("klines").required)
    present = ", ".join(table.columns)
    raise DataError(f"{table.path}: missing columns for candles ({wanted}), it has {present}")


def _symbol_in(table: Table) -> str:
    if "symbol" in table.columns:
        named = table.columns["symbol"].unique().to_list()
        if len(named) != 1:
            raise DataError(f"{table.path} holds {len(named)} symbols: split it, one file for each")
        return parse_symbol(str(named[0]))
    match = _NAMED.match(table.path.stem.upper())
    if match is None:
        raise InputError(
            f"{table.path} does not say its symbol: name it like BTCUSDT-1h{table.path.suffix} "
            "or give the symbol"
        )
    return match[1] + match[2]


def _interval_in(path: Path, times: Times) -> Interval:
    """The interval in the file's name, else the most frequent step."""
    for word in re.split(r"[-_.]", path.stem):
        if word in INTERVALS:
            return INTERVALS[word]
    if len(times) > 1:
        steps, counts = np.unique(np.diff(times), return_counts=True)
        usual = int(steps[np.argmax(counts)])
        for interval in INTERVALS.values():
            if interval.ns == usual:
                return interval
    raise InputError(
        f"{path} does not say its interval: name it like BTCUSDT-1h{path.suffix} or give the "
        f"interval, one of {', '.join(INTERVALS)}"
    )


def _times_in(table: Table, unit: Unit) -> Times:
    """The times in ns; bare numbers that are not in ``unit`` by their magnitude are refused."""
    name = next((name for name in _TIME_NAMES if name in table.columns), None)
    if name is None:
        raise DataError(
            f"{table.path}: missing column for the time, one of {', '.join(_TIME_NAMES)}"
        )
    values, are_dates = table.times(name)
    if are_dates:
        return values
    wrong = np.flatnonzero(~in_unit(values, unit))
    if len(wrong):
        row = int(wrong[0])
        number = f"{int(values[row])} in row {row + 1}"
        other = time_unit(values[row : row + 1])
        if other is None:
            raise DataError(f"{table.path}: column {name!r} holds {number}, which is not a time")
        raise DataError(
            f"{table.path}: times in column {name!r} are in {UNIT_NAMES[other]} ({number}), "
            f"where {UNIT_NAMES[unit]} are expected",
            hint=f"convert them to {UNIT_NAMES[unit]}",
        )
    return to_nanoseconds(values, unit)


def _source_name(table: Table, column: str) -> str | None:
    """What the file calls our column."""
    names = (column, *_ALIASES.get(column, ()))
    return next((name for name in names if name in table.columns), None)


def _columns_in(table: Table, kind: str) -> dict[str, Floats]:
    wanted = kind_of(kind)
    found = {name: _source_name(table, name) for name in wanted.columns}
    if kind in _STAMPED_AT_OPEN and found[wanted.required[0]] is None:
        found[wanted.required[0]] = _source_name(table, "close")
    if kind == "funding" and found["funding_rate"] is None:
        found["funding_rate"] = _source_name(table, "open")  # freqtrade's funding "candles"
    absent = [name for name in wanted.required if found[name] is None]
    if absent:
        plural = "s" if len(absent) > 1 else ""
        raise DataError(
            f"{table.path}: missing column{plural} {', '.join(absent)}, "
            f"it has {', '.join(table.columns)}"
        )
    columns = {name: table.numbers(source) for name, source in found.items() if source}
    if not columns:
        raise DataError(f"{table.path}: none of the columns {', '.join(wanted.columns)}")
    return columns
