"""Market data: no key needed."""

from __future__ import annotations

from typing import Any

from riposte.exchange import bars
from riposte.exchange.margin import value_e8
from riposte.exchange.params import Params
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.tape import sample_of
from riposte.exchange.units import show_e8
from riposte.exchange.wire import market as wire

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)


def ping(_: Call) -> Any:
    """Nothing, if it is there."""
    return {}


def server_time(call: Call) -> Any:
    """The exchange's clock."""
    return {"serverTime": call.sim.server_ms()}


def exchange_info(call: Call) -> Any:
    """Limits and contracts; none while the exchange is under maintenance."""
    contracts = [] if call.sim.maintenance else list(call.sim.exchange.contracts.values())
    return wire.exchange_info(contracts, call.sim.server_ms(), call.sim.limiter.limits.shown())


def depth(call: Call) -> Any:
    """The book."""
    symbol = call.symbol
    limit = call.params.integer("limit", 500)
    if limit not in DEPTH_LIMITS:
        raise Refusal(-4021, limit=limit)
    return wire.depth(call.sim.exchange, symbol, limit)


def trades(call: Call) -> Any:
    """The newest trades."""
    symbol = call.symbol
    rows = call.sim.tape.symbols[symbol].trades
    shown = call.sim.exchange.contracts[symbol]
    return [wire.trade(row, shown) for row in list(rows)[-call.params.limit(500, 1000) :]]


def historical_trades(call: Call) -> Any:
    """Trades from an id on, or the newest."""
    symbol = call.symbol
    limit = call.params.limit(100, 500)
    first = call.params.integer("fromId", -1)
    rows = list(call.sim.tape.symbols[symbol].trades)
    if first >= 0:
        rows = [row for row in rows if row.trade_id >= first][:limit]
    return [wire.trade(row, call.sim.exchange.contracts[symbol]) for row in rows[-limit:]]


def agg_trades(call: Call) -> Any:
    """Aggregate trades by id or by time, or the newest."""
    symbol = call.symbol
    limit = call.params.limit(500, 1000)
    first = call.params.integer("fromId", -1)
    span = start, end = call.params.span()
    if start is not None and end is not None and end - start > bars.HOUR_MS:
        raise Refusal(-4105)
    rows = [
        row
        for row in call.sim.tape.symbols[symbol].agg_trades
        if row.agg_id >= first and row.time_ms in span
    ]
    shown = call.sim.exchange.contracts[symbol]
    return [wire.agg_trade(row, shown) for row in span.page(rows, limit, first=first >= 0)]


def interval_of(params: Params) -> str:
    """``interval`` (-1120)."""
    interval = params.needed("interval")
    if interval not in bars.INTERVALS:
        raise Refusal(-1120)
    return interval


def _bars(call: Call, kind: str, symbol: str) -> tuple[list[bars.Bar], str]:
    interval = interval_of(call.params)
    start, end = call.params.span()
    limit = call.params.limit(500, 1500)
    candles = call.sim.tape.candles(symbol, kind, call.sim.exchange.now_ms)
    return candles.select(interval, start, end, limit), interval


def klines(call: Call) -> Any:
    """Candles of trades."""
    symbol = call.symbol
    rows, interval = _bars(call, "trade", symbol)
    shown = call.sim.exchange.contracts[symbol]
    return [wire.kline(bar, interval, shown) for bar in rows]


def pair_of(call: Call) -> str:
    """``pair`` (-4144)."""
    name = call.params.needed("pair").upper()
    if name not in call.sim.exchange.contracts:
        raise Refusal(-4144)
    return name


def contract_type_of(params: Params) -> str:
    """``contractType`` (-4104); only perpetual contracts are traded here."""
    kind = params.needed("contractType").upper()
    if kind not in ("PERPETUAL", "CURRENT_QUARTER", "NEXT_QUARTER"):
        raise Refusal(-4104)
    return kind


