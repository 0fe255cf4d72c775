"""The control API as a test uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sim_world import Client, client_of

from riposte.exchange.simulator import Simulator


@dataclass
class Desk:
    """Asks and tells; an answer that is not the expected status fails the test."""

    client: Client

    async def send(
        self, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any
    ) -> Any:
        session, url = self.client.session, f"{self.client.url}/sim/v1{path}"
        async with session.request(method, url, json=body, **more) as answer:
            said = await answer.json()
            assert answer.status == status, said
            return said

    async def get(self, path: str, **query: Any) -> Any:
        return await self.send("GET", path, params=query)

    async def post(self, path: str, body: Any = None) -> Any:
        return await self.send("POST", path, body)

    async def refused(self, path: str, body: Any, method: str = "POST", status: int = 400) -> str:
        said = await self.send(method, path, body, status=status)
        return str(said["error"])

    async def pass_time(self, milliseconds: int) -> None:
        await self.post("/clock", {"advance_ms": milliseconds})

    async def act(self, kind: str, **values: Any) -> None:
        await self.post("/act", {"kind": kind, **values})

    async def plan(self, *rules: Any, acts: Any = (), seed: int = 0) -> None:
        await self.post("/faults", {"seed": seed, "rules": list(rules), "acts": list(acts)})


@asynccontextmanager
async def desk_of(sim: Simulator) -> AsyncIterator[tuple[Desk, Client]]:
    async with client_of(sim) as client:
        yield Desk(client), client
