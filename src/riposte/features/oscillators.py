"""Oscillators: the classic indicators of a stretched price, each brought to a range around 0 or 0..1."""

from __future__ import annotations

import numpy as np
import talib

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    position_in_range,
    ratio,
    rolling_max,
    rolling_mean,
    rolling_mean_std,
    rolling_min,
    rolling_sum,
    rolling_zscore,
    wilder_rows,
)
from riposte.features.trend import standing_still
from riposte.market.frame import Floats

RSI_PERIOD, RSI_FAST_PERIOD = 14, 6
STOCHASTIC_PERIOD, STOCHASTIC_SMOOTHING = 14, 3
BOLLINGER_PERIOD, BOLLINGER_WIDTH = 20, 2.0
CCI_PERIOD = 20


@feature("oscillators", lookback=lambda: wilder_rows(RSI_PERIOD))
def rsi(close: Floats) -> Floats:
    """Relative strength index of 14 bars; 0.5 if the price has stood still for 100 bars.

    Formula: U / (U + D), Wilder averages (14) of the upward and downward moves
    Unit: fraction in [0, 1]
    Look-back: 14 bars plus those after which the start of the averages weighs below 1e-14
    Source: Wilder (1978); TA-Lib RSI
    """
    return np.where(standing_still(close, close), 0.5, talib.RSI(close, RSI_PERIOD) / 100.0)


@feature("oscillators", lookback=lambda: wilder_rows(RSI_FAST_PERIOD))
def rsi_fast(close: Floats) -> Floats:
    """Relative strength index of 6 bars; 0.5 if the price has stood still for 40 bars.

    Formula: U / (U + D), Wilder averages (6) of the upward and downward moves
    Unit: fraction in [0, 1]
    Look-back: 6 bars plus those after which the start of the averages weighs below 1e-14
    Source: Wilder (1978); TA-Lib RSI
    """
    still = standing_still(close, close, bars=40)
    return np.where(still, 0.5, talib.RSI(close, RSI_FAST_PERIOD) / 100.0)


@feature("oscillators", lookback=lambda: wilder_rows(RSI_PERIOD) + RSI_PERIOD - 1)
def stochastic_rsi(close: Floats) -> Floats:
    """Where the RSI lies in its range of the last 14 bars; 0.5 if that range is below 1e-6.

    Formula: (RSI - min(RSI, 14)) / (max(RSI, 14) - min(RSI, 14))
    Unit: fraction in [0, 1]
    Look-back: that of the RSI plus 13 bars
    Source: Chande and Kroll (1994)
    """
    strength = rsi(close)
    low, high = rolling_min(strength, RSI_PERIOD), rolling_max(strength, RSI_PERIOD)
    return np.where(high - low < 1e-6, 0.5, position_in_range(strength, low, high))


@feature("oscillators", lookback=lambda: STOCHASTIC_PERIOD + STOCHASTIC_SMOOTHING - 1)
def stochastic_k(high: Floats, low: Floats, close: Floats) -> Floats:
    """Slow stochastic %K: the close in its 14-bar channel, smoothed over 3 bars.

    Formula: mean((close - min(low, 14)) / (max(high, 14) - min(low, 14)), 3); 0.5 without width
    Unit: fraction in [0, 1]
    Look-back: 16 bars
    Source: Lane (1984)
    """
    return rolling_mean(_fast_k(high, low, close), STOCHASTIC_SMOOTHING)


@feature("oscillators", lookback=lambda: STOCHASTIC_PERIOD + 2 * STOCHASTIC_SMOOTHING - 2)
def stochastic_k_less_d(high: Floats, low: Floats, close: Floats) -> Floats:
    """Slow stochastic %K less its signal line %D.

    Formula: %K - mean(%K, 3)
    Unit: fraction
    Look-back: 18 bars
    Source: Lane (1984)
    """
    slow = rolling_mean(_fast_k(high, low, close), STOCHASTIC_SMOOTHING)
    return slow - rolling_mean(slow, STOCHASTIC_SMOOTHING)


