"""Window arithmetic that every feature family builds on. O(n), causal, with bounded memory.

**Windows.** The value at row ``t`` is computed from rows ``t - window + 1 .. t`` and from nothing
else; the first ``window - 1`` rows are NaN. A window that holds a NaN gives NaN.

**Precision.** Nothing is carried from one window to the next by adding the new row and subtracting
the old one: that drifts, and one huge bar would spoil all the values after it. Instead each window is
put together from two partial results (van Herk 1992; Gil and Werman 1993): the rows are cut into
blocks of ``window`` rows, each block is accumulated from its start and from its end, and a window is
the end part of one block joined to the start part of the next. Moments are joined with the pairwise
formulas of Chan, Golub and LeVeque (1979) and Pebay (2008), which do not cancel.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import compiled
from riposte.market.frame import Floats

Flags = NDArray[np.bool_]

# A recursive average has forgotten what weighs less than this.
NEGLIGIBLE_WEIGHT = 1e-14


# -- rows and ratios ---------------------------------------------------------------------------


def lag(values: Floats, bars: int) -> Floats:
    """The value ``bars`` rows earlier; the first ``bars`` rows are NaN."""
    out = np.full(len(values), np.nan)
    if bars < len(values):
        out[bars:] = values[: len(values) - bars]
    return out


def log_change(values: Floats, bars: int) -> Floats:
    """``ln(x[t] / x[t - bars])`` of a positive series; NaN where either is missing or not positive."""
    out = np.full(len(values), np.nan)
    if bars < len(values):
        earlier, later = values[: len(values) - bars], values[bars:]
        known = (earlier > 0) & (later > 0)
        np.divide(later, earlier, out=out[bars:], where=known)
        np.log(out[bars:], out=out[bars:])
    return out


def ratio(top: Floats, bottom: Floats, empty: float = 0.0) -> Floats:
    """``top / bottom``; ``empty`` where the divisor is zero, NaN where either is missing."""
    out = np.where(np.isnan(top), np.nan, empty)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def log_ratio(top: Floats, bottom: Floats) -> Floats:
    """``ln(top / bottom)``; 0 where either is zero (nothing to compare), NaN where one is missing."""
    out: Floats = np.where(np.isnan(top) | np.isnan(bottom), np.nan, 0.0)
    np.divide(top, bottom, out=out, where=(top > 0) & (bottom > 0))
    np.log(out, out=out, where=out > 0)
    return out


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


def rolling_sum(values: Floats, window: int) -> Floats:
    """Sum of the last ``window`` values."""
    return _sums(_writable(values), window)


def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last ``window`` values; in a flat window exactly the value."""
    return _moments(_writable(values), window)[0]


def rolling_max(values: Floats, window: int) -> Floats:
    """Largest of the last ``window`` values."""
    return _maxima(_writable(values), window)


def rolling_min(values: Floats, window: int) -> Floats:
    """Smallest of the last ``window`` values."""
    return -_maxima(-values, window)


def rolling_mean_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation (divisor ``window``) of the last ``window`` values."""
    mean, squares = _moments(_writable(values), window)
    return mean, np.sqrt(squares / window)


def rolling_std(values: Floats, window: int) -> Floats:
    """Standard deviation (divisor ``window``) of the last ``window`` values."""
    return rolling_mean_std(values, window)[1]


def rolling_zscore(values: Floats, window: int) -> Floats:
    """How many standard deviations the value lies above the mean of its window; 0 in a flat window."""
    mean, std = rolling_mean_std(values, window)
    flat = std <= 1e-12 * np.abs(mean)
    return ratio(values - mean, np.where(flat, 0.0, std))


def rolling_skew_kurtosis(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Skewness and excess kurtosis (population) of the last ``window`` values; 0 in a flat window."""
    second, third, fourth = _higher_moments(_writable(values), window)
    skewness = ratio(np.sqrt(float(window)) * third, second**1.5)
    kurtosis = ratio(window * fourth, second**2, empty=3.0) - 3.0
    return skewness, kurtosis


def rolling_correlation(x: Floats, y: Floats, window: int) -> Floats:
    """Pearson correlation of the last ``window`` pairs, within [-1, 1]; 0 where one side is flat."""
    squares_x, squares_y, products = _comoments(_writable(x), _writable(y), window)
    return np.clip(ratio(products, np.sqrt(squares_x) * np.sqrt(squares_y)), -1.0, 1.0)