def continuous_klines(call: Call) -> Any:
    """Candles of the perpetual contract of a pair."""
    pair, kind = pair_of(call), contract_type_of(call.params)
    rows, interval = _bars(call, "trade", pair)
    if kind != "PERPETUAL":
        return []
    shown = call.sim.exchange.contracts[pair]
    return [wire.kline(bar, interval, shown) for bar in rows]


def mark_klines(call: Call) -> Any:
    """Candles of the mark price."""
    rows, interval = _bars(call, "mark", call.symbol)
    return [wire.price_kline(bar, interval) for bar in rows]


def index_klines(call: Call) -> Any:
    """Candles of the index price of a pair."""
    rows, interval = _bars(call, "index", pair_of(call))
    return [wire.price_kline(bar, interval) for bar in rows]


def premium_klines(call: Call) -> Any:
    """Candles of the premium index."""
    rows, interval = _bars(call, "premium", call.symbol)
    return [wire.price_kline(bar, interval) for bar in rows]


def premium_index(call: Call) -> Any:
    """Mark price and funding."""
    return call.one_or_all(lambda symbol: wire.premium_index(call.sim.exchange, symbol))


def funding_rate(call: Call) -> Any:
    """Settlements of the past."""
    symbol = call.symbol if call.params.text("symbol") else None
    span = call.params.span()
    rows = call.sim.tape.funding(symbol, span, call.params.limit(100, 1000))
    return [wire.funding(row) for row in rows]


def funding_info(call: Call) -> Any:
    """Funding intervals and caps."""
    return [wire.funding_info(contract) for contract in call.sim.exchange.contracts.values()]


def ticker_24h(call: Call) -> Any:
    """Statistics of 24 hours."""
    now = call.sim.exchange.now_ms

    def show(symbol: str) -> Any:
        day = call.sim.tape.symbols[symbol].ticker(now)
        return wire.ticker(symbol, day, call.sim.exchange.contracts[symbol], now)

    return call.one_or_all(show)


def price(call: Call) -> Any:
    """Last prices."""
    return call.one_or_all(lambda symbol: wire.price_ticker(call.sim.exchange, symbol))


def book_ticker(call: Call) -> Any:
    """Best bid and ask."""
    return call.one_or_all(lambda symbol: wire.book_ticker(call.sim.exchange, symbol))


def open_interest(call: Call) -> Any:
    """Open interest now, of customers and outside."""
    symbol, exchange = call.symbol, call.sim.exchange
    shown = exchange.contracts[symbol]
    now = sample_of(
        shown,
        exchange.now_ms,
        list(exchange.accounts.values()),
        exchange.outside_interest.get(symbol, 0),
        exchange.mark_e8.get(symbol, 0),
    )
    return {
        "openInterest": shown.quantity(now.interest_steps),
        "symbol": symbol,
        "time": exchange.now_ms,
    }


def insurance(call: Call) -> Any:
    """The insurance fund."""
    balance = show_e8(call.sim.exchange.insurance_e8)
    asset = {
        "asset": "USDT",
        "marginBalance": balance,
        "updateTime": call.sim.exchange.now_ms,
    }
    return {"symbols": call.symbols(), "assets": [asset]}


def constituents(call: Call) -> Any:
    """What the index is made of: here the feed's one price."""
    symbol, exchange = call.symbol, call.sim.exchange
    row = {
        "exchange": "feed",
        "symbol": symbol,
        "price": show_e8(exchange.index_e8.get(symbol, 0)),
        "weight": "1.00000000",
    }
    return {"symbol": symbol, "time": exchange.now_ms, "constituents": [row]}


def adl_risk(call: Call) -> Any:
    """How likely the insurance fund runs out, so that holders are deleveraged."""
    exchange, held = call.sim.exchange, 0
    for account in exchange.accounts.values():
        held += sum(abs(value_e8(p, exchange.mark_e8)) for p in account.positions.values())
    return call.one_or_all(lambda s: wire.adl_risk(s, exchange.insurance_e8, held, exchange.now_ms))


