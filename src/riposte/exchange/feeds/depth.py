"""A recorded order book: its snapshots and changes as the house's quotes, its trades as trades.

With no customers the exchange's book equals the recorded one after each update. A trade takes from
the book at once; the update that follows states what was really left, also of levels that were
refilled meanwhile and that it therefore does not name.

The mark and index price are the recorded ones; where none were recorded both are the middle between
the best bid and ask, once a second. No funding was recorded: the rate is 0.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter, itemgetter

import numpy as np

from riposte.errors import DataError
from riposte.exchange.contract import Contract
from riposte.exchange.feed import FeedEvent, HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.feeds.grid import Whole, fitting, milliseconds, steps_of, ticks_of
from riposte.exchange.feeds.rates import funding_events
from riposte.exchange.records import OrderSide
from riposte.exchange.units import E8
from riposte.market.interval import MILLISECOND_NS
from riposte.market.replay import DepthChanges, replay
from riposte.market.series import Series

_MIDDLE_MS = 1_000


@dataclass(frozen=True, slots=True)
class RecordedBook:
    """One contract's recording; ``mark`` and ``index`` None where they were not recorded."""

    contract: Contract
    depth: DepthChanges
    trades: Series
    mark: Series | None = None
    index: Series | None = None


def depth_feed(books: Sequence[RecordedBook]) -> ComposedFeed:
    """The feed of recordings of one time, from the moment at which all books are known.

    Raises:
        DataError: if a book has no snapshot, or the recordings do not overlap.
    """
    sessions = [_Session.of(book) for book in books]
    start_ms = max(int(session.times_ms[0]) for session in sessions)
    end_ms = min(session.end_ms for session in sessions)
    if start_ms >= end_ms:
        raise DataError("the recorded books are of different times: choose those of one session")
    return ComposedFeed(
        [session.contract for session in sessions],
        start_ms,
        end_ms,
        [partial(_events, session, start_ms, end_ms) for session in sessions],
    )


