"""The daily and system tiers: what stops trading, what lifts the stop, and what survives a restart."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenario import START, WIDE, bars_of, config, inputs_of, signals_of

from riposte.engine.enums import Halt, Reason, Rule, TradingState
from riposte.engine.limits import record_hit, resume, rolling_sharpe, update_limits
from riposte.engine.parameters import Limits, Operator
from riposte.engine.records import INTENT, new_account, new_positions
from riposte.engine.run import run, terms_of
from riposte.engine.state import looser, state_from_bytes, state_to_bytes, tighten
from riposte.errors import InputError, StorageError
from riposte.market.interval import DAY_NS, HOUR_NS

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


class Book:
    """An account moved by hand through update_limits."""

    def __init__(self, limits: Limits, operator: Operator | None = None) -> None:
        self.terms = terms_of(config(limits, operator=operator))
        self.account = new_account(10_000.0)
        self.time = START
        self.at(10_000.0)

    def at(self, equity: float, hours: float = 0, ratio: float = 1.0) -> tuple[int, int]:
        """(state, halt) after a close ``hours`` later with that equity."""
        self.time += int(hours * HOUR_NS)
        self.account["equity"] = equity
        self.account["peak_equity"] = max(self.account["peak_equity"], equity)
        update_limits(self.account, self.terms, self.time, ratio)
        return int(self.account["state"]), int(self.account["halt"])


def test_a_daily_loss_halts_until_the_next_utc_day() -> None:
    book = Book(dataclasses.replace(WIDE, daily_loss=0.02))
    assert book.at(9_801.0, hours=1) == (ACTIVE, Halt.NONE)
    assert book.at(9_800.0, hours=1) == (HALTED, Halt.DAILY_LOSS)
    assert book.at(9_900.0, hours=21) == (HALTED, Halt.DAILY_LOSS)  # 23:00: recovered, still halted
    assert book.at(9_900.0, hours=1) == (ACTIVE, Halt.NONE)  # 00:00
    assert book.at(9_710.0, hours=1) == (ACTIVE, Halt.NONE)  # 1.9 % of the new day's start
    assert book.at(9_702.0, hours=1) == (HALTED, Halt.DAILY_LOSS)


def test_a_drawdown_shuts_down_until_a_person_resumes() -> None:
    book = Book(dataclasses.replace(WIDE, max_drawdown=0.05))
    book.at(12_000.0, hours=1)
    assert book.at(11_431.0, hours=1) == (ACTIVE, Halt.NONE)
    assert book.at(11_430.0, hours=1) == (HALTED, Halt.DRAWDOWN)  # 95 % of 5 %: no trade fits in
    assert book.at(13_000.0, hours=24 * 365) == (HALTED, Halt.DRAWDOWN)
    resume(book.account, book.time)
    assert book.at(13_000.0, hours=1) == (ACTIVE, Halt.NONE)
    assert book.at(12_383.0, hours=1) == (ACTIVE, Halt.NONE)  # measured from the resumption


def test_the_simulated_operator_resumes_after_his_delay_and_not_before() -> None:
    book = Book(dataclasses.replace(WIDE, max_drawdown=0.05), Operator(7 * DAY_NS))
    book.at(9_500.0, hours=1)
    assert book.at(9_500.0, hours=24 * 7 - 1) == (HALTED, Halt.DRAWDOWN)
    assert book.at(9_500.0, hours=1) == (ACTIVE, Halt.NONE)


def test_a_graver_halt_replaces_a_milder_one_and_not_the_other_way_round() -> None:
    book = Book(dataclasses.replace(WIDE, max_drawdown=0.05, daily_loss=0.02))
    assert book.at(9_790.0, hours=1) == (HALTED, Halt.DAILY_LOSS)
    assert book.at(9_400.0, hours=1) == (HALTED, Halt.DRAWDOWN)
    assert book.at(9_000.0, hours=24) == (HALTED, Halt.DRAWDOWN)


def test_a_volatility_stop_lifts_only_when_the_market_has_calmed() -> None:
    book = Book(dataclasses.replace(WIDE, volatility_ratio=3.0))
    assert book.at(10_000.0, 1, ratio=3.0) == (HALTED, Halt.VOLATILITY)
    assert book.at(10_000.0, 1, ratio=2.5) == (HALTED, Halt.VOLATILITY)
    assert book.at(10_000.0, 1, ratio=np.nan) == (HALTED, Halt.VOLATILITY)
    assert book.at(10_000.0, 1, ratio=2.0) == (ACTIVE, Halt.NONE)


def test_losses_in_a_row_stop_new_entries_until_the_next_day() -> None:
    book = Book(dataclasses.replace(WIDE, losses_in_row=8))
    book.account["losses_in_row"] = 7
    assert book.at(10_000.0, hours=1) == (ACTIVE, Halt.NONE)
    book.account["losses_in_row"] = 8
    assert book.at(10_000.0, hours=1) == (REDUCING, Halt.LOSSES_IN_ROW)
    assert book.at(10_000.0, hours=22) == (ACTIVE, Halt.NONE)
    assert book.account["losses_in_row"] == 0


def test_a_poor_rolling_sharpe_asks_for_a_review() -> None:
    book = Book(dataclasses.replace(WIDE, sharpe_days=30, sharpe_active_days=10))
    equity = 10_000.0
    states = []
    for day in range(40):
        equity *= 1.0 + (0.001 if day % 3 else -0.004)
        states.append(book.at(equity, hours=24))
    # the first midnight stores the first return: the thirtieth is on record on the thirtieth day
    assert set(states[:29]) == {(ACTIVE, Halt.NONE)}
    assert states[29] == (REDUCING, Halt.REVIEW)
    assert states[-1] == (REDUCING, Halt.REVIEW)


def test_a_quiet_month_with_one_bad_day_says_nothing() -> None:
    book = Book(dataclasses.replace(WIDE, sharpe_days=30, sharpe_active_days=10))
    for day in range(60):
        assert book.at(10_000.0 if day < 5 else 9_990.0, hours=24) == (ACTIVE, Halt.NONE)


def test_the_rolling_sharpe_is_the_textbook_one() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 50)
    account = new_account(1.0)
    account["returns"][:50] = returns
    account["returns_at"], account["returns_count"] = 50, 50
    last = returns[-30:]
    expected = last.mean() / last.std(ddof=1) * np.sqrt(365)
    assert rolling_sharpe(account, 30, 10) == pytest.approx(expected)


def test_too_few_right_signals_switch_the_model_off_until_another_speaks() -> None:
    terms = terms_of(config(dataclasses.replace(WIDE, accuracy_signals=10, min_accuracy=0.5)))
    account = new_account(1.0)
    for hit in [True] * 5 + [False] * 5:
        record_hit(account, hit, terms)
    assert account["signals_off"] == 0  # five of ten
    record_hit(account, False, terms)
    assert account["signals_off"] == 1  # four of the last ten


def rise_and_fall() -> Any:
    """Ten hours up by 1 % each, then two days down: profit given back, no stop in reach."""
    moves = np.append(np.full(10, 0.01), np.full(48, -0.004))
    close = 100.0 * np.cumprod(1.0 + moves)
    open_ = np.append(100.0, close[:-1])
    return bars_of(
        np.column_stack([open_, np.maximum(open_, close), np.minimum(open_, close), close])
    )


def test_a_shut_down_closes_positions_at_the_next_open_and_refuses_everything_after() -> None:
    bars = rise_and_fall()
    up = {"direction": 1, "stop_loss": 0.15, "take_profit": 0.5}
    signals = signals_of(len(bars), dict.fromkeys(range(len(bars)), up))
    limits = dataclasses.replace(WIDE, max_drawdown=0.05, daily_loss=0.9)
    result = run(inputs_of(bars, signals), config(limits))
    halted = int(np.argmax(result.halt == Halt.DRAWDOWN))
    assert result.halt[halted] == Halt.DRAWDOWN
    (closed,) = result.trades
    assert closed["exit_reason"] == Reason.DRAWDOWN
    assert closed["closed_at"] == result.time[halted]  # the open of the next bar is this close
    assert (result.exposure[halted + 1 :] == 0.0).all()
    late = result.refusals[result.refusals["time"] > result.time[halted]]
    assert set(late["rule"].tolist()) == {Rule.STATE}
    assert len(late) == len(bars) - halted - 1


def random_state(seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    bars = bars_of(np.full((30, 4), 100.0) + np.array([0, 3, -3, 0]))
    signals = signals_of(30, {int(i): {"direction": 1} for i in rng.integers(0, 30, 5)})
    result = run(inputs_of(bars, signals), config())
    return result.account, result.positions, np.zeros(1, INTENT)


@given(st.integers(0, 20))
def test_state_survives_a_restart_byte_for_byte(seed: int) -> None:
    account, positions, pending = random_state(seed)
    stored = state_to_bytes(account, positions, pending)
    assert state_to_bytes(*state_from_bytes(stored)) == stored


@given(st.data())
def test_a_damaged_state_is_refused_and_never_misread(data: st.DataObject) -> None:
    stored = state_to_bytes(new_account(5.0), new_positions(2), np.zeros(2, INTENT))
    at = data.draw(st.integers(0, len(stored) - 1))
    broken = bytearray(stored)
    broken[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StorageError):
        state_from_bytes(bytes(broken))
    with pytest.raises(StorageError):
        state_from_bytes(stored[:at])


def test_limits_can_be_tightened_while_running_but_not_loosened() -> None:
    now = Limits()
    stricter = dataclasses.replace(now, daily_loss=0.01, min_sharpe=1.0, trades_per_day=3)
    assert tighten(now, stricter) is stricter
    for name, value in {
        "daily_loss": 0.03,
        "max_leverage": 6.0,
        "min_sharpe": 0.1,
        "sharpe_days": 0,
        "trades_per_day": 16,
    }.items():
        loose = dataclasses.replace(now, **{name: value})
        assert looser(now, loose) == (name,)
        with pytest.raises(InputError, match=name):
            tighten(now, loose)
