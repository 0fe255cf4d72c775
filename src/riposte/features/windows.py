"""The compiled loops behind the rolling windows of :mod:`riposte.features.primitives`.

**Precision.** Nothing is carried from one window to the next by adding the new row and subtracting
the old one: that drifts, and one huge bar would spoil all the values after it. Instead each window is
put together from two partial results (van Herk 1992; Gil and Werman 1993): the rows are cut into
blocks of ``window`` rows, each block is accumulated from its start and from its end, and a window is
the end part of one block joined to the start part of the next. Moments are joined with the pairwise
formulas of Chan, Golub and LeVeque (1979) and Pebay (2008), which do not cancel.

**Speed.** Only the end parts of one block are kept at a time (they stay in the processor's cache), and
counts are divided by once, ahead of the loop: a division inside it would be what every row waits for.
"""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats


@compiled
def reciprocals(window: int) -> Floats:
    """``1 / k`` for k = 1 .. window, at place k."""
    out = np.empty(window + 1)
    out[0] = np.nan
    for k in range(1, window + 1):
        out[k] = 1.0 / k
    return out


@compiled
def sums(x: Floats, window: int) -> Floats:
    """Sum of every window (n,)."""
    n = len(x)
    tail = np.zeros(
        window + 1
    )  # of the block before: what its last rows from each place on add up to
    out = np.full(n, np.nan)
    for start in range(0, n, window):
        count = min(window, n - start)
        total = 0.0
        first = start == 0
        for k in range(count):
            total += x[start + k]
            if not first:
                out[start + k] = total if k == window - 1 else tail[k + 1] + total
        if first and count == window:
            out[window - 1] = total
        if start + window >= n:
            break
        total = 0.0
        for k in range(count - 1, -1, -1):
            total += x[start + k]
            tail[k] = total
    return out


@compiled
def maxima(x: Floats, window: int) -> Floats:
    """Largest value of every window (n,); NaN where one is NaN."""
    n = len(x)
    tail = np.empty(window + 1)
    out = np.full(n, np.nan)
    for start in range(0, n, window):
        count = min(window, n - start)
        most = x[start]
        first = start == 0
        for k in range(count):
            value = x[start + k]
            if not value <= most:  # a NaN, here or before, stays
                most = most if np.isnan(most) else value
            if k == window - 1:
                out[start + k] = most
            elif not first:
                older = tail[k + 1]
                out[start + k] = older if (older > most or np.isnan(older)) else most
        if start + window >= n:
            break
        most = x[start + count - 1]
        for k in range(count - 1, -1, -1):
            value = x[start + k]
            if not value <= most:
                most = most if np.isnan(most) else value
            tail[k] = most
    return out


