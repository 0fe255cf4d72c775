"""Hand-computed runs: a part taken and the rest at break-even, a pyramid with funding, a reversal."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from scenario import FREE, PLAIN, STEADY, WIDE, bars_of, config, inputs_of, signals_of

from riposte.engine.enums import Reason
from riposte.engine.run import RunResult, run

EXACT = {"rel": 1e-12, "abs": 1e-12}
CALM = (100.0, 100.0, 100.0, 100.0)


def ran(path: list[Any], signals: dict[int, dict[str, Any]], **parts: Any) -> RunResult:
    """A run over a calm bar and then ``path``, from 10,000 USDT at 5x: 500 coins at 100."""
    wide = dataclasses.replace(WIDE, **parts.pop("limits", {}))
    rules, costs = parts.pop("rules", STEADY), parts.pop("costs", FREE)
    instrument = dataclasses.replace(PLAIN, **parts.pop("instrument", {}))
    bars = bars_of([CALM, *path], **parts)
    barriers = {"stop_loss": 0.1, "take_profit": 0.2}
    chosen = signals_of(len(bars), {row: barriers | values for row, values in signals.items()})
    return run(inputs_of(bars, chosen, instrument), config(wide, costs, rules))


def test_a_part_with_fees_then_break_even_with_fees() -> None:
    fees = {"taker_fee": 0.001, "maker_fee": 0.0005, "tick_size": 0.01, "step_size": 1.0}
    rules = dataclasses.replace(STEADY, partial_at=(0.5,), partial_share=(0.4,))
    path = [(100, 111, 99, 109), (109, 109, 100, 101)]
    result = ran(path, {0: {"direction": 1}}, rules=rules, instrument=fees)
    # 500 coins at 100: fee 50. 200 at 110 as maker: +2,000, fee 11. The stop moves to the entry and the fees
    # of two taker fills, 100.20; there 300 go: +60, fee 30.06
    assert [(f["quantity"], float(f["price"])) for f in result.fills] == [
        (500.0, pytest.approx(100.0)), (200.0, pytest.approx(110.0)), (300.0, pytest.approx(100.2)),
    ]  # fmt: skip
    (trade,) = result.trades
    assert trade["realised"] == pytest.approx(2_060.0)
    assert trade["fees"] == pytest.approx(91.06)
    assert trade["net"] == pytest.approx(1_968.94)
    assert result.equity[-1] == pytest.approx(11_968.94)


def test_a_pyramid_pays_funding_on_all_of_it_and_leaves_at_its_average() -> None:
    rules = dataclasses.replace(STEADY, add_after=0.5, add_share=0.5, max_adds=1)
    path = [(100, 106, 100, 106), (106, 106, 106, 106), (106, 106, 106, 106), (106, 106, 89, 89)]
    result = ran(
        path, {0: {"direction": 1}, 1: {"direction": 1}, 2: {"direction": 1}}, rules=rules,
        limits={"max_order_notional": 20_000.0}, funding=[0.0, 0.0, 0.001, 0.001, 0.0],
    )  # fmt: skip
    # 200 at 100; up 0.6 R, 100 more at 106 (10,600 USDT) at the open of the third bar, and no second time.
    assert [(float(f["quantity"]), float(f["price"])) for f in result.fills] == [
        (pytest.approx(200.0), 100.0), (pytest.approx(100.0), 106.0), (pytest.approx(300.0), 90.0),
    ]  # fmt: skip
    (trade,) = result.trades
    # 300 coins at 106 twice: 31.80 each; 200 x -10 + 100 x -16
    assert trade["funding"] == pytest.approx(63.6)
    assert trade["net"] == pytest.approx(-3_600.0 - 63.6)
    assert trade["entry_price"] == pytest.approx(102.0)


def test_without_funding_costs_nothing_is_settled() -> None:
    costs = dataclasses.replace(FREE, funding=False)
    result = ran([CALM, CALM], {0: {"direction": 1}}, costs=costs, funding=0.01)
    assert result.trades[0]["funding"] == 0.0


def test_an_opposite_signal_turns_the_position_over_two_bars() -> None:
    rules = dataclasses.replace(STEADY, exit_on_reversal=True)
    path = [CALM, (103, 103, 103, 103), (104, 104, 104, 104), (101, 101, 101, 101)]
    signals = {0: {"direction": 1}, 1: {"direction": -1}, 2: {"direction": -1}}
    result = ran(path, signals, rules=rules, limits={"max_order_notional": 20_800.0})
    long, short = result.trades
    # 208 coins in at 100, out at 103; the short in a bar later at 104: 200 coins, out at the end at 101
    assert (long["exit_reason"], long["net"]) == (Reason.REVERSAL, pytest.approx(208 * 3.0))
    assert (short["side"], short["entry_price"]) == (-1, pytest.approx(104.0))
    # decided at 103: 20,800 / 103 = 201.94 coins, cut at 104 to 200
    assert short["quantity"] == pytest.approx(200.0)
    assert (short["exit_reason"], short["net"]) == (Reason.END_OF_DATA, pytest.approx(600.0))
    assert result.equity[-1] == pytest.approx(10_000.0 + 624.0 + 600.0)
