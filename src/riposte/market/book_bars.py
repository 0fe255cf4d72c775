"""The order book bar by bar: what stands at the close, and what happened to it in the bar.

The recorded changes run through the book once more (:mod:`riposte.market.book` keeps the rule), in
the order in which :func:`riposte.market.replay.replay` found that it took them.

**Time** is the exchange's: a message belongs to the bar with ``open_time <= event_time <
open_time + interval``, as a trade does, and the state at the close is that after the last message
before it. The first message at or after the close shows that the bar is over; streams overtake one
another by some milliseconds, so a bar is given only when the record reaches ``SETTLE_NS`` beyond its
close. Cutting the record off anywhere therefore changes no bar that was given before the cut.

**Whole bars only**: a bar in which the book was not followed from its open to its close (before the
first snapshot, from a break to the next snapshot), or was crossed or empty on a side, has no row.

**Order flow** is that of Cont, Kukanov and Stoikov (2014), from message to message: what the best
bid gains less what the best ask gains. **Additions and removals** are counted level by level among
the best ten levels as they stood before the change; a removal is a cancellation or a trade, and
trades are told apart by the volume traded (:mod:`riposte.market.trade_bars`).
"""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.errors import InputError
from riposte.market.book import Mask, set_level, with_room
from riposte.market.frame import Bars, Floats, Times
from riposte.market.interval import MILLISECOND_NS, Interval
from riposte.market.replay import BookHistory, DepthChanges, replay
from riposte.market.series import Series

SETTLE_NS = 100 * MILLISECOND_NS
"""How long after a bar's close its last trade may arrive; recorded streams differ by up to 16 ms."""

LEVELS = 10
_FIRST_CAPACITY = 4096

# The columns in the order in which the compiled loops write them.
_TOP = (
    "best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity", "mean_spread",
    "mean_imbalance", "order_flow", "order_flow_size", "book_updates", "middle_changes",
)  # fmt: skip
_DEEP = (
    "bid_depth_5", "bid_depth_10", "bid_distance_10", "bid_slope",
    "ask_depth_5", "ask_depth_10", "ask_distance_10", "ask_slope",
    "bid_added", "bid_removed", "bid_additions", "bid_removals",
    "ask_added", "ask_removed", "ask_additions", "ask_removals",
)  # fmt: skip
_TOP_COUNT, _COUNT = len(_TOP), len(_TOP) + len(_DEEP)
_BID_LEVELS, _ASK_LEVELS, _BID_CHANGES, _ASK_CHANGES = (_TOP_COUNT + 4 * i for i in range(4))


def book_bars(
    changes: DepthChanges,
    interval: Interval,
    *,
    history: BookHistory | None = None,
    settle_ns: int = SETTLE_NS,
) -> Bars:
    """The columns of the book for every bar in which it was followed throughout.

    ``history`` is the replay of the same changes, where it was made already.
    """
    taken = history if history is not None else replay(changes)
    times = np.maximum.accumulate(taken.event_time) if len(taken) else taken.event_time
    open_time = _grid(times, interval, settle_ns)
    values = np.full((_COUNT, len(open_time)), np.nan)
    whole = np.ones(len(open_time), dtype=np.bool_)
    if len(open_time):
        _run_book(
            taken.message, times, changes.is_snapshot, changes.start, changes.is_bid,
            changes.price, changes.quantity, open_time[0], interval.ns, values, whole,
        )  # fmt: skip
    columns = {name: values[i, whole] for i, name in enumerate((*_TOP, *_DEEP))}
    return Bars(changes.symbol, interval, open_time[whole], columns)


