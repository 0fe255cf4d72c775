"""Funding and premium: what the crowd pays to hold its side, and how far the contract left the index.

Rates are fractions per settlement as published; the distance to the next settlement is in ``calendar``.
"""

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
    rolling_zscore,
)
from riposte.market.frame import Floats


@feature("funding", lookback=lambda: 1)
def funding_last(funding_rate: Floats) -> Floats:
    """Last settled funding rate.

    Formula: rate[t]
    Unit: fraction per settlement
    Look-back: 1 bar
    Source: exchange; He, Manela, Ross and von Wachter (2022)
    """
    return funding_rate.copy()


@feature("funding", lookback=lambda window: window, at=("7d", "30d"), least_bars=12)
def funding_zscore(funding_rate: Floats, window: int) -> Floats:
    """How unusual the funding rate is within the window; 0 if it did not vary.

    Formula: (rate - mean(rate)) / std(rate)
    Unit: standard deviations
    Look-back: window bars
    Source: standard score
    """
    return rolling_zscore(funding_rate, window)


@feature("funding", lookback=lambda window: window + 1, at=("8h", "24h"), least_bars=1)
def funding_change(funding_rate: Floats, window: int) -> Floats:
    """Change of the funding rate over the window.

    Formula: rate[t] - rate[t-window]
    Unit: fraction per settlement
    Look-back: window + 1 bars
    Source: first difference
    """
    return funding_rate - lag(funding_rate, window)


@feature("funding", lookback=lambda window: window, at=("24h", "72h", "7d"))
def funding_paid(funding_charge: Floats, window: int) -> Floats:
    """Funding that a long position paid during the window.

    Formula: sum of the rates settled
    Unit: fraction of the position's value
    Look-back: window bars
    Source: exchange; Schmeling, Schrimpf and Todorov (2023), crypto carry
    """
    return rolling_sum(funding_charge, window)


@feature("funding", lookback=lambda fast, slow: slow, windows={"fast": "24h", "slow": "7d"})
def funding_trend(funding_rate: Floats, fast: int, slow: int) -> Floats:
    """Average funding rate of a day less that of a week.

    Formula: mean(rate, 24h) - mean(rate, 7d)
    Unit: fraction per settlement
    Look-back: 7 days
    Source: moving-average crossing
    """
    return rolling_mean(funding_rate, fast) - rolling_mean(funding_rate, slow)


@feature("funding", lookback=lambda window: window, at=("30d",), least_bars=12)
def funding_extreme(funding_rate: Floats, window: int) -> Floats:
    """Where the funding rate lies in its range of the window; 0.5 if it did not vary.

    Formula: (rate - min(rate)) / (max(rate) - min(rate))
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Stoll-type sentiment extreme, as a range position
    """
    low, high = rolling_min(funding_rate, window), rolling_max(funding_rate, window)
    return position_in_range(funding_rate, low, high)


@feature(
    "funding",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("24h",),
    windows={"normal": "7d"},
    least_bars=4,
)
def funding_momentum(funding_rate: Floats, close: Floats, window: int, normal: int) -> Floats:
    """Unusual funding times the move of the price: positive where the crowd pays and is right.

    Formula: z(rate, 7d) * ln(close[t] / close[t-window]) / (std(r, 7d) * sqrt(window))
    Unit: squared standard deviations
    Look-back: 7 days + 1 bar
    Source: interaction of carry and momentum, Asness, Moskowitz and Pedersen (2013)
    """
    _, usual = rolling_mean_std(log_change(close, 1), normal)
    moved = ratio(log_change(close, window), usual * np.sqrt(window))
    return rolling_zscore(funding_rate, normal) * moved


@feature(
    "funding",
    lookback=lambda window, normal: max(window, normal) + 1,
    at=("24h",),
    windows={"normal": "7d"},
    least_bars=4,
)
def funding_open_interest(
    funding_rate: Floats, open_interest: Floats, window: int, normal: int
) -> Floats:
    """Unusual funding times the change of open interest: crowding that is being paid for.

    Formula: z(rate, 7d) * ln(oi[t] / oi[t-window]) / (std(d, 7d) * sqrt(window)), d = one-bar changes
    Unit: squared standard deviations
    Look-back: 7 days + 1 bar
    Source: interaction of carry and positioning
    """
    _, usual = rolling_mean_std(log_change(open_interest, 1), normal)
    moved = ratio(log_change(open_interest, window), usual * np.sqrt(window))
    return rolling_zscore(funding_rate, normal) * moved


@feature("funding", lookback=lambda: 1)
def mark_premium(mark_price: Floats, close: Floats) -> Floats:
    """Mark price above the last trade.

    Formula: ln(mark / close)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (mark price); He, Manela, Ross and von Wachter (2022)
    """
    return np.log(mark_price / close)


@feature("funding", lookback=lambda window: window, at=("8h",), least_bars=4)
def mark_premium_mean(mark_price: Floats, close: Floats, window: int) -> Floats:
    """Average of the mark price above the last trade.

    Formula: mean(ln(mark / close))
    Unit: fraction
    Look-back: window bars
    Source: exchange (the funding rate averages the premium over its period)
    """
    return rolling_mean(np.log(mark_price / close), window)


@feature("funding", lookback=lambda: 1)
def premium_last(premium: Floats) -> Floats:
    """Premium index.

    Formula: premium[t]
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (premium index klines)
    """
    return premium.copy()


@feature("funding", lookback=lambda window: window, at=("8h",), least_bars=4)
def premium_mean(premium: Floats, window: int) -> Floats:
    """Average premium index: about what the next settlement will charge.

    Formula: mean(premium)
    Unit: fraction
    Look-back: window bars
    Source: exchange (the funding rate averages the premium over its period)
    """
    return rolling_mean(premium, window)


@feature("funding", lookback=lambda window: window, at=("7d",), least_bars=12)
def premium_zscore(premium: Floats, window: int) -> Floats:
    """How unusual the premium is within the window; 0 if it did not vary.

    Formula: (premium - mean(premium)) / std(premium)
    Unit: standard deviations
    Look-back: window bars
    Source: standard score
    """
    return rolling_zscore(premium, window)


@feature("funding", lookback=lambda: 1)
def index_basis(index_price: Floats, close: Floats) -> Floats:
    """Last trade above the index.

    Formula: ln(close / index)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (index price); Schmeling, Schrimpf and Todorov (2023)
    """
    return np.log(close / index_price)
