"""Permutation importance: how much worse a model tells unseen rows when one feature is shuffled.

Measured on the later rows of purged inner folds, in nats of log loss, rows counted by their weight.
A feature that only helped to learn the past by heart has none, or less than none. Features that say
the same thing stand in for one another and both look useless: prune them first.
"""

from __future__ import annotations

import numpy as np

from riposte.layers.contract import Classes, Indices, Learner, TrainingSet
from riposte.market.frame import Floats
from riposte.proof.selection.inner import judged

_MOST_ROWS = 3_000
_LEAST = 1e-15


def permutation_importance(
    rows: TrainingSet, columns: Indices, learner: Learner, seed: int, *, repeats: int = 2
) -> Floats:
    """Mean rise of the log loss (len(columns),) over the inner folds; ``seed`` decides models and shuffles.

    Raises:
        DataError: if the rows are too few.
    """
    chance = np.random.default_rng([seed, 1])
    total = np.zeros(len(columns))
    folds = 0
    for each in judged(rows, columns, learner, seed, _MOST_ROWS):
        folds += 1
        given = each.features.copy()
        base = _loss(each.model.margins(given), each.label, each.weight)
        for _ in range(repeats):
            order = chance.permutation(len(given))
            for place in range(len(columns)):
                kept = given[:, place].copy()
                given[:, place] = kept[order]
                loss = _loss(each.model.margins(given), each.label, each.weight)
                total[place] += (loss - base) / repeats
                given[:, place] = kept
    return total / folds


def _loss(margins: Floats, label: Classes, weight: Floats) -> float:
    """Weighted log loss of unnormalised log-probabilities, nats."""
    shifted = margins - margins.max(axis=1, keepdims=True)
    log = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    given = log[np.arange(len(label)), label.astype(np.int64) + 1]
    total = float(weight.sum())
    return float(-(given * weight).sum() / total) if total > 0 else float(-given.mean())