@compiled
def moments(x: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and sum of squared deviations of every window, each (n,)."""
    n = len(x)
    inverse = reciprocals(window)
    tail_mean, tail_squares = np.empty(window + 1), np.empty(window + 1)
    means, squares = np.full(n, np.nan), np.full(n, np.nan)
    for start in range(0, n, window):
        count = min(window, n - start)
        mean, square = 0.0, 0.0
        first = start == 0
        for k in range(1, count + 1):
            value = x[start + k - 1]
            step = value - mean
            mean += step * inverse[k]
            square += step * (value - mean)
            if k == window:
                means[start + k - 1] = mean
                squares[start + k - 1] = square
            elif not first:
                newer = k * inverse[window]
                step = mean - tail_mean[k]
                means[start + k - 1] = tail_mean[k] + step * newer
                squares[start + k - 1] = (
                    tail_squares[k] + square + step * step * newer * (window - k)
                )
        if start + window >= n:
            break
        mean, square = 0.0, 0.0
        for k in range(1, count + 1):
            value = x[start + count - k]
            step = value - mean
            mean += step * inverse[k]
            square += step * (value - mean)
            tail_mean[count - k] = mean
            tail_squares[count - k] = square
    return means, squares


@compiled
def comoments(x: Floats, y: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Sums of squared deviations of x, of y, and of the products of both, of every window, each (n,)."""
    n = len(x)
    inverse = reciprocals(window)
    tail = np.empty((window + 1, 5))
    xs, ys, products = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    for start in range(0, n, window):
        count = min(window, n - start)
        mean_x, mean_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
        first = start == 0
        for k in range(1, count + 1):
            i = start + k - 1
            step_x = x[i] - mean_x
            step_y = y[i] - mean_y
            mean_x += step_x * inverse[k]
            mean_y += step_y * inverse[k]
            rest_y = y[i] - mean_y
            xx += step_x * (x[i] - mean_x)
            yy += step_y * rest_y
            xy += step_x * rest_y
            if k == window:
                xs[i], ys[i], products[i] = xx, yy, xy
            elif not first:
                old = tail[k]
                apart_x, apart_y = mean_x - old[0], mean_y - old[1]
                scale = k * inverse[window] * (window - k)
                xs[i] = old[2] + xx + apart_x * apart_x * scale
                ys[i] = old[3] + yy + apart_y * apart_y * scale
                products[i] = old[4] + xy + apart_x * apart_y * scale
        if start + window >= n:
            break
        mean_x, mean_y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(1, count + 1):
            i = start + count - k
            step_x = x[i] - mean_x
            step_y = y[i] - mean_y
            mean_x += step_x * inverse[k]
            mean_y += step_y * inverse[k]
            rest_y = y[i] - mean_y
            xx += step_x * (x[i] - mean_x)
            yy += step_y * rest_y
            xy += step_x * rest_y
            kept = tail[count - k]
            kept[0], kept[1], kept[2], kept[3], kept[4] = mean_x, mean_y, xx, yy, xy
    return xs, ys, products


@compiled
def higher_moments(x: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Sums of the second, third and fourth powers of the deviations from each window's mean."""
    n = len(x)
    inverse = reciprocals(window)
    tail = np.empty((window + 1, 4))
    second, third, fourth = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    share = inverse[window]
    for start in range(0, n, window):
        count = min(window, n - start)
        first = start == 0
        for side in range(1 if start + window >= n else 2):
            mean, m2, m3, m4 = 0.0, 0.0, 0.0, 0.0
            for k in range(1, count + 1):
                i = start + k - 1 if side == 0 else start + count - k
                step = x[i] - mean
                part = step * inverse[k]
                term = step * part * (k - 1)
                squared = part * part
                mean += part
                m4 += (
                    term * squared * (k * k - 3.0 * k + 3.0) + 6.0 * squared * m2 - 4.0 * part * m3
                )
                m3 += term * part * (k - 2.0) - 3.0 * part * m2
                m2 += term
                if side == 1:
                    kept = tail[count - k]
                    kept[0], kept[1], kept[2], kept[3] = mean, m2, m3, m4
                elif k == window:
                    second[i], third[i], fourth[i] = m2, m3, m4
                elif not first:
                    old = tail[k]
                    a, b = float(window - k), float(k)
                    apart = mean - old[0]
                    piece = apart * share
                    both = apart * piece * a * b
                    second[i] = old[1] + m2 + both
                    third[i] = (
                        old[2] + m3 + both * piece * (a - b) + 3.0 * piece * (a * m2 - b * old[1])
                    )
                    fourth[i] = (
                        old[3]
                        + m4
                        + both * piece * piece * (a * a - a * b + b * b)
                        + 6.0 * piece * piece * (a * a * m2 + b * b * old[1])
                        + 4.0 * piece * (a * m3 - b * old[2])
                    )
    return second, third, fourth


@compiled
def weighted_means(x: Floats, weight: Floats, window: int) -> Floats:
    """Weighted mean of every window (n,); NaN where all weigh 0."""
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
def share_below(x: Floats, level: Floats, weight: Floats, pieces: int, step: int) -> Floats:
    """See :func:`riposte.features.primitives.share_below`."""
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
