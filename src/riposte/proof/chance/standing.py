"""Where a real result stands among the draws of a null test. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import stats

from riposte.market.frame import Floats
from riposte.proof.chance.results import KINDS, NullDraw, NullTest


def null_tests(draws: Iterable[NullDraw]) -> tuple[NullTest, ...]:
    """The draws by kind, in order of their numbers; a kind without a draw is left out."""
    every = sorted(draws, key=lambda draw: draw.number)
    of_kind = {kind: tuple(draw for draw in every if draw.kind == kind) for kind in KINDS}
    return tuple(NullTest(kind, found) for kind, found in of_kind.items() if found)


def returns_of(test: NullTest, place: int) -> Floats:
    """Returns of all draws at one of the ways they were measured in (draws,)."""
    return np.array([draw.measured[place].total_return for draw in test.draws])


def p_value(real: float, null: Floats) -> float:
    """How often chance does at least as well, the real run counted among the draws: (b + 1) / (m + 1).

    Source: Phipson and Smyth (2010), "Permutation P-values Should Never Be Zero", Statistical
    Applications in Genetics and Molecular Biology 9.
    """
    return float((np.sum(null >= real) + 1) / (len(null) + 1))


def mean_interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Student's interval of the mean; NaN of fewer than two values."""
    if len(values) < 2:
        return np.nan, np.nan
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    reach = float(stats.t.ppf(0.5 + level / 2.0, len(values) - 1)) * error
    middle = float(np.mean(values))
    return middle - reach, middle + reach


def earns_on_noise(test: NullTest) -> bool:
    """Whether something is earned where nothing can be: in some way of measuring, the mean return is
    above zero with 99.5 % confidence. Asked of walks only: a recorded market has a drift to earn from."""
    ways = range(len(test.draws[0].measured))
    return test.kind == "walk" and any(
        mean_interval(returns_of(test, way), 0.99)[0] > 0.0 for way in ways
    )
