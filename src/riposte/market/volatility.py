"""Realised volatility: the one estimate that barriers, slippage and the volatility stop share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import DAY_NS, HOUR_NS

# Fewer returns than this say nothing about volatility, whatever the bar size.
_LEAST_BARS = 6


@dataclass(frozen=True, slots=True)
class VolatilityWindows:
    """Over how long "now" and "normal" are measured for the volatility stop (SPEC K3), and over how many
    bars the average true range."""

    short_ns: int = 6 * HOUR_NS
    normal_ns: int = 30 * DAY_NS
    atr_bars: int = 14


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


def volatility_ratio(frame: MarketFrame, windows: VolatilityWindows) -> Floats:
    """Short-run over normal volatility per row, known at the close; NaN while either is unknown."""
    short = max(frame.interval.bars(windows.short_ns), _LEAST_BARS)
    normal = max(frame.interval.bars(windows.normal_ns), 2 * short)
    close, segment = frame["close"], frame.segment
    ratio: Floats = realised_volatility(close, segment, short) / realised_volatility(
        close, segment, normal
    )
    return ratio


@compiled
def mean_true_range(high: Floats, low: Floats, close: Floats, segment: Times, bars: int) -> Floats:
    """Mean true range of the last ``bars`` bars per closing price, NaN before there are so many.

    ``max(high, close[t-1]) - min(low, close[t-1])``: Wilder (1978), whose recursive average is a plain one
    here, so that the value depends on these bars alone. The first bar of a segment has only its own range.
    """
    n = len(close)
    out = np.full(n, np.nan)
    ranges = np.zeros(n)
    start = 0
    for i in range(n):
        if i == 0 or segment[i] != segment[i - 1]:
            start = i
            ranges[i] = high[i] - low[i]
        else:
            ranges[i] = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
        if i - start + 1 >= bars:
            out[i] = np.sum(ranges[i - bars + 1 : i + 1]) / bars / close[i]
    return out


def average_true_range(frame: MarketFrame, bars: int) -> Floats:
    """Average true range as a fraction of the close, known at each bar's close."""
    return mean_true_range(frame["high"], frame["low"], frame["close"], frame.segment, bars)
