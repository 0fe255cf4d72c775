"""Window arithmetic: equal to the obvious computation, and exact where running sums drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats

from riposte.features.primitives import (
    log_ratio,
    position_in_range,
    ratio,
    rolling_correlation,
    rolling_max,
    rolling_mean_std,
    rolling_min,
    rolling_skew_kurtosis,
    rolling_sum,
    rolling_weighted_mean,
    rolling_zscore,
    settled,
    share_below,
)
from riposte.market.frame import Floats

numbers = st.floats(-100, 100, allow_subnormal=False).map(lambda x: round(x, 6))
series = arrays(np.float64, st.integers(1, 80), elements=st.one_of(numbers, st.just(np.nan)))
windows = st.integers(1, 90)


def windows_of(x: Floats, window: int) -> Floats:
    """The windows that end at each row from ``window - 1`` on, one per row."""
    return sliding_window_view(x, window) if window <= len(x) else np.empty((0, window))


@given(series, windows)
def test_sums_and_extremes_equal_the_obvious_ones(x: Floats, window: int) -> None:
    seen = windows_of(x, window)
    for rolling, plain in ((rolling_sum, np.sum), (rolling_max, np.max), (rolling_min, np.min)):
        result = rolling(x, window)
        assert np.isnan(result[: window - 1]).all()
        expected = np.array([plain(each) for each in seen])
        np.testing.assert_allclose(result[window - 1 :], expected, rtol=1e-12, atol=1e-12)


@given(series, windows)
def test_mean_and_deviation_equal_the_obvious_ones(x: Floats, window: int) -> None:
    mean, std = rolling_mean_std(x, window)
    seen = windows_of(x, window)
    np.testing.assert_allclose(
        mean[window - 1 :], [each.mean() for each in seen], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        std[window - 1 :], [each.std() for each in seen], rtol=1e-9, atol=1e-12
    )


@given(st.integers(0, 1_000), st.integers(4, 40))
def test_skewness_and_kurtosis_equal_scipy(seed: int, window: int) -> None:
    x = np.random.default_rng(seed).standard_t(4, 100)
    skewness, kurtosis = rolling_skew_kurtosis(x, window)
    seen = windows_of(x, window)
    np.testing.assert_allclose(skewness[window - 1 :], stats.skew(seen, axis=1), atol=1e-10)
    np.testing.assert_allclose(kurtosis[window - 1 :], stats.kurtosis(seen, axis=1), atol=1e-10)


@given(st.integers(0, 1_000), st.integers(3, 40))
def test_correlation_equals_numpy(seed: int, window: int) -> None:
    x, y = np.random.default_rng(seed).standard_normal((2, 100))
    expected = [
        np.corrcoef(a, b)[0, 1]
        for a, b in zip(windows_of(x, window), windows_of(y, window), strict=True)
    ]
    result = rolling_correlation(x, y, window)[window - 1 :]
    np.testing.assert_allclose(result, expected, atol=1e-10)


@given(st.integers(0, 1_000), st.integers(1, 40))
def test_weighted_means_and_shares_equal_the_obvious_ones(seed: int, window: int) -> None:
    chance = np.random.default_rng(seed)
    x, level = chance.standard_normal((2, 100))
    weight = np.where(chance.random(100) < 0.5, 0.0, chance.random(100))
    mean = rolling_weighted_mean(x, weight, window)
    share = share_below(x, level, weight, window)
    rows = range(window - 1, 100)
    for row in rows:
        part, heavy = x[row - window + 1 : row + 1], weight[row - window + 1 : row + 1]
        if heavy.sum() == 0:
            assert np.isnan(mean[row])
            assert share[row] == 0.5
            continue
        middle = np.average(part, weights=heavy)
        assert mean[row] == pytest.approx(middle, abs=1e-12)
        assert share[row] == pytest.approx(heavy[part < level[row]].sum() / heavy.sum())


def test_a_share_in_steps_takes_every_step_th_row() -> None:
    x, level, weight = np.random.default_rng(8).random((3, 60))
    share = share_below(x, level, weight, 4, 5)
    assert np.isnan(share[:15]).all()
    for row in range(15, 60):
        taken = slice(row - 15, row + 1, 5)
        below = weight[taken][x[taken] < level[row]].sum()
        assert share[row] == pytest.approx(below / weight[taken].sum())


def test_a_huge_value_leaves_no_trace_once_it_is_out_of_the_window() -> None:
    calm = np.random.default_rng(3).standard_normal(500)
    shaken = calm.copy()
    shaken[40] = 1e18
    for compute in (rolling_sum, rolling_max, lambda x, w: rolling_mean_std(x, w)[1]):
        np.testing.assert_array_equal(compute(calm, 30)[70:], compute(shaken, 30)[70:])


def test_a_missing_value_is_missing_in_its_windows_only() -> None:
    x = np.arange(20.0)
    x[7] = np.nan
    for compute in (rolling_sum, rolling_max, rolling_zscore):
        missing = np.isnan(compute(x, 4))
        np.testing.assert_array_equal(np.flatnonzero(missing), [0, 1, 2, 7, 8, 9, 10])


def test_small_deviations_of_a_large_level_keep_their_digits() -> None:
    noise = np.random.default_rng(4).standard_normal(400)
    _, expected = rolling_mean_std(noise, 50)
    _, result = rolling_mean_std(noise + 2.0**24, 50)
    np.testing.assert_allclose(result[50:], expected[50:], rtol=1e-7)


def test_a_flat_window_has_no_deviation_and_score_zero() -> None:
    flat = np.full(100, 0.0001)
    assert (rolling_mean_std(flat, 7)[1][6:] == 0).all()
    assert (rolling_zscore(flat, 7)[6:] == 0).all()
    assert (rolling_correlation(flat, np.arange(100.0), 7)[6:] == 0).all()


def test_division_by_nothing_is_what_was_asked_and_missing_stays_missing() -> None:
    top, bottom = np.array([1.0, 0.0, np.nan, 2.0, 3.0]), np.array([0.0, 0.0, 0.0, np.nan, 6.0])
    np.testing.assert_array_equal(ratio(top, bottom, empty=7.0), [7, 7, np.nan, np.nan, 0.5])
    np.testing.assert_array_equal(log_ratio(top, bottom), [0, 0, np.nan, np.nan, np.log(0.5)])
    assert position_in_range(np.ones(1), np.ones(1), np.ones(1)) == 0.5


@pytest.mark.parametrize(
    ("decay", "stages"), [(13 / 14, 1), (13 / 14, 2), (25 / 27, 1), (7 / 8, 3)]
)
def test_a_chain_of_averages_has_forgotten_its_start_when_it_is_settled(
    decay: float, stages: int
) -> None:
    rows = settled(decay, stages)
    impulse = np.zeros(rows + 1)
    impulse[0] = 1.0
    for _ in range(stages):  # what each further average makes of the start of the first
        for i in range(1, len(impulse)):
            impulse[i] = decay * impulse[i - 1] + (1 - decay) * impulse[i]
    assert impulse[-1] < 1e-12
    assert settled(decay, stages) < 2 * settled(decay) + 100 * stages
