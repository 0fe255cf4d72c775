"""The feature matrix: every feature of every bar, for training; and the last row of it, for live.

Both call the same functions. Live hands each function only as many rows as its look-back, which is
why the two agree whatever the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError
from riposte.features.catalogue import FeatureSpec, names, select, version
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import Interval

# Columns are gathered in groups of this many before they are written into rows, for the cache's sake.
_GROUP = 16


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """Features of one symbol, one row per bar of its frame.

    ``values``: float64 (n, k), C order, read-only; NaN where a feature's look-back would reach before
    the row's segment, or where the data it needs is missing. ``close_time``: int64 ns UTC (n,), when
    each row became known. ``ready``: bool (n,), whether the segment holds enough history for every
    feature (missing data aside). ``version``: hash of the features' definitions.
    """

    symbol: str
    names: tuple[str, ...]
    values: Floats
    close_time: Times
    ready: NDArray[np.bool_]
    version: str


class MatrixSource(Protocol):
    """How whoever needs features gets them: computed, or from a cache of what was computed."""

    def __call__(self, frame: MarketFrame, wanted: Sequence[str]) -> FeatureMatrix: ...


def build_matrix(
    frame: MarketFrame,
    wanted: Iterable[str] | None = None,
    features: Mapping[str, FeatureSpec] | None = None,
    values_of: Callable[[FeatureSpec, MarketFrame], Floats] | None = None,
) -> FeatureMatrix:
    """The features named in ``wanted`` (None: the default set of the interval) of every row.

    ``features`` is where the names are looked up; None means the built-in catalogue. ``values_of``
    gives one feature of every row; None computes it (:func:`feature_values`).

    Raises:
        InputError: if a name is unknown or its windows are too short for the frame's interval.
    """
    specs = _specs(frame, wanted, features)
    values = np.empty((len(frame), len(specs)))
    gathered = np.empty((_GROUP, len(frame)))
    place_in_segment = row_in_segment(frame)
    for first in range(0, len(specs), _GROUP):
        group = specs[first : first + _GROUP]
        for place, spec in enumerate(group):
            gathered[place] = (
                values_of(spec, frame) if values_of else _blanked(spec, frame, place_in_segment)
            )
        values[:, first : first + len(group)] = gathered[: len(group)].T
    ready = place_in_segment >= _longest(specs, frame.interval) - 1
    values.setflags(write=False)
    ready.setflags(write=False)
    return FeatureMatrix(
        frame.symbol,
        tuple(spec.name for spec in specs),
        values,
        frame.close_time,
        ready,
        version(specs),
    )


def latest_row(
    frame: MarketFrame,
    wanted: Iterable[str] | None = None,
    features: Mapping[str, FeatureSpec] | None = None,
) -> Floats:
    """The features of the frame's last row, float64 (k,): what ``build_matrix`` gives for it.

    Each feature sees only the rows of its look-back, so the cost does not grow with the history.
    """
    specs = _specs(frame, wanted, features)
    history = len(frame) - int(np.searchsorted(frame.segment, frame.segment[-1]))
    row = np.full(len(specs), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        for place, spec in enumerate(specs):
            lookback = spec.lookback(frame.interval)
            if lookback <= history:
                row[place] = _compute(spec, frame, len(frame) - lookback)[-1]
    return row


def max_lookback(
    wanted: Iterable[str],
    interval: Interval,
    features: Mapping[str, FeatureSpec] | None = None,
) -> int:
    """How many rows of one segment the last row of these features needs, its own included."""
    return _longest(select(wanted, interval, features), interval)


def feature_values(spec: FeatureSpec, frame: MarketFrame) -> Floats:
    """One feature of every row; NaN in the first ``lookback - 1`` rows of each segment.

    The function runs over the whole frame, gaps and all. Its look-back is bounded, so that what a gap
    touched is exactly the rows that are blanked.
    """
    return _blanked(spec, frame, row_in_segment(frame))


def row_in_segment(frame: MarketFrame) -> Times:
    """How many rows of its own segment come before each row, int64 (n,)."""
    index = np.arange(len(frame))
    starts = np.diff(frame.segment, prepend=frame.segment[:1] - 1) != 0
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _blanked(spec: FeatureSpec, frame: MarketFrame, place_in_segment: Times) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array(_compute(spec, frame, 0))
    values[place_in_segment < spec.lookback(frame.interval) - 1] = np.nan
    return values


def _compute(spec: FeatureSpec, frame: MarketFrame, first: int) -> Floats:
    """The function's own result over the rows from ``first`` on."""
    inputs: dict[str, Floats | Times] = {name: frame[name][first:] for name in spec.columns}
    if "close_time" in spec.inputs:
        inputs["close_time"] = frame.open_time[first:] + frame.interval.ns
    values = spec.compute(inputs, frame.interval)
    if values.shape != (len(frame) - first,):
        raise InputError(
            f"feature {spec.name!r} returned shape {values.shape} for {len(frame) - first} rows"
        )
    return values


def _specs(
    frame: MarketFrame,
    wanted: Iterable[str] | None,
    features: Mapping[str, FeatureSpec] | None,
) -> tuple[FeatureSpec, ...]:
    chosen = names(frame.interval, features=features) if wanted is None else wanted
    return select(chosen, frame.interval, features)


def _longest(specs: Iterable[FeatureSpec], interval: Interval) -> int:
    return max((spec.lookback(interval) for spec in specs), default=1)
