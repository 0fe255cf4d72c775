"""Recorded numbers as the exchange counts them: ticks, steps and 1e-8, and the grid they lie on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from riposte.errors import DataError
from riposte.exchange.contract import Contract
from riposte.exchange.units import E8
from riposte.market.frame import Floats
from riposte.market.interval import MILLISECOND_NS
from riposte.market.series import Series, format_time

Whole = npt.NDArray[np.int64]
PRICES = ("open", "high", "low", "close")
_NOISE = 1e-3
"""How far from a whole number of steps a sum of recorded quantities may lie, by its rounding."""


def fitting(contract: Contract, prices: Floats, quantities: Floats) -> Contract:
    """The contract with a tick and a step on which all recorded prices and quantities lie.

    Grids were finer in earlier years: each is divided by ten as often as the record needs.

    Raises:
        DataError: if the record lies on no grid that a contract may have.
    """
    tick, step = contract.tick_e8, contract.step_e8
    e8 = np.rint(prices * E8).astype(np.int64)
    while (e8 % tick).any():
        if tick % 10:
            raise _no_grid(contract, "prices")
        tick //= 10
    while not _on(quantities * (E8 / step)):
        if step % 10:
            raise _no_grid(contract, "quantities")
        step //= 10
    if tick * step % E8:
        raise _no_grid(contract, "prices and quantities")
    return replace(contract, tick_e8=tick, step_e8=step)


def _on(steps: Floats) -> bool:
    return bool((np.abs(steps - np.rint(steps)) <= _NOISE).all())


def _no_grid(contract: Contract, what: str) -> DataError:
    return DataError(
        f"{contract.symbol}: its recorded {what} have too many decimals for a contract"
    )


def milliseconds(series: Series) -> Whole:
    """The times of a series, ms."""
    times: Whole = series.event_time // MILLISECOND_NS
    return times


def ticks_of(contract: Contract, prices: Floats) -> Whole:
    """Prices as the nearest ticks."""
    return np.rint(prices * (E8 / contract.tick_e8)).astype(np.int64)


def steps_of(contract: Contract, quantities: Floats) -> Whole:
    """Quantities as the nearest steps."""
    return np.rint(quantities * (E8 / contract.step_e8)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Candles:
    """Recorded candles: ticks and steps, int64 (n,).

    ``taker_buy``: recorded, or by :func:`usual_taker_buy` where it was not. ``quote`` (tick·steps)
    is -1 and ``count`` 0 where they were not recorded.
    """

    open_ms: Whole
    open: Whole
    high: Whole
    low: Whole
    close: Whole
    volume: Whole
    taker_buy: Whole
    quote: Whole
    count: Whole

    def __len__(self) -> int:
        return len(self.open_ms)


def candles_of(contract: Contract, klines: Series) -> Candles:
    """Candles on the contract's grid.

    Raises:
        DataError: if a candle's prices contradict one another.
    """
    opened, high, low, close = (ticks_of(contract, klines[name]) for name in PRICES)
    wrong = np.flatnonzero(
        (low > np.minimum(opened, close)) | (high < np.maximum(opened, close)) | (low <= 0)
    )
    if len(wrong):
        at = format_time(int(klines.event_time[wrong[0]]))
        raise DataError(f"{klines.title}: the prices of the candle of {at} contradict one another")
    volume = steps_of(contract, klines["volume"])
    usual = usual_taker_buy(opened, high, low, close, volume)
    taker = usual
    if "taker_buy_volume" in klines.columns:
        recorded = klines["taker_buy_volume"]
        known = ~np.isnan(recorded)
        taker = np.where(known, steps_of(contract, np.where(known, recorded, 0.0)), usual)
    unit = contract.unit_e8 / E8
    return Candles(
        milliseconds(klines),
        opened,
        high,
        low,
        close,
        volume,
        np.clip(taker, 0, volume),
        _known(klines, "quote_volume", 1 / unit, -1),
        _known(klines, "trade_count", 1, 0),
    )


def unreachable(candles: Candles) -> int:
    """How many candles no trades can make: fewer steps of volume than prices that were traded, or
    none and another price than before."""
    opened, close, volume = candles.open, candles.close, candles.volume
    rising = close >= opened
    first = np.where(rising, candles.low, candles.high)
    then = np.where(rising, candles.high, candles.low)
    prices = 1 + (first != opened) + (then != first) + (close != then)
    still = (prices == 1) & (opened == np.append(opened[:1], close[:-1]))
    return int((volume < np.where(still, 0, prices)).sum())


def usual_taker_buy(opened: Whole, high: Whole, low: Whole, close: Whole, volume: Whole) -> Whole:
    """Where it was not recorded, takers bought half, and up to a quarter more or less as the price
    rose or fell through its range."""
    moved: Floats = (close - opened) / np.maximum(high - low, 1)
    bought: Whole = np.rint(volume * (0.5 + 0.25 * moved)).astype(np.int64)
    return bought


def _known(series: Series, name: str, factor: float, absent: int) -> Whole:
    if name not in series.columns:
        return np.full(len(series), absent, dtype=np.int64)
    values = series[name] * factor
    return np.rint(np.where(np.isnan(values), absent, values)).astype(np.int64)
