"""The market frame of a stored symbol: which series to read for it, and how far back."""

from __future__ import annotations

import hashlib

from riposte.errors import DataError
from riposte.market.assemble import assemble
from riposte.market.frame import COLUMNS, MarketFrame
from riposte.market.interval import SECOND_NS, Interval
from riposte.market.series import KINDS, Series, format_time
from riposte.stores.protocol import Holding, Store

# How far before a bar the last value of a slower series may lie and still be carried to it.
_REACH_NS = max(column.carry_ns + column.delay_ns for column in COLUMNS.values())


def load_frame(
    store: Store,
    symbol: str,
    interval: Interval,
    start_ns: int | None = None,
    stop_ns: int | None = None,
) -> MarketFrame:
    """The frame of the bars that open in ``[start_ns, stop_ns)``, from all that is stored.

    Candles are taken in ``interval`` if they are stored so, else made from the coarsest finer
    interval that divides it. A kind that is not stored leaves its columns NaN.

    Raises:
        DataError: if the symbol has no candles for that interval and range.
        StorageError: if the store cannot be read.
    """
    chosen = chosen_holdings(store, symbol, interval)
    first_open = None if start_ns is None else _next_open(start_ns, interval)
    past_last = None if stop_ns is None else _next_open(stop_ns, interval)
    series: dict[str, Series] = {}
    for kind, holding in chosen.items():
        start, stop = first_open, past_last
        if kind != "klines":
            start = None if start is None else start - max(_REACH_NS, 2 * _interval_ns(holding))
            stop = None if stop is None else stop + SECOND_NS  # settlements are stamped late
        series[kind] = store.read(kind, symbol, holding.interval, start, stop, list(COLUMNS))
    if len(series["klines"]) == 0:
        held = chosen["klines"]
        raise DataError(
            f"{symbol} {interval}: no bars in that time range, candles are stored from "
            f"{format_time(held.first_ns)} to {format_time(held.last_ns)}"
        )
    return assemble(symbol, interval, series)


def frame_version(store: Store, symbol: str, interval: Interval) -> str:
    """A hash of the symbol, the interval and all stored content that its frame is made of."""
    total = hashlib.sha256(f"{symbol} {interval}".encode())
    for kind, holding in chosen_holdings(store, symbol, interval).items():
        total.update(f"{kind} {store.version(kind, symbol, holding.interval)}".encode())
    return total.hexdigest()[:16]


def chosen_holdings(store: Store, symbol: str, interval: Interval) -> dict[str, Holding]:
    """For each kind the stored series that serves frames of ``interval``, candles first.

    Raises:
        DataError: if no stored candles of the symbol can make bars of ``interval``.
    """
    held = [holding for holding in store.holdings() if holding.symbol == symbol]
    candles = [
        holding
        for holding in held
        if holding.kind == "klines"
        and holding.interval is not None
        and interval.ns % holding.interval.ns == 0
    ]
    if not candles:
        there = ", ".join(str(h.interval) for h in held if h.kind == "klines") or "none"
        raise DataError(
            f"{symbol}: no stored candles make {interval} bars (stored intervals: {there})",
            hint="import them: riposte data import",
        )
    chosen = {"klines": max(candles, key=_interval_ns)}
    for kind in KINDS:
        choices = [holding for holding in held if holding.kind == kind]
        if kind == "klines" or KINDS[kind].key or not choices:
            continue
        fine_enough = [holding for holding in choices if _interval_ns(holding) <= interval.ns]
        chosen[kind] = (
            max(fine_enough, key=_interval_ns) if fine_enough else min(choices, key=_interval_ns)
        )
    return chosen


def _interval_ns(holding: Holding) -> int:
    return holding.interval.ns if holding.interval else 0


def _next_open(time_ns: int, interval: Interval) -> int:
    """The first bar opening at or after the time."""
    return -(-time_ns // interval.ns) * interval.ns
