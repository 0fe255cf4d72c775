"""Random life on the exchange, and what must hold after each step of it."""

from __future__ import annotations

import random
from decimal import Decimal

from riposte.exchange.contract import contract_of
from riposte.exchange.core import Exchange
from riposte.exchange.feed import FundingRate, HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.invariants import breaches, gap_e8
from riposte.exchange.journal import Journal
from riposte.exchange.margin import view
from riposte.exchange.records import Account
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import Amendment, NewAlgo, NewOrder
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for

START = 1_700_000_000_000
CONTRACTS = [contract_of(instrument_for(name)) for name in ("BTCUSDT", "SOLUSDT")]
OPENING = {"BTCUSDT": 500_000, "SOLUSDT": 15_000}


def new_exchange(*, insurance_e8: int = 50_000 * E8, keep: bool = False) -> Exchange:
    return Exchange(
        CONTRACTS,
        start_ms=START,
        switches=Switches(),
        journal=Journal(keep=keep),
        insurance_e8=insurance_e8,
    )


def check_cheap(exchange: Exchange) -> None:
    """What can be looked at after every step."""
    assert gap_e8(exchange) == 0
    for book in exchange.books.values():
        bid, ask = book.best_bid(), book.best_ask()
        assert bid is None or ask is None or bid[0] < ask[0], "crossed book"
    for account in exchange.accounts.values():
        balance = view(account, exchange.mark_e8).margin_balance
        assert balance >= 0, f"{account.name} owes {-balance}"


def check_dear(exchange: Exchange) -> None:
    """The books against the records, one by one, and fills against exact decimals."""
    assert breaches(exchange) == []
    for account in exchange.accounts.values():
        for row in account.fills[-20:]:
            contract = exchange.contracts[row.symbol]
            price = Decimal(row.price_ticks) * Decimal(contract.tick_e8) / E8
            quantity = Decimal(row.quantity) * Decimal(contract.step_e8) / E8
            assert price * quantity == Decimal(row.notional_e8) / E8


