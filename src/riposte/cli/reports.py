"""The reports in a folder: finding one by name or path, and what each says of itself."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from riposte.errors import DataError, InputError, StorageError, nearest
from riposte.proof.report import format as fmt

_FORMS = (".html", ".json")


@dataclass(frozen=True, slots=True)
class Stored:
    """A report on disk; one of the two files may be absent."""

    name: str
    html: Path | None
    json: Path | None

    @property
    def path(self) -> Path:
        """The page, or the JSON where there is no page."""
        path = self.html or self.json
        if path is None:
            raise ValueError(f"report {self.name} has no file")
        return path


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of reports."""

    name: str
    kind: str  # study, comparison or other
    made: str
    headline: str
    html: Path | None
    json: Path | None


def reports_in(folder: Path) -> dict[str, Stored]:
    """Every report of the folder by name; none where there is no folder."""
    names = sorted({p.stem for p in folder.glob("*") if p.suffix in _FORMS})
    return {name: _stored(folder / name) for name in names}


def find_report(folder: Path, given: str) -> Stored:
    """The report of a name, or the one a path points to.

    Raises:
        InputError: if there is none, with the nearest name there is.
    """
    if given.endswith(_FORMS) or os.sep in given:
        path = Path(given)
        found = _stored(path.with_suffix("") if path.suffix in _FORMS else path)
        if found.html is None and found.json is None:
            raise InputError(f"{given} does not exist")
        return found
    there = reports_in(folder)
    if given not in there:
        names = f"there are: {', '.join(there)}" if there else "riposte demo makes one"
        raise InputError(
            f"there is no report {given!r} in {folder}{nearest(given, there)}", hint=names
        )
    return there[given]


def content_of(report: Stored) -> bytes:
    """The JSON of a report.

    Raises:
        InputError: if it has none.
        StorageError: if it cannot be read.
    """
    if report.json is None:
        raise InputError(f"report {report.name} has a page but no JSON to read")
    try:
        return report.json.read_bytes()
    except OSError as error:
        raise StorageError(f"{report.json} cannot be read: {error.strerror or error}") from error


def told_by(report: Stored) -> Mapping[str, Any]:
    """The JSON of a report, parsed.

    Raises:
        DataError: if it is not a JSON object.
    """
    try:
        told = orjson.loads(content_of(report))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{report.json} is not valid JSON: {error}") from None
    if not isinstance(told, dict):
        raise DataError(f"{report.json} is not a JSON object")
    return told


def kind_of(told: Mapping[str, Any]) -> str:
    """``study``, ``comparison`` or ``other``; studies of the first schema did not say."""
    kind = told.get("kind", "study" if "system" in told else "other")
    return kind if kind in ("study", "comparison") else "other"


def listed(report: Stored) -> Listed:
    """What a report says of itself, as far as it can be read."""
    try:
        told = told_by(report)
    except (DataError, InputError, StorageError) as error:
        return _line(report, "other", {}, error.message if report.json else "")
    kind = kind_of(told)
    headline = _figures(told) if kind == "study" else str(told.get("verdict", ""))
    return _line(report, kind, told, headline)


def _line(report: Stored, kind: str, told: Mapping[str, Any], headline: str) -> Listed:
    written = dt.datetime.fromtimestamp(report.path.stat().st_mtime, dt.UTC)
    made = str(told.get("created") or written.strftime("%Y-%m-%d %H:%M UTC"))
    return Listed(report.name, kind, made, headline, report.html, report.json)


def _figures(told: Mapping[str, Any]) -> str:
    """The headline figures of a study; a dash for what is not defined or not there."""
    metrics = told.get("system", {}).get("metrics", {})

    def value(name: str) -> float:
        found = metrics.get(name)
        return float("nan") if found is None else float(found)

    return (
        f"{fmt.percent(value('total_return'), signed=True)} net, Sharpe {fmt.number(value('sharpe'))}, "
        f"max drawdown {fmt.percent(value('max_drawdown'))}, {fmt.count(value('trades'))} trades"
    )


def _stored(stem: Path) -> Stored:
    html, json = (stem.with_name(stem.name + form) for form in _FORMS)
    return Stored(stem.name, html if html.is_file() else None, json if json.is_file() else None)
