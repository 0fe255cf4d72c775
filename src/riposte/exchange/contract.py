"""The rules of a listed contract as the exchange itself holds them: integers, filters, brackets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from riposte.errors import InputError
from riposte.exchange.units import E8, PPM, show_e8
from riposte.market.instrument import (
    BRACKET_FLOOR,
    BRACKET_LEVERAGE,
    BRACKET_RATE,
    Instrument,
)

CLOSED = frozenset({"DELIVERING", "DELIVERED", "CLOSE"})
"""Statuses in which nothing can be ordered; in the others outside TRADING one may only reduce."""
STATUSES = CLOSED | {"PENDING_TRADING", "TRADING", "PRE_DELIVERING", "PRE_SETTLE", "SETTLING"}


@dataclass(frozen=True, slots=True)
class Bracket:
    """A step of the maintenance margin: for a notional in (floor, cap], all USDT in e8.

    ``maintenance_margin = notional * rate_ppm / 1e6 - amount_e8``; ``leverage`` is the most that a
    position of this size may have.
    """

    number: int
    floor_e8: int
    cap_e8: int
    rate_ppm: int
    amount_e8: int
    leverage: int


@dataclass(frozen=True, slots=True)
class Contract:
    """One perpetual: what one tick and one step are worth, and what an order must satisfy."""

    symbol: str
    base: str
    quote: str
    tick_e8: int
    """Price of one tick, USDT e8."""
    step_e8: int
    """Quantity of one step, coins e8."""
    min_notional_e8: int
    brackets: tuple[Bracket, ...]
    maker_ppm: int = 200
    taker_ppm: int = 500
    liquidation_fee_ppm: int = 12_500
    max_price_ticks: int = 10**9
    max_steps: int = 10**9
    """LOT_SIZE of limit orders."""
    max_market_steps: int = 10**8
    """MARKET_LOT_SIZE."""
    price_up_ppm: int = 1_050_000
    price_down_ppm: int = 950_000
    """PERCENT_PRICE: limit prices allowed as multiples of the mark price."""
    trigger_protect_ppm: int = 50_000
    market_take_bound_ppm: int = 50_000
    """A market order takes nothing beyond this distance from the mark price."""
    max_open_orders: int = 200
    price_grid: int = 1
    """Prices of orders are multiples of so many ticks: above 1 once the exchange has coarsened the
    tick size it shows, while the book goes on in the old one."""
    quantity_grid: int = 1
    """Quantities of orders are multiples of so many steps; what only reduces is exempt."""
    funding_hours: int = 8
    funding_cap_ppm: int = 20_000
    status: str = "TRADING"
    onboard_ms: int = 1_569_398_400_000
    unit_e8: int = field(init=False, compare=False)
    """Value of one tick times one step, USDT e8."""
    price_decimals: int = field(init=False, compare=False)
    """Places of a price on a tick."""
    quantity_decimals: int = field(init=False, compare=False)
    """Places of a quantity in steps."""
    _caps: dict[int, int] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.tick_e8 <= 0 or self.step_e8 <= 0:
            raise InputError(f"{self.symbol}: tick and step must be above 0")
        unit, rest = divmod(self.tick_e8 * self.step_e8, E8)
        if rest:
            raise InputError(
                f"{self.symbol}: a tick times a step must be a whole number of 1e-8 USDT"
            )
        if not self.brackets:
            raise InputError(f"{self.symbol}: a contract needs a leverage bracket")
        if self.status not in STATUSES:
            raise InputError(f"{self.symbol}: no contract status is called {self.status!r}")
        object.__setattr__(self, "unit_e8", unit)
        object.__setattr__(self, "price_decimals", _decimals(self.tick_e8))
        object.__setattr__(self, "quantity_decimals", _decimals(self.step_e8))

    def price(self, ticks: int) -> str:
        """A price as the exchange writes it."""
        return _text(ticks * self.tick_e8, self.price_decimals)

    def quantity(self, steps: int) -> str:
        """A quantity as the exchange writes it."""
        return _text(steps * self.step_e8, self.quantity_decimals)

    def notional_e8(self, ticks: int, steps: int) -> int:
        """Exact value of ``steps`` at ``ticks``."""
        return ticks * steps * self.unit_e8

    def value_e8(self, price_e8: int, steps: int) -> int:
        """Value of ``steps`` at a price that need not be on a tick (the mark price), rounded."""
        product = price_e8 * steps * self.step_e8  # rounded_ratio, written out: it is asked often
        if product >= 0:
            return (product + _HALF_E8) // E8
        return -((_HALF_E8 - product) // E8)

    def bracket_of(self, notional_e8: int) -> Bracket:
        """The bracket that holds a notional (absolute value)."""
        for bracket in self.brackets:
            if notional_e8 <= bracket.cap_e8:
                return bracket
        return self.brackets[-1]

    def maintenance_e8(self, notional_e8: int) -> int:
        """Maintenance margin of an absolute notional, rounded up to 1e-8."""
        bracket = self.bracket_of(notional_e8)
        return max(0, -(-notional_e8 * bracket.rate_ppm // PPM) - bracket.amount_e8)

    def max_notional_e8(self, leverage: int) -> int:
        """The largest position allowed at ``leverage``."""
        cap = self._caps.get(leverage)
        if cap is None:
            caps = [b.cap_e8 for b in self.brackets if b.leverage >= leverage]
            cap = self._caps[leverage] = max(caps, default=0)
        return cap

    @property
    def max_leverage(self) -> int:
        """The most leverage of the first bracket."""
        return self.brackets[0].leverage


@lru_cache(maxsize=65_536)
def _text(value_e8: int, decimals: int) -> str:
    # Streams write the same few thousand prices and quantities over and over.
    return show_e8(value_e8, decimals)


_HALF_E8 = E8 // 2


def _decimals(grid_e8: int) -> int:
    return len(f"{grid_e8:09d}".rstrip("0")) - len(f"{grid_e8:09d}") + 8


def _e8(value: float) -> int:
    return round(value * E8)


def contract_of(instrument: Instrument, *, quote: str = "USDT") -> Contract:
    """The exchange's contract of a market instrument (whose floats are decimal numbers)."""
    floors = [_e8(row[BRACKET_FLOOR]) for row in instrument.brackets]
    caps = [*floors[1:], 10**9 * E8 * 10]
    brackets: list[Bracket] = []
    amount = 0
    for i, row in enumerate(np.asarray(instrument.brackets)):
        rate = round(float(row[BRACKET_RATE]) * PPM)
        if brackets:
            amount += floors[i] * (rate - brackets[-1].rate_ppm) // PPM
        leverage = int(row[BRACKET_LEVERAGE])
        brackets.append(Bracket(i + 1, floors[i], caps[i], rate, amount, leverage))
    return Contract(
        symbol=instrument.symbol,
        base=instrument.symbol.removesuffix(quote),
        quote=quote,
        tick_e8=_e8(instrument.tick_size),
        step_e8=_e8(instrument.step_size),
        min_notional_e8=_e8(instrument.min_notional),
        brackets=tuple(brackets),
        maker_ppm=round(instrument.maker_fee * PPM),
        taker_ppm=round(instrument.taker_fee * PPM),
        liquidation_fee_ppm=round(instrument.liquidation_fee * PPM),
    )


def with_status(contract: Contract, status: str) -> Contract:
    """The same contract in another trading status."""
    return replace(contract, status=status)