def ticker_bars(ticker: Series, interval: Interval, *, settle_ns: int = SETTLE_NS) -> Bars:
    """The columns that the best bid and ask alone give, from a series of them.

    ``book_updates`` counts the messages of that series, which are more than those of the depth.

    Raises:
        InputError: if the series is not of best bids and asks.
    """
    if ticker.kind != "book_ticker":
        raise InputError(
            f"{ticker.title}: bars of the best bid and ask are made of book_ticker, "
            f"not of {ticker.kind}"
        )
    open_time = _grid(ticker.event_time, interval, settle_ns)
    values = np.full((_TOP_COUNT, len(open_time)), np.nan)
    whole = np.ones(len(open_time), dtype=np.bool_)
    best = np.column_stack(
        [ticker[name] for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")]
    )
    if len(open_time):
        _run_ticker(ticker.event_time, best, open_time[0], interval.ns, values, whole)
    columns = {name: values[i, whole] for i, name in enumerate(_TOP)}
    return Bars(ticker.symbol, interval, open_time[whole], columns)


def _grid(times: Times, interval: Interval, settle_ns: int) -> Times:
    """When the bars open that lie between the first time and the last, that one settled."""
    if len(times) == 0:
        return np.empty(0, dtype=np.int64)
    first = -(-int(times[0]) // interval.ns) * interval.ns
    last = int(times[-1]) - settle_ns - interval.ns
    return np.arange(first, last + 1, interval.ns, dtype=np.int64)


@compiled
def _order_flow(before: Floats, now: Floats) -> float:
    """Cont, Kukanov and Stoikov's e_n from two states (bid, its coins, ask, its coins)."""
    flow = 0.0
    if now[0] >= before[0]:
        flow += now[1]
    if now[0] <= before[0]:
        flow -= before[1]
    if now[2] <= before[2]:
        flow -= now[3]
    if now[2] >= before[2]:
        flow += before[3]
    return flow


@compiled
def _sound(best: Floats) -> bool:
    return bool(best[0] < best[2] and best[1] + best[3] > 0.0)  # False for NaN


@compiled
def _spend(values: Floats, whole: Mask, best: Floats, since: int, until: int, ns: int) -> None:
    """Book the time from ``since`` to ``until`` (ns after the first open) in one state."""
    middle = 0.5 * (best[0] + best[2])
    spread = (best[2] - best[0]) / middle
    imbalance = (best[1] - best[3]) / (best[1] + best[3])
    at = since
    while at < until:
        bar = at // ns
        if bar >= len(whole):
            return
        stop = min(until, (bar + 1) * ns)
        whole[bar] &= _sound(best)
        values[4, bar] += spread * ((stop - at) / ns)
        values[5, bar] += imbalance * ((stop - at) / ns)
        at = stop


@compiled
def _close_top(values: Floats, bar: int, best: Floats) -> None:
    for i in range(4):
        values[i, bar] = best[i]


@compiled
def _count_top(values: Floats, bar: int, before: Floats, now: Floats) -> None:
    """One message that took the best prices from one state to another."""
    flow = _order_flow(before, now)
    values[6, bar] += flow
    values[7, bar] += abs(flow)
    values[8, bar] += 1.0
    if now[0] + now[2] != before[0] + before[2]:
        values[9, bar] += 1.0


@compiled
def _run_ticker(
    times: Times, best: Floats, first_open: int, ns: int, values: Floats, whole: Mask
) -> None:
    values[4:, :] = 0.0
    last = 0  # bars before this one are closed
    for m in range(len(times)):
        at = times[m] - first_open
        if m > 0:
            since = times[m - 1] - first_open
            while last < len(whole) and (last + 1) * ns <= at:
                _close_top(values, last, best[m - 1])
                last += 1
            _spend(values, whole, best[m - 1], max(since, 0), at, ns)
        bar = at // ns
        if m > 0 and 0 <= bar < len(whole):
            _count_top(values, bar, best[m - 1], best[m])
            whole[bar] &= _sound(best[m])


@compiled
def _best(bids: Floats, asks: Floats, bid_count: int, ask_count: int, best: Floats) -> None:
    best[:] = np.nan
    if bid_count > 0:
        best[0], best[1] = bids[0, bid_count - 1], bids[1, bid_count - 1]
    if ask_count > 0:
        best[2], best[3] = -asks[0, ask_count - 1], asks[1, ask_count - 1]


@compiled
def _quantity_at(side: Floats, count: int, key: float) -> float:
    """The coins that stand at a price, 0 where none do."""
    low = np.searchsorted(side[0, :count], key)
    return side[1, low] if low < count and side[0, low] == key else 0.0


@compiled
def _close_side(
    values: Floats, bar: int, row: int, side: Floats, count: int, middle: float
) -> None:
    """Depth of five and of ten levels, their mean distance, and the slope of the book."""
    levels = min(LEVELS, count)
    depth = 0.0
    weighted = 0.0
    mean_distance = 0.0
    mean_depth = 0.0
    squares = 0.0
    products = 0.0
    for i in range(levels):
        price, quantity = abs(side[0, count - 1 - i]), side[1, count - 1 - i]
        distance = abs(price - middle) / middle
        depth += quantity
        weighted += quantity * distance
        step = distance - mean_distance
        mean_distance += step / (i + 1)
        squares += step * (distance - mean_distance)
        products += step * (depth - mean_depth) * (i / (i + 1.0))
        mean_depth += (depth - mean_depth) / (i + 1)
        if i < LEVELS // 2:
            values[row, bar] = depth
    values[row + 1, bar] = depth
    values[row + 2, bar] = weighted / depth
    values[row + 3, bar] = products / squares if levels > 1 else np.nan


@compiled
def _apply(
    side: Floats, count: int, key: float, quantity: float, values: Floats, bar: int, row: int
) -> int:
    """Set one level; note what it gained or lost if it lies among the best ten."""
    if bar >= 0 and (count < LEVELS or key >= side[0, count - LEVELS]):
        change = quantity - _quantity_at(side, count, key)
        if change > 0.0:
            values[row, bar] += change
            values[row + 2, bar] += 1.0
        elif change < 0.0:
            values[row + 1, bar] -= change
            values[row + 3, bar] += 1.0
    return set_level(side, count, key, quantity)


@compiled
def _run_book(
    message: Times, times: Times, is_snapshot: Mask, start: Times, is_bid: Mask, price: Floats,
    quantity: Floats, first_open: int, ns: int, values: Floats, whole: Mask,
) -> None:  # fmt: skip
    bids = np.empty((2, _FIRST_CAPACITY))
    asks = np.empty((2, _FIRST_CAPACITY))
    bid_count, ask_count = 0, 0
    before = np.full(4, np.nan)
    now = np.full(4, np.nan)
    values[4:_TOP_COUNT, :] = 0.0
    values[_BID_CHANGES:, :] = 0.0
    last = 0  # bars before this one are closed
    since = 0
    for n in range(len(message)):
        m = message[n]
        at = times[n] - first_open
        while n > 0 and last < len(whole) and (last + 1) * ns <= at:
            _close_top(values, last, now)
            middle = 0.5 * (now[0] + now[2])
            _close_side(values, last, _BID_LEVELS, bids, bid_count, middle)
            _close_side(values, last, _ASK_LEVELS, asks, ask_count, middle)
            last += 1
        if n > 0:
            _spend(values, whole, now, max(since, 0), at, ns)
        bar = at // ns
        if is_snapshot[m]:
            if n > 0:  # what happened since the last message is not known
                whole[max(since // ns, 0) : max(bar + 1, 0)] = False
            bid_count, ask_count = 0, 0
            bar = -1
        elif bar >= len(whole):
            bar = -1
        rows = start[m + 1] - start[m]
        bids = with_room(bids, bid_count, rows)
        asks = with_room(asks, ask_count, rows)
        for i in range(start[m], start[m + 1]):
            if is_bid[i]:
                bid_count = _apply(
                    bids, bid_count, price[i], quantity[i], values, bar, _BID_CHANGES
                )
            else:
                ask_count = _apply(
                    asks, ask_count, -price[i], quantity[i], values, bar, _ASK_CHANGES
                )
        before[:] = now
        _best(bids, asks, bid_count, ask_count, now)
        if bar >= 0:
            _count_top(values, bar, before, now)
            whole[bar] &= _sound(now)
        since = at
