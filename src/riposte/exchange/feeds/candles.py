"""A market from recorded candles, mark and index prices, funding and open interest.

With no customers the exchange's own candles are the recorded ones: each candle becomes trades
(:mod:`~riposte.exchange.feeds.path`) in a ladder of quotes (:mod:`~riposte.exchange.feeds.ladder`).
Customers' orders fill against both and may add trades, also at other prices; what was recorded is
traded all the same.

Mark and index price keep the ratio to the last trade that was recorded at the ends of bars, in
between by time, and are told every ``mark_ms`` and at each bar's last millisecond, where they are
exactly the recorded values. Without a record both are the last price. The coming funding rate is
told as an estimate that goes from the last settled rate to the coming one in eight equal steps;
where none is recorded it is 0, every eight hours.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter

import numpy as np

from riposte.errors import DataError
from riposte.exchange.bars import MINUTE_MS
from riposte.exchange.contract import Contract
from riposte.exchange.feed import FeedEvent, HouseTrade, MarkPrice
from riposte.exchange.feeds.chance import Draws, seed_of
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.feeds.grid import PRICES, Candles, Whole, candles_of, fitting, unreachable
from riposte.exchange.feeds.ladder import Depth, Ladder
from riposte.exchange.feeds.past import history_of
from riposte.exchange.feeds.path import Candle, Print, prints_of
from riposte.exchange.feeds.rates import Ratios, funding_events, interest_events, ratios_of
from riposte.exchange.units import E8
from riposte.market.frame import Floats
from riposte.market.interval import MILLISECOND_NS
from riposte.market.series import Series

_LATELY = 30
"""Bars over which recent volume is averaged."""


@dataclass(frozen=True, slots=True)
class Detail:
    """How much happens: a trade every ``trade_ms`` (``most_trades`` a bar at the most), a mark
    price every ``mark_ms``, ``history_bars`` of history."""

    trade_ms: int = 2_500
    most_trades: int = 240
    mark_ms: int = 1_000
    history_bars: int = 20_000
    depth: Depth = field(default_factory=Depth)


@dataclass(frozen=True, slots=True)
class CandleMarket:
    """One contract and its recorded series by kind: ``klines`` at least, then ``mark``, ``index``,
    ``premium``, ``funding`` and ``open_interest``."""

    contract: Contract
    series: Mapping[str, Series]


def candle_feed(
    markets: Sequence[CandleMarket],
    start_ms: int,
    end_ms: int,
    *,
    seed: int = 0,
    detail: Detail | None = None,
) -> ComposedFeed:
    """The feed of the candles that open in ``[start_ms, end_ms)``; those before are history.

    Tick and step are those of the contract, or finer if the record needs it.

    Raises:
        DataError: if a contract has no candles there, or they contradict themselves.
    """
    detail = detail or Detail()
    tapes = [_Recorded.of(market, start_ms, end_ms, seed, detail) for market in markets]
    flawed = [(tape.contract.symbol, unreachable(tape.candles)) for tape in tapes]
    return ComposedFeed(
        [tape.contract for tape in tapes],
        start_ms,
        end_ms,
        [partial(_events, tape) for tape in tapes],
        {
            tape.contract.symbol: history_of(
                tape.contract, market.series, start_ms, detail.history_bars
            )
            for tape, market in zip(tapes, markets, strict=True)
        },
        tuple(
            f"{symbol}: {count} candles hold too little volume for their prices to have been traded; "
            "their volume and close are kept"
            for symbol, count in flawed
            if count
        ),
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One contract, ready to be played."""

    contract: Contract
    candles: Candles
    length_ms: int
    minute_steps: Sequence[int]
    """What was lately traded in a minute, as each candle opens."""
    ratios: Ratios
    series: Mapping[str, Series]
    start_ms: int
    end_ms: int
    seed: int
    detail: Detail

    @staticmethod
    def of(
        market: CandleMarket, start_ms: int, end_ms: int, seed: int, detail: Detail
    ) -> _Recorded:
        whole = market.series["klines"]
        if whole.interval is None:
            raise DataError(f"{whole.title}: candles without an interval")
        klines = whole.between(start_ms * MILLISECOND_NS, end_ms * MILLISECOND_NS)
        if not len(klines):
            raise DataError(f"{whole.title}: no candles in the time range of the feed")
        prices = np.concatenate([klines[name] for name in PRICES])
        contract = fitting(market.contract, prices, klines["volume"])
        length_ms = whole.interval.ns // MILLISECOND_NS
        before = whole.between(None, start_ms * MILLISECOND_NS)
        per_minute = _lately(before["volume"], klines["volume"]) * (
            MINUTE_MS / length_ms * E8 / contract.step_e8
        )
        return _Recorded(
            contract,
            candles_of(contract, klines),
            length_ms,
            [int(steps) for steps in per_minute],
            ratios_of(market.series, length_ms),
            market.series,
            start_ms,
            end_ms,
            seed_of(seed, contract.symbol),
            detail,
        )

    def candle(self, row: int) -> Candle:
        """One of its candles."""
        bars = self.candles
        return Candle(
            int(bars.open_ms[row]),
            self.length_ms,
            int(bars.open[row]),
            int(bars.high[row]),
            int(bars.low[row]),
            int(bars.close[row]),
            int(bars.volume[row]),
            int(bars.taker_buy[row]),
            int(bars.quote[row]),
            int(bars.count[row]),
        )


