"""Resampled markets: bars keep their shape and their company, and the engine runs on them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from riposte.engine.parameters import EngineConfig, Limits, PositionRules
from riposte.engine.records import BAR, SIGNAL
from riposte.engine.run import MarketInputs, run
from riposte.errors import DataError
from riposte.market.instrument import instrument_for
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.chance.markets import PRICES, MarketPieces, resampled_markets

START = 1_672_531_200_000_000_000  # 2023-01-01 00:00
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SCALE_FREE = {
    "quote_volume",
    "volatility",
    "volatility_ratio",
    "atr",
    "funding",
    "present",
    "reserved",
}
CONFIG = EngineConfig(
    Limits(max_drawdown=0.9, daily_loss=0.5, losses_in_row=1000, sharpe_days=0, accuracy_signals=0),
    rules=PositionRules(min_confidence=0.5),
)


def inputs(days: int = 60, seed: int = 1, foresight: float = 0.0) -> MarketInputs:
    """Hourly bars of two symbols; the second starts on the fifth day and misses the twentieth.

    Signals come at random, or, with ``foresight``, that share of them knows the next bar.
    """
    rng = np.random.default_rng(seed)
    rows = days * 24
    bars, signals = np.zeros((rows, 2), BAR), np.zeros((rows, 2), SIGNAL)
    for s, first in enumerate((30_000.0, 2_000.0)):
        close = first * np.exp(np.cumsum(rng.normal(0.0, 0.006, rows)))
        before = np.append(first, close[:-1])
        opened = before * np.exp(rng.normal(0.0, 0.0005, rows))
        bars["open"][:, s], bars["close"][:, s] = opened, close
        bars["high"][:, s] = np.maximum(opened, close) * (1 + rng.exponential(0.002, rows))
        bars["low"][:, s] = np.minimum(opened, close) / (1 + rng.exponential(0.002, rows))
        bars["mark"][:, s] = np.where(rng.random(rows) < 0.1, np.nan, close * 1.0001)
        later = np.append(np.sign(close[1:] - close[:-1]), 0.0)
        known = rng.random(rows) < foresight
        signals["direction"][:, s] = np.where(known, later, rng.choice([-1, 0, 1], rows))
    bars["quote_volume"] = rng.uniform(1e6, 1e8, (rows, 2))
    bars["volatility"] = 0.006
    bars["volatility_ratio"] = 1.0
    bars["funding"][7::8] = rng.normal(1e-4, 1e-4, (rows // 8, 2))
    bars["present"] = 1
    for absent in (slice(0, 4 * 24), slice(19 * 24, 20 * 24)):
        bars[absent, 1] = np.zeros((), BAR)
        signals["direction"][absent, 1] = 0
    signals["confidence"] = rng.uniform(0.5, 0.9, (rows, 2))
    signals["take_profit"] = signals["stop_loss"] = 0.01
    signals["horizon_ns"] = 6 * HOUR_NS
    signals["model_id"] = -1
    return MarketInputs(
        SYMBOLS,
        tuple(instrument_for(s) for s in SYMBOLS),
        HOUR_NS,
        START + (1 + np.arange(rows)) * HOUR_NS,
        bars,
        signals,
    )


MARKET = inputs()


def test_every_number_of_a_bar_is_a_price_or_needs_no_chaining() -> None:
    assert set(BAR.names or ()) <= set(PRICES) | SCALE_FREE


def test_the_days_in_their_own_order_are_the_market_itself() -> None:
    pieces = MarketPieces(MARKET)
    again = pieces.market(np.arange(pieces.days))
    assert pieces.days == 60
    assert again.bars.tobytes() == MARKET.bars.tobytes()
    assert run(again, CONFIG).trades.tobytes() == run(MARKET, CONFIG).trades.tobytes()


def chained(bars: np.ndarray, symbol: int) -> np.ndarray:
    """Prices of each bar that is there, as multiples of the last close before it."""
    mine = bars[bars["present"][:, symbol] != 0, symbol]
    prices = np.column_stack([mine[name] for name in ("open", "high", "low", "close", "mark")])
    return prices[1:] / mine["close"][:-1, None]


def test_each_bar_keeps_its_shape_and_what_stands_beside_it() -> None:
    pieces = MarketPieces(MARKET)
    drawn = np.array([7, 8, 9, 40, 41, 0, 1, 30, 30, 59, 0])
    market = pieces.market(drawn)
    rows = (drawn[:, None] * 24 + np.arange(24)).ravel()
    for name in sorted(SCALE_FREE & set(BAR.names or ())):
        assert (market.bars[name] == MARKET.bars[name][rows]).all()
    assert (market.signals == MARKET.signals[rows]).all()
    close = MARKET.bars["close"][:, 0]
    before = np.append(MARKET.bars["open"][0, 0], close)[rows]
    wanted = np.column_stack([
        MARKET.bars[name][rows, 0] / before for name in ("open", "high", "low", "close", "mark")
    ])  # fmt: skip
    np.testing.assert_allclose(chained(market.bars, 0), wanted[1:], rtol=1e-12)


def test_a_symbol_that_starts_late_or_has_a_hole_is_joined_by_its_last_price() -> None:
    pieces = MarketPieces(MARKET)
    market = pieces.market(np.array([10, 2, 11, 19, 12, 20]))
    there = (market.bars["present"][:, 1] != 0).reshape(6, 24).all(axis=1)
    assert there.tolist() == [True, False, True, False, True, True]
    ratios = chained(market.bars, 1)[:, 3]
    close = MARKET.bars["close"][:, 1]
    # Day 11 after day 10 follows as it did; day 20 follows day 12 as it followed day 18.
    assert ratios[23] == pytest.approx(close[11 * 24] / close[11 * 24 - 1])
    assert ratios[71] == pytest.approx(close[20 * 24] / close[19 * 24 - 1])


def test_the_clock_goes_on_and_the_hour_of_the_day_stays() -> None:
    pieces = MarketPieces(MARKET)
    market = pieces.market(np.array([50, 3, 3, 20]))
    assert (np.diff(market.time) == HOUR_NS).all()
    assert market.time[0] == MARKET.time[0]
    settled = np.flatnonzero(market.bars["funding"][:, 0])
    assert set(market.time[settled] % DAY_NS // HOUR_NS) == {0, 8, 16}


def test_days_that_are_not_whole_at_the_ends_are_left_out_and_too_few_are_refused() -> None:
    def part(first: int, last: int) -> MarketInputs:
        rows = slice(first, last)
        return dataclasses.replace(
            MARKET, time=MARKET.time[rows], bars=MARKET.bars[rows], signals=MARKET.signals[rows]
        )

    assert MarketPieces(part(23, 24 * 5 + 1)).days == 4
    with pytest.raises(DataError, match="1 whole days are too few"):
        MarketPieces(part(20, 50))


def test_the_spread_does_not_depend_on_the_number_of_threads_and_goes_round_the_real_result() -> (
    None
):
    one, three = (
        resampled_markets(
            MARKET, CONFIG, horizon_ns=6 * HOUR_NS, resamples=40, seed=3, workers=workers
        )
        for workers in (1, 3)
    )
    assert (one.total_return == three.total_return).all()
    assert (one.fan == three.fan).all()
    assert one.fan.shape == (5, 60)
    assert (np.diff(one.fan, axis=0) >= 0.0).all()
    assert one.mean_block_days == 10.0
    real = run(MARKET, CONFIG).equity[-1] / CONFIG.starting_equity - 1.0
    assert one.total_return.min() < real < one.total_return.max()
    assert len(np.unique(one.total_return)) == 40


def test_signals_that_know_the_next_bar_earn_in_every_resample() -> None:
    """What the test does not show: the tie between a signal and its bars is not cut."""
    knowing = inputs(foresight=0.5)
    luck = resampled_markets(knowing, CONFIG, horizon_ns=6 * HOUR_NS, resamples=20, seed=3)
    assert luck.loses == 0.0
