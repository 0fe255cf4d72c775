"""A folder of recorded files imported into a store.

::

    klines/BTCUSDT-1h.parquet         mark/BTCUSDT-1h.parquet
    funding/BTCUSDT.parquet           open_interest/BTCUSDT-1h-bybit.parquet

A symbol needs candles; whatever else it lacks is said in the summary and stays missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from riposte.errors import DataError, InputError, StorageError, nearest
from riposte.market.checks import Finding, compare
from riposte.market.frame import Floats
from riposte.market.instrument import parse_symbol
from riposte.market.interval import INTERVALS, Interval
from riposte.market.series import KINDS, Series
from riposte.sources.imported import Imported, ImportSummary, Progress, SeriesStore, stored
from riposte.sources.recorded import read_checked
from riposte.sources.tables import SUFFIXES


def archive_symbols(folder: Path) -> tuple[str, ...]:
    """The symbols that the folder has candles of.

    Raises:
        InputError: if it is not a folder of the layout above.
        StorageError: if it may not be read.
    """
    try:
        there = (folder / "klines").is_dir()
    except PermissionError as error:
        raise StorageError(f"no permission to read {folder}") from error
    if not there:
        raise InputError(
            f"{folder} holds no recorded market data: it needs a folder klines with files like "
            "BTCUSDT-1h.parquet"
        )
    return tuple(sorted({path.stem.split("-")[0] for path in _files(folder / "klines")}))


def import_archive(
    folder: Path,
    symbols: Sequence[str],
    intervals: Sequence[Interval],
    store: SeriesStore,
    progress: Progress | None = None,
    *,
    repair: bool = False,
) -> ImportSummary:
    """Read every file of the symbols and merge it into the store.

    Candles are taken in the wanted intervals or, where one is not there, in the coarsest interval
    it can be made from. Files already stored change nothing.

    Raises:
        InputError: if the folder, a symbol or an interval has no candles.
        DataError: if a file is not sound; the files before it are stored, it and the rest are not.
        StorageError: if a file cannot be read or the store cannot be written.
    """
    notes: list[str] = []
    files: list[tuple[str, str, Path]] = []
    available = archive_symbols(folder)
    for symbol in symbols:
        if symbol not in available:
            raise InputError(
                f"{folder} has no candles of {symbol}: it has {', '.join(available)}"
                + nearest(symbol, available)
            )
        files += [
            (symbol, "klines", path) for path in _candle_files(folder, symbol, intervals, notes)
        ]
        files += [(symbol, kind, path) for kind, path in _other_files(folder, symbol, notes)]
    imported: list[Imported] = []
    findings: list[Finding] = []
    candles: list[Series] = []
    for done, (symbol, kind, path) in enumerate(files):
        name = str(path.relative_to(folder))
        if progress:
            progress(done, len(files), name)
        reading = read_checked(path, kind=kind, repair=repair)
        if reading.series.symbol != symbol:
            raise DataError(f"{path} holds {reading.series.symbol}, not {symbol}")
        imported.append(stored(store, name, reading.series))
        findings += reading.findings
        if kind == "klines":
            candles.append(reading.series)
    if progress:
        progress(len(files), len(files), "")
    findings += _disagreements(candles)
    return ImportSummary(tuple(imported), tuple(notes), tuple(findings))


def _disagreements(candles: Sequence[Series]) -> Iterator[Finding]:
    """Where candles of two intervals of one symbol do not tell the same story."""
    for finer in candles:
        for coarser in candles:
            assert finer.interval is not None
            assert coarser.interval is not None
            finer_ns, coarser_ns = finer.interval.ns, coarser.interval.ns
            if (
                finer.symbol == coarser.symbol
                and finer_ns < coarser_ns
                and coarser_ns % finer_ns == 0
            ):
                yield from compare(finer, coarser)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*")) if path.suffix in SUFFIXES)


def _of_symbol(folder: Path, symbol: str) -> list[Path]:
    return [path for path in _files(folder) if path.stem.split("-")[0] == symbol]


def _candle_files(
    folder: Path, symbol: str, intervals: Sequence[Interval], notes: list[str]
) -> list[Path]:
    """The candle files for the wanted intervals, each once."""
    by_interval = {
        INTERVALS[path.stem.split("-")[1]]: path
        for path in _of_symbol(folder / "klines", symbol)
        if "-" in path.stem and path.stem.split("-")[1] in INTERVALS
    }
    chosen: list[Path] = []
    for wanted in intervals:
        usable = [each for each in by_interval if wanted.ns % each.ns == 0]
        if not usable:
            there = ", ".join(str(each) for each in sorted(by_interval, key=lambda i: i.ns))
            raise InputError(
                f"{folder} has no candles of {symbol} that make {wanted} bars: it has {there}"
            )
        best = max(usable, key=lambda each: each.ns)
        if best != wanted:
            notes.append(f"{symbol}: no {wanted} candles recorded, made from {best} candles")
        if by_interval[best] not in chosen:
            chosen.append(by_interval[best])
    return chosen


def _other_files(folder: Path, symbol: str, notes: list[str]) -> list[tuple[str, Path]]:
    """Everything but candles; says which of the usual kinds are not there."""
    found: list[tuple[str, Path]] = []
    for kind, described in KINDS.items():
        if kind == "klines":
            continue
        paths = _of_symbol(folder / kind, symbol)
        found += [(kind, path) for path in paths]
        if not paths and kind in ("mark", "funding", "open_interest"):
            notes.append(f"{symbol}: no {described.meaning} recorded, its columns stay missing")
    return found


def read_brackets(path: Path) -> dict[str, Floats]:
    """Maintenance-margin brackets by symbol: arrays (n, 4) as ``Instrument.brackets``.

    The columns are notional floor (USDT), maintenance rate, maintenance amount (USDT) and highest
    leverage.

    Raises:
        InputError: if there is no such file or it is a folder.
        StorageError: if it may not be read.
        DataError: if it is not JSON of that form, or a table does not rise from 0.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tables = {
            parse_symbol(symbol): np.array(
                [
                    (
                        row["notional_floor"],
                        row["maintenance_rate"],
                        row["maintenance_amount"],
                        row["max_leverage"],
                    )
                    for row in rows
                ],
                dtype=np.float64,
            )
            for symbol, rows in content["brackets"].items()
        }
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f"there is no file {path}") from error
    except OSError as error:
        raise StorageError(f"no permission to read {path}") from error
    except KeyError as error:
        raise DataError(f"{path}: missing {error.args[0]!r} in the brackets") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged or is not a table of brackets in JSON") from error
    for symbol, table in tables.items():
        rising = len(table) > 0 and table[0, 0] == 0 and (np.diff(table[:, 0]) > 0).all()
        if not rising or not np.isfinite(table).all() or (table < 0).any():
            raise DataError(f"{path}: the brackets of {symbol} do not rise from 0")
        table.setflags(write=False)
    return tables
