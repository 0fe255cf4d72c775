"""The report's tables as rows of finished text; the template only lays them out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from riposte.market.interval import HOUR_NS
from riposte.proof.metrics import METRICS
from riposte.proof.report import format as fmt
from riposte.proof.report.prepare import HaltSpan, YearRow
from riposte.proof.results import FoldResult, LadderRung, Outcome, Silences, Study

COMPARED = (
    "total_return",
    "annual_return",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "drawdown_days",
    "win_rate",
    "profit_factor",
    "average_win",
    "average_loss",
    "expectancy",
    "average_holding_hours",
    "exposure",
    "turnover",
    "trades",
    "fees",
    "funding",
    "slippage",
    "gap",
)
LADDER = ("total_return", "sharpe", "max_drawdown", "win_rate", "profit_factor", "trades")
GROUPED = (
    "trades",
    "net",
    "win_rate",
    "profit_factor",
    "average_win",
    "average_loss",
    "average_holding_hours",
    "fees",
    "funding",
    "slippage",
)
_SIGNED = {"total_return", "annual_return", "net", "net_return", "expectancy"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value; ``kind`` is a CSS class, ``bar`` from -1 to 1 draws a bar behind it."""

    text: str
    kind: str = ""
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: its name, a remark under it, its cells."""

    name: str
    cells: tuple[Cell, ...]
    note: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption and the heading of the first column."""

    caption: str
    first: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def _cell(metric: str, value: float) -> Cell:
    if metric in _SIGNED and math.isfinite(value):
        kind = "gain" if value > 0 else "loss" if value < 0 else ""
        unit = METRICS[metric].unit if metric in METRICS else "usdt"
        if unit == "fraction":
            return Cell(fmt.percent(value, signed=True), kind)
        return Cell(fmt.money(value, signed=True, unit=False), kind)
    return Cell(fmt.measure(metric, value))


def _with_bars(rows: Sequence[Row], column: int, values: Sequence[float]) -> tuple[Row, ...]:
    """The rows with bars behind one column, as long as the values compare."""
    most = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if most == 0.0:
        return tuple(rows)
    out = []
    for row, value in zip(rows, values, strict=True):
        bar = value / most if math.isfinite(value) else None
        cells = list(row.cells)
        cells[column] = Cell(cells[column].text, cells[column].kind, bar)
        out.append(Row(row.name, tuple(cells), row.note, row.strong))
    return tuple(out)


def _heading(metric: str) -> str:
    unit = METRICS[metric].unit if metric in METRICS else "usdt" if metric == "net" else ""
    name = "Net result" if metric == "net" else fmt.label(metric)
    return f"{name}, USDT" if unit == "usdt" else name


def comparison(study: Study) -> Table:
    """All measures, one row each; the system, the baselines and the never-resumed run as columns."""
    outcomes = (study.system, *study.baselines, study.never_resumed)
    names = list(COMPARED) + [n for n in study.system.metrics if n not in COMPARED]
    rows = tuple(
        Row(_heading(name), tuple(_cell(name, o.metrics.get(name, math.nan)) for o in outcomes))
        for name in names
    )
    return Table(
        "Every measure beside the baselines", "Measure", tuple(o.name for o in outcomes), rows
    )


def what_ifs(outcomes: Sequence[Outcome]) -> Table:
    """The same signals at other costs."""
    names = (
        "total_return",
        "sharpe",
        "max_drawdown",
        "profit_factor",
        "trades",
        "fees",
        "slippage",
    )
    rows = [
        Row(o.name, tuple(_cell(n, o.metrics.get(n, math.nan)) for n in names)) for o in outcomes
    ]
    returns = [o.metrics.get("total_return", math.nan) for o in outcomes]
    return Table(
        "What if trading cost less or more",
        "Costs",
        tuple(map(_heading, names)),
        _with_bars(rows, 0, returns),
    )


def ladder(rungs: Sequence[LadderRung], used: float | None = None) -> Table:
    """The same signals traded at other confidence thresholds."""
    rows = [
        Row(
            fmt.percent(rung.threshold, 0),
            (
                Cell(fmt.count(rung.signals)),
                *(_cell(n, rung.metrics.get(n, math.nan)) for n in LADDER),
            ),
            strong=used is not None and math.isclose(rung.threshold, used),
        )
        for rung in rungs
    ]
    returns = [r.metrics.get("total_return", math.nan) for r in rungs]
    return Table(
        "The same signals at other confidence thresholds",
        "At least",
        ("Signals", *map(_heading, LADDER)),
        _with_bars(rows, 1, returns),
    )


