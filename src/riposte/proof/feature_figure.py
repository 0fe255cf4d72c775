"""One feature as a page: under the price, how it is spread, and what the price did after its values.

The last is in sample: quantiles and returns are of the same rows, neighbouring rows share most of
their future, and whoever looks at many features finds a good one by chance. The page says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import orjson
from markupsafe import Markup
from scipy.stats import rankdata

from riposte.errors import DataError
from riposte.features.catalogue import FeatureSpec
from riposte.features.matrix import feature_values
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import MINUTE_NS, format_duration
from riposte.proof.report import format as fmt
from riposte.proof.report.payload import packed
from riposte.proof.report.prepare import thin

_TEMPLATES = Path(__file__).parent / "report" / "templates"
_POINTS = 3_000
_BINS = 60
_LEAST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Quantile:
    """A tenth (or so) of the rows: the feature's range in it, and the log return that followed.

    ``low`` and ``high`` are a 95 % interval of the mean, rows counted by how many futures that do not
    overlap they hold.
    """

    start: float
    stop: float
    rows: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FeatureFigure:
    """What the page shows.

    ``time`` (ns UTC), ``price`` and ``value`` are row by row; ``edges`` and ``count`` the histogram of
    the middle 99 %. ``order_early`` and ``order_late`` are the rank correlations of the feature with
    the return that followed, in the first and the second half.
    """

    name: str
    group: str
    doc: str
    unit: str
    symbol: str
    interval: str
    lookback: int
    ahead_ns: int
    time: Times
    price: Floats
    value: Floats
    edges: Floats
    count: Floats
    quantiles: tuple[Quantile, ...]
    order_early: float
    order_late: float

    @property
    def words(self) -> tuple[str, ...]:
        """What may be said of it, and what may not."""
        known = np.isfinite(self.value)
        ahead = format_duration(self.ahead_ns)
        agree = self.order_early * self.order_late > 0
        halves = (
            f"The rank correlation with the return of the next {ahead} is "
            f"{fmt.number(self.order_early, 3, signed=True)} in the first half and "
            f"{fmt.number(self.order_late, 3, signed=True)} in the second: "
            + ("the same sign in both." if agree else "not even the sign holds.")
        )
        spanning = sum(each.low <= 0.0 <= each.high for each in self.quantiles)
        return (
            f"A value in {fmt.percent(float(known.mean()))} of {fmt.count(len(known))} bars; "
            f"it looks back over {fmt.plural(self.lookback, 'bar')}.",
            halves,
            f"In {spanning} of {len(self.quantiles)} quantiles the interval of the mean return holds "
            "zero.",
            "In sample: the quantiles are cut on the very rows whose returns are shown, before any "
            "cost, and this is one feature of many. An order seen here is a question, not evidence; "
            "riposte walkforward answers it on months no model has seen.",
        )


def feature_figure(
    spec: FeatureSpec, frame: MarketFrame, ahead_ns: int, *, quantiles: int = 10
) -> FeatureFigure:
    """The figure of one feature over a frame, with the returns of the ``ahead_ns`` after each bar.

    Raises:
        DataError: if the feature has fewer than 200 values with a known future, or only one value.
    """
    bars = frame.interval.bars(ahead_ns)
    value = feature_values(spec, frame)
    later = _return_after(frame, bars)
    both = np.isfinite(value) & np.isfinite(later)
    if both.sum() < _LEAST_ROWS:
        raise DataError(
            f"feature {spec.name} has {int(both.sum())} values with a known future in "
            f"{frame.symbol} {frame.interval}: a picture of it needs {_LEAST_ROWS}",
            hint="take a longer time range, or import the columns it reads: "
            + ", ".join(spec.columns),
        )
    if np.ptp(value[both]) == 0:
        raise DataError(f"feature {spec.name} has one value only in {frame.symbol}")
    shown = value[np.isfinite(value)]
    count, edges = np.histogram(shown, bins=_BINS, range=_middle(shown))
    half = len(frame) // 2
    return FeatureFigure(
        name=spec.name,
        group=spec.group,
        doc=spec.doc,
        unit=spec.unit,
        symbol=frame.symbol,
        interval=str(frame.interval),
        lookback=spec.lookback(frame.interval),
        ahead_ns=bars * frame.interval.ns,
        time=frame.close_time,
        price=frame["close"],
        value=value,
        edges=edges.astype(np.float64),
        count=count.astype(np.float64),
        quantiles=_quantiles(value[both], later[both], bars, quantiles),
        order_early=_rank_correlation(value[:half], later[:half]),
        order_late=_rank_correlation(value[half:], later[half:]),
    )


def _return_after(frame: MarketFrame, bars: int) -> Floats:
    """Log return from each close over the next ``bars`` bars of its segment; NaN where they are not there."""
    out = np.full(len(frame), np.nan)
    if bars < len(frame):
        together = frame.segment[bars:] == frame.segment[:-bars]
        moved = np.log(frame["close"][bars:] / frame["close"][:-bars])
        out[:-bars] = np.where(together, moved, np.nan)
    return out


def _middle(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    if low == high:
        low, high = values.min(), values.max()
    return float(low), float(high)


def _quantiles(value: Floats, later: Floats, bars: int, wanted: int) -> tuple[Quantile, ...]:
    """Equal shares of the rows; fewer where many rows have one value, which stay together."""
    inner = np.unique(np.quantile(value, np.linspace(0.0, 1.0, wanted + 1)[1:-1]))
    place = np.searchsorted(inner, value, side="right")
    made = []
    for each in np.unique(place):
        mine = place == each
        moved = later[mine]
        alone = max(2.0, len(moved) / bars)  # futures that do not overlap
        error = 1.96 * float(moved.std()) / math.sqrt(alone)
        mean = float(moved.mean())
        made.append(
            Quantile(
                float(value[mine].min()),
                float(value[mine].max()),
                len(moved),
                mean,
                mean - error,
                mean + error,
            )
        )
    return tuple(made)


def _rank_correlation(value: Floats, later: Floats) -> float:
    both = np.isfinite(value) & np.isfinite(later)
    if both.sum() < 2 or np.ptp(value[both]) == 0 or np.ptp(later[both]) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(value[both]), rankdata(later[both]))[0, 1])


# -- the page --------------------------------------------------------------------------------------


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs().encode())


def render_feature(figure: FeatureFigure, *, real_data: bool = True) -> str:
    """The figure as one HTML file that asks the network for nothing: equal figures give equal text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = _asset
    summary, _, definition = figure.doc.partition("\n")
    rows = [
        (
            f"{fmt.number(each.start, 4)} to {fmt.number(each.stop, 4)}",
            fmt.count(each.rows),
            fmt.percent(each.mean, 3, signed=True),
            f"{fmt.percent(each.low, 3, signed=True)} to {fmt.percent(each.high, 3, signed=True)}",
        )
        for each in figure.quantiles
    ]
    return environment.get_template("feature.html").render(
        figure=figure,
        real_data=real_data,
        ahead=format_duration(figure.ahead_ns),
        summary=summary,
        definition=definition.strip(),
        range=f"{fmt.date(int(figure.time[0]))} to {fmt.date(int(figure.time[-1]))}",
        rows=rows,
        plotly=_plotly(),
        data=packed(_data(figure)),
    )


def _asset(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  our own file


def _data(figure: FeatureFigure) -> bytes:
    """JSON for feature.js; times in minutes since 1970, curves thinned to what a screen can show."""
    price, value = (thin(each, _POINTS) for each in (figure.price, figure.value))
    return orjson.dumps(
        {
            "name": figure.name,
            "unit": figure.unit,
            "ahead": format_duration(figure.ahead_ns),
            "price": _curve(figure.time[price], figure.price[price]),
            "value": _curve(figure.time[value], figure.value[value]),
            "edges": figure.edges.tolist(),
            "count": figure.count.tolist(),
            "mean": [100.0 * each.mean for each in figure.quantiles],
            "error": [100.0 * (each.high - each.mean) for each in figure.quantiles],
            "range": [[each.start, each.stop] for each in figure.quantiles],
        }
    )


def _curve(time: Times, values: Floats) -> dict[str, Any]:
    return {
        "time": (time // MINUTE_NS).tolist(),
        "value": [float(f"{v:.6g}") if math.isfinite(v) else None for v in values.tolist()],
    }
