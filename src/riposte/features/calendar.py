"""Calendar: where in the day, the week and the funding cycle the bar's close lies. All UTC.

The clock is never read: the time is that of the row.
"""

from __future__ import annotations

import numpy as np

from riposte.features.catalogue import feature
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS, HOUR_NS

WEEK_NS = 7 * DAY_NS
FUNDING_CYCLE_NS = 8 * HOUR_NS
# 1970-01-01 was a Thursday; weeks are counted from Monday.
_FIRST_MONDAY_NS = 4 * DAY_NS


@feature("calendar", lookback=lambda: 1)
def hour_sine(close_time: Times) -> Floats:
    """Time of day on a circle, first coordinate.

    Formula: sin(2 pi * time of day / 24h)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: cyclic encoding; Andersen and Bollerslev (1997) on intraday seasonality
    """
    return np.sin(_angle(close_time, DAY_NS))


@feature("calendar", lookback=lambda: 1)
def hour_cosine(close_time: Times) -> Floats:
    """Time of day on a circle, second coordinate.

    Formula: cos(2 pi * time of day / 24h)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: cyclic encoding; Andersen and Bollerslev (1997) on intraday seasonality
    """
    return np.cos(_angle(close_time, DAY_NS))


@feature("calendar", lookback=lambda: 1)
def weekday_sine(close_time: Times) -> Floats:
    """Time of week on a circle, first coordinate.

    Formula: sin(2 pi * time since Monday 00:00 / 7d)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: cyclic encoding; French (1980) on the weekend effect
    """
    return np.sin(_angle(close_time - _FIRST_MONDAY_NS, WEEK_NS))


@feature("calendar", lookback=lambda: 1)
def weekday_cosine(close_time: Times) -> Floats:
    """Time of week on a circle, second coordinate.

    Formula: cos(2 pi * time since Monday 00:00 / 7d)
    Unit: fraction in [-1, 1]
    Look-back: 1 bar
    Source: cyclic encoding; French (1980) on the weekend effect
    """
    return np.cos(_angle(close_time - _FIRST_MONDAY_NS, WEEK_NS))


@feature("calendar", lookback=lambda: 1)
def hours_to_funding(close_time: Times) -> Floats:
    """Time to the next settlement of the standard cycle (00:00, 08:00, 16:00).

    Formula: 8h - (close time mod 8h)
    Unit: hours in (0, 8]
    Look-back: 1 bar
    Source: exchange (funding schedule)
    """
    return (FUNDING_CYCLE_NS - close_time % FUNDING_CYCLE_NS) / HOUR_NS


@feature("calendar", lookback=lambda: 1)
def funding_age(hours_since_funding: Floats) -> Floats:
    """Time since the last settlement, which also holds for symbols that settle more often.

    Formula: close time - time of the last settlement
    Unit: hours
    Look-back: 1 bar
    Source: exchange (funding history)
    """
    return hours_since_funding.copy()


def _angle(time: Times, period_ns: int) -> Floats:
    angle: Floats = 2.0 * np.pi * ((time % period_ns) / period_ns)
    return angle
