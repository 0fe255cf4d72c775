"""The data check as a page: what is held, how whole it is month by month, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

import riposte
from riposte.market.series import format_time, kind_of
from riposte.stores.quality import Examined, Quality

_TEMPLATES = Path(__file__).parent / "templates"
_WHOLE = 0.9995  # a month with a bar or two missing is shown as whole; the findings name the bars


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_quality(quality: Quality, place: str, written: str) -> str:
    """The report as one HTML file that asks the network for nothing: equal reports, equal text.

    ``place`` is what was checked, ``written`` when, in words.
    """
    style = resources.files("riposte.proof.report").joinpath("templates", "report.css")
    months = sorted({month for each in quality.series for month in each.coverage.months})
    counted = Counter(str(finding.severity) for finding in quality.findings)
    return (
        _environment()
        .get_template("quality.html")
        .render(
            style=Markup(style.read_text("utf-8")),  # noqa: S704  our own file
            version=riposte.__version__,
            place=place,
            written=written,
            verdict=_verdict(quality, counted),
            counted=counted,
            rows=f"{sum(each.holding.rows for each in quality.series):,}",
            series=[_row(each, months) for each in quality.series],
            years=_years(months),
            findings=quality.findings,
        )
    )


def _verdict(quality: Quality, counted: Mapping[str, int]) -> str:
    if not quality.series:
        return "There is nothing to check."
    if counted["error"]:
        errors = "an error" if counted["error"] == 1 else f"{counted['error']} errors"
        return f"The data has {errors}: nothing is traded on it until they are mended."
    if counted["warning"]:
        warnings = "one thing" if counted["warning"] == 1 else f"{counted['warning']} things"
        return f"The data can be used; somebody should look at {warnings}."
    return "The data is sound."


def _row(each: Examined, months: list[str]) -> dict[str, object]:
    """One series: its facts, and a cell for each month of the page."""
    full = dict(zip(each.coverage.months, each.coverage.full, strict=True))
    cells = []
    for month in months:
        share = full.get(month)
        if share is None:
            cells.append(("none", ""))
        elif share >= _WHOLE:
            cells.append(("whole", f"{month}: whole"))
        elif share > 0:
            cells.append(("part", f"{month}: {share:.1%} of the rows"))
        else:
            cells.append(("empty", f"{month}: nothing"))
    worst = next((f.severity for f in each.findings), "")
    return {
        "title": each.title,
        "meaning": kind_of(each.holding.kind).meaning,
        "rows": f"{each.holding.rows:,}",
        "first": format_time(each.holding.first_ns),
        "last": format_time(each.holding.last_ns),
        "cells": cells,
        "worst": worst,
        "count": len(each.findings),
    }


def _years(months: list[str]) -> list[tuple[str, int]]:
    """Each year of the page and how many of its months are shown."""
    return list(Counter(month[:4] for month in months).items())
