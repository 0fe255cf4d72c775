"""What a script can do to a request, over REST and over the WebSocket API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from desk import Desk, desk_of
from sim_world import KEY, Client, new_sim

from riposte.exchange.faults.answers import ANSWERS

ORDER = {"method": "POST", "path": "/fapi/v1/order"}
REST = "49000"


def run(work: Callable[[Desk, Client], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with desk_of(new_sim()) as (desk, client):
            await work(desk, client)

    asyncio.run(inside())


def rule(do: dict[str, Any], **when: Any) -> dict[str, Any]:
    return {"when": {**ORDER, **when}, "do": do}


async def open_ids(client: Client) -> list[str]:
    rows = await client.call("GET", "/fapi/v1/openOrders")
    return [row["clientOrderId"] for row in rows]


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize(("after", "executed"), [(True, ["lost"]), (False, [])])
def test_a_lost_answer_and_a_lost_request(after: bool, executed: list[str], reset: bool) -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule({"kind": "lose", "after": after, "reset": reset}, nth=1))
        with pytest.raises(aiohttp.ClientError):
            await client.order("BUY", "0.01", REST, newClientOrderId="lost")
        assert await open_ids(client) == executed
        await client.order("BUY", "0.01", REST, newClientOrderId="next")
        assert await open_ids(client) == [*executed, "next"]

    run(work)


@pytest.mark.parametrize("says", sorted(ANSWERS))
@pytest.mark.parametrize("after", [True, False])
def test_every_ready_made_answer(says: str, after: bool) -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule({"kind": "answer", "says": says, "after": after}, nth=1))
        try:
            said = await client.order("BUY", "0.01", REST, newClientOrderId="x")
        except ValueError:
            said = None
        reply = ANSWERS[says]
        assert client.status == reply.status
        assert (said is None) == (not reply.body.startswith(b"{"))
        assert client.headers.get("Retry-After") == reply.headers.get("Retry-After")
        assert await open_ids(client) == (["x"] if after else [])

    run(work)


def test_an_error_of_the_exchange_with_its_own_text_or_another() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(
            rule({"kind": "answer", "code": -2019}, nth=1),
            rule({"kind": "answer", "code": -1121, "status": 404, "text": "no"}, nth=2),
            rule({"kind": "answer", "body": "[]", "content_type": "text/plain"}, nth=3),
        )
        said = [await client.order("BUY", "0.01", REST) for _ in range(3)]
        assert said == [
            {"code": -2019, "msg": "Margin is insufficient."},
            {"code": -1121, "msg": "no"},
            [],
        ]
        assert await open_ids(client) == []

    run(work)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("truncate", pytest.raises(json.JSONDecodeError)),
        ("cut", pytest.raises(aiohttp.ClientPayloadError)),
        ("empty", pytest.raises(json.JSONDecodeError)),
        ("html", pytest.raises(json.JSONDecodeError)),
        ("wrong-type", contextlib.nullcontext()),
    ],
)
def test_a_damaged_answer_to_an_order_that_was_executed(how: str, expected: Any) -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule({"kind": "spoil", "how": how}, nth=1))
        with expected as seen:
            await client.order("BUY", "0.01", REST, newClientOrderId="x")
        if seen is None:
            assert client.headers["Content-Type"].startswith("text/html")
        assert await open_ids(client) == ["x"]

    run(work)


def test_an_answer_that_repeats_the_one_before() -> None:
    async def work(desk: Desk, client: Client) -> None:
        when = {"method": "GET", "path": "/fapi/v1/depth", "symbol": "BTCUSDT", "nth": 2}
        await desk.plan({"when": when, "do": {"kind": "stale"}})
        first = await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=5)
        await desk.pass_time(5_000)
        assert await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=5) == first
        third = await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=5)
        assert third["lastUpdateId"] > first["lastUpdateId"]

    run(work)


@pytest.mark.parametrize("after", [True, False])
def test_a_request_held_in_exchange_time(after: bool) -> None:
    async def work(desk: Desk, client: Client) -> None:
        do = {"kind": "delay", "length_ms": 3_000, "after": after, "clock": "exchange"}
        await desk.plan(rule(do, nth=1))
        asked = asyncio.create_task(client.order("BUY", "0.01", REST, newClientOrderId="x"))
        await asyncio.sleep(0.1)
        assert not asked.done()
        begun = (await desk.get("/status"))["now_ms"]
        assert len((await desk.get("/accounts", name="alice"))["open_orders"]) == after
        await desk.pass_time(3_000)
        answer = await asyncio.wait_for(asked, 5)
        assert answer["updateTime"] == begun + (0 if after else 3_000)

    run(work)


def test_a_request_held_too_long_is_too_late_for_its_window() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule({"kind": "delay", "length_ms": 8_000, "clock": "exchange"}))
        asked = asyncio.create_task(client.order("BUY", "0.01", REST))
        await asyncio.sleep(0.1)
        await desk.pass_time(8_000)
        assert (await asyncio.wait_for(asked, 5))["code"] == -1021

    run(work)


def test_a_delay_by_the_wall_clock() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule({"kind": "delay", "length_ms": 300}, nth=1))
        begun = time.monotonic()
        assert (await client.order("BUY", "0.01", REST))["status"] == "NEW"
        assert time.monotonic() - begun >= 0.3

    run(work)


def test_an_act_at_a_request_comes_before_or_after_it() -> None:
    async def work(desk: Desk, client: Client) -> None:
        await client.order("BUY", "0.01", "49900", newClientOrderId="x")
        fill = {"kind": "act", "act": {"kind": "fill-orders"}}
        end = {"kind": "act", "act": {"kind": "end-orders", "reason": "gone"}, "after": True}
        await desk.plan(
            {"when": {"method": "DELETE", "path": "/fapi/v1/order", "nth": 1}, "do": fill},
            rule(end, nth=1),
        )
        which = {"symbol": "BTCUSDT", "origClientOrderId": "x"}
        assert (await client.call("DELETE", "/fapi/v1/order", **which))["code"] == -2011
        assert (await client.call("GET", "/fapi/v1/order", **which))["status"] == "FILLED"
        placed = await client.order("BUY", "0.01", REST)
        assert placed["status"] == "NEW"
        now = await client.call(
            "GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=placed["orderId"]
        )
        assert now["status"] == "EXPIRED"

    run(work)


def test_which_requests_a_rule_takes() -> None:
    lose = {"kind": "answer", "says": "internal"}
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"every": 2}, [200, 503, 200, 503]),
        ({"times": 1}, [503, 200, 200, 200]),
        ({"nth": 3}, [200, 200, 503, 200]),
        ({"account": "alice"}, [503] * 4),
        ({"account": "bob"}, [200] * 4),
        ({"symbol": "ETH*"}, [200] * 4),
        ({"params": {"side": "BUY"}, "reducing": False}, [503] * 4),
        ({"params": {"side": "SELL"}}, [200] * 4),
        ({"params": {"noSuch": "*"}}, [200] * 4),
        ({"path": "/fapi/v1/*rder"}, [503] * 4),
        ({"after_ms": 1_000}, [200, 503, 503, 503]),
        ({"until_ms": 1_500}, [503, 503, 200, 200]),
    ]

    async def work(desk: Desk, client: Client) -> None:
        for when, wanted in cases:
            await desk.plan(rule(lose, **when))
            got = []
            for _ in wanted:
                await client.order("BUY", "0.01", REST)
                got.append(client.status)
                await desk.pass_time(1_000)
            assert got == wanted, when
            await desk.send("DELETE", "/faults")

    run(work)


def test_chance_goes_by_the_seed() -> None:
    async def taken(desk: Desk, client: Client, seed: int) -> list[int]:
        await desk.plan(
            {
                "when": {"path": "/fapi/v1/ping", "probability": 0.5},
                "do": {"kind": "answer", "says": "internal"},
            },
            seed=seed,
        )
        got = []
        for _ in range(40):
            await client.ask("/fapi/v1/ping")
            got.append(client.status)
        return got

    seen = []
    for seed in (1, 1, 2):

        async def work(desk: Desk, client: Client, seed: int = seed) -> None:
            seen.append(await taken(desk, client, seed))

        run(work)
    assert seen[0] == seen[1] != seen[2]
    assert 10 <= seen[0].count(503) <= 30


@pytest.mark.parametrize(
    ("do", "executed", "error"),
    [
        ({"kind": "answer", "code": -2019}, False, -2019),
        ({"kind": "answer", "says": "unknown", "after": True}, True, -1000),
        ({"kind": "answer", "says": "throttled"}, False, -1008),
        ({"kind": "lose", "after": True}, True, None),
        ({"kind": "lose", "reset": True}, False, None),
        ({"kind": "spoil", "how": "truncate"}, True, "broken"),
    ],
)
def test_the_websocket_api_suffers_the_same(do: Any, executed: bool, error: Any) -> None:
    async def work(desk: Desk, client: Client) -> None:
        await desk.plan(rule(do, nth=1))
        said = await over_websocket(client)
        if isinstance(error, int):
            assert said["error"]["code"] == error
        else:
            assert said == error
        assert await open_ids(client) == (["ws"] if executed else [])

    run(work)


async def over_websocket(client: Client) -> Any:
    """The answer to an order; "broken" if it is no JSON, None if the connection ends."""
    values = {
        "apiKey": KEY,
        "newClientOrderId": "ws",
        "price": REST,
        "quantity": "0.01",
        "side": "BUY",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "timestamp": client.sim.server_ms(),
        "type": "LIMIT",
    }
    text = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
    params = {**values, "signature": client.sign(text)}
    async with client.session.ws_connect(f"{client.url}/ws-fapi/v1") as socket:
        await socket.send_json({"id": 1, "method": "order.place", "params": params})
        message = await asyncio.wait_for(socket.receive(), 10)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        try:
            return message.json()
        except ValueError:
            return "broken"
