"""How long the blocks of a bootstrap should be, from the data's own serial dependence.

Source: Politis and White (2004), "Automatic Block-Length Selection for the Dependent Bootstrap",
Econometric Reviews 23, with the correction of Patton, Politis and White (2009), ibid. 28.
"""

from __future__ import annotations

import math

import numpy as np

from riposte.market.frame import Floats

_LEAST_VALUES = 10  # fewer say nothing about dependence


def stationary_block_length(values: Floats) -> float:
    """Mean block length of the stationary bootstrap of ``values`` (n,), at least 1, at most n / 3.

    ``b = (2 g^2 / D)^(1/3) n^(1/3)`` with ``g = sum lambda(k/m) |k| R(k)``, ``D = 2 (sum lambda(k/m)
    R(k))^2`` over lags ``-m .. m``: R is the autocovariance, lambda the flat-top window (1 to a half,
    then falling to 0 at 1), m twice the lag after which autocorrelations are no longer significant.
    1 where there are too few values, or they are all the same.
    """
    count = len(values)
    centred = values - values.mean() if count else values
    if count < _LEAST_VALUES or not np.any(centred):
        return 1.0
    quiet_lags = max(5, int(math.log10(count)))
    most = min(math.ceil(math.sqrt(count)) + quiet_lags, count - 2)
    covariance = np.array([centred[k:] @ centred[: count - k] for k in range(most + 1)]) / count
    significant = 2.0 * math.sqrt(math.log10(count) / count)
    loud = _correlations(centred, most) >= significant
    bandwidth = most
    for lag in range(quiet_lags, most + 1):
        if not loud[lag - quiet_lags : lag].any():
            bandwidth = min(2 * max(lag - quiet_lags, 1), most)
            break
    lags = np.arange(1, bandwidth + 1)
    window = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth))
    weighted = 2.0 * window * covariance[1 : bandwidth + 1]
    dependence = float(np.sum(lags * weighted))
    spectrum = float(covariance[0] + np.sum(weighted))
    if spectrum == 0.0:
        return 1.0
    length = float(np.cbrt(dependence**2 / spectrum**2 * count))
    return max(1.0, min(length, math.ceil(min(3.0 * math.sqrt(count), count / 3.0))))


def _correlations(centred: Floats, most: int) -> Floats:
    """Sizes of the autocorrelations of lags 0 to ``most``, each by the energy of its own two parts."""
    count = len(centred)
    found = np.zeros(most + 1)
    for lag in range(most + 1):
        late, early = centred[lag + 1 :], centred[: count - lag - 1]
        energy = math.sqrt(float(late @ late) * float(early @ early))
        found[lag] = abs(centred[lag:] @ centred[: count - lag]) / energy if energy else 0.0
    return found
