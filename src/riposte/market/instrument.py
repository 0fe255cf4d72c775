"""A perpetual contract as the engine must know it: rounding, minimum notional, fees, brackets.

Maintenance margin follows the exchange's brackets: for a position of ``notional`` USDT,
``maintenance = notional * rate - amount`` with rate and amount of the bracket that holds the
notional (Binance, "Leverage and Margin of USD-M Futures"). ``amount`` makes the function continuous,
so it follows from the floors and the rates alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from riposte.errors import InputError
from riposte.market.frame import Floats

# Columns of ``Instrument.brackets``.
BRACKET_FLOOR, BRACKET_RATE, BRACKET_AMOUNT, BRACKET_LEVERAGE = 0, 1, 2, 3

_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD")
_UNIFIED = re.compile(r"([A-Z0-9]+)/([A-Z]+)(?::([A-Z]+))?")


def parse_symbol(text: str) -> str:
    """The exchange's name of a symbol given as ``BTCUSDT``, ``BTC/USDT:USDT`` or ``BTC/USDT``.

    Raises:
        InputError: if it is neither form, or its quote currency is not one of a linear perpetual.
    """
    cleaned = text.strip().upper()
    unified = _UNIFIED.fullmatch(cleaned)
    name = unified[1] + unified[2] if unified else cleaned
    quote = next((q for q in _QUOTES if name.endswith(q) and len(name) > len(q)), None)
    settles_elsewhere = unified is not None and unified[3] not in (None, unified[2])
    if quote is None or settles_elsewhere or not name.isalnum():
        raise InputError(
            f"symbol {text!r} is not a linear perpetual: write it like BTCUSDT or BTC/USDT:USDT"
        )
    return name


def brackets_from_rates(rows: Sequence[tuple[float, float, float]]) -> Floats:
    """Brackets (n, 4) from rows of (notional floor, maintenance rate, maximum leverage)."""
    table = np.zeros((len(rows), 4))
    for i, (floor, rate, leverage) in enumerate(rows):
        amount = 0.0
        if i:
            amount = table[i - 1, BRACKET_AMOUNT] + floor * (rate - table[i - 1, BRACKET_RATE])
        table[i] = floor, rate, amount, leverage
    table.setflags(write=False)
    return table


# For a symbol without a table of its own: the strictest of the common alt-coin tables.
CAUTIOUS_BRACKETS = brackets_from_rates(
    [
        (0, 0.010, 50),
        (10_000, 0.015, 40),
        (50_000, 0.020, 25),
        (400_000, 0.025, 20),
        (800_000, 0.050, 10),
        (4_000_000, 0.100, 5),
        (8_000_000, 0.125, 4),
        (10_000_000, 0.250, 2),
        (20_000_000, 0.500, 1),
    ]
)


@dataclass(frozen=True, slots=True)
class Instrument:
    """The contract's rules. Prices and notionals in USDT, quantities in coins, fees as fractions."""

    symbol: str
    tick_size: float = 0.01
    step_size: float = 0.001
    min_notional: float = 5.0
    maker_fee: float = 0.0002
    taker_fee: float = 0.0005
    liquidation_fee: float = 0.0125
    half_spread: float = 0.00005
    brackets: Floats = field(default_factory=lambda: CAUTIOUS_BRACKETS)


_MAJOR = [
    (0, 0.004, 125),
    (50_000, 0.005, 100),
    (600_000, 0.0065, 75),
    (3_000_000, 0.010, 50),
    (12_000_000, 0.020, 25),
    (50_000_000, 0.025, 20),
    (65_000_000, 0.050, 10),
    (150_000_000, 0.100, 5),
    (320_000_000, 0.125, 4),
    (400_000_000, 0.150, 3),
    (530_000_000, 0.250, 2),
    (800_000_000, 0.500, 1),
]

# The exchange's published contract rules for the symbols the presets name, mid 2025. A recorded
# table or the exchange's own answer replaces them where there is one.
INSTRUMENTS = {
    "BTCUSDT": Instrument("BTCUSDT", 0.1, 0.001, 100.0, half_spread=0.00001,
                          brackets=brackets_from_rates(_MAJOR)),
    "ETHUSDT": Instrument("ETHUSDT", 0.01, 0.001, 20.0, half_spread=0.00002,
                          brackets=brackets_from_rates(_MAJOR)),
    "SOLUSDT": Instrument("SOLUSDT", 0.01, 0.01, 5.0, half_spread=0.00004),
    "BNBUSDT": Instrument("BNBUSDT", 0.01, 0.01, 5.0, half_spread=0.00005),
}  # fmt: skip


def instrument_for(symbol: str) -> Instrument:
    """The shipped rules of a symbol, or cautious ones for a symbol without a table."""
    return INSTRUMENTS.get(symbol, Instrument(symbol))
