"""Proof that a feature looks neither ahead nor further back than it says.

Three experiments on a market frame, for any feature, built-in or the user's:

* **truncation**: without the rows after ``t`` the values up to ``t`` are the same, bit for bit;
* **mutation**: with other rows after ``t`` the values up to ``t`` are the same, bit for bit;
* **look-back**: with nothing, or with other rows, before the look-back of ``t`` the value at ``t`` is the
  same, within ``TOLERANCE`` of its size (or of the feature's typical size where that is larger: a
  difference that happens to be near zero keeps the rounding error of what was subtracted).

A violation says which row betrays the feature and by how much: how many later bars its value needs, or
how many earlier ones. :func:`refuse_unsound` is what training calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError
from riposte.features.catalogue import FeatureSpec
from riposte.features.matrix import feature_values, row_in_segment
from riposte.market.frame import COLUMNS, Floats, MarketFrame
from riposte.market.series import format_time

TOLERANCE = 1e-9

Experiment = Literal["truncation", "mutation", "look-back"]
_PRICES = ("open", "high", "low", "close", "mark_price", "index_price")


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that changed though nothing it may depend on did.

    ``row`` is the row of the value, ``time`` when it was known (ns UTC), ``cut`` the last row that was
    left as it is (the first one, for the look-back). ``reach``: how many rows after ``row`` the value
    needs; for the look-back how many rows it needs up to its own. None where that could not be told
    (it needs all there are, or no cut tells).
    """

    feature: str
    experiment: Experiment
    cut: int
    row: int
    before: float
    after: float
    time: int = 0
    reach: int | None = None

    def __str__(self) -> str:
        return (
            f"{self.feature}: {self.experiment} at row {self.cut} changed row {self.row} "
            f"from {self.before!r} to {self.after!r}"
        )

    @property
    def words(self) -> str:
        """The violation as a sentence for whoever wrote the feature."""
        at = f"its value of {format_time(self.time)} (row {self.row})"
        if self.experiment == "look-back":
            stated = self.row - self.cut + 1
            needs = f"{self.reach:,}" if self.reach is not None else "all"
            return (
                f"feature {self.feature!r} looks back further than it says: {at} is "
                f"{self.before:.6g} with all history and {self.after:.6g} with the {stated:,} bars it "
                f"states; it settles with {needs} bars"
            )
        ahead = {None: "later bars", 1: "the next bar"}.get(self.reach, f"{self.reach} later bars")
        changed = "removed" if self.experiment == "truncation" else "changed"
        return (
            f"feature {self.feature!r} looks ahead: {at} needs {ahead}; "
            f"it goes from {self.before:.6g} to {self.after:.6g} when what follows row {self.cut} "
            f"is {changed}"
        )


def check_causality(spec: FeatureSpec, frame: MarketFrame, cuts: Iterable[int]) -> list[Violation]:
    """Truncate the frame after, and mutate it after, each row of ``cuts``; what changed before it."""
    whole = feature_values(spec, frame)
    found = []
    for cut in cuts:
        trials: tuple[tuple[Experiment, MarketFrame], ...] = (
            ("truncation", frame.rows(0, cut + 1)),
            ("mutation", mutated(frame, np.arange(len(frame)) > cut)),
        )
        for experiment, other in trials:
            again = feature_values(spec, other)[: cut + 1]
            past = whole[: cut + 1]
            changed = np.flatnonzero((again != past) & ~(np.isnan(again) & np.isnan(past)))
            if len(changed):
                row = int(changed[0])
                found.append(
                    Violation(
                        spec.name,
                        experiment,
                        cut,
                        row,
                        float(past[row]),
                        float(again[row]),
                        int(frame.close_time[row]),
                        _rows_ahead(spec, frame, row, float(past[row])),
                    )
                )
    return found


