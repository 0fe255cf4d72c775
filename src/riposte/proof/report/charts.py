"""The small charts, drawn once into the page as SVG: folds, reliability, costs, trades, what-if."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from riposte.market.frame import Floats
from riposte.proof.report import format as fmt
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
from riposte.proof.report.prepare import CostSplit, histogram, thin
from riposte.proof.results import FoldResult, Outcome, Reliability

SMALL = 380.0  # width of a chart that shares a row with others
_LEAST_BAR = 0.6


def _sign_class(value: float) -> str:
    return "gain" if value >= 0 else "loss"


def fold_bars(folds: Sequence[FoldResult], width: float) -> Markup:
    """Net return of each fold's test window, in order of time."""
    returns = [f.net_return for f in folds]
    area = plot(
        width,
        210.0,
        (0.0, float(max(len(folds), 1))),
        padded(returns, zero=True),
        margin=(10.0, 6.0, 34.0, 50.0),
    )
    bars = []
    for at, fold in enumerate(folds):
        if not math.isfinite(fold.net_return):
            continue
        left, right = area.x(at + 0.14), area.x(at + 0.86)
        zero, end = area.y(0.0), area.y(fold.net_return)
        bars.append(
            tag(
                "rect",
                tag(
                    "title",
                    f"Fold {fold.index}, {fmt.date(fold.test_start)} to {fmt.date(fold.test_end)}: "
                    f"{fmt.percent(fold.net_return, 2, signed=True)}, {fmt.plural(fold.trades, 'trade')}",
                ),
                x=left,
                width=right - left,
                y=min(zero, end),
                height=max(abs(end - zero), _LEAST_BAR),
                class_=_sign_class(fold.net_return),
            )
        )
    least = len(folds) / (width / 75.0)
    every = next((n for n in (1, 2, 3, 6, 12, 24) if n >= least), math.ceil(least))
    marks = [at + 0.5 for at in range(0, len(folds), every)]
    return svg(
        area,
        "Net return of each fold",
        y_axis(area, ticks(area.y.low, area.y.high), fmt.round_percent),
        *bars,
        x_axis(area, marks, lambda at: fmt.month(folds[int(at)].test_start), "Month tested"),
    )


def reliability_curve(curve: Reliability) -> Markup:
    """How often the claimed side was right against the confidence promised; area is the count."""
    area = plot(SMALL, 300.0, (0.5, 1.0), (0.3, 1.0))
    marks = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    largest = float(np.max(curve.count, initial=1.0))
    points = [
        (area.x(float(p)), area.y(max(float(o), area.y.low)))
        for p, o in zip(curve.promised, curve.observed, strict=True)
    ]
    dots = [
        tag(
            "circle",
            tag(
                "title",
                f"Promised {fmt.percent(float(p))}, right {fmt.percent(float(o))} of "
                f"{fmt.plural(int(n), 'bar')}",
            ),
            cx=x,
            cy=y,
            r=2.5 + 8.0 * math.sqrt(float(n) / largest),
            class_="dot",
        )
        for (x, y), p, o, n in zip(points, curve.promised, curve.observed, curve.count, strict=True)
    ]
    return svg(
        area,
        "Reliability: confidence promised against share right",
        y_axis(area, [0.3, 0.4, *marks], fmt.round_percent),
        path([(area.x(0.5), area.y(0.5)), (area.x(1.0), area.y(1.0))], "ideal"),
        tag(
            "text",
            "kept exactly",
            x=area.x(0.93),
            y=area.y(0.965),
            text_anchor="end",
            class_="note",
        ),
        path(points, "line system"),
        *dots,
        x_axis(area, marks, fmt.round_percent, "Confidence promised"),
    )


def trade_histogram(net_fractions: Floats) -> Markup:
    """How the net results of trades are spread, as a share of equity at entry."""
    edges, counts = histogram(net_fractions, 30)
    top = float(max(np.max(counts, initial=0.0), 1.0))
    area = plot(SMALL, 250.0, (float(edges[0]), float(edges[-1])), (0.0, top * 1.06))
    bars = [
        tag(
            "rect",
            tag(
                "title",
                f"{fmt.percent(float(low), 2)} to {fmt.percent(float(high), 2)}: "
                f"{fmt.plural(int(n), 'trade')}",
            ),
            x=area.x(float(low)) + 0.6,
            width=max(area.x(float(high)) - area.x(float(low)) - 1.2, 1.0),
            y=area.y(float(n)),
            height=area.bottom - area.y(float(n)),
            class_=_sign_class(float(low)),
        )
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
        if n > 0
    ]
    return svg(
        area,
        "Distribution of trade results",
        y_axis(area, ticks(0.0, top, 4), fmt.count),
        *bars,
        x_axis(
            area,
            ticks(area.x.low, area.x.high, 5),
            lambda v: fmt.percent(v, 2, signed=True),
            "Net result of a trade, share of equity",
        ),
    )


