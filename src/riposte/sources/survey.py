"""A folder of recorded data checked as it lies, nothing imported: every file, and files against one
another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from riposte.errors import DataError, InputError
from riposte.market.checks import Finding
from riposte.market.interval import Interval
from riposte.market.series import KINDS, Series
from riposte.sources.level2 import check_level2
from riposte.sources.recorded import read_checked
from riposte.sources.tables import SUFFIXES

_LEVEL2 = "l2"
Key = tuple[str, str, Interval | None]


@dataclass(frozen=True, slots=True)
class Survey:
    """The sound series of a folder by kind, symbol and interval; findings about files that are not
    series (recorded streams), and about files that cannot be used."""

    series: Mapping[Key, Series]
    findings: tuple[Finding, ...]


def survey(folder: Path, progress: Callable[[int, int, str], None] | None = None) -> Survey:
    """Read everything in ``klines``, ``mark``, ... and ``l2``; a bad file is an error, not the end.

    Raises:
        InputError: if the folder holds none of these.
    """
    tables = [
        (kind, path)
        for kind in KINDS
        for path in sorted((folder / kind).glob("*"))
        if path.suffix in SUFFIXES
    ]
    streams = sorted(path for path in (folder / _LEVEL2).glob("*") if path.is_dir())
    if not tables and not streams:
        raise InputError(
            f"{folder} holds no recorded market data: it needs folders like klines, with files like "
            "BTCUSDT-1h.parquet"
        )
    series: dict[Key, Series] = {}
    findings: list[Finding] = []
    for done, (kind, path) in enumerate(tables):
        if progress:
            progress(done, len(tables) + len(streams), str(path.relative_to(folder)))
        try:
            read = read_checked(path, kind=kind).series
        except DataError as error:
            findings.append(_unusable(path, kind, error))
            continue
        series[read.kind, read.symbol, read.interval] = read
    for done, stream in enumerate(streams, len(tables)):
        if progress:
            progress(done, len(tables) + len(streams), str(stream.relative_to(folder)))
        try:
            findings += check_level2(stream)
        except DataError as error:
            findings.append(_unusable(stream, _LEVEL2, error))
    if progress:
        progress(len(tables) + len(streams), len(tables) + len(streams), "")
    return Survey(series, tuple(findings))


def _unusable(path: Path, kind: str, error: DataError) -> Finding:
    return Finding("error", "unusable", path.stem.split("-")[0], kind, None, error.message)
