"""How unlike its training a row is: the distance from its training rows' principal subspace and in it.

The features are brought to their training median and spread and turned onto their principal components
(:mod:`riposte.layers.components`). The distance is that of probabilistic PCA (Tipping and Bishop 1999,
"Probabilistic Principal Component Analysis"), per feature::

    distance = (sum of component² / its variance + rest² / variance of a rest's direction) / k

so that both an extreme along a usual direction (a crash ten times larger) and an unusual combination
(volume without volatility) count. A row is unlike the training where the distance lies above what all but
``share`` of rows had that came *after* the rows they were measured against: markets drift, and a row of
tomorrow is farther from its past than a row of the past from its own.

A feature that was always there in training and is missing now makes the row unlike it too: a model has
learned nothing about a feed that has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import ModelError
from riposte.layers.components import Components, fit_components
from riposte.layers.contract import TrainingSet
from riposte.market.frame import Floats

_SHARE_OF_VARIANCE = 0.95
_MOST_COMPONENTS = 40
_USUALLY_MISSING = 0.001  # a feature missing in fewer rows than this share counts as always there
_BLOCK = 4096  # rows scored at once, for memory's sake


@dataclass(frozen=True, slots=True)
class Novelty:
    """The fitted measure: ``variance`` (m,) of each component, ``rest`` of each other direction, the
    ``threshold`` of the distance, and which features (k,) were always ``there``."""

    components: Components
    variance: Floats
    rest: float
    threshold: float
    there: NDArray[np.bool_]

    def score(self, features: Floats) -> Floats:
        """Distance in units of the threshold (n,): above 1 is unlike the training. inf where a feature
        is missing that always was there, or most are. Each row's depends on that row alone."""
        out = np.empty(len(features))
        for first in range(0, len(features), _BLOCK):
            rows = features[first : first + _BLOCK]
            distance = _distance(rows, self.components, self.variance, self.rest)
            gone = (np.isnan(rows) & self.there).any(axis=1) | np.isnan(distance)
            out[first : first + _BLOCK] = np.where(gone, np.inf, distance / self.threshold)
        return out

    def as_json(self) -> dict[str, Any]:
        """The measure as plain JSON values."""
        return {
            "components": self.components.to_json(),
            "variance": self.variance.tolist(),
            "rest": self.rest,
            "threshold": self.threshold,
            "there": self.there.tolist(),
        }

    @classmethod
    def from_json(cls, values: Any) -> Novelty:
        """The measure of :meth:`as_json`; raises ModelError if it is not that."""
        try:
            return cls(
                Components.from_json(values["components"]),
                np.array(values["variance"], np.float64),
                float(values["rest"]),
                float(values["threshold"]),
                np.array(values["there"], np.bool_),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's measure of novelty cannot be read: {error!r}") from None


def fit_novelty(
    training: TrainingSet, stretches: tuple[tuple[int, int], ...], share: float, least_rows: int
) -> Novelty:
    """Fit on all rows; the threshold is what ``share`` of the rows of each stretch exceed, measured
    against the rows before it.

    Raises:
        DataError: if no feature varies over the rows.
    """
    ahead = []
    for start, stop in stretches:
        before, inside = training.time < start, (training.time >= start) & (training.time < stop)
        if before.sum() < least_rows or not inside.any():
            continue
        fitted = _fit(training.features[before], training.names)
        ahead.append(_distance(training.features[inside], *fitted))
    components, variance, rest = _fit(training.features, training.names)
    if not ahead:
        ahead.append(_distance(training.features, components, variance, rest))
    distances = np.concatenate(ahead)
    distances = distances[np.isfinite(distances)]
    threshold = float(np.quantile(distances, 1.0 - share)) if len(distances) else 1.0
    there = np.isnan(training.features).mean(axis=0) <= _USUALLY_MISSING
    return Novelty(components, variance, rest, max(threshold, 1e-12), there)


def _fit(features: Floats, names: tuple[str, ...]) -> tuple[Components, Floats, float]:
    """(components, the variance of each, the variance of a direction that is none of them)."""
    components = fit_components(features, names, share=_SHARE_OF_VARIANCE, most=_MOST_COMPONENTS)
    scaled = components.scaled(features)
    along = scaled @ components.axes.T
    variance = np.maximum((along**2).mean(axis=0), 1e-12)
    others = len(names) - len(components.axes)
    left = max(float((scaled**2).sum(axis=1).mean() - variance.sum()), 0.0)
    return components, variance, max(left / others, 1e-12) if others else 1.0


def _distance(features: Floats, components: Components, variance: Floats, rest: float) -> Floats:
    """Distance per feature (n,), NaN where a row has no components. Row by row the same beside any
    other rows: sums run along a row, never across."""
    scaled = components.scaled(features)
    along = components.transform(features, components.names)
    inside = (along**2 / variance).sum(axis=1)
    beyond = np.maximum((scaled**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
    others = features.shape[1] - len(variance)
    distance: Floats = (inside + (beyond / rest if others else 0.0)) / features.shape[1]
    return distance
