"""Features that say the same thing: of each cluster the one that says most about the label is kept.

Similarity is Spearman's rank correlation over the rows where both have a value. Clusters grow around
leaders: features are taken in the order of what they alone say about the label, and one that is
closer than the limit to a leader joins it, else it leads a cluster of its own. So no two that are kept
are closer than the limit, and each that is left out is that close to one that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from riposte.layers.contract import Classes, TrainingSet
from riposte.market.frame import Floats

_BINS = 8
_LEAST_PAIRS = 30


@dataclass(frozen=True, slots=True)
class Clusters:
    """``kept`` are columns, in their order; ``leader`` (k,) the kept column each one belongs to.

    A column that never varies belongs to none: its leader is -1.
    """

    kept: tuple[int, ...]
    leader: NDArray[np.int64]


def clusters(rows: TrainingSet, limit: float, information: Floats | None = None) -> Clusters:
    """Clusters of features whose absolute rank correlation with their leader is above ``limit``.

    ``information`` (k,) says which feature of a cluster to keep; None: :func:`label_information`.
    """
    told = label_information(rows) if information is None else information
    near = np.abs(spearman(rows.features)) > limit
    leader = np.full(len(rows.names), -1, np.int64)
    leading: list[int] = []
    for column in np.argsort(-told, kind="stable"):
        if not _varies(rows.features[:, column]):
            continue
        closest = next((each for each in leading if near[column, each]), None)
        if closest is None:
            leading.append(int(column))
        leader[column] = column if closest is None else closest
    return Clusters(tuple(sorted(leading)), leader)


def _varies(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) > 1 and bool(np.ptp(finite) > 0)


def spearman(features: Floats) -> Floats:
    """Rank correlations (k, k) of the columns, each pair over the rows where both have a value.

    Ranks are those among all values of a column. 0 where a pair shares fewer than 30 rows or one
    does not vary there.
    """
    known = np.isfinite(features)
    ranks = np.zeros(features.shape)
    for column in range(features.shape[1]):
        there = known[:, column]
        if there.any():
            ranks[there, column] = rankdata(features[there, column]) / there.sum() - 0.5
    there = known.astype(np.float64)
    pairs = there.T @ there
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (ranks.T @ there) / pairs  # of the row's feature where the column's is known
        together = (ranks.T @ ranks) / pairs - mean * mean.T
        variance = ((ranks * ranks).T @ there) / pairs - mean * mean
        out = together / np.sqrt(variance * variance.T)
    out[(pairs < _LEAST_PAIRS) | ~np.isfinite(out)] = 0.0
    return np.asarray(np.clip(out, -1.0, 1.0), dtype=np.float64)


def label_information(rows: TrainingSet) -> Floats:
    """What each feature alone says about the label, nats (k,): mutual information in quantile bins.

    Rows count by their weight. Chance makes a little information of nothing: what it is expected to
    make (Miller and Madow) is taken off, so that a feature without any is about 0, or below.
    """
    found = [_information(column, rows.label, rows.weight) for column in rows.features.T]
    return np.array(found, dtype=np.float64)


def _information(values: Floats, label: Classes, weight: Floats) -> float:
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or weight.sum() <= 0.0:
        return 0.0
    edges = np.unique(np.quantile(finite, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
    bins = len(edges) + 2  # the last one is for missing values
    place = np.where(
        np.isnan(values), bins - 1, np.searchsorted(edges, values, side="right")
    ).astype(np.int64)
    cell = place * 3 + label.astype(np.int64) + 1
    joint = np.bincount(cell, weights=weight, minlength=bins * 3).reshape(bins, 3)
    rows = joint.sum()
    joint = joint / rows
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    raw = float((joint[filled] * np.log(joint[filled] / product[filled])).sum())
    degrees = (int((joint.sum(axis=1) > 0).sum()) - 1) * (int((joint.sum(axis=0) > 0).sum()) - 1)
    return raw - degrees / (2.0 * float(rows))
