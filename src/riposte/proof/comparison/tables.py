"""The comparison's tables as rows of finished text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from riposte.market.interval import DAY_NS
from riposte.proof.comparison.common import period
from riposte.proof.comparison.results import Comparison, Estimate
from riposte.proof.metrics import METRICS
from riposte.proof.report import format as fmt
from riposte.proof.report.prepare import monthly_returns
from riposte.proof.report.tables import COMPARED, GROUPED, Cell, Row, Table

_SIGNED = {"total_return", "annual_return", "expectancy", "net"}
_MOST_MONTHS = 24


def names(found: Comparison) -> tuple[str, ...]:
    """The studies, as column headings."""
    return tuple(entry.name for entry in found.entries)


def amount(metric: str, value: float, base: float, *, same_money: bool) -> str:
    """A measure in its unit; USDT as a share of ``base`` where the studies began with different money."""
    money = metric == "net" or (metric in METRICS and METRICS[metric].unit == "usdt")
    if money and not same_money:
        return fmt.percent(value / base, 3, signed=metric in _SIGNED)
    if metric == "net" or (money and metric in _SIGNED):
        return fmt.money(value, signed=True, unit=False)
    if metric in _SIGNED:
        return fmt.percent(value, signed=True)
    return fmt.measure(metric, value)


def heading(metric: str, *, same_money: bool) -> str:
    """The name of a measure with its unit where it is money."""
    name = "Net result" if metric == "net" else fmt.label(metric)
    if metric == "net" or (metric in METRICS and METRICS[metric].unit == "usdt"):
        return f"{name}, {'USDT' if same_money else 'share of equity'}"
    return name


def measures(found: Comparison) -> Table:
    """All measures, one row each, the best of each row marked."""
    known = dict.fromkeys(name for e in found.entries for name in e.measures)
    rows = []
    for metric in [*COMPARED, *(n for n in known if n not in COMPARED)]:
        values = [e.measures.get(metric, math.nan) for e in found.entries]
        scaled = [
            v / e.base if metric in METRICS and METRICS[metric].unit == "usdt" else v
            for v, e in zip(values, found.entries, strict=True)
        ]
        winner = best(metric, scaled)
        cells = tuple(
            Cell(
                amount(metric, value, e.base, same_money=found.same_money),
                "best" if at == winner else "",
            )
            for at, (value, e) in enumerate(zip(values, found.entries, strict=True))
        )
        rows.append(Row(heading(metric, same_money=found.same_money), cells))
    return Table("Every measure side by side", "Measure", names(found), tuple(rows))


def best(metric: str, values: Sequence[float]) -> int | None:
    """Which value is the best; None where none is better than all others or better means nothing."""
    better = METRICS[metric].better if metric in METRICS else "high"
    finite = [v for v in values if math.isfinite(v)]
    if better == "neither" or len(finite) < 2:
        return None
    top = max(finite) if better == "high" else min(finite)
    winners = [at for at, v in enumerate(values) if v == top]
    return winners[0] if len(winners) == 1 else None


def pairs(found: Comparison) -> Table:
    """Every pair: by how much the first is above the second, and how alike they behaved."""
    rows = []
    for pair in found.pairs:
        a, b = found.entries[pair.first].name, found.entries[pair.second].name
        rows.append(
            Row(
                f"{a} {fmt.MINUS} {b}",
                (
                    Cell(_difference(pair.annual_return, fraction=True)),
                    Cell(_between(pair.annual_return, fraction=True), "soft"),
                    Cell(_difference(pair.sharpe, fraction=False)),
                    Cell(_between(pair.sharpe, fraction=False), "soft"),
                    Cell("yes" if pair.sharpe.told_apart else "no"),
                ),
            )
        )
    columns = (
        "Return per year",
        "95 % interval",
        "Sharpe",
        "95 % interval",
        "Told apart by Sharpe",
    )
    return Table("Differences, paired by day", "Pair", columns, tuple(rows))


def likeness(found: Comparison) -> Table:
    """Every pair: how far the two did the same."""
    rows = []
    for pair in found.pairs:
        same, (a, b) = pair.overlap, (found.entries[pair.first], found.entries[pair.second])
        rows.append(
            Row(
                f"{a.name} and {b.name}",
                (
                    Cell(fmt.number(pair.correlation), bar=_bar(pair.correlation)),
                    Cell(fmt.percent(same.together), bar=_bar(same.together)),
                    Cell(fmt.percent(same.opposed)),
                    Cell(fmt.count(same.same_entries)),
                    Cell(" / ".join(map(fmt.count, same.entries))),
                ),
            )
        )
    columns = (
        "Correlation of daily returns",
        "Held on the same side",
        "On opposite sides",
        "Same entries",
        "Entries of each",
    )
    return Table("How alike they are", "Pair", columns, tuple(rows))


def periods(found: Comparison) -> Table:
    """Net return by calendar year, or by month where there are few."""
    runs = [monthly_returns(found.time[1:], e.growth[1:], 1.0) for e in found.entries]
    held = monthly_returns(found.time[1:], found.market[1:], 1.0)
    columns = [*runs, held]
    years = [row.year for row in held]
    months = [
        (f"{row.year}-{at + 1:02d}", [run[i].months[at] for run in columns])
        for i, row in enumerate(held)
        for at in range(12)
        if math.isfinite(row.months[at])
    ]
    if len(months) > _MOST_MONTHS:
        lines = [(str(y), [run[i].total for run in columns]) for i, y in enumerate(years)]
    else:
        lines = months
    most = max(
        (abs(v) for _, values in lines for v in values[:-1] if math.isfinite(v)), default=0.0
    )
    rows = tuple(Row(name, _barred(values, most or 1.0)) for name, values in lines)
    caption = (
        "Net return year by year" if len(months) > _MOST_MONTHS else "Net return month by month"
    )
    return Table(caption, "", (*names(found), "Coins, held"), rows)


def _barred(values: Sequence[float], most: float) -> tuple[Cell, ...]:
    """Bars as long as the returns compare; the coins, of another size, have none."""
    cells = [
        Cell(
            fmt.percent(v, 2, signed=True),
            "loss" if v < 0 else "gain" if v > 0 else "",
            v / most if math.isfinite(v) else None,
        )
        for v in values[:-1]
    ]
    return (*cells, Cell(fmt.percent(values[-1], signed=True), "soft"))


def costs(found: Comparison) -> Table:
    """Where the money went, as shares of the equity at the beginning."""
    rows = []
    for e in found.entries:
        net = float(e.growth[-1]) - 1.0
        fees, funding, slippage = (e.measures[n] / e.base for n in ("fees", "funding", "slippage"))
        paid, trades = fees + funding + slippage, e.measures["trades"]
        shares = (net + paid, slippage, fees, funding, net)
        rows.append(
            Row(
                e.name,
                (
                    *(Cell(fmt.percent(v, 2, signed=at in (0, 4)), _sign(v) if at in (0, 4) else "")
                      for at, v in enumerate(shares)),
                    Cell(fmt.percent(paid / trades if trades else math.nan, 4)),
                    Cell(fmt.money(paid * e.base, unit=False)),
                ),
            )
        )  # fmt: skip
    columns = (
        "Before costs",
        "Slippage",
        "Fees",
        "Funding",
        "Net",
        "Costs per trade",
        "Costs, USDT",
    )
    return Table("Costs, shares of the equity at the beginning", "Study", columns, tuple(rows))


def by_symbol(found: Comparison) -> tuple[Table, ...]:
    """For every market that was traded, a row per study."""
    symbols = dict.fromkeys(s for e in found.entries for s in e.record.symbols)
    shown = [m for m in GROUPED if m not in ("average_win", "average_loss")]
    made = []
    for symbol in symbols:
        rows = [
            Row(
                e.name,
                tuple(
                    Cell(
                        amount(
                            m,
                            e.by_symbol[symbol].get(m, math.nan),
                            e.base,
                            same_money=found.same_money,
                        ),
                        _sign(e.by_symbol[symbol][m]) if m == "net" else "",
                    )
                    for m in shown
                ),
            )
            if symbol in e.by_symbol
            else Row(e.name, tuple(Cell(fmt.UNDEFINED) for _ in shown))
            for e in found.entries
        ]
        columns = tuple(heading(m, same_money=found.same_money) for m in shown)
        made.append(Table(symbol, "Study", columns, tuple(rows)))
    return tuple(made)


def studies(found: Comparison) -> Table:
    """What was compared: each study's own period and origin."""
    rows = tuple(
        Row(
            e.name,
            (
                Cell(", ".join(e.record.symbols)),
                Cell(e.record.interval),
                Cell(period(e.record)),
                Cell(fmt.money(e.record.starting_equity)),
                Cell(fmt.count(e.record.trials)),
                Cell(e.record.created),
                Cell(e.record.fingerprint),
            ),
        )
        for e in found.entries
    )
    columns = ("Markets", "Bars", "Own period", "Starting equity", "Trials", "Made", "Fingerprint")
    return Table("What was compared", "Study", columns, rows)


def _difference(estimate: Estimate, *, fraction: bool) -> str:
    show: Callable[..., str] = fmt.percent if fraction else fmt.number
    return show(estimate.value, 2, signed=True)


def _between(estimate: Estimate, *, fraction: bool) -> str:
    if not np.isfinite([estimate.low, estimate.high]).all():
        return fmt.UNDEFINED
    show: Callable[..., str] = fmt.percent if fraction else fmt.number
    return f"{show(estimate.low, 2, signed=True)} to {show(estimate.high, 2, signed=True)}"


def _bar(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _sign(value: float) -> str:
    return "gain" if value > 0 else "loss" if value < 0 else ""


def last_day(found: Comparison) -> str:
    """The last common day."""
    return fmt.date(found.common.last_day * DAY_NS)


def first_day(found: Comparison) -> str:
    """The first common day."""
    return fmt.date(found.common.first_day * DAY_NS)


def settings(found: Comparison, *, decides: bool = True) -> Table:
    """The keys on which the studies differ; ``decides``: those on which figures hang, or the others."""
    rows = tuple(
        Row(each.key, tuple(Cell(value) for value in each.values))
        for each in found.settings
        if each.decides == decides
    )
    return Table("Settings that differ", "Setting", names(found), rows)
