"""No limit is ever broken and no money ever appears, over random and hostile markets.

The checks are written here anew, from SPEC K1-K4, and look only at records, not at the engine's rules. Markets and
settings are drawn by NumPy here; ``test_engine_scenarios.py`` draws a hundred thousand more.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from scenario import no_finer

from riposte.engine.enums import TradingState
from riposte.engine.parameters import (
    Costs,
    EngineConfig,
    EntryOrder,
    Execution,
    Limits,
    MarginMode,
    Operator,
    PositionRules,
    Sizing,
    TargetOrder,
)
from riposte.engine.records import (
    ACCOUNT,
    BAR,
    INTENT,
    POSITION,
    SIGNAL,
    PortfolioRow,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import new_log, terms_of
from riposte.engine.step import step
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.market.portfolio import Portfolio

SCENARIOS = 1_000
STEPS = 60
SYMBOLS = 2
START = 1_704_067_200_000_000_000
ACTIVE, HALTED = int(TradingState.ACTIVE), int(TradingState.HALTED)

BROKEN = {
    1: "equity is not deposits + realised + unrealised - fees - funding",
    2: "margin of a new position above its share of equity",
    3: "leverage above the limit",
    4: "more trades in a day than allowed",
    5: "a position opened while the account was not ACTIVE",
    6: "a position still open one bar after HALTED",
    7: "risk at the stop above its share of equity",
    8: "margins together above the heat limit",
    9: "drawdown beyond the limit and not HALTED",
    10: "daily loss beyond the limit and not HALTED",
    11: "a position without a stop on the losing side of its entry at the start",
    12: "a stop was loosened",
    13: "losses in a row beyond the limit and ACTIVE",
    14: "equity is not positive",
    15: "a number in the state is not finite",
    16: "volatility beyond the limit and not HALTED",
    17: "a stop that liquidation would come before",
    18: "a position opened on a bar that could not be true",
    19: "symbols held together that move together more than allowed",
    20: "a symbol's margin above its weight of the heat limit",
    21: "leverage above what the record has earned",
    22: "a position left too near its liquidation",
    23: "an opening fill above its share of the bar's volume",
    24: "more positions than allowed",
    25: "an opening fill larger than the largest order",
    26: "a stop on a position that is held is missing",
}


@numba.njit
def true_bar(b: Any) -> bool:
    return bool(
        b["present"] == 1
        and np.isfinite(b["open"])
        and np.isfinite(b["close"])
        and b["low"] > 0.0
        and b["high"] >= max(b["open"], b["close"])
        and b["low"] <= min(b["open"], b["close"])
        and np.isfinite(b["high"])
    )


@numba.njit
def earned_leverage(account: Any, limits: Any) -> float:
    """K4: the base, or the maximum with a win rate, a Sharpe and a drawdown all better than asked."""
    trades = min(limits["ladder_trades"], len(account["results"]))
    if account["results_count"] < trades:
        return min(limits["base_leverage"], limits["max_leverage"])
    won = 0
    for i in range(trades):
        won += account["results"][(account["results_at"] - 1 - i) % len(account["results"])]
    good = (
        won > limits["ladder_win_rate"] * trades
        and account["sharpe"] > limits["ladder_sharpe"]
        and account["equity"] > account["peak_equity"] * (1.0 - limits["ladder_drawdown"])
    )
    return limits["max_leverage"] if good else min(limits["base_leverage"], limits["max_leverage"])


@numba.njit
def broken_by_opening(
    p: Any, opened_now: bool, limits: Any, earned: float, weight: float, equity: float, exact: bool
) -> int:
    """Code of BROKEN for a position that has just been opened or added to, 0 if it may be.

    ``exact``: it was opened in one fill and stands on its own margin.
    """
    side = 1.0 if p["quantity"] > 0.0 else -1.0
    slack = 1.0 + 1e-9
    if p["margin"] > limits["margin_fraction"] * equity * slack:
        return 2
    if p["margin"] > weight * limits["heat_fraction"] * equity * slack:
        return 20
    risk = (p["entry_price"] - p["stop_price"]) * p["quantity"]
    if risk > limits["risk_fraction"] * equity * slack:
        return 7
    if not opened_now:
        return 0
    if p["leverage"] > limits["max_leverage"] * slack:
        return 3
    if p["leverage"] > earned * slack:
        return 21
    if not exact:
        return 0
    # A partial profit at once may have moved the stop: judge the first risk only.
    if p["risk_per_coin"] * p["max_quantity"] > limits["risk_fraction"] * equity * slack:
        return 7
    entry = p["entry_notional"] / p["max_quantity"]
    first_stop = entry - side * p["risk_per_coin"]
    if not (first_stop * side < entry * side and p["risk_per_coin"] > 0.0):
        return 11
    if (first_stop - p["liquidation_price"]) * side <= 0.0:
        return 17
    return 0


@numba.njit
def broken_together(positions: Any, opened_now: Any, limits: Any, portfolio: Any) -> int:
    """Code of BROKEN for what positions are together, 0 if nothing is."""
    held = 0
    for s in range(len(positions)):
        if positions[s]["quantity"] == 0.0:
            continue
        held += 1
        for other in range(len(positions)):
            if other == s or positions[other]["quantity"] == 0.0:
                continue
            if not opened_now[s]:
                continue
            sides = np.sign(positions[s]["quantity"]) * np.sign(positions[other]["quantity"])
            together = portfolio.correlation[s, other] * sides
            if limits["max_correlation"] < 1.0 and not together <= limits["max_correlation"]:
                return 19
    return 24 if held > limits["max_positions"] else 0


@numba.njit
def broken_by_fills(log: Any, first: int, bars: Any, whole: Any, terms: Any) -> int:
    """Code of BROKEN for the fills of one step, 0 if none breaks a rule."""
    for i in range(first, log.counts[1]):
        fill = log.fills[i]
        if fill["reason"] != 1 and fill["reason"] != 2:  # SIGNAL, ADD
            continue
        notional = fill["quantity"] * fill["price"]
        share = terms.costs["participation"] * bars[fill["symbol"]]["quote_volume"]
        if whole[fill["symbol"]] and notional > share * (1.0 + 1e-9):
            return 23
        if notional > terms.limits["max_order_notional"] * (1.0 + 1e-9):
            return 25
    return 0


@numba.njit
def first_broken(
    account: Any,
    positions: Any,
    pending: Any,
    bars: Any,
    finer: Any,
    inside: Any,
    room: Any,
    signals: Any,
    instruments: Any,
    portfolio: Any,
    terms: Any,
    time: Any,
    log: Any,
) -> tuple[int, int]:
    """(step, code of BROKEN) of the first broken invariant, or (-1, 0)."""
    limits = terms.limits
    symbols = len(positions)
    isolated = terms.execution["margin_mode"] == 0
    at_once = terms.execution["latency_ns"] == 0
    truth = np.zeros(symbols, np.bool_)
    opened_now = np.zeros(symbols, np.bool_)
    for t in range(len(time)):
        equity_before = account["equity"]
        state_before = account["state"]
        earned = earned_leverage(account, limits)
        stops = positions["stop_price"].copy()
        opened = positions["opened_at"].copy()
        held = positions["quantity"].copy()
        near = np.zeros(symbols, np.bool_)
        for s in range(symbols):
            truth[s] = true_bar(bars[t, s])
            p = positions[s]
            if p["quantity"] != 0.0 and p["liquidation_price"] > 0.0:
                distance = abs(p["mark"] - p["liquidation_price"]) / p["mark"]
                near[s] = distance < limits["liquidation_distance"]
        fills_before = log.counts[1]
        step(
            account,
            positions,
            pending,
            bars[t],
            finer[inside[t] : inside[t + 1]],
            room,
            signals[t],
            instruments,
            portfolio,
            portfolio,
            terms,
            HOUR_NS,
            time[t],
            log,
        )
        unrealised = 0.0
        margins = 0.0
        ratio = np.nan
        for s in range(symbols):
            p = positions[s]
            unrealised += (
                p["quantity"] * (p["mark"] - p["entry_price"]) if p["quantity"] != 0 else 0.0
            )
            margins += p["margin"]
            own = bars[t, s]["volatility_ratio"]
            if truth[s] and (own > ratio or np.isnan(ratio)):
                ratio = own
        total = (
            account["deposits"]
            + account["realised"]
            + unrealised
            - account["fees"]
            - account["funding"]
        )
        if not np.isfinite(account["equity"]) or not np.isfinite(account["wallet"]):
            return t, 15
        if abs(account["equity"] - total) > 1e-8 * max(1.0, account["deposits"]):
            return t, 1
        if account["equity"] < -1e-8 * account["deposits"]:
            return t, 14
        if account["trades_today"] > limits["trades_per_day"]:
            return t, 4
        any_grown = False
        for s in range(symbols):
            p = positions[s]
            opened_now[s] = False
            if p["quantity"] == 0.0:
                continue
            side = 1.0 if p["quantity"] > 0.0 else -1.0
            opened_now[s] = held[s] == 0.0 or p["opened_at"] != opened[s]
            grown = opened_now[s] or abs(p["quantity"]) > abs(held[s])
            if grown:
                any_grown = True
                if not truth[s]:
                    return t, 18
                if state_before != ACTIVE:
                    return t, 5
                code = broken_by_opening(
                    p,
                    opened_now[s],
                    limits,
                    earned,
                    portfolio.weight[s],
                    equity_before,
                    isolated and inside[t] == inside[t + 1],
                )
                if code != 0:
                    return t, code
            if not opened_now[s] and (p["stop_price"] - stops[s]) * side < 0.0:
                return t, 12
            if not p["stop_price"] > 0.0:
                return t, 26
            if at_once and not opened_now[s] and truth[s]:
                if state_before == HALTED:
                    return t, 6
                if near[s]:
                    return t, 22
        if any_grown and margins > limits["heat_fraction"] * equity_before * (1 + 1e-9):
            return t, 8
        code = broken_together(positions, opened_now, limits, portfolio)
        if code == 0:
            code = broken_by_fills(
                log, fills_before, bars[t], np.full(symbols, inside[t] == inside[t + 1]), terms
            )
        if code != 0:
            return t, code
        fell = account["equity"] <= account["peak_equity"] * (1 - limits["max_drawdown"])
        if fell and account["state"] != HALTED:
            return t, 9
        lost = account["equity"] <= account["day_start_equity"] * (1 - limits["daily_loss"])
        if lost and account["state"] != HALTED:
            return t, 10
        if ratio >= limits["volatility_ratio"] and account["state"] != HALTED:
            return t, 16
        if account["losses_in_row"] >= limits["losses_in_row"] and account["state"] == ACTIVE:
            return t, 13
    return -1, 0


def hostile_market(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Bars with jumps, gaps, lies and funding, and signals that know nothing: (time, bars, signals)."""
    bars = np.zeros((STEPS, SYMBOLS), BAR)
    signals = np.zeros((STEPS, SYMBOLS), SIGNAL)
    sigma = 10 ** rng.uniform(-3, -1.3)
    for s in range(SYMBOLS):
        moves = sigma * rng.standard_t(3, STEPS)
        jumps = rng.random(STEPS) < 0.05
        moves[jumps] += rng.normal(0, 0.15, jumps.sum())
        close = 10 ** rng.uniform(0, 4.5) * np.exp(np.cumsum(np.clip(moves, -1.5, 1.5)))
        open_ = np.append(close[0], close[:-1])
        gapped = rng.random(STEPS) < 0.1
        open_[gapped] *= np.exp(rng.normal(0, 0.08, gapped.sum()))
        wick = sigma * np.abs(rng.normal(size=(2, STEPS)))
        column = bars[:, s]
        column["open"], column["close"] = open_, close
        column["high"] = np.maximum(open_, close) * np.exp(wick[0])
        column["low"] = np.minimum(open_, close) * np.exp(-wick[1])
        column["mark"] = close * np.exp(rng.normal(0, 0.001, STEPS))
        column["mark"][rng.random(STEPS) < 0.05] = np.nan
        column["quote_volume"] = 10 ** rng.uniform(3, 9, STEPS)
        column["quote_volume"][rng.random(STEPS) < 0.05] = 0.0
        column["volatility"] = sigma
        column["atr"] = sigma * rng.uniform(0.5, 2.0, STEPS)
        column["volatility_ratio"] = np.exp(rng.normal(0, 0.5, STEPS))
        column["volatility_ratio"][rng.random(STEPS) < 0.03] = np.nan
        column["funding"] = np.where(rng.random(STEPS) < 0.2, rng.normal(0, 0.002, STEPS), 0.0)
        column["present"] = rng.random(STEPS) > 0.05
        for name in ("open", "high", "low", "close"):
            lies = rng.random(STEPS) < 0.01
            column[name][lies] = rng.choice([np.nan, np.inf, -1.0, 0.0], lies.sum())
        signal = signals[:, s]
        signal["direction"] = rng.integers(-1, 2, STEPS)
        signal["confidence"] = rng.uniform(0.4, 1.0, STEPS)
        signal["take_profit"] = 10 ** rng.uniform(-3, -0.7, STEPS)
        signal["stop_loss"] = 10 ** rng.uniform(-3, -0.5, STEPS)
        signal["stop_loss"][rng.random(STEPS) < 0.02] = np.nan
        signal["horizon_ns"] = rng.integers(1, 48, STEPS) * HOUR_NS
        signal["model_id"] = rng.integers(-1, 2)
        signal["regime"] = -1
    step_hours = np.where(rng.random(STEPS) < 0.05, rng.integers(2, 100, STEPS), 1)
    time = START + HOUR_NS * np.cumsum(step_hours).astype(np.int64)
    return time, bars, signals


