"""Bringing a stretch of the public archive into a store: concurrently, and only what is missing.

Several batches are on their way at once. Each is fetched, verified, read and stored in one write
together with the receipts of its files; so a kill at any moment leaves whole batches, what had
arrived of the others is continued by the next run, and a run after a finished one asks for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from riposte.errors import DataError, ExchangeError
from riposte.market.checks import Finding
from riposte.market.interval import DAY_NS, INTERVALS, Interval
from riposte.market.series import Change, Series, make_series, merge
from riposte.sources.archive.layout import ArchiveFile
from riposte.sources.archive.parse import Parsed, parse
from riposte.sources.archive.plan import Batch, Wanted, plan
from riposte.sources.archive.transfer import Fetched, StoppedError, Transfer

Progress = Callable[["State"], None]


class Sink(Protocol):
    """Where series go, with the receipts of the files they came from."""

    def merge(self, series: Series, receipts: Mapping[str, str]) -> Change: ...

    def receipts(self, kind: str, symbol: str, interval: Interval | None) -> Mapping[str, str]: ...


@dataclass(slots=True)
class State:
    """How far a download is; the counts only grow."""

    batches: int
    done: int = 0
    files: int = 0
    bytes: int = 0
    rows: int = 0
    title: str = ""


@dataclass(slots=True)
class Summary:
    """What a download did. ``absent`` are the days the archive does not have, by type and symbol."""

    files: int = 0
    rows: int = 0
    bytes: int = 0
    up_to_date: int = 0
    absent: dict[str, list[date]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def download(
    wanted: Sequence[Wanted],
    sink: Sink,
    transfer: Transfer,
    today: date,
    *,
    connections: int = 8,
    progress: Progress | None = None,
    refresh: bool = False,
) -> Summary:
    """Store everything wanted that the archive has and the store has not.

    A batch that fails is told in the summary and does not stop the others; when the archive cannot be
    reached at all, the first failures end it. ``refresh`` asks for the checksums of files that are
    held already and fetches those that were published anew.

    Raises:
        ExchangeError: if nothing could be fetched because the archive is out of reach.
        StorageError: if the store cannot be written.
        KeyboardInterrupt: after what is on its way has stopped; everything stored is whole.
    """
    summary = Summary()
    batches: list[Batch] = []
    for each in wanted:
        held = held_files(each, sink)
        if refresh:
            held = _unchanged(each, held, transfer)
        due = plan(each, held, today)
        summary.up_to_date += not due
        batches += due
    work = _Work(sink, transfer, summary, State(len(batches)), progress)
    previous = transfer.received
    transfer.received = work.received
    try:
        _run(work, batches, connections)
    finally:
        transfer.received = previous
    return summary


def held_files(wanted: Wanted, sink: Sink) -> Mapping[str, str]:
    """The archive files whose rows are in the store, in all the kinds they give."""
    kinds = wanted.dataset.kinds
    held = {kind: sink.receipts(kind, wanted.symbol, stored_interval(wanted)) for kind in kinds}
    every = {name: checksum for receipts in held.values() for name, checksum in receipts.items()}
    return {
        name: checksum
        for name, checksum in every.items()
        if all(name in held[kind] or _without(kind, name) in every for kind in kinds)
    }


def _without(kind: str, name: str) -> str:
    """The receipt that a file has no rows of one of its kinds, kept with those of the others."""
    return f"{name} without {kind}"


def stored_interval(wanted: Wanted) -> Interval | None:
    """The interval under which a stretch is stored: metrics come every five minutes."""
    return INTERVALS["5m"] if wanted.dataset.name == "metrics" else wanted.interval


def _unchanged(wanted: Wanted, held: Mapping[str, str], transfer: Transfer) -> Mapping[str, str]:
    """Those of the held files whose checksum in the archive is still the same."""
    from riposte.sources.archive.layout import archive_file

    same = {}
    for name, checksum in held.items():
        file = archive_file(name, wanted.dataset.name)
        if file is None or transfer.checksum(file) in (checksum, None):
            same[name] = checksum
    return same


@dataclass(slots=True)
class _Work:
    sink: Sink
    transfer: Transfer
    summary: Summary
    state: State
    progress: Progress | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Reading takes memory and a core, waiting for the network takes neither.
    reading: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))

    def received(self, size: int) -> None:
        with self.lock:
            self.state.bytes += size
            self.summary.bytes += size
        self.tell()

    def tell(self) -> None:
        if self.progress:
            self.progress(self.state)


def _run(work: _Work, batches: Sequence[Batch], connections: int) -> None:
    """Hand the batches to threads, a few ahead, and stop all of them on the first hard fault."""
    pending: set[Future[None]] = set()
    queue = iter(batches)
    with ThreadPoolExecutor(connections, thread_name_prefix="archive") as pool:
        try:
            while True:
                while len(pending) < connections and (batch := next(queue, None)):
                    pending.add(pool.submit(_carry_out, work, batch))
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED, timeout=0.5)
                for future in done:
                    future.result()
                    work.state.done += 1
                work.tell()
        except BaseException:
            work.transfer.stop.set()
            wait(pending)
            raise


def _carry_out(work: _Work, batch: Batch) -> None:
    """One batch from the archive to the store."""
    try:
        fetched = _fetch(work, batch)
        if fetched:
            _store(work, batch, fetched)
    except (DataError, ExchangeError) as error:
        with work.lock:
            work.summary.failed.append(f"{batch.title}: {error.message}")
            hopeless = work.summary.files == 0 and len(work.summary.failed) >= 3
        if hopeless and isinstance(error, ExchangeError):
            raise
    with work.lock:
        work.state.title = batch.title


def _fetch(work: _Work, batch: Batch) -> dict[ArchiveFile, Fetched]:
    """The batch's files on this disk; what the archive lacks is noted."""
    fetched: dict[ArchiveFile, Fetched] = {}
    if batch.monthly:
        month = work.transfer.fetch(batch.monthly)
        if month:
            fetched[batch.monthly] = month
            return fetched
    absent = []
    for file in batch.daily:
        day = work.transfer.fetch(file)
        if day:
            fetched[file] = day
        else:
            absent.append(file.days[0])
    if batch.monthly and not batch.daily:
        absent.append(batch.monthly.month)
    if absent:
        file = batch.monthly or batch.daily[0]
        title = " ".join(str(p) for p in (file.symbol, file.dataset.name, file.interval) if p)
        with work.lock:
            work.summary.absent.setdefault(title, []).extend(absent)
    return fetched


