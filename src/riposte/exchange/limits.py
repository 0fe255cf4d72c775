"""Request weights and order counts, 429 and 418, by the exchange's own time.

The rules ("LIMITS", Binance): weights count per address and minute; orders per account, in 10
seconds and in a minute. Who goes on after 429 is banned (418): 2 minutes the first time, longer
each time again, up to 3 days.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from riposte.exchange.bars import MINUTE_MS
from riposte.exchange.refusals import TEXTS, Refusal

TEN_SECONDS_MS = 10_000
FIRST_BAN_MS = 2 * MINUTE_MS
LONGEST_BAN_MS = 3 * 24 * 60 * MINUTE_MS
BANNED = (
    "Way too many requests; IP banned until {until}. Please use the websocket for live updates to "
    "avoid bans."
)
STRIKES = 10
"""Requests after a 429, within its minute, that bring a ban."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is allowed."""

    weight_per_minute: int = 2_400
    orders_per_minute: int = 1_200
    orders_per_ten_seconds: int = 300

    def shown(self) -> list[dict[str, object]]:
        """As ``exchangeInfo`` shows them."""
        return [
            {
                "rateLimitType": kind,
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
            }
            for kind, interval, number, limit in (
                ("REQUEST_WEIGHT", "MINUTE", 1, self.weight_per_minute),
                ("ORDERS", "MINUTE", 1, self.orders_per_minute),
                ("ORDERS", "SECOND", 10, self.orders_per_ten_seconds),
            )
        ]


@dataclass(slots=True)
class _Window:
    length_ms: int
    number: int = -1
    used: int = 0

    def count(self, now_ms: int, weight: int) -> int:
        number = now_ms // self.length_ms
        if number != self.number:
            self.number, self.used = number, 0
        self.used += weight
        return self.used


@dataclass(slots=True)
class _Address:
    minute: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    strikes: int = 0
    bans: int = 0
    banned_until_ms: int = 0


@dataclass(slots=True)
class _Orders:
    minute: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    ten_seconds: _Window = field(default_factory=lambda: _Window(TEN_SECONDS_MS))


class TooManyRequests(Refusal):
    """429 or 418, with the time after which to ask again."""

    def __init__(self, status: int, text: str, retry_after_s: int) -> None:
        super().__init__(-1003, status=status, ip="", limit=0)
        self.text = text
        self.retry_after_s = retry_after_s


class RateLimiter:
    """Counts what every address and account does."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, _Orders] = {}

    def weigh(self, address: str, weight: int, now_ms: int) -> int:
        """Count a request; the weight used in this minute, or 429, or 418 while banned."""
        counted = self._addresses.setdefault(address, _Address())
        if now_ms < counted.banned_until_ms:
            raise self._banned(counted, now_ms)
        used = counted.minute.count(now_ms, weight)
        limit = self.limits.weight_per_minute
        if used <= limit:
            counted.strikes = 0
            return used
        counted.strikes += 1
        if counted.strikes > STRIKES:
            self.ban(address, now_ms, min(LONGEST_BAN_MS, FIRST_BAN_MS * 4**counted.bans))
            raise self._banned(counted, now_ms)
        raise TooManyRequests(
            429,
            TEXTS[-1003].format(ip=address, limit=limit),
            (MINUTE_MS - now_ms % MINUTE_MS + 999) // 1000,
        )

    def ban(self, address: str, now_ms: int, length_ms: int) -> None:
        """Refuse an address for a while."""
        counted = self._addresses.setdefault(address, _Address())
        counted.bans += 1
        counted.strikes = 0
        counted.banned_until_ms = now_ms + length_ms

    def _banned(self, counted: _Address, now_ms: int) -> TooManyRequests:
        until = counted.banned_until_ms
        return TooManyRequests(
            418,
            BANNED.format(until=until),
            (until - now_ms + 999) // 1000,
        )

    def count_orders(self, account: str, orders: int, now_ms: int) -> tuple[int, int]:
        """Count orders of an account: (in 10 seconds, in a minute), or -1015."""
        counted = self._orders.setdefault(account, _Orders())
        ten = counted.ten_seconds.count(now_ms, orders)
        minute = counted.minute.count(now_ms, min(1, orders))
        if ten > self.limits.orders_per_ten_seconds:
            limit = self.limits.orders_per_ten_seconds
            raise Refusal(-1015, limit=limit, interval="10 SECOND")
        if minute > self.limits.orders_per_minute:
            raise Refusal(-1015, limit=self.limits.orders_per_minute, interval="1 MINUTE")
        return ten, minute