def random_config(rng: np.random.Generator) -> EngineConfig:
    """Limits up to the hard ones of SPEC K1-K3, any position rules, any costs."""
    limits = Limits(
        margin_fraction=rng.uniform(0.01, 0.08),
        max_leverage=rng.uniform(1.0, 5.0),
        risk_fraction=rng.uniform(0.001, 0.01),
        daily_loss=rng.uniform(0.003, 0.02),
        trades_per_day=int(rng.integers(1, 16)),
        losses_in_row=int(rng.integers(1, 9)),
        pause_after_losses=int(rng.choice([0, 2, 5])),
        max_drawdown=rng.uniform(0.005, 0.05),
        volatility_ratio=rng.uniform(1.5, 3.0),
        heat_fraction=rng.uniform(0.05, 0.2),
        max_correlation=rng.choice([0.3, 0.7, 1.0]),
        liquidation_distance=rng.choice([0.0, 0.15, 0.25]),
        base_leverage=rng.uniform(1.0, 5.0),
        ladder_trades=int(rng.integers(1, 5)),
        ladder_win_rate=0.3,
        accuracy_signals=int(rng.choice([0, 10])),
        price_collar=rng.uniform(0.01, 0.3),
    )
    rules = PositionRules(
        sizing=Sizing(int(rng.integers(0, 4))),
        min_confidence=0.5,
        fixed_fraction=rng.uniform(0.001, 0.1),
        volatility_target=rng.uniform(0.05, 3.0),
        partial_at=((), (0.3,), (0.2, 0.7))[rng.integers(3)],
        partial_share=(0.5, 0.4),
        trail_after=rng.choice([0.0, 0.5, 1.0]),
        trail_distance=rng.uniform(0.2, 1.5),
        add_after=rng.choice([0.0, 0.5]),
        max_adds=2,
        exit_on_reversal=bool(rng.integers(0, 2)),
        trail_atr=rng.choice([0.0, 2.0]),
    )
    costs = Costs(
        multiplier=rng.uniform(0.0, 2.0),
        participation=rng.uniform(0.01, 1.0),
        target_order=TargetOrder(int(rng.integers(0, 2))),
    )
    operator = Operator(int(rng.choice([-1, 6 * HOUR_NS, DAY_NS])))
    execution = Execution(
        margin_mode=MarginMode(int(rng.integers(0, 2))),
        entry_order=EntryOrder(int(rng.integers(0, 3))),
        entry_offset=rng.choice([0.0, 0.002, 0.01]),
        entry_patience=int(rng.integers(1, 6)),
        reprice=bool(rng.integers(0, 2)),
        cross_after=bool(rng.integers(0, 2)),
        latency_ns=int(rng.choice([0, 0, 0, HOUR_NS, 3 * HOUR_NS])),
    )
    return EngineConfig(limits, costs, rules, operator, 10 ** rng.uniform(2.5, 5.5), execution)


