"""From probabilities to a direction: how sure a side is, and whether acting on it would pay.

The one definition of confidence: of the cases that resolve to a side, how often is it this one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riposte.layers.contract import LONG, SHORT, Classes
from riposte.market.frame import Floats


def likelier_side(probabilities: Floats) -> tuple[Classes, Floats]:
    """(side, confidence) of rows (n, 3): side -1 or 1, 0 where both are equally likely.

    ``confidence = P(side) / (P(LONG) + P(SHORT))``, in [0.5, 1]; 0.5 where neither side is possible.
    """
    long, short = probabilities[:, LONG], probabilities[:, SHORT]
    either = long + short
    side = np.sign(long - short).astype(np.int8)
    confidence = np.full(len(probabilities), 0.5)
    np.divide(np.maximum(long, short), either, out=confidence, where=either > 0.0)
    return side, confidence


def expected_net_return(
    probabilities: Floats, side: Classes, take_profit: Floats, stop_loss: Floats, cost: float
) -> Floats:
    """What acting on ``side`` is expected to earn, as a fraction of the notional (n,).

    ``P(side) * take_profit - P(other side) * stop_loss - cost``: NEUTRAL is taken to end at the entry.
    """
    for_side = np.where(side >= 0, probabilities[:, LONG], probabilities[:, SHORT])
    against = np.where(side >= 0, probabilities[:, SHORT], probabilities[:, LONG])
    expected: Floats = for_side * take_profit - against * stop_loss - cost
    return expected


def pays(
    probabilities: Floats, side: Classes, take_profit: Floats, stop_loss: Floats, cost: float
) -> NDArray[np.bool_]:
    """Whether acting on ``side`` is expected to earn more than it costs (n,).

    Never where the barrier widths are unknown (NaN).
    """
    worth: NDArray[np.bool_] = (
        expected_net_return(probabilities, side, take_profit, stop_loss, cost) > 0.0
    )
    return worth
