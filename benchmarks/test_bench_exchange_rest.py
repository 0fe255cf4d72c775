"""Signed orders per second over a loopback socket, beside a server that only says hello.

The exchange runs in a process of its own; the load comes from here over some keep-alive
connections, each with one request under way, signed beforehand. ``orders_per_second`` is the figure
of SPEC (at least 2,000); ``share_of_hello`` says how much of what aiohttp can do at all is left
after parsing, HMAC, the core, tape and JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

CONNECTIONS = 8
ORDERS = 8_000
ROUNDS = 3
TESTS = Path(__file__).parents[1] / "tests" / "exchange"


def serve_exchange(pipe: Connection) -> None:
    sys.path.insert(0, str(TESTS))
    from sim_world import QuietFeed, new_sim

    from riposte.exchange.collector import collect_seldom
    from riposte.exchange.server import serve
    from riposte.exchange.switches import Switches

    collect_seldom()

    async def run() -> None:
        sim = new_sim(feed=QuietFeed(), switches=Switches(timestamps="ignore"), deposit=10**8)
        async with serve(sim) as url:
            pipe.send(int(url.rpartition(":")[2]))
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def serve_hello(pipe: Connection) -> None:
    async def hello(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=b"{}", content_type="application/json")

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        await asyncio.to_thread(pipe.recv)
        await runner.cleanup()

    asyncio.run(run())


@contextmanager
def served(target: Any) -> Iterator[int]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs,))
    process.start()
    try:
        assert ours.poll(60)
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join(10)
        process.kill()


def requests() -> list[bytes]:
    """Market orders to and fro, signed."""
    found = []
    for number in range(ORDERS):
        body = urlencode(
            {
                "symbol": "BTCUSDT",
                "side": "SELL" if number % 2 else "BUY",
                "type": "MARKET",
                "quantity": "0.01",
                "newClientOrderId": f"bench-{number}",
                "timestamp": 1_700_000_402_000 + number,
            }
        )
        mac = hmac.new(b"s" * 64, body.encode(), hashlib.sha256).hexdigest()
        body = f"{body}&signature={mac}"
        found.append(
            (
                "POST /fapi/v1/order HTTP/1.1\r\nHost: localhost\r\nX-MBX-APIKEY: "
                + "k" * 64
                + "\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )
    return found


async def fire(port: int, messages: list[bytes]) -> int:
    """Send all; how many answers were 200."""
    waiting = iter(messages)

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        good = 0
        for message in waiting:
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            start = head.index(b"Content-Length: ") + 16
            await reader.readexactly(int(head[start : head.index(b"\r", start)]))
            good += head.startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()
        return good

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS))))


@pytest.mark.parametrize("target", [serve_hello, serve_exchange], ids=["hello", "exchange"])
def test_signed_orders_over_loopback(target: Any, benchmark: Any) -> None:
    messages = requests()
    with served(target) as port:
        good = benchmark.pedantic(
            lambda: asyncio.run(fire(port, messages)), rounds=ROUNDS, iterations=1, warmup_rounds=1
        )
    assert good == ORDERS
    benchmark.extra_info["orders_per_second"] = round(ORDERS / benchmark.stats.stats.median)
