"""From market frames and signals to what the engine reads: one clock, one row per bar and symbol.

Back-test, paper and live build the engine's inputs here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riposte.engine.records import BAR, SIGNAL, Records
from riposte.engine.run import MarketInputs
from riposte.layers.contract import Signals
from riposte.layers.position.inside import finer_bars
from riposte.layers.position.portfolio import PortfolioConfig, portfolio_of
from riposte.market.barriers import Barriers, barrier_widths
from riposte.market.frame import MarketFrame, Times
from riposte.market.instrument import Instrument
from riposte.market.volatility import (
    VolatilityWindows,
    average_true_range,
    volatility,
    volatility_ratio,
)

NO_MODEL = -1  # rules and baselines: the accuracy tier judges models only


def bar_records(frame: MarketFrame, barriers: Barriers, windows: VolatilityWindows) -> Records:
    """The engine's BAR records of a frame, one per row.

    A mark price that was not recorded stays NaN and the engine marks at the last price; a missing
    quote volume is volume times close; a bar without a recorded settlement charges no funding.
    """
    bars = np.zeros(len(frame), BAR)
    for name in ("open", "high", "low", "close"):
        bars[name] = frame[name]
    bars["mark"] = frame["mark_price"]
    quote_volume = frame["quote_volume"]
    bars["quote_volume"] = np.where(
        np.isfinite(quote_volume), quote_volume, frame["volume"] * frame["close"]
    )
    bars["volatility"] = volatility(frame, barriers.volatility_window_ns)
    bars["volatility_ratio"] = volatility_ratio(frame, windows)
    bars["atr"] = average_true_range(frame, windows.atr_bars)
    charge = frame["funding_charge"]
    bars["funding"] = np.where(np.isfinite(charge), charge, 0.0)
    bars["present"] = 1
    return bars


def signal_records(
    frame: MarketFrame, signals: Signals, barriers: Barriers, model_id: NDArray[np.int32]
) -> Records:
    """The engine's SIGNAL records of a frame, one per row; ``model_id`` per row, -1 for no model."""
    records = np.zeros(len(frame), SIGNAL)
    records["direction"] = signals.direction
    records["confidence"] = signals.confidence
    take_profit, stop_loss = barrier_widths(frame, barriers)
    records["take_profit"] = take_profit
    records["stop_loss"] = stop_loss
    records["horizon_ns"] = barriers.horizon_ns
    records["regime"] = signals.regime
    records["model_id"] = model_id
    return records


def signals_on(
    time: Times,
    frames: Sequence[MarketFrame],
    signals: Sequence[Signals],
    barriers: Barriers,
    model_ids: Sequence[NDArray[np.int32]] | None = None,
) -> Records:
    """The SIGNAL records (T, S) of all symbols at the closes ``time``; silent where a symbol has no bar.

    ``signals[i]`` has one row per row of ``frames[i]``; rows that close at no time of ``time`` are left out.

    Raises:
        ValueError: if a signal's length does not match its frame's.
    """
    wanted = np.zeros((len(time), len(frames)), SIGNAL)
    wanted["model_id"] = NO_MODEL
    wanted["regime"] = -1
    for i, (frame, signal) in enumerate(zip(frames, signals, strict=True)):
        if len(signal.direction) != len(frame):
            raise ValueError(f"{frame.symbol}: {len(signal.direction)} signals, {len(frame)} rows")
        ids = np.full(len(frame), NO_MODEL, np.int32) if model_ids is None else model_ids[i]
        there = np.isin(frame.close_time, time)
        rows = np.searchsorted(time, frame.close_time[there])
        wanted[rows, i] = signal_records(frame, signal, barriers, ids)[there]
    return wanted


def market_inputs(
    frames: Sequence[MarketFrame],
    signals: Sequence[Signals],
    barriers: Barriers,
    instruments: Sequence[Instrument],
    *,
    model_ids: Sequence[NDArray[np.int32]] | None = None,
    windows: VolatilityWindows | None = None,
    finer: Sequence[MarketFrame | None] = (),
    portfolio: PortfolioConfig | None = None,
) -> MarketInputs:
    """Place all symbols on one clock; a symbol without a bar at some time is absent there.

    ``signals[i]`` has one row per row of ``frames[i]``, known at that row's close. ``finer[i]``: a frame of
    shorter bars of the same symbol, which decide what happened inside the longer ones (none: empty).
    ``portfolio``: how correlations and weights are estimated; None: they are not. Raises:
        ValueError: if the frames are of different intervals or a signal's length does not match.
    """
    intervals = {frame.interval for frame in frames}
    if len(intervals) != 1:
        raise ValueError(f"frames of one interval wanted, not {sorted(map(str, intervals))}")
    windows = windows or VolatilityWindows()
    time = np.unique(np.concatenate([frame.close_time for frame in frames]))
    bars = np.zeros((len(time), len(frames)), BAR)
    for i, frame in enumerate(frames):
        rows = np.searchsorted(time, frame.close_time)
        bars[rows, i] = bar_records(frame, barriers, windows)
    inner = [None if each is None else bar_records(each, barriers, windows) for each in finer]
    return MarketInputs(
        symbols=tuple(frame.symbol for frame in frames),
        instruments=tuple(instruments),
        interval_ns=frames[0].interval.ns,
        time=time,
        bars=bars,
        signals=signals_on(time, frames, signals, barriers, model_ids),
        finer=finer_bars(time, frames, finer, inner) if finer else None,
        portfolio=None if portfolio is None else portfolio_of(frames, portfolio),
    )
