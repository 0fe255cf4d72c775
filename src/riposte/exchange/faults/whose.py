"""To whom and to which contract an act is done where it does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riposte.errors import InputError, nearest
from riposte.exchange.records import Account

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator


def account_of(sim: Simulator, name: str) -> Account:
    """The account of a name; without one, the only account there is.

    Raises:
        InputError: if there is none, or no name where there are several.
    """
    accounts = sim.exchange.accounts
    if name:
        if name not in accounts:
            raise InputError(f"there is no account {name!r}{nearest(name, accounts)}")
        return accounts[name]
    if len(accounts) != 1:
        raise InputError(f"there are {len(accounts)} accounts: say which with 'account'")
    return next(iter(accounts.values()))


def symbol_of(sim: Simulator, symbol: str, account: Account | None = None) -> str:
    """A listed symbol; without one, the first that the account holds, else the first listed.

    Raises:
        InputError: if it is not listed.
    """
    listed = sim.exchange.contracts
    if symbol:
        if symbol not in listed:
            raise InputError(f"{symbol!r} is not listed{nearest(symbol, listed)}")
        return symbol
    held = account.positions.values() if account is not None else ()
    return next((p.contract.symbol for p in held if p.quantity), next(iter(listed)))
