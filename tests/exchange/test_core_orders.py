"""Orders: priority, times in force, reduce-only, self trades, price matches, changes, dates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_world import SYMBOL, World, e8

from riposte.exchange.events import AccountChanged, Traded


def prices_of(world: World, order_id: int) -> list[tuple[float, float]]:
    fills = [f for a in world.exchange.accounts.values() for f in a.fills if f.order_id == order_id]
    return [(f.price_ticks / 10, f.quantity / 1000) for f in fills]


def test_price_first_then_time() -> None:
    world = World()
    first, second, taker = [world.account(10_000) for _ in range(3)]
    world.quote(50_000, spread=10)
    a = world.order(first, "SELL", 0.02, 50_005)
    b = world.order(second, "SELL", 0.02, 50_004)
    c = world.order(second, "SELL", 0.02, 50_005)
    order = world.order(taker, "BUY", 0.05)
    assert prices_of(world, order.order_id) == [(50_004, 0.02), (50_005, 0.02), (50_005, 0.01)]
    assert [o.status for o in (a, b, c)] == ["FILLED", "FILLED", "PARTIALLY_FILLED"]
    assert c.executed == 10


def test_a_customer_waits_behind_what_was_quoted_before() -> None:
    world = World()
    world.quote(50_000, spread=1, size=2)
    account = world.account(100_000)
    order = world.order(account, "BUY", 0.5, 49_999)
    world.print(49_999, 2.0, sell=True)  # takes the two coins before it
    assert order.executed == 0
    world.print(49_999, 0.2, sell=True)
    assert order.executed == 200
    assert order.status == "PARTIALLY_FILLED"


@pytest.mark.parametrize(
    ("tif", "status", "executed"),
    [("GTC", "PARTIALLY_FILLED", 100), ("IOC", "EXPIRED", 100), ("FOK", None, 0), ("GTX", None, 0)],
)
def test_times_in_force_against_a_book_too_thin(tif: str, status: str, executed: int) -> None:
    world = World()
    world.quote(50_000, spread=1, size=0.1, levels=1)
    account = world.account(100_000)
    if status is None:
        code = world.refused(world.order, account, "BUY", 0.3, 50_001, tif)
        assert code == {"FOK": -5021, "GTX": -5022}[tif]
        return
    order = world.order(account, "BUY", 0.3, 50_001, tif)
    assert (order.status, order.executed) == (status, executed)


def test_fill_or_kill_counts_only_what_can_really_be_taken() -> None:
    world = World()
    world.bare()
    taker, other = world.account(100_000), world.account(100_000)
    world.order(taker, "SELL", 0.1, 50_000)  # its own: would expire
    world.order(other, "SELL", 0.1, 50_000)
    assert world.refused(world.order, taker, "BUY", 0.2, 50_000, "FOK") == -5021
    holder = world.account(100_000)
    world.order(holder, "BUY", 0.05, 50_000)  # takes half of the first
    for price in (50_010, 50_020):
        world.order(holder, "SELL", 0.05, price, reduce_only=True)  # one position, offered twice
    assert world.refused(world.order, other, "BUY", 0.11, 50_020, "FOK") == -5021
    order = world.order(other, "BUY", 0.1, 50_020, "FOK")
    assert order.status == "FILLED"
    assert world.coins(holder) == 0


def test_reduce_only_never_turns_a_position() -> None:
    world = World()
    account = world.account(100_000)
    assert world.refused(world.order, account, "SELL", 0.1, reduce_only=True) == -2022
    world.order(account, "BUY", 0.1)
    order = world.order(account, "SELL", 0.5, reduce_only=True)
    assert (order.status, order.quantity) == ("FILLED", 100)
    assert world.coins(account) == 0
    assert world.refused(world.order, account, "BUY", 0.1, reduce_only=True) == -2022


def test_resting_reduce_only_orders_are_cut_and_go_with_their_position() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.3)
    near = world.order(account, "SELL", 0.3, 50_500, reduce_only=True)
    far = world.order(account, "SELL", 0.3, 50_600, reduce_only=True)
    world.order(account, "SELL", 0.2)
    assert (near.status, far.status) == ("NEW", "NEW")
    world.move(50_550)
    assert (near.status, near.quantity, near.executed) == ("FILLED", 100, 100)
    assert (far.status, far.expire_reason) == ("EXPIRED", "the position is closed")


def test_what_only_reduces_ends_when_the_position_turns() -> None:
    world = World()
    account = world.account(100_000)
    world.order(account, "BUY", 0.1)
    take = world.order(account, "SELL", 0.1, 51_000, reduce_only=True)
    stop = world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    world.order(account, "SELL", 0.3)  # from long to short at once
    assert world.coins(account) == -0.2
    assert (take.status, stop.status) == ("EXPIRED", "EXPIRED")
    cover = world.order(account, "BUY", 0.2, 49_500, reduce_only=True)
    world.order(account, "SELL", 0.1)
    assert cover.status == "NEW"  # that one still has its position


@pytest.mark.parametrize(
    ("mode", "maker", "taker", "coins"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED", 0.1),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", 0.0),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", 0.0),
        ("NONE", "FILLED", "FILLED", 0.0),
    ],
)
def test_self_trade_prevention(mode: str, maker: str, taker: str, coins: float) -> None:
    world = World()
    world.quote(50_000, spread=10)
    account = world.account(100_000)
    resting = world.order(account, "SELL", 0.1, 50_001)
    taking = world.order(account, "BUY", 0.1, 50_010, stp_mode=mode)
    assert (resting.status, taking.status) == (maker, taker)
    assert world.coins(account) == coins


def test_a_market_order_stops_at_its_bound_and_is_refused_beyond_it() -> None:
    world = World()
    world.quote(50_000, size=0.01, levels=1)
    account, maker = world.account(10**6), world.account(10**6)
    world.mark(52_000)
    world.order(maker, "SELL", 1, 54_000)
    world.mark(50_000)  # the bound is 52 500
    order = world.order(account, "BUY", 0.5)
    assert (order.status, order.executed) == ("EXPIRED", 10)
    assert world.refused(world.order, account, "BUY", 0.5) == -4131
    world.bare()
    world.exchange.cancel_all(maker, SYMBOL)
    assert world.order(account, "BUY", 0.5).status == "EXPIRED"  # nobody there at all


def test_limit_prices_too_far_from_the_mark_are_refused() -> None:
    world = World()
    account = world.account(10**6)
    assert world.refused(world.order, account, "BUY", 0.1, 52_500.1) == -4016
    assert world.refused(world.order, account, "SELL", 0.1, 47_499.9) == -4024
    world.order(account, "BUY", 0.1, 30_000)  # the safe side is free


@pytest.mark.parametrize(
    ("match", "price"),
    [("OPPONENT", 50_000.1), ("OPPONENT_5", 50_004.1), ("QUEUE", 49_999.9), ("QUEUE_5", 49_995.9)],
)
def test_price_match_takes_a_price_of_the_book(match: str, price: float) -> None:
    world = World()
    order = world.order(world.account(10_000), "BUY", 0.01, price_match=match)
    assert order.price_ticks == round(price * 10)
    world.exchange.cancel_all(order.account, SYMBOL)
    world.bare()
    account = world.account(10_000)
    assert world.refused(world.order, account, "BUY", 0.01, price_match=match) == -5041


def test_a_changed_order_loses_its_place_and_keeps_its_number() -> None:
    world = World()
    world.quote(50_000, spread=10)
    first, second = world.account(10_000), world.account(10_000)
    a = world.order(first, "SELL", 0.02, 50_005)
    b = world.order(second, "SELL", 0.02, 50_005)
    assert world.refused(world.modify, a, 0.02, 50_005) == -5027
    world.modify(a, 0.03, 50_005)
    world.order(world.account(10_000), "BUY", 0.03)
    assert (b.status, a.executed, a.quantity) == ("FILLED", 10, 30)
    world.modify(a, 0.01, 50_006)  # not more than is filled: cancelled
    assert a.status == "CANCELED"
    c = world.order(first, "SELL", 0.02, 50_005, "GTX")
    world.modify(c, 0.02, 49_990)  # would take
    assert c.status == "CANCELED"
    assert world.refused(world.modify, c, 0.02, 50_001) == -2013


def test_good_till_a_date_by_the_second() -> None:
    world = World()
    account = world.account(10_000)
    too_soon = {"good_till_ms": world.now + 600_000}
    assert world.refused(world.order, account, "BUY", 0.01, 49_000, "GTD", **too_soon) == -5040
    until = world.now + 700_999
    order = world.order(account, "BUY", 0.01, 49_000, "GTD", good_till_ms=until)
    world.wait(until // 1000 * 1000 - world.now - 1)
    assert order.status == "NEW"
    world.wait(1)
    assert order.status == "EXPIRED"


def test_the_dead_mans_switch_is_wound_up_again_and_again() -> None:
    world = World()
    account = world.account(10_000)
    order = world.order(account, "BUY", 0.01, 49_000)
    for _ in range(3):
        world.exchange.countdown(account, SYMBOL, 5_000)
        world.wait(4_000)
    assert order.status == "NEW"
    world.exchange.countdown(account, SYMBOL, 0)
    world.wait(60_000)
    assert order.status == "NEW"
    world.exchange.countdown(account, SYMBOL, 1_000)
    world.wait(1_000)
    assert order.status == "CANCELED"


def test_hedge_mode_keeps_both_sides_apart() -> None:
    world = World()
    account = world.account(10_000, hedge=True)
    assert world.refused(world.order, account, "BUY", 0.1) == -4061
    world.order(account, "BUY", 0.1, position_side="LONG")
    world.order(account, "SELL", 0.05, position_side="SHORT")
    assert (world.coins(account, "LONG"), world.coins(account, "SHORT")) == (0.1, -0.05)
    code = world.refused(world.order, account, "SELL", 0.2, position_side="LONG")
    assert code == -2022
    more = {"position_side": "LONG", "reduce_only": True}
    assert world.refused(world.order, account, "SELL", 0.1, **more) == -1106
    world.order(account, "SELL", 0.1, position_side="LONG")
    assert world.coins(account, "LONG") == 0
    assert world.coins(account, "SHORT") == -0.05


def test_sizes_and_grids() -> None:
    world = World()
    account = world.account(10**6)
    assert world.refused(world.order, account, "BUY", 0) == -4003
    assert world.refused(world.order, account, "BUY", 0.0001) == -4004
    assert world.refused(world.order, account, "BUY", 0.0015) == -1111
    assert world.refused(world.order, account, "BUY", 0.001) == -4164  # 50 of at least 100 USDT
    assert world.refused(world.order, account, "BUY", 0.01, 49_000.05) == -4014
    world.order(account, "BUY", 0.01)
    world.order(account, "SELL", 0.001, reduce_only=True)  # exits may be small
    contract = world.exchange.contracts[SYMBOL]
    world.exchange.change_contract(replace(contract, max_open_orders=1))
    world.order(account, "BUY", 0.01, 49_000)
    assert world.refused(world.order, account, "BUY", 0.01, 49_000) == -2025


def test_client_ids_are_unique_among_open_orders_only() -> None:
    world = World()
    account = world.account(10_000)
    order = world.order(account, "BUY", 0.01, 49_000, client_order_id="x")
    assert world.refused(world.order, account, "BUY", 0.01, 49_000, client_order_id="x") == -4116
    world.exchange.cancel(account, SYMBOL, client_order_id="x")
    again = world.order(account, "BUY", 0.01, 49_000, client_order_id="x")
    assert world.exchange.find_order(account, SYMBOL, client_order_id="x") is again
    assert world.exchange.find_order(account, SYMBOL, order.order_id).status == "CANCELED"


def test_one_command_one_account_update_with_its_fills_before() -> None:
    world = World()
    account = world.account(100_000)
    world.quote(50_000, size=0.1)
    world.events.clear()
    world.order(account, "BUY", 0.25)
    assert len([e for e in world.events if isinstance(e, Traded)]) == 3
    [told] = [e for e in world.events if isinstance(e, AccountChanged)]
    assert told.positions[0].quantity == 250
    assert told.wallet_e8 == account.wallet_e8 < e8(100_000)


def test_a_quote_that_crosses_fills_who_stands_there_first() -> None:
    world = World()
    account = world.account(100_000)
    order = world.order(account, "SELL", 0.2, 50_050)
    world.quote(50_100)
    assert order.status == "FILLED"
    assert prices_of(world, order.order_id) == [(50_050, 0.2)]
