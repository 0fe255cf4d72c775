"""Cross margin: the account stands behind every position. Hand-computed, and against the definition."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import FREE, PLAIN, STEADY, WIDE, bars_of, config, signals_of

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.cross import place_liquidations
from riposte.engine.enums import Reason
from riposte.engine.margin import maintenance_margin
from riposte.engine.parameters import Execution, MarginMode
from riposte.engine.records import instrument_records, new_account, new_positions
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS

CALM = (100.0, 100.0, 100.0, 100.0)
CROSS = Execution(margin_mode=MarginMode.CROSS)
ISOLATED = Execution(margin_mode=MarginMode.ISOLATED)
# A stop far away, as if it did not exist, and no target in reach.
HELD = {"direction": 1, "stop_loss": 0.15, "take_profit": 5.0}


def two(first: Any, second: Any, execution: Execution, **limits: Any) -> RunResult:
    """Two longs of 40,000 USDT (400 coins at 100, 5x: margin 8,000) in an account of 20,000."""
    bars = np.stack([bars_of([CALM, *first]), bars_of([CALM, *second])], axis=1)
    said = [signals_of(len(bars), {0: HELD}) for _ in range(2)]
    time = HOUR_NS * np.arange(1, len(bars) + 1, dtype=np.int64)
    inputs = MarketInputs(("A", "B"), (PLAIN, PLAIN), HOUR_NS, time, bars, np.stack(said, axis=1))
    wide = dataclasses.replace(WIDE, max_order_notional=40_000.0, max_drawdown=0.999, **limits)
    return run(inputs, config(wide, FREE, STEADY, equity=20_000.0, execution=execution))


def test_another_position_s_profit_holds_one_that_would_be_liquidated_alone() -> None:
    fall = [CALM, (84, 84, 79, 80)]
    rise = [CALM, (110, 110, 110, 110)]
    # Isolated, 400 coins with 8,000 behind them: (40,000 - 8,000) / (400 x 0.995) = 80.40; the stop at 85
    # was jumped (84). Cross: 20,000 + 400 x 10 - 220 (maintenance of the other) stand behind: no
    # liquidation above (40,000 - 23,780) / 398 = 40.75.
    alone = two(fall, rise, ISOLATED)
    assert {int(t["exit_reason"]) for t in alone.trades} == {Reason.STOP, Reason.END_OF_DATA}
    together = two(fall, rise, CROSS)
    assert Reason.LIQUIDATION not in {int(t["exit_reason"]) for t in together.trades}


def test_the_liquidation_price_counts_wallet_and_the_others_profit_less_their_maintenance() -> None:
    account, positions = new_account(20_000.0), new_positions(2)
    instruments = instrument_records([PLAIN, PLAIN])
    for position in positions:
        apply_fill(account, position, instruments[0], 1, 400.0, 100.0, 0.0, 0.0, 5.0)
    positions["mark"] = [100.0, 110.0]
    bars = bars_of([CALM, (110, 110, 110, 110)])
    place_liquidations(account, positions, instruments, bars, False)
    # Behind A: 20,000 + 400 x 10 - 0.005 x 44,000 = 23,780; (40,000 - 23,780) / (400 x 0.995)
    assert positions[0]["liquidation_price"] == pytest.approx(16_220 / 398)
    # Behind B: 20,000 + 0 - 0.005 x 40,000 = 19,800; (40,000 - 19,800) / 398
    assert positions[1]["liquidation_price"] == pytest.approx(20_200 / 398)


def test_at_the_liquidation_price_the_account_is_worth_its_maintenance_margins() -> None:
    rng = np.random.default_rng(0)
    instruments = instrument_records([INSTRUMENTS[s] for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")])
    found = 0
    for _ in range(300):
        account, positions = new_account(float(rng.uniform(2_000, 50_000))), new_positions(3)
        entry = 10 ** rng.uniform(0, 4, 3)
        for s in range(3):
            side = int(rng.choice([-1, 1]))
            size = rng.uniform(1_000, 900_000) / entry[s]
            apply_fill(account, positions[s], instruments[s], side, size, entry[s], 0, 0, 5.0)
        positions["mark"] = entry * np.exp(rng.normal(0, 0.02, 3))
        bars = bars_of([CALM] * 3)
        place_liquidations(account, positions, instruments, bars, False)
        for s in range(3):
            at = positions[s]["liquidation_price"]
            if at <= 0.0:
                continue
            moved = positions.copy()
            moved["mark"][s] = at
            value = value_account(account.copy(), moved)
            needed = sum(
                maintenance_margin(instruments[i], abs(p["quantity"]) * p["mark"])
                for i, p in enumerate(moved)
            )
            assert value == pytest.approx(needed, abs=1e-6 * abs(account["wallet"]) + 1e-6)
            found += 1
    assert found > 300


def test_when_all_fall_together_the_account_is_gone_but_never_below_nothing() -> None:
    # Both open at 40: far below every stop (85) and beyond the account's 20,000 (25 a coin of 800).
    crash = [CALM, (40, 40, 40, 40)]
    result = two(crash, crash, CROSS)
    assert result.equity[-1] >= 0.0
    assert result.equity[-1] == pytest.approx(0.0, abs=1e-6)
    assert {int(t["exit_reason"]) for t in result.trades} == {Reason.LIQUIDATION}


def test_isolated_the_same_crash_takes_the_margins_and_no_more() -> None:
    result = two([CALM, (40, 40, 40, 40)], [CALM, CALM], ISOLATED)
    # One margin of 8,000 is lost, the other position is untouched: 12,000 are left.
    assert result.equity[-1] == pytest.approx(12_000.0)


def test_a_mark_price_beyond_liquidation_liquidates_though_no_trade_went_there() -> None:
    # 400 coins isolated: liquidation at 80.40. The last price stays at 100, the mark closes at 80.
    bars = np.stack([bars_of([CALM] * 3), bars_of([CALM] * 3)], axis=1)
    bars["mark"][2, 0] = 80.0
    said = [signals_of(3, {0: HELD}), signals_of(3, {})]
    time = HOUR_NS * np.arange(1, 4, dtype=np.int64)
    inputs = MarketInputs(("A", "B"), (PLAIN, PLAIN), HOUR_NS, time, bars, np.stack(said, axis=1))
    wide = dataclasses.replace(WIDE, max_order_notional=40_000.0)
    result = run(inputs, config(wide, equity=20_000.0))
    (closed,) = result.trades
    assert closed["exit_reason"] == Reason.LIQUIDATION
    # At 80 the loss is 8,000: the whole margin.
    assert closed["net"] == pytest.approx(-8_000.0)


@pytest.mark.parametrize(("mark", "leaves"), [(95.5, False), (94.0, True)])
def test_a_liquidation_that_comes_too_near_closes_the_position(mark: float, leaves: bool) -> None:
    # Isolated at 5x: liquidation at 80.40. From 95.5 it is 15.8 % away, from 94 14.5 %.
    bars = [CALM, CALM, (100, 100, mark, mark), CALM, CALM]
    records = bars_of(bars)
    signals = signals_of(len(bars), {0: HELD})
    time = HOUR_NS * np.arange(1, len(bars) + 1, dtype=np.int64)
    inputs = MarketInputs(("A",), (PLAIN,), HOUR_NS, time, records[:, None], signals[:, None])
    wide = dataclasses.replace(WIDE, max_order_notional=40_000.0, liquidation_distance=0.15)
    (closed,) = run(inputs, config(wide, equity=20_000.0)).trades
    near = closed["exit_reason"] == Reason.LIQUIDATION_NEAR
    assert near == leaves
    if leaves:  # decided at the close of 94, done at the next open
        assert closed["exit_price"] == pytest.approx(100.0)
