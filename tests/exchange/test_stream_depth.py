"""A book rebuilt from snapshot and stream by the documented rule always equals the exchange's own.

Acceptance 3. The rule ("How to manage a local order book correctly", Binance USD-M): drop events
that end before the snapshot; the first used must span its id; each further one must continue the
one before (``pu``); quantities are absolute, 0 removes.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from core_driver import Life
from sim_world import QuietFeed, client_of, new_sim
from stream_client import socket_of

from riposte.exchange.simulator import Simulator

Side = dict[str, str]


class LocalBook:
    """What a client keeps."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.bids: Side = dict(snapshot["bids"])
        self.asks: Side = dict(snapshot["asks"])
        self.last = snapshot["lastUpdateId"]
        self.started = False

    def take(self, event: dict[str, Any]) -> None:
        if event["u"] < self.last:
            return
        if self.started:
            assert event["pu"] == self.last, "a gap"
        else:
            assert event["U"] <= self.last <= event["u"], "the snapshot belongs to no event"
            self.started = True
        for side, rows in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, quantity in rows:
                if float(quantity) == 0:
                    side.pop(price, None)
                else:
                    side[price] = quantity
        self.last = event["u"]


def truth(sim: Simulator, symbol: str) -> tuple[int, Side, Side]:
    book, shown = sim.exchange.books[symbol], sim.exchange.contracts[symbol]
    bids, asks = book.depth(10**6)
    return (
        book.last_update_id,
        {shown.price(p): shown.quantity(q) for p, q in bids},
        {shown.price(p): shown.quantity(q) for p, q in asks},
    )


@pytest.mark.parametrize("every", ["100ms", "250ms", "500ms"])
@pytest.mark.parametrize("seed", range(4))
def test_the_rebuilt_book_is_the_book(seed: int, every: str) -> None:
    async def run() -> tuple[int, int]:
        sim = new_sim(feed=QuietFeed(("BTCUSDT", "SOLUSDT"), minutes=0))
        life = Life(seed, sim.exchange)
        compared = 0

        def some(steps: int) -> None:
            for _ in range(steps):
                life.step()
                sim.settle()

        async with client_of(sim) as client, socket_of(client, "/public/ws") as socket:
            some(seed * 10)
            await socket.ask("SUBSCRIBE", f"btcusdt@depth@{every}")
            some(seed * 5)
            local = LocalBook(await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=1000))
            for _ in range(80):
                some(5)
                await client.ask("/fapi/v1/ping")
                for event in socket.events("depthUpdate"):
                    local.take(event)
                socket.got.clear()
                if local.started and local.last == sim.exchange.books["BTCUSDT"].last_update_id:
                    assert (local.last, local.bids, local.asks) == truth(sim, "BTCUSDT")
                    compared += 1
            sim.exchange.advance(sim.exchange.now_ms + 1_000)
            sim.settle()
            await socket.quiet()
            for event in socket.events("depthUpdate"):
                local.take(event)
            assert (local.last, local.bids, local.asks) == truth(sim, "BTCUSDT")
            return compared, sum(a.orders != {} for a in life.accounts)

    compared, traders = asyncio.run(run())
    assert compared > 10
    assert traders > 2


def test_the_best_levels_are_the_books_best() -> None:
    async def run() -> None:
        sim = new_sim(feed=QuietFeed(("BTCUSDT", "SOLUSDT"), minutes=0))
        life = Life(7, sim.exchange)
        path = "/public/stream?streams=btcusdt@depth5@100ms/btcusdt@bookTicker"
        async with client_of(sim) as client, socket_of(client, path) as socket:
            await socket.quiet()
            for _ in range(100):
                life.step()
                sim.settle()
                sim.exchange.advance(sim.exchange.now_ms + 100)
                sim.settle()
            await socket.quiet()
            _, bids, asks = truth(sim, "BTCUSDT")
            last = socket.events("depthUpdate")[-1]
            assert last["b"] == [list(row) for row in bids.items()][:5]
            assert last["a"] == [list(row) for row in asks.items()][:5]
            best = socket.events("bookTicker")[-1]
            assert [best["b"], best["B"]] == last["b"][0]
            assert [best["a"], best["A"]] == last["a"][0]

    asyncio.run(run())
