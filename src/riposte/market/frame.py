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
Gather = Literal["first", "highest", "lowest", "last", "sum", "mean"]


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


def _book_columns() -> dict[str, Column]:
    """The order book, from its recorded changes (:mod:`riposte.market.book_bars`)."""
    found = {
        "best_bid": Column("USDT", "leave", "highest price bid at the bar's close"),
        "best_ask": Column("USDT", "leave", "lowest price asked at the bar's close"),
        "mean_spread": Column(
            "fraction", "leave", "spread per middle price, mean over the bar's time", gather="mean"
        ),
        "mean_imbalance": Column(
            "fraction",
            "leave",
            "(bid - ask) / (bid + ask) of the best quantities, mean over the bar's time",
            gather="mean",
        ),
        "order_flow": Column(
            "coins", "leave", "order-flow imbalance at the best prices in the bar", gather="sum"
        ),
        "order_flow_size": Column(
            "coins", "leave", "sum of the sizes of what order_flow is the sum of", gather="sum"
        ),
        "book_updates": Column("messages", "leave", "changes of the book sent", gather="sum"),
        "middle_changes": Column("changes", "leave", "changes of the middle price", gather="sum"),
    }
    for side, whose in (("bid", "bids"), ("ask", "asks")):
        near = f"among the best ten {whose}"
        found |= {
            f"best_{side}_quantity": Column("coins", "leave", f"coins at the best of the {whose}"),
            f"{side}_depth_5": Column("coins", "leave", f"coins in the best five {whose}"),
            f"{side}_depth_10": Column("coins", "leave", f"coins in the best ten {whose}"),
            f"{side}_distance_10": Column(
                "fraction",
                "leave",
                f"mean distance of the coins in the best ten {whose} from the middle price",
            ),
            f"{side}_slope": Column(
                "coins per fraction",
                "leave",
                f"coins gained per distance from the middle price {near}",
            ),
            f"{side}_added": Column("coins", "leave", f"coins added {near}", gather="sum"),
            f"{side}_removed": Column(
                "coins", "leave", f"coins cancelled or traded away {near}", gather="sum"
            ),
            f"{side}_additions": Column(
                "changes", "leave", f"levels that grew {near}", gather="sum"
            ),
            f"{side}_removals": Column(
                "changes", "leave", f"levels that shrank {near}", gather="sum"
            ),
        }
    return found


def _trade_columns() -> dict[str, Column]:
    """Trades one by one, beyond what a candle says (:mod:`riposte.market.trade_bars`)."""
    return {
        "buy_volume": Column("coins", "leave", "volume that takers bought", gather="sum"),
        "sell_volume": Column("coins", "leave", "volume that takers sold", gather="sum"),
        "buy_count": Column("trades", "leave", "trades whose buyer was the taker", gather="sum"),
        "sell_count": Column("trades", "leave", "trades whose seller was the taker", gather="sum"),
        "taker_orders": Column(
            "orders", "leave", "runs of trades of one moment, price and side", gather="sum"
        ),
        "largest_order": Column("coins", "leave", "the largest of these runs", gather="highest"),
        "order_size_squares": Column(
            "coins^2", "leave", "sum of the squared sizes of these runs", gather="sum"
        ),
        "large_buy_volume": Column(
            "coins", "leave", "bought in runs larger than 95 % of those before", gather="sum"
        ),
        "large_sell_volume": Column(
            "coins", "leave", "sold in runs larger than 95 % of those before", gather="sum"
        ),
        "price_path": Column(
            "fraction", "leave", "sum of the sizes of all price changes", gather="sum"
        ),
        "upticks": Column("changes", "leave", "trades above the price before", gather="sum"),
        "downticks": Column("changes", "leave", "trades below the price before", gather="sum"),
    }


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
    **_book_columns(),
    **_trade_columns(),
}


@dataclass(frozen=True, slots=True)
class Bars:
    """Columns of the frame, one row per bar, before they are joined to the candles.

    A row is named by the time its bar opens (int64 ns UTC, increasing) and was known at its close;
    a bar that the record does not cover whole has no row. Arrays are float64 (n,).
    """

    symbol: str
    interval: Interval
    open_time: Times
    columns: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.open_time)

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]


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
    absent = np.full(rows, np.nan)  # one for all: most frames lack most columns
    for name, meaning in COLUMNS.items():
        values = columns.get(name)
        column = absent if values is None else np.array(values, dtype=np.float64, copy=True)
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
