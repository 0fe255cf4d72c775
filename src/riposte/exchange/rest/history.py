"""What an account ordered and traded: orders, amendments, fills, forced orders."""

from __future__ import annotations

from typing import Any

from riposte.exchange.bars import DAY_MS
from riposte.exchange.records import Order
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.rest.market import one_or_all_weight
from riposte.exchange.rest.trading import order_ids
from riposte.exchange.units import E8, rounded_ratio
from riposte.exchange.wire import orders as wire

KEPT_MS = 90 * DAY_MS
KEPT_UNFILLED_MS = 3 * DAY_MS


def _forgotten(call: Call, order: Order) -> bool:
    """Whether the exchange no longer shows an order: unfilled ones go after 3 days, all after 90."""
    age = call.sim.exchange.now_ms - order.updated_ms
    unfilled = order.status in ("CANCELED", "EXPIRED") and not order.executed
    return age > (KEPT_UNFILLED_MS if unfilled else KEPT_MS) and not order.open


def get_order(call: Call) -> Any:
    """``GET order``."""
    order = call.sim.exchange.find_order(call.caller, *order_ids(call))
    if _forgotten(call, order):
        raise Refusal(-2013)
    return wire.order_query(order)


def open_order(call: Call) -> Any:
    """``GET openOrder``."""
    order = call.sim.exchange.find_order(call.caller, *order_ids(call))
    if not order.open:
        raise Refusal(-2013)
    return wire.order_query(order)


def open_orders(call: Call) -> Any:
    """``GET openOrders``."""
    symbols = set(call.symbols())
    orders = call.caller.open_orders.values()
    return [wire.order_query(order) for order in orders if order.contract.symbol in symbols]


def all_orders(call: Call) -> Any:
    """``GET allOrders``."""
    symbol, first = call.symbol, call.params.integer("orderId", least=0)
    span, limit = call.params.span(), call.params.limit(500, 1000)
    rows = [
        order
        for order in call.caller.orders.values()
        if order.contract.symbol == symbol
        and order.order_id >= first
        and order.created_ms in span
        and not _forgotten(call, order)
    ]
    return [wire.order_query(order) for order in span.page(rows, limit, first=bool(first))]


def amendments(call: Call) -> Any:
    """``GET orderAmendment``."""
    symbol, number = call.symbol, call.params.integer("orderId", least=0)
    client_id = call.params.text("origClientOrderId")
    rows = wire.amendments(call.caller, symbol)
    chosen = [
        row
        for row in rows
        if (not number or row["orderId"] == number)
        and (not client_id or row["clientOrderId"] == client_id)
    ]
    return chosen[: call.params.limit(50, 100)]


def user_trades(call: Call) -> Any:
    """``GET userTrades``: at most seven days."""
    symbol = call.symbol
    span = start, end = call.params.span()
    if start is not None and end is not None and end - start > 7 * DAY_MS:
        raise Refusal(-1127, hours=7 * 24)
    order_id = call.params.integer("orderId", least=0)
    first = call.params.integer("fromId", least=0)
    limit = call.params.limit(500, 1000)
    rows = [
        fill
        for fill in call.caller.fills
        if fill.symbol == symbol
        and (not order_id or fill.order_id == order_id)
        and fill.trade_id >= first
        and fill.time_ms in span
    ]
    shown = span.page(rows, limit, first=bool(first))
    return [wire.user_trade(call.caller, fill) for fill in shown]


def forced_orders(call: Call) -> Any:
    """``GET forceOrders``: liquidations and ADL of the account."""
    symbols = set(call.symbols())
    kind = call.params.text("autoCloseType").upper()
    prefix = {"": ("autoclose-", "adl_"), "LIQUIDATION": ("autoclose-",), "ADL": ("adl_",)}.get(
        kind
    )
    if prefix is None:
        raise Refusal(-1130, name="autoCloseType")
    span = call.params.span()
    rows = [
        order
        for order in call.caller.orders.values()
        if order.type == "LIQUIDATION"
        and order.contract.symbol in symbols
        and order.client_order_id.startswith(prefix)
        and order.created_ms in span
    ]
    return [wire.forced_order(order) for order in rows[-call.params.limit(50, 100) :]]


def commission(call: Call) -> Any:
    """``GET commissionRate``."""
    contract = call.sim.exchange.contracts[call.symbol]

    def rate(ppm: int) -> str:
        value = rounded_ratio(ppm, E8, 1_000_000)
        return f"{value / E8:.6f}".rstrip("0")

    return {
        "symbol": contract.symbol,
        "makerCommissionRate": rate(contract.maker_ppm),
        "takerCommissionRate": rate(contract.taker_ppm),
        "rpiCommissionRate": rate(contract.maker_ppm),
    }


ENDPOINTS = [
    Endpoint("GET", "/fapi/v1/order", "USER_DATA", 1, get_order),
    Endpoint("GET", "/fapi/v1/openOrder", "USER_DATA", 1, open_order),
    Endpoint("GET", "/fapi/v1/openOrders", "USER_DATA", one_or_all_weight(1, 40), open_orders),
    Endpoint("GET", "/fapi/v1/allOrders", "USER_DATA", 5, all_orders),
    Endpoint("GET", "/fapi/v1/orderAmendment", "USER_DATA", 1, amendments),
    Endpoint("GET", "/fapi/v1/userTrades", "USER_DATA", 5, user_trades),
    Endpoint("GET", "/fapi/v1/forceOrders", "USER_DATA", one_or_all_weight(20, 50), forced_orders),
    Endpoint("GET", "/fapi/v1/commissionRate", "USER_DATA", 20, commission),
]
