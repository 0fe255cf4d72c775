"""The protocol's open questions about orders, answered both ways (streams: test_stream_sockets)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from desk import Desk, desk_of
from sim_world import Client, new_sim

from riposte.exchange.switches import Switches


def run(work: Callable[[Desk, Client], Awaitable[None]], **switches: Any) -> None:
    async def inside() -> None:
        async with desk_of(new_sim(switches=Switches(**switches))) as (desk, client):
            await work(desk, client)

    asyncio.run(inside())


@pytest.mark.parametrize("position", ["2026-07", "before"])
def test_the_answer_to_an_order(position: str) -> None:
    async def work(_: Desk, client: Client) -> None:
        placed = await client.order("BUY", "0.01", "49000", newClientOrderId="x")
        filled = await client.order("BUY", "0.01", newOrderRespType="RESULT")
        which = {"symbol": "BTCUSDT", "origClientOrderId": "x"}
        changed = await client.call(
            "PUT", "/fapi/v1/order", **which, side="BUY", quantity="0.02", price="49000"
        )
        ended = await client.call("DELETE", "/fapi/v1/order", **which)
        for answer in (placed, filled, changed, ended):
            # before, a cancelled order told no average price and a changed one no quote
            assert bool({"avgPrice", "cumQuote"} & set(answer)) == (position == "before")
            assert "executedQty" in answer
        asked = await client.call("GET", "/fapi/v1/order", **which)
        assert "avgPrice" in asked  # queries always have it

    run(work, order_answer=position)


@pytest.mark.parametrize("both", [True, False])
def test_the_countdown_and_conditional_orders(both: bool) -> None:
    async def work(desk: Desk, client: Client) -> None:
        await client.order("BUY", "0.01", "49000")
        fields = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "BUY"}
        fields |= {"type": "STOP_MARKET", "triggerPrice": "52000", "quantity": "0.01"}
        await client.call("POST", "/fapi/v1/algoOrder", **fields)
        values = {"symbol": "BTCUSDT", "countdownTime": 5_000}
        await client.call("POST", "/fapi/v1/countdownCancelAll", **values)
        await desk.pass_time(4_999)
        assert len(await client.call("GET", "/fapi/v1/openOrders")) == 1
        await desk.pass_time(1)
        assert await client.call("GET", "/fapi/v1/openOrders") == []
        assert len(await client.call("GET", "/fapi/v1/openAlgoOrders")) == (0 if both else 1)

    run(work, countdown_cancels_algos=both)


@pytest.mark.parametrize("position", ["ignore", "refuse"])
def test_unknown_parameters(position: str) -> None:
    async def work(_: Desk, client: Client) -> None:
        said = await client.order("BUY", "0.01", "49000", stopLoss="48000")
        assert said.get("code") == (-1104 if position == "refuse" else None)
        left = await client.call("GET", "/fapi/v1/openOrders")
        assert len(left) == (0 if position == "refuse" else 1)

    run(work, unknown_parameters=position)


@pytest.mark.parametrize("position", ["check", "ignore"])
def test_timestamps(position: str) -> None:
    async def work(_: Desk, client: Client) -> None:
        said = await client.call("GET", "/fapi/v3/balance", timestamp=1_000)
        assert isinstance(said, list) == (position == "ignore")

    run(work, timestamps=position)
