"""How symbols move together, from their closes alone and never from a later one.

**Returns.** Log returns from close to close on one clock of whole hours (of bars, where these are
longer). Shorter bars are read at the hours only: trades of different symbols do not fall together, so
that returns over minutes look less correlated than the prices are (Epps 1979). A return is known where
both its closes were recorded; none is made across a gap.

**Windows.** Every UTC day at 00:00 looks back over its own window, afresh: a day's numbers are the same
to the last bit whether years or only this window are at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import compiled
from riposte.errors import InputError
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import DAY_NS, HOUR_NS, Interval, format_duration

Shrinkage = Literal["none", "identity", "constant-correlation"]

_YEAR_NS = 365 * DAY_NS  # these markets never close
_LEAST_RETURNS = 30  # in a window: fewer do not tell a correlation of 0.7 from one of 0.4
_LEAST_SHARE = 0.5  # of a window's returns that must be known
# Per return. Below it a price stood still, and what is left of its returns is rounding.
_STILL = 1e-12


def return_step(interval: Interval) -> int:
    """The length of the returns in ns: an hour, or a bar where bars are longer."""
    return max(HOUR_NS, interval.ns)


def returns_in(window_ns: int, interval: Interval) -> int:
    """How many returns a window holds.

    Raises:
        InputError: if they are too few to estimate anything.
    """
    count = window_ns // return_step(interval)
    if count < _LEAST_RETURNS:
        least = format_duration(_LEAST_RETURNS * return_step(interval))
        raise InputError(
            f"portfolio.window = {format_duration(window_ns)} holds {count} returns of {interval} bars: "
            f"{_LEAST_RETURNS} are needed, so at least {least}"
        )
    return count


@dataclass(frozen=True, slots=True)
class ReturnWindows:
    """The returns (N, S) that each epoch looks back on; NaN where a return is not known.

    ``since`` (E,), ns UTC, are the UTC days from the one of the first close to that of the last.
    """

    since: Times
    step_ns: int
    length: int  # N
    returns: Floats  # (G, S) of all windows; row g ends g steps after first_end
    first_end: int

    def __len__(self) -> int:
        return len(self.since)

    def __getitem__(self, epoch: int) -> Floats:
        stop = (int(self.since[epoch]) - self.first_end) // self.step_ns + 1
        return self.returns[stop - self.length : stop]


def return_windows(frames: Sequence[MarketFrame], window_ns: int) -> ReturnWindows:
    """The windows of returns of several symbols, in the order of the frames.

    Raises:
        InputError: if the window holds too few returns.
        ValueError: if there are no frames, no bars in any, or they are of different intervals.
    """
    intervals = {frame.interval for frame in frames}
    if len(intervals) != 1:
        raise ValueError(f"frames of one interval wanted, not {sorted(map(str, intervals))}")
    interval = intervals.pop()
    step, length = return_step(interval), returns_in(window_ns, interval)
    spans = [frame.close_time[[0, -1]] // DAY_NS for frame in frames if len(frame)]
    if not spans:
        raise ValueError("no bars to look back on")
    since = np.arange(np.min(spans), np.max(spans) + 1, dtype=np.int64) * DAY_NS
    start = int(since[0]) - length * step
    points = (int(since[-1]) - start) // step + 1
    closes = np.full((points, len(frames)), np.nan)
    for symbol, frame in enumerate(frames):
        time = frame.close_time
        seen = (time % step == 0) & (time <= since[-1])
        closes[(time[seen] - start) // step, symbol] = frame["close"][seen]
    returns = np.diff(np.log(closes), axis=0)
    return ReturnWindows(since, step, length, returns, start + step)


def known_symbols(returns: Floats) -> NDArray[np.bool_]:
    """Which symbols have returns enough in a window (N, S), and a price that moved: bool (S,)."""
    known = np.isfinite(returns)
    counts = known.sum(axis=0)
    found = np.where(known, returns, 0.0)
    away = np.where(known, found - found.sum(axis=0) / np.maximum(counts, 1), 0.0)
    moved = (away**2).sum(axis=0) > counts * _STILL**2
    return np.asarray(moved & (counts >= _LEAST_SHARE * len(returns)), dtype=np.bool_)


def correlations(returns: Floats) -> Floats:
    """Correlation (S, S) of each pair, over the returns both have; NaN where these are too few.

    The estimate is the sample's (Pearson), pair by pair. NaN too where one of the prices stood still.
    """
    least = int(np.ceil(_LEAST_SHARE * len(returns)))
    return _pairwise(np.ascontiguousarray(returns), least)


@compiled
def _pairwise(returns: Floats, least: int) -> Floats:
    count, symbols = returns.shape
    out = np.full((symbols, symbols), np.nan)
    for i in range(symbols):
        out[i, i] = 1.0
        for j in range(i):
            shared = 0
            mean_i = mean_j = 0.0
            for t in range(count):
                a, b = returns[t, i], returns[t, j]
                if np.isfinite(a) and np.isfinite(b):
                    shared += 1
                    mean_i += a
                    mean_j += b
            if shared < least:
                continue
            mean_i /= shared
            mean_j /= shared
            square_i = square_j = product = 0.0
            for t in range(count):
                a, b = returns[t, i] - mean_i, returns[t, j] - mean_j
                if np.isfinite(a) and np.isfinite(b):
                    square_i += a * a
                    square_j += b * b
                    product += a * b
            if min(square_i, square_j) > shared * _STILL**2:
                value = product / (np.sqrt(square_i) * np.sqrt(square_j))
                out[i, j] = out[j, i] = min(1.0, max(-1.0, value))
    return out


def annual_volatilities(windows: ReturnWindows) -> Floats:
    """Standard deviation of each symbol's returns per year of 365 days, (E, S); NaN where unknown."""
    out = np.full((len(windows), windows[0].shape[1]), np.nan)
    for epoch in range(len(windows)):
        returns = windows[epoch]
        known = known_symbols(returns)
        out[epoch, known] = np.nanstd(returns[:, known], axis=0, ddof=1)
    out *= np.sqrt(_YEAR_NS / windows.step_ns)
    return out


