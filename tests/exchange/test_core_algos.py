"""Conditional orders: when they trigger, what becomes of them, and how they fail to protect."""

from __future__ import annotations

import pytest
from core_world import SYMBOL, World

from riposte.exchange.conditional import TRIGGER_DELAY_MS

STOPS = [
    ("SELL", "STOP_MARKET", 49_000, 49_000.1, 49_000),
    ("BUY", "STOP_MARKET", 51_000, 50_999.9, 51_000),
    ("SELL", "TAKE_PROFIT_MARKET", 51_000, 50_999.9, 51_000),
    ("BUY", "TAKE_PROFIT_MARKET", 49_000, 49_000.1, 49_000),
]


@pytest.mark.parametrize(("side", "kind", "trigger", "before", "at"), STOPS)
@pytest.mark.parametrize("working", ["CONTRACT_PRICE", "MARK_PRICE"])
def test_each_kind_triggers_at_its_price_of_its_kind(
    side: str, kind: str, trigger: float, before: float, at: float, working: str
) -> None:
    world = World()
    account = world.account(100_000)
    algo = world.algo(account, side, kind, trigger, quantity=0.1, working_type=working)
    by_mark = working == "MARK_PRICE"
    world.bare()
    (world.print if by_mark else world.mark)(at)  # the other price does nothing
    move = world.mark if by_mark else world.print
    move(before)
    world.wait(1_000)
    assert algo.status == "NEW"
    move(at)
    world.quote(at)
    assert algo.status == "TRIGGERING"
    world.wait(TRIGGER_DELAY_MS)
    assert algo.status == "FINISHED"
    assert algo.child is not None
    assert algo.child.original_type == kind
    assert world.coins(account) == (0.1 if side == "BUY" else -0.1)
    assert world.lives(algo) == ["NEW", "TRIGGERING", "TRIGGERED", "FINISHED"]


@pytest.mark.parametrize(("side", "kind", "trigger", "_", "at"), STOPS)
def test_what_would_trigger_at_once_is_refused(
    side: str, kind: str, trigger: float, _: float, at: float
) -> None:
    world = World(at)
    account = world.account(100_000)
    assert world.refused(world.algo, account, side, kind, trigger, quantity=0.1) == -2021


def test_a_limit_child_rests_until_it_fills_and_the_order_ends_with_it() -> None:
    world = World()
    account = world.account(100_000)
    algo = world.algo(account, "BUY", "STOP", 50_500, quantity=0.1, price=50_400)
    world.move(50_600)
    world.wait(TRIGGER_DELAY_MS)
    assert algo.status == "TRIGGERED"
    assert algo.child is not None
    assert (algo.child.status, algo.child.price_ticks) == ("NEW", 504_000)
    world.move(50_300)
    assert (algo.child.status, algo.status) == ("FILLED", "FINISHED")


@pytest.mark.parametrize(("side", "sign"), [("SELL", 1), ("BUY", -1)])
def test_a_trailing_stop_follows_and_comes_back(side: str, sign: int) -> None:
    world = World()
    account = world.account(100_000)
    more = {"quantity": 0.1, "callback_ppm": 10_000, "activate_price": 50_000 + sign * 1_000}
    algo = world.algo(account, side, "TRAILING_STOP_MARKET", **more)
    world.bare()
    world.print(50_000 + sign * 900)
    world.print(50_000 - sign * 900)  # before it is active it follows nothing
    assert algo.extreme_e8 == 0
    extreme = 50_000 + sign * 1_500
    for price in (50_000 + sign * 1_000, extreme, extreme * (1 - sign * 0.0099)):
        world.print(round(price, 1))
    assert algo.status == "NEW"
    world.move(round(extreme * (1 - sign * 0.01), 1))
    assert algo.status == "TRIGGERING"


def test_price_protect_waits_until_last_and_mark_agree() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    more = {"close_position": True, "price_protect": True}
    algo = world.algo(account, "SELL", "STOP_MARKET", 48_000, **more)
    world.print(47_000)  # 6 % from the mark; 5 % is allowed
    assert algo.status == "NEW"
    world.mark(48_500)
    world.print(46_900)
    assert algo.status == "TRIGGERING"


def test_a_stop_that_closes_takes_what_there_is_then_and_no_more() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    algo = world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    more = {"close_position": True}
    assert world.refused(world.algo, account, "SELL", "STOP_MARKET", 48_000, **more) == -4130
    world.order(account, "BUY", 0.2)
    world.move(48_900)
    world.wait(TRIGGER_DELAY_MS)
    assert world.coins(account) == 0
    assert algo.child is not None
    assert algo.child.executed == 300


def test_a_stop_without_its_position_expires_with_it() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    closing = world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    sized = world.algo(account, "SELL", "STOP_MARKET", 49_000, quantity=0.1, reduce_only=True)
    world.order(account, "SELL", 0.1)
    assert (closing.status, sized.status) == ("EXPIRED", "NEW")
    world.move(48_900)
    world.wait(TRIGGER_DELAY_MS)
    assert sized.status == "REJECTED"
    assert "ReduceOnly" in sized.reject_reason


