"""A series: one kind of observation of one symbol, as it was recorded, before any alignment.

``event_time`` (ns UTC) is the moment an observation describes. A candle is named by the time it
opens; every other kind by the moment the value held: a mark price by the end of the bar it closes,
a settlement by the second it was charged, open interest by the time of the snapshot. *When* a value
could be known is ``event_time`` plus the publication delay of its column
(:data:`riposte.market.frame.COLUMNS`), for a candle its close.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from riposte.errors import DataError, InputError, nearest
from riposte.market.frame import Floats, Times
from riposte.market.interval import SECOND_NS, Interval


@dataclass(frozen=True, slots=True)
class Kind:
    """The columns a kind of series must have, and those it may have.

    ``key`` is the column that tells apart observations of one moment (a trade's number); "" where
    there is one observation a moment. Kinds with a key are dense: millions of rows a day.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    meaning: str = ""
    key: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.required + self.optional


# How far from the middle price the exchange sums the book, in per cent; the nearest since 2026-01.
DEPTH_BANDS = ("1", "2", "3", "4", "5")
NEAR_BAND = "02"


def _depth(band: str) -> tuple[str, ...]:
    return tuple(
        f"{side}_{what}_{band}pct" for side in ("bid", "ask") for what in ("quantity", "notional")
    )


KINDS: Mapping[str, Kind] = {
    "klines": Kind(
        ("open", "high", "low", "close", "volume"),
        ("quote_volume", "trade_count", "taker_buy_volume"),
        "candles of trade prices",
    ),
    "mark": Kind(("mark_price",), meaning="mark price"),
    "index": Kind(("index_price",), meaning="index price"),
    "premium": Kind(("premium",), meaning="premium index"),
    "funding": Kind(("funding_rate",), meaning="funding settlements"),
    "open_interest": Kind(("open_interest",), meaning="open interest"),
    "ratios": Kind(
        (),
        ("global_account_ratio", "top_account_ratio", "top_position_ratio", "taker_volume_ratio"),
        "long/short ratios",
    ),
    "liquidations": Kind(("long_liquidations", "short_liquidations"), meaning="forced orders"),
    "depth": Kind(
        tuple(name for band in ("1", "5") for name in _depth(band)[1::2]),
        tuple(name for band in ("1", "5") for name in _depth(band)[::2])
        + tuple(name for band in ("2", "3", "4", NEAR_BAND) for name in _depth(band)),
        "order book summed to 1 ... 5 % (and 0.2 %) from the middle, in coins and USDT",
    ),
    "book_ticker": Kind(
        ("update_id", "bid_price", "bid_quantity", "ask_price", "ask_quantity"),
        meaning="best bid and ask",
        key="update_id",
    ),
    "trades": Kind(
        ("trade_id", "price", "quantity", "buyer_is_maker"), meaning="trades", key="trade_id"
    ),
    "agg_trades": Kind(
        ("trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "buyer_is_maker"),
        meaning="trades, those of one order at one price joined",
        key="trade_id",
    ),
}


@dataclass(frozen=True, slots=True)
class Series:
    """Observations of one kind. Build it with :func:`make_series`, which checks its structure.

    ``event_time`` is int64 ns UTC (n,), strictly increasing (where the kind has a key: time and key
    together are); ``columns`` are float64 (n,), NaN where a value is missing. ``interval`` is the
    spacing of regular kinds, None for events (funding).
    """

    kind: str
    symbol: str
    interval: Interval | None
    event_time: Times
    columns: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.event_time)

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    @property
    def title(self) -> str:
        """How messages name it: ``BTCUSDT klines 1h``."""
        return " ".join(str(part) for part in (self.symbol, self.kind, self.interval) if part)

    def rows(self, start: int, stop: int) -> Series:
        """The rows ``start`` to ``stop`` (exclusive), as views."""
        part = slice(start, stop)
        return Series(
            self.kind,
            self.symbol,
            self.interval,
            self.event_time[part],
            {name: values[part] for name, values in self.columns.items()},
        )

    def between(self, start_ns: int | None, stop_ns: int | None) -> Series:
        """The rows with ``start_ns <= event_time < stop_ns``; None leaves a side open."""
        start = 0 if start_ns is None else int(np.searchsorted(self.event_time, start_ns))
        stop = len(self) if stop_ns is None else int(np.searchsorted(self.event_time, stop_ns))
        return self.rows(start, max(start, stop))


def kind_of(name: str) -> Kind:
    """The kind of that name; refuses others with the nearest right one."""
    try:
        return KINDS[name]
    except KeyError:
        raise InputError(
            f"kind of series {name!r} is not known: use one of {', '.join(KINDS)}"
            + nearest(name, KINDS)
        ) from None


def make_series(
    kind: str,
    symbol: str,
    interval: Interval | None,
    event_time: Times,
    columns: Mapping[str, Floats],
) -> Series:
    """A series from arrays: checks names, lengths and order of the times, and freezes copies.

    It says nothing about the values: :func:`riposte.market.checks.check` does.

    Raises:
        InputError: if the kind is not known.
        DataError: if a required column is absent, a column is unknown or has the wrong length, or
            the times (with the kind's key) are not strictly increasing.
    """
    wanted = kind_of(kind)
    title = f"{symbol} {kind}"
    absent = [name for name in wanted.required if name not in columns]
    unknown = [name for name in columns if name not in wanted.columns]
    if absent:
        raise DataError(f"{title}: missing columns {', '.join(absent)}")
    if unknown or not columns:
        raise DataError(f"{title}: unknown columns {', '.join(unknown) or '(none at all)'}")
    times = np.array(event_time, dtype=np.int64, copy=True)
    if not _increasing(times, columns.get(wanted.key)):
        raise DataError(f"{title}: times are not strictly increasing")
    times.setflags(write=False)
    frozen: dict[str, Floats] = {}
    for name in wanted.columns:
        if name not in columns:
            continue
        values = np.array(columns[name], dtype=np.float64, copy=True)
        if len(values) != len(times):
            raise DataError(f"{title}: {name} has {len(values)} rows, not {len(times)}")
        values.setflags(write=False)
        frozen[name] = values
    return Series(kind, symbol, interval, times, frozen)


def _increasing(times: Times, keys: Floats | None) -> bool:
    steps = np.diff(times)
    if keys is None or len(keys) != len(times):
        return bool((steps > 0).all())
    return bool(((steps > 0) | ((steps == 0) & (np.diff(keys) > 0))).all())


@dataclass(frozen=True, slots=True)
class Change:
    """What a merge did: rows that were new, and rows whose stored values were replaced."""

    added: int = 0
    replaced: int = 0
    first_replaced_ns: int | None = None

    @property
    def rows(self) -> int:
        """How many rows are not as they were before."""
        return self.added + self.replaced

    def and_then(self, later: Change) -> Change:
        """Both changes together."""
        times = [t for t in (self.first_replaced_ns, later.first_replaced_ns) if t is not None]
        return Change(
            self.added + later.added,
            self.replaced + later.replaced,
            min(times) if times else None,
        )


def merge(stored: Series, new: Series) -> tuple[Series, Change]:
    """``stored`` with the rows of ``new``: a new value wins, a missing one never replaces a value."""
    times, from_stored, from_new = _union(stored, new)
    known = np.zeros(len(times), dtype=np.bool_)
    known[from_stored] = True
    changed = np.zeros(len(times), dtype=np.bool_)
    columns: dict[str, Floats] = {}
    for name in kind_of(stored.kind).columns:
        if name not in stored.columns and name not in new.columns:
            continue
        merged = np.full(len(times), np.nan)
        if name in stored.columns:
            merged[from_stored] = stored[name]
        before = merged.copy()
        if name in new.columns:
            values = new[name]
            merged[from_new] = np.where(np.isnan(values), merged[from_new], values)
        changed |= known & (merged != before) & ~(np.isnan(merged) & np.isnan(before))
        columns[name] = merged
    replaced = times[changed]
    change = Change(
        added=len(times) - len(stored),
        replaced=len(replaced),
        first_replaced_ns=int(replaced[0]) if len(replaced) else None,
    )
    return make_series(stored.kind, stored.symbol, stored.interval, times, columns), change


def _union(stored: Series, new: Series) -> tuple[Times, Times, Times]:
    """The times of both, each observation once, and the row that each row of the two goes to."""
    key = kind_of(stored.kind).key
    if not key:
        times = np.union1d(stored.event_time, new.event_time)
        return (
            times,
            np.searchsorted(times, stored.event_time),
            np.searchsorted(times, new.event_time),
        )
    times = np.concatenate([stored.event_time, new.event_time])
    keys = np.concatenate([stored[key], new[key]])
    order = np.lexsort((keys, times))
    times, keys = times[order], keys[order]
    first = np.append(True, (np.diff(times) != 0) | (np.diff(keys) != 0))[: len(times)]
    row = np.empty(len(times), dtype=np.int64)
    row[order] = np.cumsum(first) - 1
    return times[first], row[: len(stored)], row[len(stored) :]


def format_time(time_ns: int) -> str:
    """A time for people: ``2024-10-28 20:00 UTC``, with seconds only where there are any."""
    text = str(np.datetime64(int(time_ns) // SECOND_NS, "s")).replace("T", " ")
    return f"{text.removesuffix(':00') if text.count(':') == 2 else text} UTC"
