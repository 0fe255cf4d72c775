"""Rolling normalisation: how unusual a value is, measured by the window that ends with it.

* **z-score**: distance from the mean in standard deviations;
* **robust**: distance from the median in (scaled) median absolute deviations: one huge value in the
  window neither moves the middle nor widens the scale;
* **min-max**: place between the smallest and the largest value, 0 to 1.

**Windows.** The value at row ``t`` is computed from rows ``t - window + 1 .. t`` of its own segment
and from nothing else. Missing values are passed over. A row has no value (NaN) while its segment is
shorter than the window, where it is itself missing, and where fewer than half of the window is there.

**Flat windows** have no scale: z-score and robust give 0, min-max 0.5, never an infinity. As the
present row is part of its window, a z-score is bounded by the square root of the window; a robust one
is finite but has no bound, since more than half of the window may lie as close together as it likes.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from riposte.compiled import compiled
from riposte.errors import InputError, nearest
from riposte.features.catalogue import FeatureSpec
from riposte.market.frame import Floats, Times
from riposte.market.interval import Interval, parse_duration

# The median absolute deviation of a normal distribution is this share of its standard deviation; the
# mean absolute deviation, used where more than half of the window is one value, is the other.
_MEDIAN_SHARE = 0.6744897501960817
_MEAN_SHARE = 0.7978845608028654
# A spread below this share of the values' size is rounding error, not a scale.
_FLAT = 1e-12


def rolling_zscore(values: Floats, window: int, segment: Times | None = None) -> Floats:
    """Standard deviations (divisor: values in the window) above the window's mean; 0 if it is flat.

    ``values`` float64 (n,), ``segment`` int64 (n,) as in the market frame (None: one segment).

    Raises:
        InputError: if ``window`` is less than 2 rows.
    """
    return _over_segments(_zscores, values, window, segment)


def rolling_robust(values: Floats, window: int, segment: Times | None = None) -> Floats:
    """Median absolute deviations (scaled to standard deviations) above the window's median; 0 if flat.

    Where more than half of the window is one value that deviation is 0, and the mean absolute
    deviation (scaled likewise) stands in for it. Raises as :func:`rolling_zscore`.
    """
    return _over_segments(_robust_scores, values, window, segment)


def rolling_minmax(values: Floats, window: int, segment: Times | None = None) -> Floats:
    """Place between the window's smallest (0) and largest (1) value; 0.5 if they are the same.

    Raises as :func:`rolling_zscore`.
    """
    return _over_segments(_places, values, window, segment)


METHODS: Mapping[str, Callable[[Floats, int, Times | None], Floats]] = MappingProxyType(
    {"zscore": rolling_zscore, "robust": rolling_robust, "minmax": rolling_minmax}
)

_WORDS: Mapping[str, tuple[str, str]] = {
    "zscore": ("(x - mean(x)) / std(x)", "standard deviations"),
    "robust": ("(x - median(x)) / (median(abs(x - median(x))) / 0.6745)", "standard deviations"),
    "minmax": ("(x - min(x)) / (max(x) - min(x))", "fraction in [0, 1]"),
}


def _over_segments(
    function: Callable[[Floats, int, Floats, int, int], None],
    values: Floats,
    window: int,
    segment: Times | None,
) -> Floats:
    if window < 2:
        raise InputError(f"normalisation needs a window of at least 2 rows, not {window}")
    given = np.require(values, np.float64, ["C", "W"])
    out = np.full(len(given), np.nan)
    edges = [0, len(given)]
    if segment is not None:
        edges[1:1] = [int(row) for row in np.flatnonzero(np.diff(segment)) + 1]
    for start, stop in itertools.pairwise(edges):
        if stop - start >= window:
            function(given, window, out, start, stop)
    return out


@compiled
def _insert(held: Floats, count: int, value: float) -> None:
    """Put a value into the sorted first ``count`` places."""
    place = np.searchsorted(held[:count], value)
    for i in range(count, place, -1):
        held[i] = held[i - 1]
    held[place] = value


@compiled
def _remove(held: Floats, count: int, value: float) -> None:
    """Take a value out of the sorted first ``count`` places."""
    place = np.searchsorted(held[:count], value)
    for i in range(place, count - 1):
        held[i] = held[i + 1]


@compiled
def _middle(held: Floats, count: int) -> float:
    half = count // 2
    below = half if count % 2 else half - 1
    return float(0.5 * (held[below] + held[half]))


@compiled
def _nth_distance(held: Floats, count: int, middle: float, wanted: int) -> float:
    """The ``wanted``-th smallest (from 0) distance of the sorted values from ``middle``.

    The nearest ``m`` values are neighbours in order: a binary search finds where they begin.
    """
    size = wanted + 1
    low, high = 0, count - size
    while low < high:
        start = (low + high) // 2
        if middle - held[start] > held[start + size] - middle:
            low = start + 1
        else:
            high = start
    return float(max(middle - held[low], held[low + size - 1] - middle))


@compiled
def _median_distance(held: Floats, count: int, middle: float) -> float:
    half = count // 2
    upper = _nth_distance(held, count, middle, half)
    if count % 2:
        return upper
    return 0.5 * (_nth_distance(held, count, middle, half - 1) + upper)


@compiled
def _robust_scores(x: Floats, window: int, out: Floats, start: int, stop: int) -> None:
    held = np.empty(window)
    count = 0
    for row in range(start, stop):
        leaving = row - window
        if leaving >= start and not np.isnan(x[leaving]):
            _remove(held, count, x[leaving])
            count -= 1
        if not np.isnan(x[row]):
            _insert(held, count, x[row])
            count += 1
        if row < start + window - 1 or np.isnan(x[row]) or 2 * count < window:
            continue
        middle = _middle(held, count)
        noise = _FLAT * abs(middle)
        scale = _median_distance(held, count, middle) / _MEDIAN_SHARE
        if scale <= noise:
            total = 0.0
            for i in range(count):
                total += abs(held[i] - middle)
            scale = total / count / _MEAN_SHARE
        out[row] = (x[row] - middle) / scale if scale > noise else 0.0


@compiled
def _zscores(x: Floats, window: int, out: Floats, start: int, stop: int) -> None:
    """Windows are joined of two blocks (see primitives.py), so that no error is carried along."""
    n = stop - start
    head = np.empty((n, 3))  # values there, their mean, their squared deviations
    tail = np.empty((n, 3))
    for first in range(0, n, window):
        last = min(first + window, n)
        for part in range(2):
            count = 0
            mean = 0.0
            squares = 0.0
            for k in range(last - first):
                i = first + k if part == 0 else last - 1 - k
                value = x[start + i]
                if not np.isnan(value):
                    count += 1
                    step = value - mean
                    mean += step / count
                    squares += step * (value - mean)
                into = head if part == 0 else tail
                into[i, 0], into[i, 1], into[i, 2] = count, mean, squares
    for i in range(window - 1, n):
        value = x[start + i]
        first = i - window + 1
        newer, mean, squares = head[i, 0], head[i, 1], head[i, 2]
        older = tail[first, 0] if first % window else 0.0
        if older > 0.0:
            total = newer + older
            step = mean - tail[first, 1]
            mean = tail[first, 1] + step * newer / total
            squares += tail[first, 2] + step * step * older * newer / total
        count = newer + older
        if np.isnan(value) or 2 * count < window:
            continue
        spread = np.sqrt(squares / count)
        flat = spread <= _FLAT * abs(mean)
        out[start + i] = 0.0 if flat else (value - mean) / spread


@compiled
def _places(x: Floats, window: int, out: Floats, start: int, stop: int) -> None:
    """Two queues of rows whose value is not yet beaten give the extremes."""
    least = np.empty(stop - start, np.int64)
    most = np.empty(stop - start, np.int64)
    least_first = least_last = most_first = most_last = 0
    count = 0
    for row in range(start, stop):
        value = x[row]
        if row - window >= start and not np.isnan(x[row - window]):
            count -= 1
        if not np.isnan(value):
            count += 1
            while least_last > least_first and x[least[least_last - 1]] >= value:
                least_last -= 1
            least[least_last] = row
            least_last += 1
            while most_last > most_first and x[most[most_last - 1]] <= value:
                most_last -= 1
            most[most_last] = row
            most_last += 1
        while least_first < least_last and least[least_first] <= row - window:
            least_first += 1
        while most_first < most_last and most[most_first] <= row - window:
            most_first += 1
        if row < start + window - 1 or np.isnan(value) or 2 * count < window:
            continue
        low, high = x[least[least_first]], x[most[most_first]]
        reach = high - low
        flat = reach <= _FLAT * max(abs(low), abs(high))
        out[row] = 0.5 if flat else (value - low) / reach


@dataclass(frozen=True, slots=True)
class NormalisedSpec(FeatureSpec):
    """A feature of another one's values, normalised. Made by :func:`normalised`."""

    inner: FeatureSpec

    @property
    def version(self) -> str:
        """Follows the definition of the feature inside and this file."""
        own = inspect.getsource(sys.modules[__name__])
        text = f"{self.name} {sorted(self.windows.items())} {self.inner.version} {own}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_WINDOW = "normalising_window"


