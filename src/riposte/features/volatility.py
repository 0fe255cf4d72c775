"""Volatility: how much the price moves, by several estimators, and how that itself changes."""

from __future__ import annotations

import math

import numpy as np
import talib

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    log_change,
    log_ratio,
    ratio,
    rolling_mean,
    rolling_mean_std,
    rolling_skew_kurtosis,
    rolling_std,
    rolling_sum,
    rolling_zscore,
    wilder_rows,
)
from riposte.market.frame import Floats

ATR_PERIOD = 14


@feature("volatility", lookback=lambda window: window + 1, at=("4h", "24h", "7d"), least_bars=4)
def volatility(close: Floats, window: int) -> Floats:
    """Standard deviation of one-bar returns.

    Formula: std(r), r = ln(close[t] / close[t-1])
    Unit: fraction per bar
    Look-back: window + 1 bars
    Source: standard close-to-close estimator
    """
    return rolling_std(log_change(close, 1), window)


@feature("volatility", lookback=lambda window: window, at=("4h",), least_bars=4)
def parkinson_volatility(high: Floats, low: Floats, window: int) -> Floats:
    """Volatility from the bars' ranges.

    Formula: sqrt(mean(ln(high / low)^2) / (4 * ln 2))
    Unit: fraction per bar
    Look-back: window bars
    Source: Parkinson (1980)
    """
    variance = rolling_mean(np.log(high / low) ** 2, window) / (4.0 * math.log(2.0))
    return np.sqrt(variance)


@feature("volatility", lookback=lambda window: window, at=("24h",), least_bars=4)
def garman_klass_volatility(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    window: int,
) -> Floats:
    """Volatility from open, high, low and close, without drift.

    Formula: sqrt(mean(0.5 * ln(high / low)^2 - (2 ln 2 - 1) * ln(close / open)^2))
    Unit: fraction per bar
    Look-back: window bars
    Source: Garman and Klass (1980)
    """
    spread = 0.5 * np.log(high / low) ** 2
    body = (2.0 * math.log(2.0) - 1.0) * np.log(close / open) ** 2
    return np.sqrt(np.maximum(rolling_mean(spread - body, window), 0.0))


@feature("volatility", lookback=lambda window: window, at=("24h",), least_bars=4)
def rogers_satchell_volatility(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    window: int,
) -> Floats:
    """Volatility from open, high, low and close, whatever the drift.

    Formula: sqrt(mean(ln(high/close) * ln(high/open) + ln(low/close) * ln(low/open)))
    Unit: fraction per bar
    Look-back: window bars
    Source: Rogers and Satchell (1991)
    """
    variance = rolling_mean(_rogers_satchell(open, high, low, close), window)
    return np.sqrt(np.maximum(variance, 0.0))


@feature("volatility", lookback=lambda window: window + 1, at=("7d",), least_bars=6)
def yang_zhang_volatility(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    window: int,
) -> Floats:
    """Volatility from open, high, low and close, whatever the drift and the opening jumps.

    Formula: sqrt(var(o) + k var(c) + (1-k) RS), o = ln(open/close[t-1]), k = 0.34/(1.34+(n+1)/(n-1))
    Unit: fraction per bar
    Look-back: window + 1 bars
    Source: Yang and Zhang (2000)
    """
    unbiased = window / (window - 1.0)
    k = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    overnight = rolling_std(np.log(open / lag(close, 1)), window) ** 2 * unbiased
    daytime = rolling_std(np.log(close / open), window) ** 2 * unbiased
    intraday = rolling_mean(_rogers_satchell(open, high, low, close), window)
    return np.sqrt(np.maximum(overnight + k * daytime + (1.0 - k) * intraday, 0.0))


