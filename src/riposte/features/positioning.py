"""Positioning: long/short ratios of accounts and positions, and forced liquidations.

Where the exchange's figures were not recorded these stay missing.
"""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import log_change, log_ratio, ratio, rolling_sum, rolling_zscore
from riposte.market.frame import Floats


@feature("positioning", lookback=lambda: 1)
def crowd_long_short(global_account_ratio: Floats) -> Floats:
    """Accounts that are long against those that are short.

    Formula: ln(global long/short account ratio)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (globalLongShortAccountRatio)
    """
    return np.log(global_account_ratio)


@feature("positioning", lookback=lambda window: window + 1, at=("24h",))
def crowd_long_short_change(global_account_ratio: Floats, window: int) -> Floats:
    """Change of the crowd's long/short ratio.

    Formula: ln(ratio[t] / ratio[t-window])
    Unit: fraction
    Look-back: window + 1 bars
    Source: exchange (globalLongShortAccountRatio)
    """
    return log_change(global_account_ratio, window)


@feature("positioning", lookback=lambda window: window, at=("7d",), least_bars=12)
def crowd_long_short_zscore(global_account_ratio: Floats, window: int) -> Floats:
    """How unusual the crowd's long/short ratio is; 0 if it did not vary.

    Formula: z(ln(ratio))
    Unit: standard deviations
    Look-back: window bars
    Source: exchange (globalLongShortAccountRatio)
    """
    return rolling_zscore(np.log(global_account_ratio), window)


@feature("positioning", lookback=lambda: 1)
def top_accounts_long_short(top_account_ratio: Floats) -> Floats:
    """Top accounts that are long against those that are short.

    Formula: ln(top-trader long/short account ratio)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (topLongShortAccountRatio)
    """
    return np.log(top_account_ratio)


@feature("positioning", lookback=lambda: 1)
def top_positions_long_short(top_position_ratio: Floats) -> Floats:
    """Positions of top accounts, long against short.

    Formula: ln(top-trader long/short position ratio)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (topLongShortPositionRatio)
    """
    return np.log(top_position_ratio)


@feature("positioning", lookback=lambda: 1)
def top_less_crowd(top_position_ratio: Floats, global_account_ratio: Floats) -> Floats:
    """How much longer the large accounts' positions are than the crowd.

    Formula: ln(top position ratio / global account ratio)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange ratios; De Roon, Nijman and Veld (2000), hedging against speculation
    """
    return np.log(top_position_ratio / global_account_ratio)


@feature("positioning", lookback=lambda: 1)
def taker_long_short(taker_volume_ratio: Floats) -> Floats:
    """Takers' buying against their selling as the exchange publishes it.

    Formula: ln(taker buy/sell volume ratio)
    Unit: fraction
    Look-back: 1 bar
    Source: exchange (takerlongshortRatio)
    """
    return np.log(taker_volume_ratio)


@feature("positioning", lookback=lambda window: window, at=("1h", "24h"))
def liquidation_imbalance(
    long_liquidations: Floats, short_liquidations: Floats, window: int
) -> Floats:
    """Whether shorts (positive) or longs were forced out; 0 if nobody was.

    Formula: sum(short - long) / sum(short + long)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Brunnermeier and Pedersen (2009), liquidity spirals
    """
    difference = rolling_sum(short_liquidations - long_liquidations, window)
    return ratio(difference, rolling_sum(short_liquidations + long_liquidations, window))


@feature("positioning", lookback=lambda window: window, at=("1h", "24h"))
def liquidation_share(
    long_liquidations: Floats,
    short_liquidations: Floats,
    close: Floats,
    volume: Floats,
    window: int,
) -> Floats:
    """Forced orders as a share of all trading; 0 if nothing was traded.

    Formula: sum(long + short) / sum(close * volume)
    Unit: fraction
    Look-back: window bars
    Source: Brunnermeier and Pedersen (2009), liquidity spirals
    """
    forced = rolling_sum(long_liquidations + short_liquidations, window)
    return ratio(forced, rolling_sum(close * volume, window))


@feature("positioning", lookback=lambda fast, slow: slow, windows={"fast": "1h", "slow": "7d"})
def liquidation_surge(
    long_liquidations: Floats, short_liquidations: Floats, fast: int, slow: int
) -> Floats:
    """Forced orders of the last hour against those of a week; 0 where either is nil.

    Formula: ln(mean(long + short, 1h) / mean(long + short, 7d))
    Unit: fraction
    Look-back: 7 days
    Source: Brunnermeier and Pedersen (2009), liquidity spirals
    """
    forced = long_liquidations + short_liquidations
    return log_ratio(rolling_sum(forced, fast) / fast, rolling_sum(forced, slow) / slow)
