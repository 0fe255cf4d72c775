"""Hand-computed shares of the volume: what is left of an order, what becomes of it, and of parts of a profit."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from scenario import PLAIN, STEADY
from stage import CALM, Stage
from test_engine_golden_orders import ADDED, MARKET, PART, STAYS, TARGET, near

from riposte.engine.enums import Intent, Rule
from riposte.engine.parameters import Costs, TargetOrder
from riposte.market.interval import HOUR_NS


def thin(**more: Any) -> Stage:
    """A tenth of a bar's volume may be taken; whole coins."""
    whole = dataclasses.replace(PLAIN, step_size=1.0, **more)
    return Stage(instrument=whole, costs=Costs(impact=0.0, participation=0.1), execution=STAYS)


def test_what_the_volume_leaves_goes_on_working_and_is_counted() -> None:
    stage = thin()
    stage.order(order=MARKET, limit_price=0.0, quantity=10.0)
    # a tenth of 4,500 at 100: 4 coins; of 300: none, which is on record; then 3, 2 and at last 1
    for volume, coins in ((4_500.0, 4.0), (300.0, 0.0), (3_000.0, 3.0), (2_900.0, 2.0), (1e9, 1.0)):
        stage.pending[0]["decided_at"] = stage.pending[0]["arrives_at"] = stage.time
        stage.pending[0]["expires_at"] = stage.time + 9 * HOUR_NS
        before = stage.positions[0]["quantity"]
        stage.bar(CALM, quote_volume=volume)
        assert stage.positions[0]["quantity"] - before == coins
        filled = stage.positions[0]["quantity"]
        if filled < 10.0:
            assert (stage.pending[0]["filled"], stage.pending[0]["quantity"]) == (
                filled,
                10.0 - filled,
            )
    assert stage.pending[0]["approved"] == 0
    assert stage.refusals() == [(0, Rule.PARTICIPATION, 30.0, 0.0)]
    assert (stage.positions[0]["first_quantity"], stage.positions[0]["adds"]) == (10.0, 0)
    assert stage.account["trades_today"] == 1


def test_the_least_notional_is_asked_of_the_first_part_alone() -> None:
    stage = thin(min_notional=250.0)
    stage.order(order=MARKET, limit_price=0.0, quantity=10.0)
    stage.bar(CALM, quote_volume=2_500.0)  # two coins are 200
    assert (stage.positions[0]["quantity"], stage.pending[0]["approved"]) == (0.0, 1)
    stage.bar(CALM, quote_volume=3_000.0)
    stage.bar(CALM, quote_volume=1_000.0)  # one more, 100, is taken
    assert stage.positions[0]["quantity"] == 4.0


def test_less_than_a_step_left_is_nothing_left() -> None:
    stage = thin()
    stage.order(order=MARKET, limit_price=0.0, quantity=4.75)
    stage.bar(CALM, quote_volume=4_500.0)
    assert (stage.positions[0]["quantity"], stage.pending[0]["approved"]) == (4.0, 0)


def test_an_add_in_two_parts_is_one_add() -> None:
    stage = thin()
    stage.hold(0, 4.0, 80.0, 150.0)
    stage.order(kind=Intent.ADD, reason=ADDED, order=MARKET, limit_price=0.0, quantity=5.0)
    assert stage.bar(CALM, quote_volume=3_000.0) == [(0, ADDED, 3.0, near(100.0))]
    assert stage.bar(CALM, quote_volume=3_000.0) == [(0, ADDED, 2.0, near(100.0))]
    p = stage.positions[0]
    assert (p["adds"], p["quantity"], p["first_quantity"], p["max_quantity"]) == (1, 9.0, 4.0, 9.0)


# (what, kind, filled, coins held, partials taken, stays): the order's limit is far away
REMAINDERS: list[tuple[str, Intent, float, float, int, bool]] = [
    ("an entry not begun", Intent.ENTER, 0.0, 0.0, 0, True),
    ("an entry begun and gone", Intent.ENTER, 0.5, 0.0, 0, False),
    ("an entry begun and held", Intent.ENTER, 0.5, 0.5, 0, True),
    ("an entry begun that takes profit", Intent.ENTER, 0.5, 1.0, 1, False),
    ("an add to what is gone", Intent.ADD, 0.0, 0.0, 0, False),
    ("an add to what is held", Intent.ADD, 0.0, 0.5, 0, True),
    ("an add to what takes profit", Intent.ADD, 0.0, -1.0, 2, False),
]


