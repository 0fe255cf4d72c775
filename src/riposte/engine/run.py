"""A whole run: the engine's loop over time and symbols, from typed inputs to typed results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.engine.parameters import EngineConfig, as_record
from riposte.engine.records import (
    BAR,
    FILL,
    FILLS,
    INTENT,
    REFUSAL,
    REFUSALS,
    SIGNAL,
    TRADE,
    TRADES,
    Log,
    Records,
    Terms,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.step import close_all, run_bars
from riposte.market.frame import Floats, Times
from riposte.market.instrument import Instrument

_FIRST_ROOM = 4096


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

    def __post_init__(self) -> None:
        shape = (len(self.time), len(self.symbols))
        if self.bars.shape != shape or self.signals.shape != shape:
            raise ValueError(
                f"bars {self.bars.shape} and signals {self.signals.shape}, not {shape}"
            )
        if self.bars.dtype != BAR or self.signals.dtype != SIGNAL:
            raise ValueError("bars and signals must have the engine's BAR and SIGNAL dtypes")
        if len(self.instruments) != len(self.symbols):
            raise ValueError("one instrument per symbol")


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


def terms_of(config: EngineConfig) -> Terms:
    """The parameter records of a configuration."""
    return Terms(
        as_record(config.limits),
        as_record(config.costs),
        as_record(config.rules),
        as_record(config.operator),
    )


def new_log(room: int) -> Log:
    """Empty records with room for ``room`` rows each."""
    return Log(
        np.zeros(room, TRADE),
        np.zeros(2 * room, FILL),
        np.zeros(2 * room, REFUSAL),
        np.zeros(3, np.int64),
    )


def _doubled(log: Log) -> Log:
    return Log(
        np.concatenate([log.trades, np.zeros_like(log.trades)]),
        np.concatenate([log.fills, np.zeros_like(log.fills)]),
        np.concatenate([log.refusals, np.zeros_like(log.refusals)]),
        log.counts,
    )


def run(inputs: MarketInputs, config: EngineConfig, *, quietly: bool = True) -> RunResult:
    """Run the engine over all steps and close what is open at the end.

    The same inputs give the same bytes, also where ``quietly`` is off and every bar is a step. Raises:
        ValueError: if the inputs are empty.
    """
    steps, symbols = inputs.bars.shape
    if steps == 0 or symbols == 0:
        raise ValueError("nothing to run: no bars or no symbols")
    account = new_account(config.starting_equity)
    positions = new_positions(symbols)
    pending = np.zeros(symbols, INTENT)
    instruments = instrument_records(inputs.instruments)
    terms = terms_of(config)
    equity, exposures = np.zeros(steps), np.zeros(steps)
    states, halts = np.zeros(steps, np.int8), np.zeros(steps, np.int8)
    log = new_log(max(_FIRST_ROOM, 8 * symbols))
    at = 0
    while at < steps:
        at = run_bars(
            at,
            account,
            positions,
            pending,
            inputs.time,
            inputs.bars,
            inputs.signals,
            instruments,
            terms,
            inputs.interval_ns,
            equity,
            exposures,
            states,
            halts,
            log,
            1 if quietly else 0,
        )
        log = _doubled(log) if at < steps or log.counts[TRADES] + symbols > len(log.trades) else log
    close_all(account, positions, inputs.bars[-1], instruments, terms, int(inputs.time[-1]), log)
    equity[-1] = account["equity"]
    exposures[-1] = 0.0
    return RunResult(
        time=inputs.time,
        equity=equity,
        exposure=exposures,
        state=states,
        halt=halts,
        trades=log.trades[: log.counts[TRADES]].copy(),
        fills=log.fills[: log.counts[FILLS]].copy(),
        refusals=log.refusals[: log.counts[REFUSALS]].copy(),
        account=account,
        positions=positions,
    )
