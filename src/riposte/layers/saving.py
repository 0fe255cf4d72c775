"""A decision stack as a model folder, and back: native files, JSON and a manifest; nothing is pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from riposte.errors import ModelError
from riposte.layers.abstention.rule import Silence
from riposte.layers.artefact import Artefact, read_artefact, write_artefact
from riposte.layers.calibration import Calibration
from riposte.layers.contract import REGIMES, check_names
from riposte.layers.ensemble import Scores
from riposte.layers.forecast.layer import FORECAST_LEARNERS, ForecastLayer, ForecastScores
from riposte.layers.learners import LEARNERS
from riposte.layers.learners.projected import ProjectedModel
from riposte.layers.regime.layer import RegimeLayer
from riposte.layers.signal.calibration import SideCalibration
from riposte.layers.signal.layer import SignalLayer
from riposte.layers.stack import DecisionStack, Lineage, Training

FITTED = "fitted.json"  # everything fitted that is not a learner's own file


def save_stack(stack: DecisionStack, folder: Path, lineage: Lineage) -> None:
    """Write the stack as a model folder; a stack already there is replaced as a whole.

    Raises:
        StorageError: if the folder holds something else, or cannot be written.
    """
    layers = {"signal": stack.signal.members}
    fitted: dict[str, Any] = {
        "calibration": {"signal": stack.signal.calibration.as_json()},
        "silence": stack.silence.as_json(),
    }
    if stack.regime is not None:
        layers["regime"] = stack.regime.members
        fitted["calibration"]["regime"] = stack.regime.calibration.as_json()
    if stack.forecast is not None:
        layers["forecast"] = stack.forecast.members
        fitted["forecast"] = {
            "horizon_ns": stack.forecast.horizon_ns,
            "in_signal": stack.forecast.in_signal,
        }
    files: dict[str, bytes] = {}
    composition: dict[str, list[dict[str, str]]] = {}
    libraries = []
    for layer, members in layers.items():
        composition[layer] = []
        for name, member in members:
            kind = FORECAST_LEARNERS.get(name, name) if layer == "forecast" else name
            libraries.append(LEARNERS[kind]().library)
            if isinstance(member, ProjectedModel):
                kind = "projected"
            file = f"{layer}.{name}.{LEARNERS[kind]().suffix}"
            files[file] = member.payload()
            composition[layer].append({"name": name, "learner": kind, "file": file})
    files[FITTED] = json.dumps(fitted, indent=2, sort_keys=True, allow_nan=False).encode()
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
        fitted = json.loads(artefact.files[FITTED])
        calibrations = fitted["calibration"]
        members = {
            layer: tuple(
                (part["name"], LEARNERS[part["learner"]]().load(artefact.files[part["file"]]))
                for part in parts
            )
            for layer, parts in about["layers"].items()
        }
        trained, seen = about["training"], about["forecast_scores"]
        return DecisionStack(
            names=tuple(about["features"]),
            regime=(
                RegimeLayer(members["regime"], Calibration.from_json(calibrations["regime"]))
                if "regime" in members
                else None
            ),
            forecast=(
                ForecastLayer(members["forecast"], **fitted["forecast"])
                if "forecast" in members
                else None
            ),
            signal=SignalLayer(
                members["signal"], SideCalibration.from_json(calibrations["signal"])
            ),
            silence=Silence.from_json(fitted["silence"]),
            scores={name: Scores(**_numbers(values)) for name, values in about["scores"].items()},
            forecast_scores=None if seen is None else ForecastScores(**_numbers(seen)),
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


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Scores as they were: what is null in JSON was no number."""
    return {name: float("nan") if v is None else v for name, v in values.items()}
