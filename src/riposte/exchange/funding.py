"""Funding: at its time, holders of one side pay the other ``value at the mark price × rate``.

A positive rate is paid by longs. Each customer's payment is rounded to 1e-8 and the house takes the
exact opposite of all of them, so that a settlement creates and destroys nothing.
"""

from __future__ import annotations

from riposte.exchange.events import FundingSettled
from riposte.exchange.ledger import settings_of
from riposte.exchange.margin import value_e8
from riposte.exchange.records import Account
from riposte.exchange.state import State
from riposte.exchange.units import E8, rounded_ratio

HOUR_MS = 3_600_000


def settle(state: State, symbol: str, settle_ms: int) -> None:
    """Settle what falls due at ``settle_ms``; nothing if the schedule has moved since."""
    if state.next_funding_ms.get(symbol) != settle_ms:
        return
    rate = state.funding_e8.get(symbol, 0)
    mark = state.mark_e8.get(symbol, 0)
    contract = state.contracts[symbol]
    house = 0
    for account in state.accounts.values():
        house -= _pay(state, account, symbol, rate)
    state.house.wallet_e8 += house
    state.emit(FundingSettled(state.now_ms, symbol, rate, mark))
    following = settle_ms + contract.funding_hours * HOUR_MS
    state.next_funding_ms[symbol] = following
    state.schedule(following, "funding", symbol, following)
    state.marked.add(symbol)  # a wallet that paid may no longer carry its position


def _pay(state: State, account: Account, symbol: str, rate_e8: int) -> int:
    paid = 0
    for (name, _), position in account.positions.items():
        if name != symbol or not position.quantity:
            continue
        amount = -rounded_ratio(value_e8(position, state.mark_e8), rate_e8, E8)
        if not amount:
            continue
        isolated = settings_of(account, position.contract).isolated
        if isolated:
            position.isolated_margin_e8 += amount
        state.pay(account, "FUNDING_FEE", amount, symbol=symbol)
        state.tell(
            account,
            "FUNDING_FEE",
            positions=[position] if isolated else (),
            balance_change_e8=amount,
            symbol=symbol,
        )
        paid += amount
    return paid
