"""Who may ask: keys, signatures, time, weights, bans; in the exchange's order and words."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sim_world import KEY, MINUTE, Client, client_of, new_sim, wait

from riposte.errors import InputError
from riposte.exchange.limits import Limits
from riposte.exchange.server import serve
from riposte.exchange.simulator import Simulator
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8

BALANCE = "/fapi/v3/balance"


def with_client(sim: Simulator, work: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        async with client_of(sim) as client:
            await work(client)

    asyncio.run(run())


def code(said: object) -> int:
    return said["code"] if isinstance(said, dict) and "code" in said else 0


def test_a_signature_is_over_the_raw_query_and_body_one_after_the_other() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        now = sim.server_ms()
        fields = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01"
        stamp = f"timestamp={now}"
        # ccxt: all in the body; the SDK: all in the query; a mix, the signature in either place
        both = f"{fields}&{stamp}"
        for query, body in (
            ("", f"{both}&signature={client.sign(both)}"),
            (f"{both}&signature={client.sign(both)}", ""),
            (f"{stamp}&signature={client.sign(stamp + fields)}", fields),
            (fields, f"{stamp}&signature={client.sign(fields + stamp)}"),
            (f"signature={client.sign(both).upper()}&{both}", ""),
        ):
            said = await client.send("POST", "/fapi/v1/order", query, body)
            assert said.get("status") == "FILLED", said
        said = await client.send(
            "POST",
            "/fapi/v1/order",
            fields,
            f"{stamp}&signature={client.sign(fields + '&' + stamp)}",
        )
        assert (client.status, code(said)) == (400, -1022)

    with_client(sim, work)


def test_the_query_wins_over_the_body() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&timestamp={sim.server_ms()}"
        body = "quantity=0.05"
        signature = client.sign(query + body)
        said = await client.send("POST", "/fapi/v1/order", query, f"{body}&signature={signature}")
        assert said["origQty"] == "0.010"

    with_client(sim, work)


def test_a_parameter_may_come_once() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        said = await client.send("GET", "/fapi/v1/depth", "symbol=BTCUSDT&symbol=ETHUSDT")
        assert (client.status, code(said)) == (400, -1101)

    with_client(sim, work)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_key_pairs_sign_too(kind: str) -> None:
    sim = new_sim()
    if kind == "ed25519":
        ed = Ed25519PrivateKey.generate()
        public, sign = ed.public_key(), ed.sign
    else:
        pair = rsa.generate_private_key(65537, 2048)
        public = pair.public_key()

        def sign(data: bytes) -> bytes:
            return pair.sign(data, padding.PKCS1v15(), SHA256())

    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sim.add_key(sim.exchange.accounts["alice"], key="pair", public_pem=pem)

    async def work(client: Client) -> None:
        client.key = "pair"
        query = f"timestamp={sim.server_ms()}"
        signature = quote(base64.b64encode(sign(query.encode())).decode(), safe="")
        said = await client.send("GET", BALANCE, f"{query}&signature={signature}")
        assert client.status == 200, said
        other = quote(base64.b64encode(sign(b"other")).decode(), safe="")
        assert code(await client.send("GET", BALANCE, f"{query}&signature={other}")) == -1022
        assert code(await client.send("GET", BALANCE, f"{query}&signature=zz")) == -1022

    with_client(sim, work)


def test_checks_come_in_the_exchanges_order() -> None:
    sim = new_sim()
    now = sim.server_ms()
    reader = sim.add_key(sim.exchange.accounts["alice"], key="reader", secret="s" * 64)
    reader.can_trade = False
    elsewhere = sim.add_key(sim.exchange.accounts["alice"], key="elsewhere", secret="s" * 64)
    elsewhere.allowed_ips = ("10.0.0.1",)

    async def work(client: Client) -> None:
        async def said(key: str, query: str, method: str = "GET", path: str = BALANCE) -> object:
            client.key = key
            return client.status, code(await client.send(method, path, query)), client.status

        async def refused(key: str, query: str, **where: str) -> tuple[int, int]:
            _, number, status = await said(key, query, **where)  # type: ignore[misc]
            return status, number

        wrong = "signature=00"
        assert await refused("", "") == (401, -2014)
        assert await refused("nobody", "") == (401, -2015)
        assert await refused("elsewhere", "") == (401, -2015)
        assert await refused(KEY, wrong) == (400, -1102)
        assert await refused(KEY, f"timestamp={now}") == (400, -1102)
        assert await refused(KEY, f"timestamp=now&{wrong}") == (400, -1102)
        assert await refused(KEY, f"timestamp={now - 6_000}&{wrong}") == (400, -1021)
        assert await refused(KEY, f"timestamp={now + 1_000}&{wrong}") == (400, -1021)
        assert await refused(KEY, f"timestamp={now + 999}&{wrong}") == (400, -1022)
        assert await refused(KEY, f"timestamp={now - 6_000}&recvWindow=7000&{wrong}") == (
            400,
            -1022,
        )
        assert await refused(KEY, f"timestamp={now}&recvWindow=60001&{wrong}") == (400, -1130)
        signed = client.signed({"symbol": "BTCUSDT"})
        assert await refused("reader", signed, method="DELETE", path="/fapi/v1/allOpenOrders") == (
            401,
            -2015,
        )
        assert await refused("reader", client.signed({})) == (200, 0)

    with_client(sim, work)


def test_the_time_it_tells_is_the_time_it_goes_by_but_for_the_skew() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        true = sim.exchange.now_ms
        sim.skew_ms = 5_000
        assert (await client.ask("/fapi/v1/time"))["serverTime"] == true + 5_000
        late = await client.call("GET", BALANCE, timestamp=true - 1)
        assert code(late) == -1021
        assert code(await client.call("GET", BALANCE, timestamp=true + 5_000)) == 0

    with_client(sim, work)


def test_timestamps_can_be_left_unchecked() -> None:
    sim = new_sim(switches=Switches(timestamps="ignore"))

    async def work(client: Client) -> None:
        assert code(await client.call("GET", BALANCE, timestamp=1)) == 0
        assert code(await client.send("GET", BALANCE, "signature=0")) == -1102

    with_client(sim, work)


def test_weights_and_orders_are_counted_in_the_headers() -> None:
    sim = new_sim(limits=Limits())

    async def work(client: Client) -> None:
        await client.ask("/fapi/v1/depth", symbol="BTCUSDT", limit=1000)
        assert client.headers["X-MBX-USED-WEIGHT-1M"] == "20"
        await client.ask("/fapi/v1/ticker/24hr")
        assert client.headers["X-MBX-USED-WEIGHT-1M"] == "60"
        await client.order("BUY", "0.01", "40000.0")
        assert client.headers["X-MBX-USED-WEIGHT-1M"] == "60"
        assert client.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        assert client.headers["X-MBX-ORDER-COUNT-1M"] == "1"
        leg = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        await client.call("POST", "/fapi/v1/batchOrders", batchOrders=[leg])
        assert client.headers["X-MBX-ORDER-COUNT-10S"] == "6"
        assert client.headers["X-MBX-ORDER-COUNT-1M"] == "2"
        wait(sim, 10_000)
        await client.order("BUY", "0.01", "40000.0")
        assert client.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        wait(sim, MINUTE)
        await client.ask("/fapi/v1/ping")
        assert client.headers["X-MBX-USED-WEIGHT-1M"] == "1"

    with_client(sim, work)


def test_too_much_is_429_and_going_on_is_418_for_longer_each_time() -> None:
    sim = new_sim(limits=Limits(weight_per_minute=10))

    async def work(client: Client) -> None:
        for _ in range(10):
            assert code(await client.ask("/fapi/v1/ping")) == 0
        said = await client.ask("/fapi/v1/ping")
        assert (client.status, said["code"]) == (429, -1003)
        assert 0 < int(client.headers["Retry-After"]) <= 60
        assert "current limit of IP(127.0.0.1) is 10 requests per minute" in said["msg"]
        for _ in range(10):
            said = await client.ask("/fapi/v1/ping")
        assert (client.status, said["code"]) == (418, -1003)
        assert int(client.headers["Retry-After"]) == 120
        until = sim.exchange.now_ms + 120_000
        assert f"banned until {until}" in said["msg"]
        wait(sim, 119_000)
        assert client.status == 418
        await client.ask("/fapi/v1/ping")
        assert (client.status, client.headers["Retry-After"]) == (418, "1")
        wait(sim, 1_000)
        assert await client.ask("/fapi/v1/ping") == {}
        for _ in range(21):
            await client.ask("/fapi/v1/ping")
        assert (client.status, client.headers["Retry-After"]) == (418, "480")

    with_client(sim, work)


def test_too_many_orders_are_1015_and_leave_nothing_behind() -> None:
    sim = new_sim(limits=Limits(orders_per_ten_seconds=3))

    async def work(client: Client) -> None:
        for _ in range(3):
            await client.order("BUY", "0.01", "40000.0")
        said = await client.order("BUY", "0.01", "40000.0")
        assert (client.status, said["code"]) == (429, -1015)
        assert said["msg"] == "Too many new orders; current limit is 3 orders per 10 SECOND."
        assert len(sim.exchange.accounts["alice"].open_orders) == 3

    with_client(sim, work)


def test_under_maintenance_only_the_time_and_an_empty_list_are_served() -> None:
    sim = new_sim()
    sim.maintenance = True

    async def work(client: Client) -> None:
        assert "serverTime" in await client.ask("/fapi/v1/time")
        assert (await client.ask("/fapi/v1/exchangeInfo"))["symbols"] == []
        assert (await client.ask("/sapi/v1/system/status"))["status"] == 1
        said = await client.order("BUY", "0.01")
        assert (client.status, code(said)) == (503, -1016)
        assert not sim.exchange.accounts["alice"].orders
        sim.maintenance = False
        assert (await client.order("BUY", "0.01"))["status"] == "FILLED"

    with_client(sim, work)


def test_what_is_not_there_is_404_with_its_path() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        said = await client.ask("/fapi/v1/nothing")
        assert (client.status, code(said)) == (404, -5000)
        assert said["msg"] == "Path /fapi/v1/nothing, Method GET is invalid"
        await client.send("POST", "/fapi/v1/time")
        assert client.status == 404

    with_client(sim, work)


def test_a_body_that_is_no_text_is_refused() -> None:
    sim = new_sim()

    async def work(client: Client) -> None:
        async with client.session.post(
            f"{client.url}/fapi/v1/order", data=b"\xff\xfe", headers={"X-MBX-APIKEY": KEY}
        ) as answer:
            assert answer.status == 400
            assert (await answer.json())["code"] == -1100
        said = await client.send("GET", "/fapi/v1/depth", "symbol=%ff%fe")
        assert code(said) == -1100

    with_client(sim, work)


def test_it_serves_this_machine_only() -> None:
    async def outside() -> None:
        async with serve(new_sim(), host="0.0.0.0"):
            raise AssertionError("it must not open")

    with pytest.raises(InputError, match=r"0\.0\.0\.0 is not a loopback address"):
        asyncio.run(outside())


def test_a_taken_port_is_told() -> None:
    async def run() -> None:
        async with serve(new_sim()) as url:
            port = int(url.rpartition(":")[2])
            with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 can't be served"):
                async with serve(new_sim(), port=port):
                    raise AssertionError("it must not open")

    asyncio.run(run())


def test_accounts_are_apart() -> None:
    sim = new_sim()
    sim.add_key(sim.open_account("bob", 500 * E8), key="bob", secret="bob")

    async def work(client: Client) -> None:
        await client.order("BUY", "0.01", "40000.0")
        client.key, client.secret = "bob", "bob"
        assert await client.call("GET", "/fapi/v1/openOrders") == []
        rows = await client.call("GET", BALANCE)
        assert rows[0]["balance"] == "500.00000000"
        query = urlencode({"timestamp": sim.server_ms()})
        client.key = KEY
        assert code(
            await client.send("GET", BALANCE, f"{query}&signature={client.sign(query)}")
        ) == (-1022)

    with_client(sim, work)
