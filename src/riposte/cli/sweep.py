"""``riposte backtest --sweep``: many sets of settings over the same signals, and what the best one proves."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from riposte.cli.display import Report, number, out, percent, print_json, progress, table
from riposte.cli.market import Market, features_of, sound_features, stored_market
from riposte.cli.research import now_text, workers_of
from riposte.cli.trials import earlier_variants, hash_of, log_trial, trial_of
from riposte.engine.run import MarketInputs
from riposte.layers.open_interest import open_interest_signals
from riposte.layers.position.inputs import market_inputs
from riposte.market.series import format_time
from riposte.proof.metrics import METRICS
from riposte.proof.plan import StudyPlan
from riposte.proof.single import load_model, unseen_inputs
from riposte.proof.sweep import Swept, Value, Verdict, compile_engine, judge, sweep
from riposte.proof.trials import Trial, counted, settings_hash
from riposte.proof.unseen import walk
from riposte.settings.convert import plan_of
from riposte.settings.schema import Settings
from riposte.settings.sweep import SweepPlan, read_sweep, variants_of, written

_SHOWN = 10
_COLUMNS = ("total_return", "max_drawdown", "win_rate", "trades")
_CONVINCING = 0.95
# The open-interest rule's own threshold is a confidence in the engine's eyes: every score may speak, and
# position.min_confidence decides which is acted on.
_ANY_SCORE = 1e-9
_SIGNALS = {
    "open-interest": "the open-interest rule",
    "model": "the model, on history it has not seen",
    "walk-forward": "the walk-forward, out of sample",
}


def sweep_settings(
    settings: Settings, path: Path, *, model: str, sets: int | None, json: bool
) -> None:
    """Run the sweep of a file, log it, show it.

    Sets judged before an interruption are logged too.
    """
    chosen = read_sweep(path, settings, sets=sets)
    variants = variants_of(settings, chosen)
    market, plan = stored_market(settings), plan_of(settings)
    trial = dataclasses.replace(
        trial_of("sweep", settings, market, now_text(), {}),
        settings=settings_hash((hash_of(settings), chosen.identity)),
        sets=len(variants),
    )
    earlier = plan.earlier_trials + counted(earlier_variants(settings, trial))
    done = 0
    with progress(quiet=json) as shown:

        def report(judged: int, wanted: int) -> None:
            nonlocal done
            done = judged
            shown("sets", judged, wanted)

        inputs = _inputs(settings, market, plan, chosen, model, shown)
        shown("compiling what is not compiled yet", 0, 1)
        compile_engine(inputs, variants[0])
        shown("compiling what is not compiled yet", 1, 1)
        began = time.monotonic()
        try:
            swept = sweep(inputs, variants, workers=workers_of(settings), progress=report)
        except KeyboardInterrupt:
            if done:
                log_trial(settings, dataclasses.replace(trial, sets=done))
            raise
    took = time.monotonic() - began
    verdict = judge(swept, earlier)
    best = verdict.ranked[0]
    scores = {name: float(column[best]) for name, column in swept.metrics.items()}
    scores |= {"deflated_sharpe": float(verdict.deflated[best]), "pbo": verdict.overfitting}
    log_trial(settings, dataclasses.replace(trial, scores=scores))
    if json:
        print_json(_as_json(swept, verdict, chosen, inputs, trial))
    else:
        _show(swept, verdict, chosen, inputs, took)


def _inputs(
    settings: Settings,
    market: Market,
    plan: StudyPlan,
    chosen: SweepPlan,
    model: str,
    report: Report,
) -> MarketInputs:
    """The market with the signals that every set trades."""
    if chosen.how.signals == "model":
        features = features_of(settings)
        stack = load_model(settings.model.folder / model, market.frames, features)
        return unseen_inputs(stack, market.frames, market.instruments, plan, features, market.finer)
    if chosen.how.signals == "walk-forward":
        return walk(
            market.frames,
            market.instruments,
            plan,
            workers=workers_of(settings),
            progress=report,
            features=sound_features(settings, market.frames),
            finer=market.finer,
        ).inputs
    spoken = [open_interest_signals(frame, _ANY_SCORE) for frame in market.frames]
    return market_inputs(
        market.frames,
        spoken,
        plan.barriers,
        market.instruments,
        windows=plan.windows,
        finer=market.finer,
        portfolio=plan.portfolio,
    )


def _show(
    swept: Swept, verdict: Verdict, chosen: SweepPlan, inputs: MarketInputs, took: float
) -> None:
    count = len(swept.variants)
    ratios = swept.metrics["sharpe"]
    traded = [index for index in verdict.ranked if np.isfinite(ratios[index])]
    rows = [
        (
            "as configured" if index == 0 else str(index),
            number(float(ratios[index])),
            percent(float(verdict.deflated[index])),
            *(_measure(name, swept, index) for name in _COLUMNS),
        )
        for index in dict.fromkeys([*traded[:_SHOWN], 0])
    ]
    columns = ("set", "Sharpe", "deflated", "return", "drawdown", "win rate", "trades")
    title = (
        f"The best of {number(count, 0)} sets by Sharpe, signals of {_SIGNALS[chosen.how.signals]},\n"
        f"{format_time(int(inputs.time[0]))} to {format_time(int(inputs.time[-1]))}"
    )
    out.print(table(title, columns, rows))
    best = verdict.ranked[0]
    if best and traded:
        values = written(chosen, swept.variants[best].values)
        out.print(f"Set {best}: " + ", ".join(f"{k} = {_text(v)}" for k, v in values.items()))
    if len(traded) < count:
        out.print(f"{number(count - len(traded), 0)} of the sets made nothing and lost nothing.")
    if traded:
        out.print(_warning(swept, verdict))
    bars = len(inputs.time) * len(inputs.symbols) * count
    out.print(f"[dim]{number(bars / 1e6, 0)} million bars in {number(took, 1)} s.[/]")


def _measure(name: str, swept: Swept, index: int) -> str:
    value = float(swept.metrics[name][index])
    unit = METRICS[name].unit
    if unit == "fraction":
        return percent(value)
    return number(value, 0 if unit == "count" else 2)


def _text(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def _warning(swept: Swept, verdict: Verdict) -> str:
    """What picking the best is worth, in words."""
    best = verdict.ranked[0]
    ratio = float(swept.metrics["sharpe"][best])
    deflated = float(verdict.deflated[best])
    told = (
        f"Picking the best of {number(len(swept.variants), 0)} is selection: its Sharpe of {number(ratio)} is "
        f"the luckiest of them, not what to expect. With {number(verdict.trials, 0)} variants ever tried on "
        f"this history, the best would show about {number(verdict.lucky_sharpe)} if none were worth anything. "
        f"Deflated by that, the chance that its true Sharpe is above zero is {percent(deflated)}: "
    )
    told += (
        "beyond what luck explains. "
        if deflated >= _CONVINCING
        else f"not beyond luck ({percent(_CONVINCING, 0)} would be). "
    )
    if np.isfinite(verdict.overfitting):
        told += (
            f"In {percent(verdict.overfitting, 0)} of all ways to halve the history, the best of one half was "
            "worse than most in the other (PBO). "
        )
    return told + "Prove a choice on history that no set has seen."


def _as_json(
    swept: Swept, verdict: Verdict, chosen: SweepPlan, inputs: MarketInputs, trial: Trial
) -> dict[str, Any]:
    return {
        "from": format_time(int(inputs.time[0])),
        "to": format_time(int(inputs.time[-1])),
        "symbols": list(trial.symbols),
        "signals": chosen.how.signals,
        "trials": verdict.trials,
        "lucky_sharpe": verdict.lucky_sharpe,
        "probability_of_overfitting": verdict.overfitting,
        "ranked": list(verdict.ranked),
        "sets": [
            {
                "set": index,
                "values": written(chosen, variant.values),
                "deflated_sharpe": float(verdict.deflated[index]),
                **{name: float(column[index]) for name, column in swept.metrics.items()},
            }
            for index, variant in enumerate(swept.variants)
        ],
    }
