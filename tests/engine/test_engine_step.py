"""One bar at a time is the loop: the live way of calling the engine and the back-test agree in bytes."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scenario import no_finer, strangers
from test_engine_invariants import hostile_market, random_config

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import (
    BAR,
    INTENT,
    SIGNAL,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import MarketInputs, RunResult, new_log, run, terms_of
from riposte.engine.step import close_all, step
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS

CONTRACTS = (INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"])


def market(seed: int) -> MarketInputs:
    time, bars, signals = hostile_market(np.random.default_rng(seed))
    return MarketInputs(("A", "B"), CONTRACTS, HOUR_NS, time, bars, signals)


def assert_steps_equal_the_loop(inputs: MarketInputs, config: EngineConfig) -> RunResult:
    whole = run(inputs, config)
    account, positions = new_account(config.starting_equity), new_positions(2)
    pending, log = np.zeros(2, INTENT), new_log(50_000)
    instruments, terms = instrument_records(CONTRACTS), terms_of(config, HOUR_NS)
    bars = inputs.bars.copy()
    for t, time in enumerate(inputs.time):
        step(
            account,
            positions,
            pending,
            bars[t],
            no_finer(2),
            np.zeros(2, BAR),
            inputs.signals[t],
            instruments,
            strangers(2),
            terms,
            HOUR_NS,
            int(time),
            log,
        )
    close_all(account, positions, bars[-1], instruments, terms, int(inputs.time[-1]), log)
    assert account.tobytes() == whole.account.tobytes()
    assert positions.tobytes() == whole.positions.tobytes()
    assert log.trades[: log.counts[0]].tobytes() == whole.trades.tobytes()
    assert log.fills[: log.counts[1]].tobytes() == whole.fills.tobytes()
    assert log.refusals[: log.counts[2]].tobytes() == whole.refusals.tobytes()
    return whole


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
    one = market(1)
    many = 300
    long = dataclasses.replace(
        one,
        time=one.time[0] + HOUR_NS * np.arange(many * len(one.time), dtype=np.int64),
        bars=np.tile(one.bars, (many, 1)),
        signals=np.tile(one.signals, (many, 1)),
    )
    result = assert_steps_equal_the_loop(long, random_config(np.random.default_rng(0)))
    assert len(result.refusals) > 8_192  # beyond the first room
