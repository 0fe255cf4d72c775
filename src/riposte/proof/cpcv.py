"""Combinatorial purged cross-validation of the whole system: one back-test per path of unseen groups.

The walk-forward is one history; here the same settings are tried on many. The folds go through the same
training, purging and checks as those of the walk-forward. What a path shows is robustness, not what an
account would have earned: a model that speaks about a group has also learned from what came after it, and
none falls silent for its age, because most groups lie far from the end of what was learned.

Source: López de Prado, Advances in Financial Machine Learning (2018), chapter 12.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from riposte.engine.parameters import EngineConfig
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.layers.abstention.rule import NO_END
from riposte.layers.contract import Signals
from riposte.layers.position.inputs import signals_on
from riposte.layers.stack import StackConfig
from riposte.market.barriers import Barriers
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS
from riposte.proof.backtest import at_threshold, between, outcome
from riposte.proof.honesty import PathStudy, chosen_by_the_past, different_choices
from riposte.proof.metrics import daily_returns
from riposte.proof.overfitting import together
from riposte.proof.splits import Fold, Mask, Span, combinatorial, paths
from riposte.proof.walkforward import FoldOutput, Task, run_folds, stitch

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PathPlan:
    """How the paths are made and traded. ``thresholds``: confidences to choose between."""

    groups: int
    test_groups: int
    barriers: Barriers
    engine: EngineConfig
    thresholds: tuple[float, ...]


def path_study(
    task: Task,
    market: MarketInputs,
    plan: PathPlan,
    *,
    workers: int,
    progress: Progress,
) -> PathStudy:
    """Train on every choice of groups, join what was said of unseen ones into paths, trade each.

    ``market``: the whole history of the task's frames, whatever its signals.

    Raises:
        InputError: if the history cannot be cut into so many groups.
    """
    folds = combinatorial(
        min(int(each.frame.close_time[each.usable][0]) for each in task.data),
        max(int(each.frame.close_time[-1]) for each in task.data) + 1,
        groups=plan.groups,
        test_groups=plan.test_groups,
        reach_ns=max(int((each.settled - each.frame.close_time).max()) for each in task.data),
    )
    ageless = dataclasses.replace(task, stack=without_expiry(task.stack), shap_rows=0)
    outputs = run_folds(
        folds, ageless, workers=workers, progress=lambda d, n: progress("combinatorial folds", d, n)
    )
    walked, results, found = paths(folds), [], []
    for done, path in enumerate(walked):
        progress("paths", done, len(walked))
        inputs = path_inputs(path, outputs, task, market, plan.barriers)
        results.append(run(inputs, plan.engine))
        found.append(different_choices(_choices(inputs, results[-1], plan)))
    progress("paths", len(walked), len(walked))
    equity = plan.engine.starting_equity
    ends = np.flatnonzero(np.diff((results[0].time - 1) // DAY_NS, append=-1))
    judged = [chosen_by_the_past(returns) for _, returns in found]
    spans = [span for span, _ in walked[0]]
    return PathStudy(
        groups=tuple((span.start, span.end) for span in spans),
        test_groups=plan.test_groups,
        folds=len(folds),
        unfitted=sum(not np.isfinite(output.result.log_loss) for output in outputs),
        metrics=tuple(outcome("", "", result, equity).metrics for result in results),
        time=results[0].time[ends],
        equity=np.array([result.equity[ends] for result in results]),
        overfitting=together([each for each in judged if each is not None]),
        choices=max((names for names, _ in found), key=len),
    )


def without_expiry(stack: StackConfig) -> StackConfig:
    """The same layers, whose models never grow too old to speak."""
    abstention = dataclasses.replace(stack.abstention, life_ns=NO_END)
    return dataclasses.replace(stack, abstention=abstention)


def path_inputs(
    path: Sequence[tuple[Span, Fold]],
    outputs: Sequence[FoldOutput],
    task: Task,
    market: MarketInputs,
    barriers: Barriers,
) -> MarketInputs:
    """The market with what each group's fold said about it, from the first group to the last."""
    spoken = [about(span, outputs[fold.index], task) for span, fold in path]
    signals, spoken_by = stitch(task.data, spoken)
    frames = [each.frame for each in task.data]
    said = signals_on(market.time, frames, signals, barriers, spoken_by)
    inputs = dataclasses.replace(market, signals=said)
    return between(inputs, path[0][0].start, path[-1][0].end)


def about(span: Span, output: FoldOutput, task: Task) -> FoldOutput:
    """The part of a fold's output that speaks about one of its test spans."""
    inside = [
        span.holds(each.frame.close_time[rows])
        for each, rows in zip(task.data, output.rows, strict=True)
    ]
    return dataclasses.replace(
        output,
        rows=tuple(rows[kept] for rows, kept in zip(output.rows, inside, strict=True)),
        signals=tuple(_rows(said, kept) for said, kept in zip(output.signals, inside, strict=True)),
    )


def _rows(said: Signals, kept: Mask) -> Signals:
    return Signals(
        **{each.name: getattr(said, each.name)[kept] for each in dataclasses.fields(said)}
    )


def _choices(inputs: MarketInputs, own: RunResult, plan: PathPlan) -> Mapping[str, Floats]:
    """Daily returns at every threshold, the system's own first."""
    equity = plan.engine.starting_equity
    runs = {plan.engine.rules.min_confidence: own} | {
        threshold: run(inputs, at_threshold(plan.engine, threshold))
        for threshold in plan.thresholds
        if threshold != plan.engine.rules.min_confidence
    }
    return {
        f"from {threshold:.0%}": daily_returns(result.time, result.equity, equity)
        for threshold, result in runs.items()
    }
