"""The daily and system tiers: what the account may do, judged at every bar's close (SPEC K2, K3, K9).

Drawdown and daily loss count open positions and fees, because they are taken from equity. A state
is only ever tightened here; it is lifted by the calendar (daily tier), by calm (volatility) or by a
person (:func:`resume`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing
from riposte.engine.enums import Halt, TradingState
from riposte.engine.parameters import NEVER
from riposte.engine.records import RING, Terms
from riposte.market.interval import DAY_NS

ACTIVE = int(TradingState.ACTIVE)
REDUCING = int(TradingState.REDUCING)
HALTED = int(TradingState.HALTED)
NO_HALT = int(Halt.NONE)
DAILY_LOSS = int(Halt.DAILY_LOSS)
LOSSES_IN_ROW = int(Halt.LOSSES_IN_ROW)
DRAWDOWN = int(Halt.DRAWDOWN)
VOLATILITY = int(Halt.VOLATILITY)
REVIEW = int(Halt.REVIEW)
OPERATOR = int(Halt.OPERATOR)

# After a volatility stop the market must calm to this share of the limit before trading goes on, so
# that a ratio hovering at the limit does not open and close the account at every bar.
CALM = 2.0 / 3.0
# The drawdown limit counts as reached when this share of it is used. The gate opens nothing whose stop
# could break the limit, so with less left than this the account could neither trade nor ever lose the
# rest: it would stand still without anyone being called.
SPENT = 0.95
_DAYS_PER_YEAR = 365.0


@borrowing
def severity(halt: int) -> int:
    """Rank of a halt: a graver one replaces a milder one, never the other way round."""
    if halt in (DRAWDOWN, OPERATOR):
        return 5
    if halt == DAILY_LOSS:
        return 4
    if halt == VOLATILITY:
        return 3
    if halt == REVIEW:
        return 2
    if halt == LOSSES_IN_ROW:
        return 1
    return 0


@borrowing
def stop_trading(account: Any, halt: int, state: int, time: int) -> None:
    """Enter ``state`` because of ``halt``, unless a graver halt already holds."""
    if severity(halt) > severity(account["halt"]):
        account["halt"] = halt
        account["state"] = state
        account["state_since"] = time


@borrowing
def lift(account: Any, time: int) -> None:
    """Back to ACTIVE."""
    account["state"] = ACTIVE
    account["halt"] = NO_HALT
    account["state_since"] = time


@borrowing
def resume(account: Any, time: int) -> None:
    """A person lifts whatever stands: limits are measured afresh from the present equity."""
    lift(account, time)
    account["peak_equity"] = account["equity"]
    account["day_start_equity"] = account["equity"]
    account["losses_in_row"] = 0
    account["paused_until"] = 0
    account["returns_count"] = 0
    account["returns_at"] = 0
    account["sharpe"] = np.nan


@borrowing
def rolling_sharpe(account: Any, days: int, active_days: int) -> float:
    """Annualised Sharpe ratio of the last ``days`` daily returns.

    NaN with fewer days on record, or when fewer than ``active_days`` of them had any result: a
    single losing day in a quiet month proves nothing.
    """
    if account["returns_count"] < days:
        return np.nan
    total = 0.0
    active = 0
    for i in range(days):
        value = account["returns"][(account["returns_at"] - 1 - i) % RING]
        total += value
        if value != 0.0:
            active += 1
    if active < active_days:
        return np.nan
    mean = total / days
    squares = 0.0
    for i in range(days):
        deviation = account["returns"][(account["returns_at"] - 1 - i) % RING] - mean
        squares += deviation * deviation
    if squares <= 0.0:
        return np.nan
    return mean / np.sqrt(squares / (days - 1)) * np.sqrt(_DAYS_PER_YEAR)


@borrowing
def roll_day(account: Any, terms: Terms, time: int) -> None:
    """At the first close of a new UTC day: store the day's return, reset the daily tier."""
    day = time // DAY_NS
    if day == account["day"]:
        return
    if account["day"] >= 0 and account["day_start_equity"] > 0.0:
        at = account["returns_at"]
        account["returns"][at] = account["equity"] / account["day_start_equity"] - 1.0
        account["returns_at"] = (at + 1) % RING
        account["returns_count"] = min(account["returns_count"] + 1, RING)
    days = min(terms.limits["sharpe_days"], RING)
    if days > 1:
        account["sharpe"] = rolling_sharpe(account, days, terms.limits["sharpe_active_days"])
    account["day"] = day
    account["day_start_equity"] = account["equity"]
    account["trades_today"] = 0
    if account["halt"] == DAILY_LOSS or account["halt"] == LOSSES_IN_ROW:
        account["losses_in_row"] = 0
        lift(account, time)


