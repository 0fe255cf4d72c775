"""Is the best of many trials better than what is shipped, or only the luckiest?

Two trials judged on the same rows are compared week by week, so that what made a week hard for both drops
out; the standard error is that of the sum of weekly differences. The best of N trials without any skill
still looks better than their mean, by about the expected maximum of N normal draws (Bailey & Lopez de Prado
2014, "The Deflated Sharpe Ratio", eq. 1): that much is luck, and only what exceeds it counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from riposte.market.frame import Floats

_EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Difference:
    """Log loss of a trial less that of another on the same rows, nats per row; below 0 is better.

    ``standard_error`` is NaN with fewer than two weeks.
    """

    value: float
    standard_error: float


def difference(trial: Sequence[float], other: Sequence[float], weight: float) -> Difference:
    """Compare the weekly sums of weighted log loss of two trials; ``weight`` is that of all rows."""
    by_week: Floats = (np.asarray(trial) - np.asarray(other)) / weight
    count = len(by_week)
    if count < 2:
        return Difference(float(by_week.sum()), float("nan"))
    spread = float(((by_week - by_week.mean()) ** 2).sum())
    return Difference(float(by_week.sum()), math.sqrt(spread * count / (count - 1)))


def luck(trials: int) -> float:
    """By how many standard errors the best of ``trials`` without skill is expected to look better."""
    if trials < 2:
        return 0.0
    first, second = ndtri(1.0 - 1.0 / trials), ndtri(1.0 - 1.0 / (trials * math.e))
    return float((1.0 - _EULER) * first + _EULER * second)


def beyond_luck(best: Difference, trials: int) -> bool:
    """Whether the best of ``trials`` is better by more than luck alone would make it look."""
    return best.value < -luck(trials) * best.standard_error
