"""A whole study: walk-forward, back-test, baselines, what-ifs and statistics, from frames to a Study."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from riposte.engine.enums import Reason, Rule
from riposte.engine.parameters import EngineConfig
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.features.catalogue import FeatureSpec
from riposte.features.provision import BUILT_IN, MatrixSource
from riposte.layers.contract import REGIMES, Signals
from riposte.layers.open_interest import open_interest_signals
from riposte.layers.position.inputs import signals_on
from riposte.layers.trend_rule import CHANNEL_HORIZONS, trend_rule_signals
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.market.interval import format_duration
from riposte.proof import baselines, bootstrap, classification, targets
from riposte.proof.backtest import at_threshold, cost_what_if, never_resumed, outcome
from riposte.proof.chance.measure import outspoken
from riposte.proof.chance.study import chance_of
from riposte.proof.cpcv import PathPlan, path_study
from riposte.proof.dataset import SymbolData
from riposte.proof.honesty import PathStudy
from riposte.proof.metrics import by_group, daily_returns
from riposte.proof.plan import Provenance, StudyPlan, describe_barriers
from riposte.proof.results import (
    FoldResult,
    Importance,
    LadderRung,
    Outcome,
    PriceHistory,
    Reliability,
    Study,
)
from riposte.proof.silences import total
from riposte.proof.tried import judge
from riposte.proof.unseen import OutOfSample, Progress, walk
from riposte.proof.walkforward import FoldOutput

RULE_ALONE = "Open-interest signal alone"


def fingerprint(result: RunResult) -> str:
    """Hash of the equity curve and the trades: equal runs have equal ones."""
    digest = hashlib.sha256(result.equity.tobytes())
    digest.update(result.trades.tobytes())
    return digest.hexdigest()[:16]


def run_study(
    frames: Sequence[MarketFrame],
    instruments: Sequence[Instrument],
    plan: StudyPlan,
    provenance: Provenance,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    features: MatrixSource = BUILT_IN,
    finer: Sequence[MarketFrame | None] = (),
) -> Study:
    """Walk forward, back-test, compare and judge; ``finer`` frames decide inside the bars of ``frames``."""
    report = progress or (lambda _what, _done, _total: None)
    seen = walk(
        frames,
        instruments,
        plan,
        workers=workers,
        progress=progress,
        features=features,
        finer=finer,
    )
    report("back-tests", 0, 4)
    equity = plan.engine.starting_equity
    result = run(seen.inputs, plan.engine)
    system = outcome("Riposte", "The system as configured.", result, equity)
    report("back-tests", 1, 4)
    others = _baselines(frames, seen, plan)
    report("back-tests", 2, 4)
    rungs = {each: run(seen.inputs, at_threshold(plan.engine, each)) for each in plan.ladder}
    ladder = tuple(_rung(seen.inputs, each, rung, equity) for each, rung in rungs.items())
    what_ifs = tuple(cost_what_if(seen.inputs, plan.engine, m) for m in (0.0, 1.0, 2.0))
    alone = run(seen.inputs, never_resumed(plan.engine))
    report("back-tests", 3, 4)
    reliability, accuracy = _reliability(seen)
    returns = daily_returns(result.time, result.equity, equity)
    intervals = bootstrap.intervals(returns, seed=plan.seed, resamples=plan.bootstrap_resamples)
    report("back-tests", 4, 4)
    chance = chance_of(
        seen.inputs,
        outspoken(seen.inputs, frames, seen.signals),
        plan.engine,
        result.trades,
        plan.resampling,
        horizon_ns=plan.barriers.horizon_ns,
        seed=plan.seed,
        workers=workers,
        progress=lambda done, total: report("resampled markets", done, total),
    )
    trials = plan.earlier_trials + len(ladder) + len(what_ifs) + 1
    choices = {"Riposte": result, **{f"from {t:.0%}": rung for t, rung in rungs.items()}}
    choices |= {"nobody resumes": alone}
    rule = next(each for each in others if each.name == RULE_ALONE)
    judged = judge(choices, rule, ladder, what_ifs, trials, plan.earlier_sharpes, equity)
    paths = _paths(seen, plan, workers, report)
    trades = result.trades
    symbols = tuple(frame.symbol for frame in frames)
    return Study(
        title=provenance.title,
        source=provenance.source,
        real_data=provenance.real_data,
        created=provenance.created,
        version=provenance.version,
        settings=provenance.settings,
        symbols=symbols,
        interval=str(frames[0].interval),
        barriers=describe_barriers(plan.barriers),
        start=int(seen.inputs.time[0]),
        end=int(seen.inputs.time[-1]),
        starting_equity=equity,
        prices=tuple(
            _prices(e, s, seen.inputs) for e, s in zip(seen.data, seen.signals, strict=True)
        ),
        run=result,
        system=dataclasses.replace(system, metrics={**system.metrics, "accuracy": accuracy}),
        never_resumed=outcome(
            "Nobody resumes", "The same, but nobody lifts a shut-down or a review.", alone, equity
        ),
        baselines=others,
        cost_what_ifs=what_ifs,
        ladder=ladder,
        folds=_folds(seen.folds, result),
        reliability=reliability,
        silences=total(fold.silences for fold in seen.folds),
        promised_coverage=plan.stack.abstention.coverage,
        promised_unlike=plan.stack.abstention.unlike,
        targets=targets.judge({**system.metrics, "accuracy": accuracy}),
        importance=_importance(seen, features.specs),
        intervals=intervals,
        by_symbol=by_group(trades, trades["symbol"], dict(enumerate(symbols))),
        by_regime=by_group(trades, trades["regime"], {**dict(enumerate(REGIMES)), -1: "unknown"}),
        by_exit=by_group(trades, trades["exit_reason"], {int(r): r.name for r in Reason}),
        refusals=_refusals(result),
        quality=provenance.quality,
        trials=trials,
        chance=chance,
        honesty=judged,
        paths=paths,
        fingerprint=fingerprint(result),
    )


def _baselines(
    frames: Sequence[MarketFrame],
    seen: OutOfSample,
    plan: StudyPlan,
) -> tuple[Outcome, ...]:
    equity, engine = plan.engine.starting_equity, plan.engine

    def ruled(spoken: Sequence[Signals], config: EngineConfig) -> RunResult:
        said = signals_on(seen.inputs.time, frames, spoken, plan.barriers)
        return run(dataclasses.replace(seen.inputs, signals=said), config)

    interest = [open_interest_signals(frame, plan.open_interest_threshold) for frame in frames]
    channel_ns = CHANNEL_HORIZONS * plan.barriers.horizon_ns
    trend = [trend_rule_signals(f, channel_ns, engine.rules.min_confidence) for f in frames]
    chance, _ = baselines.random_entries(
        seen.inputs, engine, seeds=plan.random_seeds, seed=plan.seed
    )
    return (
        baselines.buy_and_hold(seen.inputs, equity),
        chance,
        outcome(
            "Trend rule alone",
            f"A fixed rule: breakouts from the price channel of the last {format_duration(channel_ns)} "
            "(Donchian), with the same barriers, risk and costs.",
            ruled(trend, engine),
            equity,
        ),
        outcome(
            RULE_ALONE,
            f"The rule-based score, acted on beyond ±{plan.open_interest_threshold:g}.",
            ruled(interest, at_threshold(engine, 0.0)),
            equity,
        ),
    )


def _rung(inputs: MarketInputs, threshold: float, result: RunResult, equity: float) -> LadderRung:
    acted = (inputs.signals["direction"] != 0) & (inputs.signals["confidence"] >= threshold)
    return LadderRung(threshold, int(acted.sum()), outcome("", "", result, equity).metrics)


def _paths(
    seen: OutOfSample,
    plan: StudyPlan,
    workers: int,
    progress: Progress,
) -> PathStudy | None:
    if plan.cpcv is None:
        return None
    groups, test_groups = plan.cpcv
    wanted = PathPlan(groups, test_groups, plan.barriers, plan.engine, plan.ladder)
    return path_study(seen.task, seen.history, wanted, workers=workers, progress=progress)


def _reliability(seen: OutOfSample) -> tuple[Reliability, float]:
    labels, said = [], []
    for index, each in enumerate(seen.data):
        for fold in seen.folds:
            rows = fold.rows[index]
            known = each.labels.known[rows]
            labels.append(each.labels.label[rows][known])
            said.append(fold.signals[index].probabilities[known])
    label, probabilities = np.concatenate(labels), np.concatenate(said)
    curve = classification.reliability(*classification.side_confidence(label, probabilities))
    return curve, classification.accuracy(label, probabilities)


def _folds(outputs: Sequence[FoldOutput], result: RunResult) -> tuple[FoldResult, ...]:
    done = []
    for output in outputs:
        fold = output.result
        opened = result.trades["opened_at"]
        mine = result.trades[(opened >= fold.test_start) & (opened < fold.test_end)]
        at = np.searchsorted(result.time, [fold.test_start, fold.test_end])
        ends = np.clip(at, 0, len(result.time) - 1)
        change = float(result.equity[ends[1]] / result.equity[ends[0]] - 1.0)
        done.append(dataclasses.replace(fold, trades=len(mine), net_return=change))
    return tuple(done)


def _importance(seen: OutOfSample, known: Mapping[str, FeatureSpec]) -> tuple[Importance, ...]:
    total = np.sum([f.shap for f in seen.folds], axis=0)
    if total.sum() <= 0.0:
        return ()
    share = total / total.sum()
    names = seen.data[0].matrix.names
    order = np.argsort(-share, kind="stable")
    return tuple(
        Importance(names[i], known[names[i]].group, float(share[i])) for i in order if share[i] > 0
    )


def _refusals(result: RunResult) -> Mapping[str, int]:
    rules, counts = np.unique(result.refusals["rule"], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {Rule(int(rules[i])).name: int(counts[i]) for i in order}


def _prices(each: SymbolData, said: Signals, inputs: MarketInputs) -> PriceHistory:
    frame = each.frame
    rows = (frame.close_time >= inputs.time[0]) & (frame.close_time <= inputs.time[-1])
    return PriceHistory(
        symbol=frame.symbol,
        time=frame.open_time[rows],
        open=frame["open"][rows],
        high=frame["high"][rows],
        low=frame["low"][rows],
        close=frame["close"][rows],
        regime=said.regime[rows],
    )
