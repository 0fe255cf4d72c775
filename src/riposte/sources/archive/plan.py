"""Which archive files make a stretch of a series: months where whole, days for the rest.

A *batch* is what is fetched, read and stored together, so that a kill leaves all of it or nothing: a
month of a series, or a day of a dense one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from riposte.market.interval import Interval
from riposte.market.series import KINDS
from riposte.sources.archive.layout import (
    ArchiveFile,
    Dataset,
    days_between,
    months_between,
    next_month,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stretch of one archive type of one symbol: the days in ``[start, stop)``."""

    dataset: Dataset
    symbol: str
    interval: Interval | None
    start: date
    stop: date


@dataclass(frozen=True, slots=True)
class Batch:
    """Files to fetch and store together.

    ``monthly`` is tried first where it is there; if the archive has none, or where it lacks whole
    days, the ``daily`` ones are. Without a monthly file all the daily ones are fetched.
    """

    monthly: ArchiveFile | None
    daily: tuple[ArchiveFile, ...]

    @property
    def title(self) -> str:
        """``BTCUSDT klines 1m 2024-01``."""
        file = self.monthly or self.daily[0]
        parts = (file.symbol, file.dataset.name, file.interval, f"{file.month:%Y-%m}")
        return " ".join(str(part) for part in parts if part)


def plan(wanted: Wanted, held: Mapping[str, str], today: date) -> tuple[Batch, ...]:
    """What to fetch, newest last. ``held`` are the names of files that are stored already.

    Files of today are not asked for: the archive has a day only when it is over.
    """
    start = max(wanted.start, wanted.dataset.since)
    stop = min(wanted.stop, wanted.dataset.until, today)
    batches: list[Batch] = []
    for month in months_between(start, stop):
        batches += _month(
            wanted, month, max(start, month), min(stop, next_month(month)), held, today
        )
    return tuple(batches)


def _month(
    wanted: Wanted,
    month: date,
    start: date,
    stop: date,
    held: Mapping[str, str],
    today: date,
) -> list[Batch]:
    dataset = wanted.dataset
    whole = ArchiveFile(dataset, wanted.symbol, wanted.interval, month)
    if dataset.monthly and whole.name in held:
        return []
    days: tuple[ArchiveFile, ...] = ()
    if dataset.daily:
        days = tuple(
            ArchiveFile(dataset, wanted.symbol, wanted.interval, month, day)
            for day in days_between(start, stop)
        )
    missing = tuple(file for file in days if file.name not in held)
    if dataset.daily and not missing:
        return []
    if dense(dataset):
        return [Batch(None, (file,)) for file in missing]
    covers_month = start == month and stop == next_month(month)
    if dataset.monthly and not dataset.daily:
        # Only months are published: the month is taken whole as soon as it can be there.
        return [Batch(whole, ())] if next_month(month) <= today else []
    if dataset.monthly and covers_month and len(missing) == len(days):
        return [Batch(whole, days)]
    return [Batch(None, missing)]


def dense(dataset: Dataset) -> bool:
    """Whether a day of it is a batch of its own."""
    return bool(KINDS[dataset.kinds[0]].key)
