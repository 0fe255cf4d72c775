"""One bar at a time is the loop: the live way of calling the engine and the back-test agree in bytes."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scenario import no_finer, strangers
from test_engine_finer import split
from test_engine_invariants import hostile_market, random_config, random_portfolio

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import (
    BAR,
    INTENT,
    SIGNAL,
    PortfolioRow,
    Records,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import Finer, MarketInputs, RunResult, new_log, run, terms_of
from riposte.engine.state import state_from_bytes, state_to_bytes
from riposte.engine.step import close_all, step
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS

CONTRACTS = (INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"])


def market(seed: int) -> MarketInputs:
    """Two hostile symbols; every other seed with finer bars in some steps, two of three with a portfolio."""
    rng = np.random.default_rng(seed)
    time, bars, signals = hostile_market(rng)
    finer = None
    if seed % 2:
        inner, inside = split(bars, rng)
        finer = Finer(HOUR_NS // 4, inner, inside)
    portfolio = random_portfolio(rng, 2) if seed % 3 else None
    return MarketInputs(
        ("A", "B"), CONTRACTS, HOUR_NS, time, bars, signals, finer=finer, portfolio=portfolio
    )


class Live:
    """The engine as a live process calls it: one bar at a time, with what is known at its close."""

    def __init__(self, inputs: MarketInputs, config: EngineConfig) -> None:
        self.inputs = inputs
        self.account, self.positions = new_account(config.starting_equity), new_positions(2)
        self.pending, self.log = np.zeros(2, INTENT), new_log(60_000)
        self.instruments = instrument_records(CONTRACTS)
        length = inputs.finer.interval_ns if inputs.finer else HOUR_NS
        self.terms = terms_of(config, length)
        self.bars = inputs.bars.copy()

    def known(self, time: int) -> PortfolioRow:
        portfolio = self.inputs.portfolio
        row = -1 if portfolio is None else int(portfolio.row_at(np.array([time]))[0])
        if portfolio is None or row < 0:
            return strangers(2)
        return PortfolioRow(portfolio.correlation[row], portfolio.weight[row])

    def inside(self, t: int) -> Records:
        finer = self.inputs.finer
        if finer is None:
            return no_finer(2)
        return finer.bars[finer.inside[t] : finer.inside[t + 1]]

    def step(self, t: int) -> None:
        time = int(self.inputs.time[t])
        step(
            self.account,
            self.positions,
            self.pending,
            self.bars[t],
            self.inside(t),
            np.zeros(2, BAR),
            self.inputs.signals[t],
            self.instruments,
            self.known(time - HOUR_NS),
            self.known(time),
            self.terms,
            HOUR_NS,
            time,
            self.log,
        )

    def restart(self) -> None:
        """Stop and start again from the stored bytes."""
        stored = state_to_bytes(self.account, self.positions, self.pending)
        self.account, self.positions, self.pending = state_from_bytes(stored)
        assert state_to_bytes(self.account, self.positions, self.pending) == stored

    def end(self) -> None:
        last = int(self.inputs.time[-1])
        close_all(
            self.account,
            self.positions,
            self.bars[-1],
            self.instruments,
            self.terms,
            last,
            self.log,
        )


def assert_steps_equal_the_loop(
    inputs: MarketInputs, config: EngineConfig, restarts: int = 0
) -> RunResult:
    whole = run(inputs, config)
    live = Live(inputs, config)
    for t in range(len(inputs.time)):
        live.step(t)
        if restarts and t % restarts == 0:
            live.restart()
    live.end()
    log = live.log
    assert live.account.tobytes() == whole.account.tobytes()
    assert live.positions.tobytes() == whole.positions.tobytes()
    assert log.trades[: log.counts[0]].tobytes() == whole.trades.tobytes()
    assert log.fills[: log.counts[1]].tobytes() == whole.fills.tobytes()
    assert log.refusals[: log.counts[2]].tobytes() == whole.refusals.tobytes()
    return whole


@given(st.integers(0, 300), st.integers(1, 20))
def test_a_restart_from_the_stored_state_changes_no_byte(seed: int, every: int) -> None:
    config = random_config(np.random.default_rng(seed))
    assert_steps_equal_the_loop(market(seed), config, restarts=every)


@given(st.integers(0, 300))
def test_stepping_bar_by_bar_gives_the_bytes_of_the_loop(seed: int) -> None:
    assert_steps_equal_the_loop(market(seed), random_config(np.random.default_rng(seed)))


@given(st.integers(0, 300), st.integers(1, 59))
def test_nothing_after_a_bar_changes_what_was_done_up_to_it(seed: int, cut: int) -> None:
    inputs, config = market(seed), random_config(np.random.default_rng(seed))
    whole = run(inputs, config)
    rng = np.random.default_rng(seed + 1)
    bars, signals = inputs.bars.copy(), inputs.signals.copy()
    for name in ("open", "high", "low", "close", "mark", "quote_volume", "funding"):
        bars[name][cut:] *= rng.uniform(0.5, 2.0, bars[name][cut:].shape)
    signals[cut:] = np.zeros_like(signals[cut:], SIGNAL)
    changed = run(dataclasses.replace(inputs, bars=bars, signals=signals), config)
    end = inputs.time[cut - 1]
    assert np.array_equal(changed.equity[:cut], whole.equity[:cut])
    for name in ("fills", "refusals"):
        before = getattr(whole, name)[getattr(whole, name)["time"] < end]
        after = getattr(changed, name)[getattr(changed, name)["time"] < end]
        assert before.tobytes() == after.tobytes()


def test_room_for_the_records_grows_without_changing_them() -> None:
    one = market(0)
    many = 300
    long = dataclasses.replace(
        one,
        time=one.time[0] + HOUR_NS * np.arange(many * len(one.time), dtype=np.int64),
        bars=np.tile(one.bars, (many, 1)),
        signals=np.tile(one.signals, (many, 1)),
    )
    result = assert_steps_equal_the_loop(long, random_config(np.random.default_rng(0)))
    assert len(result.refusals) > 8_192  # beyond the first room
