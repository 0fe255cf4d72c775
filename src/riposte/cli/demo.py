"""``riposte demo``: the whole job in one command, from data to a walk-forward report."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

import riposte
from riposte.cli.display import err, out, print_json, progress
from riposte.cli.downloading import bring_in, months_before, transfer_of
from riposte.cli.market import Market, import_recorded, load_market, make_synthetic, open_store
from riposte.cli.options import ConfigFiles, Given, Json, PresetName, Seed, Workers
from riposte.cli.publish import check_writable, write_atomically, write_report
from riposte.cli.research import study_of
from riposte.errors import DataError, ExchangeError, RiposteError
from riposte.market.interval import INTERVALS
from riposte.proof.report import evidence, summary_table
from riposte.settings.convert import plan_of
from riposte.settings.load import Loaded
from riposte.settings.schema import Settings
from riposte.sources.archive.layout import DATASETS, ArchiveFile
from riposte.sources.archive.transfer import Transfer
from riposte.stores.protocol import Store

WIDTH = 100
_MONTHS_ARE_OUT_BY = 10  # by this day of a month the archive has the month before


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(demo)


def market_of(
    settings: Settings, years: float, *, quiet: bool, offline: bool = False
) -> tuple[Market, Store]:
    """The recorded archive where one is named, else the exchange's public archive where it can be
    reached, else the synthetic market; said in words."""
    if settings.data.archive is not None:
        store = open_store(settings)
        with progress(quiet=quiet) as report:
            summary = import_recorded(settings, report)
        changed = summary.rows_changed
        source = f"REAL recorded history from {settings.data.archive}"
        _say(source, f"{changed:,} rows imported" if changed else "already imported", quiet=quiet)
        return load_market(settings, store, source=source, real=True), store
    if not offline and _online(settings):
        found = _downloaded(settings, years, quiet=quiet)
        if found is not None:
            return found
    source = (
        f"SYNTHETIC market (seed {settings.model.seed}, {years:g} years), made up by Riposte: "
        "nothing in it ever traded"
    )
    if not quiet:
        err.print(f"[bold yellow]{source}[/]")
        err.print("For real history name a folder of it: RIPOSTE_ARCHIVE=/path make demo")
    with progress(quiet=quiet) as report:
        lake = make_synthetic(settings, years, report)
    return load_market(settings, lake, source=source, real=False), lake


def _say(source: str, more: str, *, quiet: bool) -> None:
    if not quiet:
        err.print(f"[bold green]{source}[/] ({more})")


def _online(settings: Settings) -> bool:
    """Whether the exchange's public archive answers, within a few seconds."""
    probe = Transfer(settings.data.archive_url, settings.data.lake, tries=1, timeout_s=4)
    known = ArchiveFile(DATASETS["klines"], "BTCUSDT", INTERVALS["1h"], date(2024, 1, 1))
    try:
        return probe.checksum(known) is not None
    except RiposteError:
        return False


def _downloaded(settings: Settings, years: float, *, quiet: bool) -> tuple[Market, Store] | None:
    """Real history of whole months from the public archive; None, in words, if it fails on the way."""
    last = datetime.now(UTC).date().replace(day=1)
    last = months_before(last, 1) if datetime.now(UTC).day < _MONTHS_ARE_OUT_BY else last
    first = months_before(last, max(round(years * 12), 1))
    months = {"timerange": f"{first:%Y%m%d}-{last:%Y%m%d}"}
    settings = settings.model_copy(update={"data": settings.data.model_copy(update=months)})
    source = f"REAL history from the exchange's public archive, {first} to {last}"
    try:
        store = open_store(settings)
        report = bring_in(settings, store, transfer_of(settings), rest=False, quiet=quiet)
        market = load_market(settings, store, source=source, real=True)
    except (ExchangeError, DataError) as error:
        if not quiet:
            err.print(
                f"[bold yellow]The public archive could not serve the demo:[/] {error.message}"
            )
        return None
    _say(source, f"{report.archive.rows:,} rows new", quiet=quiet)
    return market, store


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


def run_demo(
    loaded: Loaded, years: float, *, quiet: bool, offline: bool = False
) -> tuple[dict[str, str], Path, bool]:
    """(summary, report path, whether it was reused)."""
    settings = loaded.settings
    check_writable(settings.report.folder)
    market, lake = market_of(settings, years, quiet=quiet, offline=offline)
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
        "text": _as_text(summary_table(study, evidence(study))),
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
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not look for the exchange's public archive.")
    ] = False,
    json: Json = False,
) -> None:
    """Import, download or make a market, check it, train, walk forward, back-test, and write the report."""
    loaded = Given(config=config, preset=preset, workers=workers, seed=seed).load()
    summary, html, reused = run_demo(loaded, years, quiet=json, offline=offline)
    if json:
        print_json({**summary, "report": str(html), "reused": reused})
        return
    out.print(Panel(summary["source"], expand=False))
    out.print(Text.from_ansi(summary["text"]))
    if reused:
        out.print("Nothing has changed since the last run: its results are shown again.")
    out.print(f"Fingerprint {summary['fingerprint']}; report: {html}")