def trading_schedule(call: Call) -> Any:
    """Hours of the markets behind contracts that have some; crypto never closes."""
    return {"updateTime": call.sim.server_ms(), "marketSchedules": {}}


def nothing(_: Call) -> Any:
    """An empty list: asset and composite indices don't exist here."""
    return []


def depth_weight(params: Params) -> int:
    """2, 5, 10 or 20 by the number of levels."""
    limit = _number(params, 500)
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def kline_weight(params: Params) -> int:
    """1, 2, 5 or 10 by the number of candles."""
    limit = _number(params, 500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def _number(params: Params, default: int) -> int:
    text = params.values.get("limit", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else default


def one_or_all_weight(one: int, every: int) -> Any:
    """The weight with and without a symbol."""
    return lambda params: one if params.values.get("symbol") else every


ENDPOINTS = [
    Endpoint("GET", "/fapi/v1/ping", "NONE", 1, ping),
    Endpoint("GET", "/fapi/v1/time", "NONE", 1, server_time),
    Endpoint("GET", "/api/v3/ping", "NONE", 1, ping),
    Endpoint("GET", "/api/v3/time", "NONE", 1, server_time),
    Endpoint("GET", "/fapi/v1/exchangeInfo", "NONE", 1, exchange_info),
    Endpoint("GET", "/fapi/v1/depth", "NONE", depth_weight, depth),
    Endpoint("GET", "/fapi/v1/rpiDepth", "NONE", 20, depth),
    Endpoint("GET", "/fapi/v1/trades", "NONE", 5, trades),
    Endpoint("GET", "/fapi/v1/historicalTrades", "KEY", 200, historical_trades),
    Endpoint("GET", "/fapi/v1/aggTrades", "NONE", 20, agg_trades),
    Endpoint("GET", "/fapi/v1/klines", "NONE", kline_weight, klines),
    Endpoint("GET", "/fapi/v1/continuousKlines", "NONE", kline_weight, continuous_klines),
    Endpoint("GET", "/fapi/v1/markPriceKlines", "NONE", kline_weight, mark_klines),
    Endpoint("GET", "/fapi/v1/indexPriceKlines", "NONE", kline_weight, index_klines),
    Endpoint("GET", "/fapi/v1/premiumIndexKlines", "NONE", kline_weight, premium_klines),
    Endpoint("GET", "/fapi/v1/premiumIndex", "NONE", one_or_all_weight(1, 10), premium_index),
    Endpoint("GET", "/fapi/v1/fundingRate", "NONE", 1, funding_rate),
    Endpoint("GET", "/fapi/v1/fundingInfo", "NONE", 1, funding_info),
    Endpoint("GET", "/fapi/v1/ticker/24hr", "NONE", one_or_all_weight(1, 40), ticker_24h),
    Endpoint("GET", "/fapi/v1/ticker/price", "NONE", one_or_all_weight(1, 2), price),
    Endpoint("GET", "/fapi/v2/ticker/price", "NONE", one_or_all_weight(1, 2), price),
    Endpoint("GET", "/fapi/v1/ticker/bookTicker", "NONE", one_or_all_weight(2, 5), book_ticker),
    Endpoint("GET", "/fapi/v1/openInterest", "NONE", 1, open_interest),
    Endpoint("GET", "/fapi/v1/insuranceBalance", "NONE", 1, insurance),
    Endpoint("GET", "/fapi/v1/symbolAdlRisk", "NONE", 1, adl_risk),
    Endpoint("GET", "/fapi/v1/tradingSchedule", "NONE", 5, trading_schedule),
    Endpoint("GET", "/fapi/v1/constituents", "NONE", 2, constituents),
    Endpoint("GET", "/fapi/v1/assetIndex", "NONE", one_or_all_weight(1, 10), nothing),
    Endpoint("GET", "/fapi/v1/indexInfo", "NONE", 1, nothing),
]
