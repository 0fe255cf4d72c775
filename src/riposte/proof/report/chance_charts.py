"""The charts of chance: a fan of resampled markets, resampled drawdowns, draws of a null test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from riposte.market.frame import Floats
from riposte.proof.chance.results import FAN, MarketLuck, Measured, NullTest, TradeLuck
from riposte.proof.chance.standing import returns_of
from riposte.proof.report import format as fmt
from riposte.proof.report.charts import SMALL
from riposte.proof.report.drawing import (
    Plot,
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
from riposte.proof.report.prepare import thin

_FAN_POINTS = 160
_BINS = 36
_STRIP = 46.0  # height of a row of draws


def market_fan(luck: MarketLuck, actual: Floats) -> Markup:
    """Where resampled markets led the account, and where the recorded one did.

    ``actual`` (days,): net return since the start at the end of each recorded day.
    """
    rows = np.unique(np.linspace(0, luck.days - 1, _FAN_POINTS).astype(np.int64))
    fan = luck.fan[:, rows]
    values = [0.0, *fan[0], *fan[-1], *actual]
    area = plot(
        SMALL, 270.0, (0.0, float(max(luck.days - 1, 1))), padded(values),
        margin=(14.0, 64.0, 34.0, 58.0),
    )  # fmt: skip
    xs = [area.x(float(row)) for row in rows]

    def band(low: Floats, high: Floats, class_: str) -> Markup:
        edge = [*zip(xs, high, strict=True), *zip(reversed(xs), low[::-1], strict=True)]
        points = " ".join(f"{x:.1f},{area.y(float(y)):.1f}" for x, y in edge)
        return tag("polygon", points=points, class_=class_)

    def line(days: Floats, curve: Floats, class_: str) -> Markup:
        pairs = zip(days, curve, strict=True)
        return path([(area.x(float(d)), area.y(float(v))) for d, v in pairs], class_)

    kept = thin(actual, 240)
    names = ["median" if level == 0.5 else f"{100 * level:.0f}th" for level in FAN]
    ends = list(zip(map(float, fan[:, -1]), names, strict=True))
    return svg(
        area,
        "Net return in resampled markets, percentiles from day to day, and in the recorded one",
        y_axis(area, ticks(area.y.low, area.y.high), fmt.round_percent),
        band(fan[0], fan[4], "fan"),
        band(fan[1], fan[3], "fan"),
        line(rows.astype(float), fan[2], "ideal"),
        line(np.minimum(kept, luck.days - 1).astype(float), actual[kept], "line system"),
        _names(area, ends),
        x_axis(area, ticks(0.0, area.x.high, 4), fmt.count, "Days since the start"),
    )


def _names(area: Plot, ends: Sequence[tuple[float, str]]) -> Markup:
    """Names of rising values at the right, from the top down, pushed apart."""
    placed, lowest = [], -math.inf
    for value, name in reversed(ends):
        lowest = max(area.y(value), lowest + 12.0)
        placed.append(tag("text", name, x=area.right + 6, y=lowest + 4, class_="tick"))
    return joined(placed)


def drawdown_histogram(luck: TradeLuck) -> Markup:
    """The deepest falls of resampled trades, with the limit and what the real order gave."""
    far = float(np.quantile(luck.max_drawdown, 0.995))
    top = max(far, luck.actual_drawdown, luck.drawdown_limit) * 1.05 or 0.01
    edges = np.linspace(0.0, top, _BINS + 1)
    counts, _ = np.histogram(np.clip(luck.max_drawdown, 0.0, top), edges)
    shares = counts / len(luck.max_drawdown)
    area = plot(
        SMALL, 270.0, (0.0, top), (0.0, float(shares.max()) * 1.12), margin=(34.0, 12.0, 34.0, 46.0)
    )
    bars = [
        tag(
            "rect",
            tag("title", f"{_span(low, high)}: {fmt.percent(float(n))} of the resamples"),
            x=area.x(float(low)) + 0.5,
            width=max(area.x(float(high)) - area.x(float(low)) - 1.0, 0.8),
            y=area.y(float(n)),
            height=area.bottom - area.y(float(n)),
            class_="draws over" if low >= luck.drawdown_limit else "draws",
        )
        for low, high, n in zip(edges[:-1], edges[1:], shares, strict=True)
        if n > 0
    ]
    return svg(
        area,
        "Deepest falls of resampled trades",
        y_axis(area, ticks(0.0, area.y.high, 4), fmt.round_percent),
        *bars,
        _uprights(
            area,
            [(luck.drawdown_limit, "limit", "limit"), (luck.actual_drawdown, "as it was", "real")],
        ),
        x_axis(area, ticks(0.0, top, 5), fmt.round_percent, "Deepest fall of closed trades"),
    )


def _span(low: float, high: float) -> str:
    return f"{fmt.percent(float(low), 2)} to {fmt.percent(float(high), 2)}"


def _uprights(area: Plot, marks: Sequence[tuple[float, str, str]]) -> Markup:
    """Two named vertical lines (value, name, class); the left one's name stands at its left."""
    parts = []
    for place, (value, name, class_) in enumerate(sorted(marks)):
        at, height = area.x(value), 10.0 + 14.0 * place
        room = at - area.left if place == 0 else area.right - at
        left = (place == 0) == (room > 60.0)
        parts += [
            tag("line", x1=at, x2=at, y1=height - 6.0, y2=area.bottom, class_=f"upright {class_}"),
            tag(
                "text",
                name,
                x=at - 5 if left else at + 5,
                y=height + 2.0,
                text_anchor="end" if left else "start",
                class_=f"name {class_}",
            ),
        ]
    return joined(parts)


