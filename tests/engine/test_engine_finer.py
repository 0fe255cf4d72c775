"""Bars inside bars: a finer series decides what a bar's high and low leave open."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scenario import CALM, PLAIN, START, STEADY, WIDE, bars_of, config, signals_of
from test_engine_invariants import hostile_market, random_config

from riposte.engine.enums import Reason
from riposte.engine.parameters import EngineConfig, Execution
from riposte.engine.run import Finer, MarketInputs, RunResult, run
from riposte.layers.position.inside import complete, finer_bars
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS, MILLISECOND_NS, MINUTE_NS, parse_interval

QUARTER = HOUR_NS // 4


def hour(quarters: list[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    table = np.array(quarters)
    return table[0, 0], table[:, 1].max(), table[:, 2].min(), table[-1, 3]


def traded(quarters: list[list[Any]], signal: dict[str, Any], **changes: Any) -> RunResult:
    """Hours made of quarters after a first calm hour; a signal at its close."""
    hours = [[CALM] * 4, *quarters]
    bars = bars_of([hour(h) for h in hours])[:, None]
    inner = bars_of([q for h in hours for q in h])[:, None]
    signals = signals_of(len(hours), {0: {"stop_loss": 0.1, "take_profit": 0.1, **signal}})
    time = START + HOUR_NS * np.arange(1, len(hours) + 1, dtype=np.int64)
    inside = 4 * np.arange(len(hours) + 1, dtype=np.int64)
    inputs = MarketInputs(
        ("A",), (PLAIN,), HOUR_NS, time, bars, signals[:, None], Finer(QUARTER, inner, inside)
    )
    return run(inputs, config(**changes))


UP_FIRST = [CALM, (100, 112, 100, 105), (105, 105, 85, 95), (95, 100, 95, 100)]
DOWN_FIRST = [CALM, (100, 100, 85, 95), (95, 112, 95, 105), (105, 105, 100, 100)]


@pytest.mark.parametrize(
    ("quarters", "reason", "price"),
    [(UP_FIRST, Reason.TARGET, 110.0), (DOWN_FIRST, Reason.STOP, 90.0)],
)
def test_they_tell_whether_the_target_or_the_stop_came_first(
    quarters: Any, reason: Reason, price: float
) -> None:
    (closed,) = traded([quarters], {"direction": 1}).trades
    assert (closed["exit_reason"], closed["exit_price"]) == (reason, pytest.approx(price))


def test_the_fill_carries_the_time_of_the_quarter() -> None:
    result = traded([UP_FIRST], {"direction": 1})
    assert result.fills[-1]["time"] - START == HOUR_NS + 2 * QUARTER


def test_latency_counts_in_quarters() -> None:
    rising = [
        (101, 101, 101, 101),
        (102, 102, 102, 102),
        (103, 103, 103, 103),
        (104, 104, 104, 104),
    ]
    late = Execution(latency_ns=2 * QUARTER + 1)
    result = traded([rising], {"direction": 1}, execution=late)
    assert result.fills[0]["price"] == pytest.approx(103.0)


def test_a_resting_entry_filled_in_one_quarter_can_be_paid_in_the_next() -> None:
    from riposte.engine.parameters import EntryOrder

    resting = Execution(entry_order=EntryOrder.LIMIT, entry_offset=0.01)
    quarters = [(100, 100, 98, 99), (99, 110, 99, 109), (109, 109, 109, 109), (109, 109, 109, 109)]
    (closed,) = traded([quarters], {"direction": 1}, execution=resting).trades
    # In at 99; target 108.9. Without the quarters the hour's high would not count.
    assert (closed["exit_reason"], closed["exit_price"]) == (Reason.TARGET, pytest.approx(108.9))


def test_funding_is_settled_in_the_quarter_in_which_it_falls() -> None:
    quarters = [CALM, (100, 100, 85, 95), CALM, CALM]
    hours = [[CALM] * 4, quarters]
    bars = bars_of([hour(h) for h in hours], funding=[0.0, 0.01])[:, None]
    inner = bars_of([q for h in hours for q in h])[:, None]
    signals = signals_of(2, {0: {"direction": 1, "stop_loss": 0.1, "take_profit": 0.1}})[:, None]
    time = START + HOUR_NS * np.arange(1, 3, dtype=np.int64)
    for quarter, paid in ((4, 500.0), (6, 0.0)):  # before and after the stop at 90 in quarter 5
        inner["funding"] = 0.0
        inner["funding"][quarter] = 0.01
        finer = Finer(QUARTER, inner, 4 * np.arange(3, dtype=np.int64))
        inputs = MarketInputs(("A",), (PLAIN,), HOUR_NS, time, bars, signals, finer)
        (closed,) = run(inputs, config()).trades
        assert closed["funding"] == pytest.approx(paid)  # 500 coins at 100, 1 %


def split(bars: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Random finer bars that agree with hostile hours where those are true; ``inside`` for some steps."""
    steps, symbols = bars.shape
    there = rng.random(steps) < 0.7
    inside = np.concatenate([[0], np.cumsum(np.where(there, 4, 0))]).astype(np.int64)
    inner = np.zeros((inside[-1], symbols), bars.dtype)
    for t in np.flatnonzero(there):
        for s in range(symbols):
            block = inner[inside[t] : inside[t + 1], s]
            block[:] = bars[t, s]
            block["funding"] = 0.0
            block["funding"][-1] = bars[t, s]["funding"]
            low, high = bars[t, s]["low"], bars[t, s]["high"]
            if not 0.0 < low <= high < np.inf:
                continue
            cuts = rng.uniform(low, high, 3)
            block["open"][1:] = cuts
            block["close"][:-1] = cuts
            tops = np.maximum(block["open"], block["close"])
            bottoms = np.minimum(block["open"], block["close"])
            block["high"], block["low"] = tops, bottoms
            block["high"][rng.integers(4)] = high
            block["low"][rng.integers(4)] = low
            if rng.random() < 0.05:  # one is missing
                block["present"][rng.integers(4)] = 0
    return inner, inside


