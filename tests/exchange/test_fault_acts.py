"""What the exchange can be made to do: each act by its effect, through the control API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from desk import Desk, desk_of
from sim_world import KEY, MINUTE, PRICES, START, Client, new_sim
from stream_client import Socket, socket_of

from riposte.exchange.faults.kinds import KINDS

BTC = PRICES["BTCUSDT"]
Work = Callable[[Desk, Client, Socket], Awaitable[None]]
TESTED: set[str] = set()


def acts(*kinds: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark which acts a test proves."""
    TESTED.update(kinds)
    return lambda test: test


def run(work: Work, **world: Any) -> None:
    async def inside() -> None:
        async with desk_of(new_sim(**world)) as (desk, client):
            key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
            async with socket_of(client, f"/private/ws/{key}") as private:
                await private.quiet()
                await work(desk, client, private)
                assert (await desk.get("/invariants")) == {"breaches": []}

    asyncio.run(inside())


async def position(client: Client) -> Any:
    rows = await client.call("GET", "/fapi/v2/positionRisk", symbol="BTCUSDT")
    return rows[0]


async def stop(client: Client, price: int, **values: Any) -> Any:
    fields = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL"}
    fields |= {"type": "STOP_MARKET", "triggerPrice": price, "quantity": "0.01"}
    return await client.call("POST", "/fapi/v1/algoOrder", **fields, **values)


@acts("skew", "jump-clock")
def test_time_that_is_told_wrong_and_time_that_leaps() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await desk.act("skew", skew_ms=-7_000)
        assert (await client.ask("/fapi/v1/time"))["serverTime"] == START - 5_000
        own = await client.call("GET", "/fapi/v3/balance", timestamp=START + 2_000)
        assert own["code"] == -1021
        await desk.act("jump-clock", by_ms=10 * MINUTE)
        await desk.pass_time(0)
        assert (await desk.get("/status"))["now_ms"] == START + 2_000 + 10 * MINUTE

    run(work)


@acts("maintenance")
def test_maintenance() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await desk.act("maintenance", on=True)
        await asyncio.wait_for(private.closed.wait(), 5)
        assert (await client.ask("/fapi/v1/depth", symbol="BTCUSDT"))["code"] == -1016
        assert (await client.ask("/fapi/v1/ping")) == {}
        await desk.act("maintenance", on=False)
        assert (await client.ask("/fapi/v1/depth", symbol="BTCUSDT"))["bids"]

    run(work)


@acts("ban", "limits")
def test_bans_and_limits() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await desk.act("limits", orders_per_ten_seconds=1)
        await client.order("BUY", "0.01", str(BTC - 500))
        assert (await client.order("BUY", "0.01", str(BTC - 500)))["code"] == -1015
        await desk.act("ban", length_ms=60_000)
        assert (await client.ask("/fapi/v1/ping"))["code"] == -1003
        assert client.status == 418
        await desk.pass_time(60_000)
        assert (await client.ask("/fapi/v1/ping")) == {}

    run(work)


@acts("switch")
def test_a_switch() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await desk.act("switch", switch="order_answer", value="before")
        assert "avgPrice" in await client.order("BUY", "0.01", str(BTC - 500))
        body = {"kind": "switch", "switch": "order_answer", "value": "after"}
        assert "order_answer must be one of" in await desk.refused("/act", body)
        body = {"kind": "switch", "switch": "order_anser", "value": "before"}
        assert "did you mean 'order_answer'" in await desk.refused("/act", body)

    run(work)


@acts("revoke-key", "change-key")
def test_keys_that_may_less() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await desk.act("change-key", can_trade=False)
        assert (await client.order("BUY", "0.01"))["code"] == -2015
        assert isinstance(await client.call("GET", "/fapi/v3/balance"), list)
        await desk.act("change-key", key=KEY, can_trade=True, allowed_ips=["203.0.113.1"])
        assert (await client.call("GET", "/fapi/v3/balance"))["code"] == -2015
        await desk.act("change-key", allowed_ips=[], can_withdraw=True, ip_restricted=False)
        rights = await client.call("GET", "/sapi/v1/account/apiRestrictions")
        assert (rights["enableWithdrawals"], rights["ipRestrict"]) == (True, False)
        await desk.act("revoke-key")
        assert (await client.call("GET", "/fapi/v3/balance"))["code"] == -2015
        assert "no API key" in await desk.refused("/act", {"kind": "revoke-key"})

    run(work)