def cost_bridge(costs: CostSplit) -> Markup:
    """From the result before costs to the net result, step by step."""
    steps = (
        ("Before costs", 0.0, costs.before, ""),
        ("Slippage", costs.before, -costs.slippage, "step"),
        ("Fees", costs.before - costs.slippage, -costs.fees, "step"),
        ("Funding", costs.before - costs.slippage - costs.fees, -costs.funding, "step"),
        ("Net", 0.0, costs.net, ""),
    )
    levels = [0.0] + [base + size for _, base, size, _ in steps]
    area = plot(
        SMALL,
        270.0,
        (0.0, float(len(steps))),
        padded(levels, zero=True, pad=0.12),
        margin=(14.0, 6.0, 30.0, 56.0),
    )
    parts = []
    for at, (name, base, size, kind) in enumerate(steps):
        low, high = sorted((area.y(base), area.y(base + size)))
        middle = area.x(at + 0.5)
        parts.append(
            tag(
                "rect",
                x=area.x(at + 0.16),
                width=area.x(0.68) - area.x(0.0),
                y=low,
                height=max(high - low, _LEAST_BAR),
                class_=f"{_sign_class(size)} {kind}".strip(),
            )
        )
        inside = size >= 0
        parts.append(
            tag(
                "text",
                fmt.money(size, signed=True, unit=False),
                x=middle,
                y=low - 5 if inside else high + 13,
                text_anchor="middle",
                class_="value",
            )
        )
        parts.append(
            tag("text", name, x=middle, y=area.height - 8, text_anchor="middle", class_="axis")
        )
    return svg(
        area,
        "Result before costs, each cost, and the net result, USDT",
        y_axis(
            area,
            ticks(area.y.low, area.y.high, 5),
            lambda v: fmt.money(v, unit=False).removesuffix(".00"),
        ),
        *parts,
    )


def what_if_lines(outcomes: Sequence[Outcome], starting_equity: float) -> Markup:
    """Net return over time at several cost levels, each line named at its end."""
    curves = []
    for each in outcomes:
        rows = thin(each.equity, 240)
        curves.append((each.time[rows], each.equity[rows] / starting_equity - 1.0))
    first = min((float(t[0]) for t, _ in curves), default=0.0)
    last = max((float(t[-1]) for t, _ in curves), default=1.0)
    values = [float(v) for _, curve in curves for v in curve]
    area = plot(
        SMALL,
        270.0,
        (first, last if last > first else first + 1.0),
        padded(values, zero=True),
        margin=(14.0, 78.0, 30.0, 50.0),
    )
    lines, ends = [], []
    for at, (each, (time, curve)) in enumerate(zip(outcomes, curves, strict=True)):
        points = [(area.x(float(t)), area.y(float(v))) for t, v in zip(time, curve, strict=True)]
        lines.append(path(points, f"line what-if-{at}"))
        ends.append((points[-1][1], fmt.plain(each.name), f"what-if-{at}"))
    years = sorted({fmt.date(int(t))[:4] for curve, _ in curves for t in curve})
    marks = [float(np.datetime64(f"{year}-01-01", "ns").astype(np.int64)) for year in years]
    inside = [m for m in marks if first <= m <= last]
    return svg(
        area,
        "Net return at several cost levels",
        y_axis(area, ticks(area.y.low, area.y.high), fmt.round_percent),
        *lines,
        _end_labels(area, ends),
        x_axis(area, inside, lambda t: fmt.date(int(t))[:4], ""),
    )


def _end_labels(area: Plot, ends: Sequence[tuple[float, str, str]]) -> Markup:
    """Names at the right ends of lines, pushed apart until they can be read."""
    placed: list[Markup] = []
    lowest = -math.inf
    for y, name, class_ in sorted(ends):
        at = max(y, lowest + 13.0)
        lowest = at
        placed.append(tag("text", name, x=area.right + 6, y=at + 4, class_=f"name {class_}"))
    return joined(placed)
