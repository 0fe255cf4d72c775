"""What a comparison of studies finds, as plain typed values: page, terminal and JSON read this.

Everything is out of sample, net of all costs, and of the common period only, unless its name says
otherwise. Curves stand at the ends of UTC days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from riposte.market.frame import Floats, Times
from riposte.proof.overfitting import Overfitting
from riposte.proof.report.record import StudyRecord


@dataclass(frozen=True, slots=True)
class Common:
    """What the studies share: the only ground on which they are judged.

    ``limits`` says in sentences what of them is left out or not alike.
    """

    first_day: int  # UTC days since 1970, both inclusive
    last_day: int
    symbols: tuple[str, ...]  # traded by every one
    whole: bool  # every study has exactly this period
    limits: tuple[str, ...]

    @property
    def days(self) -> int:
        """Number of daily returns."""
        return self.last_day - self.first_day + 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One study on the common ground."""

    record: StudyRecord
    base: float  # its equity when the common period begins, USDT
    growth: Floats  # (days + 1,): equity over base, 1.0 first
    returns: Floats  # (days,)
    measures: Mapping[str, float]  # names of riposte.proof.metrics.METRICS
    by_symbol: Mapping[str, Mapping[str, float]]

    @property
    def name(self) -> str:
        """What it is called beside the others."""
        return self.record.name


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference and its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def told_apart(self) -> bool:
        """Whether zero is outside the interval; False where there is none."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far two studies did the same: shares of the time in which at least one held the market."""

    together: float  # both held it on the same side
    opposed: float  # both held it on opposite sides
    same_entries: int  # entries of both in the same market, on the same side, at the same moment
    entries: tuple[int, int]  # of each


@dataclass(frozen=True, slots=True)
class Pair:
    """Study ``first`` minus study ``second``, paired by day."""

    first: int
    second: int
    annual_return: Estimate  # mean daily return x 365
    sharpe: Estimate
    correlation: float  # of daily returns
    overlap: Overlap


@dataclass(frozen=True, slots=True)
class Selection:
    """What it proves that one study is the best of several, and of all that was tried before.

    Probabilities are of the leader's true Sharpe ratio being above zero: taken alone, deflated for having
    been chosen among the compared, and for all ``trials`` counted. ``expected_best``: the yearly Sharpe
    ratio to expect of the best of so many worthless trials. NaN where no study moved.
    """

    trials: int
    probabilistic: float
    deflated_among: float
    deflated: float
    expected_best: float
    overfitting: Overfitting | None  # None where the days are too few


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A key on which the studies differ, as each wrote it; ``decides``: whether figures hang on it."""

    key: str
    values: tuple[str, ...]
    decides: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side, ready to be shown."""

    entries: tuple[Entry, ...]
    common: Common
    time: Times  # (days + 1,): the beginning, then the end of each day
    market: Floats  # (days + 1,): the common coins bought in equal parts and held without costs, 1.0 first
    pairs: tuple[Pair, ...]
    settings: tuple[SettingDifference, ...]
    selection: Selection
    leader: int | None  # highest Sharpe ratio; None where no study has one
    created: str
    version: str

    @property
    def same_money(self) -> bool:
        """Whether all begin the common period with the same equity, so that USDT compare."""
        return len({entry.base for entry in self.entries}) == 1

    @property
    def real_data(self) -> bool:
        """Whether the market is recorded history; never mixed."""
        return self.entries[0].record.real_data

    def pair(self, a: int, b: int) -> tuple[Pair, float]:
        """The pair of two studies, and the sign that makes its differences ``a`` minus ``b``."""
        for each in self.pairs:
            if (each.first, each.second) == (a, b):
                return each, 1.0
            if (each.first, each.second) == (b, a):
                return each, -1.0
        raise ValueError(f"no pair of {a} and {b}")
