"""Trade flow: who crosses the spread, in what sizes and how often.

These need taker-buy volume and trade counts; where the candles lack them they stay missing.
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
    rolling_zscore,
)
from riposte.market.frame import Floats


@feature("flow", lookback=lambda: 1)
def taker_imbalance_1bar(taker_buy_volume: Floats, volume: Floats) -> Floats:
    """Takers' buying less their selling in the bar, as a share of volume; 0 if nothing was traded.

    Formula: (2 * taker_buy - volume) / volume
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Chordia, Roll and Subrahmanyam (2002), order imbalance
    """
    return ratio(2.0 * taker_buy_volume - volume, volume)


@feature("flow", lookback=lambda window: window, at=("1h", "4h", "24h"))
def taker_imbalance(taker_buy_volume: Floats, volume: Floats, window: int) -> Floats:
    """Takers' buying less their selling in the window; 0 if nothing was traded.

    Formula: sum(2 * taker_buy - volume) / sum(volume)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Chordia, Roll and Subrahmanyam (2002), order imbalance
    """
    signed = 2.0 * taker_buy_volume - volume
    return ratio(rolling_sum(signed, window), rolling_sum(volume, window))


@feature("flow", lookback=lambda window: 2 * window, at=("4h",))
def taker_imbalance_change(taker_buy_volume: Floats, volume: Floats, window: int) -> Floats:
    """Takers' imbalance of the window less that of the window before it.

    Formula: imbalance[t] - imbalance[t-window]
    Unit: fraction
    Look-back: 2 * window bars
    Source: Chordia and Subrahmanyam (2004)
    """
    now = taker_imbalance(taker_buy_volume, volume, window)
    return now - lag(now, window)


@feature("flow", lookback=lambda window: window + 1, at=("24h",), least_bars=12)
def flow_return_correlation(
    taker_buy_volume: Floats, volume: Floats, close: Floats, window: int
) -> Floats:
    """Whether the price follows the takers (positive) or absorbs them; 0 if either did not vary.

    Formula: correlation(r, (2 * taker_buy - volume) / volume)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Kyle (1985); Evans and Lyons (2002)
    """
    imbalance = ratio(2.0 * taker_buy_volume - volume, volume)
    return rolling_correlation(log_change(close, 1), imbalance, window)


@feature("flow", lookback=lambda window: window, at=("24h",), least_bars=4)
def trade_size(volume: Floats, trade_count: Floats, window: int) -> Floats:
    """Average size of a trade in the bar against that of the window; 0 where there were no trades.

    Formula: ln((volume / trades) / (sum(volume) / sum(trades)))
    Unit: fraction
    Look-back: window bars
    Source: Barclay and Warner (1993), trade size
    """
    usual = ratio(rolling_sum(volume, window), rolling_sum(trade_count, window))
    return log_ratio(ratio(volume, trade_count), usual)


@feature("flow", lookback=lambda window: window, at=("24h", "7d"), least_bars=6)
def trade_count_zscore(trade_count: Floats, window: int) -> Floats:
    """How unusual the number of trades in the bar is; 0 if it did not vary.

    Formula: (trades - mean(trades)) / std(trades)
    Unit: standard deviations
    Look-back: window bars
    Source: Jones, Kaul and Lipson (1994), transactions and volatility
    """
    return rolling_zscore(trade_count, window)


@feature("flow", lookback=lambda window: window + 1, at=("24h",), least_bars=4)
def move_per_trade(close: Floats, trade_count: Floats, window: int) -> Floats:
    """The bar's move per trade against that of the window; 0 where nothing moved or was traded.

    Formula: ln((abs(r) / sqrt(trades)) / mean(abs(r) / sqrt(trades)))
    Unit: fraction
    Look-back: window + 1 bars
    Source: Jones, Kaul and Lipson (1994); volatility grows with the root of the trades
    """
    size = ratio(np.abs(log_change(close, 1)), np.sqrt(trade_count))
    return log_ratio(size, rolling_mean(size, window))
