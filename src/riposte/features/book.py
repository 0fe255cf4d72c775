"""The order book as it stands: its spread, which side is fuller, how deep and how steep it is.

These need recorded depth changes (:mod:`riposte.market.book_bars`) or, those named after bands, the
exchange's archive of the book summed to 0.2, 1 and 5 % from the middle price.
"""

from __future__ import annotations

from riposte.features.catalogue import feature
from riposte.features.primitives import log_ratio, ratio, rolling_mean
from riposte.market.frame import Floats

# -- spread and the best prices ----------------------------------------------------------------


@feature("book", lookback=lambda: 1)
def quoted_spread(best_bid: Floats, best_ask: Floats) -> Floats:
    """Spread at the close, per middle price.

    Formula: (ask - bid) / ((ask + bid) / 2)
    Unit: fraction
    Look-back: 1 bar
    Source: Roll (1984); quoted spread
    """
    return (best_ask - best_bid) / (0.5 * (best_ask + best_bid))


@feature("book", lookback=lambda window: window, at=("5m", "4h"))
def quoted_spread_mean(mean_spread: Floats, window: int) -> Floats:
    """Spread per middle price, mean over the time of the window.

    Formula: mean(mean_spread)
    Unit: fraction
    Look-back: window bars
    Source: McInish and Wood (1992), time-weighted spread
    """
    return rolling_mean(mean_spread, window)


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=4)
def spread_against_usual(mean_spread: Floats, window: int) -> Floats:
    """The bar's spread against that of the window.

    Formula: ln(mean_spread / mean(mean_spread, window))
    Unit: fraction
    Look-back: window bars
    Source: McInish and Wood (1992)
    """
    return log_ratio(mean_spread, rolling_mean(mean_spread, window))


@feature("book", lookback=lambda: 1)
def top_imbalance(best_bid_quantity: Floats, best_ask_quantity: Floats) -> Floats:
    """Which side has more coins at its best price, at the close.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Gould and Bonart (2016), queue imbalance
    """
    return _balance(best_bid_quantity, best_ask_quantity)


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def top_imbalance_mean(mean_imbalance: Floats, window: int) -> Floats:
    """Which side had more coins at its best price, mean over the time of the window.

    Formula: mean((bid - ask) / (bid + ask))
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Gould and Bonart (2016); Cartea, Donnelly and Jaimungal (2018)
    """
    return rolling_mean(mean_imbalance, window)


@feature("book", lookback=lambda: 1)
def micro_price_deviation(
    best_bid: Floats, best_ask: Floats, best_bid_quantity: Floats, best_ask_quantity: Floats
) -> Floats:
    """The middle weighted by the other side's coins, from the plain middle: where the price leans.

    Formula: (bid * A + ask * B) / (A + B) / middle - 1, B and A coins at the best bid and ask
    Unit: fraction
    Look-back: 1 bar
    Source: Gatheral and Oomen (2010); Stoikov (2018), micro-price
    """
    return 0.5 * _balance(best_bid_quantity, best_ask_quantity) * quoted_spread(best_bid, best_ask)


# -- the best ten levels -----------------------------------------------------------------------


@feature("book", lookback=lambda: 1)
def depth_imbalance_5(bid_depth_5: Floats, ask_depth_5: Floats) -> Floats:
    """Which side has more coins in its best five levels.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return _balance(bid_depth_5, ask_depth_5)


@feature("book", lookback=lambda: 1)
def depth_imbalance_10(bid_depth_10: Floats, ask_depth_10: Floats) -> Floats:
    """Which side has more coins in its best ten levels.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return _balance(bid_depth_10, ask_depth_10)


@feature("book", lookback=lambda window: window, at=("5m", "4h"), least_bars=4)
def depth_imbalance_change(bid_depth_10: Floats, ask_depth_10: Floats, window: int) -> Floats:
    """Imbalance of ten levels less its mean over the window.

    Formula: I - mean(I, window), I = (bid - ask) / (bid + ask)
    Unit: fraction
    Look-back: window bars
    Source: Cao, Hansch and Wang (2009)
    """
    imbalance = _balance(bid_depth_10, ask_depth_10)
    return imbalance - rolling_mean(imbalance, window)


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=4)
def depth_against_usual(bid_depth_10: Floats, ask_depth_10: Floats, window: int) -> Floats:
    """Coins in the best ten levels of both sides against their mean over the window.

    Formula: ln(D / mean(D, window)), D = bid_depth_10 + ask_depth_10
    Unit: fraction
    Look-back: window bars
    Source: Biais, Hillion and Spatt (1995)
    """
    depth = bid_depth_10 + ask_depth_10
    return log_ratio(depth, rolling_mean(depth, window))


