"""Labels that say nothing about their rows: outcomes exchanged in blocks inside the training window."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from riposte.layers.contract import TrainingSet
from riposte.market.interval import DAY_NS

# What came of a row: moved together. When it was known stays with the row, so that purging is as it was.
_OUTCOME = (
    "label",
    "long_return",
    "short_return",
    "weight",
    "uniqueness",
    "forward_return",
)
_LEAST_BLOCKS = 2
_BLOCK_DAYS = 10
_HORIZONS = 10


@dataclass(frozen=True, slots=True)
class LabelShuffle:
    """Which exchange of outcomes: ``seed`` gives the order, the same in every process.

    ``block_ns`` is a whole number of days, much longer than a label lives.
    """

    seed: int
    block_ns: int

    @staticmethod
    def of(seed: int, horizon_ns: int) -> LabelShuffle:
        """Blocks of ten days, or of ten horizons if that is longer."""
        days = max(_BLOCK_DAYS, -(-_HORIZONS * horizon_ns // DAY_NS))
        return LabelShuffle(seed, days * DAY_NS)


def shuffled(rows: TrainingSet, shuffle: LabelShuffle, fold: int) -> TrainingSet:
    """The training rows with their outcomes exchanged between blocks of time; no block keeps its own.

    Outcomes move in blocks of whole days, the same for all symbols: how they follow one another, how
    they hang together across symbols and at which hour they come stays as it was; what they have to do
    with the features of their row does not. Regime labels stay: they say in which state the market is,
    not which side paid. A window shorter than two blocks is cut in half.
    """
    if len(rows) == 0:
        return rows
    rng = np.random.default_rng([shuffle.seed, fold])
    start, end = int(rows.time[0]), int(rows.time[-1]) + 1
    length = min(shuffle.block_ns, -(-(end - start) // _LEAST_BLOCKS))
    offset = int(rng.integers(0, max(length // DAY_NS, 1))) * DAY_NS
    block = (rows.time - start + offset) // length
    order = _without_fixed_points(int(block[-1]) + 1, rng)
    source = np.arange(len(rows))
    for symbol in np.unique(rows.symbol):
        mine = np.flatnonzero(rows.symbol == symbol)
        source[mine] = mine[np.argsort(order[block[mine]], kind="stable")]
    moved = {
        name: values[source] for name in _OUTCOME if (values := getattr(rows, name)) is not None
    }
    return dataclasses.replace(rows, **moved)


def _without_fixed_points(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order of ``count`` > 1 things in which none stands where it stood."""
    while True:
        order = rng.permutation(count)
        if count == 1 or not (order == np.arange(count)).any():
            return order.astype(np.int64)
