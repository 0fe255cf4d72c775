"""What choosing the best of several studies proves: deflated Sharpe ratio and overfitting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from riposte.proof.comparison.results import Entry, Selection
from riposte.proof.metrics import DAYS_PER_YEAR
from riposte.proof.overfitting import Overfitting, blocks_for, probability_of_overfitting
from riposte.proof.sharpe import (
    deflated_sharpe_ratio,
    estimate,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
)


def selection(entries: Sequence[Entry], leader: int | None) -> Selection:
    """Judge the choice of ``leader`` by daily returns.

    Every study counted the variants known on its history when it ran, so that the largest count holds the
    others where they share a trial log; a sum would count the shared ones again and again. The ratios of
    worthless trials are taken to spread as chance alone spreads one over n days, by 1 / (n - 1): the few
    compared ones would tell it badly, since twins hardly spread at all, and a good study beside a bad one
    spreads because of what they are.
    """
    trials = max(len(entries), *(entry.record.trials for entry in entries))
    if leader is None:
        return Selection(trials, math.nan, math.nan, math.nan, math.nan, None)
    best = estimate(entries[leader].returns)
    variance = 1.0 / (best.observations - 1)
    return Selection(
        trials=trials,
        probabilistic=probabilistic_sharpe_ratio(best),
        deflated_among=deflated_sharpe_ratio(best, len(entries), variance),
        deflated=deflated_sharpe_ratio(best, trials, variance),
        expected_best=expected_maximum_sharpe(trials, variance) * math.sqrt(DAYS_PER_YEAR),
        overfitting=_overfitting(entries),
    )


def _overfitting(entries: Sequence[Entry]) -> Overfitting | None:
    returns = np.stack([entry.returns for entry in entries], axis=1)
    blocks = blocks_for(len(returns))
    return probability_of_overfitting(returns, blocks) if blocks else None
