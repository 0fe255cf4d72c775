"""Contribution importance: how much each feature moves a model's answers on rows it did not see.

The contributions are TreeSHAP values from the library's own code (``pred_contrib`` of LightGBM), on the
later rows of purged inner folds. They say what the model uses, not whether it is right to.
"""

from __future__ import annotations

import numpy as np

from riposte.layers.contract import Indices, Learner, TrainingSet
from riposte.market.frame import Floats
from riposte.proof.selection.inner import judged

_MOST_ROWS = 1_500


def shap_importance(rows: TrainingSet, columns: Indices, learner: Learner, seed: int) -> Floats:
    """Mean |contribution| to the three margins (len(columns),), each fold's scaled to sum to 1.

    Raises:
        DataError: if the rows are too few.
    """
    total = np.zeros(len(columns))
    folds = 0
    for each in judged(rows, columns, learner, seed, _MOST_ROWS):
        moved = np.abs(each.model.contributions(each.features)[:, :-1, :]).mean(axis=(0, 2))
        whole = moved.sum()
        total += moved / whole if whole > 0 else moved
        folds += 1
    return total / folds
