"""The account: balances, positions, settings, income, listen keys."""

from __future__ import annotations

from typing import Any

from riposte.exchange.bars import WEEK_MS
from riposte.exchange.records import Position
from riposte.exchange.refusals import Refusal
from riposte.exchange.rest.endpoint import Call, Endpoint
from riposte.exchange.span import Span
from riposte.exchange.units import E8, show_trimmed
from riposte.exchange.wire import account as wire

DONE = {"code": 200, "msg": "success"}


def account_v3(call: Call) -> Any:
    """``GET account`` of today."""
    return wire.account_v3(call.sim.exchange, call.caller)


def account_v2(call: Call) -> Any:
    """``GET account`` as it was, with every symbol."""
    return wire.account_v2(call.sim.exchange, call.caller)


def balance(call: Call) -> Any:
    """``GET balance``."""
    return wire.balances(call.sim.exchange, call.caller)


def _positions(call: Call, *, every: bool) -> list[Position]:
    symbols = set(call.symbols())
    rows = wire.shown_positions(call.sim.exchange, call.caller, every=every)
    return [position for position in rows if position.contract.symbol in symbols]


def positions_v3(call: Call) -> Any:
    """``GET positionRisk``: only positions, and symbols with orders."""
    exchange, account = call.sim.exchange, call.caller
    return [wire.position_v3(exchange, account, p) for p in _positions(call, every=False)]


def positions_v2(call: Call) -> Any:
    """``GET positionRisk`` as it was, with every symbol."""
    exchange, account = call.sim.exchange, call.caller
    return [wire.position_v2(exchange, account, p) for p in _positions(call, every=True)]


def configuration(call: Call) -> Any:
    """``GET accountConfig``."""
    return wire.configuration(call.caller)


def symbol_configuration(call: Call) -> Any:
    """``GET symbolConfig``."""
    contracts = call.sim.exchange.contracts
    return [wire.symbol_configuration(call.caller, contracts[s]) for s in call.symbols()]


def brackets(call: Call) -> Any:
    """``GET leverageBracket``."""
    contracts = call.sim.exchange.contracts
    return [wire.brackets(contracts[symbol]) for symbol in call.symbols()]


def income(call: Call) -> Any:
    """``GET income``: the last seven days unless asked for otherwise."""
    symbol = call.symbol if call.params.text("symbol") else ""
    kind = call.params.text("incomeType").upper()
    span = call.params.span()
    page = call.params.integer("page", 1, least=1)
    limit = call.params.limit(100, 1000)
    if span == Span():
        span = Span(call.sim.exchange.now_ms - WEEK_MS)
    rows = [
        row
        for row in call.caller.income
        if (not symbol or row.symbol == symbol)
        and (not kind or row.kind == kind)
        and row.time_ms in span
    ]
    return [wire.income(row) for row in rows[(page - 1) * limit :][:limit]]


def adl_quantile(call: Call) -> Any:
    """``GET adlQuantile``: a list, with or without a symbol."""
    exchange, contracts = call.sim.exchange, call.sim.exchange.contracts
    return [wire.adl_quantiles(exchange, call.caller, contracts[s]) for s in call.symbols()]


def set_leverage(call: Call) -> Any:
    """``POST leverage``."""
    symbol = call.symbol
    call.params.needed("leverage")
    leverage = call.params.integer("leverage")
    settings = call.sim.exchange.set_leverage(call.caller, symbol, leverage)
    most = call.sim.exchange.contracts[symbol].max_notional_e8(settings.leverage)
    return {
        "leverage": settings.leverage,
        "maxNotionalValue": show_trimmed(most),
        "symbol": symbol,
    }


def set_margin_type(call: Call) -> Any:
    """``POST marginType``."""
    symbol = call.symbol
    kind = call.params.needed("marginType").upper()
    if kind not in ("ISOLATED", "CROSSED"):
        raise Refusal(-1130, name="marginType")
    call.sim.exchange.set_isolated(call.caller, symbol, kind == "ISOLATED")
    return DONE


