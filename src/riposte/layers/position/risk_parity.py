"""Weights of which every symbol carries the same risk."""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats

_TOLERANCE = 1e-10  # of each symbol's share of the risk, as a fraction of it
_MOST_STEPS = 100  # less than ten are needed where the symbols do not hedge one another
_FARTHEST = 1e6  # exposure at a risk of 1: beyond it the correlations' last digits decide
_QUADRATIC = 0.95 * 0.5 * (3.0 - np.sqrt(5.0))  # Spinu's border of the full Newton steps


def inverse_volatility(covariance: Floats) -> Floats:
    """Weights (K,) in proportion to 1 / volatility, which is risk parity where all pairs correlate alike."""
    share = 1.0 / np.sqrt(np.diagonal(covariance))
    return np.asarray(share / share.sum(), dtype=np.float64)


def equal_risk_contribution(covariance: Floats) -> Floats:
    """Long-only weights (K,) for which w_i (C w)_i is the same for all i (Maillard, Roncalli, Teiletche 2010).

    They are the minimum y of y'Cy / 2 - sum log(y_i) / K, scaled to sum 1, found by damped Newton steps
    (Spinu 2013, *An algorithm for computing risk parity weights*) over the correlations, so that the
    volatilities cannot spoil the condition. Each share of the risk is met to 1e-10. All are NaN where some
    long-only combination carries no risk (a perfect hedge): then no such weights exist.
    """
    volatility = np.sqrt(np.diagonal(covariance))
    exposure = _newton(np.ascontiguousarray(covariance / np.outer(volatility, volatility)))
    share = exposure / volatility
    return np.asarray(share / share.sum(), dtype=np.float64)


@compiled
def _newton(correlation: Floats) -> Floats:
    """Exposures x (weights times volatilities) with x_i (R x)_i = 1 / K for all i; NaN where none are found."""
    count = len(correlation)
    budget = 1.0 / count
    x = np.full(count, 1.0 / np.sqrt(max(1.0, correlation.sum())))
    for _ in range(_MOST_STEPS):
        slope = np.zeros(count)
        for i in range(count):
            for j in range(count):
                slope[i] += correlation[i, j] * x[j]
        if np.max(np.abs(x * slope - budget)) <= _TOLERANCE * budget:
            return x
        curvature = correlation.copy()
        for i in range(count):
            curvature[i, i] += budget / (x[i] * x[i])
            slope[i] -= budget / x[i]
        step = _solved(curvature, slope)
        size = np.max(np.abs(step / x))
        x = x - step if size <= _QUADRATIC else x - step / (1.0 + size)
        if not np.all(x <= _FARTHEST):  # also where the curvature has lost its last digits
            break
    return np.full(count, np.nan)


@compiled
def _solved(matrix: Floats, right: Floats) -> Floats:
    """The x of ``matrix x = right`` by Cholesky's factors, which take the matrix's place.

    Written out, since it compiles in a tenth of the time that the library's solver takes to.
    """
    count = len(right)
    x = right.copy()
    for j in range(count):
        for i in range(j, count):
            left = matrix[i, j]
            for k in range(j):
                left -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(left) if i == j else left / matrix[j, j]
    for i in range(count):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]
    return x
