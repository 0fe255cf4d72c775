"""XGBoost: gradient-boosted trees grown level by level. Saved in its own JSON format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.errors import ModelError
from riposte.layers.contract import Indices, check_features
from riposte.market.frame import Floats


@dataclass(frozen=True, slots=True)
class XGBoostModel:
    """A fitted booster. It works in single precision inside."""

    booster: Any
    classes: int
    features: int

    def margins(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        check_features(features, self.features, what="the XGBoost model")
        raw = self.booster.inplace_predict(features, predict_type="margin")
        return np.asarray(raw, np.float64).reshape(len(features), self.classes)

    def contributions(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        import xgboost

        check_features(features, self.features, what="the XGBoost model")
        matrix = xgboost.DMatrix(features, nthread=1)
        values = np.asarray(self.booster.predict(matrix, pred_contribs=True), np.float64)
        return values.reshape(len(features), self.classes, self.features + 1).transpose(0, 2, 1)

    def payload(self) -> bytes:
        """The booster in XGBoost's JSON format."""
        return bytes(self.booster.save_raw("json"))


@dataclass(frozen=True, slots=True)
class XGBoostLearner:
    """Small, strongly regularised trees; the fields mean what they mean in LightGBMLearner."""

    rounds: int = 60
    learning_rate: float = 0.05
    depth: int = 2
    bins: int = 63
    feature_fraction: float = 0.25
    row_fraction: float = 0.5
    least_weight: float = 60.0
    l2: float = 100.0

    @property
    def library(self) -> str:
        return "xgboost-cpu"

    @property
    def suffix(self) -> str:
        return "json"

    def parameters(self, classes: int, seed: int) -> dict[str, Any]:
        """XGBoost's own parameters; the same on any machine, whatever its cores. One class: a value."""
        purpose: dict[str, Any] = (
            {"objective": "multi:softprob", "num_class": classes}
            if classes > 1
            else {"objective": "reg:squarederror"}
        )
        return purpose | {
            "eta": self.learning_rate,
            "max_depth": self.depth,
            "max_bin": self.bins,
            "colsample_bytree": self.feature_fraction,
            "subsample": self.row_fraction,
            "min_child_weight": self.least_weight,
            "lambda": self.l2,
            "tree_method": "hist",
            "seed": seed,
            "nthread": 1,
            "verbosity": 0,
        }

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> XGBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        return self._train(features, target, weight, classes, seed)

    def regress(self, features: Floats, target: Floats, weight: Floats, seed: int) -> XGBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        return self._train(features, target, weight, 1, seed)

    def _train(
        self, features: Floats, target: Indices | Floats, weight: Floats, classes: int, seed: int
    ) -> XGBoostModel:
        import xgboost

        data = xgboost.QuantileDMatrix(
            features, label=target, weight=weight, max_bin=self.bins, nthread=1
        )
        booster = xgboost.train(self.parameters(classes, seed), data, num_boost_round=self.rounds)
        # What is used now is what would be loaded later, to the bit.
        return self.load(bytes(booster.save_raw("json")))

    def load(self, payload: bytes) -> XGBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        import xgboost

        # The library ends the process on some malformed input, so what is no JSON never reaches it.
        try:
            model = json.loads(payload)
            classes = max(int(model["learner"]["learner_model_param"]["num_class"]), 1)
            booster = xgboost.Booster({"nthread": 1, "verbosity": 0})
            booster.load_model(bytearray(payload))
        except (xgboost.core.XGBoostError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ModelError(f"not an XGBoost model: {reason}") from None
        return XGBoostModel(booster, classes, int(booster.num_features()))
