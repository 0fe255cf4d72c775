"""The order book kept at home: a snapshot, then every change the exchange sends, by its rule.

The exchange's rule for futures ("How to manage a local order book correctly"): a change message
covers the updates after ``previous_id`` (``pu``), from ``first_id`` (``U``) to ``final_id``
(``u``). Messages that end before the snapshot's ``lastUpdateId`` are dropped; the first one taken
holds that number or follows it directly; each later one follows the one before
(``pu`` == previous ``u``). Quantities are absolute and 0 removes a level. A message that does not
follow is a *break*: the book then waits for a new snapshot and holds what arrives until it has one,
because a snapshot is usually older than the messages that overtook it.

:class:`OrderBook` is fed one message at a time by a live process, :func:`replay` runs over a whole
record; both call the same compiled functions. An unknown message is never an exception here: what
became of it is an :class:`Outcome`.

A side is an array (2, capacity) of keys and quantities, keys ascending and the best level last; the
key of a bid is its price, of an ask its negated price. So most changes happen near the end. Prices
are compared as they are: equal texts read as equal numbers, so no tick size is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import compiled
from riposte.errors import DataError
from riposte.market.frame import Floats, Times

Mask = NDArray[np.bool_]
Levels = Floats | Sequence[Sequence[str]] | Sequence[Sequence[float]]
"""Levels as the exchange sends them: rows of price and quantity, texts or numbers."""


class Outcome(IntEnum):
    """What became of a message."""

    APPLIED = 0
    """The book holds it now."""
    STALE = 1
    """All of it was in the book already; nothing changed."""
    HELD = 2
    """It waits for a snapshot."""
    BREAK = 3
    """It does not follow the book (messages were lost): a snapshot is needed."""
    UNSOUND = 4
    """It holds a price or a quantity that cannot be; none of it was taken, a snapshot is needed."""


class Sync(IntEnum):
    """Where a book stands."""

    WAITING = 0
    """It needs a snapshot."""
    STARTED = 1
    """It has a snapshot, and no message since."""
    FOLLOWING = 2
    """Snapshot and messages are one unbroken chain."""


# Fields of the status of a book.
_SYNC, _LAST_ID, _BIDS, _ASKS = 0, 1, 2, 3
_FIRST_CAPACITY = 2048


@compiled
def judge(sync: int, last_id: int, first_id: int, final_id: int, previous_id: int) -> Outcome:
    """The rule: what a book that stands at ``last_id`` has to do with a change message."""
    if sync == Sync.WAITING:
        return Outcome.HELD
    if previous_id == last_id:
        return Outcome.APPLIED
    if sync == Sync.STARTED:
        if final_id < last_id:
            return Outcome.STALE
        return Outcome.APPLIED if first_id <= last_id else Outcome.BREAK
    return Outcome.STALE if final_id <= last_id else Outcome.BREAK


@compiled
def set_level(side: Floats, count: int, key: float, quantity: float) -> int:
    """Set, add or remove one level of a side with ``count`` levels; how many it has then."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if side[0, middle] < key:
            low = middle + 1
        else:
            high = middle
    if low < count and side[0, low] == key:
        if quantity > 0.0:
            side[1, low] = quantity
            return count
        for i in range(low, count - 1):
            side[0, i] = side[0, i + 1]
            side[1, i] = side[1, i + 1]
        return count - 1
    if quantity == 0.0:
        return count
    for i in range(count, low, -1):
        side[0, i] = side[0, i - 1]
        side[1, i] = side[1, i - 1]
    side[0, low] = key
    side[1, low] = quantity
    return count + 1


@compiled
def with_room(side: Floats, count: int, more: int) -> Floats:
    """The side itself, or a larger copy where ``more`` levels might not fit."""
    if count + more <= side.shape[1]:
        return side
    larger = np.empty((2, 2 * (count + more)))
    larger[:, :count] = side[:, :count]
    return larger


@compiled
def set_levels(
    bids: Floats, asks: Floats, status: Times, is_bid: Mask, price: Floats, quantity: Floats
) -> bool:
    """Set all levels of a message; or none, with False, if one of them cannot be."""
    for i in range(len(price)):
        if not (0.0 < price[i] < np.inf and 0.0 <= quantity[i] < np.inf):
            return False
    for i in range(len(price)):
        if is_bid[i]:
            status[_BIDS] = set_level(bids, status[_BIDS], price[i], quantity[i])
        else:
            status[_ASKS] = set_level(asks, status[_ASKS], -price[i], quantity[i])
    return True


