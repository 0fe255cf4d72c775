"""The exchange's own record of what was asked and what happened, and one hash over all of it.

Each line is a JSON array ``[number, time_ms, kind, …values]``. The head is the SHA-256 of the lines
so far, each with its newline: what ``sha256sum`` says of the file. The same seed and the same
commands give the same head, and a test judges a client by it, never by what the client says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson


class Journal:
    """Appends lines; keeps them in memory, or hands each to ``sink``, or only hashes them."""

    def __init__(self, *, keep: bool = True, sink: Callable[[bytes], object] | None = None) -> None:
        self._hash = hashlib.sha256()
        self._sink = sink
        self.lines: list[bytes] | None = [] if keep else None
        self.count = 0

    def append(self, time_ms: int, kind: str, *values: Any) -> None:
        """Add one record; the values must be JSON (integers and texts, no floats)."""
        line = orjson.dumps((self.count, time_ms, kind, *values), option=orjson.OPT_APPEND_NEWLINE)
        self._hash.update(line)
        self.count += 1
        if self.lines is not None:
            self.lines.append(line[:-1])
        if self._sink is not None:
            self._sink(line)

    @property
    def head(self) -> str:
        """The hash so far, hexadecimal."""
        return self._hash.hexdigest()


def head_of(lines: Sequence[bytes]) -> str:
    """The hash that a journal of these lines has; differs if any was changed, lost or moved."""
    whole = hashlib.sha256()
    for line in lines:
        whole.update(line.rstrip(b"\n") + b"\n")
    return whole.hexdigest()
