"""Hand-computed quiet: which bars may be crossed, between which prices, until when, and for which signals.

That no bar is wrongly thought quiet is proven over thousands of markets (test_engine_quiet.py). These cases
hold the other side too: what is not an event is crossed, or the crossing would be worth nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import START, STEADY, WIDE, bars_of, config, signals_of

from riposte.engine.enums import Halt, TradingState
from riposte.engine.parameters import Execution, MarginMode, Operator
from riposte.engine.quiet import (
    WATCH,
    bounds,
    eventful,
    heeded,
    look,
    mark_bounds,
    trails,
    unmoved,
    wakes_at,
)
from riposte.engine.records import INTENT, new_account, new_positions
from riposte.engine.run import terms_of
from riposte.engine.walk import marked
from riposte.market.interval import DAY_NS, HOUR_NS

HAIR = 1e-12
CALM = (100.0, 100.0, 100.0, 100.0)
DAY = START // DAY_NS
INFINITY = float("inf")
ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


def terms(
    operator: Operator | None = None,
    rules: Any = STEADY,
    execution: Execution | None = None,
    **limits: Any,
) -> Any:
    wide = dataclasses.replace(WIDE, **limits)
    return terms_of(config(wide, rules=rules, operator=operator, execution=execution))


def account_at(**fields: Any) -> Any:
    account = new_account(10_000.0)
    account["day"] = DAY
    for name, value in fields.items():
        account[name] = value
    return account


def held(side: float, **fields: Any) -> Any:
    """4 coins at 100 with a stop 8 away, a target 16.5 away, liquidation 20 away."""
    position = new_positions(1)[0]
    values = {
        "quantity": 4.0 * side, "entry_price": 100.0, "stop_price": 100.0 - 8.0 * side,
        "target_price": 100.0 + 16.5 * side, "liquidation_price": 100.0 - 20.0 * side,
        "risk_per_coin": 8.0, "best_price": 100.0, "worst_price": 100.0,
    } | fields  # fmt: skip
    for name, value in values.items():
        if name == "part":
            position["partial_prices"][0] = value
        else:
            position[name] = value
    return position


# (what, side, fields, trail_after, lower, upper): a bar strictly between is quiet
BOUNDS: list[tuple[str, float, dict[str, float], float, float, float]] = [
    ("stop and target", 1, {}, 0.0, 92.0, 116.5),
    ("a short", -1, {}, 0.0, 83.5, 108.0),
    ("half a coin", 1, {"quantity": 0.5}, 0.0, 92.0, 116.5),
    ("half a short coin", -1, {"quantity": -0.5}, 0.0, 83.5, 108.0),
    ("liquidation before the stop", 1, {"liquidation_price": 92.5}, 0.0, 92.5, 116.5),
    ("no liquidation", 1, {"liquidation_price": 0.0}, 0.0, 92.0, 116.5),
    ("a short's liquidation before the stop", -1, {"liquidation_price": 107.5}, 0.0, 83.5, 107.5),
    ("a short without liquidation", -1, {"liquidation_price": 0.0}, 0.0, 83.5, 108.0),
    ("a part before the target", 1, {"part": 108.5}, 0.0, 92.0, 108.5),
    ("a part taken", 1, {"part": 108.5, "partials_taken": 1}, 0.0, 92.0, 116.5),
    ("a part beyond the target", 1, {"part": 120.5}, 0.0, 92.0, 116.5),
    ("a short's part", -1, {"part": 92.5}, 0.0, 92.5, 108.0),
    ("a short's part beyond the target", -1, {"part": 80.5}, 0.0, 83.5, 108.0),
    ("a trail that begins at half an R", 1, {}, 0.5, 92.0, 104.0),
    ("a trail that begins beyond the target", 1, {}, 4.0, 92.0, 116.5),
    ("a trail that follows the best", 1, {"best_price": 110.5}, 0.5, 92.0, 110.5),
    ("a trail from an average entry", 1, {"entry_price": 100.5}, 0.5, 92.0, 104.5),
    ("a short's trail", -1, {}, 0.5, 96.0, 108.0),
    ("a short's trail that follows", -1, {"best_price": 90.5}, 0.5, 90.5, 108.0),
    ("a short's trail beyond the target", -1, {}, 4.0, 83.5, 108.0),
    ("a short's trail from an average entry", -1, {"entry_price": 100.5}, 0.5, 96.5, 108.0),
    ("cents, and liquidation before the stop", 1,
     {"stop_price": 0.25, "liquidation_price": 0.5, "part": 0.75, "target_price": 1.0}, 0.0, 0.5, 0.75),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "side", "fields", "trail", "lower", "upper"), BOUNDS, ids=[c[0] for c in BOUNDS]
)
def test_a_bar_between_these_prices_is_quiet(
    what: str, side: float, fields: dict[str, float], trail: float, lower: float, upper: float
) -> None:
    rules = dataclasses.replace(STEADY, trail_after=trail)
    low, high = bounds(held(side, **fields), terms(rules=rules))
    assert (low, high) == pytest.approx((lower, upper), rel=1e-11)
    # a hair inside, so that a touch within rounding is an event
    assert low == pytest.approx(lower * (1 + HAIR), rel=2e-16)
    assert high == pytest.approx(upper * (1 - HAIR), rel=2e-16)
    assert low > lower
    assert high < upper


def test_nothing_bounds_who_holds_nothing() -> None:
    assert bounds(new_positions(1)[0], terms()) == (-INFINITY, INFINITY)


def event(
    bar: dict[str, Any] | None = None,
    signal: dict[str, Any] | None = None,
    *,
    prices: Any = CALM,
    lower: float = -INFINITY,
    upper: float = INFINITY,
    long: bool = True,
    short: bool = True,
    coins: float = 0.0,
) -> bool:
    """Whether the bar is an event; volatility limit 3, least confidence 0.5, model 7."""
    row = bars_of([prices], **(bar or {}))[0]
    said = signals_of(1, {0: {"model_id": 7, **(signal or {})}})[0]
    eye = np.zeros(1, WATCH)[0]
    eye["lower"], eye["upper"], eye["quantity"] = lower, upper, coins
    eye["long"], eye["short"] = long, short
    return bool(eventful(row, said, eye, 3.0, 0.5, 7))


QUIET: list[tuple[str, dict[str, Any]]] = [
    ("a calm bar", {}),
    ("between the bounds", {"prices": (100.0, 109.0, 91.0, 95.0), "lower": 90.0, "upper": 110.0}),
    ("opened at the low, closed at the high", {"prices": (99.0, 101.0, 99.0, 101.0)}),
    ("opened at the high, closed at the low", {"prices": (101.0, 101.0, 99.0, 99.0)}),
    ("a price of cents", {"prices": (0.5, 0.5, 0.25, 0.5)}),
    ("a long not heeded", {"signal": {"direction": 1}, "long": False}),
    ("a short not heeded", {"signal": {"direction": -1}, "short": False}),
    ("too little confidence", {"signal": {"direction": 1, "confidence": 0.49}}),
    ("unknown confidence", {"signal": {"direction": 1, "confidence": np.nan}}),
    ("nearly too volatile", {"bar": {"volatility_ratio": 2.99}}),
    ("unknown volatility", {"bar": {"volatility_ratio": np.nan}}),
    ("funding of who holds nothing", {"bar": {"funding": 0.01}}),
    ("another model, nothing held", {"signal": {"model_id": 8}}),
    ("the same model, held", {"coins": 0.5}),
    ("no model, held", {"signal": {"model_id": -1}, "coins": -0.5}),
]
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("absent", {"bar": {"present": 0}}),
    ("at the lower bound", {"prices": (100.0, 100.0, 90.0, 95.0), "lower": 90.0}),
    ("at the upper bound", {"prices": (100.0, 110.0, 100.0, 105.0), "upper": 110.0}),
    ("no price at all", {"prices": (0.0, 0.0, 0.0, 0.0)}),
    ("a negative price", {"prices": (100.0, 100.0, -1.0, 100.0)}),
    ("an endless price", {"prices": (100.0, INFINITY, 100.0, 100.0)}),
    ("opened below the low", {"prices": (98.0, 101.0, 99.0, 100.0)}),
    ("opened above the high", {"prices": (102.0, 101.0, 99.0, 100.0)}),
    ("closed below the low", {"prices": (100.0, 101.0, 99.0, 98.0)}),
    ("closed above the high", {"prices": (100.0, 101.0, 99.0, 102.0)}),
    ("an unknown open", {"prices": (np.nan, 101.0, 99.0, 100.0)}),
    ("an unknown close", {"prices": (100.0, 101.0, 99.0, np.nan)}),
    ("an unknown low", {"prices": (100.0, 101.0, np.nan, 100.0)}),
    ("an unknown high", {"prices": (100.0, np.nan, 99.0, 100.0)}),
    ("a long heeded", {"signal": {"direction": 1}, "short": False}),
    ("a short heeded", {"signal": {"direction": -1}, "long": False}),
    ("just enough confidence", {"signal": {"direction": 1, "confidence": 0.5}}),
    ("too volatile", {"bar": {"volatility_ratio": 3.0}}),
    ("funding of what is held", {"bar": {"funding": -0.01}, "coins": 0.5}),
    ("another model, held", {"signal": {"model_id": 8}, "coins": 1.0}),
    ("model 0, held", {"signal": {"model_id": 0}, "coins": -1.0}),
]


@pytest.mark.parametrize(("what", "parts"), QUIET, ids=[c[0] for c in QUIET])
def test_no_event(what: str, parts: dict[str, Any]) -> None:
    assert not event(**parts)


@pytest.mark.parametrize(("what", "parts"), EVENTS, ids=[c[0] for c in EVENTS])
def test_an_event(what: str, parts: dict[str, Any]) -> None:
    assert event(**parts)


@pytest.mark.parametrize(
    ("mark", "used"),
    [(101.0, 101.0), (0.5, 0.5), (0.0, 99.0), (-1.0, 99.0), (np.nan, 99.0), (INFINITY, 99.0)],
)
def test_the_mark_values_where_it_is_a_price_and_the_close_where_not(
    mark: float, used: float
) -> None:
    assert marked(bars_of([(100.0, 101.0, 99.0, 99.0)], mark=mark)[0]) == used


@pytest.mark.parametrize(
    ("what", "side", "rules", "fields", "answer"),
    [
        ("flat: to both", 0, {}, {}, (True, True)),
        ("held, no rule asks: to neither", 1, {}, {}, (False, False)),
        ("reversal: to the other way", 1, {"exit_on_reversal": True}, {}, (False, True)),
        ("a short's reversal", -1, {"exit_on_reversal": True}, {}, (True, False)),
        ("adding: to the same way", 1, {"add_after": 0.5, "max_adds": 1}, {}, (True, False)),
        ("a short's adding", -1, {"add_after": 0.5, "max_adds": 1}, {}, (False, True)),
        ("added often enough", 1, {"add_after": 0.5, "max_adds": 1}, {"adds": 1}, (False, False)),
        ("added too often", 1, {"add_after": 0.5, "max_adds": 1}, {"adds": 2}, (False, False)),
        ("half a coin", 1, {"exit_on_reversal": True}, {"quantity": 0.5}, (False, True)),
        ("half a short coin", -1, {"exit_on_reversal": True}, {"quantity": -0.5}, (True, False)),
        ("both", 1, {"add_after": 0.5, "exit_on_reversal": True}, {}, (True, True)),
    ],
)  # fmt: skip
def test_a_signal_is_heeded(what: str, side: int, rules: Any, fields: Any, answer: Any) -> None:
    position = held(side, **fields) if side else new_positions(1)[0]
    assert heeded(position, terms(rules=dataclasses.replace(STEADY, **rules))) == answer


MIDNIGHT = (DAY + 1) * DAY_NS
SOON, LATE = START + 2 * HOUR_NS, START + 5 * HOUR_NS


@pytest.mark.parametrize(
    ("what", "account", "operator", "time_exit", "fields", "until"),
    [
        ("the next day", {}, -1, True, {"quantity": 0.0}, MIDNIGHT),
        ("an expiry", {}, -1, True, {"expires_at": SOON}, SOON),
        ("an expiry of nothing", {}, -1, True, {"expires_at": SOON, "quantity": 0.0}, MIDNIGHT),
        ("an expiry that does not matter", {}, -1, False, {"expires_at": SOON}, MIDNIGHT),
        ("a verdict", {}, -1, False, {"forecast_direction": -1, "forecast_due": LATE}, LATE),
        ("a verdict on a long", {}, -1, False, {"forecast_direction": 1, "forecast_due": LATE}, LATE),
        ("an expiry of a short", {}, -1, True, {"expires_at": SOON, "quantity": -4.0}, SOON),
        ("a verdict long given", {}, -1, False, {"forecast_direction": 0, "forecast_due": LATE}, MIDNIGHT),
        ("the earlier of both", {}, -1, True,
         {"forecast_direction": 1, "forecast_due": LATE, "expires_at": SOON}, SOON),
        ("a person", {"state": HALTED, "state_since": START}, HOUR_NS, True, {"quantity": 0.0}, START + HOUR_NS),
        ("a person also for a review", {"state": REDUCING, "state_since": START}, HOUR_NS, True, {"quantity": 0.0}, START + HOUR_NS),
        ("nobody", {"state": HALTED, "state_since": START}, -1, True, {"quantity": 0.0}, MIDNIGHT),
        ("a person who has nothing to do", {"state_since": START}, HOUR_NS, True, {"quantity": 0.0}, MIDNIGHT),
        ("a person after tomorrow", {"state": HALTED, "state_since": START}, 3 * DAY_NS, True, {"quantity": 0.0}, MIDNIGHT),
    ],
)  # fmt: skip
def test_the_clock_wakes_it(
    what: str, account: Any, operator: int, time_exit: bool, fields: Any, until: int
) -> None:
    positions = new_positions(2)
    positions[1] = held(1, **{"expires_at": MIDNIGHT + 1, **fields})
    rules = dataclasses.replace(STEADY, time_exit=time_exit)
    assert wakes_at(account_at(**account), positions, terms(Operator(operator), rules)) == until


@pytest.mark.parametrize(
    ("what", "account", "quantity", "approved", "answer"),
    [
        ("trading, flat", {}, 0.0, 0, True),
        ("trading, holding", {}, 2.0, 0, True),
        ("an order waits", {}, 0.0, 1, False),
        ("losses meet the limit", {"losses_in_row": 8}, 0.0, 0, False),
        ("losses beyond it", {"losses_in_row": 9}, 0.0, 0, False),
        ("not yet", {"losses_in_row": 7}, 0.0, 0, True),
        ("a poor Sharpe ratio", {"sharpe": 0.4}, 0.0, 0, False),
        ("good enough", {"sharpe": 0.5}, 0.0, 0, True),
        ("active with a halt", {"halt": Halt.REVIEW}, 0.0, 0, False),
        ("stopped and flat", {"state": HALTED, "halt": Halt.DRAWDOWN}, 0.0, 0, True),
        ("stopped by a person", {"state": HALTED, "halt": Halt.OPERATOR}, 0.0, 0, True),
        ("stopped and holding", {"state": HALTED, "halt": Halt.DRAWDOWN}, -0.5, 0, False),
        ("reducing and holding", {"state": REDUCING, "halt": Halt.REVIEW}, 2.0, 0, False),
        (
            "volatility may calm at any bar",
            {"state": HALTED, "halt": Halt.VOLATILITY},
            0.0,
            0,
            False,
        ),
    ],
)
def test_who_may_cross(
    what: str, account: Any, quantity: float, approved: int, answer: bool
) -> None:
    positions, pending = new_positions(2), np.zeros(2, INTENT)
    positions[0]["quantity"], pending[1]["approved"] = quantity, approved
    limits = {"losses_in_row": 8, "min_sharpe": 0.5}
    assert bool(unmoved(account_at(**account), positions, pending, terms(**limits))) is answer


# a trail begins at half an R of 8: 4 from the entry
@pytest.mark.parametrize(
    ("side", "best", "after", "answer"),
    [
        (1, 104.0, 0.5, True),
        (1, 103.75, 0.5, False),
        (1, 103.0, 0.0, False),
        (-1, 96.0, 0.5, True),
        (-1, 96.25, 0.5, False),
        (-1, 104.0, 0.5, False),
        (0.125, 104.0, 0.5, True),
        (-0.125, 96.0, 0.5, True),
        (1, 120.0, 2.5, True),
        (1, 119.75, 2.5, False),
    ],
)
def test_a_stop_has_begun_to_trail(side: float, best: float, after: float, answer: bool) -> None:
    rules = dataclasses.replace(STEADY, trail_after=after)
    assert bool(trails(held(side, best_price=best), terms(rules=rules))) is answer


@pytest.mark.parametrize(
    ("what", "rules", "best", "margin_mode", "held_too", "answer"),
    [
        ("a trail by true ranges moves at every bar", {"trail_atr": 2.0}, 110.0, 0, 0.0, False),
        ("by half a range too", {"trail_atr": 0.5}, 110.0, 0, 0.0, False),
        ("one that has not begun does not", {"trail_atr": 2.0}, 100.0, 0, 0.0, True),
        ("nor one by risks", {}, 110.0, 0, 0.0, True),
        ("one position under cross margin", {}, 100.0, 1, 0.0, True),
        ("two of them", {}, 100.0, 1, -0.5, False),
        ("two that stand alone", {}, 100.0, 0, -0.5, True),
    ],
)
def test_what_moves_at_every_bar_is_not_crossed(
    what: str, rules: Any, best: float, margin_mode: int, held_too: float, answer: bool
) -> None:
    positions, pending = new_positions(3), np.zeros(3, INTENT)
    positions[2] = held(1, best_price=best)
    positions[1]["quantity"] = held_too
    chosen = terms(
        rules=dataclasses.replace(STEADY, trail_after=1.0, **rules),
        execution=Execution(margin_mode=MarginMode(margin_mode)),
    )
    assert bool(unmoved(account_at(), positions, pending, chosen)) is answer, what


# nearer than 20 % of the mark: a long's 80 from 100 down, a short's 120 from 100 up
@pytest.mark.parametrize(
    ("what", "side", "liquidation", "near", "least", "most"),
    [
        ("a long", 1, 80.0, 0.2, 100.0, INFINITY),
        ("a short", -1, 120.0, 0.2, -INFINITY, 100.0),
        ("half a coin", 0.125, 80.0, 0.2, 100.0, INFINITY),
        ("half a short coin", -0.125, 120.0, 0.2, -INFINITY, 100.0),
        ("no rule: at liquidation", 1, 80.0, 0.0, 80.0, INFINITY),
        ("a short's", -1, 120.0, 0.0, -INFINITY, 120.0),
        ("at half a dollar", 1, 0.5, 0.0, 0.5, INFINITY),
        ("a long that is never liquidated", 1, 0.0, 0.2, -INFINITY, INFINITY),
        ("a short that is never", -1, 0.0, 0.2, -INFINITY, INFINITY),
        ("nothing held", 0, 80.0, 0.2, -INFINITY, INFINITY),
    ],
)
def test_a_mark_between_these_is_far_from_liquidation(
    what: str, side: float, liquidation: float, near: float, least: float, most: float
) -> None:
    position = held(side, liquidation_price=liquidation)
    low, high = mark_bounds(position, terms(liquidation_distance=near))
    assert (low, high) == pytest.approx((least, most), rel=1e-11), what
    if np.isfinite(low):
        assert low > least
    if np.isfinite(high):
        assert high < most


def test_what_is_watched_of_each_symbol() -> None:
    positions, watch = new_positions(2), np.zeros(2, WATCH)
    rules = dataclasses.replace(STEADY, exit_on_reversal=True)
    assert not look(positions, terms(rules=rules), watch)
    assert (watch[0]["long"], watch[0]["short"], watch[0]["quantity"]) == (1, 1, 0.0)
    positions[0] = held(-1, quantity=-1.0)
    assert look(positions, terms(rules=rules, liquidation_distance=0.2), watch)
    eye = watch[0]
    assert (eye["lower"], eye["upper"]) == pytest.approx((83.5, 108.0))
    assert (eye["least"], eye["most"]) == pytest.approx((-INFINITY, 100.0))
    assert (eye["quantity"], eye["entry"]) == (-1.0, 100.0)
    assert (eye["lowest"], eye["highest"]) == (INFINITY, -INFINITY)
    assert (eye["long"], eye["short"]) == (1, 0)  # deaf to what it holds already
    assert (watch[1]["lower"], watch[1]["upper"]) == (-INFINITY, INFINITY)