@acts("restrict", "transfer")
def test_accounts_that_may_less_and_have_more() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.02")
        await desk.act("restrict", how="reduce-only")
        assert (await client.order("BUY", "0.01"))["code"] == -4087
        assert (await client.order("SELL", "0.01", reduceOnly=True))["status"] == "FILLED"
        await desk.act("restrict", how="no-orders")
        assert (await client.order("SELL", "0.01", reduceOnly=True))["code"] == -4088
        await desk.act("restrict", how="")
        await desk.act("transfer", amount="-90000")
        told = await private.until(lambda m: m.get("a", {}).get("m") == "WITHDRAW")
        assert told["a"]["B"][0]["bc"] == "-90000.00000000"

    run(work)


@acts("liquidate", "drain-insurance")
def test_a_liquidation_with_and_without_a_fund() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.1")
        await desk.act("liquidate", symbol="BTCUSDT")
        event = await private.until(lambda m: m.get("o", {}).get("X") == "FILLED" and closes(m))
        assert event["o"]["c"].startswith("autoclose-")
        assert float((await position(client))["positionAmt"]) == 0
        await desk.act("drain-insurance", leave="12.5")
        assert (await desk.get("/status"))["insurance"] == "12.50000000"

    def closes(message: Any) -> bool:
        return str(message["o"]["c"]).startswith("autoclose-")

    run(work)


@acts("deleverage")
def test_auto_deleveraging_of_a_part() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.1")
        await desk.act("deleverage", part=0.25)
        event = await private.until(lambda m: m.get("o", {}).get("c") == "adl_autoclose")
        assert event["o"]["S"] == "SELL"
        assert (await position(client))["positionAmt"] == "0.075"

    run(work)


@acts("end-algos")
@pytest.mark.parametrize(
    ("how", "status"), [("expire", "EXPIRED"), ("reject", "REJECTED"), ("cancel", "CANCELED")]
)
def test_conditional_orders_that_die(how: str, status: str) -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.02")
        first, second = [await stop(client, price) for price in (BTC - 900, BTC - 800)]
        await desk.act("end-algos", how=how, algo_id=second["algoId"], reason="because")
        event = await private.until(lambda m: m.get("o", {}).get("X") == status)
        assert (event["e"], event["o"]["aid"]) == ("ALGO_UPDATE", second["algoId"])
        waiting = await client.call("GET", "/fapi/v1/openAlgoOrders")
        assert [row["algoId"] for row in waiting] == [first["algoId"]]

    run(work)


@acts("end-orders", "fill-orders")
def test_orders_that_die_and_orders_that_fill() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        for name, price in (("a", BTC - 400), ("b", BTC - 500), ("c", BTC - 600)):
            await client.order("BUY", "0.04", str(price), newClientOrderId=name)
        await desk.act("fill-orders", client_order_id="a", part="0.25")
        filled = await private.until(lambda m: m.get("o", {}).get("x") == "TRADE")
        assert (filled["o"]["c"], filled["o"]["z"], filled["o"]["X"]) == (
            "a",
            "0.010",
            "PARTIALLY_FILLED",
        )
        await desk.act("end-orders", client_order_id="a", reason="because")
        await desk.act("end-orders", how="cancel", client_order_id="b")
        states = [
            (await client.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name))[
                "status"
            ]
            for name in "abc"
        ]
        assert states == ["EXPIRED", "CANCELED", "NEW"]
        await desk.act("fill-orders")
        assert (await position(client))["positionAmt"] == "0.050"

    run(work)


@acts("place-order", "close-position")
def test_an_owner_who_trades_elsewhere() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await desk.act("place-order", side="SELL", quantity="0.03")
        await private.until(lambda m: str(m.get("o", {}).get("c")).startswith("web_"))
        assert (await position(client))["positionAmt"] == "-0.030"
        await desk.act("place-order", side="SELL", quantity="0.01", price=BTC + 700)
        assert len(await client.call("GET", "/fapi/v1/openOrders")) == 1
        await desk.act("close-position")
        assert float((await position(client))["positionAmt"]) == 0

    run(work)


@acts("set-leverage", "set-margin-type", "set-position-mode")
def test_settings_changed_elsewhere() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await desk.act("set-leverage", leverage=7)
        assert (await private.event("ACCOUNT_CONFIG_UPDATE"))["ac"] == {"s": "BTCUSDT", "l": 7}
        await desk.act("set-margin-type", isolated=True)
        row = await position(client)
        assert (row["leverage"], row["marginType"]) == ("7", "isolated")
        await desk.act("set-position-mode", hedge=True)
        assert (await client.call("GET", "/fapi/v1/positionSide/dual"))["dualSidePosition"] is True

    run(work)


