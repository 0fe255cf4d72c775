"""Crossing quiet bars leaves every byte as stepping through each of them does."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import config, no_finer, strangers
from test_engine_invariants import hostile_market, random_config

from riposte.engine.loop import run_bars
from riposte.engine.parameters import EngineConfig, Operator
from riposte.engine.quiet import WATCH
from riposte.engine.records import BAR, INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import DAY_NS, HOUR_NS

SCENARIOS = 3_000
CURVES = ("equity", "exposure", "state", "halt")


def left_behind(
    time: Any, bars: Any, signals: Any, settings: EngineConfig, quietly: int
) -> dict[str, bytes]:
    """Every byte that a run leaves, by what it is."""
    steps, symbols = bars.shape
    instruments = instrument_records([INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"]][:symbols])
    instruments["min_notional"] = 1.0
    account, positions = new_account(settings.starting_equity), new_positions(symbols)
    pending = np.zeros(symbols, INTENT)
    curves = [np.zeros(steps), np.zeros(steps), np.zeros(steps, np.int8), np.zeros(steps, np.int8)]
    log = new_log(16 * steps)
    before = bars.tobytes()
    portfolio = strangers(symbols)
    end = run_bars(
        0, account, positions, pending, time, bars, no_finer(symbols),
        np.zeros(steps + 1, np.int64), np.zeros(0, np.int8), np.zeros((2, symbols), BAR),
        np.zeros(symbols, WATCH), signals, instruments,
        np.zeros(1, np.int64), portfolio.correlation[None], portfolio.weight[None],
        terms_of(settings, HOUR_NS), HOUR_NS, *curves, log, quietly,
    )  # fmt: skip
    assert end == steps
    assert bars.tobytes() == before
    return {
        "account": np.asarray(account).tobytes(),
        "positions": positions.tobytes(),
        "pending": pending.tobytes(),
        **{name: curve.tobytes() for name, curve in zip(CURVES, curves, strict=True)},
        "trades": log.trades.tobytes(),
        "fills": log.fills.tobytes(),
        "refusals": log.refusals.tobytes(),
    }


def calmed(bars: Any, signals: Any, rng: np.random.Generator) -> None:
    """Most bars quiet: few signals, lies and settlements, ordinary volatility."""
    quiet = rng.random(bars.shape) < rng.uniform(0.5, 0.99)
    signals["direction"][quiet] = 0
    bars["funding"][quiet] = 0.0
    bars["volatility_ratio"][quiet] = 1.0
    close = bars["close"]
    whole = np.isfinite(close) & (close > 0) & quiet
    for name in ("open", "high", "low"):
        bars[name][whole] = close[whole]
    bars["high"][whole] *= 1.0 + 0.001 * rng.random(whole.sum())
    bars["low"][whole] *= 1.0 - 0.001 * rng.random(whole.sum())
    bars["present"][whole] = 1
    # Marks that leave the price: equity may break a limit although no stop was touched.
    strayed = whole & (rng.random(bars.shape) < 0.03)
    bars["mark"][strayed] = close[strayed] * np.exp(rng.normal(0, 0.3, strayed.sum()))


def test_the_bytes_are_the_same_in_thousands_of_markets() -> None:
    trades = 0
    for seed in range(SCENARIOS):
        rng = np.random.default_rng([seed, 5])
        time, bars, signals = hostile_market(rng)
        settings = random_config(rng)
        if seed % 4:
            calmed(bars, signals, rng)
        if seed % 3 == 0:  # one symbol
            bars, signals = bars[:, :1].copy(), signals[:, :1].copy()
        if seed % 5 == 0:  # limits that let it trade on
            wide = config().limits
            settings = dataclasses.replace(settings, limits=wide, operator=Operator(DAY_NS))
        stepped = left_behind(time, bars, signals, settings, 0)
        crossed = left_behind(time, bars, signals, settings, 1)
        different = [name for name in stepped if stepped[name] != crossed[name]]
        assert not different, f"seed {seed}: {different}\n{settings}"
        trades += int(np.frombuffer(stepped["trades"], np.uint8).any())
    assert trades > SCENARIOS / 4  # else they prove little


@pytest.mark.parametrize("quietly", [0, 1])
def test_nothing_to_cross_is_no_error(quietly: int) -> None:
    rng = np.random.default_rng(0)
    time, bars, signals = hostile_market(rng)
    left_behind(time[:1], bars[:1].copy(), signals[:1].copy(), config(), quietly)
