"""The stacking meta-model: it sees out-of-fold answers only, so a base model that leaks earns nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import NAMES, replaced, small_config, training_set
from scipy.optimize import minimize

from riposte.errors import InputError
from riposte.layers.contract import Indices, TrainingSet
from riposte.layers.ensemble import Recipe, member_margins, score
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.signal.calibration import (
    SideCalibration,
    direction_odds,
    fit_side_calibration,
)
from riposte.layers.signal.layer import SignalConfig, fit_signal
from riposte.layers.splits import forward_splits, purged_splits
from riposte.market.frame import Floats
from riposte.market.interval import HOUR_NS

HONEST = LightGBMLearner(rounds=15, least_rows=10, l2=1.0, feature_fraction=0.8)


@dataclass(frozen=True)
class Memory:
    """A model that knows its training rows by heart and says of any other row what the nearest in its
    first column was: the leak in its purest form."""

    rows: Floats
    target: Indices
    classes: int
    features: int

    def margins(self, features: Floats) -> Floats:
        place = np.clip(np.searchsorted(self.rows, features[:, -1]), 0, len(self.rows) - 1)
        before = np.maximum(place - 1, 0)
        nearer = np.abs(self.rows[before] - features[:, -1]) < np.abs(
            self.rows[place] - features[:, -1]
        )
        said = self.target[np.where(nearer, before, place)]
        return 4.0 * (np.arange(self.classes) == said[:, None])

    def contributions(self, features: Floats) -> Floats:
        raise NotImplementedError

    def payload(self) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True)
class Memoriser:
    """Learns by heart."""

    library: str = "numpy"
    suffix: str = "none"

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> Memory:
        order = np.argsort(features[:, -1], kind="stable")
        return Memory(features[order, -1], target[order], classes, features.shape[1])

    def regress(self, features: Floats, target: Floats, weight: Floats, seed: int) -> Any:
        raise NotImplementedError

    def load(self, payload: bytes) -> Any:
        raise NotImplementedError


def with_memory_key(training: TrainingSet, overlapping: bool) -> Floats:
    """The features and a last column by which rows are remembered: the time of the row, so that rows
    beside each other share labels, or a number of no meaning."""
    shuffled = np.random.default_rng(5).permutation(len(training)).astype(np.float64)
    return np.column_stack(
        [training.features, training.time / HOUR_NS if overlapping else shuffled]
    )


@pytest.mark.parametrize("overlapping", [False, True], ids=["by heart", "by its neighbours"])
def test_a_leaking_base_model_gets_no_weight_and_does_no_harm(overlapping: bool) -> None:
    training = training_set(3000, symbols=1)
    if overlapping:  # labels persist over their life, as those of overlapping windows do
        label = np.repeat(training.label[::6], 6)[: len(training)]
        first = np.repeat(training.features[::6, 0], 6)[: len(training)]
        features = np.column_stack([first, training.features[:, 1:]])
        training = replaced(
            training, label=label, features=features, weight=np.full(len(training), 1 / 6)
        )
    features = with_memory_key(training, overlapping)
    target = training.label.astype(np.int64) + 1
    recipe = Recipe((("honest", HONEST), ("leaking", Memoriser())), 3, 0.0, 7, 100)
    fitted = recipe.fit(features, target, training.weight)
    in_sample = member_margins(fitted, features)
    assert (in_sample[1].argmax(axis=1) == target).all()  # it leaks: perfect on what it has seen
    naive = fit_side_calibration(in_sample, target, training.weight, 1, 1.0, stacked=True)
    worth = np.array(naive.direction_slopes) * direction_odds(in_sample).std(axis=1)
    assert worth[1] > 2 * worth[0]  # and would be believed

    splits = purged_splits(training.time, training.label_end, forward_splits(training.time, 2))
    margins = recipe.out_of_fold(features, target, training.weight, splits)
    judged = np.flatnonzero(np.isfinite(margins[0, :, 0]))
    weight = training.weight[judged]
    stacked = fit_side_calibration(margins[:, judged], target[judged], weight, 1, 1.0, stacked=True)
    alone = fit_side_calibration(margins[:1, judged], target[judged], weight, 1, 1.0)
    spread = direction_odds(margins[:, judged]).std(axis=1)
    worth = np.array(stacked.direction_slopes) * spread
    assert worth[1] < 0.1 * worth[0]
    both = score(stacked.probabilities(margins[:, judged]), target[judged], weight)
    honest = score(alone.probabilities(margins[:1, judged]), target[judged], weight)
    assert both.log_loss < honest.log_loss + 0.005


def test_the_better_of_two_models_gets_the_weight_and_twins_share_it() -> None:
    chance = np.random.default_rng(3)
    truth = chance.integers(0, 3, 4000)
    good = 0.8 * np.eye(3)[truth] + chance.normal(0, 0.8, (4000, 3))
    noise = chance.normal(0, 1.0, (4000, 3))
    found = fit_side_calibration(
        np.stack([good, noise]), truth, np.ones(4000), 1, 1.0, stacked=True
    )
    assert found.direction_slopes[0] > 10 * found.direction_slopes[1]
    twins = fit_side_calibration(np.stack([good, good]), truth, np.ones(4000), 1, 1.0, stacked=True)
    one = fit_side_calibration(good[None], truth, np.ones(4000), 1, 1.0)
    assert twins.direction_slopes[0] == pytest.approx(twins.direction_slopes[1])
    assert sum(twins.direction_slopes) == pytest.approx(one.direction_slopes[0], rel=1e-6)


@given(seed=st.integers(0, 10_000), members=st.integers(1, 4))
def test_slopes_are_never_negative_and_are_the_best_such(seed: int, members: int) -> None:
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, 3, 300)
    skill = chance.uniform(-0.5, 0.8, members)
    margins = skill[:, None, None] * np.eye(3)[truth] + chance.normal(0, 1, (members, 300, 3))
    evidence = chance.uniform(0.1, 1.0, 300)
    found = fit_side_calibration(margins, truth, evidence, 1, 0.5, stacked=True)
    assert min(*found.direction_slopes, *found.resolved_slopes) >= 0.0
    sided = truth != 1
    odds = direction_odds(margins)[:, sided]
    weight = evidence[sided]
    mean = odds @ weight / weight.sum()
    spread = np.sqrt((odds - mean[:, None]) ** 2 @ weight / weight.sum())
    used = np.flatnonzero(found.direction_slopes)
    prior = 0.5 / np.sqrt(max(len(used), 1))

    def loss(at: np.ndarray) -> float:
        z = at[:-1] @ odds[used] + at[-1]
        misfit = weight @ np.logaddexp(0, np.where(truth[sided] == 2, -z, z))
        return float(
            misfit + 0.5 * (((at[:-1] * spread[used] / prior) ** 2).sum() + 4 * at[-1] ** 2)
        )

    mine = np.append(np.array(found.direction_slopes)[used], found.direction_bias)
    bounds = [(0.0, None)] * len(used) + [(None, None)]
    best = minimize(loss, mine + 0.01, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
    assert loss(mine) <= best.fun + 1e-6


def test_a_blend_is_the_mean_of_its_members() -> None:
    margins = np.random.default_rng(1).normal(size=(3, 500, 3))
    truth = np.random.default_rng(2).integers(0, 3, 500)
    found = fit_side_calibration(margins, truth, np.ones(500), 1)
    assert len(set(found.direction_slopes)) == 1
    assert len(found.direction_slopes) == 3
    whole = SideCalibration(
        (sum(found.resolved_slopes),), found.resolved_bias,
        (sum(found.direction_slopes),), found.direction_bias,
    )  # fmt: skip
    mean = margins.mean(axis=0, keepdims=True)
    assert found.direction_log_odds(margins) == pytest.approx(whole.direction_log_odds(mean))


def test_a_stack_of_four_learners_is_fitted_and_says_who_it_listens_to() -> None:
    training = training_set(900)
    config = small_config("stack").signal
    config = SignalConfig(
        model="stack",
        members=("lightgbm", "xgboost", "catboost", "forest"),
        lightgbm=config.lightgbm,
        xgboost=config.xgboost,
        catboost=config.catboost,
        forest=config.forest,
        direction_prior=1.0,
    )
    found = fit_signal(
        training, training.features, forward_splits(training.time, 2), config, 7, 100
    )
    assert [name for name, _ in found.layer.members] == list(config.members)
    assert sum(found.layer.calibration.direction_slopes) > 0
    assert found.scores.log_loss < found.scores.base_log_loss - 0.05
    long = found.layer.toward_long(training.features)
    assert long.shape == (len(training), len(NAMES) + 1)


@pytest.mark.parametrize("members", [(), ("lightgbm", "lightgbm"), ("lightgbm", "catbost")])
def test_members_that_cannot_be_are_refused(members: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"each named once|did you mean 'catboost'"):
        SignalConfig(model="stack", members=members)  # type: ignore[arg-type]
