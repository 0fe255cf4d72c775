"""What the portfolio tier is told each day: how the symbols correlate and how much each may take.

Back-test, paper and live ask here and nowhere else. The row of a UTC day needs only the frames' last
window before its start, so that a daily update computes the very row of a run over years.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from riposte.errors import InputError
from riposte.layers.position.covariance import (
    Shrinkage,
    correlations,
    covariance,
    return_windows,
    shared_returns,
)
from riposte.layers.position.hierarchical import hierarchical_risk_parity
from riposte.layers.position.risk_parity import equal_risk_contribution, inverse_volatility
from riposte.market.frame import Floats, MarketFrame
from riposte.market.interval import DAY_NS
from riposte.market.portfolio import Portfolio

Weighting = Literal["equal", "inverse-volatility", "risk-parity", "hrp"]


@dataclass(frozen=True, slots=True)
class PortfolioConfig:
    """How weights are made, and over which trailing window correlations and they are estimated.

    ``shrinkage`` is of the covariance behind the weights only: the correlations that the limit of K4
    is held against are the sample's.
    """

    weights: Weighting = "risk-parity"
    window_ns: int = 30 * DAY_NS
    shrinkage: Shrinkage = "none"

    def __post_init__(self) -> None:
        """Raises:
        InputError: if a name is not known, or the weights need what the shrinkage takes away.
        """
        for given, allowed in (
            (self.weights, get_args(Weighting)),
            (self.shrinkage, get_args(Shrinkage)),
        ):
            if given not in allowed:
                raise InputError(f"{given!r} is not known: use one of {', '.join(allowed)}")
        if self.weights == "hrp" and self.shrinkage == "constant-correlation":
            raise InputError(
                "portfolio.shrinkage = 'constant-correlation' leaves portfolio.weights = 'hrp' no tree "
                "to read: where all correlations are made equal, the order of the symbols would decide",
                hint="use portfolio.shrinkage = 'identity' or 'none' with hrp",
            )


def portfolio_of(frames: Sequence[MarketFrame], config: PortfolioConfig) -> Portfolio:
    """Correlations and weights at the start of every UTC day that the frames reach.

    Row e, at 00:00 of its day, knows the bars that closed in the window up to then, the one that closed
    at 00:00 included. The first row is of the day in which the frames begin. A symbol of whose returns
    less than half are known in the window has no correlations (NaN) and weight 0, and the others share
    the whole; so does one whose price stood still. Where no weights exist all are 0. The numbers do not
    depend on the order of the frames, to the last bit.

    Raises:
        InputError: if the window holds too few returns of these bars.
        ValueError: if there are no frames, a symbol comes twice or the intervals differ.
    """
    symbols = [frame.symbol for frame in frames]
    if len(set(symbols)) < len(symbols):
        raise ValueError(f"one frame for each symbol wanted, not {', '.join(symbols)}")
    order = sorted(range(len(frames)), key=symbols.__getitem__)
    windows = return_windows([frames[i] for i in order], config.window_ns)
    correlation = np.empty((len(windows), len(order), len(order)))
    weight = np.empty((len(windows), len(order)))
    for epoch in range(len(windows)):
        correlation[epoch] = correlations(windows[epoch])
        weight[epoch] = weights_of(windows[epoch], config)
    back = np.argsort(order)
    return Portfolio(windows.since, correlation[:, back][:, :, back], weight[:, back])


def weights_of(returns: Floats, config: PortfolioConfig) -> Floats:
    """Weights (S,) from a window of returns (N, S) with NaN where unknown; all 0 where none exist."""
    weight = np.zeros(returns.shape[1])
    chosen, rows = shared_returns(returns)
    if len(chosen) == 0:
        return weight
    found = _weights(covariance(rows, config.shrinkage), config.weights)
    if np.isfinite(found).all():
        weight[chosen] = found
    return weight


def _weights(matrix: Floats, weighting: Weighting) -> Floats:
    if weighting == "equal":
        return np.full(len(matrix), 1.0 / len(matrix))
    if weighting == "inverse-volatility":
        return inverse_volatility(matrix)
    if weighting == "risk-parity":
        return equal_risk_contribution(matrix)
    return hierarchical_risk_parity(matrix)