def hostile_inputs(seed: int) -> tuple[MarketInputs, EngineConfig]:
    rng = np.random.default_rng([seed, 8])
    time, bars, signals = hostile_market(rng)
    chosen = random_config(rng)
    inner, inside = split(bars, rng)
    contracts = (INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"])
    finer = Finer(QUARTER, inner, inside)
    return MarketInputs(("A", "B"), contracts, HOUR_NS, time, bars, signals, finer), chosen


def test_crossing_quiet_bars_leaves_the_same_bytes_with_finer_bars_in_them() -> None:
    for seed in range(300):
        inputs, chosen = hostile_inputs(seed)
        stepped = run(inputs, chosen, quietly=False)
        crossed = run(inputs, chosen)
        for name in ("equity", "exposure", "trades", "fills", "refusals", "positions"):
            assert getattr(stepped, name).tobytes() == getattr(crossed, name).tobytes(), seed
        assert stepped.account.tobytes() == crossed.account.tobytes()


def frame_of(market_data: Path, interval: str, start: int, stop: int) -> MarketFrame:
    table = (
        pl.read_parquet(market_data / "klines" / f"BTCUSDT-{interval}.parquet")
        .filter((pl.col("open_time") * MILLISECOND_NS).is_between(start, stop, closed="left"))
        .sort("open_time")
    )
    columns = {n: table[n].to_numpy() for n in ("open", "high", "low", "close", "volume")}
    times = (table["open_time"].to_numpy() * MILLISECOND_NS).astype(np.int64)
    return make_frame("BTCUSDT", parse_interval(interval), times, columns)


def test_recorded_minutes_agree_with_recorded_hours(market_data: Path) -> None:
    start = 1_746_403_200_000_000_000  # 2025-05-05
    stop = start + 20 * 24 * HOUR_NS
    hours = frame_of(market_data, "1h", start, stop)
    minutes = frame_of(market_data, "1m", start, stop)
    rows, first = complete(hours, minutes)
    assert len(rows) == len(hours) == 480
    assert (minutes.open_time[first] == hours.open_time[rows]).all()
    # With one minute gone its hour is read as without minutes.
    gone = make_frame(
        "BTCUSDT",
        minutes.interval,
        np.delete(minutes.open_time, 90),
        {n: np.delete(minutes[n], 90) for n in ("open", "high", "low", "close", "volume")},
    )
    assert set(range(480)) - set(complete(hours, gone)[0].tolist()) == {1}


def test_real_minutes_settle_hours_that_held_both_barriers(market_data: Path) -> None:
    start = 1_746_403_200_000_000_000
    stop = start + 45 * 24 * HOUR_NS
    hours = frame_of(market_data, "1h", start, stop)
    minutes = frame_of(market_data, "1m", start, stop)
    records = [
        bars_of(np.column_stack([f[n] for n in ("open", "high", "low", "close")]))
        for f in (hours, minutes)
    ]
    finer = finer_bars(hours.close_time, [hours], [minutes], [records[1]])
    assert finer is not None
    rng = np.random.default_rng(2)
    signals = signals_of(len(hours), {})
    signals["direction"] = rng.choice([-1, 1], len(hours))
    signals["stop_loss"] = signals["take_profit"] = 0.003  # narrow: an hour often holds both
    inputs = MarketInputs(
        ("BTCUSDT",), (PLAIN,), HOUR_NS, hours.close_time, records[0][:, None], signals[:, None]
    )
    wide = dataclasses.replace(WIDE, max_order_notional=20_000.0)
    coarse = run(inputs, config(wide, rules=STEADY))
    fine = run(dataclasses.replace(inputs, finer=finer), config(wide, rules=STEADY))
    won = [float((r.trades["exit_reason"] == Reason.TARGET).mean()) for r in (coarse, fine)]
    assert len(coarse.trades) > 200
    # The stop counts first in an hour that holds both: pessimistic, and the minutes say by how much.
    assert won[1] > won[0] + 0.02
    assert fine.fills["time"].min() >= hours.close_time[0]
    assert set(np.unique(fine.fills["time"] % MINUTE_NS)) == {0}
