"""What a walk-forward leaves behind, as plain typed values: the report, the terminal and the JSON read
this and compute nothing anew.

Times are int64 ns UTC; returns, rates and fractions are plain numbers (0.01 is one per cent);
money is USDT. Everything here is out of sample and net of all costs unless its name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from riposte.engine.run import RunResult
from riposte.market.frame import Floats, Times
from riposte.proof.chance.results import Chance
from riposte.proof.honesty import Honesty, PathStudy


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """One symbol's bars over the out-of-sample range, with the regime the model saw (-1 unknown)."""

    symbol: str
    time: Times  # open time
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    regime: Any  # int8 (n,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One tested way of acting: the system, a baseline or a what-if; same data, costs and risk."""

    name: str
    note: str  # one sentence: what it does, and what differs
    time: Times
    equity: Floats
    metrics: Mapping[str, float]  # names of riposte.proof.metrics.METRICS


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold of the walk-forward."""

    index: int
    train_start: int
    train_end: int
    test_start: int
    test_end: int
    train_rows: int
    test_rows: int
    purged_rows: int
    accuracy: float
    f1: float
    log_loss: float
    base_log_loss: float  # of always saying the training class frequencies
    calibration_error: float
    signals: int  # bars at or above the confidence rule
    trades: int
    net_return: float
    selection: str = ""  # in words, where features were chosen


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence promised against how often the claimed side was right, in bins."""

    promised: Floats
    observed: Floats
    count: Floats
    error: float  # expected calibration error


@dataclass(frozen=True, slots=True)
class Silences:
    """On how many rows the layers gave no direction, and why (a row may have several reasons).

    ``directed``: rows with a direction, whatever its confidence. Of the ``resolved`` rows, those that
    reached a barrier, ``covered`` had the side that came in their conformal set.
    """

    rows: int
    reasons: Mapping[str, int]
    directed: int
    resolved: int
    covered: int

    @property
    def coverage(self) -> float:
        """Measured share of resolved rows whose set held what came; NaN where no sets were asked for."""
        return self.covered / self.resolved if self.resolved else float("nan")


@dataclass(frozen=True, slots=True)
class LadderRung:
    """The same out-of-sample signals traded at another confidence threshold; a trial each."""

    threshold: float
    signals: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Target:
    """A target of the brief and what was measured."""

    phase: str
    name: str
    wanted: str
    value: float
    met: bool
    text: str  # the value as a person reads it


@dataclass(frozen=True, slots=True)
class Importance:
    """Mean |SHAP value| of a feature for the signal, over out-of-sample rows; sums to 1."""

    feature: str
    group: str
    share: float


@dataclass(frozen=True, slots=True)
class Study:
    """A whole walk-forward study, ready to be shown."""

    title: str
    source: str  # where the data came from, in words that cannot be missed
    real_data: bool
    created: str  # ISO time, handed in
    version: str
    settings: str  # the effective settings, TOML, secrets masked
    symbols: tuple[str, ...]
    interval: str
    barriers: str  # in words
    start: int
    end: int
    starting_equity: float
    prices: tuple[PriceHistory, ...]
    run: RunResult
    system: Outcome
    never_resumed: Outcome  # the same, but nobody lifts a shut-down
    baselines: tuple[Outcome, ...]
    cost_what_ifs: tuple[Outcome, ...]
    ladder: tuple[LadderRung, ...]
    folds: tuple[FoldResult, ...]
    reliability: Reliability
    silences: Silences
    promised_coverage: float  # of the conformal sets; 0 where none were asked for
    promised_unlike: (
        float  # share of ordinary rows refused as unlike the training; 0: not looked at
    )
    targets: tuple[Target, ...]
    importance: tuple[Importance, ...]
    intervals: Mapping[str, tuple[float, float]]  # 95 %, by riposte.proof.bootstrap.MEASURES
    by_symbol: Mapping[str, Mapping[str, float]]
    by_regime: Mapping[str, Mapping[str, float]]
    by_exit: Mapping[str, Mapping[str, float]]
    refusals: Mapping[str, int]  # rule -> how often
    quality: tuple[str, ...]  # findings of the data check, one sentence each
    trials: int  # how many variants of this study were evaluated on this data
    chance: Chance  # resampled trades and markets, null tests
    honesty: Honesty
    paths: PathStudy | None  # combinatorial cross-validation, where it was asked for
    fingerprint: str  # hash of equity curve and trades: equal for equal runs


class Summarised(Protocol):
    """What a summary needs of a study, be it fresh or read back from its JSON."""

    @property
    def source(self) -> str: ...
    @property
    def real_data(self) -> bool: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def interval(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def system(self) -> Outcome: ...
    @property
    def never_resumed(self) -> Outcome: ...
    @property
    def baselines(self) -> tuple[Outcome, ...]: ...
    @property
    def targets(self) -> tuple[Target, ...]: ...
    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def trials(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
