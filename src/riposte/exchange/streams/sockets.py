"""The routes of the streams, their handshakes, requests and rules.

``/public``, ``/market`` and ``/private`` with ``/ws`` (plain) or ``/stream`` (wrapped) behind them,
and the old ``/ws`` and ``/stream``, as long as the switch keeps them. Streams can be named in the
path, in ``streams=`` or ``listenKey=``, or by SUBSCRIBE.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, cast

import orjson
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from riposte.exchange.refusals import Refusal
from riposte.exchange.simulator import Simulator
from riposte.exchange.streams.connection import Connection, Rules
from riposte.exchange.streams.names import Route

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
LOOK_S = 0.1
BANNED_AFTER = 3
BAN_MS = 120_000


class Sockets:
    """All stream connections of an exchange."""

    def __init__(self, sim: Simulator, rules: Rules | None = None) -> None:
        self._sim, self._rules = sim, rules or Rules()
        self._noisy: dict[str, int] = {}
        """How often an address was cut off for sending too much."""

    def routes(self) -> list[web.RouteDef]:
        """All addresses of streams."""
        return [
            web.get(f"{head}/{mode}{tail}", self._handle)
            for head in ("", "/public", "/market", "/private")
            for mode in ("ws", "stream")
            for tail in ("", "/{names:.*}")
        ]

    async def watch(self, _: web.Application) -> AsyncIterator[None]:
        """Look after the connections as long as the application runs."""
        task = asyncio.create_task(self._watch())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for connection in list(self._sim.connections):
            connection.close(WSCloseCode.GOING_AWAY)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now_ms, now_s = self._sim.exchange.now_ms, time.monotonic()
            for connection in list(self._sim.connections):
                await self._look_at(connection, now_ms, now_s)

    async def _look_at(self, connection: Connection, now_ms: int, now_s: float) -> None:
        rules = self._rules
        if now_ms - connection.opened_ms >= rules.life_ms:
            connection.close(WSCloseCode.GOING_AWAY, "24 hours")
        elif now_s - connection.ponged_s >= rules.pong_s:
            connection.close(WSCloseCode.POLICY_VIOLATION, "no pong")
        elif now_s - connection.pinged_s >= rules.ping_s and not connection.deaf:
            await connection.ping(now_ms, now_s)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        sim = self._sim
        parts = request.path.split("/")
        route = cast(Route, parts[1] if parts[1] in ("public", "market", "private") else "legacy")
        if sim.maintenance or (route == "legacy" and not sim.switches.legacy_routes):
            return web.Response(status=503 if sim.maintenance else 404)
        try:
            sim.limiter.weigh(request.remote or "", 0, sim.exchange.now_ms)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=1 << 20)
        if not socket.can_prepare(request):
            return web.Response(status=400, text="a WebSocket handshake is needed here")
        await socket.prepare(request)
        transport = cast(asyncio.Transport, request.transport)
        is_combined = parts[1 if route == "legacy" else 2] == "stream"
        connection = Connection(sim, route, socket, transport, self._rules, is_combined=is_combined)
        sim.connections[connection] = None
        try:
            for name in _named(request):
                connection.subscribe(name)
            await self._serve(connection, socket, request.remote or "")
        finally:
            connection.leave_all()
            sim.connections.pop(connection, None)
            await connection.closed()
        return socket

    async def _serve(
        self, connection: Connection, socket: web.WebSocketResponse, address: str
    ) -> None:
        recent: deque[float] = deque(maxlen=self._rules.messages_per_second)
        async for message in socket:
            now = time.monotonic()
            if len(recent) == recent.maxlen and now - recent[0] < 1.0:
                self._too_noisy(connection, address)
                return
            recent.append(now)
            await self._take(connection, socket, message, now)

    async def _take(
        self,
        connection: Connection,
        socket: web.WebSocketResponse,
        message: WSMessage,
        now: float,
    ) -> None:
        if message.type is WSMsgType.PING and not connection.deaf:
            await socket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            connection.ponged_s = now
        elif message.type is WSMsgType.TEXT:
            connection.say(answer(connection, message.data))
        elif message.type is WSMsgType.BINARY:
            connection.say(_refused(None, 3, "Invalid JSON: expected value at line 1 column 1"))

    def _too_noisy(self, connection: Connection, address: str) -> None:
        """Cut it off; who does it again and again is banned."""
        connection.close(WSCloseCode.POLICY_VIOLATION, "Too many requests")
        times = self._noisy[address] = self._noisy.get(address, 0) + 1
        if times >= BANNED_AFTER:
            self._noisy[address] = 0
            self._sim.limiter.ban(address, self._sim.exchange.now_ms, BAN_MS)


def _named(request: web.Request) -> list[str]:
    """Streams and listen keys that the address names."""
    names = request.match_info.get("names", "").split("/")
    names += request.query.get("streams", "").split("/")
    names.append(request.query.get("listenKey", ""))
    return [name for name in names if name]


def _refused(number: object, code: int, text: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "msg": text}, "id": number})


def answer(connection: Connection, text: str) -> bytes:
    """Carry a request of a stream connection out."""
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        return _refused(None, 3, f"Invalid JSON: expected value at {where}")
    if not isinstance(request, dict) or "method" not in request:
        return _refused(None, 2, "Invalid request: missing field `method` at line 1 column 1")
    number, params = request.get("id"), request.get("params", [])
    if not isinstance(number, str | int | None) or isinstance(number, bool):
        return _refused(None, 2, "Invalid request: request ID must be an unsigned integer")
    if request["method"] not in METHODS:
        expected = ", ".join(f"`{method}`" for method in METHODS)
        text = f"unknown variant `{request['method']}`, expected one of {expected}"
        return _refused(number, 2, f"Invalid request: {text}")
    if not isinstance(params, list):
        return _refused(number, 2, "Invalid request: params must be a list")
    return _carried_out(connection, request["method"], params, number)


def _carried_out(connection: Connection, method: str, params: list[Any], number: object) -> bytes:
    result: object = None
    if method.endswith("SUBSCRIBE"):
        if not all(isinstance(name, str) for name in params):
            return _refused(number, 2, "Invalid request: stream names must be texts")
        if method == "SUBSCRIBE" and len({*connection.names, *params}) > connection.rules.streams:
            return _refused(number, 2, "Invalid request: too many streams")
        for name in params:
            (connection.subscribe if method == "SUBSCRIBE" else connection.unsubscribe)(name)
    elif method == "LIST_SUBSCRIPTIONS":
        result = [*connection.names, *connection.listen_keys]
    elif params[:1] != ["combined"]:
        return _refused(number, 0, "Unknown property")
    elif method == "GET_PROPERTY":
        result = connection.is_combined
    elif len(params) != 2 or not isinstance(params[1], bool):
        return _refused(number, 1, "Invalid value type: expected Boolean")
    else:
        connection.is_combined = params[1]
    return orjson.dumps({"result": result, "id": number})
