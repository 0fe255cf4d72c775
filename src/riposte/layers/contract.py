"""What the decision layers take and give: training rows, signals, and the interface of a learner.

A layer sees arrays only. Whoever proves or trades builds them from frames, features and labels; the
layers themselves never see a label outside training.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError, ModelError, nearest
from riposte.market.frame import Floats, Times

Classes = NDArray[np.int8]
Indices = NDArray[np.int64]

# The order is part of every artefact: append, never reorder.
REGIMES: tuple[str, ...] = (
    "TRENDING_UP",
    "TRENDING_DOWN",
    "RANGING",
    "HIGH_VOLATILITY",
    "LOW_VOLATILITY",
    "BREAKOUT",
    "REVERSAL",
)
UNKNOWN_REGIME = -1

# Columns of every probability array; a label or direction is the column's index minus one.
SIDES: tuple[str, ...] = ("SHORT", "NEUTRAL", "LONG")
SHORT, NEUTRAL, LONG = 0, 1, 2


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows to learn from, sorted by ``time``; rows of several symbols stand side by side.

    Only rows with a known label and ready features belong here. All arrays have n rows.

    ``features`` float64 (n, k), NaN where missing; ``names`` (k,); ``time`` when the row's decision is
    made, ns UTC; ``symbol`` int; ``label`` int8 in -1, 0, 1; ``label_end`` when the label became known,
    ns UTC; ``weight`` >= 0 (label uniqueness); ``regime_label`` int8 index into :data:`REGIMES` or -1
    where unknown, known at ``regime_end``; ``long_return``, ``short_return`` what each side earned;
    ``take_profit``, ``stop_loss`` the barrier widths. ``feature_version`` is the hash of the features'
    definitions, "" if there is none. ``forward_return`` is what the price did over the forecast's
    horizon, as a fraction, NaN where unknown, known at ``forward_end``; None where nobody asked.
    ``uniqueness``: the part of ``weight`` that says how many independent cases the rows are, where the
    weight says more than that; see :attr:`evidence`.
    """

    features: Floats
    names: tuple[str, ...]
    time: Times
    symbol: NDArray[np.int64]
    label: Classes
    label_end: Times
    weight: Floats
    regime_label: Classes
    regime_end: Times
    long_return: Floats
    short_return: Floats
    take_profit: Floats
    stop_loss: Floats
    feature_version: str = ""
    forward_return: Floats | None = None
    forward_end: Times | None = None
    uniqueness: Floats | None = None

    @property
    def evidence(self) -> Floats:
        """How much of an independent case each row is (n,): what probabilities are calibrated and scored
        with. Learners may be told to look harder at some rows; how often things happen is not theirs."""
        return self.weight if self.uniqueness is None else self.uniqueness

    def __len__(self) -> int:
        return len(self.time)

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape != (len(self.time), len(self.names)):
            raise ValueError(
                f"features have shape {self.features.shape}, "
                f"not ({len(self.time)} rows, {len(self.names)} names)"
            )
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray) and len(values) != len(self.time):
                raise ValueError(f"{field.name} has {len(values)} rows, not {len(self.time)}")
        if (np.diff(self.time) < 0).any():
            raise ValueError("training rows are not sorted by time")
        if (self.label_end < self.time).any():
            raise ValueError("a label became known before its decision")
        if not np.isin(self.label, (-1, 0, 1)).all():
            raise ValueError("labels must be -1, 0 or 1")
        if ((self.regime_label < UNKNOWN_REGIME) | (self.regime_label >= len(REGIMES))).any():
            raise ValueError(f"regime labels must be -1 to {len(REGIMES) - 1}")
        if not (np.isfinite(self.weight).all() and (self.weight >= 0.0).all()):
            raise ValueError("weights must be finite and not negative")


class Abstention(IntFlag):
    """Why a row has no direction. A row may have several reasons; 0 is none."""

    NONE = 0
    DOES_NOT_PAY = 1  # the expected net return is not positive, or the barriers' widths are unknown
    UNLIKE_TRAINING = 2  # the row is unlike anything the model was trained on
    UNCERTAIN = 4  # the conformal set does not hold exactly one side
    EXPIRED = 8  # the model is too old to open anything


