"""Whatever is sent to whichever endpoint: an answer in the exchange's words, never a crash.

Requests are rightly signed and stamped, so that they reach the handlers; names and values are a mix
of good, nearly good and hostile ones.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from core_driver import check_cheap, check_dear
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sim_world import KEY, Client, client_of, new_sim, wait

from riposte.exchange.gate import Request
from riposte.exchange.keys import ApiKey
from riposte.exchange.rest.endpoint import Endpoint
from riposte.exchange.rest.table import ENDPOINTS
from riposte.exchange.server import answer, application
from riposte.exchange.simulator import Simulator

HOSTILE = [
    "",
    " ",
    "0",
    "-1",
    "-0.0",
    "1e5",
    "1E-8",
    "NaN",
    "Infinity",
    "0x10",
    "٣",  # a digit, but not one of ours
    "1_000",
    "00000000000000000001",
    "99999999999999999999999999",
    "0.000000001",
    "0.00000001",
    "9223372036854775807",
    "9223372036854775808",
    "123456789012345678.12345678",
    "null",
    "true",
    "TRUE",
    "[]",
    "{}",
    "[[[[]]]]",
    "[1,2,3]",
    '["a"]',
    '[{"symbol":1}]',
    '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":0.01}]',
    '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","quantity":1e400,"price":null}]',
    "[" * 500,
    '"',
    "\x00",
    "a" * 37,
    "a" * 5_000,
    "'; DROP TABLE orders; --",
    "../../etc/passwd",
    "<script>",
    "😀",
    "%",
    "&=",
]
GOOD: dict[str, list[str]] = {
    "symbol": ["BTCUSDT", "ETHUSDT", "btcusdt", "NOPEUSDT"],
    "pair": ["BTCUSDT"],
    "side": ["BUY", "SELL", "buy"],
    "type": ["LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT", "TRAILING_STOP_MARKET", "1", "2"],
    "quantity": ["0.01", "1", "5", "0.0015", "1000000"],
    "price": ["50000.0", "49000", "51000.5", "50000.05", "1"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "triggerPrice": ["50000", "49000", "51000", "1"],
    "algoType": ["CONDITIONAL", "VP"],
    "positionSide": ["BOTH", "LONG", "SHORT"],
    "reduceOnly": ["true", "false"],
    "closePosition": ["true", "false"],
    "priceMatch": ["NONE", "OPPONENT", "QUEUE_5", "OPPONENT_20"],
    "selfTradePreventionMode": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE"],
    "workingType": ["MARK_PRICE", "CONTRACT_PRICE"],
    "priceProtect": ["true", "false"],
    "callbackRate": ["0.1", "1", "5", "10", "11"],
    "activatePrice": ["49000", "51000"],
    "goodTillDate": ["1700001200000", "1800000000000"],
    "orderId": ["1", "2", "3"],
    "algoId": ["1", "2"],
    "origClientOrderId": ["auto-1", "mine"],
    "newClientOrderId": ["mine", "x-1"],
    "clientAlgoId": ["mine", "auto-algo-1"],
    "newOrderRespType": ["ACK", "RESULT"],
    "leverage": ["1", "20", "125", "126"],
    "marginType": ["ISOLATED", "CROSSED"],
    "amount": ["1", "100", "1000000"],
    "dualSidePosition": ["true", "false"],
    "multiAssetsMargin": ["true", "false"],
    "feeBurn": ["true", "false"],
    "countdownTime": ["0", "1000", "60000"],
    "limit": ["1", "5", "100", "1500"],
    "interval": ["1m", "5m", "1h", "1d", "1w", "1M", "7m"],
    "period": ["5m", "1h", "1d"],
    "contractType": ["PERPETUAL", "CURRENT_QUARTER"],
    "startTime": ["1699996800000", "1700000400000"],
    "endTime": ["1700000400000", "1700004000000"],
    "fromId": ["0", "1", "30"],
    "page": ["1", "2"],
    "incomeType": ["COMMISSION", "TRANSFER"],
    "autoCloseType": ["LIQUIDATION", "ADL"],
    "orderIdList": ["[1,2]", "[3]"],
    "origClientOrderIdList": ['["mine"]'],
    "batchOrders": [
        '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"0.01",'
        '"price":"49000"},{"symbol":"BTCUSDT"}]'
    ],
    "recvWindow": ["5000", "60000"],
}
STATUSES = {200, 400, 401, 404, 408, 429, 503}


def value_of(name: str) -> st.SearchStrategy[str]:
    hostile = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=12))
    return st.one_of(st.sampled_from(GOOD[name]), st.sampled_from(GOOD[name]), hostile)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, str]:
    usual = draw(st.sampled_from([0.3, 0.6, 0.95]))
    names = [n for n in GOOD if draw(st.floats(0, 1)) < usual]
    found = {name: draw(value_of(name)) for name in names}
    if draw(st.booleans()):
        found |= draw(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2))
    return found


class World:
    """One exchange for all examples: what came before is part of the trial."""

    sim: Simulator
    key: ApiKey

    @classmethod
    def ready(cls) -> Simulator:
        if not hasattr(cls, "sim") or cls.sim.exchange.now_ms >= cls.sim.feed.end_ms:
            cls.sim = new_sim()
            cls.key = cls.sim.keys[KEY]
        return cls.sim


def request_of(sim: Simulator, endpoint: Endpoint, values: dict[str, Any]) -> Request:
    raw = urlencode({**values, "timestamp": sim.server_ms()}, errors="surrogatepass")
    mac = Client(None, "", sim).sign(raw)  # type: ignore[arg-type]  # it only signs
    return Request(endpoint.method, endpoint.path, f"{raw}&signature={mac}", api_key=KEY)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(values=parameters())
def test_an_endpoint_answers_whatever_it_is_sent(
    endpoint: Endpoint, values: dict[str, str]
) -> None:
    sim = World.ready()
    said = answer(sim, request_of(sim, endpoint, values))
    body = orjson.loads(said.body)
    assert said.status in STATUSES
    if said.status != 200:
        assert body.keys() == {"code", "msg"}
        assert body["code"] < 0
        assert "{" not in body["msg"].replace("{1,", "")  # a text with its fields filled in
    check_cheap(sim.exchange)
    wait(sim, 50)


def test_after_all_that_the_books_are_in_order() -> None:
    sim = World.ready()
    check_cheap(sim.exchange)
    check_dear(sim.exchange)


RAW = [
    b"GET /fapi/v1/time HTTP/1.1\r\n\r\n",
    b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nshort",
    b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain socket
    b"\x00" * 64,
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"FOO /fapi/v1/time HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /fapi/v1/%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_bytes_that_are_no_request_neither_hang_nor_break_the_next(raw: bytes) -> None:
    sim = new_sim()

    async def run() -> None:
        async with client_of(sim) as client:
            port = int(client.url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            writer.write_eof()
            said = await asyncio.wait_for(reader.read(), 10)
            assert b" 500 " not in said[:20]
            writer.close()
            assert "serverTime" in await client.ask("/fapi/v1/time")

    asyncio.run(run())


def test_a_body_too_large_is_refused() -> None:
    sim = new_sim()

    async def run() -> None:
        async with client_of(sim) as client:
            async with client.session.post(
                f"{client.url}/fapi/v1/order",
                data=io.BytesIO(b"a" * (2 << 20)),
                headers={"X-MBX-APIKEY": KEY},
            ) as said:
                assert said.status == 413
            assert "serverTime" in await client.ask("/fapi/v1/time")

    asyncio.run(run())


def test_every_endpoint_of_the_table_is_reached_by_its_route() -> None:
    app = application(new_sim())
    assert any("{path" in str(route.resource) for route in app.router.routes())
