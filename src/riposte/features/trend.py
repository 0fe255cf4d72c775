"""Trend: moving averages on several time frames, and the classic trend indicators.

A longer time frame is a longer rolling window that ends at this bar's close. There are no calendar
bars to be half finished, so none can look ahead.
"""

from __future__ import annotations

import numpy as np
import talib

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    Flags,
    exponential_rows,
    lag,
    log_change,
    ratio,
    rolling_correlation,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    wilder_rows,
)
from riposte.market.frame import Floats

MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
ADX_PERIOD = 14
AROON_PERIOD = 25
TRIX_PERIOD = 15

FLAT_BARS = 100


@feature("trend", lookback=lambda window: window, at=("1h", "4h", "24h", "7d", "30d"), least_bars=4)
def moving_average_distance(close: Floats, window: int) -> Floats:
    """Distance of the close from its moving average.

    Formula: ln(close / mean(close))
    Unit: fraction
    Look-back: window bars
    Source: Brock, Lakonishok and LeBaron (1992); Avramov, Kaplanski and Subrahmanyam (2021)
    """
    return np.log(close / rolling_mean(close, window))


@feature("trend", lookback=lambda window: 2 * window, at=("4h", "7d"), least_bars=4)
def moving_average_slope(close: Floats, window: int) -> Floats:
    """Change of the moving average over one window.

    Formula: ln(mean(close)[t] / mean(close)[t-window])
    Unit: fraction
    Look-back: 2 * window bars
    Source: Brock, Lakonishok and LeBaron (1992)
    """
    return log_change(rolling_mean(close, window), window)


@feature("trend", lookback=lambda fast, slow: slow, windows={"fast": "4h", "slow": "24h"})
def moving_average_cross_4h_24h(close: Floats, fast: int, slow: int) -> Floats:
    """Distance of a fast from a slow moving average.

    Formula: ln(mean(close, 4h) / mean(close, 24h))
    Unit: fraction
    Look-back: 24 hours
    Source: Brock, Lakonishok and LeBaron (1992); Baz et al. (2015)
    """
    return np.log(rolling_mean(close, fast) / rolling_mean(close, slow))


@feature("trend", lookback=lambda fast, slow: slow, windows={"fast": "24h", "slow": "7d"})
def moving_average_cross_24h_7d(close: Floats, fast: int, slow: int) -> Floats:
    """Distance of a day's moving average from a week's.

    Formula: ln(mean(close, 24h) / mean(close, 7d))
    Unit: fraction
    Look-back: 7 days
    Source: Brock, Lakonishok and LeBaron (1992); Baz et al. (2015)
    """
    return np.log(rolling_mean(close, fast) / rolling_mean(close, slow))


@feature(
    "trend",
    lookback=lambda short, middle, long: long,
    windows={"short": "4h", "middle": "24h", "long": "7d"},
)
def trend_agreement(close: Floats, short: int, middle: int, long: int) -> Floats:
    """Whether the trends of several time frames point the same way.

    Formula: mean over 4h, 24h, 7d of sign(close - mean(close))
    Unit: fraction in [-1, 1]
    Look-back: 7 days
    Source: Elder (1993), triple screen
    """
    signs = [np.sign(close - rolling_mean(close, window)) for window in (short, middle, long)]
    return (signs[0] + signs[1] + signs[2]) / 3.0


@feature("trend", lookback=lambda window: window, at=("24h", "7d"), least_bars=6)
def trend_straightness(close: Floats, window: int) -> Floats:
    """How straight the line of log prices is, with the sign of its slope; 0 in a flat window.

    Formula: correlation(ln(close), time)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Clenow (2015), Stocks on the Move (its square is the R-squared used there)
    """
    time = np.arange(len(close), dtype=np.float64)
    return rolling_correlation(time, np.log(close / close[0]), window)


@feature("trend", lookback=lambda: exponential_rows(MACD_SLOW))
def macd(close: Floats) -> Floats:
    """Moving average convergence/divergence, per price.

    Formula: (EMA(close, 12) - EMA(close, 26)) / close
    Unit: fraction
    Look-back: 26 bars plus those after which the start of the averages weighs below 1e-14
    Source: Appel (1979); TA-Lib MACD
    """
    line, _, _ = talib.MACD(close, MACD_FAST, MACD_SLOW, MACD_SIGNAL)
    return line / close