def null_strips(
    test: NullTest, real: Sequence[Measured], name: Callable[[Measured], str]
) -> Markup:
    """Every draw of a null test as a dot, a row for each way of measuring, the real result as a bar."""
    drawn = [returns_of(test, place) for place in range(len(real))]
    values = [0.0, *(m.total_return for m in real), *(float(v) for row in drawn for v in row)]
    area = plot(
        SMALL, 44.0 + _STRIP * len(real), padded(values), (0.0, 1.0),
        margin=(6.0, 12.0, 36.0, 12.0),
    )  # fmt: skip
    zero = area.x(0.0)
    parts = [tag("line", x1=zero, x2=zero, y1=area.top, y2=area.bottom, class_="zero")]
    for place, (measured, returns) in enumerate(zip(real, drawn, strict=True)):
        top = area.top + place * _STRIP
        middle = top + 30.0
        parts += [
            tag("text", name(measured), x=area.left, y=top + 12.0, class_="axis halo"),
            tag("line", x1=area.left, x2=area.right, y1=middle, y2=middle, class_="grid"),
        ]
        for value, offset in zip(returns, _spread(len(returns)), strict=True):
            dot = tag("title", f"A draw: {fmt.percent(float(value), 2, signed=True)}")
            parts.append(
                tag(
                    "circle", dot, cx=area.x(float(value)), cy=middle + offset, r=3.0, class_="draw"
                )
            )
        at = area.x(measured.total_return)
        parts.append(
            tag(
                "rect",
                tag("title", f"Real: {fmt.percent(measured.total_return, 2, signed=True)}"),
                x=at - 1.5, width=3.0, y=middle - 10.0, height=20.0, rx=1.5, class_="real",
            )
        )  # fmt: skip
    return svg(
        area,
        "Returns of the null test's draws, and the real one",
        *parts,
        x_axis(area, ticks(area.x.low, area.x.high, 4), fmt.round_percent, "Return"),
    )


def _spread(count: int) -> list[float]:
    """Small offsets that keep equal dots apart, the same every time: the golden ratio's sequence."""
    return [12.0 * (((at + 1) * 0.6180339887) % 1.0 - 0.5) for at in range(count)]
