"""Conditional orders: the algo service."""

from __future__ import annotations

from typing import Any

from riposte.exchange.params import Params
from riposte.exchange.records import OPEN_ALGO_STATUSES, AlgoOrder
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import NewAlgo
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.rest.market import one_or_all_weight
from riposte.exchange.rest.trading import DONE, refuse_unread
from riposte.exchange.wire import orders as wire


def new_algo(params: Params) -> NewAlgo:
    """A conditional order as it was asked for; the old names of its parameters are understood."""
    if params.needed("algoType").upper() != "CONDITIONAL":
        raise Refusal(-1130, name="algoType")
    params.choice("newOrderRespType", ("ACK", "RESULT"), -1136)
    return NewAlgo(
        params.needed("symbol").upper(),
        params.side(),
        params.needed("type").upper(),
        trigger_price_e8=params.e8("triggerPrice"),
        quantity_e8=params.e8("quantity"),
        price_e8=params.e8("price"),
        time_in_force=params.text("timeInForce").upper(),
        position_side=params.position_side(),
        working_type=params.working_type(),
        price_match=params.text("priceMatch", "NONE").upper(),
        stp_mode=params.text("selfTradePreventionMode", "EXPIRE_MAKER").upper(),
        close_position=params.flag("closePosition"),
        price_protect=params.flag("priceProtect"),
        reduce_only=params.flag("reduceOnly"),
        activate_price_e8=params.e8("activatePrice"),
        callback_ppm=params.percent_ppm("callbackRate"),
        client_algo_id=params.text("clientAlgoId"),
        good_till_ms=params.time("goodTillDate") or 0,
    )


def place_algo(call: Call) -> Any:
    """``POST algoOrder``."""
    request = new_algo(call.params)
    refuse_unread(call, call.params)
    return wire.algo_answer(call.sim.exchange.place_algo(call.caller, request))


def _algo_ids(call: Call) -> tuple[int, str]:
    number = call.params.integer("algoId", least=0)
    client_id = call.params.text("clientAlgoId")
    if not number and not client_id:
        raise Refusal(-1102, name="algoId")
    return number, client_id


def cancel_algo(call: Call) -> Any:
    """``DELETE algoOrder``."""
    algo = call.sim.exchange.cancel_algo(call.caller, *_algo_ids(call))
    return wire.algo_cancelled(algo) | {"code": "200", "msg": "success"}


def get_algo(call: Call) -> Any:
    """``GET algoOrder``."""
    return wire.algo_query(call.sim.exchange.find_algo(call.caller, *_algo_ids(call)))


def open_algos(call: Call) -> Any:
    """``GET openAlgoOrders``."""
    symbols = set(call.symbols())
    kind = call.params.text("algoType", "CONDITIONAL").upper()
    number = call.params.integer("algoId", least=0)
    return [
        wire.algo_query(algo)
        for algo in call.caller.open_algos.values()
        if algo.contract.symbol in symbols
        and kind == "CONDITIONAL"
        and algo.status in OPEN_ALGO_STATUSES
        and number in (0, algo.algo_id)
    ]


def all_algos(call: Call) -> Any:
    """``GET allAlgoOrders``."""
    symbol, first = call.symbol, call.params.integer("algoId", least=0)
    span = call.params.span()
    page = call.params.integer("page", 0, least=0)
    limit = call.params.limit(500, 1000)
    rows: list[AlgoOrder] = [
        algo
        for algo in call.caller.algos.values()
        if algo.contract.symbol == symbol and algo.algo_id >= first and algo.created_ms in span
    ]
    chosen = span.page(rows[page * limit :], limit, first=bool(first or page))
    return [wire.algo_query(algo) for algo in chosen]


def cancel_all_algos(call: Call) -> Any:
    """``DELETE algoOpenOrders``."""
    call.sim.exchange.cancel_all_algos(call.caller, call.symbol)
    return DONE


ENDPOINTS = [
    Endpoint("POST", "/fapi/v1/algoOrder", "TRADE", 0, place_algo, orders=1),
    Endpoint("DELETE", "/fapi/v1/algoOrder", "TRADE", 1, cancel_algo),
    Endpoint("GET", "/fapi/v1/algoOrder", "USER_DATA", 1, get_algo),
    Endpoint("GET", "/fapi/v1/openAlgoOrders", "USER_DATA", one_or_all_weight(1, 40), open_algos),
    Endpoint("GET", "/fapi/v1/allAlgoOrders", "USER_DATA", 5, all_algos),
    Endpoint("DELETE", "/fapi/v1/algoOpenOrders", "TRADE", 1, cancel_all_algos),
]
