"""Exact numbers: everything that is money, price or quantity on the wire is an integer of 1e-8.

The exchange shows at most eight decimals, so an integer of 1e-8 ("e8") holds every value exactly.
Inside the matching engine prices are ticks and quantities are steps of their contract; the value of
one tick times one step is a whole number of 1e-8 USDT for every listed contract
(:class:`riposte.exchange.contract.Contract` refuses one for which it is not).
"""

from __future__ import annotations

import re

E8 = 100_000_000
"""One unit (USDT, coin or 1.0) in e8."""

PPM = 1_000_000
"""One unit in parts per million: the unit of fee, margin and multiplier rates."""

_NUMBER = re.compile(r"([+-]?)(\d{1,18})(?:\.(\d*))?", re.ASCII)


def parse_e8(text: str) -> int | None:
    """The value of a decimal text as it came over the wire, or None if it is not such a number.

    More than eight decimals are refused as well, unless the rest are zeros.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    fraction = (match[3] or "").rstrip("0")
    if len(fraction) > 8:
        return None
    value = int(match[2]) * E8 + int(fraction.ljust(8, "0"))
    return -value if match[1] == "-" else value


def show_e8(value: int, decimals: int = 8) -> str:
    """``value`` as the exchange prints it, with exactly ``decimals`` places (cut, not rounded)."""
    sign, magnitude = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(magnitude, E8)
    if not decimals:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction // 10 ** (8 - decimals):0{decimals}d}"


def show_trimmed(value: int) -> str:
    """``value`` without trailing zeros: ``0.5``, ``12``."""
    text = show_e8(value)
    return text.rstrip("0").rstrip(".")


def rounded_ratio(value: int, multiplier: int, divisor: int) -> int:
    """``value * multiplier / divisor`` rounded half away from zero; ``divisor`` positive."""
    product = value * multiplier
    if product >= 0:
        return (2 * product + divisor) // (2 * divisor)
    return -((-2 * product + divisor) // (2 * divisor))
