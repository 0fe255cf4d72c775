"""Meta-labels: given which side somebody would take, whether taking it paid.

A second model learns from them when to follow the first, which is a question of size, not of side.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 3.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.labels.triple_barrier import BarrierLabels, Labels
from riposte.market.frame import Floats, Times

UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class MetaLabels:
    """One per row: ``label`` int8 is 1 where the side paid, 0 where it did not, -1 where there is no side
    or its outcome is not known. ``end_time`` (ns UTC) is when it became known; ``net_return`` what it
    earned as a fraction of the entry price, NaN where unknown."""

    label: Labels
    end_time: Times
    net_return: Floats


def meta_labels(labels: BarrierLabels, side: Labels) -> MetaLabels:
    """Whether each row's ``side`` (n,), -1, 0 or 1, earned more than nothing, net of costs.

    The outcome is the triple barrier's of that side; it is known when the labels are.

    Raises:
        ValueError: if the lengths differ or a side is none of the three.
    """
    if side.shape != labels.label.shape:
        raise ValueError(f"{len(side)} sides for {len(labels.label)} labels")
    if not np.isin(side, (-1, 0, 1)).all():
        raise ValueError("a side is -1, 0 or 1")
    earned = np.where(side > 0, labels.long_return, labels.short_return)
    known = labels.known & (side != 0)
    net = np.where(known, earned, np.nan)
    label = np.where(known, net > 0.0, UNKNOWN).astype(np.int8)
    return MetaLabels(label, labels.end_time, net)
