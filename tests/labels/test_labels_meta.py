"""Meta-labels and weights by return, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.labels.meta import meta_labels
from riposte.labels.triple_barrier import triple_barrier
from riposte.labels.weights import return_attribution
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS


def market(rows: int = 400, seed: int = 0) -> MarketFrame:
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.004 * chance.standard_normal(rows)))
    opened = np.append(close[0], close[:-1])
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.001,
        "low": np.minimum(opened, close) * 0.999,
        "close": close,
        "volume": np.ones(rows),
    }
    times = np.arange(rows, dtype=np.int64) * HOUR_NS
    return make_frame("BTCUSDT", INTERVALS["1h"], times, columns)


LABELS = triple_barrier(
    market(), Barriers(0.01, 0.01, 12 * HOUR_NS, "fixed"), round_trip_cost=0.001
)


@given(seed=st.integers(0, 1000))
def test_a_meta_label_says_whether_that_side_paid(seed: int) -> None:
    side = np.random.default_rng(seed).integers(-1, 2, len(LABELS.label)).astype(np.int8)
    found = meta_labels(LABELS, side)
    for row, taken in enumerate(side):
        if taken == 0 or not LABELS.known[row]:
            assert found.label[row] == -1
            assert np.isnan(found.net_return[row])
            continue
        earned = LABELS.long_return[row] if taken == 1 else LABELS.short_return[row]
        assert found.net_return[row] == earned
        assert found.label[row] == int(earned > 0)
    assert (found.end_time == LABELS.end_time).all()


def test_whoever_follows_the_labels_is_always_paid() -> None:
    sided = LABELS.known & (LABELS.label != 0)
    assert (meta_labels(LABELS, LABELS.label).label[sided] == 1).all()


def test_sides_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="3 sides"):
        meta_labels(LABELS, np.zeros(3, np.int8))
    with pytest.raises(ValueError, match="-1, 0 or 1"):
        meta_labels(LABELS, np.full(len(LABELS.label), 2, np.int8))


def test_a_meta_label_knows_nothing_after_its_end() -> None:
    whole = market()
    side = np.ones(len(whole), np.int8)
    barriers = Barriers(0.01, 0.01, 12 * HOUR_NS, "fixed")
    found = meta_labels(triple_barrier(whole, barriers), side)
    cut = 200
    earlier = meta_labels(triple_barrier(whole.rows(0, cut), barriers), side[:cut])
    settled = earlier.label >= 0
    assert settled.sum() == cut - 12
    assert (earlier.label[settled] == found.label[:cut][settled]).all()
    assert (found.end_time[:cut][settled] <= whole.close_time[cut - 1]).all()


@given(
    spans=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8)), min_size=1, max_size=12),
    seed=st.integers(0, 100),
)
def test_weights_by_return_are_the_books(spans: list[tuple[int, int]], seed: int) -> None:
    time = np.arange(30, dtype=np.int64)
    moved = np.random.default_rng(seed).normal(size=30)
    start = np.array([first for first, _ in spans], dtype=np.int64)
    end = np.array([first + life for first, life in spans], dtype=np.int64)
    raw = []
    for one, other in zip(start, end, strict=True):
        total = 0.0
        for bar in range(30):
            if one < time[bar] <= other:
                total += moved[bar] / int(((start < time[bar]) & (time[bar] <= end)).sum())
        raw.append(abs(total))
    found = return_attribution(start, end, time, moved)
    if np.mean(raw) > 1e-9:
        assert found == pytest.approx(np.array(raw) / np.mean(raw), rel=1e-6, abs=1e-6)
        assert found.mean() == pytest.approx(1.0)


def test_nothing_that_moved_weighs_all_alike_and_missing_returns_count_as_none() -> None:
    time = np.arange(10, dtype=np.int64)
    start, end = np.array([0, 3], dtype=np.int64), np.array([3, 6], dtype=np.int64)
    assert (return_attribution(start, end, time, np.zeros(10)) == 1.0).all()
    moved = np.where(time == 2, np.nan, 0.5)
    assert return_attribution(start, end, time, moved) == pytest.approx([0.8, 1.2])
    with pytest.raises(ValueError, match="ends before"):
        return_attribution(end, start, time, moved)
    with pytest.raises(ValueError, match="out of order|not in order"):
        return_attribution(start, end, time[::-1].copy(), moved)
