"""The exchange's time: running at a multiple of the wall clock, or moved step by step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

NEVER_MS = 1 << 62
"""A time that does not come."""
LONGEST_LEAP_MS = 3_660 * 86_400_000
"""The most that time may be told to leap at once: ten years."""


class Clock(Protocol):
    """Whatever tells the exchange its time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC; never goes back."""
        ...

    def advance(self, milliseconds: int) -> None:
        """Jump ahead."""
        ...

    def hold_at(self, now_ms: int) -> None:
        """Take note that the exchange has only come this far."""
        ...


class RunningClock:
    """``speed`` exchange seconds pass per second of the wall clock; 0 stands still."""

    def __init__(
        self, start_ms: int, speed: float = 1.0, wall: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._base_ms = float(start_ms)
        self._since = wall()
        self._speed = speed
        self._promised_ms = start_ms

    def now_ms(self) -> int:
        """The exchange's time."""
        return int(self._base_ms + (self._wall() - self._since) * 1000 * self._speed)

    @property
    def speed(self) -> float:
        """Exchange seconds per wall second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        wall = self._wall()
        self._base_ms += (wall - self._since) * 1000 * self._speed
        self._since, self._speed = wall, value

    def advance(self, milliseconds: int) -> None:
        """Jump ahead."""
        self._base_ms += milliseconds
        self._promised_ms = self.now_ms()

    def hold_at(self, now_ms: int) -> None:
        """Fall back to what the exchange has really reached, if it can't keep up with this speed.

        A leap by :meth:`advance` is kept, and so is the wall clock's own pace: after a pause (a
        laptop that slept) the exchange must catch up, or its clients' timestamps would never agree
        with its time again.
        """
        if self._speed > 1:
            self._base_ms, self._since = float(max(now_ms, self._promised_ms)), self._wall()


class SteppedClock:
    """Stands still until told: with it a run is the same every time."""

    def __init__(self, start_ms: int) -> None:
        self._now = start_ms

    def now_ms(self) -> int:
        """The exchange's time."""
        return self._now

    def hold_at(self, now_ms: int) -> None:
        """Nothing: it waits anyway."""

    def advance(self, milliseconds: int) -> None:
        """Let time pass; never backwards."""
        if milliseconds < 0:
            raise ValueError("time does not go back")
        self._now += milliseconds
