"""Durations and bar intervals. Everything inside counts int64 nanoseconds, UTC.

A window or a barrier is written as a duration ("24h"), never as a number of bars, so that the same
settings mean the same thing on 1m and on 1h bars.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from riposte.errors import InputError, nearest

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000 * MILLISECOND_NS
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

_UNIT_NS = {"s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}
_DURATION = re.compile(r"\s*(\d+)\s*([smhdw])\s*")


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as ``90s``, ``5m``, ``24h``, ``7d``.

    Raises:
        InputError: if the text is not a positive whole number followed by s, m, h, d or w.
    """
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise InputError(
            f"duration {text!r} is not understood: write a whole number and a unit, "
            "one of s, m, h, d, w (for example 24h)"
        )
    return int(match[1]) * _UNIT_NS[match[2]]


def format_duration(duration_ns: int) -> str:
    """The shortest exact text of a duration: ``86_400 s`` is ``1d``."""
    for unit, size in (("w", 7 * DAY_NS), ("d", DAY_NS), ("h", HOUR_NS), ("m", MINUTE_NS)):
        if duration_ns >= size and duration_ns % size == 0:
            return f"{duration_ns // size}{unit}"
    return f"{duration_ns / SECOND_NS:g}s"


@dataclass(frozen=True, slots=True)
class Interval:
    """The length of one bar, by its exchange name ("1m", "5m", "1h") and in nanoseconds."""

    name: str
    ns: int

    def bars(self, duration_ns: int) -> int:
        """How many whole bars the duration holds, at least one."""
        return max(1, duration_ns // self.ns)

    @property
    def bars_per_year(self) -> float:
        """Bars in a year of 365 days: these markets never close."""
        return 365 * DAY_NS / self.ns

    def __str__(self) -> str:
        return self.name


# The exchange makes no candles of seconds: bars this short are made here, of trades and the book.
INTERVALS = {
    name: Interval(name, parse_duration(name))
    for name in (
        "1s",
        "5s",
        "15s",
        "1m",
        "3m",
        "5m",
        "15m",
        "30m",
        "1h",
        "2h",
        "4h",
        "6h",
        "8h",
        "12h",
        "1d",
    )
}


def parse_interval(name: str) -> Interval:
    """The interval of that name; refuses others with the nearest right one."""
    try:
        return INTERVALS[name]
    except KeyError:
        raise InputError(
            f"interval {name!r} is not known: use one of {', '.join(INTERVALS)}"
            + nearest(name, INTERVALS)
        ) from None
