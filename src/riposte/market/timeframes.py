"""Longer bars beside short ones, without looking ahead: an hour's value is known at the hour's close.

::

    hours = coarser(minutes, INTERVALS["1h"])
    trend = some_feature(hours)                      # one value an hour
    column = known_at(minutes, hours, trend)         # the last closed hour's, for each minute
"""

from __future__ import annotations

import numpy as np

from riposte.errors import InputError
from riposte.market.assemble import gathered, whole_bars
from riposte.market.frame import COLUMNS, Floats, MarketFrame, make_frame
from riposte.market.interval import Interval


def coarser(frame: MarketFrame, interval: Interval) -> MarketFrame:
    """The frame in longer bars; only bars of which every part is there.

    It equals the frame assembled in those bars from the same series: each column is gathered as its
    entry in :data:`riposte.market.frame.COLUMNS` says.

    Raises:
        InputError: if ``interval`` is no multiple of the frame's.
        DataError: if not one whole bar is there.
    """
    if interval.ns % frame.interval.ns:
        raise InputError(f"{frame.symbol}: {interval} bars cannot be made of {frame.interval} bars")
    parts = interval.ns // frame.interval.ns
    starts = whole_bars(frame.open_time, frame.interval, interval)
    columns = {
        name: gathered(frame[name], starts, parts, COLUMNS[name].gather) for name in frame.columns
    }
    return make_frame(frame.symbol, interval, frame.open_time[starts], columns)


def known_at(fine: MarketFrame, coarse: MarketFrame, values: Floats) -> Floats:
    """For each fine row the value of the last coarse bar that had closed by the fine bar's close.

    ``values`` is float64 (n,) or (n, k), row by row of ``coarse``; the result has the rows of
    ``fine``. It is NaN before the first coarse close, and where the last closed coarse bar is missing:
    an hour that is not there is not answered with an older one.
    """
    row = np.searchsorted(coarse.close_time, fine.close_time, side="right") - 1
    age = fine.close_time - coarse.close_time[row]
    known = (row >= 0) & (age < coarse.interval.ns)
    out = np.full((len(fine), *values.shape[1:]), np.nan)
    out[known] = values[row[known]]
    return out
