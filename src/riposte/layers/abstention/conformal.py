"""Conformal sets of sides: which sides a row cannot rule out, at a promised rate of being right.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; Sadinle, Lei and Wasserman 2019, "Least
Ambiguous Set-Valued Classifiers with Bounded Error Levels"): a side is in the row's set where ``1 -
P(side | resolved)`` is at most a threshold, the quantile of that number for the true sides of rows the
models had not seen. Of the cases that resolve to a side, at least ``coverage`` then have it in their set,
as long as tomorrow's rows are like those. Markets drift, so the promise is measured on every row of the
walk-forward and shown beside it.

Only a set of exactly one side is acted on: two sides mean that the model cannot tell them apart, none
that it is less sure of either than it should be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riposte.errors import ModelError
from riposte.layers.contract import LONG, NEUTRAL, SHORT, Indices
from riposte.market.frame import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SideSets:
    """The promised ``coverage`` and the ``threshold`` that gave it on rows the models had not seen."""

    coverage: float
    threshold: float

    def sets(self, probabilities: Floats) -> tuple[Flags, Flags]:
        """Whether the sets of rows (n, 3) hold (SHORT, LONG), each bool (n,)."""
        short, long = share_of_sides(probabilities)
        return 1.0 - short <= self.threshold, 1.0 - long <= self.threshold

    def uncertain(self, probabilities: Floats) -> Flags:
        """Rows whose set does not hold exactly one side (n,)."""
        short, long = self.sets(probabilities)
        uncertain: Flags = short == long
        return uncertain

    def covered(self, probabilities: Floats, target: Indices) -> Flags:
        """Of the rows that resolved to a side, in their order: whether the set held it."""
        resolved = target != NEUTRAL
        short, long = self.sets(probabilities[resolved])
        return np.where(target[resolved] == LONG, long, short)

    def as_json(self) -> dict[str, Any]:
        """The numbers as plain JSON values."""
        return {"coverage": self.coverage, "threshold": self.threshold}

    @classmethod
    def from_json(cls, values: Any) -> SideSets:
        """The sets of :meth:`as_json`; raises ModelError if a value is absent or no number."""
        try:
            return cls(float(values["coverage"]), float(values["threshold"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the model's conformal sets cannot be read: {error!r}") from None


def share_of_sides(probabilities: Floats) -> tuple[Floats, Floats]:
    """(P(SHORT | resolved), P(LONG | resolved)) of rows (n, 3); 0.5 where neither is possible."""
    either = probabilities[:, SHORT] + probabilities[:, LONG]
    long = np.full(len(probabilities), 0.5)
    np.divide(probabilities[:, LONG], either, out=long, where=either > 0.0)
    return 1.0 - long, long


def fit_side_sets(
    probabilities: Floats, target: Indices, evidence: Floats, coverage: float
) -> SideSets:
    """The threshold from out-of-fold probabilities (n, 3) of rows with class ``target`` (n,).

    ``evidence`` (n,) says how much of an independent case each row is: overlapping labels share one. As
    split conformal wants, the next case is counted in as the worst of all: with little evidence the
    threshold is 1 and every set holds both sides.
    """
    resolved = target != NEUTRAL
    short, long = share_of_sides(probabilities[resolved])
    strangeness = 1.0 - np.where(target[resolved] == LONG, long, short)
    order = np.argsort(strangeness, kind="stable")
    mass = np.cumsum(evidence[resolved][order])
    enough = np.flatnonzero(mass >= coverage * (mass[-1] + 1.0)) if len(mass) else np.empty(0, int)
    threshold = float(strangeness[order[enough[0]]]) if len(enough) else 1.0
    return SideSets(coverage, threshold)
