"""Sharpe statistics, overfitting and the bootstrap: the papers' own examples, and independent libraries."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.proof import bootstrap, metrics, sharpe
from riposte.proof.overfitting import blocks_for, probability_of_overfitting, together
from riposte.proof.sharpe import SharpeEstimate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import purgedcv
    import skfolio.measures
    from arch.bootstrap import StationaryBootstrap

CLOSE = 1e-9


def heavy_tailed(seed: int, days: int = 400, drift: float = 0.001) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, days) * 0.01 + drift


def test_the_fund_of_24_months_in_the_paper_of_2012() -> None:
    fund = SharpeEstimate(sharpe=0.458, skew=-2.448, kurtosis=10.164, observations=24)
    assert sharpe.probabilistic_sharpe_ratio(fund) == pytest.approx(0.913, abs=5e-4)
    as_if_normal = SharpeEstimate(0.458, 0.0, 3.0, 24)
    assert sharpe.probabilistic_sharpe_ratio(as_if_normal) == pytest.approx(0.982, abs=5e-4)


@pytest.mark.parametrize(
    ("per_year", "skew", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_years_that_show_a_yearly_ratio_of_2_to_exceed_1_in_the_paper_of_2012(
    per_year: int, skew: float, kurtosis: float, years: float
) -> None:
    record = SharpeEstimate(2.0 / per_year**0.5, skew, kurtosis, per_year)
    length = sharpe.minimum_track_record_length(record, 1.0 / per_year**0.5)
    assert length / per_year == pytest.approx(years, abs=0.005)
    exactly = SharpeEstimate(record.sharpe, skew, kurtosis, math.ceil(length))
    assert sharpe.probabilistic_sharpe_ratio(exactly, 1.0 / per_year**0.5) >= 0.95


def test_the_worked_example_of_the_paper_of_2014() -> None:
    found = SharpeEstimate(2.5 / 250**0.5, skew=-3.0, kurtosis=10.0, observations=1250)
    variance = 0.5 / 250
    assert sharpe.expected_maximum_sharpe(100, variance) == pytest.approx(0.1132, abs=5e-5)
    assert sharpe.deflated_sharpe_ratio(found, 100, variance) == pytest.approx(0.9004, abs=5e-5)
    assert sharpe.deflated_sharpe_ratio(found, 46, variance) == pytest.approx(0.9505, abs=5e-5)
    normal = SharpeEstimate(found.sharpe, 0.0, 3.0, 1250)
    assert sharpe.deflated_sharpe_ratio(normal, 88, variance) == pytest.approx(0.9505, abs=5e-5)


@given(st.integers(0, 10_000), st.integers(30, 900), st.integers(1, 500))
def test_sharpe_statistics_equal_those_of_skfolio_and_purgedcv(
    seed: int, days: int, trials: int
) -> None:
    returns = heavy_tailed(seed, days)
    mine = sharpe.estimate(returns)
    for benchmark in (0.0, 0.05, -0.1):
        assert sharpe.probabilistic_sharpe_ratio(mine, benchmark) == pytest.approx(
            skfolio.measures.probabilistic_sharpe_ratio(returns, benchmark), abs=CLOSE
        )
    others = np.random.default_rng(seed).normal(0.0, 0.04, trials)
    variance = sharpe.variance_of(others) if trials > 1 else 0.0
    assert sharpe.deflated_sharpe_ratio(mine, trials, variance) == pytest.approx(
        skfolio.measures.deflated_sharpe_ratio(returns, others), abs=CLOSE
    )
    # purgedcv takes the moments in another convention: the same formulas on its own moments.
    theirs = purgedcv.deflated_sharpe_ratio_full(returns, trials, variance)
    moments = SharpeEstimate(theirs.observed_sr, theirs.skew, theirs.kurt, theirs.n_obs)
    assert sharpe.expected_maximum_sharpe(trials, variance) == pytest.approx(
        theirs.sr_star, abs=CLOSE
    )
    assert sharpe.deflated_sharpe_ratio(moments, trials, variance) == pytest.approx(
        theirs.dsr, abs=CLOSE
    )
    needed = sharpe.minimum_track_record_length(moments, 0.01)
    wanted = purgedcv.min_track_record_length(
        theirs.observed_sr, 0.01, 0.05, theirs.skew, theirs.kurt
    )
    assert math.isinf(needed) if math.isinf(wanted) else math.ceil(needed) == wanted


def test_what_the_sharpe_of_the_metrics_is_per_year_the_estimate_is_per_day() -> None:
    returns = heavy_tailed(1)
    yearly = metrics.sharpe_ratio(returns)
    assert sharpe.estimate(returns).sharpe * 365**0.5 == pytest.approx(yearly, rel=1e-12)


def test_returns_that_do_not_move_have_no_sharpe_statistics() -> None:
    still = sharpe.estimate(np.zeros(100))
    assert math.isnan(sharpe.probabilistic_sharpe_ratio(still))
    assert math.isnan(sharpe.minimum_track_record_length(still))
    assert math.isnan(sharpe.variance_of([0.3, math.nan]))
    losing = sharpe.estimate(heavy_tailed(3, drift=-0.002))
    assert sharpe.minimum_track_record_length(losing) == math.inf


@pytest.mark.parametrize(("rows", "columns", "blocks"), [(203, 7, 8), (96, 2, 10), (60, 30, 4)])
def test_overfitting_equals_that_of_purgedcv(rows: int, columns: int, blocks: int) -> None:
    rng = np.random.default_rng(rows)
    returns = rng.standard_t(4, (rows, columns)) * 0.01 + np.linspace(0.0, 0.002, columns)
    returns[:, 0] = 0.0  # one never trades
    if columns > 3:
        returns[:, 3] = returns[:, 2]  # two are one and the same
    mine = probability_of_overfitting(returns, blocks)
    theirs = purgedcv.probability_of_backtest_overfitting(returns.T, blocks)
    assert mine.probability == theirs.pbo
    assert mine.slope == pytest.approx(theirs.slope, abs=CLOSE)
    # It chooses the future first, so its combinations come in the opposite order.
    np.testing.assert_allclose(mine.logits[::-1], theirs.logits, atol=CLOSE)
    np.testing.assert_allclose(mine.past[::-1], theirs.is_oos_performance[:, 0], atol=CLOSE)
    np.testing.assert_allclose(mine.future[::-1], theirs.is_oos_performance[:, 1], atol=CLOSE)
    assert mine.probability_of_loss == np.mean(theirs.is_oos_performance[:, 1] < 0.0)


def test_noise_is_overfitted_about_as_often_as_not_and_skill_never() -> None:
    noise = [
        probability_of_overfitting(np.random.default_rng(seed).normal(0, 0.01, (240, 20)), 8)
        for seed in range(40)
    ]
    pooled = together(noise)
    assert pooled is not None
    assert pooled.probability == pytest.approx(0.5, abs=0.08)
    assert len(pooled.logits) == 40 * 70
    skill = np.random.default_rng(0).normal(0, 0.01, (400, 20))
    skill[:, 7] += 0.01
    found = probability_of_overfitting(skill, 10)
    assert (found.probability, found.probability_of_loss) == (0.0, 0.0)


def test_a_thousand_configurations_are_judged_in_bounded_memory() -> None:
    import tracemalloc

    returns = np.random.default_rng(0).standard_t(4, (1_000, 1_000)) * 0.01
    tracemalloc.start()
    found = probability_of_overfitting(returns, 14)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.logits) == 3_432  # one array of all combinations would have 27 MB
    assert peak < 50e6


def test_the_number_of_blocks_follows_the_length_of_the_record() -> None:
    assert [blocks_for(n) for n in (39, 40, 95, 160, 2_000)] == [0, 4, 8, 16, 16]


@pytest.mark.parametrize("blocks", [3, 0, 52])
def test_blocks_that_cannot_be_halved_are_refused(blocks: int) -> None:
    with pytest.raises(ValueError, match="even number of blocks"):
        probability_of_overfitting(np.zeros((100, 3)), blocks)


def measured(returns: np.ndarray) -> np.ndarray:
    """The bootstrap's measures, the long way: through the curve of an account."""
    time = 86_400_000_000_000 * np.arange(1, len(returns) + 1)
    found = metrics.curve_measures(time, np.cumprod(1.0 + returns), 1.0)
    return np.array([found[name] for name in bootstrap.MEASURES])


def test_resamples_and_their_interval_are_those_of_arch() -> None:
    returns = heavy_tailed(5, 250)
    theirs = StationaryBootstrap(10, returns, seed=11)
    drawn = np.array([measured(each[0][0]) for each in theirs.bootstrap(300)])
    np.testing.assert_allclose(
        bootstrap.resampled(returns, seed=11, resamples=300), drawn, rtol=CLOSE, atol=CLOSE
    )
    again = StationaryBootstrap(10, returns, seed=11)
    bounds = again.conf_int(measured, 300, method="percentile", size=0.95)
    mine = bootstrap.intervals(returns, seed=11, resamples=300)
    for column, name in enumerate(bootstrap.MEASURES):
        np.testing.assert_allclose(mine[name], bounds[:, column], rtol=CLOSE, atol=CLOSE)
