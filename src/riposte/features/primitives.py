"""Window arithmetic that every feature family builds on. O(n), causal, with bounded memory.

**Windows.** The value at row ``t`` is computed from rows ``t - window + 1 .. t`` and from nothing
else; the first ``window - 1`` rows are NaN. A window that holds a NaN gives NaN.

**Sharing.** Many features ask for the same window of the same series. While a matrix is built, what a
primitive gave is kept for the next feature that asks (:mod:`riposte.features.sharing`); nothing else
changes, and nothing outlives the build. The loops themselves are in :mod:`riposte.features.windows`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from riposte.features import windows
from riposte.features.sharing import shared, writable
from riposte.market.frame import Floats

Flags = NDArray[np.bool_]

# A recursive average has forgotten what weighs less than this.
NEGLIGIBLE_WEIGHT = 1e-14


# -- rows and ratios ---------------------------------------------------------------------------


@shared
def lag(values: Floats, bars: int) -> Floats:
    """The value ``bars`` rows earlier; the first ``bars`` rows are NaN."""
    out = np.full(len(values), np.nan)
    if bars < len(values):
        out[bars:] = values[: len(values) - bars]
    return out


@shared
def log_change(values: Floats, bars: int) -> Floats:
    """``ln(x[t] / x[t - bars])`` of a positive series; NaN where either is missing or not positive."""
    out = np.full(len(values), np.nan)
    if bars < len(values):
        changed = out[bars:]
        _log_of_ratio(values[bars:], values[: len(values) - bars], np.nan, changed)
    return out


def ratio(top: Floats, bottom: Floats, empty: float = 0.0) -> Floats:
    """``top / bottom``; ``empty`` where the divisor is zero, NaN where either is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out: Floats = top / bottom
    zero = bottom == 0
    if np.count_nonzero(zero):
        out[zero & ~np.isnan(top)] = empty
    return out


def log_ratio(top: Floats, bottom: Floats) -> Floats:
    """``ln(top / bottom)``; 0 where either is zero (nothing to compare), NaN where one is missing."""
    out = np.empty(np.broadcast(top, bottom).shape)
    _log_of_ratio(top, bottom, 0.0, out)
    return out


def _log_of_ratio(top: Floats, bottom: Floats, otherwise: float, out: Floats) -> None:
    """``ln(top / bottom)`` into ``out``; ``otherwise`` where one is there but not positive."""
    # Whole arrays without a mask go through the processor's vector units; exceptions are put right after.
    with np.errstate(divide="ignore", invalid="ignore"):
        np.divide(top, bottom, out=out)
        np.log(out, out=out)
    odd = ~((top > 0) & (bottom > 0))
    if np.count_nonzero(odd):
        out[odd & ~(np.isnan(top) | np.isnan(bottom))] = otherwise


def settled(decay: float, stages: int = 1) -> int:
    """Rows after which ``stages`` chained recursive averages have forgotten their start.

    ``decay`` is the weight kept per row: ``1 - 1/n`` for Wilder's average, ``1 - 2/(n + 1)`` for an
    exponential one. After ``k`` rows the start weighs at most ``C(k + stages - 1, stages - 1) *
    decay**k``; the result is the first ``k`` for which that is below ``NEGLIGIBLE_WEIGHT``.
    """
    rows = math.ceil(math.log(NEGLIGIBLE_WEIGHT) / math.log(decay))
    while math.comb(rows + stages - 1, stages - 1) * decay**rows >= NEGLIGIBLE_WEIGHT:
        rows += 1
    return rows


def wilder_rows(period: int, stages: int = 1) -> int:
    """Look-back of Wilder's average of ``period`` bars, chained ``stages`` times."""
    return stages * period + settled(1 - 1 / period, stages)


def exponential_rows(period: int, stages: int = 1) -> int:
    """Look-back of the exponential average of ``period`` bars, chained ``stages`` times."""
    return stages * period + settled(1 - 2 / (period + 1), stages)


# -- rolling windows ---------------------------------------------------------------------------


@shared
def rolling_sum(values: Floats, window: int) -> Floats:
    """Sum of the last ``window`` values."""
    return windows.sums(writable(values), window)


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` values; in a flat window exactly the value."""
    return _mean_and_squares(values, window)[0]


@shared
def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last ``window`` values."""
    return windows.maxima(writable(values), window)


@shared
def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest of the last ``window`` values."""
    return -windows.maxima(-values, window)


@shared
def rolling_mean_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation (divisor ``window``) of the last ``window`` values."""
    mean, squares = _mean_and_squares(values, window)
    return mean, np.sqrt(squares / window)


def rolling_std(values: Floats, window: int) -> Floats:
    """Standard deviation (divisor ``window``) of the last ``window`` values."""
    return rolling_mean_std(values, window)[1]


def rolling_zscore(values: Floats, window: int) -> Floats:
    """How many standard deviations the value lies above the mean of its window; 0 in a flat window."""
    mean, std = rolling_mean_std(values, window)
    flat = std <= 1e-12 * np.abs(mean)
    return ratio(values - mean, np.where(flat, 0.0, std))


@shared
def rolling_skew_kurtosis(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Skewness and excess kurtosis (population) of the last ``window`` values; 0 in a flat window."""
    second, third, fourth = windows.higher_moments(writable(values), window)
    skewness = ratio(np.sqrt(float(window)) * third, second**1.5)
    kurtosis = ratio(window * fourth, second**2, empty=3.0) - 3.0
    return skewness, kurtosis


@shared
def rolling_correlation(x: Floats, y: Floats, window: int) -> Floats:
    """Pearson correlation of the last ``window`` pairs, within [-1, 1]; 0 where one side is flat."""
    squares_x, squares_y, products = windows.comoments(writable(x), writable(y), window)
    return np.clip(ratio(products, np.sqrt(squares_x) * np.sqrt(squares_y)), -1.0, 1.0)


@shared
def rolling_weighted_mean(values: Floats, weights: Floats, window: int) -> Floats:
    """Weighted mean of the last ``window`` values; NaN where all weigh 0."""
    return windows.weighted_means(writable(values), writable(weights), window)


@shared
def share_below(
    values: Floats, level: Floats, weights: Floats, pieces: int, step: int = 1
) -> Floats:
    """Share of the weight of rows ``t, t - step, ...`` (``pieces`` of them) that lies below ``level[t]``.

    0.5 where all weigh 0; the first ``(pieces - 1) * step`` rows are NaN.
    """
    return windows.share_below(writable(values), writable(level), writable(weights), pieces, step)


def position_in_range(values: Floats, low: Floats, high: Floats) -> Floats:
    """Where the value lies between two bounds: 0 at the lower, 1 at the upper, 0.5 if they are one."""
    return ratio(values - low, high - low, empty=0.5)


@shared
def _mean_and_squares(values: Floats, window: int) -> tuple[Floats, Floats]:
    return windows.moments(writable(values), window)
