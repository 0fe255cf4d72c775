"""Classic indicators on longer bars, seen from short ones: what a trader reads on the next chart up.

Rolling windows (the other families) end at every bar's close. These are different on purpose: bars of
the exchange's own grid, as everybody else sees them. A longer bar is known from its close on and stays
the last known one until the next closes; one that is not complete is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from riposte.compiled import compiled
from riposte.features.catalogue import feature
from riposte.features.oscillators import bollinger_position, cci, stochastic_k
from riposte.features.regime import choppiness
from riposte.features.trend import aroon
from riposte.features.volume import money_flow_index
from riposte.market.frame import Floats, Times

LONGER = ("5m", "15m", "1h", "4h", "1d")
_FIRST, _HIGHEST, _LOWEST, _LAST, _SUM = range(5)
_GATHER = {"open": _FIRST, "high": _HIGHEST, "low": _LOWEST, "close": _LAST, "volume": _SUM}


def _rows(base: int) -> Callable[..., int]:
    """Rows back to the first one of ``base`` longer bars, the last of which closed up to a bar ago."""
    return lambda window: (base + 1) * window


def _on_longer_bars(
    compute: Callable[..., Floats], close_time: Times, window: int, **columns: Floats
) -> Floats:
    """``compute`` of the columns in bars of ``window`` rows; for each row the last closed bar's value."""
    out = np.full(len(close_time), np.nan)
    if len(close_time) < 2:
        return out
    step = int(np.diff(close_time).min())
    ends = _bar_ends(close_time, step, window)
    if len(ends) == 0:
        return out
    longer = {
        name: _gathered(values, ends, window, _GATHER[name]) for name, values in columns.items()
    }
    values = compute(**longer)
    _known_from(values, ends, close_time, step * window, out)
    return out


@compiled
def _bar_ends(close_time: Times, step: int, window: int) -> Times:
    """The row that closes each whole bar: on the grid, with every row of the bar before it."""
    length = step * window
    ends = np.empty(len(close_time) // window + 1, dtype=np.int64)
    count = 0
    for row in range(window - 1, len(close_time)):
        if (
            close_time[row] % length == 0
            and close_time[row] - close_time[row - window + 1] == length - step
        ):
            ends[count] = row
            count += 1
    return ends[:count]


@compiled
def _gathered(values: Floats, ends: Times, window: int, how: int) -> Floats:
    out = np.empty(len(ends))
    for bar in range(len(ends)):
        last = ends[bar]
        first = last - window + 1
        if how == _FIRST:
            out[bar] = values[first]
        elif how == _LAST:
            out[bar] = values[last]
        else:
            total = values[first]
            for row in range(first + 1, last + 1):
                value = values[row]
                if how == _SUM:
                    total += value
                elif np.isnan(value):
                    total = np.nan
                elif how == _HIGHEST:
                    total = max(total, value)
                else:
                    total = min(total, value)
            out[bar] = total
    return out


@compiled
def _known_from(values: Floats, ends: Times, close_time: Times, length: int, out: Floats) -> None:
    """Each row's value: of the last bar closed by then, if that is less than a bar ago."""
    bar = -1
    for row in range(len(close_time)):
        while bar + 1 < len(ends) and ends[bar + 1] <= row:
            bar += 1
        if bar >= 0 and close_time[row] - close_time[ends[bar]] < length:
            out[row] = values[bar]


@feature("timeframes", lookback=_rows(20), at=LONGER)
def bollinger_position_bars(close: Floats, close_time: Times, window: int) -> Floats:
    """Place in the Bollinger bands of longer bars.

    Formula: bollinger_position of the last closed longer bar
    Unit: standard deviations
    Look-back: 21 longer bars
    Source: Bollinger (2002)
    """
    return _on_longer_bars(bollinger_position, close_time, window, close=close)


@feature("timeframes", lookback=_rows(20), at=LONGER)
def cci_bars(high: Floats, low: Floats, close: Floats, close_time: Times, window: int) -> Floats:
    """Commodity channel index of longer bars.

    Formula: cci of the last closed longer bar
    Unit: as cci
    Look-back: 21 longer bars
    Source: Lambert (1980)
    """
    return _on_longer_bars(cci, close_time, window, high=high, low=low, close=close)


@feature("timeframes", lookback=_rows(16), at=LONGER)
def stochastic_k_bars(
    high: Floats, low: Floats, close: Floats, close_time: Times, window: int
) -> Floats:
    """Stochastic oscillator of longer bars.

    Formula: stochastic_k of the last closed longer bar
    Unit: as stochastic_k
    Look-back: 17 longer bars
    Source: Lane (1984)
    """
    return _on_longer_bars(stochastic_k, close_time, window, high=high, low=low, close=close)


@feature("timeframes", lookback=_rows(26), at=LONGER)
def aroon_bars(high: Floats, low: Floats, close_time: Times, window: int) -> Floats:
    """Aroon oscillator of longer bars: which came last, the high or the low.

    Formula: aroon of the last closed longer bar
    Unit: as aroon
    Look-back: 27 longer bars
    Source: Chande (1995)
    """
    return _on_longer_bars(aroon, close_time, window, high=high, low=low)


@feature("timeframes", lookback=_rows(15), at=LONGER)
def choppiness_bars(
    high: Floats, low: Floats, close: Floats, close_time: Times, window: int
) -> Floats:
    """Choppiness of longer bars: trending or going nowhere.

    Formula: choppiness of the last closed longer bar
    Unit: as choppiness
    Look-back: 16 longer bars
    Source: Dreiss (1993)
    """
    return _on_longer_bars(choppiness, close_time, window, high=high, low=low, close=close)


@feature("timeframes", lookback=_rows(15), at=LONGER)
def money_flow_index_bars(
    high: Floats, low: Floats, close: Floats, volume: Floats, close_time: Times, window: int
) -> Floats:
    """Money flow index of longer bars.

    Formula: money_flow_index of the last closed longer bar
    Unit: as money_flow_index
    Look-back: 16 longer bars
    Source: Quong and Soudack (1989)
    """
    return _on_longer_bars(
        money_flow_index, close_time, window, high=high, low=low, close=close, volume=volume
    )
