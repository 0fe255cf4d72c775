"""Chance that is the same on every machine and with every version: the splitmix64 sequence.

Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
"""

from __future__ import annotations

import zlib

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    """64 bits that look unrelated to ``value``."""
    value = (value + _STEP) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def seed_of(seed: int, symbol: str, *more: int) -> int:
    """One seed of several values."""
    state = mixed(seed ^ zlib.crc32(symbol.encode()))
    for value in more:
        state = mixed(state ^ value)
    return state


class Draws:
    """Uniform numbers in [0, 1)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def __call__(self) -> float:
        """The next one."""
        self._state = (self._state + _STEP) & _MASK
        return (mixed(self._state) >> 11) * 2.0**-53
