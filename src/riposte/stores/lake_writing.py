"""How the lake changes: new files written beside the old ones, then renamed over them.

Whoever calls holds the lock of the series' folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from riposte.market.series import Change, Series, merge
from riposte.stores.disk import flush_folder, write_durably
from riposte.stores.pieces import (
    Footer,
    Piece,
    Receipts,
    current,
    encoded,
    piece_path,
    pieces_of,
    read_part,
    together,
)
from riposte.stores.protocol import partitions, storable

# A month with this many rows is not written anew for a few more; nor are more pieces than this kept.
_PIECE_FROM_ROWS, _MOST_PIECES = 4096, 32


def new_parts(folder: Path, series: Series, receipts: Mapping[str, str]) -> dict[str, pa.Buffer]:
    """The files of the parts that do not exist yet, made before the lock is taken, so that writers of
    several months of one series do not wait for one another's compression."""
    parts = list(partitions(series))
    stated = _stated(receipts, parts)
    stored = pieces_of(folder)
    return {name: encoded(storable(rows), 0, stated) for name, rows in parts if name not in stored}


def _stated(receipts: Mapping[str, str], parts: Sequence[tuple[str, Series]]) -> Receipts:
    names = tuple(name for name, _ in parts)
    return {file: (checksum, names) for file, checksum in receipts.items()}


def merge_parts(
    folder: Path, series: Series, receipts: Mapping[str, str], made: Mapping[str, pa.Buffer]
) -> Change:
    """Write every changed part of a series beside its old file, then rename them all.

    ``made`` are files of :func:`new_parts`, used for the parts that are still new.
    """
    stored = pieces_of(folder)
    parts = list(partitions(series))
    stated = _stated(receipts, parts)
    total = Change()
    ready: list[_Ready] = []
    try:
        for name, rows in parts:
            there = current(stored.get(name, []))
            if not there and name in made:
                prepared: _Ready | None = _ready(folder, name, 0, made[name], ())
                change = Change(added=len(rows))
            else:
                prepared, change = _prepared(folder, name, there, rows, stated)
            if prepared:
                ready.append(prepared)
                write_durably(prepared.temporary, prepared.content)
            total = total.and_then(change)
        for each in ready:
            each.temporary.replace(each.final)
    except BaseException:
        for each in ready:
            each.temporary.unlink(missing_ok=True)
        raise
    if ready:
        flush_folder(folder)
        for each in ready:
            for piece in each.replaced:
                piece.unlink(missing_ok=True)
    return total


@dataclass(frozen=True, slots=True)
class _Ready:
    temporary: Path
    final: Path
    content: pa.Buffer
    replaced: tuple[Path, ...]  # pieces that are in the new file


def _prepared(
    folder: Path,
    name: str,
    there: Sequence[tuple[Piece, Footer]],
    rows: Series,
    receipts: Receipts,
) -> tuple[_Ready | None, Change]:
    """The file that a part needs so that it holds the rows, None where it holds them already."""
    held = sum(footer.rows for _, footer in there)
    last = there[-1] if there else None
    if last and rows.event_time[0] > last[1].last_ns:
        change = Change(added=len(rows))
        if held >= _PIECE_FROM_ROWS and len(rows) < held // 4 and len(there) <= _MOST_PIECES:
            number = max(last[0].number, there[0][1].through) + 1
            return _file(folder, name, number, rows, receipts, ()), change
    if not there:
        return _file(folder, name, 0, rows, receipts, ()), Change(added=len(rows))
    old = read_part([piece for piece, _ in there], rows.kind, rows.symbol, rows.interval)
    merged, change = merge(old, rows)
    known = together(footer.receipts for _, footer in there)
    if not change.rows and known.items() >= receipts.items():
        return None, change
    return _whole(folder, there, merged, known | dict(receipts)), change


def _whole(
    folder: Path, there: Sequence[tuple[Piece, Footer]], rows: Series, receipts: Receipts
) -> _Ready:
    replaced = tuple(piece.path for piece, _ in there if piece.number)
    through = max(there[0][1].through, *(piece.number for piece, _ in there))
    return _file(folder, there[0][0].part, 0, rows, receipts, replaced, through)


def _file(
    folder: Path,
    part: str,
    number: int,
    rows: Series,
    receipts: Receipts,
    replaced: tuple[Path, ...],
    through: int = 0,
) -> _Ready:
    content = encoded(storable(rows), through, receipts)
    return _ready(folder, part, number, content, replaced)


def _ready(
    folder: Path, part: str, number: int, content: pa.Buffer, replaced: tuple[Path, ...]
) -> _Ready:
    final = piece_path(folder, part, number)
    return _Ready(folder / f".{final.stem}.{os.getpid()}.tmp", final, content, replaced)


def write_whole(
    folder: Path, there: Sequence[tuple[Piece, Footer]], rows: Series, receipts: Receipts
) -> None:
    """Put rows and receipts in the place of all the files of one part."""
    ready = _whole(folder, there, rows, receipts)
    try:
        write_durably(ready.temporary, ready.content)
        ready.temporary.replace(ready.final)
    except BaseException:
        ready.temporary.unlink(missing_ok=True)
        raise
    flush_folder(folder)
    for path in ready.replaced:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """What a killed writer left: temporary files, pieces already in their whole; the caller holds the lock."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
    for pieces in pieces_of(folder).values():
        if len(pieces) > 1:
            counting = {piece.path for piece, _ in current(pieces)}
            for piece in pieces:
                if piece.path not in counting:
                    piece.path.unlink(missing_ok=True)