def rolling_weighted_mean(values: Floats, weights: Floats, window: int) -> Floats:
    """Weighted mean of the last ``window`` values; NaN where all weigh 0."""
    return _weighted_means(_writable(values), _writable(weights), window)


def share_below(
    values: Floats, level: Floats, weights: Floats, pieces: int, step: int = 1
) -> Floats:
    """Share of the weight of rows ``t, t - step, ...`` (``pieces`` of them) that lies below ``level[t]``.

    0.5 where all weigh 0; the first ``(pieces - 1) * step`` rows are NaN.
    """
    return _share_below(_writable(values), _writable(level), _writable(weights), pieces, step)


def position_in_range(values: Floats, low: Floats, high: Floats) -> Floats:
    """Where the value lies between two bounds: 0 at the lower, 1 at the upper, 0.5 if they are one."""
    return ratio(values - low, high - low, empty=0.5)


def _writable(values: Floats) -> Floats:
    # Numba compiles once more for read-only arrays; a copy is cheaper.
    return np.require(values, np.float64, ["C", "W"])


@compiled
def _sums(x: Floats, window: int) -> Floats:
    n = len(x)
    head = np.empty(n)
    tail = np.empty(n)
    for start in range(0, n, window):
        stop = min(start + window, n)
        total = 0.0
        for i in range(start, stop):
            total += x[i]
            head[i] = total
        total = 0.0
        for i in range(stop - 1, start - 1, -1):
            total += x[i]
            tail[i] = total
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        first = i - window + 1
        out[i] = head[i] if first % window == 0 else tail[first] + head[i]
    return out


@compiled
def _maxima(x: Floats, window: int) -> Floats:
    n = len(x)
    head = np.empty(n)
    tail = np.empty(n)
    for start in range(0, n, window):
        stop = min(start + window, n)
        most = x[start]
        for i in range(start, stop):
            if not x[i] <= most:  # a NaN, here or before, stays
                most = most if np.isnan(most) else x[i]
            head[i] = most
        most = x[stop - 1]
        for i in range(stop - 1, start - 1, -1):
            if not x[i] <= most:
                most = most if np.isnan(most) else x[i]
            tail[i] = most
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        older, newer = tail[i - window + 1], head[i]
        out[i] = older if (older > newer or np.isnan(older)) else newer
    return out


