"""Stream messages per second over loopback sockets, beside a server that only sends.

The exchange runs in a process of its own, its clock as fast as it can: for each millisecond of its
market there are a trade and a quote, so that each has its ``trade``, ``aggTrade`` and two
``bookTicker`` messages. The subscribers are here and only count. ``messages_per_second`` is the
figure of SPEC (at least 50,000, all subscribers together); with one subscriber each message is
made for it alone, with ten it is made once and sent ten times. The peer is aiohttp, which sends one
ready-made text of the same length to as many sockets; ``share_of_peer`` is the rest that is left
after feed, matching, tape and JSON. Nothing is asserted about time.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

MESSAGES = 150_000
ROUNDS = 3
HARD_LIMIT_S = 60
TESTS = Path(__file__).parents[1] / "tests" / "exchange"
STREAMS = "btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker"
MARK = b'"e":"'
"""Once in each message."""
SAID = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":4000000,"E":1700000460000,'
    b'"T":1700000460000,"s":"BTCUSDT","b":"49999.0","B":"5.000","a":"50001.0","A":"4.997"}}'
)


def serve_exchange(pipe: Connection) -> None:
    sys.path.insert(0, str(TESTS))
    from sim_world import START, QuietFeed

    from riposte.exchange.clock import RunningClock
    from riposte.exchange.collector import collect_seldom
    from riposte.exchange.feed import FeedEvent, HouseQuotes, HouseTrade
    from riposte.exchange.server import serve
    from riposte.exchange.simulator import Simulator
    from riposte.exchange.streams.connection import Rules
    from riposte.exchange.switches import Switches

    collect_seldom()

    class BusyFeed(QuietFeed):
        def events(self) -> Iterator[FeedEvent]:
            contract = self.contracts[0]
            mid, symbol = self.ticks(contract), contract.symbol
            yield from takewhile(lambda e: e.time_ms == START, super().events())
            for number in range(1, 100_000_000):
                at, buys = START + number, number % 2 == 0
                ticks = mid + (10 if buys else -10)
                side = "SELL" if buys else "BUY"
                yield HouseTrade(at, symbol, ticks, 1 + number % 7, not buys)
                yield HouseQuotes(at, symbol, side, ((ticks, 5_000),))

    async def run() -> None:
        clock = RunningClock(START, 1.0)
        feed = BusyFeed(symbols=("BTCUSDT",), minutes=10**6)
        # legacy routes serve all kinds of streams on one socket; time flies, so sockets must last
        sim = Simulator(feed, clock, switches=Switches(wrong_route="serve"))
        async with serve(sim, rules=Rules(life_ms=1 << 60)) as url:
            pipe.send(int(url.rpartition(":")[2]))
            await asyncio.to_thread(pipe.recv)
            clock.speed = 1e6
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def serve_text(pipe: Connection) -> None:
    sockets: list[web.WebSocketResponse] = []
    text = SAID.decode()

    async def accept(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sockets.append(socket)
        await socket.receive()
        return socket

    async def send() -> None:
        while not all(socket.closed for socket in sockets):
            for socket in sockets:
                if not socket.closed:
                    await socket.send_str(text)

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", accept)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.recv)
        sender = asyncio.create_task(send())
        await asyncio.to_thread(pipe.recv)
        sender.cancel()
        await asyncio.wait([sender])
        await runner.cleanup()

    asyncio.run(run())


@contextmanager
def served(target: Any) -> Iterator[tuple[int, Connection]]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs,))
    process.start()
    try:
        assert ours.poll(HARD_LIMIT_S)
        yield ours.recv(), ours
    finally:
        ours.send("stop")
        process.join(10)
        process.kill()


class Counter(asyncio.Protocol):
    """Counts messages as they come in, by a mark that each has once."""

    def __init__(self, wanted: asyncio.Event) -> None:
        self.count, self._tail, self._goal, self._reached = 0, b"", 0, wanted
        self.bytes = 0

    def data_received(self, data: bytes) -> None:
        whole = self._tail + data
        self.count += whole.count(MARK)
        self.bytes += len(data)
        self._tail = whole[-len(MARK) + 1 :]
        if self.count >= self._goal:
            self._reached.set()

    def connection_made(self, transport: Any) -> None:
        transport.write(
            f"GET /stream?streams={STREAMS} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    async def more(self, messages: int) -> None:
        """Until so many more have come."""
        self._goal = self.count + messages
        self._reached.clear()
        await asyncio.wait_for(self._reached.wait(), HARD_LIMIT_S)


async def connect(port: int, subscribers: int) -> list[tuple[Any, Counter]]:
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Counter(asyncio.Event()), "127.0.0.1", port)
        for _ in range(subscribers)
    ]
    await asyncio.sleep(0.3)  # until each is subscribed
    return made


async def listen(sockets: list[tuple[Any, Counter]], messages: int) -> None:
    await asyncio.gather(*(counter.more(messages) for _, counter in sockets))


async def leave(sockets: list[tuple[Any, Counter]]) -> None:
    for transport, _ in sockets:
        transport.abort()
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("subscribers", [1, 10])
@pytest.mark.parametrize("target", [serve_text, serve_exchange], ids=["peer", "exchange"])
def test_messages_out(target: Any, subscribers: int, benchmark: Any) -> None:
    each = MESSAGES // subscribers
    with asyncio.Runner() as runner, served(target) as (port, pipe):
        sockets = runner.run(connect(port, subscribers))
        pipe.send("go")
        benchmark.pedantic(
            lambda: runner.run(listen(sockets, each)),
            rounds=ROUNDS,
            iterations=1,
            warmup_rounds=1,
        )
        runner.run(leave(sockets))
    info, counters = benchmark.extra_info, [counter for _, counter in sockets]
    info["messages_per_second"] = round(each * subscribers / benchmark.stats.stats.median)
    info["bytes_per_message"] = round(counters[0].bytes / counters[0].count)
    key = f"peer-{subscribers}"
    if target is serve_text:
        PEER[key] = info["messages_per_second"]
    elif key in PEER:
        info["share_of_peer"] = round(info["messages_per_second"] / PEER[key], 2)


PEER: dict[str, int] = {}
