"""Open interest: how many contracts are open, how that changes, and who is paying for it.

Open interest counts coins, so a change of it is a change of positions and not of the price. Features
are NaN wherever their window holds a row without open interest.
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
    rolling_max,
    rolling_mean,
    rolling_mean_std,
    rolling_std,
    rolling_sum,
    rolling_weighted_mean,
    rolling_zscore,
)
from riposte.market.frame import Floats


@feature("open_interest", lookback=lambda: 2)
def open_interest_change_1bar(open_interest: Floats) -> Floats:
    """Change of open interest in the last bar.

    Formula: ln(oi[t] / oi[t-1])
    Unit: fraction
    Look-back: 2 bars
    Source: Bessembinder and Seguin (1993)
    """
    return log_change(open_interest, 1)


@feature("open_interest", lookback=lambda window: window + 1, at=("15m", "1h", "24h", "7d"))
def open_interest_change(open_interest: Floats, window: int) -> Floats:
    """Change of open interest over the window (its delta).

    Formula: ln(oi[t] / oi[t-window])
    Unit: fraction
    Look-back: window + 1 bars
    Source: Hong and Yogo (2012)
    """
    return log_change(open_interest, window)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h",),
    windows={"normal": "7d"},
)
def open_interest_velocity(open_interest: Floats, window: int, normal: int) -> Floats:
    """Speed of the change of open interest, against its usual speed in a week; 0 if it never moved.

    Formula: ln(oi[t] / oi[t-window]) / (std(d, 7d) * sqrt(window)), d = one-bar log changes
    Unit: standard deviations
    Look-back: 7 days + 1 bar
    Source: Hong and Yogo (2012), scaled as in Moskowitz, Ooi and Pedersen (2012)
    """
    usual = rolling_std(log_change(open_interest, 1), normal)
    return ratio(log_change(open_interest, window), usual * np.sqrt(window))


@feature("open_interest", lookback=lambda window: 2 * window + 1, at=("1h", "4h", "24h"))
def open_interest_acceleration(open_interest: Floats, window: int) -> Floats:
    """Change of open interest over the window less that over the window before it.

    Formula: ln(oi[t] / oi[t-w]) - ln(oi[t-w] / oi[t-2w])
    Unit: fraction
    Look-back: 2 * window + 1 bars
    Source: second difference of log open interest
    """
    change = log_change(open_interest, window)
    return change - lag(change, window)


@feature("open_interest", lookback=lambda window: window, at=("7d", "30d"), least_bars=6)
def open_interest_zscore(open_interest: Floats, window: int) -> Floats:
    """How unusual the level of open interest is within the window; 0 if it did not vary.

    Formula: (oi - mean(oi)) / std(oi)
    Unit: standard deviations
    Look-back: window bars
    Source: standard score
    """
    return rolling_zscore(open_interest, window)


@feature("open_interest", lookback=lambda window: window, at=("7d",))
def open_interest_drawdown(open_interest: Floats, window: int) -> Floats:
    """Distance of open interest below its highest of the window: what has been closed since.

    Formula: ln(oi[t] / max(oi))
    Unit: fraction, at most 0
    Look-back: window bars
    Source: George and Hwang (2004), applied to positions
    """
    return np.log(open_interest / rolling_max(open_interest, window))


@feature("open_interest", lookback=lambda window: window + 1, at=("7d",), least_bars=6)
def open_interest_volatility(open_interest: Floats, window: int) -> Floats:
    """Standard deviation of the one-bar changes of open interest.

    Formula: std(ln(oi[t] / oi[t-1]))
    Unit: fraction per bar
    Look-back: window + 1 bars
    Source: Bessembinder and Seguin (1993)
    """
    return rolling_std(log_change(open_interest, 1), window)


@feature("open_interest", lookback=lambda window: window, at=("24h",))
def open_interest_volume_ratio(open_interest: Floats, volume: Floats, window: int) -> Floats:
    """Open positions against what is traded in the window; 0 if nothing was traded.

    Formula: ln(oi / sum(volume))
    Unit: fraction
    Look-back: window bars
    Source: Garcia, Leuthold and Zapata (1986), the volume/open-interest ratio
    """
    return log_ratio(open_interest, rolling_sum(volume, window))


@feature(
    "open_interest",
    lookback=lambda inner, outer: inner + outer - 1,
    windows={"inner": "24h", "outer": "7d"},
    least_bars=4,
)
def open_interest_volume_zscore(
    open_interest: Floats, volume: Floats, inner: int, outer: int
) -> Floats:
    """How unusual the ratio of open positions to the day's volume is within a week.

    Formula: z(ln(oi / sum(volume, 24h)), 7d)
    Unit: standard deviations
    Look-back: 8 days
    Source: Garcia, Leuthold and Zapata (1986), as a standard score
    """
    return rolling_zscore(log_ratio(open_interest, rolling_sum(volume, inner)), outer)


@feature("open_interest", lookback=lambda window: window + 1, at=("7d",))
def open_interest_value_change(open_interest: Floats, close: Floats, window: int) -> Floats:
    """Change of the value of all open positions.

    Formula: ln(oi[t] * close[t] / (oi[t-window] * close[t-window]))
    Unit: fraction
    Look-back: window + 1 bars
    Source: Hong and Yogo (2012), open interest in money
    """
    return log_change(open_interest * close, window)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h", "24h"),
    windows={"normal": "7d"},
)
def open_interest_price_divergence(
    open_interest: Floats, close: Floats, window: int, normal: int
) -> Floats:
    """Positions and price moving apart: the scaled change of open interest less that of the price.

    Formula: v(oi) - v(close), v(x) = ln(x[t] / x[t-w]) / (std(one-bar changes of x, 7d) * sqrt(w))
    Unit: standard deviations
    Look-back: 7 days + 1 bar
    Source: Murphy (1999), open interest confirming the trend
    """
    return _moved(open_interest, window, normal) - _moved(close, window, normal)


@feature("open_interest", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def open_interest_price_correlation(open_interest: Floats, close: Floats, window: int) -> Floats:
    """Whether positions are opened in rises (positive) or in falls; 0 if either did not vary.

    Formula: correlation(ln(oi[t] / oi[t-1]), ln(close[t] / close[t-1]))
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Bessembinder and Seguin (1993)
    """
    return rolling_correlation(log_change(open_interest, 1), log_change(close, 1), window)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h", "24h"),
    windows={"normal": "7d"},
)
def new_longs(open_interest: Floats, close: Floats, window: int, normal: int) -> Floats:
    """Strength of the quadrant price up, open interest up: longs are being opened.

    Formula: sqrt(v(close) * v(oi)) where both are above 0, else 0; v as in the divergence
    Unit: standard deviations, at least 0
    Look-back: 7 days + 1 bar
    Source: Murphy (1999), the four cases of price and open interest
    """
    return _quadrant(open_interest, close, window, normal, price=1.0, interest=1.0)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h", "24h"),
    windows={"normal": "7d"},
)
def new_shorts(open_interest: Floats, close: Floats, window: int, normal: int) -> Floats:
    """Strength of the quadrant price down, open interest up: shorts are being opened.

    Formula: sqrt(-v(close) * v(oi)) where price fell and oi rose, else 0; v as in the divergence
    Unit: standard deviations, at least 0
    Look-back: 7 days + 1 bar
    Source: Murphy (1999), the four cases of price and open interest
    """
    return _quadrant(open_interest, close, window, normal, price=-1.0, interest=1.0)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h", "24h"),
    windows={"normal": "7d"},
)
def short_covering(open_interest: Floats, close: Floats, window: int, normal: int) -> Floats:
    """Strength of the quadrant price up, open interest down: shorts are being closed.

    Formula: sqrt(-v(close) * v(oi)) where price rose and oi fell, else 0; v as in the divergence
    Unit: standard deviations, at least 0
    Look-back: 7 days + 1 bar
    Source: Murphy (1999), the four cases of price and open interest
    """
    return _quadrant(open_interest, close, window, normal, price=1.0, interest=-1.0)


@feature(
    "open_interest",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("4h", "24h"),
    windows={"normal": "7d"},
)
def long_unwinding(open_interest: Floats, close: Floats, window: int, normal: int) -> Floats:
    """Strength of the quadrant price down, open interest down: longs are being closed.

    Formula: sqrt(v(close) * v(oi)) where both are below 0, else 0; v as in the divergence
    Unit: standard deviations, at least 0
    Look-back: 7 days + 1 bar
    Source: Murphy (1999), the four cases of price and open interest
    """
    return _quadrant(open_interest, close, window, normal, price=-1.0, interest=-1.0)


@feature("open_interest", lookback=lambda window: window + 1, at=("7d",), least_bars=12)
def new_position_price(open_interest: Floats, close: Floats, window: int) -> Floats:
    """Average price at which positions were added, against the average price; 0 if none were added.

    Formula: ln((sum(a * close) / sum(a)) / mean(close)), a = max(oi[t] - oi[t-1], 0)
    Unit: fraction
    Look-back: window + 1 bars
    Source: Grinblatt and Han (2005), capital gains overhang, on open interest
    """
    added = np.maximum(open_interest - lag(open_interest, 1), 0.0)
    mean = rolling_weighted_mean(close, added, window)
    none_added = rolling_sum(added, window) == 0
    return np.where(none_added, 0.0, np.log(mean / rolling_mean(close, window)))


@feature("open_interest", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def position_turnover(open_interest: Floats, volume: Floats, window: int) -> Floats:
    """Share of the window's trading that opened or closed positions on balance; 0 without trading.

    Formula: sum(abs(oi[t] - oi[t-1])) / sum(volume)
    Unit: fraction
    Look-back: window + 1 bars
    Source: Bessembinder and Seguin (1993), speculation against hedging
    """
    moved = np.abs(open_interest - lag(open_interest, 1))
    return ratio(rolling_sum(moved, window), rolling_sum(volume, window))


@feature(
    "open_interest",
    lookback=lambda fast, slow: slow,
    windows={"fast": "24h", "slow": "7d"},
)
def open_interest_trend(open_interest: Floats, fast: int, slow: int) -> Floats:
    """Average open interest of a day against that of a week.

    Formula: ln(mean(oi, 24h) / mean(oi, 7d))
    Unit: fraction
    Look-back: 7 days
    Source: Brock, Lakonishok and LeBaron (1992), applied to positions
    """
    return np.log(rolling_mean(open_interest, fast) / rolling_mean(open_interest, slow))


def _moved(values: Floats, window: int, normal: int) -> Floats:
    _, usual = rolling_mean_std(log_change(values, 1), normal)
    return ratio(log_change(values, window), usual * np.sqrt(window))


def _quadrant(
    open_interest: Floats,
    close: Floats,
    window: int,
    normal: int,
    *,
    price: float,
    interest: float,
) -> Floats:
    of_price = np.maximum(price * _moved(close, window, normal), 0.0)
    of_interest = np.maximum(interest * _moved(open_interest, window, normal), 0.0)
    strength: Floats = np.sqrt(of_price * of_interest)
    return strength
