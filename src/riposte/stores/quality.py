"""The check of everything that is held: each series by itself, and series against one another.

The report is kept in the store with the version of each series it judged, so that whoever reads the
data later can tell whether it was found sound, found faulty, or has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import orjson

from riposte.errors import DataError, StorageError
from riposte.market.checks import Finding, check, compare
from riposte.market.cross_checks import frozen_bands, trades_against_candles
from riposte.market.facts import facts, late_starts
from riposte.market.interval import DAY_NS, INTERVALS, Interval
from riposte.market.series import Series, kind_of
from riposte.stores.protocol import Holding, Store

DOCUMENT = "quality.json"
Read = Callable[[Holding, int | None, int | None], Series]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How full each month of a series is: 0 empty, 1 every bar there, NaN where nothing is due.

    ``months`` are ``2024-01``; for events (no interval) a month is 1 if it holds any row.
    """

    months: tuple[str, ...]
    full: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """One series that was checked."""

    holding: Holding
    version: str
    coverage: Coverage
    findings: tuple[Finding, ...]

    @property
    def title(self) -> str:
        """``BTCUSDT klines 1h``."""
        return title_of(self.holding.kind, self.holding.symbol, self.holding.interval)


@dataclass(frozen=True, slots=True)
class Quality:
    """The whole report: the series, and what they say of one another."""

    series: tuple[Examined, ...]
    between: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, errors first."""
        every = [finding for each in self.series for finding in each.findings]
        order = ("error", "warning", "note")
        return tuple(sorted([*every, *self.between], key=lambda f: order.index(f.severity)))


def examine(
    holdings: Sequence[Holding],
    read: Read,
    version: Callable[[Holding], str],
    *,
    as_of_ns: int | None = None,
    progress: Progress | None = None,
) -> Quality:
    """Check every holding and compare those that tell the same story.

    ``as_of_ns`` is the time at which regular series should still be fresh; None: age is no fault.
    Dense kinds are read a day at a time.
    """
    examined = []
    for done, holding in enumerate(holdings):
        title = title_of(holding.kind, holding.symbol, holding.interval)
        if progress:
            progress(done, len(holdings), title)
        findings, coverage = _checked(holding, read, as_of_ns)
        examined.append(Examined(holding, version(holding), coverage, findings))
    between = tuple(_between(holdings, read))
    if progress:
        progress(len(holdings), len(holdings), "")
    return Quality(tuple(examined), between)


def examine_store(
    store: Store,
    symbols: Sequence[str] | None = None,
    *,
    as_of_ns: int | None = None,
    dense: bool = True,
    progress: Progress | None = None,
) -> Quality:
    """:func:`examine` what a store holds (of some symbols), and keep the report in it.

    ``dense`` False leaves out trades and quotes, of which there may be billions.
    """
    held = [
        holding
        for holding in store.holdings()
        if (symbols is None or holding.symbol in symbols)
        and (dense or not kind_of(holding.kind).key)
    ]
    quality = examine(
        held,
        lambda h, start, stop: store.read(h.kind, h.symbol, h.interval, start, stop),
        lambda h: store.version(h.kind, h.symbol, h.interval),
        as_of_ns=as_of_ns,
        progress=progress,
    )
    earlier = _kept(store)
    told: dict[str, dict[str, object]] = dict(earlier)
    for each in quality.series:
        told[each.title] = {"version": each.version, "findings": []}
    for finding in quality.findings:
        title = title_of(finding.kind, finding.symbol, finding.interval)
        findings = told.setdefault(title, {"version": "", "findings": []})["findings"]
        assert isinstance(findings, list)
        findings.append(finding_record(finding))
    store.keep(DOCUMENT, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    return quality


def refuse_faulty(store: Store, holdings: Sequence[Holding]) -> tuple[str, ...]:
    """The titles of the holdings that no check has judged as they are now.

    Raises:
        DataError: if the last check of one of them, unchanged since, found an error.
    """
    told = _kept(store)
    unjudged = []
    for holding in holdings:
        title = title_of(holding.kind, holding.symbol, holding.interval)
        verdict = told.get(title, {})
        version = store.version(holding.kind, holding.symbol, holding.interval)
        if verdict.get("version") != version:
            unjudged.append(title)
            continue
        findings = verdict.get("findings", [])
        assert isinstance(findings, list)
        errors = [f["message"] for f in findings if f["severity"] == "error"]
        if errors:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise DataError(
                f"the last data check found {errors[0]}{more}",
                hint="mend the data, then run riposte data check again",
            )
    return tuple(unjudged)


def title_of(kind: str, symbol: str, interval: Interval | None) -> str:
    """``BTCUSDT klines 1h``."""
    return " ".join(str(part) for part in (symbol, kind, interval) if part)


def finding_record(finding: Finding) -> dict[str, object]:
    """A finding as plain values for JSON."""
    return asdict(finding) | {"interval": str(finding.interval or "")}


def _kept(store: Store) -> dict[str, dict[str, object]]:
    content = store.kept(DOCUMENT)
    if content is None:
        return {}
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise StorageError(
            "the kept report of the last data check is damaged",
            hint="run riposte data check again: it writes a new one",
        ) from error
    return told if isinstance(told, dict) else {}


def _checked(
    holding: Holding, read: Read, as_of_ns: int | None
) -> tuple[tuple[Finding, ...], Coverage]:
    fresh = as_of_ns if holding.kind == "klines" else None
    if not kind_of(holding.kind).key:
        series = read(holding, None, None)
        findings = (*check(series, as_of_ns=fresh), *facts(series))
        if holding.kind == "depth":
            findings = (*findings, *frozen_bands(series))
        return findings, coverage_of(series)
    found: list[Finding] = []
    months: dict[str, float] = {}
    for day in range(holding.first_ns // DAY_NS, holding.last_ns // DAY_NS + 1):
        series = read(holding, day * DAY_NS, (day + 1) * DAY_NS)
        if len(series):
            found += check(series)
            months[_month(day * DAY_NS)] = 1.0
    return tuple(found), Coverage(tuple(months), tuple(months.values()))


def coverage_of(series: Series) -> Coverage:
    """The share of the bars of each month that are there, from its first to its last month."""
    if len(series) == 0:
        return Coverage((), ())
    times = series.event_time
    month = times.astype("datetime64[ns]").astype("datetime64[M]")
    first, last = month[0], month[-1]
    names = np.arange(first, last + 1)
    counts = np.bincount((month - first).astype(np.int64), minlength=len(names))
    if series.interval is None:
        full = (counts > 0).astype(np.float64)
    else:
        starts = np.append(names, last + 1).astype("datetime64[ns]").astype(np.int64)
        begin = np.maximum(starts[:-1], times[0])
        end = np.minimum(starts[1:], times[-1] + series.interval.ns)
        due = np.maximum((end - begin) // series.interval.ns, 1)
        full = np.minimum(counts / due, 1.0)
    return Coverage(tuple(str(name) for name in names), tuple(float(share) for share in full))


def _between(holdings: Sequence[Holding], read: Read) -> Iterator[Finding]:
    """Where two series of one symbol do not tell the same story."""
    by_symbol: dict[str, list[Holding]] = {}
    for holding in holdings:
        by_symbol.setdefault(holding.symbol, []).append(holding)
    for held in by_symbol.values():
        candles = [h for h in held if h.kind == "klines" and h.interval]
        yield from _candles_between(candles, read)
        if candles:
            first = min(candles, key=lambda holding: holding.first_ns)
            others = [h for h in held if h.kind != "klines"]
            yield from late_starts(_head(first, read), [_head(each, read) for each in others])
        minute = next((h for h in candles if h.interval == INTERVALS["1m"]), None)
        for trades in held:
            if trades.kind in ("trades", "agg_trades") and minute:
                yield from _trades_between(trades, minute, read)


def _candles_between(candles: Sequence[Holding], read: Read) -> Iterator[Finding]:
    whole: Mapping[Holding, Series] = {h: read(h, None, None) for h in candles}
    for finer in candles:
        for coarser in candles:
            assert finer.interval
            assert coarser.interval
            if finer.interval.ns < coarser.interval.ns and not (
                coarser.interval.ns % finer.interval.ns
            ):
                yield from compare(whole[finer], whole[coarser])


def _head(holding: Holding, read: Read) -> Series:
    """The first rows of a series, without reading the rest of it."""
    return read(holding, holding.first_ns, holding.first_ns + 1)


def _trades_between(trades: Holding, minute: Holding, read: Read) -> Iterator[Finding]:
    start, stop = max(trades.first_ns, minute.first_ns), min(trades.last_ns, minute.last_ns)
    for day in range(start // DAY_NS, stop // DAY_NS + 1):
        of_day = read(trades, day * DAY_NS, (day + 1) * DAY_NS)
        bars = read(minute, day * DAY_NS, (day + 1) * DAY_NS)
        if len(of_day) and len(bars):
            yield from trades_against_candles(of_day, bars)


def _month(time_ns: int) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("datetime64[M]"))
