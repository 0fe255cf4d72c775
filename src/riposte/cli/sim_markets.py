"""The markets that ``riposte sim`` can serve: the synthetic one, the store's, recorded order books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from riposte.cli.market import instruments_of, open_store, place_of
from riposte.errors import DataError, InputError, nearest
from riposte.exchange.contract import Contract, contract_of
from riposte.exchange.feeds.candles import CandleMarket, Detail, candle_feed
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.feeds.depth import RecordedBook, depth_feed
from riposte.exchange.feeds.synthetic import synthetic_feed
from riposte.exchange.feeds.trades import TradeMarket, trade_feed
from riposte.market.interval import DAY_NS, HOUR_NS, MILLISECOND_NS, MINUTE_NS, parse_interval
from riposte.settings.schema import Settings
from riposte.sources.level2 import read_level2
from riposte.sources.synthetic import synthetic_market
from riposte.stores.frames import chosen_holdings
from riposte.stores.protocol import Holding, Store

FEEDS = ("synthetic", "candles", "trades", "l2")
SYNTHETIC_HISTORY = 1_500
"""Bars of the synthetic market before the exchange opens: as many as one request may ask for."""
_USUAL_INTERVAL = "1m"
_TRADES_BEFORE_NS = HOUR_NS
_RATES_BEFORE_NS = 60 * DAY_NS
_FAST, _VERY_FAST = 10, 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None where nothing was."""

    feed: str
    interval: str | None
    start: str | None
    days: float
    bars: int | None
    folders: Sequence[Path]
    speed: float
    now_ns: int
    """The time of the wall clock: where a synthetic market begins."""


def market_feed(settings: Settings, wanted: Wanted) -> ComposedFeed:
    """The feed that was asked for.

    Raises:
        InputError: if there is no such feed, or what it needs was not given.
        DataError: if the data for it is not there.
    """
    if wanted.feed not in FEEDS:
        raise InputError(
            f"there is no feed {wanted.feed!r}: use one of {', '.join(FEEDS)}"
            + nearest(wanted.feed, FEEDS)
        )
    if wanted.folders and wanted.feed != "l2":
        raise InputError("--folder names recorded order books: it goes with --feed l2")
    if wanted.feed == "synthetic":
        return _synthetic(settings, wanted)
    if wanted.feed == "candles":
        return _candles(settings, wanted)
    return _trades(settings, wanted) if wanted.feed == "trades" else _books(settings, wanted)


def detail_of(speed: float) -> Detail:
    """Less happens between the candles' prices where time flies."""
    return Detail(
        trade_ms=2_500 if speed <= _VERY_FAST else 10_000,
        mark_ms=1_000 if speed <= _FAST else 3_000,
    )