@dataclass(frozen=True, slots=True)
class _Session:
    """One recording: messages in the order a book takes them, with their times."""

    contract: Contract
    record: RecordedBook
    messages: Whole
    times_ms: Whole
    ticks: Whole
    steps: Whole
    end_ms: int

    @staticmethod
    def of(record: RecordedBook) -> _Session:
        depth, trades = record.depth, record.trades
        taken = replay(depth)
        if not len(taken):
            raise DataError(f"{depth.title}: no snapshot to start the book from")
        prices = np.concatenate([depth.price, trades["price"]])
        contract = fitting(
            record.contract, prices, np.concatenate([depth.quantity, trades["quantity"]])
        )
        times_ms = np.maximum.accumulate(taken.event_time // MILLISECOND_NS)
        last = [int(times_ms[-1]), *(int(t) for t in milliseconds(trades)[-1:])]
        return _Session(
            contract,
            record,
            taken.message,
            times_ms,
            ticks_of(contract, depth.price),
            steps_of(contract, depth.quantity),
            max(last) + 1,
        )


class _Book:
    """The recorded book as it is played: what each level really holds, and where trades took."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.sides: dict[OrderSide, dict[int, int]] = {"BUY": {}, "SELL": {}}
        self.reached: dict[OrderSide, int | None] = {"BUY": None, "SELL": None}
        """How far trades reached into each side since the last update, ticks."""

    def fold(self, session: _Session, message: int) -> dict[OrderSide, dict[int, int]]:
        """Take one message; the levels it names, by side."""
        depth = session.record.depth
        if depth.is_snapshot[message]:
            self.sides = {"BUY": {}, "SELL": {}}
        rows = slice(int(depth.start[message]), int(depth.start[message + 1]))
        named: dict[OrderSide, dict[int, int]] = {"BUY": {}, "SELL": {}}
        for is_bid, ticks, steps in zip(
            depth.is_bid[rows].tolist(),
            session.ticks[rows].tolist(),
            session.steps[rows].tolist(),
            strict=True,
        ):
            side: OrderSide = "BUY" if is_bid else "SELL"
            named[side][ticks] = steps
            if steps:
                self.sides[side][ticks] = steps
            else:
                self.sides[side].pop(ticks, None)
        return named

    def whole(self, time_ms: int) -> Iterator[HouseQuotes]:
        """All that it holds."""
        for side, levels in self.sides.items():
            self.reached[side] = None
            yield HouseQuotes(time_ms, self.symbol, side, tuple(levels.items()), whole=True)

    def changed(
        self, time_ms: int, named: dict[OrderSide, dict[int, int]]
    ) -> Iterator[HouseQuotes]:
        """What a message named, and what trades took that it did not name."""
        for side, levels in named.items():
            limit, self.reached[side] = self.reached[side], None
            if limit is not None:
                sign = 1 if side == "BUY" else -1
                for ticks, steps in self.sides[side].items():
                    if ticks * sign >= limit * sign:
                        levels.setdefault(ticks, steps)
            if levels:
                yield HouseQuotes(time_ms, self.symbol, side, tuple(levels.items()))

    def reach(self, ticks: int, *, buyer_is_maker: bool) -> None:
        """Take note of a trade at a price."""
        side: OrderSide = "BUY" if buyer_is_maker else "SELL"
        limit = self.reached[side]
        further = min if buyer_is_maker else max
        self.reached[side] = ticks if limit is None else further(limit, ticks)

    def middle_e8(self, contract: Contract) -> int | None:
        """Halfway between the best bid and ask."""
        bids, asks = self.sides["BUY"], self.sides["SELL"]
        if not bids or not asks:
            return None
        return (max(bids) + min(asks)) * contract.tick_e8 // 2


def _events(session: _Session, start_ms: int, end_ms: int) -> Iterator[FeedEvent]:
    record = session.record
    marks = _marks(session, start_ms, end_ms) if record.mark is not None else iter(())
    yield from heapq.merge(
        marks,
        funding_events(session.contract, None, start_ms, end_ms),
        _played(session, start_ms, end_ms),
        key=attrgetter("time_ms"),
    )


def _played(session: _Session, start_ms: int, end_ms: int) -> Iterator[FeedEvent]:
    """The book and its trades; of one millisecond the trades first, for the update includes them."""
    contract, symbol = session.contract, session.contract.symbol
    book = _Book(symbol)
    first = int(np.searchsorted(session.times_ms, start_ms, side="right"))
    for row in range(first):
        book.fold(session, int(session.messages[row]))
    marked_ms = start_ms if session.record.mark is None else end_ms
    if marked_ms == start_ms:
        yield from _middle(book, contract, marked_ms)
        marked_ms += _MIDDLE_MS
    yield from book.whole(start_ms)
    updates = enumerate(session.times_ms[first:].tolist(), first)
    for at, row, trade in heapq.merge(
        _trades(session, start_ms, end_ms),
        ((at, row, None) for row, at in updates if at < end_ms),
        key=itemgetter(0),
    ):
        while marked_ms <= at and marked_ms < end_ms:
            yield from _middle(book, contract, marked_ms)
            marked_ms += _MIDDLE_MS
        if trade is not None:
            book.reach(trade.price_ticks, buyer_is_maker=trade.buyer_is_maker)
            yield trade
            continue
        message = int(session.messages[row])
        named = book.fold(session, message)
        if session.record.depth.is_snapshot[message]:
            yield from book.whole(at)
        else:
            yield from book.changed(at, named)


def _trades(
    session: _Session, start_ms: int, end_ms: int
) -> Iterator[tuple[int, int, HouseTrade | None]]:
    """(time, row, trade), after the book's start."""
    trades, contract = session.record.trades, session.contract
    ticks, steps = (
        ticks_of(contract, trades["price"]).tolist(),
        steps_of(contract, trades["quantity"]).tolist(),
    )
    maker = trades["buyer_is_maker"].tolist()
    for row, at in enumerate(milliseconds(trades).tolist()):
        if start_ms < at < end_ms and steps[row]:
            trade = HouseTrade(at, contract.symbol, ticks[row], steps[row], bool(maker[row]))
            yield at, row, trade


def _middle(book: _Book, contract: Contract, at_ms: int) -> Iterator[MarkPrice]:
    middle = book.middle_e8(contract)
    if middle is not None:
        yield MarkPrice(at_ms, contract.symbol, middle, middle)


def _marks(session: _Session, start_ms: int, end_ms: int) -> Iterator[MarkPrice]:
    """The recorded mark and index prices, the last before the start first."""
    mark, index = session.record.mark, session.record.index
    assert mark is not None
    times = milliseconds(mark)
    beside = mark["mark_price"]
    if index is not None:
        rows = np.searchsorted(index.event_time, mark.event_time, side="right") - 1
        beside = index["index_price"][np.maximum(rows, 0)]
    first = max(0, int(np.searchsorted(times, start_ms, side="right")) - 1)
    for row in range(first, int(np.searchsorted(times, end_ms))):
        yield MarkPrice(
            max(int(times[row]), start_ms),
            session.contract.symbol,
            round(float(mark["mark_price"][row]) * E8),
            round(float(beside[row]) * E8),
        )
