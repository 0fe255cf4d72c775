"""What single trades say beyond a candle, bar by bar: sides, sizes, large orders, the way of the price.

A trade belongs to the bar in which it was made, as in :mod:`riposte.market.trades`. A taker's order
that meets several resting ones makes several trades at once; those of one moment, price and side are
joined before sizes are looked at, so single and aggregated trades are read alike. (The exchange's
aggregated trades may join a little more: those of a tenth of a second.)

**Large** is an order larger than 95 % of the thousand orders before its minute began. That is known
when the order comes, needs a bounded history, and does not depend on the length of the bars, so that
bars of a minute and longer are sums of shorter ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.errors import DataError, InputError
from riposte.market.book import Mask
from riposte.market.frame import Bars, Floats, Times
from riposte.market.interval import MINUTE_NS, SECOND_NS, Interval
from riposte.market.series import Series
from riposte.market.trades import holes

LARGE_SHARE = 0.95
LARGE_HISTORY = 1000
"""Orders before the minute that decide what is large in it."""

_KINDS = ("trades", "agg_trades")


def trade_bars(
    trades: Series,
    interval: Interval,
    *,
    covered: tuple[int, int] | None = None,
    hole_ns: int = SECOND_NS,
) -> Bars:
    """The columns of trades for every bar that the record covers whole, bars without trades too.

    ``covered`` (start and stop, ns UTC) and ``hole_ns`` as in :func:`riposte.market.trades.candles`.
    ``large_buy_volume`` and ``large_sell_volume`` are NaN until a thousand orders are known.

    Raises:
        InputError: if the series is not of trades.
        DataError: if a price is not above 0 or a quantity is negative or missing.
    """
    if trades.kind not in _KINDS:
        raise InputError(f"{trades.title}: trade columns are made of trades, not of {trades.kind}")
    if not bool(((trades["price"] > 0) & (trades["quantity"] >= 0)).all()):
        raise DataError(f"{trades.title}: a price is not above 0 or a quantity is negative")
    open_time = _covered_bars(trades, interval, covered, hole_ns)
    orders = _orders(trades)
    bar = np.searchsorted(open_time, orders.time, side="right") - 1
    inside = bar >= 0
    inside[inside] = orders.time[inside] < open_time[bar[inside]] + interval.ns
    return Bars(
        trades.symbol, interval, open_time, _columns(orders, bar, inside, open_time, interval)
    )


@dataclass(frozen=True, slots=True)
class _Orders:
    """Runs of trades of one moment, price and side; ``change`` is ln of the price step to each."""

    time: Times
    quantity: Floats
    count: Floats
    is_buy: Mask
    change: Floats


def _orders(trades: Series) -> _Orders:
    time, price = trades.event_time, trades["price"]
    is_buy = trades["buyer_is_maker"] == 0
    edge = (np.diff(time) != 0) | (np.diff(price) != 0) | (is_buy[1:] != is_buy[:-1])
    first = np.flatnonzero(np.append(True, edge)[: len(time)])
    count = np.ones(len(time))
    if trades.kind == "agg_trades":
        count = trades["last_trade_id"] - trades["first_trade_id"] + 1
    change = np.diff(np.log(price[first]), prepend=np.nan)
    change[:1] = 0.0
    return _Orders(
        time[first],
        _run_sums(trades["quantity"], first),
        _run_sums(count, first),
        is_buy[first],
        change,
    )


def _run_sums(values: Floats, first: Times) -> Floats:
    return np.add.reduceat(values, first) if len(first) else np.empty(0)


def large_from(time: Times, quantity: Floats) -> Floats:
    """The size above which each order is large, NaN before ``LARGE_HISTORY`` orders are known."""
    minute = time // MINUTE_NS
    starts = np.flatnonzero(np.diff(minute, prepend=minute[:1] - 1))
    level = np.full(len(starts), np.nan)
    place = int(LARGE_HISTORY * LARGE_SHARE) - 1
    for i, start in enumerate(starts):
        if start >= LARGE_HISTORY:
            level[i] = np.partition(quantity[start - LARGE_HISTORY : start], place)[place]
    return np.repeat(level, np.diff(np.append(starts, len(time))))


def _columns(
    orders: _Orders, bar: Times, inside: Mask, open_time: Times, interval: Interval
) -> dict[str, Floats]:
    rows = len(open_time)

    def total(values: Floats | Mask, chosen: Mask) -> Floats:
        chosen = chosen & inside
        return np.bincount(bar[chosen], weights=values[chosen], minlength=rows).astype(np.float64)

    buys, sells = orders.is_buy, ~orders.is_buy
    every = np.ones(len(buys), dtype=np.bool_)
    largest = np.zeros(rows)
    np.maximum.at(largest, bar[inside], orders.quantity[inside])
    level = large_from(orders.time, orders.quantity)
    large = orders.quantity > level
    # Nothing is large in a bar without orders only if it was known what large is.
    unknown = np.searchsorted(orders.time, open_time // MINUTE_NS * MINUTE_NS) < LARGE_HISTORY
    return {
        "buy_volume": total(orders.quantity, buys),
        "sell_volume": total(orders.quantity, sells),
        "buy_count": total(orders.count, buys),
        "sell_count": total(orders.count, sells),
        "taker_orders": total(every, every),
        "largest_order": largest,
        "order_size_squares": total(orders.quantity**2, every),
        "large_buy_volume": np.where(unknown, np.nan, total(orders.quantity, buys & large)),
        "large_sell_volume": np.where(unknown, np.nan, total(orders.quantity, sells & large)),
        "price_path": total(np.abs(orders.change), every),
        "upticks": total(orders.change > 0, every),
        "downticks": total(orders.change < 0, every),
    }


def _covered_bars(
    trades: Series, interval: Interval, covered: tuple[int, int] | None, hole_ns: int
) -> Times:
    """When the bars open that the record covers whole and no hole touches."""
    times = trades.event_time
    if covered is None:
        # Other trades of the first and of the last millisecond may lie outside the record.
        covered = (int(times[0]) + 1, int(times[-1])) if len(times) else (0, 0)
    first = -(-covered[0] // interval.ns) * interval.ns
    open_time = np.arange(first, covered[1] - interval.ns + 1, interval.ns, dtype=np.int64)
    after = holes(trades, hole_ns)
    starts, stops = times[after - 1], times[after]
    touched = np.searchsorted(stops, open_time) < np.searchsorted(starts, open_time + interval.ns)
    return open_time[~touched]
