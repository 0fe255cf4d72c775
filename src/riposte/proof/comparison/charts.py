"""The comparison's charts drawn into the page as SVG: intervals of differences, and what costs took."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from riposte.proof.comparison.results import Comparison, Estimate
from riposte.proof.report import format as fmt
from riposte.proof.report.drawing import Plot, joined, padded, plot, svg, tag, ticks

WIDTH = 380.0
_ROW = 44.0
_TOP, _BOTTOM = 8.0, 36.0
_SHARE = "Share of the equity at the beginning"
COSTS = ("fees", "slippage", "funding")


def return_intervals(found: Comparison) -> Markup:
    """Every pair's difference in yearly return with its interval."""
    return _intervals(
        found,
        [pair.annual_return for pair in found.pairs],
        "Difference in return per year",
        lambda v: fmt.percent(v, 1, signed=True),
    )


def sharpe_intervals(found: Comparison) -> Markup:
    """Every pair's difference in Sharpe ratio with its interval."""
    return _intervals(
        found,
        [pair.sharpe for pair in found.pairs],
        "Difference in Sharpe ratio",
        lambda v: fmt.number(v, 1, signed=True),
    )


def _intervals(
    found: Comparison, estimates: Sequence[Estimate], title: str, show: Callable[[float], str]
) -> Markup:
    values = [v for e in estimates for v in (e.low, e.value, e.high)]
    area = _rows(len(estimates), padded([*values, 0.0], pad=0.08))
    parts = [_grid(area, show)]
    for at, (pair, estimate) in enumerate(zip(found.pairs, estimates, strict=True)):
        a, b = found.entries[pair.first].name, found.entries[pair.second].name
        y = area.y(at + 0.66)
        label = f"{a} {fmt.MINUS} {b}"
        parts.append(tag("text", label, x=area.left, y=area.y(at + 0.32), class_="row"))
        if not math.isfinite(estimate.value):
            parts.append(tag("text", "not defined", x=area.left, y=y + 4, class_="note"))
            continue
        kind = "apart" if estimate.told_apart else "open"
        if math.isfinite(estimate.low):
            low, high = area.x(estimate.low), area.x(estimate.high)
            parts.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_=f"whisker {kind}"))
        told = tag("title", f"{label}: {show(estimate.value)}")
        parts.append(
            tag("circle", told, cx=area.x(estimate.value), cy=y, r=4.5, class_=f"point {kind}")
        )
    return svg(area, title, *parts, _names(area, title))


def cost_dumbbells(found: Comparison) -> Markup:
    """What each study made before costs and after them: the line between is what they took."""
    ends = []
    for entry in found.entries:
        net = float(entry.growth[-1]) - 1.0
        paid = sum(entry.measures[n] for n in ("fees", "funding", "slippage")) / entry.base
        ends.append((net + paid, net))
    area = _rows(len(ends), padded([v for pair in ends for v in (*pair, 0.0)], pad=0.08))
    parts = [_grid(area, lambda v: fmt.percent(v, 1, signed=True))]
    for at, (entry, (before, net)) in enumerate(zip(found.entries, ends, strict=True)):
        y, hue = area.y(at + 0.66), f"series-{at}"
        text = f"{entry.name}: {fmt.percent(before, 2, signed=True)} before costs, {fmt.percent(net, 2, signed=True)} net"
        parts += [
            tag("text", entry.name, x=area.left, y=area.y(at + 0.32), class_="row"),
            tag("line", x1=area.x(before), x2=area.x(net), y1=y, y2=y, class_=f"whisker {hue}"),
            tag("circle", cx=area.x(before), cy=y, r=4.5, class_=f"point hollow {hue}"),
            tag("circle", tag("title", text), cx=area.x(net), cy=y, r=4.5, class_=f"point {hue}"),
        ]
    return svg(area, "Result before and after costs", *parts, _names(area, _SHARE))


def cost_kinds(found: Comparison) -> Markup:
    """What each study paid, kind by kind; funding that was received reaches left of zero."""
    paid = [[e.measures[kind] / e.base for kind in COSTS] for e in found.entries]
    reach = [
        sum(v for v in row if (v < 0) == negative) for row in paid for negative in (True, False)
    ]
    area = _rows(len(paid), padded([*reach, 0.0], zero=True, pad=0.08))
    parts = [_grid(area, lambda v: fmt.percent(v, 1))]
    for at, (entry, row) in enumerate(zip(found.entries, paid, strict=True)):
        parts.append(tag("text", entry.name, x=area.left, y=area.y(at + 0.32), class_="row"))
        ends = {True: 0.0, False: 0.0}
        for kind, value in zip(COSTS, row, strict=True):
            before = ends[value < 0]
            ends[value < 0] = before + value
            low, high = sorted((area.x(before), area.x(before + value)))
            told = tag("title", f"{entry.name}, {kind}: {fmt.percent(value, 2)}")
            box = {"x": low, "width": high - low, "y": area.y(at + 0.66) - 7, "height": 14.0}
            parts.append(tag("rect", told, **box, class_=f"cost {kind} series-{at}"))
    return svg(area, "Costs by kind", *parts, _names(area, _SHARE))


def _rows(count: int, x: tuple[float, float]) -> Plot:
    """A plot with a row per item, the first on top."""
    height = _TOP + count * _ROW + _BOTTOM
    return plot(WIDTH, height, x, (float(count), 0.0), margin=(_TOP, 10.0, _BOTTOM, 10.0))


def _grid(area: Plot, show: Callable[[float], str]) -> Markup:
    """Vertical lines with their values under them; zero is drawn stronger."""
    parts = []
    for value in ticks(area.x.low, area.x.high, 5):
        at = area.x(value)
        kind = "zero" if abs(value) < 1e-12 else "grid"
        parts.append(tag("line", x1=at, x2=at, y1=area.top, y2=area.bottom, class_=kind))
        parts.append(
            tag("text", show(value), x=at, y=area.bottom + 15, text_anchor="middle", class_="tick")
        )
    return joined(parts)


def _names(area: Plot, name: str) -> Markup:
    middle = (area.left + area.right) / 2
    return tag("text", name, x=middle, y=area.height - 3, text_anchor="middle", class_="axis")
