"""A part of the feed that stands still: what it would have brought is kept, and caught up with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from riposte.exchange.book import Book
from riposte.exchange.feed import (
    FeedEvent,
    FundingRate,
    HouseQuotes,
    HouseTrade,
    MarkPrice,
    OpenInterest,
)
from riposte.exchange.records import OrderSide

What = Literal["market", "mark", "funding", "open-interest"]
SIDES: tuple[OrderSide, OrderSide] = ("BUY", "SELL")
_PARTS: dict[What, tuple[type, ...]] = {
    "market": (HouseQuotes, HouseTrade, MarkPrice),
    "mark": (MarkPrice,),
    "funding": (FundingRate,),
    "open-interest": (OpenInterest,),
}


def house_levels(book: Book, side: OrderSide) -> list[tuple[int, int]]:
    """The feed's own (ticks, steps) of one side, best first."""
    return [(level.ticks, level.house) for level in book.side(side) if level.house]


@dataclass(slots=True)
class Held:
    """One part of one symbol's feed, held until a time."""

    symbol: str
    what: What
    until_ms: int
    quotes: dict[OrderSide, dict[int, int]] = field(default_factory=dict)
    """The feed's book as it goes on unseen; at first what it had when the hold began."""
    latest: FeedEvent | None = None

    def take(self, event: FeedEvent) -> bool:
        """Keep an event back if it is of this part; whether it was."""
        if event.symbol != self.symbol or not isinstance(event, _PARTS[self.what]):
            return False
        if isinstance(event, HouseQuotes):
            self._quote(event)
        elif not isinstance(event, HouseTrade):  # what traded meanwhile has traded elsewhere
            self.latest = event
        return True

    def _quote(self, event: HouseQuotes) -> None:
        side = self.quotes.setdefault(event.side, {})
        if event.whole:
            side.clear()
        for ticks, steps in event.levels:
            if steps:
                side[ticks] = steps
            else:
                side.pop(ticks, None)

    def caught_up(self, now_ms: int) -> list[FeedEvent]:
        """What brings the exchange to where the feed is now."""
        events: list[FeedEvent] = [
            HouseQuotes(now_ms, self.symbol, side, tuple(levels.items()), whole=True)
            for side, levels in self.quotes.items()
        ]
        last = self.latest
        missed = isinstance(last, FundingRate) and last.settle_ms <= now_ms
        if last is not None and not missed:
            events.append(replace(last, time_ms=now_ms))
        return events


def hold(book: Book, symbol: str, what: What, until_ms: int) -> Held:
    """Hold a part of the feed from now on."""
    quotes: dict[OrderSide, dict[int, int]] = {}
    if what == "market":
        quotes = {side: dict(house_levels(book, side)) for side in SIDES}
    return Held(symbol, what, until_ms, quotes)
