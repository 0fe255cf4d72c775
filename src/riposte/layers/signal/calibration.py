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

Where several models speak, the same fit is the **stacking meta-model** (Wolpert 1992, "Stacked
Generalization"; Breiman 1996, "Stacked Regressions"): each model's log-odds have a slope of their own,
none below 0, so that P = sigmoid(sum of slope_i * log-odds_i + bias). It sees the models' *out-of-fold*
answers only: a model that merely remembers its training rows knows nothing there, and gets no weight. The
prior is shared out among the slopes such that models which agree have together what one would have; it
draws them together, and evidence has to part them. A blend is the same with all slopes equal. Both keep
SHAP values exact sums, since the log-odds of the sides enter linearly.

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

Flags = NDArray[np.bool_]

DIRECTION_PRIOR = 0.2
_RESOLVED_SLOPE_PRIOR = 1.0
_RESOLVED_BIAS_PRIOR = 3.0
_STEPS = 50
_TOLERANCE = 1e-12
_CONSTANT = 1e-12  # a spread below this share of the level is rounding: nothing was said


@dataclass(frozen=True, slots=True)
class SideCalibration:
    """Slopes (one per member) and bias of both questions."""

    resolved_slopes: tuple[float, ...]
    resolved_bias: float
    direction_slopes: tuple[float, ...]
    direction_bias: float

    def probabilities(self, margins: Floats) -> Floats:
        """Calibrated probabilities (n, 3) of the members' margins (m, n, 3): SHORT, NEUTRAL, LONG."""
        resolved = _sigmoid(
            _weighed(self.resolved_slopes, resolved_odds(margins)) + self.resolved_bias
        )
        direction = self.direction_log_odds(margins)
        return np.column_stack(
            [resolved * _sigmoid(-direction), 1.0 - resolved, resolved * _sigmoid(direction)]
        )

    def direction_log_odds(self, margins: Floats) -> Floats:
        """Calibrated log-odds of LONG against SHORT (n,) of the members' margins (m, n, 3)."""
        return _weighed(self.direction_slopes, direction_odds(margins)) + self.direction_bias

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON values."""
        return {
            "resolved_slopes": list(self.resolved_slopes),
            "resolved_bias": self.resolved_bias,
            "direction_slopes": list(self.direction_slopes),
            "direction_bias": self.direction_bias,
        }

    @classmethod
    def from_json(cls, values: Any) -> SideCalibration:
        """The calibration of :meth:`as_json`; raises ModelError if a value is absent or no number."""
        try:
            return cls(
                tuple(float(slope) for slope in values["resolved_slopes"]),
                float(values["resolved_bias"]),
                tuple(float(slope) for slope in values["direction_slopes"]),
                float(values["direction_bias"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the signal's calibration cannot be read: {error!r}") from None


def direction_odds(margins: Floats) -> Floats:
    """Log-odds of LONG against SHORT (..., n) of margins (..., n, 3), not calibrated."""
    odds: Floats = margins[..., LONG] - margins[..., SHORT]
    return odds


def resolved_odds(margins: Floats) -> Floats:
    """Log-odds of a side against NEUTRAL (..., n) of margins (..., n, 3), not calibrated."""
    odds: Floats = np.logaddexp(margins[..., LONG], margins[..., SHORT]) - margins[..., NEUTRAL]
    return odds


def fit_side_calibration(
    margins: Floats,
    target: Indices,
    weight: Floats,
    symbols: int,
    direction_prior: float = DIRECTION_PRIOR,
    *,
    stacked: bool = False,
) -> SideCalibration:
    """Fit on out-of-fold ``margins`` (m, n, 3) of m members and rows with class ``target`` (n,).

    ``weight`` (n,) is label uniqueness, ``symbols`` how many stand side by side. ``direction_prior`` is
    the log-odds one standard deviation of a good forecast is worth; larger trusts the rows more.
    ``stacked``: every member has a slope of its own; else all have the same.
    """
    evidence = weight / symbols
    resolved = target != NEUTRAL
    fit = _fit_each if stacked else _fit_mean
    resolved_slopes, resolved_bias = fit(
        resolved_odds(margins), resolved, evidence, _RESOLVED_SLOPE_PRIOR, _RESOLVED_BIAS_PRIOR
    )
    direction_slopes, direction_bias = fit(
        direction_odds(margins)[:, resolved],
        target[resolved] == LONG,
        evidence[resolved],
        direction_prior,
        direction_prior,
    )
    return SideCalibration(resolved_slopes, resolved_bias, direction_slopes, direction_bias)


def _fit_mean(
    odds: Floats, outcome: Flags, evidence: Floats, slope_prior: float, bias_prior: float
) -> tuple[tuple[float, ...], float]:
    """The same slope for every member (m, n): Platt scaling of their mean."""
    slope, bias = fit_platt(odds.mean(axis=0), outcome, evidence, slope_prior, bias_prior)
    return (slope / len(odds),) * len(odds), bias


def _fit_each(
    odds: Floats, outcome: Flags, evidence: Floats, slope_prior: float, bias_prior: float
) -> tuple[tuple[float, ...], float]:
    """A slope for every member (m, n), none below 0: the worst is left out until none would be."""
    total = float(evidence.sum())
    slopes = np.zeros(len(odds))
    if total <= 0.0:
        return tuple(slopes.tolist()), 0.0
    mean = odds @ evidence / total
    spread = np.sqrt((odds - mean[:, None]) ** 2 @ evidence / total)
    speaking = np.flatnonzero(spread > _CONSTANT * (1.0 + np.abs(mean)))
    while True:
        design = odds[speaking] / spread[speaking, None]
        prior = slope_prior / math.sqrt(max(len(speaking), 1))
        fitted, bias = _posterior_mode(design.T, outcome, evidence, prior, bias_prior)
        if (fitted >= 0.0).all():
            slopes[speaking] = fitted / spread[speaking]
            return tuple(slopes.tolist()), bias
        speaking = np.delete(speaking, int(fitted.argmin()))


def fit_platt(
    odds: Floats, outcome: Flags, evidence: Floats, slope_prior: float, bias_prior: float
) -> tuple[float, float]:
    """(slope, bias) of ``P = sigmoid(slope * odds + bias)`` by Newton steps on the posterior.

    The priors are standard deviations of the slope per standard deviation of ``odds`` (n,), and of the
    bias. A slope that would be negative (wrong more often than not) is 0: what the odds say is not used.
    """
    slopes, bias = _fit_each(odds[None], outcome, evidence, slope_prior, bias_prior)
    return slopes[0], bias


def _posterior_mode(
    odds: Floats, outcome: Flags, evidence: Floats, slope_prior: float, bias_prior: float
) -> tuple[Floats, float]:
    """Damped Newton steps on the negative log posterior, which is convex; ``odds`` (n, m)."""
    members = odds.shape[1]
    precision = np.append(np.full(members, slope_prior), bias_prior) ** -2.0
    design = np.column_stack([odds, np.ones(len(odds))])

    def loss(at: Floats) -> float:
        log_odds = design @ at
        misfit = np.logaddexp(0.0, np.where(outcome, -log_odds, log_odds))
        return float(evidence @ misfit + 0.5 * precision @ at**2)

    at = np.zeros(members + 1)
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
    return at[:-1], float(at[-1])


def _weighed(slopes: tuple[float, ...], odds: Floats) -> Floats:
    """Sum over the members (m, n) of slope times odds. Member by member: a row's sum is the same beside
    any other rows, which a matrix product does not promise."""
    total = slopes[0] * odds[0]
    for slope, each in zip(slopes[1:], odds[1:], strict=True):
        total = total + slope * each
    whole: Floats = total
    return whole


def _sigmoid(odds: Floats) -> Floats:
    chance: Floats = 0.5 * (1.0 + np.tanh(0.5 * odds))
    return chance
