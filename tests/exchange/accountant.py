"""A second set of books: kept in decimals, from what the exchange tells the world and nothing else.

The accountant reads the events of the streams, knows the transfers because it made them, and knows
the published rules of the contracts: tick, step, fees. None of the exchange's own sums is used, so
what both agree on was reckoned twice. Its rules, as documented:

* a position has an average entry; what a closing trade realises is its proceeds less the closed
  part of the cost. That part is rounded (half up) to 1e-8 and the rest stays with what is still
  held, so the rounding is carried, not lost, and both books agree to the last digit. Beside it
  stands the textbook's average price, never rounded; the two may differ by half of 1e-8 for each
  closing trade since the position was opened, and never do by more;
* a fee is ``value × rate``, rounded half up to 1e-8; an order of the exchange itself pays none;
* funding is ``value at the mark price × rate``, both rounded so; longs pay a positive rate;
* a liquidated position pays ``value at the mark price × liquidation fee``, as far as its scope's
  margin reaches;
* bankruptcy: what a scope owes when nothing is left in it, the exchange pays (INSURANCE_CLEAR).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import NamedTuple

from riposte.exchange.contract import Contract
from riposte.exchange.events import (
    AccountChanged,
    ConfigChanged,
    Event,
    FundingSettled,
    Liquidated,
    Marked,
    OrderChanged,
)
from riposte.exchange.records import Account, Order, PositionSide
from riposte.exchange.state import State

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)
LAST = Decimal("1e-8")
HALF = LAST / 2
DIGITS = LAST.scaleb(-20)
"""An average price has no end of digits; these are far beyond the last that counts."""


def usdt(e8: int) -> Decimal:
    """The exchange's integers as an amount."""
    return Decimal(e8).scaleb(-8)


def rounded(amount: Decimal) -> Decimal:
    """To 1e-8, half away from zero."""
    return amount.quantize(LAST)


class Terms(NamedTuple):
    """What the exchange publishes of a contract."""

    tick: Decimal
    step: Decimal
    maker: Decimal
    taker: Decimal
    liquidation: Decimal
    leverage: int
    """The leverage of whoever has chosen none."""


def terms_of(contract: Contract) -> Terms:
    """Read the published integers as decimals."""
    ppm = contract.maker_ppm, contract.taker_ppm, contract.liquidation_fee_ppm
    maker, taker, liquidation = (Decimal(rate).scaleb(-6) for rate in ppm)
    leverage = min(20, contract.brackets[0].leverage)
    tick, step = usdt(contract.tick_e8), usdt(contract.step_e8)
    return Terms(tick, step, maker, taker, liquidation, leverage)


@dataclass(slots=True)
class Holding:
    """One position."""

    coins: Decimal = ZERO
    cost: Decimal = ZERO
    """Signed value at entry, with the documented rounding."""
    entry: Decimal = ZERO
    """The textbook's average price."""
    cuts: int = 0
    """Closing trades since it was opened: each rounded once."""
    margin: Decimal = ZERO
    """What stands apart for it in isolated margin."""
    realized: Decimal = ZERO

    def trade(self, change: Decimal, price: Decimal) -> Decimal:
        """Take in a trade of so many coins, sold below 0; returns what it realised."""
        held = self.coins
        self.coins = held + change
        if held * change >= 0:
            self.cost += change * price
            self.entry = (held * self.entry + change * price) / self.coins
            return ZERO
        closed = min(abs(change), abs(held)).copy_sign(held)
        part = rounded(self.cost * closed / held)
        opened = change + closed
        self.cost += opened * price - part
        self.cuts += 1
        realized = closed * price - part
        textbook = closed * (price - self.entry)
        assert abs(realized - textbook) <= self.cuts * HALF + DIGITS, self
        if opened or not self.coins:
            self.entry, self.cuts = price, 0
        return realized

    def value(self, mark: Decimal) -> Decimal:
        """Signed value at a mark price."""
        return rounded(self.coins * mark)


