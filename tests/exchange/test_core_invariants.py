"""Each breach of the exchange's rules is seen, and told so that one can find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from core_world import SYMBOL, World, e8

from riposte.exchange.invariants import breaches


def busy() -> World:
    world = World()
    for name in ("alice", "bob"):
        account = world.account(10_000, name)
        world.order(account, "BUY", 0.1, 49_900)
        world.order(account, "BUY", 0.1)
        world.algo(account, "SELL", "STOP_MARKET", 49_000, close_position=True)
    return world


def bids(world: World) -> Any:
    return world.exchange.books[SYMBOL].bids


def first(mapping: Any) -> Any:
    return next(iter(mapping.values()))


def alice(world: World) -> Any:
    return world.exchange.accounts["alice"]


def take_level(world: World) -> None:
    bids(world).levels[499_000].total += 1


def shorten_order(world: World) -> None:
    first(alice(world).open_orders).quantity -= 1


def hide_market(world: World) -> None:
    bids(world).best().house -= 1


BREACHES: list[tuple[Callable[[World], object], str]] = [
    (lambda w: setattr(w.exchange, "fees_e8", 0), "money came from nowhere"),
    (lambda w: setattr(w.exchange, "insurance_e8", -5), "the insurance fund owes 5 e8"),
    (lambda w: setattr(w.position(alice(w)), "quantity", 101), "longs and shorts differ by 1"),
    (lambda w: w.exchange.books[SYMBOL].asks.level(400_000), "crossed, bid 499999"),
    (lambda w: alice(w).open_orders.clear(), "the book and the accounts differ"),
    (take_level, "a total of 201 steps is not what stands there"),
    (shorten_order, "rests with 100 steps"),
    (hide_market, "are not what the market has there"),
    (lambda w: alice(w).income.pop(), "alice: a wallet of"),
    (lambda w: setattr(alice(w), "wallet_e8", -e8(1)), "alice: owes"),
    (lambda w: setattr(first(alice(w).open_orders), "status", "FILLED"), "open and FILLED"),
    (lambda w: alice(w).open_by_client_id.clear(), "their client ids differ"),
    (lambda w: alice(w).resting_e8[SYMBOL, "BOTH"].__setitem__(0, 7), "bind something else"),
    (lambda w: alice(w).resting_e8.clear(), "bind is not kept"),
    (lambda w: setattr(w.position(alice(w)), "quantity", 0), "an empty position of BTCUSDT BOTH"),
    (lambda w: alice(w).open_algos.clear(), "listed in one place only: [1]"),
    (lambda w: setattr(first(alice(w).open_algos), "status", "EXPIRED"), "waits and is EXPIRED"),
    (lambda w: bids(w).keys.reverse(), "levels out of order"),
]


@pytest.mark.parametrize(("damage", "said"), BREACHES, ids=[said for _, said in BREACHES])
def test_a_breach_is_told(damage: Callable[[World], object], said: str) -> None:
    world = busy()
    assert breaches(world.exchange) == []
    damage(world)
    assert any(said in text for text in breaches(world.exchange)), breaches(world.exchange)
