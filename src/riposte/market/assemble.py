"""From recorded series to the market frame: every value at the first bar close that could know it.

A column is joined by one of three rules:

* **at the close** (mark, index and premium price): the last value that held in the bar, provided it
  is the one of the close; a bar without it stays NaN;
* **carried** (funding rate, open interest, ratios, depth of the book): the last value that was *published* by the close
  (event time plus the column's delay), for as long as the column's policy carries it, then NaN;
* **summed over the bar** (funding charges, liquidations): what happened in ``(open_time,
  close_time]``;
* **bar by bar** (order book and trades, from :mod:`riposte.market.book_bars` and
  :mod:`riposte.market.trade_bars`): the row of the same bar, or of its parts; a bar without all of
  them stays NaN.

Delays and carrying times are those of :data:`riposte.market.frame.COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from riposte.errors import DataError, InputError
from riposte.market.book_bars import ticker_bars
from riposte.market.frame import (
    COLUMNS,
    Bars,
    Column,
    Floats,
    Gather,
    MarketFrame,
    Times,
    make_frame,
)
from riposte.market.interval import HOUR_NS, SECOND_NS, Interval
from riposte.market.series import Series, make_series
from riposte.market.trade_bars import trade_bars


def assemble(
    symbol: str, interval: Interval, series: Mapping[str, Series], bars: Iterable[Bars] = ()
) -> MarketFrame:
    """The market frame of one symbol from its series, by kind.

    ``series["klines"]`` is needed, in ``interval`` or a finer one that divides it; all other kinds
    are optional, and what they would have given is NaN. ``trades`` or ``agg_trades`` give the
    columns of trades, ``book_ticker`` those of the best bid and ask; ``bars`` are columns made bar
    by bar elsewhere, in ``interval`` or a finer one that divides it, and go before what the series
    give.

    Raises:
        DataError: if there are no candles, or a series or bars belong to another symbol or kind.
        InputError: if the candles or bars are coarser than ``interval`` or do not divide it.
    """
    for kind, each in series.items():
        if each.kind != kind or each.symbol != symbol:
            raise DataError(f"{symbol} {kind}: the series given is {each.title}")
    if "klines" not in series or len(series["klines"]) == 0:
        raise DataError(f"{symbol} {interval}: no bars")
    klines = resample(series["klines"], interval)
    close_time = klines.event_time + interval.ns
    columns: dict[str, Floats] = dict(klines.columns)
    for kind in ("mark", "index", "premium"):
        if kind in series:
            for name, values in series[kind].columns.items():
                columns[name] = at_close(series[kind], values, close_time, interval)
    for kind in ("open_interest", "ratios", "depth"):
        if kind in series:
            times, spacing = series[kind].event_time, series[kind].interval
            for name in series[kind].columns.keys() & COLUMNS.keys():
                values = series[kind][name]
                columns[name] = carried(times, values, close_time, COLUMNS[name], spacing)
    if "funding" in series:
        columns.update(_funding_columns(series["funding"], close_time, interval))
    if "liquidations" in series:
        columns.update(_liquidation_columns(series["liquidations"], close_time, interval))
    columns.update(_bar_by_bar(series, bars, klines))
    return make_frame(symbol, interval, klines.event_time, columns)


def _bar_by_bar(
    series: Mapping[str, Series], bars: Iterable[Bars], klines: Series
) -> dict[str, Floats]:
    """The columns of trades and of the book in the bars of the candles."""
    interval = klines.interval
    assert interval is not None  # they were resampled to it
    made = [
        trade_bars(series[kind], interval) for kind in ("agg_trades", "trades") if kind in series
    ]
    if "book_ticker" in series:
        made.append(ticker_bars(series["book_ticker"], interval))
    columns: dict[str, Floats] = {}
    for each in (*made, *bars):
        if each.symbol != klines.symbol:
            raise DataError(f"{klines.symbol} {interval}: bars of {each.symbol} were given")
        columns.update(joined(each, klines.event_time, interval))
    return columns


def resample(klines: Series, interval: Interval) -> Series:
    """Candles of a coarser interval from finer ones; only bars whose every part is there.

    The coarse bars lie on the exchange's grid (multiples of the interval since 1970, UTC).

    Raises:
        InputError: if the candles are coarser than ``interval`` or do not divide it.
    """
    finer = klines.interval
    if finer is None or interval.ns % finer.ns:
        raise InputError(
            f"{klines.title}: {interval} bars cannot be made of {finer} bars: "
            f"import an interval that divides {interval}"
        )
    parts = interval.ns // finer.ns
    if parts == 1:
        return klines
    starts = whole_bars(klines.event_time, finer, interval)
    columns = {
        name: gathered(values, starts, parts, COLUMNS[name].gather)
        for name, values in klines.columns.items()
    }
    return make_series("klines", klines.symbol, interval, klines.event_time[starts], columns)


def whole_bars(open_time: Times, finer: Interval, coarser: Interval) -> Times:
    """The first row of each coarse bar of which every part is there, int64."""
    parts = coarser.ns // finer.ns
    bar = open_time // coarser.ns
    starts = np.flatnonzero(np.diff(bar, prepend=bar[:1] - 1))
    complete = np.diff(np.append(starts, len(open_time))) == parts
    return np.asarray(starts[complete], dtype=np.int64)


def gathered(values: Floats, starts: Times, parts: int, gather: Gather) -> Floats:
    """The value of each coarse bar from its ``parts`` rows that begin at ``starts``."""
    if gather == "first":
        return values[starts]
    if gather == "last":
        return values[starts + parts - 1]
    rows = values[starts[:, None] + np.arange(parts)]
    if gather == "mean":  # the parts are equally long
        return np.asarray(rows.mean(axis=1), dtype=np.float64)
    if gather == "highest":
        return np.asarray(rows.max(axis=1), dtype=np.float64)
    if gather == "lowest":
        return np.asarray(rows.min(axis=1), dtype=np.float64)
    return np.asarray(rows.sum(axis=1), dtype=np.float64)


def joined(bars: Bars, open_time: Times, interval: Interval) -> dict[str, Floats]:
    """The columns of ``bars`` for the bars of ``interval`` that open at ``open_time``.

    Raises:
        InputError: if they are coarser than ``interval`` or do not divide it.
    """
    if interval.ns % bars.interval.ns:
        raise InputError(
            f"{bars.symbol}: {interval} bars cannot be made of {bars.interval} bars of the book "
            "or of trades"
        )
    starts = whole_bars(bars.open_time, bars.interval, interval)
    parts = interval.ns // bars.interval.ns
    opens = bars.open_time[starts]
    _, row, source = np.intersect1d(open_time, opens, assume_unique=True, return_indices=True)
    found: dict[str, Floats] = {}
    for name, values in bars.columns.items():
        found[name] = np.full(len(open_time), np.nan)
        found[name][row] = gathered(values, starts, parts, COLUMNS[name].gather)[source]
    return found


def at_close(prices: Series, values: Floats, close_time: Times, interval: Interval) -> Floats:
    """The value that held at each close: at most one bar (of the finer of the two) old, else NaN.

    Prices without a spacing may be three seconds old where bars are shorter than that.
    """
    if prices.interval is None:  # sent about once a second
        spacing = max(interval.ns, 3 * SECOND_NS)
    else:
        spacing = min(prices.interval.ns, interval.ns)
    return _last_known(prices.event_time, values, close_time, spacing - 1)


def carried(
    event_time: Times,
    values: Floats,
    close_time: Times,
    column: Column,
    spacing: Interval | None = None,
) -> Floats:
    """The last value published by each close, for ``column.carry_ns`` after its publication, or
    until the next one is due where the series is spaced wider than that."""
    longest = max(column.carry_ns, spacing.ns if spacing else 0)
    return _last_known(event_time + column.delay_ns, values, close_time, longest)


def summed(event_time: Times, values: Floats, close_time: Times, interval_ns: int) -> Floats:
    """The sum of the values with event time in ``(close_time - interval, close_time]``."""
    row = np.searchsorted(close_time, event_time, side="left")
    inside = row < len(close_time)
    inside[inside] = event_time[inside] > close_time[row[inside]] - interval_ns
    sums = np.bincount(row[inside], weights=values[inside], minlength=len(close_time))
    return sums.astype(np.float64)


def _last_known(known_time: Times, values: Floats, at: Times, longest_ns: int) -> Floats:
    """As-of join: the last finite value with ``known_time <= at``, not older than ``longest_ns``."""
    finite = np.isfinite(values)
    known_time, values = known_time[finite], values[finite]
    out = np.full(len(at), np.nan)
    if len(values) == 0:
        return out
    row = np.searchsorted(known_time, at, side="right") - 1
    found = row >= 0
    found[found] = at[found] - known_time[row[found]] <= longest_ns
    out[found] = values[row[found]]
    return out


def settlement_time(event_time: Times) -> Times:
    """The second of a settlement: the exchange stamps them a few milliseconds late."""
    return event_time // SECOND_NS * SECOND_NS


def _funding_columns(funding: Series, close_time: Times, interval: Interval) -> dict[str, Floats]:
    """Rate, charge and age. Where no settlement is known within the carrying time all are NaN, so
    that an hour without a charge is told from an hour nothing is known about."""
    settled = settlement_time(funding.event_time)
    rate = funding["funding_rate"]
    age = COLUMNS["hours_since_funding"]
    last = carried(settled, settled.astype(np.float64), close_time, age)  # whole seconds: exact
    hours = (close_time - last) / HOUR_NS
    charge = np.where(np.isnan(last), np.nan, summed(settled, rate, close_time, interval.ns))
    return {
        "funding_rate": carried(settled, rate, close_time, COLUMNS["funding_rate"]),
        "funding_charge": charge,
        "hours_since_funding": hours,
    }


def _liquidation_columns(
    forced: Series, close_time: Times, interval: Interval
) -> dict[str, Floats]:
    """Forced orders per bar: 0 where none, NaN for bars before the record starts or after it ends."""
    if len(forced) == 0:
        return {}
    covered = (close_time - interval.ns >= forced.event_time[0]) & (
        close_time <= forced.event_time[-1]
    )
    return {
        name: np.where(covered, summed(forced.event_time, values, close_time, interval.ns), np.nan)
        for name, values in forced.columns.items()
    }