class Life:
    """One random operation after another, by a seed."""

    def __init__(self, seed: int, exchange: Exchange | None = None, accounts: int = 4) -> None:
        self.random = random.Random(seed)
        self.exchange = exchange or new_exchange()
        self.price = dict(OPENING)
        self.accounts = [
            self.exchange.open_account(f"customer-{i}", self.random.randrange(500, 50_000) * E8)
            for i in range(accounts)
        ]
        self.refused: dict[int, int] = {}
        for symbol in self.price:
            self.market(symbol)
            self.exchange.apply(FundingRate(START, symbol, 10_000, START + 8 * 3_600_000))

    def step(self) -> None:
        """Something happens; a refusal is something too."""
        action = self.random.choices(
            (self.order, self.cancel, self.market, self.outside_trade, self.algo, self.modify,
             self.settings, self.wait, self.cancel_all, self.move_money, self.crash),
            (40, 12, 16, 10, 8, 5, 3, 3, 1, 1, 0.15),
        )[0]  # fmt: skip
        try:
            action()
        except Refusal as refusal:
            self.refused[refusal.code] = self.refused.get(refusal.code, 0) + 1

    def pick(self) -> tuple[Account, str]:
        return self.random.choice(self.accounts), self.random.choice(list(self.price))

    def near(self, symbol: str, spread: int = 40) -> int:
        return max(1, self.price[symbol] + self.random.randint(-spread, spread))

    def position_side(self, account: Account) -> str:
        return self.random.choice(("LONG", "SHORT")) if account.hedge_mode else "BOTH"

    def order(self) -> None:
        account, symbol = self.pick()
        rng, contract = self.random, self.exchange.contracts[symbol]
        market = rng.random() < 0.3
        steps = int(10 ** rng.uniform(0, 4 if symbol == "BTCUSDT" else 5))
        self.exchange.place(
            account,
            NewOrder(
                symbol,
                rng.choice(("BUY", "SELL")),
                "MARKET" if market else "LIMIT",
                quantity_e8=steps * contract.step_e8,
                price_e8=0 if market else self.near(symbol) * contract.tick_e8,
                time_in_force="" if market else rng.choice(("GTC", "GTC", "GTX", "IOC", "FOK")),
                position_side=self.position_side(account),
                reduce_only=not account.hedge_mode and rng.random() < 0.2,
                stp_mode=rng.choice(("EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE")),
            ),
        )

    def open_order(self, account: Account):
        return self.random.choice(list(account.open_orders.values()) or [None])

    def cancel(self) -> None:
        account, _ = self.pick()
        if order := self.open_order(account):
            self.exchange.cancel(account, order.contract.symbol, order.order_id)

    def cancel_all(self) -> None:
        account, symbol = self.pick()
        self.exchange.cancel_all(account, symbol)
        self.exchange.cancel_all_algos(account, symbol)

    def modify(self) -> None:
        account, _ = self.pick()
        if order := self.open_order(account):
            contract = order.contract
            self.exchange.modify(
                account,
                Amendment(
                    contract.symbol,
                    order.side,
                    max(1, order.quantity + self.random.randint(-20, 20)) * contract.step_e8,
                    self.near(contract.symbol) * contract.tick_e8,
                    order_id=order.order_id,
                ),
            )

    def algo(self) -> None:
        account, symbol = self.pick()
        rng, contract = self.random, self.exchange.contracts[symbol]
        kind = rng.choice(
            ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
        )
        trailing, limit = kind.startswith("TRAILING"), kind in ("STOP", "TAKE_PROFIT")
        closing = kind in ("STOP_MARKET", "TAKE_PROFIT_MARKET") and rng.random() < 0.5
        tick = contract.tick_e8
        self.exchange.place_algo(
            account,
            NewAlgo(
                symbol,
                rng.choice(("BUY", "SELL")),
                kind,
                trigger_price_e8=0 if trailing else self.near(symbol, 400) * tick,
                price_e8=self.near(symbol, 400) * tick if limit else 0,
                quantity_e8=0 if closing else rng.randint(1, 300) * contract.step_e8,
                position_side=self.position_side(account),
                working_type=rng.choice(("CONTRACT_PRICE", "MARK_PRICE")),
                close_position=closing,
                price_protect=rng.random() < 0.2,
                reduce_only=not closing and not account.hedge_mode and rng.random() < 0.5,
                callback_ppm=rng.choice((1_000, 5_000)) if trailing else 0,
            ),
        )

    def market(self, symbol: str = "") -> None:
        rng = self.random
        symbol = symbol or rng.choice(list(self.price))
        self.price[symbol] = max(1_000, self.price[symbol] + rng.randint(-60, 60))
        middle, now = self.price[symbol], self.exchange.now_ms + rng.randint(0, 2_000)
        bids = tuple((middle - 1 - 3 * i, rng.randint(1, 5_000)) for i in range(6))
        asks = tuple((middle + 1 + 3 * i, rng.randint(1, 5_000)) for i in range(6))
        tick = self.exchange.contracts[symbol].tick_e8
        whole = rng.random() < 0.8
        self.exchange.apply(HouseQuotes(now, symbol, "BUY", bids, whole))
        self.exchange.apply(HouseQuotes(now, symbol, "SELL", asks, whole))
        mark = middle * tick + rng.randint(-tick, tick)
        self.exchange.apply(MarkPrice(now, symbol, mark, mark))

    def outside_trade(self) -> None:
        rng, symbol = self.random, self.random.choice(list(self.price))
        now = self.exchange.now_ms + rng.randint(0, 500)
        self.exchange.apply(
            HouseTrade(now, symbol, self.near(symbol, 8), rng.randint(1, 3_000), rng.random() < 0.5)
        )

    def crash(self) -> None:
        """The market gaps, so that margins are called and accounts go bankrupt."""
        symbol = self.random.choice(list(self.price))
        self.price[symbol] = int(self.price[symbol] * self.random.uniform(0.8, 1.2))
        self.price[symbol] = min(max(self.price[symbol], 2_000), 10**7)
        self.market(symbol)

    def settings(self) -> None:
        account, symbol = self.pick()
        rng, exchange = self.random, self.exchange
        rng.choice(
            (
                lambda: exchange.set_leverage(account, symbol, rng.choice((1, 5, 20, 50, 75))),
                lambda: exchange.set_isolated(account, symbol, rng.random() < 0.5),
                lambda: exchange.set_hedge_mode(account, rng.random() < 0.5),
                lambda: exchange.adjust_isolated_margin(
                    account,
                    symbol,
                    self.position_side(account),
                    rng.randint(1, 100) * E8,
                    add=rng.random() < 0.5,
                ),
                lambda: exchange.countdown(account, symbol, rng.choice((0, 3_000))),
                lambda: exchange.transfer(account, rng.randint(1, 5_000) * E8),
            )
        )()

    def move_money(self) -> None:
        self.exchange.transfer(self.random.choice(self.accounts), -self.random.randint(1, 500) * E8)

    def wait(self) -> None:
        self.exchange.advance(self.exchange.now_ms + self.random.randint(1, 1_800_000))
