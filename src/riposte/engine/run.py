"""A whole run: the engine's loop over time and symbols, from typed inputs to typed results."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from riposte.engine.loop import busy_rows, run_bars
from riposte.engine.parameters import EngineConfig, as_record
from riposte.engine.quiet import WATCH
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
from riposte.engine.step import close_all
from riposte.market.frame import Floats, Times
from riposte.market.instrument import Instrument
from riposte.market.portfolio import Portfolio

# Room for trades at first, and a quarter of the steps at least: memory that is never written costs
# nothing, while NumPy copies records one by one.
_FIRST_ROOM = 4096


@dataclass(frozen=True, slots=True)
class Finer:
    """Bars that lie inside the engine's bars and decide what happened there on the way.

    ``bars`` (N, S) are :data:`~riposte.engine.records.BAR`, each ``interval_ns`` long; rows ``inside[t]`` to
    ``inside[t + 1]`` (``inside`` is int64 (T + 1,)) are those of step t: all of its length, or none.
    """

    interval_ns: int
    bars: Records
    inside: Times


@dataclass(frozen=True, slots=True)
class MarketInputs:
    """What the engine sees, on one clock for all symbols.

    ``time`` (T,) is the close time of each step, ns UTC; ``bars`` and ``signals`` are structured
    arrays (T, S) of :data:`~riposte.engine.records.BAR` and ``SIGNAL``. ``signals[t]`` may use only
    what was known at ``time[t]``; it is acted on at the next bar's open. Without ``portfolio`` nothing
    is known of the symbols together: their correlation is unknown, their share of the heat not limited.
    """

    symbols: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    interval_ns: int
    time: Times
    bars: Records
    signals: Records
    finer: Finer | None = None
    portfolio: Portfolio | None = None

    def __post_init__(self) -> None:
        steps, symbols = len(self.time), len(self.symbols)
        if self.bars.shape != (steps, symbols) or self.signals.shape != (steps, symbols):
            raise ValueError(
                f"bars {self.bars.shape} and signals {self.signals.shape}, not {(steps, symbols)}"
            )
        if self.bars.dtype != BAR or self.signals.dtype != SIGNAL:
            raise ValueError("bars and signals must have the engine's BAR and SIGNAL dtypes")
        if len(self.instruments) != symbols:
            raise ValueError("one instrument per symbol")
        if self.portfolio is not None and self.portfolio.weight.shape[1] != symbols:
            raise ValueError(f"a portfolio of {symbols} symbols wanted")
        if self.finer is not None:
            self._check_finer(self.finer)

    def _check_finer(self, finer: Finer) -> None:
        count, rest = divmod(self.interval_ns, finer.interval_ns)
        if rest or count < 2 or finer.bars.dtype != BAR:
            raise ValueError("finer bars must be BAR records of a fraction of the interval")
        if finer.bars.shape[1:] != (len(self.symbols),) or len(finer.inside) != len(self.time) + 1:
            raise ValueError("finer bars must be of the same symbols and steps")
        rows = np.diff(finer.inside)
        ends = (finer.inside[0], finer.inside[-1]) == (0, len(finer.bars))
        if not (ends and np.all((rows == 0) | (rows == count))):
            raise ValueError(f"{count} finer bars or none must lie in each step")


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


def terms_of(config: EngineConfig, resolution_ns: int = 1) -> Terms:
    """The parameter records of a configuration; an order's latency counts in whole ``resolution_ns``."""
    execution = as_record(config.execution)
    execution["latency_ns"] -= execution["latency_ns"] % resolution_ns
    return Terms(
        as_record(config.limits),
        as_record(config.costs),
        as_record(config.rules),
        as_record(config.operator),
        execution,
    )


def epochs(inputs: MarketInputs) -> tuple[Times, Floats, Floats]:
    """(since, correlation, weight) for the loop; before the portfolio is known, and without one, the
    correlations are unknown and each symbol may use the whole heat limit."""
    symbols = len(inputs.symbols)
    unknown = np.full((1, symbols, symbols), np.nan)
    unknown[0, np.arange(symbols), np.arange(symbols)] = 1.0
    never = np.array([np.iinfo(np.int64).min])
    if inputs.portfolio is None:
        return never, unknown, np.ones((1, symbols))
    return (
        np.concatenate([never, inputs.portfolio.since]),
        np.concatenate([unknown, inputs.portfolio.correlation]),
        np.concatenate([np.ones((1, symbols)), inputs.portfolio.weight]),
    )


