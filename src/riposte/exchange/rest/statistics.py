"""``/futures/data``: open interest, long/short ratios, taker volume and basis of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riposte.exchange.params import Params
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.rest.market import contract_type_of, pair_of
from riposte.exchange.tape import PERIODS, Sample
from riposte.exchange.wire import market as wire


def _period(params: Params) -> str:
    period = params.needed("period")
    if period not in PERIODS:
        raise Refusal(-1130, name="period")
    return period


def _samples(call: Call) -> tuple[str, Sequence[Sample]]:
    symbol, period, span = call.symbol, _period(call.params), call.params.span()
    return symbol, call.sim.tape.samples(symbol, period, span, call.params.limit(30, 500))


def open_interest(call: Call) -> Any:
    """Open interest at the ends of periods."""
    symbol, rows = _samples(call)
    shown = call.sim.exchange.contracts[symbol]
    return [wire.open_interest_history(symbol, row, shown) for row in rows]


def account_ratio(call: Call) -> Any:
    """Customers who are long per customers who are short."""
    symbol, rows = _samples(call)
    return [wire.ratio(symbol, r.time_ms, r.long_accounts, r.short_accounts) for r in rows]


def position_ratio(call: Call) -> Any:
    """Value of long positions per value of short ones."""
    symbol, rows = _samples(call)
    return [wire.ratio(symbol, r.time_ms, r.long_value_e8, r.short_value_e8) for r in rows]


def taker_volume(call: Call) -> Any:
    """What takers bought and sold."""
    symbol, period = call.symbol, _period(call.params)
    start, end = call.params.span()
    candles = call.sim.tape.candles(symbol, "trade", call.sim.exchange.now_ms)
    bars = candles.select(period, start, end, call.params.limit(30, 500))
    return [wire.taker_volume(bar) for bar in bars]


def basis(call: Call) -> Any:
    """Futures price against index price."""
    pair, kind, period = pair_of(call), contract_type_of(call.params), _period(call.params)
    start, end = call.params.span()
    limit = call.params.limit(30, 500)
    if kind != "PERPETUAL":
        return []
    tape, now = call.sim.tape, call.sim.exchange.now_ms
    index, trade = tape.candles(pair, "index", now), tape.candles(pair, "trade", now)
    indices = {b.open_ms: b for b in index.select(period, start, end, limit)}
    prices = trade.select(period, start, end, limit)
    return [wire.basis(pair, kind, b, indices[b.open_ms]) for b in prices if b.open_ms in indices]


ENDPOINTS = [
    Endpoint("GET", "/futures/data/openInterestHist", "NONE", 0, open_interest),
    Endpoint("GET", "/futures/data/topLongShortAccountRatio", "NONE", 0, account_ratio),
    Endpoint("GET", "/futures/data/globalLongShortAccountRatio", "NONE", 0, account_ratio),
    Endpoint("GET", "/futures/data/topLongShortPositionRatio", "NONE", 0, position_ratio),
    Endpoint("GET", "/futures/data/takerlongshortRatio", "NONE", 0, taker_volume),
    Endpoint("GET", "/futures/data/basis", "NONE", 0, basis),
]
