"""Indicators on longer bars equal those computed on longer bars, known from their close on."""

from __future__ import annotations

import numpy as np
import pytest

from riposte.features.catalogue import catalogue
from riposte.features.matrix import build_matrix
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import INTERVALS, MINUTE_NS
from riposte.market.timeframes import coarser, known_at

MINUTE, HOUR = INTERVALS["1m"], INTERVALS["1h"]
BASE = {
    "bollinger_position_bars": "bollinger_position",
    "cci_bars": "cci",
    "stochastic_k_bars": "stochastic_k",
    "aroon_bars": "aroon",
    "choppiness_bars": "choppiness",
    "money_flow_index_bars": "money_flow_index",
}


def minutes(rows: int, missing: tuple[int, ...] = (), first: int = 17) -> MarketFrame:
    chance = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 1e-3, rows)))
    opened = np.append(100.0, close[:-1])
    keep = np.setdiff1d(np.arange(rows), np.array(missing, dtype=int))
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) + chance.uniform(0, 0.05, rows),
        "low": np.minimum(opened, close) - chance.uniform(0, 0.05, rows),
        "close": close,
        "volume": chance.uniform(1, 2, rows),
    }
    times = (28_000_000 + first + keep) * MINUTE_NS
    return make_frame("BTCUSDT", MINUTE, times, {n: v[keep] for n, v in columns.items()})


@pytest.mark.parametrize("name", BASE)
@pytest.mark.parametrize("missing", [(), (1700,)], ids=["whole", "with a gap"])
def test_it_is_the_indicator_of_the_longer_bars(name: str, missing: tuple[int, ...]) -> None:
    frame = minutes(4000, missing)
    hours = coarser(frame, HOUR)
    own = build_matrix(frame, [f"{name}_1h"]).values[:, 0]
    there = known_at(frame, hours, build_matrix(hours, [BASE[name]]).values[:, 0])
    known = np.isfinite(own)
    assert known.sum() > 500
    np.testing.assert_allclose(own[known], there[known], rtol=1e-9)


def test_every_stated_look_back_covers_the_indicator_s_own() -> None:
    specs = catalogue()
    for name, base in BASE.items():
        longer = specs[f"{name}_1h"]
        assert longer.lookback(MINUTE) == (specs[base].lookback(HOUR) + 1) * 60


def test_bars_that_are_not_longer_are_left_out() -> None:
    assert not catalogue()["cci_bars_1h"].suits(HOUR)
    assert catalogue()["cci_bars_4h"].suits(HOUR)
