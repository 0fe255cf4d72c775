"""The learners: one file per library, all behind the same interface, listed here by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from riposte.layers.contract import Learner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner

# What an artefact may name. The settings matter for fitting only: a payload carries its own.
LEARNERS: Mapping[str, Callable[[], Learner]] = {
    "lightgbm": LightGBMLearner,
    "xgboost": XGBoostLearner,
}
