"""What is recorded beside the trades: mark and index price, funding, open interest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from riposte.exchange.contract import Contract
from riposte.exchange.feed import FundingRate, OpenInterest
from riposte.exchange.feeds.grid import Whole, milliseconds, steps_of
from riposte.exchange.funding import HOUR_MS
from riposte.exchange.units import E8
from riposte.market.frame import Floats
from riposte.market.series import Series

_ESTIMATES = 8
"""How often the coming rate is told between two settlements."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Mark and index price over the last trade's, as recorded at the ends of bars (ms)."""

    mark_ms: Whole
    mark: Floats
    index_ms: Whole
    index: Floats

    def at(self, times_ms: Whole) -> tuple[Floats, Floats]:
        """(mark, index) over the last price, linear between the record's times."""
        mark = np.interp(times_ms, self.mark_ms, self.mark)
        return mark, np.interp(times_ms, self.index_ms, self.index)


def ratios_of(series: Mapping[str, Series], length_ms: int) -> Ratios:
    """Ratios at the closes of candles at which a mark (or index) price was recorded.

    Without a recorded index the premium gives it, else it is the mark price; without a recorded
    mark price that is the last price.
    """
    klines = series["klines"]
    closed_ms, close = milliseconds(klines) + length_ms, klines["close"]
    mark = _over(closed_ms, close, series.get("mark"), "mark_price")
    index = _over(closed_ms, close, series.get("index"), "index_price")
    if index is None and "premium" in series and len(series["premium"]):
        premium = series["premium"]
        index = milliseconds(premium), 1 / (1 + premium["premium"])
    mark = mark or (closed_ms[:1], np.ones(1))
    return Ratios(*mark, *(index or mark))


def _over(
    closed_ms: Whole, close: Floats, series: Series | None, name: str
) -> tuple[Whole, Floats] | None:
    if series is None:
        return None
    known = ~np.isnan(series[name])
    times, bars, rows = np.intersect1d(
        closed_ms, milliseconds(series)[known], assume_unique=True, return_indices=True
    )
    return (times, series[name][known][rows] / close[bars]) if len(times) else None


def funding_events(
    contract: Contract, funding: Series | None, start_ms: int, end_ms: int
) -> Iterator[FundingRate]:
    """The coming rate, as it is told from ``start_ms`` on."""
    symbol, usual_ms = contract.symbol, contract.funding_hours * HOUR_MS
    times = [] if funding is None else [int(t) for t in milliseconds(funding)]
    rates = [] if funding is None else [round(float(r) * E8) for r in funding["funding_rate"]]
    if not times or times[-1] <= start_ms:
        yield FundingRate(start_ms, symbol, 0, start_ms - start_ms % usual_ms + usual_ms)
        return
    first = int(np.searchsorted(np.asarray(times), start_ms, side="right"))
    for row in range(first, len(times)):
        settle_ms, rate = times[row], rates[row]
        before_ms = times[row - 1] if row else settle_ms - usual_ms
        before = rates[row - 1] if row else rate
        for part in range(_ESTIMATES):
            at = before_ms + (settle_ms - before_ms) * part // _ESTIMATES
            after = before_ms + (settle_ms - before_ms) * (part + 1) // _ESTIMATES
            if after <= start_ms:
                continue
            if at >= end_ms:
                return
            told = before + (rate - before) * (part + 1) // _ESTIMATES
            yield FundingRate(max(at, start_ms), symbol, told, settle_ms)


def interest_events(
    contract: Contract, interest: Series | None, start_ms: int, end_ms: int
) -> Iterator[OpenInterest]:
    """Open interest at the start and whenever it was recorded after."""
    if interest is None:
        return
    times = milliseconds(interest)
    steps = steps_of(contract, np.nan_to_num(interest["open_interest"]))
    first = max(0, int(np.searchsorted(times, start_ms, side="right")) - 1)
    for row in range(first, int(np.searchsorted(times, end_ms))):
        yield OpenInterest(max(int(times[row]), start_ms), contract.symbol, int(steps[row]))
