"""Whether a request may come in: weight, key, time, signature, permission, in the exchange's order.

The order of the checks ("General Info", Binance USD-M): a banned address hears nothing else; the
key is looked at before the signature, the time before the signature's value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from riposte.exchange.keys import ApiKey, without_signature
from riposte.exchange.params import Params
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint, Security

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

RECV_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000
AHEAD_MS = 1_000
"""How far a client's clock may be ahead."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire; query and body raw, for the signature."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    api_key: str = ""
    address: str = "127.0.0.1"


@dataclass(slots=True)
class Counted:
    """What the answer's headers tell of the limits."""

    weight: int = 0
    orders: tuple[int, int] | None = None

    def headers(self) -> dict[str, str]:
        """As headers."""
        found = {"X-MBX-USED-WEIGHT-1M": str(self.weight)}
        if self.orders is not None:
            found["X-MBX-ORDER-COUNT-10S"] = str(self.orders[0])
            found["X-MBX-ORDER-COUNT-1M"] = str(self.orders[1])
        return found


def parameters(query: str, body: str) -> dict[str, str]:
    """Parameters of the query string and the body; the query's win, a repeated one is -1101."""
    found: dict[str, str] = {}
    for raw in (body, query):
        if not raw:
            continue
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, errors="strict")
        except ValueError as error:  # bytes that are no text, or too many fields
            raise Refusal(-1100, name="query", allowed="UTF-8") from error
        here = dict(pairs)
        if len(here) != len(pairs):
            raise Refusal(-1101, expected=len(here), received=len(pairs))
        found |= here
    return found


def admit(sim: Simulator, endpoint: Endpoint, request: Request, counted: Counted) -> Call:
    """The call to be answered, or :class:`Refusal`; ``counted`` is filled in either way."""
    now = sim.exchange.now_ms
    values = parameters(request.query, request.body)
    params = Params(values)
    counted.weight = sim.limiter.weigh(request.address, endpoint.weigh(params), now)
    if endpoint.security == "NONE":
        return Call(sim, params, None, request.api_key)
    query, signature = without_signature(request.query)
    body, in_body = without_signature(request.body)
    payload = f"{query}{body}".encode()
    key = authorize(sim, endpoint.security, params, request, payload, signature or in_body)
    if endpoint.orders:
        counted.orders = sim.limiter.count_orders(key.account.name, endpoint.orders, now)
    return Call(sim, params, key.account, key.key)


def authorize(
    sim: Simulator,
    security: Security,
    params: Params,
    request: Request,
    payload: bytes,
    signature: str,
) -> ApiKey:
    """The key of a request that needs one, if it is known, signed by it where needed, and allowed."""
    key = known_key(sim, request.api_key, request.address)
    if security != "KEY":
        check_signed(sim, params)
        if not key.signs(payload, signature):
            raise Refusal(-1022)
    permit(key, security)
    return key


def known_key(sim: Simulator, api_key: str, address: str) -> ApiKey:
    """The key of a request: -2014 without one, -2015 if it is unknown or may not come from there."""
    if not api_key:
        raise Refusal(-2014)
    key = sim.keys.get(api_key)
    if key is None or (key.allowed_ips and address not in key.allowed_ips):
        raise Refusal(-2015)
    return key


def check_signed(sim: Simulator, params: Params) -> None:
    """That a signature is there and the time is right: -1102, -1130, -1021."""
    for name in ("timestamp", "signature"):
        params.needed(name)
    sent = params.integer("timestamp", least=0)
    window = params.integer("recvWindow", RECV_WINDOW_MS, least=0, most=LONGEST_WINDOW_MS)
    if sim.exchange.switches.timestamps == "ignore":
        return
    now = sim.server_ms()
    if sent >= now + AHEAD_MS or now - sent > window:
        raise Refusal(-1021)


def permit(key: ApiKey, security: Security) -> None:
    """-2015 where a key without the right to trade would."""
    if security == "TRADE" and not key.can_trade:
        raise Refusal(-2015)
