"""Forward returns, and the two yes-or-no targets made of them."""

from __future__ import annotations

import numpy as np

from riposte.labels.triple_barrier import Labels
from riposte.market.frame import Floats, MarketFrame, Times

UNKNOWN = -1


def forward_return(frame: MarketFrame, horizon_ns: int) -> Floats:
    """Simple return from the next bar's open to the close of the horizon's last bar (n,).

    The decision is made at the row's close, as for :func:`riposte.labels.triple_barrier`. NaN where
    the horizon is not wholly in the data and in the row's segment. The value of row ``t`` became known
    at :func:`forward_end`.
    """
    bars = frame.interval.bars(horizon_ns)
    returns = np.full(len(frame), np.nan)
    if bars < len(frame):
        whole = frame.segment[bars:] == frame.segment[:-bars]
        entry = frame["open"][1 : len(frame) - bars + 1]
        returns[:-bars][whole] = (frame["close"][bars:] / entry - 1.0)[whole]
    return returns


def forward_end(frame: MarketFrame, horizon_ns: int) -> Times:
    """When each row's forward return becomes known, ns UTC (n,)."""
    return frame.close_time + frame.interval.bars(horizon_ns) * frame.interval.ns


def moves_beyond(returns: Floats, threshold: float = 0.005) -> tuple[Labels, Labels]:
    """(rises, falls): int8 (n,), 1 where the return is above ``threshold`` or below minus it, else 0.

    -1 where the return is not known.
    """
    known = np.isfinite(returns)
    rises = np.where(known, returns > threshold, UNKNOWN).astype(np.int8)
    falls = np.where(known, returns < -threshold, UNKNOWN).astype(np.int8)
    return rises, falls
