"""Monte Carlo of trades: what is drawn, what is measured on it, and how long the blocks are."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.engine.records import TRADE
from riposte.proof.chance.block_length import stationary_block_length
from riposte.proof.chance.trades import path_measures, resampled_paths, resampled_trades


def trades_of(fractions: list[float] | np.ndarray) -> np.ndarray:
    trades = np.zeros(len(fractions), TRADE)
    trades["net_fraction"] = fractions
    trades["closed_at"] = np.arange(len(fractions))
    return trades


def autoregressive(slope: float, count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(count)
    values = np.zeros(count)
    values[0] = noise[0]
    for i in range(1, count):
        values[i] = slope * values[i - 1] + noise[i]
    return values


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=40))
def test_a_path_is_measured_as_arithmetic_says(fractions: list[float]) -> None:
    equity = np.cumprod(np.append(1.0, 1.0 + np.array(fractions)))
    runs = "".join("w" if f > 0 else "l" for f in fractions).split("w")
    total, fall, streak = path_measures(np.array(fractions))
    assert total == pytest.approx(equity[-1] - 1.0)
    assert fall == pytest.approx((1.0 - equity / np.maximum.accumulate(equity)).max(), abs=1e-12)
    assert streak == max(map(len, runs))


def test_an_account_that_is_lost_stays_lost() -> None:
    assert path_measures(np.array([0.1, -1.5, 3.0])).tolist() == [-1.0, 1.0, 1.0]


def test_single_draws_spread_as_numpys_own_bootstrap_does() -> None:
    fractions = np.random.default_rng(1).normal(0.0005, 0.01, 200)
    ours = resampled_paths(fractions, 1.0, 4000, np.random.default_rng(2))[:, 0]
    drawn = np.random.default_rng(3).choice(fractions, (4000, 200))
    theirs = np.prod(1.0 + drawn, axis=1) - 1.0
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    assert np.quantile(ours, levels) == pytest.approx(np.quantile(theirs, levels), abs=0.015)


def test_blocks_keep_what_follows_what() -> None:
    taking_turns = np.tile([0.01, -0.01], 50)
    rng = np.random.default_rng(4)
    whole = resampled_paths(taking_turns, 1e12, 50, rng)
    assert (whole[:, 2] <= 2).all()  # a rotation: only its seam may join two losses
    assert whole[:, 0] == pytest.approx(path_measures(taking_turns)[0])
    assert resampled_paths(taking_turns, 1.0, 50, rng)[:, 2].mean() > 4


def test_trades_are_taken_in_the_order_in_which_they_closed() -> None:
    shuffled = trades_of([0.2, -0.1, -0.1, 0.1])
    shuffled["closed_at"] = [3, 0, 2, 1]
    luck = resampled_trades(shuffled, 0.05, seed=1, resamples=10)
    assert luck is not None
    assert luck.actual_drawdown == pytest.approx(0.109)  # -10 %, +10 %, -10 %: 0.9 * 1.1 * 0.9
    assert luck.actual_streak == 1


def test_the_probability_of_the_limit_is_that_of_the_resamples() -> None:
    certain = resampled_trades(trades_of([-0.06]), 0.05, seed=1, resamples=100)
    never = resampled_trades(trades_of([0.01, -0.001]), 0.05, seed=1, resamples=100)
    half = resampled_trades(trades_of([0.06, -0.06]), 0.05, seed=1, resamples=4000)
    assert certain is not None
    assert never is not None
    assert half is not None
    assert (certain.meets_limit, never.meets_limit) == (1.0, 0.0)
    assert half.meets_limit == pytest.approx(0.75, abs=0.03)  # all but two winners
    assert resampled_trades(trades_of([]), 0.05, seed=1) is None


def test_the_same_seed_draws_the_same_and_ten_thousand_take_no_second() -> None:
    fractions = trades_of(np.random.default_rng(5).normal(0.0, 0.004, 600))
    first = resampled_trades(fractions, 0.05, seed=9)
    began = time.process_time()
    again = resampled_trades(fractions, 0.05, seed=9)
    assert time.process_time() - began < 0.9
    assert first is not None
    assert again is not None
    assert len(again.total_return) == 10_000
    assert (again.total_return == first.total_return).all()


@pytest.mark.parametrize(
    ("slope", "count", "seed", "wanted"),
    [  # arch 8.0.0: arch.bootstrap.optimal_block_length(values).stationary
        (0.0, 400, 1, 4.235812879430568),
        (0.5, 400, 2, 4.576150220428368),
        (0.9, 1000, 3, 34.04895077027973),
        (-0.6, 250, 4, 15.31641278466137),
        (0.3, 30, 5, 1.567553231380524),
    ],
)
def test_block_lengths_are_those_of_arch(
    slope: float, count: int, seed: int, wanted: float
) -> None:
    assert stationary_block_length(autoregressive(slope, count, seed)) == pytest.approx(wanted)


@pytest.mark.parametrize("values", [np.zeros(0), np.full(50, 0.01), np.array([0.1, -0.1])])
def test_where_nothing_tells_of_dependence_each_trade_is_drawn_alone(values: np.ndarray) -> None:
    assert stationary_block_length(values) == 1.0
