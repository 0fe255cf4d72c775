"""Made-up studies that share a market, as their JSON and read back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from example_study import EQUITY, full_study

from riposte.proof.metrics import curve_measures
from riposte.proof.report import as_json
from riposte.proof.report.record import StudyRecord, read_study
from riposte.proof.results import Study

BARS = 4_800  # 200 days


def study(trades: int = 60, *, seed: int = 3, **changed: Any) -> Study:
    """A study of the market of ``seed``; the number of trades makes other trades of it."""
    made = full_study(bars=BARS, trades=trades, seed=seed)
    return dataclasses.replace(made, fingerprint=f"run of {trades}", **changed)


def record(name: str, made: Study) -> StudyRecord:
    """The study as a comparison meets it."""
    return read_study(as_json(made), name)


def with_returns(like: StudyRecord, name: str, returns: np.ndarray) -> StudyRecord:
    """The study with other daily returns, and a measure of them."""
    equity = EQUITY * np.cumprod(1.0 + returns)
    time = like.system.time
    measured = like.system.metrics | curve_measures(time, equity, EQUITY)
    system = dataclasses.replace(like.system, equity=equity, metrics=measured)
    return dataclasses.replace(like, name=name, system=system, fingerprint=name)


def from_day(whole: StudyRecord, name: str, day: int) -> StudyRecord:
    """The study as if it had begun ``day`` days later, with the equity it then had."""
    time, equity = whole.system.time[day:], whole.system.equity[day:]
    before = float(whole.system.equity[day - 1])
    trades = whole.trades[whole.trades["closed_at"] > whole.system.time[day - 1]]
    return dataclasses.replace(
        whole,
        name=name,
        start=int(whole.system.time[day - 1]) + 3_600_000_000_000,
        starting_equity=before,
        system=dataclasses.replace(whole.system, time=time, equity=equity),
        trades=trades,
    )