@feature("trend", lookback=lambda: exponential_rows(MACD_SLOW, stages=2))
def macd_histogram(close: Floats) -> Floats:
    """MACD less its signal line, per price.

    Formula: (MACD(12, 26) - EMA(MACD(12, 26), 9)) / close
    Unit: fraction
    Look-back: 52 bars plus those after which the start of the averages weighs below 1e-14
    Source: Appel (1979); TA-Lib MACD
    """
    _, _, histogram = talib.MACD(close, MACD_FAST, MACD_SLOW, MACD_SIGNAL)
    return histogram / close


@feature("trend", lookback=lambda: wilder_rows(ADX_PERIOD, stages=2) + ADX_PERIOD)
def adx(high: Floats, low: Floats, close: Floats) -> Floats:
    """Average directional index; bars after 100 without movement count as 0.

    Formula: Wilder average (14) of abs(+DI - -DI) / (+DI + -DI)
    Unit: fraction in [0, 1]
    Look-back: 42 bars plus those after which the start of the averages weighs below 1e-14
    Source: Wilder (1978); TA-Lib DX, averaged as its ADX does
    """
    index = talib.DX(high, low, close, ADX_PERIOD) / 100.0
    index = np.where(standing_still(high, low), 0.0, index)
    # Wilder's average of n bars is the exponential average of 2n - 1.
    return talib.EMA(index, 2 * ADX_PERIOD - 1)


@feature("trend", lookback=lambda: wilder_rows(ADX_PERIOD))
def directional_movement(high: Floats, low: Floats, close: Floats) -> Floats:
    """Directional indicator, up less down; 0 if the price has stood still for 100 bars.

    Formula: +DI(14) - -DI(14)
    Unit: fraction in [-1, 1]
    Look-back: 14 bars plus those after which the start of the averages weighs below 1e-14
    Source: Wilder (1978); TA-Lib PLUS_DI, MINUS_DI
    """
    up = talib.PLUS_DI(high, low, close, ADX_PERIOD)
    down = talib.MINUS_DI(high, low, close, ADX_PERIOD)
    return np.where(standing_still(high, low), 0.0, (up - down) / 100.0)


@feature("trend", lookback=lambda: AROON_PERIOD + 1)
def aroon(high: Floats, low: Floats) -> Floats:
    """Whether the highest or the lowest price of the last 25 bars is the more recent.

    Formula: (bars since the low - bars since the high) / 25
    Unit: fraction in [-1, 1]
    Look-back: 26 bars
    Source: Chande (1995); TA-Lib AROONOSC
    """
    return talib.AROONOSC(high, low, AROON_PERIOD) / 100.0


@feature("trend", lookback=lambda: exponential_rows(TRIX_PERIOD, stages=3) + 1)
def trix(close: Floats) -> Floats:
    """Change per bar of a triple exponential average.

    Formula: EMA3(close, 15)[t] / EMA3(close, 15)[t-1] - 1
    Unit: fraction
    Look-back: 46 bars plus those after which the start of the averages weighs below 1e-14
    Source: Hutson (1983); TA-Lib TRIX
    """
    return talib.TRIX(close, TRIX_PERIOD) / 100.0


@feature("trend", lookback=lambda: 26)
def conversion_base_distance(high: Floats, low: Floats, close: Floats) -> Floats:
    """Distance of the conversion line from the base line, per price.

    Formula: (midpoint of the 9-bar channel - midpoint of the 26-bar channel) / close
    Unit: fraction
    Look-back: 26 bars
    Source: Hosoda (1969), Ichimoku Kinko Hyo
    """
    conversion = (rolling_max(high, 9) + rolling_min(low, 9)) / 2
    base = (rolling_max(high, 26) + rolling_min(low, 26)) / 2
    return (conversion - base) / close


@feature("trend", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def breakout(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """How far the close lies outside the channel of the window before it; 0 inside or without risk.

    Formula: (max(close - high*, 0) - max(low* - close, 0)) / std(close), high*, low* up to t-1
    Unit: standard deviations
    Look-back: window + 1 bars
    Source: Donchian channel breakout; Faith (2003), Turtle rules
    """
    top = lag(rolling_max(high, window), 1)
    bottom = lag(rolling_min(low, window), 1)
    outside = np.maximum(close - top, 0.0) - np.maximum(bottom - close, 0.0)
    return ratio(outside, rolling_std(close, window))


def standing_still(high: Floats, low: Floats, bars: int = FLAT_BARS) -> Flags:
    """Whether no price has differed from another during the last ``bars`` bars.

    Then Wilder's averages are residues of moves that the look-back no longer holds, and their ratio
    would depend on history beyond it.
    """
    still: Flags = rolling_max(high, bars) == rolling_min(low, bars)
    return still
