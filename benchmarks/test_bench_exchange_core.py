"""Orders a second through the exchange's core: checks, matching, ledger, margin, journal, events.

The flow is drawn beforehand from a seed: eight customers quote round a ladder of the house, half of
their limit orders are cancelled later, market orders and crossing limit orders fill. Every command
goes through :class:`~riposte.exchange.core.Exchange` whole, with the journal chained and the events
taken, as a simulator would; no wire. ``orders_per_second`` is the figure of SPEC (at least 20,000);
cancels are commands but not counted as orders. ``share_of_journal`` is the part of the time that
the hash chain takes by itself. Nothing is asserted about time.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from riposte.exchange.collector import collect_seldom
from riposte.exchange.contract import contract_of
from riposte.exchange.core import Exchange
from riposte.exchange.feed import FundingRate, HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.journal import Journal
from riposte.exchange.records import Account
from riposte.exchange.requests import NewOrder
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for

START = 1_700_000_000_000
ORDERS = 20_000
ACCOUNTS = 8
MIDDLE = 500_000
CONTRACT = contract_of(instrument_for("BTCUSDT"))
Command = Callable[[Exchange, list[Account]], Any]


def opened() -> tuple[Exchange, list[Account]]:
    exchange = Exchange([CONTRACT], start_ms=START, journal=Journal(keep=False))
    accounts = [exchange.open_account(f"c{i}", 10_000_000 * E8) for i in range(ACCOUNTS)]
    price = MIDDLE * CONTRACT.tick_e8
    exchange.apply(MarkPrice(START, "BTCUSDT", price, price))
    exchange.apply(FundingRate(START, "BTCUSDT", 10_000, START + 8 * 3_600_000))
    for side, sign in (("BUY", -1), ("SELL", 1)):
        rows = tuple((MIDDLE + sign * (1 + i), 10**7) for i in range(50))
        exchange.apply(HouseQuotes(START, "BTCUSDT", side, rows, True))  # type: ignore[arg-type]
    exchange.take_events()
    return exchange, accounts


def request(rng: random.Random, number: int) -> NewOrder:
    side = rng.choice(("BUY", "SELL"))
    steps = rng.randint(10, 200) * CONTRACT.step_e8
    if rng.random() < 0.25:
        return NewOrder("BTCUSDT", side, "MARKET", quantity_e8=steps, client_order_id=f"m{number}")
    away = rng.randint(1, 20) * (-1 if side == "BUY" else 1)
    if rng.random() < 0.15:
        away = -away  # crosses
    return NewOrder(
        "BTCUSDT",
        side,
        "LIMIT",
        quantity_e8=steps,
        price_e8=(MIDDLE + away) * CONTRACT.tick_e8,
        time_in_force="GTC",
        client_order_id=f"c{number}",
    )


def play(exchange: Exchange, accounts: list[Account], requests: list[tuple[int, NewOrder]]) -> None:
    """Place all; each customer takes back its oldest order when it has twenty."""
    resting: list[list[int]] = [[] for _ in accounts]
    for number, (who, new) in enumerate(requests):
        account = accounts[who]
        order = exchange.place(account, new)
        if order.open:
            mine = resting[who]
            mine.append(order.order_id)
            if len(mine) > 20:
                oldest = mine.pop(0)
                if oldest in account.open_orders:
                    exchange.cancel(account, "BTCUSDT", oldest)
        if number % 20 == 0:
            now = exchange.now_ms + 100
            exchange.apply(
                HouseTrade(now, "BTCUSDT", MIDDLE - 1 - number % 3, 2_000, number % 40 == 0)
            )
        exchange.take_events()


@pytest.mark.benchmark(group="exchange core, 20,000 orders: limit, market, cancel, fills")
def test_a_mixed_flow_of_orders(benchmark: Any) -> None:
    rng = random.Random(7)
    requests = [(rng.randrange(ACCOUNTS), request(rng, i)) for i in range(ORDERS)]
    last: list[tuple[Exchange, list[Account]]] = []

    def fresh() -> tuple[tuple[Any, ...], dict[str, Any]]:
        last[:] = [opened()]
        return (*last[0], requests), {}

    usual = gc.get_threshold()
    collect_seldom()  # as ``riposte sim`` does
    benchmark.pedantic(play, setup=fresh, rounds=5, warmup_rounds=1)
    gc.set_threshold(*usual)
    gc.unfreeze()
    exchange, accounts = last[0]
    fills = sum(len(account.fills) for account in accounts)
    cancels = sum(o.status == "CANCELED" for a in accounts for o in a.orders.values())
    assert sum(len(account.orders) for account in accounts) == ORDERS
    assert fills > ORDERS // 4
    assert cancels > ORDERS // 20
    seconds = benchmark.stats.stats.min
    info = benchmark.extra_info
    info["orders_per_second"] = round(ORDERS / seconds)
    info["commands_per_second"] = round((ORDERS + cancels) / seconds)
    info["fills"], info["cancels"] = fills, cancels
    info["journal_lines"] = exchange.journal.count
    journal, line = Journal(keep=False), ["order", "c1", "BTCUSDT", *range(14)]
    started = time.perf_counter()
    for _ in range(exchange.journal.count):
        journal.append(START, *line)  # type: ignore[arg-type]
    info["share_of_journal"] = round((time.perf_counter() - started) / seconds, 2)
