"""A feed played from end to end on an exchange without customers."""

from __future__ import annotations

from collections.abc import Iterable

from riposte.exchange.bars import Bar
from riposte.exchange.core import Exchange
from riposte.exchange.feed import Feed
from riposte.exchange.journal import Journal
from riposte.exchange.tape import Tape
from riposte.exchange.units import E8


def played(feed: Feed) -> tuple[Exchange, Tape]:
    """The exchange and its tape at the feed's end."""
    exchange = Exchange(feed.contracts, start_ms=feed.start_ms, journal=Journal(keep=False))
    histories = {c.symbol: feed.history(c.symbol) for c in feed.contracts}
    tape = Tape(feed.contracts, {name: past for name, past in histories.items() if past})
    for event in feed.events():
        exchange.apply(event)
        for told in exchange.take_events():
            tape.take(told)
    for each in tape.symbols.values():
        for candles in each.candles.values():
            candles.roll(feed.end_ms)
    return exchange, tape


def bars_of(tape: Tape, feed: Feed, symbol: str, kind: str, interval: str) -> list[Bar]:
    """The candles of the feed's time."""
    candles = tape.symbols[symbol].candles[kind]
    return candles.select(interval, feed.start_ms, feed.end_ms - 1, 10_000)


def e8(values: Iterable[float]) -> list[int]:
    return [round(float(value) * E8) for value in values]
