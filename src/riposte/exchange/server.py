"""The exchange on a socket: REST, streams and control on one port, loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import orjson
from aiohttp import web

from riposte.errors import InputError
from riposte.exchange import wsapi
from riposte.exchange.control.routes import Control
from riposte.exchange.faults.actions import Lose
from riposte.exchange.faults.answers import JSON, Reply
from riposte.exchange.faults.requests import plan_for
from riposte.exchange.faults.wires import cut_off, hang_up
from riposte.exchange.gate import Counted, Request, admit, parameters
from riposte.exchange.limits import TooManyRequests
from riposte.exchange.loopback import is_loopback
from riposte.exchange.params import Params
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.table import TABLE
from riposte.exchange.simulator import Simulator
from riposte.exchange.streams.connection import Rules
from riposte.exchange.streams.sockets import Sockets

AT_ONCE = 500
"""Feed events between two looks at the sockets."""
PAUSE_S = 0.002
BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is sent."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = JSON
    cut: bool = False
    """Whether the connection breaks off in the middle of the body."""


def answer(sim: Simulator, request: Request) -> Answer:
    """Carry a request out, whole or not at all."""
    counted = Counted()
    try:
        body = _carried_out(sim, request, counted)
    except Refusal as refusal:
        sim.note_refusal(request.api_key, request.method, request.path, refusal.code)
        return refused(refusal, counted.headers())
    return Answer(200, orjson.dumps(body), counted.headers())


def refused(refusal: Refusal, headers: dict[str, str]) -> Answer:
    """A refusal as it goes out."""
    if isinstance(refusal, TooManyRequests):
        headers = headers | {"Retry-After": str(refusal.retry_after_s)}
    return Answer(refusal.status, orjson.dumps(refusal.body), headers)


def stand_in(sim: Simulator, request: Request, values: dict[str, str], reply: Reply) -> Answer:
    """A reply instead of carrying the request out; it is weighed, and a ban goes before."""
    counted = Counted()
    endpoint = TABLE.get((request.method, request.path))
    weight = endpoint.weigh(Params(values)) if endpoint is not None else 0
    try:
        counted.weight = sim.limiter.weigh(request.address, weight, sim.exchange.now_ms)
    except TooManyRequests as refusal:
        return refused(refusal, {})
    headers = counted.headers() | reply.headers
    return Answer(reply.status, reply.body, headers, reply.content_type)


def values_of(request: Request) -> dict[str, str]:
    """The request's parameters; none where they can't be read, which the gate will say."""
    try:
        return parameters(request.query, request.body)
    except Refusal:
        return {}


async def spoiled(sim: Simulator, request: Request) -> Answer | Lose:
    """The answer to a request, or what the plan of faults makes of it."""
    values = values_of(request) if sim.faults is not None else {}
    planned = plan_for(sim, request.method, request.path, values, request.api_key)
    if planned is None:
        return answer(sim, request)
    await planned.before()
    if planned.lost is not None:
        return planned.lost
    instead = planned.instead
    given = answer(sim, request) if instead is None else stand_in(sim, request, values, instead)
    left = await planned.after(Reply(given.status, given.body, given.content_type, given.headers))
    if isinstance(left, Lose):
        return left
    headers = given.headers | left.headers
    return Answer(left.status, left.body, headers, left.content_type, left.cut)


def _carried_out(sim: Simulator, request: Request, counted: Counted) -> object:
    endpoint = TABLE.get((request.method, request.path))
    if endpoint is None:
        raise Refusal(-5000, path=request.path, method=request.method)
    call = admit(sim, endpoint, request, counted)
    if sim.maintenance and endpoint.path not in SERVED_IN_MAINTENANCE:
        raise Refusal(-1016)
    try:
        return endpoint.handler(call)
    finally:
        sim.settle()


SERVED_IN_MAINTENANCE = frozenset(
    {"/fapi/v1/ping", "/fapi/v1/time", "/fapi/v1/exchangeInfo", "/sapi/v1/system/status"}
)


async def request_of(request: web.Request) -> Request:
    """A request as the gate wants it.

    Raises:
        Refusal: -1100 if the body is no text.
    """
    try:
        body = (await request.read()).decode() if request.can_read_body else ""
    except UnicodeDecodeError as error:
        raise Refusal(-1100, name="body", allowed="UTF-8") from error
    return Request(
        request.method,
        request.path,
        request.rel_url.raw_query_string,
        body,
        request.headers.get("X-MBX-APIKEY", ""),
        request.remote or "",
    )


def application(sim: Simulator, rules: Rules | None = None) -> web.Application:
    """Everything that answers."""

    async def rest(request: web.Request) -> web.StreamResponse:
        try:
            said = await spoiled(sim, await request_of(request))
        except Refusal as refusal:
            said = refused(refusal, {})
        if isinstance(said, Lose):
            return hang_up(request, said)
        if said.cut:
            return await cut_off(request, said.status, said.body, said.content_type, said.headers)
        return web.Response(
            body=said.body,
            status=said.status,
            headers=said.headers,
            content_type=said.content_type,
        )

    app = web.Application(client_max_size=BODY_BYTES)
    sockets = Sockets(sim, rules)
    app.add_routes(sockets.routes())
    app.cleanup_ctx.append(sockets.watch)
    app.router.add_get("/ws-fapi/v1", partial(wsapi.handle, sim))
    app.add_routes(Control(sim).routes())
    app.router.add_route("*", "/{path:.*}", rest)
    return app


async def keep_time(sim: Simulator) -> None:
    """Let time pass, for ever."""
    while True:
        done = sim.pump(AT_ONCE)
        await asyncio.sleep(PAUSE_S if done else 0)


@asynccontextmanager
async def serve(
    sim: Simulator, host: str = "127.0.0.1", port: int = 0, *, rules: Rules | None = None
) -> AsyncIterator[str]:
    """Serve at ``http://host:port`` (yielded) as long as the context is open.

    Raises:
        InputError: if ``host`` is not a loopback address, or the port is taken.
    """
    refuse_foreign(host)
    runner = web.AppRunner(application(sim, rules), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise InputError(f"port {port} of {host} can't be served: {error.strerror}") from error
    pump = asyncio.create_task(keep_time(sim))
    pump.add_done_callback(partial(_interrupt, asyncio.current_task()))
    try:
        address = runner.addresses[0]
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        yield f"http://{name}:{address[1]}"
    finally:
        pump.cancel()
        await asyncio.wait([pump])
        await runner.cleanup()
        if not pump.cancelled():
            pump.result()  # time stopped, and this says why


def _interrupt(server: asyncio.Task[object] | None, pump: asyncio.Task[None]) -> None:
    """An exchange whose time has stopped must not go on answering as if nothing were wrong."""
    if not pump.cancelled() and server is not None:
        server.cancel()


def refuse_foreign(host: str) -> None:
    """Whoever reaches the exchange can trade on it: nobody from outside may."""
    if not is_loopback(host):
        raise InputError(
            f"{host} is not a loopback address",
            hint="the exchange serves this machine only: 127.0.0.1, ::1 or localhost",
        )
