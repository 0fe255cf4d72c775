"""Whatever is asked of the exchange, in whatever order: its rules hold, and a second set of books,
kept in decimals from its events alone, agrees with it to the last digit after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from accountant import Accountant
from core_driver import CONTRACTS, OPENING, START, Life

from riposte.exchange.core import Exchange
from riposte.exchange.events import AlgoChanged, Event, MarginCalled, OrderChanged
from riposte.exchange.feed import HouseQuotes, MarkPrice
from riposte.exchange.invariants import breaches
from riposte.exchange.journal import Journal
from riposte.exchange.margin import view
from riposte.exchange.records import Account, AlgoOrder, Fill, Order
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import NewAlgo, NewOrder
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8

SYMBOLS = tuple(OPENING)
STP_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH")
KINDS = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
LIMITED, CLOSING = ("STOP", "TAKE_PROFIT"), ("STOP_MARKET", "TAKE_PROFIT_MARKET")
HOUR_MS = 3_600_000


class Tally:
    """What happened how often, told from the events, and what no order's terms allow."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.asked = True
        """Whether a customer asked for what is read; else it came by itself."""
        self._taker: Order | None = None
        self._last: tuple[int, Account] | None = None

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case OrderChanged():
                    self._order(event)
                case AlgoChanged():
                    self.count[f"algo {event.status}"] += 1
                    if event.status == "TRIGGERED":
                        self.count[f"triggered {event.algo.type}"] += 1
                case MarginCalled():
                    self.count["margin call"] += 1

    def _order(self, event: OrderChanged) -> None:
        order, count = event.order, self.count
        if event.execution in ("NEW", "AMENDMENT"):
            self._taker = order
            count[f"{event.execution} {order.type} {order.time_in_force}"] += 1
            count["NEW reduce-only"] += order.reduce_only
            count["deleveraged"] += order.client_order_id == "adl_autoclose"
        if event.fill is not None:
            self._fill(event, event.fill)
        elif event.status == "EXPIRED_IN_MATCH":
            assert self._taker is not None
            count[f"self trade {self._taker.stp_mode}"] += 1
        elif event.status in ("CANCELED", "EXPIRED"):
            count[f"{event.status} {order.expire_reason}"] += 1
            if event.status == "CANCELED" and not order.expire_reason and not self.asked:
                count["countdown"] += 1
        elif event.status in ("NEW_INSURANCE", "NEW_ADL"):
            count[event.status] += 1

    def _fill(self, event: OrderChanged, fill: Fill) -> None:
        self.count["fill maker" if fill.maker else "fill taker"] += 1
        self.count[f"fill {fill.position_side}"] += 1
        if self._last == (fill.trade_id, event.account):
            self.count["self trade NONE"] += 1
        self._last = fill.trade_id, event.account
        order = event.order
        assert event.executed <= event.quantity, event
        assert order.time_in_force != "GTX" or fill.maker, event
        if order.type == "LIMIT":
            better = (event.price_ticks - fill.price_ticks) * order.sign
            assert better >= 0, event


class Witness(Exchange):
    """An exchange with its accountant, who knows the transfers as one who makes them does."""

    def __init__(self, insurance: int) -> None:
        super().__init__(
            CONTRACTS,
            start_ms=START,
            switches=Switches(),
            journal=Journal(keep=False),
            insurance_e8=insurance * E8,
        )
        self.accountant = Accountant(CONTRACTS)
        self.tally = Tally()
        self.refused: Counter[int] = Counter()

    def transfer(self, account: Account, amount_e8: int) -> None:
        super().transfer(account, amount_e8)
        self.accountant.transfers.append((account.name, amount_e8))

    def attempt(self, command: Callable[[], object], *, asked: bool = True) -> None:
        """Do something; what is refused must leave no trace."""
        before, refused = fingerprint(self), False
        try:
            command()
        except Refusal as caught:
            self.refused[caught.code] += 1
            refused = True
        assert not refused or fingerprint(self) == before, "what was refused left a trace"
        self.tally.asked = asked
        self.audit()

    def audit(self) -> None:
        """Tell the accountant what happened, and compare."""
        events = self.take_events()
        self.accountant.read(events)
        self.tally.read(events)
        self.accountant.compare(self)


