"""Labels, training, explanation, walk-forward and back-test: the research verbs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
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
from riposte.errors import InputError
from riposte.features.provision import common_features
from riposte.layers.saving import save_stack
from riposte.layers.stack import Lineage, fit_stack
from riposte.market.series import format_time
from riposte.proof.dataset import prepare
from riposte.proof.leak_checks import refuse_leaks
from riposte.proof.metrics import METRICS
from riposte.proof.plan import Provenance
from riposte.proof.results import Study
from riposte.proof.single import (
    backtest_model,
    load_model,
    prove_model,
    training_rows_until_now,
)
from riposte.proof.study import run_study
from riposte.proof.trials import counted, recorded_sharpes
from riposte.settings.convert import plan_of, stack_of
from riposte.settings.load import Loaded
from riposte.settings.schema import Settings
from riposte.stores.protocol import Store

ModelName = Annotated[str, typer.Option("--model", help="Name of the model folder.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (labels, train, walkforward, backtest):
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
