"""The synthetic market as a feed: its series are candles like recorded ones.

The series (``riposte.sources.synthetic.synthetic_market``) are handed in; their quantities, which
know no step, are brought onto the contract's grid first. The exchange starts after ``history`` of
its bars.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from riposte.errors import InputError
from riposte.exchange.contract import Contract, contract_of
from riposte.exchange.feeds.candles import CandleMarket, Detail, candle_feed
from riposte.exchange.feeds.composed import ComposedFeed
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for
from riposte.market.interval import MILLISECOND_NS
from riposte.market.series import Series, make_series


def synthetic_feed(
    market: Mapping[str, Mapping[str, Series]],
    *,
    history: int,
    seed: int = 0,
    detail: Detail | None = None,
) -> ComposedFeed:
    """The feed of a synthetic market's bars after the first ``history`` of them.

    Raises:
        InputError: if nothing is left after the history.
    """
    klines = next(iter(market.values()))["klines"]
    assert klines.interval is not None
    if not 0 <= history < len(klines):
        raise InputError(f"of {len(klines)} bars {history} cannot be history")
    markets = [on_grid(contract_of(instrument_for(name)), market[name]) for name in market]
    start_ns = int(klines.event_time[history])
    end_ns = int(klines.event_time[-1]) + klines.interval.ns
    return candle_feed(
        markets,
        start_ns // MILLISECOND_NS,
        end_ns // MILLISECOND_NS,
        seed=seed,
        detail=detail,
    )


def on_grid(contract: Contract, series: Mapping[str, Series]) -> CandleMarket:
    """The market with quantities in whole steps; a bar holds enough to be traded at its prices."""
    klines, step = series["klines"], contract.step_e8 / E8
    columns = dict(klines.columns)
    volume = np.maximum(np.rint(columns["volume"] / step), 4) * step
    columns["quote_volume"] = columns["quote_volume"] * volume / np.maximum(columns["volume"], step)
    columns["volume"] = volume
    columns["taker_buy_volume"] = np.minimum(
        np.rint(columns["taker_buy_volume"] / step) * step, volume
    )
    rounded = make_series("klines", klines.symbol, klines.interval, klines.event_time, columns)
    return CandleMarket(contract, {**series, "klines": rounded})
