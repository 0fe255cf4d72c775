"""``riposte trials``, what the verbs tell the trial log, and what it tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import typer

import riposte
from riposte.cli.display import number, out, print_json, table
from riposte.cli.market import Market, database_of
from riposte.cli.options import ConfigFiles, Given, Json
from riposte.proof.trials import (
    FIRST,
    Kind,
    Trial,
    distinct,
    line,
    line_hash,
    other_variants,
    read_chain,
    settings_hash,
)
from riposte.settings.convert import plan_of
from riposte.settings.schema import Settings
from riposte.stores.trial_log import TrialLines, TrialLog


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("trials")(trials)


def trials(config: ConfigFiles = None, json: Json = False) -> None:
    """Verify the log of every attempt, and count what it holds."""
    found = read_chain(log_of(Given(config=config).load().settings).lines())
    counts = Counter(trial.kind for trial in found)
    different: Counter[str] = Counter()
    for trial in distinct(found):
        different[trial.kind] += trial.sets
    if json:
        print_json(
            {kind: {"runs": counts[kind], "different": different[kind]} for kind in sorted(counts)}
        )
        return
    rows = [
        (kind, number(counts[kind], 0), number(different[kind], 0),
         max(trial.made for trial in found if trial.kind == kind))
        for kind in sorted(counts)
    ]  # fmt: skip
    out.print(table("", ("kind", "runs", "different", "last"), rows))
    out.print(f"{number(len(found), 0)} lines, the chain is whole.")


def log_of(settings: Settings) -> TrialLines:
    """The trial log: in the database where market data is kept there, else in a file.

    Raises:
        InputError: if PostgreSQL is chosen and no address is given.
    """
    if settings.data.store == "lake":
        return TrialLog(settings.data.trials)
    from riposte.stores.postgres_trial_log import PostgresTrialLog

    return PostgresTrialLog(database_of(settings))


def trial_of(
    kind: Kind, settings: Settings, market: Market, made: str, scores: Mapping[str, float]
) -> Trial:
    """A run of a verb as a trial: what decides its numbers, and what came out."""
    return Trial(
        kind=kind,
        made=made,
        symbols=settings.data.symbols,
        interval=settings.data.interval,
        start_ns=min(int(frame.open_time[0]) for frame in market.frames),
        stop_ns=max(int(frame.close_time[-1]) for frame in market.frames),
        data=market.version,
        settings=hash_of(settings),
        code=riposte.__version__,
        scores=scores,
    )


def hash_of(settings: Settings) -> str:
    """A hash of all settings that decide the numbers of a run.

    A cross-validation says more about a variant and does not make another one of it.
    """
    plan = replace(plan_of(settings), cpcv=None)
    return settings_hash((plan, settings.features, settings.costs))


def log_trial(settings: Settings, trial: Trial) -> None:
    """Append the trial."""
    log_of(settings).append(lambda last: line(trial, FIRST if last is None else line_hash(last)))


def earlier_variants(settings: Settings, trial: Trial) -> tuple[Trial, ...]:
    """The other variants that the log holds on the same history.

    Raises:
        DataError: if the log was changed.
    """
    return other_variants(read_chain(log_of(settings).lines()), trial)
