"""``riposte data``: bring history in, check it, list it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import orjson
import typer

from riposte.cli import downloading, keeping
from riposte.cli.display import Report, number, out, print_json, progress, table
from riposte.cli.market import interval_of, open_store, place_of
from riposte.cli.options import ConfigFiles, Given, IntervalName, Json, PresetName, SymbolList
from riposte.cli.publish import write_atomically
from riposte.cli.quality_page import render_quality
from riposte.errors import DataError, InputError
from riposte.market.checks import Finding, check_frame
from riposte.market.interval import MINUTE_NS
from riposte.market.series import format_time, kind_of
from riposte.settings.schema import Settings
from riposte.sources.anything import import_anything, is_recorded
from riposte.sources.survey import survey
from riposte.stores.frames import load_frame
from riposte.stores.protocol import Holding, content_hash
from riposte.stores.quality import Quality, examine, examine_store, finding_record

app = typer.Typer(
    help="Bring market history in, check it, list it, take it out.", no_args_is_help=True
)
downloading.register(app)

Source = Annotated[
    Path | None,
    typer.Argument(
        help="A folder or file: recorded history, zips of the exchange's archive, Parquet, CSV, "
        "freqtrade's Feather. Without it RIPOSTE_ARCHIVE or data.archive."
    ),
]
Repair = Annotated[
    bool,
    typer.Option("--repair", help="Sort rows and drop exact repeats instead of refusing them."),
]
KindName = Annotated[
    str | None, typer.Option("--kind", help="What single files hold, if their names do not say.")
]


@app.command("import")
def import_history(
    source: Source = None,
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    kind: KindName = None,
    repair: Repair = False,
    json: Json = False,
) -> None:
    """Import recorded history into the store; only what is new is written."""
    given = Given(config=config, preset=preset, symbols=symbols, interval=interval)
    settings = given.load(**({"data.archive": str(source)} if source else {})).settings
    folder = settings.data.archive
    if folder is None:
        raise InputError(
            "no archive is named: there is nothing to import",
            hint="set RIPOSTE_ARCHIVE or data.archive to a folder of recorded history",
        )
    if kind is not None:
        kind_of(kind)
    recorded = is_recorded(folder)
    with progress(quiet=json) as report:
        summary = import_anything(
            folder,
            open_store(settings),
            settings.data.symbols if recorded or symbols else None,
            [interval_of(settings)],
            lambda done, total, name: report("importing", done, total),
            kind=kind,
            interval=interval_of(settings) if interval else None,
            repair=repair,
        )
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
        f"{len(summary.imported)} series in {place_of(settings)}, "
        f"{number(summary.rows_changed, 0)} rows new or changed."
    )


@app.command("list")
def list_stored(config: ConfigFiles = None, json: Json = False) -> None:
    """List what the store holds."""
    settings = Given(config=config).load().settings
    held = open_store(settings).holdings()
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
        out.print(
            f"The store {place_of(settings)} is empty: riposte data download or import fills it."
        )
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
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder of recorded data to check as it lies, without importing it."),
    ] = None,
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Old candles are an error too.")] = False,
    json: Json = False,
) -> None:
    """Check data and keep the findings; exits with 3 where there is an error."""
    settings = Given(config=config, symbols=symbols).load().settings
    now_ns = time.time_ns()
    as_of = now_ns if fresh else None
    with progress(quiet=json) as report:
        if folder is not None:
            quality = _of_folder(folder, as_of, report)
        else:
            quality = _of_store(settings, symbols is not None, as_of, report)
    place = str(folder) if folder is not None else place_of(settings)
    page = settings.report.folder / "data-check.html"
    told = [finding_record(finding) for finding in quality.findings]
    series = {each.title: each.version for each in quality.series}
    record = {"checked": place, "series": series, "findings": told}
    write_atomically(page.with_suffix(".json"), orjson.dumps(record))
    text = render_quality(quality, place, format_time(now_ns // MINUTE_NS * MINUTE_NS))
    write_atomically(page, text.encode())
    counted = Counter(finding.severity for finding in quality.findings)
    if json:
        print_json(record)
    else:
        for finding in quality.findings:
            out.print(f"{finding.severity:8} {finding.message}")
        out.print(
            f"{len(quality.series)} series: {counted['error']} errors, {counted['warning']} warnings, "
            f"{counted['note']} notes; report: {page}"
        )
    if counted["error"]:
        raise DataError(f"the data check found {counted['error']} errors")


def _of_folder(folder: Path, as_of: int | None, report: Report) -> Quality:
    """The files of a folder; each series stands for itself, its content is its version."""
    found = survey(folder, lambda done, total, name: report("reading", done, total))
    holdings = {
        Holding(kind, symbol, interval, len(s), int(s.event_time[0]), int(s.event_time[-1])): s
        for (kind, symbol, interval), s in found.series.items()
    }
    quality = examine(
        list(holdings),
        lambda holding, start, stop: holdings[holding].between(start, stop),
        lambda holding: content_hash(holdings[holding])[:16],
        as_of_ns=as_of,
        progress=lambda done, total, name: report("checking", done, total),
    )
    return Quality(quality.series, (*quality.between, *found.findings))


def _of_store(settings: Settings, chosen: bool, as_of: int | None, report: Report) -> Quality:
    """What the store holds, and the frames it makes in the bar size in force, where it can."""
    store = open_store(settings)
    held = store.holdings()
    if not held:
        raise DataError(
            f"the store {place_of(settings)} is empty",
            hint="riposte data download or riposte data import fills it",
        )
    symbols = settings.data.symbols if chosen else sorted({holding.symbol for holding in held})
    quality = examine_store(
        store,
        symbols,
        as_of_ns=as_of,
        progress=lambda done, total, name: report("checking", done, total),
    )
    interval = interval_of(settings)
    framed: list[Finding] = []
    for symbol in symbols:
        spacings = [h.interval for h in held if h.kind == "klines" and h.symbol == symbol]
        if any(each and interval.ns % each.ns == 0 for each in spacings):
            framed += check_frame(load_frame(store, symbol, interval))
    return Quality(quality.series, (*quality.between, *framed))


keeping.register(app)
