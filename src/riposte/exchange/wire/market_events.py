"""What the market streams say: one object per event, in the exchange's short names.

``E`` is when the message was made, ``T`` when the thing happened; ``ps`` names the pair and ``st``
the product line (1: USD-M), as since July 2026 where the recordings show them.
"""

from __future__ import annotations

from collections.abc import Sequence

from riposte.exchange.bars import Bar, ending
from riposte.exchange.book import Book
from riposte.exchange.contract import Contract
from riposte.exchange.events import Liquidated, Marked, Traded
from riposte.exchange.tape import AggTrade, Ticker
from riposte.exchange.units import E8, PPM, show_e8, show_trimmed
from riposte.exchange.wire import market
from riposte.exchange.wire.orders import Json, average_price

Levels = Sequence[tuple[int, int]]


def levels(shown: Contract, rows: Levels) -> list[list[str]]:
    """Prices and quantities as text."""
    return [[shown.price(ticks), shown.quantity(steps)] for ticks, steps in rows]


def depth(
    shown: Contract,
    now_ms: int,
    ids: tuple[int, int, int],
    bids: Levels,
    asks: Levels,
) -> Json:
    """Changed (or best) levels; ``ids`` are the first and last update in it and the last before."""
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "T": now_ms,
        "s": shown.symbol,
        "U": ids[0],
        "u": ids[1],
        "pu": ids[2],
        "b": levels(shown, bids),
        "a": levels(shown, asks),
    }


def book_ticker(shown: Contract, book: Book, now_ms: int) -> Json:
    """Best bid and ask."""
    bid, ask = book.best_bid() or (0, 0), book.best_ask() or (0, 0)
    return {
        "e": "bookTicker",
        "u": book.last_update_id,
        "E": now_ms,
        "T": now_ms,
        "s": shown.symbol,
        "b": shown.price(bid[0]),
        "B": shown.quantity(bid[1]),
        "a": shown.price(ask[0]),
        "A": shown.quantity(ask[1]),
    }


def trade(shown: Contract, event: Traded, now_ms: int) -> Json:
    """One trade."""
    return {
        "e": "trade",
        "E": now_ms,
        "T": event.time_ms,
        "s": shown.symbol,
        "t": event.trade_id,
        "p": shown.price(event.price_ticks),
        "q": shown.quantity(event.quantity),
        "X": "MARKET",
        "m": event.buyer_is_maker,
    }


def agg_trade(shown: Contract, row: AggTrade, now_ms: int) -> Json:
    """Trades of one taker order at one price."""
    said = market.agg_trade(row, shown)
    return {"e": "aggTrade", "E": now_ms, "s": shown.symbol, **said}


def kline(shown: Contract, bar: Bar, interval: str, now_ms: int, *, closed: bool) -> Json:
    """A candle as it stands, or (``closed``) as it ended."""
    return {
        "e": "kline",
        "E": now_ms,
        "s": shown.symbol,
        "k": {
            "t": bar.open_ms,
            "T": ending(interval, bar.open_ms),
            "s": shown.symbol,
            **_candle(shown, bar, interval, closed=closed),
        },
    }


def continuous_kline(
    shown: Contract, bar: Bar, interval: str, now_ms: int, *, closed: bool
) -> Json:
    """The same by pair and contract type."""
    return {
        "e": "continuous_kline",
        "E": now_ms,
        "ps": shown.symbol,
        "ct": "PERPETUAL",
        "k": {
            "t": bar.open_ms,
            "T": ending(interval, bar.open_ms),
            **_candle(shown, bar, interval, closed=closed),
        },
    }


def _candle(shown: Contract, bar: Bar, interval: str, *, closed: bool) -> Json:
    places, lots = shown.price_decimals, shown.quantity_decimals
    return {
        "i": interval,
        "f": bar.first_id,
        "L": bar.last_id,
        "o": show_e8(bar.open, places),
        "c": show_e8(bar.close, places),
        "h": show_e8(bar.high, places),
        "l": show_e8(bar.low, places),
        "v": show_e8(bar.volume, lots),
        "n": bar.count,
        "x": closed,
        "q": show_trimmed(bar.quote),
        "V": show_e8(bar.taker_volume, lots),
        "Q": show_trimmed(bar.taker_quote),
        "B": "0",
    }


def mark_price(event: Marked, now_ms: int) -> Json:
    """Mark and index price, and the coming funding."""
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": event.symbol,
        "p": show_e8(event.mark_e8),
        "i": show_e8(event.index_e8),
        "P": show_e8(event.index_e8),
        "r": show_e8(event.funding_e8),
        "T": event.next_funding_ms,
    }


def mini_ticker(shown: Contract, day: Ticker, now_ms: int) -> Json:
    """The last 24 hours, in short."""
    places = shown.price_decimals
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": shown.symbol,
        "c": show_e8(day.last_e8, places),
        "o": show_e8(day.open_e8, places),
        "h": show_e8(day.high_e8, places),
        "l": show_e8(day.low_e8, places),
        "v": show_e8(day.volume_e8, shown.quantity_decimals),
        "q": show_trimmed(day.quote_e8),
    }


def ticker(shown: Contract, day: Ticker, now_ms: int) -> Json:
    """The last 24 hours."""
    change, percent, average = market.day_change(day, shown)
    said = mini_ticker(shown, day, now_ms)
    return said | {
        "e": "24hrTicker",
        "p": change,
        "P": percent,
        "w": average,
        "Q": shown.quantity(day.last_steps),
        "O": day.open_ms,
        "C": day.close_ms,
        "F": day.first_id,
        "L": day.last_id,
        "n": day.count,
    }


def liquidation(event: Liquidated, now_ms: int) -> Json:
    """A liquidation order of the exchange."""
    order, shown = event.order, event.order.contract
    return {
        "e": "forceOrder",
        "E": now_ms,
        "o": {
            "s": shown.symbol,
            "S": order.side,
            "o": "LIMIT",
            "f": "IOC",
            "q": shown.quantity(order.quantity),
            "p": shown.price(order.price_ticks),
            "ap": average_price(order),
            "X": event.status,
            "l": shown.quantity(event.last_quantity),
            "z": shown.quantity(event.executed),
            "T": event.time_ms,
        },
    }


def contract_info(shown: Contract, now_ms: int) -> Json:
    """A contract's status and brackets."""
    return {
        "e": "contractInfo",
        "E": now_ms,
        "s": shown.symbol,
        "ps": shown.symbol,
        "ct": "PERPETUAL",
        "dt": market.FOREVER_MS,
        "ot": shown.onboard_ms,
        "cs": shown.status,
        "bks": _brackets(shown),
    }


def _brackets(shown: Contract) -> list[Json]:
    """The notional brackets, numbers as the stream writes them."""
    lower = [bracket.leverage for bracket in shown.brackets[1:]] + [0]
    return [
        {
            "bs": bracket.number,
            "bnf": bracket.floor_e8 // E8,
            "bnc": bracket.cap_e8 // E8,
            "mmr": bracket.rate_ppm / PPM,
            "cf": bracket.amount_e8 / E8,
            "mi": below + 1,
            "ma": bracket.leverage,
        }
        for bracket, below in zip(shown.brackets, lower, strict=True)
    ]
