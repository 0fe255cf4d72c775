"""Labels, training, explanation, walk-forward and back-test: the research verbs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

import riposte
from riposte.cli.display import number, out, percent, print_json, progress, table
from riposte.cli.market import (
    CHECKED_ROWS,
    Market,
    features_of,
    open_store,
    quality_of,
    sound_features,
    stored_market,
)
from riposte.cli.nulls import draw_and_keep, draws_of, kinds_of, with_kept_nulls
from riposte.cli.options import (
    ConfigFiles,
    Given,
    IntervalName,
    Json,
    PresetName,
    Seed,
    SetCount,
    SweepFile,
    SymbolList,
    Timerange,
    Workers,
)
from riposte.cli.publish import check_writable, print_summary, settings_text, write_report
from riposte.cli.trials import earlier_variants, log_trial, trial_of
from riposte.errors import InputError, ModelError
from riposte.features.provision import common_features
from riposte.layers.saving import save_stack
from riposte.layers.stack import Lineage, fit_stack
from riposte.market.interval import format_duration
from riposte.market.series import format_time
from riposte.proof.dataset import prepare
from riposte.proof.leak_checks import refuse_leaks
from riposte.proof.metrics import METRICS
from riposte.proof.results import Study
from riposte.proof.silences import REASONS
from riposte.proof.single import (
    backtest_model,
    load_model,
    prove_model,
    training_rows_until_now,
)
from riposte.proof.study import Provenance, run_study
from riposte.proof.trials import counted, recorded_sharpes
from riposte.settings.convert import plan_of, stack_of
from riposte.settings.load import Loaded
from riposte.settings.schema import Settings
from riposte.stores.protocol import Store

ModelName = Annotated[str, typer.Option("--model", help="Name of the model folder.")]


DIRECTIONS = {-1: "SHORT", 0: "NEUTRAL", 1: "LONG"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision and its reasons: SHAP values toward LONG minus SHORT, largest first.

    ``silent``: why it is no direction, where it is none. ``expected_return``: what the forecast expects
    of the price over its horizon, as a fraction; NaN without a forecast.
    """

    time: str
    direction: str
    confidence: float
    probabilities: tuple[float, ...]
    reasons: tuple[tuple[str, float], ...]
    silent: tuple[str, ...]
    expected_return: float


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (labels, train, explain, walkforward, backtest):
        app.command()(verb)


def workers_of(settings: Settings) -> int:
    """How many processes; 0 in the settings means one per core."""
    return settings.walkforward.workers or os.cpu_count() or 1


