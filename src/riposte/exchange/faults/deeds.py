"""What the exchange can do on its own at a time, or at a request: records, carried out by ``acts``.

``account`` empty: whoever's request it is done at, else the only account there is. ``symbol`` empty,
where one is needed: the first that the account holds, else the first listed. Amounts are decimal
numbers; times are milliseconds of the exchange's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from riposte.errors import InputError
from riposte.exchange.clock import LONGEST_LEAP_MS
from riposte.exchange.faults.actions import at_least
from riposte.exchange.faults.reading import Amount, MaybeAmount
from riposte.exchange.units import E8


def _check_part(part_e8: int) -> None:
    if not 0 < part_e8 <= E8:
        raise InputError("part must be above 0 and at most 1")


# the exchange as a whole


@dataclass(frozen=True, slots=True)
class Skew:
    """The time that the exchange tells is off by ``skew_ms``."""

    skew_ms: int


@dataclass(frozen=True, slots=True)
class JumpClock:
    """The exchange's time leaps ahead; everything in between happens at once."""

    by_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.by_ms <= LONGEST_LEAP_MS:
            raise InputError(f"by_ms must be between 0 and {LONGEST_LEAP_MS}, not {self.by_ms}")


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Maintenance begins or ends; when it begins all streams are closed."""

    on: bool


@dataclass(frozen=True, slots=True)
class Ban:
    """An address is refused with 418."""

    length_ms: int = 120_000
    address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        at_least("length_ms", self.length_ms, 1)


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """Other request and order limits; what is not named stays."""

    weight_per_minute: int | None = None
    orders_per_minute: int | None = None
    orders_per_ten_seconds: int | None = None

    def __post_init__(self) -> None:
        for name in ("weight_per_minute", "orders_per_minute", "orders_per_ten_seconds"):
            if (value := getattr(self, name)) is not None:
                at_least(name, value, 0)


@dataclass(frozen=True, slots=True)
class Switch:
    """One of the open questions is answered differently from now on."""

    switch: str
    value: object


@dataclass(frozen=True, slots=True)
class DrainInsurance:
    """The insurance fund is empty but for ``leave``: the next bankruptcy brings ADL."""

    leave: Amount = 0

    def __post_init__(self) -> None:
        at_least("leave", self.leave, 0)


# accounts and keys


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """An API key (all of the account, if none is named) is unknown from now on."""

    account: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class ChangeKey:
    """An API key (all of the account, if none is named) may do more or less."""

    account: str = ""
    key: str = ""
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    ip_restricted: bool | None = None
    allowed_ips: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Restrict:
    """An account may only reduce (-4087), do nothing (-4088), or everything again ("")."""

    how: Literal["", "reduce-only", "no-orders"]
    account: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money comes in, or (negative) leaves."""

    amount: Amount
    account: str = ""


@dataclass(frozen=True, slots=True)
class Liquidate:
    """A position (everything, if no symbol is named) is liquidated."""

    account: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Deleverage:
    """A part of a position (1: all) is closed by ADL at the mark price."""

    account: str = ""
    symbol: str = ""
    position_side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"
    part: Amount = E8

    def __post_init__(self) -> None:
        _check_part(self.part)


@dataclass(frozen=True, slots=True)
class EndAlgos:
    """Waiting conditional orders end: by the exchange, or cancelled by their owner elsewhere.

    All of the account, or those of a symbol, or the one named.
    """

    how: Literal["expire", "reject", "cancel"] = "expire"
    account: str = ""
    symbol: str = ""
    algo_id: int = 0
    client_algo_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EndOrders:
    """Resting orders end: by the exchange, or cancelled by their owner elsewhere."""

    how: Literal["expire", "cancel"] = "expire"
    account: str = ""
    symbol: str = ""
    order_id: int = 0
    client_order_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FillOrders:
    """The market comes to resting orders and fills a part of what is left of each (1: all)."""

    account: str = ""
    symbol: str = ""
    order_id: int = 0
    client_order_id: str = ""
    part: Amount = E8

    def __post_init__(self) -> None:
        _check_part(self.part)


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """The owner places an order elsewhere, in the exchange's own app."""

    side: Literal["BUY", "SELL"]
    quantity: Amount
    price: Amount = 0
    """0: at the market."""
    account: str = ""
    symbol: str = ""
    reduce_only: bool = False
    position_side: Literal["BOTH", "LONG", "SHORT"] = "BOTH"
    client_order_id: str = ""
    """Empty: ``web_…``, as the app's own orders have."""


