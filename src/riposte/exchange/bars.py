"""Candles of every interval the exchange serves, built once and folded upwards.

A trade changes only the finest bar; when that bar ends it is folded into the bars of the longer
intervals. Weeks begin on Monday, months on their first day, all in UTC.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05

FIXED_MS = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
}
INTERVALS = (*FIXED_MS, "1w", "1M")


@dataclass(slots=True)
class Bar:
    """One candle. Prices USDT e8 (of a premium: fraction e8), volume coins e8, quote USDT e8."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote: int = 0
    count: int = 0
    taker_volume: int = 0
    taker_quote: int = 0
    first_id: int = -1
    last_id: int = -1
    still: bool = False
    """Nothing happened in it: it only repeats the last price."""

    def fold(self, later: Bar) -> None:
        """Take a bar that follows inside this one; its first price is that of what happened first."""
        if self.still and not later.still:
            self.open, self.high, self.low, self.still = later.open, later.high, later.low, False
        elif not later.still:
            self.high = max(self.high, later.high)
            self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.count += later.count
        self.taker_volume += later.taker_volume
        self.taker_quote += later.taker_quote
        self.first_id = later.first_id if self.first_id < 0 else self.first_id
        self.last_id = later.last_id if later.last_id >= 0 else self.last_id


def opening(interval: str, time_ms: int) -> int:
    """When the bar of an interval that holds this time opened."""
    length = FIXED_MS.get(interval)
    if length is not None:
        return time_ms - time_ms % length
    if interval == "1w":
        return time_ms - (time_ms - _MONDAY_MS) % WEEK_MS
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp() * 1000)


def ending(interval: str, open_ms: int) -> int:
    """The last millisecond of the bar that opened at ``open_ms``."""
    length = FIXED_MS.get(interval) or (WEEK_MS if interval == "1w" else 0)
    return open_ms + length - 1 if length else opening("1M", open_ms + 32 * DAY_MS) - 1


class Candles:
    """The bars of one price in all intervals; history first, then what is added."""

    def __init__(self, history: Iterable[Bar] = (), history_ms: int = MINUTE_MS) -> None:
        self._closed: dict[str, list[Bar]] = {name: [] for name in INTERVALS}
        self._folding: dict[str, Bar] = {}
        self._minute: Bar | None = None
        self._close = 0
        self._reached_ms = 0
        """Opening of the first minute that is not folded yet; 0 before there is any bar."""
        for bar in history:
            self._close, self._reached_ms = bar.close, bar.open_ms + history_ms
            for name in INTERVALS:
                if (FIXED_MS.get(name) or WEEK_MS) >= history_ms:
                    self._fold(name, bar)

    def _fold(self, name: str, bar: Bar) -> None:
        start = opening(name, bar.open_ms)
        folding = self._folding.get(name)
        if folding is not None and folding.open_ms == start:
            folding.fold(bar)
            return
        if folding is not None:
            self._closed[name].append(folding)
        self._folding[name] = replace(bar, open_ms=start)

    def add(self, bar: Bar) -> None:
        """Take one observation: a bar whose ``open_ms`` is its time."""
        minute = self._minute
        start = bar.open_ms - bar.open_ms % MINUTE_MS
        if minute is not None and minute.open_ms == start:
            minute.fold(bar)
            return
        self.roll(bar.open_ms)
        bar.open_ms = start
        self._minute = bar

    def roll(self, now_ms: int) -> None:
        """End the minutes that are over; one without a trade is flat at the last price."""
        start = now_ms - now_ms % MINUTE_MS
        minute = self._minute
        if minute is not None and minute.open_ms < start:
            self._end(minute)
            self._minute = None
        if self._minute is None and self._reached_ms:
            while self._reached_ms < start:
                flat = self._close
                self._end(Bar(self._reached_ms, flat, flat, flat, flat, still=True))

    def _end(self, minute: Bar) -> None:
        for name in INTERVALS:
            self._fold(name, minute)
        self._close, self._reached_ms = minute.close, minute.open_ms + MINUTE_MS

    def current(self, interval: str) -> Bar | None:
        """The newest bar, which may not have ended."""
        folding, minute = self._folding.get(interval), self._minute
        if minute is None:
            return folding
        start = opening(interval, minute.open_ms)
        if folding is None or folding.open_ms != start:
            return replace(minute, open_ms=start)
        whole = replace(folding)
        whole.fold(minute)
        return whole

    def select(
        self, interval: str, start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Bar]:
        """Bars that opened from ``start_ms`` to ``end_ms``: the first ``limit`` of them after a
        start, else the last."""
        closed = self._closed[interval]
        tail = []
        folding, newest = self._folding.get(interval), self.current(interval)
        if folding is not None and newest is not None and folding.open_ms != newest.open_ms:
            tail.append(folding)
        if newest is not None:
            tail.append(newest)
        low = 0 if start_ms is None else bisect_left(closed, start_ms, key=_open_ms)
        high = len(closed) if end_ms is None else bisect_left(closed, end_ms + 1, key=_open_ms)
        after = [
            bar
            for bar in tail
            if (start_ms is None or bar.open_ms >= start_ms)
            and (end_ms is None or bar.open_ms <= end_ms)
        ]
        if start_ms is not None:
            return [*closed[low : min(high, low + limit)], *after][:limit]
        return [*closed[max(low, high - limit) : high], *after][-limit:]

    def finest(self, since_ms: int) -> str:
        """The finest interval whose bars reach back to a time, else the one that reaches furthest."""
        for name in INTERVALS:
            closed = self._closed[name]
            if closed and closed[0].open_ms <= since_ms:
                return name
        return min(
            (name for name in INTERVALS if self._closed[name]),
            key=lambda name: self._closed[name][0].open_ms,
            default="1m",
        )


def _open_ms(bar: Bar) -> int:
    return bar.open_ms
