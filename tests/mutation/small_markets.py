"""The proofs over thousands of hostile markets at a size that plain Python can carry.

Not collected by ``make test``, which runs them at full size; the mutants are tried against these.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scenario import config, no_finer
from test_engine_finer import hostile_inputs
from test_engine_invariants import (
    BROKEN,
    STEPS,
    SYMBOLS,
    first_broken,
    hostile_market,
    random_config,
    random_portfolio,
)
from test_engine_quiet import calmed, left_behind

from riposte.engine.parameters import Operator
from riposte.engine.records import (
    BAR,
    INTENT,
    PortfolioRow,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import MarketInputs, new_log, reordered, run, terms_of
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import DAY_NS, HOUR_NS


@pytest.mark.parametrize("seed", range(8))
def test_no_limit_breaks(seed: int) -> None:
    instruments = instrument_records([INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"]])
    instruments["min_notional"] = 1.0
    rng = np.random.default_rng(seed)
    time, bars, signals = hostile_market(rng)
    settings = random_config(rng)
    account, positions = new_account(settings.starting_equity), new_positions(SYMBOLS)
    pending, log = np.zeros(SYMBOLS, INTENT), new_log(16 * STEPS)
    known = random_portfolio(rng, SYMBOLS)
    at, code = first_broken(
        account, positions, pending, bars, no_finer(SYMBOLS), np.zeros(STEPS + 1, np.int64),
        np.zeros(SYMBOLS, BAR), signals, instruments,
        PortfolioRow(known.correlation[0], known.weight[0]), terms_of(settings, HOUR_NS), time, log,
    )  # fmt: skip
    assert at < 0, BROKEN[code]


@pytest.mark.parametrize("seed", range(16))
def test_crossing_leaves_the_bytes_of_stepping(seed: int) -> None:
    rng = np.random.default_rng([seed, 5])
    time, bars, signals = hostile_market(rng)
    settings = random_config(rng)
    if seed % 4:
        calmed(bars, signals, rng)
    if seed % 3 == 0:
        bars, signals = bars[:, :1].copy(), signals[:, :1].copy()
    if seed % 5 == 0:
        settings = dataclasses.replace(settings, limits=config().limits, operator=Operator(DAY_NS))
    stepped = left_behind(time, bars, signals, settings, 0)
    crossed = left_behind(time, bars, signals, settings, 1)
    assert stepped == crossed


@pytest.mark.parametrize("seed", range(12))
def test_crossing_leaves_the_bytes_of_stepping_with_finer_bars_too(seed: int) -> None:
    inputs, settings = hostile_inputs(seed)
    stepped, crossed = run(inputs, settings, quietly=False), run(inputs, settings)
    for name in ("equity", "exposure", "trades", "fills", "refusals", "positions", "account"):
        assert getattr(stepped, name).tobytes() == getattr(crossed, name).tobytes(), name


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_two_symbols_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    time, bars, signals = hostile_market(rng)
    contracts = (INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"])
    known = random_portfolio(rng, SYMBOLS)
    inputs = MarketInputs(("X", "Y"), contracts, HOUR_NS, time, bars, signals, portfolio=known)
    settings = random_config(rng)
    whole, other = run(inputs, settings), run(reordered(inputs, (1, 0)), settings)
    assert other.equity.tobytes() == whole.equity.tobytes()
    assert other.account.tobytes() == whole.account.tobytes()
    assert other.positions.tobytes() == whole.positions[[1, 0]].tobytes()
    for name in ("trades", "fills", "refusals"):
        found = getattr(other, name).copy()
        found["symbol"] = 1 - found["symbol"]
        assert found.tobytes() == getattr(whole, name).tobytes()
