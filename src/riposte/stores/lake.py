"""The Parquet lake: one folder per series, one file per month, no server.

::

    root/klines/BTCUSDT/1h/2024-01.parquet
    root/funding/BTCUSDT/events/2024-01.parquet
    root/agg_trades/BTCUSDT/events/2024-01-05.parquet      (dense kinds: one file per day)
    root/documents/quality.json

A month is replaced whole: the new file is written beside the old one under a temporary name, flushed
to the disk and renamed over it, so a reader sees the old month or the new one and never half of
either. Rows that only continue a month are written as a small piece of their own
(:mod:`riposte.stores.pieces`), and pieces are put together again when there are many. All months of a
write are on the disk before the first is renamed: a disk that fills leaves everything as it was. A
lock file per series keeps writers apart; readers need none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from riposte.errors import DataError
from riposte.market.interval import INTERVALS, Interval
from riposte.market.series import KINDS, Change, Series, kind_of
from riposte.stores.disk import DamagedFileError, explained, flush_folder, locked, replace_durably
from riposte.stores.lake_writing import merge_parts, new_parts, remove_leftovers, write_whole
from riposte.stores.pieces import (
    Footer,
    Piece,
    Receipts,
    current,
    footer,
    joined,
    pieces_of,
    read_part,
    together,
)
from riposte.stores.protocol import (
    NO_RECEIPTS,
    Holding,
    content_hash,
    partition_name,
    refuse_document,
    refuse_symbol,
    series_version,
    storable,
)

_EVENTS = "events"  # the folder of a series without an interval
_DOCUMENTS = "documents"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lake:
    """A store in the folder ``root``, made when first written to.

    ``lock_timeout_s``: how long a writer waits for another one before it gives up.
    """

    root: Path
    lock_timeout_s: float = 60.0

    def merge(self, series: Series, receipts: Mapping[str, str] = NO_RECEIPTS) -> Change:
        """Add the rows to the stored months; see :class:`riposte.stores.protocol.Store`."""
        if len(series) == 0:
            return Change()
        series = storable(series)
        folder = self._folder(series.kind, series.symbol, series.interval)
        with explained(folder, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            made = new_parts(folder, series, receipts)
            with locked(folder, self.lock_timeout_s):
                remove_leftovers(folder)
                return merge_parts(folder, series, receipts, made)

    def write(self, series: Series) -> int:
        """Add the rows to the stored months; the number of rows that are new or changed."""
        return self.merge(series).rows

    def read(
        self,
        kind: str,
        symbol: str,
        interval: Interval | None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> Series:
        """The stored rows with ``start_ns <= event_time < stop_ns``; opens only their months.

        Raises:
            DataError: if nothing of that kind, symbol and interval is stored.
            StorageError: if a month cannot be read.
        """
        folder = self._folder(kind, symbol, interval)
        first = partition_name(kind, start_ns) if start_ns is not None else ""
        last = partition_name(kind, stop_ns - 1) if stop_ns is not None else "9999-12-31"

        def read() -> list[Series]:
            return [
                read_part(pieces, kind, symbol, interval, columns)
                for part, pieces in pieces_of(folder).items()
                if first <= part <= last
            ]

        found = _steady(read)
        if not found and not pieces_of(folder):
            wanted = " ".join(str(part) for part in (symbol, kind, interval) if part)
            raise DataError(
                f"{wanted} is not in the store {self.root}",
                hint="bring it in: riposte data download or riposte data import",
            )
        return storable(joined(kind, symbol, interval, found or []).between(start_ns, stop_ns))

    def holdings(self) -> tuple[Holding, ...]:
        """Every series in the lake, from the files' footers alone."""
        found = []
        for kind, symbol, interval, folder in self._series():
            footers = [each for _, each in _steady(partial(_footers, folder))]
            if footers:
                rows = sum(each.rows for each in footers)
                first, last = footers[0].first_ns, footers[-1].last_ns
                found.append(Holding(kind, symbol, interval, rows, first, last))
        return tuple(sorted(found, key=_holding_order))

    def version(self, kind: str, symbol: str, interval: Interval | None) -> str:
        """A hash of the stored content of one series; of nothing, where nothing is stored."""
        folder = self._folder(kind, symbol, interval)

        def hashes() -> dict[str, str]:
            return {
                part: footer(pieces[0].path).content_hash
                if len(pieces) == 1
                else content_hash(read_part(pieces, kind, symbol, interval))
                for part, pieces in pieces_of(folder).items()
            }

        return series_version(kind, symbol, interval, _steady(hashes))

    def receipts(self, kind: str, symbol: str, interval: Interval | None) -> Mapping[str, str]:
        """The files whose rows are all stored, name to checksum."""
        folder = self._folder(kind, symbol, interval)
        held: dict[str, dict[str, Receipts]] = {}
        for piece, each in _steady(partial(_footers, folder)):
            for name in each.receipts:
                held.setdefault(name, {})[piece.part] = each.receipts
        whole: dict[str, str] = {}
        for name, parts in held.items():
            stated = {receipts[name] for receipts in parts.values()}
            checksum, needed = next(iter(stated))
            if len(stated) == 1 and set(needed) <= parts.keys():
                whole[name] = checksum
        return whole

    def trim(self, kind: str, symbol: str, interval: Interval | None, before_ns: int) -> int:
        """Remove the rows before a time; months that end before it vanish.

        A month that is cut loses its receipts: the files they name are no longer stored whole.
        """
        folder = self._folder(kind, symbol, interval)
        if not folder.is_dir():
            return 0
        removed = 0
        with explained(folder, "written"), locked(folder, self.lock_timeout_s):
            remove_leftovers(folder)
            for pieces in pieces_of(folder).values():
                there = current(pieces)
                if there[0][1].first_ns >= before_ns:
                    break
                rows = read_part(pieces, kind, symbol, interval)
                rest = rows.between(before_ns, None)
                removed += len(rows) - len(rest)
                if len(rest):
                    write_whole(folder, there, rest, {})
                else:
                    for piece in pieces:
                        piece.path.unlink()
            flush_folder(folder)
        return removed

    def heal(self, kind: str, symbol: str, interval: Interval | None) -> tuple[str, ...]:
        """Rename the parts that cannot be read to ``...parquet.damaged``; their names.

        Dense kinds are judged by their footers alone, all others by every byte.
        """
        folder = self._folder(kind, symbol, interval)
        aside: list[str] = []
        if not folder.is_dir():
            return ()
        with explained(folder, "written"), locked(folder, self.lock_timeout_s):
            for pieces in pieces_of(folder).values():
                try:
                    current(pieces)
                    if not kind_of(kind).key:
                        read_part(pieces, kind, symbol, interval)
                except DamagedFileError:
                    # What was appended to a part means little without the rest of it.
                    for piece in pieces:
                        piece.path.rename(piece.path.with_suffix(".parquet.damaged"))
                        aside.append(str(piece.path))
        return tuple(aside)

    def compact(self) -> int:
        """Put the pieces of every month together; how many files are gone."""
        gone = 0
        for kind, symbol, interval, folder in self._series():
            with explained(folder, "written"), locked(folder, self.lock_timeout_s):
                remove_leftovers(folder)
                for pieces in pieces_of(folder).values():
                    if len(pieces) > 1:
                        there = current(pieces)
                        write_whole(
                            folder,
                            there,
                            read_part(pieces, kind, symbol, interval),
                            together(each.receipts for _, each in there),
                        )
                        gone += len(pieces) - 1
        return gone

    def keep(self, name: str, content: bytes) -> None:
        """Keep a document, in place of an earlier one of that name."""
        path = self._document(name)
        with explained(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(path, content)

    def kept(self, name: str) -> bytes | None:
        """The document of that name, None if there is none."""
        path = self._document(name)
        if not path.is_file():
            return None
        with explained(path, "read"):
            return path.read_bytes()

    def _series(self) -> Iterator[tuple[str, str, Interval | None, Path]]:
        for kind in sorted(KINDS):
            for folder in sorted((self.root / kind).glob("*/*")):
                interval = INTERVALS.get(folder.name)
                if interval is not None or folder.name == _EVENTS:
                    yield kind, folder.parent.name, interval, folder

    def _folder(self, kind: str, symbol: str, interval: Interval | None) -> Path:
        kind_of(kind)
        refuse_symbol(symbol)
        return self.root / kind / symbol / (interval.name if interval else _EVENTS)

    def _document(self, name: str) -> Path:
        refuse_document(name)
        return self.root / _DOCUMENTS / name


def _steady(read: Callable[[], T], tries: int = 5) -> T:
    """What ``read`` finds; again where a writer removed a file that was just listed."""
    for _ in range(tries - 1):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


def _footers(folder: Path) -> list[tuple[Piece, Footer]]:
    return [each for pieces in pieces_of(folder).values() for each in current(pieces)]


def _holding_order(holding: Holding) -> tuple[str, str, int]:
    return holding.kind, holding.symbol, holding.interval.ns if holding.interval else 0