def position_margin(call: Call) -> Any:
    """``POST positionMargin``."""
    symbol = call.symbol
    call.params.needed("amount")
    amount = call.params.e8("amount")
    kind = call.params.integer("type", least=1, most=2)
    if kind not in (1, 2):
        raise Refusal(-1102, name="type")
    side = call.params.position_side()
    call.sim.exchange.adjust_isolated_margin(call.caller, symbol, side, amount, add=kind == 1)
    return {
        "amount": amount / E8,
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": kind,
    }


def margin_history(call: Call) -> Any:
    """``GET positionMargin/history``."""
    symbol, kind = call.symbol, call.params.integer("type", least=0, most=2)
    span = call.params.span()
    rows = [
        row
        for row in call.caller.margin_changes
        if row[1] == symbol and kind in (0, row[4]) and row[0] in span
    ]
    return [wire.margin_change(row) for row in rows[-call.params.limit(500, 500) :]]


def get_position_mode(call: Call) -> Any:
    """``GET positionSide/dual``."""
    return {"dualSidePosition": call.caller.hedge_mode}


def set_position_mode(call: Call) -> Any:
    """``POST positionSide/dual``."""
    call.params.needed("dualSidePosition")
    call.sim.exchange.set_hedge_mode(call.caller, call.params.flag("dualSidePosition"))
    return DONE


def get_multi_assets(call: Call) -> Any:
    """``GET multiAssetsMargin``."""
    return {"multiAssetsMargin": call.caller.multi_assets}


def set_multi_assets(call: Call) -> Any:
    """``POST multiAssetsMargin``."""
    call.params.needed("multiAssetsMargin")
    call.sim.exchange.set_multi_assets(call.caller, call.params.flag("multiAssetsMargin"))
    return DONE


def get_fee_burn(call: Call) -> Any:
    """``GET feeBurn``."""
    return {"feeBurn": call.caller.fee_burn}


def set_fee_burn(call: Call) -> Any:
    """``POST feeBurn``: remembered; without BNB fees stay in USDT."""
    call.params.needed("feeBurn")
    call.caller.fee_burn = call.params.flag("feeBurn")
    return DONE


def trading_status(call: Call) -> Any:
    """``GET apiTradingStatus``: nobody is locked by the quantitative rules here."""
    assert call.caller
    return {"indicators": {}, "updateTime": call.sim.exchange.now_ms}


def order_limits(call: Call) -> Any:
    """``GET rateLimit/order``."""
    return [row for row in call.sim.limiter.limits.shown() if row["rateLimitType"] == "ORDERS"]


def issue_listen_key(call: Call) -> Any:
    """``POST listenKey``: the account's live key, its life extended."""
    return {"listenKey": call.sim.listen_keys.issue(call.caller, call.sim.exchange.now_ms)}


def extend_listen_key(call: Call) -> Any:
    """``PUT listenKey`` (-1125)."""
    key = call.sim.listen_keys.extend(call.caller, call.sim.exchange.now_ms)
    return {"listenKey": key}


def close_listen_key(call: Call) -> Any:
    """``DELETE listenKey``."""
    call.sim.listen_keys.close(call.caller)
    return {}


def capital(_: Call) -> Any:
    """``GET /sapi/v1/capital/config/getall``: the coins of the contracts, without networks."""
    coins = sorted({"USDT"} | {c.base for c in _.sim.exchange.contracts.values()})
    return [
        {
            "coin": coin,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "name": coin,
            "free": "0",
            "locked": "0",
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": False,
            "trading": True,
            "networkList": [],
        }
        for coin in coins
    ]


def margin_pairs(_: Call) -> Any:
    """``GET /sapi/v1/margin/allPairs``: nobody lends here; ccxt asks when it has a key."""
    return []


def system_status(call: Call) -> Any:
    """``GET /sapi/v1/system/status``."""
    return {
        "status": int(call.sim.maintenance),
        "msg": "system maintenance" if call.sim.maintenance else "normal",
    }


