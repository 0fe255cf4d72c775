"""The price target: forward, purged, scale-free, and honest about what it does not know."""

from __future__ import annotations

import numpy as np
import pytest
from markets import LIFE, replaced, small_config, training_set

from riposte.errors import InputError
from riposte.layers.contract import TrainingSet
from riposte.layers.forecast.layer import (
    ForecastConfig,
    ForecastFit,
    fit_forecast,
    forecast_scores,
)
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.splits import forward_splits
from riposte.layers.stack import fit_stack

QUICK = LightGBMLearner(rounds=20, least_rows=10, l2=1.0, feature_fraction=0.8)
FOREST = LightGBMLearner(rounds=20, least_rows=10, feature_fraction=0.8, forest=True)
BOTH = ForecastConfig("both", boosting=QUICK, forest=FOREST)
TRAINING = training_set(900)


def fitted(training: TrainingSet, config: ForecastConfig = BOTH) -> ForecastFit:
    found = fit_forecast(training, forward_splits(training.time, 2), config, 7, 100)
    assert found is not None
    return found


def test_it_forecasts_what_can_be_forecast_and_says_how_well() -> None:
    found = fitted(TRAINING)
    assert [name for name, _ in found.layer.members] == ["boosting", "forest"]
    assert found.scores.rows == 600
    assert found.scores.skill > 0.1
    assert found.scores.rank_correlation > 0.5
    assert found.scores.side_right > 0.65


def test_without_anything_to_know_it_does_not_claim_skill() -> None:
    chance = np.random.default_rng(8)
    noise = replaced(TRAINING, forward_return=0.01 * chance.normal(size=len(TRAINING)))
    scores = fitted(noise).scores
    assert scores.skill < 0.02
    assert abs(scores.rank_correlation) < 0.15


def test_what_it_expected_out_of_fold_knows_no_return_that_was_not_known_then() -> None:
    (start, stop), _ = forward_splits(TRAINING.time, 2)
    first = (TRAINING.time >= start) & (TRAINING.time < stop)
    assert TRAINING.forward_return is not None
    later = TRAINING.time + LIFE > start
    scrambled = replaced(TRAINING, forward_return=np.where(later, 1.0, TRAINING.forward_return))
    assert (
        fitted(scrambled).out_of_fold[first].tobytes()
        == fitted(TRAINING).out_of_fold[first].tobytes()
    )
    assert np.isnan(fitted(TRAINING).out_of_fold[TRAINING.time < start]).all()
    earlier = replaced(TRAINING, forward_return=np.where(later, TRAINING.forward_return, 0.01))
    assert (fitted(earlier).out_of_fold[first] != fitted(TRAINING).out_of_fold[first]).any()


def test_ten_times_the_volatility_is_the_same_forecast_in_widths() -> None:
    assert TRAINING.forward_return is not None
    wild = replaced(
        TRAINING,
        forward_return=8.0 * TRAINING.forward_return,
        take_profit=8.0 * TRAINING.take_profit,
    )
    one, other = fitted(TRAINING), fitted(wild)
    features = TRAINING.features[:50]
    assert one.layer.expected(features).tobytes() == other.layer.expected(features).tobytes()


def test_one_crash_decides_nothing() -> None:
    assert TRAINING.forward_return is not None
    crashed = TRAINING.forward_return.copy()
    crashed[10] = -0.9
    found = fitted(replaced(TRAINING, forward_return=crashed)).layer.expected(TRAINING.features)
    assert np.abs(found - fitted(TRAINING).layer.expected(TRAINING.features)).max() < 0.5


@pytest.mark.parametrize("read", [False, True])
def test_the_stack_shows_it_and_its_signal_reads_it_only_if_told(read: bool) -> None:
    config = ForecastConfig("both", in_signal=read, boosting=QUICK, forest=FOREST)
    stack = fit_stack(TRAINING, small_config(forecast=config))
    assert ("layer.forecast.boosting" in stack.columns) == read
    unseen = training_set(300, seed=1)
    expected = stack.expected_return(unseen.features, unseen.take_profit)
    assert unseen.forward_return is not None
    assert np.corrcoef(expected, unseen.forward_return)[0, 1] > 0.5
    plain = fit_stack(TRAINING, small_config())
    widths = unseen.take_profit
    same = (
        stack.signals(unseen.features, widths, widths, 0.001, unseen.time).probabilities
        == plain.signals(unseen.features, widths, widths, 0.001, unseen.time).probabilities
    ).all()
    assert same != read
    assert np.isnan(plain.expected_return(unseen.features, widths)).all()


def test_there_is_none_where_it_is_off_or_nothing_is_known() -> None:
    stretches = forward_splits(TRAINING.time, 2)
    assert fit_forecast(TRAINING, stretches, ForecastConfig(), 7, 100) is None
    unknown = replaced(TRAINING, forward_return=np.full(len(TRAINING), np.nan))
    assert fit_forecast(unknown, stretches, BOTH, 7, 100) is None
    unasked = replaced(TRAINING, forward_return=None, forward_end=None)
    assert fit_forecast(unasked, stretches, BOTH, 7, 100) is None


def test_scores_by_hand() -> None:
    scores = forecast_scores(np.array([1.0, -1.0, 0.5]), np.array([2.0, -1.0, -1.0]))
    assert scores.skill == pytest.approx(1.0 - (1.0 + 0.0 + 2.25) / 6.0)
    assert scores.side_right == pytest.approx(2 / 3)
    assert np.isnan(forecast_scores(np.empty(0), np.empty(0)).skill)


@pytest.mark.parametrize("wrong", [{"model": "forrest"}, {"horizon_ns": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"did you mean 'forest'|horizon must be above 0"):
        ForecastConfig(**wrong)  # type: ignore[arg-type]
