"""Combinatorial folds through the machinery of the walk-forward: what is learned, and what is joined."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_study import SYMBOLS, market, plan

from riposte.layers.abstention.rule import NO_END
from riposte.layers.contract import Signals, TrainingSet
from riposte.layers.position.inputs import market_inputs
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.instrument import instrument_for
from riposte.market.interval import HOUR_NS
from riposte.proof.cpcv import about, path_inputs, without_expiry
from riposte.proof.dataset import SymbolData, prepare, training_set
from riposte.proof.leak_checks import check_fold
from riposte.proof.splits import Fold, combinatorial, paths
from riposte.proof.walkforward import FoldOutput, Task, quiet, run_fold
from riposte.proof.walkforward import test_rows as rows_under_test

EMBARGO = 2 * HOUR_NS
REACH = 24 * HOUR_NS
FIXED = Barriers(0.015, 0.005, REACH, "fixed")
FEATURES = ("rsi", "log_return_4h")


@pytest.fixture(scope="module")
def frame() -> MarketFrame:
    return market(11, months=4)[0]


def data_of(frame: MarketFrame) -> SymbolData:
    return prepare(frame, FIXED, reading="symmetric", round_trip_cost=0.0014, wanted=FEATURES)


@pytest.fixture(scope="module")
def data(frame: MarketFrame) -> SymbolData:
    return data_of(frame)


@pytest.fixture(scope="module")
def folds(frame: MarketFrame) -> tuple[Fold, ...]:
    start, end = int(frame.close_time[100]), int(frame.close_time[-1]) + 1
    return combinatorial(start, end, groups=5, test_groups=2, reach_ns=REACH)


def learned(data: SymbolData, fold: Fold) -> tuple[TrainingSet, int]:
    return training_set([data], fold, EMBARGO, 4 * HOUR_NS)


def test_a_fold_learns_before_and_after_its_tests_and_nothing_near_them(
    data: SymbolData, folds: tuple[Fold, ...]
) -> None:
    for fold in folds:
        rows, purged = learned(data, fold)
        assert check_fold(rows, fold, EMBARGO) == ()
        assert purged > 0
        tested = data.frame.close_time[rows_under_test(data, fold)]
        assert not np.isin(tested, rows.time).any()
    around, _ = learned(data, folds[4])  # the second and third of five groups are tested
    assert (around.time < folds[4].test_start).any()
    assert (around.time > folds[4].test_end).any()


def test_training_that_is_not_purged_on_one_side_is_caught(
    data: SymbolData, folds: tuple[Fold, ...]
) -> None:
    fold = folds[4]
    blind = dataclasses.replace(fold, reach_ns=0)  # forgets that the tests' labels reach out
    rows, _ = training_set([data], blind, 0)
    found = check_fold(rows, fold, EMBARGO)
    assert [leak.what for leak in found] == ["label", "regime label"]
    assert "they know prices of its test" in str(found[0])


def test_no_label_weight_or_regime_that_is_learned_depends_on_a_price_of_a_test(
    frame: MarketFrame, data: SymbolData, folds: tuple[Fold, ...]
) -> None:
    fold = folds[4]
    inside = (frame.close_time > fold.test_start) & (frame.open_time < fold.test_end)
    wobble = np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.02, int(inside.sum()))))
    columns = {name: values.copy() for name, values in frame.columns.items()}
    for name in ("open", "high", "low", "close", "mark_price"):
        columns[name][inside] *= wobble
    other = data_of(make_frame(frame.symbol, frame.interval, frame.open_time, columns))
    assert not np.array_equal(other.labels.label, data.labels.label)
    before, after = learned(data, fold)[0], learned(other, fold)[0]
    for field in dataclasses.fields(TrainingSet):
        first, second = getattr(before, field.name), getattr(after, field.name)
        if field.name != "features" and isinstance(first, np.ndarray):
            assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), field.name
    earlier = before.time < fold.test_start  # features look back: later ones may see the test
    assert np.array_equal(before.features[earlier], after.features[earlier], equal_nan=True)


def spoken(fold: Fold, task: Task) -> FoldOutput:
    """A fold that cannot be fitted, made to tell who it is: its number as confidence."""
    output = run_fold(fold, task)
    assert np.isnan(output.result.log_loss)
    (said,) = output.signals
    named = dataclasses.replace(said, confidence=np.full(len(said), float(fold.index)))
    return dataclasses.replace(output, signals=(named,))


def test_a_path_is_made_of_every_group_as_its_own_fold_saw_it(
    data: SymbolData, folds: tuple[Fold, ...]
) -> None:
    unfitted = dataclasses.replace(plan().stack, least_rows=10**9)
    task = Task((data,), unfitted, EMBARGO, 0.0014, 0.5)
    outputs = [spoken(fold, task) for fold in folds]
    market = market_inputs(
        [data.frame], [quiet(len(data.frame))], FIXED, [instrument_for(SYMBOLS[0])]
    )
    usable = data.frame.close_time[data.usable]
    for path in paths(folds):
        inputs = path_inputs(path, outputs, task, market, FIXED)
        assert inputs.time[0] >= path[0][0].start
        for span, fold in path:
            rows = span.holds(inputs.time) & np.isin(inputs.time, usable)
            assert rows.sum() > 200
            assert (inputs.signals["model_id"][rows, 0] == fold.index).all()
            assert (inputs.signals["confidence"][rows, 0] == fold.index).all()
    part = about(folds[4].test[0], outputs[4], task)
    assert len(part.rows[0]) == len(part.signals[0]) < len(outputs[4].rows[0])
    assert isinstance(part.signals[0], Signals)


def test_models_of_a_cross_validation_do_not_expire() -> None:
    assert without_expiry(plan().stack).abstention.life_ns == NO_END
