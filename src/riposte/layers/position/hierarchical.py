"""Hierarchical risk parity (López de Prado 2016, *Building diversified portfolios that outperform out of sample*)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from riposte.market.frame import Floats


def hierarchical_risk_parity(covariance: Floats) -> Floats:
    """Long-only weights (K,) that need no inverse of the covariance.

    Symbols are joined into a tree by single linkage on sqrt((1 - r) / 2), listed in the order of its
    leaves, and the list is halved again and again, each time dividing the weight between the halves
    in inverse proportion to the variance that each has under inverse-variance weights.

    As in the paper the halves are of the list, not of the tree: the result depends on which branch the
    tree names first, and so on the order of the symbols. Callers keep one order. All are NaN where both
    halves carry no risk.
    """
    weight = np.ones(len(covariance))
    parts = [leaf_order(covariance)]
    while parts:
        part = parts.pop()
        if len(part) < 2:
            continue
        left, right = part[: len(part) // 2], part[len(part) // 2 :]
        risk_left, risk_right = (
            _cluster_variance(covariance, left),
            _cluster_variance(covariance, right),
        )
        total = risk_left + risk_right
        share = risk_right / total if total > 0.0 else np.nan
        weight[left] *= share
        weight[right] *= 1.0 - share
        parts += [left, right]
    return weight


def leaf_order(covariance: Floats) -> NDArray[np.int64]:
    """The symbols (K,) in the order of the tree's leaves: what moves alike stands together."""
    if len(covariance) == 1:
        return np.zeros(1, np.int64)
    scale = np.sqrt(np.diagonal(covariance))
    correlation = np.clip(covariance / np.outer(scale, scale), -1.0, 1.0)
    distance = np.sqrt((1.0 - correlation) / 2.0)
    tree = linkage(squareform(distance, checks=False), method="single")
    return np.asarray(leaves_list(tree), dtype=np.int64)


def _cluster_variance(covariance: Floats, part: NDArray[np.int64]) -> float:
    """Variance of the symbols of a part, weighted inversely to their variances."""
    inside = covariance[np.ix_(part, part)]
    share = 1.0 / np.diagonal(inside)
    share /= share.sum()
    return max(0.0, float(share @ inside @ share))
