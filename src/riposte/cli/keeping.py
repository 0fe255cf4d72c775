"""``riposte data export``, ``trim`` and ``compact``: what is stored, taken out, cut and tidied."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from riposte.cli.display import number, out, print_json, progress
from riposte.cli.market import open_store, place_of
from riposte.cli.options import ConfigFiles, Given, IntervalName, Json, Kinds, SymbolList, Timerange
from riposte.errors import DataError, InputError, nearest
from riposte.market.interval import DAY_NS, parse_interval
from riposte.market.series import format_time, kind_of
from riposte.settings.convert import parse_timerange, range_of
from riposte.sources.exports import FORMATS, Format, export_series
from riposte.stores.protocol import Holding, Store, partition_name


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("export")(export)
    app.command("trim")(trim)
    app.command("compact")(compact)


def chosen(
    store: Store, symbols: str | None, kinds: str | None, interval: str | None
) -> list[Holding]:
    """The stored series that were asked for; everything where nothing was.

    Raises:
        InputError: if a kind or interval is not known, or a symbol is not stored.
        DataError: if nothing fits.
    """
    held = store.holdings()
    wanted_kinds = [part.strip() for part in kinds.split(",")] if kinds else None
    for kind in wanted_kinds or ():
        kind_of(kind)
    wanted_symbols = Given(symbols=symbols).load().settings.data.symbols if symbols else None
    stored = {holding.symbol for holding in held}
    for symbol in wanted_symbols or ():
        if symbol not in stored:
            raise InputError(
                f"{symbol} is not stored: stored are {', '.join(sorted(stored)) or 'none'}"
                + nearest(symbol, stored)
            )
    spacing = parse_interval(interval) if interval else None
    found = [
        holding
        for holding in held
        if (wanted_kinds is None or holding.kind in wanted_kinds)
        and (wanted_symbols is None or holding.symbol in wanted_symbols)
        and (spacing is None or holding.interval in (spacing, None))
    ]
    if not found:
        raise DataError("nothing of that is stored", hint="riposte data list shows what is")
    return found


def export(
    folder: Annotated[Path, typer.Argument(help="Folder to write to, made where it is not there.")],
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    kinds: Kinds = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    form: Annotated[str, typer.Option("--format", help="parquet, csv or feather.")] = "parquet",
    json: Json = False,
) -> None:
    """Write stored series as files that other programs, and data import, can read."""
    if form not in FORMATS:
        raise InputError(
            f"format {form!r} is not known: use one of {', '.join(FORMATS)}{nearest(form, FORMATS)}"
        )
    settings = Given(config=config, timerange=timerange).load().settings
    store = open_store(settings)
    start, stop = range_of(settings)
    found = chosen(store, symbols, kinds, interval)
    files, rows = [], 0
    with progress(quiet=json) as report:
        for done, holding in enumerate(found):
            report("exporting", done, len(found))
            for day, first, last in _stretches(holding, start, stop):
                series = store.read(holding.kind, holding.symbol, holding.interval, first, last)
                if len(series):
                    files.append(export_series(series, folder, _format(form), day))
                    rows += len(series)
        report("exporting", len(found), len(found))
    if json:
        print_json({"files": [str(path) for path in files], "rows": rows})
    else:
        out.print(f"{number(rows, 0)} rows in {len(files)} files in {folder}.")


def _format(text: str) -> Format:
    return next(form for form in FORMATS if form == text)


def _stretches(
    holding: Holding, start: int | None, stop: int | None
) -> list[tuple[str, int | None, int | None]]:
    """The parts of a series to write into a file each: all of it, or its days where it is dense."""
    if not kind_of(holding.kind).key:
        return [("", start, stop)]
    first = max(holding.first_ns, start or holding.first_ns) // DAY_NS
    last = min(holding.last_ns, (stop or holding.last_ns + 1) - 1) // DAY_NS
    return [
        (partition_name(holding.kind, day * DAY_NS), day * DAY_NS, (day + 1) * DAY_NS)
        for day in range(first, last + 1)
    ]


def trim(
    before: Annotated[str, typer.Option(help="Rows before this day (UTC) go: 20240101.")],
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    kinds: Kinds = None,
    interval: IntervalName = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove what is older than a day from the store."""
    before_ns, _ = parse_timerange(f"{before}-")
    assert before_ns is not None
    settings = Given(config=config).load().settings
    store = open_store(settings)
    found = [h for h in chosen(store, symbols, kinds, interval) if h.first_ns < before_ns]
    if found and not yes:
        what = f"{len(found)} series in {place_of(settings)} before {format_time(before_ns)}"
        if not sys.stdin.isatty():
            raise InputError(f"{what} would be removed", hint="add --yes to do it")
        typer.confirm(f"Remove {what}?", abort=True)
    removed = {h: store.trim(h.kind, h.symbol, h.interval, before_ns) for h in found}
    if json:
        print_json({"removed": sum(removed.values()), "series": len(found)})
    else:
        out.print(f"{number(sum(removed.values()), 0)} rows removed from {len(found)} series.")


def compact(config: ConfigFiles = None, json: Json = False) -> None:
    """Put together what live collection wrote in small pieces."""
    gone = open_store(Given(config=config).load().settings).compact()
    if json:
        print_json({"gone": gone})
    else:
        out.print(f"{number(gone, 0)} small pieces put together.")