def parse_start(text: str) -> int:
    """ns UTC of a date (``20240131``, ``2024-01-31``) or a time (``2024-01-31T12:00``).

    Raises:
        InputError: if it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"start {text!r} is not a time: write it like 20240131 or 2024-01-31T12:00"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000) * MILLISECOND_NS


def _span_ns(wanted: Wanted, interval_ns: int) -> int:
    return wanted.bars * interval_ns if wanted.bars else int(wanted.days * DAY_NS)


def _synthetic(settings: Settings, wanted: Wanted) -> ComposedFeed:
    interval = parse_interval(wanted.interval or _USUAL_INTERVAL)
    start = parse_start(wanted.start) if wanted.start else wanted.now_ns
    start -= start % interval.ns
    bars = SYNTHETIC_HISTORY + max(1, _span_ns(wanted, interval.ns) // interval.ns)
    first = start - SYNTHETIC_HISTORY * interval.ns
    seed = settings.model.seed
    made = synthetic_market(settings.data.symbols, interval, first, bars, seed)
    return synthetic_feed(
        made, history=SYNTHETIC_HISTORY, seed=seed, detail=detail_of(wanted.speed)
    )


def _contracts(settings: Settings) -> list[Contract]:
    return [contract_of(instrument) for instrument in instruments_of(settings, real=True)]


def _candles(settings: Settings, wanted: Wanted) -> ComposedFeed:
    store = open_store(settings)
    held = {
        symbol: chosen_holdings(store, symbol, parse_interval(name))
        for symbol in settings.data.symbols
        for name in [wanted.interval or _finest(store, symbol, place_of(settings))]
    }
    candles = [each["klines"] for each in held.values()]
    length_ns = max(each.interval.ns for each in candles if each.interval)
    start, stop = _range(wanted, candles, length_ns)
    detail = detail_of(wanted.speed)
    markets = []
    for contract in _contracts(settings):
        chosen = held[contract.symbol]
        klines = chosen["klines"]
        assert klines.interval is not None
        first = start - detail.history_bars * klines.interval.ns
        series = {
            kind: store.read(
                kind,
                contract.symbol,
                each.interval,
                first if kind == "klines" else min(first, start - _RATES_BEFORE_NS),
                stop + (0 if kind == "klines" else MINUTE_NS),
            )
            for kind, each in chosen.items()
        }
        markets.append(CandleMarket(contract, {k: s for k, s in series.items() if len(s)}))
    absent = [m.contract.symbol for m in markets if "klines" not in m.series]
    if absent:
        raise DataError(f"{', '.join(absent)}: no candles in that time range")
    return candle_feed(
        markets,
        start // MILLISECOND_NS,
        stop // MILLISECOND_NS,
        seed=settings.model.seed,
        detail=detail,
    )


def _finest(store: Store, symbol: str, place: str) -> str:
    """The shortest candles that are stored of a symbol."""
    held = [h.interval for h in store.holdings() if h.kind == "klines" and h.symbol == symbol]
    known = [interval for interval in held if interval is not None]
    if not known:
        raise DataError(
            f"no candles of {symbol} are in {place}",
            hint="bring them in with riposte data import or riposte data download, "
            "or serve the synthetic market: --feed synthetic",
        )
    return min(known, key=lambda interval: interval.ns).name


def _range(wanted: Wanted, held: Sequence[Holding], step_ns: int) -> tuple[int, int]:
    """From the start that was given, else so that the feed ends with what is stored."""
    last = min(each.last_ns for each in held) + step_ns
    span = _span_ns(wanted, step_ns)
    start = parse_start(wanted.start) if wanted.start else last - span
    start = max(start - start % step_ns, *(each.first_ns for each in held))
    stop = min(start + span, last)
    if start >= stop:
        raise DataError("nothing is stored of that time range")
    return start, stop


def _trades(settings: Settings, wanted: Wanted) -> ComposedFeed:
    store = open_store(settings)
    held: dict[str, Holding] = {}
    for each in store.holdings():  # in order of kind: aggregated ones before single ones
        if each.kind in ("agg_trades", "trades") and each.symbol in settings.data.symbols:
            held.setdefault(each.symbol, each)
    absent = [symbol for symbol in settings.data.symbols if symbol not in held]
    if absent:
        raise DataError(
            f"no trades of {', '.join(absent)} are in {place_of(settings)}",
            hint="bring them in: riposte data download --kinds agg_trades",
        )
    start, stop = _range(wanted, list(held.values()), MINUTE_NS)
    markets = [
        TradeMarket(
            contract,
            store.read(
                held[contract.symbol].kind, contract.symbol, None, start - _TRADES_BEFORE_NS, stop
            ),
        )
        for contract in _contracts(settings)
    ]
    return trade_feed(
        markets, start // MILLISECOND_NS, stop // MILLISECOND_NS, seed=settings.model.seed
    )


def _books(settings: Settings, wanted: Wanted) -> ComposedFeed:
    if not wanted.folders:
        raise InputError(
            "--feed l2 needs a recorded order book: name it with --folder",
            hint="a folder named like BTCUSDT-20240718, with depth.parquet and trades.parquet",
        )
    records = [read_level2(folder) for folder in wanted.folders]
    symbols = tuple(record.symbol for record in records)
    if len(set(symbols)) < len(symbols):
        raise InputError("two of the folders hold the order book of one symbol")
    of_these = settings.model_copy(
        update={"data": settings.data.model_copy(update={"symbols": symbols})}
    )
    return depth_feed(
        [
            RecordedBook(
                contract,
                record.depth,
                record.trades.series,
                record.mark.series if record.mark else None,
                record.index.series if record.index else None,
            )
            for contract, record in zip(_contracts(of_these), records, strict=True)
        ]
    )
