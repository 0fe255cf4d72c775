"""The exchange's own record of what was asked and what happened: one line each, hash-chained.

Each line is a JSON array ``[number, time_ms, kind, …values]``; the hash after line n is
``sha256(hash after n-1 || line)``. The same seed and the same commands give the same head, and a
test judges a client by it, never by what the client says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson

GENESIS = bytes(32)


class Journal:
    """Appends lines; keeps them in memory, or hands each to ``sink``, or only chains them."""

    def __init__(self, *, keep: bool = True, sink: Callable[[bytes], object] | None = None) -> None:
        self._head = GENESIS
        self._sink = sink
        self.lines: list[bytes] | None = [] if keep else None
        self.count = 0

    def append(self, time_ms: int, kind: str, *values: Any) -> None:
        """Chain one record; the values must be JSON (integers and texts, no floats)."""
        line = orjson.dumps([self.count, time_ms, kind, *values])
        self._head = hashlib.sha256(self._head + line).digest()
        self.count += 1
        if self.lines is not None:
            self.lines.append(line)
        if self._sink is not None:
            self._sink(line + b"\n")

    @property
    def head(self) -> str:
        """The chain's hash so far, hexadecimal."""
        return self._head.hex()


def head_of(lines: Sequence[bytes]) -> str:
    """The hash that a journal of these lines has; differs if any was changed, lost or moved."""
    head = GENESIS
    for line in lines:
        head = hashlib.sha256(head + line.rstrip(b"\n")).digest()
    return head.hex()
