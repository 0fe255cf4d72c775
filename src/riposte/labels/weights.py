"""Sample weights: how much of its own story a label tells where labels overlap, and how much happened in it.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), sections 4.3, 4.4 and 4.6.
"""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats, Times


def uniqueness(start: Times, end: Times) -> Floats:
    """Average uniqueness of each label, in (0, 1]: the mean of 1 / (labels alive) over its life.

    A label is alive in ``[start, end)``, ns UTC; all of one symbol. A label that overlaps no other has
    1; one of ten that always run together has 0.1. Time counts, not bars, so gaps do no harm. A label
    without a life (``end == start``) has weight 1.

    Raises:
        ValueError: if lengths differ or a label ends before it starts.
    """
    if start.shape != end.shape:
        raise ValueError(f"{len(start)} starts and {len(end)} ends")
    if (end < start).any():
        raise ValueError("a label ends before it starts")
    moments = np.unique(np.concatenate([start, end]))
    return _mean_share(np.searchsorted(moments, start), np.searchsorted(moments, end), moments)


def return_attribution(start: Times, end: Times, time: Times, log_return: Floats) -> Floats:
    """How much each label's life moved the price, what overlapping labels share being divided: (n,) >= 0.

    ``abs(sum of r / alive)`` over the bars that close in ``(start, end]``, ns UTC, where ``alive`` is how
    many labels are, scaled to a mean of 1. ``time`` (m,) are the closes of one symbol's bars in order,
    ``log_return`` (m,) what each brought; a missing one counts as none. All 1 where nothing moved.

    It knows the path that the labels know, and no more: use it where they are used, in training.

    Raises:
        ValueError: if lengths differ, a label ends before it starts, or bars are out of order.
    """
    if start.shape != end.shape or time.shape != log_return.shape:
        raise ValueError(
            f"{len(start)} starts, {len(end)} ends; {len(time)} bars, {len(log_return)} returns"
        )
    if (end < start).any():
        raise ValueError("a label ends before it starts")
    if (np.diff(time) <= 0).any():
        raise ValueError("bars are not in order")
    first, last = np.searchsorted(time, start, "right"), np.searchsorted(time, end, "right")
    change = np.zeros(len(time) + 1)
    np.add.at(change, first, 1.0)
    np.add.at(change, last, -1.0)
    alive = np.maximum(np.cumsum(change)[:-1], 1.0)
    so_far = np.concatenate([[0.0], np.cumsum(np.nan_to_num(log_return) / alive)])
    moved = np.abs(so_far[last] - so_far[first])
    mean = float(moved.mean()) if len(moved) else 0.0
    scaled: Floats = moved / mean if mean > 0.0 else np.ones(len(moved))
    return scaled


@compiled
def _mean_share(first: Times, last: Times, moments: Times) -> Floats:
    """Mean over each span of 1 / spans alive; ``first`` and ``last`` index the sorted ``moments``."""
    change = np.zeros(len(moments), np.int64)
    for i in range(len(first)):
        change[first[i]] += 1
        change[last[i]] -= 1
    share_before = np.zeros(len(moments))  # integral of 1 / alive up to each moment
    alive = 0
    for m in range(len(moments) - 1):
        alive += change[m]
        share = (moments[m + 1] - moments[m]) / alive if alive > 0 else 0.0
        share_before[m + 1] = share_before[m] + share
    mean = np.ones(len(first))
    for i in range(len(first)):
        if last[i] > first[i]:
            life = moments[last[i]] - moments[first[i]]
            mean[i] = (share_before[last[i]] - share_before[first[i]]) / life
    return mean
