"""The core with one contract and a market that stands where it is put; numbers in USDT and coins."""

from __future__ import annotations

from typing import Any

from riposte.exchange.contract import contract_of
from riposte.exchange.core import Exchange
from riposte.exchange.events import AlgoChanged, OrderChanged
from riposte.exchange.feed import HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.invariants import breaches
from riposte.exchange.margin import AccountView, view
from riposte.exchange.records import Account, AlgoOrder, Order, Position
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import Amendment, NewAlgo, NewOrder
from riposte.exchange.switches import Switches
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for

START = 1_700_000_000_000
SYMBOL = "BTCUSDT"


def e8(value: float) -> int:
    return round(value * E8)


class World:
    """BTCUSDT: tick 0.1, step 0.001, maker 0.02 %, taker 0.05 %, maintenance 0.4 % up to 50 000."""

    def __init__(self, price: float = 50_000, *, insurance: float = 10**6, **switches: Any) -> None:
        self.exchange = Exchange(
            [contract_of(instrument_for(SYMBOL))],
            start_ms=START,
            switches=Switches(**switches),
            insurance_e8=e8(insurance),
        )
        self.events: list[Any] = []
        self.mark(price)
        self.quote(price)
        self.print(price)

    # the market

    def quote(
        self, middle: float, *, spread: float = 0.1, size: float = 100, levels: int = 5
    ) -> None:
        """Quotes of ``size`` coins each a dollar apart, the best ``spread`` away from the middle."""
        for side, sign in (("BUY", -1), ("SELL", 1)):
            rows = tuple(
                (round((middle + sign * (spread + n)) * 10), round(size * 1000))
                for n in range(levels)
            )
            self.apply(HouseQuotes(self.now, SYMBOL, side, rows if size else (), whole=True))

    def bare(self) -> None:
        """No quotes at all."""
        self.quote(0, size=0)

    def mark(self, price: float) -> None:
        self.apply(MarkPrice(self.now, SYMBOL, e8(price), e8(price)))

    def print(self, price: float, quantity: float = 0.001, *, sell: bool = False) -> None:
        """A trade outside."""
        self.apply(HouseTrade(self.now, SYMBOL, round(price * 10), round(quantity * 1000), sell))

    def move(self, price: float) -> None:
        """Everything goes there."""
        self.quote(price)
        self.mark(price)
        self.print(price)

    def apply(self, event: Any) -> None:
        self.exchange.apply(event)
        self.check()

    def wait(self, milliseconds: int) -> None:
        self.exchange.advance(self.now + milliseconds)
        self.check()

    def check(self) -> None:
        assert breaches(self.exchange) == []
        self.events += self.exchange.take_events()

    @property
    def now(self) -> int:
        return self.exchange.now_ms

    # a customer

    def account(self, deposit: float, name: str = "", **settings: Any) -> Account:
        account = self.exchange.open_account(name or f"a{len(self.exchange.accounts)}", e8(deposit))
        if settings.get("hedge"):
            self.exchange.set_hedge_mode(account, on=True)
        if settings.get("isolated"):
            self.exchange.set_isolated(account, SYMBOL, isolated=True)
        if "leverage" in settings:
            self.exchange.set_leverage(account, SYMBOL, settings["leverage"])
        return account

    def order(
        self,
        account: Account,
        side: Any,
        quantity: float,
        price: float = 0,
        tif: str = "",
        **more: Any,
    ) -> Order:
        limit = price or "price_match" in more
        order = self.exchange.place(
            account,
            NewOrder(
                SYMBOL,
                side,
                "LIMIT" if limit else "MARKET",
                quantity_e8=e8(quantity),
                price_e8=e8(price),
                time_in_force=tif or ("GTC" if limit else ""),
                **more,
            ),
        )
        self.check()
        return order

    def algo(
        self, account: Account, side: Any, kind: str, trigger: float = 0, **more: Any
    ) -> AlgoOrder:
        fields = {name: e8(more.pop(name[:-3])) for name in ("quantity_e8", "price_e8", "activate_price_e8") if name[:-3] in more}  # fmt: skip
        algo = self.exchange.place_algo(
            account,
            NewAlgo(SYMBOL, side, kind, trigger_price_e8=e8(trigger), **fields, **more),
        )
        self.check()
        return algo

    def modify(self, order: Order, quantity: float, price: float, **more: Any) -> Order:
        changed = self.exchange.modify(
            order.account,
            Amendment(SYMBOL, order.side, e8(quantity), e8(price), order_id=order.order_id, **more),
        )
        self.check()
        return changed

    def refused(self, work: Any, *arguments: Any, **more: Any) -> int:
        """The code of a refusal, which changed nothing."""
        before = self.exchange.journal.head
        try:
            work(*arguments, **more)
        except Refusal as refusal:
            assert self.exchange.journal.head == before
            return refusal.code
        raise AssertionError("it was not refused")

    # what there is

    def view(self, account: Account) -> AccountView:
        return view(account, self.exchange.mark_e8)

    def position(self, account: Account, side: Any = "BOTH") -> Position:
        return account.positions[SYMBOL, side]

    def coins(self, account: Account, side: Any = "BOTH") -> float:
        held = account.positions.get((SYMBOL, side))
        return held.quantity / 1000 if held else 0.0

    def lives(self, order: Order | AlgoOrder) -> list[str]:
        """The statuses that an order was told to have, in order."""
        if isinstance(order, AlgoOrder):
            told = [e for e in self.events if isinstance(e, AlgoChanged) and e.algo is order]
        else:
            told = [e for e in self.events if isinstance(e, OrderChanged) and e.order is order]
        return [e.status for e in told]
