"""The files of the lake: how the rows of one month lie in Parquet, and how they are read.

A part of a series (a month; of a dense kind a day) is one *whole* file, ``2024-01.parquet``, and at
times some *pieces* after it, ``2024-01+0003.parquet``: rows that were appended, all later than those
before. The footer of a whole file says through which piece it goes: older pieces are in it already,
should a writer have been killed before it could remove them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from riposte.errors import DataError, StorageError
from riposte.market.interval import Interval
from riposte.market.series import Series, kind_of, make_series
from riposte.stores.disk import damaged, explained
from riposte.stores.protocol import content_hash

_NAME = re.compile(r"(\d{4}-\d{2}(?:-\d{2})?)(?:\+(\d{4,}))?")
_HASH, _FIRST, _LAST = b"riposte.hash", b"riposte.first", b"riposte.last"
_THROUGH, _RECEIPTS, _SEAL = b"riposte.through", b"riposte.receipts", b"riposte.seal"

Receipts = Mapping[str, tuple[str, tuple[str, ...]]]
"""File name to its checksum and the parts of the series its rows went to."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file: the whole of a part (``number`` 0) or what was appended to it."""

    part: str
    number: int
    path: Path


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself without being read."""

    rows: int
    first_ns: int
    last_ns: int
    content_hash: str
    through: int
    receipts: Receipts


def pieces_of(folder: Path) -> dict[str, list[Piece]]:
    """The files of a series by part, both in time order."""
    with explained(folder, "read"):
        files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    parts: dict[str, list[Piece]] = {}
    for path in files:
        match = _NAME.fullmatch(path.stem)
        if match:
            parts.setdefault(match[1], []).append(Piece(match[1], int(match[2] or 0), path))
    return {part: sorted(pieces, key=lambda piece: piece.number) for part, pieces in parts.items()}


def piece_path(folder: Path, part: str, number: int) -> Path:
    """Where a piece of a part lies; number 0 is the whole."""
    return folder / (f"{part}+{number:04}.parquet" if number else f"{part}.parquet")


def current(pieces: Sequence[Piece]) -> list[tuple[Piece, Footer]]:
    """The pieces of one part that count, with their footers; what a whole file holds already is left out."""
    found = [(piece, footer(piece.path)) for piece in pieces]
    through = max((each.through for piece, each in found if piece.number == 0), default=0)
    return [(piece, each) for piece, each in found if piece.number == 0 or piece.number > through]


def encoded(rows: Series, through: int = 0, receipts: Receipts | None = None) -> pa.Buffer:
    """Rows as the bytes of a Parquet file, with their footer."""
    table = pa.table({"event_time": rows.event_time, **rows.columns})
    words = {
        _HASH: content_hash(rows).encode(),
        _FIRST: str(rows.event_time[0]).encode(),
        _LAST: str(rows.event_time[-1]).encode(),
        _THROUGH: str(through).encode(),
        _RECEIPTS: orjson.dumps(receipts or {}),
    }
    words[_SEAL] = _seal(words)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(words),
        sink,
        # Four times as fast to write as zstd in plain pages, for a third more room.
        compression="lz4",
        use_dictionary=False,
        use_byte_stream_split=list(rows.columns),
        write_page_checksum=True,
    )
    return sink.getvalue()


def footer(path: Path) -> Footer:
    """The footer of a file.

    Raises:
        FileNotFoundError: if it is not there (any more).
        StorageError: if it cannot be read or is none of ours.
    """
    with _opened(path) as file:
        return _footer(path, file.metadata)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, its faults told in words; one that is not there stays a FileNotFoundError."""
    try:
        # Pages carry checksums: a flipped bit is an error here and never a wrong price.
        with explained(path, "read"), pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise


def _footer(path: Path, metadata: Any) -> Footer:
    words: dict[bytes, bytes] = metadata.metadata or {}
    if _SEAL not in words or words[_SEAL] != _seal(words):
        raise damaged(path)
    receipts = {
        name: (checksum, tuple(parts))
        for name, (checksum, parts) in orjson.loads(words[_RECEIPTS]).items()
    }
    return Footer(
        int(metadata.num_rows),
        int(words[_FIRST]),
        int(words[_LAST]),
        words[_HASH].decode(),
        int(words[_THROUGH]),
        receipts,
    )


def _seal(words: Mapping[bytes, bytes]) -> bytes:
    """Pages have checksums, footers have none: this is the one of our words."""
    told = (words.get(name, b"") for name in (_HASH, _FIRST, _LAST, _THROUGH, _RECEIPTS))
    return hashlib.sha256(b"\n".join(told)).hexdigest()[:16].encode()


def read_part(
    pieces: Sequence[Piece],
    kind: str,
    symbol: str,
    interval: Interval | None,
    columns: Sequence[str] | None = None,
) -> Series:
    """The rows of one part; ``columns`` are the optional ones wanted (None: all).

    Rows and footer of the whole file are read from one open file: a writer may put another in its
    place at any moment.

    Raises:
        FileNotFoundError: if a piece is not there any more: a writer has put them together.
        StorageError: if a file is damaged.
    """
    through = 0
    rows = []
    for piece in pieces:
        if piece.number and piece.number <= through:
            continue
        with _opened(piece.path) as file:
            table = file.read(columns=_wanted(file.schema_arrow.names, kind, columns))
            if piece.number == 0:
                through = _footer(piece.path, file.metadata).through
        arrays = {name: table.column(name).to_numpy() for name in table.column_names}
        times = arrays.pop("event_time", None)
        try:
            rows.append(make_series(kind, symbol, interval, times, arrays))
        except (DataError, TypeError, ValueError) as error:
            raise damaged(piece.path) from error
    return joined(kind, symbol, interval, rows)


def _wanted(present: Sequence[str], kind: str, columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    wanted = {"event_time", *kind_of(kind).required, *columns}
    chosen = [name for name in present if name in wanted]
    return chosen if len(chosen) > 1 else None  # a series has at least one column


def joined(kind: str, symbol: str, interval: Interval | None, parts: Sequence[Series]) -> Series:
    """Rows that follow one another as one series; a column that some lack is NaN there."""
    if len(parts) == 1:
        return parts[0]
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


def together(receipts: Iterable[Receipts]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """All receipts of several footers; the last of one name counts."""
    return {name: value for each in receipts for name, value in each.items()}
