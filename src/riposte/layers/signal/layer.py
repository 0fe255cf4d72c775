"""Layer 3, fitted: several learners, stacked or blended, calibrated on what they had not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from riposte.errors import DataError, InputError, nearest
from riposte.layers.contract import LONG, SHORT, SIDES, Learner, TrainingSet
from riposte.layers.ensemble import Members, Recipe, Scores, member_margins, score
from riposte.layers.learners import forest
from riposte.layers.learners.catboost import CatBoostLearner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.projected import ProjectedLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.layers.signal.calibration import (
    DIRECTION_PRIOR,
    SideCalibration,
    fit_side_calibration,
)
from riposte.layers.splits import purged_splits
from riposte.market.frame import Floats

CLASSES = len(SIDES)
LearnerName = Literal["lightgbm", "xgboost", "catboost", "forest"]
SignalModel = Literal["lightgbm", "xgboost", "catboost", "forest", "blend", "stack"]


@dataclass(frozen=True, slots=True)
class SignalConfig:
    """Settings of the signal layer: which learners, and how far the classes are balanced.

    ``model``: one learner, or how several ``members`` speak as one: ``blend`` with equal weights,
    ``stack`` with the weights that their out-of-fold answers earned. ``balance``: 0 learns from the
    classes as frequent as they are, 1 gives each the same mass (see ``balanced_weights``); calibration
    puts the frequencies right again either way. ``direction_prior``: how much skill in telling the sides
    apart is believed before it is shown, see :mod:`riposte.layers.signal.calibration`. ``components``:
    the learners read at most so many principal components in the place of features; 0 is off.
    """

    model: SignalModel = "blend"
    members: tuple[LearnerName, ...] = ("lightgbm", "xgboost")
    lightgbm: LightGBMLearner = field(default_factory=LightGBMLearner)
    xgboost: XGBoostLearner = field(default_factory=XGBoostLearner)
    catboost: CatBoostLearner = field(default_factory=CatBoostLearner)
    forest: LightGBMLearner = field(default_factory=forest)
    balance: float = 0.5
    direction_prior: float = DIRECTION_PRIOR
    components: int = 0

    def __post_init__(self) -> None:
        if not self.direction_prior > 0.0:
            raise InputError(f"direction_prior must be above 0, not {self.direction_prior}")
        if self.components < 0:
            raise InputError(f"components must be at least 0, not {self.components}")
        for given, allowed in [(self.model, get_args(SignalModel)), *(
            (member, get_args(LearnerName)) for member in self.members
        )]:  # fmt: skip
            if given not in allowed:
                raise InputError(
                    f"signal model {given!r} is not known: use one of {', '.join(allowed)}"
                    + nearest(given, allowed)
                )
        if not self.members or len(set(self.members)) < len(self.members):
            raise InputError(
                "members of a blend or stack are one or more learners, each named once"
            )

    def learners(self) -> tuple[tuple[str, Learner], ...]:
        """The learners of the chosen model, by name."""
        known: dict[str, Learner] = {
            "lightgbm": self.lightgbm,
            "xgboost": self.xgboost,
            "catboost": self.catboost,
            "forest": self.forest,
        }
        chosen = self.members if self.model in {"blend", "stack"} else (self.model,)
        if self.components:
            return tuple((name, ProjectedLearner(known[name], self.components)) for name in chosen)
        return tuple((name, known[name]) for name in chosen)


@dataclass(frozen=True, slots=True)
class SignalLayer:
    """The members, and the meta-model that weighs and calibrates what they say."""

    members: Members
    calibration: SideCalibration

    def probabilities(self, features: Floats) -> Floats:
        """Calibrated probabilities (n, 3) of rows (n, k)."""
        return self.calibration.probabilities(member_margins(self.members, features))

    def toward_long(self, features: Floats) -> Floats:
        """SHAP values (n, k + 1) toward log P(LONG) - log P(SHORT), the last being the base."""
        total = np.zeros((len(features), features.shape[1] + 1))
        for (_, member), slope in zip(self.members, self.calibration.direction_slopes, strict=True):
            if slope != 0.0:
                by_class = member.contributions(features)
                total += slope * (by_class[:, :, LONG] - by_class[:, :, SHORT])
        total[:, -1] += self.calibration.direction_bias
        return total


@dataclass(frozen=True, slots=True)
class SignalFit:
    """The layer; what it was calibrated on: the members' out-of-fold margins (m, n, 3; NaN where none)
    and their calibrated probabilities (n, 3; NaN where none); and scores."""

    layer: SignalLayer
    margins: Floats
    probabilities: Floats
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
    judged = np.flatnonzero(np.isfinite(margins[0, :, 0]))
    if len(judged) == 0:
        raise DataError(
            f"{len(training)} training rows are too few: the first of {len(stretches) + 1} "
            f"stretches must hold {least_rows} rows whose labels are known when it ends",
            hint="train on a longer window",
        )
    overlap = training.evidence[judged]
    calibration = fit_side_calibration(
        margins[:, judged],
        target[judged],
        overlap,
        len(np.unique(training.symbol)),
        config.direction_prior,
        stacked=config.model == "stack",
    )
    probabilities = np.full((len(training), CLASSES), np.nan)
    probabilities[judged] = calibration.probabilities(margins[:, judged])
    return SignalFit(
        layer=SignalLayer(recipe.fit(features, target, training.weight), calibration),
        margins=margins,
        probabilities=probabilities,
        scores=score(probabilities[judged], target[judged], overlap),
    )
