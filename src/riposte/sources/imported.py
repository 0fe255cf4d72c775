"""What an import did: files, rows, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from riposte.market.checks import Finding
from riposte.market.interval import Interval
from riposte.market.series import Change, Series

Progress = Callable[[int, int, str], None]
"""Called with files done, files in all, and the file about to be read ("" at the end)."""


class SeriesStore(Protocol):
    """Where imported series go."""

    def merge(self, series: Series) -> Change: ...


@dataclass(frozen=True, slots=True)
class Imported:
    """One file that was read and stored."""

    file: str
    kind: str
    symbol: str
    interval: Interval | None
    rows: int
    first_ns: int
    last_ns: int
    change: Change


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did. ``notes`` are sentences about what was not there; ``findings`` are what
    the checks of the files noticed."""

    imported: tuple[Imported, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def rows_changed(self) -> int:
        """How many stored rows are new or different; 0 when everything was there already."""
        return sum(each.change.rows for each in self.imported)


def stored(store: SeriesStore, name: str, series: Series) -> Imported:
    """Store the series of the file of that name."""
    return imported(name, series, store.merge(series))


def imported(name: str, series: Series, change: Change) -> Imported:
    """The record of a file whose series was stored with that change."""
    first, last = int(series.event_time[0]), int(series.event_time[-1])
    return Imported(
        name, series.kind, series.symbol, series.interval, len(series), first, last, change
    )
