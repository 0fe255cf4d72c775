"""The gate: each rule refuses what it is for, with its limit and the value; exits always pass."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, WIDE, config, strangers

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.enums import Halt, Intent, Rule, TradingState
from riposte.engine.parameters import Limits
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.review import review
from riposte.engine.run import terms_of
from riposte.market.interval import HOUR_NS, SECOND_NS

INSTRUMENTS = instrument_records([dataclasses.replace(PLAIN, min_notional=10.0)] * 2)


class Desk:
    """Two flat symbols at 100 USDT, 10,000 USDT, and one proposed order that nothing is wrong with."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.account = new_account(10_000.0)
        self.positions = new_positions(2)
        self.positions["mark"] = self.positions["last_close"] = 100.0
        self.positions["last_time"] = START
        self.pending = np.zeros(2, INTENT)
        self.ratio = 1.0
        self.portfolio = strangers(2)
        order = self.pending[0]
        order["kind"], order["side"], order["leverage"] = Intent.ENTER, 1, 5.0
        order["quantity"], order["reference_price"] = 10.0, 100.0
        order["stop_loss"], order["take_profit"] = 0.01, 0.02
        order["model_id"] = 3

    def hold(self, symbol: int, quantity: float, stop: float = 95.0) -> None:
        side = 1 if quantity > 0 else -1
        position = self.positions[symbol]
        apply_fill(
            self.account,
            position,
            INSTRUMENTS[symbol],
            side,
            abs(quantity),
            100.0,
            0.0,
            0.0,
            5.0,
        )
        position["stop_price"], position["risk_per_coin"] = stop, abs(100.0 - stop)
        position["target_price"] = 110.0 if side > 0 else 90.0
        value_account(self.account, self.positions)

    def review(self) -> tuple[int, float, float]:
        terms = terms_of(config(self.limits))
        return review(
            self.account,
            self.positions,
            self.pending,
            0,
            INSTRUMENTS,
            self.portfolio,
            terms,
            self.ratio,
            START,
        )


def halted(desk: Desk) -> None:
    desk.account["state"], desk.account["halt"] = TradingState.HALTED, Halt.DRAWDOWN


def paused(desk: Desk) -> None:
    desk.account["paused_until"] = START + 1


def judged_wrong(desk: Desk) -> None:
    desk.account["signals_off"] = 1


def traded(desk: Desk) -> None:
    desk.account["trades_today"] = 10_000


def hasty(desk: Desk) -> None:
    desk.account["order_times"][:100] = START - 30 * SECOND_NS
    desk.account["orders_at"] = 100


def stale(desk: Desk) -> None:
    desk.positions[0]["last_time"] = START - 3 * HOUR_NS


def already_approved(desk: Desk) -> None:
    desk.pending[0]["approved"] = 1


def order(**fields: Any) -> Any:
    def change(desk: Desk) -> None:
        for name, value in fields.items():
            desk.pending[0][name] = value

    change.__name__ = "order with " + ", ".join(f"{k} {v}" for k, v in fields.items())
    return change


def volatile(desk: Desk) -> None:
    desk.ratio = 3.5


def of_unknown_volatility(desk: Desk) -> None:
    desk.ratio = np.nan


def holding_the_other_way(desk: Desk) -> None:
    desk.hold(0, -10.0, 105.0)
    desk.pending[0]["kind"] = Intent.ADD


def adding_beyond_its_own_target(desk: Desk) -> None:
    desk.hold(0, 10.0)
    desk.pending[0]["kind"] = Intent.ADD
    desk.pending[0]["reference_price"] = 111.0


def with_other_positions_full(desk: Desk) -> None:
    desk.hold(1, 150.0, 99.9)  # margin 3,000 of 10,000


def with_another_order_ahead(desk: Desk) -> None:
    other = desk.pending[1]
    for name in INTENT.names or ():
        other[name] = desk.pending[0][name]
    other["approved"], other["quantity"] = 1, 140.0  # margin 2,800


def near_the_daily_limit(desk: Desk) -> None:
    desk.account["day_start_equity"] = 10_195.0  # 2 % of it: 9,991.10 is the floor


def near_the_drawdown_limit(desk: Desk) -> None:
    desk.account["peak_equity"] = 10_520.0  # 5 % below: 9,994


STRICT = dataclasses.replace(
    WIDE,
    margin_fraction=0.08,
    risk_fraction=0.01,
    heat_fraction=0.28,
    daily_loss=0.02,
    max_drawdown=0.05,
    volatility_ratio=3.0,
    max_order_notional=3_500.0,
    max_positions=2,
)

