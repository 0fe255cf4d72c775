"""The Parquet lake: one folder per series, one file per month, no server.

::

    root/klines/BTCUSDT/1h/2024-01.parquet
    root/funding/BTCUSDT/events/2024-01.parquet

A month is replaced whole: the new file is written beside the old one under a temporary name, flushed
to the disk and renamed over it, so a reader sees the old month or the new one and never half of
either. All months of a write are on the disk before the first is renamed: a disk that fills leaves
everything as it was. A lock file per series keeps writers apart; readers need none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from riposte.errors import DataError, InputError, StorageError
from riposte.market.frame import Floats, Times
from riposte.market.interval import INTERVALS, Interval
from riposte.market.series import KINDS, Change, Series, kind_of, make_series, merge
from riposte.stores.protocol import Holding

_EVENTS = "events"  # the folder of a series without an interval
_SYMBOL = re.compile(r"[A-Z0-9_]{1,40}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FOOTER_HASH, _FOOTER_FIRST, _FOOTER_LAST = b"riposte.hash", b"riposte.first", b"riposte.last"


@dataclass(frozen=True, slots=True)
class Lake:
    """A store in the folder ``root``, made when first written to.

    ``lock_timeout_s``: how long a writer waits for another one before it gives up.
    """

    root: Path
    lock_timeout_s: float = 60.0

    def merge(self, series: Series) -> Change:
        """Add the rows to the stored months; see :class:`riposte.stores.protocol.Store`."""
        if len(series) == 0:
            return Change()
        folder = self._folder(series.kind, series.symbol, series.interval)
        with _explained(folder, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder, self.lock_timeout_s):
                _remove_leftovers(folder)
                return _merge_months(folder, series)

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
    ) -> Series:
        """The stored rows with ``start_ns <= event_time < stop_ns``; opens only their months.

        Raises:
            DataError: if nothing of that kind, symbol and interval is stored.
            StorageError: if a month cannot be read.
        """
        folder = self._folder(kind, symbol, interval)
        months = _months(folder)
        if not months:
            wanted = " ".join(str(part) for part in (symbol, kind, interval) if part)
            raise DataError(
                f"{wanted} is not in the store {self.root}", hint="import it: riposte data import"
            )
        first = _month_name(start_ns) if start_ns is not None else ""
        last = _month_name(stop_ns - 1) if stop_ns is not None else "9999-12"
        parts = [
            _read_month(path, kind, symbol, interval)
            for name, path in months.items()
            if first <= name <= last
        ]
        return _joined(kind, symbol, interval, parts).between(start_ns, stop_ns)

    def holdings(self) -> tuple[Holding, ...]:
        """Every series in the lake, from the files' footers alone."""
        found = []
        for kind in sorted(KINDS):
            for folder in sorted((self.root / kind).glob("*/*")):
                interval = INTERVALS.get(folder.name)
                months = list(_months(folder).values())
                if not months or (interval is None and folder.name != _EVENTS):
                    continue
                footers = [_footer(path) for path in months]
                found.append(
                    Holding(
                        kind,
                        folder.parent.name,
                        interval,
                        sum(footer.rows for footer in footers),
                        footers[0].first_ns,
                        footers[-1].last_ns,
                    )
                )
        return tuple(sorted(found, key=_holding_order))

    def version(self, kind: str, symbol: str, interval: Interval | None) -> str:
        """A hash of the stored content of one series; of nothing, where nothing is stored."""
        total = hashlib.sha256(f"{kind} {symbol} {interval}".encode())
        for name, path in _months(self._folder(kind, symbol, interval)).items():
            total.update(f"{name} {_footer(path).content_hash}".encode())
        return total.hexdigest()[:16]

    def _folder(self, kind: str, symbol: str, interval: Interval | None) -> Path:
        kind_of(kind)
        if not _SYMBOL.fullmatch(symbol):
            raise InputError(f"symbol {symbol!r} cannot name a folder: write it like BTCUSDT")
        return self.root / kind / symbol / (interval.name if interval else _EVENTS)


def _holding_order(holding: Holding) -> tuple[str, str, int]:
    return holding.kind, holding.symbol, holding.interval.ns if holding.interval else 0


def _month_name(time_ns: int) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("datetime64[M]"))


def _months(folder: Path) -> dict[str, Path]:
    """The month files of a series, in time order."""
    with _explained(folder, "read"):
        files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    return {path.stem: path for path in files if _MONTH.fullmatch(path.stem)}


def _month_rows(series: Series) -> Iterator[tuple[str, Series]]:
    """The series cut at the turns of the months (UTC)."""
    month = series.event_time.astype("datetime64[ns]").astype("datetime64[M]")
    starts = np.flatnonzero(np.append(True, month[1:] != month[:-1]))
    for start, stop in zip(starts, np.append(starts[1:], len(series)), strict=True):
        yield str(month[start]), series.rows(int(start), int(stop))


