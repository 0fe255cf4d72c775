"""The trial log: one line a trial, appended, never rewritten; what any offers, and the one on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from riposte.stores.disk import explained, locked

Line = Callable[[bytes | None], bytes]


class TrialLines(Protocol):
    """A trial log, wherever it is kept; several processes may append at once."""

    def lines(self) -> tuple[bytes, ...]:
        """All lines, without their ends, the oldest first."""
        ...

    def append(self, made: Line) -> bytes:
        """Add the line that ``made`` gives for the line before it (None for the first); that line."""
        ...


@dataclass(frozen=True, slots=True)
class TrialLog:
    """A log in one file; safe for several processes at once.

    A line that a killed writer left unfinished was never acknowledged: it is cut off by the next one.
    """

    path: Path
    lock_timeout_s: float = 60.0

    def lines(self) -> tuple[bytes, ...]:
        """See :class:`TrialLines`; a line without an end is not finished."""
        if not self.path.exists():
            return ()
        with explained(self.path, "read"):
            content = self.path.read_bytes()
        return tuple(content.split(b"\n")[:-1])

    def append(self, made: Line) -> bytes:
        """See :class:`TrialLines`."""
        folder = self.path.parent
        with explained(self.path, "written"):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder, self.lock_timeout_s):
                lines = self.lines()
                text = made(lines[-1] if lines else None)
                if b"\n" in text:
                    raise ValueError("a trial is one line")
                whole = sum(len(each) + 1 for each in lines)
                with self.path.open("r+b" if self.path.exists() else "x+b") as file:
                    file.truncate(whole)
                    file.seek(whole)
                    file.write(text + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        return text