CASES = [
    (halted, Rule.STATE),
    (paused, Rule.PAUSED),
    (judged_wrong, Rule.ACCURACY),
    (traded, Rule.TRADES_PER_DAY),
    (hasty, Rule.ORDER_RATE),
    (stale, Rule.STALE_DATA),
    (already_approved, Rule.DUPLICATE),
    (order(quantity=np.nan), Rule.BAD_NUMBER),
    (order(quantity=-1.0), Rule.BAD_NUMBER),
    (order(reference_price=np.inf), Rule.BAD_NUMBER),
    (volatile, Rule.VOLATILITY),
    (of_unknown_volatility, Rule.VOLATILITY),
    (order(leverage=5.1), Rule.LEVERAGE),
    (order(leverage=np.nan), Rule.LEVERAGE),
    (order(stop_loss=0.0), Rule.NO_STOP),
    (order(stop_loss=np.nan), Rule.NO_STOP),
    (order(stop_loss=0.17), Rule.NO_STOP),  # beyond 80 % of the way to liquidation at 5x
    (holding_the_other_way, Rule.OPPOSITE_POSITION),
    (adding_beyond_its_own_target, Rule.SELF_TRADE),
    (order(quantity=0.05), Rule.MIN_NOTIONAL),
    (order(quantity=41.0, leverage=2.0), Rule.MARGIN_FRACTION),
    (order(quantity=30.0, stop_loss=0.05), Rule.RISK_PER_TRADE),
    (order(quantity=36.0), Rule.MAX_ORDER_NOTIONAL),
    (with_other_positions_full, Rule.HEAT),
    (with_another_order_ahead, Rule.HEAT),
    (near_the_daily_limit, Rule.LOSS_BUDGET),
    (near_the_drawdown_limit, Rule.LOSS_BUDGET),
]


def test_an_order_that_nothing_is_wrong_with_is_approved_and_counted() -> None:
    desk = Desk(STRICT)
    assert desk.review() == (Rule.NONE, 0.0, 0.0)
    assert desk.pending[0]["approved"] == 1
    assert (desk.account["order_times"] == START).sum() == 1


@pytest.mark.parametrize(("spoil", "rule"), CASES, ids=lambda c: getattr(c, "__name__", c))
def test_a_rule_refuses_what_it_is_for(spoil: Any, rule: Rule) -> None:
    desk = Desk(STRICT)
    spoil(desk)
    before = desk.pending[0]["approved"]
    refused_by, _, _ = desk.review()
    assert Rule(refused_by) == rule
    assert desk.pending[0]["approved"] == before


def test_every_rule_of_the_gate_is_covered_by_a_case_here_or_by_the_fill_model() -> None:
    by_fill_model = {Rule.PRICE_COLLAR, Rule.PARTICIPATION, Rule.POST_ONLY}
    elsewhere = {Rule.REVIEW, Rule.FREE_MARGIN, Rule.MAX_POSITIONS, Rule.LIQUIDATION_NEAR}
    elsewhere |= {Rule.CORRELATION, Rule.PORTFOLIO_WEIGHT}  # test_engine_portfolio.py
    covered = {rule for _, rule in CASES} | by_fill_model | elsewhere
    assert covered >= set(Rule) - {Rule.NONE}


def test_what_would_stand_too_near_its_liquidation_from_the_start_is_not_opened() -> None:
    desk = Desk(dataclasses.replace(WIDE, liquidation_distance=0.2))
    # Long at 100, 5x, maintenance 0.5 %: liquidated at 80 / 0.995 = 80.40, 19.6 % away.
    rule, limit, distance = desk.review()
    assert (Rule(rule), limit) == (Rule.LIQUIDATION_NEAR, 0.2)
    assert distance == pytest.approx(1 - 80 / 99.5)


def test_a_stop_stands_clear_of_liquidation_not_only_of_bankruptcy() -> None:
    # 80 % of the 19.6 % to liquidation, not of the 20 % to bankruptcy.
    for stop, allowed in ((0.8 * 0.1958, True), (0.8 * 0.1961, False)):
        desk = Desk(WIDE)
        desk.pending[0]["stop_loss"] = stop
        assert (Rule(desk.review()[0]) == Rule.NONE) == allowed


def test_no_more_positions_than_allowed_counting_orders_ahead() -> None:
    desk = Desk(dataclasses.replace(WIDE, max_positions=1))
    with_another_order_ahead(desk)
    assert Rule(desk.review()[0]) == Rule.MAX_POSITIONS


def test_margin_cannot_exceed_what_the_wallet_holds() -> None:
    desk = Desk(dataclasses.replace(WIDE, heat_fraction=2.0))
    desk.hold(1, 400.0)  # margin 8,000
    desk.positions[1]["mark"] = 97.0  # 1,200 lost
    desk.positions[1]["stop_price"] = 96.9
    value_account(desk.account, desk.positions)
    desk.pending[0]["quantity"] = 45.0  # margin 900 of the 800 left
    rule, cap, value = desk.review()
    assert Rule(rule) == Rule.FREE_MARGIN
    assert (cap, value) == pytest.approx((4_000.0, 4_500.0))


@pytest.mark.parametrize(
    "spoil", [halted, paused, judged_wrong, traded, hasty, stale, volatile, near_the_daily_limit]
)
def test_nothing_keeps_a_position_from_becoming_smaller(spoil: Any) -> None:
    desk = Desk(STRICT)
    desk.hold(0, 10.0)
    spoil(desk)
    desk.pending[0]["kind"], desk.pending[0]["side"] = Intent.EXIT, -1
    assert desk.review() == (Rule.NONE, 0.0, 0.0)