@compiled
def _moments(x: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and sum of squared deviations per window."""
    n = len(x)
    head = np.empty((n, 2))
    tail = np.empty((n, 2))
    for start in range(0, n, window):
        stop = min(start + window, n)
        mean = 0.0
        squares = 0.0
        for i in range(start, stop):
            step = x[i] - mean
            mean += step / (i - start + 1)
            squares += step * (x[i] - mean)
            head[i, 0], head[i, 1] = mean, squares
        mean = 0.0
        squares = 0.0
        for i in range(stop - 1, start - 1, -1):
            step = x[i] - mean
            mean += step / (stop - i)
            squares += step * (x[i] - mean)
            tail[i, 0], tail[i, 1] = mean, squares
    means = np.full(n, np.nan)
    sums = np.full(n, np.nan)
    for i in range(window - 1, n):
        newer = i % window + 1
        older = window - newer
        if older == 0:
            means[i], sums[i] = head[i, 0], head[i, 1]
            continue
        first = i - window + 1
        step = head[i, 0] - tail[first, 0]
        means[i] = tail[first, 0] + step * newer / window
        sums[i] = tail[first, 1] + head[i, 1] + step * step * older * newer / window
    return means, sums


@compiled
def _higher_moments(x: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Sums of the second, third and fourth powers of the deviations from each window's mean."""
    n = len(x)
    head = np.empty((n, 4))
    tail = np.empty((n, 4))
    for start in range(0, n, window):
        stop = min(start + window, n)
        for side in range(2):
            mean, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
            for k in range(stop - start):
                i = start + k if side == 0 else stop - 1 - k
                count = k + 1.0
                step = x[i] - mean
                part = step / count
                term = step * part * k
                mean += part
                m4 += (
                    term * part * part * (count * count - 3.0 * count + 3.0)
                    + 6.0 * part * part * m2
                    - 4.0 * part * m3
                )
                m3 += term * part * (count - 2.0) - 3.0 * part * m2
                m2 += term
                kept = head if side == 0 else tail
                kept[i, 0], kept[i, 1], kept[i, 2], kept[i, 3] = mean, m2, m3, m4
    out = np.full((3, n), np.nan)
    for i in range(window - 1, n):
        b = i % window + 1.0
        a = window - b
        if a == 0:
            out[0, i], out[1, i], out[2, i] = head[i, 1], head[i, 2], head[i, 3]
            continue
        old, new = tail[i - window + 1], head[i]
        step = new[0] - old[0]
        part = step / window
        out[0, i] = old[1] + new[1] + step * part * a * b
        out[1, i] = (
            old[2]
            + new[2]
            + step * part * part * a * b * (a - b)
            + 3.0 * part * (a * new[1] - b * old[1])
        )
        out[2, i] = (
            old[3]
            + new[3]
            + step * part**3 * a * b * (a * a - a * b + b * b)
            + 6.0 * part * part * (a * a * new[1] + b * b * old[1])
            + 4.0 * part * (a * new[2] - b * old[2])
        )
    return out[0], out[1], out[2]


@compiled
def _comoments(x: Floats, y: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Sums of squared deviations of x, of y, and of the products of both, per window."""
    n = len(x)
    head = np.empty((n, 5))
    tail = np.empty((n, 5))
    for start in range(0, n, window):
        stop = min(start + window, n)
        for side in range(2):
            mean_x, mean_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(stop - start):
                i = start + k if side == 0 else stop - 1 - k
                step_x = x[i] - mean_x
                step_y = y[i] - mean_y
                mean_x += step_x / (k + 1)
                mean_y += step_y / (k + 1)
                xx += step_x * (x[i] - mean_x)
                yy += step_y * (y[i] - mean_y)
                xy += step_x * (y[i] - mean_y)
                kept = head if side == 0 else tail
                kept[i, 0], kept[i, 1] = mean_x, mean_y
                kept[i, 2], kept[i, 3], kept[i, 4] = xx, yy, xy
    out = np.full((3, n), np.nan)
    for i in range(window - 1, n):
        newer = i % window + 1
        older = window - newer
        if older == 0:
            out[0, i], out[1, i], out[2, i] = head[i, 2], head[i, 3], head[i, 4]
            continue
        old, new = tail[i - window + 1], head[i]
        step_x = new[0] - old[0]
        step_y = new[1] - old[1]
        scale = older * newer / window
        out[0, i] = old[2] + new[2] + step_x * step_x * scale
        out[1, i] = old[3] + new[3] + step_y * step_y * scale
        out[2, i] = old[4] + new[4] + step_x * step_y * scale
    return out[0], out[1], out[2]


@compiled
def _weighted_means(x: Floats, weight: Floats, window: int) -> Floats:
    n = len(x)
    head = np.empty((n, 2))
    tail = np.empty((n, 2))
    for start in range(0, n, window):
        stop = min(start + window, n)
        for side in range(2):
            total, mean = 0.0, 0.0
            for k in range(stop - start):
                i = start + k if side == 0 else stop - 1 - k
                total += weight[i]
                if total != 0.0:
                    mean += (x[i] - mean) * (weight[i] / total)
                kept = head if side == 0 else tail
                kept[i, 0], kept[i, 1] = total, mean
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        first = i - window + 1
        total, mean = head[i, 0], head[i, 1]
        if first % window != 0:
            total += tail[first, 0]
            mean = tail[first, 1] + (mean - tail[first, 1]) * (head[i, 0] / total)
        out[i] = mean if total != 0.0 else np.nan
    return out


@compiled
def _share_below(x: Floats, level: Floats, weight: Floats, pieces: int, step: int) -> Floats:
    n = len(x)
    out = np.full(n, np.nan)
    for i in range((pieces - 1) * step, n):
        total, below = 0.0, 0.0
        for piece in range(pieces - 1, -1, -1):
            j = i - piece * step
            if weight[j] != 0.0:  # without weight there may be no value
                total += weight[j]
                if x[j] < level[i]:
                    below += weight[j]
        out[i] = below / total if total != 0.0 else 0.5
    return out
