"""Where values can be but hardly are: standing still, standing out, jumping. Row numbers, no judgement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riposte.market.frame import Floats, Times
from riposte.market.series import Series

FROZEN_ROWS = 6
_SCALE_BLOCK = 240

Mask = NDArray[np.bool_]


def run_starts(values: Floats, among: Mask | None = None) -> Times:
    """Where runs of at least ``FROZEN_ROWS`` equal values start, inside ``among`` if given."""
    same = np.append(False, values[1:] == values[:-1])
    if among is not None:
        same &= among & np.append(False, among[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    long = stops - starts >= FROZEN_ROWS - 1
    return np.asarray(starts[long] - 1, dtype=np.int64)


def _usual_step(returns: Floats) -> Floats:
    """A robust scale of the steps around each: 1.48 times the median size in its block or, where
    larger, in a neighbouring one."""
    blocks = -(-len(returns) // _SCALE_BLOCK)
    padded = np.full(blocks * _SCALE_BLOCK, np.nan)
    padded[: len(returns)] = np.abs(returns)
    scale = 1.4826 * np.nanmedian(padded.reshape(blocks, _SCALE_BLOCK), axis=1)
    wide = np.concatenate([scale[:1], scale, scale[-1:]])
    return np.repeat(np.maximum(np.maximum(wide[:-2], wide[2:]), scale), _SCALE_BLOCK)[
        : len(returns)
    ]


def spikes(values: Floats) -> Times:
    """Rows that leave their neighbours and come back: both steps over 15 usual ones and 3 %."""
    if len(values) < 3 or (values <= 0).any():
        return np.empty(0, dtype=np.int64)
    steps = np.diff(np.log(values))
    limit = np.maximum(15 * _usual_step(steps), 0.03)
    far = (np.abs(steps[:-1]) > limit[:-1]) & (np.abs(steps[1:]) > limit[1:])
    back = np.sign(steps[:-1]) != np.sign(steps[1:])
    returned = np.abs(steps[:-1] + steps[1:]) < 0.5 * np.abs(steps[:-1])
    return np.flatnonzero(far & back & returned) + 1


def jumps(series: Series, name: str) -> Times:
    values = series[name]
    if (values <= 0).any():
        return np.empty(0, dtype=np.int64)
    step = np.abs(np.diff(np.log(values))) > np.log(1.5)
    if series.interval is not None:
        step &= np.diff(series.event_time) == series.interval.ns
    return np.flatnonzero(step) + 1