def _lately(before: Floats, volume: Floats) -> Floats:
    """Mean volume of the last bars before each; of the first ever, its own."""
    whole = np.concatenate([before[-_LATELY:], volume])
    total = np.concatenate([[0.0], np.cumsum(whole)])
    stop = np.arange(len(whole) - len(volume), len(whole))
    start = np.maximum(stop - _LATELY, 0)
    mean = (total[stop] - total[start]) / np.maximum(stop - start, 1)
    return np.where(stop > 0, mean, whole[stop])


def _events(tape: _Recorded) -> Iterator[FeedEvent]:
    contract, series = tape.contract, tape.series
    yield from heapq.merge(
        _prices(tape),
        funding_events(contract, series.get("funding"), tape.start_ms, tape.end_ms),
        interest_events(contract, series.get("open_interest"), tape.start_ms, tape.end_ms),
        key=attrgetter("time_ms"),
    )


def _prices(tape: _Recorded) -> Iterator[FeedEvent]:
    """Quotes, trades and marks, candle by candle."""
    ladder = Ladder(tape.contract.symbol, tape.seed, tape.detail.depth)
    most = max(8, min(tape.detail.most_trades, tape.length_ms // tape.detail.trade_ms))
    last = int(tape.candles.open[0])
    ladder.suit(last, tape.minute_steps[0])
    yield from _marks(tape, np.array([tape.start_ms], dtype=np.int64), [], last)
    yield from ladder.around(tape.start_ms, last, taker_buys=True)
    for row in range(len(tape.candles)):
        candle = tape.candle(row)
        ladder.suit(candle.open, tape.minute_steps[row])
        prints = prints_of(candle, most, Draws(seed_of(tape.seed, "", candle.open_ms)))
        step = tape.detail.mark_ms
        stop_ms = candle.open_ms + tape.length_ms
        due = np.append(
            np.arange(-(-candle.open_ms // step) * step, stop_ms - 1, step), stop_ms - 1
        )
        yield from heapq.merge(
            _traded(ladder, prints), _marks(tape, due, prints, last), key=attrgetter("time_ms")
        )
        last = candle.close


def _traded(ladder: Ladder, prints: Sequence[Print]) -> Iterator[FeedEvent]:
    symbol = ladder.symbol
    for each in prints:
        yield from ladder.around(each.time_ms, each.ticks, taker_buys=each.taker_buys)
        quote = ladder.serve(each.time_ms, each.ticks, each.quantity, taker_buys=each.taker_buys)
        if quote is not None:
            yield quote
        yield HouseTrade(each.time_ms, symbol, each.ticks, each.quantity, not each.taker_buys)


def _marks(
    tape: _Recorded, times_ms: Whole, prints: Sequence[Print], last: int
) -> Iterator[MarkPrice]:
    """Mark and index prices at some times; ``last`` was traded before the prints."""
    symbol, tick_e8 = tape.contract.symbol, tape.contract.tick_e8
    marks, indices = tape.ratios.at(times_ms + 1)  # the record's time is the end of the bar
    done = 0
    for at, mark, index in zip(times_ms.tolist(), marks.tolist(), indices.tolist(), strict=True):
        while done < len(prints) and prints[done].time_ms <= at:
            last, done = prints[done].ticks, done + 1
        price = last * tick_e8
        yield MarkPrice(at, symbol, round(price * mark), round(price * index))