NUMBERS = ("order", "trade", "tran", "algo", "timer")


def fingerprint(exchange: Exchange) -> list[Any]:
    """What a refused command must leave as it was; the journal's head covers all that is told."""
    return [
        exchange.journal.head,
        len(exchange.outbox),
        [exchange.peek(kind) for kind in NUMBERS],
        [book.last_update_id for book in exchange.books.values()],
        [_of_account(account) for account in exchange.accounts.values()],
    ]


def _of_account(account: Account) -> list[Any]:
    return [
        account.wallet_e8,
        account.hedge_mode,
        len(account.orders),
        len(account.income),
        [(key, p.quantity, p.isolated_margin_e8) for key, p in account.positions.items()
         if p.quantity],
        [(o.order_id, o.price_ticks, o.quantity, o.modify_id) for o in account.open_orders.values()],
        list(account.open_algos),
        [(key, *both) for key, both in account.resting_e8.items() if any(both)],
        {s: (c.leverage, c.isolated) for s, c in account.settings.items() if c.isolated or c.leverage != 20},
    ]  # fmt: skip


def assert_sound(exchange: Witness) -> None:
    assert breaches(exchange) == []
    assert exchange.accountant.owing() == []


# a long life


class LongLife(Life):
    """A random life in which everything that can happen to an account happens."""

    exchange: Witness

    def __init__(self, seed: int, insurance: int) -> None:
        super().__init__(seed, Witness(insurance), accounts=6)
        self.activated: list[AlgoOrder] = []
        self.modes = [(False, False), (False, False), (False, True), (True, False), (True, True)]
        for account, (hedge, isolated) in zip(self.accounts, self.modes, strict=False):
            self._set_modes(account, hedge, isolated)
        self.exchange.audit()
        self.actions: dict[Callable[[], None], tuple[float, bool]] = {
            self.order: (40, True), self.cancel: (10, True), self.market: (16, False),
            self.outside_trade: (10, False), self.algo: (8, True), self.modify: (6, True),
            self.settings: (4, True), self.wait: (2, False), self.cancel_all: (1, True),
            self.move_money: (1, True), self.crash: (0.2, False), self.good_till: (2, True),
            self.trailing: (1.5, True), self.mark_alone: (0.5, False), self.funding: (0.3, False),
            self.operate: (0.8, True), self.rescue: (1, True), self.reform: (0.1, True),
            self.shrink: (3, True), self.plunge: (0.3, False),
        }  # fmt: skip
        self._weights = [weight for weight, _ in self.actions.values()]

    def step(self) -> None:
        action = self.random.choices(list(self.actions), self._weights)[0]
        self.exchange.attempt(action, asked=self.actions[action][1])

    def _set_modes(self, account: Account, hedge: bool, isolated: bool) -> None:
        if account.hedge_mode != hedge:
            self.exchange.set_hedge_mode(account, hedge)
        for symbol in SYMBOLS:
            chosen = account.settings.get(symbol)
            if (chosen is not None and chosen.isolated) != isolated:
                self.exchange.set_isolated(account, symbol, isolated)

    def good_till(self) -> None:
        account, symbol = self.pick()
        contract, side = self.exchange.contracts[symbol], self.random.choice(("BUY", "SELL"))
        price = self.near(symbol, 300) * contract.tick_e8
        steps = self.random.randint(50, 2_000)
        self.exchange.place(
            account,
            NewOrder(
                symbol, side, "LIMIT", steps * contract.step_e8, price, "GTD",
                self.position_side(account),
                good_till_ms=self.exchange.now_ms + self.random.randint(600_001, 2 * HOUR_MS),
            ),
        )  # fmt: skip

    def trailing(self) -> None:
        """A trailing stop that begins to follow at a price, and dies on a day."""
        account, symbol = self.pick()
        rng, contract = self.random, self.exchange.contracts[symbol]
        side = rng.choice(("BUY", "SELL"))
        away = rng.randint(1, 100) * (1 if side == "SELL" else -1)
        self.activated.append(self.exchange.place_algo(
            account,
            NewAlgo(
                symbol, side, "TRAILING_STOP_MARKET",
                quantity_e8=rng.randint(50, 300) * contract.step_e8,
                time_in_force="GTD", good_till_ms=self.exchange.now_ms + rng.randint(600_001, HOUR_MS),
                position_side=self.position_side(account),
                working_type=rng.choice(("CONTRACT_PRICE", "MARK_PRICE")),
                activate_price_e8=(self.price[symbol] + away) * contract.tick_e8,
                callback_ppm=rng.choice((1_000, 2_000)),
            ),
        ))  # fmt: skip

    def shrink(self) -> None:
        """An order that may only reduce, at a price that may come."""
        account, symbol = self.pick()
        held = [p for (name, _), p in account.positions.items() if name == symbol and p.quantity]
        for position in held[:1]:
            side, step = "SELL" if position.quantity > 0 else "BUY", position.step_e8
            self.exchange.place(
                account,
                NewOrder(
                    symbol, side, "LIMIT", self.random.randint(1, abs(position.quantity)) * step,
                    self.near(symbol, 60) * position.contract.tick_e8, "GTC", position.side,
                    reduce_only=not account.hedge_mode,
                ),
            )  # fmt: skip

    def mark_alone(self) -> None:
        """The mark price leaves the market, and a stranger trades beyond some triggers."""
        symbol, rng = self.random.choice(SYMBOLS), self.random
        mark = int(self.price[symbol] * rng.uniform(0.9, 1.1))
        mark *= self.exchange.contracts[symbol].tick_e8
        self.exchange.apply(MarkPrice(self.exchange.now_ms, symbol, mark, mark))
        self.exchange.print_trade(symbol, self.near(symbol, 400), 1)
        self.look_at_protected()

    def plunge(self) -> None:
        """All on one card; then the book gaps where the mark does not, and the customer gives up.

        So a fill costs more than there is, which is the only way into bankruptcy but for a gap of
        the mark, where the exchange takes over the position at the bankruptcy price.
        """
        account, symbol = self.pick()
        exchange, tick = self.exchange, self.exchange.contracts[symbol].tick_e8
        step, price = self.exchange.contracts[symbol].step_e8, self.price[symbol]
        self.market(symbol)
        leverage = 50
        exchange.attempt(lambda: exchange.set_leverage(account, symbol, leverage))
        free = view(account, exchange.mark_e8).available
        steps = int(free * 0.9 * leverage) // (price * tick * step // E8)
        buy = self.random.random() < 0.5
        side = self.position_side(account)
        if side != "BOTH":
            side = "LONG" if buy else "SHORT"
        gap = int(price * 0.045) * (-1 if buy else 1)
        for opening in (True, False):
            middle = price if opening else price + gap
            for quoted, sign in (("BUY", -1), ("SELL", 1)):
                quotes = ((middle + sign, steps or 1),)
                exchange.apply(HouseQuotes(exchange.now_ms, symbol, quoted, quotes, whole=True))
            order = NewOrder(
                symbol, "BUY" if buy == opening else "SELL", "MARKET", steps * step,
                position_side=side, reduce_only=not opening and side == "BOTH",
            )  # fmt: skip
            exchange.attempt(lambda order=order: exchange.place(account, order))

    def funding(self) -> None:
        symbol, rng = self.random.choice(SYMBOLS), self.random
        due = self.exchange.now_ms + rng.randint(1, 60_000)
        self.exchange.set_funding(symbol, rng.randint(-2_000_000, 2_000_000), due)
        self.exchange.advance(due)

    def operate(self) -> None:
        """One of the operator's acts, and a reason in its book to do them."""
        account, symbol = self.pick()
        rng, exchange = self.random, self.exchange
        match rng.randrange(6):
            case 0:
                exchange.liquidate(account, rng.choice(("", symbol)))
            case 1:
                side = self.position_side(account)
                exchange.auto_deleverage(account, symbol, side, rng.randint(0, 500))
            case 2 if account.open_orders:
                exchange.expire_order(account, rng.choice(list(account.open_orders)), "operator")
            case 3 if account.open_algos:
                exchange.expire_algo(account, rng.choice(list(account.open_algos)))
            case 4 if account.open_algos:
                exchange.reject_algo(account, rng.choice(list(account.open_algos)))
            case 5:
                exchange.drain_insurance(exchange.insurance_e8 * rng.randrange(2))

    def rescue(self) -> None:
        """Money for the poorest, so that life goes on."""
        poorest = min(self.accounts, key=lambda account: account.wallet_e8)
        if poorest.wallet_e8 < 2_000 * E8:
            self.exchange.transfer(poorest, self.random.randint(500, 20_000) * E8)

    def reform(self) -> None:
        """Clear an account out and begin again in other modes."""
        account, _ = self.pick()
        self.exchange.liquidate(account)
        for symbol in SYMBOLS:
            self.exchange.cancel_all(account, symbol)
            self.exchange.cancel_all_algos(account, symbol)
        self._set_modes(account, *self.random.choice(self.modes))

    def look_at_protected(self) -> None:
        """Count what has been reached and does not trigger, the mark being too far away."""
        for algos in self.exchange.algos.values():
            for algo in algos.values():
                if not algo.price_protect or algo.working_type != "CONTRACT_PRICE":
                    continue
                over = self.exchange.last_ticks[algo.contract.symbol] - algo.trigger_ticks
                rises = (algo.side == "BUY") == algo.type.startswith("STOP")
                if algo.trigger_ticks and over * (1 if rises else -1) >= 0:
                    self.exchange.tally.count["price protected"] += 1