def random_portfolio(rng: np.random.Generator, symbols: int) -> Portfolio:
    """Correlations that hold for a day each, some not known, and weights, some of them nothing."""
    epochs = 4
    values = rng.uniform(-1.0, 1.0, (epochs, symbols, symbols))
    values[rng.random(values.shape) < 0.1] = np.nan
    values = np.triu(values, 1)
    values = values + values.transpose(0, 2, 1) + np.eye(symbols)
    weight = rng.random((epochs, symbols)) * (rng.random((epochs, symbols)) < 0.9)
    total = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
    return Portfolio(START + DAY_NS * np.arange(epochs), values, weight)


def test_no_limit_breaks_and_no_money_appears_in_hostile_markets() -> None:
    instruments = instrument_records([INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"]])
    instruments["min_notional"] = 1.0
    trades, reasons, rules = 0, set(), set()
    for seed in range(SCENARIOS):
        rng = np.random.default_rng(seed)
        time, bars, signals = hostile_market(rng)
        config = random_config(rng)
        known = random_portfolio(rng, SYMBOLS)
        portfolio = PortfolioRow(known.correlation[0], known.weight[0])
        account, positions = new_account(config.starting_equity), new_positions(SYMBOLS)
        pending = np.zeros(SYMBOLS, INTENT)
        log = new_log(16 * STEPS)
        at, code = first_broken(
            account,
            positions,
            pending,
            bars,
            no_finer(SYMBOLS),
            np.zeros(STEPS + 1, np.int64),
            np.zeros(SYMBOLS, BAR),
            signals,
            instruments,
            portfolio,
            terms_of(config, HOUR_NS),
            time,
            log,
        )
        assert at < 0, f"seed {seed}, step {at}: {BROKEN[code]}\n{config}\n{positions}"
        trades += log.counts[0]
        reasons |= set(log.trades["exit_reason"][: log.counts[0]].tolist())
        rules |= set(log.refusals["rule"][: log.counts[2]].tolist())
    # The scenarios must reach every corner, else they prove nothing.
    assert trades > SCENARIOS
    assert reasons >= {3, 4, 5, 7, 8, 11, 12}
    assert rules >= {1, 2, 3, 4, 5, 8, 13, 14, 15, 17, 18, 19, 21, 25, 26, 27, 28}


@pytest.mark.parametrize("dtype", [ACCOUNT, POSITION, INTENT, BAR, SIGNAL])
def test_records_have_no_object_fields_so_that_their_bytes_are_their_value(dtype: Any) -> None:
    assert not dtype.hasobject
