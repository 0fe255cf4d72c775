"""A comparison on a terminal of 100 columns, from its JSON: the verdict, the measures, the pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from riposte.proof.comparison.tables import best
from riposte.proof.report import format as fmt

_SHOWN = (
    "total_return",
    "annual_return",
    "sharpe",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
    "turnover",
)
_SHOWN_PAIRS = 6
_SHOWN_SETTINGS = 10


def summary_table(told: Mapping[str, Any]) -> RenderableType:
    """What ``as_mapping`` (or the JSON read back) says, ready to print."""
    parts: list[RenderableType] = []
    if not told["real_data"]:
        parts.append(
            Text(" SYNTHETIC DATA: a simulated market, not history ", style="reverse bold")
        )
    common, chosen = told["common"], told["selection"]
    parts += [
        Text(told["verdict"], style="bold"),
        Text(
            f"{', '.join(common['symbols'])} · {common['first_day']} to {common['last_day']} · "
            f"{fmt.plural(common['days'], 'day')}",
            style="dim",
        ),
        *(Text(f"- {sentence}") for sentence in told["findings"]),
        Text(""),
        _measures(told),
        _pairs(told),
        _settings(told),
        Text(
            f"{fmt.plural(chosen['trials'], 'variant')} tried; probability that the leader's Sharpe ratio is "
            f"truly above zero, deflated for them: {_percent(chosen['deflated_sharpe'])}; probability of "
            f"overfitting among the compared: {_percent((chosen['overfitting'] or {}).get('probability'))}."
        ),
    ]
    return Group(*parts)


def _measures(told: Mapping[str, Any]) -> Table:
    table = _table("Common period, net", [each["name"] for each in told["studies"]])
    for metric in _SHOWN:
        values = [_number(each["measures"].get(metric)) for each in told["studies"]]
        winner = best(metric, values)
        cells = [
            Text(fmt.measure(metric, v), style="bold underline" if at == winner else "")
            for at, v in enumerate(values)
        ]
        table.add_row(fmt.label(metric), *cells)
    return table


def _pairs(told: Mapping[str, Any]) -> Table:
    table = _table("Paired by day", ["Sharpe", "95 %", "told apart", "correlation"])
    for pair in told["pairs"][:_SHOWN_PAIRS]:
        ratio = pair["sharpe"]
        bounds = (_number(ratio["low"]), _number(ratio["high"]))
        table.add_row(
            f"{pair['first']} {fmt.MINUS} {pair['second']}",
            fmt.number(_number(ratio["value"]), signed=True),
            fmt.interval(bounds, fraction=False),
            "yes" if ratio["told_apart"] else "no",
            fmt.number(_number(pair["correlation"])),
        )
    more = len(told["pairs"]) - _SHOWN_PAIRS
    if more > 0:
        table.add_row(f"{fmt.plural(more, 'more pair')} in the report", "", "", "", "")
    return table


def _settings(told: Mapping[str, Any]) -> Table:
    table = _table("Settings that differ", [each["name"] for each in told["studies"]])
    deciding = [each for each in told["settings"] if each["decides"]]
    for each in deciding[:_SHOWN_SETTINGS]:
        table.add_row(each["key"], *each["values"].values())
    if len(deciding) > _SHOWN_SETTINGS:
        table.add_row(f"{len(deciding) - _SHOWN_SETTINGS} more in the report")
    return table


def _table(first: str, columns: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", max_width=28, overflow="fold")
    return table


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _percent(value: float | None) -> str:
    return fmt.percent(_number(value))
