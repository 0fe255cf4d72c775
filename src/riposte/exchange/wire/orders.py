"""Orders, conditional orders, fills and their answers."""

from __future__ import annotations

from typing import Any

from riposte.exchange.contract import Contract
from riposte.exchange.records import Account, AlgoOrder, Fill, Order
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8, rounded_ratio, show_e8, show_trimmed

Json = dict[str, Any]


def mean_price(contract: Contract, executed: int, quote_e8: int) -> str:
    """Average price of what was executed, with a place more than a price has; 0 of nothing."""
    value = rounded_ratio(quote_e8, E8, executed * contract.step_e8) if executed else 0
    return show_e8(value, contract.price_decimals + 1)


def average_price(order: Order) -> str:
    """Average price of the fills, as an order answer writes it."""
    return mean_price(order.contract, order.executed, order.executed_quote_e8)


def percent(ppm: int) -> str:
    """A rate as a percentage: ``0.5``."""
    return show_trimmed(ppm * E8 // 10_000)


def _order(order: Order) -> Json:
    contract = order.contract
    shown: Json = {
        "orderId": order.order_id,
        "symbol": contract.symbol,
        "status": order.status,
        "clientOrderId": order.client_order_id,
        "price": contract.price(order.price_ticks),
        "origQty": contract.quantity(order.quantity),
        "executedQty": contract.quantity(order.executed),
        "timeInForce": order.time_in_force,
        "type": "LIMIT" if order.type == "LIQUIDATION" else order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": contract.price(order.trigger_ticks) if order.trigger_ticks else "0",
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": "LIMIT" if order.type == "LIQUIDATION" else order.original_type,
        "priceMatch": order.price_match,
        "selfTradePreventionMode": order.stp_mode,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }
    if order.original_type == "TRAILING_STOP_MARKET":
        shown["activatePrice"] = contract.price(order.activate_ticks)
        shown["priceRate"] = percent(order.callback_ppm)
    return shown


def order_answer(order: Order, switches: Switches) -> Json:
    """The answer to POST of an order."""
    shown = _order(order)
    shown["cumQty"] = order.contract.quantity(order.executed)
    if switches.order_answer == "before":
        shown["avgPrice"] = average_price(order)
        shown["cumQuote"] = show_trimmed(order.executed_quote_e8)
    return shown


def cancel_answer(order: Order, switches: Switches) -> Json:
    """The answer to DELETE of an order; it never had an average price."""
    shown = order_answer(order, switches)
    shown.pop("avgPrice", None)
    return shown


def amended_answer(order: Order, switches: Switches) -> Json:
    """The answer to PUT of an order."""
    shown = order_answer(order, switches)
    shown.pop("cumQuote", None)
    shown["pair"] = order.contract.symbol
    shown["cumBase"] = show_trimmed(order.executed * order.contract.step_e8)
    if order.modify_id is not None:
        shown["modifyId"] = order.modify_id
    return shown


def without_pair(amended: Json) -> Json:
    """The same over the WebSocket API, which says less of the pair and more of the value."""
    kept = ("pair", "cumBase")
    return {name: value for name, value in amended.items() if name not in kept}


def order_query(order: Order) -> Json:
    """An order as GET shows it."""
    return _order(order) | {
        "avgPrice": average_price(order),
        "cumQuote": show_trimmed(order.executed_quote_e8),
        "time": order.created_ms,
    }


def forced_order(order: Order) -> Json:
    """An order of the exchange as ``forceOrders`` shows it."""
    shown = order_query(order)
    for name in ("priceProtect", "priceMatch", "selfTradePreventionMode", "goodTillDate"):
        del shown[name]
    return shown


def amendments(account: Account, symbol: str) -> list[Json]:
    """The changes of a symbol's orders, newest first."""
    rows: list[Json] = []
    counts: dict[int, int] = {}
    for number, (time_ms, order, before, after, mine) in enumerate(account.amendments, start=1):
        counts[order.order_id] = counts.get(order.order_id, 0) + 1
        contract = order.contract
        if contract.symbol == symbol:
            rows.append(
                {
                    "amendmentId": number,
                    "symbol": symbol,
                    "pair": symbol,
                    "orderId": order.order_id,
                    "clientOrderId": order.client_order_id,
                    "time": time_ms,
                    "amendment": {
                        "price": {
                            "before": contract.price(before[0]),
                            "after": contract.price(after[0]),
                        },
                        "origQty": {
                            "before": contract.quantity(before[1]),
                            "after": contract.quantity(after[1]),
                        },
                        "count": counts[order.order_id],
                        **({"modifyId": mine} if mine is not None else {}),
                    },
                    "priceMatch": order.price_match,
                }
            )
    return rows[::-1]


def _algo(algo: AlgoOrder) -> Json:
    contract = algo.contract
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_algo_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": contract.symbol,
        "side": algo.side,
        "positionSide": algo.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": contract.quantity(algo.quantity),
        "algoStatus": algo.status,
        "triggerPrice": contract.price(algo.trigger_ticks),
        "price": contract.price(algo.price_ticks),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.stp_mode,
        "workingType": algo.working_type,
        "priceMatch": algo.price_match,
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }


def algo_answer(algo: AlgoOrder) -> Json:
    """The answer to POST of a conditional order."""
    return _algo(algo) | {
        "activatePrice": algo.contract.price(algo.activate_ticks) if algo.activate_ticks else "",
        "callbackRate": percent(algo.callback_ppm) if algo.callback_ppm else "",
    }


def algo_cancelled(algo: AlgoOrder) -> Json:
    """The answer to DELETE of a conditional order."""
    return _algo(algo)


def algo_query(algo: AlgoOrder) -> Json:
    """A conditional order as GET shows it."""
    child, contract = algo.child, algo.contract
    nothing = contract.price(0)
    shown = _algo(algo) | {
        "actualOrderId": "" if child is None else str(child.order_id),
        "actualPrice": average_price(child) if child else mean_price(contract, 0, 0),
        "tpTriggerPrice": nothing,
        "tpPrice": nothing,
        "slTriggerPrice": nothing,
        "slPrice": nothing,
        "tpOrderType": "",
    }
    if child is not None:
        shown["actualType"] = child.type
        shown["actualQty"] = contract.quantity(child.executed)
    return shown


def user_trade(account: Account, fill: Fill) -> Json:
    """A fill as ``userTrades`` shows it."""
    contract = account.orders[fill.order_id].contract
    return {
        "buyer": fill.side == "BUY",
        "commission": show_e8(fill.fee_e8),
        "commissionAsset": contract.quote,
        "id": fill.trade_id,
        "maker": fill.maker,
        "orderId": fill.order_id,
        "price": contract.price(fill.price_ticks),
        "qty": contract.quantity(fill.quantity),
        "quoteQty": show_trimmed(fill.notional_e8),
        "realizedPnl": show_e8(fill.realized_e8),
        "side": fill.side,
        "positionSide": fill.position_side,
        "symbol": fill.symbol,
        "time": fill.time_ms,
    }
