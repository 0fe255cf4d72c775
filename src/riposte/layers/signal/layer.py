"""Layer 3, fitted: gradient-boosted trees, averaged and calibrated on what they had not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from riposte.errors import DataError, InputError, nearest
from riposte.layers.contract import SIDES, Learner, TrainingSet
from riposte.layers.ensemble import (
    Ensemble,
    Recipe,
    Scores,
    score,
)
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.layers.signal.calibration import (
    DIRECTION_PRIOR,
    SideCalibration,
    fit_side_calibration,
)
from riposte.layers.splits import purged_splits
from riposte.market.frame import Floats

CLASSES = len(SIDES)
SignalModel = Literal["lightgbm", "xgboost", "blend"]


@dataclass(frozen=True, slots=True)
class SignalConfig:
    """Settings of the signal layer: which learners, and how far the classes are balanced.

    ``balance``: 0 learns from the classes as frequent as they are, 1 gives each the same mass (see
    ``balanced_weights``); calibration puts the frequencies right again either way.
    ``direction_prior``: how much skill in telling the sides apart is believed before it is shown, see
    :mod:`riposte.layers.signal.calibration`.
    """

    model: SignalModel = "blend"
    lightgbm: LightGBMLearner = field(default_factory=LightGBMLearner)
    xgboost: XGBoostLearner = field(default_factory=XGBoostLearner)
    balance: float = 0.5
    direction_prior: float = DIRECTION_PRIOR

    def __post_init__(self) -> None:
        if not self.direction_prior > 0.0:
            raise InputError(f"direction_prior must be above 0, not {self.direction_prior}")
        allowed = get_args(SignalModel)
        if self.model not in allowed:
            raise InputError(
                f"signal model {self.model!r} is not known: use one of {', '.join(allowed)}"
                + nearest(self.model, allowed)
            )

    def learners(self) -> tuple[tuple[str, Learner], ...]:
        """The learners of the chosen model, by name."""
        both: tuple[tuple[str, Learner], ...] = (
            ("lightgbm", self.lightgbm),
            ("xgboost", self.xgboost),
        )
        return both if self.model == "blend" else tuple(p for p in both if p[0] == self.model)


@dataclass(frozen=True, slots=True)
class SignalFit:
    """The layer, the out-of-fold margins it was calibrated on (n, 3; NaN where none), and scores."""

    layer: Ensemble[SideCalibration]
    margins: Floats
    scores: Scores


def fit_signal(
    training: TrainingSet,
    features: Floats,
    stretches: tuple[tuple[int, int], ...],
    config: SignalConfig,
    seed: int,
    least_rows: int,
) -> SignalFit:
    """Fit the signal layer on ``features`` (n, k + what the layers below add).

    Raises:
        DataError: if the window is too short to predict any of its rows from earlier ones.
    """
    target = training.label.astype(np.int64) + 1
    recipe = Recipe(config.learners(), CLASSES, config.balance, seed, least_rows)
    splits = purged_splits(training.time, training.label_end, stretches)
    margins = recipe.out_of_fold(features, target, training.weight, splits)
    judged = np.flatnonzero(np.isfinite(margins[:, 0]))
    if len(judged) == 0:
        raise DataError(
            f"{len(training)} training rows are too few: the first of {len(stretches) + 1} "
            f"stretches must hold {least_rows} rows whose labels are known when it ends",
            hint="train on a longer window",
        )
    overlap = training.weight[judged]
    calibration = fit_side_calibration(
        margins[judged],
        target[judged],
        overlap,
        len(np.unique(training.symbol)),
        config.direction_prior,
    )
    return SignalFit(
        layer=Ensemble(recipe.fit(features, target, training.weight), calibration),
        margins=margins,
        scores=score(calibration.probabilities(margins[judged]), target[judged], overlap),
    )