@pytest.mark.parametrize(("what", "kind", "filled", "coins", "taken", "stays"), REMAINDERS)
def test_what_is_left_of_an_order_outlives_neither_its_position_nor_its_profit(
    what: str, kind: Intent, filled: float, coins: float, taken: int, stays: bool
) -> None:
    stage = Stage(execution=STAYS)
    if coins:
        far = (50.0, 190.0) if coins > 0 else (150.0, 50.0)
        stage.hold(0, coins, *far, partials_taken=taken)
    side = -1 if coins < 0 else 1
    stage.order(kind=kind, filled=filled, side=side, limit_price=100.0 - 30.0 * side)
    stage.bar(CALM)
    assert bool(stage.pending[0]["approved"] == 1) is stays, what


TWO_PARTS = dataclasses.replace(STEADY, partial_at=(0.25, 0.5), partial_share=(0.5, 0.25))
# (what, bar, volume, fills): 8 coins from 100, parts at 105 and 110, target at 120; whole coins
PROFITS: list[tuple[str, Any, float, list[Any]]] = [
    ("none", (100, 105, 99, 100), 1e9, []),
    ("the first", (100, 106, 99, 100), 1e9, [(PART, 4.0, 105.0)]),
    ("both", (100, 111, 99, 100), 1e9, [(PART, 4.0, 105.0), (PART, 1.0, 110.0)]),
    ("all", (100, 121, 99, 100), 1e9, [(PART, 4.0, 105.0), (PART, 1.0, 110.0), (TARGET, 3.0, 120.0)]),
    # a tenth of 2,200 is 2 coins at 105, 2 at 110 and 1 at 120: each order its share, a part is then done with
    ("a thin bar", (100, 121, 99, 100), 2_200.0, [(PART, 2.0, 105.0), (PART, 1.0, 110.0), (TARGET, 1.0, 120.0)]),
    ("too thin", (100, 121, 99, 100), 1_000.0, []),
]  # fmt: skip


@pytest.mark.parametrize(("what", "bar", "volume", "fills"), PROFITS, ids=[c[0] for c in PROFITS])
def test_profit_is_taken_in_its_order(what: str, bar: Any, volume: float, fills: Any) -> None:
    whole = dataclasses.replace(PLAIN, step_size=1.0)
    costs = Costs(impact=0.0, participation=0.1)
    stage = Stage(instrument=whole, rules=TWO_PARTS, costs=costs)
    stage.hold(0, 8.0, 80.0, 120.0)
    stage.positions[0]["partial_prices"][:2] = 105.0, 110.0
    assert [f[1:] for f in stage.bar(bar, quote_volume=volume)] == fills
    assert stage.positions[0]["partials_taken"] == sum(f[0] == PART for f in fills)


def test_four_parts_are_the_most() -> None:
    rules = dataclasses.replace(STEADY, partial_share=(0.5, 0.5, 0.5, 0.5))
    stage = Stage(rules=rules)
    stage.hold(0, 16.0, 80.0, 130.0)
    stage.positions[0]["partial_prices"][:] = 105.0, 106.0, 107.0, 108.0
    fills = stage.bar((100, 109, 100, 105))
    assert [f[2:] for f in fills] == [(near(8.0), 105.0), (near(4.0), 106.0), (near(2.0), 107.0), (near(1.0), 108.0)]  # fmt: skip
    assert stage.bar((105, 109, 101, 105)) == []  # above break-even


def test_a_part_of_less_than_a_step_is_none_at_market_either() -> None:
    # half of one coin is no coin: the target is next
    whole = dataclasses.replace(PLAIN, step_size=1.0)
    costs = Costs(impact=0.0, participation=0.1, target_order=TargetOrder.MARKET)
    stage = Stage(instrument=whole, rules=TWO_PARTS, costs=costs)
    stage.hold(0, 1.0, 80.0, 120.0)
    stage.positions[0]["partial_prices"][:2] = 105.0, 110.0
    assert stage.bar((100, 112, 99, 100)) == []
    assert stage.positions[0]["partials_taken"] == 0
    assert [f[1:] for f in stage.bar((100, 121, 99, 100))] == [(TARGET, 1.0, near(120.0))]


@pytest.mark.parametrize(
    ("coins", "volume", "works"), [(10.0, 50_000.0, 0), (0.0010000005, 1.0, 1), (0.001, 1.0, 0)]
)
def test_without_a_step_a_billionth_of_what_was_filled_is_nothing_left(
    coins: float, volume: float, works: int
) -> None:
    # a tenth of 50,000 is more than is wanted; a tenth of 1 is 0.001 coins, and half a billionth of a coin is
    # more than a billionth of those
    stepless = dataclasses.replace(PLAIN, step_size=0.0)
    costs = Costs(impact=0.0, participation=0.1)
    stage = Stage(instrument=stepless, costs=costs, execution=STAYS)
    stage.order(order=MARKET, limit_price=0.0, quantity=coins)
    stage.bar(CALM, quote_volume=volume)
    assert stage.positions[0]["quantity"] == near(min(coins, volume / 1_000))
    assert stage.pending[0]["approved"] == works
