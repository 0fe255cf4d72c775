"""Uniqueness weights against the naive definition; forward returns and the binaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.labels.returns import forward_end, forward_return, moves_beyond
from riposte.labels.weights import uniqueness
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=0, max_size=25)


@given(spans)
def test_uniqueness_is_the_mean_share_of_each_moment_of_a_labels_life(
    pairs: list[tuple[int, int]],
) -> None:
    start = np.array([s for s, _ in pairs], dtype=np.int64)
    end = np.array([s + length for s, length in pairs], dtype=np.int64)
    found = uniqueness(start, end)
    for i in range(len(pairs)):
        alive = [int(((start <= m) & (m < end)).sum()) for m in range(start[i], end[i])]
        wanted = np.mean([1 / count for count in alive]) if alive else 1.0
        assert found[i] == pytest.approx(wanted)
    assert ((found > 0) & (found <= 1 + 1e-12)).all()


def test_labels_that_always_run_together_share_and_a_lone_one_does_not() -> None:
    start = np.array([0, 0, 0, 0, 100], dtype=np.int64)
    end = np.array([10, 10, 10, 10, 110], dtype=np.int64)
    assert uniqueness(start, end) == pytest.approx([0.25, 0.25, 0.25, 0.25, 1.0])


def test_a_label_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        uniqueness(np.array([5]), np.array([4]))
    with pytest.raises(ValueError, match="1 starts and 2 ends"):
        uniqueness(np.array([5]), np.array([6, 7]))


def a_frame(hours: list[int], opens: list[float], closes: list[float]) -> MarketFrame:
    o, c = np.array(opens), np.array(closes)
    columns = {
        "open": o,
        "high": np.maximum(o, c),
        "low": np.minimum(o, c),
        "close": c,
        "volume": np.ones(len(o)),
    }
    return make_frame(
        "BTCUSDT", INTERVALS["1h"], np.array(hours, dtype=np.int64) * HOUR_NS, columns
    )


def test_a_forward_return_runs_from_the_next_open_and_stops_at_gaps_and_at_the_end() -> None:
    frame = a_frame(
        [0, 1, 2, 3, 7, 8, 9], [10, 20, 21, 22, 40, 50, 60], [11, 21, 22, 23, 41, 51, 63]
    )
    returns = forward_return(frame, 2 * HOUR_NS)
    assert returns == pytest.approx(
        [22 / 20 - 1, 23 / 21 - 1, np.nan, np.nan, 63 / 50 - 1, np.nan, np.nan], nan_ok=True
    )
    assert forward_end(frame, 2 * HOUR_NS)[0] == 3 * HOUR_NS
    assert np.isnan(forward_return(frame, 100 * HOUR_NS)).all()


def test_the_binaries_say_whether_the_return_is_beyond_half_a_per_cent() -> None:
    rises, falls = moves_beyond(np.array([0.006, 0.005, 0.0, -0.0051, np.nan]))
    assert rises.tolist() == [1, 0, 0, 0, -1]
    assert falls.tolist() == [0, 0, 0, 1, -1]
