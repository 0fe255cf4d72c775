"""A study turned into what the charts and tables show: pure functions, no text and no drawing."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riposte.engine.enums import Halt, TradingState
from riposte.engine.run import RunResult
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS
from riposte.proof.results import Outcome, PriceHistory

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class YearRow:
    """A year of monthly returns, January first; NaN where there was no data."""

    year: int
    months: tuple[float, ...]
    total: float


@dataclass(frozen=True, slots=True)
class HaltSpan:
    """A stretch in which the account was not free to trade."""

    start: int
    end: int
    state: TradingState
    halt: Halt
    equity: float  # when it began
    drawdown: float  # when it began


@dataclass(frozen=True, slots=True)
class CostSplit:
    """Where the money went, USDT: ``net = before - slippage - fees - funding``."""

    before: float
    slippage: float
    fees: float
    funding: float
    net: float


def thin(values: Floats, points: int) -> Rows:
    """Row numbers, at most about ``points``, that keep the shape of a curve.

    First, last and, in each of equally long stretches, the lowest and the highest row: no peak and
    no trough is lost. NaN rows are never chosen as an extreme.
    """
    length = len(values)
    if length <= points:
        return np.arange(length, dtype=np.int64)
    edges = np.linspace(0, length, max(points // 2, 1) + 1).astype(np.int64)
    keep = [0, length - 1]
    for low, high in itertools.pairwise(edges):
        part = values[low:high]
        if np.isfinite(part).any():
            keep += [int(low) + int(np.nanargmin(part)), int(low) + int(np.nanargmax(part))]
    return np.unique(np.array(keep, dtype=np.int64))


def daily(time: Times) -> Rows:
    """The last row of each UTC day; a bar that closes at 00:00 belongs to the day it ends."""
    day = (time - 1) // DAY_NS
    return np.append(np.flatnonzero(np.diff(day) != 0), len(time) - 1).astype(np.int64)


def monthly_returns(time: Times, equity: Floats, starting_equity: float) -> tuple[YearRow, ...]:
    """Net returns of calendar months, UTC, of an equity curve; the first starts from the deposit.

    A first row at the very end of a month is the moment of setting out, not a month.
    """
    month = ((time - 1) // 1_000_000_000).astype("datetime64[s]").astype("datetime64[M]")
    if len(time) > 1 and month[0] != month[1] and equity[0] == starting_equity:
        month, equity = month[1:], equity[1:]
    ends = np.append(np.flatnonzero(np.diff(month) != np.timedelta64(0)), len(month) - 1)
    closes = np.append(starting_equity, equity[ends])
    returns = closes[1:] / closes[:-1] - 1.0
    rows: dict[int, list[float]] = {}
    for name, value in zip(month[ends].astype(str), returns, strict=True):
        year, number = map(int, name.split("-"))
        rows.setdefault(year, [math.nan] * 12)[number - 1] = float(value)
    return tuple(
        YearRow(year, tuple(months), float(np.nanprod(1.0 + np.array(months)) - 1.0))
        for year, months in rows.items()
    )


def halt_spans(run: RunResult, drawdown: Floats) -> tuple[HaltSpan, ...]:
    """Every stretch in which trading was restricted, in order of time."""
    code = run.state.astype(np.int64) * 100 + run.halt
    starts = np.concatenate([[0], np.flatnonzero(np.diff(code) != 0) + 1])
    ends = np.append(starts[1:], len(code) - 1)
    return tuple(
        HaltSpan(
            start=int(run.time[s]),
            end=int(run.time[e]),
            state=TradingState(int(run.state[s])),
            halt=Halt(int(run.halt[s])),
            equity=float(run.equity[s]),
            drawdown=float(drawdown[s]),
        )
        for s, e in zip(starts, ends, strict=True)
        if run.state[s] != TradingState.ACTIVE
    )


def cost_split(system: Outcome, starting_equity: float) -> CostSplit:
    """The net result taken apart. Slippage is inside the fill prices, so it is added back first."""
    fees, funding, slippage = (system.metrics[n] for n in ("fees", "funding", "slippage"))
    net = starting_equity * system.metrics["total_return"]
    return CostSplit(net + fees + funding + slippage, slippage, fees, funding, net)


def coarser(price: PriceHistory, interval_ns: int, most: int) -> tuple[PriceHistory, int]:
    """The bars, joined into longer ones if there are more than ``most``; and their length, ns.

    Joined bars start at whole multiples of their length; the regime is the last one of each.
    """
    factor = math.ceil(len(price.time) / most) if most else 1
    if factor <= 1:
        return price, interval_ns
    length = factor * interval_ns
    group = price.time // length
    first = np.concatenate([[0], np.flatnonzero(np.diff(group) != 0) + 1])
    last = np.append(first[1:], len(group)) - 1
    joined = PriceHistory(
        symbol=price.symbol,
        time=group[first] * length,
        open=price.open[first],
        high=np.maximum.reduceat(price.high, first),
        low=np.minimum.reduceat(price.low, first),
        close=price.close[last],
        regime=price.regime[last],
    )
    return joined, length


def price_decimals(price: PriceHistory) -> int:
    """Decimals that show a price to about one part in ten thousand of its lowest value."""
    lowest = float(np.nanmin(price.low)) if len(price.low) else 1.0
    return max(0, min(8, 4 - math.floor(math.log10(lowest)))) if lowest > 0 else 2


def histogram(values: Floats, bins: int) -> tuple[Floats, Floats]:
    """Edges and counts in equal bins that never straddle zero; the outer two take the tails."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.array([-1.0, 0.0, 1.0]), np.zeros(2)
    reach = float(np.quantile(np.abs(finite), 0.99)) or 1.0
    side = np.linspace(0.0, reach, bins // 2 + 1)
    edges = np.concatenate([-side[:0:-1], side])
    counts, _ = np.histogram(np.clip(finite, edges[0], edges[-1]), edges)
    return edges, counts.astype(np.float64)
