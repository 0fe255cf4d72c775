"""Hand-computed decisions: which entry a signal becomes, what is refused and why, who is left alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, STEADY, WIDE, bars_of, config, signals_of, strangers

from riposte.engine.accounting import apply_fill
from riposte.engine.decide import (
    anything_to_decide,
    decide,
    propose_entry,
    stop_absent,
)
from riposte.engine.enums import Halt, Intent, Reason, Rule, TradingState
from riposte.engine.parameters import PositionRules, Sizing
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.market.interval import HOUR_NS

TICKS = dataclasses.replace(
    PLAIN, tick_size=0.25, step_size=0.5, taker_fee=0.001, half_spread=0.001
)
CALM = (100.0, 100.0, 100.0, 100.0)
NOTHING, ENTER, ADD, EXIT = (int(Intent[n]) for n in ("NOTHING", "ENTER", "ADD", "EXIT"))


class Floor:
    """One symbol at a close of 100 and a certain signal to buy: stop 10 %, target 20 %; half coins."""

    def __init__(
        self, rules: PositionRules = STEADY, instrument: Any = TICKS, **limits: Any
    ) -> None:
        self.instruments = instrument_records([instrument])
        self.terms = terms_of(config(dataclasses.replace(WIDE, **limits), rules=rules))
        self.account, self.positions = new_account(10_000.0), new_positions(1)
        self.positions["last_time"] = START
        self.pending, self.log = np.zeros(1, INTENT), new_log(4)
        self.bars = bars_of([CALM])
        self.signal(direction=1)

    def signal(self, **fields: Any) -> None:
        values = {
            "stop_loss": 0.1, "take_profit": 0.2, "model_id": 5, "regime": 3, "confidence": 1.0,
            "horizon_ns": 7 * HOUR_NS,
        } | fields  # fmt: skip
        self.signals = signals_of(1, {0: values})

    def propose(self) -> tuple[Rule, float, float]:
        rule, limit, value = propose_entry(
            self.account, self.positions, 0, self.signals[0], self.bars[0], self.instruments,
            strangers(1), self.terms, HOUR_NS, START, self.pending,
        )  # fmt: skip
        return Rule(rule), limit, value

    def anything(self) -> bool:
        return bool(
            anything_to_decide(
                self.account, self.positions, self.pending, self.bars, self.signals, self.terms
            )
        )

    def decide(self) -> Any:
        decide(
            self.account, self.positions, self.bars, self.signals, self.instruments, strangers(1),
            self.terms, HOUR_NS, START, self.pending, self.log,
        )  # fmt: skip
        return self.pending[0]

    def refusals(self) -> list[tuple[Rule, float, float]]:
        rows = self.log.refusals[: self.log.counts[2]]
        assert all(row["time"] == START and row["symbol"] == 0 for row in rows)
        return [(Rule(r["rule"]), float(r["limit"]), float(r["value"])) for r in rows]


@pytest.mark.parametrize(("direction", "most", "coins"), [(1, 1_255.0, 12.5), (-1, 1_249.0, 12.0)])
def test_an_entry_is_proposed_with_all_that_the_fill_needs(
    direction: int, most: float, coins: float
) -> None:
    floor = Floor(max_order_notional=most)
    floor.signal(direction=direction)
    assert floor.propose() == (Rule.NONE, 0.0, 0.0)
    out = floor.pending[0]
    assert (out["kind"], out["side"], out["reason"], out["approved"]) == (
        ENTER,
        direction,
        Reason.SIGNAL,
        0,
    )
    assert (out["quantity"], out["reference_price"], out["leverage"]) == (coins, 100.0, 5.0)
    assert (out["take_profit"], out["stop_loss"], out["confidence"]) == (0.2, 0.1, 1.0)
    assert (out["horizon_ns"], out["regime"], out["model_id"]) == (7 * HOUR_NS, 3, 5)
    assert out["decided_at"] == START


def test_a_method_that_asks_for_less_than_the_limits_gets_it() -> None:
    floor = Floor(dataclasses.replace(STEADY, sizing=Sizing.FIXED_FRACTION, fixed_fraction=0.01))
    floor.propose()
    assert floor.pending[0]["quantity"] == 10.0  # 100 USDT at 10 %: 1,000


@pytest.mark.parametrize(
    ("what", "signal", "limits", "answer"),
    [
        ("no stop", {"stop_loss": 0.0}, {}, (Rule.NO_STOP, 0.0, 0.0)),
        ("no target", {"take_profit": 0.0}, {}, (Rule.NO_STOP, 0.0, 0.1)),
        ("a stop the wrong way", {"stop_loss": -0.1}, {}, (Rule.NO_STOP, 0.0, -0.1)),
        ("an unknown target", {"take_profit": np.nan}, {}, (Rule.NO_STOP, 0.0, 0.1)),
        # 49 USDT make no half coin, and 50 are the least
        ("too small a limit", {}, {"max_order_notional": 49.0}, (Rule.MAX_ORDER_NOTIONAL, 49.0, 60.0)),
        ("no room at all", {}, {"daily_loss": -0.01}, (Rule.LOSS_BUDGET, 0.0, 60.0)),
        ("the limits would do", {}, {"max_order_notional": 99.0}, (Rule.MIN_NOTIONAL, 99.0, 60.0)),
        ("exactly the least", {}, {"max_order_notional": 100.0}, (Rule.NONE, 0.0, 0.0)),
        ("the model is off", {}, {"trades_per_day": 0}, (Rule.TRADES_PER_DAY, 0.0, 0.0)),
    ],
)  # fmt: skip
def test_an_entry_that_does_not_fit_names_the_cause(
    what: str, signal: Any, limits: Any, answer: Any
) -> None:
    floor = Floor(instrument=dataclasses.replace(TICKS, min_notional=60.0), **limits)
    floor.signal(direction=1, **signal)
    assert floor.propose() == answer


def test_an_entry_of_exactly_the_least_notional_passes() -> None:
    floor = Floor(instrument=dataclasses.replace(TICKS, min_notional=50.0), max_order_notional=50.0)
    assert floor.propose() == (Rule.NONE, 0.0, 0.0)
    assert floor.pending[0]["quantity"] == 0.5


def test_a_limit_that_is_just_the_least_is_not_what_binds() -> None:
    # 60 USDT may be ordered and must be; half coins make 50 of them
    floor = Floor(instrument=dataclasses.replace(TICKS, min_notional=60.0), max_order_notional=60.0)
    assert floor.propose() == (Rule.MIN_NOTIONAL, 60.0, 60.0)


def test_no_room_is_no_order_even_where_there_is_no_least_one() -> None:
    # half a coin, 50 USDT, is the least there is; the cause is named and not the symptom
    assert Floor(risk_fraction=0.0).propose() == (Rule.RISK_PER_TRADE, 0.0, 50.0)
    stepless = Floor(instrument=dataclasses.replace(TICKS, step_size=0.0), risk_fraction=0.0)
    assert stepless.propose() == (Rule.MIN_NOTIONAL, 0.0, 0.0)


def test_what_decide_leaves_is_approved() -> None:
    floor = Floor(max_order_notional=1_000.0)
    order = floor.decide()
    assert (order["kind"], order["approved"], order["quantity"]) == (ENTER, 1, 10.0)
    assert floor.account["model_id"] == 5
    assert floor.refusals() == []


def test_what_cannot_be_proposed_is_not_reviewed_on_top() -> None:
    floor = Floor()
    floor.signal(direction=1, stop_loss=0.0)
    assert floor.decide()["kind"] == NOTHING
    assert floor.refusals() == [(Rule.NO_STOP, 0.0, 0.0)]


def test_what_review_refuses_is_cleared_and_on_record() -> None:
    floor = Floor(volatility_ratio=3.0)
    floor.bars["volatility_ratio"] = 3.5
    order = floor.decide()
    assert (order["kind"], order["approved"], order["quantity"]) == (NOTHING, 0, 0.0)
    assert floor.refusals() == [(Rule.VOLATILITY, 3.0, 3.5)]


@pytest.mark.parametrize(
    ("signal", "kind"),
    [
        ({"direction": 1, "confidence": 0.5}, ENTER),
        ({"direction": 1, "confidence": 0.49}, NOTHING),
        ({"direction": 0}, NOTHING),
        ({"direction": -1}, ENTER),
    ],
)
def test_a_signal_is_acted_on_from_its_least_confidence(signal: Any, kind: int) -> None:
    floor = Floor()
    floor.signal(**signal)
    wanted = floor.anything()
    assert wanted is (kind == ENTER)
    assert floor.decide()["kind"] == kind
    assert floor.refusals() == []


def test_a_signal_of_no_model_leaves_the_record_of_the_model_alone() -> None:
    floor = Floor()
    floor.account["model_id"], floor.account["hits_count"] = 9, 4
    floor.signal(direction=1, model_id=-1)
    floor.decide()
    assert (floor.account["model_id"], floor.account["hits_count"]) == (9, 4)
    floor.signal(direction=1, model_id=0)
    floor.decide()
    assert (floor.account["model_id"], floor.account["hits_count"]) == (0, 0)


@pytest.mark.parametrize("side", [1, -1])
def test_a_symbol_with_a_position_is_decided_on_without_a_signal(side: int) -> None:
    floor = Floor()
    floor.signal(direction=0)
    apply_fill(
        floor.account, floor.positions[0], floor.instruments[0], side, 0.5, 100.0, 0.0, 0.0, 5.0
    )
    floor.positions["expires_at"] = START
    assert floor.anything()
    order = floor.decide()
    assert (order["kind"], order["approved"], order["quantity"]) == (EXIT, 1, 0.5)


@pytest.mark.parametrize(
    ("state", "kind", "held", "left", "refused"),
    [
        (TradingState.ACTIVE, ENTER, 0.0, ENTER, False),
        (TradingState.REDUCING, ENTER, 0.0, NOTHING, True),
        (TradingState.REDUCING, ADD, 2.0, NOTHING, True),
        (TradingState.REDUCING, EXIT, 2.0, EXIT, False),
        (TradingState.HALTED, ENTER, 0.0, NOTHING, True),
        (TradingState.HALTED, ADD, -2.0, EXIT, True),
        (TradingState.HALTED, NOTHING, 0.5, EXIT, False),
        (TradingState.HALTED, NOTHING, 0.0, NOTHING, False),
        (TradingState.REDUCING, NOTHING, 2.0, NOTHING, False),
    ],
)
def test_a_symbol_without_a_bar_is_reached_by_a_stop_of_trading_alone(
    state: TradingState, kind: int, held: float, left: int, refused: bool
) -> None:
    floor = Floor()
    floor.account["state"], floor.account["halt"] = state, Halt.DRAWDOWN
    position, order = floor.positions[0], floor.pending[0]
    position["quantity"], position["last_close"] = held, 96.0
    order["kind"], order["approved"], order["quantity"] = kind, 1 if kind else 0, 3.0
    stop_absent(floor.account, position, 0, floor.terms, START, order, floor.log)
    assert order["kind"] == left
    assert order["approved"] == (1 if left else 0)
    assert floor.refusals() == ([(Rule.STATE, 0.0, float(Halt.DRAWDOWN))] if refused else [])
    if state == TradingState.HALTED and held:
        assert (order["quantity"], order["side"]) == (abs(held), -1 if held > 0 else 1)
        assert (order["reason"], order["reference_price"]) == (Reason.DRAWDOWN, 96.0)
        assert order["decided_at"] == START


@pytest.mark.parametrize(
    ("state", "answer"), [(TradingState.ACTIVE, False), (TradingState.REDUCING, True)]
)
def test_an_absent_bar_matters_only_while_trading_is_stopped(
    state: TradingState, answer: bool
) -> None:
    floor = Floor()
    floor.account["state"] = state
    floor.bars["present"] = 0
    assert floor.anything() is answer


def test_a_halt_reaches_a_symbol_without_a_bar_and_those_after_it() -> None:
    floor = Floor()
    floor.account["state"], floor.account["halt"] = TradingState.HALTED, Halt.DRAWDOWN
    instruments, positions = instrument_records([TICKS] * 2), new_positions(2)
    bars, pending = bars_of([CALM] * 2, present=[0, 1]), np.zeros(2, INTENT)
    for position in positions:
        apply_fill(floor.account, position, instruments[0], -1, 2.0, 100.0, 0.0, 0.0, 5.0)
    decide(
        floor.account, positions, bars, signals_of(2, {}), instruments, strangers(2), floor.terms, HOUR_NS,
        START, pending, floor.log,
    )  # fmt: skip
    assert pending["kind"].tolist() == [EXIT, EXIT]
    assert pending["approved"].tolist() == [1, 1]


def test_an_order_for_a_symbol_without_a_bar_stands() -> None:
    floor = Floor()
    floor.pending["kind"], floor.pending["approved"], floor.pending["quantity"] = ENTER, 1, 3.0
    floor.bars["present"] = 0
    order = floor.decide()
    assert (order["kind"], order["approved"], order["quantity"]) == (ENTER, 1, 3.0)


@pytest.mark.parametrize("approved", [0, 1])
def test_decide_empties_the_slot_of_a_symbol_that_wants_nothing(approved: int) -> None:
    floor = Floor()
    floor.signal(direction=0)
    floor.pending["kind"], floor.pending["approved"] = ENTER, approved
    floor.pending["quantity"] = 3.0
    order = floor.decide()
    assert (order["kind"], order["approved"], order["quantity"]) == (NOTHING, 0, 0.0)
