"""The comparison as one HTML file in the design of the study report: offline, with its own charts."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS
from riposte.proof.comparison import charts, tables, words
from riposte.proof.comparison.results import Comparison
from riposte.proof.metrics import drawdown
from riposte.proof.report import format as fmt
from riposte.proof.report.page import plotly_script, templates
from riposte.proof.report.payload import packed
from riposte.proof.report.words import DISCLAIMER, SYNTHETIC

_SHOWN_SETTINGS = 24


def render(found: Comparison) -> str:
    """The comparison as HTML: equal comparisons give equal text."""
    return templates().get_template("comparison.html").render(
        found=found,
        names=tables.names(found),
        verdict=words.verdict(found),
        findings=words.findings(found),
        facts=_facts(found),
        synthetic=SYNTHETIC,
        disclaimer=DISCLAIMER,
        about_differences=words.differences(found),
        return_intervals=charts.return_intervals(found),
        sharpe_intervals=charts.sharpe_intervals(found),
        pairs=tables.pairs(found),
        measures=tables.measures(found),
        marked=words.MARKED,
        periods=tables.periods(found),
        dumbbells=charts.cost_dumbbells(found),
        cost_kinds=charts.cost_kinds(found),
        kinds=charts.COSTS,
        costs=tables.costs(found),
        by_symbol=tables.by_symbol(found),
        likeness=tables.likeness(found),
        alike=[words.alike(found, pair) for pair in found.pairs[:1]] if len(found.pairs) == 1 else [],
        settings=tables.settings(found),
        shown_settings=_SHOWN_SETTINGS,
        places=tables.settings(found, decides=False),
        choosing=words.choosing(found),
        studies=tables.studies(found),
        plotly=plotly_script(),
        data=packed(chart_data(found)),
    )  # fmt: skip


def _facts(found: Comparison) -> list[tuple[str, str]]:
    common = found.common
    return [
        ("Studies", ", ".join(tables.names(found))),
        ("Common period", f"{tables.first_day(found)} to {tables.last_day(found)}, {fmt.plural(common.days, 'day')}"),
        ("Common markets", f"{', '.join(common.symbols)} perpetual futures"),
        ("Data", found.entries[0].record.source),
    ]  # fmt: skip


def chart_data(found: Comparison) -> bytes:
    """JSON for comparison.js: days since 1970, returns and falls in per cent."""
    return orjson.dumps(
        {
            "days": (found.time // DAY_NS).tolist(),
            "curves": [
                {
                    "name": entry.name,
                    "gain": _percent(entry.growth - 1.0),
                    "fall": _percent(-drawdown(entry.growth, 1.0)),
                }
                for entry in found.entries
            ],
            "market": {
                "gain": _percent(found.market - 1.0),
                "fall": _percent(-drawdown(found.market, 1.0)),
            },
        }
    )


def _percent(values: Floats) -> list[Any]:
    rounded: list[Any] = np.round(100.0 * values, 3).tolist()
    return rounded
