"""Balances, positions, settings and income."""

from __future__ import annotations

from typing import Any

from riposte.exchange import margin
from riposte.exchange.contract import Contract
from riposte.exchange.ledger import settings_of
from riposte.exchange.records import Account, Income, Position, PositionSide
from riposte.exchange.state import State
from riposte.exchange.units import E8, PPM, show_e8, show_trimmed

Json = dict[str, Any]


def _balance(view: margin.AccountView) -> Json:
    initial = view.initial_margin + view.open_order_margin
    return {
        "walletBalance": show_e8(view.wallet),
        "unrealizedProfit": show_e8(view.unrealized),
        "marginBalance": show_e8(view.margin_balance),
        "maintMargin": show_e8(view.maintenance),
        "initialMargin": show_e8(initial),
        "positionInitialMargin": show_e8(view.initial_margin),
        "openOrderInitialMargin": show_e8(view.open_order_margin),
        "crossWalletBalance": show_e8(view.cross_wallet),
        "crossUnPnl": show_e8(view.cross_unrealized),
        "availableBalance": show_e8(view.available),
        "maxWithdrawAmount": show_e8(view.max_withdraw),
    }


def _totals(view: margin.AccountView) -> Json:
    initial = view.initial_margin + view.open_order_margin
    return {
        "totalInitialMargin": show_e8(initial),
        "totalMaintMargin": show_e8(view.maintenance),
        "totalWalletBalance": show_e8(view.wallet),
        "totalUnrealizedProfit": show_e8(view.unrealized),
        "totalMarginBalance": show_e8(view.margin_balance),
        "totalPositionInitialMargin": show_e8(view.initial_margin),
        "totalOpenOrderInitialMargin": show_e8(view.open_order_margin),
        "totalCrossWalletBalance": show_e8(view.cross_wallet),
        "totalCrossUnPnl": show_e8(view.cross_unrealized),
        "availableBalance": show_e8(view.available),
        "maxWithdrawAmount": show_e8(view.max_withdraw),
    }


def shown_positions(state: State, account: Account, *, every: bool) -> list[Position]:
    """Positions that exist or have orders; with ``every`` one row for each symbol and side."""
    sides: tuple[PositionSide, ...] = ("LONG", "SHORT") if account.hedge_mode else ("BOTH",)
    busy = {order.contract.symbol for order in account.open_orders.values()}
    found = []
    for symbol, contract in state.contracts.items():
        for side in sides:
            position = account.positions.get((symbol, side)) or Position(contract, side)
            if every or position.quantity or symbol in busy:
                found.append(position)
    return found


def _margins(state: State, account: Account, position: Position) -> tuple[int, int, int]:
    """Initial margin of the position, of its symbol's orders, and its maintenance margin."""
    notional = abs(margin.value_e8(position, state.mark_e8))
    contract = position.contract
    initial = margin.initial_e8(notional, settings_of(account, contract).leverage)
    orders = margin.order_margin_e8(account, contract, state.mark_e8)
    return initial, orders, contract.maintenance_e8(notional) if notional else 0


def _isolated(position: Position, state: State) -> str:
    """Isolated wallet with its unrealised profit (``isolatedMargin``)."""
    if not position.isolated_margin_e8:
        return show_e8(0)
    return show_e8(position.isolated_margin_e8 + margin.unrealized_e8(position, state.mark_e8))


def account_v3(state: State, account: Account) -> Json:
    """``GET /fapi/v3/account``."""
    view = margin.view(account, state.mark_e8)
    asset = {"asset": "USDT"} | _balance(view) | {"updateTime": account.updated_ms}
    rows = []
    for position in shown_positions(state, account, every=False):
        initial, orders, maintenance = _margins(state, account, position)
        contract = position.contract
        rows.append(
            {
                "symbol": contract.symbol,
                "positionSide": position.side,
                "positionAmt": contract.quantity(position.quantity),
                "unrealizedProfit": show_e8(margin.unrealized_e8(position, state.mark_e8)),
                "isolatedMargin": _isolated(position, state),
                "notional": show_trimmed(margin.value_e8(position, state.mark_e8)),
                "isolatedWallet": show_trimmed(position.isolated_margin_e8),
                "initialMargin": show_e8(initial + orders),
                "maintMargin": show_e8(maintenance),
                "updateTime": position.updated_ms,
            }
        )
    return _totals(view) | {"assets": [asset], "positions": rows}


