"""Hand-computed working orders: what keeps one, what withdraws it, where it fills, what is left of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START
from stage import CALM, Stage

from riposte.engine.decide import next_surest
from riposte.engine.enums import Halt, Intent, Reason, Rule, TradingState
from riposte.engine.parameters import Costs, EntryOrder, Execution
from riposte.engine.records import SIGNAL
from riposte.market.interval import HOUR_NS

SIGNALLED, ADDED, STOP = Reason.SIGNAL, Reason.ADD, Reason.STOP
TARGET, PART = Reason.TARGET, Reason.PARTIAL_TARGET
STAYS = Execution(reprice=False)
GRID = dataclasses.replace(PLAIN, tick_size=0.25, step_size=0.5)
FIELDS = ("order", "limit_price", "resting", "reference_price", "decided_at", "arrives_at", "expires_at")  # fmt: skip


def near(price: float) -> Any:
    return pytest.approx(price, rel=1e-9)


def left(stage: Stage, symbol: int = 0) -> dict[str, float]:
    return {name: float(stage.pending[symbol][name]) for name in FIELDS}


# (what, order, account, signal, keeps): a limit far below a calm market, at the close an hour later
WORKING: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], bool]] = [
    ("nothing speaks against it", {}, {}, {}, True),
    ("a signal the same way", {}, {}, {"direction": 1}, True),
    ("a signal the other way", {}, {}, {"direction": -1}, False),
    ("just sure enough", {}, {}, {"direction": -1, "confidence": 0.5}, False),
    ("not sure enough", {}, {}, {"direction": -1, "confidence": 0.49}, True),
    ("to sell, and a signal to buy", {"side": -1, "limit_price": 110.0}, {}, {"direction": 1}, False),
    ("to sell, and a signal to sell", {"side": -1, "limit_price": 110.0}, {}, {"direction": -1}, True),
    ("to sell, and no signal", {"side": -1, "limit_price": 110.0}, {}, {"direction": 0}, True),
    ("out of time", {"expires_at": START + HOUR_NS}, {}, {}, False),
    ("out of time long ago", {"expires_at": START - HOUR_NS}, {}, {}, False),
    ("just not", {"expires_at": START + HOUR_NS + 1}, {}, {}, True),
    ("a pause", {}, {"paused_until": START + HOUR_NS + 1}, {}, False),
    ("a pause that is over", {}, {"paused_until": START + HOUR_NS}, {}, True),
    ("on its way, at market", {"limit_price": 0.0, "arrives_at": START + HOUR_NS}, {}, {}, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "order", "account", "signal", "keeps"), WORKING, ids=[c[0] for c in WORKING]
)
def test_an_order_goes_on_working(
    what: str, order: dict[str, Any], account: dict[str, Any], signal: Any, keeps: bool
) -> None:
    stage = Stage(execution=STAYS, max_order_notional=0.0)
    stage.order(**{"limit_price": 90.0, **order})
    for name, value in account.items():
        stage.account[name] = value
    before = left(stage)
    assert stage.bar(CALM, signals={0: signal}) == []
    assert bool(stage.pending[0]["approved"] == 1) is keeps, what
    if keeps:
        resting = 0.0 if order.get("limit_price") == 0.0 else 1.0
        assert left(stage) == {**before, "resting": resting}
    else:
        assert (stage.pending[0]["kind"], stage.pending[0]["quantity"]) == (Intent.NOTHING, 0.0)
    pause = account.get("paused_until", 0)
    refused = [(0, Rule.PAUSED, float(pause), float(stage.time))] if pause and not keeps else []
    own = [r for r in stage.refusals() if r[1] == Rule.PAUSED]
    assert own == refused


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_a_stop_of_trading_withdraws_what_opens_and_leaves_what_reduces(
    state: TradingState,
) -> None:
    stage = Stage(3, execution=STAYS)
    stage.account["state"], stage.account["halt"] = state, Halt.OPERATOR
    stage.hold(1, 4.0, 80.0, 150.0)
    later = stage.time + 99 * HOUR_NS
    stage.order(0, limit_price=90.0)
    stage.order(1, kind=Intent.EXIT, side=-1, limit_price=0.0, arrives_at=later, quantity=4.0)
    stage.order(2, limit_price=90.0)
    stage.bar(CALM, CALM, None)
    assert stage.pending["approved"].tolist() == [0, 1, 0]
    assert stage.pending[1]["arrives_at"] == later
    assert stage.refusals() == [(s, Rule.STATE, 0.0, float(Halt.OPERATOR)) for s in (0, 2)]


# tick 0.25; limit 1 % away from a close of 101.1: 100.089 down to 100, 102.111 up to 102.25
@pytest.mark.parametrize(("side", "limit", "price"), [(1, 90.0, 100.0), (-1, 110.0, 102.25)])
def test_a_resting_order_follows_the_close(side: int, limit: float, price: float) -> None:
    execution = Execution(entry_offset=0.01, latency_ns=7)
    stage = Stage(instrument=GRID, execution=execution)
    stage.order(side=side, limit_price=limit)
    expires = float(stage.pending[0]["expires_at"])
    stage.bar((100, 101.5, 99.5, 101.1))
    now = float(stage.time)
    assert left(stage) == {
        "order": EntryOrder.LIMIT, "limit_price": price, "resting": 0.0, "reference_price": 101.1,
        "decided_at": now, "arrives_at": now + 7, "expires_at": expires,
    }  # fmt: skip


def test_out_of_patience_it_crosses_for_one_bar() -> None:
    execution = Execution(entry_offset=0.01, cross_after=True, reprice=False, latency_ns=5)
    stage = Stage(execution=execution)
    stage.order(limit_price=90.0, expires_at=stage.time + HOUR_NS, order=EntryOrder.POST_ONLY)
    stage.bar((100, 101.5, 99.5, 101.1))
    now = float(stage.time)
    assert left(stage) == {
        "order": EntryOrder.MARKET, "limit_price": 0.0, "resting": 0.0, "reference_price": 101.1,
        "decided_at": now, "arrives_at": now + 5, "expires_at": now + 5 + HOUR_NS,
    }  # fmt: skip
    # It has not arrived in the next bar; at its end it is out of time for good: what is at market cannot cross.
    stage.pending[0]["expires_at"] = stage.time + HOUR_NS
    assert stage.bar(CALM) == []
    assert stage.pending[0]["approved"] == 0


def test_who_does_not_cross_gives_up() -> None:
    stage = Stage(execution=Execution(cross_after=False))
    stage.order(limit_price=90.0, expires_at=stage.time + HOUR_NS)
    stage.bar(CALM)
    assert stage.pending[0]["approved"] == 0


LIMIT, POST, MARKET = EntryOrder.LIMIT, EntryOrder.POST_ONLY, EntryOrder.MARKET
OFF = Rule.POST_ONLY
# (what, order, open, fill's price or None, maker, refusal): only the open matters, the bar goes nowhere else
ARRIVALS: list[tuple[str, dict[str, Any], float, float | None, int, Any]] = [
    ("at market", {"order": MARKET, "limit_price": 0.0}, 100.0, 100.0, 0, None),
    ("a limit above the open", {}, 97.5, 97.5, 0, None),
    ("a limit at the open", {}, 98.0, 98.0, 0, None),
    ("a limit below it", {}, 98.5, None, 0, None),
    ("to sell above it", {"side": -1, "limit_price": 102.0}, 101.5, None, 0, None),
    ("to sell at it", {"side": -1, "limit_price": 102.0}, 102.0, 102.0, 0, None),
    ("to sell below it", {"side": -1, "limit_price": 102.0}, 103.0, 103.0, 0, None),
    ("a limit at half a dollar", {"limit_price": 0.5, "reference_price": 0.5}, 0.75, None, 0, None),
    ("post-only above the open", {"order": POST}, 97.5, None, 0, (OFF, 98.0, 97.5)),
    ("post-only at the open", {"order": POST}, 98.0, None, 0, (OFF, 98.0, 98.0)),
    ("post-only below it", {"order": POST}, 98.5, None, 0, None),
    ("resting, and opened beyond", {"resting": 1}, 97.5, 98.0, 1, None),
    ("post-only resting, and opened beyond", {"resting": 1, "order": POST}, 97.5, 98.0, 1, None),
    ("resting, opened at it", {"resting": 1}, 98.0, None, 0, None),
    ("resting to sell, opened beyond", {"resting": 1, "side": -1, "limit_price": 102.0}, 103.0, 102.0, 1, None),
    ("resting to sell, opened at it", {"resting": 1, "side": -1, "limit_price": 102.0}, 102.0, None, 0, None),
    ("not arrived", {"arrives_at": START + 1}, 97.5, None, 0, None),
    ("not approved", {"approved": 0}, 97.5, None, 0, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "order", "open_", "price", "maker", "refused"), ARRIVALS, ids=[c[0] for c in ARRIVALS]
)
def test_an_order_meets_the_open(
    what: str, order: dict[str, Any], open_: float, price: float | None, maker: int, refused: Any
) -> None:
    stage = Stage(execution=STAYS)
    stage.order(**order)
    fills = stage.bar((open_,) * 4)
    assert fills == ([(0, SIGNALLED, near(10.0), near(price))] if price else []), what
    if price:
        row = stage.log.fills[0]
        assert row["maker"] == maker
        assert row["time"] == (stage.time if maker else START)
        assert stage.pending[0]["approved"] == 0
    assert stage.refusals() == ([(0, *refused)] if refused else [])
    if not price and not refused and "arrives_at" not in order and "approved" not in order:
        assert stage.pending[0]["resting"] == 1


def test_a_post_only_order_that_was_turned_away_stands_aside() -> None:
    stage = Stage(execution=STAYS)
    stage.order(order=POST)
    stage.bar((97.5, 97.5, 90, 90))  # it is not in the book: the fall to 90 does not fill it
    assert (stage.pending[0]["resting"], stage.pending[0]["approved"]) == (0, 1)
    assert stage.positions[0]["quantity"] == 0.0


# (what, side, limit, bar, fills): of a resting order
THROUGH: list[tuple[str, int, float, Any, bool]] = [
    ("touched", 1, 98.0, (100, 110, 98, 100), False),
    ("through", 1, 98.0, (100, 110, 97.75, 100), True),
    ("a sale touched", -1, 102.0, (100, 102, 90, 100), False),
    ("a sale through", -1, 102.0, (100, 102.25, 90, 100), True),
]  # fmt: skip


@pytest.mark.parametrize(("what", "side", "limit", "bar", "fills"), THROUGH)
def test_a_resting_order_fills_where_the_bar_trades_through_it(
    what: str, side: int, limit: float, bar: Any, fills: bool
) -> None:
    stage = Stage(execution=STAYS, instrument=dataclasses.replace(PLAIN, maker_fee=0.001))
    stage.order(side=side, limit_price=limit)
    assert [f[1:] for f in stage.bar(bar)] == ([(SIGNALLED, near(10.0), limit)] if fills else [])
    if fills:
        assert stage.log.fills[0]["fee"] == pytest.approx(10.0 * limit * 0.001)
        assert stage.positions[0]["opened_at"] == stage.time


@pytest.mark.parametrize("side", [1, -1])
def test_the_bar_that_fills_it_shows_its_adverse_price_and_its_close(side: int) -> None:
    stage = Stage(execution=STAYS)
    stage.order(side=side, limit_price=100.0 - 2.0 * side, take_profit=0.05)
    # a long at 98: the high of 104 would be its target of 102.9, the low 95 and the close 99 are certain
    bar = (100, 104, 95, 99) if side > 0 else (100, 105, 96, 101)
    assert [f[1] for f in stage.bar(bar)] == [SIGNALLED]
    p = stage.positions[0]
    assert (p["best_price"], p["worst_price"]) == ((99.0, 95.0) if side > 0 else (101.0, 105.0))
    # from the next bar on the target counts
    beyond = (99, 104, 98, 99) if side > 0 else (101, 102, 92, 101)
    assert [f[1] for f in stage.bar(beyond)] == [TARGET]


def test_a_refused_fill_of_a_resting_order_is_no_entry_in_the_bar() -> None:
    # what is held already goes through its whole bar: the add is refused for the collar of 1 %
    stage = Stage(execution=STAYS, price_collar=0.01)
    stage.hold(0, 4.0, 80.0, 105.0)
    stage.order(kind=Intent.ADD, limit_price=98.0)
    assert [f[1] for f in stage.bar((100, 106, 97, 100))] == [TARGET]
    assert stage.refusals() == [(0, Rule.PRICE_COLLAR, 0.01, pytest.approx(0.02))]


def test_a_limit_price_bounds_what_a_taker_pays() -> None:
    costly = dataclasses.replace(GRID, half_spread=0.01)
    for side, open_, limit, price in ((1, 97.0, 97.5, 97.5), (1, 90.0, 97.5, 91.0), (-1, 103.0, 102.5, 102.5), (-1, 110.0, 102.5, 108.75)):  # fmt: skip
        stage = Stage(
            instrument=costly, costs=Costs(impact=0.0, participation=1.0), execution=STAYS
        )
        stage.order(side=side, limit_price=limit)
        # 97 + 1 % is 97.97: not beyond 97.50; 90 + 1 % is 90.90, to the tick 91
        assert stage.bar((open_,) * 4)[0][3] == price


def test_an_old_decision_is_not_taken_but_an_old_order_in_the_book_is_filled() -> None:
    old = {"decided_at": START - 9 * HOUR_NS}
    stage = Stage(execution=STAYS)
    stage.order(order=MARKET, limit_price=0.0, **old)
    assert stage.bar(CALM) == []
    # decided nine hours before the open
    assert stage.refusals() == [(0, Rule.STALE_DATA, 2.0 * HOUR_NS, 9.0 * HOUR_NS)]
    assert stage.pending[0]["approved"] == 0
    stage = Stage(execution=STAYS)
    stage.order(**old)
    assert stage.bar((100, 100, 97, 98)) == [(0, SIGNALLED, near(10.0), 98.0)]


def orders(*confidence: float) -> Any:
    rows = np.zeros(len(confidence), SIGNAL)
    rows["confidence"] = confidence
    return rows


@pytest.mark.parametrize(
    ("confidence", "order"),
    [
        ((0.5, 0.9, 0.7), [1, 2, 0]),
        ((0.5, 0.5, 0.5), [0, 1, 2]),
        ((0.5, 0.9, 0.5), [1, 0, 2]),
        ((0.9, 0.5, 0.9, 0.5), [0, 2, 1, 3]),
        ((np.nan, 0.0, 0.9), [2, 1, 0]),
        ((0.0, np.nan, -3.0), [0, 1, 2]),
        ((-0.5, 0.0), [1, 0]),
    ],
)
def test_the_surest_comes_first_and_every_one_once(confidence: Any, order: list[int]) -> None:
    rows, found, s = orders(*confidence), [], -1
    for _ in order:
        s = int(next_surest(rows, s))
        found.append(s)
    assert found == order
    assert next_surest(rows, s) == -1


def test_at_the_open_what_reduces_goes_before_what_opens_and_the_surest_opens_first() -> None:
    stage = Stage(4, execution=STAYS)
    stage.hold(3, 4.0, 80.0, 150.0)
    for symbol, confidence in ((0, 0.6), (1, 0.9), (2, 0.7)):
        stage.order(symbol, order=MARKET, limit_price=0.0, confidence=confidence)
    stage.order(3, kind=Intent.EXIT, side=-1, limit_price=0.0, quantity=9.0, reason=Reason.TIME, confidence=0.0)  # fmt: skip
    assert [f[0] for f in stage.bar(CALM, CALM, CALM, CALM)] == [3, 1, 2, 0]


def test_a_symbol_without_a_bar_keeps_its_orders() -> None:
    stage = Stage(3, execution=STAYS)
    stage.hold(1, 4.0, 80.0, 150.0)
    stage.order(0, order=MARKET, limit_price=0.0)
    stage.order(1, kind=Intent.EXIT, side=-1, limit_price=0.0, quantity=4.0)
    stage.order(2, order=MARKET, limit_price=0.0, arrives_at=START + 1)
    assert stage.bar(None, None, CALM) == []
    assert stage.pending["approved"].tolist() == [1, 1, 1]
    stage.pending["decided_at"] = stage.time
    assert [f[0] for f in stage.bar(CALM, CALM, CALM)] == [1, 0, 2]


def test_an_order_to_leave_is_never_filled_as_an_entry() -> None:
    stage = Stage(execution=STAYS)
    stage.hold(0, 4.0, 80.0, 150.0)
    stage.order(kind=Intent.EXIT, resting=1, arrives_at=stage.time + 9 * HOUR_NS)
    assert stage.bar((100, 100, 97, 98)) == []


def test_a_position_is_left_although_an_add_to_it_is_working() -> None:
    stage = Stage(execution=STAYS)
    stage.hold(0, 4.0, 80.0, 150.0, expires_at=START + HOUR_NS)
    stage.order(kind=Intent.ADD, limit_price=90.0)
    stage.bar(CALM)
    order = stage.pending[0]
    assert (order["kind"], order["reason"], order["quantity"]) == (Intent.EXIT, Reason.TIME, 4.0)
    assert (order["approved"], order["limit_price"], order["resting"]) == (1, 0.0, 0)


def test_a_halt_does_not_decide_anew_what_is_leaving_already() -> None:
    stage = Stage(execution=STAYS)
    stage.hold(0, 4.0, 80.0, 150.0)
    stage.account["state"], stage.account["halt"] = TradingState.HALTED, Halt.OPERATOR
    late = stage.time + 9 * HOUR_NS
    stage.order(kind=Intent.EXIT, reason=Reason.TIME, arrives_at=late, quantity=3.0)
    for bar in (None, CALM):
        stage.bar(bar)
        order = stage.pending[0]
        assert (order["reason"], order["quantity"], order["arrives_at"]) == (Reason.TIME, 3.0, late)
