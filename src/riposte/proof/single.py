"""One trained model on history it has not seen: the back-test of a model folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from riposte.engine.run import run
from riposte.errors import DataError
from riposte.features.provision import BUILT_IN, MatrixSource, common_features
from riposte.layers.contract import TrainingSet
from riposte.layers.position.inputs import market_inputs
from riposte.layers.stack import DecisionStack
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.market.series import format_time
from riposte.proof.backtest import outcome
from riposte.proof.dataset import prepare, training_set
from riposte.proof.results import Outcome
from riposte.proof.splits import Fold
from riposte.proof.study import StudyPlan, between
from riposte.proof.walkforward import quiet


def training_rows_until_now(
    frames: Sequence[MarketFrame], plan: StudyPlan, features: MatrixSource = BUILT_IN
) -> TrainingSet:
    """All rows of the frames whose label is settled: what a model for tomorrow learns from."""
    wanted = common_features(frames, features)
    data = [
        prepare(
            frame,
            plan.barriers,
            reading=plan.reading,
            round_trip_cost=plan.round_trip_cost,
            wanted=wanted,
            features=features,
        )
        for frame in frames
    ]
    start = min(int(frame.open_time[0]) for frame in frames)
    end = max(int(frame.close_time[-1]) for frame in frames) + 1
    rows, _ = training_set(data, Fold(0, start, end, end, end), 0)
    return rows


def backtest_model(
    stack: DecisionStack,
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    features: MatrixSource = BUILT_IN,
) -> Outcome:
    """Trade the model's signals, only on rows decided after everything it learned from was settled.

    Raises:
        DataError: if the frames hold no such rows.
    """
    learned_until = stack.training.last_label_end + plan.embargo_ns
    signals, models, rows_left = [], [], 0
    for frame in frames:
        data = prepare(
            frame,
            plan.barriers,
            reading=plan.reading,
            round_trip_cost=plan.round_trip_cost,
            wanted=stack.names,
            features=features,
        )
        rows = np.flatnonzero(data.usable & (frame.close_time >= learned_until))
        rows_left += len(rows)
        said = stack.signals(
            data.matrix.values[rows],
            data.take_profit[rows],
            data.stop_loss[rows],
            plan.round_trip_cost,
        )
        whole = quiet(len(frame))
        for name in ("direction", "confidence", "probabilities", "regime"):
            getattr(whole, name)[rows] = getattr(said, name)
        signals.append(whole)
        models.append(np.where(frame.close_time >= learned_until, 0, -1).astype(np.int32))
    if rows_left == 0:
        raise DataError(
            f"the model has learned from history to {format_time(learned_until)}: nothing stored is "
            "unseen by it",
            hint="train on an earlier --timerange, or import later history",
        )
    inputs = market_inputs(
        frames, signals, plan.barriers, instruments, model_ids=models, windows=plan.windows
    )
    unseen = between(inputs, learned_until, int(inputs.time[-1]))
    note = f"Out of sample from {format_time(int(unseen.time[0]))}."
    return outcome("Model", note, run(unseen, plan.engine), plan.engine.starting_equity)
