"""CatBoost: gradient-boosted symmetric trees. Saved in its own binary format (extra ``catboost``)."""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from riposte.errors import MissingExtraError, ModelError
from riposte.layers.contract import Indices, check_features
from riposte.market.frame import Floats

# What the library writes of the moment and of chance into a model: equal fits must be equal files.
_MOMENT = {"train_finish_time": "1970-01-01T00:00:00Z", "model_guid": "0-0-0-0"}
_NEXT_TO_NOTHING = 1e-3


def _catboost() -> Any:
    try:
        return importlib.import_module("catboost")
    except ModuleNotFoundError:
        raise MissingExtraError("CatBoost", "catboost") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, slots=True)
class CatBoostModel:
    """A fitted model of symmetric trees: all nodes of one depth ask the same question."""

    model: Any
    classes: int
    features: int
    stored: bytes

    def margins(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        check_features(features, self.features, what="the CatBoost model")
        if len(features) == 0:
            return np.empty((0, self.classes))
        raw = self.model.predict(features, prediction_type="RawFormulaVal", thread_count=1)
        return np.asarray(raw, np.float64).reshape(len(features), self.classes)

    def contributions(self, features: Floats) -> Floats:
        """See :class:`riposte.layers.contract.Model`."""
        check_features(features, self.features, what="the CatBoost model")
        if len(features) == 0:
            return np.empty((0, self.features + 1, self.classes))
        pool = _catboost().Pool(features)
        values = self.model.get_feature_importance(pool, type="ShapValues", thread_count=1)
        by_class = np.asarray(values, np.float64).reshape(
            len(features), self.classes, self.features + 1
        )
        return by_class.transpose(0, 2, 1)

    def payload(self) -> bytes:
        """The model in CatBoost's ``cbm`` format."""
        return self.stored


@dataclass(frozen=True, slots=True)
class CatBoostLearner:
    """Small, strongly regularised trees; the fields mean what they mean in LightGBMLearner."""

    rounds: int = 60
    learning_rate: float = 0.05
    depth: int = 2
    bins: int = 63
    feature_fraction: float = 0.25
    row_fraction: float = 0.5
    l2: float = 100.0

    @property
    def library(self) -> str:
        return "catboost"

    @property
    def suffix(self) -> str:
        return "cbm"

    def parameters(self, classes: int, seed: int) -> dict[str, Any]:
        """CatBoost's own parameters; the same on any machine, whatever its cores. One class: a value."""
        purpose: dict[str, Any] = (
            {"loss_function": "MultiClass", "classes_count": classes}
            if classes > 1
            else {"loss_function": "RMSE"}
        )
        return purpose | {
            "iterations": self.rounds,
            "learning_rate": self.learning_rate,
            "depth": self.depth,
            "border_count": self.bins,
            "rsm": self.feature_fraction,
            "bootstrap_type": "Bernoulli",
            "subsample": self.row_fraction,
            "l2_leaf_reg": self.l2,
            "nan_mode": "Min",
            "allow_const_label": True,
            "random_seed": seed,
            "thread_count": 1,
            "verbose": False,
            "allow_writing_files": False,
        }

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> CatBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        # A class that no row has would get a margin of minus infinity: one row of next to no weight
        # makes it very unlikely instead, as the other libraries do.
        absent = np.setdiff1d(np.arange(classes), target)
        features = np.vstack([features, np.repeat(features[:1], len(absent), axis=0)])
        target = np.append(target, absent)
        weight = np.append(weight, np.full(len(absent), _NEXT_TO_NOTHING * weight.mean()))
        return self._train(features, target, weight, classes, seed)

    def regress(self, features: Floats, target: Floats, weight: Floats, seed: int) -> CatBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        return self._train(features, target, weight, 1, seed)

    def _train(
        self, features: Floats, target: Indices | Floats, weight: Floats, classes: int, seed: int
    ) -> CatBoostModel:
        library = _catboost()
        model = library.CatBoost(self.parameters(classes, seed))
        model.fit(library.Pool(features, label=target, weight=weight))
        about = model.get_metadata()
        for name, value in _MOMENT.items():
            about[name] = value
        with tempfile.TemporaryDirectory() as folder:  # the library writes to paths only
            path = Path(folder) / "model.cbm"
            model.save_model(str(path), format="cbm")
            return self.load(path.read_bytes())

    def load(self, payload: bytes) -> CatBoostModel:
        """See :class:`riposte.layers.contract.Learner`."""
        library = _catboost()
        model = library.CatBoost()
        try:
            model.load_model(blob=payload)
        except (library.CatBoostError, ValueError, TypeError) as error:
            raise ModelError(f"not a CatBoost model: {_first_line(error)}") from None
        features = len(model.feature_names_)
        answer = np.asarray(
            model.predict(np.zeros((1, features)), prediction_type="RawFormulaVal", thread_count=1)
        )
        return CatBoostModel(model, answer.size, features, payload)
