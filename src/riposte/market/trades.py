"""Candles from trades.

A trade belongs to the bar in which it was made (``open_time <= event_time < open_time + interval``).
Trades that never met the book (the insurance fund, deleveraging) are left out of the exchange's
candles and of its archive; whoever hands in trades leaves them out too.
"""

from __future__ import annotations

import numpy as np

from riposte.errors import DataError, InputError
from riposte.market.book import Mask
from riposte.market.frame import Floats, Times
from riposte.market.interval import SECOND_NS, Interval
from riposte.market.series import Series, make_series

_KINDS = ("trades", "agg_trades")


def candles(
    trades: Series,
    interval: Interval,
    *,
    covered: tuple[int, int] | None = None,
    partial: bool = False,
    hole_ns: int = SECOND_NS,
) -> Series:
    """Candles of ``interval`` from trades or aggregated trades, all optional columns among them.

    Only bars that the record covers whole are given: ``covered`` (start and stop, ns UTC) is the
    span in which it is complete, without it from the first to the last trade, so that the bars of
    these two are left out. A hole is left out too: a step in the trade numbers over more than
    ``hole_ns`` and every bar it touches; a shorter one is a trade the exchange itself leaves out.
    ``partial`` gives every bar that has a trade. Bars without trades are absent.

    ``trade_count`` counts single trades, also those joined in an aggregated one; ``volume`` and
    ``taker_buy_volume`` are in coins, ``quote_volume`` in USDT.

    Raises:
        InputError: if the series is not of trades.
        DataError: if a price is not above 0 or a quantity is negative or missing.
    """
    if trades.kind not in _KINDS:
        raise InputError(f"{trades.title}: candles are made of trades, not of {trades.kind}")
    price, quantity = trades["price"], trades["quantity"]
    wrong = np.flatnonzero(~((price > 0) & (quantity >= 0)))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{trades.title}: trade {trades['trade_id'][row]:.0f} has price {price[row]:g} and "
            f"quantity {quantity[row]:g}"
        )
    bar = trades.event_time // interval.ns
    first = np.flatnonzero(np.diff(bar, prepend=bar[:1] - 1))
    columns = _columns(trades, first) if len(first) else _no_columns()
    open_time = bar[first] * interval.ns
    kept = np.ones(len(first), dtype=np.bool_)
    if not partial and len(first):
        kept = _whole(trades, interval, open_time, covered, hole_ns)
    kept_columns = {name: values[kept] for name, values in columns.items()}
    return make_series("klines", trades.symbol, interval, open_time[kept], kept_columns)


def holes(trades: Series, hole_ns: int = SECOND_NS) -> Times:
    """Rows before which trades are missing: the numbers step by more than one, over more than
    ``hole_ns``."""
    missing = np.diff(trades["trade_id"]) > 1
    return np.flatnonzero(missing & (np.diff(trades.event_time) > hole_ns)) + 1


def _columns(trades: Series, first: Times) -> dict[str, Floats]:
    price, quantity = trades["price"], trades["quantity"]
    last = np.append(first[1:], len(trades)) - 1
    if trades.kind == "agg_trades":
        count = trades["last_trade_id"] - trades["first_trade_id"] + 1
    else:
        count = np.ones(len(trades))
    bought = np.where(trades["buyer_is_maker"] == 0, quantity, 0.0)
    return {
        "open": price[first],
        "high": np.maximum.reduceat(price, first),
        "low": np.minimum.reduceat(price, first),
        "close": price[last],
        "volume": np.add.reduceat(quantity, first),
        "quote_volume": np.add.reduceat(price * quantity, first),
        "trade_count": np.add.reduceat(count, first),
        "taker_buy_volume": np.add.reduceat(bought, first),
    }


def _no_columns() -> dict[str, Floats]:
    names = ("open", "high", "low", "close", "volume")
    return {name: np.empty(0) for name in names}


def _whole(
    trades: Series,
    interval: Interval,
    open_time: Times,
    covered: tuple[int, int] | None,
    hole_ns: int,
) -> Mask:
    """Which bars the record covers whole."""
    times = trades.event_time
    if covered is None:
        # Other trades of the first and of the last millisecond may lie outside the record.
        whole = (open_time > times[0]) & (open_time + interval.ns <= times[-1])
    else:
        whole = (open_time >= covered[0]) & (open_time + interval.ns <= covered[1])
    after = holes(trades, hole_ns)
    starts, stops = times[after - 1], times[after]
    # A bar is touched by the hole after which it first ends, where that hole began before its end.
    touched = np.searchsorted(stops, open_time) < np.searchsorted(starts, open_time + interval.ns)
    return np.asarray(whole & ~touched)