@compiled
def take_snapshot(
    bids: Floats, asks: Floats, status: Times, last_id: int,
    is_bid: Mask, price: Floats, quantity: Floats,
) -> Outcome:  # fmt: skip
    """Start the book anew from a snapshot, unless the book is already newer."""
    if status[_SYNC] != Sync.WAITING and last_id < status[_LAST_ID]:
        return Outcome.STALE
    status[_BIDS] = 0
    status[_ASKS] = 0
    if not set_levels(bids, asks, status, is_bid, price, quantity):
        status[_SYNC] = Sync.WAITING
        return Outcome.UNSOUND
    status[_LAST_ID] = last_id
    status[_SYNC] = Sync.STARTED
    return Outcome.APPLIED


@compiled
def take_change(
    bids: Floats, asks: Floats, status: Times, first_id: int, final_id: int, previous_id: int,
    is_bid: Mask, price: Floats, quantity: Floats,
) -> Outcome:  # fmt: skip
    """Judge a change message and, where it follows, set its levels."""
    outcome = judge(status[_SYNC], status[_LAST_ID], first_id, final_id, previous_id)
    if outcome == Outcome.APPLIED:
        if set_levels(bids, asks, status, is_bid, price, quantity):
            status[_LAST_ID] = final_id
            status[_SYNC] = Sync.FOLLOWING
        else:
            outcome = Outcome.UNSOUND
    if outcome in (Outcome.BREAK, Outcome.UNSOUND):
        status[_SYNC] = Sync.WAITING
    return outcome


@dataclass(frozen=True, slots=True)
class Depth:
    """What lies within a distance of the middle: coins and USDT. ``whole`` is False where the
    snapshot did not reach that far, so that there may be more than is known."""

    bid_quantity: float
    bid_notional: float
    ask_quantity: float
    ask_notional: float
    whole: bool


@dataclass(frozen=True, slots=True)
class _Change:
    first_id: int
    final_id: int
    previous_id: int
    is_bid: Mask
    price: Floats
    quantity: Floats


