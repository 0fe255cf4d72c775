"""Facts about recorded data that are no fault, but that whoever uses it should know: notes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from riposte.market.checks import Finding
from riposte.market.interval import DAY_NS, HOUR_NS, MINUTE_NS
from riposte.market.series import Series, format_time, kind_of

_EXTREME_RATE = 0.02  # where the exchange caps the rate of most contracts
_EDGE_NS = DAY_NS


def facts(series: Series) -> tuple[Finding, ...]:
    """What a series lacks, and what is unusual about its settlements."""
    if len(series) == 0:
        return ()
    if series.kind == "funding":
        return tuple(_funding_facts(series))
    optional = kind_of(series.kind).optional
    absent = [name for name in optional if name not in series.columns]
    if series.kind != "klines" or not absent:
        return ()
    what = f"has no {', '.join(absent)}: features that need them stay missing"
    return (_note(series, "absent-column", f"{series.title} {what}"),)


def late_starts(candles: Series, others: Iterable[Series]) -> tuple[Finding, ...]:
    """Which series begin more than a day after the candles of their symbol."""
    return tuple(
        _note(
            other,
            "late-start",
            f"{other.title} begins on {format_time(int(other.event_time[0]))}, "
            f"{(int(other.event_time[0]) - int(candles.event_time[0])) / DAY_NS:.0f} days after the "
            "candles",
            int(other.event_time[0]),
        )
        for other in others
        if len(other) and other.event_time[0] - candles.event_time[0] > _EDGE_NS
    )


def _funding_facts(series: Series) -> Iterable[Finding]:
    times, rates = series.event_time, series["funding_rate"]
    steps = np.round(np.diff(times) / MINUTE_NS).astype(np.int64)
    hours, counts = np.unique(steps[steps % 60 == 0] // 60, return_counts=True)
    usual = [(int(hour), int(count)) for hour, count in zip(hours, counts, strict=True)]
    if len(usual) > 1:
        told = ", ".join(f"{hour} h ({count} times)" for hour, count in usual)
        first = int(times[1:][steps != 8 * HOUR_NS // MINUTE_NS][0])
        yield _note(
            series, "funding-interval", f"{series.title}: settled at intervals of {told}", first
        )
    extreme = np.flatnonzero(np.abs(rates) >= _EXTREME_RATE)
    if len(extreme):
        first = int(times[extreme[0]])
        what = (
            f"{series.title}: {len(extreme)} settlements at {_EXTREME_RATE:.0%} or beyond, "
            f"the first at {format_time(first)}"
        )
        yield _note(series, "extreme-funding", what, first, len(extreme))


def _note(
    series: Series, code: str, message: str, first: int | None = None, count: int = 1
) -> Finding:
    return Finding("note", code, series.symbol, series.kind, series.interval, message, first, count)
