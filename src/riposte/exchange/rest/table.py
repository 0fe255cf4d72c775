"""All endpoints, by method and path."""

from __future__ import annotations

from riposte.exchange.rest import account, algos, history, market, statistics, trading
from riposte.exchange.rest.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *market.ENDPOINTS,
    *statistics.ENDPOINTS,
    *account.ENDPOINTS,
    *trading.ENDPOINTS,
    *algos.ENDPOINTS,
    *history.ENDPOINTS,
)
TABLE = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
METHODS: dict[str, set[str]] = {}
for _endpoint in ENDPOINTS:
    METHODS.setdefault(_endpoint.path, set()).add(_endpoint.method)