@acts("change-contract")
def test_a_contract_with_other_rules() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await client.order("BUY", "0.02", str(BTC - 500))
        await desk.act("change-contract", price_grid=100, quantity_grid=10, max_leverage=5)
        info = (await client.ask("/fapi/v1/exchangeInfo"))["symbols"][0]
        assert info["filters"][0]["tickSize"] == "10.0"
        assert (await client.order("BUY", "0.02", "49005"))["code"] == -4014
        assert (await client.order("BUY", "0.013"))["code"] == -1111
        changed = await client.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=6)
        assert changed["code"] == -4028
        assert len(await client.call("GET", "/fapi/v1/openOrders")) == 1
        await desk.act("change-contract", status="SETTLING")
        assert await client.call("GET", "/fapi/v1/openOrders") == []
        assert (await client.order("BUY", "0.02"))["code"] == -4140

    run(work)


@acts("funding")
def test_an_extreme_funding_rate() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.1")
        await desk.act("funding", rate="0.02", in_ms=1_000)
        await desk.pass_time(1_000)
        event = await private.until(lambda m: m.get("a", {}).get("m") == "FUNDING_FEE")
        assert event["a"]["B"][0]["bc"] == "-100.00000000"  # 0.1 BTC × 50 000 × 2 %

    run(work)


@acts("jump-price", "squeeze")
def test_prices_that_jump() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await client.order("BUY", "0.4")
        await desk.act("jump-price", to=BTC - 1_000, hold_ms=60_000)
        mark = await client.ask("/fapi/v1/premiumIndex", symbol="BTCUSDT")
        book = await client.ask("/fapi/v1/ticker/bookTicker", symbol="BTCUSDT")
        assert float(mark["markPrice"]) == BTC - 1_000
        assert BTC - 1_010 < float(book["bidPrice"]) < float(book["askPrice"]) < BTC - 990
        await desk.act("squeeze", ratio="0.85")
        call = await private.event("MARGIN_CALL")
        assert call["p"][0]["s"] == "BTCUSDT"
        await desk.act("squeeze", ratio="1")
        await private.until(lambda m: m.get("o", {}).get("o") == "LIQUIDATION")

    run(work, deposit=2_000)


@acts("thin-book", "hold-feed")
def test_a_book_that_thins_and_a_feed_that_stands_still() -> None:
    async def work(desk: Desk, client: Client, _: Socket) -> None:
        await desk.act("thin-book", side="BUY", leave="0.5", hold_ms=5_000)
        bids = (await client.ask("/fapi/v1/depth", symbol="BTCUSDT"))["bids"]
        assert sum(float(row[1]) for row in bids) == 0.5
        await desk.pass_time(5_000)
        assert len((await client.ask("/fapi/v1/depth", symbol="BTCUSDT"))["bids"]) == 20
        await desk.act("hold-feed", what="market", length_ms=60_000)
        before = await client.ask("/fapi/v1/trades", symbol="BTCUSDT", limit=1)
        await desk.pass_time(59_000)
        assert await client.ask("/fapi/v1/trades", symbol="BTCUSDT", limit=1) == before
        assert len((await desk.get("/faults"))["held"]) == 1
        await desk.pass_time(3_000)
        assert await client.ask("/fapi/v1/trades", symbol="BTCUSDT", limit=1) != before

    run(work)


@acts("expire-listen-key", "disconnect", "say")
def test_streams_that_end_fall_silent_and_lie() -> None:
    async def work(desk: Desk, client: Client, private: Socket) -> None:
        await desk.act("say", message={"e": "SOMETHING_NEW", "E": 1}, route="private")
        await private.event("SOMETHING_NEW")
        await desk.act("expire-listen-key")
        await private.event("listenKeyExpired")
        async with socket_of(client, "/market/ws/btcusdt@aggTrade") as market:
            await market.quiet()
            await desk.act("say", message="no JSON{", stream="btcusdt@aggTrade")
            await market.until(lambda m: isinstance(m, str) and m.startswith("no JSON"))
            await desk.act("disconnect", how="silence", route="market", length_ms=5_000)
            await desk.pass_time(4_000)
            await desk.pass_time(4_000)
            await market.event("aggTrade")
            times = [event["T"] for event in market.events("aggTrade")]
            assert min(times) >= START + 2_000 + 5_000
            await desk.act("disconnect", how="cut", route="market")
            await asyncio.wait_for(market.closed.wait(), 5)
            assert market.raw.close_code in (None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        assert not private.closed.is_set()
        await desk.act("disconnect", code=1001)
        await asyncio.wait_for(private.closed.wait(), 5)
        assert private.raw.close_code == 1001

    run(work)


def test_every_act_is_proven_here() -> None:
    assert set(KINDS) - TESTED == set()
