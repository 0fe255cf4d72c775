"""What the user stream says, in the exchange's short names ("User Data Streams", Binance USD-M)."""

from __future__ import annotations

from riposte.exchange.contract import Contract
from riposte.exchange.events import (
    AccountChanged,
    AlgoChanged,
    ConfigChanged,
    Event,
    MarginCalled,
    OrderChanged,
    PositionState,
)
from riposte.exchange.margin import break_even_e8, entry_price_e8
from riposte.exchange.units import show_e8, show_trimmed
from riposte.exchange.wire.orders import Json, mean_price, percent

ASSET = "USDT"


def messages(event: Event, now_ms: int) -> list[Json]:
    """What an account is told of an event of its own; nothing of any other kind.

    A fill comes twice, first short (TRADE_LITE) and then whole.
    """
    match event:
        case OrderChanged():
            whole = order_update(event, now_ms)
            return [whole] if event.fill is None else [trade_lite(event, now_ms), whole]
        case AccountChanged():
            return [account_update(event, now_ms)]
        case AlgoChanged():
            return [algo_update(event, now_ms)]
        case ConfigChanged():
            return [config_update(event, now_ms)]
        case MarginCalled():
            return [margin_call(event, now_ms)]
    return []


def _average(contract: Contract, executed: int, quote_e8: int) -> str:
    return mean_price(contract, executed, quote_e8) if executed else "0"


def order_update(event: OrderChanged, now_ms: int) -> Json:
    """ORDER_TRADE_UPDATE."""
    order, fill, contract = event.order, event.fill, event.order.contract
    forced = order.type == "LIQUIDATION"
    said: Json = {
        "s": contract.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": "LIQUIDATION" if forced else order.type,
        "f": order.time_in_force,
        "q": contract.quantity(event.quantity),
        "p": contract.price(event.price_ticks) if event.price_ticks else "0",
        "ap": _average(contract, event.executed, event.executed_quote_e8),
        "sp": contract.price(order.trigger_ticks) if order.trigger_ticks else "0",
        "x": event.execution,
        "X": event.status,
        "i": order.order_id,
        "l": contract.quantity(fill.quantity) if fill else "0",
        "z": contract.quantity(event.executed) if event.executed else "0",
        "L": contract.price(fill.price_ticks) if fill else "0",
        "N": contract.quote,
        "n": show_e8(fill.fee_e8) if fill else "0",
        "T": event.time_ms,
        "t": fill.trade_id if fill else 0,
        "b": _resting(event, "BUY"),
        "a": _resting(event, "SELL"),
        "m": fill.maker if fill else False,
        "R": order.reduce_only,
        "wt": order.working_type,
        "ot": "LIQUIDATION" if forced else order.original_type,
        "ps": order.position_side,
        "cp": order.close_position,
        "pP": order.price_protect,
        "si": 0,
        "ss": 0,
        "rp": show_e8(fill.realized_e8) if fill else "0",
        "V": order.stp_mode,
        "pm": order.price_match,
        "gtd": order.good_till_ms,
        "er": order.expire_reason,
    }
    if order.original_type == "TRAILING_STOP_MARKET":
        said["AP"] = contract.price(order.activate_ticks)
        said["cr"] = percent(order.callback_ppm)
    if event.execution == "AMENDMENT" and order.modify_id is not None:
        said["M"] = str(order.modify_id)
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": event.time_ms, "o": said}


def _resting(event: OrderChanged, side: str) -> str:
    """Notional of the order that still rests, on its own side."""
    order = event.order
    if order.side != side or event.status not in ("NEW", "PARTIALLY_FILLED"):
        return "0"
    left = event.quantity - event.executed
    return show_trimmed(order.contract.notional_e8(event.price_ticks, left))


def trade_lite(event: OrderChanged, now_ms: int) -> Json:
    """TRADE_LITE: a fill in short, sent first."""
    order, fill, contract = event.order, event.fill, event.order.contract
    if fill is None:
        raise ValueError("only a fill is told in short")
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": event.time_ms,
        "s": contract.symbol,
        "q": contract.quantity(event.quantity),
        "p": contract.price(event.price_ticks) if event.price_ticks else "0",
        "m": fill.maker,
        "c": order.client_order_id,
        "S": order.side,
        "L": contract.price(fill.price_ticks),
        "l": contract.quantity(fill.quantity),
        "t": fill.trade_id,
        "i": order.order_id,
    }


