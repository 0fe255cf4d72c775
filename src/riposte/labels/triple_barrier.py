"""Triple barrier labels: which action would have paid, judged along the path of the bars.

The decision is made at the close of row ``t`` and acted on at the open of row ``t + 1``, which is
the entry price. Each side has its own target and stop around it (a long's target above, a short's
below) and leaves at the close of the last bar of the horizon if neither was reached.

Along the path, bar by bar: the open is looked at first, and an open beyond a barrier ends the trade
at that open, better or worse than the barrier; then the bar's high and low, and where both barriers
lie inside one bar the stop counts (the order inside a bar is unknown, so the worse one is taken).

A row is ``known`` only if the *whole* horizon lies in the data and inside its segment, even where a
barrier was reached early: else the last rows before a gap would hold early hits only.

Source: M. Lopez de Prado, Advances in Financial Machine Learning (2018), section 3.4.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.compiled import compiled, cores
from riposte.errors import InputError, nearest
from riposte.market.barriers import Barriers, barrier_widths
from riposte.market.frame import Floats, MarketFrame, Times

Labels = NDArray[np.int8]
Flags = NDArray[np.bool_]
Reading = Literal["symmetric", "upper-lower"]

READINGS: tuple[Reading, ...] = ("symmetric", "upper-lower")

SHORT, NEUTRAL, LONG = -1, 0, 1
_STOPPED, _TIMED_OUT, _WON = -1, 0, 1
# Bars whose joint high and low are known beforehand, so that quiet stretches are crossed in one step.
_STRIDE = 8
_ROWS_AT_ONCE = 131_072


@dataclass(frozen=True, slots=True)
class BarrierLabels:
    """One label per row of the frame.

    ``label`` int8: -1 SHORT, 0 NEUTRAL, 1 LONG; 0 where not ``known``. ``end_time`` (ns UTC) is the
    close of the bar at which both sides had left, when label and returns became known; where not
    ``known`` it is the end of the horizon. ``long_return`` and ``short_return`` are fractions of the
    entry price net of the round-trip cost, NaN where not ``known``.
    """

    label: Labels
    end_time: Times
    long_return: Floats
    short_return: Floats
    known: Flags

    def __len__(self) -> int:
        return len(self.label)


def triple_barrier(
    frame: MarketFrame,
    barriers: Barriers,
    *,
    reading: Reading = "symmetric",
    round_trip_cost: float = 0.0,
) -> BarrierLabels:
    """Label every row of the frame.

    A side *wins* if its target is reached before its stop and within the horizon, and what that
    earns is more than ``round_trip_cost`` (fees and slippage in and out, a fraction).

    ``reading="symmetric"``: each side is tried by itself. LONG if the long wins and the short does
    not, or wins in an earlier bar; SHORT likewise; NEUTRAL if neither wins, or both in one bar.
    ``reading="upper-lower"``: one pair of barriers, +take_profit and -stop_loss. LONG if the upper
    is reached first, SHORT if the lower is (or both in one bar), NEUTRAL if neither. The returns
    are those of the two sides in both readings.

    Raises:
        InputError: if the reading is not known or the cost is negative.
    """
    if reading not in READINGS:
        raise InputError(
            f"label reading {reading!r} is not known: use one of {', '.join(READINGS)}"
            + nearest(reading, READINGS)
        )
    if not round_trip_cost >= 0.0:
        raise InputError(f"round-trip cost must be 0 or more, not {round_trip_cost}")
    take_profit, stop_loss = barrier_widths(frame, barriers)
    bars = frame.interval.bars(barriers.horizon_ns)
    label, end_row, long_return, short_return, known = label_paths(
        frame["open"],
        frame["high"],
        frame["low"],
        frame["close"],
        frame.segment,
        take_profit,
        stop_loss,
        bars,
        round_trip_cost,
        reading == "symmetric",
    )
    close_time = frame.close_time
    end_time = np.where(known, close_time[end_row], close_time + bars * frame.interval.ns)
    return BarrierLabels(label, end_time, long_return, short_return, known)


@compiled
def extremes_ahead(high: Floats, low: Floats, stride: int) -> tuple[Floats, Floats]:
    """Highest high and lowest low of the ``stride`` bars from each row on; fewer at the end."""
    n = len(high)
    top, bottom = high.copy(), low.copy()
    reach = 1
    while reach < stride:
        for i in range(n - reach):  # in place: row i + reach still holds the shorter reach
            top[i] = max(top[i], top[i + reach])
            bottom[i] = min(bottom[i], bottom[i + reach])
        reach *= 2
    return top, bottom


@compiled
def follow_side(
    side: float,
    entry: float,
    take_profit: float,
    stop_loss: float,
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    top: Floats,
    bottom: Floats,
    first: int,
    last: int,
    after: int,
) -> tuple[int, int, float]:
    """(outcome, exit row, gross return) of one side entered at the open of row ``first``.

    ``last`` is the last row of the horizon; rows before ``after`` are known to touch nothing. ``top``
    and ``bottom`` are the extremes of the bars ahead, by which quiet stretches are crossed in one step.
    """
    target = entry * (1.0 + side * take_profit)
    stop = entry * (1.0 - side * stop_loss)
    upper, lower = max(target, stop), min(target, stop)
    j = max(first, after)
    while j <= last:
        if j + _STRIDE <= last and top[j] < upper and bottom[j] > lower:
            j += _STRIDE
            continue
        if j > first and (open_[j] - stop) * side <= 0.0:
            return _STOPPED, j, (open_[j] / entry - 1.0) * side
        if j > first and (open_[j] - target) * side >= 0.0:
            return _WON, j, (open_[j] / entry - 1.0) * side
        worst, best = (low[j], high[j]) if side > 0.0 else (high[j], low[j])
        if (worst - stop) * side <= 0.0:
            return _STOPPED, j, -stop_loss
        if (best - target) * side >= 0.0:
            return _WON, j, take_profit
        j += 1
    return _TIMED_OUT, last, (close[last] / entry - 1.0) * side


@compiled
def first_touch(
    upper: float, lower: float, high: Floats, low: Floats, first: int, last: int
) -> int:
    """First row of ``first`` to ``last`` whose high reaches ``upper`` or low ``lower``, else last + 1."""
    j = first
    while j <= last and high[j] < upper and low[j] > lower:
        j += 1
    return j


@compiled
def label_of(
    long_outcome: int,
    long_row: int,
    long_net: float,
    short_outcome: int,
    short_row: int,
    short_net: float,
    symmetric: bool,
) -> int:
    """The label that the outcomes of the two sides make under a reading."""
    if not symmetric:
        if long_outcome == _WON:
            return LONG if long_net > 0.0 else NEUTRAL
        return SHORT if long_outcome == _STOPPED else NEUTRAL
    long_wins = long_outcome == _WON and long_net > 0.0
    short_wins = short_outcome == _WON and short_net > 0.0
    if long_wins and (not short_wins or long_row < short_row):
        return LONG
    if short_wins and (not long_wins or short_row < long_row):
        return SHORT
    return NEUTRAL


def label_paths(
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    segment: Times,
    take_profit: Floats,
    stop_loss: Floats,
    bars: int,
    cost: float,
    symmetric: bool,
) -> tuple[Labels, Times, Floats, Floats, Flags]:
    """Label, end row, net returns of both sides and whether they are known, for every row.

    ``bars`` is the horizon; widths are fractions of the entry price. See :func:`triple_barrier`.
    """
    n = len(close)
    label = np.zeros(n, np.int8)
    end_row = np.zeros(n, np.int64)
    long_return = np.full(n, np.nan)
    short_return = np.full(n, np.nan)
    known = np.zeros(n, np.bool_)
    top, bottom = extremes_ahead(high, low, _STRIDE)
    made = label, end_row, long_return, short_return, known

    def part(start: int) -> None:
        stop = min(start + _ROWS_AT_ONCE, n - bars)
        label_rows(
            start, stop, open_, high, low, close, segment, take_profit, stop_loss, top, bottom,
            bars, cost, symmetric, label, end_row, long_return, short_return, known,
        )  # fmt: skip

    starts = range(0, n - bars, _ROWS_AT_ONCE)
    if len(starts) <= 1:
        for start in starts:
            part(start)
    else:  # rows are independent, and compiled code lets go of the interpreter
        with ThreadPoolExecutor(min(cores(), len(starts))) as pool:
            list(pool.map(part, starts))
    return made


@compiled
def label_rows(
    start: int,
    stop: int,
    open_: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    segment: Times,
    take_profit: Floats,
    stop_loss: Floats,
    top: Floats,
    bottom: Floats,
    bars: int,
    cost: float,
    symmetric: bool,
    label: Labels,
    end_row: Times,
    long_return: Floats,
    short_return: Floats,
    known: Flags,
) -> None:
    """Rows ``start`` to ``stop`` of :func:`label_paths`, into its arrays."""
    for t in range(start, stop):
        target, stop = take_profit[t], stop_loss[t]
        # Segments never fall, so equal ends mean one segment; NaN widths are refused here too.
        if segment[t + bars] != segment[t] or not (target > 0.0 and stop > 0.0):
            continue
        first, last = t + 1, t + bars
        entry = open_[first]
        nearer = min(target, stop)
        upper, lower = entry * (1.0 + nearer), entry * (1.0 - nearer)
        j = first
        while j + _STRIDE <= last and top[j] < upper and bottom[j] > lower:
            j += _STRIDE
        j = first_touch(upper, lower, high, low, j, last)
        long_outcome, long_row, long_gross = follow_side(
            1.0, entry, target, stop, open_, high, low, close, top, bottom, first, last, j
        )
        short_outcome, short_row, short_gross = follow_side(
            -1.0, entry, target, stop, open_, high, low, close, top, bottom, first, last, j
        )
        long_return[t] = long_gross - cost
        short_return[t] = short_gross - cost
        label[t] = label_of(
            long_outcome,
            long_row,
            long_return[t],
            short_outcome,
            short_row,
            short_return[t],
            symmetric,
        )
        end_row[t] = max(long_row, short_row)
        known[t] = True
