"""Calibration: from a model's margins to probabilities that hold out of sample.

Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar 2020, "Maximum Likelihood with
Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation"):

    p = softmax(slope * margins + bias)

with one slope and one bias per class, fitted by maximum likelihood on out-of-fold margins. With K + 1
numbers it cannot overfit a few thousand rows, as isotonic regression would. The biases undo class
balancing; a slope below 1 takes back over-confidence; and where the margins told nothing out of fold
the slope falls to 0 and the probabilities become the class frequencies, which is the honest answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.errors import ModelError
from riposte.layers.contract import Indices
from riposte.market.frame import Floats

# Ridge per unit of weight, towards slope 1 and biases 0: it decides only what the rows leave open.
_RIDGE = 1e-4
_STEPS = 50
_TOLERANCE = 1e-10
_LEAST_PROBABILITY = 1e-12


def softmax(margins: Floats) -> Floats:
    """Probabilities (n, c) of unnormalised log-probabilities (n, c)."""
    shifted = np.exp(margins - margins.max(axis=1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def log_loss(probabilities: Floats, target: Indices, weight: Floats | None = None) -> float:
    """Mean negative log-probability of the true classes, in nats."""
    of_truth = probabilities[np.arange(len(target)), target]
    return float(np.average(-np.log(np.maximum(of_truth, _LEAST_PROBABILITY)), weights=weight))


def calibration_error(
    promised: Floats, right: Floats, weight: Floats | None = None, bins: int = 10
) -> float:
    """Expected calibration error: mean |promised - observed| over ``bins`` bins of equal count.

    ``promised`` (n,) are probabilities, ``right`` (n,) is 1.0 where what was promised came true.
    """
    if len(promised) == 0:
        return float("nan")
    mass = np.ones(len(promised)) if weight is None else weight
    order = np.argsort(promised, kind="stable")
    total = 0.0
    for rows in np.array_split(order, min(bins, len(order))):
        share = mass[rows].sum()
        if share > 0.0:
            difference = mass[rows] @ (promised[rows] - right[rows])
            total += abs(float(difference))
    return total / float(mass.sum())


@dataclass(frozen=True, slots=True)
class Calibration:
    """``softmax(slope * margins + bias)``; ``bias`` has one number per class."""

    slope: float
    bias: tuple[float, ...]

    def scaled(self, margins: Floats) -> Floats:
        """Calibrated log-probabilities up to a constant per row (n, c)."""
        scaled: Floats = self.slope * margins + np.array(self.bias)
        return scaled

    def probabilities(self, margins: Floats) -> Floats:
        """Calibrated probabilities (n, c) of margins (n, c)."""
        return softmax(self.scaled(margins))

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON values."""
        return {"slope": self.slope, "bias": list(self.bias)}

    @classmethod
    def from_json(cls, values: Any) -> Calibration:
        """The calibration of :meth:`as_json`; raises ModelError if a value is absent or no number."""
        try:
            return cls(float(values["slope"]), tuple(float(b) for b in values["bias"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's calibration cannot be read: {error}") from None


def no_calibration(classes: int) -> Calibration:
    """The margins as they are."""
    return Calibration(1.0, (0.0,) * classes)


def fit_calibration(margins: Floats, target: Indices, weight: Floats) -> Calibration:
    """Fit slope and biases on out-of-fold ``margins`` (n, c) of rows with class ``target`` (n,).

    ``weight`` (n,) counts rows whose labels overlap less. A slope that would be negative (the model was
    wrong more often than not) is set to 0: what it says is then not used. With no rows, or no weight,
    the margins stay as they are.
    """
    classes = margins.shape[1]
    total = float(weight.sum()) if len(target) else 0.0
    if total <= 0.0:
        return no_calibration(classes)
    share = weight / total
    fitted = _newton(margins, target, share, with_slope=True)
    if fitted[0] < 0.0:
        fitted = _newton(margins, target, share, with_slope=False)
    bias = fitted[1:] - fitted[1:].mean()
    return Calibration(float(fitted[0]), tuple(float(b) for b in bias))


def _newton(margins: Floats, target: Indices, share: Floats, *, with_slope: bool) -> Floats:
    """Minimise the convex penalised log loss over (slope, biases) by damped Newton steps."""
    n, classes = margins.shape
    truth = np.zeros((n, classes))
    truth[np.arange(n), target] = 1.0
    start = np.zeros(classes + 1)
    start[0] = 1.0 if with_slope else 0.0
    at = start.copy()
    value = float("inf")
    step = np.zeros(classes + 1)
    size = 1.0
    for _ in range(_STEPS):
        tried = at + size * step
        probabilities = softmax(tried[0] * margins + tried[1:])
        loss = log_loss(probabilities, target, share)
        loss += 0.5 * _RIDGE * float(((tried - start) ** 2).sum())
        if loss > value + _TOLERANCE:
            size *= 0.5
            continue
        if value - loss < _TOLERANCE and np.isfinite(value):
            return tried
        at, value, size = tried, loss, 1.0
        error = share[:, None] * (probabilities - truth)
        gradient = np.concatenate([[(error * margins).sum()], error.sum(axis=0)])
        gradient += _RIDGE * (at - start)
        hessian = _curvature(margins, probabilities, share)
        if not with_slope:
            gradient[0] = hessian[0, 1:] = hessian[1:, 0] = 0.0
        step = -np.linalg.solve(hessian, gradient)
    return at


def _curvature(margins: Floats, probabilities: Floats, share: Floats) -> Floats:
    """Hessian (c + 1, c + 1) of the weighted log loss in (slope, biases), ridge included."""
    classes = margins.shape[1]
    mean = (probabilities * margins).sum(axis=1, keepdims=True)
    centred = probabilities * (margins - mean)
    hessian = np.empty((classes + 1, classes + 1))
    hessian[0, 0] = (share[:, None] * centred * margins).sum()
    hessian[0, 1:] = hessian[1:, 0] = share @ centred
    weighted = share[:, None] * probabilities
    hessian[1:, 1:] = np.diag(weighted.sum(axis=0)) - weighted.T @ probabilities
    result: Floats = hessian + _RIDGE * np.eye(classes + 1)
    return result
