"""Recorded candles on the exchange: what its own tape then says of them is what was recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playing import bars_of, e8, played

from riposte.errors import DataError
from riposte.exchange.contract import Contract, contract_of
from riposte.exchange.core import Exchange
from riposte.exchange.feed import (
    Feed,
    FundingRate,
    HouseQuotes,
    HouseTrade,
    MarkPrice,
    OpenInterest,
)
from riposte.exchange.feeds.candles import CandleMarket, Detail, candle_feed
from riposte.exchange.feeds.chance import Draws
from riposte.exchange.feeds.path import Candle, prints_of, turning_points
from riposte.exchange.journal import Journal
from riposte.exchange.requests import NewOrder
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for
from riposte.market.interval import INTERVALS
from riposte.market.series import make_series
from riposte.sources.recorded import read_series

PRICES = ("open", "high", "low", "close")


def contract(symbol: str) -> Contract:
    return contract_of(instrument_for(symbol))


def recorded(folder: Path, symbol: str, interval: str) -> CandleMarket:
    series = {
        "klines": read_series(folder / "klines" / f"{symbol}-{interval}.parquet"),
        "mark": read_series(folder / "mark" / f"{symbol}-1h.parquet"),
        "funding": read_series(folder / "funding" / f"{symbol}.parquet"),
        "open_interest": read_series(folder / "open_interest" / f"{symbol}-1h-bybit.parquet"),
    }
    return CandleMarket(contract(symbol), series)


def opening(market: CandleMarket, row: int) -> int:
    return int(market.series["klines"].event_time[row]) // 10**6


@pytest.mark.parametrize(
    ("symbol", "interval", "row", "count"),
    [
        ("BTCUSDT", "1m", 20_000, 200),
        ("ETHUSDT", "1m", 50_000, 100),
        ("SOLUSDT", "5m", 3_000, 40),
        ("BTCUSDT", "1h", 42_320, 24),  # among them one hour without trades
        ("BTCUSDT", "1h", 0, 24),  # a tick of 0.01, where there was no mark price yet
        ("SOLUSDT", "1h", 10, 24),  # a tick of 0.0001
        ("BNBUSDT", "1h", 20_000, 24),
    ],
)
def test_the_tape_says_what_was_recorded(
    market_data: Path, symbol: str, interval: str, row: int, count: int
) -> None:
    market = recorded(market_data, symbol, interval)
    length = INTERVALS[interval].ns // 10**6
    start = opening(market, row)
    feed = candle_feed([market], start, start + count * length)
    klines = market.series["klines"].between(start * 10**6, feed.end_ms * 10**6)
    assert not feed.notes
    _, tape = played(feed)
    bars = bars_of(tape, feed, symbol, "trade", interval)
    assert [bar.open_ms for bar in bars] == list(klines.event_time // 10**6)
    for name in PRICES:
        assert [getattr(bar, name) for bar in bars] == e8(klines[name])
    assert [bar.volume for bar in bars] == e8(klines["volume"])
    if "quote_volume" in klines.columns:
        # What is recorded is a sum of prices times quantities: it can be met to the last digit of a
        # float, and is missed by no more than a few units of tick x step.
        unit = feed.contracts[0].unit_e8
        wrong = np.abs(np.array([b.quote for b in bars]) - np.array(e8(klines["quote_volume"])))
        assert wrong.max() <= 2 * unit + 8


def flow(count: int, **columns: Sequence[float]) -> CandleMarket:
    """Candles of a rising market with all columns."""
    rng = np.random.default_rng(5)
    close = np.round(100 + np.cumsum(rng.normal(0, 0.1, count)), 2)
    opened = np.append(100.0, close[:-1])
    high = np.round(np.maximum(opened, close) + 0.05, 2)
    low = np.round(np.minimum(opened, close) - 0.03, 2)
    volume = np.round(rng.uniform(5, 50, count), 2)
    values = {
        "open": opened, "high": high, "low": low, "close": close, "volume": volume,
        "quote_volume": volume * (high + low) / 2, "trade_count": rng.integers(6, 20, count).astype(float),
        "taker_buy_volume": np.round(volume * rng.uniform(0, 1, count), 2), **columns,
    }  # fmt: skip
    times = 1_700_000_400_000_000_000 + np.arange(count) * INTERVALS["1m"].ns
    klines = make_series("klines", "SOLUSDT", INTERVALS["1m"], times, values)
    return CandleMarket(contract("SOLUSDT"), {"klines": klines})


def test_taker_volume_count_and_quote_volume_are_the_recorded_ones() -> None:
    market = flow(120)
    start = opening(market, 20)
    feed = candle_feed([market], start, start + 100 * 60_000)
    _, tape = played(feed)
    bars = bars_of(tape, feed, "SOLUSDT", "trade", "1m")
    klines = market.series["klines"].rows(20, 120)
    assert [bar.taker_volume for bar in bars] == e8(klines["taker_buy_volume"])
    assert [bar.count for bar in bars] == list(klines["trade_count"])
    unit = feed.contracts[0].unit_e8
    for bar, quote in zip(bars, e8(klines["quote_volume"]), strict=True):
        assert abs(bar.quote - quote) <= unit


def test_history_before_the_start_is_what_was_recorded(market_data: Path) -> None:
    market = recorded(market_data, "BTCUSDT", "1h")
    start = opening(market, 40_000)
    feed = candle_feed([market], start, start + 3_600_000, detail=Detail(history_bars=500))
    past = feed.history("BTCUSDT")
    assert past is not None
    klines = market.series["klines"].rows(39_500, 40_000)
    assert past.interval_ms == 3_600_000
    assert [bar.open_ms for bar in past.bars] == list(klines.event_time // 10**6)
    for name in PRICES:
        assert [getattr(bar, name) for bar in past.bars] == e8(klines[name])
    assert [bar.volume for bar in past.bars] == e8(klines["volume"])
    assert [bar.quote for bar in past.bars] == pytest.approx(e8(klines["quote_volume"]), abs=10**4)
    mark = market.series["mark"]
    closed = dict(zip(mark.event_time // 10**6, e8(mark["mark_price"]), strict=True))
    assert [bar.close for bar in past.marks] == [
        closed[bar.open_ms + 3_600_000] for bar in past.marks
    ]
    assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in past.marks)
    rates = market.series["funding"].between(
        int(klines.event_time[0]) + 3_600_000_000_000, start * 10**6 + 1
    )
    assert [rate for _, rate, _ in past.funding] == e8(rates["funding_rate"])
    assert past.open_interest[-1][0] <= start
    _, tape = played(feed)
    whole = tape.symbols["BTCUSDT"].candles["trade"].select("1h", None, None, 501)
    assert len(whole) == 501
    assert whole[-1].open == e8([market.series["klines"]["open"][40_000]])[0]


def test_the_recorded_mark_price_closes_each_bar_and_is_told_every_second(
    market_data: Path,
) -> None:
    market = recorded(market_data, "BTCUSDT", "1h")
    start = opening(market, 40_000)
    feed = candle_feed([market], start, start + 2 * 3_600_000)
    told = [event for event in feed.events() if isinstance(event, MarkPrice)]
    gaps = {b.time_ms - a.time_ms for a, b in pairwise(told)}
    assert max(gaps) <= 1_000
    _, tape = played(feed)
    mark = market.series["mark"].between((start + 1) * 10**6, feed.end_ms * 10**6 + 1)
    bars = bars_of(tape, feed, "BTCUSDT", "mark", "1h")
    assert [bar.close for bar in bars] == e8(mark["mark_price"])


def test_funding_is_settled_at_the_recorded_times_and_rates(market_data: Path) -> None:
    market = recorded(market_data, "SOLUSDT", "1h")
    funding = market.series["funding"]
    hours = np.diff(funding.event_time) // INTERVALS["1h"].ns
    row = int(np.flatnonzero(hours < 8)[0])  # settlements of 2 or 4 hours
    start = int(funding.event_time[row - 2]) // 10**6
    feed = candle_feed([market], start, start + 36 * 3_600_000)
    exchange, tape = played(feed)
    exchange.advance(feed.end_ms)
    past = feed.history("SOLUSDT")
    assert past is not None
    expected = funding.between((start + 1) * 10**6, feed.end_ms * 10**6)
    settled = [f for f in tape.symbols["SOLUSDT"].funding if f.time_ms > start]
    assert [f.time_ms for f in settled] == list(expected.event_time // 10**6)
    assert [f.rate_e8 for f in settled] == e8(expected["funding_rate"])
    told = [e for e in feed.events() if isinstance(e, FundingRate)]
    assert told[0].time_ms == start
    assert all(e.settle_ms > e.time_ms for e in told)


def test_open_interest_is_told_when_it_was_recorded(market_data: Path) -> None:
    market = recorded(market_data, "BTCUSDT", "1h")
    start = opening(market, 40_000)
    feed = candle_feed([market], start, start + 4 * 3_600_000)
    told = [event for event in feed.events() if isinstance(event, OpenInterest)]
    seen = market.series["open_interest"].between(start * 10**6, feed.end_ms * 10**6)
    step = feed.contracts[0].step_e8
    assert [event.steps * step for event in told] == e8(seen["open_interest"])


def test_several_contracts_come_in_time_order_lazily_and_the_same_every_time(
    market_data: Path,
) -> None:
    markets = [recorded(market_data, name, "1m") for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    start = opening(markets[2], 30_000)
    feed: Feed = candle_feed(markets, start, start + 20 * 60_000, seed=3)
    events = list(feed.events())
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    assert start <= times[0]
    assert times[-1] < feed.end_ms
    assert list(feed.events()) == events
    again = candle_feed(markets, start, start + 20 * 60_000, seed=3)
    assert list(again.events()) == events
    other = candle_feed(markets, start, start + 20 * 60_000, seed=4)
    assert list(other.events()) != events
    year = candle_feed(markets, opening(markets[2], 0), start)  # a month: made as it is asked for
    assert next(iter(year.events())).time_ms == year.start_ms


def test_a_candle_is_traded_the_same_wherever_the_feed_begins(market_data: Path) -> None:
    market = recorded(market_data, "BTCUSDT", "1m")
    start = opening(market, 30_000)
    trades = []
    for earlier in (0, 5):
        feed = candle_feed([market], start - earlier * 60_000, start + 60_000)
        trades.append(
            [e for e in feed.events() if isinstance(e, HouseTrade) and e.time_ms >= start]
        )
    assert trades[0] == trades[1] != []


def test_quotes_stand_around_the_price_and_have_depth(market_data: Path) -> None:
    market = recorded(market_data, "BTCUSDT", "1m")
    start = opening(market, 30_000)
    feed = candle_feed([market], start, start + 10 * 60_000)
    exchange = Exchange(feed.contracts, start_ms=start, journal=Journal(keep=False))
    quotes = 0
    for event in feed.events():
        exchange.apply(event)
        quotes += isinstance(event, HouseQuotes)
        if isinstance(event, HouseTrade):
            bids, asks = exchange.books["BTCUSDT"].depth(100)
            assert bids[0][0] < asks[0][0] <= bids[0][0] + 2
            assert len(bids) >= 34
            assert 0.98 < bids[-1][0] / bids[0][0] < 0.9995
    assert quotes > 400


def test_customers_fill_against_the_feed_and_the_recorded_trades_stay(market_data: Path) -> None:
    market = recorded(market_data, "BTCUSDT", "1m")
    start = opening(market, 30_000)
    feed = candle_feed([market], start, start + 30 * 60_000)
    exchange = Exchange(feed.contracts, start_ms=start)
    account = exchange.open_account("alice", 10**7 * E8)
    events = feed.events()
    for _ in range(4):
        exchange.apply(next(events))
    tick = feed.contracts[0].tick_e8
    bid = exchange.books["BTCUSDT"].best_bid()
    assert bid is not None
    resting = exchange.place(account, NewOrder("BTCUSDT", "BUY", "LIMIT", E8, bid[0] * tick, "GTC"))
    taking = exchange.place(account, NewOrder("BTCUSDT", "BUY", "MARKET", E8))
    assert taking.status == "FILLED"
    for event in events:
        exchange.apply(event)
    low = market.series["klines"]["low"][30_000:30_030].min()
    assert low * E8 < bid[0] * tick
    assert resting.status == "FILLED"


def test_a_candle_that_no_trades_can_make_is_said() -> None:
    market = flow(3, volume=[10.0, 0.01, 10.0], taker_buy_volume=[5.0, 0.0, 5.0])
    start = opening(market, 0)
    feed = candle_feed([market], start, start + 180_000)
    assert "1 candles hold too little volume" in feed.notes[0]
    _, tape = played(feed)
    bars = bars_of(tape, feed, "SOLUSDT", "trade", "1m")
    assert [bar.volume for bar in bars] == e8([10.0, 0.01, 10.0])
    assert [bar.close for bar in bars] == e8(market.series["klines"]["close"])


def test_what_cannot_be_played_is_refused() -> None:
    market = flow(3)
    start = opening(market, 0)
    with pytest.raises(DataError, match="no candles in the time range"):
        candle_feed([market], start + 10**9, start + 2 * 10**9)
    high = list(market.series["klines"]["low"] - 1)
    with pytest.raises(DataError, match="contradict"):
        candle_feed([flow(3, high=high)], start, start + 180_000)
    coarse = dataclasses.replace(market.contract, tick_e8=10**6, step_e8=100)
    odd = flow(3, volume=[1.0000001, 2.0, 3.0])
    with pytest.raises(DataError, match="decimals"):
        candle_feed([dataclasses.replace(odd, contract=coarse)], start, start + 180_000)


@st.composite
def candles(draw: st.DrawFn) -> Candle:
    low = draw(st.integers(1, 10**6))
    high = low + draw(st.integers(0, 10**4))
    opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    volume = draw(st.one_of(st.integers(0, 40), st.integers(0, 10**9)))
    taker = draw(st.one_of(st.just(0), st.just(volume), st.integers(0, volume)))
    average = draw(st.integers(0, 1000))
    quote = draw(st.just(-1) | st.just(volume * low + volume * (high - low) * average // 1000))
    return Candle(
        60_000, 60_000, opened, high, low, close, volume, taker, quote, draw(st.integers(0, 100))
    )


@settings(max_examples=400, deadline=None)
@given(candles(), st.integers(8, 60), st.integers(0, 2**64))
def test_any_candle_becomes_trades_that_make_it(candle: Candle, most: int, seed: int) -> None:
    prints = prints_of(candle, most, Draws(seed))
    assert sum(each.quantity for each in prints) == candle.volume
    assert sum(each.quantity for each in prints if each.taker_buys) == candle.taker_buy
    assert all(each.quantity > 0 for each in prints)
    times = [each.time_ms for each in prints]
    assert times == sorted(times)
    assert all(60_000 <= time < 120_000 for time in times)
    assert len(prints) <= max(most, 4)
    if not prints:
        assert candle.volume == 0
        return
    prices = [each.ticks for each in prints]
    assert prices[-1] == candle.close
    assert candle.low <= min(prices) <= max(prices) <= candle.high
    if candle.volume >= len(turning_points(candle)):
        assert (prices[0], max(prices), min(prices)) == (candle.open, candle.high, candle.low)
    if candle.count and len(turning_points(candle)) <= candle.count <= min(most, candle.volume):
        assert len(prints) == max(candle.count, 1 + (0 < candle.taker_buy < candle.volume))


@settings(max_examples=200, deadline=None)
@given(candles(), st.integers(0, 2**64))
def test_quote_volume_is_met_to_a_step_where_there_are_trades_enough(
    candle: Candle, seed: int
) -> None:
    range_ticks = candle.high - candle.low
    inside = 0.1 <= (candle.quote / max(candle.volume, 1) - candle.low) / max(range_ticks, 1) <= 0.9
    if candle.quote < 0 or candle.volume < 10_000 or candle.count < 20 or not inside:
        return
    prints = prints_of(candle, 60, Draws(seed))
    found = sum(each.ticks * each.quantity for each in prints)
    assert abs(found - candle.quote) <= max(1, range_ticks // 10)
