"""What happens to the order book: orders that arrive, are cancelled or taken, and what the price does.

Removed coins are cancelled or traded away; those traded are known from the trades, the rest was
cancelled. An average or a rate "against usual" compares the last twelfth of the window with all of it.
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
    rolling_std,
    rolling_sum,
)
from riposte.market.frame import Floats

# -- order flow at the best prices -------------------------------------------------------------


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def order_flow_imbalance(
    order_flow: Floats, best_bid_quantity: Floats, best_ask_quantity: Floats, window: int
) -> Floats:
    """Net coins gained by the bid over the ask in the window, in units of the best levels' coins.

    Formula: sum(order_flow) / mean((Q_bid + Q_ask) / 2)
    Unit: multiples of the mean coins at a best price
    Look-back: window bars
    Source: Cont, Kukanov and Stoikov (2014), order-flow imbalance over depth
    """
    depth = rolling_mean(0.5 * (best_bid_quantity + best_ask_quantity), window)
    return ratio(rolling_sum(order_flow, window), depth)


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def order_flow_balance(order_flow: Floats, order_flow_size: Floats, window: int) -> Floats:
    """Order flow of the window as a share of all its movement; 0 if nothing moved.

    Formula: sum(order_flow) / sum(order_flow_size)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Cont, Kukanov and Stoikov (2014), normalised
    """
    return ratio(rolling_sum(order_flow, window), rolling_sum(order_flow_size, window))


@feature("book", lookback=lambda window: 2 * window, at=("1m", "5m", "4h"))
def order_flow_acceleration(order_flow: Floats, order_flow_size: Floats, window: int) -> Floats:
    """Balance of the order flow less that of the window before.

    Formula: B[t] - B[t-window], B = sum(order_flow) / sum(order_flow_size)
    Unit: fraction
    Look-back: 2 * window bars
    Source: first difference of the order-flow imbalance of Cont, Kukanov and Stoikov (2014)
    """
    balance = order_flow_balance(order_flow, order_flow_size, window)
    return balance - lag(balance, window)


@feature("book", lookback=lambda window: window + 1, at=("15m", "24h"), least_bars=12)
def order_flow_correlation(
    best_bid: Floats, best_ask: Floats, order_flow: Floats, window: int
) -> Floats:
    """Whether the middle price follows the order flow; 0 if either did not vary.

    Formula: correlation(r, order_flow), r = change of ln(middle)
    Unit: fraction in [-1, 1]
    Look-back: window + 1 bars
    Source: Cont, Kukanov and Stoikov (2014)
    """
    return rolling_correlation(_middle_return(best_bid, best_ask), order_flow, window)


@feature("book", lookback=lambda window: window + 1, at=("15m", "24h"), least_bars=12)
def order_flow_impact(
    best_bid: Floats, best_ask: Floats, order_flow: Floats, window: int
) -> Floats:
    """What a usual order flow moves the middle price by: the slope per standard deviation of flow.

    Formula: correlation(r, order_flow) * std(r), r = change of ln(middle)
    Unit: fraction
    Look-back: window + 1 bars
    Source: Cont, Kukanov and Stoikov (2014), impact coefficient
    """
    returns = _middle_return(best_bid, best_ask)
    return rolling_correlation(returns, order_flow, window) * rolling_std(returns, window)


@feature("book", lookback=lambda window: window + 2, at=("15m", "24h"), least_bars=12)
def middle_forecast(best_bid: Floats, best_ask: Floats, order_flow: Floats, window: int) -> Floats:
    """Move of the next bar's middle price that this bar's order flow foretells; 0 if nothing varied.

    The line is fitted to the pairs of the window: each bar's move and the flow of the bar before it.

    Formula: mean(r) + slope * (order_flow - mean(f)), slope of r on f = order_flow[t-1]
    Unit: fraction
    Look-back: window + 2 bars
    Source: Cont and Cucuringu (2023), predictive order-flow imbalance
    """
    returns, before = _middle_return(best_bid, best_ask), lag(order_flow, 1)
    spread = rolling_std(before, window)
    strength = rolling_correlation(returns, before, window) * rolling_std(returns, window)
    surprise = ratio(order_flow - rolling_mean(before, window), spread)
    return rolling_mean(returns, window) + strength * surprise


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def middle_change_rate(middle_changes: Floats, window: int) -> Floats:
    """How often the middle price changes, against usual; 0 if it did not.

    Formula: ln(mean(changes, window / 12) / mean(changes, window))
    Unit: fraction
    Look-back: window bars
    Source: Cont and de Larrard (2013), rate of price changes
    """
    return _against_usual(middle_changes, window)


# -- the best ten levels: what comes and what goes ---------------------------------------------


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def level_flow_balance(
    bid_added: Floats, bid_removed: Floats, ask_added: Floats, ask_removed: Floats, window: int
) -> Floats:
    """Net coins gained by the best ten bids over those asked, as a share of all that moved.

    Formula: sum(bid_added - bid_removed - ask_added + ask_removed) / sum(all four)
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Xu, Gould and Howison (2018), multi-level order-flow imbalance
    """
    net = bid_added - bid_removed - ask_added + ask_removed
    moved = bid_added + bid_removed + ask_added + ask_removed
    return ratio(rolling_sum(net, window), rolling_sum(moved, window))


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def limit_order_arrival_rate(bid_additions: Floats, ask_additions: Floats, window: int) -> Floats:
    """How often limit orders arrive among the best ten levels, against usual; 0 if none did.

    Formula: ln(mean(additions, window / 12) / mean(additions, window))
    Unit: fraction
    Look-back: window bars
    Source: Cont, Stoikov and Talreja (2010), arrival rates
    """
    return _against_usual(bid_additions + ask_additions, window)


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def arrival_balance(bid_added: Floats, ask_added: Floats, window: int) -> Floats:
    """Whether more coins arrive at the bids (positive) or at the asks.

    Formula: (sum(bid_added) - sum(ask_added)) / (sum(bid_added) + sum(ask_added))
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Cont, Stoikov and Talreja (2010), arrival rates by side
    """
    return _balance(rolling_sum(bid_added, window), rolling_sum(ask_added, window))


@feature("book", lookback=lambda window: window, at=("5m", "4h"))
def cancellation_rate(
    bid_added: Floats, bid_removed: Floats, ask_added: Floats, ask_removed: Floats,
    buy_volume: Floats, sell_volume: Floats, window: int,
) -> Floats:  # fmt: skip
    """Coins cancelled per coin added among the best ten levels; 0 if none were added.

    Formula: sum(removed but not traded) / sum(bid_added + ask_added)
    Unit: fraction
    Look-back: window bars
    Source: Cont, Stoikov and Talreja (2010), cancellation rates; Hasbrouck and Saar (2009)
    """
    cancelled = _cancelled(bid_removed, sell_volume, window)
    cancelled += _cancelled(ask_removed, buy_volume, window)
    return ratio(cancelled, rolling_sum(bid_added + ask_added, window))


@feature("book", lookback=lambda window: window, at=("5m", "4h"))
def cancellation_balance(
    bid_removed: Floats, ask_removed: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """Whether more coins are cancelled at the asks (positive) or at the bids; 0 if none are.

    Formula: (a - b) / (a + b), coins removed but not traded in the window, of asks and bids
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Cont, Stoikov and Talreja (2010), cancellation rates by side
    """
    bids = _cancelled(bid_removed, sell_volume, window)
    return _balance(_cancelled(ask_removed, buy_volume, window), bids)


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def removal_rate(bid_removals: Floats, ask_removals: Floats, window: int) -> Floats:
    """How often levels shrink among the best ten, against usual; 0 if none did.

    Formula: ln(mean(removals, window / 12) / mean(removals, window))
    Unit: fraction
    Look-back: window bars
    Source: Hasbrouck and Saar (2009), fleeting orders
    """
    return _against_usual(bid_removals + ask_removals, window)


@feature("book", lookback=lambda window: window, at=("15m", "24h"), least_bars=12)
def book_update_rate(book_updates: Floats, window: int) -> Floats:
    """How often the book changes, against usual; 0 if it did not.

    Formula: ln(mean(messages, window / 12) / mean(messages, window))
    Unit: fraction
    Look-back: window bars
    Source: Hendershott, Jones and Menkveld (2011), message traffic
    """
    return _against_usual(book_updates, window)


@feature("book", lookback=lambda window: window, at=("5m", "4h"))
def added_per_traded(
    bid_added: Floats, ask_added: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """Coins added to the best ten levels per coin traded; 0 if either is nil.

    Formula: ln(sum(bid_added + ask_added) / sum(buy_volume + sell_volume))
    Unit: fraction
    Look-back: window bars
    Source: Hendershott, Jones and Menkveld (2011), order-to-trade ratio
    """
    added = rolling_sum(bid_added + ask_added, window)
    return log_ratio(added, rolling_sum(buy_volume + sell_volume, window))


@feature("book", lookback=lambda window: window, at=("1m", "5m", "4h"))
def depth_renewal(
    bid_added: Floats, bid_removed: Floats, ask_added: Floats, ask_removed: Floats, window: int
) -> Floats:
    """Whether the best ten levels fill up (positive) or drain.

    Formula: (sum(added) - sum(removed)) / (sum(added) + sum(removed)), both sides
    Unit: fraction in [-1, 1]
    Look-back: window bars
    Source: Large (2007), resiliency
    """
    added = rolling_sum(bid_added + ask_added, window)
    return _balance(added, rolling_sum(bid_removed + ask_removed, window))


@feature("book", lookback=lambda window: window, at=("5m", "4h"))
def depth_taken(
    bid_depth_10: Floats, ask_depth_10: Floats, buy_volume: Floats, sell_volume: Floats, window: int
) -> Floats:
    """Coins traded per bar against those in the best ten levels; 0 if nothing was traded.

    Formula: mean(buy_volume + sell_volume) / mean(bid_depth_10 + ask_depth_10)
    Unit: fraction of the depth per bar
    Look-back: window bars
    Source: Degryse, de Jong, van Ravenswaaij and Wuyts (2005), aggressive orders
    """
    traded = rolling_mean(buy_volume + sell_volume, window)
    return ratio(traded, rolling_mean(bid_depth_10 + ask_depth_10, window))


def _middle_return(best_bid: Floats, best_ask: Floats) -> Floats:
    return log_change(0.5 * (best_bid + best_ask), 1)


def _against_usual(values: Floats, window: int) -> Floats:
    return log_ratio(rolling_mean(values, max(1, window // 12)), rolling_mean(values, window))


def _cancelled(removed: Floats, traded: Floats, window: int) -> Floats:
    # Trades of hidden or renewed coins exceed what was seen to go: then nothing was cancelled.
    return np.maximum(rolling_sum(removed, window) - rolling_sum(traded, window), 0.0)


def _balance(bid: Floats, ask: Floats) -> Floats:
    return ratio(bid - ask, bid + ask)