def test_a_stop_into_an_empty_book_finishes_with_nothing_executed() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    algo = world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    world.bare()
    world.print(48_900)
    world.wait(TRIGGER_DELAY_MS)
    assert algo.status == "FINISHED"
    assert algo.child is not None
    assert (algo.child.status, algo.child.executed) == ("EXPIRED", 0)
    assert world.coins(account) == 0.1  # unprotected, and nobody says so louder


def test_a_stop_into_a_thin_book_is_filled_in_part() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    algo = world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    world.quote(49_000, size=0.01, levels=3)
    world.print(48_900)
    world.wait(TRIGGER_DELAY_MS)
    assert algo.status == "FINISHED"
    assert world.coins(account) == 0.07


def test_a_child_that_is_refused_leaves_the_order_rejected() -> None:
    world = World()
    account = world.account(1_000, leverage=20)
    algo = world.algo(account, "BUY", "STOP_MARKET", 51_000, quantity=1)
    world.move(51_100)
    world.wait(TRIGGER_DELAY_MS)
    assert (algo.status, algo.reject_reason) == ("REJECTED", "Margin is insufficient.")
    assert account.orders == {}


def test_cancelling_before_while_and_after_it_triggers() -> None:
    world = World()
    account = world.account(100_000)
    cancel = world.exchange.cancel_algo
    one, two = [world.algo(account, "BUY", "STOP_MARKET", 51_000, quantity=0.1) for _ in range(2)]
    cancel(account, one.algo_id)
    assert one.status == "CANCELED"
    assert world.refused(cancel, account, one.algo_id) == -2011
    world.move(51_000)
    assert world.refused(cancel, account, two.algo_id) == -4117
    world.wait(TRIGGER_DELAY_MS)
    assert world.refused(cancel, account, two.algo_id) == -2011
    assert world.refused(cancel, account, 99) == -2011


def test_cancelling_all_orders_leaves_the_conditional_ones() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1, 49_000)
    algo = world.algo(account, "BUY", "STOP_MARKET", 51_000, quantity=0.1)
    world.exchange.cancel_all(account, SYMBOL)
    assert (account.open_orders, algo.status) == ({}, "NEW")
    world.exchange.cancel_all_algos(account, SYMBOL)
    assert algo.status == "CANCELED"


def test_a_date_ends_a_waiting_order() -> None:
    world = World()
    account = world.account(100_000)
    until = (world.now + 700_000) // 1000 * 1000
    more = {"quantity": 0.1, "time_in_force": "GTD", "good_till_ms": until}
    algo = world.algo(account, "BUY", "STOP", 51_000, price=51_100, **more)
    world.wait(until - world.now)
    assert (algo.status, algo.reject_reason) == ("EXPIRED", "good till date")


def test_stops_of_both_sides_of_a_hedge() -> None:
    world = World()
    account = world.account(100_000, hedge=True)
    world.order(account, "BUY", 0.1, position_side="LONG")
    world.order(account, "SELL", 0.2, position_side="SHORT")
    more = {"close_position": True}
    long = world.algo(account, "SELL", "STOP_MARKET", 49_000, position_side="LONG", **more)
    short = world.algo(account, "BUY", "STOP_MARKET", 51_000, position_side="SHORT", **more)
    world.move(51_100)
    world.wait(TRIGGER_DELAY_MS)
    assert (long.status, short.status) == ("NEW", "FINISHED")
    assert (world.coins(account, "LONG"), world.coins(account, "SHORT")) == (0.1, 0)


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("LIMIT", {"quantity": 0.1}, -1116),
        ("STOP_MARKET", {}, -1102),
        ("STOP_MARKET", {"quantity": 0.1, "close_position": True}, -4136),
        ("STOP_MARKET", {"reduce_only": True, "close_position": True}, -1106),
        ("STOP_MARKET", {"quantity": 0.1, "price": 51_000}, -1106),
        ("STOP_MARKET", {"quantity": 0.1, "price_match": "QUEUE"}, -5038),
        ("STOP", {"quantity": 0.1}, -1102),
        ("STOP", {"close_position": True, "price": 51_000}, -1106),
        ("STOP", {"quantity": 0.1, "price": 51_000, "price_match": "QUEUE"}, -1106),
        ("STOP_MARKET", {"quantity": 0.001}, -4164),
        ("STOP_MARKET", {"quantity": 0.1, "stp_mode": "X"}, -5039),
        ("STOP_MARKET", {"quantity": 0.1, "client_algo_id": "a b"}, -1100),
        ("TRAILING_STOP_MARKET", {"quantity": 0.1}, -1102),
        ("TRAILING_STOP_MARKET", {"quantity": 0.1, "callback_ppm": 100_001}, -1102),
    ],
)
def test_forms_that_mean_nothing(kind: str, fields: dict[str, object], code: int) -> None:
    world = World()
    account = world.account(100_000)
    trigger = 0 if kind.startswith("TRAILING") else 51_000
    assert world.refused(world.algo, account, "BUY", kind, trigger, **fields) == code
