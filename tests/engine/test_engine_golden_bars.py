"""Hand-computed bars: what a bar does first, where it fills, and what the margin bounds."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import (
    FREE,
    PLAIN,
    START,
    STEADY,
    bars_of,
    config,
    no_finer,
    signals_of,
    strangers,
)

from riposte.engine.accounting import apply_fill
from riposte.engine.enums import Intent, Reason
from riposte.engine.matching import adverse_exit, execute_reduction
from riposte.engine.parameters import Costs, PositionRules, TargetOrder
from riposte.engine.records import BAR, INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.engine.step import step
from riposte.market.interval import HOUR_NS

EXACT = {"rel": 1e-12, "abs": 1e-12}
GRID: dict[str, Any] = {"tick_size": 2.0**-10, "step_size": 2.0**-10}  # exact in binary
CALM = (100.0, 100.0, 100.0, 100.0)
NONE, STOP, TRAILED, TARGET = Reason.NONE, Reason.STOP, Reason.TRAILING_STOP, Reason.TARGET
PARTIAL, LIQUIDATED = Reason.PARTIAL_TARGET, Reason.LIQUIDATION


class Pit:
    """A position of 100 coins at 100 with 5x: margin 2,000; stop 10 away, target 20, taker fee 0.1 %."""

    def __init__(
        self,
        side: int = 1,
        costs: Costs = FREE,
        rules: PositionRules = STEADY,
        leverage: float = 5.0,
        **instrument: Any,
    ) -> None:
        self.instruments = instrument_records([dataclasses.replace(PLAIN, **GRID | instrument)])
        self.terms = terms_of(config(costs=costs, rules=rules))
        self.account, self.positions = new_account(10_000.0), new_positions(1)
        self.log = new_log(8)
        p = self.position
        apply_fill(self.account, p, self.instruments[0], side, 100.0, 100.0, 0.0, 0.0, leverage)
        p["stop_price"], p["target_price"] = 100.0 - 10.0 * side, 100.0 + 20.0 * side
        p["best_price"] = p["worst_price"] = 100.0
        p["risk_per_coin"], p["equity_before"] = 10.0, 10_000.0
        p["mark"], p["expires_at"] = 100.0, START + 10**15

    @property
    def position(self) -> Any:
        return self.positions[0]

    def match(self, bar: Any, **fields: Any) -> list[tuple[Reason, float, float]]:
        """(reason, coins, price) of what one bar that closes at START fills."""
        before = self.log.counts[1]
        step(
            self.account, self.positions, np.zeros(1, INTENT), bars_of([bar], **fields), no_finer(1),
            np.zeros(1, BAR), signals_of(1, {}), self.instruments, strangers(1), strangers(1),
            self.terms, HOUR_NS, START, self.log,
        )  # fmt: skip
        rows = self.log.fills[before : self.log.counts[1]]
        return [(Reason(r["reason"]), float(r["quantity"]), float(r["price"])) for r in rows]


def held(side: int, stop: float, liquidation: float, trailing: int = 0) -> Any:
    position = new_positions(1)[0]
    position["quantity"], position["trailing"] = 3.0 * side, trailing
    position["stop_price"], position["liquidation_price"] = stop, liquidation
    return position


# (what, side, stop, liquidation (0: never), bar, what happens, at which price)
ADVERSE: list[tuple[str, int, float, float, Any, Reason, float]] = [
    ("out of reach", 1, 90.0, 80.0, (100, 110, 90.25, 95), NONE, 0.0),
    ("touched", 1, 90.0, 80.0, (100, 110, 90, 95), STOP, 90.0),
    ("a fall through both: the stop is nearer", 1, 90.0, 80.0, (100, 100, 70, 75), STOP, 90.0),
    ("opened below the stop", 1, 90.0, 80.0, (85, 86, 84, 85), STOP, 85.0),
    ("opened just below the stop", 1, 90.0, 80.0, (89.5, 90, 89, 90), STOP, 89.5),
    ("opened at the stop", 1, 90.0, 80.0, (90, 95, 90, 95), STOP, 90.0),
    ("opened below liquidation", 1, 90.0, 80.0, (75, 95, 74, 95), LIQUIDATED, 75.0),
    ("opened at liquidation", 1, 90.0, 80.0, (80, 95, 80, 95), LIQUIDATED, 80.0),
    ("opened just above it", 1, 90.0, 80.0, (80.25, 95, 70, 95), STOP, 80.25),
    ("liquidation nearer than the stop", 1, 80.0, 90.0, (100, 100, 70, 75), LIQUIDATED, 90.0),
    ("nearer by a tick", 1, 89.75, 90.0, (100, 100, 70, 75), LIQUIDATED, 90.0),
    ("touched to the tick", 1, 80.0, 90.0, (100, 100, 90, 95), LIQUIDATED, 90.0),
    ("not touched", 1, 80.0, 90.0, (100, 100, 90.25, 95), NONE, 0.0),
    ("both at one price: the stop", 1, 90.0, 90.0, (100, 100, 90, 95), STOP, 90.0),
    ("a long that is never liquidated", 1, 90.0, 0.0, (100, 100, 70, 75), STOP, 90.0),
    ("nor at the open", 1, 0.25, 0.0, (0.5, 0.75, 0.5, 0.5), NONE, 0.0),
    ("liquidated at half a dollar", 1, 0.25, 0.5, (1.0, 1.0, 0.5, 0.75), LIQUIDATED, 0.5),
    ("a short out of reach", -1, 110.0, 120.0, (100, 109.75, 90, 105), NONE, 0.0),
    ("a short touched", -1, 110.0, 120.0, (100, 110, 90, 105), STOP, 110.0),
    ("a rise through both", -1, 110.0, 120.0, (100, 130, 100, 125), STOP, 110.0),
    ("a short opened beyond its stop", -1, 110.0, 120.0, (115, 116, 114, 115), STOP, 115.0),
    ("a short opened beyond liquidation", -1, 110.0, 120.0, (125, 126, 105, 105), LIQUIDATED, 125.0),
    ("a short's liquidation is nearer", -1, 130.0, 120.0, (100, 140, 100, 125), LIQUIDATED, 120.0),
    ("a short of small prices", -1, 1.5, 2.0, (0.5, 0.75, 0.5, 0.5), NONE, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "side", "stop", "liquidation", "bar", "reason", "price"),
    ADVERSE,
    ids=[c[0] for c in ADVERSE],
)
def test_the_adverse_side_of_a_bar(
    what: str, side: int, stop: float, liquidation: float, bar: Any, reason: Reason, price: float
) -> None:
    row = bars_of([bar])[0]
    assert adverse_exit(held(side, stop, liquidation), row) == (reason, price)
    if reason == STOP:  # what trails is called so
        assert adverse_exit(held(side, stop, liquidation, 1), row) == (TRAILED, price)


# (what, side, rules, bar, fills): target at 120 or 80, part of half at 110 or 90
HALF = dataclasses.replace(STEADY, partial_at=(0.5,), partial_share=(0.25,))
PATHS: list[tuple[str, int, Any, list[tuple[Reason, float, float]]]] = [
    ("nothing in reach", 1, (100, 109, 91, 100), []),
    ("a touch of the part's price", 1, (100, 110, 91, 100), []),
    ("traded through it", 1, (100, 110.25, 91, 100), [(PARTIAL, 25.0, 110.0)]),
    ("a touch of the target", 1, (100, 120, 91, 100), [(PARTIAL, 25.0, 110.0)]),
    ("through both", 1, (100, 121, 91, 100), [(PARTIAL, 25.0, 110.0), (TARGET, 75.0, 120.0)]),
    ("opened beyond both: resting orders fill at their prices", 1, (125, 126, 124, 125),
     [(PARTIAL, 25.0, 110.0), (TARGET, 75.0, 120.0)]),
    ("through all, the stop included", 1, (100, 121, 90, 100), [(STOP, 100.0, 90.0)]),
    ("a short through both", -1, (100, 101, 79, 100), [(PARTIAL, 25.0, 90.0), (TARGET, 75.0, 80.0)]),
    ("a short's touch", -1, (100, 101, 90, 100), []),
    ("a short and its stop", -1, (100, 110, 79, 100), [(STOP, 100.0, 110.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "side", "bar", "fills"), PATHS, ids=[c[0] for c in PATHS])
def test_the_profitable_side_of_a_bar(what: str, side: int, bar: Any, fills: Any) -> None:
    pit = Pit(side, rules=HALF)
    pit.position["partial_prices"][0] = 100.0 + 10.0 * side
    assert pit.match(bar) == fills
    assert pit.position["partials_taken"] == (
        1 if len(fills) == 1 and fills[0][0] == PARTIAL else 0
    ) or (len(fills) == 2)


def test_a_part_is_taken_once() -> None:
    pit = Pit(rules=HALF)
    pit.position["partial_prices"][0] = 110.0
    assert pit.match((100, 111, 95, 105)) == [(PARTIAL, 25.0, 110.0)]
    assert pit.match((105, 111, 100.25, 105)) == []  # above break-even, where the stop stands now


@pytest.mark.parametrize(
    ("share", "step", "part"),
    [(0.3, 8.0, 24.0), (0.05, 8.0, 0.0), (1.0, 4.0, 0.0), (0.005, 0.5, 0.5)],
)
def test_a_part_is_a_multiple_of_the_step_and_never_nothing_or_all(
    share: float, step: float, part: float
) -> None:
    pit = Pit(rules=dataclasses.replace(STEADY, partial_share=(share,)), step_size=step)
    pit.position["partial_prices"][0] = 110.0
    fills = pit.match((100, 111, 95, 105))
    assert fills == ([(PARTIAL, part, 110.0)] if part else [])
    assert pit.position["partials_taken"] == (1 if part else 0)


def test_without_a_partial_price_there_is_no_part() -> None:
    pit = Pit(rules=HALF)
    assert pit.match((100, 119, 95, 105)) == []


AT_MARKET = dataclasses.replace(FREE, target_order=TargetOrder.MARKET)


@pytest.mark.parametrize(
    ("side", "bar", "fills"),
    [
        (1, (100, 119.75, 95, 105), []),
        (1, (100, 120, 95, 105), [(TARGET, 100.0, 120.0)]),
        (1, (120, 125, 119, 121), [(TARGET, 100.0, 120.0)]),
        (1, (123, 125, 119, 121), [(TARGET, 100.0, 123.0)]),
        (1, (120.5, 125, 119, 121), [(TARGET, 100.0, 120.5)]),
        (1, (119.5, 125, 119, 121), [(TARGET, 100.0, 120.0)]),
        (-1, (100, 105, 80.25, 95), []),
        (-1, (100, 105, 80, 95), [(TARGET, 100.0, 80.0)]),
        (-1, (77, 81, 76, 80), [(TARGET, 100.0, 77.0)]),
    ],
)
def test_a_target_at_market_takes_a_touch_and_a_better_open(
    side: int, bar: Any, fills: Any
) -> None:
    assert Pit(side, AT_MARKET).match(bar) == fills


def test_a_part_at_market_is_taken_once_it_is_touched() -> None:
    pit = Pit(1, AT_MARKET, HALF)
    pit.position["partial_prices"][0] = 110.0
    assert pit.match((100, 109.5, 95, 105)) == []
    assert pit.position["partials_taken"] == 0
    assert pit.match((100, 110, 95, 105)) == [(PARTIAL, 25.0, 110.0)]
    assert pit.position["partials_taken"] == 1


def test_a_part_of_a_coin_of_cents_is_taken_too() -> None:
    pit = Pit(rules=HALF)
    for name, price in {
        "entry_price": 0.5, "stop_price": 0.25, "liquidation_price": 0.125, "target_price": 1.0,
    }.items():  # fmt: skip
        pit.position[name] = price
    pit.position["partial_prices"][0] = 0.75
    assert pit.match((0.5, 0.875, 0.5, 0.75)) == [(PARTIAL, 25.0, 0.75)]


@pytest.mark.parametrize(("side", "open_", "price"), [(1, 60.0, 80.0), (-1, 150.0, 120.0)])
def test_half_a_coin_is_liquidated_at_bankruptcy_at_worst(
    side: int, open_: float, price: float
) -> None:
    pit = Pit(side)
    pit.position["quantity"], pit.position["margin"] = 0.5 * side, 10.0
    assert pit.match((open_,) * 4) == [(LIQUIDATED, 0.5, pytest.approx(price))]


def test_a_resting_target_pays_the_maker_fee_and_one_at_market_slippage_and_the_taker_fee() -> None:
    fees: dict[str, Any] = {
        "maker_fee": 0.0002,
        "taker_fee": 0.001,
        "half_spread": 0.005,
        "tick_size": 0.1,
    }
    resting = Pit(1, FREE, **fees)
    resting.match((100, 121, 95, 105))
    assert resting.account["fees"] == pytest.approx(2.4)  # 12,000 x 0.02 %
    assert (resting.log.fills[0]["maker"], resting.log.fills[0]["slippage"]) == (1, 0.0)
    market = Pit(1, AT_MARKET, **fees)
    assert market.match((100, 121, 95, 105)) == [(TARGET, 100.0, pytest.approx(119.4))]
    assert market.account["fees"] == pytest.approx(11.94)
    assert (market.log.fills[0]["maker"], market.log.fills[0]["slippage"]) == (
        0,
        pytest.approx(60.0),
    )


@pytest.mark.parametrize(
    ("side", "bar", "best", "worst"),
    [
        (1, (100, 105, 95, 101), 105.0, 95.0),
        (1, (100, 100, 100, 100), 100.0, 100.0),
        (-1, (100, 105, 95, 101), 95.0, 105.0),
        (-1, (100, 100, 100, 100), 100.0, 100.0),
    ],
)
def test_a_bar_survived_widens_what_the_trade_has_seen(
    side: int, bar: Any, best: float, worst: float
) -> None:
    pit = Pit(side)
    assert pit.match(bar) == []
    assert (pit.position["best_price"], pit.position["worst_price"]) == (best, worst)
    pit.match((100, 100.5, 99.5, 100))  # inside of it: nothing new
    assert pit.position["best_price"] in (best, 100.0 + 0.5 * side)
    assert abs(pit.position["best_price"] - 100.0) >= abs(best - 100.0)
    assert abs(pit.position["worst_price"] - 100.0) >= abs(worst - 100.0)


def test_half_a_coin_sees_prices_too() -> None:
    for side in (1, -1):
        pit = Pit(side)
        pit.position["quantity"] = 0.5 * side
        pit.match((100, 105, 95, 101))
        assert pit.position["best_price"] == 100.0 + 5.0 * side


# (what, side, open, fee rate, multiplier, price filled, fee): 100 coins at 100, margin 2,000; bankruptcy at
# 80 or 120, liquidation at 8,000 / 99.5 = 80.402 or 12,000 / 100.5 = 119.403
LIQUIDATIONS = [
    ("fee within what is left", 1, 80.4, 0.001, 1.0, 80.4, 8.04),  # 40 left, 0.1 % of 8,040
    ("fee all that is left", 1, 80.4, 0.0125, 1.0, 80.4, 40.0),  # 1.25 % would be 100.50
    ("at the bankruptcy price", 1, 80.0, 0.0125, 1.0, 80.0, 0.0),
    ("beyond it", 1, 60.0, 0.0125, 1.0, 80.0, 0.0),
    ("a what-if on costs does not scale it", 1, 80.4, 0.001, 2.0, 80.4, 8.04),
    ("nor does half", 1, 80.4, 0.001, 0.5, 80.4, 8.04),
    ("no costs at all", 1, 80.4, 0.001, 0.0, 80.4, 0.0),
    ("a short", -1, 119.5, 0.001, 1.0, 119.5, 11.95),  # 50 left
    ("a short, all of it", -1, 119.5, 0.0125, 1.0, 119.5, 50.0),
    ("a short far beyond", -1, 150.0, 0.0125, 1.0, 120.0, 0.0),
]


@pytest.mark.parametrize(
    ("what", "side", "open_", "rate", "multiplier", "price", "fee"),
    LIQUIDATIONS, ids=[c[0] for c in LIQUIDATIONS],
)  # fmt: skip
def test_a_liquidation_costs_the_margin_at_most(
    what: str, side: int, open_: float, rate: float, multiplier: float, price: float, fee: float
) -> None:
    pit = Pit(side, dataclasses.replace(FREE, multiplier=multiplier), liquidation_fee=rate)
    ((reason, coins, filled),) = pit.match((open_, open_, open_, open_))
    assert (reason, coins) == (LIQUIDATED, 100.0)
    assert filled == pytest.approx(price, **EXACT)
    assert pit.account["fees"] == pytest.approx(fee, rel=1e-9, abs=1e-9)
    assert pit.account["wallet"] == pytest.approx(10_000.0 - 100.0 * abs(price - 100.0) - fee)
    assert pit.account["wallet"] >= 8_000.0 - 1e-9
    fill, trade = pit.log.fills[0], pit.log.trades[0]
    assert (fill["reference_price"], fill["maker"], fill["time"]) == (open_, 0, START)
    assert fill["slippage"] == pytest.approx(100.0 * abs(price - open_), abs=1e-9)
    assert trade["exit_reason"] == LIQUIDATED


@pytest.mark.parametrize(
    ("kind", "reason", "quantity", "sold"),
    [
        (Intent.EXIT, Reason.TIME, 100.0, 100.0),
        (Intent.EXIT, Reason.REVERSAL, 250.0, 100.0),
        (Intent.REDUCE, Reason.OPERATOR, 30.0, 30.0),
    ],
)
def test_an_order_to_leave_is_carried_out_at_the_open(
    kind: Intent, reason: Reason, quantity: float, sold: float
) -> None:
    pit = Pit()
    pending = np.zeros(1, INTENT)
    pending["kind"], pending["reason"], pending["quantity"], pending["approved"] = (
        kind,
        reason,
        quantity,
        1,
    )
    bar = bars_of([(102.0, 103.0, 99.0, 100.0)])[0]
    execute_reduction(
        pit.account,
        pit.positions,
        pending,
        0,
        bar,
        instrument_records([PLAIN]),
        pit.terms,
        START + 9,
        pit.log,
    )
    (fill,) = pit.log.fills[: pit.log.counts[1]]
    assert (fill["quantity"], fill["price"], fill["reason"]) == (sold, pytest.approx(102.0), reason)
    assert fill["gap"] == 0.0
    assert fill["time"] == START + 9
    assert (pending["kind"][0], pending["approved"][0]) == (0, 0)


def test_an_order_to_leave_what_is_gone_does_nothing() -> None:
    pit = Pit()
    pit.match((85, 86, 84, 85))
    pending = np.zeros(1, INTENT)
    pending["kind"], pending["quantity"], pending["approved"] = Intent.EXIT, 1.0, 1
    bar = bars_of([CALM])[0]
    execute_reduction(
        pit.account,
        pit.positions,
        pending,
        0,
        bar,
        instrument_records([PLAIN]),
        pit.terms,
        START,
        pit.log,
    )
    assert pit.log.counts[1] == 1
    assert (pending["kind"][0], pending["approved"][0]) == (0, 0)


@pytest.mark.parametrize("side", [1, -1])
def test_what_a_stop_loses_to_a_jump_is_told_apart_from_its_slippage(side: int) -> None:
    # stop 10 away, opened 15 away, 1 % of half-spread on that: 100 coins, 500 of gap and 85 or 115 of slippage
    pit = Pit(side, half_spread=0.01, tick_size=0.25)
    open_ = 100.0 - 15.0 * side
    assert [f[0] for f in pit.match((open_,) * 4)] == [STOP]
    fill, trade = pit.log.fills[0], pit.log.trades[0]
    price = 84.0 if side > 0 else 116.25  # 84.15 down and 116.15 up
    assert (fill["price"], fill["reference_price"]) == (price, open_)
    assert (fill["gap"], fill["slippage"]) == (500.0, 100.0 * abs(price - open_))
    assert (trade["gap"], trade["slippage"]) == (500.0, fill["slippage"])
    assert pit.account["gap"] == 500.0
    touched = Pit(side)
    stop = 100.0 - 10.0 * side
    touched.match((100, max(100, stop), min(100, stop), 100))
    assert (touched.log.fills[0]["gap"], touched.account["gap"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("costs", "bar"), [(FREE, (60.0,) * 4), (FREE, (100, 121, 95, 105)), (AT_MARKET, (123, 125, 119, 121))]
)  # fmt: skip
def test_only_a_stop_has_a_gap(costs: Costs, bar: Any) -> None:
    pit = Pit(1, costs)
    assert len(pit.match(bar)) == 1
    assert pit.log.fills[0]["gap"] == pit.account["gap"] == 0.0