@feature("volatility", lookback=lambda: wilder_rows(ATR_PERIOD))
def average_true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Average true range of 14 bars, per price.

    Formula: Wilder average (14) of max(high, close[t-1]) - min(low, close[t-1]), / close
    Unit: fraction
    Look-back: 14 bars plus those after which the start of the average weighs below 1e-14
    Source: Wilder (1978); TA-Lib NATR
    """
    return talib.NATR(high, low, close, ATR_PERIOD) / 100.0


@feature("volatility", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def range_expansion(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """The bar's true range against the average of the window; 0 in a flat window.

    Formula: ln(TR / mean(TR)), 0 where TR is 0
    Unit: fraction
    Look-back: window + 1 bars
    Source: Crabel (1990), range expansion and contraction
    """
    before = lag(close, 1)
    true_range = np.maximum(high, before) - np.minimum(low, before)
    return log_ratio(true_range, rolling_mean(true_range, window))


@feature(
    "volatility",
    lookback=lambda fast, slow: slow + 1,
    windows={"fast": "4h", "slow": "24h"},
    least_bars=4,
)
def volatility_term_4h_24h(close: Floats, fast: int, slow: int) -> Floats:
    """Volatility of four hours against that of a day; 0 where either is nil.

    Formula: ln(std(r, 4h) / std(r, 24h))
    Unit: fraction
    Look-back: 24 hours + 1 bar
    Source: Corsi (2009), heterogeneous horizons
    """
    returns = log_change(close, 1)
    return log_ratio(rolling_std(returns, fast), rolling_std(returns, slow))


@feature(
    "volatility",
    lookback=lambda fast, slow: slow + 1,
    windows={"fast": "24h", "slow": "7d"},
    least_bars=4,
)
def volatility_term_24h_7d(close: Floats, fast: int, slow: int) -> Floats:
    """Volatility of a day against that of a week; 0 where either is nil.

    Formula: ln(std(r, 24h) / std(r, 7d))
    Unit: fraction
    Look-back: 7 days + 1 bar
    Source: Corsi (2009), heterogeneous horizons
    """
    returns = log_change(close, 1)
    return log_ratio(rolling_std(returns, fast), rolling_std(returns, slow))


@feature(
    "volatility",
    lookback=lambda inner, outer: inner + outer,
    windows={"inner": "24h", "outer": "7d"},
    least_bars=4,
)
def volatility_of_volatility(close: Floats, inner: int, outer: int) -> Floats:
    """How much the day's volatility varied over a week, against its level; 0 if there was none.

    Formula: std(v, 7d) / mean(v, 7d), v = std(r, 24h)
    Unit: fraction
    Look-back: 8 days
    Source: Baltussen, van Bekkum and van der Grient (2018)
    """
    mean, std = rolling_mean_std(rolling_std(log_change(close, 1), inner), outer)
    return ratio(std, mean)


@feature(
    "volatility",
    lookback=lambda inner, outer: inner + outer,
    windows={"inner": "24h", "outer": "7d"},
    least_bars=4,
)
def volatility_zscore(close: Floats, inner: int, outer: int) -> Floats:
    """How unusual the day's volatility is within a week; 0 if it did not vary.

    Formula: (v - mean(v, 7d)) / std(v, 7d), v = std(r, 24h)
    Unit: standard deviations
    Look-back: 8 days
    Source: standard score of realised volatility
    """
    return rolling_zscore(rolling_std(log_change(close, 1), inner), outer)


@feature("volatility", lookback=lambda window: window + 1, at=("24h",), least_bars=6)
def downside_share(close: Floats, window: int) -> Floats:
    """Share of the squared returns that came from falls; 0.5 if nothing moved.

    Formula: sum(min(r, 0)^2) / sum(r^2)
    Unit: fraction in [0, 1]
    Look-back: window + 1 bars
    Source: Barndorff-Nielsen, Kinnebrock and Shephard (2010), realised semivariance
    """
    returns = log_change(close, 1)
    falls = rolling_sum(np.minimum(returns, 0.0) ** 2, window)
    return ratio(falls, rolling_sum(returns**2, window), empty=0.5)


@feature("volatility", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def jump_share(close: Floats, window: int) -> Floats:
    """Share of the squared returns that neighbouring bars do not explain: jumps; 0 if nothing moved.

    Formula: 1 - (pi / 2) * sum(abs(r[t]) * abs(r[t-1])) / sum(r^2), the product over window - 1 pairs
    Unit: fraction, at most 1
    Look-back: window + 1 bars
    Source: Barndorff-Nielsen and Shephard (2004), bipower variation
    """
    size = np.abs(log_change(close, 1))
    pairs = rolling_sum(size * lag(size, 1), window - 1) * window / (window - 1.0)
    return 1.0 - (np.pi / 2) * ratio(pairs, rolling_sum(size**2, window), empty=2 / np.pi)


@feature("volatility", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def return_skewness(close: Floats, window: int) -> Floats:
    """Skewness of one-bar returns; 0 if nothing moved.

    Formula: mean((r - mean(r))^3) / std(r)^3
    Unit: number
    Look-back: window + 1 bars
    Source: Amaya, Christoffersen, Jacobs and Vasquez (2015), realised skewness
    """
    return rolling_skew_kurtosis(log_change(close, 1), window)[0]


@feature("volatility", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def return_kurtosis(close: Floats, window: int) -> Floats:
    """Excess kurtosis of one-bar returns; 0 if nothing moved.

    Formula: mean((r - mean(r))^4) / std(r)^4 - 3
    Unit: number
    Look-back: window + 1 bars
    Source: Amaya, Christoffersen, Jacobs and Vasquez (2015), realised kurtosis
    """
    return rolling_skew_kurtosis(log_change(close, 1), window)[1]


def _rogers_satchell(opened: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    up = np.log(high / close) * np.log(high / opened)
    down = np.log(low / close) * np.log(low / opened)
    total: Floats = up + down
    return total
