"""How much of a study's Sharpe ratio luck and choice may explain.

Everything is judged on returns of UTC days, net of costs and out of sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riposte.market.frame import Floats, Times
from riposte.proof.metrics import DAYS_PER_YEAR
from riposte.proof.overfitting import Overfitting, blocks_for, probability_of_overfitting
from riposte.proof.sharpe import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    estimate,
    expected_maximum_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    variance_of,
)

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Honesty:
    """The honesty statistics of a system; NaN where its returns allow none.

    ``record``: its daily Sharpe ratio and what the precision depends on. ``probabilistic``: probability
    that the true ratio is above zero, taken by itself; ``deflated``: the same, knowing that the system is
    one of ``trials`` variants, of which the best would show ``expected_best`` (per year) were all of them
    worthless. That follows from how far the trials' ratios lie apart: ``spread``, their standard
    deviation per year, over the different ratios counted in ``spread_of`` by where they come from.
    ``needed_days``: how long a record shows with ``confidence`` a ratio above zero, if this one holds;
    infinite if it is not positive. ``overfitting``: what choosing among ``choices`` by their past is
    worth; None if the record is too short or the choices are all alike.
    """

    record: SharpeEstimate
    confidence: float
    probabilistic: float
    deflated: float
    trials: int
    expected_best: float
    spread: float
    spread_of: Mapping[str, int]
    needed_days: float
    overfitting: Overfitting | None
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathStudy:
    """Combinatorial purged cross-validation: the same settings on many histories made of unseen groups.

    ``groups``: (start, end) of each, ns UTC; each of ``folds`` trainings was judged on ``test_groups`` of
    them and ``unfitted`` could not be made. ``metrics``: of each path, names of
    :data:`riposte.proof.metrics.METRICS`; ``equity`` (paths, days) at the ends ``time`` (days,) of UTC
    days. ``overfitting``: what choosing among ``choices`` by their past is worth, all paths together.
    """

    groups: tuple[tuple[int, int], ...]
    test_groups: int
    folds: int
    unfitted: int
    metrics: tuple[Mapping[str, float], ...]
    time: Times
    equity: Floats
    overfitting: Overfitting | None
    choices: tuple[str, ...]

    def values(self, metric: str) -> Floats:
        """A measure of every path, those where it is defined, in rising order."""
        found = np.array([each[metric] for each in self.metrics])
        return np.sort(found[np.isfinite(found)])


def honesty(
    returns: Floats,
    *,
    trials: int,
    sharpes: Mapping[str, Sequence[float]],
    choices: Mapping[str, Floats],
) -> Honesty:
    """Judge daily returns (n,).

    ``trials``: how many variants were tried, this one among them. ``sharpes``: the yearly Sharpe ratios
    known of them, by where they come from; equal ones are one variant seen twice and count once.
    ``choices``: daily returns (n,) of every way of acting that could have been chosen instead, by name.
    """
    record = estimate(returns)
    different: dict[float, str] = {}
    for source, values in sharpes.items():
        for value in values:
            if math.isfinite(value):
                different.setdefault(value, source)
    variance = variance_of(list(different)) / DAYS_PER_YEAR
    known = math.isfinite(variance)
    names, matrix = different_choices(choices)
    return Honesty(
        record=record,
        confidence=CONFIDENCE,
        probabilistic=probabilistic_sharpe_ratio(record),
        deflated=deflated_sharpe_ratio(record, trials, variance) if known else math.nan,
        trials=trials,
        expected_best=(
            expected_maximum_sharpe(trials, variance) * DAYS_PER_YEAR**0.5 if known else math.nan
        ),
        spread=math.sqrt(variance * DAYS_PER_YEAR) if known else math.nan,
        spread_of={
            source: count
            for source in sharpes
            if (count := sum(each == source for each in different.values()))
        },
        needed_days=minimum_track_record_length(record, confidence=CONFIDENCE),
        overfitting=chosen_by_the_past(matrix),
        choices=names,
    )


def different_choices(choices: Mapping[str, Floats]) -> tuple[tuple[str, ...], Floats]:
    """(names, returns (n, choices)): of choices whose returns are the same, the first."""
    first: dict[bytes, str] = {}
    for name, returns in choices.items():
        first.setdefault(returns.tobytes(), name)
    names = tuple(first.values())
    return names, np.column_stack([choices[name] for name in names]) if names else np.zeros((0, 0))


def chosen_by_the_past(returns: Floats) -> Overfitting | None:
    """PBO of daily returns (n, choices); None if there is nothing to choose or the record is too short."""
    blocks = blocks_for(len(returns))
    if returns.shape[1] < 2 or blocks == 0:
        return None
    return probability_of_overfitting(returns, blocks)