def sliced(inputs: MarketInputs, start: int, stop: int) -> MarketInputs:
    """The steps ``start`` to ``stop`` (exclusive) of the same market."""
    finer = inputs.finer
    if finer is not None:
        first, last = int(finer.inside[start]), int(finer.inside[stop])
        finer = Finer(
            finer.interval_ns, finer.bars[first:last], finer.inside[start : stop + 1] - first
        )
    return dataclasses.replace(
        inputs,
        time=inputs.time[start:stop],
        bars=inputs.bars[start:stop],
        signals=inputs.signals[start:stop],
        finer=finer,
    )


def reordered(inputs: MarketInputs, order: Sequence[int]) -> MarketInputs:
    """The same market with its symbols in another order."""
    chosen = list(order)
    finer, portfolio = inputs.finer, inputs.portfolio
    return MarketInputs(
        symbols=tuple(inputs.symbols[i] for i in chosen),
        instruments=tuple(inputs.instruments[i] for i in chosen),
        interval_ns=inputs.interval_ns,
        time=inputs.time,
        bars=np.ascontiguousarray(inputs.bars[:, chosen]),
        signals=np.ascontiguousarray(inputs.signals[:, chosen]),
        finer=finer
        and dataclasses.replace(finer, bars=np.ascontiguousarray(finer.bars[:, chosen])),
        portfolio=portfolio
        and Portfolio(
            portfolio.since,
            np.ascontiguousarray(portfolio.correlation[:, chosen][:, :, chosen]),
            np.ascontiguousarray(portfolio.weight[:, chosen]),
        ),
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

    The same inputs give the same bytes, also where ``quietly`` is off and every bar is a step. The engine
    works on the symbols by name, so their order in ``inputs`` changes nothing but the numbers they
    have in the result. Raises:
        ValueError: if the inputs are empty.
    """
    steps, symbols = inputs.bars.shape
    if steps == 0 or symbols == 0:
        raise ValueError("nothing to run: no bars or no symbols")
    order = np.argsort(np.array(inputs.symbols), kind="stable")
    if np.array_equal(order, np.arange(symbols)):
        return _run_sorted(inputs, config, quietly=quietly)
    result = _run_sorted(reordered(inputs, order.tolist()), config, quietly=quietly)
    for records in (result.trades, result.fills, result.refusals):
        records["symbol"] = order[records["symbol"]]
    return dataclasses.replace(result, positions=result.positions[np.argsort(order)])


def _run_sorted(inputs: MarketInputs, config: EngineConfig, *, quietly: bool) -> RunResult:
    steps, symbols = inputs.bars.shape
    account = new_account(config.starting_equity)
    positions = new_positions(symbols)
    pending = np.zeros(symbols, INTENT)
    instruments = instrument_records(inputs.instruments)
    finer, inside, busy, resolution = _inside(inputs)
    terms = terms_of(config, resolution)
    equity, exposures = np.zeros(steps), np.zeros(steps)
    states, halts = np.zeros(steps, np.int8), np.zeros(steps, np.int8)
    log = new_log(max(_FIRST_ROOM, steps // 4))
    at = 0
    while at < steps:
        at = run_bars(
            at,
            account,
            positions,
            pending,
            inputs.time,
            inputs.bars,
            finer,
            inside,
            busy,
            np.zeros((2, symbols), BAR),
            np.zeros(symbols, WATCH),
            inputs.signals,
            instruments,
            *epochs(inputs),
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
        trades=log.trades[: log.counts[TRADES]],
        fills=log.fills[: log.counts[FILLS]],
        refusals=log.refusals[: log.counts[REFUSALS]],
        account=account,
        positions=positions,
    )


def _inside(inputs: MarketInputs) -> tuple[Records, Times, Any, int]:
    """(finer bars, their rows per step, busy steps, length of the shortest bar)."""
    steps, symbols = inputs.bars.shape
    if inputs.finer is None:
        none = np.zeros((0, symbols), BAR)
        return none, np.zeros(steps + 1, np.int64), np.zeros(0, np.int8), inputs.interval_ns
    busy = np.zeros(steps, np.int8)
    busy_rows(inputs.bars, inputs.finer.bars, inputs.finer.inside, busy)
    return inputs.finer.bars, inputs.finer.inside, busy, inputs.finer.interval_ns