class OrderBook:
    """One symbol's book as a live process keeps it; feed it every message in order of arrival.

    ``held`` is how many messages it keeps while it waits for a snapshot, the newest ones. Levels
    farther out than the snapshot reached are known only once they have changed, and old ones may
    be out of date there.
    """

    __slots__ = ("_asks", "_bids", "_held", "_reach", "_status", "symbol")

    def __init__(self, symbol: str, *, held: int = 10_000) -> None:
        self.symbol = symbol
        self._bids: Floats = np.empty((2, _FIRST_CAPACITY))
        self._asks: Floats = np.empty((2, _FIRST_CAPACITY))
        self._status: Times = np.zeros(4, dtype=np.int64)
        self._held: deque[_Change] = deque(maxlen=held)
        self._reach = (np.nan, np.nan)

    def snapshot(self, last_id: int, bids: Levels, asks: Levels) -> Outcome:
        """Take a snapshot and the held messages that follow it.

        APPLIED: the book stands. STALE: it was newer already. BREAK: the snapshot is too old for
        the messages held, or one is missing among them; get a newer one.

        Raises:
            DataError: if the levels are not rows of two numbers.
        """
        is_bid, price, quantity = _levels(self.symbol, bids, asks)
        self._make_room(len(price))
        outcome = take_snapshot(
            self._bids, self._asks, self._status, last_id, is_bid, price, quantity
        )
        if outcome != Outcome.APPLIED:
            return outcome
        bid_count, ask_count = self.levels
        self._reach = (
            self._bids[0, 0] if bid_count else np.nan,
            -self._asks[0, 0] if ask_count else np.nan,
        )
        while self._held:
            outcome = self._take(self._held[0])
            if outcome == Outcome.BREAK:
                return outcome  # it stays held: the next snapshot may lie before it
            self._held.popleft()
            if outcome == Outcome.UNSOUND:
                return outcome
        return Outcome.APPLIED

    def change(
        self, first_id: int, final_id: int, previous_id: int, bids: Levels, asks: Levels
    ) -> Outcome:
        """Take one change message (``U``, ``u``, ``pu``, levels).

        Raises:
            DataError: if the levels are not rows of two numbers.
        """
        message = _Change(first_id, final_id, previous_id, *_levels(self.symbol, bids, asks))
        outcome = self._take(message)
        if outcome in (Outcome.HELD, Outcome.BREAK):
            self._held.append(message)
        return outcome

    def restart(self) -> None:
        """Forget everything, as after a lost connection: the book waits for a snapshot."""
        self._status[:] = 0
        self._held.clear()

    def _take(self, message: _Change) -> Outcome:
        self._make_room(len(message.price))
        return take_change(
            self._bids, self._asks, self._status,
            message.first_id, message.final_id, message.previous_id,
            message.is_bid, message.price, message.quantity,
        )  # fmt: skip

    def _make_room(self, more: int) -> None:
        bids, asks = self.levels
        if max(bids, asks) + more > min(self._bids.shape[1], self._asks.shape[1]):
            self._bids = with_room(self._bids, bids, more)
            self._asks = with_room(self._asks, asks, more)

    @property
    def sync(self) -> Sync:
        """Where it stands; its prices mean something in STARTED and FOLLOWING only."""
        return Sync(int(self._status[_SYNC]))

    @property
    def last_id(self) -> int:
        """The number of the last update in the book."""
        return int(self._status[_LAST_ID])

    @property
    def levels(self) -> tuple[int, int]:
        """How many bids and asks are known."""
        return int(self._status[_BIDS]), int(self._status[_ASKS])

    @property
    def best_bid(self) -> float:
        """The highest price bid (USDT), NaN without bids."""
        count = self._status[_BIDS]
        return float(self._bids[0, count - 1]) if count else np.nan

    @property
    def best_ask(self) -> float:
        """The lowest price asked (USDT), NaN without asks."""
        count = self._status[_ASKS]
        return -float(self._asks[0, count - 1]) if count else np.nan

    @property
    def middle(self) -> float:
        """Half way between the best bid and the best ask (USDT), NaN without one of them."""
        return (self.best_bid + self.best_ask) / 2

    @property
    def crossed(self) -> bool:
        """Whether a bid is at or above an ask: the book is wrong, whatever its numbers say."""
        return self.best_bid >= self.best_ask

    def bids(self, levels: int | None = None) -> Floats:
        """The best bids, rows of price and quantity, the highest first; None for all."""
        return _best(self._bids, self.levels[0], levels, 1.0)

    def asks(self, levels: int | None = None) -> Floats:
        """The best asks, rows of price and quantity, the lowest first; None for all."""
        return _best(self._asks, self.levels[1], levels, -1.0)

    def within(self, fraction: float) -> Depth:
        """Everything not farther than ``fraction`` (0.01: 1 %) from the middle."""
        low, high = self.middle * (1 - fraction), self.middle * (1 + fraction)
        bid_count, ask_count = self.levels
        bids = self._bids[:, np.searchsorted(self._bids[0, :bid_count], low) : bid_count]
        asks = self._asks[:, np.searchsorted(self._asks[0, :ask_count], -high) : ask_count]
        return Depth(
            float(bids[1].sum()),
            float(bids[0] @ bids[1]),
            float(asks[1].sum()),
            float(-asks[0] @ asks[1]),
            bool(self._reach[0] <= low and high <= self._reach[1]),
        )


def _best(side: Floats, count: int, levels: int | None, sign: float) -> Floats:
    wanted = count if levels is None else min(levels, count)
    best = side[:, count - wanted : count][:, ::-1].T.copy()
    best[:, 0] *= sign
    return best


def _levels(symbol: str, bids: Levels, asks: Levels) -> tuple[Mask, Floats, Floats]:
    """Which levels are bids, all prices, all quantities."""
    try:
        rows = np.array([*bids, *asks] or np.empty((0, 2)), dtype=np.float64)
    except ValueError:
        rows = np.empty(0)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise DataError(f"{symbol}: levels of the book are not rows of price and quantity")
    price, quantity = rows.T.copy()
    return np.arange(len(rows)) < len(bids), price, quantity
