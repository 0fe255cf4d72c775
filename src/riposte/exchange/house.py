"""The market outside comes in: the feed's quotes, trades, marks and rates."""

from __future__ import annotations

from riposte.exchange.contract import Contract
from riposte.exchange.events import Marked
from riposte.exchange.feed import (
    FeedEvent,
    FundingRate,
    HouseQuotes,
    HouseTrade,
    MarkPrice,
    OpenInterest,
)
from riposte.exchange.matching import level_changed, print_trade, take
from riposte.exchange.records import OrderSide
from riposte.exchange.state import State


def apply(state: State, event: FeedEvent) -> None:
    """Let one feed event happen now."""
    match event:
        case HouseQuotes():
            quote(state, event)
        case HouseTrade():
            trade(state, event)
        case MarkPrice():
            mark(state, event)
        case FundingRate():
            state.funding_e8[event.symbol] = event.rate_e8
            state.next_funding_ms[event.symbol] = event.settle_ms
            state.schedule(event.settle_ms, "funding", event.symbol, event.settle_ms)
            tell_mark(state, event.symbol)
        case OpenInterest():
            state.outside_interest[event.symbol] = event.steps


def quote(state: State, event: HouseQuotes) -> None:
    """Set the house's quantities; a quote that crosses customers' orders fills them first.

    What the house itself has on the other side at crossing prices is withdrawn: the market moved.
    """
    contract = state.contracts[event.symbol]
    book = state.books[event.symbol]
    half = book.side(event.side)
    if event.whole:
        kept = {ticks for ticks, _ in event.levels}
        gone = [level for level in half if level.house and level.ticks not in kept]
        for level in gone:
            half.set_house(level.ticks, 0)
            level_changed(state, book, event.side, level)
    for ticks, wanted in event.levels:
        quantity = _clear_the_way(state, contract, event.side, ticks, wanted) if wanted else 0
        before = half.levels.get(ticks)
        if half.set_house(ticks, quantity):
            level_changed(state, book, event.side, before or half.levels[ticks])


def _clear_the_way(
    state: State, contract: Contract, side: OrderSide, ticks: int, quantity: int
) -> int:
    """Meet what stands on the other side at a quote's price; what of the quote may rest."""
    book = state.books[contract.symbol]
    other = book.against(side)
    while (best := other.best()) is not None and best.ticks * other.sign >= ticks * other.sign:
        if best.house:
            other.set_house(best.ticks, 0)
            level_changed(state, book, other.side, best)
        elif quantity:
            quantity = take(state, contract, side, best.ticks, quantity, None)
        else:
            break
    return quantity


def trade(state: State, event: HouseTrade) -> None:
    """A trade outside takes what rests at its price or better, and prints the rest at its price."""
    contract = state.contracts[event.symbol]
    side: OrderSide = "SELL" if event.buyer_is_maker else "BUY"
    rest = take(state, contract, side, event.price_ticks, event.quantity, None)
    if rest:
        print_trade(
            state,
            contract,
            event.price_ticks,
            rest,
            buyer_is_maker=event.buyer_is_maker,
            trade_id=state.number("trade"),
        )


def mark(state: State, event: MarkPrice) -> None:
    """A new mark and index price."""
    state.mark_e8[event.symbol] = event.mark_e8
    state.index_e8[event.symbol] = event.index_e8
    state.marked.add(event.symbol)
    tell_mark(state, event.symbol)


def tell_mark(state: State, symbol: str) -> None:
    """Tell mark, index and the coming funding."""
    if symbol in state.mark_e8:
        state.outbox.append(
            Marked(
                state.now_ms,
                symbol,
                state.mark_e8[symbol],
                state.index_e8[symbol],
                state.funding_e8.get(symbol, 0),
                state.next_funding_ms.get(symbol, 0),
            )
        )
