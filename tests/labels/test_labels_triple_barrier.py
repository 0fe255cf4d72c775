"""Triple barrier labels against a slow, plain reading of their definition, and cases done by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.errors import InputError
from riposte.labels.triple_barrier import BarrierLabels, Reading, triple_barrier
from riposte.market.barriers import Barriers, barrier_widths
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS

HOUR = INTERVALS["1h"]
WON, STOPPED, TIME = "won", "stopped", "time"
Bar = tuple[float, float, float, float]


def frame_of(bars: Sequence[Bar], hours: Sequence[int] | None = None) -> MarketFrame:
    """A frame of (open, high, low, close) bars at these hours (default: one after the other)."""
    at = np.arange(len(bars)) if hours is None else np.array(hours)
    o, h, l, c = np.array(bars, dtype=float).T  # noqa: E741
    columns = {"open": o, "high": h, "low": l, "close": c, "volume": np.ones(len(bars))}
    return make_frame("BTCUSDT", HOUR, at.astype(np.int64) * HOUR_NS, columns)


def one_trade(
    frame: MarketFrame, t: int, side: int, target: float, stop: float, bars: int
) -> tuple[str, int, float]:
    """(how it ended, exit row, gross return) of one side, read off the definition, bar by bar."""
    entry = frame["open"][t + 1]
    up, down = (target, stop) if side > 0 else (stop, target)
    upper, lower = entry * (1 + up), entry * (1 - down)
    for j in range(t + 1, t + bars + 1):
        opened = frame["open"][j]
        if j > t + 1 and (opened >= upper or opened <= lower):
            reached_up = opened >= upper
            how = WON if reached_up == (side > 0) else STOPPED
            return how, j, side * (opened / entry - 1)
        above, below = frame["high"][j] >= upper, frame["low"][j] <= lower
        stop_touched, target_touched = (below, above) if side > 0 else (above, below)
        if stop_touched:
            return STOPPED, j, -stop
        if target_touched:
            return WON, j, target
    return TIME, t + bars, side * (frame["close"][t + bars] / entry - 1)


def oracle(
    frame: MarketFrame, barriers: Barriers, reading: Reading, cost: float
) -> list[dict[str, Any]]:
    bars = max(1, barriers.horizon_ns // frame.interval.ns)
    targets, stops = barrier_widths(frame, barriers)
    rows: list[dict[str, Any]] = []
    for t in range(len(frame)):
        end = t + bars
        contiguous = (
            end < len(frame) and frame.open_time[end] == frame.open_time[t] + bars * HOUR_NS
        )
        if not contiguous or np.isnan(targets[t]) or np.isnan(stops[t]):
            rows.append({"known": False})
            continue
        how_long, long_row, long = one_trade(frame, t, 1, targets[t], stops[t], bars)
        how_short, short_row, short = one_trade(frame, t, -1, targets[t], stops[t], bars)
        long_wins = how_long == WON and long - cost > 0
        short_wins = how_short == WON and short - cost > 0
        label = 0
        if reading == "upper-lower":
            if how_long == WON:
                label = 1 if long_wins else 0
            elif how_long == STOPPED:
                label = -1
        elif long_wins and short_wins:
            label = int(np.sign(short_row - long_row))
        elif long_wins or short_wins:
            label = 1 if long_wins else -1
        last = max(long_row, short_row)
        rows.append(
            {
                "known": True,
                "label": label,
                "end": int(frame.open_time[last]) + HOUR_NS,
                "long": long - cost,
                "short": short - cost,
            }
        )
    return rows


def assert_equals_oracle(found: BarrierLabels, wanted: list[dict[str, Any]]) -> None:
    for t, row in enumerate(wanted):
        assert bool(found.known[t]) == row["known"], t
        if not row["known"]:
            assert found.label[t] == 0
            assert np.isnan(found.long_return[t])
            assert np.isnan(found.short_return[t])
            continue
        assert found.label[t] == row["label"], t
        assert found.end_time[t] == row["end"], t
        assert found.long_return[t] == pytest.approx(row["long"], abs=1e-12), t
        assert found.short_return[t] == pytest.approx(row["short"], abs=1e-12), t


@st.composite
def markets(draw: st.DrawFn) -> MarketFrame:
    """Wild little markets: gapping opens, wide bars, holes; prices on a coarse grid, so that barriers
    are often met exactly and both inside one bar."""
    n = draw(st.integers(1, 40))
    prices, price = [], 1000
    for _ in range(n):
        open_ = max(900, price + draw(st.sampled_from([0, 0, 0, 5, -5, 15, -15, 30])))
        close = max(900, open_ + 5 * draw(st.integers(-4, 4)))
        high = max(open_, close) + 5 * draw(st.integers(0, 4))
        low = min(open_, close) - 5 * draw(st.integers(0, 4))
        prices.append((float(open_), float(high), float(low), float(close)))
        price = close
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 1, 3]), min_size=n, max_size=n))
    return frame_of(prices, np.cumsum(steps).tolist())


@settings(max_examples=300)
@given(
    frame=markets(),
    target=st.sampled_from([0.005, 0.015, 0.03]),
    stop=st.sampled_from([0.005, 0.015, 0.03]),
    hours=st.sampled_from([1, 2, 5, 12, 20]),
    reading=st.sampled_from(["symmetric", "upper-lower"]),
    cost=st.sampled_from([0.0, 0.001, 0.006]),
)
def test_labels_equal_the_plain_reading_on_any_path(
    frame: MarketFrame, target: float, stop: float, hours: int, reading: Reading, cost: float
) -> None:
    barriers = Barriers(target, stop, hours * HOUR_NS)
    found = triple_barrier(frame, barriers, reading=reading, round_trip_cost=cost)
    assert_equals_oracle(found, oracle(frame, barriers, reading, cost))


def test_labels_equal_the_plain_reading_with_widths_that_follow_volatility() -> None:
    chance = np.random.default_rng(3)
    close = 1000 * np.exp(np.cumsum(chance.normal(0, 0.01, 300)))
    open_ = np.concatenate([[1000], close[:-1]])
    wide = chance.exponential(0.004, 300)
    bars = list(
        zip(
            open_,
            np.maximum(open_, close) * (1 + wide),
            np.minimum(open_, close) * (1 - wide),
            close,
            strict=True,
        )
    )
    frame = frame_of(bars)
    barriers = Barriers(1.0, 0.6, DAY_NS, scale="volatility", volatility_window_ns=DAY_NS)
    found = triple_barrier(frame, barriers)
    assert_equals_oracle(found, oracle(frame, barriers, "symmetric", 0.0))
    assert set(found.label[found.known]) == {-1, 0, 1}
    assert not found.known[:24].any()


QUIET: Bar = (100.0, 100.1, 99.9, 100.0)
TARGET_2_STOP_1 = Barriers(0.02, 0.01, 2 * HOUR_NS)

CASES = {
    # name: (bars after the deciding one, label, upper-lower label, long, short, bars until known)
    "nothing is reached": ([QUIET, (100, 100.5, 99.5, 100.4)], 0, 0, 0.004, -0.004, 2),
    "the long wins": ([(100, 102, 99.5, 101.5), QUIET], 1, 1, 0.02, -0.01, 1),
    "the short wins": ([(100, 100.5, 98, 98.5), QUIET], -1, -1, -0.01, 0.02, 1),
    "stop and target in one bar: the stop": ([(100, 102, 99, 100), QUIET], 0, -1, -0.01, -0.01, 1),
    "both are stopped": ([(100, 101, 99.5, 100), (100, 100, 99, 99)], 0, -1, -0.01, -0.01, 2),
    "an open beyond the target": ([QUIET, (103, 103, 103, 103)], 1, 1, 0.03, -0.03, 2),
    "an open beyond the stop": ([QUIET, (97, 97, 97, 97)], -1, -1, -0.03, 0.03, 2),
    "the first touch counts": (
        [(100, 100.5, 98.9, 99), (99, 103, 99, 103)],
        0,
        -1,
        -0.01,
        -0.01,
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_by_hand(name: str) -> None:
    after, label, upper_lower, long, short, bars = CASES[name]
    frame = frame_of([QUIET, *after])
    found = triple_barrier(frame, TARGET_2_STOP_1)
    assert found.known.tolist() == [True, False, False]
    assert found.label[0] == label
    assert found.long_return[0] == pytest.approx(long)
    assert found.short_return[0] == pytest.approx(short)
    assert found.end_time[0] == (1 + bars) * HOUR_NS
    other = triple_barrier(frame, TARGET_2_STOP_1, reading="upper-lower")
    assert other.label[0] == upper_lower


def test_where_the_target_is_nearer_than_the_stop_the_earlier_winner_gives_the_label() -> None:
    near = Barriers(0.01, 0.05, 3 * HOUR_NS)
    up_then_down = [QUIET, (100, 101, 99.5, 100), (100, 100, 99, 99), QUIET]
    assert triple_barrier(frame_of(up_then_down), near).label[0] == 1
    both_at_once = [QUIET, (100, 101, 99, 100), QUIET, QUIET]
    assert triple_barrier(frame_of(both_at_once), near).label[0] == 0


def test_entry_is_the_next_open_not_the_close_of_the_decision() -> None:
    jump = frame_of([(100, 100, 100, 100), (102, 102, 102, 102), (102, 102, 102, 102)])
    found = triple_barrier(jump, TARGET_2_STOP_1)
    assert found.label[0] == 0
    assert found.long_return[0] == 0.0


def test_a_target_that_does_not_pay_the_costs_is_not_a_win() -> None:
    frame = frame_of([QUIET, (100, 102, 99.5, 101.5), QUIET])
    assert triple_barrier(frame, TARGET_2_STOP_1, round_trip_cost=0.019).label[0] == 1
    dear = triple_barrier(frame, TARGET_2_STOP_1, round_trip_cost=0.021)
    assert dear.label[0] == 0
    assert dear.long_return[0] == pytest.approx(-0.001)


def test_a_row_is_unknown_unless_its_whole_horizon_is_there_even_if_a_barrier_was_hit() -> None:
    winning = (100.0, 102.0, 99.5, 101.5)
    at_the_end = triple_barrier(frame_of([QUIET, winning]), TARGET_2_STOP_1)
    assert not at_the_end.known.any()
    across_a_gap = triple_barrier(frame_of([QUIET, winning, QUIET], [0, 1, 5]), TARGET_2_STOP_1)
    assert not across_a_gap.known.any()
    assert across_a_gap.label[0] == 0
    assert across_a_gap.end_time[0] == 3 * HOUR_NS


def test_rows_after_the_horizon_change_nothing() -> None:
    chance = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, 200)))
    bars = [(c, c * 1.01, c * 0.99, c) for c in close]
    barriers = Barriers(0.02, 0.01, 6 * HOUR_NS)
    whole = triple_barrier(frame_of(bars), barriers)
    for t in (10, 50, 150):
        cut = triple_barrier(frame_of(bars[: t + 7]), barriers)
        assert cut.known[t]
        assert cut.label[t] == whole.label[t]
        assert cut.long_return[t] == whole.long_return[t]
        assert cut.end_time[t] == whole.end_time[t]


def test_the_horizon_is_a_duration_and_not_a_count() -> None:
    minutes = np.arange(200)
    price = 100 + 0.01 * minutes
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), price)
    frame = make_frame("BTCUSDT", INTERVALS["1m"], minutes * MINUTE_NS, columns)
    found = triple_barrier(frame, Barriers(0.5, 0.5, HOUR_NS))
    assert found.known.sum() == 140
    assert found.end_time[0] == 61 * MINUTE_NS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"reading": "symetric"}, "did you mean 'symmetric'"),
        ({"round_trip_cost": -0.1}, "0 or more"),
        ({"round_trip_cost": float("nan")}, "0 or more"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(arguments: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        triple_barrier(frame_of([QUIET]), TARGET_2_STOP_1, **arguments)
