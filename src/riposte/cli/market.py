"""What the verbs share about market data: the lake, frames, instruments, and where the data came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riposte.cli.display import Report
from riposte.errors import DataError, InputError
from riposte.market.checks import Finding, check, check_frame
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument, instrument_for
from riposte.market.interval import DAY_NS, Interval, parse_interval
from riposte.settings.convert import range_of
from riposte.settings.schema import Settings
from riposte.sources.files import ImportSummary, import_archive, read_brackets
from riposte.sources.synthetic import synthetic_market
from riposte.stores.frames import frame_version, load_frame
from riposte.stores.lake import Lake

SYNTHETIC_START = 1_577_836_800_000_000_000  # 2020-01-01 UTC
BRACKETS_FILE = "leverage_brackets.json"


@dataclass(frozen=True, slots=True)
class Market:
    """Frames ready for research, and what to say of them."""

    frames: tuple[MarketFrame, ...]
    instruments: tuple[Instrument, ...]
    source: str
    real: bool
    version: str  # hash of the content of all frames


def interval_of(settings: Settings) -> Interval:
    """The bar size in force."""
    return parse_interval(settings.data.interval)


def import_recorded(settings: Settings, report: Report, *, repair: bool = False) -> ImportSummary:
    """Bring the recorded archive of the settings into the lake.

    Raises:
        InputError: if no archive is named.
    """
    folder = settings.data.archive
    if folder is None:
        raise InputError(
            "no archive is named: there is nothing to import",
            hint="set RIPOSTE_ARCHIVE or data.archive to a folder of recorded history",
        )
    return import_archive(
        folder,
        settings.data.symbols,
        [interval_of(settings)],
        Lake(settings.data.lake),
        lambda done, total, name: report("importing", done, total),
        repair=repair,
    )


def synthetic_lake(settings: Settings) -> Path:
    """Where the synthetic market is kept: never among recorded data."""
    return settings.data.lake.parent / f"synthetic-{settings.model.seed}"


def make_synthetic(settings: Settings, years: float, report: Report) -> Lake:
    """The seeded synthetic market in a lake of its own; what is there already is not made again."""
    interval = interval_of(settings)
    bars = int(years * 365 * DAY_NS / interval.ns)
    lake = Lake(synthetic_lake(settings))
    held = {(h.symbol, h.interval): h.rows for h in lake.holdings() if h.kind == "klines"}
    if all(held.get((symbol, interval)) == bars for symbol in settings.data.symbols):
        return lake
    made = synthetic_market(
        settings.data.symbols, interval, SYNTHETIC_START, bars, settings.model.seed
    )
    for done, (_, series) in enumerate(made.items(), 1):
        for each in series.values():
            lake.write(each)
        report("making the synthetic market", done, len(made))
    return lake


def load_market(settings: Settings, lake: Lake, *, source: str, real: bool) -> Market:
    """Frames of all symbols from a lake, in the configured time range.

    Raises:
        DataError: if a symbol is not stored for that interval and range.
    """
    interval = interval_of(settings)
    start, stop = range_of(settings)
    frames = tuple(
        load_frame(lake, symbol, interval, start, stop) for symbol in settings.data.symbols
    )
    versions = [frame_version(lake, symbol, interval) for symbol in settings.data.symbols]
    return Market(
        frames=frames,
        instruments=instruments_of(settings, real=real),
        source=source,
        real=real,
        version="-".join(versions),
    )


def stored_market(settings: Settings) -> Market:
    """The market from the configured lake.

    Raises:
        DataError: with how to fill the lake, if it is empty.
    """
    lake = Lake(settings.data.lake)
    if not lake.holdings():
        raise DataError(
            f"the lake {settings.data.lake} is empty",
            hint="riposte data import brings recorded history in; riposte demo needs nothing",
        )
    return load_market(settings, lake, source=f"Stored history in {settings.data.lake}", real=True)


def instruments_of(settings: Settings, *, real: bool) -> tuple[Instrument, ...]:
    """Contract rules of the symbols; brackets from the archive where it records them."""
    import dataclasses

    folder = settings.data.archive
    recorded = {}
    if real and folder is not None and (folder / BRACKETS_FILE).is_file():
        recorded = read_brackets(folder / BRACKETS_FILE)
    chosen = []
    for symbol in settings.data.symbols:
        instrument = instrument_for(symbol)
        if symbol in recorded:
            instrument = dataclasses.replace(instrument, brackets=recorded[symbol])
        chosen.append(instrument)
    return tuple(chosen)


def quality_of(lake: Lake, settings: Settings, frames: tuple[MarketFrame, ...]) -> list[Finding]:
    """Findings of the data check over everything stored of the symbols, and over their frames."""
    found: list[Finding] = []
    for holding in lake.holdings():
        if holding.symbol in settings.data.symbols:
            found += check(lake.read(holding.kind, holding.symbol, holding.interval))
    for frame in frames:
        found += check_frame(frame)
    return found
