"""LightGBM: gradient-boosted trees grown leaf by leaf, or a random forest. Saved in its text format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.errors import InputError, ModelError
from riposte.layers.contract import Indices, check_features
from riposte.market.frame import Floats


@dataclass(frozen=True, slots=True)
class LightGBMModel:
    """A fitted booster. ``share``: of a forest, whose trees are averaged, 1 / their number; else 1."""

    booster: Any
    classes: int
    features: int
    share: float

    def margins(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        check_features(features, self.features, what="the LightGBM model")
        raw = self.booster.predict(features, raw_score=True, num_threads=1)
        total = np.asarray(raw, np.float64).reshape(len(features), self.classes)
        return total * self.share

    def contributions(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        check_features(features, self.features, what="the LightGBM model")
        flat = self.booster.predict(features, pred_contrib=True, num_threads=1)
        values = np.asarray(flat, np.float64).reshape(
            len(features), self.classes, self.features + 1
        )
        return values.transpose(0, 2, 1) * self.share

    def payload(self) -> bytes:
        """The booster in LightGBM's text format."""
        return str(self.booster.model_to_string()).encode()


@dataclass(frozen=True, slots=True)
class LightGBMLearner:
    """Small, strongly regularised trees: in these markets the signal is far weaker than the noise.

    ``least_weight`` is the least sum of hessians in a leaf, ``feature_fraction`` the share of features
    each tree may look at, ``row_fraction`` that of rows. ``forest``: the trees are grown side by side and
    averaged (Breiman 2001, "Random Forests"), not one on the errors of the others.
    """

    rounds: int = 60
    learning_rate: float = 0.05
    leaves: int = 4
    depth: int = 2
    bins: int = 63
    feature_fraction: float = 0.25
    row_fraction: float = 0.5
    least_rows: int = 200
    least_weight: float = 5.0
    l2: float = 100.0
    forest: bool = False

    def __post_init__(self) -> None:
        if self.forest and not 0.0 < self.row_fraction < 1.0:
            raise InputError(f"a forest needs row_fraction below 1, not {self.row_fraction:g}")

    @property
    def library(self) -> str:
        return "lightgbm"

    @property
    def suffix(self) -> str:
        return "txt"

    def parameters(self, classes: int, seed: int) -> dict[str, Any]:
        """LightGBM's own parameters; the same on any machine, whatever its cores. One class: a value."""
        return {
            "objective": "multiclass" if classes > 1 else "regression",
            "num_class": classes,
            "boosting": "rf" if self.forest else "gbdt",
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "max_depth": self.depth,
            "max_bin": self.bins,
            "feature_fraction": self.feature_fraction,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1 if self.row_fraction < 1.0 else 0,
            "min_data_in_leaf": self.least_rows,
            "min_sum_hessian_in_leaf": self.least_weight,
            "lambda_l2": self.l2,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> LightGBMModel:
        """See :class:`riposte.layers.contract.Learner`."""
        return self._train(features, target, weight, classes, seed)

    def regress(self, features: Floats, target: Floats, weight: Floats, seed: int) -> LightGBMModel:
        """See :class:`riposte.layers.contract.Learner`."""
        return self._train(features, target, weight, 1, seed)

    def _train(
        self, features: Floats, target: Indices | Floats, weight: Floats, classes: int, seed: int
    ) -> LightGBMModel:
        import lightgbm

        parameters = self.parameters(classes, seed)
        data = lightgbm.Dataset(
            features, label=target, weight=weight, params=parameters, free_raw_data=True
        )
        booster = lightgbm.train(parameters, data, num_boost_round=self.rounds)
        # What is used now is what would be loaded later, to the bit.
        return self.load(str(booster.model_to_string()).encode())

    def load(self, payload: bytes) -> LightGBMModel:
        """See :class:`riposte.layers.contract.Learner`."""
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=payload.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
            raise ModelError(f"not a LightGBM model: {error}") from None
        averaged = b"\naverage_output\n" in payload
        rounds = max(int(booster.current_iteration()), 1)
        return LightGBMModel(
            booster,
            int(booster.num_model_per_iteration()),
            int(booster.num_feature()),
            1.0 / rounds if averaged else 1.0,
        )
