"""The crashes of March 2020 and May 2021, traded blindly: every preset keeps its drawdown limit.

The signals know nothing: always long, always short, chance at several rates. What they lose is bounded by the limits
alone. A stop that the open has jumped loses more than it stands for; that part is measured, not forgiven.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from riposte.engine.enums import Reason, TradingState
from riposte.engine.parameters import EngineConfig
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.layers.position.inputs import market_inputs
from riposte.market.instrument import instrument_for
from riposte.market.interval import SECOND_NS, parse_interval
from riposte.proof.backtest import never_resumed
from riposte.proof.metrics import drawdown
from riposte.proof.plan import StudyPlan
from riposte.proof.walkforward import quiet
from riposte.settings.convert import plan_of
from riposte.settings.load import PRESETS, load_settings
from riposte.sources.files import import_archive
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake

HOURLY = parse_interval("1h")
SYMBOLS = ("BNBUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
# SOL was not listed yet in March 2020. Each stretch begins early enough for its volatility to be known.
CRASHES = {
    "March 2020": (SYMBOLS[:3], "2020-02-01", "2020-04-15"),
    "May 2021": (SYMBOLS, "2021-03-20", "2021-07-01"),
}
SEEDS = 24


@pytest.fixture(scope="module")
def lake(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("crashes"))
    import_archive(market_data, SYMBOLS, [HOURLY], lake, lambda _done, _total, _name: None)
    return lake


def day(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}T00:00:00+00:00").timestamp()) * SECOND_NS


def market(lake: Lake, crash: str, plan: StudyPlan) -> MarketInputs:
    symbols, first, last = CRASHES[crash]
    frames = [load_frame(lake, symbol, HOURLY, day(first), day(last)) for symbol in symbols]
    return market_inputs(
        frames,
        [quiet(len(frame)) for frame in frames],
        plan.barriers,
        [instrument_for(symbol) for symbol in symbols],
        windows=plan.windows,
        portfolio=plan.portfolio,
    )


def blindly(inputs: MarketInputs, seed: int) -> MarketInputs:
    """Signals that know nothing; every third time with the narrow barriers of SPEC K1."""
    rng = np.random.default_rng(seed)
    said = inputs.signals.copy()
    rate = (1.0, 1.0, 0.02, 0.1, 0.5)[seed % 5]
    side = (1, -1)[seed] if seed < 2 else rng.choice([-1, 1], said.shape)
    said["direction"] = np.where(rng.random(said.shape) < rate, side, 0)
    said["confidence"] = rng.uniform(0.65, 1.0, said.shape)
    if seed % 3 == 0:
        said["stop_loss"], said["take_profit"] = 0.005, 0.015
    return dataclasses.replace(inputs, signals=said)


def fall_and_slippage(result: RunResult, config: EngineConfig) -> tuple[float, float]:
    """Deepest drawdown, and what gaps and impact took in all, both as shares of the equity."""
    fall = drawdown(result.equity, config.starting_equity).max()
    lost = result.fills["gap"].sum() + result.fills["slippage"].sum()
    return float(fall), float(lost) / config.starting_equity


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("preset", PRESETS)
def test_no_crash_breaks_the_drawdown_limit(lake: Lake, crash: str, preset: str) -> None:
    plan = plan_of(load_settings(flags={"preset": preset}).settings)
    inputs = market(lake, crash, plan)
    config = never_resumed(plan.engine)
    limit = config.limits.max_drawdown
    gaps, halted = [], 0
    for seed in range(SEEDS):
        result = run(blindly(inputs, seed), config)
        fall, slippage = fall_and_slippage(result, config)
        assert len(result.trades) > 0, seed
        # Beyond the limit goes only what gaps and impact took, and of that never a tenth of the limit.
        assert fall <= limit + min(slippage, 0.1 * limit), (seed, fall, slippage)
        assert result.equity.min() > 0.0
        gaps.append(float(result.trades["gap"].sum()))
        halted += int((result.state == TradingState.HALTED).any())
    # The crash was there: stops were jumped in it, and it stopped accounts.
    assert max(gaps) > 0.0
    assert halted > 0


def test_a_stop_jumped_in_the_crash_shows_what_the_gap_cost(lake: Lake) -> None:
    plan = plan_of(load_settings(flags={"preset": "survival"}).settings)
    inputs = market(lake, "March 2020", plan)
    result = max(
        (run(blindly(inputs, seed), never_resumed(plan.engine)) for seed in range(SEEDS)),
        key=lambda each: each.fills["gap"].max(),
    )
    jumped = result.fills[np.argmax(result.fills["gap"])]
    held = result.trades[
        (result.trades["symbol"] == jumped["symbol"])
        & (result.trades["closed_at"] == jumped["time"])
    ][0]
    # What the trade lost beyond its stop is the gap; the open it was filled at is on record.
    assert held["gap"] == jumped["gap"] > 0.0
    assert held["exit_reason"] in {Reason.STOP, Reason.TRAILING_STOP}
    row = np.searchsorted(inputs.time, jumped["time"])
    assert jumped["reference_price"] == inputs.bars["open"][row, jumped["symbol"]]
