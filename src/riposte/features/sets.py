"""Named sets of features, each in a fixed order: the layout of a model's input.

**ppo-30** is the input vector of the PPO system: 6 of price and volume, 12 of trades, 12 of the order
book, for bars of one minute (it serves shorter ones too). Its specification names some values that
depend on the price's or the coin's scale; they are given in a scale-free form, so that one agent
serves every symbol and year:

* open, high and low become the body of the bar and its wicks, as shares of its range;
* close becomes the change from the close before, which on bars of a minute is the rolling change of
  one minute that the specification lists with the trades;
* volume, depth, frequency and the arrival rates are taken against their usual size of a quarter of an
  hour; the average price as the distance of the close from it;
* spread and impact are fractions of the price; order flow is in units of the best levels' coins.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from riposte.errors import InputError, nearest

PPO_NAMES: Mapping[str, str] = MappingProxyType(
    {
        # price and volume
        "Price (Open)": "candle_body",
        "Price (High)": "upper_wick",
        "Price (Low)": "lower_wick",
        "Price (Close)": "return_1bar",
        "Volume": "volume_against_usual_15m",
        "VWAP": "vwap_gap_15m",
        # trades
        "Trade Imbalances": "trade_flow_imbalance_5m",
        "Rolling Price Changes (5-min)": "price_change_5m",
        "Rolling Price Changes (15-min)": "log_return_15m",
        "Trade Size Distribution": "order_size_dispersion_5m",
        "Trade Frequency": "trade_frequency_15m",
        "Price Velocity": "price_velocity_5m",
        "Volume Acceleration": "volume_acceleration_5m",
        "Large Trade Detection": "large_trade_share_5m",
        "Trade Flow Imbalance": "trade_count_imbalance_5m",
        "Relative Strength Index (RSI)": "rsi",
        "Moving Average Convergence Divergence (MACD)": "macd",
        "Bollinger Bands": "bollinger_position",
        # order book
        "Bid-Ask Spread": "quoted_spread",
        "Order Book Imbalance": "depth_imbalance_10",
        "Order Book Depth": "depth_against_usual_15m",
        "Price Impact Estimation": "price_impact_15m",
        "Order Flow Imbalance": "order_flow_imbalance_5m",
        "Limit Order Arrival Rate": "limit_order_arrival_rate_15m",
        "Order Cancellation Rate": "cancellation_rate_5m",
        "Market Order Arrival Rate": "market_order_arrival_rate_15m",
        "Order Book Pressure": "book_pressure",
        "Liquidity at Different Price Levels": "near_level_share",
        "Order Book Slope": "book_slope_balance",
        "Mid-Price Movement Prediction": "micro_price_deviation",
    }
)
"""The PPO system's name of each input, and the feature that serves it, in the order of the layout.
``Rolling Price Changes (1-min)`` is ``return_1bar`` on bars of a minute."""

PPO_30: tuple[str, ...] = tuple(PPO_NAMES.values())

SETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"ppo-30": PPO_30})


def named_set(name: str) -> tuple[str, ...]:
    """The features of the set of that name, in the order of its layout.

    Raises:
        InputError: if there is no such set.
    """
    try:
        return SETS[name]
    except KeyError:
        raise InputError(
            f"feature set {name!r} is not known: use one of {', '.join(SETS)}" + nearest(name, SETS)
        ) from None
