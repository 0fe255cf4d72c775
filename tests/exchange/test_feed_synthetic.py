"""The synthetic market on the exchange."""

from __future__ import annotations

import numpy as np
import pytest
from playing import bars_of, e8, played

from riposte.errors import InputError
from riposte.exchange.feeds.candles import Detail
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.feeds.synthetic import synthetic_feed
from riposte.market.interval import INTERVALS
from riposte.market.series import Series
from riposte.sources.synthetic import synthetic_market

SYMBOLS = ("BTCUSDT", "SOLUSDT", "DOGEUSDT")
START_NS = 1_704_067_200_000_000_000  # 2024-01-01
BARS, HISTORY = 90, 60


def made(seed: int = 1) -> dict[str, dict[str, Series]]:
    return synthetic_market(SYMBOLS, INTERVALS["1m"], START_NS, BARS, seed)


def feed_of(seed: int = 1, **more: Detail) -> ComposedFeed:
    return synthetic_feed(made(seed), history=HISTORY, seed=seed, **more)


def test_the_tape_has_its_candles() -> None:
    market, feed = made(), feed_of()
    assert feed.start_ms == START_NS // 10**6 + HISTORY * 60_000
    assert feed.end_ms == START_NS // 10**6 + BARS * 60_000
    assert not feed.notes
    _, tape = played(feed)
    for contract in feed.contracts:
        klines = market[contract.symbol]["klines"].rows(HISTORY, BARS)
        bars = bars_of(tape, feed, contract.symbol, "trade", "1m")
        for name in ("open", "high", "low", "close"):
            assert [getattr(bar, name) for bar in bars] == e8(klines[name])
        volume = np.array([bar.volume for bar in bars]) / 1e8
        step = contract.step_e8 / 1e8
        assert np.abs(volume - klines["volume"]).max() <= 4 * step
        taker = np.array([bar.taker_volume for bar in bars]) / 1e8
        assert np.abs(taker - klines["taker_buy_volume"]).max() <= 4 * step
        quote = np.array([bar.quote for bar in bars]) / 1e8
        assert (quote / volume >= klines["low"] - 1e-9).all()
        assert (quote / volume <= klines["high"] + 1e-9).all()
        past = feed.history(contract.symbol)
        assert past is not None
        assert len(past.bars) == len(past.marks) == len(past.indices) == HISTORY
        assert tape.symbols[contract.symbol].candles["premium"].select("1m", None, None, 5)


def test_the_contract_keeps_its_own_grid() -> None:
    grids = {c.symbol: (c.tick_e8, c.step_e8) for c in feed_of().contracts}
    assert grids["BTCUSDT"] == (10_000_000, 100_000)
    assert grids["SOLUSDT"] == (1_000_000, 1_000_000)


def test_the_same_seed_gives_the_same_events() -> None:
    events = list(feed_of().events())
    assert list(feed_of().events()) == events
    assert list(feed_of(2).events()) != events
    assert {event.symbol for event in events} == set(SYMBOLS)


def test_less_detail_has_fewer_events_and_the_same_candles() -> None:
    coarse = feed_of(detail=Detail(trade_ms=30_000, mark_ms=3_000))
    fine = feed_of()
    assert sum(1 for _ in coarse.events()) * 2 < sum(1 for _ in fine.events())
    bars = [bars_of(played(f)[1], f, "BTCUSDT", "trade", "1m") for f in (coarse, fine)]
    for name in ("open_ms", "open", "high", "low", "close", "volume", "taker_volume"):
        assert [getattr(b, name) for b in bars[0]] == [getattr(b, name) for b in bars[1]]


def test_a_history_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be history"):
        synthetic_feed(made(), history=BARS)
