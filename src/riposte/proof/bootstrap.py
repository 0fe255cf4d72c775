"""How far chance alone could move a result: the stationary bootstrap of daily returns.

Source: Politis and Romano (1994), "The Stationary Bootstrap", JASA 89. Blocks of geometric length keep
volatility clustering; the series is wrapped round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import compiled
from riposte.market.frame import Floats
from riposte.proof.metrics import DAYS_PER_YEAR

# The columns of `resampled`; the drawdown is that of daily closes.
MEASURES = ("total_return", "sharpe", "max_drawdown", "calmar")


def stationary_indices(
    length: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers of one resample of ``length`` rows in blocks of ``mean_block`` rows on average."""
    starts = rng.integers(0, length, length)
    fresh = rng.random(length) < 1.0 / mean_block
    rows: NDArray[np.int64] = _joined(starts, fresh)
    return rows


def resampled(
    returns: Floats, *, seed: int, resamples: int = 1000, mean_block: float = 10.0
) -> Floats:
    """The :data:`MEASURES` of each resample (resamples, 4) of daily returns (n,); NaN where undefined.

    They are those of :mod:`riposte.proof.metrics` for an account that makes the resample's returns.
    """
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, len(MEASURES)))
    for i in range(resamples):
        rows = stationary_indices(len(returns), mean_block, rng)
        drawn[i] = _measured(returns, rows, DAYS_PER_YEAR)
    return drawn


def intervals(
    returns: Floats,
    *,
    seed: int,
    resamples: int = 1000,
    mean_block: float = 10.0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the :data:`MEASURES`; NaN where they are not defined."""
    drawn = resampled(returns, seed=seed, resamples=resamples, mean_block=mean_block)
    tail = (1.0 - level) / 2.0
    found: dict[str, tuple[float, float]] = {}
    for column, name in enumerate(MEASURES):
        values = drawn[np.isfinite(drawn[:, column]), column]
        if len(values) == 0:
            found[name] = (np.nan, np.nan)
        else:
            low, high = np.quantile(values, [tail, 1.0 - tail])
            found[name] = (float(low), float(high))
    return found


@compiled
def _joined(starts: NDArray[np.int64], fresh: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows that go on from one to the next, and start anew where a block is fresh."""
    rows = starts.copy()
    for i in range(1, len(rows)):
        if not fresh[i]:
            following = rows[i - 1] + 1
            rows[i] = following if following < len(rows) else 0
    return rows


@compiled
def _measured(
    returns: Floats, rows: NDArray[np.int64], days_per_year: float
) -> tuple[float, float, float, float]:
    """(total return, Sharpe, max drawdown, Calmar) of the returns in the order of ``rows``."""
    count = len(rows)
    equity, peak, fall, total = 1.0, 1.0, 0.0, 0.0
    for row in rows:
        total += returns[row]
        equity *= 1.0 + returns[row]
        peak = max(peak, equity)
        fall = max(fall, 1.0 - equity / peak)
    mean = total / count
    square = 0.0
    moved = False
    for row in rows:
        square += (returns[row] - mean) ** 2
        moved = moved or returns[row] != returns[rows[0]]
    spread = np.sqrt(square / (count - 1)) if moved else 0.0
    sharpe = mean / spread * np.sqrt(days_per_year) if spread > 0.0 else np.nan
    yearly = equity ** (days_per_year / count) - 1.0 if equity > 0.0 else -1.0
    calmar = yearly / fall if fall > 0.0 else np.nan
    return equity - 1.0, sharpe, fall, calmar