def now_text() -> str:
    """The present moment for a report's header; no number depends on it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def labels(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    json: Json = False,
) -> None:
    """Show what the triple barrier makes of the stored history."""
    given = Given(config, preset, symbols, interval, timerange)
    settings = given.load().settings
    market, plan = stored_market(settings), plan_of(settings)
    features = features_of(settings)
    found = {}
    for frame in market.frames:
        data = prepare(
            frame,
            plan.barriers,
            reading=plan.reading,
            round_trip_cost=plan.round_trip_cost,
            wanted=common_features([frame], features),
            features=features,
        )
        known = data.labels.known
        label = data.labels.label[known]
        found[frame.symbol] = {
            "rows": int(known.sum()),
            "short": float(np.mean(label == -1)),
            "neutral": float(np.mean(label == 0)),
            "long": float(np.mean(label == 1)),
            "take_profit": float(np.nanmedian(data.take_profit)),
            "stop_loss": float(np.nanmedian(data.stop_loss)),
        }
    if json:
        print_json(found)
        return
    rows = [
        (symbol, number(v["rows"], 0), *(percent(v[k]) for k in ("short", "neutral", "long")),
         percent(v["take_profit"], 2), percent(v["stop_loss"], 2))
        for symbol, v in found.items()
    ]  # fmt: skip
    columns = ("symbol", "rows", "SHORT", "NEUTRAL", "LONG", "median target", "median stop")
    out.print(table("", columns, rows))


def train(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    seed: Seed = None,
    name: Annotated[str, typer.Option(help="Name of the model folder.")] = "latest",
    json: Json = False,
) -> None:
    """Train all layers on the stored history and save them as a model folder."""
    given = Given(config, preset, symbols, interval, timerange, seed=seed)
    loaded = given.load()
    settings = loaded.settings
    market, plan = stored_market(settings), plan_of(settings)
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InputError(f"model name {name!r}: use letters, digits, dots, dashes and underscores")
    with progress(quiet=json) as shown:
        shown("training", 0, 2)
        rows, chosen = training_rows_until_now(
            market.frames, plan, sound_features(settings, market.frames)
        )
        shown("training", 1, 2)
        stack = fit_stack(rows, stack_of(settings))
        shown("training", 2, 2)
    folder = settings.model.folder / name
    lineage = Lineage(now_text(), riposte.__version__, market.source, settings_text(loaded))
    save_stack(stack, folder, lineage)
    about = stack.describe()
    scores = {name: float(value) for name, value in about["scores"]["signal"].items()}
    log_trial(settings, trial_of("train", settings, market, lineage.created, scores))
    if json:
        print_json({"folder": str(folder), "selection": chosen.words if chosen else "", **about})
        return
    if chosen:
        out.print(f"{chosen.words}.")
    score = about["scores"]["signal"]
    out.print(
        f"Trained on {number(about['training']['rows'], 0)} rows to "
        f"{format_time(about['training']['last_time'])}, saved in {folder}."
    )
    out.print(
        f"Out of fold: log loss {number(score['log_loss'], 4)} against "
        f"{number(score['base_log_loss'], 4)} of always saying the frequencies, accuracy "
        f"{percent(score['accuracy'])}."
    )


def explain(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    model: ModelName = "latest",
    top: Annotated[int, typer.Option(help="How many reasons to show.")] = 10,
    json: Json = False,
) -> None:
    """Explain the model's decision on the newest stored bar of each symbol."""
    settings = Given(config, preset, symbols, interval, timerange).load().settings
    market, plan = stored_market(settings), plan_of(settings)
    features = features_of(settings)
    stack = load_model(settings.model.folder / model, market.frames, features)
    wanted = stack.names
    found: dict[str, Explained] = {}
    for frame in market.frames:
        data = prepare(
            frame,
            plan.barriers,
            reading=plan.reading,
            round_trip_cost=plan.round_trip_cost,
            wanted=wanted,
            features=features,
        )
        if not data.usable[-1]:
            raise ModelError(f"{frame.symbol}: the newest bar has not enough history behind it")
        row = data.matrix.values[-1:]
        width = data.take_profit[-1:]
        said = stack.signals(
            row, width, data.stop_loss[-1:], plan.round_trip_cost, frame.close_time[-1:]
        )
        reasons = stack.contributions(row)[0]
        order = np.argsort(-np.abs(reasons))[:top]
        found[frame.symbol] = Explained(
            time=format_time(int(frame.close_time[-1])),
            direction=DIRECTIONS[int(said.direction[0])],
            confidence=float(said.confidence[0]),
            probabilities=tuple(float(p) for p in said.probabilities[0]),
            reasons=tuple((wanted[i], float(reasons[i])) for i in order),
            silent=tuple(
                words for flag, words in REASONS.items() if int(said.abstention[0]) & flag
            ),
            expected_return=float(stack.expected_return(row, width)[0]),
        )
    if json:
        print_json({symbol: dataclasses.asdict(each) for symbol, each in found.items()})
        return
    for symbol, each in found.items():
        out.print(
            f"[bold]{symbol}[/] at {each.time}: {each.direction}, confidence "
            f"{percent(each.confidence)} (acted on from {percent(plan.engine.rules.min_confidence)})"
        )
        if each.silent:
            out.print(f"Silent because: {', '.join(each.silent)}.")
        if stack.forecast is not None and stack.forecast_scores is not None:
            horizon = format_duration(stack.forecast.horizon_ns)
            out.print(
                f"The forecast expects {percent(each.expected_return, 2)} in {horizon}; on rows it had "
                f"not seen its skill over expecting nothing was "
                f"{percent(stack.forecast_scores.skill, 2)}."
            )
        rows = [(name, f"{value:+.4f}") for name, value in each.reasons]
        out.print(table("", ("feature", "toward LONG (+) or SHORT (−)"), rows))


