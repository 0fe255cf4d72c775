"""Barriers: how far a trade's target and stop lie from its entry, and how long it may take.

The labels that train the signal and the orders that trade it read the same widths from here, so
that what is learned is what is traded. Widths are fractions of the entry price, one pair per bar,
known at the bar's close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import DAY_NS, HOUR_NS

Scale = Literal["fixed", "volatility"]


@dataclass(frozen=True, slots=True)
class Barriers:
    """Target, stop and time limit of a trade.

    ``scale="fixed"``: ``take_profit`` and ``stop_loss`` are fractions of the price (0.015, 0.005).
    ``scale="volatility"``: they multiply the volatility expected over ``horizon_ns``, taken as the
    per-bar volatility of the last ``volatility_window_ns`` times the square root of the horizon in
    bars; ``min_width`` and ``max_width`` bound the result.
    """

    take_profit: float = 0.015
    stop_loss: float = 0.005
    horizon_ns: int = HOUR_NS
    scale: Scale = "fixed"
    volatility_window_ns: int = 3 * DAY_NS
    min_width: float = 0.002
    max_width: float = 0.10


@compiled
def realised_volatility(close: Floats, segment: Times, window: int) -> Floats:
    """Per-bar volatility: root mean square of the last ``window`` log returns, NaN before that.

    Returns that cross a gap are not counted; the window starts anew in each segment. The running
    sum is taken afresh every ``window`` rows, so that its rounding error stays bounded.
    """
    n = len(close)
    out = np.full(n, np.nan)
    squares = np.zeros(n)
    for i in range(1, n):
        squares[i] = np.log(close[i] / close[i - 1]) ** 2
    start = 0
    total = 0.0
    for i in range(n):
        if i == 0 or segment[i] != segment[i - 1]:
            start = i
            total = 0.0
            continue
        since = i - start
        if since % window == 0:
            total = 0.0
            for j in range(i - window + 1, i + 1):
                total += squares[j]
        else:
            total += squares[i]
            if since > window:
                total -= squares[i - window]
        if since >= window:
            out[i] = np.sqrt(max(total, 0.0) / window)
    return out


def volatility(frame: MarketFrame, window_ns: int) -> Floats:
    """Per-bar volatility (fraction) over the last ``window_ns``, known at each bar's close."""
    return realised_volatility(frame["close"], frame.segment, frame.interval.bars(window_ns))


def barrier_widths(frame: MarketFrame, barriers: Barriers) -> tuple[Floats, Floats]:
    """(take-profit, stop-loss) widths as fractions of the entry price, one pair per row.

    NaN where the volatility is not known yet: such a row has no label and opens no trade.
    """
    if barriers.scale == "fixed":
        return (
            np.full(len(frame), barriers.take_profit),
            np.full(len(frame), barriers.stop_loss),
        )
    expected = volatility(frame, barriers.volatility_window_ns) * np.sqrt(
        frame.interval.bars(barriers.horizon_ns)
    )
    low, high = barriers.min_width, barriers.max_width
    return (
        np.clip(barriers.take_profit * expected, low, high),
        np.clip(barriers.stop_loss * expected, low, high),
    )
