"""The same seed, script and client give the same journal, over real sockets, every time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import aiohttp
from desk import Desk, desk_of
from sim_world import Client, new_sim
from stream_client import socket_of

from riposte.exchange.journal import head_of

SCRIPT: list[dict[str, Any]] = [
    {
        "name": "some answers are lost",
        "when": {"method": "POST", "path": "/fapi/v1/order", "probability": 0.3},
        "do": {"kind": "lose", "after": True},
    },
    {
        "name": "some orders are refused",
        "when": {"method": "POST", "path": "/fapi/v1/order", "probability": 0.2},
        "do": {"kind": "answer", "says": "internal"},
    },
    {
        "name": "events are lost",
        "when": {"account": "*", "probability": 0.5},
        "do": {"kind": "drop"},
    },
]
ACTS = [
    {"after_ms": 10_000, "kind": "jump-price", "by_percent": -3, "hold_ms": 5_000},
    {"after_ms": 20_000, "kind": "funding", "rate": "0.001", "in_ms": 1_000},
    {"after_ms": 30_000, "kind": "liquidate"},
]


async def live(desk: Desk, client: Client) -> None:
    """Forty seconds of orders; what is lost is lost."""
    for number in range(40):
        side = "BUY" if number % 3 else "SELL"
        price = None if number % 2 else str(49_900 + number)
        with contextlib.suppress(aiohttp.ClientError):
            await client.order(side, "0.01", price, newClientOrderId=f"n{number}")
        if number % 5 == 4:
            with contextlib.suppress(aiohttp.ClientError):
                await client.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
        await desk.pass_time(1_000)


def journal_of(seed: int) -> tuple[str, list[bytes], int]:
    async def inside() -> tuple[str, list[bytes], int]:
        sim = new_sim(deposit=5_000)
        async with desk_of(sim) as (desk, client):
            await desk.plan(*SCRIPT, acts=ACTS, seed=seed)
            key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
            async with socket_of(client, f"/private/ws/{key}") as private:
                await private.quiet()
                await live(desk, client)
                heard = len(private.events("ORDER_TRADE_UPDATE"))
            told = await desk.get("/journal", limit=100_000)
        return told["head"], [line.encode() for line in told["lines"]], heard

    return asyncio.run(inside())


def test_a_run_can_be_repeated_to_the_last_line() -> None:
    first, again, other = journal_of(1), journal_of(1), journal_of(2)
    assert first == again
    assert first[0] != other[0]
    head, lines, heard = first
    assert head_of(lines) == head
    kinds = {kind for line in lines for kind in (line.split(b'"')[1].decode(),)}
    assert {"order", "account", "fault", "act", "funding", "liquidation"} <= kinds
    assert 10 < heard < 100