def _rows_ahead(spec: FeatureSpec, frame: MarketFrame, row: int, value: float) -> int | None:
    """The fewest rows after ``row`` with which its value is what it is with all of them.

    None if it takes the last row of the frame, or if leaving rows out does not change it.
    """

    def same(ahead: int) -> bool:
        again = feature_values(spec, frame.rows(0, row + ahead + 1))[row]
        return bool(again == value or (np.isnan(again) and np.isnan(value)))

    most = len(frame) - 1 - row
    if most < 1 or same(0):
        return None
    ahead = _first(same, 1, most)
    return None if ahead == most else ahead


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from ``low`` on for which it holds, given that it does from there to ``high``."""
    step = 1
    while low + step < high and not holds(low + step - 1):
        low += step
        step *= 2
    high = min(high, low + step)
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def check_lookback(
    spec: FeatureSpec, frame: MarketFrame, rows: Iterable[int], tolerance: float = TOLERANCE
) -> list[Violation]:
    """Drop, and mutate, what lies before the look-back of each row; where its value changed.

    Rows whose segment does not hold the look-back have no value and are passed over.
    """
    whole = feature_values(spec, frame)
    scale = typical_size(whole)
    lookback = spec.lookback(frame.interval)
    history = row_in_segment(frame) + 1
    found = []
    for row in rows:
        if history[row] < lookback:
            continue
        first = row - lookback + 1
        before = np.arange(len(frame)) < first
        for again in (
            feature_values(spec, frame.rows(first, row + 1))[-1],
            feature_values(spec, mutated(frame, before))[row],
        ):
            if not agree(whole[row], again, scale, tolerance):
                found.append(
                    Violation(
                        spec.name,
                        "look-back",
                        first,
                        row,
                        float(whole[row]),
                        float(again),
                        int(frame.close_time[row]),
                        _rows_needed(spec, frame, row, float(whole[row]), scale, tolerance),
                    )
                )
                break
    return found


def _rows_needed(
    spec: FeatureSpec, frame: MarketFrame, row: int, value: float, scale: float, tolerance: float
) -> int | None:
    """About how many rows up to ``row`` give its value: the look-back it states, doubled until they do."""
    rows = 2 * spec.lookback(frame.interval)
    while rows <= row:
        again = feature_values(spec, frame.rows(row - rows + 1, row + 1))[-1]
        if agree(value, float(again), scale, tolerance):
            return rows
        rows *= 2
    return None


def agree(one: float, other: float, scale: float, tolerance: float = TOLERANCE) -> bool:
    """Whether two values are both missing, or closer than ``tolerance`` times their size or ``scale``."""
    if np.isnan(one) or np.isnan(other):
        return bool(np.isnan(one) and np.isnan(other))
    return bool(abs(one - other) <= tolerance * max(abs(one), abs(other), scale))


def typical_size(values: Floats) -> float:
    """Median of the absolute values that are not zero; 0 where there are none."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.median(sizes)) if len(sizes) else 0.0


def mutated(frame: MarketFrame, rows: NDArray[np.bool_]) -> MarketFrame:
    """The frame with another market in the marked rows: other prices, volumes and gaps in the data.

    Bars stay possible (low <= open, close <= high). Every optional column gets values where it had none
    and holes where it had values.
    """
    place = np.arange(len(frame))
    level = 1.5 + 0.4 * np.sin(place * 1.7) + 0.3 * np.sin(place * 0.013)
    columns: dict[str, Floats] = {}
    for number, (name, column) in enumerate(COLUMNS.items()):
        values = np.array(frame[name])
        factor = level if name in _PRICES else 1.6 + np.sin(place * (1.1 + 0.1 * number))
        other = np.where(np.isnan(values), 1.0, values) * factor
        if column.missing != "refuse":
            other[(place + number) % 7 == 0] = np.nan
        values[rows] = other[rows]
        values.setflags(write=False)
        columns[name] = values
    return MarketFrame(frame.symbol, frame.interval, frame.open_time, frame.segment, columns)


def spread_rows(frame: MarketFrame, count: int) -> tuple[int, ...]:
    """``count`` rows spread evenly over the frame, its last but one among them."""
    return tuple(sorted({int(row) for row in np.linspace(1, len(frame) - 2, count)}))


