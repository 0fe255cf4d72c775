"""The section that asks whether luck explains the result: sentences, figures and tables, ready to be laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from riposte.proof.honesty import Honesty, PathStudy
from riposte.proof.metrics import DAYS_PER_YEAR
from riposte.proof.overfitting import Overfitting
from riposte.proof.report import format as fmt
from riposte.proof.report.luck_charts import path_lines, rank_bars, sharpe_line
from riposte.proof.report.tables import Cell, Row, Table
from riposte.proof.results import Study

_PATH_MEASURES = ("total_return", "sharpe", "max_drawdown", "win_rate", "trades")
_SIGNED = ("total_return", "sharpe")


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: what it answers, its value, what it means, and its name in the literature."""

    question: str
    value: str
    note: str
    name: str


@dataclass(frozen=True, slots=True)
class PathSection:
    """The cross-validation, where one was made."""

    lede: str
    chart: Markup
    table: Table
    choice: str


@dataclass(frozen=True, slots=True)
class LuckSection:
    """Everything the template shows."""

    verdict: str
    figures: tuple[Figure, ...]
    line: Markup | None
    ranks: Markup | None
    intervals: Table
    counted: tuple[tuple[str, str], ...]
    paths: PathSection | None


def luck_section(study: Study) -> LuckSection:
    """The section of a study."""
    judged = study.honesty
    known = math.isfinite(judged.record.sharpe)
    return LuckSection(
        verdict=verdict(study),
        figures=figures(judged),
        line=sharpe_line(judged, _yearly(judged), study.intervals.get("sharpe")) if known else None,
        ranks=rank_bars(judged.overfitting) if judged.overfitting else None,
        intervals=_intervals(study),
        counted=counted(judged),
        paths=None if study.paths is None else _paths(study.paths, study.starting_equity),
    )


def _yearly(judged: Honesty) -> float:
    return judged.record.sharpe * math.sqrt(DAYS_PER_YEAR)


def verdict(study: Study) -> str:
    """One or two sentences: does luck explain the Sharpe ratio?"""
    judged = study.honesty
    mine = _yearly(judged)
    if math.isnan(mine):
        return "The account did not move, so there is nothing that luck could explain."
    shown = f"A Sharpe ratio of {fmt.number(mine)} over {_length(judged.record.observations)}"
    if mine <= 0.0:
        return f"{shown} is no sign of skill: there is nothing for luck to explain."
    if math.isnan(judged.deflated):
        return (
            f"{shown} stands alone: too few variants are known to say what the luckiest would show."
        )
    best = (
        f"the luckiest of {_variants(judged)} that are all worth nothing would show about "
        f"{fmt.number(judged.expected_best)}"
    )
    if judged.deflated >= judged.confidence:
        return f"{shown} is more than luck explains: {best}."
    if judged.probabilistic >= judged.confidence:
        return f"{shown} would be convincing had it been the only thing tried. But {best}: luck explains it."
    return f"{shown} is within what luck explains: {best}."


def figures(judged: Honesty) -> tuple[Figure, ...]:
    """The four answers."""
    confidence = fmt.percent(judged.confidence, 0)
    there = _length(judged.record.observations)
    needed = judged.needed_days
    if math.isinf(needed):
        length, note = "Never", "A ratio that is not above zero is not proven by waiting."
    else:
        length = _length(needed)
        note = f"of results like these would make it {confidence} sure that the ratio is above zero; there are {there}."
    return (
        Figure(
            "Is it above zero?",
            fmt.percent(judged.probabilistic),
            "probability that the true Sharpe ratio is above zero, had nothing else been tried.",
            "Probabilistic Sharpe ratio",
        ),
        Figure(
            f"And after {_variants(judged)}?",
            fmt.percent(judged.deflated),
            f"the same, knowing that this is one of them: what counts is then what it shows beyond "
            f"{fmt.number(judged.expected_best)}, the luckiest of as many worthless ones.",
            "Deflated Sharpe ratio",
        ),
        Figure("How long would it take?", length, note, "Minimum track record length"),
        Figure(
            "Does choosing the best help?",
            fmt.percent(judged.overfitting.probability if judged.overfitting else math.nan),
            _chosen(judged.overfitting),
            "Probability of backtest overfitting",
        ),
    )


