"""Inner splits of a training window: always forward in time, purged by when labels became known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from riposte.layers.contract import Indices
from riposte.market.frame import Times


@dataclass(frozen=True, slots=True)
class InnerSplit:
    """Row indices to fit on, and the later ones to predict."""

    fit: Indices
    predict: Indices


def forward_splits(time: Times, count: int) -> tuple[tuple[int, int], ...]:
    """(start, stop) times of ``count`` consecutive stretches that follow an equally long first one.

    Rows are cut by decision time, so that all symbols of one moment fall on the same side.
    """
    moments = np.unique(time)
    places = np.linspace(0, len(moments), count + 2).astype(np.int64)
    edges = [int(moments[place]) for place in places[1:-1]] + [int(moments[-1]) + 1]
    return tuple(itertools.pairwise(edges))


def purged_splits(
    time: Times, label_end: Times, stretches: tuple[tuple[int, int], ...]
) -> tuple[InnerSplit, ...]:
    """For each stretch: the rows whose label was known when it starts, and the rows inside it."""
    return tuple(
        InnerSplit(
            fit=np.flatnonzero((time < start) & (label_end <= start)),
            predict=np.flatnonzero((time >= start) & (time < stop)),
        )
        for start, stop in stretches
    )