def account_update(event: AccountChanged, now_ms: int) -> Json:
    """ACCOUNT_UPDATE: only what changed."""
    balance = {
        "a": ASSET,
        "wb": show_e8(event.wallet_e8),
        "cw": show_e8(event.cross_wallet_e8),
        "bc": show_e8(event.balance_change_e8),
    }
    said: Json = {
        "m": event.reason,
        "B": [balance] if event.balance_listed else [],
        "P": [_position(state) for state in event.positions],
    }
    if event.symbol:
        said["S"] = event.symbol
    return {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": event.time_ms, "a": said}


def _quantity(state: PositionState) -> str:
    return show_trimmed(state.quantity * state.step_e8)


def _position(state: PositionState) -> Json:
    return {
        "s": state.symbol,
        "pa": _quantity(state),
        "ep": show_trimmed(entry_price_e8(state)),
        "bep": show_trimmed(break_even_e8(state)),
        "cr": show_trimmed(state.realized_e8),
        "up": show_e8(state.unrealized_e8),
        "mt": "isolated" if state.isolated else "cross",
        "iw": show_e8(state.isolated_wallet_e8) if state.isolated else "0",
        "ps": state.side,
    }


def algo_update(event: AlgoChanged, now_ms: int) -> Json:
    """ALGO_UPDATE."""
    algo, contract = event.algo, event.algo.contract
    child = algo.child
    said: Json = {
        "caid": algo.client_algo_id,
        "aid": algo.algo_id,
        "at": "CONDITIONAL",
        "o": algo.type,
        "s": contract.symbol,
        "S": algo.side,
        "ps": algo.position_side,
        "f": algo.time_in_force,
        "q": contract.quantity(algo.quantity),
        "X": event.status,
        "ai": str(event.child_id) if event.child_id else "",
        "ap": _average(contract, event.child_executed, event.child_quote_e8),
        "aq": contract.quantity(event.child_executed),
        "act": child.type if event.child_id and child is not None else "0",
        "tp": contract.price(algo.trigger_ticks),
        "p": contract.price(algo.price_ticks),
        "V": algo.stp_mode,
        "wt": algo.working_type,
        "pm": algo.price_match,
        "cp": algo.close_position,
        "pP": algo.price_protect,
        "R": algo.reduce_only,
        "tt": algo.triggered_ms,
        "gtd": algo.good_till_ms,
    }
    if event.reject_reason:
        said["rm"] = event.reject_reason
    if algo.type == "TRAILING_STOP_MARKET":
        said["AP"] = contract.price(algo.activate_ticks) if algo.activate_ticks else "0"
        said["cr"] = percent(algo.callback_ppm)
    return {"e": "ALGO_UPDATE", "T": event.time_ms, "E": now_ms, "o": said}


def config_update(event: ConfigChanged, now_ms: int) -> Json:
    """ACCOUNT_CONFIG_UPDATE: a symbol's leverage, or the asset mode."""
    head: Json = {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": event.time_ms}
    if event.symbol:
        return head | {"ac": {"s": event.symbol, "l": event.leverage}}
    return head | {"ai": {"j": event.multi_assets}}


def margin_call(event: MarginCalled, now_ms: int) -> Json:
    """MARGIN_CALL: positions whose margin runs out."""
    rows = [
        {
            "s": state.symbol,
            "ps": state.side,
            "pa": _quantity(state),
            "mt": "ISOLATED" if state.isolated else "CROSSED",
            "iw": show_e8(state.isolated_wallet_e8) if state.isolated else "0",
            "mp": show_e8(mark_e8),
            "up": show_e8(state.unrealized_e8),
            "mm": show_e8(maintenance_e8),
        }
        for state, mark_e8, maintenance_e8 in event.positions
    ]
    return {"e": "MARGIN_CALL", "E": now_ms, "cw": show_e8(event.cross_wallet_e8), "p": rows}


def key_expired(listen_key: str, now_ms: int) -> Json:
    """listenKeyExpired: nothing more will come on this key."""
    return {"e": "listenKeyExpired", "E": now_ms, "listenKey": listen_key}
