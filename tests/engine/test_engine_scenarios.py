"""A hundred thousand random markets under the limits of every preset: none is exceeded, no money appears.

Hypothesis draws the seeds; compiled code draws market, signals, rules, costs and execution from each and checks the
invariants of ``test_engine_invariants`` at every bar. Limits are those of the shipped presets.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine_invariants import BROKEN, first_broken

from riposte.engine.enums import Reason, Rule
from riposte.engine.parameters import EngineConfig, PositionRules
from riposte.engine.records import (
    BAR,
    INTENT,
    SIGNAL,
    PortfolioRow,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import new_log, terms_of
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS
from riposte.settings.convert import limits_of
from riposte.settings.load import PRESETS, load_settings

SYMBOLS = ("BNBUSDT", "BTCUSDT", "SOLUSDT")
STEPS, FINER = 48, 3
SCENARIOS, BATCH = 100_000, 200
START = 1_704_067_200_000_000_000


@numba.njit
def draw_bar(bar: Any, before: float, sigma: float) -> float:
    """A bar that follows a close: mostly a walk, at times a jump, a gap, a lie or nothing; its close."""
    close = before * np.exp(min(max(sigma * np.random.standard_t(3), -1.5), 1.5))
    if np.random.random() < 0.03:
        close *= np.exp(np.random.normal(0.0, 0.15))
    open_ = before * (np.exp(np.random.normal(0.0, 0.08)) if np.random.random() < 0.06 else 1.0)
    bar["open"], bar["close"] = open_, close
    bar["high"] = max(open_, close) * np.exp(sigma * abs(np.random.normal(0.0, 1.0)))
    bar["low"] = min(open_, close) * np.exp(-sigma * abs(np.random.normal(0.0, 1.0)))
    bar["mark"] = close * np.exp(np.random.normal(0.0, 0.001))
    if np.random.random() < 0.05:
        bar["mark"] = (
            np.nan if np.random.random() < 0.5 else close * np.exp(np.random.normal(0, 0.2))
        )
    bar["quote_volume"] = 10 ** np.random.uniform(4.0, 9.0) * (np.random.random() > 0.03)
    bar["volatility"] = sigma
    bar["atr"] = sigma * np.random.uniform(0.5, 2.0)
    bar["volatility_ratio"] = np.exp(np.random.normal(0.0, 0.4))
    if np.random.random() < 0.02:
        bar["volatility_ratio"] = np.nan
    bar["funding"] = np.random.normal(0.0, 0.002) if np.random.random() < 0.2 else 0.0
    bar["present"] = 1 if np.random.random() > 0.03 else 0
    if np.random.random() < 0.01:
        bar["high"] = np.nan if np.random.random() < 0.5 else -1.0
    return close


@numba.njit
def draw_inside(bar: Any, inner: Any) -> None:
    """Bars that lie inside another one and agree with it."""
    count = len(inner)
    place = np.random.randint(count)
    at = bar["open"]
    for i in range(count):
        inner[i] = bar
        inner[i]["funding"] = bar["funding"] if i == count - 1 else 0.0
        inner[i]["open"] = at
        at = bar["low"] + np.random.random() * (bar["high"] - bar["low"])
        if i == count - 1:
            at = bar["close"]
        inner[i]["close"] = at
        inner[i]["high"] = max(inner[i]["open"], at)
        inner[i]["low"] = min(inner[i]["open"], at)
        if i == place:
            inner[i]["high"], inner[i]["low"] = bar["high"], bar["low"]


@numba.njit
def draw_signal(signal: Any) -> None:
    signal["direction"] = np.random.randint(-1, 2)
    signal["confidence"] = np.random.uniform(0.4, 1.0)
    signal["take_profit"] = 10 ** np.random.uniform(-3.0, -0.7)
    signal["stop_loss"] = 10 ** np.random.uniform(-3.0, -0.6)
    signal["horizon_ns"] = np.random.randint(1, 24) * HOUR_NS
    signal["model_id"] = np.random.randint(-1, 2)
    signal["regime"] = -1


@numba.njit
def draw_terms(terms: Any) -> None:
    rules, costs, execution = terms.rules, terms.costs, terms.execution
    rules["sizing"] = np.random.randint(0, 4)
    rules["fixed_fraction"] = np.random.uniform(0.001, 0.1)
    rules["volatility_target"] = np.random.uniform(0.05, 3.0)
    partials = np.random.randint(0, 3)
    for i in range(len(rules["partial_at"])):
        rules["partial_at"][i] = 0.3 * (i + 1) if i < partials else 0.0
    rules["breakeven_after_partial"] = np.random.randint(0, 2)
    rules["trail_after"] = 0.5 * np.random.randint(0, 3)
    rules["trail_distance"] = np.random.uniform(0.2, 1.5)
    rules["trail_atr"] = 2.0 * np.random.randint(0, 2)
    rules["add_after"] = 0.5 * np.random.randint(0, 2)
    rules["exit_on_reversal"] = np.random.randint(0, 2)
    rules["time_exit"] = np.random.randint(0, 2)
    costs["multiplier"] = np.random.uniform(0.0, 2.0)
    costs["participation"] = np.random.uniform(0.01, 1.0)
    costs["target_order"] = np.random.randint(0, 2)
    execution["margin_mode"] = np.random.randint(0, 2)
    execution["entry_order"] = np.random.randint(0, 3)
    execution["entry_offset"] = 0.003 * np.random.randint(0, 3)
    execution["entry_patience"] = np.random.randint(1, 6)
    execution["reprice"] = np.random.randint(0, 2)
    execution["cross_after"] = np.random.randint(0, 2)
    execution["latency_ns"] = np.random.randint(0, 3) // 2 * HOUR_NS
    terms.operator["resumes_after_ns"] = 6 * HOUR_NS if np.random.random() < 0.5 else -1


@numba.njit
def draw_portfolio(portfolio: Any) -> None:
    symbols = len(portfolio.weight)
    total = 0.0
    for s in range(symbols):
        portfolio.weight[s] = np.random.random() if np.random.random() < 0.9 else 0.0
        total += portfolio.weight[s]
        for other in range(s):
            value = np.random.uniform(-1.0, 1.0) if np.random.random() < 0.9 else np.nan
            portfolio.correlation[s, other] = portfolio.correlation[other, s] = value
    if total > 0.0:
        portfolio.weight[:] /= total


@numba.njit
def play(
    seed: int,
    count: int,
    fresh: Any,
    account: Any,
    none: Any,
    positions: Any,
    pending: Any,
    bars: Any,
    finer: Any,
    room: Any,
    signals: Any,
    instruments: Any,
    portfolio: Any,
    terms: Any,
    log: Any,
    seen: Any,
) -> tuple[int, int, int]:
    """(scenario, step, code) of the first broken invariant of ``count`` scenarios, or (-1, -1, 0).

    ``seen``: how often each reason (row 0) and rule (row 1) occurred.
    """
    steps, symbols = bars.shape
    inside = np.zeros(steps + 1, np.int64)
    time = np.zeros(steps, np.int64)
    for scenario in range(count):
        np.random.seed((seed + scenario) % 4294967296)
        draw_terms(terms)
        draw_portfolio(portfolio)
        account[0] = fresh[0]
        equity = 10 ** np.random.uniform(3.0, 5.5)
        a = account[0]
        a["deposits"] = a["wallet"] = a["equity"] = equity
        a["peak_equity"] = a["day_start_equity"] = equity
        now = START
        for t in range(steps):
            now += HOUR_NS * (np.random.randint(2, 60) if np.random.random() < 0.04 else 1)
            time[t] = now
            has_finer = np.random.random() < 0.3
            inside[t + 1] = inside[t] + (len(finer) // steps if has_finer else 0)
        for s in range(symbols):
            positions[s] = none[s]
            pending[s]["approved"] = 0
            pending[s]["kind"] = 0
            sigma = 10 ** np.random.uniform(-3.0, -1.3)
            close = 10 ** np.random.uniform(0.0, 4.5)
            for t in range(steps):
                close = draw_bar(bars[t, s], close, sigma)
                draw_signal(signals[t, s])
                if inside[t + 1] > inside[t]:
                    draw_inside(bars[t, s], finer[inside[t] : inside[t + 1], s])
        log.counts[:] = 0
        at, code = first_broken(
            a,
            positions,
            pending,
            bars,
            finer,
            inside,
            room,
            signals,
            instruments,
            portfolio,
            terms,
            time,
            log,
        )
        if at >= 0:
            return scenario, at, code
        for i in range(log.counts[0]):
            seen[0, log.trades[i]["exit_reason"]] += 1
        for i in range(log.counts[2]):
            seen[1, log.refusals[i]["rule"]] += 1
    return -1, -1, 0


class Stage:
    """Room for scenarios under the limits of one preset."""

    def __init__(self, preset: str) -> None:
        limits = limits_of(load_settings(flags={"preset": preset}).settings)
        self.terms = terms_of(EngineConfig(limits, rules=PositionRules(min_confidence=0.5)))
        self.instruments = instrument_records([INSTRUMENTS[name] for name in SYMBOLS])
        self.instruments["min_notional"] = 1.0
        count = len(SYMBOLS)
        self.fresh = np.array([new_account(10_000.0)])
        self.portfolio = PortfolioRow(np.eye(count), np.ones(count))
        self.room = (
            np.zeros((STEPS, count), BAR),
            np.zeros((FINER * STEPS, count), BAR),
            np.zeros(count, BAR),
            np.zeros((STEPS, count), SIGNAL),
        )
        self.log = new_log(64 * STEPS)
        self.seen = np.zeros((2, 64), np.int64)

    def play(self, seed: int, count: int) -> tuple[int, int, int]:
        symbols = len(SYMBOLS)
        return play(
            seed,
            count,
            self.fresh,
            self.fresh.copy(),
            new_positions(symbols),
            new_positions(symbols),
            np.zeros(symbols, INTENT),
            *self.room,
            self.instruments,
            self.portfolio,
            self.terms,
            self.log,
            self.seen,
        )


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    return {preset: Stage(preset) for preset in PRESETS}


@settings(max_examples=SCENARIOS // BATCH, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), preset=st.sampled_from(PRESETS))
def test_no_limit_of_any_preset_is_exceeded(
    stages: dict[str, Stage], seed: int, preset: str
) -> None:
    scenario, at, code = stages[preset].play(seed, BATCH)
    assert code == 0, f"{preset}, seed {seed} + {scenario}, step {at}: {BROKEN[code]}"


def test_the_scenarios_reached_every_corner(stages: dict[str, Stage]) -> None:
    # Runs after the test above, whose scenarios it counts; else they would prove nothing.
    seen = sum(stage.seen for stage in stages.values())
    never = {Reason(i).name for i in Reason if seen[0, i] == 0}
    assert never <= {"NONE", "SIGNAL", "ADD", "PARTIAL_TARGET", "OPERATOR", "END_OF_DATA"}
    unseen = {Rule(i).name for i in Rule if seen[1, i] == 0}
    by_hand = {"REVIEW", "DUPLICATE", "SELF_TRADE", "MAX_POSITIONS", "ORDER_RATE", "FREE_MARGIN"}
    by_hand |= {"HEAT", "LIQUIDATION_NEAR"}
    rare = {"LEVERAGE", "ACCURACY", "MAX_ORDER_NOTIONAL", "TRADES_PER_DAY", "OPPOSITE_POSITION"}
    assert unseen <= {"NONE", *by_hand, *rare}