@feature("oscillators", lookback=lambda: STOCHASTIC_PERIOD)
def williams_r(high: Floats, low: Floats, close: Floats) -> Floats:
    """Williams %R of 14 bars; -0.5 if the channel has no width.

    Formula: (close - max(high, 14)) / (max(high, 14) - min(low, 14))
    Unit: fraction in [-1, 0]
    Look-back: 14 bars
    Source: Williams (1973)
    """
    return _fast_k(high, low, close) - 1.0


@feature("oscillators", lookback=lambda: CCI_PERIOD)
def cci(high: Floats, low: Floats, close: Floats) -> Floats:
    """Commodity channel index of 20 bars, divided by 100.

    Formula: (p - mean(p, 20)) / (1.5 * mean absolute deviation(p, 20)), p = (high + low + close) / 3
    Unit: 100 index points
    Look-back: 20 bars
    Source: Lambert (1980); TA-Lib CCI
    """
    return talib.CCI(high, low, close, CCI_PERIOD) / 100.0


@feature("oscillators", lookback=lambda: 29)
def ultimate_oscillator(high: Floats, low: Floats, close: Floats) -> Floats:
    """Buying pressure over 7, 14 and 28 bars in one number.

    Formula: (4 * B(7) + 2 * B(14) + B(28)) / 7, B = sum(close - true low) / sum(true range); 0.5 flat
    Unit: fraction in [0, 1]
    Look-back: 29 bars
    Source: Williams (1985)
    """
    before = lag(close, 1)
    true_low = np.minimum(low, before)
    pressure = close - true_low
    true_range = np.maximum(high, before) - true_low
    shares = [
        ratio(rolling_sum(pressure, bars), rolling_sum(true_range, bars), empty=0.5)
        for bars in (7, 14, 28)
    ]
    return (4.0 * shares[0] + 2.0 * shares[1] + shares[2]) / 7.0


@feature("oscillators", lookback=lambda: 34)
def awesome_oscillator(high: Floats, low: Floats) -> Floats:
    """Difference of a 5-bar and a 34-bar average of the bars' midpoints, per price.

    Formula: mean(m, 5) / mean(m, 34) - 1, m = (high + low) / 2
    Unit: fraction
    Look-back: 34 bars
    Source: Williams (1998), here divided by the slow average
    """
    middle = (high + low) / 2
    return rolling_mean(middle, 5) / rolling_mean(middle, 34) - 1.0


@feature("oscillators", lookback=lambda: BOLLINGER_PERIOD)
def bollinger_position(close: Floats) -> Floats:
    """Where the close lies between the Bollinger bands (%b); 0.5 in a flat window.

    Formula: (close - lower) / (upper - lower), bands = mean(close, 20) -/+ 2 * std(close, 20)
    Unit: fraction, 0 at the lower and 1 at the upper band
    Look-back: 20 bars
    Source: Bollinger (2001)
    """
    return 0.5 + rolling_zscore(close, BOLLINGER_PERIOD) / (2.0 * BOLLINGER_WIDTH)


@feature("oscillators", lookback=lambda: BOLLINGER_PERIOD)
def bollinger_width(close: Floats) -> Floats:
    """Width of the Bollinger bands per price.

    Formula: 4 * std(close, 20) / mean(close, 20)
    Unit: fraction
    Look-back: 20 bars
    Source: Bollinger (2001)
    """
    mean, std = rolling_mean_std(close, BOLLINGER_PERIOD)
    return 2.0 * BOLLINGER_WIDTH * std / mean


@feature("oscillators", lookback=lambda window: window, at=("7d",), least_bars=6)
def price_zscore(close: Floats, window: int) -> Floats:
    """How unusual the price is within the window; 0 in a flat window.

    Formula: (close - mean(close)) / std(close)
    Unit: standard deviations
    Look-back: window bars
    Source: Poterba and Summers (1988), mean reversion
    """
    return rolling_zscore(close, window)


def _fast_k(high: Floats, low: Floats, close: Floats) -> Floats:
    return position_in_range(
        close, rolling_min(low, STOCHASTIC_PERIOD), rolling_max(high, STOCHASTIC_PERIOD)
    )
