"""Trades one by one: their sides, sizes and pace, the large ones, and how the price answers them.

Most need single or aggregated trades (:mod:`riposte.market.trade_bars`). A rate "against usual"
compares the last twelfth of the window with all of it.
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
)
from riposte.market.frame import Floats

# -- price and volume within minutes -----------------------------------------------------------


@feature("momentum", lookback=lambda window: window + 1, at=("1m", "5m"))
def price_change(close: Floats, window: int) -> Floats:
    """Log return over some minutes; ``log_return_15m`` and on are the longer ones.

    Formula: ln(close[t] / close[t-window])
    Unit: fraction
    Look-back: window + 1 bars
    Source: Jegadeesh and Titman (1993), at short range
    """
    return log_change(close, window)


@feature("volume", lookback=lambda window: window, at=("15m", "1h"), least_bars=4)
def volume_against_usual(volume: Floats, window: int) -> Floats:
    """The bar's volume against the mean of the window; 0 where it is nil.

    Formula: ln(volume / mean(volume, window))
    Unit: fraction
    Look-back: window bars
    Source: Gervais, Kaniel and Mingelgrin (2001), the high-volume premium
    """
    return log_ratio(volume, rolling_mean(volume, window))


@feature("volume", lookback=lambda window: 3 * window, at=("1m", "5m", "15m"))
def volume_acceleration(volume: Floats, window: int) -> Floats:
    """Change of the growth of volume over some minutes; 0 where one of them has none.

    Formula: ln(V[t] / V[t-w]) - ln(V[t-w] / V[t-2w]), V = sum(volume, w)
    Unit: fraction
    Look-back: 3 * window bars
    Source: second difference of log volume
    """
    total = rolling_sum(volume, window)
    growth = log_ratio(total, lag(total, window))
    return growth - lag(growth, window)


@feature("volume", lookback=lambda window: window, at=("5m", "15m", "4h"))
def vwap_gap(close: Floats, volume: Floats, quote_volume: Floats, window: int) -> Floats:
    """Distance of the close from the average price of all trades; 0 if nothing was traded.

    Formula: ln(close / (sum(quote_volume) / sum(volume)))
    Unit: fraction
    Look-back: window bars
    Source: Berkowitz, Logue and Noser (1988)
    """
    average = ratio(rolling_sum(quote_volume, window), rolling_sum(volume, window))
    return log_ratio(close, average)


# -- who trades --------------------------------------------------------------------------------


@feature("trades", lookback=lambda window: window, at=("1m", "5m", "15m"))
def trade_flow_imbalance(buy_volume: Floats, sell_volume: Floats, window: int) -> Floats:
    """Takers' buying less their selling in the window; 0 if nothing was traded.

    Formula: sum(buy - sell) / sum(buy + sell)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Chordia, Roll and Subrahmanyam (2002), order imbalance
    """
    return _balance(buy_volume, sell_volume, window)


@feature("trades", lookback=lambda window: window, at=("1m", "5m", "4h"))
def trade_count_imbalance(buy_count: Floats, sell_count: Floats, window: int) -> Floats:
    """Number of trades that takers bought in less that they sold in; 0 if there were none.

    Formula: sum(buys - sells) / sum(buys + sells)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Chordia, Roll and Subrahmanyam (2002), order imbalance in numbers
    """
    return _balance(buy_count, sell_count, window)


@feature("trades", lookback=lambda window: 2 * window, at=("1m", "5m", "4h"))
def trade_flow_acceleration(buy_volume: Floats, sell_volume: Floats, window: int) -> Floats:
    """Takers' imbalance of the window less that of the window before.

    Formula: I[t] - I[t-window], I = sum(buy - sell) / sum(buy + sell)
    Unit: fraction
    Look-back: 2 * window bars
    Source: Chordia and Subrahmanyam (2004)
    """
    imbalance = _balance(buy_volume, sell_volume, window)
    return imbalance - lag(imbalance, window)


@feature("trades", lookback=lambda window: window, at=("15m", "4h", "24h"), least_bars=4)
def flow_toxicity(buy_volume: Floats, sell_volume: Floats, window: int) -> Floats:
    """How one-sided the bars of the window are on average, whichever side; 0 if nothing was traded.

    The bars take the place of buckets of equal volume: each counts by its volume.

    Formula: sum(abs(buy - sell)) / sum(buy + sell)
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Easley, Lopez de Prado and O'Hara (2012), VPIN, in bars of time
    """
    one_sided = rolling_sum(np.abs(buy_volume - sell_volume), window)
    return ratio(one_sided, rolling_sum(buy_volume + sell_volume, window))


@feature("trades", lookback=lambda window: window + 1, at=("15m", "24h"), least_bars=12)
def flow_persistence(buy_volume: Floats, sell_volume: Floats, window: int) -> Floats:
    """Whether buying follows on buying (positive) or on selling; 0 if it did not vary.

    Formula: correlation(s[t], s[t-1]), s = buy - sell
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Lillo and Farmer (2004), long memory of order signs
    """
    signed = buy_volume - sell_volume
    return rolling_correlation(signed, lag(signed, 1), window)


# -- sizes -------------------------------------------------------------------------------------


@feature("trades", lookback=lambda window: window, at=("5m", "4h", "24h"))
def order_size_dispersion(
    buy_volume: Floats,
    sell_volume: Floats,
    taker_orders: Floats,
    order_size_squares: Floats,
    window: int,
) -> Floats:
    """Standard deviation of the sizes of takers' orders, per mean size; 0 if there were none.

    Formula: sqrt(N * sum(q^2) / sum(q)^2 - 1), N orders of sizes q in the window
    Unit: fraction
    Look-back: window bars
    Source: Gopikrishnan, Plerou, Gabaix and Stanley (2000), sizes of trades
    """
    volume = rolling_sum(buy_volume + sell_volume, window)
    products = rolling_sum(taker_orders, window) * rolling_sum(order_size_squares, window)
    return np.sqrt(np.maximum(ratio(products, volume**2, empty=1.0) - 1.0, 0.0))


@feature("trades", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def order_size_against_usual(
    buy_volume: Floats, sell_volume: Floats, taker_orders: Floats, window: int
) -> Floats:
    """Mean size of takers' orders against usual; 0 where there were none.

    Formula: ln(M(window / 12) / M(window)), M = sum(buy + sell) / sum(orders)
    Unit: fraction
    Look-back: window bars
    Source: Barclay and Warner (1993), trade size
    """
    volume = buy_volume + sell_volume
    recent, usual = (
        ratio(rolling_sum(volume, rows), rolling_sum(taker_orders, rows))
        for rows in (max(1, window // 12), window)
    )
    return log_ratio(recent, usual)


@feature("trades", lookback=lambda window: window, at=("5m", "4h"))
def trade_size_balance(
    buy_volume: Floats, sell_volume: Floats, buy_count: Floats, sell_count: Floats, window: int
) -> Floats:
    """Whether the trades that takers buy in are larger (positive) than those they sell in.

    Formula: ln((sum(buy) / sum(buys)) / (sum(sell) / sum(sells))); 0 where one side has none
    Unit: fraction
    Look-back: window bars
    Source: Barclay and Warner (1993), trade size by side
    """
    bought = ratio(rolling_sum(buy_volume, window), rolling_sum(buy_count, window))
    sold = ratio(rolling_sum(sell_volume, window), rolling_sum(sell_count, window))
    return log_ratio(bought, sold)


@feature("trades", lookback=lambda window: window, at=("5m", "4h"))
def largest_order_share(
    largest_order: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """The largest order's share of the window's volume; 0 if nothing was traded.

    Formula: max(largest_order) / sum(buy + sell)
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Easley and O'Hara (1987), large trades carry information
    """
    return ratio(rolling_max(largest_order, window), rolling_sum(buy_volume + sell_volume, window))


@feature("trades", lookback=lambda window: window, at=("5m", "4h"))
def large_trade_share(
    large_buy_volume: Floats,
    large_sell_volume: Floats,
    buy_volume: Floats,
    sell_volume: Floats,
    window: int,
) -> Floats:
    """Share of the volume that came in orders larger than 95 % of the thousand before.

    Formula: sum(large_buy + large_sell) / sum(buy + sell); 0 if nothing was traded
    Unit: fraction in [0, 1]
    Look-back: window bars
    Source: Easley and O'Hara (1987), large trades carry information
    """
    large = rolling_sum(large_buy_volume + large_sell_volume, window)
    return ratio(large, rolling_sum(buy_volume + sell_volume, window))


@feature("trades", lookback=lambda window: window, at=("5m", "4h"))
def large_trade_balance(large_buy_volume: Floats, large_sell_volume: Floats, window: int) -> Floats:
    """Large orders' buying less their selling; 0 if there were none.

    Formula: sum(large_buy - large_sell) / sum(large_buy + large_sell)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Easley and O'Hara (1987)
    """
    return _balance(large_buy_volume, large_sell_volume, window)


# -- pace --------------------------------------------------------------------------------------


@feature("trades", lookback=lambda window: window, at=("15m", "4h"), least_bars=4)
def trade_frequency(buy_count: Floats, sell_count: Floats, window: int) -> Floats:
    """How many trades there are, against usual; 0 if there were none.

    Formula: ln(mean(trades, window / 12) / mean(trades, window))
    Unit: fraction
    Look-back: window bars
    Source: Jones, Kaul and Lipson (1994), transactions and volatility
    """
    return _against_usual(buy_count + sell_count, window)


@feature("trades", lookback=lambda window: window, at=("15m", "24h"), least_bars=4)
def market_order_arrival_rate(taker_orders: Floats, window: int) -> Floats:
    """How many orders take from the book, against usual; 0 if none did.

    Formula: ln(mean(orders, window / 12) / mean(orders, window))
    Unit: fraction
    Look-back: window bars
    Source: Cont, Stoikov and Talreja (2010), arrival of market orders
    """
    return _against_usual(taker_orders, window)


@feature("trades", lookback=lambda window: window, at=("15m", "24h"), least_bars=4)
def order_clustering(taker_orders: Floats, window: int) -> Floats:
    """How unevenly takers' orders come: their number per bar, deviation per mean; 0 if none came.

    Formula: std(orders) / mean(orders)
    Unit: fraction
    Look-back: window bars
    Source: Engle and Russell (1998), clustering of trades
    """
    mean, std = rolling_mean_std(taker_orders, window)
    return ratio(std, mean)


@feature("trades", lookback=lambda window: window, at=("5m", "4h"))
def trades_per_order(
    buy_count: Floats, sell_count: Floats, taker_orders: Floats, window: int
) -> Floats:
    """How many resting orders a taker's order meets; 0 if there were none.

    Formula: ln(sum(trades) / sum(orders))
    Unit: fraction
    Look-back: window bars
    Source: Biais, Hillion and Spatt (1995), aggressive orders
    """
    trades = rolling_sum(buy_count + sell_count, window)
    return log_ratio(trades, rolling_sum(taker_orders, window))


# -- how the price moves and answers -----------------------------------------------------------


@feature("trades", lookback=lambda window: window + 1, at=("1m", "5m", "4h"))
def price_velocity(close: Floats, price_path: Floats, window: int) -> Floats:
    """How far the price came of all the way it went from trade to trade; 0 if it stood.

    Formula: ln(close[t] / close[t-window]) / sum(price_path)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Kaufman (1995), efficiency ratio, signed and by trades
    """
    return ratio(log_change(close, window), rolling_sum(price_path, window))


@feature("trades", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def price_speed(price_path: Floats, window: int) -> Floats:
    """How fast the price moves from trade to trade, either way, against usual; 0 if it stood.

    Formula: ln(mean(price_path, window / 12) / mean(price_path, window))
    Unit: fraction
    Look-back: window bars
    Source: Andersen and Bollerslev (1998), realised variation
    """
    return _against_usual(price_path, window)


@feature("trades", lookback=lambda window: window, at=("1m", "5m", "4h"))
def tick_imbalance(upticks: Floats, downticks: Floats, window: int) -> Floats:
    """Trades above the price before them less those below it; 0 if there were none.

    Formula: sum(upticks - downticks) / sum(upticks + downticks)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Lee and Ready (1991), tick test; Lopez de Prado (2018), tick imbalance
    """
    return _balance(upticks, downticks, window)


@feature("trades", lookback=lambda window: window + 1, at=("15m", "24h"), least_bars=12)
def price_impact(close: Floats, buy_volume: Floats, sell_volume: Floats, window: int) -> Floats:
    """What a usual bar's net buying moves the price by: Kyle's lambda per deviation of the flow.

    Formula: correlation(r, s) * std(r), s = buy - sell
    Unit: fraction
    Look-back: window + 1 bars
    Source: Kyle (1985), lambda; Hasbrouck (2009)
    """
    returns = log_change(close, 1)
    signed = buy_volume - sell_volume
    return rolling_correlation(returns, signed, window) * rolling_std(returns, window)


@feature("trades", lookback=lambda window: window + 1, at=("15m", "24h"), least_bars=12)
def impact_against_usual(
    close: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """Price moved per net coin traded against usual; 0 where either is nil.

    Formula: ln(A(window / 12) / A(window)), A = sum(abs(r)) / sum(abs(buy - sell))
    Unit: fraction
    Look-back: window + 1 bars
    Source: Amihud (2002), on signed flow
    """
    size, signed = np.abs(log_change(close, 1)), np.abs(buy_volume - sell_volume)
    recent, usual = (
        ratio(rolling_sum(size, rows), rolling_sum(signed, rows))
        for rows in (max(1, window // 12), window)
    )
    return log_ratio(recent, usual)


def _balance(buy: Floats, sell: Floats, window: int) -> Floats:
    return ratio(rolling_sum(buy - sell, window), rolling_sum(buy + sell, window))


def _against_usual(values: Floats, window: int) -> Floats:
    return log_ratio(rolling_mean(values, max(1, window // 12)), rolling_mean(values, window))
