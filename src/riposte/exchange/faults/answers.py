"""Answers that are not of the exchange's logic: the four meanings of 503, gateways, limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from riposte.exchange.limits import BANNED
from riposte.exchange.refusals import TEXTS

JSON = "application/json"
HTML = "text/html"
UNKNOWN = "Unknown error, please check your request or try again later."
UNAVAILABLE = "Service Unavailable."


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it goes out."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Whether the connection breaks off in the middle of it."""


def said(status: int, text: str, code: int | None = None, retry_after_s: int = 0) -> Reply:
    """An error; the exchange's gateway sends its own without a code."""
    body = {"msg": text} if code is None else {"code": code, "msg": text}
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    return Reply(status, orjson.dumps(body), JSON, headers)


def page(status: int, title: str) -> Reply:
    """The web page of a proxy that stands before the exchange."""
    text = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
    return Reply(status, text.encode(), HTML)


_LIMIT = TEXTS[-1003].format(ip="127.0.0.1", limit=2400)

ANSWERS: dict[str, Reply] = {
    "unknown": said(503, UNKNOWN),
    "unavailable": said(503, UNAVAILABLE),
    "internal": said(503, TEXTS[-1001], -1001),
    "throttled": said(503, TEXTS[-1008], -1008),
    "timeout": said(408, TEXTS[-1007], -1007),
    "bus": said(503, TEXTS[-1006], -1006),
    "too-many-requests": said(429, _LIMIT, -1003, 30),
    "banned": said(418, BANNED, -1003, 120),
    "too-many-orders": said(429, TEXTS[-1015].format(limit=300, interval="10 SECOND"), -1015),
    "firewall": page(403, "Forbidden"),
    "server-error": page(500, "Internal Server Error"),
    "bad-gateway": page(502, "Bad Gateway"),
    "gateway-timeout": page(504, "Gateway Timeout"),
    "empty": Reply(503, b""),
}
"""By name. ``unknown``, ``unavailable``, ``internal`` and ``throttled`` are the four meanings of 503
("General Info", Binance USD-M): outcome unknown; failed; failed; failed, but exits are exempt."""
