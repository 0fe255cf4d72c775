"""The proofs over thousands of hostile markets at a size that plain Python can carry.

Not collected by ``make test``, which runs them at full size; the mutants are tried against these.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scenario import config
from test_engine_invariants import (
    BROKEN,
    STEPS,
    SYMBOLS,
    first_broken,
    hostile_market,
    random_config,
)
from test_engine_quiet import calmed, left_behind

from riposte.engine.parameters import Operator
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import new_log, terms_of
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import DAY_NS


@pytest.mark.parametrize("seed", range(8))
def test_no_limit_breaks(seed: int) -> None:
    instruments = instrument_records([INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"]])
    instruments["min_notional"] = 1.0
    rng = np.random.default_rng(seed)
    time, bars, signals = hostile_market(rng)
    settings = random_config(rng)
    account, positions = new_account(settings.starting_equity), new_positions(SYMBOLS)
    pending, log = np.zeros(SYMBOLS, INTENT), new_log(16 * STEPS)
    at, code = first_broken(
        account, positions, pending, bars, signals, instruments, terms_of(settings), time, log
    )
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
