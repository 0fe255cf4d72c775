"""Connections: routes, ways to name a stream, requests, rules, listen keys, spoiled messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from sim_world import KEY, MINUTE, Client, new_sim, wait
from stream_client import socket_of

from riposte.exchange.faults.match import StreamMatch, Turns
from riposte.exchange.faults.plan import FaultPlan, Rule
from riposte.exchange.limits import Limits
from riposte.exchange.server import serve
from riposte.exchange.simulator import Simulator
from riposte.exchange.streams.connection import Rules
from riposte.exchange.streams.faulty import StreamAction
from riposte.exchange.switches import Switches

HOUR = 60 * MINUTE


def run(
    work: Callable[[Simulator, Client], Awaitable[None]],
    *,
    sim: Simulator | None = None,
    rules: Rules | None = None,
) -> None:
    sim = sim or new_sim()

    async def inside() -> None:
        async with serve(sim, rules=rules) as url, aiohttp.ClientSession() as session:
            await work(sim, Client(session, url, sim))

    asyncio.run(inside())


@pytest.mark.parametrize(
    "path",
    [
        "/market/ws/btcusdt@aggTrade",
        "/market/ws/ethusdt@aggTrade/btcusdt@aggTrade",
        "/market/ws?streams=btcusdt@aggTrade",
        "/market/stream?streams=ethusdt@aggTrade/btcusdt@aggTrade",
        "/ws/btcusdt@aggTrade",
        "/stream?streams=btcusdt@aggTrade",
    ],
)
def test_streams_can_be_named_in_the_address(path: str) -> None:
    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, path) as socket:
            await socket.quiet()
            wait(sim, 3_000)
            said = await socket.until(
                lambda m: m.get("data", m).get("s") == "BTCUSDT" if "id" not in m else False
            )
            assert ("stream" in said) == ("/stream" in path)

    run(work)


@pytest.mark.parametrize("mode", ["query", "path", "streams", "subscribe", "legacy"])
def test_a_user_stream_is_opened_in_all_known_ways(mode: str) -> None:
    async def work(sim: Simulator, client: Client) -> None:
        key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
        path = {
            "query": f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE",
            "path": f"/private/ws/{key}",
            "streams": f"/private/stream?streams={key}",
            "subscribe": "/private/stream",
            "legacy": f"/ws/{key}",
        }[mode]
        async with socket_of(client, path) as socket:
            if mode == "subscribe":
                assert await socket.ask("SUBSCRIBE", key) == {"result": None, "id": 1}
            else:
                await socket.quiet()
            await client.order("BUY", "0.01")
            said = await socket.event("ORDER_TRADE_UPDATE")
            if mode in ("streams", "subscribe"):
                assert said["stream"] == key

    run(work)


def test_requests_are_answered_as_documented() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, "/market/ws") as socket:
            assert await socket.ask("SUBSCRIBE", "btcusdt@aggTrade", "ethusdt@kline_1m") == {
                "result": None,
                "id": 1,
            }
            listed = await socket.ask("LIST_SUBSCRIPTIONS")
            assert listed["result"] == ["btcusdt@aggTrade", "ethusdt@kline_1m"]
            await socket.ask("UNSUBSCRIBE", "btcusdt@aggTrade", "never@was")
            assert (await socket.ask("LIST_SUBSCRIPTIONS"))["result"] == ["ethusdt@kline_1m"]
            assert (await socket.ask("GET_PROPERTY", "combined"))["result"] is False
            assert (await socket.ask("SET_PROPERTY", "combined", True))["result"] is None
            wait(sim, 3_000)
            assert (await socket.event("kline"))["stream"] == "ethusdt@kline_1m"

    run(work)


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        ("{", 3, "Invalid JSON"),
        ("[]", 2, "missing field `method`"),
        ('{"id":1}', 2, "missing field `method`"),
        ('{"method":"SHOUT","id":1}', 2, "unknown variant `SHOUT`, expected one of `SUBSCRIBE`"),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2, "stream names must be texts"),
        ('{"method":"SUBSCRIBE","params":"x","id":1}', 2, "params must be a list"),
        ('{"method":"SUBSCRIBE","params":[],"id":[]}', 2, "request ID"),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1, "expected Boolean"),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, "Unknown property"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(sent: str, code: int, said: str) -> None:
    async def work(_: Simulator, client: Client) -> None:
        async with socket_of(client, "/market/ws") as socket:
            await socket.raw.send_str(sent)
            got = await socket.until(lambda m: "error" in m)
            assert got["error"]["code"] == code
            assert said in got["error"]["msg"]
            await socket.quiet()  # and the connection lives

    run(work)


@pytest.mark.parametrize("wrong_route", ["silent", "serve"])
def test_a_stream_on_the_wrong_route(wrong_route: Any) -> None:
    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, "/public/ws") as socket:
            acknowledged = await socket.ask("SUBSCRIBE", "btcusdt@aggTrade")
            assert acknowledged["result"] is None
            wait(sim, 3_000)
            await socket.quiet()
            assert bool(socket.events("aggTrade")) == (wrong_route == "serve")

    run(work, sim=new_sim(switches=Switches(wrong_route=wrong_route)))


@pytest.mark.parametrize("kept", [True, False])
def test_the_old_routes(kept: bool) -> None:
    async def work(_: Simulator, client: Client) -> None:
        if kept:
            async with socket_of(client, "/ws") as socket:
                await socket.quiet()
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.session.ws_connect(client.url + "/ws")
            assert refused.value.status == 404

    run(work, sim=new_sim(switches=Switches(legacy_routes=kept)))


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("route", ["public", "market"])
def test_the_trade_stream(route: str, on: bool) -> None:
    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, f"/{route}/ws/btcusdt@trade") as socket:
            await socket.quiet()
            wait(sim, 3_000)
            await socket.quiet()
            said = socket.events("trade")
            assert bool(said) == on
            if said:
                assert said[0].keys() == {"e", "E", "T", "s", "t", "p", "q", "X", "m"}

    run(work, sim=new_sim(switches=Switches(trade_stream=on)))


def test_a_connection_ends_after_24_hours_of_the_exchange() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, "/market/ws") as socket:
            wait(sim, 24 * HOUR - 1)
            await asyncio.sleep(0.3)
            assert not socket.closed.is_set()
            wait(sim, 1)
            await asyncio.wait_for(socket.closed.wait(), 5)
            assert socket.raw.close_code == 1001
        assert not sim.connections

    run(work)


def test_it_pings_and_cuts_off_who_does_not_answer() -> None:
    async def work(_: Simulator, client: Client) -> None:
        raw = await client.session.ws_connect(client.url + "/market/ws", autoping=False)
        message = await asyncio.wait_for(raw.receive(), 5)
        assert message.type is aiohttp.WSMsgType.PING
        async with socket_of(client, "/market/ws") as polite:
            while not raw.closed:  # further pings, never answered
                await asyncio.wait_for(raw.receive(), 5)
            assert raw.close_code == 1008
            assert not polite.closed.is_set()

    run(work, rules=Rules(ping_s=0.2, pong_s=1.0))


def test_a_clients_ping_is_answered() -> None:
    async def work(_: Simulator, client: Client) -> None:
        raw = await client.session.ws_connect(client.url + "/market/ws", autoping=False)
        await raw.ping(b"hello")
        message = await asyncio.wait_for(raw.receive(), 5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")
        await raw.close()

    run(work)


def test_who_sends_too_much_is_cut_off_and_then_banned() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        for _ in range(3):
            raw = await client.session.ws_connect(client.url + "/market/ws")
            for number in range(11):
                await raw.send_json({"method": "LIST_SUBSCRIPTIONS", "id": number})
            while not raw.closed:
                await asyncio.wait_for(raw.receive(), 5)
            assert raw.close_code == 1008
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.session.ws_connect(client.url + "/market/ws")
        assert refused.value.status == 418
        wait(sim, 2 * MINUTE)
        await (await client.session.ws_connect(client.url + "/market/ws")).close()

    run(work, sim=new_sim(limits=Limits()))


def test_too_many_streams_are_refused() -> None:
    async def work(_: Simulator, client: Client) -> None:
        async with socket_of(client, "/market/ws") as socket:
            assert "result" in await socket.ask("SUBSCRIBE", "a", "b", "c")
            assert "too many" in (await socket.ask("SUBSCRIBE", "d"))["error"]["msg"]
            assert "result" in await socket.ask("SUBSCRIBE", "a")

    run(work, rules=Rules(streams=3))


def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_not() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        port = int(client.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(
            b"GET /market/ws/btcusdt@ticker HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await writer.drain()
        async with socket_of(client, "/market/ws/btcusdt@markPrice@1s") as other:
            await other.quiet()
            deaf = next(c for c in sim.connections if "btcusdt@ticker" in c.names)
            for _ in range(3_000):
                deaf.say(b"x" * 10_000)
                await asyncio.sleep(0)
                if deaf not in sim.connections:
                    break
            else:
                raise AssertionError("it was never cut off")
            wait(sim, 1_000)
            await other.event("markPriceUpdate")
        writer.close()

    run(work, rules=Rules(backlog_bytes=1 << 16))


def test_nobody_connects_under_maintenance() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        sim.maintenance = True
        for path in ("/market/ws", "/ws-fapi/v1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.session.ws_connect(client.url + path)
            assert refused.value.status == 503

    run(work)


def test_a_plain_request_is_told_what_is_needed() -> None:
    async def work(_: Simulator, client: Client) -> None:
        async with client.session.get(client.url + "/market/ws") as said:
            assert said.status == 400
            assert "WebSocket handshake" in await said.text()

    run(work)


# listen keys


def test_a_listen_key_lasts_an_hour_and_can_be_extended() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        path = "/fapi/v1/listenKey"
        key = (await client.send("POST", path))["listenKey"]
        async with socket_of(client, f"/private/ws/{key}") as socket:
            await socket.quiet()
            wait(sim, HOUR - 1)
            assert (await client.send("PUT", path))["listenKey"] == key
            wait(sim, HOUR - 1)
            assert (await client.send("POST", path))["listenKey"] == key
            wait(sim, HOUR - 1)
            assert not socket.events("listenKeyExpired")
            wait(sim, 1)
            said = await socket.event("listenKeyExpired")
            assert said["listenKey"] == key
            assert (await client.send("PUT", path))["code"] == -1125
            await client.order("BUY", "0.01")
            await socket.quiet()
            assert not socket.events("ORDER_TRADE_UPDATE")
            new = (await client.send("POST", path))["listenKey"]
            assert new != key

    run(work)


def test_a_closed_key_brings_nothing_more() -> None:
    async def work(_: Simulator, client: Client) -> None:
        key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
        async with socket_of(client, f"/private/ws/{key}") as socket:
            await socket.quiet()
            assert await client.send("DELETE", "/fapi/v1/listenKey") == {}
            await client.order("BUY", "0.01")
            await socket.quiet()
            assert not socket.events("ORDER_TRADE_UPDATE")

    run(work)


def test_nobody_hears_anothers_account() -> None:
    async def work(sim: Simulator, client: Client) -> None:
        sim.add_key(sim.open_account("bob", 10**12), key="bob", secret="bob")
        client.key = "bob"
        key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
        async with socket_of(client, f"/private/ws/{key}") as socket:
            await socket.quiet()
            client.key = KEY
            await client.order("BUY", "0.01")
            await socket.quiet()
            assert not socket.events("ORDER_TRADE_UPDATE")

    run(work)


# spoiled messages


def spoiled(action: StreamAction) -> tuple[list[Any], int | None]:
    """What a client sees of five trades of which the first is spoiled, and the close code."""
    seen: list[Any] = []
    code: list[int | None] = []

    async def work(sim: Simulator, client: Client) -> None:
        async with socket_of(client, "/market/ws/btcusdt@aggTrade") as socket:
            await socket.quiet()
            socket.got.clear()
            match = StreamMatch("market", "btcusdt@aggTrade")
            rule = Rule("spoil", match, Turns(times=1), action.kind, action)
            sim.faults = FaultPlan(sim.exchange.journal, [rule])
            for _ in range(5):
                wait(sim, 1_000)
                await asyncio.sleep(0)
            sim.faults = None
            await asyncio.sleep(0.05)
            seen.extend(m["a"] if isinstance(m, dict) else m for m in socket.got)
            if action.kind == "close":
                await asyncio.wait_for(socket.closed.wait(), 5)
            code.append(socket.raw.close_code)

    run(work)
    return seen, code[0]


def test_spoiled_messages() -> None:
    plain, _ = spoiled(StreamAction("duplicate"))
    first, rest = plain[0], plain[2:]
    assert plain == [first, first, *rest]
    assert spoiled(StreamAction("drop"))[0] == rest
    assert spoiled(StreamAction("reorder"))[0] == [rest[0], first, *rest[1:]]
    assert spoiled(StreamAction("stall"))[0] == []
    assert spoiled(StreamAction("stall", length_ms=2_500))[0] == rest[2:]
    assert spoiled(StreamAction("close", code=1008)) == ([], 1008)
    cut = spoiled(StreamAction("truncate"))[0]
    assert cut[0].startswith("no JSON: {")
    assert cut[1:] == rest
    binary = spoiled(StreamAction("binary"))[0]
    assert json.loads(binary[0])["a"] == first
    assert spoiled(StreamAction("huge", size=2_000_000))[0][0] == "x" * 1_999_998
    assert spoiled(StreamAction("replace", text='["other"]'))[0] == [["other"], *rest]
