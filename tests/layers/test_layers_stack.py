"""The composed stack: what it may look at while it learns, what it says, and how it explains itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from markets import COST, LIFE, NAMES, replaced, small_config, training_set
from threadpoolctl import threadpool_limits

from riposte.errors import DataError, InputError
from riposte.layers.contract import REGIMES, TrainingSet
from riposte.layers.regime.layer import fit_regime
from riposte.layers.signal.layer import SignalConfig, fit_signal
from riposte.layers.splits import forward_splits, purged_splits
from riposte.layers.stack import REGIME_COLUMNS, StackConfig, fit_stack
from riposte.market.frame import Floats
from riposte.market.interval import HOUR_NS

CONFIG = small_config()
TRAINING = training_set(900)
UNSEEN = training_set(300, seed=1)
STACK = fit_stack(TRAINING, CONFIG)


def out_of_fold(training: TrainingSet) -> tuple[Floats, Floats, tuple[tuple[int, int], ...]]:
    """Regime and (uncalibrated order of) signal out-of-fold answers, and the stretches."""
    stretches = forward_splits(training.time, CONFIG.inner_splits)
    regime = fit_regime(training, stretches, CONFIG.regime, CONFIG.seed, CONFIG.least_rows)
    assert regime is not None
    joined = np.hstack([training.features, regime.out_of_fold])
    signal = fit_signal(training, joined, stretches, CONFIG.signal, CONFIG.seed, CONFIG.least_rows)
    return regime.out_of_fold, signal.margins.mean(axis=0), stretches


def test_inner_splits_go_forward_and_fit_only_on_labels_known_when_the_later_rows_begin() -> None:
    time = np.repeat(np.arange(100), 2)
    end = time + 5
    splits = purged_splits(time, end, forward_splits(time, 2))
    assert len(splits) == 2
    predicted = np.concatenate([split.predict for split in splits])
    assert len(np.unique(predicted)) == len(predicted)
    for split in splits:
        begins = time[split.predict].min()
        assert end[split.fit].max() <= begins
        assert len(split.fit) > 0
        known = np.flatnonzero(end <= begins)
        assert np.array_equal(split.fit, known)
    assert predicted.max() == 199


def test_one_moment_is_never_on_both_sides_of_a_split() -> None:
    time = np.repeat(np.arange(31), 3)
    for split in purged_splits(time, time, forward_splits(time, 3)):
        assert not set(time[split.fit]) & set(time[split.predict])


def test_rows_whose_label_ends_after_a_split_begins_do_not_touch_what_is_predicted_there() -> None:
    regime, signal, stretches = out_of_fold(TRAINING)
    (start, stop), _ = stretches
    first = (TRAINING.time >= start) & (TRAINING.time < stop)
    unknown_then = TRAINING.label_end > start
    assert (unknown_then & (TRAINING.time < start)).any()  # there is something to purge
    scrambled = replaced(
        TRAINING,
        label=np.where(unknown_then, -TRAINING.label, TRAINING.label),
        regime_label=np.where(unknown_then, 6 - TRAINING.regime_label, TRAINING.regime_label),
        weight=np.where(unknown_then, 5.0, TRAINING.weight),
    )
    regime_then, signal_then, _ = out_of_fold(scrambled)
    assert regime_then[first].tobytes() == regime[first].tobytes()
    assert signal_then[first].tobytes() == signal[first].tobytes()


def test_and_rows_whose_label_was_known_do() -> None:
    _, signal, stretches = out_of_fold(TRAINING)
    (start, stop), _ = stretches
    first = (TRAINING.time >= start) & (TRAINING.time < stop)
    known = TRAINING.label_end <= start
    changed = replaced(TRAINING, label=np.where(known, -TRAINING.label, TRAINING.label))
    assert (out_of_fold(changed)[1][first] != signal[first]).any()


def test_no_row_reads_a_regime_answer_of_a_model_that_was_fitted_on_it() -> None:
    regime, signal, stretches = out_of_fold(TRAINING)
    before = TRAINING.time < stretches[0][0]
    assert np.isnan(regime[before]).all()
    assert np.isnan(signal[before]).all()
    assert np.isfinite(regime[~before]).all()
    # Nothing that happens in the last stretch reaches the regime features of any training row before it.
    last = TRAINING.time >= stretches[1][0]
    changed = replaced(TRAINING, regime_label=np.where(last, 0, TRAINING.regime_label))
    assert (out_of_fold(changed)[0][~last & ~before] == regime[~last & ~before]).all()


def test_signals_say_direction_confidence_and_regime_in_the_stated_form() -> None:
    widths = np.full(len(UNSEEN), 0.02)
    found = STACK.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    assert found.probabilities.shape == (len(UNSEEN), 3)
    assert found.regime_probabilities.shape == (len(UNSEEN), len(REGIMES))
    assert found.regime_probabilities.sum(axis=1) == pytest.approx(1.0)
    assert (found.regime == found.regime_probabilities.argmax(axis=1)).all()
    assert (found.regime == UNSEEN.regime_label).mean() > 0.5
    short, _, long = found.probabilities.T
    assert found.confidence == pytest.approx(np.maximum(long, short) / (long + short))
    sided = found.direction != 0
    assert 20 < sided.sum() < len(UNSEEN)
    assert (found.direction[sided] == np.sign(long - short)[sided]).all()
    right = (found.direction == UNSEEN.label)[sided & (UNSEEN.label != 0)]
    assert right.mean() > 0.7


def test_costs_that_no_forecast_covers_leave_no_direction() -> None:
    widths = np.full(len(UNSEEN), 0.02)
    assert not STACK.signals(UNSEEN.features, widths, widths, 0.02, UNSEEN.time).direction.any()


def test_contributions_add_up_to_the_log_odds_of_long_against_short() -> None:
    widths = np.full(len(UNSEEN), 0.02)
    found = STACK.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    whole = STACK.attribution(UNSEEN.features)
    assert whole.shape == (len(UNSEEN), len(NAMES) + len(REGIME_COLUMNS) + 1)
    odds = np.log(found.probabilities[:, 2] / found.probabilities[:, 0])
    assert whole.sum(axis=1) == pytest.approx(odds, abs=1e-5)  # XGBoost works in single precision
    shown = STACK.contributions(UNSEEN.features)
    assert shown.shape == UNSEEN.features.shape
    assert shown.sum(axis=1) + whole[:, -1] == pytest.approx(odds, abs=1e-5)
    lower = np.abs(whole[:, len(NAMES) : -1]).sum(axis=1)
    assert (np.abs(shown - whole[:, : len(NAMES)]).sum(axis=1) <= lower + 1e-9).all()
    assert lower.max() > 0  # something was handed down
    assert np.abs(shown).mean(axis=0).argmax() == NAMES.index("alpha")


def test_it_describes_what_it_was_trained_on_and_how_it_scored() -> None:
    about = STACK.describe()
    assert about["features"] == list(NAMES)
    assert about["training"]["rows"] == 900
    assert about["training"]["last_label_end"] == TRAINING.time[-1] + LIFE
    assert about["training"]["config"]["seed"] == 7
    assert sum(about["training"]["class_counts"]) == 900
    scores = STACK.scores["signal"]
    assert scores.rows == 600
    assert scores.log_loss < scores.base_log_loss - 0.05
    assert scores.calibration_error < 0.1
    assert scores.accuracy > 0.5


def test_without_skill_it_says_so_instead_of_inventing_confidence() -> None:
    noise = training_set(3000, seed=9, skill=0.0)
    stack = fit_stack(noise, StackConfig())
    widths = np.full(len(UNSEEN), 0.02)
    found = stack.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    assert found.confidence.max() < 0.6


def test_rows_without_a_known_regime_teach_the_signal_only() -> None:
    unknown = replaced(TRAINING, regime_label=np.full(len(TRAINING), -1, np.int8))
    stack = fit_stack(unknown, CONFIG)
    widths = np.full(len(UNSEEN), 0.02)
    found = stack.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    assert (found.regime == -1).all()
    assert np.isnan(found.regime_probabilities).all()
    assert np.isfinite(found.probabilities).all()


def test_too_few_rows_are_refused_with_what_is_needed() -> None:
    with pytest.raises(DataError, match="50 training rows are too few: at least 100"):
        fit_stack(training_set(50), CONFIG)
    with pytest.raises(DataError, match="the first of 3 stretches must hold 100 rows"):
        fit_stack(training_set(150), CONFIG)


def test_an_infinite_feature_is_named() -> None:
    features = TRAINING.features.copy()
    features[17, 3] = -np.inf
    with pytest.raises(DataError, match="feature delta is infinite in row 17"):
        fit_stack(replaced(TRAINING, features=features), CONFIG)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"time": TRAINING.time[::-1]}, "not sorted by time"),
        ({"label": TRAINING.label[:-1]}, "label has 899 rows, not 900"),
        ({"label": np.full(900, 2, np.int8)}, "labels must be -1, 0 or 1"),
        ({"regime_label": np.full(900, 7, np.int8)}, "regime labels must be -1 to 6"),
        ({"label_end": TRAINING.time - HOUR_NS}, "known before its decision"),
        ({"weight": -TRAINING.weight}, "weights must be finite"),
        ({"names": NAMES[:3]}, "not \\(900 rows, 3 names\\)"),
    ],
)
def test_a_training_set_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replaced(TRAINING, **changes)


def test_a_wrong_model_name_or_setting_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(InputError, match="did you mean 'xgboost'"):
        SignalConfig(model="xgbost")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="inner_splits must be at least 1"):
        StackConfig(inner_splits=0)
    with pytest.raises(InputError, match="direction_prior must be above 0"):
        SignalConfig(direction_prior=0.0)


def test_looking_harder_at_some_rows_does_not_change_how_often_things_happen() -> None:
    training = training_set(4000, skill=0.5)
    harder = np.where(training.label == 0, 0.1, 1.0)  # as rows that moved are by their returns
    unseen = training_set(4000, seed=5, skill=0.5)
    widths = np.full(len(unseen), 0.02)

    def says_neutral(training: TrainingSet) -> float:
        stack = fit_stack(training, CONFIG)
        said = stack.signals(unseen.features, widths, widths, COST, unseen.time)
        return float(said.probabilities[:, 1].mean())

    came = float((unseen.label == 0).mean())
    assert says_neutral(replaced(training, weight=harder)) < came - 0.1
    honest = replaced(training, weight=harder, uniqueness=np.ones(len(training)))
    assert says_neutral(honest) == pytest.approx(came, abs=0.03)


def test_how_many_threads_multiply_matrices_changes_no_bit() -> None:
    wide = np.random.default_rng(0).normal(size=(6000, 150))
    training = replaced(
        training_set(6000), features=wide, names=tuple(f"f{number}" for number in range(150))
    )
    told = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            stack = fit_stack(training, CONFIG)
        assert stack.silence.novelty is not None
        told.append((stack.silence.novelty.score(wide).tobytes(), stack.signal.calibration))
    assert told[0] == told[1]
