"""What is searched: the ranges of the signal layer's settings, and how a choice becomes settings.

A parameter is named by its path in :class:`SignalConfig`: ``balance``, ``lightgbm.rounds``. Which there are
follows from the learners' own fields, so a learner with fields of these names is searched by being there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, get_args

from riposte.layers.signal.layer import LearnerName, SignalConfig

Value = float | int | str
Values = Mapping[str, Value]
MODEL = "model"


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both included; ``log``: each factor counts the same; ``whole`` numbers."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


OF_LEARNERS: Mapping[str, Range] = {
    "rounds": Range(20, 400, log=True, whole=True),
    "learning_rate": Range(0.005, 0.3, log=True),
    "leaves": Range(2, 64, log=True, whole=True),
    "depth": Range(1, 7, whole=True),
    "feature_fraction": Range(0.05, 1.0),
    "row_fraction": Range(0.2, 0.95),
    "least_rows": Range(20, 2000, log=True, whole=True),
    "least_weight": Range(1.0, 300.0, log=True),
    "l2": Range(0.1, 1000.0, log=True),
}
OF_SIGNAL: Mapping[str, Range] = {
    "balance": Range(0.0, 1.0),
    "direction_prior": Range(0.05, 1.0, log=True),
}


class Chooser(Protocol):
    """Who proposes values."""

    def option(self, name: str, options: tuple[str, ...]) -> str:
        """One of ``options`` for the parameter ``name``."""
        ...

    def number(self, name: str, allowed: Range) -> float | int:
        """A number in the range."""
        ...


def ranges_of(config: SignalConfig) -> dict[str, Range]:
    """The numbers that matter for the model that ``config`` chooses, by path."""
    found = dict(OF_SIGNAL)
    for name, _ in config.learners():
        learner = getattr(config, name)
        averaged = getattr(learner, "forest", False)  # side by side, so there is no step to choose
        for each in fields(learner):
            if each.name in OF_LEARNERS and not (averaged and each.name == "learning_rate"):
                found[f"{name}.{each.name}"] = OF_LEARNERS[each.name]
    return found


def searched_paths(base: SignalConfig) -> frozenset[str]:
    """Every path that any model's search may set."""
    found = {MODEL}
    for name in get_args(LearnerName):
        found |= ranges_of(replace(base, model=name)).keys()
    return frozenset(found)


def proposed(base: SignalConfig, models: tuple[str, ...], chooser: Chooser) -> Values:
    """Values for all that matters, the model first."""
    model = chooser.option(MODEL, models)
    ranges = ranges_of(with_values(base, {MODEL: model}))
    return {MODEL: model} | {path: chooser.number(path, ranges[path]) for path in ranges}


def values_of(config: SignalConfig) -> Values:
    """The values that ``config`` itself has of what would be searched for its model."""
    found: dict[str, Value] = {MODEL: config.model}
    for path in ranges_of(config):
        at: Any = config
        for part in path.split("."):
            at = getattr(at, part)
        found[path] = at
    return found


def inside(config: SignalConfig) -> bool:
    """Whether the search could come upon the values of ``config``."""
    values = values_of(config)
    return all(
        each.low <= float(values[path]) <= each.high for path, each in ranges_of(config).items()
    )


def with_values(base: SignalConfig, values: Values) -> SignalConfig:
    """``base`` with the values in the place of its own."""
    own: dict[str, Any] = {}
    learners: dict[str, dict[str, Value]] = {}
    for path, value in values.items():
        name, _, inner = path.partition(".")
        if inner:
            learners.setdefault(name, {})[inner] = value
        else:
            own[name] = value
    changed = {name: replace(getattr(base, name), **given) for name, given in learners.items()}
    return replace(base, **own, **changed)
