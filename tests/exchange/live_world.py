"""An exchange at the present time in a thread of its own, for clients that are not ours."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sim_world import KEY, ROOMY, SECRET, QuietFeed

from riposte.exchange.clock import RunningClock
from riposte.exchange.feed import HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.server import serve
from riposte.exchange.simulator import Simulator
from riposte.exchange.units import E8


@dataclass
class Live:
    """A running exchange."""

    url: str
    sim: Simulator
    loop: asyncio.AbstractEventLoop

    def do(self, act: Callable[[], Any]) -> Any:
        """Let something happen in the exchange's own thread."""

        async def inside() -> Any:
            result = act()
            self.sim.settle()
            return result

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(10)

    def move(self, symbol: str, price: int) -> None:
        """The market goes to a price: marks, quotes and a trade."""
        exchange = self.sim.exchange

        def act() -> None:
            contract, now = exchange.contracts[symbol], exchange.now_ms
            mid = price * E8 // contract.tick_e8
            exchange.apply(MarkPrice(now, symbol, price * E8, price * E8))
            for side, sign in (("BUY", -1), ("SELL", 1)):
                rows = tuple((mid + sign * 10 * n, 5_000) for n in range(1, 21))
                exchange.apply(HouseQuotes(now, symbol, side, rows, whole=True))
            exchange.apply(HouseTrade(now, symbol, mid + 10, 3, buyer_is_maker=False))

        self.do(act)


async def until_listening(world: Live) -> None:
    """Until the exchange knows of a client that listens to its account."""
    for _ in range(600):
        if any(connection.listen_keys for connection in list(world.sim.connections)):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody listens to the account")


@contextmanager
def live() -> Iterator[Live]:
    """Start at this very moment and run at the speed of the wall clock."""
    now = int(time.time() * 1000)
    feed = QuietFeed(start_ms=now)
    sim = Simulator(feed, RunningClock(now), limits=ROOMY)
    sim.add_key(sim.open_account("alice", 100_000 * E8), key=KEY, secret=SECRET)
    ready: list[tuple[str, asyncio.AbstractEventLoop]] = []
    started, done = threading.Event(), threading.Event()

    async def run() -> None:
        async with serve(sim) as url:
            ready.append((url, asyncio.get_running_loop()))
            started.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield Live(ready[0][0], sim, ready[0][1])
    finally:
        done.set()
        thread.join(15)


def eventually(check: Callable[[], Any], seconds: float = 10) -> Any:
    """What ``check`` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it never came to that")