def shared_returns(returns: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The symbols (K,) with history enough, and the returns (N', K) that all of them have.

    Where these are too few, the symbols with the shortest history are left out until they are not.
    Complete rows keep the covariance positive semidefinite, which pairs of different rows do not.
    """
    chosen = np.flatnonzero(known_symbols(returns))
    while len(chosen):
        known = np.isfinite(returns[:, chosen])
        rows = returns[known.all(axis=1)][:, chosen]
        if len(rows) >= _LEAST_SHARE * len(returns):
            return chosen, rows
        counts = known.sum(axis=0)
        chosen = chosen[counts > counts.min()]
    return chosen, returns[:0, :0]


def covariance(returns: Floats, shrinkage: Shrinkage = "none") -> Floats:
    """Covariance (K, K) of complete returns (N, K), per return, as shrunk as is asked.

    S is the sample covariance with divisor N, as in the papers. A shrunk one is d F + (1 - d) S for a
    target F, with the d in [0, 1] that is expected to come closest to the truth:

    ``identity``: F is the mean variance times the identity (Ledoit and Wolf 2004, *A well-conditioned
    estimator for large-dimensional covariance matrices*); d = min(b, g) / g with
    g = ||S - F||^2 and b = 1/N^2 sum_t ||x_t x_t' - S||^2.
    ``constant-correlation``: F has the variances of S and everywhere the mean of its correlations r
    (Ledoit and Wolf 2004, *Honey, I shrunk the sample covariance matrix*); d = (p - c) / (g N) with
    p = sum_ij p_ij, p_ij = mean_t (x_ti x_tj - s_ij)^2, and c = sum_i p_ii + sum_i!=j r/2
    (sqrt(s_jj / s_ii) h_ij + sqrt(s_ii / s_jj) h_ji), h_ij = mean_t (x_ti^2 - s_ii)(x_ti x_tj - s_ij).
    """
    x = returns - returns.mean(axis=0)
    count, symbols = x.shape
    sample: Floats = x.T @ x / count
    if shrinkage == "none" or symbols == 1:
        return sample
    products = x[:, :, None] * x[:, None, :] - sample  # (N, K, K)
    noise = np.mean(products**2, axis=0)
    if shrinkage == "identity":
        target = np.eye(symbols) * np.trace(sample) / symbols
        gained = float(noise.sum())
    else:
        target, drift = _constant_correlation(sample, products)
        gained = float(noise.sum() - np.trace(noise) - drift)
    distance = float(((sample - target) ** 2).sum())
    if distance <= 0.0:  # the target is the sample: nothing to choose between
        return sample
    weight = min(1.0, max(0.0, gained / (count * distance)))
    shrunk: Floats = weight * target + (1.0 - weight) * sample
    return shrunk


def _constant_correlation(sample: Floats, products: Floats) -> tuple[Floats, float]:
    """The target, and how much of the sample's noise the target moves along with (i != j)."""
    symbols = len(sample)
    scale = np.sqrt(np.diagonal(sample))
    apart = ~np.eye(symbols, dtype=np.bool_)
    mean = float((sample / np.outer(scale, scale))[apart].mean())
    target = np.where(apart, mean * np.outer(scale, scale), sample)
    squares = np.diagonal(products, axis1=1, axis2=2)  # (N, K)
    together = np.mean(squares[:, :, None] * products, axis=0)  # h_ij
    moved = together * np.outer(1.0 / scale, scale)
    return target, mean * float(moved[apart].sum())
