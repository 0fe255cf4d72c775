"""Whatever a user has: a recorded folder, the exchange's zips, freqtrade's folder, a single file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from riposte.errors import DataError, InputError, RiposteError
from riposte.market.checks import Finding
from riposte.market.interval import Interval
from riposte.market.series import KINDS, Change, Series
from riposte.sources.archive.download import Sink
from riposte.sources.archive.local import import_zips, zips_under
from riposte.sources.files import import_archive
from riposte.sources.imported import Imported, ImportSummary, Progress, stored
from riposte.sources.recorded import read_checked
from riposte.sources.tables import SUFFIXES


class _Store(Sink, Protocol):
    def merge(self, series: Series, receipts: Mapping[str, str] = ...) -> Change: ...


def import_anything(
    path: Path,
    store: _Store,
    symbols: Sequence[str] | None,
    intervals: Sequence[Interval],
    progress: Progress | None = None,
    *,
    kind: str | None = None,
    interval: Interval | None = None,
    repair: bool = False,
) -> ImportSummary:
    """Import what lies at ``path``, told by what it is.

    A folder with a sub-folder ``klines`` of tables is recorded history (and must have the symbols
    named, candles in ``intervals`` or finer); other folders are searched for zips of the exchange's
    archive and for Parquet, CSV and Feather files. ``symbols`` None takes every symbol. ``kind`` and
    ``interval`` say of single files what their names do not.

    Raises:
        InputError: if there is nothing to import.
        DataError: if a file is not sound; the files before it are stored, it and the rest are not.
        StorageError: if a file cannot be read or the store cannot be written.
    """
    if not path.exists():
        raise InputError(f"there is no file or folder {path}")
    if path.is_file() and path.suffix == ".zip":
        return import_zips(zips_under(path), store, progress)
    if path.is_file():
        return _files([path], path.parent, store, symbols, progress, kind, interval, repair)
    if symbols is not None and is_recorded(path):
        return import_archive(path, symbols, intervals, store, progress, repair=repair)
    zips = [each for each in zips_under(path) if symbols is None or each[1].symbol in symbols]
    tables = [each for each in sorted(path.rglob("*")) if each.suffix in SUFFIXES]
    if not zips and not tables:
        raise InputError(
            f"{path} holds nothing to import: no {', '.join(SUFFIXES)} files and no zips named like "
            "BTCUSDT-1m-2024-01.zip"
        )
    first = import_zips(zips, store, progress) if zips else ImportSummary((), (), ())
    second = _files(tables, path, store, symbols, progress, kind, interval, repair)
    return ImportSummary(
        first.imported + second.imported,
        first.notes + second.notes,
        first.findings + second.findings,
    )


def is_recorded(folder: Path) -> bool:
    """Whether it is a folder of recorded history: tables of candles in its sub-folder ``klines``."""
    return any(path.suffix in SUFFIXES for path in (folder / "klines").glob("*"))


def _files(
    paths: Sequence[Path],
    root: Path,
    store: _Store,
    symbols: Sequence[str] | None,
    progress: Progress | None,
    kind: str | None,
    interval: Interval | None,
    repair: bool,
) -> ImportSummary:
    """Tables one by one; in a folder of many, those that are no market data are named and left."""
    imported: list[Imported] = []
    findings: list[Finding] = []
    notes: list[str] = []
    only = symbols[0] if symbols and len(symbols) == 1 and len(paths) == 1 else None
    for done, path in enumerate(paths):
        name = str(path.relative_to(root))
        if progress:
            progress(done, len(paths), name)
        folder_kind = path.parent.name if path.parent.name in KINDS else None
        try:
            reading = read_checked(
                path, kind=kind or folder_kind, symbol=only, interval=interval, repair=repair
            )
        except RiposteError as error:
            if len(paths) == 1 or (isinstance(error, DataError) and folder_kind):
                raise
            notes.append(f"left out: {error.message}")
            continue
        if symbols is None or reading.series.symbol in symbols:
            imported.append(stored(store, name, reading.series))
            findings += reading.findings
    if progress:
        progress(len(paths), len(paths), "")
    return ImportSummary(tuple(imported), tuple(notes), tuple(findings))
