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
from riposte.market.volatility import average_true_range, volatility

Scale = Literal["fixed", "volatility", "atr"]


@dataclass(frozen=True, slots=True)
class Barriers:
    """Target, stop and time limit of a trade.

    ``scale="fixed"``: ``take_profit`` and ``stop_loss`` are fractions of the price (0.015, 0.005).
    ``scale="volatility"``: they multiply the volatility expected over ``horizon_ns``, taken as the
    per-bar volatility of the last ``volatility_window_ns`` times the square root of the horizon in
    bars. ``scale="atr"``: they multiply the average true range of ``atr_bars`` bars. ``min_width`` and
    ``max_width`` bound the result of both.
    """

    take_profit: float = 0.015
    stop_loss: float = 0.005
    horizon_ns: int = HOUR_NS
    scale: Scale = "fixed"
    volatility_window_ns: int = 3 * DAY_NS
    min_width: float = 0.002
    max_width: float = 0.10
    atr_bars: int = 14


def barrier_widths(frame: MarketFrame, barriers: Barriers) -> tuple[Floats, Floats]:
    """(take-profit, stop-loss) widths as fractions of the entry price, one pair per row.

    NaN where the volatility is not known yet: such a row has no label and opens no trade.
    """
    return widths_at(measured(frame, barriers), frame.interval.ns, barriers)


def measured(frame: MarketFrame, barriers: Barriers) -> Floats:
    """What the widths of each row (n,) are multiples of, before the horizon counts; ones if they are fixed."""
    if barriers.scale == "fixed":
        return np.ones(len(frame))
    if barriers.scale == "atr":
        return average_true_range(frame, barriers.atr_bars)
    return volatility(frame, barriers.volatility_window_ns)


def widths_at(base: Floats, interval_ns: int, barriers: Barriers) -> tuple[Floats, Floats]:
    """(take-profit, stop-loss) widths where :func:`measured` gives ``base``, an array of any shape."""
    if barriers.scale == "fixed":
        return (
            np.full(base.shape, barriers.take_profit),
            np.full(base.shape, barriers.stop_loss),
        )
    expected = base
    if barriers.scale == "volatility":
        expected = base * np.sqrt(max(1, barriers.horizon_ns // interval_ns))
    low, high = barriers.min_width, barriers.max_width
    return (
        np.clip(barriers.take_profit * expected, low, high),
        np.clip(barriers.stop_loss * expected, low, high),
    )
