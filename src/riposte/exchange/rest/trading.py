"""Orders, conditional orders, batches, fills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from riposte.exchange.params import Params, texts_of
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import Amendment, NewOrder
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.wire import orders as wire

BATCH = 5
CANCELS = 10
DONE = {"code": 200, "msg": "The operation of cancel all open order is done."}

# What every signed request may carry beside its own parameters.
COMMON = {"timestamp", "recvWindow", "signature", "apiKey"}


def new_order(params: Params) -> NewOrder:
    """An order as it was asked for."""
    params.needed("symbol")
    request = NewOrder(
        params.text("symbol").upper(),
        params.side(),
        params.needed("type").upper(),
        quantity_e8=params.e8("quantity"),
        price_e8=params.e8("price"),
        time_in_force=params.text("timeInForce").upper(),
        position_side=params.position_side(),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        client_order_id=params.text("newClientOrderId"),
        price_match=params.text("priceMatch", "NONE").upper(),
        stp_mode=params.text("selfTradePreventionMode", "EXPIRE_MAKER").upper(),
        good_till_ms=params.time("goodTillDate") or 0,
    )
    params.choice("newOrderRespType", ("ACK", "RESULT"), -1136)
    if request.quantity_e8 == 0 and not params.text("quantity"):
        raise Refusal(-1102, name="quantity")
    for name in ("stopPrice", "activationPrice", "callbackRate", "workingType", "priceProtect"):
        params.text(name)  # of the conditional types, which are refused by name
    return request


def refuse_unread(call: Call, params: Params) -> None:
    """An unknown parameter: ignored, or -1104, as the switch says."""
    if call.sim.switches.unknown_parameters == "refuse":
        unread = [name for name in params.unread() if name not in COMMON]
        if unread:
            sent = len(params.values)
            raise Refusal(-1104, read=sent - len(unread), sent=sent)


def place(call: Call) -> Any:
    """``POST order``."""
    request = new_order(call.params)
    refuse_unread(call, call.params)
    order = call.sim.exchange.place(call.caller, request)
    return wire.order_answer(order, call.sim.switches)


def test_order(call: Call) -> Any:
    """``POST order/test``: checked, not placed."""
    request = new_order(call.params)
    refuse_unread(call, call.params)
    call.sim.exchange.test_order(call.caller, request)
    return {}


def order_ids(call: Call) -> tuple[str, int, str]:
    symbol = call.symbol
    order_id = call.params.integer("orderId", least=0)
    client_id = call.params.text("origClientOrderId")
    if not order_id and not client_id:
        raise Refusal(-1102, name="origClientOrderId")
    return symbol, order_id, client_id


def cancel(call: Call) -> Any:
    """``DELETE order``."""
    order = call.sim.exchange.cancel(call.caller, *order_ids(call))
    return wire.cancel_answer(order, call.sim.switches)


def _amendment(params: Params) -> Amendment:
    request = Amendment(
        params.needed("symbol").upper(),
        params.side(),
        params.e8("quantity"),
        params.e8("price"),
        params.integer("orderId", least=0),
        params.text("origClientOrderId"),
        params.text("priceMatch", "NONE").upper(),
        params.integer("modifyId") if params.text("modifyId") else None,
    )
    if not request.quantity_e8:
        raise Refusal(-1102, name="quantity")
    if not request.price_e8 and request.price_match == "NONE":
        raise Refusal(-1102, name="price")
    return request


def modify(call: Call) -> Any:
    """``PUT order``."""
    request = _amendment(call.params)
    refuse_unread(call, call.params)
    order = call.sim.exchange.modify(call.caller, request)
    return wire.amended_answer(order, call.sim.switches)


def cancel_all(call: Call) -> Any:
    """``DELETE allOpenOrders``: not the conditional ones."""
    call.sim.exchange.cancel_all(call.caller, call.symbol)
    return DONE


def _each(rows: list[Any], work: Callable[[Any], Any]) -> list[Any]:
    """Work on each row by itself: its answer, or its refusal in its place."""
    answers = []
    for row in rows:
        try:
            answers.append(work(row))
        except Refusal as refusal:
            answers.append(refusal.body)
    return answers


def _listed(params: Params, name: str) -> list[Any]:
    """A JSON list sent as a parameter."""
    try:
        rows = orjson.loads(params.needed(name))
    except orjson.JSONDecodeError as error:
        raise Refusal(-1130, name=name) from error
    if not isinstance(rows, list) or not rows:
        raise Refusal(-1130, name=name)
    return rows


def _texts(row: Any) -> Params:
    if not isinstance(row, dict):
        raise Refusal(-1130, name="batchOrders")
    return Params(texts_of(row))


def place_batch(call: Call) -> Any:
    """``POST batchOrders``: up to five, each by itself."""
    rows = _listed(call.params, "batchOrders")
    if len(rows) > BATCH:
        raise Refusal(-4082)

    def one(row: Any) -> Any:
        params = _texts(row)
        request = new_order(params)
        refuse_unread(call, params)
        order = call.sim.exchange.place(call.caller, request)
        return wire.order_answer(order, call.sim.switches)

    return _each(rows, one)


def modify_batch(call: Call) -> Any:
    """``PUT batchOrders``."""
    rows = _listed(call.params, "batchOrders")
    if len(rows) > BATCH:
        raise Refusal(-4082)

    def one(row: Any) -> Any:
        order = call.sim.exchange.modify(call.caller, _amendment(_texts(row)))
        return wire.amended_answer(order, call.sim.switches)

    return _each(rows, one)


def cancel_batch(call: Call) -> Any:
    """``DELETE batchOrders`` by ids; the names are also understood in lower case."""
    symbol = call.symbol
    ids: list[Any] = []
    for name in ("orderIdList", "orderidlist", "origClientOrderIdList", "origclientorderidlist"):
        if call.params.text(name):
            ids = _listed(call.params, name)
            break
    else:
        raise Refusal(-1102, name="orderIdList")
    if len(ids) > CANCELS:
        raise Refusal(-4082)
    by_number = name.lower() == "orderidlist"

    def one(row: Any) -> Any:
        if isinstance(row, bool) or not isinstance(row, int | str):
            raise Refusal(-1130, name=name)
        if by_number and not (str(row).isascii() and str(row).isdecimal()):
            raise Refusal(-1130, name=name)
        number, client_id = (int(row), "") if by_number else (0, str(row))
        order = call.sim.exchange.cancel(call.caller, symbol, number, client_id)
        return wire.cancel_answer(order, call.sim.switches)

    return _each(ids, one)


def countdown(call: Call) -> Any:
    """``POST countdownCancelAll``."""
    symbol = call.symbol
    call.params.needed("countdownTime")
    length = call.params.integer("countdownTime", least=0)
    call.sim.exchange.countdown(call.caller, symbol, length)
    return {"symbol": symbol, "countdownTime": str(length)}


ENDPOINTS = [
    Endpoint("POST", "/fapi/v1/order", "TRADE", 0, place, orders=1),
    Endpoint("POST", "/fapi/v1/order/test", "TRADE", 1, test_order),
    Endpoint("PUT", "/fapi/v1/order", "TRADE", 0, modify, orders=1),
    Endpoint("DELETE", "/fapi/v1/order", "TRADE", 1, cancel),
    Endpoint("POST", "/fapi/v1/batchOrders", "TRADE", 5, place_batch, orders=5),
    Endpoint("PUT", "/fapi/v1/batchOrders", "TRADE", 5, modify_batch, orders=5),
    Endpoint("DELETE", "/fapi/v1/batchOrders", "TRADE", 1, cancel_batch),
    Endpoint("DELETE", "/fapi/v1/allOpenOrders", "TRADE", 1, cancel_all),
    Endpoint("POST", "/fapi/v1/countdownCancelAll", "TRADE", 10, countdown),
]
