"""The newest stretch of history over REST, page by page in time order.

Each page is handed over before the next is asked for, so that whoever stores them loses at most one
page to a kill. A bar that is not over is never given. What the exchange keeps only for a while (open
interest and ratios: 30 days) begins where it begins, and :func:`earliest` says where that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.errors import DataError, InputError
from riposte.market.assemble import settlement_time
from riposte.market.checks import check
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS, HOUR_NS, Interval
from riposte.market.series import Series, make_series
from riposte.sources.labels import period_end
from riposte.sources.rest.client import Client

_MS = 1_000_000
_KEPT_NS = 30 * DAY_NS
_EDGE_NS = HOUR_NS // 2  # the edge of what is kept moves on while a request waits its turn
_PERIODS = ("5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d")
_RATIOS = {
    "global_account_ratio": ("fapiDataGetGlobalLongShortAccountRatio", "longShortRatio"),
    "top_account_ratio": ("fapiDataGetTopLongShortAccountRatio", "longShortRatio"),
    "top_position_ratio": ("fapiDataGetTopLongShortPositionRatio", "longShortRatio"),
    "taker_volume_ratio": ("fapiDataGetTakerlongshortRatio", "buySellRatio"),
}
KINDS = ("klines", "mark", "index", "premium", "funding", "open_interest", "ratios", "agg_trades")


@dataclass(frozen=True, slots=True)
class _Bars:
    """How bars of a kind are asked for."""

    method: str
    symbol_name: str
    column: str  # of the one value that is kept; "" for candles


_BARS = {
    "klines": _Bars("fapiPublicGetKlines", "symbol", ""),
    "mark": _Bars("fapiPublicGetMarkPriceKlines", "symbol", "mark_price"),
    "index": _Bars("fapiPublicGetIndexPriceKlines", "pair", "index_price"),
    "premium": _Bars("fapiPublicGetPremiumIndexKlines", "symbol", "premium"),
}
_BARS_A_PAGE, _BARS_WEIGHT = 1000, 5


def earliest(kind: str, now_ns: int) -> int | None:
    """The first moment the exchange serves that kind of; None where it keeps everything.

    An hour less than the 30 days is asked for: what is on the edge is refused.
    """
    return now_ns - _KEPT_NS + HOUR_NS if kind in ("open_interest", "ratios") else None


def fetch(
    client: Client,
    kind: str,
    symbol: str,
    interval: Interval | None,
    start_ns: int,
    stop_ns: int,
    now_ns: int,
) -> Iterator[Series]:
    """The observations with ``start_ns <= event_time < stop_ns`` that are final at ``now_ns``.

    ``interval`` is needed for bars, open interest and ratios. Ranges before :func:`earliest` are empty.

    Raises:
        InputError: if the kind is not served over REST, or not in that interval.
        DataError: if an answer is not what it should be.
        ExchangeError: as :meth:`Client.get`.
    """
    limit = earliest(kind, now_ns)
    start_ns = max(start_ns, limit) if limit is not None else start_ns
    if start_ns >= stop_ns:
        return iter(())
    if kind in _BARS and interval is not None:
        return _bars(client, kind, symbol, interval, start_ns, stop_ns, now_ns)
    if kind == "funding":
        return _funding(client, symbol, start_ns, min(stop_ns, now_ns + 1))
    if kind in ("open_interest", "ratios") and interval is not None:
        if interval.name not in _PERIODS:
            raise InputError(
                f"{kind} is not served in {interval}: use one of {', '.join(_PERIODS)}"
            )
        return _periods(client, kind, symbol, interval, start_ns, min(stop_ns, now_ns + 1), now_ns)
    if kind == "agg_trades":
        return _agg_trades(client, symbol, start_ns, min(stop_ns, now_ns + 1))
    raise InputError(f"{kind} is not served over REST: use one of {', '.join(KINDS)}")


def _bars(
    client: Client,
    kind: str,
    symbol: str,
    interval: Interval,
    start_ns: int,
    stop_ns: int,
    now_ns: int,
) -> Iterator[Series]:
    how = _BARS[kind]
    # What closes a bar is stamped with its end: the bar that ends at start opened one before it.
    shift = interval.ns if how.column else 0
    opening = -(-(start_ns - shift) // interval.ns) * interval.ns
    last = min(stop_ns - shift, now_ns - interval.ns + 1)  # opens before this are wanted and over
    while opening < last:
        params = {
            how.symbol_name: symbol,
            "interval": interval.name,
            "startTime": opening // _MS,
            "endTime": (last - 1) // _MS,
            "limit": _BARS_A_PAGE,
        }
        rows = _rows(client.get(how.method, params, _BARS_WEIGHT), how.method, 12)
        if not rows:
            return
        cells = _table(rows, how.method)
        opens = _times(cells[:, 0], how.method)
        if (opens < opening).any() or (np.diff(opens) <= 0).any():
            raise DataError(f"the exchange answers {how.method} with rows out of order")
        keep = opens < last
        columns = {how.column: cells[:, 4]} if how.column else _candles(cells)
        if keep.any():
            kept = {name: values[keep] for name, values in columns.items()}
            yield _sound(make_series(kind, symbol, interval, opens[keep] + shift, kept))
        opening = int(opens[-1]) + interval.ns


def _candles(cells: Floats) -> Mapping[str, Floats]:
    names = ("open", "high", "low", "close", "volume")
    return {name: cells[:, 1 + i] for i, name in enumerate(names)} | {
        "quote_volume": cells[:, 7],
        "trade_count": cells[:, 8],
        "taker_buy_volume": cells[:, 9],
    }


def _funding(client: Client, symbol: str, start_ns: int, stop_ns: int) -> Iterator[Series]:
    method = "fapiPublicGetFundingRate"
    begin, end = start_ns // _MS, (stop_ns - 1) // _MS + 999  # stamped some ms after their second
    while begin <= end:
        params = {"symbol": symbol, "startTime": begin, "endTime": end, "limit": 1000}
        rows = _rows(client.get(method, params), method)
        if not rows:
            return
        stamps = _times(_field(rows, "fundingTime", method), method)
        times = settlement_time(stamps)
        keep = (times >= start_ns) & (times < stop_ns)
        if keep.any():
            rates = _field(rows, "fundingRate", method)[keep]
            yield _sound(make_series("funding", symbol, None, times[keep], {"funding_rate": rates}))
        if len(rows) < 1000:
            return
        begin = int(stamps.max()) // _MS + 1


def _periods(
    client: Client,
    kind: str,
    symbol: str,
    interval: Interval,
    start_ns: int,
    stop_ns: int,
    now_ns: int,
) -> Iterator[Series]:
    """Open interest or ratios: pages of 500 periods, by the ends of the periods."""
    span = 480 * interval.ns
    oldest = now_ns - _KEPT_NS + _EDGE_NS
    begin = start_ns
    while begin < stop_ns:
        end = min(begin + span, stop_ns)
        values: dict[str, tuple[Times, Floats]] = {}
        wanted = (
            {"open_interest": ("fapiDataGetOpenInterestHist", "sumOpenInterest")}
            if kind == "open_interest"
            else _RATIOS
        )
        for column, (method, name) in wanted.items():
            # The label is the start or the end of the period: one more on either side covers both.
            params = {
                "symbol": symbol,
                "period": interval.name,
                "startTime": max(begin - interval.ns, oldest) // _MS,
                "endTime": end // _MS,
                "limit": 500,
            }
            rows = _rows(client.get(method, params), method)
            if rows:
                cells = _field(rows, name, method)
                times = period_end(_times(_field(rows, "timestamp", method), method), interval.ns)
                keep = (times >= begin) & (times < end) & ~np.isnan(cells)
                if kind == "open_interest":
                    keep &= cells != 0  # written where there was no snapshot
                values[column] = times[keep], cells[keep]
        series = _aligned(kind, symbol, interval, values)
        if series is not None:
            yield _sound(series)
        begin = end


def _aligned(
    kind: str, symbol: str, interval: Interval, values: Mapping[str, tuple[Times, Floats]]
) -> Series | None:
    """Columns that came by themselves as one series; NaN where one has no value."""
    every = [times for times, _ in values.values()]
    times = np.unique(np.concatenate(every)) if every else np.empty(0, dtype=np.int64)
    if len(times) == 0:
        return None
    columns = {}
    for name, (own, cells) in values.items():
        column = np.full(len(times), np.nan)
        column[np.searchsorted(times, own)] = cells
        columns[name] = column
    return make_series(kind, symbol, interval, times, columns)


def _agg_trades(client: Client, symbol: str, start_ns: int, stop_ns: int) -> Iterator[Series]:
    """Windows of an hour find the first trade, then pages go on by number: none is left out."""
    method = "fapiPublicGetAggTrades"
    begin, number = start_ns, -1
    while begin < stop_ns:
        params: dict[str, object] = {"symbol": symbol, "limit": 1000}
        if number < 0:
            end = min(begin + HOUR_NS, stop_ns)
            first, last = -(-begin // _MS), (end - 1) // _MS
            if first > last:  # a rest of less than a millisecond
                return
            params |= {"startTime": first, "endTime": last}
        else:
            params["fromId"] = number
        rows = _rows(client.get(method, params, 20), method)
        if not rows:
            if number >= 0:
                return
            begin = min(begin + HOUR_NS, stop_ns)
            continue
        times = _times(_field(rows, "T", method), method)
        columns = {
            "trade_id": _field(rows, "a", method),
            "price": _field(rows, "p", method),
            "quantity": _field(rows, "q", method),
            "first_trade_id": _field(rows, "f", method),
            "last_trade_id": _field(rows, "l", method),
            "buyer_is_maker": _flags(rows, "m", method),
        }
        keep = (times >= start_ns) & (times < stop_ns)
        if keep.any():
            kept = {name: cells[keep] for name, cells in columns.items()}
            yield _sound(make_series("agg_trades", symbol, None, times[keep], kept))
        number = int(columns["trade_id"].max()) + 1
        begin = int(times.max())
        if times.max() >= stop_ns:
            return


def _sound(series: Series) -> Series:
    """The series, refused where it holds what cannot be, as any file that is brought in.

    Gaps and odd values are judged over the whole stored series later, not page by page.
    """
    errors = [each for each in check(series, oddities=False) if each.severity == "error"]
    if errors:
        raise DataError(f"the exchange answers with data that is not sound: {errors[0].message}")
    return series


def _rows(answer: Any, method: str, width: int | None = None) -> Sequence[Any]:
    """The rows of an answer, which must be a list of lists or of objects."""
    kind: type = dict if width is None else list
    if not isinstance(answer, list) or not all(isinstance(row, kind) for row in answer):
        raise DataError(f"the exchange answers {method} with something that is no table")
    if width is not None and any(len(row) < width - 1 for row in answer):
        raise DataError(f"the exchange answers {method} with rows that are too short")
    return answer


def _times(cells: Floats, method: str) -> Times:
    """Milliseconds as ns UTC."""
    if not ((cells >= 1e11) & (cells < 1e13)).all():  # 1973 to 2286; NaN is neither
        raise DataError(f"the exchange answers {method} with times that are no milliseconds")
    return cells.astype(np.int64) * _MS


def _flags(rows: Sequence[Mapping[str, Any]], name: str, method: str) -> Floats:
    flags = [row.get(name) for row in rows]
    if not all(isinstance(flag, bool) for flag in flags):
        raise DataError(f"the exchange answers {method} without {name!r} as true or false")
    return np.array(flags, dtype=np.float64)


def _table(rows: Sequence[Sequence[Any]], method: str) -> Floats:
    try:
        return np.array([row[:11] for row in rows], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the exchange answers {method} with cells that are no numbers") from error


def _field(rows: Sequence[Mapping[str, Any]], name: str, method: str) -> Floats:
    try:
        return np.array([row[name] for row in rows], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the exchange answers {method} without {name!r} as a number in every row"
        ) from error
