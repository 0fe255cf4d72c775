"""The market frame: everything known about one symbol, one row per bar, at the bar's close.

Row ``i`` describes the bar that opened at ``open_time[i]``. Its values were all known at
``close_time[i] = open_time[i] + interval``; nothing in it was published later. Slower series
(funding, open interest, ratios) are joined as-of, after their publication delay. A value that was
not known is NaN: nothing is invented.

Rows are in time order but need not be contiguous. ``segment`` counts up at each gap, and whoever
looks back from row ``i`` stays inside its segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from riposte.errors import DataError
from riposte.market.interval import HOUR_NS, MINUTE_NS, Interval

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Missing = Literal["refuse", "leave", "carry"]
Gather = Literal["first", "highest", "lowest", "last", "sum"]


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of the market frame means and what happens where it has no value.

    ``missing``: ``refuse`` (a row without it is an error), ``leave`` (stays NaN) or ``carry`` (the
    last known value holds for ``carry_ns`` after it became known, or until the next one of its
    series is due if that is later, then NaN).
    ``delay_ns``: how long after its event time the value is published.
    ``gather``: what the value of a longer bar is made of, from those of the bars in it.
    """

    unit: str
    missing: Missing
    meaning: str
    carry_ns: int = 0
    delay_ns: int = 0
    gather: Gather = "last"


COLUMNS: Mapping[str, Column] = {
    "open": Column("USDT", "refuse", "first trade price of the bar", gather="first"),
    "high": Column("USDT", "refuse", "highest trade price of the bar", gather="highest"),
    "low": Column("USDT", "refuse", "lowest trade price of the bar", gather="lowest"),
    "close": Column("USDT", "refuse", "last trade price of the bar"),
    "volume": Column("coins", "refuse", "traded volume of the bar", gather="sum"),
    "quote_volume": Column("USDT", "leave", "traded volume of the bar in USDT", gather="sum"),
    "trade_count": Column("trades", "leave", "number of trades in the bar", gather="sum"),
    "taker_buy_volume": Column("coins", "leave", "volume whose buyer was the taker", gather="sum"),
    "mark_price": Column("USDT", "leave", "mark price at the bar's close"),
    "index_price": Column("USDT", "leave", "index price at the bar's close"),
    "premium": Column("fraction", "leave", "premium index at the bar's close"),
    "funding_rate": Column(
        # A settlement is published seconds after the hour, so the close of that hour misses it.
        "fraction per settlement",
        "carry",
        "last published settled funding rate",
        carry_ns=9 * HOUR_NS,
        delay_ns=MINUTE_NS,
    ),
    "funding_charge": Column(
        "fraction",
        "leave",
        "sum of the rates settled in (open_time, close_time]; 0 where none, NaN where unknown",
        gather="sum",
    ),
    "hours_since_funding": Column(
        "hours", "carry", "time since the last settlement", carry_ns=9 * HOUR_NS
    ),
    "open_interest": Column(
        # A snapshot stamped T is served some minutes after T: the close at T sees the one before.
        "coins",
        "carry",
        "open interest",
        carry_ns=2 * HOUR_NS,
        delay_ns=5 * MINUTE_NS,
    ),
    "global_account_ratio": Column(
        "ratio",
        "carry",
        "long/short ratio of all accounts",
        carry_ns=HOUR_NS,
        delay_ns=5 * MINUTE_NS,
    ),
    "top_account_ratio": Column(
        "ratio",
        "carry",
        "long/short ratio of top accounts",
        carry_ns=HOUR_NS,
        delay_ns=5 * MINUTE_NS,
    ),
    "top_position_ratio": Column(
        "ratio",
        "carry",
        "long/short ratio of top positions",
        carry_ns=HOUR_NS,
        delay_ns=5 * MINUTE_NS,
    ),
    "taker_volume_ratio": Column(
        "ratio", "carry", "taker buy/sell volume ratio", carry_ns=HOUR_NS, delay_ns=5 * MINUTE_NS
    ),
    "long_liquidations": Column("USDT", "leave", "forced sells of longs in the bar", gather="sum"),
    "short_liquidations": Column("USDT", "leave", "forced buys of shorts in the bar", gather="sum"),
    **{
        f"{side}_notional_{band}pct": Column(
            "USDT",
            "carry",
            f"{'bids' if side == 'bid' else 'asks'} of the book within {percent} % of the middle price",
            carry_ns=2 * MINUTE_NS,
        )
        for band, percent in (("02", "0.2"), ("1", "1"), ("5", "5"))
        for side in ("bid", "ask")
    },
}


@dataclass(frozen=True, slots=True)
class MarketFrame:
    """One symbol's aligned bars. Build it with :func:`riposte.market.assemble.assemble`.

    ``columns`` holds every name of :data:`COLUMNS` as a read-only float64 array of the frame's
    length; a series that was not available is all NaN.
    """

    symbol: str
    interval: Interval
    open_time: Times
    segment: Times
    columns: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.open_time)

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]

    @property
    def close_time(self) -> Times:
        """When each row became known: the close of its bar, ns UTC."""
        return self.open_time + self.interval.ns

    def has(self, name: str) -> bool:
        """Whether the column has any value at all."""
        return bool(np.isfinite(self.columns[name]).any())

    def rows(self, start: int, stop: int) -> MarketFrame:
        """The rows ``start`` to ``stop`` (exclusive) as a frame of its own (views, no copy)."""
        part = slice(start, stop)
        return MarketFrame(
            self.symbol,
            self.interval,
            self.open_time[part],
            self.segment[part],
            {name: values[part] for name, values in self.columns.items()},
        )

    def between(self, start_ns: int, stop_ns: int) -> MarketFrame:
        """The rows whose bar opens in ``[start_ns, stop_ns)``."""
        start, stop = np.searchsorted(self.open_time, [start_ns, stop_ns])
        return self.rows(int(start), int(stop))


def make_frame(
    symbol: str, interval: Interval, open_time: Times, columns: Mapping[str, Floats]
) -> MarketFrame:
    """A frame from aligned arrays: adds absent columns as NaN, finds the segments, freezes.

    Raises:
        DataError: if there are no rows, the times are not strictly increasing, a column has the
            wrong length or an unknown name, or a ``refuse`` column lacks a value.
    """
    rows = len(open_time)
    if rows == 0:
        raise DataError(f"{symbol} {interval}: no bars")
    steps = np.diff(open_time)
    if (steps <= 0).any():
        raise DataError(f"{symbol} {interval}: bar times are not strictly increasing")
    unknown = set(columns) - set(COLUMNS)
    if unknown:
        raise DataError(f"{symbol} {interval}: unknown columns {', '.join(sorted(unknown))}")
    frozen: dict[str, Floats] = {}
    for name, meaning in COLUMNS.items():
        values = columns.get(name)
        column = (
            np.full(rows, np.nan)
            if values is None
            else np.array(values, dtype=np.float64, copy=True)
        )
        if len(column) != rows:
            raise DataError(f"{symbol} {interval}: {name} has {len(column)} rows, not {rows}")
        if meaning.missing == "refuse" and not np.isfinite(column).all():
            raise DataError(f"{symbol} {interval}: {name} is missing in some bars")
        column.setflags(write=False)
        frozen[name] = column
    segment = np.concatenate([[0], np.cumsum(steps != interval.ns)]).astype(np.int64)
    times = np.array(open_time, dtype=np.int64, copy=True)
    times.setflags(write=False)
    segment.setflags(write=False)
    return MarketFrame(symbol, interval, times, segment, frozen)
