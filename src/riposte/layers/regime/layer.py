"""Layer 1, fitted: regime probabilities for rows, and out-of-fold ones for the layers above."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from riposte.layers.calibration import Calibration, fit_calibration, softmax
from riposte.layers.contract import REGIMES, TrainingSet
from riposte.layers.ensemble import Members, Recipe, Scores, member_margins, score
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.splits import purged_splits
from riposte.market.frame import Floats

CLASSES = len(REGIMES)


@dataclass(frozen=True, slots=True)
class RegimeConfig:
    """Settings of the regime layer. ``balance``: see ``balanced_weights``."""

    lightgbm: LightGBMLearner = field(
        default_factory=lambda: LightGBMLearner(
            rounds=40,
            learning_rate=0.08,
            leaves=7,
            depth=4,
            feature_fraction=0.5,
            least_rows=40,
            l2=20.0,
        )
    )
    balance: float = 0.0


@dataclass(frozen=True, slots=True)
class RegimeLayer:
    """The members, whose margins are averaged (a geometric mean of probabilities), then calibrated."""

    members: Members
    calibration: Calibration

    def margins(self, features: Floats) -> Floats:
        """Mean margins (n, 7) of rows (n, k), not calibrated."""
        mean: Floats = member_margins(self.members, features).mean(axis=0)
        return mean

    def probabilities(self, features: Floats) -> Floats:
        """Calibrated probabilities (n, 7) of rows (n, k)."""
        return self.calibration.probabilities(self.margins(features))

    def contributions(self, features: Floats) -> Floats:
        """SHAP values (n, k + 1, 7) of the mean margins, the last being the base."""
        parts = [member.contributions(features) for _, member in self.members]
        mean: Floats = np.mean(parts, axis=0)
        return mean


@dataclass(frozen=True, slots=True)
class RegimeFit:
    """The layer, the raw out-of-fold probabilities (n, 7; NaN where there are none), and scores."""

    layer: RegimeLayer
    out_of_fold: Floats
    scores: Scores


def fit_regime(
    training: TrainingSet,
    stretches: tuple[tuple[int, int], ...],
    config: RegimeConfig,
    seed: int,
    least_rows: int,
) -> RegimeFit | None:
    """Fit the regime layer, or None where fewer than ``least_rows`` rows have a known regime.

    What the layers above are trained on is the *uncalibrated* out-of-fold answer: the calibration is
    fitted on all of those rows, later ones too, and would carry a trace of them back.
    """
    target = training.regime_label.astype(np.int64)
    known = np.flatnonzero(target >= 0)
    if len(known) < least_rows:
        return None
    recipe = Recipe((("lightgbm", config.lightgbm),), CLASSES, config.balance, seed, least_rows)
    # Neighbouring rows share nearly all of their window, all alike: a flat weight says the same.
    weight = np.ones(len(training))
    splits = purged_splits(training.time, training.regime_end, stretches)
    margins = recipe.out_of_fold(training.features, target, weight, splits).mean(axis=0)
    judged = np.flatnonzero(np.isfinite(margins[:, 0]) & (target >= 0))
    calibration = fit_calibration(margins[judged], target[judged], weight[judged])
    members = recipe.fit(training.features[known], target[known], weight[known])
    return RegimeFit(
        layer=RegimeLayer(members, calibration),
        out_of_fold=softmax(margins),
        scores=score(calibration.probabilities(margins[judged]), target[judged], weight[judged]),
    )


def raw_probabilities(margins: Floats) -> Floats:
    """What the layers above read: uncalibrated probabilities (n, 7), as in their training."""
    return softmax(margins)
