"""Price target regression: boosting and a random forest expect the forward return, out of fold and fitted.

The target is the forward return in units of the take-profit width of its row, cut at +-5 of them: the same
at any price level and any volatility, and no single crash decides a tree. What is expected is shown with
each decision; whether the signal layer reads it too is a setting, because a regression that knows nothing
adds nothing but noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from scipy.stats import rankdata

from riposte.errors import InputError, nearest
from riposte.layers.contract import Learner, TrainingSet
from riposte.layers.ensemble import Members
from riposte.layers.learners import forest
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.splits import purged_splits
from riposte.market.frame import Floats
from riposte.market.interval import HOUR_NS

ForecastModel = Literal["off", "boosting", "forest", "both"]
FORECAST_LEARNERS = {"boosting": "lightgbm", "forest": "forest"}  # what each is to an artefact
_CUT = 5.0


@dataclass(frozen=True, slots=True)
class ForecastConfig:
    """Settings of the forecast: which models, how far ahead, and whether the signal layer reads them."""

    model: ForecastModel = "off"
    horizon_ns: int = 4 * HOUR_NS
    in_signal: bool = False
    boosting: LightGBMLearner = field(default_factory=LightGBMLearner)
    forest: LightGBMLearner = field(default_factory=forest)

    def __post_init__(self) -> None:
        allowed = get_args(ForecastModel)
        if self.model not in allowed:
            raise InputError(
                f"forecast model {self.model!r} is not known: use one of {', '.join(allowed)}"
                + nearest(self.model, allowed)
            )
        if self.horizon_ns <= 0:
            raise InputError(f"the forecast's horizon must be above 0, not {self.horizon_ns} ns")

    def learners(self) -> tuple[tuple[str, Learner], ...]:
        """The learners of the chosen models, by name."""
        both: tuple[tuple[str, Learner], ...] = (
            ("boosting", self.boosting),
            ("forest", self.forest),
        )
        return tuple(each for each in both if self.model in {each[0], "both"})


@dataclass(frozen=True, slots=True)
class ForecastScores:
    """How the mean of the models did on rows they had not seen.

    ``skill``: 1 - squared error / squared error of always expecting no change; below 0 is worse than
    that. ``rank_correlation``: Spearman's, of what was expected with what came. ``side_right``: share of
    rows whose sign was expected rightly.
    """

    rows: int
    skill: float
    rank_correlation: float
    side_right: float


@dataclass(frozen=True, slots=True)
class ForecastLayer:
    """The fitted regressions, by name."""

    members: Members
    horizon_ns: int
    in_signal: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """What the columns are called that they add to the signal's features."""
        return tuple(f"layer.forecast.{name}" for name, _ in self.members)

    def expected(self, features: Floats) -> Floats:
        """What each model expects (n, m), in units of the take-profit width."""
        return np.column_stack([member.margins(features)[:, 0] for _, member in self.members])


@dataclass(frozen=True, slots=True)
class ForecastFit:
    """The layer, what it expected out of fold (n, m; NaN where there is nothing), and scores."""

    layer: ForecastLayer
    out_of_fold: Floats
    scores: ForecastScores


def fit_forecast(
    training: TrainingSet,
    stretches: tuple[tuple[int, int], ...],
    config: ForecastConfig,
    seed: int,
    least_rows: int,
) -> ForecastFit | None:
    """Fit the forecast; None where it is off, or fewer than ``least_rows`` forward returns are known."""
    learners = config.learners()
    if not learners or training.forward_return is None or training.forward_end is None:
        return None
    target = np.clip(training.forward_return / training.take_profit, -_CUT, _CUT)
    known = np.flatnonzero(np.isfinite(target))
    if len(known) < least_rows:
        return None
    flat = np.ones(len(training))  # neighbouring windows overlap all alike
    ahead = np.full((len(training), len(learners)), np.nan)
    for split in purged_splits(training.time, training.forward_end, stretches):
        rows = split.fit[np.isfinite(target[split.fit])]
        if len(rows) < least_rows or len(split.predict) == 0:
            continue
        for column, (_, learner) in enumerate(learners):
            fitted = learner.regress(training.features[rows], target[rows], flat[rows], seed)
            ahead[split.predict, column] = fitted.margins(training.features[split.predict])[:, 0]
    members = tuple(
        (name, learner.regress(training.features[known], target[known], flat[known], seed))
        for name, learner in learners
    )
    judged = np.isfinite(ahead[:, 0]) & np.isfinite(target)
    return ForecastFit(
        ForecastLayer(members, config.horizon_ns, config.in_signal),
        ahead,
        forecast_scores(ahead[judged].mean(axis=1), target[judged]),
    )


def forecast_scores(expected: Floats, came: Floats) -> ForecastScores:
    """Scores of what was expected (n,) against what came (n,); NaN with fewer than two rows."""
    error = float(((came - expected) ** 2).sum())
    nothing = float((came**2).sum())
    if len(came) < 2 or nothing == 0.0:
        nan = float("nan")
        return ForecastScores(len(came), nan, nan, nan)
    varies = np.ptp(expected) > 0.0 and np.ptp(came) > 0.0
    ranks = np.corrcoef(rankdata(expected), rankdata(came))[0, 1] if varies else 0.0
    return ForecastScores(
        rows=len(came),
        skill=1.0 - error / nothing,
        rank_correlation=float(ranks),
        side_right=float(np.mean(np.sign(expected) == np.sign(came))),
    )
