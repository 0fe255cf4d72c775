"""The loop over bars and symbols: a back-test is this loop, and one live bar is one pass of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import Records
from riposte.market.frame import Floats, Times
from riposte.market.instrument import Instrument


@dataclass(frozen=True, slots=True)
class MarketInputs:
    """What the engine sees, on one clock for all symbols.

    ``time`` (T,) is the close time of each step, ns UTC; ``bars`` and ``signals`` are structured
    arrays (T, S) of :data:`~riposte.engine.records.BAR` and ``SIGNAL``. ``signals[t]`` may use only
    what was known at ``time[t]``; it is acted on at the next bar's open.
    """

    symbols: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    interval_ns: int
    time: Times
    bars: Records
    signals: Records


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left: curves (T,) at each bar's close, and the records of what happened."""

    time: Times
    equity: Floats
    exposure: Floats  # sum of |notional| / equity
    state: Any  # int8 (T,) TradingState
    halt: Any  # int8 (T,) Halt
    trades: Records
    fills: Records
    refusals: Records
    account: Any
    positions: Records


def run(inputs: MarketInputs, config: EngineConfig) -> RunResult:
    """Run the engine over all steps and close what is open at the end."""
    raise NotImplementedError
