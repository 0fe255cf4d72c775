"""What a measured Sharpe ratio proves, given how long, how skewed and how often tried.

All ratios here are *per observation* (of a UTC day, where returns are daily), never annualised: divide a
yearly ratio by the root of the days in a year first.

Sources: Bailey and López de Prado (2012), "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2),
for the probabilistic Sharpe ratio and the minimum track record length; Bailey and López de Prado (2014),
"The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), for the expected maximum and the
deflated Sharpe ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from riposte.market.frame import Floats


@dataclass(frozen=True, slots=True)
class SharpeEstimate:
    """A Sharpe ratio per observation with what its precision depends on.

    ``sharpe``: mean over standard deviation (n - 1). ``skew`` and ``kurtosis``: third and fourth
    standardised moments of the sample; the normal distribution has 0 and 3. ``observations``: how many
    returns. All NaN where the returns do not vary.
    """

    sharpe: float
    skew: float
    kurtosis: float
    observations: int


def estimate(returns: Floats) -> SharpeEstimate:
    """The estimate from returns (n,), one per period."""
    count = len(returns)
    if count < 2 or np.ptp(returns) == 0.0:
        return SharpeEstimate(math.nan, math.nan, math.nan, count)
    mean = float(np.mean(returns))
    away = returns - mean
    second = float(np.mean(away**2))
    return SharpeEstimate(
        sharpe=mean / math.sqrt(second * count / (count - 1)),
        skew=float(np.mean(away**3)) / second**1.5,
        kurtosis=float(np.mean(away**4)) / second**2,
        observations=count,
    )


def _spread(of: SharpeEstimate) -> float:
    """Standard error of the estimate times the root of n - 1; NaN where the moments allow none.

    Formula: sqrt(1 - skew · SR + (kurtosis - 1) / 4 · SR²), Mertens (2002), as in the paper of 2012.
    """
    variance = 1.0 - of.skew * of.sharpe + (of.kurtosis - 1.0) / 4.0 * of.sharpe**2
    return math.sqrt(variance) if variance > 0.0 else math.nan


def probabilistic_sharpe_ratio(of: SharpeEstimate, benchmark: float = 0.0) -> float:
    """Probability that the true ratio exceeds ``benchmark`` (per observation); NaN where undefined.

    Formula: PSR(SR*) = Φ((SR - SR*) · sqrt(n - 1) / sqrt(1 - skew · SR + (kurtosis - 1) / 4 · SR²)).
    Source: Bailey and López de Prado (2012), equation 7.
    """
    if of.observations < 2:
        return math.nan
    return float(ndtr((of.sharpe - benchmark) * math.sqrt(of.observations - 1) / _spread(of)))


def minimum_track_record_length(
    of: SharpeEstimate, benchmark: float = 0.0, confidence: float = 0.95
) -> float:
    """How many observations would show with ``confidence`` that the true ratio exceeds ``benchmark``,
    if the estimate held: the length at which PSR reaches the confidence.

    Not rounded. Infinite where the estimate does not exceed the benchmark: no record can show that.

    Formula: 1 + (1 - skew · SR + (kurtosis - 1) / 4 · SR²) · (Φ⁻¹(confidence) / (SR - SR*))².
    Source: Bailey and López de Prado (2012), equation 11.

    Raises:
        ValueError: if the confidence is not in (0.5, 1).
    """
    if not 0.5 < confidence < 1.0:
        raise ValueError(f"a confidence between 0.5 and 1 is wanted, not {confidence}")
    if math.isnan(of.sharpe):
        return math.nan
    if of.sharpe <= benchmark:
        return math.inf
    return 1.0 + (_spread(of) * float(ndtri(confidence)) / (of.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(trials: int, variance: float) -> float:
    """The best Sharpe ratio to expect of ``trials`` variants none of which is worth anything.

    ``variance``: that of the trials' ratios. One trial has no best: 0. The trials are taken to be
    independent; where they resemble one another, this asks too much rather than too little.

    Formula: sqrt(V) · ((1 - γ) · Φ⁻¹(1 - 1/N) + γ · Φ⁻¹(1 - 1/(N · e))), γ the Euler-Mascheroni constant.
    Source: Bailey and López de Prado (2014), equation 1, with a mean of zero.

    Raises:
        ValueError: if there is less than one trial or the variance is negative.
    """
    if trials < 1:
        raise ValueError(f"at least one trial is wanted, not {trials}")
    if variance < 0.0:
        raise ValueError(f"a variance is not negative, but this is {variance}")
    if trials == 1:
        return 0.0
    gamma = float(np.euler_gamma)
    best = (1.0 - gamma) * ndtri(1.0 - 1.0 / trials) + gamma * ndtri(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * float(best)


def deflated_sharpe_ratio(of: SharpeEstimate, trials: int, variance: float) -> float:
    """Probability that the true ratio is above zero although this is the best of ``trials``.

    Formula: PSR(SR0), SR0 the expected maximum of so many worthless trials.
    Source: Bailey and López de Prado (2014), equation 2.
    """
    return probabilistic_sharpe_ratio(of, expected_maximum_sharpe(trials, variance))


def variance_of(sharpes: Sequence[float]) -> float:
    """Variance (n - 1) of the trials' Sharpe ratios, those that are defined; NaN below two of them."""
    known = [each for each in sharpes if math.isfinite(each)]
    return float(np.var(known, ddof=1)) if len(known) > 1 else math.nan
