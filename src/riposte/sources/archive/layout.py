"""What the exchange's public archive holds, and under which names.

::

    data/futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01.zip
    data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2024-01-31.zip

Beside each file lies ``<file>.CHECKSUM``. A day's file appears on the next day or the one after it, a
month's in the first days of the next month. Source: github.com/binance/binance-public-data.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from riposte.errors import InputError, nearest
from riposte.market.interval import INTERVALS, Interval

ROOT = "data/futures/um"

_KLINES = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One type of archive file: the kinds of series it gives, and how it is laid out.

    ``columns`` are the names of its columns, for files without a header. ``since`` and ``until``
    bound the days it was published for. Dense types are taken day by day although months of them
    exist too: a day of trades fits into memory.
    """

    name: str
    kinds: tuple[str, ...]
    columns: tuple[str, ...]
    by_interval: bool = False
    monthly: bool = False
    daily: bool = True
    since: date = date(2019, 9, 1)
    until: date = date.max


DATASETS: Mapping[str, Dataset] = {
    each.name: each
    for each in (
        Dataset("klines", ("klines",), _KLINES, by_interval=True, monthly=True),
        Dataset("markPriceKlines", ("mark",), _KLINES, by_interval=True, monthly=True),
        Dataset("indexPriceKlines", ("index",), _KLINES, by_interval=True, monthly=True),
        Dataset("premiumIndexKlines", ("premium",), _KLINES, by_interval=True, monthly=True),
        Dataset(
            "fundingRate",
            ("funding",),
            ("calc_time", "funding_interval_hours", "last_funding_rate"),
            monthly=True,
            daily=False,
        ),
        Dataset(
            "metrics",
            ("open_interest", "ratios"),
            (
                "create_time",
                "symbol",
                "sum_open_interest",
                "sum_open_interest_value",
                "count_toptrader_long_short_ratio",
                "sum_toptrader_long_short_ratio",
                "count_long_short_ratio",
                "sum_taker_long_short_vol_ratio",
            ),
            since=date(2020, 9, 1),
        ),
        Dataset(
            "aggTrades",
            ("agg_trades",),
            (
                "agg_trade_id",
                "price",
                "quantity",
                "first_trade_id",
                "last_trade_id",
                "transact_time",
                "is_buyer_maker",
            ),
        ),
        Dataset(
            "trades", ("trades",), ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
        ),
        Dataset(
            "bookDepth",
            ("depth",),
            ("timestamp", "percentage", "depth", "notional"),
            since=date(2023, 1, 1),
        ),
        Dataset(
            "bookTicker",
            ("book_ticker",),
            (
                "update_id",
                "best_bid_price",
                "best_bid_qty",
                "best_ask_price",
                "best_ask_qty",
                "transaction_time",
                "event_time",
            ),
            since=date(2023, 5, 1),
            until=date(2024, 4, 1),
        ),
        Dataset(
            "liquidationSnapshot",
            ("liquidations",),
            (
                "time",
                "side",
                "order_type",
                "time_in_force",
                "original_quantity",
                "price",
                "average_price",
                "order_status",
                "last_fill_quantity",
                "accumulated_fill_quantity",
            ),
            until=date(2024, 4, 1),
        ),
    )
}

_NAME = re.compile(r"([A-Z0-9_]+)-([A-Za-z0-9]+)-(\d{4}-\d{2}(?:-\d{2})?)\.zip")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file of the archive: a month (``day`` None) or a day of one series."""

    dataset: Dataset
    symbol: str
    interval: Interval | None
    month: date  # its first day
    day: date | None = None

    @property
    def name(self) -> str:
        """``BTCUSDT-1m-2024-01.zip``."""
        middle = self.interval.name if self.interval else self.dataset.name
        when = f"{self.day:%Y-%m-%d}" if self.day else f"{self.month:%Y-%m}"
        return f"{self.symbol}-{middle}-{when}.zip"

    @property
    def path(self) -> str:
        """Where it lies, from the archive's root on."""
        often = "daily" if self.day else "monthly"
        folder = f"{self.interval.name}/" if self.interval else ""
        return f"{ROOT}/{often}/{self.dataset.name}/{self.symbol}/{folder}{self.name}"

    @property
    def days(self) -> tuple[date, date]:
        """The first day it covers and the day after its last."""
        if self.day:
            return self.day, self.day + timedelta(days=1)
        return self.month, next_month(self.month)


def dataset_of(name: str) -> Dataset:
    """The dataset of that name; refuses others with the nearest right one."""
    try:
        return DATASETS[name]
    except KeyError:
        raise InputError(
            f"archive type {name!r} is not known: use one of {', '.join(DATASETS)}"
            + nearest(name, DATASETS)
        ) from None


def archive_file(name: str, dataset: str | None = None) -> ArchiveFile | None:
    """What a file of that name is; None if it is not named like a file of the archive.

    ``dataset`` is the type its folder names; without it, a file named after an interval is candles.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    symbol, middle, when = match.groups()
    interval = INTERVALS.get(middle)
    found = DATASETS.get(dataset or ("klines" if interval else middle))
    if found is None or found.by_interval != (interval is not None):
        return None
    try:
        day = date.fromisoformat(when) if len(when) == 10 else None
        month = day.replace(day=1) if day else date.fromisoformat(f"{when}-01")
    except ValueError:
        return None
    return ArchiveFile(found, symbol, interval, month, day)


def next_month(month: date) -> date:
    """The first day of the month after the one of the given day."""
    return month.replace(day=1) + timedelta(days=calendar.monthrange(month.year, month.month)[1])


def months_between(start: date, stop: date) -> Iterator[date]:
    """The first days of the months that have a day in ``[start, stop)``."""
    month = start.replace(day=1)
    while month < stop:
        yield month
        month = next_month(month)


def days_between(start: date, stop: date) -> tuple[date, ...]:
    """The days in ``[start, stop)``."""
    return tuple(start + timedelta(days=n) for n in range((stop - start).days))
