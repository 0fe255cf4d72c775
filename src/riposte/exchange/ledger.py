"""Fills, fees and transfers in an account's books; every sum is exact.

A position keeps the signed notional at which it was entered (``cost_e8``). Closing a part realises
``proceeds − that part of the cost``; the part is rounded to 1e-8 and the rest stays with what is
still held, so nothing is lost to rounding: over all accounts, the house included,
``Σ(wallet − cost) + insurance + fees = Σ deposits`` holds to the last digit, always.
"""

from __future__ import annotations

from riposte.exchange.contract import Contract
from riposte.exchange.records import Account, Income, Position, PositionSide, SymbolSettings
from riposte.exchange.units import PPM, rounded_ratio


def settings_of(account: Account, contract: Contract) -> SymbolSettings:
    """What the account chose for a contract, or the exchange's defaults."""
    settings = account.settings.get(contract.symbol)
    if settings is None:
        leverage = min(20, contract.max_leverage)
        settings = account.settings[contract.symbol] = SymbolSettings(leverage)
    return settings


def position_of(account: Account, contract: Contract, side: PositionSide) -> Position:
    """The account's position record, empty if it holds nothing."""
    key = (contract.symbol, side)
    position = account.positions.get(key)
    if position is None:
        position = account.positions[key] = Position(contract, side)
    return position


def fee_e8(contract: Contract, notional_e8: int, *, maker: bool) -> int:
    """Commission of a fill, rounded half up to 1e-8."""
    return rounded_ratio(notional_e8, contract.maker_ppm if maker else contract.taker_ppm, PPM)


def book_fill(position: Position, sign: int, steps: int, notional_e8: int) -> int:
    """Change a position by a fill of ``sign`` (+1 buy) and return the realised profit, e8."""
    held = position.quantity
    if held * sign >= 0:
        position.quantity = held + sign * steps
        position.cost_e8 += sign * notional_e8
        return 0
    closing = min(steps, abs(held))
    # A fill has one price, so the part divides exactly.
    closing_notional = notional_e8 if closing == steps else notional_e8 // steps * closing
    share = rounded_ratio(position.cost_e8, closing, abs(held))
    position.quantity = held + sign * steps
    position.cost_e8 += sign * (notional_e8 - closing_notional) - share
    return -sign * closing_notional - share


def cross_wallet_e8(account: Account) -> int:
    """The wallet without what stands apart in isolated positions."""
    apart = 0
    for position in account.positions.values():
        apart += position.isolated_margin_e8
    return account.wallet_e8 - apart


def pay(
    account: Account,
    kind: str,
    amount_e8: int,
    *,
    tran_id: int,
    time_ms: int,
    symbol: str = "",
    trade_id: str = "",
    info: str = "",
) -> None:
    """Change a wallet and say why; a wallet is always the sum of its income rows."""
    account.wallet_e8 += amount_e8
    account.updated_ms = time_ms
    account.income.append(Income(tran_id, kind, symbol, amount_e8, time_ms, trade_id, info))