@feature("book", lookback=lambda window: window, at=("15m", "4h"), least_bars=4)
def depth_in_bars(
    bid_depth_10: Floats, ask_depth_10: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """How many bars of the window's trading the best ten levels hold; 0 if nothing was traded.

    Formula: ln((bid_depth_10 + ask_depth_10) / mean(buy_volume + sell_volume))
    Unit: ln of bars
    Look-back: window bars
    Source: Kyle (1985), depth; Harris (2003)
    """
    return log_ratio(bid_depth_10 + ask_depth_10, rolling_mean(buy_volume + sell_volume, window))


@feature("book", lookback=lambda: 1)
def top_level_share(
    best_bid_quantity: Floats, best_ask_quantity: Floats, bid_depth_10: Floats, ask_depth_10: Floats
) -> Floats:
    """Share of the coins in the best ten levels that stands at the best prices.

    Formula: (Q_bid + Q_ask) / (bid_depth_10 + ask_depth_10)
    Unit: fraction in [0, 1]
    Look-back: 1 bar
    Source: Biais, Hillion and Spatt (1995), liquidity by level
    """
    return ratio(best_bid_quantity + best_ask_quantity, bid_depth_10 + ask_depth_10)


@feature("book", lookback=lambda: 1)
def near_level_share(
    bid_depth_5: Floats, ask_depth_5: Floats, bid_depth_10: Floats, ask_depth_10: Floats
) -> Floats:
    """Share of the coins in the best ten levels that stands in the best five.

    Formula: (bid_depth_5 + ask_depth_5) / (bid_depth_10 + ask_depth_10)
    Unit: fraction in [0, 1]
    Look-back: 1 bar
    Source: Biais, Hillion and Spatt (1995), liquidity by level
    """
    return ratio(bid_depth_5 + ask_depth_5, bid_depth_10 + ask_depth_10)


@feature("book", lookback=lambda: 1)
def near_level_balance(
    bid_depth_5: Floats, ask_depth_5: Floats, bid_depth_10: Floats, ask_depth_10: Floats
) -> Floats:
    """Whether bids (positive) or asks crowd nearer to their best price.

    Formula: bid_depth_5 / bid_depth_10 - ask_depth_5 / ask_depth_10
    Unit: fraction
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return ratio(bid_depth_5, bid_depth_10) - ratio(ask_depth_5, ask_depth_10)


@feature("book", lookback=lambda: 1)
def depth_distance(bid_distance_10: Floats, ask_distance_10: Floats) -> Floats:
    """Mean distance of the coins in the best ten levels from the middle: what taking them all costs.

    Formula: (bid_distance_10 + ask_distance_10) / 2
    Unit: fraction of the middle price
    Look-back: 1 bar
    Source: Irvine, Benston and Kandel (2000), cost of a round trip
    """
    return 0.5 * (bid_distance_10 + ask_distance_10)


@feature("book", lookback=lambda: 1)
def depth_distance_balance(bid_distance_10: Floats, ask_distance_10: Floats) -> Floats:
    """Whether the coins bid (positive) or those asked stand nearer to the middle.

    Formula: ln(ask_distance_10 / bid_distance_10)
    Unit: fraction
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return log_ratio(ask_distance_10, bid_distance_10)


@feature("book", lookback=lambda: 1)
def book_pressure(
    bid_depth_10: Floats, ask_depth_10: Floats, bid_distance_10: Floats, ask_distance_10: Floats
) -> Floats:
    """Imbalance of ten levels where coins count the more the nearer they stand.

    Formula: (b - a) / (b + a), b = bid_depth_10 / bid_distance_10, a likewise of the asks
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009); Lipton, Pesavento and Sotiropoulos (2013)
    """
    return _balance(ratio(bid_depth_10, bid_distance_10), ratio(ask_depth_10, ask_distance_10))


@feature("book", lookback=lambda: 1)
def deep_price_deviation(
    bid_depth_10: Floats, ask_depth_10: Floats, bid_distance_10: Floats, ask_distance_10: Floats
) -> Floats:
    """The micro-price of ten levels: their mean prices, each weighted by the other side's coins.

    Formula: (bid_depth * ask_distance - ask_depth * bid_distance) / (bid_depth + ask_depth)
    Unit: fraction of the middle price
    Look-back: 1 bar
    Source: Stoikov (2018), micro-price, over ten levels
    """
    leaning = bid_depth_10 * ask_distance_10 - ask_depth_10 * bid_distance_10
    return ratio(leaning, bid_depth_10 + ask_depth_10)


@feature("book", lookback=lambda: 1)
def book_slope_balance(bid_slope: Floats, ask_slope: Floats) -> Floats:
    """Whether the bids (positive) or the asks are steeper: gain more coins per distance.

    Formula: ln(bid_slope / ask_slope), slopes of cumulated coins over distance, least squares
    Unit: fraction
    Look-back: 1 bar
    Source: Naes and Skjeltorp (2006), slope of the order book
    """
    return log_ratio(bid_slope, ask_slope)


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=4)
def book_slope_against_usual(bid_slope: Floats, ask_slope: Floats, window: int) -> Floats:
    """Steepness of both sides against its mean over the window.

    Formula: ln(S / mean(S, window)), S = bid_slope + ask_slope
    Unit: fraction
    Look-back: window bars
    Source: Naes and Skjeltorp (2006)
    """
    slope = bid_slope + ask_slope
    return log_ratio(slope, rolling_mean(slope, window))


