"""``riposte tune``: search for better hyper-parameters inside the training window."""

from __future__ import annotations

import dataclasses
import json as json_text
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riposte.cli.display import number, out, print_json, progress, table
from riposte.cli.market import Market, database_of, sound_features, stored_market
from riposte.cli.options import (
    ConfigFiles,
    Given,
    IntervalName,
    Json,
    PresetName,
    Seed,
    SymbolList,
    Timerange,
    Workers,
)
from riposte.cli.publish import write_atomically
from riposte.cli.research import now_text, workers_of
from riposte.cli.trials import hash_of, log_trial, trial_of
from riposte.errors import InputError, MissingExtraError
from riposte.features.catalogue import combined_version
from riposte.features.provision import common_features
from riposte.layers.signal.layer import SignalConfig
from riposte.market.interval import SECOND_NS, parse_duration
from riposte.market.series import format_time
from riposte.proof.trials import Trial
from riposte.proof.tuning.compare import beyond_luck, luck
from riposte.proof.tuning.space import MODEL, Values, inside, searched_paths
from riposte.proof.tuning.stages import content_of, excess, stages_of
from riposte.settings.convert import plan_of
from riposte.settings.load import flatten, nested
from riposte.settings.schema import Settings

if TYPE_CHECKING:
    from riposte.proof.tuning.standing import Standing
    from riposte.proof.tuning.study import Attempt, Search

_DECIDING = ("data.symbols", "data.interval", "features", "barriers", "costs", "model",
             "tune.splits", "tune.models", "walkforward.embargo")  # fmt: skip
_NOT_DECIDING = {"features.files", "model.folder", "model.unlike", "model.coverage",
                 "model.expires_after"}  # fmt: skip
_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("tune")(tune)


