"""The decision stack: regime and signal layers, fitted together without leakage, answering as one.

Fitting on a training window:

1. the window is cut into ``inner_splits + 1`` consecutive stretches; each stretch but the first is
   predicted by models fitted on the rows before it whose labels were known when it began;
2. the regime layer's out-of-fold probabilities become features of the signal layer (missing in the
   first stretch, which trees take as it is);
3. the signal layer is calibrated on its own out-of-fold answers;
4. both layers are fitted once more on all rows.

The same training set and configuration give the same stack, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from riposte.errors import DataError, InputError, ModelError
from riposte.layers.artefact import Artefact, read_artefact, write_artefact
from riposte.layers.calibration import Calibration
from riposte.layers.contract import (
    LONG,
    REGIMES,
    SHORT,
    UNKNOWN_REGIME,
    Signals,
    TrainingSet,
    check_features,
    check_names,
)
from riposte.layers.ensemble import Ensemble, Scores
from riposte.layers.learners import LEARNERS
from riposte.layers.regime.layer import RegimeConfig, fit_regime, raw_probabilities
from riposte.layers.signal.calibration import SideCalibration
from riposte.layers.signal.layer import SignalConfig, fit_signal
from riposte.layers.signal.rule import paying_direction
from riposte.layers.splits import forward_splits
from riposte.market.frame import Floats

REGIME_COLUMNS = tuple(f"layer.regime.{name.lower()}" for name in REGIMES)


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Settings of the whole stack. ``least_rows``: no model is fitted on fewer rows than this."""

    regime: RegimeConfig = field(default_factory=RegimeConfig)
    signal: SignalConfig = field(default_factory=SignalConfig)
    inner_splits: int = 2
    least_rows: int = 250
    seed: int = 7

    def __post_init__(self) -> None:
        if self.inner_splits < 1:
            raise InputError(f"inner_splits must be at least 1, not {self.inner_splits}")
        if self.least_rows < 1:
            raise InputError(f"least_rows must be at least 1, not {self.least_rows}")


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a saved stack comes from: when it was made (ISO time, handed in), by what, from what."""

    created: str = ""
    version: str = ""
    source: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """What a stack was fitted on. Times are ns UTC: first and last decision, last label known."""

    rows: int
    first_time: int
    last_time: int
    last_label_end: int
    class_counts: tuple[int, int, int]  # SHORT, NEUTRAL, LONG
    feature_version: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DecisionStack:
    """The fitted layers. Each row's answer depends on that row alone.

    ``names`` are the features it takes, in order. ``regime`` is None if too few rows had a known
    regime. ``scores`` are out of fold, by layer.
    """

    names: tuple[str, ...]
    regime: Ensemble[Calibration] | None
    signal: Ensemble[SideCalibration]
    scores: Mapping[str, Scores]
    training: Training
    lineage: Lineage = field(default_factory=Lineage)

    def signals(
        self, features: Floats, take_profit: Floats, stop_loss: Floats, round_trip_cost: float
    ) -> Signals:
        """Decide rows ``features`` (n, k), with barrier widths (n,) and the cost as a fraction.

        Raises:
            ModelError: if the rows have not as many features as the stack takes.
            DataError: if a feature is infinite.
        """
        joined, regime_probabilities = self._joined(features)
        probabilities = self.signal.probabilities(joined)
        direction, confidence = paying_direction(
            probabilities, take_profit, stop_loss, round_trip_cost
        )
        if self.regime is None:
            regime = np.full(len(features), UNKNOWN_REGIME, np.int8)
        else:
            regime = regime_probabilities.argmax(axis=1).astype(np.int8)
        return Signals(direction, confidence, probabilities, regime, regime_probabilities)

    def attribution(self, features: Floats) -> Floats:
        """SHAP values (n, k + 7 + 1) toward the direction margin log P(LONG) - log P(SHORT).

        The columns are ``names``, then :data:`REGIME_COLUMNS`, then the base; they sum to the margin.
        """
        joined, _ = self._joined(features)
        by_class = self.signal.contributions(joined)
        calibration = self.signal.calibration
        toward: Floats = by_class[:, :, LONG] - by_class[:, :, SHORT]
        toward *= calibration.direction_slope
        toward[:, -1] += calibration.direction_bias
        return toward

    def contributions(self, features: Floats) -> Floats:
        """SHAP values (n, k) of the stack's own features toward the direction margin.

        What the regime layer's answer adds is in :meth:`attribution` only.
        """
        return self.attribution(features)[:, : len(self.names)]

    def describe(self) -> dict[str, Any]:
        """What it was trained on, when, and how it scored, as plain JSON values."""
        return {
            "features": list(self.names),
            "feature_version": self.training.feature_version,
            "classes": {"regime": list(REGIMES), "signal": ["SHORT", "NEUTRAL", "LONG"]},
            "models": {
                "regime": [] if self.regime is None else [n for n, _ in self.regime.members],
                "signal": [name for name, _ in self.signal.members],
            },
            "training": {
                "rows": self.training.rows,
                "first_time": self.training.first_time,
                "last_time": self.training.last_time,
                "last_label_end": self.training.last_label_end,
                "class_counts": list(self.training.class_counts),
                "config": dict(self.training.config),
            },
            "scores": {name: _scores_as_json(scores) for name, scores in self.scores.items()},
            "lineage": asdict(self.lineage),
        }

    def _joined(self, features: Floats) -> tuple[Floats, Floats]:
        """(features with the regime columns beside them, calibrated regime probabilities)."""
        check_features(features, len(self.names), self.names, what="the decision stack")
        if self.regime is None:
            missing = np.full((len(features), len(REGIMES)), np.nan)
            return np.hstack([features, missing]), missing
        joined = np.hstack([features, raw_probabilities(self.regime, features)])
        return joined, self.regime.probabilities(features)


def fit_stack(training: TrainingSet, config: StackConfig) -> DecisionStack:
    """Fit both layers on a training window; see the top of this file.

    Raises:
        DataError: if the window has too few rows, or a feature is infinite.
    """
    if len(training) < config.least_rows:
        raise DataError(
            f"{len(training)} training rows are too few: at least {config.least_rows} are needed",
            hint="train on a longer window",
        )
    check_features(training.features, len(training.names), training.names)
    stretches = forward_splits(training.time, config.inner_splits)
    regime = fit_regime(training, stretches, config.regime, config.seed, config.least_rows)
    beside = (
        np.full((len(training), len(REGIMES)), np.nan) if regime is None else regime.out_of_fold
    )
    joined = np.hstack([training.features, beside])
    signal = fit_signal(training, joined, stretches, config.signal, config.seed, config.least_rows)
    scores = {"signal": signal.scores}
    if regime is not None:
        scores["regime"] = regime.scores
    counts = np.bincount(training.label.astype(np.int64) + 1, minlength=3)
    return DecisionStack(
        names=training.names,
        regime=None if regime is None else regime.layer,
        signal=signal.layer,
        scores=scores,
        training=Training(
            rows=len(training),
            first_time=int(training.time[0]),
            last_time=int(training.time[-1]),
            last_label_end=int(training.label_end.max()),
            class_counts=(int(counts[0]), int(counts[1]), int(counts[2])),
            feature_version=training.feature_version,
            config=asdict(config),
        ),
    )


def save_stack(stack: DecisionStack, folder: Path, lineage: Lineage) -> None:
    """Write the stack as a model folder; a stack already there is replaced as a whole.

    Raises:
        StorageError: if the folder holds something else, or cannot be written.
    """
    layers = {"signal": stack.signal.members}
    calibrations = {"signal": stack.signal.calibration.as_json()}
    if stack.regime is not None:
        layers["regime"] = stack.regime.members
        calibrations["regime"] = stack.regime.calibration.as_json()
    files: dict[str, bytes] = {}
    composition: dict[str, list[dict[str, str]]] = {}
    libraries = []
    for layer, members in layers.items():
        composition[layer] = []
        for name, member in members:
            learner = LEARNERS[name]()
            file = f"{layer}.{name}.{learner.suffix}"
            files[file] = member.payload()
            composition[layer].append({"learner": name, "file": file})
            libraries.append(learner.library)
    files["calibration.json"] = json.dumps(calibrations, indent=2, sort_keys=True).encode()
    about = {
        **stack.describe(),
        "kind": "decision-stack",
        "lineage": asdict(lineage),
        "layers": composition,
    }
    write_artefact(folder, Artefact(about, files), libraries)


def load_stack(folder: Path, names: tuple[str, ...], feature_version: str = "") -> DecisionStack:
    """Read a stack for features ``names``; its answers equal the saved one's to the bit.

    ``feature_version``: hash of the features' definitions, "" if there is none to compare.

    Raises:
        ModelError: if it does not fit: features, definitions, format, libraries, or damage.
        StorageError: if a file cannot be read.
    """
    artefact = read_artefact(folder)
    about = artefact.about
    try:
        if about["kind"] != "decision-stack":
            raise ModelError(f"model {folder} is a {about['kind']}, not a decision-stack")
        check_names(tuple(names), tuple(about["features"]))
        _check_version(feature_version, about["feature_version"])
        if about["classes"]["regime"] != list(REGIMES):
            raise ModelError(f"model {folder} knows other regimes: {about['classes']['regime']}")
        calibrations = json.loads(artefact.files["calibration.json"])
        members = {
            layer: tuple(
                (part["learner"], LEARNERS[part["learner"]]().load(artefact.files[part["file"]]))
                for part in parts
            )
            for layer, parts in about["layers"].items()
        }
        regime = None
        if "regime" in members:
            regime = Ensemble(members["regime"], Calibration.from_json(calibrations["regime"]))
        trained = about["training"]
        return DecisionStack(
            names=tuple(about["features"]),
            regime=regime,
            signal=Ensemble(members["signal"], SideCalibration.from_json(calibrations["signal"])),
            scores={name: _scores_from_json(values) for name, values in about["scores"].items()},
            training=Training(
                **{**trained, "class_counts": tuple(trained["class_counts"])},
                feature_version=about["feature_version"],
            ),
            lineage=Lineage(**about["lineage"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"model {folder}: the manifest is incomplete: {type(error).__name__} {error}"
        ) from None


def _check_version(given: str, wanted: str) -> None:
    if given and wanted and given != wanted:
        raise ModelError(
            f"the features have the same names but other definitions: version {given}, "
            f"the model was trained on {wanted}",
            hint="train again on the present definitions",
        )


def _scores_as_json(scores: Scores) -> dict[str, float | None]:
    """JSON has no NaN: a score that could not be taken is null."""
    return {name: None if value != value else value for name, value in asdict(scores).items()}  # noqa: PLR0124


def _scores_from_json(values: Mapping[str, Any]) -> Scores:
    numbers = {name: float("nan") if v is None else v for name, v in values.items()}
    return Scores(rows=int(numbers.pop("rows")), **numbers)