@feature("book", lookback=lambda window: window, at=("15m", "4h"), least_bars=4)
def expected_impact(
    bid_slope: Floats, ask_slope: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """How far a usual bar's volume would push the price through the book as it stands.

    Formula: mean(buy_volume + sell_volume) / (bid_slope + ask_slope)
    Unit: fraction of the middle price
    Look-back: window bars
    Source: Bouchaud, Farmer and Lillo (2009), virtual impact of a linear book
    """
    return ratio(rolling_mean(buy_volume + sell_volume, window), bid_slope + ask_slope)


# -- bands of the archive ----------------------------------------------------------------------


@feature("book", lookback=lambda: 1)
def band_imbalance_02(bid_notional_02pct: Floats, ask_notional_02pct: Floats) -> Floats:
    """Which side has more money within 0.2 % of the middle.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return _balance(bid_notional_02pct, ask_notional_02pct)


@feature("book", lookback=lambda: 1)
def band_imbalance_1(bid_notional_1pct: Floats, ask_notional_1pct: Floats) -> Floats:
    """Which side has more money within 1 % of the middle.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return _balance(bid_notional_1pct, ask_notional_1pct)


@feature("book", lookback=lambda: 1)
def band_imbalance_5(bid_notional_5pct: Floats, ask_notional_5pct: Floats) -> Floats:
    """Which side has more money within 5 % of the middle.

    Formula: (bid - ask) / (bid + ask)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: Cao, Hansch and Wang (2009)
    """
    return _balance(bid_notional_5pct, ask_notional_5pct)


@feature("book", lookback=lambda window: window, at=("4h", "24h"), least_bars=4)
def band_imbalance_change(
    bid_notional_1pct: Floats, ask_notional_1pct: Floats, window: int
) -> Floats:
    """Imbalance within 1 % less its mean over the window.

    Formula: I - mean(I, window), I = (bid - ask) / (bid + ask)
    Unit: fraction
    Look-back: window bars
    Source: Cao, Hansch and Wang (2009)
    """
    imbalance = _balance(bid_notional_1pct, ask_notional_1pct)
    return imbalance - rolling_mean(imbalance, window)


@feature("book", lookback=lambda window: window, at=("24h",), least_bars=4)
def band_depth_against_usual(
    bid_notional_1pct: Floats, ask_notional_1pct: Floats, window: int
) -> Floats:
    """Money within 1 % of the middle against its mean over the window.

    Formula: ln(D / mean(D, window)), D = bid_notional_1pct + ask_notional_1pct
    Unit: fraction
    Look-back: window bars
    Source: Biais, Hillion and Spatt (1995)
    """
    depth = bid_notional_1pct + ask_notional_1pct
    return log_ratio(depth, rolling_mean(depth, window))


@feature("book", lookback=lambda: 1)
def band_concentration(
    bid_notional_1pct: Floats,
    ask_notional_1pct: Floats,
    bid_notional_5pct: Floats,
    ask_notional_5pct: Floats,
) -> Floats:
    """How much of the money within 5 % of the middle stands within 1 %.

    Formula: ln((bid_1pct + ask_1pct) / (bid_5pct + ask_5pct))
    Unit: fraction
    Look-back: 1 bar
    Source: Biais, Hillion and Spatt (1995), liquidity by distance
    """
    near = bid_notional_1pct + ask_notional_1pct
    return log_ratio(near, bid_notional_5pct + ask_notional_5pct)


def _balance(bid: Floats, ask: Floats) -> Floats:
    return ratio(bid - ask, bid + ask)
