"""Every event has the keys and types of the recorded one (acceptance 2)."""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from shapes import SHARED, differences, parsed
from sim_world import MINUTE, client_of, new_sim, wait
from stream_client import socket_of

from riposte.exchange.contract import Contract
from riposte.exchange.units import E8

# Recorded streams of services that this exchange does not have.
NOT_SENT = {
    "AssetIndex": "no multi-assets collateral",
    "CompositIndex": "no index contracts",
    "Concurrent": "about the client's handling of requests",
    "ConditionalTrigger": "deprecated since 2025-12-15",
    "GridUpdate": "no grid trading",
    "StrategyUpdate": "no strategy orders",
}
# What has been added to, or is only sometimes in, a recorded event.
MAY = {
    "AggTrades": {"nq: not recorded"},
    "AlgoOrderUpdate": set(),
    "OrderUpdate": {"er: not recorded", "AP: lacks", "cr: lacks"},
    "ContKlines": set(),
}
MARKET = {
    "AggTrades": "btcusdt@aggTrade",
    "Book": "btcusdt@depth@100ms",
    "BookTicker": "btcusdt@bookTicker",
    "ContKlines": "btcusdt_perpetual@continuousKline_1M",
    "Klines": "btcusdt@kline_1m",
    "Liquidations": "btcusdt@forceOrder",
    "MarkPrice": "btcusdt@markPrice@1s",
    "MiniTicker": "btcusdt@miniTicker",
    "PartialBook": "btcusdt@depth5@100ms",
    "SymbolUpdates": "!contractInfo",
    "Ticker": "btcusdt@ticker",
}
USER = {
    "AccountUpdate": "ACCOUNT_UPDATE",
    "AlgoOrderUpdate": "ALGO_UPDATE",
    "Leverage": "ACCOUNT_CONFIG_UPDATE",
    "MarginUpdate": "MARGIN_CALL",
    "MultiAssetMode": "ACCOUNT_CONFIG_UPDATE",
    "OrderUpdate": "ORDER_TRADE_UPDATE",
    "TradeUpdate": "TRADE_LITE",
}


def recorded(name: str) -> Any:
    text = (SHARED / "Subscriptions" / "UsdFutures" / f"{name}.txt").read_text("utf-8-sig")
    return parsed(re.split(r"(?m)^=\d*\s*", text)[-1])["data"]


@cache
def heard() -> dict[str, list[Any]]:
    """Stream name or event name → the messages' data, after some life."""

    async def run() -> dict[str, list[Any]]:
        sim = new_sim(deposit=600)
        found: dict[str, list[Any]] = {}
        async with client_of(sim) as client:
            key = (await client.send("POST", "/fapi/v1/listenKey"))["listenKey"]
            public = "/public/stream?streams=btcusdt@depth@100ms/btcusdt@depth5@100ms"
            async with (
                socket_of(client, f"{public}/btcusdt@bookTicker") as one,
                socket_of(client, "/market/stream") as two,
                socket_of(client, f"/private/stream?streams={key}") as three,
            ):
                await two.ask("SUBSCRIBE", *MARKET.values(), "btcusdt@trade", "!ticker@arr")
                await one.quiet()
                await three.quiet()
                await client.call("POST", "/fapi/v1/leverage", symbol="BTCUSDT", leverage=100)
                for on in ("true", "false"):
                    await client.call("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin=on)
                await client.order("BUY", "0.5")
                await client.order("BUY", "0.01", "49000.0", timeInForce="GTX")
                stop = {"type": "STOP_MARKET", "triggerPrice": "49990.0", "quantity": "0.01"}
                algo = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", **stop}
                await client.call("POST", "/fapi/v1/algoOrder", **algo)
                wait(sim, 3 * MINUTE)
                alice = sim.exchange.accounts["alice"]
                contract: Contract = sim.exchange.contracts["BTCUSDT"]
                for price in range(49_100, 49_000, -10):
                    sim.exchange.apply(mark(sim.exchange.now_ms, price * E8))
                    sim.settle()
                if alice.positions["BTCUSDT", "BOTH"].quantity:
                    sim.exchange.liquidate(alice, "BTCUSDT")
                sim.exchange.change_contract(contract)
                sim.settle()
                wait(sim, 5_000)
                for socket in (one, two, three):
                    await socket.quiet()
                    for message in socket.got:
                        if "stream" in message:
                            data = message["data"]
                            found.setdefault(message["stream"], []).append(data)
                            if isinstance(data, dict):
                                found.setdefault(data["e"], []).append(data)
        return found

    return asyncio.run(run())


def mark(now_ms: int, price_e8: int) -> Any:
    from riposte.exchange.feed import MarkPrice

    return MarkPrice(now_ms, "BTCUSDT", price_e8, price_e8)


def check(name: str, wanted: Any, got: list[Any]) -> None:
    assert got, f"no {name} came"
    may = MAY.get(name, set())
    for said in got:
        found = differences(wanted, said)
        found = [line for line in found if not line.endswith(": empty")]  # a side that is as it was
        assert [line for line in found if line.rpartition(".")[2] not in may] == []


@pytest.mark.parametrize("name", MARKET)
def test_a_market_event_has_the_keys_and_types_of_the_recorded_one(name: str) -> None:
    check(name, recorded(name), heard()[MARKET[name]])


@pytest.mark.parametrize("name", USER)
def test_a_user_event_has_the_keys_and_types_of_the_recorded_one(name: str) -> None:
    got = heard().get(USER[name], [])
    wanted = recorded(name)
    if USER[name] == "ACCOUNT_CONFIG_UPDATE":
        got = [said for said in got if said.keys() == wanted.keys()]
    check(name, wanted, got)


def test_every_recorded_stream_is_sent_or_named_as_not_sent() -> None:
    names = {path.stem for path in SHARED.glob("Subscriptions/UsdFutures/*.txt")}
    assert names == set(MARKET) | set(USER) | set(NOT_SENT)


def test_lists_of_all_symbols_are_lists() -> None:
    wanted = recorded("Ticker")
    for said in heard()["!ticker@arr"]:
        assert isinstance(said, list)
        assert all(differences(wanted, row) == [] for row in said)
    assert {row["s"] for row in heard()["!ticker@arr"][0]} == {"BTCUSDT", "ETHUSDT"}


def test_a_fill_is_told_in_short_first_and_both_agree() -> None:
    fills = [said for said in heard()["ORDER_TRADE_UPDATE"] if said["o"]["x"] == "TRADE"]
    short = {said["t"]: said for said in heard()["TRADE_LITE"]}
    assert fills
    for said in fills:
        lite, whole = short[said["o"]["t"]], said["o"]
        assert (lite["L"], lite["l"], lite["i"]) == (whole["L"], whole["l"], whole["i"])


def test_a_candle_is_told_once_more_when_it_has_ended() -> None:
    said = [row["k"] for row in heard()["btcusdt@kline_1m"]]
    closed = [row for row in said if row["x"]]
    assert len(closed) == len({row["t"] for row in closed}) >= 3
    assert json.loads(json.dumps(closed[0]))["T"] == closed[0]["t"] + MINUTE - 1
    for before, after in pairwise(closed):
        assert after["t"] == before["t"] + MINUTE
