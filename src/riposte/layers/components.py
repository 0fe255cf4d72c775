"""Principal components of robustly scaled features, NaN-aware, stored as JSON.

A feature is brought to its training rows' median and interquartile range and cut at +-10 of them,
so that no single bar turns the components. A missing value counts as the median; a row of which more
than half is missing has no components. Components replace features by mixtures: what is gained in
number is lost in explanation, which is why this is off unless asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from riposte.errors import DataError, InputError, ModelError
from riposte.layers.contract import check_names
from riposte.market.frame import Floats

_FORMAT = "riposte.components/1"
_CUT = 10.0


@dataclass(frozen=True, slots=True)
class Components:
    """Fitted components: ``axes`` (m, k) over the features ``names`` (k,), each of length 1.

    ``center`` and ``scale`` (k,) bring a feature to its training median and spread; ``mean`` (k,) is
    what is left of it there. ``explained`` (m,) is each component's share of the variance.
    """

    names: tuple[str, ...]
    center: Floats
    scale: Floats
    mean: Floats
    axes: Floats
    explained: Floats

    @property
    def component_names(self) -> tuple[str, ...]:
        """``component.1`` and so on."""
        return tuple(f"component.{number}" for number in range(1, len(self.axes) + 1))

    def transform(self, features: Floats, names: tuple[str, ...]) -> Floats:
        """The components (n, m) of rows (n, k); each row's depend on that row alone.

        Raises:
            ModelError: if the names are not those it was fitted on.
        """
        check_names(names, self.names)
        scaled = self.scaled(features)
        # einsum adds along each row in one order, where a matrix product's depends on how many rows
        # there are: a row alone must give the bits that it gives among others.
        out: Floats = np.einsum("nk,mk->nm", scaled, self.axes)
        out[np.isnan(features).sum(axis=1) > 0.5 * len(self.names)] = np.nan
        return out

    def scaled(self, features: Floats) -> Floats:
        """The features (n, k) in units of their training spread, around their training mean."""
        around: Floats = _scaled(features, self.center, self.scale) - self.mean
        return around

    def to_json(self) -> str:
        """Every number exactly, for an artefact."""
        return json.dumps(
            {
                "format": _FORMAT,
                "names": list(self.names),
                **{
                    part: getattr(self, part).tolist()
                    for part in ("center", "scale", "mean", "axes", "explained")
                },
            }
        )

    @staticmethod
    def from_json(text: str) -> Components:
        """The components of :meth:`to_json`.

        Raises:
            ModelError: if it is not that.
        """
        try:
            given = json.loads(text)
            if given["format"] != _FORMAT:
                raise ModelError(f"components of format {given['format']!r} cannot be read")
            parts = {
                part: np.array(given[part], dtype=np.float64)
                for part in ("center", "scale", "mean", "axes", "explained")
            }
            made = Components(names=tuple(given["names"]), **parts)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"not the components of features: {error!r}") from None
        count = len(made.names)
        shapes = (made.center.shape, made.scale.shape, made.mean.shape, made.axes.shape[1:])
        if any(shape != (count,) for shape in shapes) or len(made.axes) != len(made.explained):
            raise ModelError(f"not the components of {count} features: their shapes do not fit")
        if not all(np.isfinite(each).all() for each in parts.values()):
            raise ModelError("the components of features hold a number that is not finite")
        return made


def fit_components(
    features: Floats, names: tuple[str, ...], *, share: float = 0.95, most: int = 40
) -> Components:
    """As many components of the rows (n, k) as explain ``share`` of the variance, ``most`` at most.

    The sign of each is such that its largest weight is positive: the same rows give the same numbers.

    Raises:
        InputError: if ``share`` is not in (0, 1] or ``most`` less than 1.
        DataError: if no feature varies over the rows.
    """
    if not 0.0 < share <= 1.0 or most < 1:
        raise InputError(
            f"components need a share of variance in (0, 1] and a number, not {share:g} and {most}"
        )
    center, scale = _center_and_scale(features)
    scaled = _scaled(features, center, scale)
    mean = scaled.mean(axis=0)
    scaled -= mean
    variances, axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    variances = np.maximum(variances[::-1], 0.0)
    axes = axes.T[::-1]
    total = variances.sum()
    if not total > 0.0:
        raise DataError("no feature varies over the training rows: there are no components")
    explained = variances / total
    wanted = int(np.searchsorted(np.cumsum(explained), share - 1e-12)) + 1
    count = min(wanted, most, int((explained > 1e-12).sum()))
    axes = axes[:count]
    strongest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(count), strongest])[:, None]
    return Components(
        names, center, scale, mean, np.ascontiguousarray(axes), explained[:count].copy()
    )


def _center_and_scale(features: Floats) -> tuple[Floats, Floats]:
    """Median and interquartile range of each column; where that is 0 the range, else 1."""
    center = np.zeros(features.shape[1])
    scale = np.ones(features.shape[1])
    for column, values in enumerate(features.T):
        finite = values[np.isfinite(values)]
        if len(finite) == 0:
            continue
        low, center[column], high = np.quantile(finite, [0.25, 0.5, 0.75])
        scale[column] = high - low or np.ptp(finite) or 1.0
    return center, scale


def _scaled(features: Floats, center: Floats, scale: Floats) -> Floats:
    cut = np.clip((features - center) / scale, -_CUT, _CUT)
    return np.nan_to_num(cut, nan=0.0)