def _variants(judged: Honesty) -> str:
    return fmt.plural(judged.trials, "variant")


def _length(days: float) -> str:
    """A record's length: days, or years from two on."""
    if math.isnan(days):
        return fmt.UNDEFINED
    if days < 730.0:
        return f"{fmt.count(math.ceil(days))}{fmt.SPACE}days"
    return f"{fmt.number(days / DAYS_PER_YEAR, 1)}{fmt.SPACE}years"


def _chosen(found: Overfitting | None) -> str:
    if found is None:
        return "The record is too short, or there was nothing to choose between."
    return (
        f"how often the best of {found.configurations} ways to act in one half of the record was below the "
        f"middle of them in the other half. Blind choice gives {fmt.percent(0.5, 0)}."
    )


def _intervals(study: Study) -> Table:
    """What was measured beside what chance could have made of the same days."""
    rows = []
    for name, bounds in study.intervals.items():
        fraction = name in ("total_return", "max_drawdown")
        measured = study.system.metrics.get(name, math.nan)
        shown = fmt.percent(measured) if fraction else fmt.number(measured)
        note = "The interval is of daily closes." if name == "max_drawdown" else ""
        cells = (Cell(shown), Cell(fmt.interval(bounds, fraction=fraction)))
        rows.append(Row(fmt.label(name), cells, note))
    columns = ("Measured", "95 % of the time")
    return Table("What chance could have made of it", "Measure", columns, tuple(rows))


def counted(judged: Honesty) -> tuple[tuple[str, str], ...]:
    """What exactly went into the figures: a heading and a sentence or two each."""
    known = sum(judged.spread_of.values())
    sources = ", ".join(f"{source} {count}" for source, count in judged.spread_of.items())
    record = judged.record
    shape = (
        f"Daily returns in UTC days, {fmt.count(record.observations)} of them; skew {fmt.number(record.skew)} "
        f"(even: 0), kurtosis {fmt.number(record.kurtosis)} (normal: 3). Losses that are rare and large make "
        "a Sharpe ratio less certain, and this is taken into account."
    )
    trials = (
        f"{_variants(judged)} were tried on this history, by the study and by every earlier run in the trial "
        "log. Each is taken to be independent of the others, which asks too much of the result rather than "
        "too little."
    )
    spread = (
        f"How far the variants' yearly Sharpe ratios lie apart, a standard deviation of "
        f"{fmt.number(judged.spread)}, is taken from the {known} different ones that are known ({sources})."
        if known
        else "No variant has a Sharpe ratio."
    )
    choices = fmt.typographic(f"Chosen between: {', '.join(judged.choices)}.")
    if judged.overfitting:
        found = judged.overfitting
        choices += (
            f" The record was cut into {found.blocks} blocks, and each half of them was once the past: "
            f"{fmt.count(len(found.logits))} splits. In {fmt.percent(found.probability_of_loss)} of them the "
            f"chosen one lost in the other half. A yearly Sharpe ratio higher by 1 in the past went with one "
            f"{_higher(found.slope)} in the other half."
        )
    return (
        ("The record", shape),
        ("The trials", trials),
        ("Their spread", spread),
        ("The choice", choices),
    )


def _higher(slope: float) -> str:
    if math.isnan(slope):
        return "that nobody can tell, for the past ones were all alike,"
    return f"{'higher' if slope >= 0 else 'lower'} by {fmt.number(abs(slope))}"


def _paths(paths: PathStudy, starting_equity: float) -> PathSection:
    groups, made = len(paths.groups), len(paths.metrics)
    unfitted = (
        f" {fmt.plural(paths.unfitted, 'training')} could not be made and said nothing."
        if paths.unfitted
        else ""
    )
    lede = (
        f"One history is one draw. So the whole history was also cut into {groups} groups, and models were "
        f"trained on every choice of {groups - paths.test_groups} of them and asked about the other "
        f"{paths.test_groups}: {fmt.plural(paths.folds, 'training')}, joined into "
        f"{fmt.plural(made, 'whole history', 'whole histories')} of groups unseen by the model that traded them."
        f"{unfitted} A model may have learned from what came after, so these are tests of the settings, not "
        "results that anybody could have had."
    )
    choice = ""
    if paths.overfitting:
        choice = (
            f"On these histories the best of {paths.overfitting.configurations} confidence thresholds in one "
            f"half was below the middle of them in the other half "
            f"{fmt.percent(paths.overfitting.probability)} of the time."
        )
    return PathSection(lede, path_lines(paths, starting_equity), path_table(paths), choice)


