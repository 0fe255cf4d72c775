"""Hand-computed refusals: every rule with the limit and the value on record, and where exactly it begins."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, WIDE, config, strangers

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.enums import Halt, Intent, Rule, TradingState
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.review import (
    notional_caps,
    review,
    review_reduction,
)
from riposte.engine.run import terms_of
from riposte.market.interval import HOUR_NS, SECOND_NS

# 0.1 % to enter or leave at market, 0.1 % half-spread: 0.4 % there and back
COSTLY = dataclasses.replace(PLAIN, taker_fee=0.001, half_spread=0.001, min_notional=10.0)
INSTRUMENTS = instrument_records([COSTLY] * 3)
EXACT = {"rel": 1e-12, "abs": 1e-12}


class Desk:
    """Three flat symbols at 100 USDT, 10,000 USDT, and an order for 10 coins, stop 1 %, at 5x for the first."""

    def __init__(self, **limits: Any) -> None:
        self.terms = terms_of(config(dataclasses.replace(WIDE, **limits)))
        self.account = new_account(10_000.0)
        self.positions = new_positions(3)
        self.positions["mark"] = self.positions["last_close"] = 100.0
        self.positions["last_time"] = START
        self.pending = np.zeros(3, INTENT)
        self.ratio = 1.0
        self.portfolio, self.instruments = strangers(3), INSTRUMENTS
        self.order(0)

    def order(self, symbol: int, **fields: Any) -> Any:
        order = self.pending[symbol]
        values = {
            "kind": Intent.ENTER, "side": 1, "leverage": 5.0, "quantity": 10.0, "model_id": 3,
            "reference_price": 100.0, "stop_loss": 0.01, "take_profit": 0.02,
        } | fields  # fmt: skip
        for name, value in values.items():
            order[name] = value
        return order

    def hold(self, symbol: int, quantity: float, stop: float, target: float = 0.0) -> Any:
        position, side = self.positions[symbol], 1 if quantity > 0 else -1
        fill = (side, abs(quantity), 100.0, 0.0, 0.0, 5.0)
        apply_fill(self.account, position, INSTRUMENTS[symbol], *fill)
        position["stop_price"], position["risk_per_coin"] = stop, abs(100.0 - stop)
        position["target_price"] = target or 100.0 + 20.0 * side
        value_account(self.account, self.positions)
        return position

    def review(self) -> tuple[Rule, float, float]:
        rule, limit, value = review(
            self.account,
            self.positions,
            self.pending,
            0,
            self.instruments,
            self.portfolio,
            self.terms,
            self.ratio,
            START,
        )
        return Rule(rule), limit, value

    def caps(self, stop: float = 0.01, leverage: float = 5.0) -> tuple[float, Rule]:
        cap, rule = notional_caps(
            self.account,
            self.positions,
            self.pending,
            0,
            self.instruments,
            self.portfolio,
            self.terms,
            stop,
            leverage,
        )
        return cap, Rule(rule)


def of_account(**fields: Any) -> Any:
    def change(desk: Desk) -> None:
        for name, value in fields.items():
            desk.account[name] = value

    return change


def ordering(**fields: Any) -> Any:
    return lambda desk: desk.order(0, **fields)


def halted(desk: Desk) -> None:
    desk.account["state"], desk.account["halt"] = TradingState.HALTED, Halt.DRAWDOWN


def reducing(desk: Desk) -> None:
    desk.account["state"], desk.account["halt"] = TradingState.REDUCING, Halt.REVIEW


def ordered_before(count: int, seconds: float) -> Any:
    def change(desk: Desk) -> None:
        desk.account["order_times"][-count:] = START - int(seconds * SECOND_NS)

    return change


def with_entries_ahead(count: int) -> Any:
    def change(desk: Desk) -> None:
        for symbol in range(1, count + 1):
            desk.order(symbol, approved=1)

    return change


def last_seen(age_ns: int) -> Any:
    def change(desk: Desk) -> None:
        desk.positions[0]["last_time"] = START - age_ns

    return change


def of_ratio(ratio: float) -> Any:
    def change(desk: Desk) -> None:
        desk.ratio = ratio

    return change


def holding(symbol: int, coins: float, stop: float, target: float = 0.0, /, **order: Any) -> Any:
    def change(desk: Desk) -> None:
        desk.hold(symbol, coins, stop, target)
        desk.order(0, **order)

    return change


ADD = int(Intent.ADD)
NONE = (Rule.NONE, 0.0, 0.0)
STALE = 2 * HOUR_NS

# (what, what differs from the desk, its limits, (rule, limit, value)): a refusal, and beside it the last
# case that passes
CASES: list[tuple[str, Any, dict[str, Any], tuple[Rule, float, float]]] = [
    ("halted", halted, {}, (Rule.STATE, 0.0, float(Halt.DRAWDOWN))),
    ("only reducing", reducing, {}, (Rule.STATE, 0.0, float(Halt.REVIEW))),
    ("paused", of_account(paused_until=START + 1), {}, (Rule.PAUSED, START + 1, START)),
    ("the pause is over", of_account(paused_until=START), {}, NONE),
    ("the model is off", of_account(signals_off=1), {"min_accuracy": 0.6}, (Rule.ACCURACY, 0.6, 0.0)),
    ("no model spoke", lambda d: (of_account(signals_off=1)(d), d.order(0, model_id=-1)), {}, NONE),
    ("model 0 is one too", lambda d: (of_account(signals_off=1)(d), d.order(0, model_id=0)),
     {"min_accuracy": 0.6}, (Rule.ACCURACY, 0.6, 0.0)),
    ("15 trades today", of_account(trades_today=15), {"trades_per_day": 15}, (Rule.TRADES_PER_DAY, 15.0, 15.0)),
    ("16 trades today", of_account(trades_today=16), {"trades_per_day": 15}, (Rule.TRADES_PER_DAY, 15.0, 16.0)),
    ("14 trades today", of_account(trades_today=14), {"trades_per_day": 15}, NONE),
    ("13 and two ahead", lambda d: (of_account(trades_today=13)(d), with_entries_ahead(2)(d)),
     {"trades_per_day": 15}, (Rule.TRADES_PER_DAY, 15.0, 15.0)),
    ("an add is no new trade", lambda d: (d.account.__setitem__("trades_today", 15),
                                          holding(0, 1.0, 99.0, kind=ADD)(d)),
     {"trades_per_day": 15}, NONE),
    ("30 orders 59 s ago", ordered_before(30, 59), {"orders_per_minute": 30}, (Rule.ORDER_RATE, 30.0, 30.0)),
    ("31 orders", ordered_before(31, 59), {"orders_per_minute": 30}, (Rule.ORDER_RATE, 30.0, 31.0)),
    ("two minutes ago", ordered_before(30, 120), {"orders_per_minute": 30}, NONE),
    ("29 orders", ordered_before(29, 59), {"orders_per_minute": 30}, NONE),
    ("a minute ago", ordered_before(30, 60), {"orders_per_minute": 30}, NONE),
    ("last bar too old", last_seen(STALE + 1), {}, (Rule.STALE_DATA, STALE, STALE + 1)),
    ("just not", last_seen(STALE), {}, NONE),
    ("last seen in 1970", last_seen(START - 1), {}, (Rule.STALE_DATA, STALE, START - 1)),
    ("two ahead of two", with_entries_ahead(2), {"max_positions": 2}, (Rule.MAX_POSITIONS, 2.0, 2.0)),
    ("two ahead of three", with_entries_ahead(2), {"max_positions": 3}, NONE),
    ("one held, one ahead", lambda d: (d.hold(1, -1.0, 101.0), d.order(2, approved=1)),
     {"max_positions": 2}, (Rule.MAX_POSITIONS, 2.0, 2.0)),
    ("three of two", lambda d: (d.hold(2, 1.0, 99.0), with_entries_ahead(2)(d)),
     {"max_positions": 2}, (Rule.MAX_POSITIONS, 2.0, 3.0)),
    ("a long held of one", lambda d: d.hold(2, 1.0, 99.0), {"max_positions": 1}, (Rule.MAX_POSITIONS, 1.0, 1.0)),
    ("adding to the only one", holding(0, 1.0, 99.0, kind=ADD), {"max_positions": 1}, NONE),
    ("one held of two", lambda d: d.hold(2, 1.0, 99.0), {"max_positions": 2}, NONE),
    ("approved already", ordering(approved=1), {}, (Rule.DUPLICATE, 0.0, 10.0)),
    ("nothing ordered", ordering(quantity=0.0), {}, (Rule.BAD_NUMBER, 0.0, 0.0)),
    ("sold instead of bought", ordering(quantity=-2.0), {}, (Rule.BAD_NUMBER, 0.0, -2.0)),
    ("an endless order", ordering(quantity=np.inf), {}, (Rule.BAD_NUMBER, 0.0, np.inf)),
    ("at no price", ordering(reference_price=0.0), {}, (Rule.BAD_NUMBER, 0.0, 10.0)),
    ("at less than no price", ordering(reference_price=-5.0), {}, (Rule.BAD_NUMBER, 0.0, 10.0)),
    ("at an unknown price", ordering(reference_price=np.nan), {}, (Rule.BAD_NUMBER, 0.0, 10.0)),
    ("at half a dollar", ordering(reference_price=0.5, quantity=50.0), {}, NONE),
    ("half a coin", ordering(quantity=0.5), {}, NONE),
    ("three times as volatile", of_ratio(3.0), {"volatility_ratio": 3.0}, (Rule.VOLATILITY, 3.0, 3.0)),
    ("just not so", of_ratio(2.9999), {"volatility_ratio": 3.0}, NONE),
    ("leverage 6 of 5", ordering(leverage=6.0), {}, (Rule.LEVERAGE, 5.0, 6.0)),
    ("leverage 5 and a rounding", ordering(leverage=5.0 * (1 + 5e-10)), {}, NONE),
    ("leverage 5.00001", ordering(leverage=5.00001), {}, (Rule.LEVERAGE, 5.0, 5.00001)),
    # at 4x liquidation is at 75 / 0.995, which with its maintenance margin is nearer than the 25 % of the
    # margin: 24.62 % away, and a stop may stand at 80 % of that
    ("stop at 20 % with 4x", ordering(leverage=4.0, stop_loss=0.2), {}, (Rule.NO_STOP, 0.8 * (1 - 0.75 / 0.995), 0.2)),
    ("stop at 19.69 %", ordering(leverage=4.0, stop_loss=0.1969), {}, NONE),
    ("a stop in profit", ordering(stop_loss=-0.01), {}, (Rule.NO_STOP, 0.8 * (1 - 0.8 / 0.995), -0.01)),
    ("no stop", ordering(stop_loss=0.0), {}, (Rule.NO_STOP, 0.8 * (1 - 0.8 / 0.995), 0.0)),
    # a short's is at 120 / 1.005, 19.40 % away
    ("a short without a stop", ordering(side=-1, stop_loss=0.0), {}, (Rule.NO_STOP, 0.8 * (1.2 / 1.005 - 1), 0.0)),
    ("liquidation at 19.6 %", ordering(), {"liquidation_distance": 0.196},
     (Rule.LIQUIDATION_NEAR, 0.196, 1 - 0.8 / 0.995)),
    ("liquidation at 19.598 %", ordering(), {"liquidation_distance": 0.1959}, NONE),
    ("a short's at 19.4 %", ordering(side=-1), {"liquidation_distance": 0.1941},
     (Rule.LIQUIDATION_NEAR, 0.1941, 1.2 / 1.005 - 1)),
    ("leverage not earned", ordering(leverage=5.0), {"base_leverage": 3.0}, (Rule.LEVERAGE, 3.0, 5.0)),
    ("buying into a short", holding(0, -10.0, 101.0, kind=ADD), {}, (Rule.OPPOSITE_POSITION, 0.0, -10.0)),
    ("selling into a long", holding(0, 0.5, 99.0, kind=ADD, side=-1), {}, (Rule.OPPOSITE_POSITION, 0.0, 0.5)),
    ("entering twice", holding(0, 10.0, 99.0), {}, (Rule.OPPOSITE_POSITION, 0.0, 10.0)),
    ("selling twice", holding(0, -10.0, 101.0, side=-1), {}, (Rule.OPPOSITE_POSITION, 0.0, -10.0)),
    ("adding", holding(0, 10.0, 99.0, kind=ADD), {}, NONE),
    ("adding to a short", holding(0, -10.0, 101.0, kind=ADD, side=-1), {}, NONE),
    ("adding at its own target", holding(0, 10.0, 99.0, 100.0, kind=ADD), {}, (Rule.SELF_TRADE, 100.0, 100.0)),
    ("adding to a short at its target", holding(0, -10.0, 101.0, 100.0, kind=ADD, side=-1), {}, (Rule.SELF_TRADE, 100.0, 100.0)),
    ("adding below it", holding(0, 10.0, 99.0, 100.5, kind=ADD), {}, NONE),
    ("adding to a short above its target", holding(0, -10.0, 101.0, 99.5, kind=ADD, side=-1), {}, NONE),
    ("9.99 USDT", ordering(quantity=0.0999), {}, (Rule.MIN_NOTIONAL, 10.0, 9.99)),
    ("10 USDT", ordering(quantity=0.1), {}, NONE),
    # caps: margin 8 % of 10,000 at 5x are 4,000
    ("41 coins", ordering(quantity=41.0), {"margin_fraction": 0.08}, (Rule.MARGIN_FRACTION, 4_000.0, 4_100.0)),
    ("40 coins", ordering(quantity=40.0), {"margin_fraction": 0.08}, NONE),
    # 1 % of equity is 100; stop 4.6 % and 0.4 % of costs: 2,000
    ("risk", ordering(quantity=21.0, stop_loss=0.046), {"risk_fraction": 0.01}, (Rule.RISK_PER_TRADE, 2_000.0, 2_100.0)),
    # 100 to lose today; stop 1 % and costs 0.4 %: 100 / 0.014
    ("day's budget", ordering(quantity=80.0), {"daily_loss": 0.01}, (Rule.LOSS_BUDGET, 100 / 0.014, 8_000.0)),
    ("drawdown's budget", ordering(quantity=80.0), {"max_drawdown": 0.01}, (Rule.LOSS_BUDGET, 100 / 0.014, 8_000.0)),
    # margins together 2,000 at most; 1,500 held: 500 x 5
    ("heat", holding(1, 75.0, 99.0, quantity=26.0), {"heat_fraction": 0.2}, (Rule.HEAT, 2_500.0, 2_600.0)),
    ("order size", ordering(quantity=11.0), {"max_order_notional": 1_000.0}, (Rule.MAX_ORDER_NOTIONAL, 1_000.0, 1_100.0)),
    ("order size by half a dollar", ordering(quantity=10.005), {"max_order_notional": 1_000.0},
     (Rule.MAX_ORDER_NOTIONAL, 1_000.0, 1_000.5)),
    # a wallet of 10,000, 8,000 of it margin: 2,000 x 5
    ("free margin", holding(1, 400.0, 99.9, quantity=101.0), {"heat_fraction": 9.0}, (Rule.FREE_MARGIN, 10_000.0, 10_100.0)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "spoil", "limits", "answer"), CASES, ids=[c[0] for c in CASES])
def test_a_rule_begins_where_it_says_and_records_limit_and_value(
    what: str, spoil: Any, limits: dict[str, Any], answer: tuple[Rule, float, float]
) -> None:
    desk = Desk(**limits)
    spoil(desk)
    rule, limit, value = desk.review()
    assert rule == answer[0], what
    assert (limit, value) == pytest.approx(answer[1:], **EXACT)


def test_an_approval_is_marked_and_counted_in_a_ring() -> None:
    desk = Desk()
    desk.account["orders_at"] = 127
    assert desk.review() == NONE
    assert desk.pending[0]["approved"] == 1
    assert desk.account["order_times"][127] == START
    assert desk.account["orders_at"] == 0
    desk.order(0, approved=0)
    assert desk.review() == NONE
    assert desk.account["order_times"][0] == START
    assert desk.account["orders_at"] == 1
    desk.account["orders_at"] = 5
    desk.order(0, approved=0)
    assert desk.review() == NONE
    assert desk.account["orders_at"] == 6


def test_a_refusal_is_neither() -> None:
    desk = Desk(max_order_notional=100.0)
    assert desk.review()[0] == Rule.MAX_ORDER_NOTIONAL
    assert desk.pending[0]["approved"] == 0
    assert (desk.account["orders_at"], desk.account["order_times"].sum()) == (0, 0)


@pytest.mark.parametrize("quantity", [np.nan, np.inf, 0.0, -1.0])
def test_only_a_senseless_number_refuses_a_reduction(quantity: float) -> None:
    desk = Desk()
    order = desk.order(0, kind=Intent.REDUCE, quantity=quantity)
    rule, limit, value = review_reduction(order)
    assert (Rule(rule), limit) == (Rule.BAD_NUMBER, 0.0)
    assert np.array_equal(value, quantity, equal_nan=True)
    assert order["approved"] == 0


@pytest.mark.parametrize("kind", [Intent.REDUCE, Intent.EXIT])
def test_a_reduction_of_any_size_passes_and_is_no_opening_order(kind: Intent) -> None:
    desk = Desk(max_order_notional=1.0)
    desk.order(0, kind=kind, quantity=0.25)
    halted(desk)
    assert desk.review() == NONE
    assert desk.pending[0]["approved"] == 1
    assert desk.account["orders_at"] == 0
