"""Walk-forward: for each fold learn on the past, speak about the month after, stitch what was said.

Folds run in parallel processes, each of which receives the data once; the result does not depend on how
many there are.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError, ModelError
from riposte.interrupts import interrupts_held
from riposte.layers.contract import REGIMES, Signals
from riposte.layers.stack import DecisionStack, StackConfig, fit_stack
from riposte.market.frame import Floats
from riposte.proof import classification
from riposte.proof.chance.shuffle import LabelShuffle, shuffled
from riposte.proof.dataset import SymbolData, Weighting, columns_of, selected, training_set
from riposte.proof.leak_checks import check_fold, refuse_leaks
from riposte.proof.results import FoldResult, Silences
from riposte.proof.selection.choose import SelectionConfig
from riposte.proof.silences import silences, total
from riposte.proof.splits import Fold

Progress = Callable[[int, int], None]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FoldOutput:
    """What one fold said about its test rows."""

    result: FoldResult
    rows: tuple[Rows, ...]  # per symbol: the frame rows spoken about
    signals: tuple[Signals, ...]  # per symbol: one row per row above
    shap: Floats  # (k,) sum of |SHAP| over the sampled rows
    shap_rows: int
    silences: Silences


@dataclass(frozen=True, slots=True)
class Task:
    """All that a fold needs besides its dates."""

    data: tuple[SymbolData, ...]
    stack: StackConfig
    embargo_ns: int
    round_trip_cost: float
    min_confidence: float
    shap_rows: int = 24
    selection: SelectionConfig | None = None  # None: all features
    weighting: Weighting = "uniqueness"
    versions: Mapping[str, str] = field(
        default_factory=dict
    )  # of the features' definitions, by name
    shuffle: LabelShuffle | None = None  # for a null test: outcomes that say nothing of their rows


def quiet(rows: int) -> Signals:
    """Signals that say nothing, for rows no fold speaks about."""
    return Signals(
        direction=np.zeros(rows, np.int8),
        confidence=np.full(rows, 0.5),
        probabilities=np.tile([0.0, 1.0, 0.0], (rows, 1)),
        regime=np.full(rows, -1, np.int8),
        regime_probabilities=np.full((rows, len(REGIMES)), np.nan),
        abstention=np.zeros(rows, np.uint8),
    )


def test_rows(each: SymbolData, fold: Fold) -> Rows:
    """Frame rows decided inside the fold's test spans for which a signal can be asked."""
    return np.flatnonzero(each.usable & fold.tests(each.frame.close_time)).astype(np.int64)


def run_fold(fold: Fold, task: Task) -> FoldOutput:
    """Fit on the fold's training rows, predict its test rows, score it as a classifier.

    A fold that cannot be fitted (too little data, one outcome only) speaks about nothing; its scores
    are NaN and its row shows the count of rows there were.
    """
    training, purged = training_set(
        task.data, fold, task.embargo_ns, task.stack.forecast_horizon_ns, task.weighting
    )
    refuse_leaks(check_fold(training, fold, task.embargo_ns))
    if task.shuffle is not None:
        training = shuffled(training, task.shuffle, fold.index)
    rows = tuple(test_rows(each, fold) for each in task.data)
    try:
        training, chosen = selected(training, task.selection, task.versions)
        stack = fit_stack(training, task.stack)
    except (ModelError, DataError):
        return _unfitted(fold, task, rows, len(training), purged)
    columns = columns_of(stack.names, task.data[0].matrix.names)
    signals = tuple(
        stack.signals(
            each.matrix.values[np.ix_(r, columns)],
            each.take_profit[r],
            each.stop_loss[r],
            task.round_trip_cost,
            each.frame.close_time[r],
        )
        for each, r in zip(task.data, rows, strict=True)
    )
    judged = [each.labels.known[r] for each, r in zip(task.data, rows, strict=True)]
    label = np.concatenate(
        [e.labels.label[r][k] for e, r, k in zip(task.data, rows, judged, strict=True)]
    )
    said = np.concatenate([s.probabilities[k] for s, k in zip(signals, judged, strict=True)])
    shap, sampled = _importance(stack, columns, task, rows, fold)
    acted = sum(
        int(np.sum((s.direction != 0) & (s.confidence >= task.min_confidence))) for s in signals
    )
    result = FoldResult(
        index=fold.index,
        train_start=fold.train_start,
        train_end=fold.train_end,
        test_start=fold.test_start,
        test_end=fold.test_end,
        train_rows=len(training),
        test_rows=sum(map(len, rows)),
        purged_rows=purged,
        accuracy=classification.accuracy(label, said),
        f1=classification.macro_f1(label, said),
        log_loss=classification.log_loss(label, said),
        base_log_loss=classification.base_log_loss(training.label, label),
        calibration_error=classification.reliability(
            *classification.side_confidence(label, said)
        ).error,
        signals=acted,
        trades=0,
        net_return=0.0,
        selection=chosen.words if chosen else "",
    )
    quietened = total(
        silences(said, each.labels.label[r], each.labels.known[r], stack.silence)
        for said, each, r in zip(signals, task.data, rows, strict=True)
    )
    return FoldOutput(result, rows, signals, shap, sampled, quietened)


