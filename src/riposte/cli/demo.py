"""``riposte demo``: the whole job in one command, from data to a walk-forward report."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

import riposte
from riposte.cli.display import err, out, print_json, progress
from riposte.cli.market import Market, import_recorded, load_market, make_synthetic, open_store
from riposte.cli.options import ConfigFiles, Given, Json, PresetName, Seed, Workers
from riposte.cli.publish import check_writable, write_atomically, write_report
from riposte.cli.research import study_of
from riposte.proof.report import summary_table
from riposte.settings.convert import plan_of
from riposte.settings.load import Loaded
from riposte.settings.schema import Settings
from riposte.stores.protocol import Store

WIDTH = 100


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def market_of(settings: Settings, years: float, *, quiet: bool) -> tuple[Market, Store]:
    """The recorded archive where one is named, else the synthetic market; said in words."""
    with progress(quiet=quiet) as report:
        if settings.data.archive is not None:
            summary = import_recorded(settings, report)
            store = open_store(settings)
            source = f"REAL recorded history from {settings.data.archive}"
            if not quiet:
                changed = summary.rows_changed
                news = f"{changed:,} rows imported" if changed else "already imported"
                err.print(f"[bold green]{source}[/] ({news})")
            return load_market(settings, store, source=source, real=True), store
        source = (
            f"SYNTHETIC market (seed {settings.model.seed}, {years:g} years), made up by Riposte: "
            "nothing in it ever traded"
        )
        if not quiet:
            err.print(f"[bold yellow]{source}[/]")
            err.print("For real history name a folder of it: RIPOSTE_ARCHIVE=/path make demo")
        lake = make_synthetic(settings, years, report)
        return load_market(settings, lake, source=source, real=False), lake


def study_key(market: Market, settings: Settings) -> str:
    """A hash of all that decides the numbers: the data's content, the plan and the code."""
    digest = hashlib.sha256(f"{market.version} {market.source} {plan_of(settings)!r}".encode())
    package = Path(riposte.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".toml", ".html", ".css", ".js", ".j2"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _stored(path: Path, key: str) -> dict[str, str] | None:
    """What an earlier run left for the same key, if its report is still there."""
    if not (path.is_file() and path.with_suffix(".html").is_file()):
        return None
    try:
        kept = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return None
    return kept if isinstance(kept, dict) and kept.get("key") == key else None


def _as_text(summary: RenderableType) -> str:
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    console.print(summary)
    return console.export_text(styles=True)


def run_demo(loaded: Loaded, years: float, *, quiet: bool) -> tuple[dict[str, str], Path, bool]:
    """(summary, report path, whether it was reused)."""
    settings = loaded.settings
    check_writable(settings.report.folder)
    market, lake = market_of(settings, years, quiet=quiet)
    folder = settings.report.folder
    path = folder / "demo.summary"
    key = study_key(market, settings)
    kept = _stored(path, key)
    if kept is not None:
        return kept, folder / "demo.html", True
    study = study_of(loaded, market, lake, quiet=quiet)
    html = write_report(study, folder, "demo")
    summary = {
        "key": key,
        "fingerprint": study.fingerprint,
        "source": study.source,
        "text": _as_text(summary_table(study)),
    }
    write_atomically(path, orjson.dumps(summary))
    return summary, html, False


def demo(
    config: ConfigFiles = None,
    preset: PresetName = None,
    years: Annotated[
        float, typer.Option(min=0.75, max=20, help="Length of the synthetic market.")
    ] = 5.0,
    workers: Workers = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Import or make a market, check it, train, walk forward, back-test, and write the report."""
    loaded = Given(config=config, preset=preset, workers=workers, seed=seed).load()
    summary, html, reused = run_demo(loaded, years, quiet=json)
    if json:
        print_json({**summary, "report": str(html), "reused": reused})
        return
    out.print(Panel(summary["source"], expand=False))
    out.print(Text.from_ansi(summary["text"]))
    if reused:
        out.print("Nothing has changed since the last run: its results are shown again.")
    out.print(f"Fingerprint {summary['fingerprint']}; report: {html}")
