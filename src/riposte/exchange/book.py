"""The price-time book: at each price a queue of customers' orders and of the feed's quantity.

A side keeps its prices in one sorted list of *keys*, the best one last (a bid's key is its price,
an ask's its negated price), so the best level is read and removed at the end of a list and most
changes happen near it. A queue is an ordered dictionary, so the front is served and any order is
withdrawn in constant time.

The feed's liquidity (the *house*) stands in the same queues. It is known only as a total per price,
so growth joins at the back and shrinkage leaves from the back: a customer never gains or loses a
place by it but by what stood in front being traded.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from riposte.exchange.records import Order, OrderSide

Levels = list[tuple[int, int]]
"""Rows of (ticks, steps), best first."""


@dataclass(slots=True, eq=False)
class Resting:
    """One place in a queue; ``order`` None is the house."""

    order: Order | None
    quantity: int


@dataclass(slots=True, eq=False)
class Level:
    """All that rests at one price."""

    ticks: int
    total: int = 0
    house: int = 0
    """The house's part of ``total``."""
    queue: OrderedDict[int, Resting] = field(default_factory=OrderedDict)
    """Order id → place; places of the house have negative ids."""


class HalfBook:
    """One side of a book."""

    def __init__(self, side: OrderSide) -> None:
        self.side: OrderSide = side
        self.sign = 1 if side == "BUY" else -1
        self.levels: dict[int, Level] = {}
        self.keys: list[int] = []
        self._house_places = 0

    def best(self) -> Level | None:
        """The level that trades first."""
        return self.levels[self.keys[-1] * self.sign] if self.keys else None

    def __iter__(self) -> Iterator[Level]:
        """Levels, best first."""
        sign, levels = self.sign, self.levels
        return (levels[key * sign] for key in reversed(self.keys))

    def level(self, ticks: int) -> Level:
        """The level of a price, made if there is none."""
        level = self.levels.get(ticks)
        if level is None:
            level = self.levels[ticks] = Level(ticks)
            insort(self.keys, ticks * self.sign)
        return level

    def drop_if_empty(self, level: Level) -> None:
        """Forget a level on which nothing rests."""
        if level.total:
            return
        key = level.ticks * self.sign
        if self.keys[-1] == key:
            self.keys.pop()
        else:
            del self.keys[bisect_left(self.keys, key)]
        del self.levels[level.ticks]

    def add(self, order: Order, quantity: int) -> Level:
        """Put an order at the back of its queue."""
        level = self.level(order.price_ticks)
        level.queue[order.order_id] = Resting(order, quantity)
        level.total += quantity
        return level

    def withdraw(self, order: Order) -> Level:
        """Take an order out, wherever it stands."""
        level = self.levels[order.price_ticks]
        level.total -= level.queue.pop(order.order_id).quantity
        self.drop_if_empty(level)
        return level

    def set_house(self, ticks: int, quantity: int) -> bool:
        """Make the house's quantity at a price ``quantity``; whether that changed anything."""
        level = self.levels.get(ticks)
        change = quantity - (level.house if level is not None else 0)
        if not change:
            return False
        if level is None or change > 0:
            level = self.level(ticks)
            self._house_places += 1
            level.queue[-self._house_places] = Resting(None, change)
        else:
            _shrink_from_the_back(level, -change)
        level.total += change
        level.house = quantity
        self.drop_if_empty(level)
        return True

    def serve(self, level: Level, place: int, resting: Resting, quantity: int) -> None:
        """Take ``quantity`` from a place that was filled."""
        resting.quantity -= quantity
        level.total -= quantity
        if resting.order is None:
            level.house -= quantity
        if not resting.quantity:
            del level.queue[place]
        self.drop_if_empty(level)

    def depth(self, limit: int) -> Levels:
        """The best ``limit`` levels."""
        sign, levels = self.sign, self.levels
        return [(key * sign, levels[key * sign].total) for key in self.keys[: -limit - 1 : -1]]


def _shrink_from_the_back(level: Level, quantity: int) -> None:
    for place in reversed(list(level.queue)):
        resting = level.queue[place]
        if resting.order is not None:
            continue
        taken = min(quantity, resting.quantity)
        resting.quantity -= taken
        quantity -= taken
        if not resting.quantity:
            del level.queue[place]
        if not quantity:
            return


class Book:
    """Both sides of one contract."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids = HalfBook("BUY")
        self.asks = HalfBook("SELL")
        self.last_update_id = 0

    def side(self, side: OrderSide) -> HalfBook:
        """The half on which orders of ``side`` rest."""
        return self.bids if side == "BUY" else self.asks

    def against(self, side: OrderSide) -> HalfBook:
        """The half that an order of ``side`` takes from."""
        return self.asks if side == "BUY" else self.bids

    def best_bid(self) -> tuple[int, int] | None:
        """(ticks, steps) of the best bid."""
        level = self.bids.best()
        return None if level is None else (level.ticks, level.total)

    def best_ask(self) -> tuple[int, int] | None:
        """(ticks, steps) of the best ask."""
        level = self.asks.best()
        return None if level is None else (level.ticks, level.total)

    def depth(self, limit: int) -> tuple[Levels, Levels]:
        """Bids and asks, best first."""
        return self.bids.depth(limit), self.asks.depth(limit)
