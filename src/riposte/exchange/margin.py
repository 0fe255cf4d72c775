"""What an account is worth, what its positions and orders bind, and when they must be closed.

All by the exchange's published rules ("Leverage and Margin of USD-M Futures", "Liquidation
Protocols"): positions are valued at the mark price, the initial margin is notional / leverage, the
maintenance margin goes by brackets. Rounding is to 1e-8 and against the customer where it decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from riposte.exchange.contract import Contract
from riposte.exchange.ledger import cross_wallet_e8, settings_of
from riposte.exchange.records import Account, Position, PositionSide
from riposte.exchange.units import E8, PPM, rounded_ratio

Marks = Mapping[str, int]
"""Mark price of each symbol, USDT e8."""
SIDES: tuple[PositionSide, ...] = ("BOTH", "LONG", "SHORT")


class Held(Protocol):
    """A position, or its values at a moment."""

    @property
    def quantity(self) -> int:
        """Steps, signed."""
        ...

    @property
    def cost_e8(self) -> int:
        """Signed notional at entry."""
        ...

    @property
    def fees_e8(self) -> int:
        """Fees paid since it was opened."""
        ...

    @property
    def step_e8(self) -> int:
        """Coins of a step."""
        ...


class AccountView(NamedTuple):
    """An account at the marks of this moment, USDT e8."""

    wallet: int
    cross_wallet: int
    unrealized: int
    cross_unrealized: int
    initial_margin: int
    """Of positions."""
    open_order_margin: int
    maintenance: int
    free: int
    """Cross wallet and profit less what cross positions and orders bind; may be below 0."""

    @property
    def available(self) -> int:
        """For new positions and orders."""
        return max(0, self.free)

    @property
    def max_withdraw(self) -> int:
        """What may leave the cross wallet: unrealised profit may not."""
        return max(0, min(self.free, self.free - self.cross_unrealized, self.cross_wallet))

    @property
    def margin_balance(self) -> int:
        """Wallet and unrealised profit."""
        return self.wallet + self.unrealized


def value_e8(position: Position, marks: Marks) -> int:
    """Signed value of a position at the mark price."""
    contract = position.contract
    return contract.value_e8(marks.get(contract.symbol, 0), position.quantity)


def unrealized_e8(position: Position, marks: Marks) -> int:
    """Profit if it were closed at the mark price, without fees."""
    return value_e8(position, marks) - position.cost_e8 if position.quantity else 0


def initial_e8(notional_e8: int, leverage: int) -> int:
    """Initial margin of an absolute notional, rounded up."""
    return -(-notional_e8 // leverage)


def exposure_beyond_e8(value_e8: int, buys_e8: int, sells_e8: int) -> int:
    """Notional that resting orders would bind beyond a position of this signed value.

    If all buys filled, or all sells, the larger of the two exposures counts; what the position
    itself binds is taken off. In hedge mode each position side is by itself.
    """
    held = abs(value_e8)
    return max(0, abs(value_e8 + buys_e8) - held, abs(value_e8 - sells_e8) - held)


def order_margin_e8(account: Account, contract: Contract, marks: Marks) -> int:
    """What open orders of a contract bind beyond its positions."""
    return sum(
        _bound_e8(account, key, buys, sells, marks)
        for key, (buys, sells) in account.resting_e8.items()
        if key[0] == contract.symbol
    )


def _bound_e8(
    account: Account, key: tuple[str, PositionSide], buys: int, sells: int, marks: Marks
) -> int:
    if not buys and not sells:
        return 0
    position = account.positions.get(key)
    value = 0 if position is None else value_e8(position, marks)
    return initial_e8(exposure_beyond_e8(value, buys, sells), account.settings[key[0]].leverage)


def view(account: Account, marks: Marks) -> AccountView:
    """Add up an account."""
    wallet, settings = account.wallet_e8, account.settings
    cross = wallet
    unrealized = cross_unrealized = initial = cross_initial = maintenance = 0
    for position in account.positions.values():
        if not position.quantity:
            continue
        value = value_e8(position, marks)
        chosen = settings.get(position.contract.symbol) or settings_of(account, position.contract)
        profit, size = value - position.cost_e8, abs(value)
        bound = initial_e8(size, chosen.leverage)
        unrealized += profit
        initial += bound
        maintenance += position.contract.maintenance_e8(size)
        if chosen.isolated:
            cross -= position.isolated_margin_e8
        else:
            cross_unrealized += profit
            cross_initial += bound
    orders = 0
    for key, (buys, sells) in account.resting_e8.items():
        orders += _bound_e8(account, key, buys, sells, marks)
    free = cross + cross_unrealized - cross_initial - orders
    return AccountView(
        wallet, cross, unrealized, cross_unrealized, initial, orders, maintenance, free
    )


def entry_price_e8(position: Held) -> int:
    """Average entry price, rounded; 0 without a position."""
    if not position.quantity:
        return 0
    return rounded_ratio(abs(position.cost_e8), E8, abs(position.quantity) * position.step_e8)


def break_even_e8(position: Held) -> int:
    """The price at which closing returns what was paid in fees too."""
    if not position.quantity:
        return 0
    sign = 1 if position.quantity > 0 else -1
    cost = abs(position.cost_e8) + sign * position.fees_e8
    return rounded_ratio(cost, E8, abs(position.quantity) * position.step_e8)


def liquidation_price_e8(account: Account, position: Position, marks: Marks) -> int:
    """The mark price at which the scope's margin balance meets its maintenance margin; 0 if none.

    Other positions are taken as they stand. All cross positions of the symbol move together, an
    isolated one by itself ("How to Calculate Liquidation Price of USD-M Futures Contracts").
    """
    if not position.quantity:
        return 0
    contract = position.contract
    isolated = settings_of(account, contract).isolated
    if isolated:
        moving, free = [position], position.isolated_margin_e8
    else:
        cross = [
            p
            for p in account.positions.values()
            if p.quantity and not settings_of(account, p.contract).isolated
        ]
        moving = [p for p in cross if p.contract.symbol == contract.symbol]
        free = cross_wallet_e8(account) + sum(
            unrealized_e8(p, marks) - p.contract.maintenance_e8(abs(value_e8(p, marks)))
            for p in cross
            if p.contract.symbol != contract.symbol
        )
    needed, slope = -free, 0
    for each in moving:
        bracket = contract.bracket_of(abs(value_e8(each, marks)))
        needed += each.cost_e8 - bracket.amount_e8
        slope += (each.quantity * PPM - abs(each.quantity) * bracket.rate_ppm) * contract.step_e8
    if not slope:
        return 0
    needed, slope = (needed, slope) if slope > 0 else (-needed, -slope)
    return max(0, rounded_ratio(needed, PPM * E8, slope))


def adl_quantile(
    account: Account, position: Position, accounts: Iterable[Account], marks: Marks
) -> int:
    """0 (last) to 4 (first to be deleveraged) among the holders of the same side."""

    def score(holder: Account, held: Position) -> int:
        leverage = settings_of(holder, held.contract).leverage
        return unrealized_e8(held, marks) * PPM * leverage // (abs(held.cost_e8) or 1)

    mine = score(account, position)
    scores = [
        score(holder, held)
        for holder in accounts
        for held in holder.positions.values()
        if held.contract.symbol == position.contract.symbol
        and held.quantity * position.quantity > 0
    ]
    below = sum(other < mine for other in scores)
    return min(4, below * 5 // max(1, len(scores)))
