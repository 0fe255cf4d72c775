"""Selection of features: finds what matters, says how sure it is, and sees its training rows only."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from small_study import changed_after, plan

from riposte.errors import DataError, InputError, ModelError
from riposte.features.provision import common_features
from riposte.layers.components import Components, fit_components
from riposte.layers.contract import TrainingSet
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.market.frame import MarketFrame
from riposte.market.interval import HOUR_NS
from riposte.proof.dataset import prepare, training_set
from riposte.proof.leak_checks import fit_scope
from riposte.proof.selection import METHODS, Selection, SelectionConfig, choose, narrowed
from riposte.proof.selection.choose import stability
from riposte.proof.selection.correlation import clusters, label_information, spearman
from riposte.proof.selection.inner import drawn_rows, rows_where
from riposte.proof.splits import walk_forward

QUICK = LightGBMLearner(rounds=30, feature_fraction=0.5, least_rows=50)
USEFUL = ("useful.a", "useful.b")


def made(rows: int = 3_000, noise: int = 12, seed: int = 0, strength: float = 1.0) -> TrainingSet:
    """Two features that tell the label, a near copy of each, a constant, and noise."""
    chance = np.random.default_rng(seed)
    a, b = chance.standard_normal((2, rows))
    copies = (
        np.exp(a) + 0.01 * chance.standard_normal(rows),
        -b + 0.01 * chance.standard_normal(rows),
    )
    columns = {
        "useful.a": a,
        "copy.a": copies[0],
        "flat": np.full(rows, 3.0),
        "useful.b": b,
        "copy.b": copies[1],
        **{f"noise.{i}": chance.standard_normal(rows) for i in range(noise)},
    }
    told = strength * (a + 0.8 * b) + 1.5 * chance.standard_normal(rows)
    time = np.arange(rows, dtype=np.int64) * HOUR_NS
    nothing = np.zeros(rows)
    features = np.column_stack(list(columns.values()))
    features[chance.random(features.shape) < 0.02] = np.nan
    features[:, 2] = 3.0
    return TrainingSet(
        features=features,
        names=tuple(columns),
        time=time,
        symbol=np.zeros(rows, np.int64),
        label=(np.sign(told) * (np.abs(told) > 0.7)).astype(np.int8),
        label_end=time + 6 * HOUR_NS,
        weight=np.full(rows, 0.5),
        regime_label=np.full(rows, -1, np.int8),
        regime_end=time,
        long_return=nothing,
        short_return=nothing,
        take_profit=nothing,
        stop_loss=nothing,
    )


def config(method: str, **more: object) -> SelectionConfig:
    return SelectionConfig(method, keep=2, seeds=3, learner=QUICK, **more)  # type: ignore[arg-type]


def same_thing(name: str) -> str:
    return name.replace("copy", "useful")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_what_tells_the_label_and_calls_itself_stable(method: str) -> None:
    found = choose(made(), config(method))
    assert {same_thing(name) for name in found.names} == set(USEFUL)
    assert found.stability == 1.0
    assert "the choice is stable (1.00)" in found.words
    assert list(found.scores.values()) == sorted(found.scores.values(), reverse=True)
    assert set(found.scores) | set(found.pruned) == set(made(10).names)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_rows_and_seed_choose_the_same(method: str) -> None:
    rows = made(noise=6, strength=0.3)
    before = rows.features.copy()
    one, two = (choose(rows, config(method)) for _ in range(2))
    assert one == two
    np.testing.assert_array_equal(rows.features, before)


@pytest.mark.parametrize("method", ["shap", "permutation"])
def test_a_choice_among_noise_says_in_words_that_it_is_unstable(method: str) -> None:
    found = choose(made(noise=20, strength=0.0), config(method))
    assert found.stability < 0.4
    assert "the choice is unstable" in found.words
    assert "another draw of the same history would have chosen others" in found.words


def test_of_features_that_say_the_same_one_is_kept_and_the_rest_name_it() -> None:
    found = choose(made(), config("none", correlation=0.9))
    assert len({same_thing(n) for n in found.names if "noise" not in n}) == 2
    for left_out, kept in found.pruned.items():
        assert kept in found.names or (left_out, kept) == ("flat", "")
        assert same_thing(left_out) == same_thing(kept) or left_out == "flat"
    assert math.isnan(found.stability)
    assert "(3 repeat another or never vary); nothing was left to choose from" in found.words


@given(
    features=arrays(np.float64, (40, 6), elements=st.integers(-5, 5).map(float)),
    limit=st.sampled_from([0.3, 0.6, 0.9]),
)
def test_no_two_kept_features_are_closer_than_the_limit_and_none_is_left_out_without_reason(
    features: np.ndarray, limit: float
) -> None:
    base = rows_where(made(40, noise=1), np.ones(40, np.bool_))
    rows = dataclasses.replace(base, features=features, names=tuple("abcdef"))
    found = clusters(rows, limit)
    near = np.abs(spearman(features))
    for one in found.kept:
        assert found.leader[one] == one
        assert all(near[one, other] <= limit for other in found.kept if other != one)
    for column, leader in enumerate(found.leader):
        if leader == -1:
            assert np.ptp(features[:, column]) == 0
        elif leader != column:
            assert near[column, leader] > limit
            assert leader in found.kept


def test_the_rank_correlation_is_scipys_where_nothing_is_missing() -> None:
    features = np.random.default_rng(4).standard_normal((500, 5)).cumsum(axis=1)
    np.testing.assert_allclose(spearman(features), spearmanr(features).statistic, atol=1e-12)


def test_information_of_noise_is_about_nothing() -> None:
    rows = dataclasses.replace(made(), weight=np.ones(3_000))
    told = dict(zip(rows.names, label_information(rows), strict=True))
    assert min(told[name] for name in USEFUL) > 0.01
    noise = [value for name, value in told.items() if "noise" in name]
    assert abs(np.mean(noise)) < 0.001


def test_stability_is_one_for_equal_sets_and_about_nothing_for_blind_draws() -> None:
    same = np.tile(np.arange(10) < 4, (5, 1))
    assert stability(same) == 1.0
    chance = np.random.default_rng(5)
    blind = np.array([chance.permutation(100) < 30 for _ in range(200)])
    assert abs(stability(blind)) < 0.01
    assert math.isnan(stability(np.ones((3, 4), np.bool_)))


def test_draws_are_whole_blocks_of_time_in_order() -> None:
    rows = made()
    drawn = drawn_rows(rows, 3)
    assert len(drawn) == pytest.approx(0.8 * len(rows), rel=0.01)
    assert (np.diff(drawn.time) > 0).all()
    assert (np.diff(drawn.time) != HOUR_NS).sum() <= 4
    assert len({len(drawn_rows(rows, seed)) for seed in range(5)}) == 1


# -- nothing outside the training rows ------------------------------------------------------------


@pytest.mark.parametrize("method", ["shap", "permutation", "information"])
def test_what_comes_after_the_training_window_cannot_influence_the_choice(
    method: str, frames: tuple[MarketFrame, ...]
) -> None:
    fold = walk_forward(int(frames[0].open_time[0]), int(frames[0].close_time[-1]))[0]
    wanted = common_features(frames)[::3]

    def chosen(history: tuple[MarketFrame, ...]) -> Selection:
        data = [
            prepare(f, plan().barriers, reading="symmetric", round_trip_cost=0.0014, wanted=wanted)
            for f in history
        ]
        rows, _ = training_set(data, fold, HOUR_NS)
        return choose(rows, SelectionConfig(method, keep=8, seeds=2))

    assert chosen(frames) == chosen(changed_after(frames, fold.test_start))


def test_a_single_last_row_takes_part_so_the_test_above_can_fail() -> None:
    rows = made()
    other = rows.features.copy()
    other[-300:] += 5.0
    changed = dataclasses.replace(rows, features=other)
    assert choose(rows, config("shap")).scores != choose(changed, config("shap")).scores


def test_components_fitted_on_the_training_rows_know_nothing_else() -> None:
    rows = made(1_000)
    learned = np.arange(1_000) < 700

    def transform(features: np.ndarray, label: np.ndarray) -> np.ndarray:
        given = dataclasses.replace(rows, features=features, label=label)
        chosen = rows_where(given, learned)
        return fit_components(chosen.features, rows.names).transform(features, rows.names)

    assert fit_scope(transform, rows.features, rows.label, learned, probes=4) == ()

    def careless(features: np.ndarray, label: np.ndarray) -> np.ndarray:
        given = dataclasses.replace(rows, features=features, label=label)
        return fit_components(given.features, rows.names).transform(features, rows.names)

    assert fit_scope(careless, rows.features, rows.label, learned, probes=4)


# -- components -----------------------------------------------------------------------------------


def test_components_explain_the_variance_are_orthogonal_and_survive_json() -> None:
    rows = made()
    found = fit_components(rows.features, rows.names, share=0.9)
    assert found.explained.sum() >= 0.9
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(len(found.axes)), atol=1e-9)
    again = Components.from_json(found.to_json())
    np.testing.assert_array_equal(
        found.transform(rows.features, rows.names), again.transform(rows.features, rows.names)
    )
    assert again.component_names[0] == "component.1"
    assert found.to_json() == fit_components(rows.features, rows.names, share=0.9).to_json()


def test_a_row_mostly_missing_has_no_components_and_one_wild_value_turns_none() -> None:
    rows = made(1_000)
    features = rows.features.copy()
    features[5, :-2] = np.nan
    found = fit_components(rows.features, rows.names)
    out = found.transform(features, rows.names)
    assert np.isnan(out[5]).all()
    assert np.isfinite(np.delete(out, 5, axis=0)).all()
    wild = rows.features.copy()
    wild[7, 0] = 1e12
    turned = fit_components(wild, rows.names)
    assert np.abs(turned.center - found.center).max() < 0.05
    assert abs(turned.explained[0] - found.explained[0]) < 0.01


def test_components_of_other_features_or_of_a_broken_file_are_refused() -> None:
    rows = made(500)
    found = fit_components(rows.features, rows.names)
    with pytest.raises(ModelError, match="do not match the model"):
        found.transform(rows.features, rows.names[::-1])
    for text in ("{}", "not json", found.to_json().replace("components/1", "components/9")):
        with pytest.raises(ModelError):
            Components.from_json(text)
    with pytest.raises(DataError, match="no feature varies"):
        fit_components(np.ones_like(rows.features), rows.names)


# -- what is refused ------------------------------------------------------------------------------


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match=r"'shep' is not known.*did you mean 'shap'"):
        SelectionConfig("shep")
    with pytest.raises(InputError, match="above 0 and at most 1"):
        SelectionConfig(correlation=1.5)
    with pytest.raises(InputError, match="at least 2 seeds"):
        SelectionConfig(seeds=1)
    with pytest.raises(InputError, match="needs the LightGBM learner"):
        choose(made(), SelectionConfig("gain", keep=2, seeds=2, learner=XGBoostLearner(rounds=2)))


def test_too_few_rows_and_features_that_never_vary_are_refused_in_words() -> None:
    with pytest.raises(DataError, match="too few to select features on"):
        choose(made(120), config("shap"))
    flat = made(300)
    with pytest.raises(DataError, match="no feature varies"):
        choose(
            dataclasses.replace(flat, features=np.full_like(flat.features, np.nan)), config("none")
        )


def test_narrowed_rows_hold_the_chosen_columns_in_order() -> None:
    rows = made(50)
    few = narrowed(rows, ("noise.1", "useful.a"), "v2")
    np.testing.assert_array_equal(few.features[:, 1], rows.features[:, 0])
    assert (few.names, few.feature_version) == (("noise.1", "useful.a"), "v2")