@borrowing
def record_hit(account: Any, hit: bool, terms: Terms) -> None:
    """Count whether an acted-on signal named the right direction; too few right: signals off."""
    window = min(terms.limits["accuracy_signals"], RING)
    if window <= 0:
        return
    at = account["hits_at"]
    account["hits"][at] = 1 if hit else 0
    account["hits_at"] = (at + 1) % RING
    account["hits_count"] = min(account["hits_count"] + 1, RING)
    if account["hits_count"] < window:
        return
    right = 0
    for i in range(window):
        right += account["hits"][(account["hits_at"] - 1 - i) % RING]
    if right < terms.limits["min_accuracy"] * window:
        account["signals_off"] = 1


@borrowing
def record_result(account: Any, won: bool) -> None:
    """Count a closed trade as won or lost, in the rolling window and in all."""
    at = account["results_at"]
    account["results"][at] = 1 if won else 0
    account["results_at"] = (at + 1) % RING
    account["results_count"] = min(account["results_count"] + 1, RING)
    account["trades"] += 1
    if won:
        account["wins"] += 1
        account["losses_in_row"] = 0
    else:
        account["losses_in_row"] += 1


@borrowing
def win_rate(account: Any, trades: int) -> float:
    """Share of the last ``trades`` closed trades that were won; NaN with fewer on record."""
    if trades < 1 or account["results_count"] < trades:
        return np.nan
    won = 0
    for i in range(trades):
        won += account["results"][(account["results_at"] - 1 - i) % RING]
    return won / trades


@borrowing
def allowed_leverage(account: Any, terms: Terms) -> float:
    """Leverage a new position may have: the base, and the maximum only while the record earns it
    (SPEC K4): win rate, rolling Sharpe and drawdown all good. What is not known earns nothing."""
    limits = terms.limits
    base = min(limits["base_leverage"], limits["max_leverage"])
    if base == limits["max_leverage"]:
        return base
    trades = min(limits["ladder_trades"], RING)
    deepest = account["peak_equity"] * (1.0 - limits["ladder_drawdown"])
    earned = (
        account["sharpe"] > limits["ladder_sharpe"]
        and account["equity"] > deepest
        and win_rate(account, trades) > limits["ladder_win_rate"]
    )
    return limits["max_leverage"] if earned else base


@borrowing
def accept_model(account: Any, model_id: int) -> None:
    """A newly fitted model starts with a clean accuracy record."""
    if account["model_id"] != model_id:
        account["model_id"] = model_id
        account["hits_count"] = 0
        account["hits_at"] = 0
        account["signals_off"] = 0


@borrowing
def update_limits(account: Any, terms: Terms, time: int, volatility_ratio: float) -> None:
    """Judge all daily and system limits at a close; equity must already be valued.

    ``volatility_ratio`` is the largest short-run/normal volatility of the symbols (NaN: unknown).
    """
    roll_day(account, terms, time)
    needs_person = account["halt"] in (DRAWDOWN, REVIEW, OPERATOR)
    delay = terms.operator["resumes_after_ns"]
    if needs_person and delay != NEVER and time - account["state_since"] >= delay:
        resume(account, time)
    if (
        account["halt"] == VOLATILITY
        and volatility_ratio <= CALM * terms.limits["volatility_ratio"]
    ):
        lift(account, time)

    equity = account["equity"]
    if equity <= account["peak_equity"] * (1.0 - SPENT * terms.limits["max_drawdown"]):
        stop_trading(account, DRAWDOWN, HALTED, time)
    if equity <= account["day_start_equity"] * (1.0 - terms.limits["daily_loss"]):
        stop_trading(account, DAILY_LOSS, HALTED, time)
    if volatility_ratio >= terms.limits["volatility_ratio"]:
        stop_trading(account, VOLATILITY, HALTED, time)
    if account["losses_in_row"] >= terms.limits["losses_in_row"]:
        stop_trading(account, LOSSES_IN_ROW, REDUCING, time)
    if account["sharpe"] < terms.limits["min_sharpe"]:
        stop_trading(account, REVIEW, REDUCING, time)
    account["time"] = time