def tune(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    until: Annotated[
        str | None, typer.Option(help="Look at nothing from this day (UTC) on: 20240101.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="Trials the study shall have in all, earlier ones included.")
    ] = None,
    study: Annotated[
        str, typer.Option(help="Name of the study; one that is there goes on.")
    ] = "default",
    timeout: Annotated[
        str | None, typer.Option(help="Begin no trial after this time: 30m, 2h.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="TOML file for the best parameters found.")
    ] = None,
    workers: Workers = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Search for better hyper-parameters, beside the shipped ones, inside the training window."""
    _need_optuna()
    from riposte.proof.tuning.standing import standing
    from riposte.proof.tuning.study import CONFIGURED, SHIPPED, begin, opened_study
    from riposte.proof.tuning.workers import run_search

    given = Given(config, preset, symbols, interval, timerange, workers, seed)
    more = {"tune.trials": trials}
    settings = given.load(
        **{key: value for key, value in more.items() if value is not None}
    ).settings
    if until is not None:
        window = _until(settings.data.timerange, until)
        settings = given.load(
            **{"data.timerange": window, "tune.trials": settings.tune.trials}
        ).settings
    ends = math.inf if timeout is None else time.monotonic() + parse_duration(timeout) / SECOND_NS
    with progress(quiet=json) as shown:
        shown("preparing", 0, 1)
        search, market = _search_of(settings, study, alone=workers_of(settings) == 1)
        shown("preparing", 1, 1)
        shipped = _shipped(search.stack.signal)
        first = {SHIPPED: shipped}
        if search.stack.signal != shipped and inside(search.stack.signal):
            first[CONFIGURED] = search.stack.signal
        begin(search, _deciding(settings, search.stack.signal, market), first)
        run_search(
            search,
            settings.tune.trials,
            min(workers_of(settings), settings.tune.trials),
            over=lambda: time.monotonic() >= ends,
            progress=lambda done, wanted: shown("trials", done, wanted),
        )
    with opened_study(search) as kept:
        found = standing(kept, float(sum(stage.weight.sum() for stage in search.stages)))
    if write is not None:
        write_atomically(write, _as_toml(found, study, market, settings).encode())
    if json:
        print_json(_as_json(found, study))
    else:
        _show(found, write)


def _need_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("Optuna", "tune") from None


def _until(timerange: str, until: str) -> str:
    """The time range, ended at a day.

    Raises:
        InputError: if it has an end already.
    """
    start, _, stop = timerange.partition("-")
    if stop:
        raise InputError(
            f"--until {until} and a time range that ends, {timerange}: give one of them"
        )
    return f"{start}-{until}"


def _storage_address(settings: Settings) -> str:
    """Where studies are kept, a secret: as configured, else where the market data is."""
    if settings.tune.storage is not None:
        return settings.tune.storage.get_secret_value()
    if settings.data.store == "postgresql":
        return database_of(settings)
    return f"sqlite:///{settings.data.lake.parent / 'tune.db'}"


def _shipped(configured: SignalConfig) -> SignalConfig:
    """What is configured, with everything that is searched as it is shipped."""
    return SignalConfig(members=configured.members, components=configured.components)


def _search_of(settings: Settings, name: str, *, alone: bool) -> tuple[Search, Market]:
    from riposte.proof.tuning.study import Search
    from riposte.stores.study_storage import StudyStorage

    storage = StudyStorage(_storage_address(settings))
    market, plan = stored_market(settings), plan_of(settings)
    features = sound_features(settings, market.frames)
    signal = plan.stack.signal
    wanted = dict.fromkeys((_shipped(signal).model, signal.model, *settings.tune.models))
    search = Search(
        storage=storage,
        name=name,
        stages=stages_of(market.frames, plan, settings.tune.splits, features),
        stack=plan.stack,
        models=tuple(sorted(wanted)),
        record=Recorder(settings, trial_of("tune", settings, market, "", {})),
        alone=alone,
    )
    return search, market


@dataclass(frozen=True, slots=True)
class Recorder:
    """Tells the trial log of each attempt; ``like`` is a trial on the same data."""

    settings: Settings
    like: Trial

    def __call__(self, attempt: Attempt) -> None:
        """Append the attempt, with a hash of the settings it stands for."""
        weight = sum(score.weight for score in attempt.scores)
        mean = sum(score.weight * score.log_loss for score in attempt.scores) / weight
        over = excess(attempt.scores)
        trial = dataclasses.replace(
            self.like,
            settings=hash_of(with_parameters(self.settings, attempt.values)),
            made=now_text(),
            scores={
                "log_loss": mean,
                "base_log_loss": mean - over,
                "stages": float(len(attempt.scores)),
                "pruned": float(attempt.pruned),
            },
        )
        log_trial(self.settings, trial)


def keys_of(values: Values) -> dict[str, Any]:
    """The values by the dotted key of their setting."""
    return {"model.signal" if path == MODEL else f"model.{path}": v for path, v in values.items()}


def with_parameters(settings: Settings, values: Values) -> Settings:
    """The settings with a trial's values in the place of their own."""
    model = flatten(settings.model.model_dump(), "model.") | keys_of(values)
    parsed = type(settings.model).model_validate(nested(model)["model"])
    return settings.model_copy(update={"model": parsed})


def _deciding(settings: Settings, signal: SignalConfig, market: Market) -> dict[str, str]:
    """All that decides a score besides what is searched, in words."""
    searched = {"model.signal"} | {f"model.{path}" for path in searched_paths(signal)}
    values = flatten(settings.model_dump(mode="json"))
    found = {
        key: json_text.dumps(value)
        for key, value in values.items()
        if key not in searched | _NOT_DECIDING
        and any(key == part or key.startswith(f"{part}.") for part in _DECIDING)
    }
    features = sound_features(settings, market.frames)
    names = common_features(market.frames, features)
    return found | {
        "the window": f"{format_time(min(int(f.open_time[0]) for f in market.frames))} to "
        f"{format_time(max(int(f.close_time[-1]) for f in market.frames))}",
        "the market data": content_of(market.frames),
        "the features": combined_version(features.specs[name].version for name in names),
    }


def _show(found: Standing, written: Path | None) -> None:
    shown = [found.shipped, *(each for each in found.best(_SHOWN) if each != found.shipped)]
    rows = []
    for each in shown:
        compared = found.against_shipped(each)
        rows.append(
            (
                "shipped" if each == found.shipped else str(each.number),
                number(each.excess * 1e3, 3),
                "" if each == found.shipped else number(compared.value * 1e3, 3),
                "" if each == found.shipped else number(compared.standard_error * 1e3, 3),
                str(each.values[MODEL]),
            )
        )
    columns = ("trial", "over the frequencies", "over shipped", "± s.e.", "model")
    out.print(table("Log loss on rows not learned from, 1/1000 nats", columns, rows))
    out.print(
        f"{found.finished} trials, {found.pruned} of them pruned. {_verdict(found)}"
        + (f" Written to {written}." if written else "")
    )


def _verdict(found: Standing) -> str:
    best = found.best(1)[0]
    if best == found.shipped:
        return "None is better than the shipped defaults."
    compared = found.against_shipped(best)
    expected = luck(found.finished) * compared.standard_error
    beyond = beyond_luck(compared, found.finished)
    return (
        f"Trial {best.number} is better than the shipped defaults by {number(-compared.value * 1e3, 3)}; "
        f"luck alone would make the best of {found.finished} look better by about "
        f"{number(expected * 1e3, 3)}: "
        + ("that is more than luck explains." if beyond else "this is not beyond noise.")
    )


def _as_json(found: Standing, study: str) -> dict[str, Any]:
    best = found.best(1)[0]
    compared = found.against_shipped(best)
    return {
        "study": study,
        "finished": found.finished,
        "pruned": found.pruned,
        "shipped": {"trial": found.shipped.number, "excess_log_loss": found.shipped.excess},
        "best": {
            "trial": best.number,
            "excess_log_loss": best.excess,
            "over_shipped": compared.value,
            "standard_error": compared.standard_error,
            "luck": luck(found.finished) * compared.standard_error,
            "beyond_luck": best != found.shipped and beyond_luck(compared, found.finished),
            "parameters": keys_of(best.values),
        },
        "trials": [
            {
                "trial": each.number,
                "excess_log_loss": each.excess,
                "parameters": keys_of(each.values),
            }
            for each in found.best(None)
        ],
    }


def _as_toml(found: Standing, study: str, market: Market, settings: Settings) -> str:
    """The best parameters as a file that ``--config`` takes."""
    best = found.best(1)[0]
    keys = keys_of(best.values)
    if keys["model.signal"] in {"blend", "stack"}:  # of whom the values speak
        keys["model.members"] = list(settings.model.members)
    last = format_time(max(int(frame.close_time[-1]) for frame in market.frames))
    lines = [f"# Best of {found.finished} trials of study {study!r} on history to {last}.",
             f"# {_verdict(found)}"]  # fmt: skip
    return "\n".join([*lines, *_tables(nested(keys))]) + "\n"


def _tables(tree: Mapping[str, Any], path: str = "") -> list[str]:
    own = {key: value for key, value in tree.items() if not isinstance(value, Mapping)}
    lines = [f"\n[{path}]", *(f"{k} = {json_text.dumps(v)}" for k, v in own.items())] if own else []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            lines += _tables(value, f"{path}.{key}" if path else key)
    return lines
