"""ccxt and ccxt.pro, unmodified but for the address, live a whole trading life (acceptance 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ccxt
import ccxt.pro
import pytest
from live_world import Live, eventually, live, until_listening
from sim_world import KEY, SECRET

SYMBOL = "BTC/USDT:USDT"
PATHS = {
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "fapiData": "/futures/data",
    "public": "/api/v3",
    "private": "/api/v3",
    "sapi": "/sapi/v1",
}


@pytest.fixture(scope="module")
def world() -> Iterator[Live]:
    with live() as running:
        yield running


def pointed(client: Any, world: Live) -> Any:
    """The address, and nothing else, is ours."""
    for name, path in PATHS.items():
        client.urls["api"][name] = world.url + path
    ws = world.url.replace("http://", "ws://")
    if "ws" in client.urls["api"]:
        client.urls["api"]["ws"]["linear"] = f"{ws}/ws"
        client.urls["api"]["ws"]["ws-api"]["linear"] = f"{ws}/ws-fapi/v1"
    return client


@pytest.fixture(scope="module")
def client(world: Live) -> Any:
    made = ccxt.binanceusdm({"apiKey": KEY, "secret": SECRET})
    made.options["fetchOpenOrders"] = {"warnWithoutSymbol": False}
    return pointed(made, world)


def test_markets_and_history(client: Any) -> None:
    market = client.load_markets()[SYMBOL]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
    assert client.fetch_status()["status"] == "ok"
    assert len(client.fetch_ohlcv(SYMBOL, "1m", limit=50)) == 50
    book = client.fetch_order_book(SYMBOL, 5)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert client.fetch_ticker(SYMBOL)["last"] > 0
    assert client.fetch_funding_rate(SYMBOL)["markPrice"] == 50_000
    assert client.fetch_open_interest(SYMBOL)["openInterestAmount"] > 0
    assert client.fetch_open_interest_history(SYMBOL, "5m")
    assert client.fetch_funding_rate_history(SYMBOL)
    assert client.fetch_leverage_tiers([SYMBOL])[SYMBOL][0]["maxLeverage"] >= 50


def test_a_trading_life(client: Any, world: Live) -> None:
    client.load_markets()
    before = client.fetch_balance()["USDT"]["total"]
    assert client.set_leverage(10, SYMBOL)["leverage"] == 10
    client.set_margin_mode("isolated", SYMBOL)
    client.set_margin_mode("cross", SYMBOL)
    client.set_position_mode(True)
    client.set_position_mode(False)
    assert client.fetch_leverage(SYMBOL)["longLeverage"] == 10

    resting = client.create_order(SYMBOL, "limit", "buy", 0.01, 49_000, {"postOnly": True})
    assert resting["status"] == "open"
    changed = client.edit_order(resting["id"], SYMBOL, "limit", "buy", 0.02, 49_100)
    assert (changed["price"], changed["amount"]) == (49_100, 0.02)
    assert [o["id"] for o in client.fetch_open_orders(SYMBOL)] == [resting["id"]]
    assert client.cancel_order(resting["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_order(resting["id"], SYMBOL)["status"] == "canceled"

    bought = client.create_order(SYMBOL, "market", "buy", 0.05)
    assert (bought["status"], bought["filled"]) == ("closed", 0.05)
    assert client.fetch_order(bought["id"], SYMBOL)["average"] == 50_001
    position = client.fetch_positions([SYMBOL])[0]
    assert (position["contracts"], position["side"]) == (0.05, "long")

    stop = client.create_order(
        SYMBOL, "market", "sell", 0.05, None, {"stopLossPrice": 49_500, "reduceOnly": True}
    )
    limit = client.create_order(SYMBOL, "limit", "sell", 0.02, 52_000, {"reduceOnly": True})
    assert client.fetch_open_orders(SYMBOL, params={"trigger": True})[0]["id"] == stop["id"]
    client.cancel_all_orders(SYMBOL)
    assert client.fetch_order(limit["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_open_orders(SYMBOL, params={"trigger": True})  # not the conditional one
    world.move("BTCUSDT", 49_400)
    eventually(lambda: not client.fetch_positions([SYMBOL]))
    world.move("BTCUSDT", 50_000)
    done = client.fetch_order(stop["id"], SYMBOL, {"trigger": True})
    assert done["info"]["algoStatus"] == "FINISHED"

    legs = [
        {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.01, "price": price}
        for price in (49_000, 48_000)
    ]
    placed = client.create_orders(legs)
    client.cancel_orders([o["id"] for o in placed], SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    trades = client.fetch_my_trades(SYMBOL)
    ledger = client.fetch_ledger("USDT")
    assert len(trades) >= 2
    moved = sum(float(row["info"]["income"]) for row in ledger)
    after = client.fetch_balance()["USDT"]["total"]
    assert abs(moved - after) < 1e-6  # the ledger begins with the deposit
    assert after < before


@pytest.mark.parametrize(
    ("amount", "price", "refused"),
    [(0.01, 60_000_000, "-4016"), (0.0001, 50_000, None), (100, 50_000, "-2027")],
)
def test_refusals_come_with_their_codes(
    client: Any, amount: float, price: float, refused: str | None
) -> None:
    client.load_markets()
    with pytest.raises(ccxt.BaseError) as said:
        client.create_order(SYMBOL, "limit", "buy", amount, price)
    if refused is not None:
        assert refused in str(said.value) or "-2019" in str(said.value)


async def held(client: Any) -> Any:
    """The positions as soon as there are any: the first answer may be the snapshot of none."""
    while True:
        rows = await client.watch_positions([SYMBOL])
        if any(row["contracts"] for row in rows):
            return rows


def test_streams(world: Live) -> None:
    async def run() -> None:
        client = pointed(ccxt.pro.binanceusdm({"apiKey": KEY, "secret": SECRET}), world)
        try:
            await client.load_markets()
            within = lambda work: asyncio.wait_for(work, 40)  # noqa: E731
            book = await within(client.watch_order_book(SYMBOL))
            assert book["bids"][0][0] < book["asks"][0][0]
            assert (await within(client.watch_ohlcv(SYMBOL, "1m")))[-1][4] > 0
            assert (await within(client.watch_trades(SYMBOL, params={"name": "aggTrade"})))[0]
            assert (await within(client.watch_mark_price(SYMBOL)))["markPrice"] > 0
            assert (await within(client.watch_ticker(SYMBOL)))["last"] > 0
            assert (await within(client.watch_bids_asks([SYMBOL])))[SYMBOL]["bid"] > 0
            watching = asyncio.ensure_future(client.watch_orders(SYMBOL))
            balance = asyncio.ensure_future(client.watch_balance())
            positions = asyncio.ensure_future(held(client))
            fills = asyncio.ensure_future(client.watch_my_trades(SYMBOL))
            await until_listening(world)
            await asyncio.sleep(2.0)  # each watch asks for a snapshot first
            order = await within(client.create_order_ws(SYMBOL, "market", "buy", 0.01))
            assert order["filled"] == 0.01
            assert (await within(watching))[0]["id"] == order["id"]
            assert (await within(balance))["USDT"]["total"] > 0
            assert (await within(positions))[0]["contracts"] == 0.01
            assert (await within(fills))[-1]["order"] == order["id"]
            resting = await within(client.create_order_ws(SYMBOL, "limit", "buy", 0.01, 49_000))
            await within(client.edit_order_ws(resting["id"], SYMBOL, "limit", "buy", 0.02, 49_050))
            assert (await within(client.fetch_order_ws(resting["id"], SYMBOL)))["amount"] == 0.02
            await within(client.cancel_order_ws(resting["id"], SYMBOL))
            await within(client.create_order(SYMBOL, "market", "sell", 0.01, None))
        finally:
            await client.close()

    asyncio.run(run())
