"""python-binance, unmodified but for the address, lives a whole trading life (acceptance 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from live_world import Live, live, until_listening
from sim_world import KEY, SECRET

SYMBOL = "BTCUSDT"
# Its own use of an old name of websockets.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def world() -> Iterator[Live]:
    with live() as running:
        yield running


def with_client(world: Live, work: Callable[[Any, Any], Coroutine[Any, Any, None]]) -> None:
    from binance import AsyncClient, BinanceSocketManager

    ws = world.url.replace("http://", "ws://")

    class Client(AsyncClient):  # type: ignore[misc, unused-ignore]
        API_URL = world.url + "/api"
        FUTURES_URL = world.url + "/fapi"
        FUTURES_DATA_URL = world.url + "/futures/data"
        MARGIN_API_URL = world.url + "/sapi"
        WS_FUTURES_URL = f"{ws}/ws-fapi/v1"
        WS_API_URL = f"{ws}/ws-fapi/v1"

    class Sockets(BinanceSocketManager):  # type: ignore[misc, unused-ignore]
        FSTREAM_URL = f"{ws}/"
        STREAM_URL = f"{ws}/"

    async def run() -> None:
        client = await Client.create(KEY, SECRET)
        try:
            await asyncio.wait_for(work(client, Sockets(client)), 60)
        finally:
            await client.close_connection()
            await client.ws_future.close()  # which it leaves open

    asyncio.run(run())


def test_a_trading_life(world: Live) -> None:
    async def work(client: Any, _: Any) -> None:
        info = await client.futures_exchange_info()
        assert {row["symbol"] for row in info["symbols"]} == {"BTCUSDT", "ETHUSDT"}
        assert len(await client.futures_klines(symbol=SYMBOL, interval="1m", limit=10)) == 10
        assert (await client.futures_order_book(symbol=SYMBOL, limit=5))["bids"]
        assert (await client.futures_change_leverage(symbol=SYMBOL, leverage=7))["leverage"] == 7
        rest = await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTX", quantity=0.01, price=49_000
        )
        assert rest["status"] == "NEW"
        which = {"symbol": SYMBOL, "orderId": rest["orderId"]}
        changed = await client.futures_modify_order(
            **which, side="BUY", quantity=0.02, price=49_100
        )
        assert changed["origQty"] == "0.020"
        assert len(await client.futures_get_open_orders(symbol=SYMBOL)) == 1
        assert (await client.futures_cancel_order(**which))["status"] == "CANCELED"
        assert (await client.futures_get_order(**which))["status"] == "CANCELED"
        bought = await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.05, newOrderRespType="RESULT"
        )
        assert bought["status"] == "FILLED"
        position = (await client.futures_position_information(symbol=SYMBOL))[0]
        assert position["positionAmt"] == "0.050"
        await client.futures_create_order(
            symbol=SYMBOL, side="SELL", type="STOP_MARKET", stopPrice=49_500, closePosition=True
        )
        assert len(await client.futures_get_open_algo_orders()) == 1
        await client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=60_000)
        await client.futures_countdown_cancel_all(symbol=SYMBOL, countdownTime=0)
        batch = [
            {
                "symbol": SYMBOL,
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01",
                "price": "48000",
            }
            for _ in range(2)
        ]
        placed = await client.futures_place_batch_order(batchOrders=batch)
        assert [row["status"] for row in placed] == ["NEW", "NEW"]
        await client.futures_cancel_all_open_orders(symbol=SYMBOL)
        assert await client.futures_get_open_orders(symbol=SYMBOL) == []
        assert len(await client.futures_get_open_algo_orders()) == 1
        world.move(SYMBOL, 49_400)
        for _ in range(100):
            if not await client.futures_position_information(symbol=SYMBOL):
                break
            await asyncio.sleep(0.05)
        else:
            raise AssertionError("the stop never closed the position")
        world.move(SYMBOL, 50_000)
        fills = await client.futures_account_trades(symbol=SYMBOL)
        assert {row["side"] for row in fills} == {"BUY", "SELL"}
        rows = await client.futures_income_history()
        balance = (await client.futures_account_balance())[0]
        moved = sum(float(row["income"]) for row in rows)
        assert abs(moved - float(balance["balance"])) < 1e-6
        assert len(await client.futures_account()) > 10

    with_client(world, work)


def test_refusals_come_with_their_codes(world: Live) -> None:
    from binance.exceptions import BinanceAPIException

    async def work(client: Any, _: Any) -> None:
        with pytest.raises(BinanceAPIException) as said:
            await client.futures_create_order(symbol="NOPE", side="BUY", type="MARKET", quantity=1)
        assert said.value.code == -1121
        with pytest.raises(BinanceAPIException) as said:
            await client.futures_cancel_order(symbol=SYMBOL, orderId=10**9)
        assert said.value.code == -2011

    with_client(world, work)


def test_streams(world: Live) -> None:
    async def work(client: Any, sockets: Any) -> None:
        for opened, kind in (
            (sockets.aggtrade_futures_socket(SYMBOL), "aggTrade"),
            (sockets.symbol_mark_price_socket(SYMBOL), "markPriceUpdate"),
            (sockets.futures_depth_socket(SYMBOL, depth="10"), "depthUpdate"),
            (sockets.kline_futures_socket(SYMBOL, interval="1m"), "continuous_kline"),
        ):
            async with opened as stream:
                said = await asyncio.wait_for(stream.recv(), 15)
                assert said.get("data", said)["e"] == kind
        async with sockets.futures_user_socket() as stream:
            waiting = asyncio.ensure_future(stream.recv())
            await until_listening(world)
            order = await client.futures_create_order(
                symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01
            )
            seen = [await asyncio.wait_for(waiting, 10)]
            while seen[-1]["e"] != "ACCOUNT_UPDATE":
                seen.append(await asyncio.wait_for(stream.recv(), 10))
            assert {"TRADE_LITE", "ORDER_TRADE_UPDATE"} <= {said["e"] for said in seen}
            ours = [said["o"]["i"] for said in seen if said["e"] == "ORDER_TRADE_UPDATE"]
            assert set(ours) == {order["orderId"]}
        said = await client.ws_futures_create_order(
            symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01
        )
        assert said["symbol"] == SYMBOL
        assert (await client.ws_futures_account_balance())[0]["asset"] == "USDT"

    with_client(world, work)
