"""The classic indicators equal those of other libraries, once their start has been forgotten."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import talib

from riposte.features.catalogue import catalogue
from riposte.features.matrix import feature_values
from riposte.market.frame import Floats, MarketFrame

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # an old library, tested against as it is
    import pandas as pd
    import ta

Oracle = Callable[[pd.DataFrame], pd.Series]

TALIB: dict[str, Callable[[MarketFrame], Floats]] = {
    "rsi": lambda f: talib.RSI(f["close"], 14) / 100,
    "adx": lambda f: talib.ADX(f["high"], f["low"], f["close"], 14) / 100,
    "aroon": lambda f: talib.AROONOSC(f["high"], f["low"], 25) / 100,
    "williams_r": lambda f: talib.WILLR(f["high"], f["low"], f["close"], 14) / 100,
    "stochastic_k": lambda f: talib.STOCH(f["high"], f["low"], f["close"], 14, 3, 0, 3, 0)[0] / 100,
    "money_flow_index": lambda f: talib.MFI(f["high"], f["low"], f["close"], f["volume"], 14) / 100,
    "ultimate_oscillator": lambda f: talib.ULTOSC(f["high"], f["low"], f["close"]) / 100,
    "price_zscore_7d": lambda f: (
        (f["close"] - talib.SMA(f["close"], 168)) / talib.STDDEV(f["close"], 168)
    ),
    "trend_straightness_7d": lambda f: talib.CORREL(
        np.arange(len(f), dtype=np.float64), np.log(f["close"]), 168
    ),
}

TA: dict[str, Oracle] = {
    "rsi": lambda d: ta.momentum.rsi(d.close, 14) / 100,
    "stochastic_rsi": lambda d: ta.momentum.stochrsi(d.close, 14),
    "stochastic_k": lambda d: ta.momentum.stoch_signal(d.high, d.low, d.close, 14, 3) / 100,
    "williams_r": lambda d: ta.momentum.williams_r(d.high, d.low, d.close, 14) / 100,
    "ultimate_oscillator": lambda d: ta.momentum.ultimate_oscillator(d.high, d.low, d.close) / 100,
    "cci": lambda d: ta.trend.cci(d.high, d.low, d.close, 20) / 100,
    "macd": lambda d: ta.trend.macd(d.close) / d.close,
    "macd_histogram": lambda d: ta.trend.macd_diff(d.close) / d.close,
    "trix": lambda d: ta.trend.trix(d.close, 15) / 100,
    "bollinger_position": lambda d: ta.volatility.bollinger_pband(d.close),
    "bollinger_width": lambda d: ta.volatility.bollinger_wband(d.close) / 100,
    "average_true_range": lambda d: (
        ta.volatility.average_true_range(d.high, d.low, d.close, 14) / d.close
    ),
    "money_flow_index": lambda d: (
        ta.volume.money_flow_index(d.high, d.low, d.close, d.volume, 14) / 100
    ),
    "chaikin_money_flow": lambda d: ta.volume.chaikin_money_flow(d.high, d.low, d.close, d.volume),
    "awesome_oscillator": lambda d: (
        ta.momentum.awesome_oscillator(d.high, d.low) / ((d.high + d.low) / 2).rolling(34).mean()
    ),
    "channel_position_24h": lambda d: ta.volatility.donchian_channel_pband(
        d.high, d.low, d.close, 24
    ),
}


@pytest.fixture(scope="module")
def year(bitcoin: MarketFrame) -> MarketFrame:
    """A year of BTCUSDT 1h, every bar with volume and range."""
    return bitcoin.rows(26_000, 34_760)


@pytest.fixture(scope="module")
def table(year: MarketFrame) -> Iterator[pd.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pd.DataFrame({n: year[n] for n in ("open", "high", "low", "close", "volume")})


def compare(name: str, year: MarketFrame, expected: Floats, tolerance: float) -> None:
    ours = feature_values(catalogue()[name], year)
    both = np.isfinite(ours) & np.isfinite(expected)
    both[:1_000] = False  # the libraries start their averages differently
    assert both.sum() > 7_000
    np.testing.assert_allclose(ours[both], expected[both], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", TALIB)
def test_it_equals_ta_lib(name: str, year: MarketFrame) -> None:
    compare(name, year, TALIB[name](year), 1e-6 if name == "trend_straightness_7d" else 1e-8)


@pytest.mark.parametrize("name", TA)
def test_it_equals_the_ta_package(name: str, year: MarketFrame, table: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(TA[name](table), dtype=np.float64)
    compare(name, year, expected, 1e-9)


def test_volatility_estimators_agree_on_a_random_walk() -> None:
    from riposte.features import volatility as v

    chance = np.random.default_rng(11)
    steps = 0.001 * chance.standard_normal((4_000, 400))
    path = 100 * np.exp(np.cumsum(steps.ravel())).reshape(steps.shape)
    opened = np.append(100.0, path[:-1, -1])
    high, low = np.maximum(path.max(1), opened), np.minimum(path.min(1), opened)
    close, window = path[:, -1], 3_999
    true = 0.001 * np.sqrt(400)
    estimates = {
        "close to close": v.volatility(close, window),
        "Parkinson": v.parkinson_volatility(high, low, window),
        "Garman-Klass": v.garman_klass_volatility(opened, high, low, close, window),
        "Rogers-Satchell": v.rogers_satchell_volatility(opened, high, low, close, window),
        "Yang-Zhang": v.yang_zhang_volatility(opened, high, low, close, window),
    }
    for name, estimate in estimates.items():
        # 400 steps a bar miss some of the range, so the range estimators read a little low.
        assert estimate[-1] == pytest.approx(true, rel=0.06), name


def test_the_four_quadrants_are_told_apart(complete: MarketFrame) -> None:
    quadrants = [
        feature_values(catalogue()[f"{name}_24h"], complete)
        for name in ("new_longs", "new_shorts", "short_covering", "long_unwinding")
    ]
    ready = np.isfinite(quadrants[0])
    strengths = np.array([quadrant[ready] for quadrant in quadrants])
    assert (strengths >= 0).all()
    assert ((strengths > 0).sum(axis=0) <= 1).all()
    assert (strengths > 0).any(axis=1).all()
    price = feature_values(catalogue()["log_return_24h"], complete)[ready]
    interest = feature_values(catalogue()["open_interest_change_24h"], complete)[ready]
    signs = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    for strength, (up, more) in zip(strengths, signs, strict=True):
        there = strength > 0
        assert (np.sign(price[there]) == up).all()
        assert (np.sign(interest[there]) == more).all()


def test_funding_paid_is_the_sum_of_the_settlements(complete: MarketFrame) -> None:
    paid = feature_values(catalogue()["funding_paid_24h"], complete)
    assert paid[500] == pytest.approx(complete["funding_charge"][477:501].sum(), abs=1e-15)


def test_the_random_walk_is_the_zero_of_the_regime_features() -> None:
    from riposte.features import regime

    close = 100 * np.exp(np.cumsum(0.01 * np.random.default_rng(5).standard_normal(20_000)))
    assert regime.variance_ratio(close, 15_000)[-1] == pytest.approx(1.0, abs=0.05)
    assert regime.hurst_exponent(close, 15_000)[-1] == pytest.approx(0.5, abs=0.05)
    assert regime.autocorrelation(close, 15_000)[-1] == pytest.approx(0.0, abs=0.03)
