"""``riposte data``: bring history in, check it, list it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import orjson
import typer

from riposte.cli.display import number, out, print_json, progress, table
from riposte.cli.market import import_recorded, quality_of, stored_market
from riposte.cli.options import ConfigFiles, Given, IntervalName, Json, PresetName, SymbolList
from riposte.cli.publish import write_atomically
from riposte.errors import DataError
from riposte.market.series import format_time
from riposte.stores.lake import Lake

app = typer.Typer(help="Bring market history in, check it, list it.", no_args_is_help=True)

Archive = Annotated[
    Path | None,
    typer.Argument(help="Folder of recorded history; without it RIPOSTE_ARCHIVE or data.archive."),
]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Sort rows and drop exact repeats instead of refusing them."),
]


@app.command("import")
def import_history(
    folder: Archive = None,
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    repair: Repair = False,
    json: Json = False,
) -> None:
    """Import a folder of recorded history into the lake; only what is new is written."""
    given = Given(config=config, preset=preset, symbols=symbols, interval=interval)
    settings = given.load(**({"data.archive": str(folder)} if folder else {})).settings
    with progress(quiet=json) as report:
        summary = import_recorded(settings, report, repair=repair)
    if json:
        print_json(
            {
                "series": len(summary.imported),
                "rows_changed": summary.rows_changed,
                "notes": summary.notes,
                "findings": [f.message for f in summary.findings],
            }
        )
        return
    for line in (*summary.notes, *(f"{f.severity}: {f.message}" for f in summary.findings)):
        out.print(f"  {line}")
    out.print(
        f"{len(summary.imported)} series in {settings.data.lake}, "
        f"{number(summary.rows_changed, 0)} rows new or changed."
    )


@app.command("list")
def list_stored(config: ConfigFiles = None, json: Json = False) -> None:
    """List what the lake holds."""
    settings = Given(config=config).load().settings
    held = Lake(settings.data.lake).holdings()
    if json:
        print_json(
            [
                {
                    "kind": h.kind,
                    "symbol": h.symbol,
                    "interval": str(h.interval or ""),
                    "rows": h.rows,
                    "first": format_time(h.first_ns),
                    "last": format_time(h.last_ns),
                }
                for h in held
            ]
        )
        return
    if not held:
        out.print(f"The lake {settings.data.lake} is empty: riposte data import fills it.")
        return
    rows = [
        (
            h.symbol,
            h.kind,
            str(h.interval or ""),
            number(h.rows, 0),
            format_time(h.first_ns),
            format_time(h.last_ns),
        )
        for h in held
    ]
    out.print(table("", ("symbol", "kind", "interval", "rows", "first", "last"), rows, right=3))


@app.command()
def check(
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    json: Json = False,
) -> None:
    """Check what is stored and keep the findings; exits with 3 where there is an error."""
    settings = Given(config=config, symbols=symbols, interval=interval).load().settings
    market = stored_market(settings)
    found = quality_of(Lake(settings.data.lake), settings, market.frames)
    counted = Counter(f.severity for f in found)
    told = [{"severity": f.severity, "code": f.code, "message": f.message} for f in found]
    path = settings.report.folder / "data-check.json"
    write_atomically(path, orjson.dumps({"data": market.version, "findings": told}))
    if json:
        print_json(told)
    else:
        for finding in found:
            out.print(f"{finding.severity:8} {finding.message}")
        out.print(
            f"{counted['error']} errors, {counted['warning']} warnings, {counted['note']} notes; "
            f"kept in {path}."
        )
    if counted["error"]:
        raise DataError(f"the data check found {counted['error']} errors")
