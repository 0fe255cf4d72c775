"""Columns of archive tables as arrays: numbers, times, flags, and tables that change their shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from riposte.errors import DataError
from riposte.market.assemble import settlement_time
from riposte.market.checks import Finding, time_unit
from riposte.market.frame import Floats, Times
from riposte.market.series import DEPTH_BANDS, NEAR_BAND, Series, format_time, kind_of
from riposte.sources.tables import to_nanoseconds

Columns = dict[str, Floats]


def numbers(table: pl.DataFrame, name: str) -> Floats:
    """A column as float64, NaN where there is no value; refuses text."""
    values = table[name]
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    values = values.cast(pl.Float64)
    return (values.fill_null(float("nan")) if values.null_count() else values).to_numpy()


def flags(table: pl.DataFrame, name: str) -> Floats:
    """A column of true and false as 1 and 0."""
    values = table[name]
    if values.dtype == pl.String:
        lower = values.str.to_lowercase()
        odd = lower.filter(~lower.is_in(["true", "false"]))
        if len(odd):
            raise DataError(f"column {name!r} holds {odd[0]!r} where true or false is expected")
        values = lower == "true"
    return values.cast(pl.Float64).to_numpy()


def times(table: pl.DataFrame, name: str) -> Times:
    """A column of times in ns: numbers in ms or µs, told by their size, or ``2024-01-31 12:00:00``."""
    values = table[name]
    if values.null_count():
        raise DataError(f"column {name!r} has rows without a time")
    if values.dtype == pl.String:
        return values.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ns").to_physical().to_numpy()
    whole = values.cast(pl.Int64).to_numpy()
    unit = time_unit(whole)
    if unit is None:
        raise DataError(f"column {name!r} holds numbers that are not times of one unit")
    return to_nanoseconds(whole, unit)


def funding_columns(calc_time: Times, rate: Floats) -> tuple[Times, Columns]:
    """Settlements at their second: the exchange computes them a few milliseconds after it.

    Archive and REST may differ in the milliseconds; a settlement must not be charged twice for that.
    """
    return settlement_time(calc_time), {"funding_rate": rate}


def depth_columns(table: pl.DataFrame) -> tuple[Times, Columns]:
    """One row for each snapshot from one row for each band; bids are the bands below zero."""
    stamped = times(table, "timestamp")
    band = np.round(numbers(table, "percentage") * 100).astype(np.int64)
    moments, row = np.unique(stamped, return_inverse=True)
    columns: Columns = {}
    for name, size in ((NEAR_BAND, 20), *((each, int(each) * 100) for each in DEPTH_BANDS)):
        for side, sign in (("bid", -1), ("ask", 1)):
            here = band == sign * size
            for what, source in (("quantity", "depth"), ("notional", "notional")):
                values = np.full(len(moments), np.nan)
                values[row[here]] = numbers(table, source)[here]
                columns[f"{side}_{what}_{name}pct"] = values
    return moments, columns


def liquidation_columns(table: pl.DataFrame) -> tuple[Times, Columns]:
    """USDT forced to sell (longs) and to buy (shorts), summed for each millisecond.

    The archive wrote every row twice for long stretches (#259): equal rows count once.
    """
    once = table.unique(maintain_order=True)
    stamped = times(once, "time")
    price = numbers(once, "average_price")
    price = np.where(price > 0, price, numbers(once, "price"))
    notional = price * numbers(once, "accumulated_fill_quantity")
    sold = (once["side"].str.to_uppercase() == "SELL").to_numpy()
    moments, row = np.unique(stamped, return_inverse=True)
    return moments, {
        "long_liquidations": _summed(row, np.where(sold, notional, 0.0), len(moments)),
        "short_liquidations": _summed(row, np.where(sold, 0.0, notional), len(moments)),
    }


def _summed(row: Times, values: Floats, rows: int) -> Floats:
    return np.bincount(row, values, rows).astype(np.float64)


def ordered(raw: Series) -> tuple[Series, tuple[Finding, ...]]:
    """The rows in time order, each moment (and key) once, none without a value it must have.

    Of several rows of one moment the last in the file counts. What was done is told.
    """
    kind = kind_of(raw.kind)
    keys = raw.columns.get(kind.key)
    steps = np.diff(raw.event_time)
    sorted_already = bool((steps > 0).all()) if keys is None else False
    series, findings = raw, []
    if not sorted_already:
        order = np.lexsort((raw.event_time,) if keys is None else (keys, raw.event_time))
        sorted_times = raw.event_time[order]
        same = np.diff(sorted_times) == 0
        if keys is not None:
            same &= np.diff(keys[order]) == 0
        keep = order[np.append(~same, True)] if len(order) else order
        backward = int((steps < 0).sum())
        if backward:
            findings.append(_told(raw, "unsorted", backward, "rows out of order, put in order"))
        if same.any():
            what = "rows of a moment that has a later row, left out"
            findings.append(_told(raw, "duplicate", int(same.sum()), what))
        series = _taken(raw, keep)
    required = [name for name in kind.required if name in series.columns]
    known = np.ones(len(series), dtype=np.bool_)
    for name in required:
        known &= ~np.isnan(series[name])
    if not known.all():
        lacking = int((~known).sum())
        what = f"rows without {' or '.join(required[:3])}, left out"
        findings.append(_told(raw, "missing-value", lacking, what))
        series = _taken(series, np.flatnonzero(known))
    return series, tuple(findings)


def _taken(series: Series, rows: Times) -> Series:
    columns = {name: values[rows] for name, values in series.columns.items()}
    return replace(series, event_time=series.event_time[rows], columns=columns)


def _told(series: Series, code: str, count: int, what: str) -> Finding:
    first = int(series.event_time.min())
    message = f"{series.title}: {what}: {count} in the file from {format_time(first)}"
    return Finding("note", code, series.symbol, series.kind, series.interval, message, first, count)
