"""Everything the core keeps, and the few ways to change it that all its rules share."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from riposte.exchange.book import Book
from riposte.exchange.contract import Contract
from riposte.exchange.events import (
    AccountChanged,
    AlgoChanged,
    ConfigChanged,
    Event,
    FundingSettled,
    Liquidated,
    MarginCalled,
    OrderChanged,
    PositionState,
)
from riposte.exchange.journal import Journal
from riposte.exchange.ledger import cross_wallet_e8, pay, settings_of
from riposte.exchange.margin import unrealized_e8
from riposte.exchange.records import Account, AlgoOrder, Fill, Order, Position
from riposte.exchange.refusals import Refusal
from riposte.exchange.switches import Switches

Timer = tuple[int, int, str, tuple[Any, ...]]


class State:
    """The books, the accounts, the prices and the time."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        start_ms: int,
        switches: Switches,
        journal: Journal,
        insurance_e8: int,
    ) -> None:
        self.now_ms = start_ms
        self.switches = switches
        self.journal = journal
        self.contracts = {contract.symbol: contract for contract in contracts}
        self.books = {symbol: Book(symbol) for symbol in self.contracts}
        self.mark_e8: dict[str, int] = {}
        self.index_e8: dict[str, int] = {}
        self.last_ticks: dict[str, int] = {}
        self.funding_e8: dict[str, int] = {}
        self.next_funding_ms: dict[str, int] = {}
        self.outside_interest: dict[str, int] = {}
        """Open interest that the feed reports, steps."""
        self.accounts: dict[str, Account] = {}
        self.algos: dict[str, dict[int, AlgoOrder]] = {}
        """Waiting conditional orders by symbol."""
        self.house = Account("house", 0, is_house=True, pays_fees=False)
        self.insurance_e8 = insurance_e8
        self.fees_e8 = 0
        """Commissions taken."""
        self.deposits_e8 = insurance_e8
        """All money that ever came in: Σ transfers and the insurance fund's start."""
        self.countdowns: dict[tuple[str, str], int] = {}
        """(account, symbol) → when all its orders will be cancelled; 0 never."""
        self.timers: list[Timer] = []
        self.outbox: list[Event] = []
        self.printed: dict[str, list[int]] = {}
        """Prices traded since triggers were last looked at, per symbol."""
        self.marked: set[str] = set()
        """Symbols whose mark price changed since triggers and margins were last looked at."""
        self.traders: dict[Account, None] = {}
        """Accounts that had a fill since margins were last looked at."""
        self.ended: list[Order] = []
        """Orders that came to an end since conditional orders were last looked at."""
        self.closed: list[tuple[Account, Position]] = []
        """Positions that came to an end since then: nothing is left, or they turned."""
        self.touched: dict[Account, dict[int, Position]] = {}
        """Accounts that a command changed, and their positions, until told (ACCOUNT_UPDATE)."""
        self._numbers = dict.fromkeys(("order", "trade", "tran", "algo", "account", "timer"), 0)

    def number(self, kind: str) -> int:
        """The next of a series of identifiers, from 1."""
        self._numbers[kind] += 1
        return self._numbers[kind]

    def peek(self, kind: str) -> int:
        """The number that :meth:`number` would give next."""
        return self._numbers[kind] + 1

    def contract(self, symbol: str) -> Contract:
        """The contract of a symbol, or -1121."""
        contract = self.contracts.get(symbol)
        if contract is None:
            raise Refusal(-1121)
        return contract

    def schedule(self, at_ms: int, kind: str, *arguments: Any) -> None:
        """Have ``kind`` done at a time; timers of one time run in the order they were set."""
        heapq.heappush(self.timers, (at_ms, self.number("timer"), kind, arguments))

    def emit(self, event: Event) -> None:
        """Tell the world, and the journal what concerns a customer."""
        self.outbox.append(event)
        record = _RECORDS.get(type(event))
        if record is not None:
            self.journal.append(event.time_ms, *record(event))

    def pay(
        self,
        account: Account,
        kind: str,
        amount_e8: int,
        *,
        symbol: str = "",
        trade_id: str = "",
        info: str = "",
    ) -> None:
        """Book an amount into a wallet now."""
        pay(
            account,
            kind,
            amount_e8,
            tran_id=self.number("tran"),
            time_ms=self.now_ms,
            symbol=symbol,
            trade_id=trade_id,
            info=info,
        )

    def touch(self, account: Account, position: Position | None = None) -> None:
        """Remember that an account (and a position of it) must be told of."""
        positions = self.touched.setdefault(account, {})
        if position is not None:
            positions[id(position)] = position

    def tell_touched(self, reason: str = "ORDER") -> None:
        """One ACCOUNT_UPDATE per account that was touched."""
        if not self.touched:
            return
        touched, self.touched = self.touched, {}
        for account, positions in touched.items():
            if not account.is_house:
                self.tell(account, reason, positions=list(positions.values()))

    def tell(
        self,
        account: Account,
        reason: str,
        *,
        positions: Sequence[Position] = (),
        balance_change_e8: int = 0,
        balance_listed: bool = True,
        symbol: str = "",
    ) -> None:
        """Emit an ACCOUNT_UPDATE."""
        self.emit(
            AccountChanged(
                self.now_ms,
                account,
                reason,
                account.wallet_e8,
                cross_wallet_e8(account),
                balance_change_e8,
                tuple(self.position_state(account, position) for position in positions),
                symbol,
                balance_listed,
            )
        )

    def position_state(self, account: Account, position: Position) -> PositionState:
        """A position's values now."""
        contract = position.contract
        return PositionState(
            contract.symbol,
            position.side,
            position.quantity,
            position.cost_e8,
            position.realized_e8,
            unrealized_e8(position, self.mark_e8),
            settings_of(account, contract).isolated,
            position.isolated_margin_e8,
            position.fees_e8,
            contract.step_e8,
            contract.tick_e8,
        )

    def tell_order(self, order: Order, execution: str, fill: Fill | None = None) -> None:
        """Emit an ORDER_TRADE_UPDATE with the order's values now."""
        now = order.updated_ms = self.now_ms
        event = OrderChanged(
            now,
            order.account,
            order,
            execution,
            order.status,
            order.price_ticks,
            order.quantity,
            order.executed,
            order.executed_quote_e8,
            fill,
        )
        self.outbox.append(event)
        self.journal.append(now, *_order_record(event))


