"""House quotes around a price: a stated model of a book, for where none was recorded.

The best bid and ask are ``spread_ticks`` apart. Each side has ``near`` levels one tick apart, then
``middle`` ones on round prices about 1/10,000 of the price apart, then ``far`` ones ten times as far
apart. A level holds a twentieth of what was lately traded in a minute, between half and one and a
half times that by its price; 4 times as much on the round prices, 12 times on the roundest. So a
price keeps its quantity while the market moves around it, and only what comes into reach or goes
out of it is announced. What trades take from a level stays taken until the level has been out of
reach, or a trade needs more than is left: then a new order of full size stands in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from riposte.exchange.feed import HouseQuotes
from riposte.exchange.feeds.chance import mixed
from riposte.exchange.records import OrderSide

MINUTE_SHARE = 20
_SIGNS: tuple[tuple[OrderSide, int], ...] = (("BUY", -1), ("SELL", 1))


@dataclass(frozen=True, slots=True)
class Depth:
    """How many levels, and how wide the spread."""

    spread_ticks: int = 1
    near: int = 10
    middle: int = 15
    far: int = 10


def round_step(ticks: int) -> int:
    """1, 2 or 5 times a power of ten, at or below 1/10,000 of the price, at least one tick."""
    most, step = ticks // 10_000, 1
    while step * 10 <= most:
        step *= 10
    return max(step * n for n in (1, 2, 5) if n == 1 or step * n <= most)


class Ladder:
    """The quotes of one contract; knows what it has said and what trades took since."""

    def __init__(self, symbol: str, seed: int, depth: Depth | None = None) -> None:
        self.symbol = symbol
        self.depth = depth or Depth()
        self._seeds = {"BUY": mixed(seed), "SELL": mixed(seed + 1)}
        self._size = 1
        self._grid = 1
        self._said: dict[OrderSide, dict[int, int]] = {"BUY": {}, "SELL": {}}

    def suit(self, ticks: int, minute_steps: int) -> None:
        """Take note of the price and of what was lately traded in a minute.

        The size is the power of two nearest below, so that the book isn't told anew all the time.
        """
        self._grid = round_step(ticks)
        self._size = 1 << max(0, (minute_steps // MINUTE_SHARE).bit_length() - 1)

    def around(self, time_ms: int, ticks: int, *, taker_buys: bool) -> list[HouseQuotes]:
        """Quotes between which a taker trades at ``ticks``; both sides whole."""
        spread = self.depth.spread_ticks
        bid = ticks - spread if taker_buys else ticks
        rising = ticks > max(self._said["BUY"], default=0)
        order = reversed(_SIGNS) if rising else iter(_SIGNS)  # out of the way first
        return [
            self._side(time_ms, side, bid if side == "BUY" else bid + spread, sign)
            for side, sign in order
        ]

    def _side(self, time_ms: int, side: OrderSide, touch: int, sign: int) -> HouseQuotes:
        said, grid, size, seed = self._said[side], self._grid, self._size, self._seeds[side]
        now: dict[int, int] = {}
        for ticks in self._places(touch, sign):
            left = said.get(ticks)
            if left is None:
                weight = 4 if ticks % grid == 0 else 1
                weight = 12 if ticks % (10 * grid) == 0 else weight
                # between half and one and a half times, by the price
                left = max(1, weight * size * (512 + mixed(seed ^ ticks) % 1025) // 1024)
            now[ticks] = left
        self._said[side] = now
        return HouseQuotes(time_ms, self.symbol, side, tuple(now.items()), whole=True)

    def _places(self, touch: int, sign: int) -> list[int]:
        depth = self.depth
        places = [touch + sign * n for n in range(depth.near)]
        for levels, step in ((depth.middle, self._grid), (depth.far, 10 * self._grid)):
            last = places[-1] if places else touch
            first = (last // step + 1) * step if sign > 0 else ((last - 1) // step) * step
            places += [first + sign * step * n for n in range(levels)]
        return [ticks for ticks in places if ticks > 0]

    def serve(
        self, time_ms: int, ticks: int, quantity: int, *, taker_buys: bool
    ) -> HouseQuotes | None:
        """Take note of a trade at the touch; the quote that must come before it, if one must."""
        side: OrderSide = "SELL" if taker_buys else "BUY"
        said = self._said[side]
        left = said.get(ticks, 0)
        if left >= quantity:
            said[ticks] = left - quantity
            quote = None
        else:
            full = max(quantity, self._size)
            quote = HouseQuotes(time_ms, self.symbol, side, ((ticks, 0), (ticks, full)))
            said[ticks] = full - quantity
        if not said[ticks]:
            del said[ticks]
        return quote
