"""Finer bars inside the engine's bars: where they are recorded, they say what happened first.

A bar of an hour tells its high and its low but not their order; sixty bars of a minute do. They decide only
where they are all there and agree with the bar they lie in; elsewhere the bar is read as pessimistically as
without them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riposte.engine.records import BAR, Records
from riposte.engine.run import Finer
from riposte.market.frame import MarketFrame, Times

_AGREE = 1e-9  # relative


def complete(frame: MarketFrame, finer: MarketFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows of ``frame``, first row in ``finer`` of each) of the bars whose finer bars are all there and
    agree with them: same first open, last close, high and low.

    Raises:
        ValueError: if the finer interval does not divide the other.
    """
    count, rest = divmod(frame.interval.ns, finer.interval.ns)
    if rest or count < 2:
        raise ValueError(f"{finer.interval} bars do not lie inside {frame.interval} bars")
    first = np.searchsorted(finer.open_time, frame.open_time)
    last = first + count - 1
    inside = last < len(finer)
    rows = np.flatnonzero(inside)
    first, last = first[rows], last[rows]
    # Times rise, so count bars from open to close are all of them.
    there = (finer.open_time[first] == frame.open_time[rows]) & (
        finer.open_time[last] == frame.open_time[rows] + frame.interval.ns - finer.interval.ns
    )
    rows, first = rows[there], first[there]
    if len(rows) == 0:
        return rows, first
    block = first[:, None] + np.arange(count)
    agrees = (
        np.isclose(finer["open"][first], frame["open"][rows], rtol=_AGREE, atol=0.0)
        & np.isclose(finer["close"][first + count - 1], frame["close"][rows], rtol=_AGREE, atol=0.0)
        & np.isclose(finer["high"][block].max(axis=1), frame["high"][rows], rtol=_AGREE, atol=0.0)
        & np.isclose(finer["low"][block].min(axis=1), frame["low"][rows], rtol=_AGREE, atol=0.0)
    )
    return rows[agrees], first[agrees]


def finer_bars(
    time: Times,
    frames: Sequence[MarketFrame],
    finer: Sequence[MarketFrame | None],
    records: Sequence[Records | None],
) -> Finer | None:
    """The finer bars of all symbols on the engine's clock; None where there are none.

    ``finer[i]`` lies inside ``frames[i]``, ``records[i]`` are its BAR records; both None where the symbol has
    none. ``time`` (T,) are the closes of the engine's steps. The mark inside a bar is not known: the last price
    stands for it there.

    Raises:
        ValueError: if the finer frames are of different intervals.
    """
    intervals = {each.interval for each in finer if each is not None}
    if not intervals:
        return None
    if len(intervals) > 1:
        raise ValueError(f"finer frames of one interval wanted, not {sorted(map(str, intervals))}")
    interval = intervals.pop()
    count = frames[0].interval.ns // interval.ns
    found = [
        complete(frame, each) if each is not None else None
        for frame, each in zip(frames, finer, strict=True)
    ]
    rows_of = np.zeros(len(time), np.int64)
    for frame, each in zip(frames, found, strict=True):
        if each is not None:
            rows_of[np.searchsorted(time, frame.close_time[each[0]])] = count
    inside = np.concatenate([[0], np.cumsum(rows_of)]).astype(np.int64)
    if inside[-1] == 0:
        return None
    bars = np.zeros((inside[-1], len(frames)), BAR)
    for s, (frame, each, source) in enumerate(zip(frames, found, records, strict=True)):
        if each is None or source is None:
            continue
        rows, first = each
        places = inside[np.searchsorted(time, frame.close_time[rows])]
        for i in range(count):
            bars[places + i, s] = source[first + i]
        bars["mark"][:, s] = np.nan
    return Finer(interval.ns, bars, inside)
