"""Proof that a feature looks neither ahead nor further back than it says.

Three experiments on a market frame, for any feature, built-in or the user's:

* **truncation**: without the rows after ``t`` the values up to ``t`` are the same, bit for bit;
* **mutation**: with other rows after ``t`` the values up to ``t`` are the same, bit for bit;
* **look-back**: with nothing, or with other rows, before the look-back of ``t`` the value at ``t`` is the
  same, within ``TOLERANCE`` of its size (or of the feature's typical size where that is larger: a
  difference that happens to be near zero keeps the rounding error of what was subtracted).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.features.catalogue import FeatureSpec
from riposte.features.matrix import feature_values, row_in_segment
from riposte.market.frame import COLUMNS, Floats, MarketFrame

TOLERANCE = 1e-9

Experiment = Literal["truncation", "mutation", "look-back"]
_PRICES = ("open", "high", "low", "close", "mark_price", "index_price")


@dataclass(frozen=True, slots=True)
class Violation:
    """A value that changed though nothing it may depend on did.

    ``row`` is the row of the value, ``cut`` the last row that was left as it is (the first one, for
    the look-back).
    """

    feature: str
    experiment: Experiment
    cut: int
    row: int
    before: float
    after: float

    def __str__(self) -> str:
        return (
            f"{self.feature}: {self.experiment} at row {self.cut} changed row {self.row} "
            f"from {self.before!r} to {self.after!r}"
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
                    Violation(spec.name, experiment, cut, row, float(past[row]), float(again[row]))
                )
    return found


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
                    Violation(spec.name, "look-back", first, row, float(whole[row]), float(again))
                )
                break
    return found


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
