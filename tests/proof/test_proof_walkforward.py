"""Nothing that came later reaches a fold, a prediction or an order."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from small_study import changed_after, plan

from riposte.engine.run import run
from riposte.features.catalogue import catalogue, declared, feature
from riposte.features.matrix import build_matrix
from riposte.features.provision import common_features
from riposte.layers.position.inputs import market_inputs
from riposte.layers.stack import fit_stack
from riposte.market.barriers import barrier_widths
from riposte.market.frame import Floats, MarketFrame
from riposte.market.instrument import Instrument, instrument_for
from riposte.market.interval import HOUR_NS
from riposte.proof.dataset import prepare, training_set
from riposte.proof.splits import walk_forward
from riposte.proof.unseen import OutOfSample, walk
from riposte.proof.walkforward import test_rows as rows_under_test

PLAN = plan()


@pytest.fixture(scope="module")
def seen(frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]) -> OutOfSample:
    return walk(frames, instruments, PLAN, workers=1)


def data_of(frames: tuple[MarketFrame, ...]) -> list[Any]:
    wanted = common_features(frames)
    return [
        prepare(f, PLAN.barriers, reading="symmetric", round_trip_cost=0.0014, wanted=wanted)
        for f in frames
    ]


def folds_of(frames: tuple[MarketFrame, ...]) -> Any:
    return walk_forward(int(frames[0].open_time[0]), int(frames[0].close_time[-1]))


def same_signals(first: Any, second: Any, rows: np.ndarray) -> bool:
    return all(
        np.array_equal(getattr(first, name)[rows], getattr(second, name)[rows], equal_nan=True)
        for name in ("direction", "confidence", "probabilities", "regime", "regime_probabilities")
    )


def test_a_fold_learns_the_same_whatever_comes_after_its_training(
    frames: tuple[MarketFrame, ...],
) -> None:
    fold = folds_of(frames)[0]
    before, _ = training_set(data_of(frames), fold, HOUR_NS)
    other = changed_after(frames, fold.test_start)
    after, _ = training_set(data_of(other), fold, HOUR_NS)
    for field in dataclasses.fields(before):
        first, second = getattr(before, field.name), getattr(after, field.name)
        if isinstance(first, np.ndarray):
            assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f"), field.name
    one, two = fit_stack(before, PLAN.stack), fit_stack(after, PLAN.stack)
    assert [m.payload() for _, m in one.signal.members] == [
        m.payload() for _, m in two.signal.members
    ]


def test_every_training_label_was_settled_before_the_test_began(
    frames: tuple[MarketFrame, ...],
) -> None:
    data = data_of(frames)
    for fold in folds_of(frames):
        rows, purged = training_set(data, fold, 6 * HOUR_NS)
        assert purged > 0
        assert rows.label_end.max() <= fold.test_start - 6 * HOUR_NS
        assert rows.time.min() >= fold.train_start
        known = rows.regime_label >= 0
        assert rows.regime_end[known].max() <= fold.test_start - 6 * HOUR_NS


def test_a_training_row_is_purged_whether_its_barrier_was_reached_early_or_not(
    frames: tuple[MarketFrame, ...],
) -> None:
    fold = folds_of(frames)[0]
    rows, _ = training_set(data_of(frames), fold, 0)
    last_day = rows.time > fold.test_start - 24 * HOUR_NS
    assert not last_day.any()


def test_predictions_and_orders_do_not_change_when_the_future_does(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...], seen: OutOfSample
) -> None:
    whole = run(seen.inputs, PLAN.engine)
    assert len(whole.trades) > 5
    first, last = int(seen.inputs.time[0]), int(seen.inputs.time[-1])
    for share in (0.2, 0.5, 0.8):
        cut = first + int((last - first) * share) // HOUR_NS * HOUR_NS
        other = walk(changed_after(frames, cut), instruments, PLAN, workers=1)
        for frame, one, two in zip(frames, seen.signals, other.signals, strict=True):
            rows = np.flatnonzero((frame.close_time >= first) & (frame.close_time <= cut))
            assert same_signals(one, two, rows)
        changed = run(other.inputs, PLAN.engine)
        steps = seen.inputs.time <= cut
        assert np.array_equal(whole.equity[steps], changed.equity[steps])
        assert (
            whole.fills[whole.fills["time"] < cut].tobytes()
            == changed.fills[changed.fills["time"] < cut].tobytes()
        )


@feature("momentum", lookback=lambda: 1)
def peek_24h(close: Floats) -> Floats:
    """Tomorrow's return: a look-ahead, planted.

    Formula: close[t+24] / close[t] - 1
    Unit: fraction
    Look-back: 1 bar, which is a lie
    Source: none
    """
    out = np.full(len(close), np.nan)
    out[:-24] = close[24:] / close[:-24] - 1.0
    return out


def first_difference(
    frames: tuple[MarketFrame, ...], features: Any, wanted: tuple[str, ...], cuts: int
) -> int | None:
    """The first of many cuts at which the decision of the bar before it depends on what comes after.

    One stack is fitted on the first months; then the future is changed after each cut, and signals and
    orders up to it are compared bit for bit.
    """
    frame = frames[0]
    fold = folds_of(frames)[0]
    data = [
        dataclasses.replace(each, matrix=build_matrix(f, wanted, features))
        for each, f in zip(data_of(frames), frames, strict=True)
    ]
    stack = fit_stack(training_set(data, fold, 0)[0], PLAN.stack)
    contract = [instrument_for(frame.symbol)]

    def decided(history: MarketFrame) -> tuple[Any, Any]:
        matrix = build_matrix(history, wanted, features)
        widths = barrier_widths(history, PLAN.barriers)
        said = stack.signals(matrix.values, *widths, 0.0014, matrix.close_time)
        return said, run(market_inputs([history], [said], PLAN.barriers, contract), PLAN.engine)

    said, orders = decided(frame)
    rng = np.random.default_rng(5)
    for row in sorted(rng.integers(2_000, len(frame) - 50, cuts)):
        cut = int(frame.close_time[row])
        changed, other = decided(changed_after([frame], cut)[0])
        before = [r.fills[r.fills["time"] < cut].tobytes() for r in (orders, other)]
        equal_curve = np.array_equal(orders.equity[: row + 1], other.equity[: row + 1])
        if not (
            same_signals(said, changed, np.arange(row + 1))
            and before[0] == before[1]
            and equal_curve
        ):
            return int(row)
    assert len(orders.trades) > 20
    return None


def test_signals_and_orders_up_to_any_bar_ignore_what_comes_after_it(
    frames: tuple[MarketFrame, ...],
) -> None:
    assert first_difference(frames, None, common_features(frames), cuts=25) is None


def test_a_planted_look_ahead_feature_is_caught_by_the_same_comparison(
    frames: tuple[MarketFrame, ...],
) -> None:
    (spec,) = declared(peek_24h)
    features = {**catalogue(), spec.name: spec}
    wanted = (*common_features(frames), spec.name)
    assert first_difference(frames, features, wanted, cuts=5) is not None


def test_folds_speak_about_their_own_month_and_nothing_else(
    frames: tuple[MarketFrame, ...], seen: OutOfSample
) -> None:
    for index, frame in enumerate(frames):
        spoken = np.concatenate([fold.rows[index] for fold in seen.folds])
        assert len(np.unique(spoken)) == len(spoken)
        for fold in seen.folds:
            times = frame.close_time[fold.rows[index]]
            assert (times >= fold.result.test_start).all()
            assert (times < fold.result.test_end).all()
        silent = np.setdiff1d(np.arange(len(frame)), spoken)
        assert (seen.signals[index].direction[silent] == 0).all()
    assert all(len(rows_under_test(d, f)) > 600 for d in seen.data for f in folds_of(frames)[:2])


def test_two_workers_say_what_one_says(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...], seen: OutOfSample
) -> None:
    parallel = walk(frames, instruments, PLAN, workers=2)
    for frame, one, two in zip(frames, seen.signals, parallel.signals, strict=True):
        assert same_signals(one, two, np.arange(len(frame)))
    assert [f.result for f in seen.folds] == [f.result for f in parallel.folds]
