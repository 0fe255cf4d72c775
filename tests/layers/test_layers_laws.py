"""The laws every model obeys, whoever wrote it: found in the registry, so a new one is tested at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from markets import COST, NAMES, replaced, small_config, training_set

from riposte.errors import DataError, ModelError
from riposte.layers.calibration import softmax
from riposte.layers.contract import Learner, Signals
from riposte.layers.contract import Model as FittedModel
from riposte.layers.forecast.layer import ForecastConfig, ForecastModel
from riposte.layers.learners import LEARNERS
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.projected import ProjectedLearner, ProjectedModel
from riposte.layers.saving import load_stack, save_stack
from riposte.layers.signal.layer import SignalModel
from riposte.layers.stack import DecisionStack, Lineage, fit_stack
from riposte.market.frame import Floats

QUICK = LightGBMLearner(rounds=15, least_rows=10, l2=1.0, feature_fraction=0.8)
QUICK_FOREST = LightGBMLearner(rounds=15, least_rows=10, feature_fraction=0.8, forest=True)
ROWS = 900
TRAINING = training_set(ROWS)
UNSEEN = training_set(200, seed=1)


@dataclass(frozen=True)
class Model:
    """One way to get probabilities out of features, seen from outside."""

    fit: Callable[[int], Any]  # seed -> fitted
    probabilities: Callable[[Any, Floats], Floats]
    contributions: Callable[[Any, Floats], Floats]
    reload: Callable[[Any, Path], Any]  # save and load


def learner_model(name: str) -> Model:
    learner = LEARNERS[name]()

    def fit(seed: int) -> Any:
        target = TRAINING.label.astype(np.int64) + 1
        return learner.fit(TRAINING.features, target, TRAINING.weight, 3, seed)

    return Model(
        fit,
        lambda fitted, features: softmax(fitted.margins(features)),
        lambda fitted, features: fitted.contributions(features),
        lambda fitted, _: learner.load(fitted.payload()),
    )


def reload_stack(stack: DecisionStack, folder: Path) -> DecisionStack:
    save_stack(stack, folder / "model", Lineage(created="2024-01-01T00:00:00Z"))
    return load_stack(folder / "model", stack.names, "v1")


def stack_model(kind: SignalModel, **changes: Any) -> Model:
    return Model(
        lambda seed: fit_stack(TRAINING, small_config(kind, seed, **changes)),
        lambda fitted, features: decide(fitted, features).probabilities,
        lambda fitted, features: fitted.contributions(features),
        reload_stack,
    )


def decide(stack: DecisionStack, features: Floats) -> Signals:
    widths = np.full(len(features), 0.02)
    return stack.signals(features, widths, widths, COST, np.zeros(len(features), np.int64))


MODELS = {f"learner {name}": learner_model(name) for name in LEARNERS}
MODELS |= {f"stack {kind}": stack_model(kind) for kind in get_args(SignalModel)}
MODELS["stack of components"] = stack_model("stack", components=4)
MODELS |= {
    f"stack with forecast {kind}": stack_model(
        "stack", forecast=ForecastConfig(kind, in_signal=True, boosting=QUICK, forest=QUICK_FOREST)
    )
    for kind in get_args(ForecastModel)
}
FITTED: dict[str, Any] = {}


@pytest.fixture(params=sorted(MODELS))
def named(request: pytest.FixtureRequest) -> tuple[Model, Any]:
    """A model and what its fit with seed 7 gave (fitted once)."""
    name = request.param
    if name not in FITTED:
        FITTED[name] = MODELS[name].fit(7)
    return MODELS[name], FITTED[name]


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_model(
    named: tuple[Model, Any],
) -> None:
    model, fitted = named
    wanted = model.probabilities(fitted, UNSEEN.features)
    assert model.probabilities(model.fit(7), UNSEEN.features).tobytes() == wanted.tobytes()
    assert (model.probabilities(model.fit(8), UNSEEN.features) != wanted).any()


def test_it_learns_something(named: tuple[Model, Any]) -> None:
    model, fitted = named
    likeliest = model.probabilities(fitted, UNSEEN.features).argmax(axis=1) - 1
    frequent = np.bincount(UNSEEN.label.astype(int) + 1).max() / len(UNSEEN)
    assert (likeliest == UNSEEN.label).mean() > frequent + 0.05


def test_fitting_and_predicting_leave_their_inputs_alone(named: tuple[Model, Any]) -> None:
    model, fitted = named
    before = copy.deepcopy(TRAINING)
    model.fit(7)
    for field in fields(TRAINING):
        old, new = getattr(before, field.name), getattr(TRAINING, field.name)
        assert np.array_equal(
            old, new, equal_nan=isinstance(old, np.ndarray) and old.dtype == float
        )
    features = UNSEEN.features.copy()
    model.probabilities(fitted, features)
    model.contributions(fitted, features)
    assert np.array_equal(features, UNSEEN.features, equal_nan=True)


def test_read_only_inputs_are_enough(named: tuple[Model, Any]) -> None:
    model, fitted = named
    features = UNSEEN.features.copy()
    features.setflags(write=False)
    assert np.isfinite(model.probabilities(fitted, features)).all()


def test_saved_and_loaded_it_answers_the_same_to_the_bit(
    named: tuple[Model, Any], tmp_path: Path
) -> None:
    model, fitted = named
    loaded = model.reload(fitted, tmp_path)
    for answer in (model.probabilities, model.contributions):
        assert (
            answer(loaded, UNSEEN.features).tobytes() == answer(fitted, UNSEEN.features).tobytes()
        )


def test_probabilities_are_probabilities_even_for_features_never_seen(
    named: tuple[Model, Any],
) -> None:
    model, fitted = named
    strange = np.vstack(
        [UNSEEN.features, np.full((1, 5), np.nan), np.full((1, 5), 1e30), np.zeros((1, 5))]
    )
    found = model.probabilities(fitted, strange)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_a_rows_answer_depends_on_no_other_row(named: tuple[Model, Any]) -> None:
    model, fitted = named
    features = UNSEEN.features
    together = model.probabilities(fitted, features)
    for t in range(0, len(features), 7):
        assert model.probabilities(fitted, features[t : t + 1]).tobytes() == together[t].tobytes()
    order = np.random.default_rng(0).permutation(len(features))
    assert (model.probabilities(fitted, features[order]) == together[order]).all()


def test_rows_of_another_width_or_with_infinity_are_refused(named: tuple[Model, Any]) -> None:
    model, fitted = named
    for wrong in (UNSEEN.features[:, :4], UNSEEN.features[:, [0, 1, 2, 3, 4, 4]], np.zeros(5)):
        with pytest.raises(ModelError, match="takes rows of 5 features"):
            model.probabilities(fitted, wrong)
    infinite = UNSEEN.features.copy()
    infinite[3, 1] = np.inf
    with pytest.raises(DataError, match="infinite in row 3"):
        model.probabilities(fitted, infinite)


def test_no_rows_give_no_answers(named: tuple[Model, Any]) -> None:
    model, fitted = named
    assert model.probabilities(fitted, np.empty((0, 5))).shape == (0, 3)


@pytest.mark.parametrize("kind", get_args(SignalModel))
def test_what_a_stack_answers_to_names_is_what_it_was_trained_on(
    kind: SignalModel, tmp_path: Path
) -> None:
    stack = FITTED.setdefault(f"stack {kind}", MODELS[f"stack {kind}"].fit(7))
    save_stack(stack, tmp_path / "m", Lineage())
    for names, said in [
        (NAMES[:4], "1 missing, first 'epsilon'"),
        ((*NAMES, "zeta"), "1 unknown to the model, first 'zeta'"),
        (("beta", "alpha", *NAMES[2:]), "place 0 holds 'beta', the model wants 'alpha'"),
        (("alphe", *NAMES[1:]), "did you mean 'alphe'"),
    ]:
        with pytest.raises(ModelError, match=said):
            load_stack(tmp_path / "m", names)
    with pytest.raises(ModelError, match="version v2, the model was trained on v1"):
        load_stack(tmp_path / "m", NAMES, "v2")


@pytest.mark.parametrize("kind", get_args(SignalModel))
def test_a_class_or_a_column_that_is_absent_is_no_error(kind: SignalModel) -> None:
    training = training_set(600, seed=4)
    features = training.features.copy()
    features[:, 4] = np.nan
    for label in (np.abs(training.label), np.zeros_like(training.label)):
        stack = fit_stack(replaced(training, label=label, features=features), small_config(kind))
        found = decide(stack, UNSEEN.features)
        assert np.isfinite(found.probabilities).all()
        assert (found.probabilities[:, 0] < 0.5).all()


# -- regressions ----------------------------------------------------------------------------------

REGRESSORS: dict[str, Learner] = {name: made() for name, made in LEARNERS.items()}
REGRESSORS |= {"lightgbm": QUICK, "forest": QUICK_FOREST, "projected": ProjectedLearner(QUICK)}


@pytest.fixture(params=sorted(REGRESSORS))
def regression(request: pytest.FixtureRequest) -> tuple[Learner, FittedModel]:
    """A learner and its regression of the forward return."""
    learner = REGRESSORS[request.param]
    return learner, regress(learner, 7)


def regress(learner: Learner, seed: int) -> FittedModel:
    assert TRAINING.forward_return is not None
    return learner.regress(TRAINING.features, 100 * TRAINING.forward_return, TRAINING.weight, seed)


def test_a_regression_learns_repeats_and_reloads_to_the_bit(
    regression: tuple[Learner, FittedModel],
) -> None:
    learner, fitted = regression
    expected = fitted.margins(UNSEEN.features)
    assert expected.shape == (len(UNSEEN), 1)
    assert UNSEEN.forward_return is not None
    assert np.corrcoef(expected[:, 0], UNSEEN.forward_return)[0, 1] > 0.4
    for other in (regress(learner, 7), learner.load(fitted.payload())):
        assert other.margins(UNSEEN.features).tobytes() == expected.tobytes()
        assert other.payload() == fitted.payload()
    assert (regress(learner, 8).margins(UNSEEN.features) != expected).any()
    for row in range(0, len(UNSEEN), 11):
        alone = fitted.margins(UNSEEN.features[row : row + 1])
        assert alone.tobytes() == expected[row].tobytes()


def test_a_regressions_contributions_add_up_to_what_it_expects(
    regression: tuple[Learner, FittedModel],
) -> None:
    _, fitted = regression
    parts = fitted.contributions(UNSEEN.features)
    assert parts.shape == (len(UNSEEN), 6, 1)
    assert parts.sum(axis=1) == pytest.approx(fitted.margins(UNSEEN.features), abs=1e-5)
    if not isinstance(fitted, ProjectedModel):  # a mixture's share is no feature's own
        assert np.abs(parts[:, :-1, 0]).mean(axis=0).argmax() == NAMES.index("alpha")
