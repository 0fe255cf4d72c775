"""The WebSocket API: requests and answers over a socket instead of HTTP, by the same rules.

A request is ``{"id", "method", "params"}``, its answer ``{"id", "status", "result" | "error",
"rateLimits"}``. Signed ones carry ``apiKey``, ``timestamp`` and ``signature`` in their parameters;
the signature is over all others, sorted by name ("WebSocket API General Info", Binance USD-M).
After ``session.logon``, with an Ed25519 key, the socket speaks for its account. What a method does
is done by the REST endpoint of the same meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from riposte.exchange.faults.actions import Lose
from riposte.exchange.faults.answers import JSON, Reply
from riposte.exchange.faults.requests import as_error, plan_for
from riposte.exchange.faults.wires import hang_up
from riposte.exchange.gate import Counted, Request, authorize, known_key, permit
from riposte.exchange.keys import ApiKey
from riposte.exchange.params import Params, texts_of
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint, Security
from riposte.exchange.rest.table import TABLE
from riposte.exchange.wire import orders

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

HANDSHAKE_WEIGHT = 5
SESSION_WEIGHT = 2


def _rest(method: str, path: str) -> Endpoint:
    return TABLE[method, path]


METHODS: dict[str, Endpoint] = {
    "ping": _rest("GET", "/fapi/v1/ping"),
    "time": _rest("GET", "/fapi/v1/time"),
    "depth": _rest("GET", "/fapi/v1/depth"),
    "ticker.price": _rest("GET", "/fapi/v2/ticker/price"),
    "ticker.book": _rest("GET", "/fapi/v1/ticker/bookTicker"),
    "order.place": _rest("POST", "/fapi/v1/order"),
    "order.modify": _rest("PUT", "/fapi/v1/order"),
    "order.cancel": _rest("DELETE", "/fapi/v1/order"),
    "order.status": _rest("GET", "/fapi/v1/order"),
    "algoOrder.place": _rest("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": _rest("DELETE", "/fapi/v1/algoOrder"),
    "account.balance": _rest("GET", "/fapi/v2/balance"),
    "v2/account.balance": _rest("GET", "/fapi/v3/balance"),
    "account.status": _rest("GET", "/fapi/v2/account"),
    "v2/account.status": _rest("GET", "/fapi/v3/account"),
    "account.position": _rest("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": _rest("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": _rest("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": _rest("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": _rest("DELETE", "/fapi/v1/listenKey"),
}
SESSION: dict[str, Security] = {
    "session.logon": "USER_DATA",
    "session.status": "NONE",
    "session.logout": "NONE",
}
"""What concerns the socket itself, and who may ask it."""


@dataclass(slots=True)
class Session:
    """One socket: where it comes from, and for whom it speaks."""

    sim: Simulator
    address: str
    opened_ms: int
    key: ApiKey | None = None
    since_ms: int = 0

    def state(self) -> dict[str, object]:
        """What ``session.*`` answers."""
        return {
            "apiKey": self.key.key if self.key else None,
            "authorizedSince": self.since_ms if self.key else None,
            "connectedSince": self.opened_ms,
            "returnRateLimits": True,
            "serverTime": self.sim.server_ms(),
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was understood."""

    number: str | int | None
    method: str
    values: dict[str, str]


def read(raw: str) -> Asked | None:
    """A request, or None if it is none."""
    try:
        request = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(request, dict):
        return None
    number, params = request.get("id"), request.get("params") or {}
    if not isinstance(number, str | int | None) or not isinstance(params, dict):
        return None
    return Asked(number, str(request.get("method")), texts_of(params))


def answer(session: Session, asked: Asked | None) -> bytes:
    """Carry one request out."""
    if asked is None:
        return _written(None, 400, {"error": {"code": -1135, "msg": "Invalid JSON Request"}}, [])
    counted = Counted()
    try:
        body = {"result": _carried_out(session, asked, counted)}
        status = 200
    except Refusal as refusal:
        session.sim.note_refusal(_key_named(session, asked), "WS", asked.method, refusal.code)
        body, status = {"error": refusal.body}, refusal.status
    told = [] if asked.values.get("returnRateLimits") == "false" else _limits(session, counted)
    return _written(asked.number, status, body, told)


def _key_named(session: Session, asked: Asked) -> str:
    return asked.values.get("apiKey", session.key.key if session.key else "")


