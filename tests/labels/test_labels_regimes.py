"""Regime labels: what each one means, and that the rule is fitted on nothing but its window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.errors import DataError
from riposte.labels.regimes import (
    REGIME_NAMES,
    RegimeRule,
    RegimeWindows,
    Thresholds,
    fit_regime_rule,
    regime_labels,
)
from riposte.layers.contract import REGIMES
from riposte.market.frame import Floats, MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS
from riposte.sources.recorded import read_series

FOUR_AND_FOUR = RegimeWindows(behind_ns=4 * HOUR_NS, ahead_ns=4 * HOUR_NS)
AT = Thresholds(
    trend=0.6, turn_behind=0.8, turn_ahead=0.8, high=0.02, low=0.004, calm=0.006, escape=0.5
)
RULE = RegimeRule(FOUR_AND_FOUR, {"BTCUSDT": AT})


def frame_of(close: Floats, hours: Floats | None = None) -> MarketFrame:
    at = np.arange(len(close)) if hours is None else hours
    columns = dict.fromkeys(("open", "high", "low", "close"), close)
    columns["volume"] = np.ones(len(close))
    return make_frame("BTCUSDT", INTERVALS["1h"], at.astype(np.int64) * HOUR_NS, columns)


def path(*moves: float) -> Floats:
    """Closes of nine bars: the middle one has four moves behind it and four ahead."""
    return 100 * np.exp(np.concatenate([[0], np.cumsum(moves)]))


MEANT = {
    "TRENDING_UP": path(*[0.01] * 8),
    "TRENDING_DOWN": path(*[-0.01] * 8),
    "REVERSAL": path(*[0.01] * 4, *[-0.01] * 4),
    "BREAKOUT": path(0.003, -0.003, 0.003, -0.003, -0.01, 0.02, 0.01, 0.01),
    "HIGH_VOLATILITY": path(0.03, -0.03, 0.03, -0.03, 0.03, -0.03, 0.03, -0.03),
    "LOW_VOLATILITY": path(0.002, -0.002, 0.002, -0.002, 0.002, -0.002, 0.002, -0.002),
    "RANGING": path(0.01, -0.01, 0.01, -0.01, 0.01, -0.01, 0.01, -0.01),
}


@pytest.mark.parametrize("name", REGIME_NAMES)
def test_each_regime_is_what_its_name_says(name: str) -> None:
    found = regime_labels(frame_of(MEANT[name]), RULE)
    assert REGIME_NAMES[found.label[4]] == name
    assert found.label.tolist()[:4] == [-1] * 4
    assert found.label.tolist()[5:] == [-1] * 4
    assert found.end_time[4] == 9 * HOUR_NS


def test_the_layers_know_the_same_regimes_in_the_same_order() -> None:
    assert REGIME_NAMES == REGIMES


def test_a_gap_in_the_window_makes_the_label_unknown() -> None:
    hours = np.array([0, 1, 2, 3, 4, 5, 6, 7, 9])
    assert (regime_labels(frame_of(MEANT["TRENDING_UP"], hours), RULE).label == -1).all()


def test_a_market_that_never_moves_gets_labels_and_no_error() -> None:
    flat = frame_of(np.full(300, 100.0))
    labels = regime_labels(flat, fit_regime_rule(flat))
    assert set(labels.label) > {-1}


def a_walk(rows: int, seed: int) -> Floats:
    chance = np.random.default_rng(seed)
    wild = np.exp(0.5 * np.sin(np.arange(rows) / 40))
    return 100 * np.exp(np.cumsum(chance.normal(0, 0.01, rows) * wild))


def test_the_rule_looks_at_no_row_after_its_window_and_labels_at_none_after_theirs() -> None:
    close = a_walk(800, 1)
    changed = close.copy()
    changed[500:] = a_walk(300, 2)
    one, other = frame_of(close), frame_of(changed)
    rule = fit_regime_rule(one.rows(0, 500))
    assert rule == fit_regime_rule(other.rows(0, 500))
    assert rule != fit_regime_rule(one)  # it does look at what it is given
    before = regime_labels(one, rule)
    after = regime_labels(other, rule)
    in_time = before.end_time <= one.close_time[499]
    assert (before.label[in_time] == after.label[in_time]).all()
    assert (before.label != after.label).any()


def test_every_symbol_has_thresholds_of_its_own_and_an_unknown_one_is_refused() -> None:
    frame = frame_of(a_walk(400, 3))
    with pytest.raises(DataError, match="not fitted on BTCUSDT, only on ETHUSDT"):
        regime_labels(frame, RegimeRule(FOUR_AND_FOUR, {"ETHUSDT": AT}))
    with pytest.raises(DataError, match="only 0 bars have a whole regime window"):
        fit_regime_rule(frame.rows(0, 30))


def test_all_seven_regimes_occur_in_the_recorded_market(market_data: Path) -> None:
    klines = read_series(market_data / "klines" / "BTCUSDT-1h.parquet")
    frame = make_frame("BTCUSDT", INTERVALS["1h"], klines.event_time, klines.columns)
    label = regime_labels(frame, fit_regime_rule(frame)).label
    share = np.bincount(label[label >= 0], minlength=7) / len(label)
    assert (share > 0.03).all()
    assert (share < 0.40).all()
