"""What is wrong, odd or worth knowing about recorded data: findings, each one sentence.

An ``error`` is data that cannot be used: it is refused on import, and a trader opens nothing on it.
A ``warning`` is data that can be used but that somebody should look at. A ``note`` is a fact.
Checks look at a whole series, the future included: they judge data and feed no decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.market.assemble import resample
from riposte.market.frame import COLUMNS, MarketFrame, Times
from riposte.market.interval import DAY_NS, HOUR_NS, MINUTE_NS, Interval, format_duration
from riposte.market.oddities import FROZEN_ROWS, jumps, run_starts, spikes
from riposte.market.series import Series, format_time, kind_of

Severity = Literal["note", "warning", "error"]
Unit = Literal["s", "ms", "us", "ns"]
Mask = NDArray[np.bool_]

UNIT_NAMES: Mapping[Unit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
# Times between 1973 and 2200 have these magnitudes in each unit, and the ranges do not meet.
_UNIT_BOUNDS: Mapping[Unit, tuple[int, int]] = {
    "s": (10**8, 10**10),
    "ms": (10**11, 10**13),
    "us": (10**14, 10**16),
    "ns": (10**17, 9 * 10**18),
}
_PRICES = (
    "open", "high", "low", "close", "mark_price", "index_price", "price", "bid_price", "ask_price",
)  # fmt: skip
_FUNDING_GAP_NS = 8 * HOUR_NS + MINUTE_NS  # the exchange's longest settlement interval


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in a series or frame, told in one sentence.

    ``count`` says how many rows it concerns and ``first_time`` (ns UTC) where the first of them is;
    None where it concerns the whole.
    """

    severity: Severity
    code: str
    symbol: str
    kind: str
    interval: Interval | None
    message: str
    first_time: int | None = None
    count: int = 1


def time_unit(values: Times) -> Unit | None:
    """The unit that whole-number times are in, by their magnitude; None if it is none or mixed."""
    return next((u for u in UNIT_NAMES if len(values) and in_unit(values, u).all()), None)


def in_unit(values: Times, unit: Unit) -> Mask:
    """Which whole numbers are times between 1973 and 2200 in that unit, by their magnitude."""
    low, high = _UNIT_BOUNDS[unit]
    return (values >= low) & (values < high)


def check(
    series: Series, *, as_of_ns: int | None = None, oddities: bool = True
) -> tuple[Finding, ...]:
    """All findings about one series, errors first; without ``oddities`` only what can be told at once:
    times, gaps and values that cannot be.

    It may be given a series that was put together without :func:`make_series`, to say what is wrong
    with its times. ``as_of_ns`` is the time at which the data should still be fresh (ns UTC).
    """
    if len(series) == 0:
        return (_whole(series, "error", "empty", "holds no rows"),)
    if time_unit(series.event_time) != "ns":
        return tuple(_unit_findings(series))
    findings: list[Finding] = []
    ordered = series
    if not (np.diff(series.event_time) > 0).all():
        findings += _order_findings(series)
        ordered = _ordered(series)
    findings += _grid_findings(ordered)
    findings += _value_findings(ordered)
    if oddities and not any(finding.severity == "error" for finding in findings):
        findings += _plausibility_findings(ordered)
    if as_of_ns is not None:
        findings += _freshness_findings(ordered, as_of_ns)
    return _by_severity(findings)


def check_frame(frame: MarketFrame) -> tuple[Finding, ...]:
    """Findings about the joined frame: coverage of its columns, mark price against last price."""
    return _by_severity([*_coverage_findings(frame), *_mark_findings(frame)])


def compare(finer: Series, coarser: Series) -> tuple[Finding, ...]:
    """Whether candles of two intervals tell the same story where both have whole bars.

    Prices must be equal; volumes may differ by rounding (1e-6 relative).
    """
    assert coarser.interval is not None
    made = resample(finer, coarser.interval)
    _, here, there = np.intersect1d(made.event_time, coarser.event_time, return_indices=True)
    wrong = np.zeros(len(here), dtype=np.bool_)
    for name in ("open", "high", "low", "close", "volume"):
        tolerance = 1e-6 if name == "volume" else 1e-12
        wrong |= ~np.isclose(made[name][here], coarser[name][there], rtol=tolerance, atol=0.0)
    rows = coarser.event_time[there][wrong]
    if len(rows) == 0:
        return ()
    return (
        _at(
            coarser,
            "warning",
            "disagreement",
            rows,
            f"bars that differ from the {finer.interval} candles",
        ),
    )


def _by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(findings, key=lambda finding: order[finding.severity]))


def _whole(series: Series, severity: Severity, code: str, what: str) -> Finding:
    return Finding(
        severity, code, series.symbol, series.kind, series.interval, f"{series.title}: {what}"
    )


