"""``riposte data download``: history from the exchange's public archive, its newest part over REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from riposte.cli.display import number, out, print_json, transfer_progress
from riposte.cli.market import interval_of, open_store, place_of
from riposte.cli.options import (
    ConfigFiles,
    Given,
    IntervalName,
    Json,
    Kinds,
    PresetName,
    SymbolList,
    Timerange,
)
from riposte.errors import ExchangeError, InputError
from riposte.market.interval import DAY_NS, Interval
from riposte.market.series import KINDS, format_time
from riposte.settings.convert import range_of
from riposte.settings.schema import Settings
from riposte.sources.archive.download import State, Summary, download, stored_interval
from riposte.sources.archive.layout import DATASETS, Dataset
from riposte.sources.archive.plan import Wanted
from riposte.sources.archive.transfer import Transfer
from riposte.sources.rest import history
from riposte.sources.rest.client import Client
from riposte.stores.protocol import Store

MONTHS = 24  # brought in where no time range is given
_ARRIVING = ".arriving"

NoArchive = Annotated[
    bool, typer.Option("--no-archive", help="Only over REST: for the newest days.")
]
NoRest = Annotated[bool, typer.Option("--no-rest", help="Only from the archive.")]
Refresh = Annotated[
    bool, typer.Option("--refresh", help="Also fetch files that were published anew.")
]


@dataclass(slots=True)
class Report:
    """What came from where."""

    archive: Summary = field(default_factory=Summary)
    rest_rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("download")(fetch)


def dataset_for(kind: str) -> Dataset:
    """The archive type that gives a kind of series."""
    return next(dataset for dataset in DATASETS.values() if kind in dataset.kinds)


def stretches(settings: Settings, now_ns: int) -> tuple[Wanted, ...]:
    """What to download: every archive type of the wanted kinds, for every symbol, each once."""
    start, stop = range_of(settings)
    today = _day(now_ns)
    first = _day(start) if start is not None else months_before(today, MONTHS)
    last = _day(stop - 1) + timedelta(days=1) if stop is not None else today
    if first >= today:
        raise InputError(f"the time range begins on {first}, which is not over yet")
    datasets = {dataset_for(kind).name: dataset_for(kind) for kind in settings.data.kinds}
    return tuple(
        Wanted(dataset, symbol, interval_of(settings) if dataset.by_interval else None, first, last)
        for symbol in settings.data.symbols
        for dataset in datasets.values()
    )


def months_before(day: date, months: int) -> date:
    """The first day of the month so many months before."""
    month = day.year * 12 + day.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def bring_in(
    settings: Settings,
    store: Store,
    transfer: Transfer,
    *,
    archive: bool = True,
    rest: bool = True,
    refresh: bool = False,
    quiet: bool = False,
) -> Report:
    """Download what is missing in a store.

    Raises:
        ExchangeError: if archive or exchange are out of reach; what had arrived is stored.
    """
    now = datetime.now(UTC)
    now_ns = int(now.timestamp() * 1_000_000) * 1000
    wanted = stretches(settings, now_ns)
    report = Report()
    for each in wanted:
        for kind in each.dataset.kinds:
            for name in store.heal(kind, each.symbol, stored_interval(each)):
                report.notes.append(f"{name} was damaged: set aside, its rows are fetched again")
    with transfer_progress(quiet=quiet) as show:
        if archive:

            def tell(state: State) -> None:
                show("archive", state.done, state.batches, state.bytes, state.title)

            report.archive = download(
                wanted,
                store,
                transfer,
                now.date(),
                connections=settings.data.connections,
                progress=tell,
                refresh=refresh,
            )
        if rest:
            client = Client(settings.data.exchange_url)
            for done, each in enumerate(wanted):
                show("newest over REST", done, len(wanted), 0, f"{each.symbol} {each.dataset.name}")
                _top_up(client, store, each, settings, now_ns, report)
            show("newest over REST", len(wanted), len(wanted), 0, "")
    return report


def _top_up(
    client: Client, store: Store, wanted: Wanted, settings: Settings, now_ns: int, report: Report
) -> None:
    """Everything after what is stored, of every kind that REST serves."""
    _, stop = range_of(settings)
    for kind in wanted.dataset.kinds:
        if kind not in history.KINDS or kind not in settings.data.kinds or KINDS[kind].key:
            continue
        interval = stored_interval(wanted)
        start = _stored_until(store, kind, wanted.symbol, interval)
        if start is None:
            start = _ns(wanted.start)
        limit = history.earliest(kind, now_ns)
        if limit is not None and start < limit:
            report.notes.append(
                f"{wanted.symbol} {kind}: the exchange serves only 30 days over REST, so nothing "
                f"from {format_time(start)} to {format_time(limit)}"
            )
        end = min(stop, now_ns) if stop is not None else now_ns
        rows = 0
        for piece in history.fetch(client, kind, wanted.symbol, interval, start, end, now_ns):
            rows += store.write(piece)
        if rows:
            report.rest_rows[f"{wanted.symbol} {kind}"] = rows


def _stored_until(store: Store, kind: str, symbol: str, interval: Interval | None) -> int | None:
    """The moment after the last stored row; None where nothing is stored."""
    for holding in store.holdings():
        if (holding.kind, holding.symbol, holding.interval) == (kind, symbol, interval):
            return holding.last_ns + 1
    return None


def transfer_of(settings: Settings) -> Transfer:
    """The way to the archive; files arrive beside the lake, on the same disk."""
    return Transfer(settings.data.archive_url, settings.data.lake / _ARRIVING)


def fetch(
    config: ConfigFiles = None,
    preset: PresetName = None,
    symbols: SymbolList = None,
    interval: IntervalName = None,
    kinds: Kinds = None,
    timerange: Timerange = None,
    no_archive: NoArchive = False,
    no_rest: NoRest = False,
    refresh: Refresh = False,
    json: Json = False,
) -> None:
    """Download history that is not stored yet: the public archive, then the newest part over REST."""
    given = Given(config, preset, symbols, interval, timerange)
    settings = given.load(**({"data.kinds": kinds} if kinds else {})).settings
    report = bring_in(
        settings,
        open_store(settings),
        transfer_of(settings),
        archive=not no_archive,
        rest=not no_rest,
        refresh=refresh,
        quiet=json,
    )
    if json:
        print_json(as_record(report))
    else:
        _print(report, place_of(settings))
    if report.archive.failed:
        failed = report.archive.failed
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise ExchangeError(
            f"{failed[0]}{more}", hint="everything else is stored; run the same again for the rest"
        )


def as_record(report: Report) -> Mapping[str, object]:
    """The report as plain values for JSON."""
    summary = report.archive
    return {
        "files": summary.files,
        "rows": summary.rows,
        "bytes": summary.bytes,
        "absent": {title: [str(d) for d in days] for title, days in summary.absent.items()},
        "failed": summary.failed,
        "findings": [finding.message for finding in summary.findings],
        "rest": report.rest_rows,
        "notes": report.notes,
    }


def _print(report: Report, place: str) -> None:
    summary = report.archive
    for finding in summary.findings:
        out.print(f"  {finding.severity}: {finding.message}")
    for title, days in summary.absent.items():
        out.print(f"  {title}: the archive has not {in_words(days)}")
    for note in report.notes:
        out.print(f"  {note}")
    for title, rows in report.rest_rows.items():
        out.print(f"  {title}: {number(rows, 0)} rows over REST")
    if summary.files or report.rest_rows:
        size = f"{summary.bytes / 1e6:,.1f} MB in {number(summary.files, 0)} files"
        rows = summary.rows + sum(report.rest_rows.values())
        out.print(f"{size}, {number(rows, 0)} rows new or changed in {place}.")
    else:
        out.print(f"Nothing was missing in {place}.")


def in_words(days: list[date]) -> str:
    """Days as stretches: ``2024-01-01 to 2024-01-31, 2024-03-05``."""
    stretched: list[tuple[date, date]] = []
    for day in sorted(days):
        if stretched and (day - stretched[-1][1]).days <= 1:
            stretched[-1] = (stretched[-1][0], day)
        else:
            stretched.append((day, day))
    told = [f"{first}" if first == last else f"{first} to {last}" for first, last in stretched]
    return ", ".join(told[:5]) + (f" and {len(told) - 5} more stretches" if len(told) > 5 else "")


def _day(time_ns: int) -> date:
    return date(1970, 1, 1) + timedelta(days=time_ns // DAY_NS)


def _ns(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_NS
