"""``riposte report``: the reports there are, one in the browser or the terminal, several compared."""

from __future__ import annotations

import dataclasses
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import riposte
from riposte.cli.display import out, print_json, table
from riposte.cli.options import ConfigFiles, Given, Json
from riposte.cli.publish import check_writable, write_atomically
from riposte.cli.reports import (
    Stored,
    content_of,
    find_report,
    kind_of,
    listed,
    reports_in,
    told_by,
)
from riposte.cli.research import now_text
from riposte.errors import InputError, nearest
from riposte.proof.comparison import export, page, terminal
from riposte.proof.comparison.compare import compare as compare_studies
from riposte.proof.comparison.results import Comparison
from riposte.proof.report import summary_table
from riposte.proof.report.record import StudyRecord, read_study


class ReportVerbs(TyperGroup):
    """Says what became of ``riposte report NAME``, which once said where a report is."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb; a name in its place is refused, since a mistyped verb would pass for a report."""
        if args and args[0] not in self.commands:
            raise InputError(
                f"riposte report has no verb {args[0]!r}{nearest(args[0], self.commands)}",
                hint=f"for the report of that name: riposte report open {args[0]}",
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=ReportVerbs, help="List, open, show and compare reports.", no_args_is_help=True
)

ReportName = Annotated[str, typer.Argument(help="Name of a report, or the path of its file.")]


@app.command("list")
def list_reports(config: ConfigFiles = None, json: Json = False) -> None:
    """List the reports: what each is, when it was made, its headline."""
    folder = folder_of(config)
    found = [listed(report) for report in reports_in(folder).values()]
    if json:
        print_json([dataclasses.asdict(each) for each in found])
        return
    if not found:
        out.print(f"No reports in {folder}: riposte demo makes one.")
        return
    rows = [(each.name, each.kind, each.made, each.headline or "–") for each in found]
    out.print(table("", ("report", "kind", "made", "headline"), rows, right=9))


@app.command("open")
def open_report(name: ReportName, config: ConfigFiles = None, json: Json = False) -> None:
    """Open a report in the browser, where there is one, and say where it is."""
    report = find_report(folder_of(config), name)
    opened = report.html is not None and shown_in_browser(report.html)
    if json:
        print_json({"html": report.html, "json": report.json, "opened": opened})
        return
    out.print(str(report.path.resolve()))
    if report.html is None:
        out.print("[dim]It has no page, only this JSON.[/]")
    elif not opened:
        out.print("[dim]No browser can be opened here: open the file on a machine that has one.[/]")


@app.command()
def show(name: ReportName, config: ConfigFiles = None, json: Json = False) -> None:
    """Print the summary of a study or a comparison, from its JSON."""
    report = find_report(folder_of(config), name)
    told = told_by(report)
    if json:
        out.file.write(content_of(report).decode() + "\n")
        return
    match kind_of(told):
        case "comparison" if told.get("schema") != export.SCHEMA:
            raise InputError(
                f"{report.json} has schema {told.get('schema')!r}, and this version reads schema "
                f"{export.SCHEMA}",
                hint="compare the studies again with this version",
            )
        case "comparison":
            out.print(terminal.summary_table(told))
        case "study":
            study = read_study(content_of(report), str(report.json))
            out.print(summary_table(study, study.evidence))
        case _:
            raise InputError(
                f"{report.json} is neither a study nor a comparison",
                hint=f"riposte report open {name} says where it is",
            )
    out.print(f"\nReport: {report.path}")


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(help="Names of studies, or paths of their JSON files.")
    ],
    name: Annotated[str, typer.Option(help="Name of the comparison's files.")] = "comparison",
    config: ConfigFiles = None,
    json: Json = False,
) -> None:
    """Compare studies on the days and markets they share, in one report."""
    folder = folder_of(config)
    stem = writable_name(folder, name)
    found = compare_studies(
        studies_of(folder, names), created=now_text(), version=riposte.__version__
    )
    path = write_comparison(found, stem)
    if json:
        out.file.write(export.as_json(found).decode() + "\n")
        return
    out.print(terminal.summary_table(export.as_mapping(found)))
    out.print(f"\nReport: {path}")


def folder_of(config: list[Path] | None) -> Path:
    """Where reports are kept."""
    return Given(config=config).load().settings.report.folder


def shown_in_browser(path: Path) -> bool:
    """Open a file in the browser; False where there is no display or no browser.

    A browser named in ``BROWSER`` is asked even without a display: remote editors forward it.
    """
    display = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    try:
        return display and webbrowser.open(path.resolve().as_uri())
    except (webbrowser.Error, OSError):
        return False


def studies_of(folder: Path, names: list[str]) -> list[StudyRecord]:
    """The named studies, each called by its name; by folder and name where two are named alike.

    Raises:
        InputError: if one does not exist, is named twice or is no study of this schema.
        DataError: if one is damaged.
    """
    found = [find_report(folder, given) for given in names]
    places = [report.path.resolve() for report in found]
    for at, place in enumerate(places):
        if place in places[:at]:
            raise InputError(
                f"{names[at]!r} is named twice: a study cannot be compared with itself"
            )
    return [read_study(content_of(report), _called(report, found)) for report in found]


def _called(report: Stored, among: list[Stored]) -> str:
    alone = sum(other.name == report.name for other in among) == 1
    return report.name if alone else f"{report.path.resolve().parent.name}/{report.name}"


def writable_name(folder: Path, name: str) -> Path:
    """Folder and name without ending, once it is sure that no other report is lost.

    Raises:
        InputError: if the name is no name, or that of a report which is not a comparison.
        StorageError: if the folder cannot be written.
    """
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InputError(f"report name {name!r}: use letters, digits, dots, dashes and underscores")
    there = reports_in(folder).get(name)
    if there is not None and (there.json is None or kind_of(told_by(there)) != "comparison"):
        raise InputError(
            f"{there.path} is not a comparison and would be lost", hint="choose another --name"
        )
    check_writable(folder)
    return folder / name


def write_comparison(found: Comparison, stem: Path) -> Path:
    """Write page and JSON; returns the path of the page."""
    html = stem.with_name(f"{stem.name}.html")
    write_atomically(stem.with_name(f"{stem.name}.json"), export.as_json(found))
    write_atomically(html, page.render(found).encode())
    return html