def account_v2(state: State, account: Account) -> Json:
    """``GET /fapi/v2/account``."""
    view = margin.view(account, state.mark_e8)
    asset = (
        {"asset": "USDT"}
        | _balance(view)
        | {"marginAvailable": True, "updateTime": account.updated_ms}
    )
    rows = []
    for position in shown_positions(state, account, every=True):
        initial, orders, maintenance = _margins(state, account, position)
        contract, settings = position.contract, settings_of(account, position.contract)
        rows.append(
            {
                "symbol": contract.symbol,
                "initialMargin": show_trimmed(initial + orders),
                "maintMargin": show_trimmed(maintenance),
                "unrealizedProfit": show_e8(margin.unrealized_e8(position, state.mark_e8)),
                "positionInitialMargin": show_trimmed(initial),
                "openOrderInitialMargin": show_trimmed(orders),
                "leverage": str(settings.leverage),
                "isolated": settings.isolated,
                "entryPrice": show_trimmed(margin.entry_price_e8(position)),
                "breakEvenPrice": show_trimmed(margin.break_even_e8(position)),
                "maxNotional": show_trimmed(contract.max_notional_e8(settings.leverage)),
                "bidNotional": "0",
                "askNotional": "0",
                "positionSide": position.side,
                "positionAmt": contract.quantity(position.quantity),
                "notional": show_trimmed(margin.value_e8(position, state.mark_e8)),
                "isolatedWallet": show_trimmed(position.isolated_margin_e8),
                "updateTime": position.updated_ms,
            }
        )
    head = configuration(account)
    del head["dualSidePosition"]
    return head | _totals(view) | {"assets": [asset], "positions": rows}


def configuration(account: Account) -> Json:
    """``GET /fapi/v1/accountConfig``."""
    return {
        "feeTier": 0,
        "canTrade": account.restricted != "no-orders",
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }


def balances(state: State, account: Account) -> list[Json]:
    """``GET /fapi/v3/balance``."""
    view = margin.view(account, state.mark_e8)
    return [
        {
            "accountAlias": f"sim{account.number:04d}",
            "asset": "USDT",
            "balance": show_e8(view.wallet),
            "crossWalletBalance": show_e8(view.cross_wallet),
            "crossUnPnl": show_e8(view.cross_unrealized),
            "availableBalance": show_e8(view.available),
            "maxWithdrawAmount": show_e8(view.max_withdraw),
            "marginAvailable": True,
            "updateTime": account.updated_ms,
        }
    ]


def _position(state: State, account: Account, position: Position) -> Json:
    contract = position.contract
    return {
        "symbol": contract.symbol,
        "positionSide": position.side,
        "positionAmt": contract.quantity(position.quantity),
        "entryPrice": show_trimmed(margin.entry_price_e8(position)),
        "breakEvenPrice": show_trimmed(margin.break_even_e8(position)),
        "markPrice": show_e8(state.mark_e8.get(contract.symbol, 0)),
        "unRealizedProfit": show_e8(margin.unrealized_e8(position, state.mark_e8)),
        "liquidationPrice": show_trimmed(
            margin.liquidation_price_e8(account, position, state.mark_e8)
        ),
        "isolatedMargin": _isolated(position, state),
        "notional": show_trimmed(margin.value_e8(position, state.mark_e8)),
        "isolatedWallet": show_trimmed(position.isolated_margin_e8),
        "updateTime": position.updated_ms,
    }


