"""A small exchange on a socket, a quiet market in it, and a client that signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from riposte.exchange.bars import Bar
from riposte.exchange.clock import SteppedClock
from riposte.exchange.contract import Contract, contract_of
from riposte.exchange.feed import (
    FeedEvent,
    FundingRate,
    History,
    HouseQuotes,
    HouseTrade,
    MarkPrice,
    OpenInterest,
)
from riposte.exchange.limits import Limits
from riposte.exchange.server import serve
from riposte.exchange.simulator import Simulator
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for

START = 1_700_000_400_000  # a full five minutes
MINUTE = 60_000
PRICES = {"BTCUSDT": 50_000, "ETHUSDT": 2_000, "SOLUSDT": 150}
KEY, SECRET = "k" * 64, "s" * 64
ROOMY = Limits(10**9, 10**9, 10**9)


@dataclass
class QuietFeed:
    """Fixed ladders around fixed prices, one small trade a second; an hour of history."""

    symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")
    minutes: int = 60
    start_ms: int = START
    levels: int = 20
    quantity: int = 5_000
    contracts: list[Contract] = field(init=False)
    end_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.contracts = [contract_of(instrument_for(name)) for name in self.symbols]
        self.end_ms = self.start_ms + self.minutes * MINUTE

    def ticks(self, contract: Contract) -> int:
        return PRICES[contract.symbol] * E8 // contract.tick_e8

    def history(self, symbol: str) -> History:
        price = PRICES[symbol] * E8
        minute = self.start_ms - self.start_ms % MINUTE
        five = self.start_ms - self.start_ms % (5 * MINUTE)
        opens = range(minute - 60 * MINUTE, minute, MINUTE)
        bars = tuple(
            Bar(at, price, price + E8, price - E8, price, 10 * E8, 10 * price, 5, 4 * E8, 4 * price)
            for at in opens
        )
        plain = tuple(Bar(at, price, price, price, price) for at in opens)
        return History(
            MINUTE,
            bars,
            plain,
            plain,
            ((self.start_ms - 8 * 60 * MINUTE, 10_000, price),),
            tuple(
                (at, 1_000_000, 1_000 * price) for at in range(five - 60 * MINUTE, five, 5 * MINUTE)
            ),
        )

    def events(self) -> Iterator[FeedEvent]:
        for contract in self.contracts:
            at, symbol, mid = self.start_ms, contract.symbol, self.ticks(contract)
            price = PRICES[symbol] * E8
            steps = range(1, self.levels + 1)
            bids = tuple((mid - 10 * n, self.quantity) for n in steps)
            asks = tuple((mid + 10 * n, self.quantity) for n in steps)
            yield MarkPrice(at, symbol, price, price)
            yield FundingRate(at, symbol, 10_000, self.start_ms + 4 * 60 * MINUTE)
            yield OpenInterest(at, symbol, 2_000_000)
            yield HouseQuotes(at, symbol, "BUY", bids, whole=True)
            yield HouseQuotes(at, symbol, "SELL", asks, whole=True)
        for second in range(1, self.minutes * 60):
            at = self.start_ms + second * 1_000
            for contract in self.contracts:
                mid = self.ticks(contract)
                buys = second % 2 == 0
                yield HouseTrade(at, contract.symbol, mid + (10 if buys else -10), 3, not buys)
                side = "SELL" if buys else "BUY"
                yield HouseQuotes(
                    at, contract.symbol, side, ((mid + (10 if buys else -10), self.quantity),)
                )


def new_sim(
    *,
    feed: Any = None,
    switches: Switches | None = None,
    limits: Limits | None = None,
    deposit: int = 100_000,
    settle_ms: int = 2_000,
) -> Simulator:
    feed = feed or QuietFeed()
    sim = Simulator(feed, SteppedClock(feed.start_ms), switches=switches, limits=limits or ROOMY)
    sim.add_key(sim.open_account("alice", deposit * E8), key=KEY, secret=SECRET)
    wait(sim, settle_ms)
    return sim


def wait(sim: Simulator, milliseconds: int) -> None:
    sim.clock.advance(milliseconds)
    assert sim.pump()


@dataclass
class Client:
    """A client as simple as can be: signs by HMAC, keeps the last answer's headers."""

    session: aiohttp.ClientSession
    url: str
    sim: Simulator
    key: str = KEY
    secret: str = SECRET
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0

    async def send(self, method: str, path: str, query: str = "", body: str = "") -> Any:
        headers = {"X-MBX-APIKEY": self.key} if self.key else {}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{self.url}{path}" + (f"?{query}" if query else "")
        async with self.session.request(
            method, URL(url, encoded=True), data=body or None, headers=headers
        ) as answer:
            self.status, self.headers = answer.status, dict(answer.headers)
            return json.loads(await answer.read())

    async def ask(self, path: str, **values: Any) -> Any:
        return await self.send("GET", path, urlencode(values))

    def signed(self, values: dict[str, Any]) -> str:
        values = {"timestamp": self.sim.server_ms(), **values}
        text = urlencode({name: shown(value) for name, value in values.items()})
        return f"{text}&signature={self.sign(text)}"

    def sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    async def call(self, method: str, path: str, **values: Any) -> Any:
        return await self.send(method, path, self.signed(values))

    async def order(self, side: str, quantity: Any, price: Any = None, **values: Any) -> Any:
        kind = {"type": "MARKET"} if price is None else {"type": "LIMIT", "price": price}
        if price is not None:
            kind["timeInForce"] = "GTC"
        fields = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, **kind, **values}
        return await self.call("POST", "/fapi/v1/order", **fields)


def shown(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else value


@asynccontextmanager
async def client_of(sim: Simulator) -> AsyncIterator[Client]:
    async with serve(sim) as url, aiohttp.ClientSession() as session:
        yield Client(session, url, sim)
