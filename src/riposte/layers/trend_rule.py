"""The trend rule: breakouts from a price channel, the classic fixed rule to measure a system against.

LONG at the close of a bar that closes above the highest high of the bars before it in the channel's
window, SHORT below their lowest low, nothing in between. No parameter is fitted.

Source: Donchian (1960), "High Finance in Copper", Financial Analysts Journal 16; with a window of 20
days it is the entry of the turtle traders. Brock, Lakonishok and LeBaron (1992), "Simple Technical
Trading Rules and the Stochastic Properties of Stock Returns", Journal of Finance 47, test it as the
trading-range break.
"""

from __future__ import annotations

import numpy as np

from riposte.features.matrix import row_in_segment
from riposte.features.primitives import lag, rolling_max, rolling_min
from riposte.layers.contract import REGIMES, UNKNOWN_REGIME, Signals
from riposte.market.frame import MarketFrame

# Twenty days where a trade lasts at most a day; shorter channels for shorter trades.
CHANNEL_HORIZONS = 20


def trend_rule_signals(frame: MarketFrame, channel_ns: int, confidence: float) -> Signals:
    """The rule's signals, one per row, known at the row's close.

    ``channel_ns``: length of the window. The rule has no probabilities to give: where it speaks it has
    the ``confidence`` handed in, in [0.5, 1], and leaves nothing to NEUTRAL; so its positions are as
    large as those of a signal of that confidence. Silent until its window lies inside the segment.
    """
    bars = frame.interval.bars(channel_ns)
    highest = lag(rolling_max(frame["high"], bars), 1)
    lowest = lag(rolling_min(frame["low"], bars), 1)
    known = row_in_segment(frame) >= bars
    close = frame["close"]
    direction = np.where(close > highest, 1, np.where(close < lowest, -1, 0))
    direction = np.where(known, direction, 0).astype(np.int8)
    spoken = direction != 0
    long = np.where(direction > 0, confidence, 1.0 - confidence)
    return Signals(
        direction=direction,
        confidence=np.where(spoken, confidence, 0.5),
        probabilities=np.where(
            spoken[:, None],
            np.column_stack([1.0 - long, np.zeros(len(frame)), long]),
            [0.0, 1.0, 0.0],
        ),
        regime=np.full(len(frame), UNKNOWN_REGIME, np.int8),
        regime_probabilities=np.full((len(frame), len(REGIMES)), np.nan),
        abstention=np.zeros(len(frame), np.uint8),
    )
