"""Archive files that lie on this disk already: a mirror, or zips somebody saved."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

from riposte.errors import DataError, StorageError
from riposte.market.checks import Finding
from riposte.market.interval import Interval
from riposte.sources.archive.download import Sink, held_files, store, together
from riposte.sources.archive.layout import DATASETS, ArchiveFile, archive_file
from riposte.sources.archive.parse import parse
from riposte.sources.archive.plan import Wanted, dense
from riposte.sources.imported import Imported, ImportSummary, Progress, imported

_Key = tuple[str, str, Interval | None, date]


def archive_zips(folder: Path) -> Iterator[tuple[Path, ArchiveFile]]:
    """The archive files under a folder, whatever folders they lie in.

    The type of a file is the nearest folder above it that is named like one (``markPriceKlines``);
    without any, a file named after an interval is taken for candles.
    """
    for path in sorted(folder.rglob("*.zip")):
        above = [part for part in reversed(path.parent.parts) if part in DATASETS]
        found = archive_file(path.name, above[0] if above else None)
        if found:
            yield path, found


def import_zips(
    zips: Sequence[tuple[Path, ArchiveFile]],
    sink: Sink,
    progress: Progress | None = None,
) -> ImportSummary:
    """Store the rows of the zips: a month at a time, only of files not stored before.

    Raises:
        DataError: if a file is damaged or unsound; batches before it are stored.
        StorageError: if a file cannot be read or the store cannot be written.
    """
    batches: dict[_Key, list[tuple[Path, ArchiveFile]]] = {}
    for path, file in zips:
        when = file.day if file.day and dense(file.dataset) else file.month
        key = (file.dataset.name, file.symbol, file.interval, when)
        batches.setdefault(key, []).append((path, file))
    held = _held(batches, sink)
    done_files: list[Imported] = []
    findings: list[Finding] = []
    known = 0
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="zips") as pool:
        work = pool.map(lambda item: _stored(item[1], held[item[0][:3]], sink), batches.items())
        for done, (files, found, skipped) in enumerate(work, 1):
            done_files += files
            findings += found
            known += skipped
            if progress:
                progress(done, len(batches), files[-1].file if files else "")
    notes = (f"{known} archive files were stored before",) if known else ()
    return ImportSummary(tuple(done_files), notes, tuple(findings))


def _held(
    batches: Mapping[_Key, Sequence[tuple[Path, ArchiveFile]]], sink: Sink
) -> dict[tuple[str, str, Interval | None], Mapping[str, str]]:
    """The receipts of every series that the batches belong to."""
    held: dict[tuple[str, str, Interval | None], Mapping[str, str]] = {}
    for name, symbol, interval, _ in batches:
        if (name, symbol, interval) not in held:
            wanted = Wanted(DATASETS[name], symbol, interval, date.min, date.max)
            held[name, symbol, interval] = held_files(wanted, sink)
    return held


def _stored(
    batch: Collection[tuple[Path, ArchiveFile]], held: Mapping[str, str], sink: Sink
) -> tuple[list[Imported], list[Finding], int]:
    """One batch read and written; months first, so that a day's file completes them."""
    parsed, receipts = [], {}
    for path, file in sorted(batch, key=lambda each: each[1].day or date.min):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise StorageError(f"{path} could not be read: {error.strerror}") from error
        checksum = hashlib.sha256(content).hexdigest()
        if held.get(file.name) != checksum:
            parsed.append((file, parse(file, content, source=str(path))))
            receipts[file.name] = checksum
    whole = together([series for _, each in parsed for series in each.series])
    changes = store(whole, [file for file, _ in parsed], receipts, sink)
    names = sorted(receipts)
    title = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}" if names else ""
    files = [imported(title, s, change) for s, change in zip(whole, changes, strict=True)]
    findings = [finding for _, each in parsed for finding in each.findings]
    return files, findings, len(batch) - len(parsed)


def zips_under(path: Path) -> list[tuple[Path, ArchiveFile]]:
    """The archive files of a folder, or the one that a path names.

    Raises:
        DataError: if a zip that is named is no file of the archive.
    """
    if path.is_dir():
        return list(archive_zips(path))
    found = archive_file(
        path.name, next((p for p in path.parent.parts[::-1] if p in DATASETS), None)
    )
    if found is None:
        raise DataError(
            f"{path} is not named like a file of the exchange's archive",
            hint="such files are named like BTCUSDT-1m-2024-01.zip",
        )
    return [(path, found)]
