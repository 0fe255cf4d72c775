"""The study on a terminal of 80 columns: the verdict, the system beside its baselines, the targets."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from riposte.proof.report import format as fmt
from riposte.proof.report import words
from riposte.proof.results import Outcome, Summarised, Target

_COLUMNS = (
    ("Net", "total_return"),
    ("Sharpe", "sharpe"),
    ("Max DD", "max_drawdown"),
    ("Wins", "win_rate"),
    ("PF", "profit_factor"),
    ("Trades", "trades"),
)
_GAIN, _LOSS = "bold blue", "bold dark_orange3"


def summary_table(study: Summarised, evidence: Sequence[str] = ()) -> RenderableType:
    """Verdict, comparison, targets and what luck explains (``evidence``, in sentences), ready to print."""
    parts: list[RenderableType] = []
    if not study.real_data:
        parts.append(
            Text(" SYNTHETIC DATA: a simulated market, not history ", style="reverse bold")
        )
    gain = study.system.metrics.get("total_return", math.nan) > 0
    parts += [
        Text(words.verdict(study), style=_GAIN if gain else _LOSS),
        Text(
            f"{', '.join(study.symbols)} · {study.interval} · {fmt.date(study.start)} to "
            f"{fmt.date(study.end)} · {study.source}",
            style="dim",
        ),
        Text(""),
        _compared(study),
        _targets(study.targets),
        Text(_interval(study)),
        *map(Text, evidence),
        Text(f"fingerprint {study.fingerprint}", style="dim"),
    ]
    return Group(*parts)


def _compared(study: Summarised) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("Out of sample, net", max_width=24)
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Costs,\nUSDT", justify="right", no_wrap=True)
    for each in (study.system, *study.baselines, study.never_resumed):
        table.add_row(*_line(each), style="bold" if each is study.system else "")
    return table


def _line(outcome: Outcome) -> list[str | Text]:
    metrics = outcome.metrics
    cells: list[str | Text] = [outcome.name]
    for _, name in _COLUMNS:
        value = metrics.get(name, math.nan)
        if name == "total_return":
            style = _GAIN if value > 0 else _LOSS if value < 0 else ""
            cells.append(Text(fmt.percent(value, signed=True), style=style))
        else:
            cells.append(fmt.measure(name, value))
    costs = sum(metrics.get(name, math.nan) for name in ("fees", "funding", "slippage"))
    cells.append(fmt.money(costs, unit=False))
    return cells


def _targets(targets: tuple[Target, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("Targets")
    table.add_column("Wanted", justify="right")
    table.add_column("Measured", justify="right")
    table.add_column("")
    phase = ""
    for target in targets:
        name = (
            f"{target.phase}: {target.name}"
            if target.phase != phase
            else (" " * (len(target.phase) + 2) + target.name)
        )
        phase = target.phase
        verdict = Text("met", style=_GAIN) if target.met else Text("missed", style=_LOSS)
        table.add_row(name, fmt.typographic(target.wanted), fmt.typographic(target.text), verdict)
    return table


def _interval(study: Summarised) -> str:
    shown = fmt.interval(study.intervals.get("total_return"), fraction=True)
    sharpe = fmt.interval(study.intervals.get("sharpe"), fraction=False)
    return f"95 % intervals: net return {shown}; Sharpe {sharpe}. {fmt.plural(study.trials, 'variant')} evaluated."
