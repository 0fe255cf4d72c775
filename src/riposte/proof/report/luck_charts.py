"""The small charts of the section on luck: the ratio against luck, ranks of what was chosen, paths."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup

from riposte.proof.honesty import Honesty, PathStudy
from riposte.proof.overfitting import Overfitting
from riposte.proof.report import format as fmt
from riposte.proof.report.drawing import (
    joined,
    padded,
    path,
    plot,
    svg,
    tag,
    ticks,
    x_axis,
    y_axis,
)

_WIDTH = 380.0
_MOST_POINTS = 240


def sharpe_line(judged: Honesty, measured: float, interval: tuple[float, float] | None) -> Markup:
    """The measured yearly Sharpe ratio with its interval, over what the luckiest of the trials would show."""
    low, high = interval if interval and all(map(math.isfinite, interval)) else (measured, measured)
    values = [v for v in (0.0, measured, low, high, judged.expected_best) if math.isfinite(v)]
    area = plot(_WIDTH, 176.0, padded(values, pad=0.1), (0.0, 2.0), margin=(8.0, 12.0, 36.0, 12.0))
    marks = ticks(area.x.low, area.x.high, 6)
    grid = [
        tag(
            "line", x1=area.x(m), x2=area.x(m), y1=area.top, y2=area.bottom,
            class_="zero" if m == 0 else "grid",
        )
        for m in marks
    ]  # fmt: skip

    def row(level: float, name: str, value: float, class_: str) -> Markup:
        at = area.y(level)
        shown = f"{name}: {fmt.number(value)}"
        return joined([
            tag("text", shown, x=area.left, y=at - 16, class_="axis over"),
            tag("circle", tag("title", shown), cx=area.x(value), cy=at, r=6.0, class_=class_),
        ])  # fmt: skip

    parts = [
        tag(
            "line",
            x1=area.x(low),
            x2=area.x(high),
            y1=area.y(1.36),
            y2=area.y(1.36),
            class_="range",
        ),
        row(1.36, "This system, and where chance could have put it", measured, "dot"),
    ]
    if math.isfinite(judged.expected_best):
        name = f"Luckiest of {fmt.plural(judged.trials, 'worthless variant')}"
        parts.append(row(0.36, name, judged.expected_best, "dot chance"))
    return svg(
        area,
        "The Sharpe ratio beside what luck would show",
        *grid,
        *parts,
        x_axis(area, marks, lambda v: fmt.number(v, 1), "Sharpe ratio, per year"),
    )


def rank_bars(found: Overfitting) -> Markup:
    """Where the best of one half of the record stood among all in the other half."""
    count = min(found.configurations, 10)
    share = 1.0 / (1.0 + np.exp(-found.logits))
    bins = np.minimum((share * count).astype(np.int64), count - 1)
    heights = np.bincount(bins, minlength=count) / len(share)
    area = plot(
        _WIDTH, 230.0, (0.0, float(count)), (0.0, float(heights.max()) * 1.08),
        margin=(10.0, 6.0, 36.0, 46.0),
    )  # fmt: skip
    middle = (count - 1) / 2.0
    bars = [
        tag(
            "rect",
            tag("title", f"{fmt.percent(float(height))} of the splits"),
            x=area.x(at + 0.1),
            width=area.x(0.8) - area.x(0.0),
            y=area.y(float(height)),
            height=area.bottom - area.y(float(height)),
            class_="loss" if at < middle else "gain" if at > middle else "neutral",
        )
        for at, height in enumerate(heights)
        if height > 0
    ]
    names = {0.5: "worst", count / 2.0: "middle", count - 0.5: "best"}
    return svg(
        area,
        "Rank in the other half of what was best in one half",
        y_axis(area, ticks(0.0, area.y.high, 4), lambda v: fmt.percent(v, 0)),
        *bars,
        x_axis(area, list(names), lambda at: names[at], "Its place among all in the other half"),
    )


def path_lines(paths: PathStudy, starting_equity: float) -> Markup:
    """Net return over time of every path."""
    rows = np.unique(np.linspace(0, len(paths.time) - 1, _MOST_POINTS).astype(np.int64))
    time = paths.time[rows].astype(np.float64)
    curves = paths.equity[:, rows] / starting_equity - 1.0
    area = plot(
        _WIDTH,
        250.0,
        (float(time[0]), float(max(time[-1], time[0] + 1.0))),
        padded([float(curves.min()), float(curves.max())], zero=True),
        margin=(14.0, 10.0, 30.0, 50.0),
    )
    lines = [
        path([(area.x(float(t)), area.y(float(v))) for t, v in zip(time, curve, strict=True)], "line path")
        for curve in curves
    ]  # fmt: skip
    years = sorted({fmt.date(int(t))[:4] for t in time})
    starts = [float(np.datetime64(f"{year}-01-01", "ns").astype(np.int64)) for year in years]
    inside = [start for start in starts if area.x.low <= start <= area.x.high]
    return svg(
        area,
        "Net return of every history",
        y_axis(area, ticks(area.y.low, area.y.high), lambda v: fmt.percent(v, 0)),
        *lines,
        x_axis(area, inside, lambda t: fmt.date(int(t))[:4], ""),
    )