def position_v3(state: State, account: Account, position: Position) -> Json:
    """A row of ``GET /fapi/v3/positionRisk``; leverage and margin type are not in it any more."""
    initial, orders, maintenance = _margins(state, account, position)
    return _position(state, account, position) | {
        "marginAsset": position.contract.quote,
        "initialMargin": show_trimmed(initial + orders),
        "maintMargin": show_trimmed(maintenance),
        "positionInitialMargin": show_trimmed(initial),
        "openOrderInitialMargin": show_trimmed(orders),
        "adl": margin.adl_quantile(account, position, state.accounts.values(), state.mark_e8)
        if position.quantity
        else 0,
        "bidNotional": "0",
        "askNotional": "0",
    }


def position_v2(state: State, account: Account, position: Position) -> Json:
    """A row of ``GET /fapi/v2/positionRisk``."""
    settings = settings_of(account, position.contract)
    return _position(state, account, position) | {
        "marginType": "isolated" if settings.isolated else "cross",
        "isAutoAddMargin": "true" if settings.auto_add_margin else "false",
        "leverage": str(settings.leverage),
        "maxNotionalValue": show_trimmed(position.contract.max_notional_e8(settings.leverage)),
    }


def symbol_configuration(account: Account, contract: Contract) -> Json:
    """A row of ``GET /fapi/v1/symbolConfig``."""
    settings = settings_of(account, contract)
    return {
        "symbol": contract.symbol,
        "marginType": "ISOLATED" if settings.isolated else "CROSSED",
        "isAutoAddMargin": settings.auto_add_margin,
        "leverage": settings.leverage,
        "maxNotionalValue": show_trimmed(contract.max_notional_e8(settings.leverage)),
    }


def brackets(contract: Contract) -> Json:
    """A row of ``GET /fapi/v1/leverageBracket``; here numbers are numbers."""
    return {
        "symbol": contract.symbol,
        "notionalCoef": 1.0,
        "brackets": [
            {
                "bracket": b.number,
                "initialLeverage": b.leverage,
                "notionalCap": b.cap_e8 // E8,
                "notionalFloor": b.floor_e8 // E8,
                "maintMarginRatio": b.rate_ppm / PPM,
                "cum": b.amount_e8 / E8,
            }
            for b in contract.brackets
        ],
    }


def income(row: Income) -> Json:
    """A row of ``GET /fapi/v1/income``."""
    return {
        "symbol": row.symbol,
        "incomeType": row.kind,
        "income": show_e8(row.amount_e8),
        "asset": "USDT",
        "info": row.info or row.trade_id or row.kind,
        "time": row.time_ms,
        "tranId": row.tran_id,
        "tradeId": row.trade_id,
    }


def margin_change(row: tuple[int, str, PositionSide, int, int]) -> Json:
    """A row of ``GET /fapi/v1/positionMargin/history``."""
    time_ms, symbol, side, amount_e8, kind = row
    return {
        "symbol": symbol,
        "type": kind,
        "deltaType": "USER_ADJUST",
        "amount": show_e8(amount_e8),
        "asset": "USDT",
        "time": time_ms,
        "positionSide": side,
    }


def adl_quantiles(state: State, account: Account, contract: Contract) -> Json:
    """A row of ``GET /fapi/v1/adlQuantile``."""
    sides: tuple[PositionSide, ...] = ("LONG", "SHORT") if account.hedge_mode else ("BOTH",)
    shown = dict.fromkeys(("LONG", "SHORT", "HEDGE" if account.hedge_mode else "BOTH"), 0)
    for side in sides:
        position = account.positions.get((contract.symbol, side))
        if position is not None and position.quantity:
            holders = state.accounts.values()
            shown[side] = margin.adl_quantile(account, position, holders, state.mark_e8)
    return {"symbol": contract.symbol, "adlQuantile": shown}