def _at(series: Series, severity: Severity, code: str, times: Times, what: str) -> Finding:
    """A finding about the rows at ``times``: how many, what, and where the first of them is."""
    first = int(times[0])
    where = f"at {format_time(first)}" if len(times) == 1 else f"first at {format_time(first)}"
    return Finding(
        severity,
        code,
        series.symbol,
        series.kind,
        series.interval,
        f"{series.title}: {what}: {len(times)}, {where}",
        first,
        len(times),
    )


def _unit_findings(series: Series) -> Iterator[Finding]:
    units: tuple[Unit, ...] = ("s", "ms", "us")
    for unit in units:
        if in_unit(series.event_time, unit).any():
            what = f"times are in {UNIT_NAMES[unit]} where nanoseconds are expected"
            yield _whole(series, "error", "time-unit", what)
            return
    yield _whole(series, "error", "time-unit", "times lie outside 1973 to 2200")


def _order_findings(series: Series) -> Iterator[Finding]:
    times = series.event_time
    backward = np.flatnonzero(np.diff(times) < 0) + 1
    if len(backward):
        yield _at(series, "error", "unsorted", times[backward], "rows earlier than the row before")
    keys = series.columns.get(kind_of(series.kind).key)
    order = np.argsort(times, kind="stable") if keys is None else np.lexsort((keys, times))
    same_moment = np.diff(times[order]) == 0
    if keys is not None:
        same_moment &= np.diff(keys[order]) == 0
    twin = np.flatnonzero(same_moment)
    if len(twin) == 0:
        return
    first, second = order[twin], order[twin + 1]
    same = np.ones(len(twin), dtype=np.bool_)
    for values in series.columns.values():
        same &= (values[first] == values[second]) | (
            np.isnan(values[first]) & np.isnan(values[second])
        )
    if not same.all():
        yield _at(
            series, "error", "conflict", times[second][~same],
            "times that appear twice with different values",
        )  # fmt: skip
    if same.any():
        yield _at(series, "error", "duplicate", times[second][same], "repeated rows")


def _ordered(series: Series) -> Series:
    """The series sorted, with the first row of each time, so that the other checks make sense.

    A kind with a key keeps its rows: several of one moment are no fault there.
    """
    if kind_of(series.kind).key:
        rows = np.argsort(series.event_time, kind="stable")
        times = series.event_time[rows]
    else:
        times, rows = np.unique(series.event_time, return_index=True)
    columns = {name: values[rows] for name, values in series.columns.items()}
    return replace(series, event_time=times, columns=columns)


