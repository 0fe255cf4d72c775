"""What the verbs share about market data: the lake, frames, instruments, and where the data came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from riposte.cli.display import Report
from riposte.errors import DataError, InputError
from riposte.features.causality import refuse_unsound
from riposte.features.normalise import normalised
from riposte.features.provision import Computed, MatrixSource
from riposte.features.sets import named_set
from riposte.market.checks import Finding, check_frame
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument, instrument_for
from riposte.market.interval import DAY_NS, Interval, format_duration, parse_interval
from riposte.settings.convert import range_of
from riposte.settings.schema import Settings
from riposte.sources.files import import_archive, read_brackets
from riposte.sources.imported import ImportSummary
from riposte.sources.synthetic import synthetic_market
from riposte.sources.user_features import load_features, with_users
from riposte.stores.feature_cache import FeatureCache
from riposte.stores.frames import chosen_holdings, frame_version, load_frame
from riposte.stores.lake import Lake
from riposte.stores.protocol import Store
from riposte.stores.quality import examine_store, refuse_faulty

SYNTHETIC_START = 1_577_836_800_000_000_000  # 2020-01-01 UTC
CHECKED_ROWS = 4_000  # of the newest history: longer than any look-back on hourly bars
BRACKETS_FILE = "leverage_brackets.json"


@dataclass(frozen=True, slots=True)
class Market:
    """Frames ready for research, and what to say of them."""

    frames: tuple[MarketFrame, ...]
    instruments: tuple[Instrument, ...]
    source: str
    real: bool
    version: str  # hash of the content of all frames
    finer: tuple[MarketFrame | None, ...] = ()  # of shorter bars, which decide inside the others


def open_store(settings: Settings) -> Store:
    """The store that the settings name.

    Raises:
        InputError: if PostgreSQL is chosen and no address is given.
    """
    if settings.data.store == "lake":
        return Lake(settings.data.lake)
    from riposte.stores.postgres import Postgres

    return Postgres(database_of(settings))


def database_of(settings: Settings) -> str:
    """The address of the database, a secret.

    Raises:
        InputError: if none is given.
    """
    if settings.data.database is None:
        raise InputError(
            "data.store is postgresql, but no database is named",
            hint="set RIPOSTE_DATABASE to postgresql://user:password@host:5432/name",
        )
    return settings.data.database.get_secret_value()


def features_of(settings: Settings) -> MatrixSource:
    """How features are had, the user's among them: from the cache, unless it is given no room."""
    known = with_users(settings.features.files)
    if settings.features.set != "default":
        own = load_features(settings.features.files)
        chosen = (*named_set(settings.features.set), *own)
        known = {name: known[name] for name in chosen}
    if settings.features.normalise != "none":
        window = format_duration(settings.features.normalise_window)
        scaled = (normalised(s, settings.features.normalise, window) for s in known.values())
        known = {spec.name: spec for spec in scaled}
    room = settings.data.feature_cache_gb
    if room == 0:
        return Computed(known)
    return FeatureCache(settings.data.feature_cache, int(room * 1e9), known)


def sound_features(settings: Settings, frames: Sequence[MarketFrame]) -> MatrixSource:
    """:func:`features_of`, refused if one of the user's own looks ahead or further than it says.

    The built-in ones are proven by our tests; a user's are proven on the newest rows of the data.
    """
    features = features_of(settings)
    users = load_features(settings.features.files)
    if users:
        for frame in frames:
            newest = frame.rows(max(0, len(frame) - CHECKED_ROWS), len(frame))
            refuse_unsound(users, newest)
    return features


def place_of(settings: Settings) -> str:
    """How messages name the store."""
    return str(settings.data.lake) if settings.data.store == "lake" else "the database"


def interval_of(settings: Settings) -> Interval:
    """The bar size in force."""
    return parse_interval(settings.data.interval)


def import_recorded(settings: Settings, report: Report, *, repair: bool = False) -> ImportSummary:
    """Bring the recorded archive of the settings into the store.

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
        open_store(settings),
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


def load_market(settings: Settings, store: Store, *, source: str, real: bool) -> Market:
    """Frames of all symbols from a store, in the configured time range.

    Raises:
        DataError: if a symbol is not stored for that interval and range, or the last data check
            found an error in what is stored.
    """
    interval = interval_of(settings)
    for symbol in settings.data.symbols:
        refuse_faulty(store, list(chosen_holdings(store, symbol, interval).values()))
    start, stop = range_of(settings)
    frames = tuple(
        load_frame(store, symbol, interval, start, stop) for symbol in settings.data.symbols
    )
    finer = finer_frames(settings, store, frames)
    versions = [frame_version(store, symbol, interval) for symbol in settings.data.symbols]
    versions += [frame_version(store, f.symbol, f.interval) for f in finer if f is not None]
    return Market(
        frames=frames,
        instruments=instruments_of(settings, real=real),
        source=source,
        real=real,
        version="-".join(versions),
        finer=finer,
    )


def finer_frames(
    settings: Settings, store: Store, frames: Sequence[MarketFrame]
) -> tuple[MarketFrame | None, ...]:
    """Frames of the shorter bars that ``backtest.inside`` names, None for a symbol without them; empty where
    no symbol has any.

    Raises:
        DataError: if an interval is named and no symbol has candles of it.
    """
    wanted = settings.backtest.inside
    if wanted == "none":
        return ()
    length = interval_of(settings)
    held = {
        holding.interval
        for holding in store.holdings()
        if holding.kind == "klines"
        and holding.symbol in settings.data.symbols
        and holding.interval is not None
        and holding.interval.ns < length.ns
        and length.ns % holding.interval.ns == 0
    }
    if wanted != "finest":
        held &= {parse_interval(wanted)}
        if not held:
            raise DataError(
                f"backtest.inside = {wanted!r}: no candles of that interval, shorter than {length}, are stored",
                hint='bring them in with riposte data, or set backtest.inside to "finest" or "none"',
            )
    if not held:
        return ()
    finest = min(held, key=lambda interval: interval.ns)
    found: list[MarketFrame | None] = []
    for frame in frames:
        start, stop = int(frame.open_time[0]), int(frame.close_time[-1])
        try:
            found.append(load_frame(store, frame.symbol, finest, start, stop))
        except DataError:  # this symbol, or this range of it, has none
            found.append(None)
    return tuple(found)


def stored_market(settings: Settings) -> Market:
    """The market from the configured store.

    Raises:
        DataError: with how to fill the store, if it is empty.
    """
    store = open_store(settings)
    place = place_of(settings)
    if not store.holdings():
        raise DataError(
            f"the store {place} is empty",
            hint="riposte data download or riposte data import fills it; riposte demo needs nothing",
        )
    return load_market(settings, store, source=f"Stored history in {place}", real=True)


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


def quality_of(store: Store, settings: Settings, frames: tuple[MarketFrame, ...]) -> list[Finding]:
    """Findings of the data check over everything stored of the symbols, and over their frames."""
    found = list(examine_store(store, settings.data.symbols, dense=False).findings)
    for frame in frames:
        found += check_frame(frame)
    return found
