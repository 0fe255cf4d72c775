"""Drawing by hand: SVG elements, scales and axes for the small charts.

Colours are CSS classes, so that one drawing serves light, dark and print. All text passes through
``tag``, which escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Child = str | Markup


def tag(element: str, *children: Child, **attributes: str | float | None) -> Markup:
    """An element; ``class_`` is class, underscores become hyphens, None is left out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{element}{written}>{inner}</{element}>")  # noqa: S704  every part is escaped


def _short(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def joined(parts: Sequence[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values to positions."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        reach = self.high - self.low
        share = (value - self.low) / reach if reach else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values from ``low`` to ``high``, about as many as wanted (1, 2, 2.5, 5 x 10^n)."""
    reach = high - low
    if not math.isfinite(reach) or reach <= 0:
        return [low]
    rough = reach / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * size >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def padded(
    values: Sequence[float], *, zero: bool = False, pad: float = 0.06
) -> tuple[float, float]:
    """The range of the finite values with some air; with ``zero`` it includes zero."""
    finite = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
    if not finite:
        return -1.0, 1.0
    low, high = min(finite), max(finite)
    room = (high - low) * pad or abs(high) * pad or 1.0
    return low - (room if low < 0 or not zero else 0), high + (room if high > 0 or not zero else 0)


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing area with its two scales, in units of about a CSS pixel."""

    width: float
    height: float
    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        return self.x.start

    @property
    def right(self) -> float:
        return self.x.end

    @property
    def top(self) -> float:
        return self.y.end

    @property
    def bottom(self) -> float:
        return self.y.start


def plot(
    width: float,
    height: float,
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    margin: tuple[float, float, float, float] = (10.0, 10.0, 34.0, 46.0),
) -> Plot:
    """A plot with margins top, right, bottom, left."""
    top, right, bottom, left = margin
    return Plot(width, height, Scale(*x, left, width - right), Scale(*y, height - bottom, top))


def svg(area: Plot, title: str, *parts: Markup, class_: str = "") -> Markup:
    """The finished drawing, scaling with its container; ``title`` is what a screen reader says."""
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {area.width:g} {area.height:g}",
        role="img",
        class_=f"chart {class_}".strip(),
        xmlns="http://www.w3.org/2000/svg",
    )


def y_axis(area: Plot, values: Sequence[float], show: Callable[[float], str]) -> Markup:
    """Grid lines with their values at the left."""
    parts = []
    for value in values:
        at = area.y(value)
        kind = "zero" if value == 0 else "grid"
        parts.append(tag("line", x1=area.left, x2=area.right, y1=at, y2=at, class_=kind))
        parts.append(
            tag("text", show(value), x=area.left - 6, y=at + 3.8, text_anchor="end", class_="tick")
        )
    return joined(parts)


def x_axis(area: Plot, values: Sequence[float], show: Callable[[float], str], name: str) -> Markup:
    """Values under the plot and what they are."""
    parts = [
        tag(
            "text",
            show(value),
            x=area.x(value),
            y=area.bottom + 15,
            text_anchor="middle",
            class_="tick",
        )
        for value in values
    ]
    middle = (area.left + area.right) / 2
    parts.append(
        tag("text", name, x=middle, y=area.height - 3, text_anchor="middle", class_="axis")
    )
    return joined(parts)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through the points that are finite; a gap where one is not."""
    steps, pen = [], "M"
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            steps.append(f"{pen}{x:.1f} {y:.1f}")
            pen = "L"
        else:
            pen = "M"
    return tag("path", d="".join(steps), class_=class_)