def restrictions(call: Call) -> Any:
    """``GET /sapi/v1/account/apiRestrictions``: what the key may do."""
    key = call.sim.keys[call.api_key]
    return {
        "ipRestrict": key.ip_restricted,
        "createTime": key.created_ms,
        "enableReading": True,
        "enableWithdrawals": key.can_withdraw,
        "enableInternalTransfer": key.can_withdraw,
        "enableMargin": False,
        "enableFutures": key.can_trade,
        "permitsUniversalTransfer": key.can_withdraw,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }


ENDPOINTS = [
    Endpoint("GET", "/fapi/v3/account", "USER_DATA", 5, account_v3),
    Endpoint("GET", "/fapi/v2/account", "USER_DATA", 5, account_v2),
    Endpoint("GET", "/fapi/v3/balance", "USER_DATA", 5, balance),
    Endpoint("GET", "/fapi/v2/balance", "USER_DATA", 5, balance),
    Endpoint("GET", "/fapi/v3/positionRisk", "USER_DATA", 5, positions_v3),
    Endpoint("GET", "/fapi/v2/positionRisk", "USER_DATA", 5, positions_v2),
    Endpoint("GET", "/fapi/v1/accountConfig", "USER_DATA", 5, configuration),
    Endpoint("GET", "/fapi/v1/symbolConfig", "USER_DATA", 5, symbol_configuration),
    Endpoint("GET", "/fapi/v1/leverageBracket", "USER_DATA", 1, brackets),
    Endpoint("GET", "/fapi/v1/income", "USER_DATA", 30, income),
    Endpoint("GET", "/fapi/v1/adlQuantile", "USER_DATA", 5, adl_quantile),
    Endpoint("POST", "/fapi/v1/leverage", "TRADE", 1, set_leverage),
    Endpoint("POST", "/fapi/v1/marginType", "TRADE", 1, set_margin_type),
    Endpoint("POST", "/fapi/v1/positionMargin", "TRADE", 1, position_margin),
    Endpoint("GET", "/fapi/v1/positionMargin/history", "USER_DATA", 1, margin_history),
    Endpoint("GET", "/fapi/v1/positionSide/dual", "USER_DATA", 30, get_position_mode),
    Endpoint("POST", "/fapi/v1/positionSide/dual", "TRADE", 1, set_position_mode),
    Endpoint("GET", "/fapi/v1/multiAssetsMargin", "USER_DATA", 30, get_multi_assets),
    Endpoint("POST", "/fapi/v1/multiAssetsMargin", "TRADE", 1, set_multi_assets),
    Endpoint("GET", "/fapi/v1/feeBurn", "USER_DATA", 30, get_fee_burn),
    Endpoint("POST", "/fapi/v1/feeBurn", "TRADE", 1, set_fee_burn),
    Endpoint("GET", "/fapi/v1/apiTradingStatus", "USER_DATA", 1, trading_status),
    Endpoint("GET", "/fapi/v1/rateLimit/order", "USER_DATA", 1, order_limits),
    Endpoint("POST", "/fapi/v1/listenKey", "KEY", 1, issue_listen_key),
    Endpoint("PUT", "/fapi/v1/listenKey", "KEY", 1, extend_listen_key),
    Endpoint("DELETE", "/fapi/v1/listenKey", "KEY", 1, close_listen_key),
    Endpoint("GET", "/sapi/v1/capital/config/getall", "USER_DATA", 10, capital),
    Endpoint("GET", "/sapi/v1/margin/allPairs", "KEY", 1, margin_pairs),
    Endpoint("GET", "/sapi/v1/margin/isolated/allPairs", "USER_DATA", 10, margin_pairs),
    Endpoint("GET", "/sapi/v1/system/status", "NONE", 1, system_status),
    Endpoint("GET", "/sapi/v1/account/apiRestrictions", "USER_DATA", 1, restrictions),
]
