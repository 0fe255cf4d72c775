"""The feature matrix: every feature of every bar, for training; and the last row of it, for live.

Both call the same functions. Live hands each function only as many rows as its look-back, which is
why the two agree whatever the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import cores
from riposte.errors import InputError
from riposte.features.catalogue import LONGEST_LOOKBACK, FeatureSpec, names, select, version
from riposte.features.sharing import sharing
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import Interval

# Columns are gathered in groups of this many before they are written into rows, for the cache's sake.
_GROUP = 16
# Rows computed at once: long against the longest look-back, short enough for what they share.
_STRETCH = 65_536
# Features whose look-backs end in the same of these are computed together for a live row.
_WINDOWS = (64, 256, 1_024, 4_096, np.iinfo(np.int64).max)


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
    place_in_segment = row_in_segment(frame)
    if values_of is None:
        _fill(values, specs, frame, place_in_segment)
    else:
        for column, spec in enumerate(specs):
            values[:, column] = values_of(spec, frame)
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

    Features of a like look-back are computed together, on the rows that the longest of them needs, so
    the cost does not grow with the history.
    """
    specs = _specs(frame, wanted, features)
    interval = frame.interval
    history = len(frame) - int(np.searchsorted(frame.segment, frame.segment[-1]))
    row = np.full(len(specs), np.nan)
    lookbacks = np.array([spec.lookback(interval) for spec in specs], dtype=np.int64)
    done = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        for most in _WINDOWS:
            places = np.flatnonzero((lookbacks > done) & (lookbacks <= min(most, history)))
            done = most
            if len(places) == 0:
                continue
            alike = [specs[place] for place in places]
            first = len(frame) - int(lookbacks[places].max())
            inputs = _inputs(alike, frame, first, len(frame))
            with sharing():
                for place, spec in zip(places, alike, strict=True):
                    row[place] = _compute(spec, inputs, interval, len(frame) - first)[-1]
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
    values = np.empty((len(frame), 1))
    _fill(values, (spec,), frame, row_in_segment(frame))
    return values[:, 0]


def row_in_segment(frame: MarketFrame) -> Times:
    """How many rows of its own segment come before each row, int64 (n,)."""
    index = np.arange(len(frame))
    starts = np.diff(frame.segment, prepend=frame.segment[:1] - 1) != 0
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _fill(
    values: Floats, specs: Sequence[FeatureSpec], frame: MarketFrame, place_in_segment: Times
) -> None:
    """Every feature of every row into ``values`` (n, k), stretch by stretch of rows.

    A stretch and what its features share fit the processor's cache, and stretches are independent of
    each other: each begins a look-back early, so that its own rows have all the history they need.
    """
    early = max(LONGEST_LOOKBACK, _longest(specs, frame.interval))
    starts = range(0, len(frame), _STRETCH)

    def fill(start: int) -> None:
        _fill_stretch(values, specs, frame, place_in_segment, start, early)

    threads = min(cores(), len(starts))
    if threads <= 1:
        for start in starts:
            fill(start)
        return
    with ThreadPoolExecutor(threads) as pool:  # the loops and NumPy let go of the interpreter
        for _ in pool.map(fill, starts):
            pass


def _fill_stretch(
    values: Floats,
    specs: Sequence[FeatureSpec],
    frame: MarketFrame,
    place_in_segment: Times,
    start: int,
    early: int,
) -> None:
    stop = min(start + _STRETCH, len(frame))
    first = max(0, start - early)
    inputs = _inputs(specs, frame, first, stop)
    place = place_in_segment[start:stop]
    newest = int(place.min())
    gathered = np.empty((_GROUP, stop - start))
    for column in range(0, len(specs), _GROUP):
        group = specs[column : column + _GROUP]
        # What one group shares is forgotten before the next: neighbours share most, and memory is kept low.
        with sharing(), np.errstate(divide="ignore", invalid="ignore"):
            for row, spec in enumerate(group):
                gathered[row] = _compute(spec, inputs, frame.interval, stop - first)[
                    start - first :
                ]
                lookback = spec.lookback(frame.interval)
                if newest < lookback - 1:
                    gathered[row][place < lookback - 1] = np.nan
        values[start:stop, column : column + len(group)] = gathered[: len(group)].T


def _inputs(
    specs: Iterable[FeatureSpec], frame: MarketFrame, first: int, stop: int
) -> dict[str, Floats | Times]:
    """What the features read of rows ``first`` to ``stop``: one array each, the same for all."""
    wanted = {name for spec in specs for name in spec.inputs}
    inputs: dict[str, Floats | Times] = {}
    for name in wanted - {"close_time"}:
        view = np.array(frame[name][first:stop])[:]
        view.flags.writeable = False
        inputs[name] = view
    if "close_time" in wanted:
        inputs["close_time"] = frame.open_time[first:stop] + frame.interval.ns
    return inputs


def _compute(
    spec: FeatureSpec, inputs: Mapping[str, Floats | Times], interval: Interval, rows: int
) -> Floats:
    """The function's own result over the inputs."""
    values = spec.compute(inputs, interval)
    if values.shape != (rows,):
        raise InputError(f"feature {spec.name!r} returned shape {values.shape} for {rows} rows")
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
