"""Calibration and the decision rule: promises that hold, and no confidence out of luck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from riposte.layers.calibration import (
    Calibration,
    calibration_error,
    fit_calibration,
    log_loss,
    softmax,
)
from riposte.layers.ensemble import Recipe, balanced_weights
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.signal.calibration import (
    SideCalibration,
    direction_odds,
    fit_platt,
    fit_side_calibration,
)
from riposte.layers.signal.rule import expected_net_return, likelier_side, pays

margins_of_any_kind = arrays(np.float64, (6, 3), elements=st.floats(-700, 700))
probabilities_of_any_kind = margins_of_any_kind.map(softmax)


def drawn(margins: np.ndarray, seed: int = 0) -> np.ndarray:
    """Classes drawn with the probabilities that the margins truly mean."""
    chance = np.random.default_rng(seed).random((len(margins), 1))
    return (softmax(margins).cumsum(axis=1) < chance).sum(axis=1).clip(max=margins.shape[1] - 1)


def some_margins(rows: int, classes: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, classes))


def test_temperature_scaling_finds_the_slope_and_bias_that_made_the_classes() -> None:
    margins = some_margins(20_000, 4)
    truth = drawn(0.4 * margins + np.array([0.5, -0.5, 0.3, -0.3]))
    found = fit_calibration(margins, truth, np.ones(len(truth)))
    assert found.slope == pytest.approx(0.4, abs=0.03)
    assert found.bias == pytest.approx([0.5, -0.5, 0.3, -0.3], abs=0.06)
    promised = found.probabilities(margins)
    assert calibration_error(promised[:, 0], (truth == 0).astype(float)) < 0.01


def test_temperature_scaling_reaches_the_optimum_of_a_general_optimiser() -> None:
    margins, weight = some_margins(400, 3), np.random.default_rng(2).uniform(0, 1, 400)
    truth = drawn(2.0 * margins)
    found = fit_calibration(margins, truth, weight)

    def loss(at: np.ndarray) -> float:
        return log_loss(softmax(at[0] * margins + at[1:]), truth, weight)

    best = minimize(loss, np.array([1.0, 0, 0, 0]), method="BFGS", options={"gtol": 1e-8})
    assert loss(np.array([found.slope, *found.bias])) == pytest.approx(best.fun, abs=1e-5)


def test_margins_that_are_wrong_more_often_than_not_are_not_used() -> None:
    margins = some_margins(3000, 3)
    truth = drawn(-1.0 * margins + np.array([1.0, 0, 0]))
    found = fit_calibration(margins, truth, np.ones(len(truth)))
    assert found.slope == 0.0
    frequency = np.bincount(truth) / len(truth)
    assert found.probabilities(margins)[0] == pytest.approx(frequency, abs=0.002)


def test_without_rows_the_margins_stay_as_they_are() -> None:
    empty = fit_calibration(np.empty((0, 3)), np.empty(0, np.int64), np.empty(0))
    assert empty == Calibration(1.0, (0.0, 0.0, 0.0))


def test_side_calibration_finds_what_made_the_classes_when_there_is_evidence() -> None:
    margins = 0.6 * some_margins(40_000, 3)
    truth = drawn(margins)
    found = fit_side_calibration(margins[None], truth, np.ones(len(truth)), 1)
    assert found.direction_slopes[0] == pytest.approx(1.0, abs=0.05)
    assert found.direction_bias == pytest.approx(0.0, abs=0.03)
    promised = found.probabilities(margins[None])
    for side in range(3):
        assert calibration_error(promised[:, side], (truth == side).astype(float)) < 0.012


@pytest.mark.parametrize("seed", range(5))
def test_luck_of_a_few_hundred_outcomes_is_not_sold_as_confidence(seed: int) -> None:
    margins = some_margins(300, 3, seed)
    truth = np.random.default_rng(seed + 100).choice([0, 2], 300, p=[0.4, 0.6])
    trusting = fit_side_calibration(
        margins[None], truth, np.full(300, 0.3), 2, direction_prior=100.0
    )
    careful = fit_side_calibration(margins[None], truth, np.full(300, 0.3), 2)
    odds = np.abs(careful.direction_slopes[0] * direction_odds(margins) + careful.direction_bias)
    loud = np.abs(trusting.direction_slopes[0] * direction_odds(margins) + trusting.direction_bias)
    assert odds.mean() < 0.6 * loud.mean()
    assert careful.probabilities(margins[None]).max() < 0.65


def test_evidence_counts_once_however_many_symbols_move_together() -> None:
    margins = some_margins(500, 3)
    truth = drawn(margins)
    alone = fit_side_calibration(margins[None], truth, np.ones(500), 1)
    twice = fit_side_calibration(
        np.vstack([margins, margins])[None], np.concatenate([truth, truth]), np.ones(1000), 2
    )
    assert twice.direction_slopes == pytest.approx(alone.direction_slopes)
    assert twice.resolved_bias == pytest.approx(alone.resolved_bias)


def test_platt_is_the_mode_of_the_posterior() -> None:
    chance = np.random.default_rng(4)
    odds, evidence = 3.0 * chance.normal(size=200), chance.uniform(0, 1, 200)
    outcome = chance.random(200) < 1 / (1 + np.exp(-0.5 * odds))
    slope, bias = fit_platt(odds, outcome, evidence, 0.5, 0.2)
    mean = np.average(odds, weights=evidence)
    spread = np.sqrt(np.average((odds - mean) ** 2, weights=evidence))

    def loss(at: np.ndarray) -> float:
        z = at[0] * odds + at[1]
        prior = 0.5 * ((at[0] * spread / 0.5) ** 2 + (at[1] / 0.2) ** 2)
        return float(evidence @ np.logaddexp(0, np.where(outcome, -z, z)) + prior)

    best = minimize(loss, np.zeros(2), method="BFGS")
    assert loss(np.array([slope, bias])) <= best.fun + 1e-9
    assert (slope, bias) == pytest.approx(best.x, abs=1e-4)


def test_platt_without_evidence_or_with_one_outcome_knows_little_and_does_not_fail() -> None:
    nothing = np.empty(0)
    assert fit_platt(nothing, nothing.astype(bool), nothing, 1.0, 1.0) == (0.0, 0.0)
    slope, bias = fit_platt(np.zeros(50), np.ones(50, bool), np.ones(50), 1.0, 0.2)
    assert slope == 0.0
    assert 0.0 < bias < 1.5


@given(
    margins=margins_of_any_kind,
    slopes=st.tuples(st.floats(0, 5), st.floats(-5, 5), st.floats(0, 5), st.floats(-5, 5)),
)
def test_calibrated_probabilities_are_probabilities_for_any_margins(
    margins: np.ndarray, slopes: tuple[float, float, float, float]
) -> None:
    for found in (
        SideCalibration((slopes[0],), slopes[1], (slopes[2],), slopes[3]).probabilities(
            margins[None]
        ),
        Calibration(slopes[0], (slopes[1], 0.0, slopes[3])).probabilities(margins),
    ):
        assert ((found >= 0) & (found <= 1)).all()
        assert found.sum(axis=1) == pytest.approx(1.0)


@given(probabilities_of_any_kind)
def test_confidence_is_the_likelier_sides_share_of_both_sides(probabilities: np.ndarray) -> None:
    side, confidence = likelier_side(probabilities)
    assert ((confidence >= 0.5) & (confidence <= 1)).all()
    for (short, _, long), s, c in zip(probabilities, side, confidence, strict=True):
        assert s == int(long > short) - int(short > long)
        if long + short > 0:
            assert c == pytest.approx(max(long, short) / (long + short))


RULE = {
    # (P short, P neutral, P long), target, stop, cost -> direction
    "pays": ((0.1, 0.3, 0.6), 0.02, 0.01, 0.001, 1),
    "pays short": ((0.6, 0.3, 0.1), 0.02, 0.01, 0.001, -1),
    "costs more than it is expected to earn": ((0.1, 0.3, 0.6), 0.02, 0.01, 0.0111, 0),
    "a stop too wide for the odds": ((0.3, 0.0, 0.7), 0.01, 0.03, 0.0, 0),
    "even": ((0.4, 0.2, 0.4), 0.02, 0.01, 0.0, 0),
    "unknown widths": ((0.1, 0.3, 0.6), np.nan, np.nan, 0.001, 0),
}


@pytest.mark.parametrize("name", RULE)
def test_a_direction_needs_a_positive_expected_net_return(name: str) -> None:
    chances, target, stop, cost, wanted = RULE[name]
    probabilities = np.array([chances])
    side, _ = likelier_side(probabilities)
    paying = pays(probabilities, side, np.array([target]), np.array([stop]), cost)
    assert np.where(paying, side, 0).tolist() == [wanted]


def test_expected_net_return_by_hand() -> None:
    probabilities = np.array([[0.1, 0.3, 0.6], [0.6, 0.3, 0.1]])
    widths = np.array([0.02, 0.02]), np.array([0.01, 0.01])
    found = expected_net_return(probabilities, np.array([1, -1], np.int8), *widths, 0.001)
    assert found == pytest.approx([0.6 * 0.02 - 0.1 * 0.01 - 0.001] * 2)


def test_balancing_makes_the_classes_weigh_the_same_and_0_leaves_them() -> None:
    target = np.array([0, 0, 0, 0, 0, 0, 2, 2])
    weight = np.array([1.0, 1, 1, 1, 1, 1, 2, 2])
    full = balanced_weights(target, weight, 3, 1.0)
    assert full[target == 0].sum() == pytest.approx(full[target == 2].sum())
    none = balanced_weights(target, weight, 3, 0.0)
    assert none / none[0] == pytest.approx(weight)
    assert full.mean() == pytest.approx(1.0)
    assert none.mean() == pytest.approx(1.0)


def test_calibration_error_by_hand() -> None:
    promised = np.array([0.6, 0.6, 0.6, 0.6, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9])
    right = np.array([1, 1, 1, 0, 0, 1, 1, 1, 0, 0], dtype=float)
    assert calibration_error(promised, right, bins=2) == pytest.approx(0.15)


def test_a_recipe_balances_with_the_rows_it_fits_and_only_if_it_is_told_to() -> None:
    chance = np.random.default_rng(0)
    features, target = chance.normal(size=(600, 2)), (chance.random(600) < 0.1).astype(np.int64)
    learner = LightGBMLearner(rounds=80, learning_rate=0.1)

    def rare(balance: float) -> float:
        recipe = Recipe((("lightgbm", learner),), 2, balance, 7, 100)
        ((_, fitted),) = recipe.fit(features, target, np.ones(600))
        return float(softmax(fitted.margins(features))[:, 1].mean())

    assert rare(0.0) == pytest.approx(0.1, abs=0.03)
    assert rare(1.0) == pytest.approx(0.5, abs=0.1)
