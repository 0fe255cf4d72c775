"""Whether choosing the best of several configurations by their past says anything about their future.

Combinatorially symmetric cross-validation (CSCV): the history is cut into S blocks; each half of the
blocks is once the past in which the best configuration is chosen, and the other half is the future in
which it is ranked among all.

Source: Bailey, Borwein, López de Prado and Zhu (2015), "The Probability of Backtest Overfitting",
Journal of Computational Finance 20(4).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riposte.market.frame import Floats

_CHUNK_VALUES = 500_000  # of one array of (combinations, configurations): 4 MB
_FLAT = 1e-13  # share of the mean square below which a variance is rounding


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What CSCV finds over C combinations of N configurations.

    ``probability``: how often the best of the past is below the median of the future (PBO). ``logits``
    (C,): log odds of its rank there; below zero is below the median. ``past`` and ``future`` (C,): its
    Sharpe ratios, per observation. ``slope``: how much of a higher past ratio is left in the future, by
    least squares; NaN where the past ones are all alike. ``probability_of_loss``: how often its future
    ratio is below zero.
    """

    configurations: int
    blocks: int
    probability: float
    logits: Floats
    past: Floats
    future: Floats
    slope: float
    probability_of_loss: float


def probability_of_overfitting(returns: Floats, blocks: int = 16) -> Overfitting:
    """PBO of a matrix of returns (T, N): a row per period, a column per configuration.

    Performance is the Sharpe ratio over the chosen blocks; of a configuration that does not move there
    it is 0, for it neither gains nor risks anything. The best of equals is the first.

    Formula: PBO = share of combinations with λ < 0, λ = ln(ω / (1 - ω)), ω = rank / (N + 1), where rank is
    that of the past's best among the future's ratios, 1 the worst, ties sharing theirs.
    Time and memory: C(S, S/2) · N, in pieces of 30 MB.

    Raises:
        ValueError: if blocks are odd or too many for the rows, there is one column only, or a value is
            not finite.
    """
    rows, columns = returns.shape
    if blocks < 2 or blocks % 2 or blocks > rows // 2:
        raise ValueError(f"an even number of blocks of two rows or more is wanted, not {blocks}")
    if columns < 2:
        raise ValueError("at least two configurations are needed to choose between")
    if not np.isfinite(returns).all():
        raise ValueError("returns must be finite")
    centre = returns.mean(axis=0)
    lengths, sums, squares = _block_sums(returns - centre, blocks)
    chosen = list(_halves(blocks))
    step = max(1, _CHUNK_VALUES // columns)
    found = [
        _judge(np.array(chosen[at : at + step]), lengths, sums, squares, centre)
        for at in range(0, len(chosen), step)
    ]
    rank, past, future = (np.concatenate(each) for each in zip(*found, strict=True))
    share = rank / (columns + 1.0)
    return _summed(columns, blocks, np.log(share / (1.0 - share)), past, future)


def together(parts: Sequence[Overfitting]) -> Overfitting | None:
    """Several findings on as many blocks as one, all combinations pooled; None of none."""
    if not parts:
        return None
    logits, past, future = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("logits", "past", "future")
    )
    most = max(part.configurations for part in parts)
    return _summed(most, parts[0].blocks, logits, past, future)


def blocks_for(periods: int, *, most: int = 16, least_length: int = 10) -> int:
    """How many blocks so many periods carry: even, at most ``most``; 0 if not even four."""
    fitting = min(most, periods // least_length) // 2 * 2
    return fitting if fitting >= 4 else 0


def _summed(
    configurations: int, blocks: int, logits: Floats, past: Floats, future: Floats
) -> Overfitting:
    varies = len(past) > 1 and float(np.ptp(past)) > 0.0
    away = past - past.mean()
    return Overfitting(
        configurations=configurations,
        blocks=blocks,
        probability=float(np.mean(logits < 0.0)),
        logits=logits,
        past=past,
        future=future,
        slope=float(away @ future / (away @ away)) if varies else math.nan,
        probability_of_loss=float(np.mean(future < 0.0)),
    )


def _halves(blocks: int) -> Iterator[NDArray[np.float64]]:
    """Every choice of half the blocks, as ones and zeros."""
    for picked in itertools.combinations(range(blocks), blocks // 2):
        half = np.zeros(blocks)
        half[list(picked)] = 1.0
        yield half


def _block_sums(values: Floats, blocks: int) -> tuple[Floats, Floats, Floats]:
    """(rows, sums, sums of squares) of each block; the first blocks have the rows that are left over."""
    size, more = divmod(len(values), blocks)
    lengths = np.full(blocks, size)
    lengths[:more] += 1
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    sums = np.add.reduceat(values, starts, axis=0)
    return lengths.astype(np.float64), sums, np.add.reduceat(values**2, starts, axis=0)


def _judge(
    half: Floats, lengths: Floats, sums: Floats, squares: Floats, centre: Floats
) -> tuple[Floats, Floats, Floats]:
    """(rank in the future, past ratio, future ratio) of the past's best, per combination."""

    def ratios(blocks: Floats) -> Floats:
        count = (blocks @ lengths)[:, None]
        away = blocks @ sums / count
        second = blocks @ squares
        variance = (second - count * away**2) / (count - 1.0)
        mean = away + centre
        moves = variance > _FLAT * (second / count + centre**2)
        out: Floats = np.zeros_like(mean)
        np.divide(mean, np.sqrt(variance, where=moves, out=out.copy()), where=moves, out=out)
        return out

    before, after = ratios(half), ratios(1.0 - half)
    row = np.arange(len(half))
    best = before.argmax(axis=1)
    reached = after[row, best]
    lower = (after < reached[:, None]).sum(axis=1)
    equal = (after == reached[:, None]).sum(axis=1)
    return lower + (equal + 1.0) / 2.0, before[row, best], reached
