"""What a feed brings: the market outside, in time order, and the history before it begins.

A feed is liquidity and prices, not accounts: its quotes rest in the book as orders of the *house*,
and its trades take from the book as market orders of the house, so customers' orders keep their
place in the queue and are filled by what comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from riposte.exchange.bars import Bar
from riposte.exchange.contract import Contract
from riposte.exchange.records import OrderSide


@dataclass(frozen=True, slots=True)
class HouseQuotes:
    """The house's total quantity (steps) at some prices (ticks) of one side.

    With ``whole`` the levels are the whole side: what the house had elsewhere is withdrawn.
    """

    time_ms: int
    symbol: str
    side: OrderSide
    levels: tuple[tuple[int, int], ...]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class HouseTrade:
    """A trade that happened outside: the house takes ``quantity`` steps up to ``price_ticks``.

    What no resting order answers is printed as a trade between strangers (volume is volume).
    """

    time_ms: int
    symbol: str
    price_ticks: int
    quantity: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class MarkPrice:
    """Mark and index price, USDT e8."""

    time_ms: int
    symbol: str
    mark_e8: int
    index_e8: int


@dataclass(frozen=True, slots=True)
class FundingRate:
    """The rate (e8, signed: positive is paid by longs) that will be settled at ``settle_ms``."""

    time_ms: int
    symbol: str
    rate_e8: int
    settle_ms: int


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open interest outside, steps."""

    time_ms: int
    symbol: str
    steps: int


FeedEvent = HouseQuotes | HouseTrade | MarkPrice | FundingRate | OpenInterest


@dataclass(frozen=True, slots=True)
class History:
    """What happened in a contract before the exchange opened, in time order.

    ``bars`` are of ``interval_ms``; ``marks`` and ``indices`` are (open_ms, open, high, low, close)
    of the same length; ``funding`` is (time_ms, rate e8, mark e8); ``open_interest`` is (time_ms,
    steps, value e8). Prices and volumes e8.
    """

    interval_ms: int
    bars: tuple[Bar, ...] = ()
    marks: tuple[Bar, ...] = ()
    indices: tuple[Bar, ...] = ()
    funding: tuple[tuple[int, int, int], ...] = ()
    open_interest: tuple[tuple[int, int, int], ...] = ()


class Feed(Protocol):
    """A market to trade on."""

    contracts: Sequence[Contract]
    start_ms: int
    """Virtual time at which the exchange opens; everything in :meth:`events` is at or after it."""
    end_ms: int
    """When the feed has nothing more to bring."""

    def history(self, symbol: str) -> History | None:
        """What happened before ``start_ms``, or None."""
        ...

    def events(self) -> Iterator[FeedEvent]:
        """All events from ``start_ms``, in time order; a fresh iterator each time, same values."""
        ...
