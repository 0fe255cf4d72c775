"""One trained model on history it has not seen: the back-test of a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from riposte.engine.run import MarketInputs, run
from riposte.errors import DataError, ModelError
from riposte.features.catalogue import combined_version
from riposte.features.provision import BUILT_IN, Computed, MatrixSource, common_features
from riposte.layers.artefact import read_artefact
from riposte.layers.contract import TrainingSet
from riposte.layers.position.inputs import market_inputs
from riposte.layers.saving import load_stack
from riposte.layers.stack import DecisionStack
from riposte.market.barriers import barrier_widths
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.market.series import format_time
from riposte.proof.backtest import between, outcome
from riposte.proof.dataset import prepare, selected, training_set
from riposte.proof.leak_checks import Decisions, Leak, decisions, prove_causal
from riposte.proof.plan import StudyPlan
from riposte.proof.results import Outcome
from riposte.proof.selection.choose import Selection
from riposte.proof.splits import Fold
from riposte.proof.walkforward import quiet


def training_rows_until_now(
    frames: Sequence[MarketFrame], plan: StudyPlan, features: MatrixSource = BUILT_IN
) -> tuple[TrainingSet, Selection | None]:
    """All rows of the frames whose label is settled, what a model for tomorrow learns from; and how
    their features were chosen, if they were."""
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
    rows, _ = training_set(data, Fold(0, start, end, ()), 0, plan.stack.forecast_horizon_ns)
    versions = {name: features.specs[name].version for name in wanted}
    return selected(rows, plan.selection, versions)


def load_model(
    folder: Path, frames: Sequence[MarketFrame], features: MatrixSource
) -> DecisionStack:
    """The saved stack, with every feature it was trained on defined and available as it was then.

    Raises:
        ModelError: naming what is missing or different.
        StorageError: if a file cannot be read.
    """
    names = tuple(str(name) for name in read_artefact(folder).about["features"])
    there = set(common_features(frames, features))
    missing = [name for name in names if name not in there]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(
            f"model {folder} was trained on features that are not there: "
            f"{', '.join(missing[:3])}{more}",
            hint="bring in the data they need, name their files in features.files, or train again",
        )
    version = combined_version(features.specs[name].version for name in names)
    return load_stack(folder, names, version)


def prove_model(
    stack: DecisionStack,
    frame: MarketFrame,
    plan: StudyPlan,
    features: MatrixSource,
    cuts: int = 8,
) -> tuple[Leak, ...]:
    """Whether the model's decisions on the frame stay the same when the future is removed or changed.

    The whole way is run again for every cut, from frame to decision, with nothing cached.
    """
    computed = Computed(features.specs)

    def pipeline(seen: MarketFrame) -> Decisions:
        take_profit, stop_loss = barrier_widths(seen, plan.barriers)
        values = computed(seen, stack.names).values
        warm = np.isfinite(stop_loss)
        said = stack.signals(
            values,
            np.where(warm, take_profit, 1.0),
            np.where(warm, stop_loss, 1.0),
            plan.round_trip_cost,
            seen.close_time,
        )
        return decisions(said)

    places = np.linspace(len(frame) // 2, len(frame) - 2, cuts).astype(np.int64)
    return prove_causal(pipeline, frame, [int(place) for place in places])


def backtest_model(
    stack: DecisionStack,
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    features: MatrixSource = BUILT_IN,
    finer: Sequence[MarketFrame | None] = (),
) -> Outcome:
    """Trade the model's signals on what :func:`unseen_inputs` finds."""
    unseen = unseen_inputs(stack, frames, instruments, plan, features, finer)
    note = f"Out of sample from {format_time(int(unseen.time[0]))}."
    return outcome("Model", note, run(unseen, plan.engine), plan.engine.starting_equity)


def unseen_inputs(
    stack: DecisionStack,
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    features: MatrixSource = BUILT_IN,
    finer: Sequence[MarketFrame | None] = (),
) -> MarketInputs:
    """The model's signals on rows decided after everything it learned from was settled, with the market
    from the first such row on.

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
            frame.close_time[rows],
        )
        whole = quiet(len(frame))
        for name in ("direction", "confidence", "probabilities", "regime", "abstention"):
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
        frames,
        signals,
        plan.barriers,
        instruments,
        model_ids=models,
        windows=plan.windows,
        finer=finer,
        portfolio=plan.portfolio,
    )
    return between(inputs, learned_until, int(inputs.time[-1]))
