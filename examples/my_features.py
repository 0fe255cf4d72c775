"""Three features of one's own. Name this file in the settings and they stand beside the built-in ones.

Each function takes columns of the market frame (one value per bar, all known at the bar's close) and
its windows in bars, and returns one value per bar. The value of a bar may use that bar and the
``lookback - 1`` bars before it, and nothing else: training refuses a feature that looks ahead, or
further back than it says.
"""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    log_change,
    ratio,
    rolling_correlation,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
)
from riposte.market.frame import Floats


@feature("mine", lookback=lambda window: window, at=("24h", "7d"), least_bars=4)
def range_squeeze(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """How narrow the newest quarter of the window is beside the whole: small before a break-out.

    Formula: (max(high) - min(low) over window/4) / (max(high) - min(low) over window)
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: after Toby Crabel (1990), narrow-range days
    """
    part = max(1, window // 4)
    whole = rolling_max(high, window) - rolling_min(low, window)
    return ratio(rolling_max(high, part) - rolling_min(low, part), whole, empty=1.0)


@feature("mine", lookback=lambda window: window + 2, at=("24h", "3d"), least_bars=6)
def reversal_tendency(close: Floats, window: int) -> Floats:
    """Whether moves are answered by the opposite move (below 0) or carried on (above 0).

    Formula: correlation of r[t] and r[t-1] over the window, r = one-bar log returns
    Unit: correlation in [-1, 1]
    Look-back: window + 2 bars
    Source: Lo and MacKinlay (1988), autocorrelation of returns
    """
    moves = log_change(close, 1)
    return rolling_correlation(moves, lag(moves, 1), window)


@feature("mine", lookback=lambda window: window, at=("24h",), least_bars=4)
def volume_shock(volume: Floats, window: int) -> Floats:
    """Volume of the bar in standard deviations above the window's mean, flattened by a logarithm.

    Formula: sign(z) * ln(1 + abs(z)), z = (volume - mean(volume)) / std(volume)
    Unit: log standard deviations
    Look-back: window bars
    Source: after Gervais, Kaniel and Mingelgrin (2001), the high-volume premium
    """
    z = ratio(volume - rolling_mean(volume, window), rolling_std(volume, window))
    return np.sign(z) * np.log1p(np.abs(z))
