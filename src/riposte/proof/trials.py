"""Every attempt ever made on some data, in a chain of lines that cannot be edited unnoticed.

The more variants are tried on one history, the likelier the best of them is chance; so the count must
be kept by the system and not by the user's memory. A line is one training, walk-forward, back-test or
tuning run, as canonical JSON; each carries the hash of the line before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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


def distinct(trials: Iterable[Trial]) -> dict[tuple[Kind, str, str], int]:
    """How many variants were judged, by kind, settings and data: the same again counts once, and of a
    sweep the run with the most sets counts, with every one."""
    found: dict[tuple[Kind, str, str], int] = {}
    for trial in trials:
        key = (trial.kind, trial.settings, trial.data)
        found[key] = max(trial.sets, found.get(key, 0))
    return found


def variants(trials: Iterable[Trial], like: Trial) -> int:
    """How many other variants were judged on data that overlaps that of ``like``.

    Those of ``like`` itself do not count, nor do trainings, which are not judged on data.
    """
    judged = distinct(
        trial
        for trial in trials
        if trial.kind != "train"
        and set(trial.symbols) & set(like.symbols)
        and trial.start_ns < like.stop_ns
        and like.start_ns < trial.stop_ns
    )
    own = judged.pop((like.kind, like.settings, like.data), 0)
    return sum(judged.values()) + max(own - like.sets, 0)
