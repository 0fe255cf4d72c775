"""The learners: one file per library, all behind the same interface, listed here by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from riposte.layers.contract import Learner
from riposte.layers.learners.catboost import CatBoostLearner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.projected import ProjectedLearner
from riposte.layers.learners.xgboost import XGBoostLearner


def forest() -> LightGBMLearner:
    """A random forest: deeper trees than boosting takes, each on half of the rows, averaged."""
    return LightGBMLearner(
        rounds=100, learning_rate=1.0, leaves=31, depth=6, row_fraction=0.5, l2=10.0, forest=True
    )


# What an artefact may name. The settings matter for fitting only: a payload carries its own.
LEARNERS: Mapping[str, Callable[[], Learner]] = {
    "lightgbm": LightGBMLearner,
    "xgboost": XGBoostLearner,
    "catboost": CatBoostLearner,
    "forest": forest,
    "projected": ProjectedLearner,
}
