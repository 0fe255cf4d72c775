"""A span of time that was asked for, and which of the rows in it are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Row = TypeVar("Row")


class Span(NamedTuple):
    """``startTime`` and ``endTime``, both inclusive, ms; None where it was not sent."""

    start_ms: int | None = None
    end_ms: int | None = None

    def __contains__(self, time_ms: object) -> bool:
        """Whether a time lies in it."""
        return (
            isinstance(time_ms, int)
            and (self.start_ms is None or time_ms >= self.start_ms)
            and (self.end_ms is None or time_ms <= self.end_ms)
        )

    def page(self, rows: Sequence[Row], limit: int, *, first: bool = False) -> Sequence[Row]:
        """The first ``limit`` rows after a start (or ``first``: after an id), else the last."""
        return rows[:limit] if first or self.start_ms is not None else rows[-limit:]
