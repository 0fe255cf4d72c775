"""``riposte features``: the catalogue, one feature's definition, and the proof that none looks ahead."""

from __future__ import annotations

from typing import Annotated

import typer

from riposte.cli.display import out, print_json, progress, table
from riposte.cli.market import CHECKED_ROWS, features_of, interval_of, stored_market
from riposte.cli.options import ConfigFiles, Given, IntervalName, Json, SymbolList, Timerange
from riposte.cli.publish import write_atomically
from riposte.errors import DataError, InputError, nearest
from riposte.features.catalogue import names
from riposte.features.causality import failures
from riposte.market.interval import parse_duration
from riposte.proof.feature_figure import feature_figure, render_feature

app = typer.Typer(help="List, explain, draw and check the features.", no_args_is_help=True)


@app.command("list")
def list_features(
    group: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    interval: IntervalName = None,
    config: ConfigFiles = None,
    json: Json = False,
) -> None:
    """List the catalogue: name, group, unit, look-back in bars, columns read."""
    settings = Given(config=config, interval=interval).load().settings
    size = interval_of(settings)
    known = features_of(settings).specs
    groups = {spec.group for spec in known.values()}
    if group is not None and group not in groups:
        raise InputError(
            f"group {group!r} is not known: use one of {', '.join(sorted(groups))}"
            + nearest(group, groups)
        )
    default = set(names(size, features=known))
    chosen = [s for s in known.values() if group in (None, s.group)]
    if json:
        print_json(
            [
                {
                    "name": s.name,
                    "group": s.group,
                    "unit": s.unit,
                    "lookback_bars": s.lookback(size),
                    "columns": s.columns,
                    "default": s.name in default,
                }
                for s in chosen
            ]
        )
        return
    rows = [(s.name, s.group, s.unit, ", ".join(s.columns), str(s.lookback(size))) for s in chosen]
    out.print(table("", ("feature", "group", "unit", "reads", "look-back"), rows, right=4))
    out.print(f"{len(rows)} features; {len(default)} in the default set for {size} bars.")


@app.command()
def show(name: str, config: ConfigFiles = None, json: Json = False) -> None:
    """Show one feature: formula, unit, look-back, source."""
    known = features_of(Given(config=config).load().settings).specs
    if name not in known:
        raise InputError(f"feature {name!r} is not known{nearest(name, known)}")
    spec = known[name]
    if json:
        print_json({"name": name, "group": spec.group, "doc": spec.doc, "version": spec.version})
    else:
        out.print(f"[bold]{name}[/] ({spec.group})\n{spec.doc}")


@app.command()
def plot(
    name: str,
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    timerange: Timerange = None,
    ahead: Annotated[str, typer.Option(help="How far the shown return reaches.")] = "24h",
    json: Json = False,
) -> None:
    """Draw a feature: under the price, its distribution, and what followed it."""
    given = Given(config=config, symbols=symbols, interval=interval, timerange=timerange)
    settings = given.load().settings
    ahead_ns = parse_duration(ahead)
    known = features_of(settings).specs
    if name not in known:
        raise InputError(f"feature {name!r} is not known{nearest(name, known)}")
    written = []
    for frame in stored_market(settings).frames:
        page = render_feature(feature_figure(known[name], frame, ahead_ns))
        path = settings.report.folder / f"feature-{name}-{frame.symbol}.html"
        write_atomically(path, page.encode())
        written.append(str(path))
    if json:
        print_json({"pages": written})
    else:
        out.print("\n".join(written))


@app.command()
def check(
    config: ConfigFiles = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    json: Json = False,
) -> None:
    """Prove on stored data that no feature looks ahead or further back than it says."""
    settings = Given(config=config, symbols=symbols, interval=interval).load().settings
    found = []
    known = features_of(settings).specs
    frames = stored_market(settings).frames
    with progress(quiet=json) as report:
        for done, frame in enumerate(frames):
            report("checking features", done, len(frames))
            newest = frame.rows(max(0, len(frame) - CHECKED_ROWS), len(frame))
            found += failures(known, newest)
        report("checking features", len(frames), len(frames))
    if json:
        print_json([str(violation) for violation in found])
    else:
        for violation in found:
            out.print(str(violation))
    if found:
        raise DataError(f"{len({v.feature for v in found})} features break a law")
    if not json:
        out.print(f"All {len(known)} features hold: nothing looks ahead.")
