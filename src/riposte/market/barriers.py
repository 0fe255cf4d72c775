"""Barriers: how far a trade's target and stop lie from its entry, and how long it may take.

The labels that train the signal and the orders that trade it read the same widths from here, so
that what is learned is what is traded. Widths are fractions of the entry price, one pair per bar,
known at the bar's close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from riposte.market.frame import Floats, MarketFrame
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.market.volatility import volatility

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


def barrier_widths(frame: MarketFrame, barriers: Barriers) -> tuple[Floats, Floats]:
    """(take-profit, stop-loss) widths as fractions of the entry price, one pair per row.

    NaN where the volatility is not known yet: such a row has no label and opens no trade.
    """
    if barriers.scale == "fixed":
        return widths_at(np.empty(len(frame)), frame.interval.ns, barriers)
    per_bar = volatility(frame, barriers.volatility_window_ns)
    return widths_at(per_bar, frame.interval.ns, barriers)


def widths_at(per_bar: Floats, interval_ns: int, barriers: Barriers) -> tuple[Floats, Floats]:
    """(take-profit, stop-loss) widths where the volatility of a bar is ``per_bar``, an array of any shape.

    The volatility must be that of ``barriers.volatility_window_ns``; fixed widths do not look at it.
    """
    if barriers.scale == "fixed":
        return (
            np.full(per_bar.shape, barriers.take_profit),
            np.full(per_bar.shape, barriers.stop_loss),
        )
    expected = per_bar * np.sqrt(max(1, barriers.horizon_ns // interval_ns))
    low, high = barriers.min_width, barriers.max_width
    return (
        np.clip(barriers.take_profit * expected, low, high),
        np.clip(barriers.stop_loss * expected, low, high),
    )
