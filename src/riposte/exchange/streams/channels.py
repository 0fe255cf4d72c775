"""One channel per stream that somebody listens to: what it takes in, and when it speaks.

A channel hears the core's events of its kind (:meth:`Channel.hear`), and either speaks at once or
keeps what it needs until its time comes (:meth:`Channel.tick`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from riposte.exchange.bars import Bar, opening
from riposte.exchange.core import Exchange
from riposte.exchange.events import (
    ContractChanged,
    Event,
    LevelChanged,
    Liquidated,
    Marked,
    Traded,
)
from riposte.exchange.streams.names import Kind, StreamName
from riposte.exchange.tape import Tape
from riposte.exchange.wire import market_events as wire
from riposte.exchange.wire.orders import Json

Say = Callable[[Json | list[Json]], None]


class Channel(Protocol):
    """What one stream does."""

    hears: tuple[type, ...]
    """Kinds of event it wants."""

    def hear(self, event: Event) -> None:
        """Take one event of its symbol (or any, if it is of all)."""
        ...

    def tick(self, now_ms: int) -> None:
        """Its time has come; for a channel without a period: a batch of events has ended."""
        ...


class Depth:
    """Changed levels since the last message; ids are continuous from message to message.

    The first message comes even if nothing has changed: it covers the id at which the channel
    opened, so that a snapshot fetched meanwhile finds the message that it belongs to.
    """

    hears: tuple[type, ...] = (LevelChanged,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._shown = exchange.contracts[name.symbol]
        self._say = say
        self._first = self._last = exchange.books[name.symbol].last_update_id
        self._before = self._first - 1
        self._waiting = True
        self._sides: dict[str, dict[int, int]] = {"BUY": {}, "SELL": {}}

    def hear(self, event: Event) -> None:
        if not isinstance(event, LevelChanged) or event.update_id <= self._last:
            return  # the book was already so when the channel opened
        if not self._waiting:
            self._first, self._waiting = event.update_id, True
        self._last = event.update_id
        self._sides[event.side][event.price_ticks] = event.quantity

    def tick(self, now_ms: int) -> None:
        if not self._waiting:
            return
        ids = self._first, self._last, self._before
        bids = sorted(self._sides["BUY"].items(), reverse=True)
        asks = sorted(self._sides["SELL"].items())
        self._before, self._waiting = self._last, False
        self._sides = {"BUY": {}, "SELL": {}}
        self._say(wire.depth(self._shown, now_ms, ids, bids, asks))


class PartialDepth:
    """The best levels, whenever the book has changed."""

    hears: tuple[type, ...] = (LevelChanged,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._shown, self._levels = exchange.contracts[name.symbol], name.levels
        self._book, self._say = exchange.books[name.symbol], say
        self._before = -1

    def hear(self, event: Event) -> None:
        """The book itself is looked at when the time comes."""

    def tick(self, now_ms: int) -> None:
        last, before = self._book.last_update_id, self._before
        if last == before:
            return
        bids, asks = self._book.depth(self._levels)
        ids = (before + 1, last, before) if before >= 0 else (last, last, last)
        self._before = last
        self._say(wire.depth(self._shown, now_ms, ids, bids, asks))


class BookTicker:
    """Best bid and ask of one symbol, or of all, whenever they have changed."""

    hears: tuple[type, ...] = (LevelChanged,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._exchange, self._say = exchange, say
        self._symbols = [name.symbol] if name.symbol else list(exchange.contracts)
        self._seen = {symbol: self._best(symbol) for symbol in self._symbols}
        self._changed: set[str] = set()

    def _best(self, symbol: str) -> tuple[object, object]:
        book = self._exchange.books[symbol]
        return book.best_bid(), book.best_ask()

    def hear(self, event: Event) -> None:
        if isinstance(event, LevelChanged):
            self._changed.add(event.symbol)

    def tick(self, now_ms: int) -> None:
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        for symbol in self._symbols:
            if symbol not in changed:
                continue
            best = self._best(symbol)
            if best == self._seen[symbol]:
                continue
            self._seen[symbol] = best
            shown = self._exchange.contracts[symbol]
            self._say(wire.book_ticker(shown, self._exchange.books[symbol], now_ms))


class Trades:
    """Each trade at once."""

    hears: tuple[type, ...] = (Traded,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._shown, self._exchange, self._say = exchange.contracts[name.symbol], exchange, say

    def hear(self, event: Event) -> None:
        if isinstance(event, Traded) and self._exchange.switches.trade_stream:
            self._say(wire.trade(self._shown, event, self._exchange.now_ms))

    def tick(self, now_ms: int) -> None:
        """It has spoken already."""


class AggTrades:
    """Aggregate trades whose moment is over."""

    hears: tuple[type, ...] = ()

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._shown, self._tape, self._say = (
            exchange.contracts[name.symbol],
            tape.symbols[name.symbol],
            say,
        )
        rows = self._tape.agg_trades
        self._told = rows[-1].agg_id if rows else 0

    def hear(self, event: Event) -> None:
        """They are read from the tape."""

    def tick(self, now_ms: int) -> None:
        fresh = []
        for row in reversed(self._tape.agg_trades):
            if row.agg_id <= self._told:
                break
            if row.time_ms < now_ms:  # one of this moment may still grow
                fresh.append(row)
        for row in reversed(fresh):
            self._told = row.agg_id
            self._say(wire.agg_trade(self._shown, row, now_ms))


class Klines:
    """A candle whenever it has changed, and once more when it has ended."""

    hears: tuple[type, ...] = (Traded,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._shown, self._say = exchange.contracts[name.symbol], say
        self._candles = tape.symbols[name.symbol].candles["trade"]
        self._interval = name.interval
        self._write = wire.kline if name.kind == "kline" else wire.continuous_kline
        self._open_ms = opening(name.interval, exchange.now_ms)
        self._changed = False

    def hear(self, event: Event) -> None:
        self._changed = True

    def tick(self, now_ms: int) -> None:
        start = opening(self._interval, now_ms)
        if start != self._open_ms:
            self._candles.roll(now_ms)
            for bar in self._candles.select(self._interval, self._open_ms, start - 1, 1_500):
                self._tell(bar, now_ms, closed=True)
            self._open_ms = start
            self._changed = True
        if self._changed:
            bar_now = self._candles.current(self._interval)
            if bar_now is not None and bar_now.open_ms == start:
                self._tell(bar_now, now_ms, closed=False)
            self._changed = False

    def _tell(self, bar: Bar, now_ms: int, *, closed: bool) -> None:
        self._say(self._write(self._shown, bar, self._interval, now_ms, closed=closed))


class MarkPrices:
    """The newest mark price of one symbol, or a list of all."""

    hears: tuple[type, ...] = (Marked,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._listed, self._say = name.listed, say
        symbols = [name.symbol] if name.symbol else list(exchange.contracts)
        self._newest = {s: _marked(exchange, s) for s in symbols if s in exchange.mark_e8}

    def hear(self, event: Event) -> None:
        if isinstance(event, Marked):
            self._newest[event.symbol] = event

    def tick(self, now_ms: int) -> None:
        said = [wire.mark_price(event, now_ms) for event in self._newest.values()]
        if said:
            self._say(said if self._listed else said[0])


def _marked(exchange: Exchange, symbol: str) -> Marked:
    return Marked(
        exchange.now_ms,
        symbol,
        exchange.mark_e8[symbol],
        exchange.index_e8.get(symbol, 0),
        exchange.funding_e8.get(symbol, 0),
        exchange.next_funding_ms.get(symbol, 0),
    )


class Tickers:
    """The day's statistics of symbols that traded."""

    hears: tuple[type, ...] = (Traded,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._listed, self._say = name.listed, say
        self._contracts, self._tape = exchange.contracts, tape
        self._write = wire.ticker if name.kind == "ticker" else wire.mini_ticker
        symbols: Iterable[str] = [name.symbol] if name.symbol else exchange.contracts
        self._changed = dict.fromkeys(symbols)

    def hear(self, event: Event) -> None:
        if isinstance(event, Traded):
            self._changed[event.symbol] = None

    def tick(self, now_ms: int) -> None:
        changed, self._changed = self._changed, {}
        said = [
            self._write(self._contracts[symbol], day, now_ms)
            for symbol in changed
            if (day := self._tape.symbols[symbol].ticker(now_ms)) is not None
        ]
        if said:
            self._say(said if self._listed else said[0])


class Liquidations:
    """The newest liquidation of each symbol within a second."""

    hears: tuple[type, ...] = (Liquidated,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._say = say
        self._newest: dict[str, Liquidated] = {}

    def hear(self, event: Event) -> None:
        if isinstance(event, Liquidated):
            self._newest[event.order.contract.symbol] = event

    def tick(self, now_ms: int) -> None:
        newest, self._newest = self._newest, {}
        for event in newest.values():
            self._say(wire.liquidation(event, now_ms))


class Contracts:
    """A contract whose rules have changed, at once."""

    hears: tuple[type, ...] = (ContractChanged,)

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        self._exchange, self._say = exchange, say

    def hear(self, event: Event) -> None:
        if isinstance(event, ContractChanged):
            shown = self._exchange.contracts[event.symbol]
            self._say(wire.contract_info(shown, self._exchange.now_ms))

    def tick(self, now_ms: int) -> None:
        """It has spoken already."""


class Nothing:
    """A stream that is there, of which this exchange has nothing to tell."""

    hears: tuple[type, ...] = ()

    def __init__(self, name: StreamName, exchange: Exchange, tape: Tape, say: Say) -> None:
        """It needs nothing."""

    def hear(self, event: Event) -> None:
        """It hears nothing."""

    def tick(self, now_ms: int) -> None:
        """It says nothing."""


KINDS: dict[Kind, Callable[[StreamName, Exchange, Tape, Say], Channel]] = {
    "depth": Depth,
    "partial": PartialDepth,
    "bookTicker": BookTicker,
    "trade": Trades,
    "aggTrade": AggTrades,
    "kline": Klines,
    "continuousKline": Klines,
    "markPrice": MarkPrices,
    "ticker": Tickers,
    "miniTicker": Tickers,
    "forceOrder": Liquidations,
    "contractInfo": Contracts,
    "nothing": Nothing,
}
