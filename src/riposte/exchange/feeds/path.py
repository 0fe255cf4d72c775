"""The trades of a candle: a path through its four prices, quantities that add up to what it says.

The price goes from the open to the low, the high and the close where it closed at or above the
open, else to the high before the low. Trades lie between as chance has it, the extremes are traded
from both sides where there are trades enough. Quantities are whole steps; their sum is the volume,
the sum of those that takers bought the taker-buy volume, and they are tilted towards high or low
prices until price times quantity comes as near to the recorded quote volume as it can.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from riposte.exchange.feeds.chance import Draws

_STEEPEST = 60.0


@dataclass(frozen=True, slots=True)
class Candle:
    """One recorded candle; prices in ticks, quantities in steps.

    ``quote`` (tick·steps) is -1 and ``count`` 0 where they were not recorded.
    """

    open_ms: int
    length_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    taker_buy: int
    quote: int = -1
    count: int = 0


@dataclass(frozen=True, slots=True)
class Print:
    """One trade."""

    time_ms: int
    ticks: int
    quantity: int
    taker_buys: bool


def turning_points(candle: Candle) -> list[int]:
    """The prices that must be traded, in order."""
    rising = candle.close >= candle.open
    extremes = (candle.low, candle.high) if rising else (candle.high, candle.low)
    points = [candle.open]
    for ticks in (*extremes, candle.close):
        if ticks != points[-1]:
            points.append(ticks)
    return points


def prints_of(candle: Candle, most: int, draws: Draws) -> list[Print]:
    """The candle's trades in time order.

    As many as were recorded, but at most ``most`` (more only where its prices need them). A candle
    with fewer steps of volume than turning points keeps its volume, its close and, if it can, its
    open.
    """
    if not candle.volume:
        return []
    points = turning_points(candle)
    if candle.volume < len(points):
        points = [points[0], points[-1]][-candle.volume :]
    mixed = 0 < candle.taker_buy < candle.volume
    wanted = min(candle.count or most, most, candle.volume)
    number = max(wanted, len(points), 1 + mixed)
    prices, sides = _path(points, number, mixed, draws)
    buys = _sides(prices, sides, candle, draws)
    quantities = _quantities(prices, buys, candle, draws)
    slot = candle.length_ms / number
    return [
        Print(candle.open_ms + int((i + draws()) * slot), ticks, quantity, bought)
        for i, (ticks, quantity, bought) in enumerate(zip(prices, quantities, buys, strict=True))
    ]


def _path(
    points: list[int], number: int, mixed: bool, draws: Draws
) -> tuple[list[int], list[bool | None]]:
    """``number`` prices through the turning points, and the taker's side where it is settled."""
    spare = number - len(points)
    both = mixed and len(points) > 1 and spare >= 2
    lowest, highest = min(points), max(points)
    if both:
        spare -= (points.count(lowest) > 0) + (points.count(highest) > 0)
    lengths = [abs(after - before) + 1 for before, after in itertools.pairwise(points)]
    extra = _shared(spare, lengths, draws) if lengths else []
    prices: list[int] = []
    sides: list[bool | None] = []
    doubled: set[int] = set()
    for i, point in enumerate(points):
        twice = both and point in (lowest, highest) and point not in doubled
        doubled.add(point)
        prices += [point, point] if twice else [point]
        sides += [point == highest, point != highest] if twice else [None]
        if i < len(lengths):
            between = _between(point, points[i + 1], extra[i], draws)
            prices += between
            sides += [None] * len(between)
    rest = number - len(prices)  # a candle of one price has no way to spread trades over
    return prices + [points[-1]] * rest, sides + [None] * rest


def _between(start: int, stop: int, number: int, draws: Draws) -> list[int]:
    """Prices on the way, mostly forwards."""
    places = sorted(draws() for _ in range(number))
    return [
        start + round((stop - start) * min(1.0, max(0.0, place + 0.2 * (draws() - 0.5))))
        for place in places
    ]


def _shared(number: int, weights: Sequence[int], draws: Draws) -> list[int]:
    """``number`` shared out by chance, by weight."""
    shares = [0] * len(weights)
    total = sum(weights)
    for _ in range(number):
        at = draws() * total
        i = 0
        while i < len(weights) - 1 and at >= weights[i]:
            at -= weights[i]
            i += 1
        shares[i] += 1
    return shares