def _order_record(event: OrderChanged) -> tuple[Any, ...]:
    order, fill = event.order, event.fill
    record: tuple[Any, ...] = (
        "order",
        event.account.name,
        order.contract.symbol,
        order.order_id,
        order.client_order_id,
        order.side,
        order.position_side,
        order.type,
        event.execution,
        event.status,
        event.price_ticks,
        event.quantity,
        event.executed,
        event.executed_quote_e8,
    )
    if fill is not None:
        record += (fill.trade_id, fill.price_ticks, fill.quantity, fill.fee_e8, fill.realized_e8)
    return record


def _account_record(event: AccountChanged) -> tuple[Any, ...]:
    positions = [[p.symbol, p.side, p.quantity, p.cost_e8] for p in event.positions]
    return "account", event.account.name, event.reason, event.wallet_e8, positions


def _algo_record(event: AlgoChanged) -> tuple[Any, ...]:
    algo = event.algo
    return (
        "algo",
        event.account.name,
        algo.contract.symbol,
        algo.algo_id,
        algo.client_algo_id,
        algo.side,
        algo.position_side,
        algo.type,
        event.status,
        algo.trigger_ticks,
        algo.quantity,
        algo.close_position,
        event.child_id,
        event.child_executed,
        event.reject_reason,
    )


def _config_record(event: ConfigChanged) -> tuple[Any, ...]:
    return "config", event.account.name, event.symbol, event.leverage, event.multi_assets


def _call_record(event: MarginCalled) -> tuple[Any, ...]:
    return "margin-call", event.account.name, [[p.symbol, p.side] for p, _, _ in event.positions]


def _funding_record(event: FundingSettled) -> tuple[Any, ...]:
    return "funding", event.symbol, event.rate_e8, event.mark_e8


def _liquidation_record(event: Liquidated) -> tuple[Any, ...]:
    order = event.order
    return "liquidation", order.account.name, order.contract.symbol, order.order_id, event.status


_RECORDS: dict[type, Any] = {
    AccountChanged: _account_record,
    AlgoChanged: _algo_record,
    ConfigChanged: _config_record,
    MarginCalled: _call_record,
    FundingSettled: _funding_record,
    Liquidated: _liquidation_record,
}
