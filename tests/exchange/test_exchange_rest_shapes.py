"""Every REST answer has the keys and types of a recorded one (acceptance 2)."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
from shapes import Recorded, differences, recorded_answers
from sim_world import MINUTE, Client, client_of, new_sim, wait

from riposte.exchange.switches import Switches

BTC = {"symbol": "BTCUSDT"}
PERPETUAL = {"pair": "BTCUSDT", "contractType": "PERPETUAL"}
STOP = {"algoType": "CONDITIONAL", "side": "SELL", "type": "STOP_MARKET"}

# Recorded requests that this exchange does not know, and why.
NOT_SERVED = {
    "asyn": "files with months of history, made in the background",
    "convert": "changing one coin for another is no trade in a contract",
    "sapi/v1/algo": "TWAP and participation orders: another service of the exchange",
}
# Where the recordings are older than the protocol, or show a type that today's documents and the
# official SDK's strict models (18.0.1) do not: the difference, and what it must be.
TODAY = {
    "GetAccountInfo": {
        "breakEvenPrice: not recorded",
        "isolatedWallet: not recorded",
        "notional: not recorded",
    },
    "GetIncomeHistory": {"tranId: number instead of string"},
    "GetSymbolConfiguration": {"isAutoAddMargin: boolean instead of string"},
    "GetUserCommissionRate": {"rpiCommissionRate: not recorded"},
    "GetAggregatedTradeHistory": {"nq: not recorded"},  # since 2026
    "GetExchangeInfo": {
        "autoAssetExchange: string instead of number",
        "futuresType: not recorded",
        "multiplierDecimal: string instead of number",
        "limit: lacks",  # POSITION_RISK_CONTROL is newer than the recording
        "notionalLimit: not recorded",
        "positionControlSide: not recorded",
    },
    "KeepAliveUserStream": {"listenKey: not recorded"},
    "CancelConditionalOrder": {"code: not recorded", "msg: not recorded"},
    "PlaceMultipleOrders": {"closePosition: not recorded"},
    "GetPositions": {  # recorded in the shape of v2
        *(f"{name}: lacks" for name in ("isAutoAddMargin", "leverage", "marginType")),
        "maxNotionalValue: lacks",
        *(
            f"{name}: not recorded"
            for name in (
                "adl",
                "askNotional",
                "bidNotional",
                "initialMargin",
                "maintMargin",
                "marginAsset",
                "openOrderInitialMargin",
                "positionInitialMargin",
            )
        ),
    },
    **{  # integers since 2026 (SDK 13)
        name: {"timestamp: number instead of string"}
        for name in (
            "GetGlobalLongShortAccountRatio",
            "GetOpenInterestHistory",
            "GetTakerBuySellVolumeRatio",
            "GetTopLongShortAccountRatio",
            "GetTopLongShortPositionRatio",
        )
    },
}
# Keys of trailing stops, which the recordings show on an order endpoint that has them no more.
TRAILING = frozenset({"activatePrice", "priceRate"})
# Lists that are empty where the exchange has nothing of the kind.
EMPTY = {
    "GetAssetIndexes": "no multi-assets collateral",
    "GetCompositeIndexInfo": "no index contracts",
    "GetTradingStatus": "nobody is restricted by the quantitative rules",
}
SINCE_JULY = frozenset({"avgPrice", "cumQuote"})

RECORDED = {each.name: each for each in recorded_answers()}
SERVED = [
    name
    for name, each in RECORDED.items()
    if not any(part in each.path for part in NOT_SERVED) and name not in EMPTY
]


async def lives(client: Client) -> dict[str, Any]:
    """A little of everything, and the answer to each recorded request."""
    sim, call, said = client.sim, client.call, {}

    async def take(name: str, **values: Any) -> Any:
        each = RECORDED[name]
        if each.signed:
            said[name] = await call(each.method, each.path, **values)
        elif each.method == "GET":
            said[name] = await client.ask(each.path, **values)
        else:
            said[name] = await client.send(each.method, each.path)
        assert client.status == 200, (name, said[name])
        return said[name]

    order = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    await take("ChangeInitialLeverage", **BTC, leverage=21)
    await take("SetBnbBurnStatus", feeBurn="true")
    await take("SetMultiAssetsMode", multiAssetsMargin="true")
    await call("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="false")
    await take("ChangeMarginType", symbol="ETHUSDT", marginType="ISOLATED")
    await take("ModifyPositionMode", dualSidePosition="true")
    await call("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    await client.order("BUY", "0.05")
    await client.order("BUY", "1", symbol="ETHUSDT")
    await take("ModifyPositionMargin", symbol="ETHUSDT", amount="100", type=1)
    first = await take("PlaceOrder", **order, price="49000.0")
    await take("EditOrder", **BTC, side="BUY", quantity="0.02", price="49100.0", **ident(first))
    await take("GetOrderEditHistory", **BTC)
    for name in ("GetOpenOrder", "GetOpenOrders", "GetOrder", "GetOrders", "CancelOrder"):
        await take(name, **BTC, **({} if name.endswith("s") else ident(first)))
    legs = [{**order, "price": "49000.0"}, {**order, "price": "1.0"}]
    placed = await take("PlaceMultipleOrders", batchOrders=legs)
    edit = {**BTC, "side": "BUY", "quantity": "0.02", "price": "48000.0", **ident(placed[0])}
    await take("EditMultipleOrders", batchOrders=[edit])
    await take("CancelMultipleOrders", **BTC, orderIdList=[placed[0]["orderId"], 999_999])
    await take("CancelAllOrders", **BTC)
    await take("CancelAllOrdersAfterTimeout", **BTC, countdownTime=100_000)
    algo = await take(
        "PlaceConditionalOrder", **STOP, **BTC, quantity="0.01", triggerPrice="49000.0"
    )
    await take("GetOpenConditionalOrders", **BTC)
    await take("CancelConditionalOrder", algoId=algo["algoId"])
    await take("CancelAllConditionalOrders", **BTC)
    done = await call(
        "POST", "/fapi/v1/algoOrder", **STOP, **BTC, quantity="0.01", triggerPrice="49999.5"
    )
    wait(sim, 3_000)
    await take("GetConditionalOrder", algoId=done["algoId"])
    sim.exchange.liquidate(sim.exchange.accounts["alice"], "ETHUSDT")
    sim.settle()
    await take("GetForcedOrders")
    await client.order("BUY", "1", symbol="ETHUSDT")
    await take("StartUserStream")
    await take("KeepAliveUserStream")
    for name in SERVED:
        each = RECORDED[name]
        if name in said or each.method != "GET":
            continue
        values: dict[str, Any] = {**BTC, **PERPETUAL, "period": "5m", "interval": "1m"}
        if name in ("GetPositionAdlQuantileEstimation", "GetBrackets"):
            values = {}
        if name == "GetMarginChangeHistory":
            values = {"symbol": "ETHUSDT"}
        if name == "GetConditionalOrders":
            values |= {"algoId": done["algoId"]}
        await take(name, **values)
    await take("StopUserStream")
    return said


def ident(order: dict[str, Any]) -> dict[str, Any]:
    return {"orderId": order["orderId"]}


@cache
def answers(order_answer: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        sim = new_sim(switches=Switches(order_answer=order_answer))
        wait(sim, 11 * MINUTE)
        async with client_of(sim) as client:
            return await lives(client)

    return asyncio.run(run())


def unexplained(each: Recorded, found: list[str], less: frozenset[str]) -> list[str]:
    """What no entry of TODAY explains; every entry must explain something."""
    known = TODAY.get(each.name, set())
    seen = {text for text in known if any(line.endswith(f".{text}") for line in found)}
    rest = [line for line in found if not any(line.endswith(f".{text}") for text in known)]
    rest = [line for line in rest if line.removesuffix(": lacks").rpartition(".")[2] not in less]
    return rest + [f"no longer differs: {text}" for text in sorted(known - seen)]


@pytest.mark.parametrize("name", SERVED)
def test_an_answer_has_the_keys_and_types_of_the_recorded_one(name: str) -> None:
    each, got = RECORDED[name], answers("before")[name]
    wanted = each.body
    if name == "GetMarkPrice":
        got = got[0] if isinstance(got, list) else got
    less = TRAILING if each.path.startswith("/fapi/v1/") and "rder" in each.path else frozenset()
    assert unexplained(each, differences(wanted, got), less) == []


@pytest.mark.parametrize("name", ["PlaceOrder", "CancelOrder", "PlaceMultipleOrders", "EditOrder"])
def test_since_july_2026_answers_to_orders_bring_no_average_price(name: str) -> None:
    each, got = RECORDED[name], answers("2026-07")[name]
    found = unexplained(each, differences(each.body, got), TRAILING)
    assert {line.removesuffix(": lacks").rpartition(".")[2] for line in found} <= SINCE_JULY
    rows = got if isinstance(got, list) else [got]
    assert not any(SINCE_JULY & row.keys() for row in rows)


def test_every_recorded_request_is_served_or_named_as_not_served() -> None:
    paths = {each.path for name, each in RECORDED.items() if name not in SERVED}
    unnamed = {path for path in paths if not any(part in path for part in NOT_SERVED)}
    assert unnamed == {RECORDED[name].path for name in EMPTY}
    assert len(SERVED) >= 70