Closing = tuple[Decimal, Decimal]
"""Of a liquidation under way: the cross wallet before, the position's value at the mark price."""


@dataclass(slots=True)
class Books:
    """One customer."""

    name: str
    wallet: Decimal = ZERO
    holdings: dict[tuple[str, PositionSide], Holding] = field(default_factory=dict)
    leverage: dict[str, int] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    totals: dict[str, Decimal] = field(default_factory=dict)
    """Σ by kind of income."""
    closing: dict[int, Closing] = field(default_factory=dict)
    """By the number of the exchange's order."""
    paid: dict[PositionSide, Decimal] = field(default_factory=dict)
    """Funding of the settlement that is being told."""

    def book(self, kind: str, amount: Decimal) -> None:
        """Change the wallet."""
        self.wallet += amount
        self.totals[kind] = self.totals.get(kind, ZERO) + amount

    @property
    def cross(self) -> Decimal:
        """The wallet less what stands apart."""
        return self.wallet - sum((each.margin for each in self.holdings.values()), ZERO)

    def in_cross(self) -> Iterator[tuple[str, Holding]]:
        """Positions that share the cross wallet."""
        for (symbol, _), holding in self.holdings.items():
            if holding.coins and symbol not in self.isolated:
                yield symbol, holding


class Accountant:
    """Reads events, then compares."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self.terms = {contract.symbol: terms_of(contract) for contract in contracts}
        self.books: dict[str, Books] = {}
        self.marks: dict[str, Decimal] = {}
        self.rates: dict[str, Decimal] = {}
        self.transfers: deque[tuple[str, int]] = deque()
        """What was paid in and out and not yet told: (account, e8)."""
        self.fees = ZERO
        self.seen: Counter[str] = Counter()
        """How often each thing happened that only an accountant can tell."""

    def of(self, name: str) -> Books:
        """A customer's books, opened at the first need."""
        books = self.books.get(name)
        if books is None:
            books = self.books[name] = Books(name)
        return books

    def read(self, events: Iterable[Event]) -> None:
        """Follow what happened."""
        with localcontext(EXACT):
            for event in events:
                match event:
                    case OrderChanged():
                        self._order(event)
                    case AccountChanged():
                        self._account(event)
                    case Marked():
                        self.marks[event.symbol] = usdt(event.mark_e8)
                        self.rates[event.symbol] = usdt(event.funding_e8)
                    case FundingSettled():
                        self._settled(event)
                    case Liquidated():
                        self._liquidated(event)
                    case ConfigChanged() if event.symbol:
                        self.of(event.account.name).leverage[event.symbol] = event.leverage

    # what is told

    def _order(self, event: OrderChanged) -> None:
        order = event.order
        if event.fill is not None:
            self._fill(event)
        elif event.execution == "NEW" and order.client_order_id.startswith("autoclose-"):
            books, symbol = self.of(event.account.name), order.contract.symbol
            value = books.holdings[symbol, order.position_side].value(self.marks[symbol])
            books.closing[order.order_id] = books.cross, abs(value)

    def _fill(self, event: OrderChanged) -> None:
        order, fill, books = event.order, event.fill, self.of(event.account.name)
        assert fill is not None
        terms = self.terms[fill.symbol]
        price, coins = fill.price_ticks * terms.tick, fill.quantity * terms.step
        fee = ZERO
        if order.type != "LIQUIDATION":
            fee = rounded(price * coins * (terms.maker if fill.maker else terms.taker))
        key = fill.symbol, fill.position_side
        holding = books.holdings.get(key)
        if holding is None:
            holding = books.holdings[key] = Holding()
        before = holding.coins
        realized = holding.trade(coins if fill.side == "BUY" else -coins, price)
        holding.realized += realized
        _kept_to_its_side(order, holding, before)
        assert fill.notional_e8 == (price * coins).scaleb(8), fill
        assert fill.fee_e8 == fee.scaleb(8), (fill, fee)
        assert fill.realized_e8 == realized.scaleb(8), (fill, realized)
        books.book("REALIZED_PNL", realized)
        books.book("COMMISSION", -fee)
        self.fees += fee
        if fill.symbol in books.isolated:
            leverage = books.leverage.get(fill.symbol, terms.leverage)
            _move_margin(holding, before, price, leverage)

    def _account(self, event: AccountChanged) -> None:
        books = self.of(event.account.name)
        match event.reason:
            case "DEPOSIT" | "WITHDRAW":
                name, amount = self.transfers.popleft()
                assert (name, amount) == (books.name, event.balance_change_e8)
                books.book("TRANSFER", usdt(amount))
            case "FUNDING_FEE":
                self._fund(books, event)
            case "INSURANCE_CLEAR":
                assert event.balance_change_e8 == -books.cross.scaleb(8)
                assert self._cover(books), event
            case "MARGIN_TRANSFER":
                for row in event.positions:
                    books.holdings[row.symbol, row.side].margin = usdt(row.isolated_wallet_e8)
            case "MARGIN_TYPE_CHANGE":
                for row in event.positions:
                    (books.isolated.add if row.isolated else books.isolated.discard)(row.symbol)
        assert event.wallet_e8 == books.wallet.scaleb(8), (event, books)
        assert event.cross_wallet_e8 == books.cross.scaleb(8), (event, books)
        for row in event.positions:
            mine = books.holdings.get((row.symbol, row.side)) or Holding()
            told = (
                row.quantity * self.terms[row.symbol].step,
                *map(usdt, (row.cost_e8, row.isolated_wallet_e8, row.realized_e8)),
            )
            assert told == (mine.coins, mine.cost, mine.margin, mine.realized), (event, mine)

    # funding

    def _dues(self, books: Books, symbol: str) -> dict[PositionSide, Decimal]:
        """What each position of a symbol has to pay (below 0) or gets now."""
        mark, rate = self.marks.get(symbol, ZERO), self.rates.get(symbol, ZERO)
        dues = {
            side: -rounded(holding.value(mark) * rate)
            for (name, side), holding in books.holdings.items()
            if name == symbol and holding.coins
        }
        return {side: amount for side, amount in dues.items() if amount}

    def _fund(self, books: Books, event: AccountChanged) -> None:
        """One payment; a cross position's does not say its side, so any that is due will do."""
        told, sides = usdt(event.balance_change_e8), {row.side for row in event.positions}
        for side, amount in self._dues(books, event.symbol).items():
            if amount == told and side not in books.paid and (not sides or side in sides):
                books.paid[side] = amount
                books.book("FUNDING_FEE", amount)
                if event.symbol in books.isolated:
                    books.holdings[event.symbol, side].margin += amount
                self.seen["funding paid" if amount < 0 else "funding received"] += 1
                return
        raise AssertionError(f"{books.name} owes no funding of {told}")

    def _settled(self, event: FundingSettled) -> None:
        """At the end of a settlement everybody must have paid."""
        if event.rate_e8 and event.mark_e8:
            assert usdt(event.rate_e8) == self.rates[event.symbol]
            assert usdt(event.mark_e8) == self.marks[event.symbol]
        for books in self.books.values():
            assert books.paid == self._dues(books, event.symbol), (event, books)
            books.paid = {}

    # liquidation and bankruptcy

    def _liquidated(self, event: Liquidated) -> None:
        order = event.order
        books, symbol = self.of(order.account.name), order.contract.symbol
        closing = books.closing.pop(order.order_id, None)
        if closing is None:
            return  # deleveraged: no fee, and what it owes is cleared by itself
        cross_before, value = closing
        if isolated := symbol in books.isolated:
            self._clear(books, cross_before - books.cross)
            left = books.cross - cross_before
        else:
            left = books.cross + sum(
                (held.value(self.marks[name]) - held.cost for name, held in books.in_cross()),
                ZERO,
            )
        fee = min(rounded(value * self.terms[symbol].liquidation), max(ZERO, left))
        if fee:
            books.book("INSURANCE_CLEAR", -fee)
            self.seen["liquidation fee"] += 1
        if not isolated:
            self._cover(books)
        self.seen["liquidation isolated" if isolated else "liquidation cross"] += 1

    def _cover(self, books: Books) -> bool:
        """A cross wallet below 0 with nothing left that could fill it is bankrupt."""
        owed = -books.cross
        return owed > 0 and not any(books.in_cross()) and self._clear(books, owed)

    def _clear(self, books: Books, owed: Decimal) -> bool:
        if owed <= 0:
            return False
        books.book("INSURANCE_CLEAR", owed)
        self.seen["bankruptcy"] += 1
        return True

    # the comparison

    def compare(self, exchange: State) -> None:
        """Every wallet and every position, against the exchange's own."""
        with localcontext(EXACT):
            assert not self.transfers, "a transfer was not told"
            assert exchange.fees_e8 == self.fees.scaleb(8), "fees taken"
            for name, account in exchange.accounts.items():
                self._compare(self.of(name), account)

    def _compare(self, books: Books, account: Account) -> None:
        assert account.wallet_e8 == books.wallet.scaleb(8), (
            f"{books.name}: the exchange has {usdt(account.wallet_e8)}, the books {books.wallet}"
        )
        for key, position in account.positions.items():
            mine = books.holdings.get(key)
            if mine is None:
                assert not position.quantity, f"{books.name} {key}: the books have no position"
                continue
            assert position.quantity * self.terms[key[0]].step == mine.coins, (books.name, key)
            assert position.cost_e8 == mine.cost.scaleb(8), (books.name, key, mine)
            assert position.isolated_margin_e8 == mine.margin.scaleb(8), (books.name, key, mine)
            drift = abs(mine.cost - mine.coins * mine.entry)
            assert drift <= mine.cuts * HALF + DIGITS, (books.name, key, mine)
        missing = [key for key, mine in books.holdings.items() if mine.coins]
        assert account.positions.keys() >= set(missing), (books.name, missing)

    def owing(self) -> list[str]:
        """Scopes that are worth less than nothing at the mark prices, by these books."""
        found = []
        with localcontext(EXACT):
            for books in self.books.values():
                profit = ZERO
                for symbol, held in books.in_cross():
                    profit += held.value(self.marks[symbol]) - held.cost
                if (worth := books.cross + profit) < 0:
                    found.append(f"{books.name}: the cross wallet is worth {worth}")
                for (symbol, side), held in books.holdings.items():
                    if not held.coins or symbol not in books.isolated:
                        continue
                    worth = held.margin + held.value(self.marks[symbol]) - held.cost
                    if worth < 0:
                        found.append(f"{books.name}: {symbol} {side} is worth {worth}")
        return found


def _kept_to_its_side(order: Order, holding: Holding, before: Decimal) -> None:
    """What may only reduce did, and no side of hedge mode turned."""
    after = holding.coins
    if order.reduce_only or order.close_position or order.type == "LIQUIDATION":
        assert before * after >= 0, order
        assert abs(after) < abs(before), order
    assert order.position_side != "LONG" or after >= 0, order
    assert order.position_side != "SHORT" or after <= 0, order


def _move_margin(holding: Holding, before: Decimal, price: Decimal, leverage: int) -> None:
    """Isolated margin: a share leaves with what is closed, price / leverage comes with the new."""
    after = holding.coins
    kept = min(abs(before), abs(after)) if before * after > 0 else ZERO
    if before:
        holding.margin -= rounded(holding.margin * (abs(before) - kept) / abs(before))
    opened = abs(after) - kept
    if opened:
        holding.margin += (opened * price / leverage).quantize(LAST, ROUND_CEILING)
