"""Volume: how much is traded against what is usual, at which prices, and on which side of the move.

A window in which nothing was traded has no average price and no side; each feature says what it then is.
"""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    log_change,
    log_ratio,
    ratio,
    rolling_correlation,
    rolling_mean,
    rolling_sum,
    rolling_weighted_mean,
    rolling_zscore,
    share_below,
)
from riposte.market.frame import Floats

CHAIKIN_PERIOD = 20
MONEY_FLOW_PERIOD = 14
PROFILE_PIECES = 24


@feature("volume", lookback=lambda window: window, at=("24h", "7d"), least_bars=6)
def volume_zscore(volume: Floats, window: int) -> Floats:
    """How unusual the bar's volume is; 0 if it did not vary.

    Formula: (volume - mean(volume)) / std(volume)
    Unit: standard deviations
    Look-back: window bars
    Source: Gervais, Kaniel and Mingelgrin (2001), the high-volume premium
    """
    return rolling_zscore(volume, window)


@feature("volume", lookback=lambda fast, slow: slow, windows={"fast": "4h", "slow": "24h"})
def volume_term_4h_24h(volume: Floats, fast: int, slow: int) -> Floats:
    """Volume of four hours against that of a day; 0 where either is nil.

    Formula: ln(mean(volume, 4h) / mean(volume, 24h))
    Unit: fraction
    Look-back: 24 hours
    Source: volume oscillator, Achelis (1995)
    """
    return log_ratio(rolling_mean(volume, fast), rolling_mean(volume, slow))


@feature("volume", lookback=lambda fast, slow: slow, windows={"fast": "24h", "slow": "7d"})
def volume_term_24h_7d(volume: Floats, fast: int, slow: int) -> Floats:
    """Volume of a day against that of a week; 0 where either is nil.

    Formula: ln(mean(volume, 24h) / mean(volume, 7d))
    Unit: fraction
    Look-back: 7 days
    Source: volume oscillator, Achelis (1995)
    """
    return log_ratio(rolling_mean(volume, fast), rolling_mean(volume, slow))


@feature("volume", lookback=lambda window: 3 * window, at=("1h", "4h"))
def volume_acceleration(volume: Floats, window: int) -> Floats:
    """Change of the growth of volume from window to window; 0 where one of them has none.

    Formula: ln(V[t] / V[t-w]) - ln(V[t-w] / V[t-2w]), V = sum(volume, w)
    Unit: fraction
    Look-back: 3 * window bars
    Source: second difference of log volume
    """
    total = rolling_sum(volume, window)
    growth = log_ratio(total, lag(total, window))
    return growth - lag(growth, window)


@feature("volume", lookback=lambda window: window, at=("24h",), least_bars=4)
def vwap_distance(high: Floats, low: Floats, close: Floats, volume: Floats, window: int) -> Floats:
    """Distance of the close from the volume-weighted average price; 0 if nothing was traded.

    Formula: ln(close / (sum(p * volume) / sum(volume))), p = (high + low + close) / 3
    Unit: fraction
    Look-back: window bars
    Source: Berkowitz, Logue and Noser (1988)
    """
    mean = rolling_weighted_mean((high + low + close) / 3, volume, window)
    return _neutral(np.log(close / mean), window)


