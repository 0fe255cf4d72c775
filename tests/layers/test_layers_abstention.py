"""Silence: rows unlike the training, sides that cannot be told apart, models that are too old."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import COST, replaced, small_config, training_set

from riposte.errors import InputError, ModelError
from riposte.layers.abstention.conformal import SideSets, fit_side_sets
from riposte.layers.abstention.novelty import Novelty, fit_novelty
from riposte.layers.abstention.rule import NO_END, AbstentionConfig, Silence
from riposte.layers.contract import Abstention, Signals, TrainingSet
from riposte.layers.splits import forward_splits
from riposte.layers.stack import DecisionStack, fit_stack
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS, HOUR_NS

TRAINING = training_set(900)
UNSEEN = training_set(400, seed=1)


def said(stack: DecisionStack, rows: TrainingSet) -> Signals:
    widths = np.full(len(rows), 0.02)
    return stack.signals(rows.features, widths, widths, COST, rows.time)


def configured(**changes: object) -> DecisionStack:
    rule = AbstentionConfig(**changes)  # type: ignore[arg-type]
    return fit_stack(TRAINING, small_config(abstention=rule))


# -- novelty --------------------------------------------------------------------------------------


def correlated(rows: int, seed: int, features: int = 30) -> Floats:
    """Rows that live near five dimensions, with tails and holes."""
    chance = np.random.default_rng(seed)
    axes = np.random.default_rng(0).normal(size=(5, features))
    values = chance.standard_t(5, (rows, 5)) @ axes + 0.3 * chance.normal(size=(rows, features))
    values[:, -3:][chance.random((rows, 3)) < 0.05] = np.nan
    return values


def window(features: Floats) -> TrainingSet:
    """A training set of these features, one row an hour."""
    made = training_set(len(features), symbols=1)
    return dataclasses.replace(
        made, features=features, names=tuple(f"f{i}" for i in range(features.shape[1]))
    )


def measure(share: float = 0.01, rows: int = 4000) -> Novelty:
    training = window(correlated(rows, 1))
    return fit_novelty(training, forward_splits(training.time, 2), share, 100)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_of_ordinary_new_rows_as_many_are_refused_as_was_promised(share: float) -> None:
    refused = (measure(share).score(correlated(20_000, 2)) > 1.0).mean()
    assert refused == pytest.approx(share, rel=0.2, abs=0.005)


def test_extremes_and_odd_combinations_are_refused_and_missing_feeds_too() -> None:
    novelty = measure()
    ordinary = correlated(500, 3)
    assert (novelty.score(40.0 * ordinary) > 1.0).mean() > 0.95
    shuffled = np.column_stack(
        [np.random.default_rng(i).permutation(column) for i, column in enumerate(ordinary.T)]
    )  # every value is ordinary, no combination is
    assert (novelty.score(shuffled) > 1.0).mean() > 0.95
    gone = ordinary.copy()
    gone[:, 0] = np.nan  # always there in training
    assert np.isinf(novelty.score(gone)).all()
    holes = ordinary.copy()
    holes[:, -1] = np.nan  # often missing in training
    assert (novelty.score(holes) > 1.0).mean() < 0.1


def test_a_rows_score_is_its_own_and_survives_json_to_the_bit() -> None:
    novelty = measure()
    rows = correlated(9000, 4)  # more than are scored at once
    whole = novelty.score(rows)
    for row in range(0, len(rows), 997):
        assert novelty.score(rows[row : row + 1])[0] == whole[row]
    again = Novelty.from_json(json.loads(json.dumps(novelty.as_json())))
    assert again.score(rows).tobytes() == whole.tobytes()


def test_the_threshold_knows_only_rows_ahead_of_what_they_are_measured_against() -> None:
    drifting = correlated(3000, 5) + np.linspace(0, 6, 3000)[:, None]
    training = window(drifting)
    ahead = fit_novelty(training, forward_splits(training.time, 2), 0.01, 100)
    inside = fit_novelty(training, (), 0.01, 100)  # measured on its own rows
    assert ahead.threshold > inside.threshold


# -- conformal sets -------------------------------------------------------------------------------


def outcomes(rows: int, seed: int, sharpness: float = 1.0) -> tuple[Floats, np.ndarray]:
    """Probabilities that tell the truth, and the classes drawn from them."""
    chance = np.random.default_rng(seed)
    odds = sharpness * chance.normal(size=(rows, 3))
    probabilities = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    target = (probabilities.cumsum(axis=1) < chance.random(rows)[:, None]).sum(axis=1)
    return probabilities, np.minimum(target, 2)


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 3.0])
def test_the_sets_hold_what_comes_as_often_as_promised(coverage: float, sharpness: float) -> None:
    fitted = fit_side_sets(*outcomes(4000, 1, sharpness), np.ones(4000), coverage)
    covered = fitted.covered(*outcomes(40_000, 2, sharpness))
    assert covered.mean() == pytest.approx(coverage, abs=0.035)


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_the_promise_holds_on_average_even_for_models_that_are_wrong(coverage: float) -> None:
    """Conformal sets need no true probabilities, only rows like those they were fitted on."""
    measured = []
    for seed in range(40):
        probabilities, target = outcomes(400, seed)
        wrong = probabilities[:, [1, 2, 0]]
        fitted = fit_side_sets(wrong[:200], target[:200], np.ones(200), coverage)
        measured.append(fitted.covered(wrong[200:], target[200:]).mean())
    assert np.mean(measured) > coverage - 0.01


def test_little_evidence_makes_every_set_hold_both_sides() -> None:
    probabilities, target = outcomes(500, 1)
    few = fit_side_sets(probabilities, target, np.full(500, 0.01), 0.9)
    assert few.threshold == 1.0
    assert few.uncertain(probabilities).all()
    nobody = fit_side_sets(probabilities[:0], target[:0], np.empty(0), 0.9)
    assert nobody.uncertain(probabilities).all()


@given(long=st.floats(0.0, 1.0), neutral=st.floats(0.0, 1.0), threshold=st.floats(0.0, 1.0))
def test_exactly_the_sets_of_one_side_are_certain(
    long: float, neutral: float, threshold: float
) -> None:
    row = np.array([[(1 - neutral) * (1 - long), neutral, (1 - neutral) * long]])
    sets = SideSets(0.9, threshold)
    short_in, long_in = (bool(each[0]) for each in sets.sets(row))
    assert bool(sets.uncertain(row)[0]) == (short_in == long_in)


# -- in the stack ---------------------------------------------------------------------------------


def test_a_row_unlike_the_training_has_no_direction_and_says_why() -> None:
    stack = configured()
    strange = replaced(UNSEEN, features=30.0 * UNSEEN.features)
    found = said(stack, strange)
    unlike = found.abstention & Abstention.UNLIKE_TRAINING != 0
    assert unlike.mean() > 0.95
    assert not found.direction[unlike].any()
    open_minded = said(configured(unlike=0.0), strange)
    assert not (open_minded.abstention & Abstention.UNLIKE_TRAINING).any()
    assert open_minded.direction.any()


def test_direction_is_zero_exactly_where_there_is_a_reason() -> None:
    for stack in (configured(), configured(coverage=0.99), configured(coverage=0.0, unlike=0.3)):
        found = said(stack, UNSEEN)
        short, _, long = found.probabilities.T
        assert ((found.direction == 0) == ((found.abstention != 0) | (short == long))).all()


def test_more_coverage_asked_for_means_more_silence() -> None:
    silent = [
        (said(configured(coverage=c), UNSEEN).abstention & Abstention.UNCERTAIN != 0).mean()
        for c in (0.8, 0.9, 0.97)
    ]
    assert silent == sorted(silent)
    assert silent[0] < silent[-1]


def test_an_expired_model_opens_nothing() -> None:
    life = 10 * DAY_NS
    stack = configured(life_ns=life)
    last = int(TRAINING.time[-1])
    assert stack.silence.expires == last + life
    for moment, silent in ((last + life - HOUR_NS, False), (last + life, True)):
        found = said(
            stack,
            replaced(
                UNSEEN, time=np.full(len(UNSEEN), moment), label_end=np.full(len(UNSEEN), moment)
            ),
        )
        assert ((found.abstention & Abstention.EXPIRED != 0) == silent).all()
        assert found.direction.any() != silent
    assert configured(life_ns=NO_END).silence.expires == NO_END


def test_the_rule_survives_json_and_anything_else_is_refused() -> None:
    rule = configured().silence
    again = Silence.from_json(json.loads(json.dumps(rule.as_json())))
    assert again.as_json() == rule.as_json()
    for broken in ({}, {"novelty": {}, "sides": None, "expires": 1}, None, {"expires": "soon"}):
        with pytest.raises(ModelError, match="cannot be read"):
            Silence.from_json(broken)


@pytest.mark.parametrize(
    "wrong", [{"unlike": 1.0}, {"unlike": -0.1}, {"coverage": 1.0}, {"life_ns": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        AbstentionConfig(**wrong)  # type: ignore[arg-type]
