"""How far chance alone could move a result: the stationary bootstrap of daily returns.

Source: Politis and Romano (1994), "The Stationary Bootstrap", JASA 89. Blocks of geometric length keep
volatility clustering; the series is wrapped round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from riposte.market.frame import Floats
from riposte.proof.metrics import sharpe_ratio


def stationary_indices(
    length: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers of one resample of ``length`` rows in blocks of ``mean_block`` rows on average."""
    starts = rng.integers(0, length, length)
    fresh = rng.random(length) < 1.0 / mean_block
    fresh[0] = True
    block = np.cumsum(fresh) - 1
    first_row = np.flatnonzero(fresh)
    offset = np.arange(length) - first_row[block]
    rows: NDArray[np.int64] = (starts[first_row][block] + offset) % length
    return rows


def total_return(returns: Floats) -> float:
    """Compounded return."""
    return float(np.prod(1.0 + returns) - 1.0)


MEASURES: Mapping[str, Callable[[Floats], float]] = {
    "total_return": total_return,
    "sharpe": sharpe_ratio,
}


def intervals(
    returns: Floats,
    *,
    seed: int,
    resamples: int = 1000,
    mean_block: float = 10.0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of total return and Sharpe ratio; NaN where they are not defined."""
    rng = np.random.default_rng(seed)
    drawn = np.full((resamples, len(MEASURES)), np.nan)
    for i in range(resamples):
        sample = returns[stationary_indices(len(returns), mean_block, rng)]
        drawn[i] = [each(sample) for each in MEASURES.values()]
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
