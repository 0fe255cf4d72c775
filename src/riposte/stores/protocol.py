"""What every store of market data offers, whatever lies beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from riposte.market.interval import Interval
from riposte.market.series import Change, Series


@dataclass(frozen=True, slots=True)
class Holding:
    """One series a store holds: ``rows`` observations from ``first_ns`` to ``last_ns``, ns UTC."""

    kind: str
    symbol: str
    interval: Interval | None
    rows: int
    first_ns: int
    last_ns: int


class Store(Protocol):
    """Series by kind, symbol and interval; written by merging in time, read by time range.

    Every method raises StorageError where the store cannot be used, DataError where it lacks what
    was asked for; what was stored before stays as it was.
    """

    def merge(self, series: Series) -> Change:
        """Add the rows; a new value wins over a stored one, a missing one replaces nothing."""
        ...

    def write(self, series: Series) -> int:
        """:meth:`merge`, giving the number of rows that are new or changed."""
        ...

    def read(
        self,
        kind: str,
        symbol: str,
        interval: Interval | None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Series:
        """The rows with ``start_ns <= event_time < stop_ns``; None leaves a side open."""
        ...

    def holdings(self) -> tuple[Holding, ...]:
        """Everything held, in order of kind, symbol and interval."""
        ...

    def version(self, kind: str, symbol: str, interval: Interval | None) -> str:
        """A hash of the content: equal if and only if the stored values are equal."""
        ...
