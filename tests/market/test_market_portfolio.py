"""What the engine is told about symbols that share an account, and what it refuses to be told."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.market.portfolio import Portfolio

SINCE = np.array([10, 11, 13], np.int64) * DAY_NS


def portfolio(**changes: Any) -> Portfolio:
    correlation = np.tile(
        np.array([[1.0, 0.6, np.nan], [0.6, 1.0, -1.0], [np.nan, -1.0, 1.0]]), (3, 1, 1)
    )
    weight = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    return dataclasses.replace(Portfolio(SINCE, correlation, weight), **changes)


def one_changed(name: str, place: tuple[int, ...], value: float) -> dict[str, Any]:
    array = getattr(portfolio(), name).copy()
    array[place] = value
    return {name: array}


REFUSED = [
    ({"since": SINCE[::-1]}, "follow one another"),
    ({"since": SINCE[[0, 1, 1]]}, "follow one another"),
    ({"since": SINCE.astype(np.float64)}, "int64"),
    ({"since": SINCE[:2]}, "weights (3, 3), not (2, 3)"),
    ({"correlation": np.ones((3, 2, 2))}, "correlations (3, 2, 2), not (3, 3, 3)"),
    ({"weight": np.zeros((3, 3), np.float32)}, "float64"),
    (one_changed("correlation", (1, 0, 1), 0.61), "symmetric"),
    (one_changed("correlation", (1, 0, 2), 0.5), "symmetric"),
    (one_changed("correlation", (1, 2, 2), np.nan), "with itself is 1"),
    (one_changed("correlation", (2, 0, 0), 0.99), "with itself is 1"),
    ({"correlation": np.tile(np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]]), (3, 1, 1))}, "between"),
    (one_changed("weight", (0, 0), 1e-6), "sum to 1"),
    (one_changed("weight", (1, 0), 0.5001), "sum to 1"),
    (one_changed("weight", (1, 0), np.nan), "known"),
    ({"weight": np.array([[0.0, 0, 0], [1.5, -0.5, 0], [0, 0, 1]])}, "not negative"),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_portfolio_that_cannot_be_is_refused(changes: dict[str, Any], said: str) -> None:
    portfolio()
    with pytest.raises(ValueError, match=re.escape(said)):
        portfolio(**changes)


def test_a_row_holds_from_its_start_until_the_next_one_does() -> None:
    asked = {
        int(SINCE[0]) - 1: -1,
        int(SINCE[0]): 0,
        int(SINCE[1]) - 1: 0,
        int(SINCE[1]): 1,
        int(SINCE[1]) + 30 * HOUR_NS: 1,
        int(SINCE[2]): 2,
        int(SINCE[2]) + 400 * DAY_NS: 2,
    }
    rows = portfolio().row_at(np.array(list(asked), np.int64))
    assert rows.dtype == np.int64
    assert rows.tolist() == list(asked.values())
