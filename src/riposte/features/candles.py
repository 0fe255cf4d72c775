"""Candles: the shape of the last bar. A bar without range has shape 0."""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.features.primitives import lag, ratio, rolling_mean
from riposte.market.frame import Floats


@feature("candles", lookback=lambda: 1)
def candle_body(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
) -> Floats:
    """Body of the bar as a share of its range, with the sign of its direction.

    Formula: (close - open) / (high - low)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Nison (1991)
    """
    return ratio(close - open, high - low)


@feature("candles", lookback=lambda: 1)
def upper_wick(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
) -> Floats:
    """Upper wick as a share of the bar's range.

    Formula: (high - max(open, close)) / (high - low)
    Unit: fraction in [0, 1]
    Look-back: 1 bar
    Source: Nison (1991)
    """
    return ratio(high - np.maximum(open, close), high - low)


@feature("candles", lookback=lambda: 1)
def lower_wick(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
) -> Floats:
    """Lower wick as a share of the bar's range.

    Formula: (min(open, close) - low) / (high - low)
    Unit: fraction in [0, 1]
    Look-back: 1 bar
    Source: Nison (1991)
    """
    return ratio(np.minimum(open, close) - low, high - low)


@feature("candles", lookback=lambda window: window, at=("24h",), least_bars=4)
def wick_balance(
    open: Floats,  # noqa: A002 - the column's name
    high: Floats,
    low: Floats,
    close: Floats,
    window: int,
) -> Floats:
    """Mean of lower less upper wick: whether falls (positive) or rises were turned back.

    Formula: mean(((min(open, close) - low) - (high - max(open, close))) / (high - low))
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Nison (1991)
    """
    balance = (np.minimum(open, close) - low) - (high - np.maximum(open, close))
    return rolling_mean(ratio(balance, high - low), window)


@feature("candles", lookback=lambda: 1)
def bar_range(high: Floats, low: Floats) -> Floats:
    """Range of the bar.

    Formula: ln(high / low)
    Unit: fraction
    Look-back: 1 bar
    Source: Parkinson (1980)
    """
    return np.log(high / low)


@feature("candles", lookback=lambda: 2)
def opening_gap(
    open: Floats,  # noqa: A002 - the column's name
    close: Floats,
) -> Floats:
    """Jump from the previous close to this open.

    Formula: ln(open[t] / close[t-1])
    Unit: fraction
    Look-back: 2 bars
    Source: standard
    """
    return np.log(open / lag(close, 1))
