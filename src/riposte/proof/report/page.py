"""The report as one HTML file: opens offline, asks the network for nothing, carries its own charts.

The chart library and the data travel compressed inside the page and are unpacked by the browser; the
page's own security policy forbids every outside request.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from riposte.proof.metrics import drawdown
from riposte.proof.report import chance, charts, tables, words
from riposte.proof.report import format as fmt
from riposte.proof.report.luck import luck_section
from riposte.proof.report.payload import chart_data, packed
from riposte.proof.report.prepare import cost_split, halt_spans, monthly_returns
from riposte.proof.results import Study

_TEMPLATES = Path(__file__).parent / "templates"
_SHOWN_FEATURES = 20
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@cache
def plotly_script() -> str:
    """Plotly's own script from the installed package, packed."""
    from plotly.offline import get_plotlyjs

    return packed(get_plotlyjs().encode())


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  our own file


@cache
def templates() -> jinja2.Environment:
    """The pages of this folder, escaping everything that is not marked as safe."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typographic"] = fmt.typographic
    environment.globals["asset"] = _asset
    return environment


def render(study: Study) -> str:
    """The study as HTML: equal studies give equal text."""
    fall = drawdown(study.run.equity, study.starting_equity)
    spans = halt_spans(study.run, fall)
    costs = cost_split(study.system, study.starting_equity)
    traded = len(study.run.trades) > 0
    page = templates().get_template("report.html")
    return page.render(
        study=study,
        verdict=words.verdict(study),
        findings=words.findings(study, costs),
        synthetic=words.SYNTHETIC,
        disclaimer=words.DISCLAIMER,
        honesty=words.honesty(study),
        facts=_facts(study),
        figures=_figures(study),
        phases=_phases(study),
        comparison=tables.comparison(study),
        months=_MONTHS,
        heat=tables.heat(
            monthly_returns(study.system.time, study.system.equity, study.starting_equity)
        ),
        traded=traded,
        bridge=charts.cost_bridge(costs) if traded else None,
        what_if_chart=charts.what_if_lines(study.cost_what_ifs, study.starting_equity),
        what_if_table=tables.what_ifs(study.cost_what_ifs),
        histogram=charts.trade_histogram(study.run.trades["net_fraction"]) if traded else None,
        fold_chart={w: charts.fold_bars(study.folds, w) for w in (charts.SMALL, 1080.0)},
        folds=tables.folds(study.folds),
        reliability=charts.reliability_curve(study.reliability)
        if len(study.reliability.count)
        else None,
        calibration=_calibration(study),
        chance=chance.section(study),
        ladder=tables.ladder(study.ladder),
        silences=tables.silences(study.silences),
        promises=words.promises(study),
        luck=luck_section(study),
        importance=_importance(study),
        splits=_splits(study),
        restricted=words.restricted(study, spans),
        gaps=words.gaps(study) if traded else "",
        limits=tables.limits_at_work(spans, study.end - study.start),
        events=tables.limit_events(spans),
        refusals=tables.refusals(study.refusals),
        quality=[fmt.typographic(sentence) for sentence in study.quality],
        plotly=plotly_script(),
        data=packed(chart_data(study, fall, spans)),
    )


def _facts(study: Study) -> list[tuple[str, str]]:
    return [
        ("Markets", f"{', '.join(study.symbols)} perpetual futures, {study.interval} bars"),
        (
            "Out of sample",
            f"{fmt.date(study.start)} to {fmt.date(study.end)}, "
            f"{fmt.plural(len(study.folds), 'fold')}",
        ),
        ("Barriers", fmt.typographic(study.barriers)),
        ("Starting equity", fmt.money(study.starting_equity)),
        ("Data", study.source),
    ]


def _figures(study: Study) -> list[dict[str, str]]:
    """The key figures: name, value, what stands under it, and how it is coloured."""
    m = study.system.metrics

    def value(name: str) -> float:
        return m.get(name, math.nan)

    def between(name: str, *, fraction: bool) -> str:
        shown = fmt.interval(study.intervals.get(name), fraction=fraction)
        return "" if shown == fmt.UNDEFINED else f"95 % interval {shown}"

    total = value("total_return")
    sign = "gain" if total > 0 else "loss" if total < 0 else ""
    costs = sum(value(n) for n in ("fees", "funding", "slippage"))
    figures = (
        (
            "Net return",
            fmt.percent(total, signed=True),
            between("total_return", fraction=True),
            sign,
        ),
        (
            "Per year",
            fmt.percent(value("annual_return"), signed=True),
            f"volatility {fmt.percent(value('volatility'))}",
            sign,
        ),
        ("Sharpe", fmt.number(value("sharpe")), between("sharpe", fraction=False), ""),
        (
            "Max drawdown",
            fmt.percent(value("max_drawdown")),
            f"longest {fmt.days(value('drawdown_days'))}",
            "",
        ),
        (
            "Win rate",
            fmt.percent(value("win_rate")),
            f"average win {fmt.money(value('average_win'), unit=False)}, "
            f"loss {fmt.money(value('average_loss'))}",
            "",
        ),
        (
            "Profit factor",
            fmt.number(value("profit_factor")),
            f"{fmt.money(value('expectancy'), signed=True)} per trade",
            "",
        ),
        (
            "Trades",
            fmt.count(value("trades")),
            f"held {fmt.hours(value('average_holding_hours'))} on average",
            "",
        ),
        (
            "Costs paid",
            fmt.money(costs),
            f"{fmt.percent(costs / study.starting_equity)} of the starting equity",
            "",
        ),
    )
    return [dict(zip(("name", "value", "note", "kind"), f, strict=True)) for f in figures]


def _phases(study: Study) -> list[dict[str, Any]]:
    """Targets grouped by phase, in the order they come."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for target in study.targets:
        groups.setdefault(target.phase, []).append(
            {
                "name": target.name,
                "wanted": fmt.typographic(target.wanted),
                "text": fmt.typographic(target.text),
                "met": target.met,
            }
        )
    return [
        {"name": name, "targets": group, "met": sum(t["met"] for t in group)}
        for name, group in groups.items()
    ]


