"""Every fault of the catalogue that an exchange can do is done, to a client that trades."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from desk import Desk, desk_of
from sim_world import PRICES, Client, new_sim
from stream_client import Socket, socket_of

from riposte.exchange.faults.catalogue import catalogue

ROWS = catalogue()
INJECTABLE = [row_id for row_id, row in ROWS.items() if row.injectable]
FLAT = {"F36"}
"""Rows whose acts the exchange allows only to who holds nothing."""
GOES_WRONG = (aiohttp.ClientError, ValueError, TimeoutError)
BTC = PRICES["BTCUSDT"]
STREAMS = "btcusdt@kline_1m/btcusdt@aggTrade"


def test_the_catalogue_has_seventy_rows_and_a_reason_for_each_that_is_not_injectable() -> None:
    assert list(ROWS) == [f"F{number:02d}" for number in range(1, 71)]
    for row in ROWS.values():
        assert row.injectable or row.always or row.client
    assert len(INJECTABLE) >= 45


async def hold(client: Client) -> None:
    """A position, a resting order and a stop."""
    await client.order("BUY", "0.2")
    await client.order("BUY", "0.02", str(BTC - 2_000))
    await stop(client, BTC * 0.95, closePosition=True)


async def stop(client: Client, price: float, **values: Any) -> Any:
    fields = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL"}
    fields |= {"type": "STOP_MARKET", "triggerPrice": round(price)}
    return await client.call("POST", "/fapi/v1/algoOrder", **fields, **values)


def requests(client: Client) -> list[Callable[[], Awaitable[Any]]]:
    """What a busy client asks, one after the other."""
    rest = str(BTC - 1_000)
    return [
        lambda: client.order("BUY", "0.01", rest, newClientOrderId="a"),
        lambda: client.order("BUY", "0.01"),
        *(
            (lambda: client.order("BUY", "0.01", rest, timeInForce="GTX")),
        ) * 6,
        lambda: client.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a"),
        lambda: client.order("SELL", "0.01", reduceOnly=True),
        *((lambda: stop(client, BTC * 0.9, quantity="0.01")),) * 3,
        *((lambda: client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=5)),) * 3,
        lambda: client.ask("/fapi/v1/exchangeInfo"),
        lambda: client.call("GET", "/fapi/v3/account"),
    ]  # fmt: skip


async def trade(client: Client, finished: asyncio.Event) -> None:
    for ask in requests(client):
        with contextlib.suppress(*GOES_WRONG):
            await ask()
    finished.set()


async def live(desk: Desk, client: Client, seconds: int, *, flat: bool) -> None:
    """Trade (unless ``flat``) while time passes second by second, at least so many of them."""
    finished = asyncio.Event()
    task = asyncio.create_task(asyncio.sleep(0) if flat else trade(client, finished))
    if flat:
        finished.set()
    for second in range(400):
        if finished.is_set() and second >= seconds:
            break
        await desk.pass_time(1_000)
        await asyncio.sleep(0.003)
    await asyncio.wait_for(task, 10)


@contextlib.asynccontextmanager
async def listening(client: Client) -> Any:
    key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
    async with (
        socket_of(client, f"/private/ws/{key}") as private,
        socket_of(client, f"/market/stream?streams={STREAMS}") as market,
        socket_of(client, "/public/ws/btcusdt@depth@100ms") as public,
    ):
        for socket in (private, market, public):
            await socket.quiet()
        yield private, market, public


async def suffered(row_id: str) -> tuple[Any, Any, tuple[Socket, ...]]:
    """A client's life under a fault: what was planned, what was done, and what the sockets heard."""
    async with desk_of(new_sim(deposit=3_000)) as (desk, client), listening(client) as sockets:
        if row_id not in FLAT:
            await hold(client)
        await desk.post(f"/catalogue/{row_id}", {"account": "alice", "symbol": "BTCUSDT"})
        await live(desk, client, 70, flat=row_id in FLAT)
        planned = await desk.get("/faults")
        while planned["acts"]:  # what lies half an hour ahead
            await desk.pass_time(60_000)
            planned = await desk.get("/faults")
        assert (await desk.get("/invariants")) == {"breaches": []}
        return planned, await desk.get("/faults/log"), sockets


@pytest.mark.parametrize("row_id", INJECTABLE)
def test_each_is_done_as_written(row_id: str) -> None:
    planned, log, _ = asyncio.run(suffered(row_id))
    for rule in planned["rules"]:
        assert rule["taken"] >= 1, f"never happened: {rule}"
    acts = [each for each in log if each["name"] in (row_id, "at a request")]
    assert len(acts) >= len(ROWS[row_id].acts)
    assert [each for each in acts if "failed" in each] == []