@dataclass(frozen=True, slots=True)
class Signals:
    """What the layers say, one row per decision.

    ``direction`` int8: -1, 0, 1. ``confidence`` (n,): the likelier side's share of the probability of
    both sides, in [0.5, 1]. ``probabilities`` (n, 3) in the order of :data:`SIDES`. ``regime`` int8:
    the likeliest regime, or -1 where no model names one; ``regime_probabilities`` (n, 7) in the order
    of :data:`REGIMES`, NaN where no model names one. ``abstention`` uint8: the :class:`Abstention`
    flags of the row; ``direction`` is 0 exactly where there is one, or where both sides are equally
    likely. The confidence threshold is the engine's.
    """

    direction: Classes
    confidence: Floats
    probabilities: Floats
    regime: Classes
    regime_probabilities: Floats
    abstention: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.direction)


class Model(Protocol):
    """A fitted classifier, or a regression, which has one "class": its margin is the value it expects.

    Each row's answer depends on that row alone, and on no chance.
    """

    @property
    def classes(self) -> int: ...

    @property
    def features(self) -> int: ...

    def margins(self, features: Floats) -> Floats:
        """Unnormalised log-probabilities (n, classes) of rows (n, features); a regression's value (n, 1)."""
        ...

    def contributions(self, features: Floats) -> Floats:
        """TreeSHAP values (n, features + 1, classes), the last being the base; they sum to the margins."""
        ...

    def payload(self) -> bytes:
        """The model in its library's own text or binary format."""
        ...


class Learner(Protocol):
    """A way to fit a model, with its settings. One per library and purpose."""

    @property
    def library(self) -> str:
        """Distribution whose format the payload is in: its major version must match on loading."""
        ...

    @property
    def suffix(self) -> str:
        """File ending of the payload."""
        ...

    def fit(
        self, features: Floats, target: Indices, weight: Floats, classes: int, seed: int
    ) -> Model:
        """Fit a classifier on rows (n, k) with class indices (n,); no array is changed."""
        ...

    def regress(self, features: Floats, target: Floats, weight: Floats, seed: int) -> Model:
        """Fit a regression on rows (n, k) with values (n,), by squared error; no array is changed."""
        ...

    def load(self, payload: bytes) -> Model:
        """The model of a payload; raises ModelError if it cannot be read."""
        ...


def check_features(
    features: Floats, count: int, names: tuple[str, ...] = (), *, what: str = "the model"
) -> None:
    """Refuse feature rows of the wrong width, or with infinite values.

    Raises:
        ModelError: if the width is not ``count``.
        DataError: if a value is infinite.
    """
    if features.ndim != 2 or features.shape[1] != count:
        raise ModelError(
            f"{what} takes rows of {count} features, not an array of shape {features.shape}"
        )
    infinite = np.isinf(features)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        name = names[column] if column < len(names) else f"number {column}"
        raise DataError(f"feature {name} is infinite in row {row}")


def check_names(given: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Refuse feature names that are not exactly those of the model, naming the first difference.

    Raises:
        ModelError: if a name is missing, unknown or in another place.
    """
    if given == wanted:
        return
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted]
    if missing or unknown:
        parts = []
        if missing:
            parts.append(
                f"{len(missing)} missing, first {missing[0]!r}{nearest(missing[0], unknown)}"
            )
        if unknown:
            parts.append(f"{len(unknown)} unknown to the model, first {unknown[0]!r}")
        difference = "; ".join(parts)
    elif len(given) != len(wanted):
        difference = f"{len(given)} names given, {len(wanted)} wanted: a name is repeated"
    else:
        place = next(i for i, (a, b) in enumerate(zip(given, wanted, strict=True)) if a != b)
        difference = f"place {place} holds {given[place]!r}, the model wants {wanted[place]!r}"
    raise ModelError(
        f"the features do not match the model: {difference}",
        hint="compute the model's own features, or train again",
    )
