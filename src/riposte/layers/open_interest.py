"""The open-interest signal: a rule-based score in [-1, 1], usable alone and as a baseline.

Open interest tells whether a move brings new positions or closes old ones. Over the last day, with each
part measured against the market's own week:

* ``move = tanh(log return / (usual bar volatility * sqrt(bars)))``: which way, and how unusual;
* ``build = tanh(log change of open interest / (its usual bar change * sqrt(bars)))``: positions opened
  (above 0) or closed;
* ``effort``: the day's volume against the mean day of the week, at most 1: a move nobody traded counts
  for less;
* ``crowding = -tanh((funding rate - usual rate) / scale)``: whoever pays unusually much to hold a side
  is in a crowd, and crowds are forced out.

The four quadrants of price and open interest (new longs, new shorts, short covering, long liquidation)
come out of ``flow = move * (1 + build) / 2``: a move that brings positions is followed in full, one that
closes them hardly at all. ``score = 0.75 * flow * effort + 0.25 * crowding``, so that neither alone
decides. A missing funding rate counts as no crowding; where open interest, or a whole week of it, is
missing the score is 0.

Source: the quadrants are exchange folklore; Hong and Yogo (2012), "What does futures market interest
tell us about the macroeconomy and asset prices?", show that growing open interest confirms a move.
"""

from __future__ import annotations

import numpy as np

from riposte.features.matrix import row_in_segment
from riposte.features.primitives import log_change, ratio, rolling_std, rolling_sum
from riposte.layers.contract import REGIMES, UNKNOWN_REGIME, Signals
from riposte.market.frame import Floats, MarketFrame
from riposte.market.interval import DAY_NS

_MOVE_NS = DAY_NS
_USUAL_NS = 7 * DAY_NS
_FLOW_SHARE = 0.75
# The exchange's resting rate, and how far from it a rate is crowded; per settlement of 8 hours.
_USUAL_FUNDING = 0.0001
_CROWDED_FUNDING = 0.0003


def open_interest_score(frame: MarketFrame) -> Floats:
    """The score of every row (n,), in [-1, 1], known at the row's close; above 0 speaks for a long.

    Looks back seven days and one bar, inside the row's segment; 0 where that is not there.
    """
    interval = frame.interval
    move_bars, usual_bars = interval.bars(_MOVE_NS), interval.bars(_USUAL_NS)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = _unusual(frame["close"], move_bars, usual_bars)
        build = _unusual(frame["open_interest"], move_bars, usual_bars)
        day = rolling_sum(frame["volume"], move_bars)
        usual_day = rolling_sum(frame["volume"], usual_bars) * (move_bars / usual_bars)
        effort = np.minimum(ratio(day, usual_day), 1.0)
        flow = move * (1.0 + build) / 2.0 * effort
        crowding = -np.tanh((frame["funding_rate"] - _USUAL_FUNDING) / _CROWDED_FUNDING)
    crowding = np.where(np.isfinite(crowding), crowding, 0.0)
    score = _FLOW_SHARE * flow + (1.0 - _FLOW_SHARE) * crowding
    known = np.isfinite(flow) & (row_in_segment(frame) >= usual_bars)
    return np.where(known, np.clip(score, -1.0, 1.0), 0.0)


def open_interest_signals(frame: MarketFrame, threshold: float) -> Signals:
    """The score as signals: a direction where its size is at least ``threshold``, in (0, 1].

    The rule has no probabilities to give. So that it can go through the same engine, the confidence is
    ``(1 + |score|) / 2`` and the probabilities are those that have this confidence and leave
    ``1 - |score|`` to NEUTRAL. No regime is named.

    Raises:
        ValueError: if the threshold is not in (0, 1].
    """
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}")
    score = open_interest_score(frame)
    size = np.abs(score)
    confidence = (1.0 + size) / 2.0
    likelier, other = size * confidence, size * (1.0 - confidence)
    long = np.where(score >= 0.0, likelier, other)
    short = np.where(score >= 0.0, other, likelier)
    return Signals(
        direction=np.where(size >= threshold, np.sign(score), 0.0).astype(np.int8),
        confidence=confidence,
        probabilities=np.column_stack([short, 1.0 - size, long]),
        regime=np.full(len(frame), UNKNOWN_REGIME, np.int8),
        regime_probabilities=np.full((len(frame), len(REGIMES)), np.nan),
        abstention=np.zeros(len(frame), np.uint8),
    )


def _unusual(values: Floats, bars: int, usual_bars: int) -> Floats:
    """Log change over ``bars`` in usual standard deviations, squeezed into (-1, 1); NaN if unknown."""
    usual = rolling_std(log_change(values, 1), usual_bars) * np.sqrt(bars)
    squeezed: Floats = np.tanh(ratio(log_change(values, bars), usual))
    return squeezed