def failures(
    features: Mapping[str, FeatureSpec], frame: MarketFrame, count: int = 12
) -> list[Violation]:
    """All violations of all features that suit the frame's interval, on ``count`` spread rows."""
    rows = spread_rows(frame, count)
    return [
        violation
        for spec in features.values()
        if spec.suits(frame.interval)
        for violation in (*check_causality(spec, frame, rows), *check_lookback(spec, frame, rows))
    ]


def first_violation(
    spec: FeatureSpec, frame: MarketFrame, *, cuts: int = 16, rows: int = 48
) -> Violation | None:
    """What betrays the feature on this frame, if anything does.

    ``cuts`` rows for the experiments on the future, ``rows`` for that on the look-back, all where the
    feature has a value and at changing places of the day. The future is changed on the frame as it is
    and with holes in the data at each cut, so that filling from behind shows. Columns that were not
    recorded are invented for the trial.

    Raises:
        InputError: if no stretch of the frame is as long as the feature's look-back.
    """
    lookback = spec.lookback(frame.interval)
    whole = _invented(frame)
    usable = np.flatnonzero(row_in_segment(frame) >= lookback - 1)
    usable = usable[usable < len(frame) - 1]
    if len(usable) == 0:
        longest = int(row_in_segment(frame).max()) + 1
        raise InputError(
            f"feature {spec.name!r} cannot be checked: it looks back over {lookback:,} bars, "
            f"and the longest stretch without a gap has {longest:,}"
        )
    cut_rows = _scattered(usable, cuts)
    for trial in (whole, _holed(whole, cut_rows)):
        for cut in cut_rows:
            found = check_causality(spec, trial, [cut])
            if found:
                return found[0]
    back = check_lookback(spec, whole, _scattered(usable, rows))
    return back[0] if back else None


def refuse_unsound(features: Mapping[str, FeatureSpec], frame: MarketFrame) -> None:
    """Refuse features that look ahead, or further back than they say, on this history.

    For training to call with the user's features (the built-in ones are proven by their tests);
    features whose windows do not suit the frame's interval are passed over.

    Raises:
        InputError: naming the first feature that fails, the row that betrays it, and how many more fail.
    """
    found = [
        violation
        for spec in features.values()
        if spec.suits(frame.interval) and (violation := first_violation(spec, frame)) is not None
    ]
    if found:
        more = len(found) - 1
        also = f" ({more} more {'feature fails' if more == 1 else 'features fail'})" if more else ""
        raise InputError(
            f"{found[0].words}{also}",
            hint="a value may use its own bar and those before it, as many as its look-back states; "
            "riposte features check shows every feature that fails",
        )


def _scattered(rows: NDArray[np.int64], count: int) -> tuple[int, ...]:
    """``count`` of the rows all over, at uneven distances: even ones could all fall on one hour."""
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    places = {int((0.5 + golden * i) % 1.0 * len(rows)) for i in range(count)}
    return tuple(int(rows[place]) for place in sorted(places))


def _invented(frame: MarketFrame) -> MarketFrame:
    """The frame with made-up values in the columns that have none at all."""
    place = np.arange(len(frame))
    columns = dict(frame.columns)
    for number, name in enumerate(COLUMNS):
        if not frame.has(name):
            level = frame["close"] if name in _PRICES else 1.0
            columns[name] = level * (1.0 + 0.01 * np.sin(place * (1.1 + 0.1 * number)))
            columns[name].setflags(write=False)
    return MarketFrame(frame.symbol, frame.interval, frame.open_time, frame.segment, columns)


def _holed(frame: MarketFrame, rows: Iterable[int]) -> MarketFrame:
    """The frame with nothing at those rows and the two before them in the columns that may lack values."""
    holes = np.unique([max(0, row - back) for row in rows for back in range(3)])
    columns = dict(frame.columns)
    for name, column in COLUMNS.items():
        if column.missing != "refuse":
            columns[name] = np.array(frame[name])
            columns[name][holes] = np.nan
            columns[name].setflags(write=False)
    return MarketFrame(frame.symbol, frame.interval, frame.open_time, frame.segment, columns)
