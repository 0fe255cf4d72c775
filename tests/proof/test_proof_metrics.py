"""Measures against an independent library, hand-computed cases and their own definitions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.engine.records import FILL, TRADE
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof import bootstrap, classification, metrics, targets

START = 1_704_067_200_000_000_000

returns = st.lists(st.floats(-0.2, 0.2), min_size=20, max_size=200).map(np.array)


def curve(daily: np.ndarray, equity: float = 1_000.0) -> tuple[np.ndarray, np.ndarray]:
    """Hourly closes of an account whose days make those returns."""
    path = []
    for change in daily:
        path += [equity] * 23
        equity *= 1.0 + change
        path.append(equity)
    time = START + HOUR_NS * np.arange(1, len(path) + 1, dtype=np.int64)
    return time, np.array(path)


@given(returns)
def test_daily_returns_come_back_from_the_curve_they_made(daily: np.ndarray) -> None:
    time, equity = curve(daily)
    np.testing.assert_allclose(metrics.daily_returns(time, equity, 1_000.0), daily, atol=1e-12)


@given(returns)
def test_ratios_equal_those_of_empyrical(daily: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical

        if np.std(daily, ddof=1) < 1e-4:
            return  # the ratios of a curve that hardly moves are rounding
        expected = empyrical.sharpe_ratio(daily, annualization=365)
        assert metrics.sharpe_ratio(daily) == pytest.approx(expected, rel=1e-9, abs=1e-9)
        if daily.min() < -1e-4:
            sortino = empyrical.sortino_ratio(daily, annualization=365)
            assert metrics.sortino_ratio(daily) == pytest.approx(sortino, rel=1e-9, abs=1e-9)
        time, equity = curve(daily)
        found = metrics.curve_measures(time, equity, 1_000.0)
        theirs = {
            "max_drawdown": -empyrical.max_drawdown(daily),
            "total_return": empyrical.cum_returns_final(daily),
            "volatility": empyrical.annual_volatility(daily, annualization=365),
            "annual_return": empyrical.annual_return(daily, annualization=365),
        }
        if theirs["max_drawdown"] > 1e-4:
            theirs["calmar"] = empyrical.calmar_ratio(daily, annualization=365)
        for name, value in theirs.items():
            assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_measures_of_trades_and_drawdowns_equal_those_of_backtesting_py() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from backtesting import _stats

    rng = np.random.default_rng(4)
    bars, count = 2_000, 80
    equity = 1_000.0 * np.cumprod(1.0 + np.r_[0.0, rng.normal(0.0, 0.004, bars - 1)])
    time = START + HOUR_NS * np.arange(1, bars + 1, dtype=np.int64)
    entry = np.arange(count) * 25
    held = rng.integers(1, 24, count)
    trades = np.zeros(count, TRADE)
    trades["net"] = rng.normal(0.3, 10.0, count)
    trades["opened_at"], trades["closed_at"] = time[entry], time[entry + held]
    exposure = np.zeros(bars)
    for first, length in zip(entry, held, strict=True):
        exposure[first : first + length + 1] = 0.5
    index = pd.to_datetime(time)
    told = pd.DataFrame({
        "EntryBar": entry, "ExitBar": entry + held, "PnL": trades["net"],
        "ReturnPct": trades["net"], "Duration": index[entry + held] - index[entry],
    })  # fmt: skip
    prices = pd.DataFrame({"Close": np.full(bars, 100.0)}, index=index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = _stats.compute_stats(told, equity, prices, None)
    mine = metrics.measure(
        time, equity, 1_000.0, trades=trades, fills=np.zeros(0, FILL), exposure=exposure
    )
    expected = {
        "win_rate": theirs["Win Rate [%]"] / 100.0,
        "profit_factor": theirs["Profit Factor"],
        "expectancy": theirs["Expectancy [%]"] / 100.0,
        "average_holding_hours": told["Duration"].mean() / pd.Timedelta(hours=1),
        "trades": theirs["# Trades"],
        "exposure": theirs["Exposure Time [%]"] / 100.0,
        "max_drawdown": -theirs["Max. Drawdown [%]"] / 100.0,
        "drawdown_days": theirs["Max. Drawdown Duration"] / pd.Timedelta(days=1),
        "total_return": theirs["Return [%]"] / 100.0,
    }
    for name, value in expected.items():
        assert mine[name] == pytest.approx(value, rel=1e-9), name


def test_a_bar_that_closes_at_midnight_belongs_to_the_day_it_ends() -> None:
    time = START + np.array([DAY_NS, 2 * DAY_NS], dtype=np.int64)
    found = metrics.daily_returns(time, np.array([110.0, 99.0]), 100.0)
    np.testing.assert_allclose(found, [0.1, -0.1])


def test_the_longest_drawdown_counts_to_the_end_if_it_never_ends() -> None:
    time = START + DAY_NS * np.arange(1, 7, dtype=np.int64)
    equity = np.array([100.0, 120.0, 90.0, 95.0, 110.0, 115.0])
    assert metrics.longest_drawdown_days(time, equity, 100.0) == 4.0


def test_trade_measures_by_hand() -> None:
    trades = np.zeros(4, TRADE)
    trades["net"] = [30.0, -10.0, 10.0, -10.0]
    trades["closed_at"] = [4 * HOUR_NS, 2 * HOUR_NS, 2 * HOUR_NS, 0]
    found = metrics.trade_measures(trades)
    assert found["win_rate"] == 0.5
    assert found["profit_factor"] == 2.0
    assert (found["average_win"], found["average_loss"], found["expectancy"]) == (20.0, -10.0, 5.0)
    assert found["average_holding_hours"] == 2.0


def test_without_trades_measures_are_missing_and_not_zero() -> None:
    time, equity = curve(np.zeros(30))
    found = metrics.measure(
        time,
        equity,
        1_000.0,
        trades=np.zeros(0, TRADE),
        fills=np.zeros(0, FILL),
        exposure=np.zeros(len(time)),
    )
    assert list(found) == list(metrics.METRICS)
    assert found["total_return"] == 0.0
    assert found["trades"] == 0.0
    for name in ("sharpe", "sortino", "win_rate", "profit_factor", "average_win", "volatility"):
        assert np.isnan(found[name]), name


def test_classification_by_hand() -> None:
    label = np.array([-1, 0, 1, 1], dtype=np.int8)
    said = np.array([[0.6, 0.2, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.3, 0.2, 0.5]])
    assert classification.accuracy(label, said) == 0.75
    # F1: SHORT 2/3, NEUTRAL 0, LONG 1
    assert classification.macro_f1(label, said) == pytest.approx((2 / 3 + 0 + 1) / 3)
    expected = -np.mean(np.log([0.6, 0.3, 0.7, 0.5]))
    assert classification.log_loss(label, said) == pytest.approx(expected)
    confidence, right = classification.side_confidence(label, said)
    np.testing.assert_allclose(confidence, [0.75, 0.875, 0.625])
    assert right.all()


def test_a_row_no_model_spoke_about_promises_nothing() -> None:
    said = np.array([[0.0, 1.0, 0.0], [0.1, 0.5, 0.4]])
    confidence, right = classification.side_confidence(np.array([1, 1], np.int8), said)
    assert confidence.tolist() == pytest.approx([0.8])
    assert right.tolist() == [True]


@given(st.integers(0, 1000))
def test_reliability_is_near_nothing_for_promises_that_are_kept(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    kept = classification.reliability(confidence, rng.random(20_000) < confidence)
    assert kept.error < 0.02
    broken = classification.reliability(confidence, rng.random(20_000) < 0.5)
    assert broken.error > 0.2


def test_the_stationary_bootstrap_keeps_blocks_of_the_wanted_mean_length() -> None:
    rng = np.random.default_rng(1)
    lengths = []
    for _ in range(50):
        rows = bootstrap.stationary_indices(1_000, 10.0, rng)
        assert len(rows) == 1_000
        breaks = np.sum(np.diff(rows) % 1_000 != 1)
        lengths.append(1_000 / (breaks + 1))
    assert np.mean(lengths) == pytest.approx(10.0, rel=0.1)


def test_bootstrap_intervals_cover_the_truth_about_as_often_as_promised() -> None:
    covered = 0
    for seed in range(60):
        daily = np.random.default_rng(seed).normal(0.0, 0.01, 250)
        low, high = bootstrap.intervals(daily, seed=seed, resamples=200)["sharpe"]
        covered += low <= 0.0 <= high
    assert covered >= 50


def test_the_same_seed_gives_the_same_interval() -> None:
    daily = np.random.default_rng(0).normal(0, 0.01, 100)
    first = bootstrap.intervals(daily, seed=3, resamples=100)
    assert first == bootstrap.intervals(daily, seed=3, resamples=100)


def test_targets_are_met_or_missed_and_the_undefined_misses() -> None:
    measured = {
        "sharpe": 1.0,
        "max_drawdown": 0.07,
        "win_rate": np.nan,
        "profit_factor": 2.0,
        "accuracy": 0.5,
    }
    judged = {(t.phase, t.name): t.met for t in targets.judge(measured)}
    assert judged[("Phase 1", "Sharpe")]
    assert not judged[("Phase 2", "Sharpe")]
    assert judged[("Phase 1", "Max drawdown")]
    assert not judged[("Phase 2", "Max drawdown")]
    assert not judged[("Phase 1", "Win rate")]
    assert judged[("Goal", "Profit factor")]
