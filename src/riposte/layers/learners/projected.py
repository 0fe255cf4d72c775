"""Any learner on principal components in the place of features, each fit with components of its own.

The components are fitted on the rows that the learner is fitted on and on no others, so that an
out-of-fold answer owes nothing to later rows. Saved as JSON that holds the components and, in base64, the
learner's own file.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from riposte.errors import ModelError
from riposte.layers.components import Components, fit_components
from riposte.layers.contract import Indices, Learner, Model, check_features
from riposte.layers.learners.catboost import CatBoostLearner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.market.frame import Floats

_FORMAT = "riposte.projected/1"
_SHARE = 0.99  # of the variance; the number of components is the bound that counts


@dataclass(frozen=True, slots=True)
class ProjectedModel:
    """A fitted model of components, seen from its features."""

    components: Components
    model: Model
    library: str

    @property
    def classes(self) -> int:
        return self.model.classes

    @property
    def features(self) -> int:
        return len(self.components.names)

    def margins(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        return self.model.margins(self._projected(features))

    def contributions(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`. What a component adds is shared out among the
        features in proportion to what each weighs in it on that row."""
        by_component = self.model.contributions(self._projected(features))
        size = np.abs(self.components.scaled(features)[:, None, :] * self.components.axes)
        whole = size.sum(axis=2, keepdims=True)
        flat = np.full_like(size, 1.0 / self.features)
        shares = np.divide(size, whole, out=flat, where=whole > 0.0)
        own = np.einsum("nmc,nmk->nkc", by_component[:, :-1], shares)
        return np.concatenate([own, by_component[:, -1:]], axis=1)

    def payload(self) -> bytes:
        """Components and model as JSON."""
        return json.dumps(
            {
                "format": _FORMAT,
                "library": self.library,
                "components": self.components.to_json(),
                "model": base64.b64encode(self.model.payload()).decode(),
            }
        ).encode()

    def _projected(self, features: Floats) -> Floats:
        check_features(features, self.features, what="the model of components")
        return self.components.transform(features, self.components.names)


@dataclass(frozen=True, slots=True)
class ProjectedLearner:
    """``learner`` on at most ``most`` components."""

    learner: Learner = field(default_factory=LightGBMLearner)
    most: int = 20

    @property
    def library(self) -> str:
        return self.learner.library

    @property
    def suffix(self) -> str:
        return "components.json"

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> ProjectedModel:
        """See :class:`riposte.layers.contract.Learner`."""
        components, projected = self._fitted(features)
        fitted = self.learner.fit(projected, target, weight, classes, seed)
        return ProjectedModel(components, fitted, self.library)

    def regress(
        self, features: Floats, target: Floats, weight: Floats, seed: int
    ) -> ProjectedModel:
        """See :class:`riposte.layers.contract.Learner`."""
        components, projected = self._fitted(features)
        fitted = self.learner.regress(projected, target, weight, seed)
        return ProjectedModel(components, fitted, self.library)

    def load(self, payload: bytes) -> ProjectedModel:
        """See :class:`riposte.layers.contract.Learner`."""
        try:
            given = json.loads(payload)
            if given["format"] != _FORMAT:
                raise ModelError(
                    f"a model of components of format {given['format']!r} is not known"
                )
            learner = _BY_LIBRARY[given["library"]]
            return ProjectedModel(
                Components.from_json(given["components"]),
                learner.load(base64.b64decode(given["model"], validate=True)),
                given["library"],
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ModelError(f"not a model of components: {error!r}") from None

    def _fitted(self, features: Floats) -> tuple[Components, Floats]:
        names = tuple(str(column) for column in range(features.shape[1]))
        components = fit_components(features, names, share=_SHARE, most=self.most)
        return components, components.transform(features, names)


_BY_LIBRARY: Mapping[str, Learner] = {
    learner.library: learner for learner in (LightGBMLearner(), XGBoostLearner(), CatBoostLearner())
}
