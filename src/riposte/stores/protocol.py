"""What every store of market data offers, whatever lies beneath it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from riposte.errors import InputError
from riposte.market.interval import Interval
from riposte.market.series import Change, Series, kind_of, make_series

_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")
_DOCUMENT = re.compile(r"[a-z0-9][a-z0-9._-]{0,80}")
NO_RECEIPTS: Mapping[str, str] = MappingProxyType({})


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
    was asked for; what was stored before stays as it was. A write is there whole or not at all, and
    writers of one series take turns. Times are kept to the microsecond.

    Besides the rows a store keeps *receipts*, the names and checksums of the files that rows came
    from, and *documents*, small texts such as the report of the last data check.
    """

    def merge(self, series: Series, receipts: Mapping[str, str] = NO_RECEIPTS) -> Change:
        """Add the rows; a new value wins over a stored one, a missing one replaces nothing.

        ``receipts`` (name to checksum) become true together with the rows.
        """
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
        columns: Sequence[str] | None = None,
    ) -> Series:
        """The rows with ``start_ns <= event_time < stop_ns``; None leaves a side open.

        ``columns`` names the optional columns that are wanted besides the required ones (None:
        all). An optional column without any value in the range is left out.
        """
        ...

    def holdings(self) -> tuple[Holding, ...]:
        """Everything held, in order of kind, symbol and interval."""
        ...

    def version(self, kind: str, symbol: str, interval: Interval | None) -> str:
        """A hash of the content: equal if and only if the stored values are equal, in any store."""
        ...

    def receipts(self, kind: str, symbol: str, interval: Interval | None) -> Mapping[str, str]:
        """The files whose rows are all stored, name to checksum."""
        ...

    def trim(self, kind: str, symbol: str, interval: Interval | None, before_ns: int) -> int:
        """Remove the rows with ``event_time < before_ns``; how many there were."""
        ...

    def heal(self, kind: str, symbol: str, interval: Interval | None) -> tuple[str, ...]:
        """Set aside what cannot be read of a series, with its receipts, so that it can be brought in
        again; the names of what was set aside. Nothing is deleted."""
        ...

    def compact(self) -> int:
        """Put together what was written in small pieces; how many pieces are gone."""
        ...

    def keep(self, name: str, content: bytes) -> None:
        """Keep a document under a name such as ``quality.json``, in place of an earlier one."""
        ...

    def kept(self, name: str) -> bytes | None:
        """The document of that name, None if there is none."""
        ...


def refuse_symbol(symbol: str) -> None:
    """Refuse a symbol that no store can hold: it names folders and goes into queries."""
    if not _SYMBOL.fullmatch(symbol):
        raise InputError(f"symbol {symbol!r} cannot be stored: write it like BTCUSDT")


def refuse_document(name: str) -> None:
    """Refuse a document's name that cannot be a file's."""
    if not _DOCUMENT.fullmatch(name):
        raise InputError(f"document {name!r} cannot be stored: name it like quality.json")


def storable(series: Series) -> Series:
    """The series as a store keeps it: optional columns without any value left out.

    Raises:
        InputError: if a time is finer than a microsecond or a symbol cannot be stored.
    """
    if (series.event_time % 1000).any():
        raise InputError(f"{series.title}: times finer than a microsecond cannot be stored")
    kind = kind_of(series.kind)
    empty = [
        name
        for name, values in series.columns.items()
        if name in kind.optional and np.isnan(values).all()
    ]
    if not empty or len(empty) == len(series.columns):
        return series
    kept = {name: values for name, values in series.columns.items() if name not in empty}
    return make_series(series.kind, series.symbol, series.interval, series.event_time, kept)


def partition_name(kind: str, time_ns: int) -> str:
    """The part of a series a time belongs to (UTC): its month, ``2024-01``; of a dense kind its day."""
    unit = "D" if kind_of(kind).key else "M"
    return str(np.datetime64(int(time_ns), "ns").astype(f"datetime64[{unit}]"))


def partitions(series: Series) -> Iterator[tuple[str, Series]]:
    """The series cut at the borders of its parts, in time order."""
    unit = "D" if kind_of(series.kind).key else "M"
    part = series.event_time.astype("datetime64[ns]").astype(f"datetime64[{unit}]")
    starts = np.flatnonzero(np.append(True, part[1:] != part[:-1]))[: len(series)]
    for start, stop in zip(starts, np.append(starts[1:], len(series)), strict=True):
        yield str(part[start]), series.rows(int(start), int(stop))


def content_hash(series: Series) -> str:
    """SHA-256 of the times and values of :func:`storable` rows; all NaN are alike."""
    total = hashlib.sha256(series.event_time.astype("<i8", copy=False).data)
    for name in kind_of(series.kind).columns:
        values = series.columns.get(name)
        if values is None:
            continue
        missing = np.isnan(values)
        if missing.all():
            continue
        total.update(name.encode())
        alike = np.where(missing, np.nan, values) if missing.any() else values
        total.update(alike.astype("<f8", copy=False).data)
    return total.hexdigest()


def series_version(
    kind: str, symbol: str, interval: Interval | None, parts: Mapping[str, str]
) -> str:
    """The version of a series from the content hash of each of its parts, by name."""
    total = hashlib.sha256(f"{kind} {symbol} {interval}".encode())
    for name in sorted(parts):
        total.update(f"{name} {parts[name]}".encode())
    return total.hexdigest()[:16]
