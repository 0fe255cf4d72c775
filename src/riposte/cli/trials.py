"""What the verbs tell the trial log, and what it tells them."""

from __future__ import annotations

from collections.abc import Mapping

import riposte
from riposte.cli.market import Market
from riposte.proof.trials import (
    FIRST,
    Kind,
    Trial,
    line,
    line_hash,
    read_chain,
    settings_hash,
    variants,
)
from riposte.settings.convert import plan_of
from riposte.settings.schema import Settings
from riposte.stores.trial_log import TrialLog


def trial_of(
    kind: Kind, settings: Settings, market: Market, made: str, scores: Mapping[str, float]
) -> Trial:
    """A run of a verb as a trial: what decides its numbers, and what came out."""
    deciding = (plan_of(settings), settings.features, settings.costs)
    return Trial(
        kind=kind,
        made=made,
        symbols=settings.data.symbols,
        interval=settings.data.interval,
        start_ns=min(int(frame.open_time[0]) for frame in market.frames),
        stop_ns=max(int(frame.close_time[-1]) for frame in market.frames),
        data=market.version,
        settings=settings_hash(deciding),
        code=riposte.__version__,
        scores=scores,
    )


def log_trial(settings: Settings, trial: Trial) -> None:
    """Append the trial."""
    TrialLog(settings.data.trials).append(
        lambda last: line(trial, FIRST if last is None else line_hash(last))
    )


def earlier_variants(settings: Settings, trial: Trial) -> int:
    """How many other variants the log holds on the same history.

    Raises:
        DataError: if the log was changed.
    """
    return variants(read_chain(TrialLog(settings.data.trials).lines()), trial)
