"""What is set: by a customer for an account (leverage, margin type, modes, money in and out), and by
the exchange for a contract."""

from __future__ import annotations

from riposte.exchange.contract import Contract
from riposte.exchange.events import ConfigChanged, ContractChanged
from riposte.exchange.ledger import position_of, settings_of
from riposte.exchange.margin import initial_e8, unrealized_e8, value_e8, view
from riposte.exchange.records import Account, PositionSide, SymbolSettings
from riposte.exchange.refusals import Refusal
from riposte.exchange.state import State


def transfer(state: State, account: Account, amount_e8: int) -> None:
    """Money into the futures wallet, or (negative) out of what is free of it (-2018)."""
    if amount_e8 < 0:
        free = view(account, state.mark_e8).max_withdraw
        if -amount_e8 > free:
            raise Refusal(-2018)
    state.pay(account, "TRANSFER", amount_e8, info="DEPOSIT" if amount_e8 > 0 else "WITHDRAW")
    state.deposits_e8 += amount_e8
    state.tell(account, "DEPOSIT" if amount_e8 > 0 else "WITHDRAW", balance_change_e8=amount_e8)


def set_leverage(state: State, account: Account, symbol: str, leverage: int) -> SymbolSettings:
    """Change the leverage of a contract, as far as its positions and the free margin allow."""
    contract = state.contract(symbol)
    if not 1 <= leverage <= contract.max_leverage:
        raise Refusal(-4028, leverage=leverage)
    settings = settings_of(account, contract)
    before = settings.leverage
    held = [p for (name, _), p in account.positions.items() if name == symbol and p.quantity]
    if settings.isolated and held and leverage < before:
        raise Refusal(-4161)
    exposure = max((abs(value_e8(p, state.mark_e8)) for p in held), default=0)
    if exposure > contract.max_notional_e8(leverage):
        raise Refusal(-2027)
    settings.leverage = leverage
    if leverage < before and view(account, state.mark_e8).free < 0:
        settings.leverage = before
        raise Refusal(-2028)
    state.emit(ConfigChanged(state.now_ms, account, symbol, leverage))
    return settings


def set_isolated(state: State, account: Account, symbol: str, isolated: bool) -> None:
    """Isolated or cross margin for a contract without orders and positions."""
    contract = state.contract(symbol)
    settings = settings_of(account, contract)
    if settings.isolated == isolated:
        raise Refusal(-4046)
    if isolated and account.multi_assets:
        raise Refusal(-4168)
    waiting = {order.contract.symbol for order in account.open_orders.values()}
    waiting |= {algo.contract.symbol for algo in account.open_algos.values()}
    if symbol in waiting:
        raise Refusal(-4047)
    if any(p.quantity for (name, _), p in account.positions.items() if name == symbol):
        raise Refusal(-4048)
    settings.isolated = isolated
    state.tell(account, "MARGIN_TYPE_CHANGE", positions=[position_of(account, contract, "BOTH")])


def set_hedge_mode(state: State, account: Account, on: bool) -> None:
    """One-way or hedge mode, for the whole account."""
    if account.hedge_mode == on:
        raise Refusal(-4059)
    if account.open_orders or account.open_algos:
        raise Refusal(-4067)
    if any(position.quantity for position in account.positions.values()):
        raise Refusal(-4068)
    account.hedge_mode = on
    state.journal.append(state.now_ms, "hedge-mode", account.name, on)


def set_multi_assets(state: State, account: Account, on: bool) -> None:
    """Single- or multi-assets mode; there is one asset, so nothing else depends on it."""
    if account.multi_assets == on:
        raise Refusal(-4171)
    if on and any(settings.isolated for settings in account.settings.values()):
        raise Refusal(-4168)
    account.multi_assets = on
    state.emit(ConfigChanged(state.now_ms, account, multi_assets=on))


def adjust_isolated_margin(
    state: State,
    account: Account,
    symbol: str,
    position_side: PositionSide,
    amount_e8: int,
    *,
    add: bool,
) -> None:
    """Move money between the cross wallet and an isolated position."""
    contract = state.contract(symbol)
    if amount_e8 <= 0:
        raise Refusal(-4055)
    if account.hedge_mode == (position_side == "BOTH"):
        raise Refusal(-4061)
    position = account.positions.get((symbol, position_side))
    if not settings_of(account, contract).isolated or position is None or not position.quantity:
        raise Refusal(-4049)
    if add:
        if amount_e8 > view(account, state.mark_e8).max_withdraw:
            raise Refusal(-4050)
    else:
        needed = initial_e8(
            abs(value_e8(position, state.mark_e8)), settings_of(account, contract).leverage
        )
        spare = (
            position.isolated_margin_e8 - needed + min(0, unrealized_e8(position, state.mark_e8))
        )
        if amount_e8 > spare:
            raise Refusal(-4051)
    position.isolated_margin_e8 += amount_e8 if add else -amount_e8
    account.margin_changes.append((state.now_ms, symbol, position_side, amount_e8, 1 if add else 2))
    state.tell(account, "MARGIN_TRANSFER", positions=[position], symbol=symbol)


def change_contract(state: State, contract: Contract) -> None:
    """New rules for a contract; leverage above the new maximum is lowered to it.

    What holds more than the new brackets allow stays, and may be liquidated by their margin.

    Raises:
        ValueError: if the tick or the step is another: all that is held is counted in them.
    """
    symbol, before = contract.symbol, state.contract(contract.symbol)
    if (before.tick_e8, before.step_e8) != (contract.tick_e8, contract.step_e8):
        raise ValueError(f"{symbol}: the book's tick and step can't change; use the grids")
    state.contracts[symbol] = contract
    for account in [*state.accounts.values(), state.house]:
        held = account.positions.values(), account.open_orders.values(), account.open_algos.values()
        for each in [each for kind in held for each in kind if each.contract.symbol == symbol]:
            each.contract = contract
        settings = account.settings.get(symbol)
        if settings is not None and settings.leverage > contract.max_leverage:
            settings.leverage = contract.max_leverage
            state.emit(ConfigChanged(state.now_ms, account, symbol, settings.leverage))
    state.journal.append(state.now_ms, "contract", symbol, contract.status)
    state.emit(ContractChanged(state.now_ms, symbol))
    state.marked.add(symbol)