@dataclass(frozen=True, slots=True)
class ClosePosition:
    """The owner closes a position at the market, in the exchange's own app."""

    account: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class SetLeverage:
    """The owner changes the leverage elsewhere."""

    leverage: int
    account: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class SetMarginType:
    """The owner changes the margin type elsewhere."""

    isolated: bool
    account: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class SetPositionMode:
    """The owner changes the position mode elsewhere."""

    hedge: bool
    account: str = ""


# the market


@dataclass(frozen=True, slots=True)
class BracketRow:
    """A step of the maintenance margin: up to ``cap`` USDT of notional."""

    cap: Amount
    rate_ppm: int
    leverage: int


@dataclass(frozen=True, slots=True)
class ChangeContract:
    """Other rules for a contract; what is not named stays."""

    symbol: str = ""
    status: Literal["", "TRADING", "PENDING_TRADING", "SETTLING", "BREAK", "CLOSE"] = ""
    price_grid: int = 0
    """Prices of new orders must be multiples of so many ticks."""
    quantity_grid: int = 0
    """Quantities of new orders must be multiples of so many steps."""
    min_notional: MaybeAmount = None
    max_leverage: int = 0
    brackets: tuple[BracketRow, ...] = ()
    funding_hours: int = 0
    maker_ppm: int | None = None
    taker_ppm: int | None = None
    max_open_orders: int = 0
    price_up_ppm: int = 0
    price_down_ppm: int = 0
    trigger_protect_ppm: int = 0
    market_take_bound_ppm: int = 0

    def __post_init__(self) -> None:
        for name in ("price_grid", "quantity_grid", "max_leverage", "funding_hours"):
            at_least(name, getattr(self, name), 0)


@dataclass(frozen=True, slots=True)
class SetFunding:
    """Another rate for the coming settlement, and (``in_ms``) another time for it."""

    rate: Amount
    symbol: str = ""
    in_ms: int = 0

    def __post_init__(self) -> None:
        at_least("in_ms", self.in_ms, 0)


@dataclass(frozen=True, slots=True)
class JumpPrice:
    """The market moves at once, by a percentage or to a price, and stays for ``hold_ms``.

    ``book``: the feed's quotes move along; without them ``last`` prints one trade off the book.
    ``mark``: mark and index price move too. What is not held the feed's next events put right.
    """

    by_percent: Amount = 0
    to: Amount = 0
    symbol: str = ""
    book: bool = True
    last: bool = True
    mark: bool = True
    hold_ms: int = 0

    def __post_init__(self) -> None:
        if (self.by_percent != 0) == (self.to != 0):
            raise InputError("one of 'by_percent' and 'to' is needed, and not both")
        if self.by_percent <= -100 * E8 or self.to < 0:
            raise InputError("a price can't fall to nothing")
        at_least("hold_ms", self.hold_ms, 0)


@dataclass(frozen=True, slots=True)
class Squeeze:
    """The mark price goes against a position until maintenance is this part of its margin.

    From 0.8 a margin call is sent; at 1 it is liquidated.
    """

    ratio: Amount = 9 * E8 // 10
    account: str = ""
    symbol: str = ""
    hold_ms: int = 0

    def __post_init__(self) -> None:
        _check_part(self.ratio)
        at_least("hold_ms", self.hold_ms, 0)


@dataclass(frozen=True, slots=True)
class ThinBook:
    """The feed's liquidity on one side is withdrawn but for the best ``leave`` coins."""

    side: Literal["BUY", "SELL"]
    leave: Amount = 0
    symbol: str = ""
    hold_ms: int = 0

    def __post_init__(self) -> None:
        at_least("leave", self.leave, 0)
        at_least("hold_ms", self.hold_ms, 0)


@dataclass(frozen=True, slots=True)
class HoldFeed:
    """A part of the feed stands still; at the end it is caught up with."""

    what: Literal["market", "mark", "funding", "open-interest"]
    length_ms: int
    symbol: str = ""

    def __post_init__(self) -> None:
        at_least("length_ms", self.length_ms, 1)


# connections


@dataclass(frozen=True, slots=True)
class ExpireListenKey:
    """An account's listen key ends, as if its hour were over."""

    account: str = ""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Streams (of a route; all, if none is named) are closed, cut, or fall silent."""

    how: Literal["close", "cut", "silence"] = "close"
    route: Literal["", "public", "market", "private", "legacy"] = ""
    code: int = 1008
    length_ms: int = 0
    """Of silence; 0: for ever."""

    def __post_init__(self) -> None:
        at_least("length_ms", self.length_ms, 0)


@dataclass(frozen=True, slots=True)
class Say:
    """Every stream of a route (all, if none is named) hears a message that the exchange made up.

    With ``stream`` only those that are subscribed to it; they hear it under that name.
    """

    message: Any = field()
    route: Literal["", "public", "market", "private", "legacy"] = ""
    stream: str = ""
