"""The names of market streams: what they ask for, how often it comes, on which route it is served.

Routes and speeds as of the split of April 2026 ("Important WebSocket Change Notice", Binance; the
official SDK's ``public_api`` and ``market_api``).
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from riposte.exchange.bars import INTERVALS

Route = Literal["public", "market", "private", "legacy"]
Kind = Literal[
    "depth",
    "partial",
    "bookTicker",
    "trade",
    "aggTrade",
    "kline",
    "continuousKline",
    "markPrice",
    "ticker",
    "miniTicker",
    "forceOrder",
    "contractInfo",
    "nothing",
]


@dataclass(frozen=True, slots=True)
class StreamName:
    """A stream that exists."""

    text: str
    kind: Kind
    symbol: str = ""
    """Upper case; empty: all symbols."""
    every_ms: int = 0
    """How often it comes; 0: at once."""
    interval: str = ""
    levels: int = 0
    listed: bool = False
    """Whether one message lists all symbols (``@arr``)."""

    def served_on(self, route: Route) -> bool:
        """Whether a route carries it; ``@trade``, which no document lists, comes on both."""
        if route == "legacy" or self.kind == "trade":
            return route != "private"
        public = self.kind in ("depth", "partial", "bookTicker")
        return route == ("public" if public else "market")


_ALL: dict[str, tuple[Kind, int, bool]] = {
    "!bookTicker": ("bookTicker", 5_000, False),
    "!markPrice@arr": ("markPrice", 3_000, True),
    "!markPrice@arr@1s": ("markPrice", 1_000, True),
    "!ticker@arr": ("ticker", 1_000, True),
    "!miniTicker@arr": ("miniTicker", 1_000, True),
    "!forceOrder@arr": ("forceOrder", 1_000, False),
    "!contractInfo": ("contractInfo", 0, False),
    "!assetIndex@arr": ("nothing", 0, True),
    "tradingSession": ("nothing", 0, False),
}
_ONE: dict[str, tuple[Kind, int]] = {
    "bookTicker": ("bookTicker", 0),
    "trade": ("trade", 0),
    "aggTrade": ("aggTrade", 100),
    "markPrice": ("markPrice", 3_000),
    "markPrice@1s": ("markPrice", 1_000),
    "ticker": ("ticker", 2_000),
    "miniTicker": ("miniTicker", 2_000),
    "forceOrder": ("forceOrder", 1_000),
    "rpiDepth@500ms": ("depth", 500),
    "compositeIndex": ("nothing", 0),
}
_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|250|500)ms)?")


def parse_stream(text: str, symbols: Container[str]) -> StreamName | None:
    """The stream of a name, or None if there is none.

    ``symbols`` are the listed ones, in upper case; names carry them in lower case.
    """
    if text in _ALL:
        kind, every_ms, listed = _ALL[text]
        return StreamName(text, kind, every_ms=every_ms, listed=listed)
    head, _, tail = text.partition("@")
    pair, _, contract = head.partition("_")
    symbol = pair.upper()
    if symbol not in symbols or head != head.lower() or contract not in ("", "perpetual"):
        return None
    if contract:
        interval = tail.removeprefix("continuousKline_")
        if interval == tail or interval not in INTERVALS:
            return None
        return StreamName(text, "continuousKline", symbol, 250, interval)
    if tail in _ONE:
        kind, every_ms = _ONE[tail]
        return StreamName(text, kind, symbol, every_ms)
    if tail.startswith("kline_") and tail[6:] in INTERVALS:
        return StreamName(text, "kline", symbol, 250, tail[6:])
    match = _DEPTH.fullmatch(tail)
    if match is None:
        return None
    levels, every_ms = int(match[1] or 0), int(match[2] or 250)
    return StreamName(text, "partial" if levels else "depth", symbol, every_ms, levels=levels)
