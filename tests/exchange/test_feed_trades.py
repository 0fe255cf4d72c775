"""Recorded trades on the exchange: its tape has each of them, its book stands around them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playing import bars_of, e8, played

from riposte.errors import DataError
from riposte.exchange.contract import contract_of
from riposte.exchange.feed import HouseTrade, MarkPrice
from riposte.exchange.feeds.trades import TradeMarket, trade_feed
from riposte.market.instrument import instrument_for
from riposte.market.interval import INTERVALS
from riposte.market.series import Series
from riposte.market.trades import candles
from riposte.sources.level2 import read_level2

START = 1_680_652_860_000  # 2023-04-05 00:01


@pytest.fixture(scope="module")
def trades(market_data: Path) -> Series:
    return read_level2(market_data / "l2" / "BTCUSDT-20230404").trades.series


@pytest.fixture(scope="module")
def market(trades: Series) -> TradeMarket:
    return TradeMarket(contract_of(instrument_for("BTCUSDT")), trades)


def test_candles_and_trades_are_the_recorded_ones(market: TradeMarket, trades: Series) -> None:
    feed = trade_feed([market], START, START + 240_000)
    exchange, tape = played(feed)
    within = trades.between(START * 10**6, feed.end_ms * 10**6)
    expected = candles(within, INTERVALS["1m"], partial=True)
    bars = bars_of(tape, feed, "BTCUSDT", "trade", "1m")
    assert [bar.open_ms for bar in bars] == list(expected.event_time // 10**6)
    for name in ("open", "high", "low", "close", "volume"):
        assert [getattr(bar, name) for bar in bars] == e8(expected[name])
    assert [bar.taker_volume for bar in bars] == e8(expected["taker_buy_volume"])
    assert [bar.quote for bar in bars] == pytest.approx(e8(expected["quote_volume"]), abs=100)
    assert [bar.count for bar in bars] == list(expected["trade_count"])
    shown = tape.symbols["BTCUSDT"].trades
    tick, step = feed.contracts[0].tick_e8, feed.contracts[0].step_e8
    assert [t.price_ticks * tick for t in shown] == e8(within["price"])
    assert [t.quantity * step for t in shown] == e8(within["quantity"])
    assert [t.buyer_is_maker for t in shown] == [bool(m) for m in within["buyer_is_maker"]]
    bids, asks = exchange.books["BTCUSDT"].depth(50)
    assert len(bids) > 30 < len(asks)
    assert bids[0][0] < asks[0][0]


def test_what_was_before_is_history(market: TradeMarket, trades: Series) -> None:
    feed = trade_feed([market], START, START + 60_000)
    past = feed.history("BTCUSDT")
    assert past is not None
    before = candles(trades.between(None, START * 10**6), INTERVALS["1m"], partial=True)
    assert [bar.close for bar in past.bars] == e8(before["close"])
    assert [bar.volume for bar in past.bars] == e8(before["volume"])


def test_the_events_are_in_order_and_the_same_each_time(market: TradeMarket) -> None:
    feed = trade_feed([market], START, START + 60_000, seed=2)
    events = list(feed.events())
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    assert times[0] == START
    assert times[-1] < feed.end_ms
    assert list(feed.events()) == events
    marks = [event for event in events if isinstance(event, MarkPrice)]
    assert [m.time_ms for m in marks] == list(range(START, marks[-1].time_ms + 1, 1_000))
    assert sum(isinstance(event, HouseTrade) for event in events) > 500


def test_a_time_without_trades_is_refused(market: TradeMarket) -> None:
    with pytest.raises(DataError, match="no trades in the time range"):
        trade_feed([market], START + 10**9, START + 2 * 10**9)
