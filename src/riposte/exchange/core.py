"""The exchange itself: commands and feed events in, events out, one at a time.

Each public method is one command. It checks first and raises
:class:`~riposte.exchange.refusals.Refusal` with nothing changed, or takes effect whole: fills,
wallets, conditional orders that its trades trigger, liquidations that its marks cause. Afterwards
:meth:`Exchange.take_events` has what happened, in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from riposte.exchange import (
    conditional,
    funding,
    house,
    liquidation,
    ordering,
    preferences,
)
from riposte.exchange.contract import Contract
from riposte.exchange.events import Event
from riposte.exchange.feed import FeedEvent, FundingRate
from riposte.exchange.journal import Journal
from riposte.exchange.matching import finish, print_trade
from riposte.exchange.records import Account, AlgoOrder, Order, PositionSide, SymbolSettings
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import Amendment, NewAlgo, NewOrder
from riposte.exchange.state import State
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8

INSURANCE_E8 = 1_000_000_000 * E8


class Exchange(State):
    """The commands over the :class:`~riposte.exchange.state.State`."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        start_ms: int,
        switches: Switches | None = None,
        journal: Journal | None = None,
        insurance_e8: int = INSURANCE_E8,
    ) -> None:
        super().__init__(
            contracts,
            start_ms=start_ms,
            switches=switches or Switches(),
            journal=journal or Journal(),
            insurance_e8=insurance_e8,
        )

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events, self.outbox = self.outbox, []
        return events

    # customers

    def open_account(self, name: str, deposit_e8: int = 0) -> Account:
        """A new customer."""
        if name in self.accounts:
            raise ValueError(f"there is an account {name!r} already")
        account = self.accounts[name] = Account(name, self.number("account"))
        self.journal.append(self.now_ms, "open-account", name)
        if deposit_e8:
            self.transfer(account, deposit_e8)
        return account

    def transfer(self, account: Account, amount_e8: int) -> None:
        """Deposit, or (negative) withdraw what is free: -2018."""
        preferences.transfer(self, account, amount_e8)

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> SymbolSettings:
        """Change a contract's leverage: -4028, -4161, -2027, -2028."""
        return preferences.set_leverage(self, account, symbol, leverage)

    def set_isolated(self, account: Account, symbol: str, isolated: bool) -> None:
        """Change a contract's margin type: -4046, -4047, -4048, -4168."""
        preferences.set_isolated(self, account, symbol, isolated)

    def set_hedge_mode(self, account: Account, on: bool) -> None:
        """Change the position mode: -4059, -4067, -4068."""
        preferences.set_hedge_mode(self, account, on)

    def set_multi_assets(self, account: Account, on: bool) -> None:
        """Change the asset mode: -4171, -4168."""
        preferences.set_multi_assets(self, account, on)

    def adjust_isolated_margin(
        self,
        account: Account,
        symbol: str,
        position_side: PositionSide,
        amount_e8: int,
        *,
        add: bool,
    ) -> None:
        """Move margin into or out of an isolated position: -4049, -4050, -4051, -4055."""
        preferences.adjust_isolated_margin(self, account, symbol, position_side, amount_e8, add=add)

    def place(self, account: Account, request: NewOrder) -> Order:
        """Place an order; the record returned is the live one."""
        order = ordering.place(self, account, request)
        self._settle()
        return order

    def test_order(self, account: Account, request: NewOrder) -> None:
        """All checks of :meth:`place`, no effect."""
        ordering.check(self, account, request)

    def cancel(
        self, account: Account, symbol: str, order_id: int = 0, client_order_id: str = ""
    ) -> Order:
        """Cancel an open order, or -2011."""
        order = ordering.cancel(self, account, symbol, order_id, client_order_id)
        self._settle()
        return order

    def cancel_all(self, account: Account, symbol: str) -> list[Order]:
        """Cancel all open orders of a symbol; conditional orders stay."""
        orders = ordering.cancel_all(self, account, symbol)
        self._settle()
        return orders

    def modify(self, account: Account, request: Amendment) -> Order:
        """Change an open limit order."""
        order = ordering.modify(self, account, request)
        self._settle()
        return order

    def find_order(
        self, account: Account, symbol: str, order_id: int = 0, client_order_id: str = ""
    ) -> Order:
        """An order, open or not, or -2013."""
        order = ordering.find(self, account, symbol, order_id, client_order_id)
        if order is None:
            raise Refusal(-2013)
        return order

    # conditional orders

    def place_algo(self, account: Account, request: NewAlgo) -> AlgoOrder:
        """Place a conditional order."""
        algo = conditional.place(self, account, request)
        self._settle()
        return algo

    def cancel_algo(
        self, account: Account, algo_id: int = 0, client_algo_id: str = ""
    ) -> AlgoOrder:
        """Cancel a waiting conditional order, or -2011."""
        algo = conditional.cancel(self, account, algo_id, client_algo_id)
        self._settle()
        return algo

    def cancel_all_algos(self, account: Account, symbol: str) -> list[AlgoOrder]:
        """Cancel all waiting conditional orders of a symbol."""
        algos = conditional.cancel_all(self, account, symbol)
        self._settle()
        return algos

    def find_algo(self, account: Account, algo_id: int = 0, client_algo_id: str = "") -> AlgoOrder:
        """A conditional order, waiting or not, or -2013."""
        algo = conditional.find(account, algo_id, client_algo_id)
        if algo is None:
            raise Refusal(-2013)
        return algo

    def countdown(self, account: Account, symbol: str, countdown_ms: int) -> None:
        """Cancel all of a symbol's orders when this time has passed without another call; 0 ends it.

        Whether conditional orders go too is a switch.
        """
        self.contract(symbol)
        if countdown_ms < 0:
            raise Refusal(-1130, name="countdownTime")
        deadline = self.now_ms + countdown_ms if countdown_ms else 0
        self.countdowns[account.name, symbol] = deadline
        self.journal.append(self.now_ms, "countdown", account.name, symbol, countdown_ms)
        if deadline:
            self.schedule(deadline, "countdown", account, symbol, deadline)

    # the operator's acts

    def liquidate(self, account: Account, symbol: str = "") -> None:
        """Liquidate an account's scope of a symbol, or all of it, at once."""
        liquidation.operator_liquidate(self, account, symbol)
        self._settle()

    def auto_deleverage(
        self, account: Account, symbol: str, position_side: PositionSide = "BOTH", steps: int = 0
    ) -> None:
        """Close (a part of) a position by ADL at the mark price."""
        liquidation.operator_deleverage(self, account, symbol, position_side, steps)
        self._settle()

    def expire_algo(self, account: Account, algo_id: int, reason: str = "") -> None:
        """Let a waiting conditional order die: EXPIRED."""
        conditional.expire(self, account.algos[algo_id], "EXPIRED", reason)
        self._settle()

    def reject_algo(self, account: Account, algo_id: int, reason: str = "") -> None:
        """Let a waiting conditional order die: REJECTED."""
        conditional.expire(self, account.algos[algo_id], "REJECTED", reason)
        self._settle()

    def expire_order(self, account: Account, order_id: int, reason: str = "") -> None:
        """Let a resting order die: EXPIRED."""
        order = account.open_orders[order_id]
        finish(self, order, "EXPIRED", "EXPIRED", reason)
        self._settle()

    def restrict(self, account: Account, how: str) -> None:
        """Let an account only reduce (``reduce-only``), do nothing (``no-orders``), or all (``""``)."""
        if how not in ("", "reduce-only", "no-orders"):
            raise ValueError(f"no restriction is called {how!r}")
        account.restricted = how
        self.journal.append(self.now_ms, "restrict", account.name, how)

    def change_contract(self, contract: Contract) -> None:
        """New rules for a contract; outside TRADING all its open orders are cancelled."""
        preferences.change_contract(self, contract)
        if contract.status != "TRADING":
            for account in self.accounts.values():
                ordering.cancel_all(self, account, contract.symbol)
                conditional.cancel_all(self, account, contract.symbol)
        self._settle()

    def set_funding(self, symbol: str, rate_e8: int, settle_ms: int) -> None:
        """Set the coming funding settlement."""
        self.apply(FundingRate(self.now_ms, symbol, rate_e8, settle_ms))

    def drain_insurance(self, leave_e8: int) -> None:
        """Take money out of the insurance fund until so much is left."""
        if leave_e8 > self.insurance_e8:
            raise ValueError("the fund holds less than that")
        self.deposits_e8 -= self.insurance_e8 - leave_e8
        self.insurance_e8 = leave_e8
        self.journal.append(self.now_ms, "insurance", leave_e8)

    def print_trade(self, symbol: str, price_ticks: int, quantity: int) -> None:
        """Let a trade between strangers appear at any price, off the book."""
        rises = price_ticks >= self.last_ticks.get(symbol, 0)
        print_trade(
            self,
            self.contract(symbol),
            price_ticks,
            quantity,
            buyer_is_maker=not rises,
            trade_id=self.number("trade"),
        )
        self._settle()

    # feed and time

    def apply(self, event: FeedEvent) -> None:
        """Let time pass up to a feed event, then let it happen."""
        self.advance(event.time_ms)
        house.apply(self, event)
        self._settle()

    def advance(self, to_ms: int) -> None:
        """Let time pass: timers due by then run in their order, each at its time."""
        while self.timers and self.timers[0][0] <= to_ms:
            at_ms, _, kind, arguments = heapq.heappop(self.timers)
            self.now_ms = max(self.now_ms, at_ms)
            _TIMERS[kind](self, *arguments)
            self._settle()
        self.now_ms = max(self.now_ms, to_ms)

    def _settle(self) -> None:
        """Follow up what a command caused, until nothing more follows; then tell the accounts."""
        self.tell_touched()
        while True:
            if self.ended or self.closed:
                conditional.look_at_ends(self)
            elif self.printed or self.marked or self.traders:
                conditional.look_at_prices(self)
                liquidation.look_at_margins(self)
            else:
                return
            self.tell_touched()


def _countdown(state: State, account: Account, symbol: str, deadline: int) -> None:
    if state.countdowns.get((account.name, symbol)) != deadline:
        return
    state.countdowns[account.name, symbol] = 0
    ordering.cancel_all(state, account, symbol)
    if state.switches.countdown_cancels_algos:
        conditional.cancel_all(state, account, symbol)


def _good_till(state: State, order: Order) -> None:
    if order.open:
        finish(state, order, "EXPIRED", "EXPIRED", "good till date")


def _algo_good_till(state: State, algo: AlgoOrder) -> None:
    conditional.expire(state, algo, "EXPIRED", "good till date")


_TIMERS: dict[str, Callable[..., None]] = {
    "funding": funding.settle,
    "trigger": conditional.trigger,
    "countdown": _countdown,
    "good-till": _good_till,
    "algo-good-till": _algo_good_till,
}
