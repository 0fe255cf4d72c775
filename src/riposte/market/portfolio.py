"""How symbols that share an account belong together: which move alike, and how much each may take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.market.frame import Floats, Times

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Correlations and weights of S symbols over E stretches of time (epochs).

    ``since`` (E,), ns UTC and strictly increasing: row e was known at ``since[e]`` and holds for what is
    decided at closes in ``[since[e], since[e + 1])``; the last one holds from then on.
    ``correlation`` (E, S, S), of log returns, in [-1, 1] with ones on the diagonal; NaN where two
    symbols share too little history to say (each pair stands for itself: with gaps the matrix need not
    be positive semidefinite). ``weight`` (E, S), the symbols' shares, at least 0: they sum to 1, or all
    are 0 where nothing is known.

    Raises:
        ValueError: if the arrays are not of these shapes, types and values.
    """

    since: Times
    correlation: Floats
    weight: Floats

    def __post_init__(self) -> None:
        epochs, symbols = len(self.since), self.weight.shape[-1]
        if self.since.dtype != np.int64 or self.since.shape != (epochs,):
            raise ValueError("since must be int64 nanoseconds, one for each epoch")
        if self.weight.shape != (epochs, symbols):
            raise ValueError(f"weights {self.weight.shape}, not {(epochs, symbols)}")
        if self.correlation.shape != (epochs, symbols, symbols):
            raise ValueError(
                f"correlations {self.correlation.shape}, not {(epochs, symbols, symbols)}"
            )
        if self.correlation.dtype != np.float64 or self.weight.dtype != np.float64:
            raise ValueError("correlations and weights must be float64")
        if (np.diff(self.since) <= 0).any():
            raise ValueError("epochs must follow one another in time")
        self._check_correlations()
        self._check_weights()

    def _check_correlations(self) -> None:
        turned = self.correlation.transpose(0, 2, 1)
        if not np.array_equal(self.correlation, turned, equal_nan=True):
            raise ValueError("correlations must be symmetric")
        if not (np.diagonal(self.correlation, axis1=1, axis2=2) == 1.0).all():
            raise ValueError("a symbol's correlation with itself is 1")
        if (np.abs(self.correlation) > 1.0).any():
            raise ValueError("correlations must lie between -1 and 1")

    def _check_weights(self) -> None:
        if not (np.isfinite(self.weight) & (self.weight >= 0.0)).all():
            raise ValueError("weights must be known and not negative")
        total = self.weight.sum(axis=1)
        if not ((total == 0.0) | (np.abs(total - 1.0) <= _ROUNDING)).all():
            raise ValueError("an epoch's weights must sum to 1, or all be 0")

    def row_at(self, time: Times) -> Times:
        """The row that holds at each close (int64, any shape); -1 before the first epoch."""
        return np.searchsorted(self.since, time, side="right").astype(np.int64) - 1