HAPPENED = (
    "NEW LIMIT GTC", "NEW LIMIT IOC", "NEW LIMIT FOK", "NEW LIMIT GTX", "NEW LIMIT GTD",
    "NEW MARKET GTC", "NEW LIQUIDATION IOC", "NEW reduce-only", "AMENDMENT LIMIT GTC",
    "fill maker", "fill taker", "fill BOTH", "fill LONG", "fill SHORT",
    *(f"self trade {mode}" for mode in STP_MODES),
    "CANCELED ", "CANCELED liquidation", "countdown", "EXPIRED good till date", "EXPIRED operator",
    "EXPIRED not filled at once", "EXPIRED nothing to reduce", "EXPIRED the position is closed",
    "NEW_INSURANCE", "NEW_ADL", "deleveraged", "margin call",
    *(f"algo {status}" for status in
      ("NEW", "TRIGGERING", "TRIGGERED", "FINISHED", "CANCELED", "EXPIRED", "REJECTED")),
    *(f"triggered {kind}" for kind in KINDS), "price protected",
    "liquidation cross", "liquidation isolated", "liquidation fee", "bankruptcy",
    "funding paid", "funding received",
)  # fmt: skip
REFUSED = {-2018, -2019, -2021, -2022, -2027, -4046, -4051, -4164, -5021, -5022}


