"""Covariances and the weights made of them: the papers' properties, and other people's programs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skfolio.cluster import HierarchicalClustering, LinkageMethod
from skfolio.distance import PearsonDistance
from skfolio.optimization import (
    HierarchicalRiskParity,
    InverseVolatility,
    RiskBudgeting,
)
from skfolio.prior import EmpiricalPrior
from skfolio.seriation import HierarchicalSeriation
from sklearn.covariance import LedoitWolf

from riposte.layers.position.covariance import (
    Shrinkage,
    correlations,
    covariance,
    known_symbols,
    shared_returns,
)
from riposte.layers.position.hierarchical import hierarchical_risk_parity, leaf_order
from riposte.layers.position.portfolio import PortfolioConfig, Weighting, weights_of
from riposte.layers.position.risk_parity import equal_risk_contribution, inverse_volatility
from riposte.market.frame import Floats


def returns_of(seed: int, symbols: int, rows: int = 200) -> Floats:
    """Returns with one common and several group factors, of very different sizes."""
    chance = np.random.default_rng(seed)
    loads = chance.normal(0.6, 0.7, (2, symbols))
    common = chance.standard_t(5, (rows, 2)) @ loads
    scale = np.exp(chance.normal(-5.0, 1.5, symbols))
    return np.asarray((common + chance.standard_t(4, (rows, symbols))) * scale)


markets = st.builds(returns_of, st.integers(0, 10_000), st.integers(2, 10))


def risk_shares(weight: Floats, matrix: Floats) -> Floats:
    share = weight * (matrix @ weight)
    return np.asarray(share / share.sum())


# -- equal risk contribution ---------------------------------------------------------------------


@given(returns=markets, shrinkage=st.sampled_from(["none", "identity", "constant-correlation"]))
def test_under_risk_parity_every_symbol_carries_the_same_risk(
    returns: Floats, shrinkage: Shrinkage
) -> None:
    matrix = covariance(returns, shrinkage)
    weight = equal_risk_contribution(matrix)
    assert (weight > 0).all()
    assert weight.sum() == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(risk_shares(weight, matrix) * len(weight), 1.0, rtol=2e-10)


@given(seed=st.integers(0, 10_000), symbols=st.integers(1, 12), rows=st.integers(2, 12))
def test_risk_parity_exists_unless_some_long_only_combination_carries_no_risk(
    seed: int, symbols: int, rows: int
) -> None:
    """With fewer rows than symbols the covariance is singular; it is a hedge that makes the difference."""
    matrix = covariance(returns_of(seed, symbols, rows))
    weight = equal_risk_contribution(matrix)
    if np.isfinite(weight).all():
        np.testing.assert_allclose(risk_shares(weight, matrix) * symbols, 1.0, rtol=2e-10)
    else:
        scale = np.sqrt(np.diagonal(matrix))
        assert least_risk(matrix / np.outer(scale, scale)) < 1e-6


def least_risk(correlation: Floats) -> float:
    """The smallest volatility of exposures >= 0 that sum to 1 (projected gradient)."""
    from scipy.optimize import nnls

    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    stacked = np.vstack([root * 1e4, np.ones(len(correlation))])
    found, _ = nnls(stacked, np.append(np.zeros(len(correlation)), 1.0))
    return float(np.linalg.norm(root @ found) / found.sum())


def test_two_symbols_have_risk_parity_by_their_volatilities_however_they_correlate() -> None:
    for correlation in (-0.9999, -0.5, 0.0, 0.7, 0.999999, 1.0):
        matrix = np.array([[4.0, 2 * correlation], [2 * correlation, 1.0]])
        assert equal_risk_contribution(matrix) == pytest.approx([1 / 3, 2 / 3], abs=1e-9)
    assert np.isnan(equal_risk_contribution(np.array([[1.0, -1.0], [-1.0, 1.0]]))).all()


def test_where_all_pairs_correlate_alike_risk_parity_is_inverse_volatility() -> None:
    """Maillard, Roncalli and Teiletche (2010), section 2.4."""
    scale = np.array([0.2, 0.5, 1.0, 3.0])
    matrix = (0.4 + 0.6 * np.eye(4)) * np.outer(scale, scale)
    assert equal_risk_contribution(matrix) == pytest.approx(inverse_volatility(matrix), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_risk_parity_agrees_with_skfolio_as_far_as_its_solver_goes(seed: int) -> None:
    """Clarabel stops by default where weights are right to 2e-4, and gives up before 1e-7."""
    returns = returns_of(seed, 6)
    exact = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    theirs = RiskBudgeting(solver_params=exact).fit(returns * 100).weights_
    ours = equal_risk_contribution(covariance(returns))
    np.testing.assert_allclose(ours, theirs, rtol=2e-5)
    matrix = np.cov(returns.T)
    assert np.ptp(risk_shares(ours, matrix)) < np.ptp(risk_shares(theirs, matrix))


# -- all weightings ------------------------------------------------------------------------------


@given(returns=markets, scale=st.floats(0.01, 100.0), method=st.sampled_from(["inverse", "parity"]))
def test_a_symbol_that_moves_k_times_as_much_gets_a_kth_of_its_weight(
    returns: Floats, scale: float, method: str
) -> None:
    weigh = inverse_volatility if method == "inverse" else equal_risk_contribution
    moved = returns.copy()
    moved[:, 0] *= scale
    before, after = weigh(covariance(returns)), weigh(covariance(moved))
    assert after[0] / after[1] == pytest.approx(before[0] / before[1] / scale, rel=1e-8)
    assert after[1:] / after[1] == pytest.approx(before[1:] / before[1], rel=1e-8)


@given(returns=markets, seed=st.integers(0, 1000))
def test_renumbering_the_symbols_renumbers_the_weights(returns: Floats, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(returns.shape[1])
    for weigh in (inverse_volatility, equal_risk_contribution):
        there = weigh(covariance(returns))
        assert weigh(covariance(returns[:, order])) == pytest.approx(there[order], rel=1e-8)


@given(returns=markets, which=st.integers(0, 100))
def test_a_symbol_that_comes_twice_is_weighted_alike_both_times(
    returns: Floats, which: int
) -> None:
    column = which % returns.shape[1]
    matrix = covariance(np.column_stack([returns, returns[:, column]]))
    for weigh in (inverse_volatility, equal_risk_contribution):
        weight = weigh(matrix)
        assert weight[-1] == pytest.approx(weight[column], rel=1e-8)


# -- hierarchical risk parity --------------------------------------------------------------------


@pytest.mark.parametrize("symbols", [2, 3, 5, 8, 13])
def test_hierarchical_risk_parity_agrees_with_skfolio(symbols: int) -> None:
    returns = returns_of(symbols, symbols)
    theirs = HierarchicalRiskParity(
        prior_estimator=EmpiricalPrior(),
        distance_estimator=PearsonDistance(),
        seriation_estimator=HierarchicalSeriation(
            hierarchical_clustering_estimator=HierarchicalClustering(
                linkage_method=LinkageMethod.SINGLE
            ),
            optimal_ordering=False,  # as in the paper
        ),
    ).fit(returns)
    ours = hierarchical_risk_parity(covariance(returns))
    np.testing.assert_allclose(ours, theirs.weights_, rtol=1e-10)


def test_inverse_volatility_agrees_with_skfolio() -> None:
    returns = returns_of(3, 7)
    theirs = InverseVolatility().fit(returns).weights_
    np.testing.assert_allclose(inverse_volatility(covariance(returns)), theirs, rtol=1e-12)


def test_the_tree_s_leaves_put_together_what_moves_alike() -> None:
    chance = np.random.default_rng(1)
    first, second = chance.normal(size=(2, 500, 1))
    noise = chance.normal(size=(500, 6)) * 0.3
    mixed = np.where([True, False, True, False, False, True], first, second) + noise
    groups = [
        {0, 2, 5},
        {1, 3, 4},
    ]
    order = leaf_order(covariance(mixed))
    assert set(order[:3].tolist()) in groups
    assert set(order[3:].tolist()) in groups


def test_hierarchical_risk_parity_halves_by_inverse_variance_first_between_groups() -> None:
    """Worked by hand: pairs of twins with variances 1 and 4 and no correlation between the pairs."""
    matrix = np.array([[1.0, 0, 1, 0], [0, 4, 0, 4], [1, 0, 1, 0], [0, 4, 0, 4]])
    assert hierarchical_risk_parity(matrix) == pytest.approx([0.4, 0.1, 0.4, 0.1], abs=1e-15)
    assert hierarchical_risk_parity(np.array([[3.0]])) == pytest.approx([1.0])


# -- covariance and its shrinkage ----------------------------------------------------------------


@given(returns=markets)
def test_the_sample_covariance_is_numpy_s(returns: Floats) -> None:
    np.testing.assert_allclose(covariance(returns), np.cov(returns.T, ddof=0), rtol=1e-10, atol=0)


@given(returns=st.builds(returns_of, st.integers(0, 999), st.integers(2, 9), st.integers(5, 80)))
def test_shrinking_to_the_identity_is_scikit_learn_s(returns: Floats) -> None:
    theirs = LedoitWolf().fit(returns).covariance_
    atol = 1e-12 * float(theirs.max())
    np.testing.assert_allclose(covariance(returns, "identity"), theirs, rtol=1e-9, atol=atol)


@pytest.mark.parametrize(("seed", "symbols", "rows"), [(4, 4, 60), (2, 6, 40), (3, 10, 400)])
def test_shrinking_to_the_constant_correlation_is_the_paper_s_sum_by_sum(
    seed: int, symbols: int, rows: int
) -> None:
    """Ledoit and Wolf (2004), appendix B, written out term by term."""
    x = returns_of(seed, symbols, rows)
    y = x - x.mean(axis=0)
    s = np.array([[np.mean(y[:, i] * y[:, j]) for j in range(symbols)] for i in range(symbols)])
    pairs = [(i, j) for i in range(symbols) for j in range(symbols) if i != j]
    r = np.mean([s[i, j] / np.sqrt(s[i, i] * s[j, j]) for i, j in pairs])
    f = np.diag(np.diagonal(s)).copy()
    for i, j in pairs:
        f[i, j] = r * np.sqrt(s[i, i] * s[j, j])

    def pi(i: int, j: int) -> float:
        return float(np.mean((y[:, i] * y[:, j] - s[i, j]) ** 2))

    def theta(k: int, i: int, j: int) -> float:
        return float(np.mean((y[:, k] ** 2 - s[k, k]) * (y[:, i] * y[:, j] - s[i, j])))

    total = sum(pi(i, j) for i, j in [*pairs, *((i, i) for i in range(symbols))])
    rho = sum(pi(i, i) for i in range(symbols)) + sum(
        r
        / 2
        * (
            np.sqrt(s[j, j] / s[i, i]) * theta(i, i, j)
            + np.sqrt(s[i, i] / s[j, j]) * theta(j, i, j)
        )
        for i, j in pairs
    )
    d = max(0.0, min((total - rho) / ((f - s) ** 2).sum() / rows, 1.0))
    assert 0.0 < d < 1.0, "a case that tells the formula from either end"
    np.testing.assert_allclose(covariance(x, "constant-correlation"), d * f + (1 - d) * s)


@pytest.mark.parametrize("shrinkage", ["identity", "constant-correlation"])
def test_shrinkage_comes_closer_to_the_truth_than_the_sample_where_there_is_little_of_it(
    shrinkage: Shrinkage,
) -> None:
    chance = np.random.default_rng(5)
    truth = 0.2 + 0.8 * np.eye(8)
    root = np.linalg.cholesky(truth)

    def errors(rows: int) -> tuple[float, float]:
        draws = [chance.normal(size=(rows, 8)) @ root.T for _ in range(200)]
        return tuple(
            float(np.mean([((covariance(x, how) - truth) ** 2).sum() for x in draws]))
            for how in (shrinkage, "none")
        )

    shrunk, sample = errors(20)
    assert shrunk < 0.9 * sample
    shrunk, sample = errors(2000)
    assert shrunk < 1.01 * sample


# -- what is known -------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), symbols=st.integers(2, 6), gone=st.floats(0.0, 0.7))
def test_correlations_are_pandas_over_the_returns_that_a_pair_shares(
    seed: int, symbols: int, gone: float
) -> None:
    returns = returns_of(seed, symbols, 80)
    returns[np.random.default_rng(seed).random(returns.shape) < gone] = np.nan
    theirs = pd.DataFrame(returns).corr(min_periods=40).to_numpy(copy=True)
    np.fill_diagonal(theirs, 1.0)
    np.testing.assert_allclose(correlations(returns), theirs, atol=1e-12, rtol=0)


def test_complete_correlations_are_numpy_s_and_never_beyond_one() -> None:
    returns = returns_of(4, 9)
    np.testing.assert_allclose(correlations(returns), np.corrcoef(returns.T), atol=1e-13)
    twins = np.column_stack([returns[:, 0], returns[:, 0] * 3.7, returns[:, 0] * -0.1])
    found = correlations(twins)
    assert np.abs(found).max() == 1.0
    assert found[0, 2] == pytest.approx(-1.0)


def test_half_a_window_is_enough_and_less_is_not() -> None:
    returns = returns_of(1, 3, 100)
    returns[:50, 1] = np.nan
    returns[:51, 2] = np.nan
    assert known_symbols(returns).tolist() == [True, True, False]
    found = correlations(returns)
    assert np.isfinite(found[0, 1])
    assert np.isnan(found[[0, 1], 2]).all()


def test_a_price_that_stands_still_has_no_correlation_and_no_weight() -> None:
    returns = returns_of(1, 3, 100)
    returns[:, 1] = 0.1  # the same growth each hour is no risk either, but for rounding
    assert known_symbols(returns).tolist() == [True, False, True]
    assert np.isnan(correlations(returns)[0, 1])
    assert weights_of(returns, PortfolioConfig())[1] == 0.0


def test_symbols_with_the_shortest_history_give_way_where_too_little_is_shared() -> None:
    returns = returns_of(2, 3, 100)
    returns[:40, 1] = np.nan  # 60 known
    returns[55:, 2] = np.nan  # 55 known, and only 15 of them with symbol 1
    chosen, rows = shared_returns(returns)
    assert chosen.tolist() == [0, 1]
    assert rows.shape == (60, 2)
    weight = weights_of(returns, PortfolioConfig())
    assert weight[2] == 0.0
    assert weight.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("weighting", ["equal", "inverse-volatility", "risk-parity", "hrp"])
def test_where_nothing_is_known_all_weights_are_zero_and_one_known_symbol_has_all(
    weighting: Weighting,
) -> None:
    returns = np.full((60, 3), np.nan)
    config = PortfolioConfig(weighting)
    assert weights_of(returns, config).tolist() == [0.0, 0.0, 0.0]
    returns[:, 2] = returns_of(0, 2, 60)[:, 0]
    assert weights_of(returns, config) == pytest.approx([0.0, 0.0, 1.0])


def test_a_perfect_hedge_has_no_risk_parity_and_opens_nothing() -> None:
    one = returns_of(0, 2, 60)[:, :1]
    hedge = np.hstack([one, -one])
    assert weights_of(hedge, PortfolioConfig("risk-parity")).tolist() == [0.0, 0.0]
    assert weights_of(hedge, PortfolioConfig("inverse-volatility")) == pytest.approx([0.5, 0.5])
