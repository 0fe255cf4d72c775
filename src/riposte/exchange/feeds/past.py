"""What was recorded before a feed starts, as the exchange's history serves it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riposte.exchange.bars import DAY_MS, Bar
from riposte.exchange.contract import Contract
from riposte.exchange.feed import History
from riposte.exchange.feeds.grid import PRICES, Whole, milliseconds, steps_of, usual_taker_buy
from riposte.exchange.feeds.rates import Ratios, ratios_of
from riposte.exchange.units import E8
from riposte.market.frame import Floats
from riposte.market.interval import MILLISECOND_NS
from riposte.market.series import Series

_INTEREST_MS = 30 * DAY_MS
"""How far back the exchange serves open interest."""


def history_of(
    contract: Contract, series: Mapping[str, Series], start_ms: int, most_bars: int
) -> History:
    """The last ``most_bars`` candles that closed by ``start_ms`` and what was recorded with them."""
    klines = series["klines"]
    assert klines.interval is not None
    length_ms = klines.interval.ns // MILLISECOND_NS
    before = klines.between(None, (start_ms - length_ms) * MILLISECOND_NS + 1)
    before = before.rows(max(0, len(before) - most_bars), len(before))
    if not len(before):
        return History(length_ms)
    ratios = ratios_of(series, length_ms)
    marks, indices = _outside(before, ratios, length_ms)
    return History(
        length_ms,
        tuple(_bars(before)),
        tuple(marks),
        tuple(indices),
        tuple(_funding(before, series.get("funding"), ratios, start_ms, length_ms)),
        tuple(_interest(contract, before, series.get("open_interest"), start_ms, length_ms)),
    )


def _e8(values: Floats) -> list[int]:
    """Recorded decimals in 1e-8; of large sums the first four decimals, which is all they hold."""
    fine = np.rint(np.where(values < 1e6, values, 0) * E8).astype(np.int64)
    coarse = np.rint(values * 1e4).astype(np.int64) * 10_000
    return [int(value) for value in np.where(values < 1e6, fine, coarse)]


def _column(series: Series, name: str, otherwise: Floats) -> Floats:
    if name not in series.columns:
        return otherwise
    return np.where(np.isnan(series[name]), otherwise, series[name])


def _bars(klines: Series) -> list[Bar]:
    volume = klines["volume"]
    prices = [_e8(klines[name]) for name in PRICES]
    whole = _e8(volume)
    quote = _column(
        klines, "quote_volume", volume * (klines["high"] + klines["low"] + klines["close"]) / 3
    )
    arrays = [np.asarray(each, dtype=np.int64) for each in (*prices, whole)]
    usual = usual_taker_buy(*arrays) / E8
    taker = np.minimum(_column(klines, "taker_buy_volume", usual), volume)
    share = np.divide(taker, volume, out=np.zeros_like(taker), where=volume > 0)
    counts = np.rint(_column(klines, "trade_count", np.zeros(len(klines)))).astype(np.int64)
    bars = [
        Bar(*row)
        for row in zip(
            milliseconds(klines).tolist(),
            *prices,
            whole,
            _e8(quote),
            counts.tolist(),
            _e8(taker),
            _e8(quote * share),
            strict=True,
        )
    ]
    for bar in bars:
        bar.still = not bar.volume
    return bars


def _outside(klines: Series, ratios: Ratios, length_ms: int) -> tuple[list[Bar], list[Bar]]:
    """Candles of mark and index price: those of the trades, moved by the ratios at their ends."""
    open_ms = milliseconds(klines)
    opening, closing = ratios.at(open_ms), ratios.at(open_ms + length_ms)
    made = []
    for before, after in zip(opening, closing, strict=True):
        opened, close = klines["open"] * before, klines["close"] * after
        high = np.maximum(klines["high"] * after, np.maximum(opened, close))
        low = np.minimum(klines["low"] * after, np.minimum(opened, close))
        columns = [_e8(each) for each in (opened, high, low, close)]
        made.append([Bar(*row) for row in zip(open_ms.tolist(), *columns, strict=True)])
    return made[0], made[1]


def _closes_at(
    klines: Series, times: Whole, length_ms: int
) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """The last close by each time, and whether there is one."""
    row = np.searchsorted(milliseconds(klines) + length_ms, times, side="right") - 1
    return klines["close"][np.maximum(row, 0)], row >= 0


def _funding(
    klines: Series, funding: Series | None, ratios: Ratios, start_ms: int, length_ms: int
) -> list[tuple[int, int, int]]:
    if funding is None:
        return []
    settled = funding.between(None, start_ms * MILLISECOND_NS + 1)
    times = milliseconds(settled)
    close, known = _closes_at(klines, times, length_ms)
    marks = _e8(close * ratios.at(times)[0])
    rates = np.rint(settled["funding_rate"] * E8).astype(np.int64).tolist()
    rows = zip(times.tolist(), rates, marks, known.tolist(), strict=True)
    return [(at, rate, mark) for at, rate, mark, there in rows if there]


def _interest(
    contract: Contract, klines: Series, interest: Series | None, start_ms: int, length_ms: int
) -> list[tuple[int, int, int]]:
    if interest is None:
        return []
    stop_ns = (start_ms + 1) * MILLISECOND_NS
    seen = interest.between(stop_ns - _INTEREST_MS * MILLISECOND_NS, stop_ns)
    times = milliseconds(seen)
    close, known = _closes_at(klines, times, length_ms)
    steps = steps_of(contract, np.nan_to_num(seen["open_interest"])).tolist()
    rows = zip(times.tolist(), steps, _e8(close), known.tolist(), strict=True)
    return [(at, held, contract.value_e8(price, held)) for at, held, price, there in rows if there]
