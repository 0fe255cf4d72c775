"""Calibration of the signal in the two questions it answers, each with its own doubt.

1. Will the trade resolve to a side at all?   P(resolved)        = sigmoid(slope * log-odds + bias)
2. If so, to which?                           P(LONG | resolved) = sigmoid(slope * log-odds + bias)

The second is the confidence that decides whether money is risked, so it is calibrated as what it is, on
the cases that resolved and on no others. Both are Platt scalings (Platt 1999) fitted on out-of-fold
margins by maximum a-posteriori likelihood: slope (per standard deviation of the log-odds) and bias have
normal priors around 0, "it knows nothing", that evidence has to overcome.

The priors differ because the questions do. Whether a barrier is reached follows volatility, which is
persistent: a wide prior. Which one is reached is a forecast of a liquid market, where being right 55 times
in 100 is already good: the prior's standard deviation is the log-odds of that, 0.2. Six months of
overlapping labels hold a few hundred independent outcomes, and without the prior their luck would be sold
as confidence.

Evidence is counted honestly: labels that overlap share one (their uniqueness weights), and symbols of one
market move together, so that n of them at one time count as one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import ModelError
from riposte.layers.contract import LONG, NEUTRAL, SHORT, Indices
from riposte.market.frame import Floats

DIRECTION_PRIOR = 0.2
_RESOLVED_SLOPE_PRIOR = 1.0
_RESOLVED_BIAS_PRIOR = 3.0
_STEPS = 50
_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class SideCalibration:
    """Slope and bias of both questions."""

    resolved_slope: float
    resolved_bias: float
    direction_slope: float
    direction_bias: float

    def probabilities(self, margins: Floats) -> Floats:
        """Calibrated probabilities (n, 3) of margins (n, 3), both in the order SHORT, NEUTRAL, LONG."""
        resolved = _sigmoid(self.resolved_slope * resolved_odds(margins) + self.resolved_bias)
        direction = self.direction_slope * direction_odds(margins) + self.direction_bias
        return np.column_stack(
            [resolved * _sigmoid(-direction), 1.0 - resolved, resolved * _sigmoid(direction)]
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON values."""
        return {
            "resolved_slope": self.resolved_slope,
            "resolved_bias": self.resolved_bias,
            "direction_slope": self.direction_slope,
            "direction_bias": self.direction_bias,
        }

    @classmethod
    def from_json(cls, values: Any) -> SideCalibration:
        """The calibration of :meth:`as_json`; raises ModelError if a value is absent or no number."""
        try:
            return cls(**{name: float(value) for name, value in values.items()})
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelError(f"the signal's calibration cannot be read: {error}") from None


def direction_odds(margins: Floats) -> Floats:
    """Log-odds of LONG against SHORT (n,), not calibrated."""
    odds: Floats = margins[:, LONG] - margins[:, SHORT]
    return odds


def resolved_odds(margins: Floats) -> Floats:
    """Log-odds of a side against NEUTRAL (n,), not calibrated."""
    odds: Floats = np.logaddexp(margins[:, LONG], margins[:, SHORT]) - margins[:, NEUTRAL]
    return odds


def fit_side_calibration(
    margins: Floats,
    target: Indices,
    weight: Floats,
    symbols: int,
    direction_prior: float = DIRECTION_PRIOR,
) -> SideCalibration:
    """Fit on out-of-fold ``margins`` (n, 3) of rows with class ``target`` (n,).

    ``weight`` (n,) is label uniqueness, ``symbols`` how many stand side by side. ``direction_prior`` is
    the log-odds one standard deviation of a good forecast is worth; larger trusts the rows more.
    """
    evidence = weight / symbols
    resolved = target != NEUTRAL
    resolved_slope, resolved_bias = fit_platt(
        resolved_odds(margins),
        resolved,
        evidence,
        _RESOLVED_SLOPE_PRIOR,
        _RESOLVED_BIAS_PRIOR,
    )
    sided = margins[resolved]
    direction_slope, direction_bias = fit_platt(
        direction_odds(sided),
        target[resolved] == LONG,
        evidence[resolved],
        direction_prior,
        direction_prior,
    )
    return SideCalibration(resolved_slope, resolved_bias, direction_slope, direction_bias)


def fit_platt(
    odds: Floats,
    outcome: NDArray[np.bool_],
    evidence: Floats,
    slope_prior: float,
    bias_prior: float,
) -> tuple[float, float]:
    """(slope, bias) of ``P = sigmoid(slope * odds + bias)`` by Newton steps on the posterior.

    The priors are standard deviations of the slope per standard deviation of ``odds``, and of the bias.
    A slope that would be negative (wrong more often than not) is 0: what the odds say is not used.
    """
    total = float(evidence.sum())
    if total <= 0.0:
        return 0.0, 0.0
    mean = float(evidence @ odds) / total
    spread = math.sqrt(float(evidence @ (odds - mean) ** 2) / total)
    if spread > 0.0:
        slope, bias = _posterior_mode(odds / spread, outcome, evidence, slope_prior, bias_prior)
        if slope > 0.0:
            return slope / spread, bias
    return 0.0, _posterior_mode(np.zeros_like(odds), outcome, evidence, slope_prior, bias_prior)[1]


def _posterior_mode(
    odds: Floats,
    outcome: NDArray[np.bool_],
    evidence: Floats,
    slope_prior: float,
    bias_prior: float,
) -> tuple[float, float]:
    """Damped Newton steps on the negative log posterior, which is convex."""
    precision = np.array([slope_prior, bias_prior]) ** -2.0
    design = np.column_stack([odds, np.ones_like(odds)])

    def loss(at: Floats) -> float:
        log_odds = design @ at
        misfit = np.logaddexp(0.0, np.where(outcome, -log_odds, log_odds))
        return float(evidence @ misfit + 0.5 * precision @ at**2)

    at = np.zeros(2)
    value = loss(at)
    for _ in range(_STEPS):
        chance = _sigmoid(design @ at)
        gradient = design.T @ (evidence * (chance - outcome)) + precision * at
        spread = design * (evidence * chance * (1.0 - chance))[:, None]
        step = np.linalg.solve(design.T @ spread + np.diag(precision), gradient)
        size = 1.0
        while loss(at - size * step) > value and size > _TOLERANCE:
            size *= 0.5
        at = at - size * step
        before, value = value, loss(at)
        if before - value <= _TOLERANCE * max(abs(value), 1.0):
            break
    return float(at[0]), float(at[1])


def _sigmoid(odds: Floats) -> Floats:
    chance: Floats = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return chance
