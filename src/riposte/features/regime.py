"""Regime: whether the market trends, ranges, sleeps or breaks out."""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    log_change,
    log_ratio,
    ratio,
    rolling_correlation,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    rolling_sum,
)
from riposte.market.frame import Floats

CHOPPINESS_PERIOD = 14
SQUEEZE_PERIOD = 20


@feature("regime", lookback=lambda window: window + 2, at=("7d",), least_bars=12)
def autocorrelation(close: Floats, window: int) -> Floats:
    """Correlation of neighbouring returns: above 0 they continue, below 0 they revert; 0 if flat.

    Formula: correlation(r[t], r[t-1])
    Unit: fraction in [-1, 1]
    Look-back: window + 2 bars
    Source: Lo and MacKinlay (1988)
    """
    returns = log_change(close, 1)
    return rolling_correlation(returns, lag(returns, 1), window)


@feature("regime", lookback=lambda window: window + 4, at=("24h", "7d"), least_bars=12)
def variance_ratio(close: Floats, window: int) -> Floats:
    """Variance of four-bar returns against that of one-bar returns: 1 for a random walk or flat.

    Formula: var(ln(close[t] / close[t-4])) / (4 * var(r))
    Unit: number
    Look-back: window + 4 bars
    Source: Lo and MacKinlay (1988)
    """
    long_run = rolling_std(log_change(close, 4), window) ** 2
    return ratio(long_run, 4.0 * rolling_std(log_change(close, 1), window) ** 2, empty=1.0)


@feature("regime", lookback=lambda window: window + 16, at=("7d",), least_bars=64)
def hurst_exponent(close: Floats, window: int) -> Floats:
    """How the spread of returns grows with their length: 0.5 for a random walk, above it trends.

    Formula: ln(std(16-bar returns) / std(2-bar returns)) / ln 8; 0.5 if either is nil
    Unit: number
    Look-back: window + 16 bars
    Source: Hurst (1951), by the scaling of the standard deviation; Di Matteo (2007)
    """
    wide = rolling_std(log_change(close, 16), window)
    narrow = rolling_std(log_change(close, 2), window)
    exponent = log_ratio(wide, narrow) / np.log(8.0)
    return np.where((wide == 0) | (narrow == 0), 0.5, exponent)


@feature("regime", lookback=lambda: CHOPPINESS_PERIOD + 1)
def choppiness(high: Floats, low: Floats, close: Floats) -> Floats:
    """Path walked against the channel width over 14 bars: near 1 ranging, near 0 trending; 1 if flat.

    Formula: ln(sum(TR, 14) / (max(high, 14) - min(low, 14))) / ln 14
    Unit: fraction
    Look-back: 15 bars
    Source: Dreiss (1993), choppiness index
    """
    before = lag(close, 1)
    true_range = np.maximum(high, before) - np.minimum(low, before)
    path = rolling_sum(true_range, CHOPPINESS_PERIOD)
    width = rolling_max(high, CHOPPINESS_PERIOD) - rolling_min(low, CHOPPINESS_PERIOD)
    values = log_ratio(path, width) / np.log(float(CHOPPINESS_PERIOD))
    return np.where(width == 0, 1.0, values)


@feature("regime", lookback=lambda: SQUEEZE_PERIOD + 1)
def squeeze(high: Floats, low: Floats, close: Floats) -> Floats:
    """Bollinger bands against the Keltner channel: below 0 the market is compressed; 0 if flat.

    Formula: ln(2 * std(close, 20) / (1.5 * mean(TR, 20)))
    Unit: fraction
    Look-back: 21 bars
    Source: Carter (2005), Mastering the Trade
    """
    before = lag(close, 1)
    true_range = np.maximum(high, before) - np.minimum(low, before)
    bands = 2.0 * rolling_std(close, SQUEEZE_PERIOD)
    return log_ratio(bands, 1.5 * rolling_mean(true_range, SQUEEZE_PERIOD))


@feature(
    "regime",
    lookback=lambda fast, slow: fast + slow + 1,
    windows={"fast": "4h", "slow": "24h"},
    least_bars=4,
)
def reversal(close: Floats, fast: int, slow: int) -> Floats:
    """The last four hours against the day before them: positive where the move turns; 0 if flat.

    Formula: -R(4h) * R(24h before) / var, R = ln returns, var = mean(r^2, 24h) * sqrt(4h * 24h in bars)
    Unit: squared standard deviations
    Look-back: 28 hours + 1 bar
    Source: Lehmann (1990), short-term reversal
    """
    recent = log_change(close, fast)
    earlier = lag(log_change(close, slow), fast)
    variance = rolling_mean(log_change(close, 1) ** 2, slow)
    return ratio(-recent * earlier, variance * np.sqrt(float(fast * slow)))


@feature("regime", lookback=lambda window: window + 2, at=("7d",), least_bars=12)
def volatility_clustering(close: Floats, window: int) -> Floats:
    """Correlation of neighbouring absolute returns; 0 if flat.

    Formula: correlation(abs(r[t]), abs(r[t-1]))
    Unit: fraction in [-1, 1]
    Look-back: window + 2 bars
    Source: Ding, Granger and Engle (1993)
    """
    size = np.abs(log_change(close, 1))
    return rolling_correlation(size, lag(size, 1), window)
