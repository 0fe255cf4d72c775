"""The compiled part of the synthetic market: prices, flow and open interest, step by step in each bar."""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.market.frame import Floats

YEAR_HOURS = 365 * 24.0


@compiled
def bar_path(
    opened: float,
    steps: Floats,
    sigma: float,
    log_uniform: Floats,
    crowded: float,
    chance: Floats,
) -> tuple[float, float, float, float]:
    """Close, high and low (logs) of one bar and the share of open interest that was flushed in it.

    A market that is ``crowded`` (log open interest above its usual level) and moves fast is forced
    to close: one cascade a bar at most, in the direction of the move.
    """
    price = opened
    high = opened
    low = opened
    flushed = 0.0
    bar_sigma = sigma * np.sqrt(len(steps))
    variance = 2.0 * sigma * sigma
    for k in range(len(steps)):
        before = price
        price += steps[k]
        move = price - opened
        ready = crowded > 0.0 and flushed == 0.0 and abs(move) > 1.8 * bar_sigma
        if ready and chance[0] < min(4.0 * crowded, 0.8):
            price += np.sign(move) * bar_sigma * (0.3 + 0.7 * chance[1])
            flushed = 0.02 + 0.08 * chance[1]
        # The extremes of the Brownian bridge between the two ends of the step.
        spread = (price - before) ** 2
        high = max(high, 0.5 * (before + price + np.sqrt(spread - variance * log_uniform[0, k])))
        low = min(low, 0.5 * (before + price - np.sqrt(spread - variance * log_uniform[1, k])))
    return price, high, low, flushed


@compiled
def paths(
    returns: Floats,
    drift: Floats,
    sigma: Floats,
    log_uniform: Floats,
    noise: Floats,
    chance: Floats,
    hours: float,
    activity: Floats,
    free: bool,
) -> Floats:
    """One symbol, bar by bar. Rows of the result (10, bars): log open, high, low, close against the
    first price; turnover in usual hours' turnover per hour; taker-buy share; trade-count factor; log
    open interest against its usual level; premium; mark over last price.

    ``sigma`` is the volatility of one step. ``free`` lets regimes, pull and cascades move the price;
    without it the price is a martingale.
    """
    bars, steps = returns.shape
    out = np.empty((10, bars))
    price = 0.0
    anchor = 0.0
    momentum = 0.0
    interest = 0.0
    usual_interest = 0.0
    premium = 0.0
    flow = 0.0
    busy = 0.0
    keep_day = np.exp(-hours / 24.0)
    keep_week = np.exp(-hours / 168.0)
    keep_premium = np.exp(-hours / 5.0)
    keep_flow = np.exp(-hours / 2.0)
    for t in range(bars):
        bar_sigma = sigma[t] * np.sqrt(steps)
        push = -0.5 * sigma[t] ** 2
        if free:
            pull = -0.010 * hours / 24.0 * (price - anchor) - price * hours / YEAR_HOURS
            push += (drift[t] + pull) / steps
        opened = price
        crowded = max(interest - usual_interest, 0.0) if free else 0.0
        price, high, low, flushed = bar_path(
            opened, returns[t] + push, sigma[t], log_uniform[:, t], crowded, chance[t]
        )
        moved = (price - opened) / bar_sigma
        momentum = keep_day * momentum + (1.0 - keep_day) * moved * np.sqrt(24.0 / hours)
        anchor = keep_day * anchor + (1.0 - keep_day) * price

        # Positions are opened in trends, more in rising ones, and closed in violent bars.
        built = 0.0022 * hours * (abs(momentum) - 0.56 + 0.8 * momentum)
        closed = flushed + 0.012 * np.sqrt(hours) * (max(abs(moved) - 1.2, 0.0) - 0.112)
        interest += built - closed - interest * hours / 480.0
        interest += 0.0055 * np.sqrt(hours) * noise[t, 0]
        usual_interest = keep_week * usual_interest + (1.0 - keep_week) * interest

        premium = keep_premium * premium + (1.0 - keep_premium) * 0.0008 * momentum
        premium += 0.0004 * np.sqrt(1.0 - keep_premium**2) * noise[t, 1]
        premium = min(max(premium, -0.02), 0.02)

        flow = keep_flow * flow + np.sqrt(1.0 - keep_flow**2) * noise[t, 2]
        busy = keep_flow * busy + np.sqrt(1.0 - keep_flow**2) * noise[t, 3]
        size = activity[t] * (0.55 + 0.45 * abs(moved)) * np.exp(0.35 * busy - 0.06)
        out[0, t] = opened
        out[1, t] = high
        out[2, t] = low
        out[3, t] = price
        out[4, t] = size * (1.0 + 25.0 * flushed)
        out[5, t] = 0.5 + 0.5 * np.tanh(0.18 * moved + 0.07 * flow)
        out[6, t] = np.exp(0.2 * noise[t, 4])
        out[7, t] = interest
        out[8, t] = premium
        out[9, t] = 1.0 + 0.00006 * bar_sigma / 0.006 * noise[t, 4]
    return out
