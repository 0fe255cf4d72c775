"""The open-interest rule: its quadrants, its bounds, and what it does without data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.layers.open_interest import open_interest_score, open_interest_signals
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS

DAYS = 9
ROWS = 24 * DAYS


def market(
    price_move: float = 0.0,
    interest_move: float = 0.0,
    funding: float = 0.0001,
    volume: float = 1.0,
    seed: int = 0,
    *,
    interest: bool = True,
) -> MarketFrame:
    """Nine days of hourly noise of 0.3 %; in the last one price and open interest drift by these."""
    chance = np.random.default_rng(seed)
    drift = np.zeros(ROWS)
    drift[-24:] = 1 / 24
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.003, ROWS) + price_move * drift))
    positions = 1e5 * np.exp(np.cumsum(chance.normal(0, 0.003, ROWS) + interest_move * drift))
    traded = np.ones(ROWS)
    traded[-24:] = volume
    columns = {
        "open": close,
        "high": close * 1.001,
        "low": close * 0.999,
        "close": close,
        "volume": traded,
        "funding_rate": np.full(ROWS, funding),
    }
    if interest:
        columns["open_interest"] = positions
    times = np.arange(ROWS, dtype=np.int64) * HOUR_NS
    return make_frame("BTCUSDT", INTERVALS["1h"], times, columns)


def last(frame: MarketFrame) -> float:
    return float(open_interest_score(frame)[-1])


def test_the_four_quadrants() -> None:
    new_longs, covering = last(market(0.06, 0.06)), last(market(0.06, -0.06))
    new_shorts, liquidation = last(market(-0.06, 0.06)), last(market(-0.06, -0.06))
    assert new_longs > 0.4
    assert new_shorts < -0.4
    assert 0.0 <= covering < 0.25 * new_longs
    assert 0.25 * new_shorts < liquidation <= 0.0


def test_a_crowd_that_pays_speaks_against_its_side_and_a_move_nobody_trades_counts_less() -> None:
    assert last(market(funding=0.002)) < last(market()) < last(market(funding=-0.002))
    assert 0.0 < last(market(0.06, 0.06, volume=0.1)) < 0.5 * last(market(0.06, 0.06))


@given(
    price=st.floats(-1, 1),
    interest=st.floats(-1, 1),
    funding=st.one_of(st.floats(-0.02, 0.02), st.just(float("nan"))),
    volume=st.floats(0, 1e9),
)
def test_the_score_is_within_bounds_whatever_the_market(
    price: float, interest: float, funding: float, volume: float
) -> None:
    score = open_interest_score(market(price, interest, funding, volume))
    assert (np.abs(score) <= 1.0).all()


def test_without_open_interest_or_a_week_of_it_the_score_is_0() -> None:
    assert not open_interest_score(market(0.06, interest=False)).any()
    score = open_interest_score(market(0.06, 0.06))
    assert not score[: 7 * 24].any()
    assert score[7 * 24 :].any()


def test_without_funding_the_rest_still_speaks() -> None:
    assert last(market(0.06, 0.06, funding=float("nan"))) > 0.4


def test_a_gap_starts_the_week_anew() -> None:
    whole = market(0.06, 0.06)
    times = whole.open_time.copy()
    times[100:] += HOUR_NS
    columns = {name: whole[name] for name in whole.columns}
    assert not open_interest_score(make_frame("BTCUSDT", whole.interval, times, columns)).any()


def test_a_score_depends_on_no_later_row() -> None:
    one, other = market(0.06, 0.06), market(-0.3, 0.2, funding=0.001, volume=9.0)
    cut = ROWS - 24
    mixed = {name: np.concatenate([one[name][:cut], other[name][cut:]]) for name in one.columns}
    frame = make_frame("BTCUSDT", one.interval, one.open_time, mixed)
    score = open_interest_score(frame)
    assert (score[:cut] == open_interest_score(one)[:cut]).all()
    assert (score[cut:] != open_interest_score(one)[cut:]).any()


def test_scale_free_in_price_and_in_coins() -> None:
    frame = market(0.06, 0.06)
    bigger = {
        name: frame[name] * (10.0 if name not in ("funding_rate",) else 1.0)
        for name in frame.columns
    }
    other = make_frame("BTCUSDT", frame.interval, frame.open_time, bigger)
    assert open_interest_score(other) == pytest.approx(open_interest_score(frame), abs=1e-9)


def test_signals_have_a_direction_from_the_threshold_on_and_the_stated_confidence() -> None:
    frame = market(0.06, 0.06)
    score = open_interest_score(frame)
    found = open_interest_signals(frame, 0.3)
    assert (found.direction == np.where(np.abs(score) >= 0.3, np.sign(score), 0)).all()
    assert {0, 1} <= set(found.direction)
    assert found.direction[-1] == 1
    assert found.confidence == pytest.approx((1 + np.abs(score)) / 2)
    assert found.probabilities.sum(axis=1) == pytest.approx(1.0)
    sided = score != 0
    short, _, long = found.probabilities[sided].T
    share = np.maximum(long, short) / (long + short)
    assert share == pytest.approx(found.confidence[sided])
    assert (found.regime == -1).all()
    for wrong in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            open_interest_signals(frame, wrong)