def folds(results: Sequence[FoldResult]) -> Table:
    """One row per fold."""
    columns = (
        "Trained on",
        "Rows",
        "Purged",
        "Tested rows",
        "Accuracy",
        "F1",
        "Log loss",
        "vs. base",
        "ECE",
        "Signals",
        "Trades",
        "Net return",
    )
    rows = tuple(
        Row(
            fmt.month(f.test_start),
            (
                Cell(f"{fmt.month(f.train_start)} to {fmt.date(f.train_end)}"),
                Cell(fmt.count(f.train_rows)),
                Cell(fmt.count(f.purged_rows)),
                Cell(fmt.count(f.test_rows)),
                Cell(fmt.percent(f.accuracy)),
                Cell(fmt.number(f.f1)),
                Cell(fmt.number(f.log_loss, 3)),
                Cell(
                    fmt.number(f.log_loss - f.base_log_loss, 3, signed=True),
                    _kind(f.base_log_loss - f.log_loss),
                ),
                Cell(fmt.percent(f.calibration_error)),
                Cell(fmt.count(f.signals)),
                Cell(fmt.count(f.trades)),
                Cell(fmt.percent(f.net_return, 2, signed=True), _kind(f.net_return)),
            ),
        )
        for f in results
    )
    return Table("Every fold", "Tested", columns, rows)


def silences(counted: Silences) -> Table:
    """Why bars had no direction, most frequent first."""
    rows = tuple(
        Row(reason[0].upper() + reason[1:], (
            Cell(fmt.count(count)),
            Cell(fmt.percent(count / counted.rows if counted.rows else math.nan)),
        ))
        for reason, count in sorted(counted.reasons.items(), key=lambda each: -each[1])
    )  # fmt: skip
    return Table("When it stays silent", "Reason", ("Bars", "Share"), rows)


def _kind(value: float) -> str:
    return "gain" if value > 0 else "loss" if value < 0 else ""


def grouped(
    caption: str,
    first: str,
    groups: Mapping[str, Mapping[str, float]],
    name: Callable[[str], str] = str,
) -> Table:
    """Trades split by something: one row per group, the net result with a bar."""
    known = [n for n in GROUPED if any(n in m for m in groups.values())]
    rows = [
        Row(name(group), tuple(_cell(n, m.get(n, math.nan)) for n in known))
        for group, m in groups.items()
    ]
    if "net" in known:
        nets = [m.get("net", math.nan) for m in groups.values()]
        rows = list(_with_bars(rows, known.index("net"), nets))
    return Table(caption, first, tuple(map(_heading, known)), tuple(rows))


def refusals(counts: Mapping[str, int]) -> Table:
    """Which rule refused how many orders."""
    total = sum(counts.values())
    rows = [
        Row(fmt.plain(rule), (Cell(fmt.count(n)), Cell(fmt.percent(n / total))))
        for rule, n in counts.items()
    ]
    return Table(
        "Orders refused, by rule",
        "Rule",
        ("Refused", "Share"),
        _with_bars(rows, 0, [float(n) for n in counts.values()]),
    )


def limits_at_work(spans: Sequence[HaltSpan], length_ns: int) -> Table:
    """How often and for how long each limit restricted trading."""
    lasted: dict[str, list[int]] = {}
    for span in spans:
        lasted.setdefault(fmt.plain(span.halt.name), []).append(span.end - span.start)
    rows = tuple(
        Row(
            name,
            (
                Cell(fmt.count(len(each))),
                Cell(fmt.hours(sum(each) / HOUR_NS)),
                Cell(fmt.percent(sum(each) / length_ns if length_ns else math.nan)),
                Cell(fmt.hours(max(each) / HOUR_NS)),
            ),
        )
        for name, each in sorted(lasted.items(), key=lambda item: -sum(item[1]))
    )
    columns = ("Times", "Together", "Share of the time", "Longest")
    return Table("Restrictions by limit", "Limit", columns, rows)


def limit_events(spans: Sequence[HaltSpan]) -> Table:
    """Every time a limit restricted trading."""
    rows = tuple(
        Row(
            fmt.moment(span.start),
            (
                Cell(fmt.plain(span.halt.name)),
                Cell(fmt.plain(span.state.name)),
                Cell(fmt.hours((span.end - span.start) / HOUR_NS)),
                Cell(fmt.money(span.equity, unit=False)),
                Cell(fmt.percent(-span.drawdown)),
            ),
        )
        for span in spans
    )
    columns = ("Limit", "State", "For", "Equity, USDT", "Drawdown")
    return Table("Every restriction of trading", "From, UTC", columns, rows)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A month: its text and, from -1 to 1, how strong it is."""

    text: str
    strength: float


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A year of the heat map."""

    year: str
    months: tuple[HeatCell, ...]
    total: HeatCell


def heat(years: Sequence[YearRow]) -> tuple[HeatRow, ...]:
    """Monthly returns as cells whose colour follows the largest month seen."""
    values = [abs(m) for y in years for m in y.months if math.isfinite(m)]
    most = max(values, default=0.0) or 1.0

    def cell(value: float) -> HeatCell:
        if not math.isfinite(value):
            return HeatCell("", 0.0)
        text = fmt.number(100.0 * value, 1, signed=True)
        return HeatCell(text, max(-1.0, min(1.0, value / most)) if text != "0.0" else 0.0)

    return tuple(HeatRow(str(y.year), tuple(map(cell, y.months)), cell(y.total)) for y in years)