def _grid_findings(series: Series) -> Iterator[Finding]:
    times = series.event_time
    steps = np.diff(times)
    if series.interval is None:
        if series.kind == "funding":
            gaps = np.flatnonzero(steps > _FUNDING_GAP_NS)
            if len(gaps):
                what = "stretches over 8 h without a settlement"
                yield _at(series, "warning", "gap", times[gaps], what)
        return
    spacing = series.interval.ns
    candles = series.kind == "klines"
    overlap = np.flatnonzero(steps < spacing) + 1
    if candles and len(overlap):
        what = f"bars that overlap the {series.interval} bar before"
        yield _at(series, "error", "overlap", times[overlap], what)
    off = np.flatnonzero(times % spacing)
    if len(off):
        what = f"times off the {series.interval} grid"
        yield _at(series, "error" if candles else "warning", "off-grid", times[off], what)
    gaps = np.flatnonzero(steps > spacing)
    if len(gaps):
        missing = int((steps[gaps] // spacing - 1).sum())
        longest_ns = int(steps[gaps].max()) - spacing
        days = f"{longest_ns / DAY_NS:.1f} days"
        longest = days if longest_ns >= DAY_NS else format_duration(longest_ns)
        what = f"gaps ({missing} rows missing, the longest {longest})"
        yield _at(series, "warning", "gap", times[gaps] + spacing, what)


def _value_findings(series: Series) -> Iterator[Finding]:
    """Values that cannot be: missing, infinite, negative, or at odds within the bar."""
    times = series.event_time
    required = kind_of(series.kind).required
    for name, values in series.columns.items():
        infinite = np.isinf(values)
        if infinite.any():
            yield _at(series, "error", "infinite", times[infinite], f"infinite values of {name}")
        if name in required and np.isnan(values).any():
            rows = times[np.isnan(values)]
            yield _at(series, "error", "missing-value", rows, f"missing values (NaN) of {name}")
        if name in _PRICES and (values <= 0).any():
            rows = times[values <= 0]
            yield _at(
                series, "error", "not-positive", rows, f"values of {name} that are not above 0"
            )
        elif name not in ("funding_rate", "premium") and (values < 0).any():
            yield _at(series, "error", "negative", times[values < 0], f"negative values of {name}")
    if series.kind != "klines":
        return
    high, low = series["high"], series["low"]
    crossed = high < low
    if crossed.any():
        yield _at(series, "error", "impossible-bar", times[crossed], "bars with high below low")
    for name in ("open", "close"):
        outside = ~crossed & ((series[name] > high) | (series[name] < low))
        if outside.any():
            what = f"bars with {name} outside low to high"
            yield _at(series, "error", "impossible-bar", times[outside], what)
    if "taker_buy_volume" in series.columns:
        excess = series["taker_buy_volume"] > series["volume"] * (1 + 1e-9)
        if excess.any():
            what = "bars with more taker-buy volume than volume"
            yield _at(series, "error", "impossible-bar", times[excess], what)


def _plausibility_findings(series: Series) -> Iterator[Finding]:
    """Values that can be but hardly are. Only for a series without errors."""
    times = series.event_time
    if series.kind == "klines":
        still = series["high"] == series["low"]
        silent = series["volume"] == 0
        if (still & silent).any():
            what = "flat bars without volume"
            yield _at(series, "note", "flat-bar", times[still & silent], what)
        if (silent & ~still).any():
            rows = times[silent & ~still]
            yield _at(series, "warning", "no-volume", rows, "bars that move without volume")
        frozen = run_starts(series["close"], still)
    elif series.kind in ("mark", "index", "open_interest"):
        frozen = run_starts(next(iter(series.columns.values())))
    else:
        frozen = np.empty(0, dtype=np.int64)
    if len(frozen):
        what = f"stretches of {FROZEN_ROWS} or more rows without any change"
        yield _at(series, "warning", "frozen", times[frozen], what)
    for name in ("close", "mark_price", "index_price", "open_interest"):
        if name in series.columns:
            lonely = spikes(series[name])
            if len(lonely):
                what = f"values of {name} that stand out from both neighbours"
                yield _at(series, "warning", "outlier", times[lonely], what)
            far = jumps(series, name)
            if len(far):
                what = f"jumps of {name} by more than half in one step"
                yield _at(series, "warning", "jump", times[far], what)
    if series.kind == "funding":
        wild = np.abs(series["funding_rate"]) > 0.03
        if wild.any():
            yield _at(series, "warning", "outlier", times[wild], "funding rates beyond 3 %")


def _freshness_findings(series: Series, as_of_ns: int) -> Iterator[Finding]:
    allowed = _FUNDING_GAP_NS if series.interval is None else 2 * series.interval.ns
    age = as_of_ns - int(series.event_time[-1])
    if age > allowed:
        what = f"is stale, its last row is of {format_time(int(series.event_time[-1]))}"
        yield _whole(series, "error", "stale", what)


def _frame_finding(
    frame: MarketFrame, severity: Severity, code: str, what: str, rows: Times, count: int
) -> Finding:
    first = int(frame.open_time[rows[0]]) if len(rows) else None
    message = f"{frame.symbol} {frame.interval} frame: {what}"
    return Finding(severity, code, frame.symbol, "frame", frame.interval, message, first, count)


def _coverage_findings(frame: MarketFrame) -> Iterator[Finding]:
    absent = [name for name in COLUMNS if not frame.has(name)]
    if absent:
        more = f" and {len(absent) - 12} more columns" if len(absent) > 12 else ""
        what = f"no data for {', '.join(absent[:12])}{more}; what needs them stays missing"
        yield _frame_finding(frame, "note", "absent", what, np.empty(0, np.int64), len(frame))
    for name, column in COLUMNS.items():
        if name in (*absent, "funding_charge", "hours_since_funding"):
            continue  # the two go with the funding rate
        if column.missing == "refuse":
            continue
        known = np.flatnonzero(np.isfinite(frame[name]))
        first, last = int(known[0]), int(known[-1])
        if first:
            since = format_time(int(frame.open_time[first]))
            what = f"{name} starts only with the bar of {since}, {first} bars have none"
            yield _frame_finding(frame, "note", "late-start", what, np.arange(1), first)
        holes = first + np.flatnonzero(~np.isfinite(frame[name][first : last + 1]))
        if len(holes):
            where = format_time(int(frame.open_time[holes[0]]))
            what = f"{name} is missing in {len(holes)} bars after its start, the first at {where}"
            yield _frame_finding(frame, "warning", "hole", what, holes, len(holes))


def _mark_findings(frame: MarketFrame, tolerance: float = 0.02) -> Iterator[Finding]:
    distance = np.abs(frame["mark_price"] / frame["close"] - 1)
    apart = np.flatnonzero(distance > tolerance)
    if len(apart):
        worst = int(apart[np.argmax(distance[apart])])
        what = (
            f"mark and last price differ by more than {tolerance:.0%} in {len(apart)} bars, "
            f"the most ({distance[worst]:.1%}) at {format_time(int(frame.open_time[worst]))}"
        )
        yield _frame_finding(frame, "warning", "mark-last", what, apart, len(apart))
