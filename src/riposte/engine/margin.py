"""Rounding and margin arithmetic: tick, step, maintenance brackets, liquidation price.

Source for brackets and the isolated liquidation price: Binance, "Leverage and Margin of USD-M
Futures" and "How to Calculate Liquidation Price of USD-M Futures Contracts".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing

# Relative slack that forgives binary fractions when rounding (0.3 / 0.1 is a little under 3).
_ROUNDING = 1e-9


@borrowing
def floor_to(value: float, size: float) -> float:
    """The largest multiple of ``size`` not above ``value`` (``size`` 0: the value itself)."""
    if size <= 0.0:
        return value
    return np.floor(value / size + _ROUNDING) * size


@borrowing
def ceil_to(value: float, size: float) -> float:
    """The smallest multiple of ``size`` not below ``value`` (``size`` 0: the value itself)."""
    if size <= 0.0:
        return value
    return np.ceil(value / size - _ROUNDING) * size


@borrowing
def against(side: int, price: float, tick: float) -> float:
    """A price rounded to the tick against the trader: buys up, sells down."""
    return ceil_to(price, tick) if side > 0 else floor_to(price, tick)


@borrowing
def bracket_of(instrument: Any, notional: float) -> int:
    """Index of the maintenance bracket that holds ``notional`` USDT."""
    index = 0
    for i in range(instrument["bracket_count"]):
        if notional >= instrument["brackets"][i, 0]:
            index = i
    return index


@borrowing
def maintenance_margin(instrument: Any, notional: float) -> float:
    """Maintenance margin in USDT of a position of ``notional`` USDT."""
    i = bracket_of(instrument, notional)
    return notional * instrument["brackets"][i, 1] - instrument["brackets"][i, 2]


@borrowing
def liquidation_price(instrument: Any, quantity: float, entry_price: float, margin: float) -> float:
    """Mark price at which an isolated position is liquidated; 0 for a long that never is.

    The price where margin plus unrealised profit equals the maintenance margin. The bracket is the
    one that holds the notional at that price, found by trying each.
    """
    size = abs(quantity)
    price = 0.0
    for i in range(instrument["bracket_count"]):
        rate = instrument["brackets"][i, 1]
        amount = instrument["brackets"][i, 2]
        if quantity > 0.0:
            price = (size * entry_price - margin - amount) / (size * (1.0 - rate))
        else:
            price = (size * entry_price + margin + amount) / (size * (1.0 + rate))
        if bracket_of(instrument, size * max(price, 0.0)) == i:
            break
    return max(price, 0.0)


@borrowing
def bankruptcy_price(quantity: float, entry_price: float, margin: float) -> float:
    """Price at which the isolated margin is used up exactly; 0 for a long that cannot be."""
    return max(entry_price - margin / quantity, 0.0)
