"""Hand-computed fills: slippage, rounding, what an order is cut to, and what a trade leaves on record."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from pit import CALM, EXACT, FEES, LATER, REFUSALS, Pit
from scenario import FREE, PLAIN, START, bars_of, config

from riposte.engine.decide import clear
from riposte.engine.enums import Intent, Reason, Rule
from riposte.engine.fills import (
    good_bar,
    slippage_fraction,
)
from riposte.engine.parameters import Costs, EntryOrder, PositionRules
from riposte.engine.records import instrument_records
from riposte.engine.run import terms_of
from riposte.market.interval import HOUR_NS

# (notional, bar volume, volatility, multiplier, fraction): half-spread 0.1 %, impact 0.5
SLIPPAGE = [
    (10_000.0, 1e6, 0.02, 1.0, 0.001 + 0.5 * 0.02 * 0.1),  # 1 % of the volume: root 0.1
    (40_000.0, 1e6, 0.02, 1.0, 0.001 + 0.5 * 0.02 * 0.2),  # four times the order, twice the impact
    (10_000.0, 1e6, 0.04, 1.0, 0.001 + 0.5 * 0.04 * 0.1),
    (10_000.0, 1e6, 0.02, 2.0, 2 * (0.001 + 0.5 * 0.02 * 0.1)),
    (10_000.0, 1e6, 0.0, 1.0, 0.001),
    (10_000.0, 1e6, np.nan, 1.0, 0.001),  # unknown volatility: the spread alone
    (2_500.0, 1e4, 0.02, 1.0, 0.001 + 0.5 * 0.02 * 0.5),
    (1e5, 1e4, 0.02, 1.0, 0.001 + 0.5 * 0.02),  # never more than the whole bar
    (1.0, -1.0, 0.02, 1.0, 0.001 + 0.5 * 0.02),  # less than nothing cannot be
    (1.0, 0.0, 0.02, 1.0, 0.001 + 0.5 * 0.02),  # nothing was traded: as if all of it
    (0.125, 0.5, 0.02, 1.0, 0.001 + 0.5 * 0.02 * 0.5),
]


@pytest.mark.parametrize(("notional", "volume", "volatility", "multiplier", "fraction"), SLIPPAGE)
def test_slippage_is_half_spread_and_root_of_the_share_of_volume(
    notional: float, volume: float, volatility: float, multiplier: float, fraction: float
) -> None:
    record = instrument_records([dataclasses.replace(PLAIN, half_spread=0.001)])[0]
    terms = terms_of(config(costs=Costs(multiplier=multiplier, impact=0.5)))
    bar = bars_of([CALM], quote_volume=volume, volatility=volatility)[0]
    assert slippage_fraction(record, terms, bar, notional) == pytest.approx(fraction, **EXACT)


@pytest.mark.parametrize(
    ("prices", "present", "good"),
    [
        ((100.0, 101.0, 99.0, 100.0), 1, True),
        ((100.0, 101.0, 99.0, 100.0), 0, False),
        ((0.5, 0.6, 0.4, 0.5), 1, True),
        ((100.0, 100.0, 100.0, 100.0), 1, True),
        ((99.0, 101.0, 99.0, 101.0), 1, True),  # opened at the low, closed at the high
        ((101.0, 101.0, 99.0, 99.0), 1, True),
        ((102.0, 101.0, 99.0, 100.0), 1, False),
        ((98.0, 101.0, 99.0, 100.0), 1, False),
        ((100.0, 101.0, 99.0, 102.0), 1, False),
        ((100.0, 101.0, 99.0, 98.0), 1, False),
        ((100.0, 101.0, 0.0, 100.0), 1, False),
        ((100.0, 101.0, -1.0, 100.0), 1, False),
        ((np.nan, 101.0, 99.0, 100.0), 1, False),
        ((100.0, np.nan, 99.0, 100.0), 1, False),
        ((100.0, 101.0, np.nan, 100.0), 1, False),
        ((100.0, 101.0, 99.0, np.nan), 1, False),
        ((100.0, np.inf, 99.0, 100.0), 1, False),
        ((np.inf, np.inf, 99.0, np.inf), 1, False),
    ],
)
def test_a_bar_is_good_if_its_prices_can_be(prices: Any, present: int, good: bool) -> None:
    assert good_bar(bars_of([prices], present=present)[0]) is good


def test_a_market_entry_books_every_field_of_the_fill() -> None:
    costly = dataclasses.replace(FEES, half_spread=0.002, tick_size=0.25, step_size=0.5)
    pit = Pit(costly, Costs(impact=0.0, participation=1.0, multiplier=2.0))
    pit.order(quantity=10.25)
    # 100 + 0.4 % = 100.4, up to 100.5; 10.25 coins down to 10; fee 10 x 100.5 x 0.1 % x 2
    fill = pit.open(time=START + 5)
    assert (fill["time"], fill["symbol"], fill["side"], fill["maker"]) == (START + 5, 1, 1, 0)
    assert (fill["reason"], fill["quantity"], fill["price"]) == (Reason.SIGNAL, 10.0, 100.5)
    assert (fill["reference_price"], fill["realised"]) == (100.0, 0.0)
    assert fill["fee"] == pytest.approx(2.01, **EXACT)
    assert fill["slippage"] == pytest.approx(5.0, **EXACT)  # 10 x 0.5
    assert pit.account["fees"] == pytest.approx(2.01, **EXACT)
    assert pit.log.counts.tolist() == [0, 1, 0]
    assert (fill["gap"], pit.account["gap"], pit.position["gap"]) == (0.0, 0.0, 0.0)


def test_a_market_sale_slips_downwards() -> None:
    pit = Pit(dataclasses.replace(PLAIN, half_spread=0.003, tick_size=0.5))
    pit.order(side=-1)
    fill = pit.open()
    assert (fill["side"], fill["price"], fill["slippage"]) == (-1, 99.5, 5.0)  # 99.7 down


def test_an_entry_starts_the_trade_afresh() -> None:
    pit = Pit(rules=PositionRules(partial_at=(0.5,)))
    p = pit.position
    for name in (
        "realised",
        "fees",
        "funding",
        "slippage",
        "gap",
        "exit_quantity",
        "exit_notional",
    ):
        p[name] = 99.0  # left by an earlier trade
    p["adds"], p["partials_taken"], p["trailing"], p["max_quantity"] = 2, 1, 1, 50.0
    pit.account["trades_today"] = 3
    pit.open(time=START + 7)
    assert (p["quantity"], p["entry_price"], p["first_quantity"]) == (10.0, 100.0, 10.0)
    assert (p["max_quantity"], p["entry_notional"], p["margin"]) == (10.0, 1_000.0, 200.0)
    assert [p[n] for n in ("realised", "fees", "funding", "slippage", "gap")] == [0.0] * 5
    assert [p[n] for n in ("exit_quantity", "exit_notional", "adds")] == [0.0] * 3
    assert [p[n] for n in ("partials_taken", "trailing")] == [0, 0]
    assert (p["best_price"], p["worst_price"], p["mark"]) == (100.0, 100.0, 100.0)
    assert (p["opened_at"], p["expires_at"]) == (START + 7, START + 7 + 6 * HOUR_NS)
    assert (p["confidence"], p["regime"], p["model_id"]) == (0.75, 4, 7)
    assert p["equity_before"] == 10_000.0
    # stop 10 % below, target 20 % above, part of it half-way
    assert [p["stop_price"], p["target_price"]] == pytest.approx([90.0, 120.0])
    assert p["partial_prices"].tolist() == pytest.approx([110.0, 0.0, 0.0, 0.0])
    assert p["risk_per_coin"] == pytest.approx(10.0)
    assert pit.account["trades_today"] == 4


def test_the_forecast_of_a_model_waits_for_its_horizon() -> None:
    pit = Pit()
    pit.order(side=-1)
    pit.open(time=START + 9)
    p = pit.position
    assert (p["forecast_direction"], p["forecast_price"]) == (-1, 100.0)
    assert p["forecast_due"] == START + 9 + 6 * HOUR_NS


@pytest.mark.parametrize(("model", "judged"), [(0, 1), (-1, 0)])
def test_only_models_are_judged_and_number_0_is_one(model: int, judged: int) -> None:
    pit = Pit()
    pit.order(model_id=model)
    pit.open()
    assert pit.position["forecast_direction"] == judged


@pytest.mark.parametrize("direction", [1, -1])
def test_a_forecast_that_still_waits_is_judged_before_the_next(direction: int) -> None:
    pit = Pit()
    pit.position["forecast_direction"], pit.position["forecast_due"] = direction, 77
    pit.open()
    assert (pit.position["forecast_direction"], pit.position["forecast_due"]) == (direction, 77)


# (what, order, bar, bar's fields, costs, instrument, limits, refusal or coins bought)
STALE = 2 * HOUR_NS
ENTRIES: list[tuple[str, dict[str, Any], Any, dict[str, Any], Any]] = [
    ("decided too long ago", {"decided_at": START - STALE - 1}, CALM, {}, (Rule.STALE_DATA, STALE, STALE + 1)),
    ("just not", {"decided_at": START - STALE}, CALM, {}, 10.0),
    ("decided in 1970", {"decided_at": 1}, CALM, {}, (Rule.STALE_DATA, STALE, START - 1)),
    # at 125: 25 % away from 100, and exactly that may be
    ("within the collar", {}, (125.0, 125.0, 125.0, 125.0), {"price_collar": 0.25}, 10.0),
    ("beyond it", {}, (125.5, 126.0, 125.0, 125.0), {"price_collar": 0.25}, (Rule.PRICE_COLLAR, 0.25, 0.255)),
    ("beyond it below", {}, (74.0, 74.0, 74.0, 74.0), {"price_collar": 0.25}, (Rule.PRICE_COLLAR, 0.25, 0.26)),
    # half of a bar of 1,000 USDT: 5 coins
    ("a thin bar", {}, CALM, {"quote_volume": 1_000.0, "participation": 0.5}, 5.0),
    ("too thin", {}, CALM, {"quote_volume": 16.0, "participation": 0.5}, (Rule.PARTICIPATION, 8.0, 10.0)),
    ("just not too thin", {}, CALM, {"quote_volume": 20.0, "participation": 0.5}, 0.1),
    ("an empty bar", {}, CALM, {"quote_volume": 0.0}, (Rule.PARTICIPATION, 0.0, 10.0)),
    # limits are held against the price at the open: 8 % of 10,000 at 5x are 4,000
    ("cut to the margin", {"quantity": 39.0}, (125.0, 125.0, 125.0, 125.0), {"margin_fraction": 0.08}, 32.0),
    ("of two limits that meet the account's is named", {}, CALM, {"quote_volume": 8.0, "max_order_notional": 8.0},
     (Rule.MAX_ORDER_NOTIONAL, 8.0, 10.0)),
    ("less than the least", {"quantity": 0.0999}, CALM, {}, (Rule.MARGIN_FRACTION, 50_000.0, 10.0)),
    ("the least", {"quantity": 0.1}, CALM, {}, 0.1),
    ("no budget left", {}, CALM, {"risk_fraction": 0.0}, (Rule.RISK_PER_TRADE, 0.0, 10.0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "order", "bar", "terms", "answer"), ENTRIES, ids=[c[0] for c in ENTRIES]
)
def test_an_opening_order_is_cut_or_refused_at_the_open(
    what: str, order: dict[str, Any], bar: Any, terms: dict[str, Any], answer: Any
) -> None:
    limits = {k: v for k, v in terms.items() if k.endswith(("collar", "fraction", "notional"))}
    costs = dataclasses.replace(FREE, participation=terms.get("participation", 1.0))
    pit = Pit(dataclasses.replace(PLAIN, min_notional=10.0), costs, **limits)
    pit.order(**order)
    fields = {k: v for k, v in terms.items() if k == "quote_volume"}
    fill = pit.open(bar, **fields)
    if isinstance(answer, float):
        assert fill["quantity"] == pytest.approx(answer, abs=2e-9)  # a step of 1e-9
        assert pit.log.counts[REFUSALS] == 0
        # what the volume leaves goes on working, what a limit leaves is given up
        rest = pit.pending[1]
        thin = "participation" in terms
        assert (rest["approved"], rest["filled"] > 0.0) == ((1, True) if thin else (0, False))
        assert rest["quantity"] == pytest.approx(10.0 - answer if thin else 0.0, abs=2e-9)
    else:
        assert fill is None
        rule, limit, value = pit.refusal()
        assert (rule, limit, value) == (
            answer[0],
            pytest.approx(answer[1]),
            pytest.approx(answer[2]),
        )
        assert pit.position["quantity"] == 0.0
        assert pit.pending[1]["approved"] == (1 if answer[0] == Rule.PARTICIPATION else 0)


def test_no_room_is_no_order_even_where_there_is_no_least_one() -> None:
    pit = Pit(risk_fraction=0.0)
    assert pit.open() is None
    assert pit.refusal() == (Rule.RISK_PER_TRADE, 0.0, 0.0)


def test_the_impact_of_an_order_cut_by_volume_is_that_of_what_it_takes() -> None:
    # a quarter of 400 USDT is 100, of a wish of 1,000: root of 100 / 400 = 0.5; 0.5 x 4 % x 0.5 = 1 %
    pit = Pit(costs=Costs(impact=0.5, participation=0.25))
    fill = pit.open(quote_volume=400.0, volatility=0.04)
    assert fill["price"] == pytest.approx(101.0)
    assert fill["quantity"] == pytest.approx(100.0 / 101.0)


@pytest.mark.parametrize(("side", "stop"), [(1, 95.5), (-1, 104.5)])
def test_an_add_risks_the_way_to_the_stop_that_stands(side: int, stop: float) -> None:
    pit = Pit(risk_fraction=0.02)  # 200 USDT
    pit.order(side=side, quantity=10.0)
    pit.open()
    pit.position["stop_price"], pit.position["risk_per_coin"] = stop, 5.0
    pit.account["equity"] = 10_000.0
    pit.order(kind=Intent.ADD, side=side, quantity=1_000.0, reason=Reason.ADD)
    # 10 coins risk 45 already, at the stop that stands and not at the first; 155 more at 4.5 USDT a coin
    fill = pit.open()
    assert fill["quantity"] == pytest.approx(155.0 / 4.5)
    assert (fill["reason"], pit.position["adds"]) == (Reason.ADD, 1)
    # neither the trade nor its barriers begin anew
    assert pit.position["stop_price"] == stop
    assert (pit.position["first_quantity"], pit.position["max_quantity"]) == (
        10.0,
        pytest.approx(10.0 + 155.0 / 4.5),
    )
    assert pit.account["trades_today"] == 1


def test_an_add_behind_a_stop_in_profit_risks_costs_alone() -> None:
    pit = Pit(FEES, risk_fraction=0.02)
    pit.open()
    pit.position["stop_price"], pit.position["risk_per_coin"] = 101.0, 5.0
    pit.account["equity"] = 10_000.0
    pit.order(kind=Intent.ADD, quantity=1_000.0)
    # the 10 coins risk their costs, 2, and 198 at 0.2 % there and back are 99,000 USDT; but the
    # free margin binds before: (10,000 - 1 of fees - 200) x 5 = 48,995
    assert pit.open()["quantity"] == pytest.approx(489.95)


@pytest.mark.parametrize(("side", "price"), [(1, 98.75), (-1, 101.25)])
def test_leaving_at_market_pays_spread_impact_and_taker_fee(side: int, price: float) -> None:
    pit = Pit(
        dataclasses.replace(FEES, half_spread=0.001, tick_size=0.25),
        Costs(impact=0.5, participation=1.0),
    )
    pit.order(side=side)
    pit.open(volatility=0.0)
    # 10 x 100 of 1e5 USDT: root of 1 % is 0.1; 0.1 % + 0.5 x 20 % x 0.1 = 1.1 %, to the tick: 1.25
    fill = pit.leave(10.0, 100.0, volatility=0.2, quote_volume=1e5)
    assert (fill["price"], fill["reference_price"], fill["maker"]) == (price, 100.0, 0)
    assert fill["fee"] == pytest.approx(10.0 * price * 0.001)
    assert fill["slippage"] == pytest.approx(12.5)
    assert (fill["side"], fill["reason"], fill["time"]) == (-side, Reason.STOP, LATER)


@pytest.mark.parametrize(("side", "price"), [(1, 99.0), (-1, 101.0)])
def test_half_a_coin_is_left_on_the_right_side(side: int, price: float) -> None:
    pit = Pit(dataclasses.replace(PLAIN, half_spread=0.01, tick_size=0.25))
    pit.order(side=side, quantity=0.5)
    pit.open()
    fill = pit.leave(0.5, 100.0)
    assert (fill["side"], fill["price"]) == (-side, price)


def test_a_price_never_falls_to_nothing() -> None:
    pit = Pit(dataclasses.replace(PLAIN, half_spread=0.9, tick_size=0.5))
    pit.order(side=1)
    pit.open()
    assert pit.leave(5.0, 0.5)["price"] == 0.5  # 0.5 - 90 % is 0.05, and that down to the tick is 0


def test_a_cleared_slot_wants_nothing() -> None:
    pit = Pit()
    names = ("kind", "approved", "order", "resting", "quantity", "filled", "limit_price")
    pit.order(**dict.fromkeys(names, 1))
    clear(pit.pending[1])
    assert [pit.pending[1][n] for n in names] == [0, 0, EntryOrder.MARKET, 0, 0.0, 0.0, 0.0]
