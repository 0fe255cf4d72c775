"""What the folds of a walk-forward say about months they have not seen, ready for the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from riposte.engine.run import MarketInputs
from riposte.features.provision import BUILT_IN, MatrixSource, common_features
from riposte.layers.contract import Signals
from riposte.layers.position.inputs import market_inputs
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.proof.backtest import between
from riposte.proof.chance.shuffle import LabelShuffle
from riposte.proof.dataset import SymbolData, prepare
from riposte.proof.plan import StudyPlan
from riposte.proof.splits import walk_forward
from riposte.proof.walkforward import FoldOutput, Task, run_folds, stitch

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """The walk-forward's product: the market and what was said about it on unseen rows."""

    data: tuple[SymbolData, ...]
    folds: tuple[FoldOutput, ...]
    signals: tuple[Signals, ...]
    inputs: MarketInputs  # from the first test row to the last
    history: MarketInputs  # all of it
    task: Task


def walk(
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    *,
    workers: int,
    progress: Progress | None = None,
    features: MatrixSource = BUILT_IN,
    finer: Sequence[MarketFrame | None] = (),
    shuffle: LabelShuffle | None = None,
) -> OutOfSample:
    """Walk forward over the frames and stitch what the folds said about unseen months.

    ``shuffle``: for a null test, how the outcomes that the folds learn from are exchanged.
    """
    report = progress or (lambda _what, _done, _total: None)
    wanted = common_features(frames, features)
    data = []
    for done, frame in enumerate(frames):
        report("features and labels", done, len(frames))
        data.append(
            prepare(
                frame,
                plan.barriers,
                reading=plan.reading,
                round_trip_cost=plan.round_trip_cost,
                wanted=wanted,
                features=features,
            )
        )
    report("features and labels", len(frames), len(frames))
    folds = walk_forward(
        min(int(f.open_time[0]) for f in frames),
        max(int(f.close_time[-1]) for f in frames),
        train_months=plan.train_months,
        test_months=plan.test_months,
        step_months=plan.step_months,
        last=plan.folds,
    )
    task = Task(
        data=tuple(data),
        stack=plan.stack,
        embargo_ns=plan.embargo_ns,
        round_trip_cost=plan.round_trip_cost,
        min_confidence=plan.engine.rules.min_confidence,
        selection=plan.selection,
        weighting=plan.weighting,
        versions={name: features.specs[name].version for name in wanted},
        shuffle=shuffle,
    )
    outputs = run_folds(
        folds, task, workers=workers, progress=lambda d, n: report("walk-forward folds", d, n)
    )
    signals, spoken_by = stitch(data, outputs)
    inputs = market_inputs(
        frames,
        signals,
        plan.barriers,
        instruments,
        model_ids=spoken_by,
        windows=plan.windows,
        finer=finer,
        portfolio=plan.portfolio,
    )
    first, last = folds[0].test_start, folds[-1].test_end
    unseen = between(inputs, first, last)
    return OutOfSample(tuple(data), outputs, signals, unseen, inputs, task)
