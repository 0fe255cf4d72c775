"""The trend rule: speaks at breakouts from its channel, looks at nothing later, invents nothing."""

from __future__ import annotations

import numpy as np
import pytest

from riposte.layers.contract import SIDES
from riposte.layers.trend_rule import trend_rule_signals
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, parse_interval

START = 1_672_531_200_000_000_000


def frame(close: list[float], *, gap_at: int | None = None) -> MarketFrame:
    """Bars that reach one beyond their close on both sides."""
    values = np.array(close)
    time = START + np.arange(len(close)) * HOUR_NS
    if gap_at is not None:
        time[gap_at:] += 5 * HOUR_NS
    columns = {"open": values, "high": values + 1, "low": values - 1, "close": values,
               "volume": np.ones(len(close))}  # fmt: skip
    return make_frame("BTCUSDT", parse_interval("1h"), time, columns)


def test_it_goes_with_a_close_beyond_the_channel_of_the_bars_before() -> None:
    said = trend_rule_signals(frame([10, 11, 10, 12.5, 13, 14.5, 9, 8.9]), 3 * HOUR_NS, 0.65)
    #                                warming up  up    no  up    down  no: the low was 8
    assert said.direction.tolist() == [0, 0, 0, 1, 0, 1, -1, 0]


def test_its_confidence_is_the_one_handed_in_and_its_probabilities_have_it() -> None:
    said = trend_rule_signals(frame([10, 10, 10, 12, 5]), 2 * HOUR_NS, 0.65)
    assert said.confidence.tolist() == [0.5, 0.5, 0.5, 0.65, 0.65]
    assert said.probabilities[3].tolist() == pytest.approx([0.35, 0.0, 0.65])
    assert said.probabilities[4].tolist() == pytest.approx([0.65, 0.0, 0.35])
    assert said.probabilities[0].tolist() == [0.0, 1.0, 0.0]
    assert said.probabilities.shape[1] == len(SIDES)


def test_it_is_silent_until_its_channel_lies_behind_the_gap() -> None:
    rising = [10.0 + 2 * i for i in range(10)]
    assert (
        trend_rule_signals(frame(rising), 3 * HOUR_NS, 0.6).direction.tolist() == [0] * 3 + [1] * 7
    )
    parted = trend_rule_signals(frame(rising, gap_at=5), 3 * HOUR_NS, 0.6)
    assert parted.direction.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 1, 1]


def test_what_comes_later_changes_nothing() -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(0, 3, 400)) + 500
    whole = trend_rule_signals(frame(list(walk)), 48 * HOUR_NS, 0.65)
    other = walk.copy()
    other[250:] *= 1.3
    changed = trend_rule_signals(frame(list(other)), 48 * HOUR_NS, 0.65)
    assert (whole.direction[:250] == changed.direction[:250]).all()
    assert len(np.unique(whole.direction)) == 3
