"""What a trial is judged on: a small walk-forward inside the training window.

The window is cut into consecutive stretches. For each but the first, the layers under the signal are fitted
once on what was settled before it; a trial fits the signal layer there, calibration included, and is scored
on the stretch by weighted log loss. Nothing at or after the end of the window is in any of it.

The layers under the signal, and which features are chosen, do not depend on what is searched: they are
fitted once per stretch and shared by all trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError
from riposte.features.provision import BUILT_IN, MatrixSource, common_features
from riposte.labels.weights import uniqueness
from riposte.layers.calibration import log_loss
from riposte.layers.contract import SIDES, Indices, TrainingSet
from riposte.layers.signal.layer import SignalConfig, fit_signal
from riposte.layers.splits import forward_splits
from riposte.layers.stack import StackConfig, fit_below
from riposte.market.frame import Floats, MarketFrame
from riposte.market.interval import DAY_NS
from riposte.proof.dataset import SymbolData, columns_of, prepare, selected, training_set
from riposte.proof.leak_checks import check_fold, refuse_leaks
from riposte.proof.plan import StudyPlan
from riposte.proof.splits import Fold, Span
from riposte.proof.walkforward import test_rows

BLOCK_NS = (
    7 * DAY_NS
)  # scores of a week are taken for independent: a label's horizon is far shorter


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch: rows to fit on, with what the lower layers say of them (``joined``), and the later
    rows ``asked`` (m, k), their classes and weights (m,), and the week each falls in (m,), from 0."""

    index: int
    start: int
    stop: int
    training: TrainingSet
    joined: Floats
    stretches: tuple[tuple[int, int], ...]
    asked: Floats
    target: Indices
    weight: Floats
    week: Indices
    base_log_loss: float


@dataclass(frozen=True, slots=True)
class StageScore:
    """What a trial scored on one stage, label overlap weighted out.

    ``log_loss`` and ``base_log_loss`` in nats, the latter of always saying the frequencies of the rows
    before the stage. ``weeks``: each week's summed weighted log loss.
    """

    weight: float
    log_loss: float
    base_log_loss: float
    weeks: tuple[float, ...]


def excess(scores: Sequence[StageScore]) -> float:
    """Log loss less that of the frequencies over all stages, nats per row; below 0 is skill."""
    total = sum(score.weight for score in scores)
    return sum(score.weight * (score.log_loss - score.base_log_loss) for score in scores) / total


def stages_of(
    frames: Sequence[MarketFrame],
    plan: StudyPlan,
    splits: int,
    features: MatrixSource = BUILT_IN,
) -> tuple[Stage, ...]:
    """The stages of a window: all of ``frames``, cut into ``splits`` stretches after a first one.

    Raises:
        DataError: if the window is too short for that.
    """
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
    versions = {name: features.specs[name].version for name in wanted}
    times = np.concatenate(
        [each.frame.close_time[each.usable & each.labels.known] for each in data]
    )
    if len(times) < (splits + 1) * plan.stack.least_rows:
        raise DataError(
            f"{len(times)} usable rows are too few for {splits + 1} stretches of at least "
            f"{plan.stack.least_rows}",
            hint="tune on a longer --timerange, or lower tune.splits",
        )
    first = int(times.min())
    folds = [
        Fold(index, first, start, (Span(start, stop),))
        for index, (start, stop) in enumerate(forward_splits(np.sort(times), splits))
    ]
    return tuple(_stage(data, fold, plan, versions) for fold in folds)


def _stage(
    data: Sequence[SymbolData], fold: Fold, plan: StudyPlan, versions: Mapping[str, str]
) -> Stage:
    stack = plan.stack
    training, _ = training_set(
        data, fold, plan.embargo_ns, stack.forecast_horizon_ns, plan.weighting
    )
    refuse_leaks(check_fold(training, fold, plan.embargo_ns))
    if len(training) < stack.least_rows:
        raise DataError(
            f"the first stretch holds {len(training)} rows whose labels were known at its end: at "
            f"least {stack.least_rows} are needed",
            hint="tune on a longer --timerange, or lower tune.splits",
        )
    training, _ = selected(training, plan.selection, versions)
    stretches = forward_splits(training.time, stack.inner_splits)
    below = fit_below(training, stretches, stack)
    columns = columns_of(training.names, data[0].matrix.names)
    parts = [_asked(each, fold, columns) for each in data]
    rows, label, weight, time = (np.concatenate(each) for each in zip(*parts, strict=True))
    if weight.sum() <= 0.0:
        raise DataError(f"stretch {fold.index} of the window holds no row that can be judged")
    target = label.astype(np.int64) + 1
    return Stage(
        index=fold.index,
        start=fold.test_start,
        stop=fold.test_end,
        training=replace(training, features=np.empty((len(training), 0)), names=()),
        joined=below.joined,
        stretches=stretches,
        asked=below.answered(rows),
        target=target,
        weight=weight,
        week=((time - fold.test_start) // BLOCK_NS).astype(np.int64),
        base_log_loss=_base(training, target, weight),
    )


def _asked(
    each: SymbolData, fold: Fold, columns: Indices
) -> tuple[Floats, NDArray[np.int8], Floats, NDArray[np.int64]]:
    """(features, labels, weights, times) of a symbol's rows in the stretch whose label is known."""
    rows = test_rows(each, fold)
    rows = rows[each.labels.known[rows]]
    time = each.frame.close_time[rows]
    return (
        each.matrix.values[np.ix_(rows, columns)],
        each.labels.label[rows],
        uniqueness(time, each.labels.end_time[rows]),
        time,
    )


def _base(training: TrainingSet, target: Indices, weight: Floats) -> float:
    """Log loss of always saying the training rows' frequencies (Laplace smoothed)."""
    mass = np.bincount(training.label.astype(np.int64) + 1, training.evidence, len(SIDES)) + 1.0
    return log_loss(np.tile(mass / mass.sum(), (len(target), 1)), target, weight)


def score_stage(stage: Stage, config: SignalConfig, stack: StackConfig) -> StageScore:
    """Fit the signal layer on the stage's rows and score it on the later ones."""
    fitted = fit_signal(
        stage.training, stage.joined, stage.stretches, config, stack.seed, stack.least_rows
    )
    said = fitted.layer.probabilities(stage.asked)
    whole = float(stage.weight.sum())
    weeks = [
        log_loss(said[rows], stage.target[rows], stage.weight[rows])
        * float(stage.weight[rows].sum())
        if stage.weight[rows].sum() > 0.0
        else 0.0
        for rows in (np.flatnonzero(stage.week == week) for week in range(stage.week.max() + 1))
    ]
    return StageScore(whole, sum(weeks) / whole, stage.base_log_loss, tuple(weeks))


def content_of(frames: Sequence[MarketFrame]) -> str:
    """A hash of all the market data in the window; equal data have equal hashes on any machine."""
    found = hashlib.sha256()
    for frame in frames:
        found.update(f"{frame.symbol} {frame.interval}".encode())
        found.update(np.ascontiguousarray(frame.open_time).tobytes())
        for name in sorted(frame.columns):
            found.update(name.encode())
            found.update(np.ascontiguousarray(frame.columns[name]).tobytes())
    return found.hexdigest()[:16]