def normalised(spec: FeatureSpec, method: str, window: str) -> FeatureSpec:
    """The feature ``{name}_{method}_{window}``: ``spec`` normalised over the duration ``window``.

    It is a feature like any other, so that its matrix, live row, cache and laws are those of all:
    its look-back is that of ``spec`` and the window together, its gaps are those of the frame.

    Raises:
        InputError: if the method is not known or the window is no duration.
    """
    if method not in METHODS:
        raise InputError(
            f"normalisation {method!r} is not known: use one of {', '.join(METHODS)}"
            + nearest(method, METHODS)
        )
    function = METHODS[method]
    duration_ns = parse_duration(window)

    def compute(**arguments: Floats) -> Floats:
        # Rows before the look-back of ``spec`` have no history, and no row of ours that the frame
        # keeps reaches them: our own look-back ends where theirs begins.
        bars = int(arguments.pop(_WINDOW))
        return function(np.asarray(spec.function(**arguments), dtype=np.float64), bars, None)

    def lookback(interval: Interval) -> int:
        return spec.lookback(interval) + interval.bars(duration_ns) - 1

    windows = {**spec.windows, _WINDOW: duration_ns}

    @functools.cache
    def in_bars(interval: Interval) -> Mapping[str, int]:
        return {each: interval.bars(ns) for each, ns in windows.items()}

    formula, unit = _WORDS[method]
    summary = spec.doc.splitlines()[0] if spec.doc else spec.name
    return NormalisedSpec(
        name=f"{spec.name}_{method}_{window}",
        group=spec.group,
        columns=spec.columns,
        inputs=spec.inputs,
        unit=unit,
        lookback=lookback,
        function=compute,
        doc=f"{summary}\n\nFormula: {formula} over {window}, x = {spec.name}\nUnit: {unit}\n"
        f"Look-back: that of {spec.name} and {window}\nSource: {spec.name}, normalised",
        windows=MappingProxyType(windows),
        least_bars=spec.least_bars,
        in_bars=in_bars,
        inner=spec,
    )
