"""A finished study as its JSON tells it: what a later comparison can still know about it.

Times are int64 ns UTC; fractions are plain numbers; money is USDT. Curves hold the end of each UTC day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from riposte.engine.enums import Reason, Side
from riposte.engine.records import TRADE, Records
from riposte.errors import DataError, InputError
from riposte.layers.contract import REGIMES
from riposte.market.frame import Floats, Times
from riposte.proof.report.export import SCHEMA, TRADE_NUMBERS
from riposte.proof.results import Outcome, Target


@dataclass(frozen=True, slots=True)
class Closes:
    """A market's last price of each UTC day of a study."""

    time: Times
    price: Floats


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study, read back."""

    name: str  # what it is called beside others
    title: str
    verdict: str
    source: str
    real_data: bool
    created: str
    version: str
    settings: str  # TOML, secrets masked
    symbols: tuple[str, ...]
    interval: str
    barriers: str
    start: int
    end: int
    starting_equity: float
    system: Outcome
    never_resumed: Outcome
    baselines: tuple[Outcome, ...]
    targets: tuple[Target, ...]
    intervals: Mapping[str, tuple[float, float]]
    trades: Records  # dtype TRADE; ``symbol`` counts in ``symbols``
    closes: Mapping[str, Closes]
    trials: int
    evidence: tuple[str, ...]
    fingerprint: str


def read_study(content: bytes, name: str) -> StudyRecord:
    """The study that ``riposte.proof.report.as_json`` wrote.

    Raises:
        InputError: if it is no study, or one of another schema.
        DataError: if it is damaged.
    """
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{name} is not valid JSON: {error}") from None
    if not isinstance(told, dict) or told.get("kind", "study") != "study" or "system" not in told:
        raise InputError(f"{name} is not the JSON of a study: riposte walkforward writes one")
    if told.get("schema") != SCHEMA:
        raise InputError(
            f"{name} has schema {told.get('schema')!r}, and this version reads schema {SCHEMA}",
            hint="run the study again with this version",
        )
    try:
        return _record(told, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{name} is damaged: {type(error).__name__}: {error}", hint="run the study again"
        ) from error


def _record(told: Mapping[str, Any], name: str) -> StudyRecord:
    symbols = tuple(told["symbols"])
    return StudyRecord(
        name=name,
        title=told["title"],
        verdict=told["verdict"],
        source=told["source"],
        real_data=told["real_data"],
        created=told["created"],
        version=told["version"],
        settings=told["settings"],
        symbols=symbols,
        interval=told["interval"],
        barriers=told["barriers"],
        start=_times([told["start"]]).item(),
        end=_times([told["end"]]).item(),
        starting_equity=float(told["starting_equity"]),
        system=_outcome(told["system"]),
        never_resumed=_outcome(told["never_resumed"]),
        baselines=tuple(map(_outcome, told["baselines"])),
        targets=tuple(Target(**{**t, "value": _number(t["value"])}) for t in told["targets"]),
        intervals={
            key: (_number(low), _number(high)) for key, (low, high) in told["intervals_95"].items()
        },
        trades=_trades(told["trades"], symbols),
        closes={
            symbol: Closes(_times(each["time"]), _numbers(each["close"]))
            for symbol, each in told["closes"].items()
        },
        trials=int(told["trials"]),
        evidence=tuple(told["evidence"]),
        fingerprint=told["fingerprint"],
    )


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([_number(v) for v in values], np.float64)


def _times(texts: Sequence[str]) -> Times:
    """ISO 8601 in UTC, with its Z, which NumPy does not take."""
    return np.array([t.removesuffix("Z") for t in texts], "datetime64[ns]").astype(np.int64)


def _outcome(told: Mapping[str, Any]) -> Outcome:
    time, equity = _times(told["daily"]["time"]), _numbers(told["daily"]["equity"])
    if len(time) != len(equity) or not len(time) or not np.isfinite(equity).all():
        raise ValueError(f"the curve of {told['name']} has holes")
    metrics = {key: _number(value) for key, value in told["metrics"].items()}
    return Outcome(told["name"], told["note"], time, equity, metrics)


def _trades(told: Sequence[Mapping[str, Any]], symbols: tuple[str, ...]) -> Records:
    trades = np.zeros(len(told), TRADE)
    trades["symbol"] = [symbols.index(t["symbol"]) for t in told]
    trades["side"] = [Side[t["side"]] for t in told]
    trades["exit_reason"] = [Reason[t["exit_reason"]] for t in told]
    trades["regime"] = [-1 if t["regime"] is None else REGIMES.index(t["regime"]) for t in told]
    trades["opened_at"] = _times([t["opened_at"] for t in told])
    trades["closed_at"] = _times([t["closed_at"] for t in told])
    for number in TRADE_NUMBERS:
        trades[number] = _numbers([t[number] for t in told])
    return trades
