"""Series for the tests of the stores, across the border of a month."""

from __future__ import annotations

import numpy as np

from riposte.market.interval import HOUR_NS, INTERVALS, MINUTE_NS, Interval
from riposte.market.series import KINDS, Series, kind_of, make_series

HOUR, MINUTE = INTERVALS["1h"], INTERVALS["1m"]
START = int(np.datetime64("2024-01-30T00:00", "ns").astype(np.int64))


def interest(first_hour: int, values: list[float] | np.ndarray, symbol: str = "BTCUSDT") -> Series:
    times = START + (first_hour + np.arange(len(values), dtype=np.int64)) * HOUR_NS
    columns = {"open_interest": np.array(values, dtype=float)}
    return make_series("open_interest", symbol, HOUR, times, columns)


def candles(rows: int) -> Series:
    chance = np.random.default_rng(1)
    names = ("open", "high", "low", "close", "volume", "trade_count")
    times = START + np.arange(rows, dtype=np.int64) * MINUTE_NS
    columns = {name: chance.normal(size=rows) for name in names}
    columns["trade_count"][::7] = np.nan
    return make_series("klines", "BTCUSDT", MINUTE, times, columns)


def any_rows(kind: str, times: np.ndarray, symbol: str = "BTCUSDT", seed: int = 1) -> Series:
    chance = np.random.default_rng(seed)
    columns = {name: chance.normal(size=len(times)) for name in KINDS[kind].columns}
    for values in columns.values():
        values[chance.random(len(times)) < 0.1] = np.nan
    if key := KINDS[kind].key:
        columns[key] = np.arange(len(times), dtype=float)
    return make_series(kind, symbol, interval_of(kind), times, columns)


def interval_of(kind: str) -> Interval | None:
    return None if kind == "funding" or KINDS[kind].key else HOUR


def same(one: Series, other: Series) -> bool:
    """Whether two series are the same, byte by byte; all NaN are alike."""
    return (
        (one.kind, one.symbol, one.interval) == (other.kind, other.symbol, other.interval)
        and one.event_time.tobytes() == other.event_time.tobytes()
        and list(one.columns) == list(other.columns)
        and all(np.array_equal(one[name], other[name], equal_nan=True) for name in one.columns)
    )


def with_values(series: Series) -> Series:
    """The series without the columns that have no value; a series of nothing else has any of them."""
    some = {name: each for name, each in series.columns.items() if not np.isnan(each).all()}
    if not some:
        some = {name: np.full(len(series), np.nan) for name in kind_of(series.kind).columns}
    required = {name: series[name] for name in kind_of(series.kind).required}
    return make_series(
        series.kind, series.symbol, series.interval, series.event_time, required | some
    )
