"""Models on purged inner folds of a training window, for importance to be measured on rows they did not see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError
from riposte.layers.contract import Classes, Indices, Learner, Model, TrainingSet
from riposte.layers.splits import forward_splits, purged_splits
from riposte.market.frame import Floats

STRETCHES = 2
_BLOCKS = 20
_LEAST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Judged:
    """A model and later rows of the window that it did not see."""

    model: Model
    features: Floats
    label: Classes
    weight: Floats


def drawn_rows(rows: TrainingSet, seed: int, share: float = 0.8) -> TrainingSet:
    """``share`` of twenty consecutive blocks of the rows, drawn by ``seed``: how another history might be.

    Whole blocks, since single rows overlap with those beside them.
    """
    moments = np.unique(rows.time)
    blocks = np.minimum(
        np.searchsorted(moments, rows.time) * _BLOCKS // max(len(moments), 1), _BLOCKS - 1
    )
    chosen = np.random.default_rng(seed).permutation(_BLOCKS)[: round(share * _BLOCKS)]
    return rows_where(rows, np.isin(blocks, chosen))


def rows_where(rows: TrainingSet, keep: NDArray[np.bool_]) -> TrainingSet:
    """The marked rows."""
    arrays: dict[str, Any] = {
        each.name: values[keep]
        for each in fields(rows)
        if isinstance(values := getattr(rows, each.name), np.ndarray)
    }
    return replace(rows, **arrays)


def judged(
    rows: TrainingSet, columns: Indices, learner: Learner, seed: int, most_rows: int
) -> Iterator[Judged]:
    """A model of the columns for each inner fold, and at most ``most_rows`` rows (spread) to judge it on.

    Each is fitted on the rows whose label was known when its stretch begins.

    Raises:
        DataError: if no inner fold holds enough rows, or all of them have one label.
    """
    made = 0
    for split in purged_splits(rows.time, rows.label_end, forward_splits(rows.time, STRETCHES)):
        past, later = split.fit, split.predict
        if len(past) < _LEAST_ROWS or len(later) < _LEAST_ROWS or not np.ptp(rows.label[past]):
            continue
        made += 1
        step = max(1, -(-len(later) // most_rows))
        later = later[::step]
        yield Judged(
            learner.fit(
                rows.features[np.ix_(past, columns)],
                rows.label[past].astype(np.int64) + 1,
                rows.weight[past],
                3,
                seed,
            ),
            rows.features[np.ix_(later, columns)],
            rows.label[later],
            rows.weight[later],
        )
    if made == 0:
        raise DataError(
            f"{len(rows):,} training rows are too few to select features on: give it a longer "
            "training window or switch selection off"
        )
