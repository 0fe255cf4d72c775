"""Every attempt ever made on some data, in a chain of lines that cannot be edited unnoticed.

The more variants are tried on one history, the likelier the best of them is chance; so the count must
be kept by the system and not by the user's memory. A line is one training, walk-forward, back-test or
tuning run, as canonical JSON; each carries the hash of the line before it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from riposte.errors import DataError

Kind = Literal["train", "walkforward", "backtest", "tune", "sweep"]
FIRST = "0" * 64  # what the first line carries in the place of a hash


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt.

    ``made``: when, ISO 8601 UTC, handed in. ``symbols`` and ``interval``: on which bars; ``start_ns``
    and ``stop_ns`` (ns UTC) which part of their history was looked at. ``data``: version of that data.
    ``settings``: hash of all settings that decide the numbers. ``scores``: what came out. ``sets``: how many
    variants were judged in it; of a sweep as many as it has sets, of which a sweep of the same hash with
    more sets holds every one.
    """

    kind: Kind
    made: str
    symbols: tuple[str, ...]
    interval: str
    start_ns: int
    stop_ns: int
    data: str
    settings: str
    code: str
    scores: Mapping[str, float]
    sets: int = 1

    def record(self) -> dict[str, Any]:
        """As plain values; scores that are no number are None."""
        scores = {name: value if value == value else None for name, value in self.scores.items()}  # noqa: PLR0124  NaN
        return {
            "kind": self.kind,
            "made": self.made,
            "symbols": list(self.symbols),
            "interval": self.interval,
            "start_ns": self.start_ns,
            "stop_ns": self.stop_ns,
            "data": self.data,
            "settings": self.settings,
            "code": self.code,
            "scores": scores,
            **({"sets": self.sets} if self.sets != 1 else {}),
        }


def settings_hash(settings: object) -> str:
    """A hash of settings, from how they print: equal settings print alike."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]


def line(trial: Trial, before: str) -> bytes:
    """The line of a trial after the line whose hash is ``before``, without a line end."""
    return orjson.dumps({**trial.record(), "before": before}, option=orjson.OPT_SORT_KEYS)


def line_hash(text: bytes) -> str:
    """What the next line carries."""
    return hashlib.sha256(text).hexdigest()


def read_chain(lines: Sequence[bytes]) -> tuple[Trial, ...]:
    """The trials of all lines, the chain verified.

    Raises:
        DataError: naming the first line that was changed, moved, or follows one that is gone.
    """
    before, trials = FIRST, []
    for number, text in enumerate(lines, 1):
        try:
            record = orjson.loads(text)
            told = record.pop("before")
            trials.append(_trial(record))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"line {number} of the trial log is no trial: {error}") from error
        if told != before:
            raise DataError(
                f"the trial log was changed: line {number} does not follow the line before it",
                hint="a line was edited, moved or removed; the counts of this log cannot be trusted",
            )
        before = line_hash(text)
    return tuple(trials)


def _trial(record: Mapping[str, Any]) -> Trial:
    scores = {k: float("nan") if v is None else float(v) for k, v in record["scores"].items()}
    return Trial(**{**record, "symbols": tuple(record["symbols"]), "scores": scores})


def distinct(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Each variant once, as it was run last: the same kind, settings and data are the same variant. Of a
    sweep that was run several times the largest counts, with all its sets."""
    found: dict[tuple[Kind, str, str], Trial] = {}
    for trial in trials:
        key = (trial.kind, trial.settings, trial.data)
        before = found.get(key, trial)
        found[key] = replace(trial, sets=max(trial.sets, before.sets))
    return tuple(found.values())


def other_variants(trials: Iterable[Trial], like: Trial) -> tuple[Trial, ...]:
    """The other variants that were judged on data that overlaps that of ``like``, each as run last.

    The same settings on the same data are one variant however often they are run, and none if they are
    those of ``like`` itself, unless it is a sweep that had more sets before: then those are others.
    Trainings are not judged on data, so they are none either.
    """
    judged = distinct(
        trial
        for trial in trials
        if trial.kind != "train"
        and set(trial.symbols) & set(like.symbols)
        and trial.start_ns < like.stop_ns
        and like.start_ns < trial.stop_ns
    )
    own = (like.kind, like.settings, like.data)
    others = []
    for trial in judged:
        if (trial.kind, trial.settings, trial.data) != own:
            others.append(trial)
        elif trial.sets > like.sets:
            others.append(replace(trial, sets=trial.sets - like.sets, scores={}))
    return tuple(others)


def counted(trials: Iterable[Trial]) -> int:
    """How many variants trials stand for: a sweep for as many as it has sets."""
    return sum(trial.sets for trial in trials)


def variants(trials: Iterable[Trial], like: Trial) -> int:
    """How many :func:`other_variants` there are, every set of a sweep among them."""
    return counted(other_variants(trials, like))


def recorded_sharpes(trials: Iterable[Trial]) -> tuple[float, ...]:
    """The yearly Sharpe ratios of the trials that were traded and have one."""
    found = (trial.scores.get("sharpe", math.nan) for trial in trials)
    return tuple(value for value in found if math.isfinite(value))
