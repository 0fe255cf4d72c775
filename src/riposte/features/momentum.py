"""Returns and momentum: how far, how steadily and how unusually the price has moved."""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import (
    lag,
    log_change,
    position_in_range,
    ratio,
    rolling_max,
    rolling_mean,
    rolling_mean_std,
    rolling_min,
    rolling_sum,
)
from riposte.market.frame import Floats


@feature("momentum", lookback=lambda: 2)
def return_1bar(close: Floats) -> Floats:
    """Return of the last bar.

    Formula: ln(close[t] / close[t-1])
    Unit: fraction
    Look-back: 2 bars
    Source: standard; Lo and MacKinlay (1988) on log returns
    """
    return log_change(close, 1)


@feature("momentum", lookback=lambda window: window + 1, at=("15m", "1h", "4h", "12h", "24h", "7d"))
def log_return(close: Floats, window: int) -> Floats:
    """Return over the window.

    Formula: ln(close[t] / close[t-window])
    Unit: fraction
    Look-back: window + 1 bars
    Source: Jegadeesh and Titman (1993); Moskowitz, Ooi and Pedersen (2012)
    """
    return log_change(close, window)


@feature("momentum", lookback=lambda window: window + 1, at=("4h", "24h", "7d"), least_bars=4)
def return_per_risk(close: Floats, window: int) -> Floats:
    """Return over the window in units of what its volatility lets expect; 0 if the price stood still.

    Formula: sum(r) / (std(r) * sqrt(window)), r = one-bar log returns
    Unit: standard deviations
    Look-back: window + 1 bars
    Source: Moskowitz, Ooi and Pedersen (2012), volatility-scaled time-series momentum
    """
    mean, std = rolling_mean_std(log_change(close, 1), window)
    return ratio(mean * np.sqrt(window), std)


@feature("momentum", lookback=lambda window: 2 * window + 1, at=("1h", "4h", "24h"))
def return_acceleration(close: Floats, window: int) -> Floats:
    """Return over the window less the return over the window before it.

    Formula: ln(close[t] / close[t-window]) - ln(close[t-window] / close[t-2*window])
    Unit: fraction
    Look-back: 2 * window + 1 bars
    Source: Gettleman and Marks (2006), acceleration strategies
    """
    change = log_change(close, window)
    return change - lag(change, window)


@feature("momentum", lookback=lambda window: window + 1, at=("24h", "7d"), least_bars=4)
def efficiency_ratio(close: Floats, window: int) -> Floats:
    """Net move as a share of the path walked; 0 if nothing moved.

    Formula: abs(ln(close[t] / close[t-window])) / sum(abs(r))
    Unit: fraction in [0, 1]
    Look-back: window + 1 bars
    Source: Kaufman (1995), Smarter Trading
    """
    path = rolling_sum(np.abs(log_change(close, 1)), window)
    return ratio(np.abs(log_change(close, window)), path)


@feature("momentum", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def up_share(close: Floats, window: int) -> Floats:
    """Share of the window's bars that closed higher, less the share that closed lower.

    Formula: mean(sign(close[t] - close[t-1]))
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Da, Gurun and Warachka (2014), continuous information ("frog in the pan")
    """
    return rolling_mean(np.sign(log_change(close, 1)), window)


@feature("momentum", lookback=lambda window: window, at=("24h", "7d"))
def drawdown(high: Floats, close: Floats, window: int) -> Floats:
    """Distance below the highest price of the window.

    Formula: ln(close[t] / max(high))
    Unit: fraction, at most 0
    Look-back: window bars
    Source: George and Hwang (2004), nearness to the high
    """
    return np.log(close / rolling_max(high, window))


@feature("momentum", lookback=lambda window: window, at=("24h", "7d"))
def run_up(low: Floats, close: Floats, window: int) -> Floats:
    """Distance above the lowest price of the window.

    Formula: ln(close[t] / min(low))
    Unit: fraction, at least 0
    Look-back: window bars
    Source: George and Hwang (2004), mirrored to the low
    """
    return np.log(close / rolling_min(low, window))


@feature("momentum", lookback=lambda window: window, at=("24h", "7d"), least_bars=4)
def channel_position(high: Floats, low: Floats, close: Floats, window: int) -> Floats:
    """Where the close lies in the price channel of the window; 0.5 if the channel has no width.

    Formula: (close - min(low)) / (max(high) - min(low))
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Donchian channel
    """
    return position_in_range(close, rolling_min(low, window), rolling_max(high, window))


@feature("momentum", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def best_return(close: Floats, window: int) -> Floats:
    """Largest one-bar return of the window.

    Formula: max(ln(close[t] / close[t-1]))
    Unit: fraction
    Look-back: window + 1 bars
    Source: Bali, Cakici and Whitelaw (2011), the MAX effect
    """
    return rolling_max(log_change(close, 1), window)


@feature("momentum", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def worst_return(close: Floats, window: int) -> Floats:
    """Smallest one-bar return of the window.

    Formula: min(ln(close[t] / close[t-1]))
    Unit: fraction
    Look-back: window + 1 bars
    Source: Bali, Cakici and Whitelaw (2011), the MIN counterpart
    """
    return rolling_min(log_change(close, 1), window)
