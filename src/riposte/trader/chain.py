"""The ledger's lines: canonical JSON, numbered without a gap, each with the hash of the one before.

Nothing is ever changed or taken out: what was wrong is followed by what puts it right. A line that was
edited, moved or removed shows, because what follows no longer fits; only the newest lines could be cut
off unnoticed, so whoever keeps the newest hash elsewhere notices that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from riposte.errors import DataError

FIRST = "0" * 64
"""What the first line carries in the place of a hash."""
_OPTIONS = orjson.OPT_SORT_KEYS


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    ``number`` from 1; ``time_ns`` UTC, when it was written; ``kind`` and ``body``: what it is, as plain
    JSON values. Floats come back to the bit.
    """

    number: int
    time_ns: int
    kind: str
    body: Mapping[str, Any]


def line(entry: Entry, before: str) -> bytes:
    """An entry's line after the one whose hash is ``before``, without a line end.

    Raises:
        TypeError: if the body holds what JSON has no word for, a NaN included.
    """
    text = orjson.dumps(
        {
            "number": entry.number,
            "time_ns": entry.time_ns,
            "kind": entry.kind,
            "body": entry.body,
            "before": before,
        },
        option=_OPTIONS,
    )
    if orjson.loads(text)["body"] != entry.body:
        raise TypeError(f"a {entry.kind} entry does not survive JSON: {entry.body!r}")
    return text


def line_hash(text: bytes) -> str:
    """What the next line carries."""
    return hashlib.sha256(text).hexdigest()


def following(
    last: bytes | None, written: Sequence[tuple[int, str, Mapping[str, Any]]]
) -> list[bytes]:
    """The lines of (time_ns, kind, body) after the line ``last`` (None: there is none yet)."""
    number = 0 if last is None else orjson.loads(last)["number"]
    before = FIRST if last is None else line_hash(last)
    lines = []
    for time_ns, kind, body in written:
        number += 1
        text = line(Entry(number, time_ns, kind, body), before)
        before = line_hash(text)
        lines.append(text)
    return lines


def read(lines: Iterable[bytes], *, number: int = 0, before: str = FIRST) -> Iterator[Entry]:
    """The entries of lines that follow the line ``number`` with the hash ``before``, verified one by one.

    Raises:
        DataError: naming the first line that was changed, moved, or follows one that is gone.
    """
    for text in lines:
        number += 1
        try:
            record = orjson.loads(text)
            told = record["before"]
            entry = Entry(record["number"], record["time_ns"], record["kind"], record["body"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise DataError(f"line {number} of the ledger is no entry") from error
        if told != before or entry.number != number:
            raise DataError(
                f"the ledger was changed: line {number} does not follow the line before it",
                hint="a line was edited, moved or removed; compare it with a backup before trading on",
            )
        before = line_hash(text)
        yield entry