def path_table(paths: PathStudy) -> Table:
    """The spread of each measure over the paths."""
    rows = []
    for name in _PATH_MEASURES:
        values, note = paths.values(name), ""
        shown = [fmt.UNDEFINED] * 3
        if len(values):
            picked = (values[0], np.median(values), values[-1])
            shown = [fmt.measure(name, float(value)) for value in picked]
            if name in _SIGNED:
                note = f"{int((values > 0).sum())} of {len(values)} above zero"
        rows.append(Row(fmt.label(name), tuple(map(Cell, shown)), note))
    return Table("Over all histories", "Measure", ("Lowest", "Middle", "Highest"), tuple(rows))


def terminal_lines(study: Study) -> tuple[str, ...]:
    """The section in a few lines."""
    judged = study.honesty
    needed = "more than any" if math.isinf(judged.needed_days) else _length(judged.needed_days)
    lines = [
        f"Luck or skill? {verdict(study)}",
        f"True Sharpe above zero: {fmt.percent(judged.probabilistic)} alone, "
        f"{fmt.percent(judged.deflated)} after {_variants(judged)}. Record needed: {needed}; "
        f"there: {_length(judged.record.observations)}.",
    ]
    if judged.overfitting:
        lines.append(
            "The best of one half of the record was below the middle in the other "
            f"{fmt.percent(judged.overfitting.probability)} of the time (blind choice: {fmt.percent(0.5, 0)})."
        )
    if study.paths:
        lines.append(
            f"{fmt.plural(len(study.paths.metrics), 'history', 'histories')} of unseen groups from "
            f"{fmt.plural(study.paths.folds, 'training')}: net return "
            f"{_spread(study.paths, 'total_return')}, Sharpe {_spread(study.paths, 'sharpe')}, "
            f"drawdown {_spread(study.paths, 'max_drawdown')}."
        )
    return tuple(lines)


def _spread(paths: PathStudy, metric: str) -> str:
    values = paths.values(metric)
    if len(values) == 0:
        return fmt.UNDEFINED
    return f"{fmt.measure(metric, float(values[0]))} to {fmt.measure(metric, float(values[-1]))}"


def honesty_values(judged: Honesty) -> Mapping[str, Any]:
    """For scripts; ratios are per year, except those of the record, which are per day."""
    return {
        **{name: getattr(judged, name) for name in (
            "confidence", "probabilistic", "deflated", "trials", "expected_best", "spread",
            "needed_days", "choices")},
        "record": asdict(judged.record),
        "spread_of": dict(judged.spread_of),
        "overfitting": _overfitting(judged.overfitting),
    }  # fmt: skip


def path_values(paths: PathStudy | None) -> Mapping[str, Any] | None:
    """For scripts; None where no cross-validation was made."""
    if paths is None:
        return None
    return {
        "groups": [{"start": fmt.iso(start), "end": fmt.iso(end)} for start, end in paths.groups],
        "test_groups": paths.test_groups,
        "folds": paths.folds,
        "unfitted": paths.unfitted,
        "metrics": [dict(each) for each in paths.metrics],
        "daily": {"time": [fmt.iso(int(t)) for t in paths.time], "equity": paths.equity.tolist()},
        "overfitting": _overfitting(paths.overfitting),
        "choices": paths.choices,
    }


def _overfitting(found: Overfitting | None) -> Mapping[str, Any] | None:
    if found is None:
        return None
    return {
        "probability": found.probability,
        "probability_of_loss": found.probability_of_loss,
        "slope": found.slope,
        "configurations": found.configurations,
        "blocks": found.blocks,
        "splits": len(found.logits),
    }
