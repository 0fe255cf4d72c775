"""Several learners fitted side by side, their out-of-fold margins, and how a layer is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from riposte.layers.calibration import calibration_error, log_loss
from riposte.layers.contract import Indices, Learner, Model
from riposte.layers.splits import InnerSplit
from riposte.market.frame import Floats

Members = tuple[tuple[str, Model], ...]  # by learner name


def member_margins(members: Members, features: Floats) -> Floats:
    """Margins (m, n, c) of every member, for rows (n, k)."""
    return np.stack([member.margins(features) for _, member in members])


@dataclass(frozen=True, slots=True)
class Scores:
    """How a layer did on rows it was not fitted on, label overlap weighted out.

    ``base_log_loss`` is that of always saying the class frequencies of those same rows, which no
    forecaster without skill beats. The few numbers of the calibration were fitted on these rows; the
    trees have seen none of them.
    """

    rows: int
    log_loss: float
    base_log_loss: float
    accuracy: float
    calibration_error: float  # of the likeliest class's probability


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an ensemble is fitted.

    ``balance``: see :func:`balanced_weights`. ``least_rows``: fewer rows than this are not fitted on.
    """

    learners: tuple[tuple[str, Learner], ...]  # by name
    classes: int
    balance: float
    seed: int
    least_rows: int

    def fit(self, features: Floats, target: Indices, weight: Floats) -> Members:
        """Every learner fitted on the same rows, and on nothing else: balancing included."""
        balanced = balanced_weights(target, weight, self.classes, self.balance)
        return tuple(
            (name, learner.fit(features, target, balanced, self.classes, self.seed))
            for name, learner in self.learners
        )

    def out_of_fold(
        self, features: Floats, target: Indices, weight: Floats, splits: Sequence[InnerSplit]
    ) -> Floats:
        """Margins (m, n, c) of each split's later rows by learners fitted on its earlier ones.

        Rows whose ``target`` is negative are unknown: they are predicted, but fitted on nowhere. Rows
        that no split predicts, or whose split has too few rows to fit on, are NaN.
        """
        margins = np.full((len(self.learners), len(target), self.classes), np.nan)
        for split in splits:
            rows = split.fit[target[split.fit] >= 0]
            if len(rows) < self.least_rows or len(split.predict) == 0:
                continue
            fitted = self.fit(features[rows], target[rows], weight[rows])
            margins[:, split.predict] = member_margins(fitted, features[split.predict])
        return margins


def balanced_weights(target: Indices, weight: Floats, classes: int, balance: float) -> Floats:
    """``weight`` times (mean class mass / mass of the row's class) ** ``balance``, with mean 1.

    0 leaves the classes as frequent as they are, 1 makes them count the same.
    """
    mass = np.bincount(target, weights=weight, minlength=classes)
    present = mass > 0.0
    factor = np.ones(classes)
    factor[present] = (mass[present].mean() / mass[present]) ** balance
    balanced: Floats = weight * factor[target]
    total = balanced.sum()
    return balanced * (len(balanced) / total) if total > 0.0 else np.ones(len(weight))


def score(probabilities: Floats, target: Indices, weight: Floats) -> Scores:
    """Scores of calibrated out-of-fold probabilities (n, c) against the classes (n,)."""
    if len(target) == 0 or weight.sum() <= 0.0:
        nan = float("nan")
        return Scores(0, nan, nan, nan, nan)
    frequency = np.bincount(target, weights=weight, minlength=probabilities.shape[1]) / weight.sum()
    base = np.broadcast_to(frequency, probabilities.shape)
    likeliest = probabilities.argmax(axis=1)
    right = (likeliest == target).astype(np.float64)
    promised = probabilities[np.arange(len(target)), likeliest]
    return Scores(
        rows=len(target),
        log_loss=log_loss(probabilities, target, weight),
        base_log_loss=log_loss(base, target, weight),
        accuracy=float(np.average(right, weights=weight)),
        calibration_error=calibration_error(promised, right, weight),
    )
