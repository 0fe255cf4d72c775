"""The WebSocket API: shapes, signatures, sessions, errors, weights."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from shapes import SHARED, differences, parsed
from sim_world import KEY, Client, client_of, new_sim

from riposte.exchange.limits import Limits
from riposte.exchange.params import texts_of
from riposte.exchange.simulator import Simulator
from riposte.exchange.switches import Switches

FIXTURES = SHARED / "Socket" / "UsdFutures"
TRAILING = {"activatePrice", "priceRate"}
# Recordings older than the protocol, and what the official SDK's models (18.0.1) say instead.
TODAY = {
    "CancelConditionalOrder": {"code", "msg"},
    "PlaceConditionalOrder": {"activatePrice", "callbackRate"},
    "EditOrder": {"cumQuote"},  # PUT over HTTP doesn't say it either
    "GetPositions": {"unrealizedProfit", "unRealizedProfit"},  # the SDK writes a capital R
    "GetOrder": {"goodTillDate", "priceMatch", "selfTradePreventionMode"},
}


class Api:
    """A socket and its counter."""

    def __init__(self, client: Client, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.client, self.raw, self.number = client, raw, 0

    async def ask(self, method: str, **params: Any) -> Any:
        self.number += 1
        await self.raw.send_json({"id": self.number, "method": method, "params": params})
        said = await self.raw.receive_json(timeout=5)
        assert said["id"] == self.number
        return said

    async def signed(self, method: str, **params: Any) -> Any:
        params = {"apiKey": KEY, "timestamp": self.client.sim.server_ms(), **params}
        payload = "&".join(f"{k}={v}" for k, v in sorted(texts_of(params).items()))
        return await self.ask(method, **params, signature=self.client.sign(payload))


def run(work: Callable[[Simulator, Api], Awaitable[None]], sim: Simulator | None = None) -> None:
    sim = sim or new_sim()

    async def inside() -> None:
        async with (
            client_of(sim) as client,
            client.session.ws_connect(client.url + "/ws-fapi/v1") as raw,
        ):
            await work(sim, Api(client, raw))

    asyncio.run(inside())


def recorded(name: str) -> tuple[str, Any]:
    text = next(FIXTURES.glob(f"*/{name}.txt")).read_text("utf-8-sig")
    sent, said = re.split(r"(?m)^=\s*", text)
    return json.loads(sent.lstrip(">"))["method"], parsed(said.replace("|1|", "1"))


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
STOP = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET"}


def test_answers_have_the_keys_and_types_of_the_recorded_ones() -> None:
    async def work(_: Simulator, api: Api) -> None:
        async def like(name: str, *, signed: bool = True, **params: Any) -> Any:
            method, wanted = recorded(name)
            said = await (api.signed if signed else api.ask)(method, **params)
            assert said["status"] == 200, said
            found = [
                line
                for line in differences(wanted["result"], said["result"])
                if line.partition(": ")[0].rpartition(".")[2]
                not in TRAILING | TODAY.get(name, set())
            ]
            assert found == [], name
            assert said.keys() == {"id", "status", "result", "rateLimits"}
            for row in wanted.get("rateLimits", ()):
                assert said["rateLimits"][0].keys() == row.keys()
            return said["result"]

        await like("GetBookPrice", signed=False, symbol="BTCUSDT")
        await like("GetBookPrices", signed=False)
        await like("GetPrice", signed=False, symbol="BTCUSDT")
        await like("GetPrices", signed=False)
        await like("GetOrderBook", signed=False, symbol="BTCUSDT")
        order = await like("PlaceOrder", **ORDER, quantity="0.01", price="49000.0")
        which = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
        await like("GetOrder", **which)
        await like("EditOrder", **which, side="BUY", quantity=0.02, price=49100)
        await like("CancelOrder", **which)
        await api.signed("order.place", symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01)
        await like("GetPositions")
        await like("GetAccountInfo")
        await like("GetBalances")
        algo = await like("PlaceConditionalOrder", **STOP, quantity="0.01", triggerPrice="40000")
        await like("CancelConditionalOrder", algoId=algo["algoId"])

    run(work, new_sim(switches=Switches(order_answer="before")))


def test_an_order_over_the_socket_is_the_order_of_the_book() -> None:
    async def work(sim: Simulator, api: Api) -> None:
        said = await api.signed("order.place", **ORDER, quantity="0.01", price="49000.0")
        orders = sim.exchange.accounts["alice"].open_orders
        assert list(orders) == [said["result"]["orderId"]]
        assert "avgPrice" not in said["result"]
        counts = [row["count"] for row in said["rateLimits"]]
        assert counts == [5, 1, 1]

    run(work, new_sim(limits=Limits()))


def test_what_is_wrong_is_told_as_over_http() -> None:
    async def work(sim: Simulator, api: Api) -> None:
        async def refused(said: Any) -> tuple[int, int]:
            assert set(said) <= {"id", "status", "error", "rateLimits"}
            return said["status"], said["error"]["code"]

        now = sim.server_ms()
        assert await refused(await api.ask("account.status")) == (401, -2014)
        assert await refused(await api.ask("account.status", apiKey="no")) == (401, -2015)
        assert await refused(await api.ask("account.status", apiKey=KEY, timestamp=now)) == (
            400,
            -1102,
        )
        wrong = {"apiKey": KEY, "timestamp": now, "signature": "00"}
        assert await refused(await api.ask("account.status", **wrong)) == (400, -1022)
        assert await refused(await api.signed("account.status", timestamp=1)) == (400, -1021)
        assert await refused(await api.signed("order.place", symbol="NOPE")) == (400, -1102)
        assert await refused(await api.ask("order.dance")) == (404, -5000)
        await api.raw.send_str("{")
        said = await api.raw.receive_json(timeout=5)
        assert (said["id"], said["error"]["code"]) == (None, -1135)

    run(work)


def test_a_session_speaks_for_the_key_it_is_logged_on_with() -> None:
    sim = new_sim()
    pair = Ed25519PrivateKey.generate()
    pem = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sim.add_key(sim.exchange.accounts["alice"], key="pair", public_pem=pem)

    async def work(_: Simulator, api: Api) -> None:
        params = {"apiKey": "pair", "timestamp": sim.server_ms()}
        payload = "&".join(f"{k}={v}" for k, v in sorted(params.items()))
        signature = base64.b64encode(pair.sign(payload.encode())).decode()
        assert (await api.ask("session.status"))["result"]["apiKey"] is None
        said = await api.ask("session.logon", **params, signature=signature)
        assert said["result"]["apiKey"] == "pair"
        order = {**ORDER, "quantity": "0.01", "price": "49000.0"}
        assert (await api.ask("order.place", **order))["status"] == 200
        await api.ask("session.logout")
        assert (await api.ask("order.place", **order))["error"]["code"] == -2014

    run(work, sim)


def test_only_an_ed25519_key_logs_on() -> None:
    async def work(_: Simulator, api: Api) -> None:
        assert (await api.signed("session.logon"))["error"]["code"] == -4056

    run(work)


def test_limits_are_left_out_when_asked_so() -> None:
    async def work(_: Simulator, api: Api) -> None:
        assert "rateLimits" not in await api.signed("account.status", returnRateLimits=False)

    run(work)


def test_listen_keys_over_the_socket() -> None:
    async def work(sim: Simulator, api: Api) -> None:
        key = (await api.ask("userDataStream.start", apiKey=KEY))["result"]["listenKey"]
        assert sim.listen_keys.find(key, sim.exchange.now_ms) is sim.exchange.accounts["alice"]
        said = await api.ask("userDataStream.ping", apiKey=KEY)
        assert said["result"]["listenKey"] == key
        assert (await api.ask("userDataStream.stop", apiKey=KEY))["result"] == {}
        assert (await api.ask("userDataStream.ping", apiKey=KEY))["error"]["code"] == -1125

    run(work)


@pytest.mark.parametrize("sent", ["[]", "1", '"x"', '{"id":[],"method":"ping"}', '{"params":3}'])
def test_what_is_no_request_is_refused_and_the_socket_lives(sent: str) -> None:
    async def work(_: Simulator, api: Api) -> None:
        await api.raw.send_str(sent)
        assert (await api.raw.receive_json(timeout=5))["status"] == 400
        assert (await api.ask("ping"))["result"] == {}

    run(work)