def _merge_months(folder: Path, series: Series) -> Change:
    """Write every changed month beside its old file, then rename them all."""
    stored = _months(folder)
    total = Change()
    ready: list[tuple[Path, Path]] = []
    try:
        for name, rows in _month_rows(series):
            month, change = rows, Change(added=len(rows))
            if name in stored:
                old = _read_month(stored[name], series.kind, series.symbol, series.interval)
                month, change = merge(old, rows)
            if change.rows:
                final = folder / f"{name}.parquet"
                temporary = folder / f".{name}.{os.getpid()}.tmp"
                ready.append((temporary, final))
                _write_file(temporary, _encoded(month))
                total = total.and_then(change)
        for temporary, final in ready:
            os.replace(temporary, final)
    except BaseException:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)
        raise
    if ready:
        _flush_folder(folder)
    return total


def _encoded(rows: Series) -> pa.Buffer:
    """One month as the bytes of a Parquet file, its content hash and time range in the footer."""
    table = pa.table({"event_time": rows.event_time, **rows.columns})
    footer = {
        _FOOTER_HASH: _content_hash(rows.event_time, rows.columns).encode(),
        _FOOTER_FIRST: str(rows.event_time[0]).encode(),
        _FOOTER_LAST: str(rows.event_time[-1]).encode(),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(footer), sink, compression="zstd", write_page_checksum=True
    )
    return sink.getvalue()


def _content_hash(event_time: Times, columns: Mapping[str, Floats]) -> str:
    total = hashlib.sha256(event_time.astype("<i8").tobytes())
    for name, values in columns.items():
        total.update(name.encode())
        total.update(np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes())
    return total.hexdigest()


def _write_file(path: Path, content: pa.Buffer) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the renames durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    """Temporary files of a writer that was killed; the caller holds the lock."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _read_month(path: Path, kind: str, symbol: str, interval: Interval | None) -> Series:
    # Pages carry checksums: a flipped bit is an error here and never a wrong price.
    with _explained(path, "read"), pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read()
    arrays = {name: table.column(name).to_numpy() for name in table.column_names}
    times = arrays.pop("event_time", None)
    try:
        return make_series(kind, symbol, interval, times, arrays)
    except (DataError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _joined(kind: str, symbol: str, interval: Interval | None, parts: list[Series]) -> Series:
    """The months as one series; a column that some months lack is NaN there."""
    present = {name for part in parts for name in part.columns}
    names = [n for n in kind_of(kind).columns if n in present or n in kind_of(kind).required]
    times = [part.event_time for part in parts]
    columns = {
        name: np.concatenate(
            [part.columns.get(name, np.full(len(part), np.nan)) for part in parts] or [np.empty(0)]
        )
        for name in names or kind_of(kind).columns
    }
    return make_series(
        kind,
        symbol,
        interval,
        np.concatenate(times) if times else np.empty(0, dtype=np.int64),
        columns,
    )


@dataclass(frozen=True, slots=True)
class _Footer:
    rows: int
    first_ns: int
    last_ns: int
    content_hash: str


def _footer(path: Path) -> _Footer:
    with _explained(path, "read"):
        footer = pq.read_metadata(path)
        words: dict[bytes, bytes] = footer.metadata or {}
    if not {_FOOTER_HASH, _FOOTER_FIRST, _FOOTER_LAST} <= words.keys():
        raise _damaged(path)
    return _Footer(
        int(footer.num_rows),
        int(words[_FOOTER_FIRST]),
        int(words[_FOOTER_LAST]),
        words[_FOOTER_HASH].decode(),
    )


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path} is damaged and cannot be read",
        hint="delete this one file and import its month again; the other months are not affected",
    )


@contextlib.contextmanager
def _locked(folder: Path, timeout_s: float) -> Iterator[None]:
    try:
        with FileLock(folder / ".lock", timeout=timeout_s):
            yield
    except Timeout:
        raise StorageError(
            f"{folder} is being written by another process for more than {timeout_s:g} s",
            hint="wait for it to finish, or end it",
        ) from None


@contextlib.contextmanager
def _explained(path: Path, done: str) -> Iterator[None]:
    """Turn what the disk or Parquet says into one sentence about ``path``."""
    try:
        yield
    except pa.ArrowException as error:
        raise _damaged(path) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"the disk is full: {path} could not be {done}, what was stored before is unchanged",
                hint="free some space and run again",
            ) from error
        if isinstance(error, PermissionError):
            raise StorageError(
                f"no permission: {path} could not be {done}",
                hint="check the owner and the rights of the folder",
            ) from error
        if error.errno is None:  # Parquet reports a damaged page without an error number
            raise _damaged(path) from error
        raise StorageError(
            f"{path} could not be {done}: {(error.strerror or str(error)).lower()}"
        ) from error
