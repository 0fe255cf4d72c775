"""Small print of REST: numbers that a client gives its changes, digits that are none, ADL risk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from desk import Desk, desk_of
from sim_world import Client, new_sim
from stream_client import socket_of

from riposte.exchange.switches import Switches


def run(work: Callable[[Desk, Client], Awaitable[None]]) -> None:
    async def inside() -> None:
        sim = new_sim(switches=Switches(unknown_parameters="refuse"))
        async with desk_of(sim) as (desk, client):
            await work(desk, client)

    asyncio.run(inside())


def test_a_change_keeps_the_number_that_the_client_gave_it() -> None:
    async def work(_: Desk, client: Client) -> None:
        key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
        order = await client.order("BUY", "0.01", "49000")
        fields = {"symbol": "BTCUSDT", "orderId": order["orderId"], "side": "BUY"}
        fields |= {"quantity": "0.01"}
        async with socket_of(client, f"/private/ws/{key}") as private:
            await private.quiet()
            changed = await client.call(
                "PUT", "/fapi/v1/order", **fields, price="49001", modifyId=77
            )
            assert changed["modifyId"] == 77
            event = await private.until(lambda m: m.get("o", {}).get("x") == "AMENDMENT")
            assert event["o"]["M"] == "77"
        again = await client.call("PUT", "/fapi/v1/order", **fields, price="49002")
        assert "modifyId" not in again
        rows = await client.call("GET", "/fapi/v1/orderAmendment", symbol="BTCUSDT")
        assert [row["amendment"].get("modifyId") for row in rows] == [None, 77]

    run(work)


@pytest.mark.parametrize("text", ["²", "٣", "１"])
def test_digits_of_other_scripts_are_no_numbers(text: str) -> None:
    async def work(_: Desk, client: Client) -> None:
        for values in (
            {"quantity": text},
            {"quantity": "0.01", "price": text},
            {"quantity": "0.01", "recvWindow": text},
        ):
            assert (await client.order("BUY", **values))["code"] in (-1100, -1102)
        assert (await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=text))["code"] < 0
        listed = {"symbol": "BTCUSDT", "orderIdList": f'["{text}"]'}
        said = await client.call("DELETE", "/fapi/v1/batchOrders", **listed)
        assert said["code"] == -1100

    run(work)


def test_the_risk_of_being_deleveraged_follows_the_fund() -> None:
    async def work(desk: Desk, client: Client) -> None:
        risk = await client.ask("/fapi/v1/symbolAdlRisk", symbol="BTCUSDT")
        assert risk["adlRisk"] == "low"
        await client.order("BUY", "0.1")
        for leave, wanted in (("200", "medium"), ("10", "high")):
            await desk.act("drain-insurance", leave=leave)
            rows = await client.ask("/fapi/v1/symbolAdlRisk")
            assert [row["adlRisk"] for row in rows] == [wanted, wanted]
        assert (await client.ask("/fapi/v1/tradingSchedule"))["marketSchedules"] == {}

    run(work)