def _calibration(study: Study) -> str:
    curve = study.reliability
    if not len(curve.count):
        return "No bar resolved to a side: there is nothing to judge the confidence by."
    return (
        f"Expected calibration error {fmt.percent(curve.error)} over "
        f"{fmt.plural(int(curve.count.sum()), 'bar')} that reached a barrier. Below the diagonal the "
        "confidence promised too much; the area of a dot is the number of bars."
    )


def _importance(study: Study) -> dict[str, Any]:
    top = study.importance[:_SHOWN_FEATURES]
    most = max((i.share for i in top), default=1.0)
    groups: dict[str, float] = {}
    for each in study.importance:
        groups[each.group] = groups.get(each.group, 0.0) + each.share
    ranked = sorted(groups.items(), key=lambda item: -item[1])
    largest = max(groups.values(), default=1.0)
    return {
        "features": [
            {
                "name": i.feature,
                "group": fmt.plain(i.group),
                "share": fmt.percent(i.share),
                "bar": f"{100.0 * i.share / most:.1f}",
            }
            for i in top
        ],
        "rest": fmt.plural(len(study.importance) - len(top), "further feature")
        if len(study.importance) > len(top)
        else "",
        "rest_share": fmt.percent(sum(i.share for i in study.importance[_SHOWN_FEATURES:])),
        "groups": [
            {
                "name": fmt.plain(name),
                "share": fmt.percent(share),
                "bar": f"{100.0 * share / largest:.1f}",
            }
            for name, share in ranked
        ],
    }


def _splits(study: Study) -> list[tables.Table]:
    return [
        tables.grouped("By symbol", "Symbol", study.by_symbol),
        tables.grouped("By regime at entry", "Regime", study.by_regime, fmt.plain),
        tables.grouped("By exit reason", "Exit", study.by_exit, fmt.plain),
    ]