def _store(work: _Work, batch: Batch, fetched: dict[ArchiveFile, Fetched]) -> None:
    """Read the files and store their rows and receipts in one write for each kind."""
    with work.reading:
        parsed = [_parsed(file, each) for file, each in fetched.items()]
    if batch.monthly in fetched:
        for file in _days_lacking(batch, parsed[0]):
            day = work.transfer.fetch(file)
            if day:
                fetched[file] = day
                with work.reading:
                    parsed.append(_parsed(file, day))
    receipts = {file.name: each.checksum for file, each in fetched.items()}
    if work.transfer.stop.is_set():
        raise StoppedError
    whole = together([each for p in parsed for each in p.series])
    rows = sum(change.rows for change in store(whole, list(fetched), receipts, work.sink))
    for each in fetched.values():
        each.path.unlink(missing_ok=True)
    with work.lock:
        work.state.files += len(fetched)
        work.state.rows += rows
        work.summary.files += len(fetched)
        work.summary.rows += rows
        work.summary.findings += [finding for p in parsed for finding in p.findings]


def store(
    whole: Sequence[Series], files: Sequence[ArchiveFile], receipts: dict[str, str], sink: Sink
) -> list[Change]:
    """Write the series of some files with the receipts of all of them; what changed, series by series.

    A file without rows of one of its kinds says so with the rows of the others.
    """
    stated = dict(receipts)
    for kind in {kind for file in files for kind in file.dataset.kinds}:
        if kind not in {series.kind for series in whole}:
            stated |= {_without(kind, name): checksum for name, checksum in receipts.items()}
    return [sink.merge(series, stated) for series in whole]


def _parsed(file: ArchiveFile, fetched: Fetched) -> Parsed:
    return parse(file, Path(fetched.path).read_bytes())


def _days_lacking(batch: Batch, month: Parsed) -> list[ArchiveFile]:
    """The days of which the month's file has not one row: some months lack days that exist (#346)."""
    if not month.series:
        return list(batch.daily)
    opened = month.series[0].event_time - 1  # the value of a day's end belongs to that day
    if month.series[0].kind == "klines":
        opened = month.series[0].event_time
    present = np.unique(opened // DAY_NS)
    days = [int(np.datetime64(file.days[0], "D").astype(np.int64)) for file in batch.daily]
    return [file for file, day in zip(batch.daily, days, strict=True) if day not in present]


def together(pieces: Sequence[Series]) -> list[Series]:
    """The series of a batch, those of one kind as one; of a moment in two files the later counts."""
    by_kind: dict[str, list[Series]] = {}
    for piece in pieces:
        by_kind.setdefault(piece.kind, []).append(piece)
    return [_joined(each) for each in by_kind.values()]


def _joined(pieces: list[Series]) -> Series:
    pieces = sorted(pieces, key=lambda piece: int(piece.event_time[0]))
    apart = all(a.event_time[-1] < b.event_time[0] for a, b in pairwise(pieces))
    if not apart:
        whole = pieces[0]
        for piece in pieces[1:]:
            whole, _ = merge(whole, piece)
        return whole
    first = pieces[0]
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in first.columns}
    times = np.concatenate([piece.event_time for piece in pieces])
    return make_series(first.kind, first.symbol, first.interval, times, columns)
