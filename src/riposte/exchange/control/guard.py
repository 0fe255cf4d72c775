"""The edge of the control API: from this machine only, JSON in, JSON out, refusals in a sentence.

Whoever reaches it may do anything to the exchange, so a web page that the user happens to look at
must not: a request from a foreign ``Origin``, for a ``Host`` that isn't this machine (DNS
rebinding), or with a body that is not declared JSON (a form) is refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import hdrs, web
from yarl import URL

from riposte.errors import InputError, RiposteError
from riposte.exchange.loopback import is_loopback
from riposte.exchange.refusals import Refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answering = Callable[[web.Request], Awaitable[Any]]


def guarded(work: Answering) -> Handler:
    """A handler that answers what ``work`` returns as JSON, or why not."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if foreign := foreigner(request):
            return said({"error": foreign}, 403)
        try:
            return said(await work(request))
        except RiposteError as error:
            hint = {"hint": error.hint} if error.hint else {}
            return said({"error": error.message, **hint}, 400)
        except Refusal as refusal:
            return said({"error": refusal.text, "code": refusal.code}, 400)

    return handle


def foreigner(request: web.Request) -> str:
    """Why a request does not come from this machine's user; "" if it does."""
    host = request.headers.get(hdrs.HOST, "")
    try:
        name = URL(f"http://{host}").host or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        return f"the control API serves this machine only, not the host {host!r}"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin != f"http://{host}":
        return f"the control API is not for web pages of {origin!r}"
    if request.can_read_body and request.content_type != "application/json":
        return f"the body must be application/json, not {request.content_type}"
    return ""


def said(body: object, status: int = 200) -> web.Response:
    """JSON."""
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


async def told(request: web.Request) -> Any:
    """The JSON of the body; an empty table without one.

    Raises:
        InputError: if it is none.
    """
    raw = await request.read()
    if not raw:
        return {}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is no JSON: {error}") from error


def whole(request: web.Request, name: str, usual: int, most: int) -> int:
    """A whole number of the query, from 0 to ``most``.

    Raises:
        InputError: if it is none.
    """
    text = request.query.get(name, str(usual))
    if not text.isdecimal() or not text.isascii() or int(text) > most:
        raise InputError(f"{name} must be a whole number from 0 to {most}, not {text!r}")
    return int(text)
