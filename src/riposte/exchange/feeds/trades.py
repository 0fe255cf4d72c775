"""A market from recorded trades, single or aggregated, with a ladder of quotes around them.

Each recorded trade is traded at its price, in its quantity and by its taker; aggregated ones come as
one. The quotes are the model of :mod:`~riposte.exchange.feeds.ladder`; their size follows the
volume of the last minutes. The mark and index price are the last trade's, once a second; the funding
rate is 0. What was recorded before the start is history, as candles of a minute.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np

from riposte.errors import DataError
from riposte.exchange.bars import MINUTE_MS
from riposte.exchange.contract import Contract
from riposte.exchange.feed import FeedEvent, History, HouseTrade, MarkPrice
from riposte.exchange.feeds.chance import seed_of
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.feeds.grid import fitting, milliseconds, steps_of, ticks_of
from riposte.exchange.feeds.ladder import Depth, Ladder
from riposte.exchange.feeds.past import history_of
from riposte.exchange.feeds.rates import funding_events
from riposte.market.interval import INTERVALS, MILLISECOND_NS
from riposte.market.series import Series
from riposte.market.trades import candles

_LATELY = 30
"""Minutes over which recent volume is averaged."""
_MARK_MS = 1_000


@dataclass(frozen=True, slots=True)
class TradeMarket:
    """One contract and its recorded ``trades`` or ``agg_trades``."""

    contract: Contract
    trades: Series


def trade_feed(
    markets: Sequence[TradeMarket],
    start_ms: int,
    end_ms: int,
    *,
    seed: int = 0,
    depth: Depth | None = None,
) -> ComposedFeed:
    """The feed of the trades in ``[start_ms, end_ms)``.

    Raises:
        DataError: if a contract has no trades there.
    """
    tapes = [_Recorded.of(market, start_ms, end_ms) for market in markets]
    return ComposedFeed(
        [tape.contract for tape in tapes],
        start_ms,
        end_ms,
        [partial(_events, tape, start_ms, end_ms, seed, depth) for tape in tapes],
        {tape.contract.symbol: tape.history for tape in tapes},
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One contract's trades, and what was before them."""

    contract: Contract
    trades: Series
    minute_steps: int
    """What was lately traded in a minute as the feed starts."""
    history: History

    @staticmethod
    def of(market: TradeMarket, start_ms: int, end_ms: int) -> _Recorded:
        whole = market.trades
        start_ns, end_ns = start_ms * MILLISECOND_NS, end_ms * MILLISECOND_NS
        trades = whole.between(start_ns, end_ns)
        if not len(trades):
            raise DataError(f"{whole.title}: no trades in the time range of the feed")
        contract = fitting(market.contract, trades["price"], trades["quantity"])
        past = candles(whole.between(None, start_ns), INTERVALS["1m"], partial=True)
        lately = past["volume"][-_LATELY:] if len(past) else _first_minute(trades)
        return _Recorded(
            contract,
            trades,
            int(steps_of(contract, lately).mean()),
            history_of(contract, {"klines": past}, start_ms, len(past)),
        )


def _first_minute(trades: Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    within = milliseconds(trades) < milliseconds(trades)[0] + MINUTE_MS
    return np.array([trades["quantity"][within].sum()])


def _events(
    tape: _Recorded, start_ms: int, end_ms: int, seed: int, depth: Depth | None
) -> Iterator[FeedEvent]:
    yield from heapq.merge(
        funding_events(tape.contract, None, start_ms, end_ms),
        _traded(tape, start_ms, seed, depth),
        key=attrgetter("time_ms"),
    )


def _traded(tape: _Recorded, start_ms: int, seed: int, depth: Depth | None) -> Iterator[FeedEvent]:
    contract, symbol = tape.contract, tape.contract.symbol
    ladder = Ladder(symbol, seed_of(seed, symbol), depth)
    prices = ticks_of(contract, tape.trades["price"])
    steps = steps_of(contract, tape.trades["quantity"])
    makers = tape.trades["buyer_is_maker"]
    lately, minute_ms, within = float(tape.minute_steps), start_ms + MINUTE_MS, 0
    last = int(prices[0])
    ladder.suit(last, int(lately))
    yield MarkPrice(start_ms, symbol, last * contract.tick_e8, last * contract.tick_e8)
    yield from ladder.around(start_ms, last, taker_buys=not makers[0])
    marked_ms = start_ms + _MARK_MS
    for row, at in enumerate(int(time) for time in milliseconds(tape.trades)):
        while marked_ms <= at:
            yield MarkPrice(marked_ms, symbol, last * contract.tick_e8, last * contract.tick_e8)
            marked_ms += _MARK_MS
        while minute_ms <= at:
            lately += (within - lately) / _LATELY
            minute_ms, within = minute_ms + MINUTE_MS, 0
            ladder.suit(last, int(lately))
        last, quantity, maker = int(prices[row]), int(steps[row]), bool(makers[row])
        if not quantity:
            continue
        within += quantity
        yield from ladder.around(at, last, taker_buys=not maker)
        quote = ladder.serve(at, last, quantity, taker_buys=not maker)
        if quote is not None:
            yield quote
        yield HouseTrade(at, symbol, last, quantity, maker)