def _written(number: object, status: int, body: dict[str, Any], limits: list[Any]) -> bytes:
    shown = {"id": number, "status": status, **body}
    return orjson.dumps(shown | {"rateLimits": limits} if limits else shown)


def _limits(session: Session, counted: Counted) -> list[Any]:
    shown = session.sim.limiter.limits.shown()
    counts = [counted.weight, *(reversed(counted.orders) if counted.orders else ())]
    return [{**row, "count": n} for row, n in zip(shown, counts, strict=False)]


def _carried_out(session: Session, asked: Asked, counted: Counted) -> Any:
    sim, endpoint, params = session.sim, METHODS.get(asked.method), Params(asked.values)
    if endpoint is None and asked.method not in SESSION:
        raise Refusal(-5000, path=asked.method, method="WS")
    weight = endpoint.weigh(params) if endpoint is not None else SESSION_WEIGHT
    counted.weight = sim.limiter.weigh(session.address, weight, sim.exchange.now_ms)
    security = endpoint.security if endpoint is not None else SESSION[asked.method]
    key = _caller(session, security, params) if security != "NONE" else None
    if sim.maintenance:
        raise Refusal(-1016)
    if endpoint is None:
        return _logged(session, asked.method, key)
    if key is not None and endpoint.orders:
        name = key.account.name
        counted.orders = sim.limiter.count_orders(name, endpoint.orders, sim.exchange.now_ms)
    call = Call(sim, params, key.account if key else None, key.key if key else "")
    try:
        body = endpoint.handler(call)
    finally:
        sim.settle()
    return orders.without_pair(body) if asked.method == "order.modify" else body


def _caller(session: Session, security: Security, params: Params) -> ApiKey:
    """The key that a request is signed with, or that the session is logged on with."""
    values = params.values
    if session.key is not None and "apiKey" not in values:
        key = known_key(session.sim, session.key.key, session.address)
        permit(key, security)
        return key
    request = Request("", "", api_key=values.get("apiKey", ""), address=session.address)
    signed = sorted((name, text) for name, text in values.items() if name != "signature")
    payload = "&".join(f"{name}={text}" for name, text in signed).encode()
    return authorize(session.sim, security, params, request, payload, values.get("signature", ""))


def _logged(session: Session, method: str, key: ApiKey | None) -> Any:
    if method == "session.logon":
        if key is None or not isinstance(key.public, Ed25519PublicKey):
            raise Refusal(-4056)
        session.key, session.since_ms = key, session.sim.server_ms()
    elif method == "session.logout":
        session.key, session.since_ms = None, 0
    return session.state()


async def handle(sim: Simulator, request: web.Request) -> web.StreamResponse:
    """Serve one socket of ``/ws-fapi/v1``."""
    address = request.remote or ""
    try:
        sim.limiter.weigh(address, HANDSHAKE_WEIGHT, sim.exchange.now_ms)
    except Refusal as refusal:
        return web.json_response(refusal.body, status=refusal.status)
    socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
    if sim.maintenance or not socket.can_prepare(request):
        return web.Response(status=503 if sim.maintenance else 400)
    await socket.prepare(request)
    session = Session(sim, address, sim.server_ms())
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        said = await _spoiled(session, message.data)
        if isinstance(said, Lose):
            return hang_up(request, said)
        if said.content_type == JSON:
            await socket.send_str(said.body.decode())
        else:
            await socket.send_bytes(said.body)
        if said.cut:
            await socket.close()
    return socket


async def _spoiled(session: Session, raw: str) -> Reply | Lose:
    """The answer to a request, or what the plan of faults makes of it."""
    sim, asked = session.sim, read(raw)
    endpoint = METHODS.get(asked.method) if asked is not None else None
    planned = None
    if asked is not None and endpoint is not None:
        key = _key_named(session, asked)
        planned = plan_for(sim, endpoint.method, endpoint.path, asked.values, key)
    if asked is None or planned is None:
        return Reply(200, answer(session, asked))
    await planned.before()
    if planned.lost is not None:
        return planned.lost
    instead = planned.instead
    given = answer(session, asked) if instead is None else _error(asked.number, instead)
    left = await planned.after(Reply(200, given))
    if isinstance(left, Reply) and left.body != given and left.status != 200:
        return replace(left, body=_error(asked.number, left), content_type=JSON)
    return left


def _error(number: object, reply: Reply) -> bytes:
    return _written(number, reply.status, {"error": as_error(reply)}, [])