@feature("volume", lookback=lambda window: window, at=("24h",), least_bars=6)
def volume_profile_position(
    high: Floats, low: Floats, close: Floats, volume: Floats, window: int
) -> Floats:
    """Share of the window's volume that was traded below the close; 0.5 if nothing was traded.

    The window is cut into at most 24 pieces, each with its volume V and its average price P.

    Formula: sum(V * (P < close[t])) / sum(V), P = sum(p * volume) / V, p = (high + low + close) / 3
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Steidlmayer (1984), market profile
    """
    piece = max(1, window // PROFILE_PIECES)
    traded = rolling_sum(volume, piece)
    price = rolling_weighted_mean((high + low + close) / 3, volume, piece)
    position = share_below(price, close, traded, window // piece, piece)
    return np.where(np.isnan(rolling_sum(volume, window)), np.nan, position)


@feature("volume", lookback=lambda window: window + 1, at=("4h", "24h"), least_bars=4)
def on_balance_volume(close: Floats, volume: Floats, window: int) -> Floats:
    """Volume of rising less that of falling bars, as a share of all; 0 if nothing was traded.

    Formula: sum(sign(close[t] - close[t-1]) * volume) / sum(volume)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Granville (1963), on-balance volume as a bounded change
    """
    signed = np.sign(log_change(close, 1)) * volume
    return ratio(rolling_sum(signed, window), rolling_sum(volume, window))


@feature("volume", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def force(close: Floats, volume: Floats, window: int) -> Floats:
    """Volume-weighted return per bar in units of volatility; 0 if nothing moved or was traded.

    Formula: (sum(r * volume) / sum(volume)) / sqrt(mean(r^2))
    Unit: standard deviations
    Look-back: window + 1 bars
    Source: Elder (1993), force index, normalised
    """
    returns = log_change(close, 1)
    weighted = ratio(rolling_sum(returns * volume, window), rolling_sum(volume, window))
    return ratio(weighted, np.sqrt(rolling_mean(returns**2, window)))


@feature("volume", lookback=lambda: CHAIKIN_PERIOD)
def chaikin_money_flow(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Volume weighted by where each bar closed in its range; 0 if nothing was traded.

    Formula: sum(volume * ((close - low) - (high - close)) / (high - low), 20) / sum(volume, 20)
    Unit: fraction in [-1, 1]
    Look-back: 20 bars
    Source: Chaikin
    """
    location = ratio((close - low) - (high - close), high - low)
    flow = rolling_sum(location * volume, CHAIKIN_PERIOD)
    return ratio(flow, rolling_sum(volume, CHAIKIN_PERIOD))


@feature("volume", lookback=lambda: MONEY_FLOW_PERIOD + 1)
def money_flow_index(high: Floats, low: Floats, close: Floats, volume: Floats) -> Floats:
    """Share of money traded in bars with a rising typical price, 14 bars; 0.5 if none moved.

    Formula: P / (P + N), sums over 14 bars of p * volume where p rose and fell, p = (h + l + c) / 3
    Unit: fraction in [0, 1]
    Look-back: 15 bars
    Source: Quong and Soudack (1989)
    """
    typical = (high + low + close) / 3
    before = lag(typical, 1)
    money = np.where(np.isnan(before), np.nan, typical * volume)
    rising = rolling_sum(np.where(typical > before, money, money * 0.0), MONEY_FLOW_PERIOD)
    falling = rolling_sum(np.where(typical < before, money, money * 0.0), MONEY_FLOW_PERIOD)
    return ratio(rising, rising + falling, empty=0.5)


@feature("volume", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def volume_volatility_correlation(close: Floats, volume: Floats, window: int) -> Floats:
    """Whether volume comes with large moves; 0 if either did not vary.

    Formula: correlation(abs(r), volume)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Karpoff (1987)
    """
    return rolling_correlation(np.abs(log_change(close, 1)), volume, window)


@feature("volume", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def volume_return_correlation(close: Floats, volume: Floats, window: int) -> Floats:
    """Whether volume comes with rises (positive) or falls (negative); 0 if either did not vary.

    Formula: correlation(r, volume)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Karpoff (1987)
    """
    return rolling_correlation(log_change(close, 1), volume, window)


@feature("volume", lookback=lambda fast, slow: slow + 1, windows={"fast": "24h", "slow": "7d"})
def illiquidity(close: Floats, volume: Floats, fast: int, slow: int) -> Floats:
    """Price moved per money traded in a day, against the same in a week; 0 where either is nil.

    Formula: ln(A(24h) / A(7d)), A = sum(abs(r)) / sum(close * volume)
    Unit: fraction
    Look-back: 7 days + 1 bar
    Source: Amihud (2002)
    """
    size = np.abs(log_change(close, 1))
    money = close * volume
    impact = [
        ratio(rolling_sum(size, window), rolling_sum(money, window)) for window in (fast, slow)
    ]
    return log_ratio(impact[0], impact[1])


def _neutral(values: Floats, window: int) -> Floats:
    """0 where a full window had no average price."""
    out = values.copy()
    out[window - 1 :][np.isnan(out[window - 1 :])] = 0.0
    return out
