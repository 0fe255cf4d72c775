"""Model importance: how much LightGBM's splits on each feature lowered its training loss.

The quickest and the least honest measure: it is taken on the rows the model learned from, and what
helped to learn the past by heart counts too.
"""

from __future__ import annotations

import numpy as np

from riposte.errors import InputError
from riposte.layers.contract import Indices, Learner, TrainingSet
from riposte.layers.learners.lightgbm import LightGBMModel
from riposte.market.frame import Floats
from riposte.proof.selection.inner import judged


def gain_importance(rows: TrainingSet, columns: Indices, learner: Learner, seed: int) -> Floats:
    """Total gain of each feature (len(columns),), each inner fold's scaled to sum to 1.

    Raises:
        DataError: if the rows are too few.
        InputError: if the learner is not LightGBM.
    """
    total = np.zeros(len(columns))
    folds = 0
    for each in judged(rows, columns, learner, seed, 1):
        if not isinstance(each.model, LightGBMModel):
            raise InputError("selection by gain needs the LightGBM learner")
        gain = np.asarray(each.model.booster.feature_importance("gain"), dtype=np.float64)
        total += gain / gain.sum() if gain.sum() > 0 else gain
        folds += 1
    return total / folds