def _sides(
    prices: list[int], settled: list[bool | None], candle: Candle, draws: Draws
) -> list[bool]:
    """Whether the taker bought, for each trade; rather yes where the price rose."""
    share = candle.taker_buy / candle.volume
    before = prices[0]
    buys: list[bool] = []
    for ticks, side in zip(prices, settled, strict=True):
        chance = share + 0.25 * ((ticks > before) - (ticks < before))
        buys.append(draws() < chance if side is None else side)
        before = ticks
    # Each side must have a step for each of its trades, and a trade if it has volume.
    number, sold = len(prices), candle.volume - candle.taker_buy
    fewest = max(int(candle.taker_buy > 0), number - sold)
    most = min(candle.taker_buy, number - int(sold > 0))
    bought = sum(buys)
    for i in range(number):
        if bought < fewest and not buys[i]:
            buys[i], bought = True, bought + 1
        elif bought > most and buys[i]:
            buys[i], bought = False, bought - 1
    return buys


def _quantities(prices: list[int], buys: list[bool], candle: Candle, draws: Draws) -> list[int]:
    groups = [
        ([i for i, bought in enumerate(buys) if bought], candle.taker_buy),
        ([i for i, bought in enumerate(buys) if not bought], candle.volume - candle.taker_buy),
    ]
    weights = [0.2 - math.log(1.0 - draws()) for _ in prices]
    if candle.quote >= 0 and candle.high > candle.low:
        _tilt(weights, prices, groups, candle)
    quantities = [0] * len(prices)
    for members, total in groups:
        if not members:
            continue
        spare, heavy = total - len(members), sum(weights[i] for i in members)
        for i in members:
            quantities[i] = 1 + int(spare * weights[i] / heavy)
        heaviest = max(members, key=weights.__getitem__)
        quantities[heaviest] += total - sum(quantities[i] for i in members)
    if candle.quote >= 0:
        _approach(quantities, prices, groups, candle.quote)
    return quantities


def _tilt(
    weights: list[float], prices: list[int], groups: list[tuple[list[int], int]], candle: Candle
) -> None:
    """Weigh high prices more, or low ones, so that the average price comes near the recorded."""
    middle, half = (candle.high + candle.low) / 2, (candle.high - candle.low) / 2
    places = [(ticks - middle) / half for ticks in prices]
    wanted = (candle.quote - candle.volume * middle) / half - sum(places)
    low, high, slope = -_STEEPEST, _STEEPEST, 0.0
    tilted = list(weights)
    for _ in range(24):
        tilted = [w * math.exp(slope * x) for w, x in zip(weights, places, strict=True)]
        found = spread = 0.0
        for members, total in groups:
            if len(members) < 2:
                found += sum(places[i] for i in members) * (total - len(members))
                continue
            heavy = sum(tilted[i] for i in members)
            mean = sum(tilted[i] * places[i] for i in members) / heavy
            square = sum(tilted[i] * places[i] ** 2 for i in members) / heavy
            found += (total - len(members)) * mean
            spread += (total - len(members)) * (square - mean**2)
        if abs(found - wanted) <= 1e-4 * candle.volume or high - low < 1e-6:
            break
        low, high = (slope, high) if found < wanted else (low, slope)
        slope = slope + (wanted - found) / spread if spread > 0 else math.inf
        if not low < slope < high:
            slope = (low + high) / 2
    weights[:] = tilted


def _approach(
    quantities: list[int], prices: list[int], groups: list[tuple[list[int], int]], quote: int
) -> None:
    """Move steps between trades of one side until price times quantity is as near as moves bring it."""
    gap = quote - sum(p * q for p, q in zip(prices, quantities, strict=True))
    while gap:
        best, move = abs(gap), (0, 0, 0)
        for members, _ in groups:
            for giver in members:
                free = quantities[giver] - 1
                if not free:
                    continue
                for taker in members:
                    gain = prices[taker] - prices[giver]
                    if gain * gap <= 0:
                        continue
                    steps = min(free, max(1, round(gap / gain)))
                    left = abs(gap - steps * gain)
                    if left < best:
                        best, move = left, (giver, taker, steps)
        giver, taker, steps = move
        if not steps:
            return
        quantities[giver] -= steps
        quantities[taker] += steps
        gap -= steps * (prices[taker] - prices[giver])