def _unfitted(
    fold: Fold, task: Task, rows: tuple[Rows, ...], train_rows: int, purged: int
) -> FoldOutput:
    nothing = FoldResult(
        index=fold.index,
        train_start=fold.train_start,
        train_end=fold.train_end,
        test_start=fold.test_start,
        test_end=fold.test_end,
        train_rows=train_rows,
        test_rows=sum(map(len, rows)),
        purged_rows=purged,
        accuracy=np.nan,
        f1=np.nan,
        log_loss=np.nan,
        base_log_loss=np.nan,
        calibration_error=np.nan,
        signals=0,
        trades=0,
        net_return=0.0,
    )
    features = task.data[0].matrix.values.shape[1]
    said = tuple(quiet(len(r)) for r in rows)
    return FoldOutput(nothing, rows, said, np.zeros(features), 0, total(()))


def _importance(
    stack: DecisionStack, columns: Rows, task: Task, rows: tuple[Rows, ...], fold: Fold
) -> tuple[Floats, int]:
    """Summed |SHAP| of a seeded sample of the fold's test rows, and how many there were."""
    rng = np.random.default_rng([task.stack.seed, fold.index])
    asked = np.concatenate([each.matrix.values[r] for each, r in zip(task.data, rows, strict=True)])
    total = np.zeros(asked.shape[1])
    if len(asked) == 0 or task.shap_rows == 0:
        return total, 0
    chosen = asked[rng.integers(0, len(asked), task.shap_rows)][:, columns]
    total[columns] = np.abs(stack.contributions(chosen)).sum(axis=0)
    return total, len(chosen)


_task: Task | None = None  # of this worker process; set once, by _begin


def _begin(task: Task) -> None:
    """Receive the task in a fresh worker; an interrupt is the parent's business."""
    global _task  # noqa: PLW0603  a worker process has one task for life
    _task = task
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(fold: Fold) -> FoldOutput:
    if _task is None:
        raise RuntimeError("a fold was started outside a walk-forward")
    return run_fold(fold, _task)


def run_folds(
    folds: Sequence[Fold], task: Task, *, workers: int, progress: Progress | None = None
) -> tuple[FoldOutput, ...]:
    """All folds, in order; ``progress(done, total)`` is called as they finish."""
    report = progress or (lambda _done, _total: None)
    outputs: list[FoldOutput] = []
    if workers <= 1 or len(folds) == 1:
        for done, fold in enumerate(folds, 1):
            outputs.append(run_fold(fold, task))
            report(done, len(folds))
        return tuple(outputs)
    # Fresh processes: a fork of one that has already trained would inherit OpenMP's locks and hang.
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(task,),
    )
    try:
        with interrupts_held():  # submitting starts the processes
            waiting = [pool.submit(_work, fold) for fold in folds]
        for done, _ in enumerate(as_completed(waiting), 1):
            report(done, len(folds))
        return tuple(each.result() for each in waiting)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def stitch(
    data: Sequence[SymbolData], outputs: Sequence[FoldOutput]
) -> tuple[tuple[Signals, ...], tuple[NDArray[np.int32], ...]]:
    """Out-of-sample signals per symbol and the fold that spoke each row (-1: none)."""
    stitched, spoken_by = [], []
    for index, each in enumerate(data):
        whole = quiet(len(each.frame))
        fold_of = np.full(len(each.frame), -1, np.int32)
        for output in outputs:
            rows, said = output.rows[index], output.signals[index]
            for name in ("direction", "confidence", "probabilities", "regime", "abstention"):
                getattr(whole, name)[rows] = getattr(said, name)
            whole.regime_probabilities[rows] = said.regime_probabilities
            fold_of[rows] = output.result.index
        stitched.append(whole)
        spoken_by.append(fold_of)
    return tuple(stitched), tuple(spoken_by)