def walkforward(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    workers: Workers = None,
    seed: Seed = None,
    folds: Annotated[int | None, typer.Option(help="Only so many folds, the newest ones.")] = None,
    cpcv: Annotated[
        str | None,
        typer.Option(
            help="Also cross-validate over groups of the history: groups,test groups such as 6,2."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the report files.")] = "walkforward",
    null: Annotated[
        str | None,
        typer.Option(
            "--null",
            help="Then run it all where nothing can be learned: walk (random walks), labels (shuffled), "
            "or walk,labels.",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=10_000, help="Draws of each null test, kept ones included.")
    ] = 20,
    json: Json = False,
) -> None:
    """Walk forward over the stored history and write the report."""
    given = Given(config, preset, symbols, interval, timerange, workers, seed)
    loaded = given.load(**{"walkforward.folds": folds, "walkforward.cpcv": cpcv})
    kinds, settings = kinds_of(null), loaded.settings
    check_writable(settings.report.folder)
    market = stored_market(settings)
    study = study_of(loaded, market, open_store(settings), quiet=json)
    path = write_report(study, settings.report.folder, name)
    if kinds:
        with progress(quiet=json) as shown:
            draw_and_keep(kinds, seeds, settings, market, shown, workers=workers_of(settings))
        study = with_kept_nulls(study, draws_of(settings, market))
        path = write_report(study, settings.report.folder, name)
    print_summary(study, path, json=json)


def study_of(loaded: Loaded, market: Market, store: Store, *, quiet: bool) -> Study:
    """The whole study of a market under loaded settings."""
    settings = loaded.settings
    quality = quality_of(store, settings, market.frames)
    about = Provenance(
        title=f"{', '.join(settings.data.symbols)} {settings.data.interval}",
        source=market.source,
        real_data=market.real,
        created=now_text(),
        version=riposte.__version__,
        settings=settings_text(loaded),
        quality=tuple(f"{f.severity}: {f.message}" for f in quality),
    )
    trial = trial_of("walkforward", settings, market, about.created, {})
    plan = plan_of(settings)
    earlier = earlier_variants(settings, trial)
    plan = dataclasses.replace(
        plan,
        earlier_trials=plan.earlier_trials + counted(earlier),
        earlier_sharpes=recorded_sharpes(earlier),
    )
    with progress(quiet=quiet) as shown:
        study = run_study(
            market.frames,
            market.instruments,
            plan,
            about,
            workers=workers_of(settings),
            progress=shown,
            features=sound_features(settings, market.frames),
            finer=market.finer,
        )
    log_trial(settings, dataclasses.replace(trial, scores=dict(study.system.metrics)))
    return with_kept_nulls(study, draws_of(settings, market))


def backtest(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    model: ModelName = "latest",
    prove: Annotated[
        bool,
        typer.Option(
            "--prove-causal", help="First prove that no decision changes with what comes after it."
        ),
    ] = False,
    sweep: SweepFile = None,
    sets: SetCount = None,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Back-test a trained model on stored history it has not seen, or sweep over settings."""
    settings = Given(config, preset, symbols, interval, timerange, workers).load().settings
    if sweep is not None:
        from riposte.cli.sweep import sweep_settings

        sweep_settings(settings, sweep, model=model, sets=sets, json=json)
        return
    if sets is not None:
        raise InputError("--sets says how many sets a sweep has: give --sweep FILE with it")
    market, plan = stored_market(settings), plan_of(settings)
    features = features_of(settings)
    stack = load_model(settings.model.folder / model, market.frames, features)
    if prove:
        for frame in market.frames:
            newest = frame.rows(max(0, len(frame) - CHECKED_ROWS), len(frame))
            refuse_leaks(prove_model(stack, newest, plan, features))
    trial = trial_of("backtest", settings, market, now_text(), {})
    result = backtest_model(stack, market.frames, market.instruments, plan, features, market.finer)
    log_trial(settings, dataclasses.replace(trial, scores=dict(result.metrics)))
    if json:
        print_json({"from": format_time(int(result.time[0])), **result.metrics})
        return
    late = int(result.time[-1]) >= stack.silence.expires
    expired = (
        f" The model expired on {format_time(stack.silence.expires)} and opened nothing after that "
        "(model.expires_after)."
        if late
        else ""
    )
    out.print(
        f"From {format_time(int(result.time[0]))}: earlier history is left out because the model "
        f"was trained on it.{expired}"
    )
    rows = [
        (METRICS[key].label, percent(value) if METRICS[key].unit == "fraction" else number(value))
        for key, value in result.metrics.items()
    ]
    out.print(table("", ("measure", "value"), rows))