def live(seed: int, steps: int, *, insurance: int = 50_000) -> LongLife:
    life = LongLife(seed, insurance)
    for number in range(steps):
        life.step()
        if number % 200 == 0:
            assert_sound(life.exchange)
            life.look_at_protected()
    assert_sound(life.exchange)
    return life


def assert_totals(exchange: Witness) -> None:
    """Each kind of income by itself, over a whole life."""
    for account in exchange.accounts.values():
        told: dict[str, int] = {}
        for row in account.income:
            told[row.kind] = told.get(row.kind, 0) + row.amount_e8
        mine = exchange.accountant.of(account.name).totals
        assert told == {kind: total.scaleb(8) for kind, total in mine.items() if total}


@pytest.mark.parametrize(("seed", "insurance"), [(21, 50_000), (22, 0)])
def test_a_second_set_of_books_agrees_after_every_step(seed: int, insurance: int) -> None:
    assert_totals(live(seed, 4_000, insurance=insurance).exchange)


@pytest.mark.slow
def test_a_hundred_thousand_operations_in_which_everything_happens() -> None:
    life = live(20, 100_000)
    exchange = life.exchange
    assert_totals(exchange)
    happened = exchange.tally.count + exchange.accountant.seen
    assert [name for name in HAPPENED if not happened[name]] == []
    assert any(algo.triggered_ms for algo in life.activated)
    assert set(exchange.refused) >= REFUSED, sorted(exchange.refused)
