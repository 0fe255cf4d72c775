"""A WebSocket client for tests: reads everything into a list, waits for what is wanted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from sim_world import Client


@dataclass
class Socket:
    """One connection and what came over it."""

    raw: aiohttp.ClientWebSocketResponse
    got: list[Any] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0

    async def read(self) -> None:
        async for message in self.raw:
            data = message.data
            if message.type is aiohttp.WSMsgType.TEXT:
                try:
                    data = json.loads(data)
                except json.JSONDecodeError:
                    data = f"no JSON: {data[:40]}"
            self.got.append(data)
            self.changed.set()
        self.closed.set()
        self.changed.set()

    async def until(self, wanted: Callable[[Any], bool], seconds: float = 10) -> Any:
        """The first message that is wanted."""
        seen = 0

        async def look() -> Any:
            nonlocal seen
            while True:
                for message in self.got[seen:]:
                    seen += 1
                    if wanted(message):
                        return message
                self.changed.clear()
                await self.changed.wait()

        return await asyncio.wait_for(look(), seconds)

    async def ask(self, method: str, *params: Any) -> Any:
        self.number += 1
        number = self.number
        await self.raw.send_json({"method": method, "params": list(params), "id": number})
        return await self.until(lambda m: isinstance(m, dict) and m.get("id") == number)

    def events(self, kind: str) -> list[Any]:
        found = [m.get("data", m) for m in self.got if isinstance(m, dict)]
        return [m for m in found if isinstance(m, dict) and m.get("e") == kind]

    async def event(self, kind: str) -> Any:
        def wanted(message: Any) -> bool:
            data = message.get("data", message) if isinstance(message, dict) else message
            rows = data if isinstance(data, list) else [data]
            return any(isinstance(row, dict) and row.get("e") == kind for row in rows)

        return await self.until(wanted)

    async def quiet(self) -> None:
        """Until all that was sent has arrived: an answer comes after it."""
        await self.ask("LIST_SUBSCRIPTIONS")


@asynccontextmanager
async def socket_of(client: Client, path: str) -> AsyncIterator[Socket]:
    async with client.session.ws_connect(client.url + path) as raw:
        socket = Socket(raw)
        task = asyncio.create_task(socket.read())
        try:
            yield socket
        finally:
            await raw.close()
            await task
