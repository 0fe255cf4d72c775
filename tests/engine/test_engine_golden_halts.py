"""Hand-computed tiers: day roll, drawdown, losses, volatility, Sharpe review, accuracy, and what lifts them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import START, WIDE, config

from riposte.engine.enums import Halt, TradingState
from riposte.engine.limits import (
    accept_model,
    lift,
    record_hit,
    resume,
    roll_day,
    rolling_sharpe,
    severity,
    stop_trading,
    update_limits,
)
from riposte.engine.parameters import Operator
from riposte.engine.records import new_account
from riposte.engine.run import terms_of
from riposte.market.interval import DAY_NS, HOUR_NS

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
DAY = START // DAY_NS


def terms(operator: Operator | None = None, **limits: Any) -> Any:
    return terms_of(config(dataclasses.replace(WIDE, **limits), operator=operator))


def account_at(**fields: Any) -> Any:
    """10,000 USDT on the day of START, the day begun with as much."""
    account = new_account(10_000.0)
    account["day"] = DAY
    for name, value in fields.items():
        account[name] = value
    return account


def stopped(state: TradingState, halt: Halt, **fields: Any) -> Any:
    return account_at(state=state, halt=halt, state_since=START - HOUR_NS, **fields)


# (what, account, limits, volatility ratio, (state, halt) after the close)
NONE = (ACTIVE, Halt.NONE)
LIMITS = {
    "max_drawdown": 0.2,
    "daily_loss": 0.1,
    "volatility_ratio": 3.0,
    "losses_in_row": 8,
    "min_sharpe": 0.5,
}
CLOSES: list[tuple[str, dict[str, Any], float, tuple[TradingState, Halt]]] = [
    ("all is well", {}, 1.0, NONE),
    # 95 % of 20 % below the peak: 10,000 - 1,900
    ("at the drawdown", {"equity": 8_100.0, "day_start_equity": 8_100.0}, 1.0, (HALTED, Halt.DRAWDOWN)),
    ("just above it", {"equity": 8_100.01, "day_start_equity": 8_100.0}, 1.0, NONE),
    ("at the day's loss", {"equity": 9_000.0}, 1.0, (HALTED, Halt.DAILY_LOSS)),
    ("just above it", {"equity": 9_000.01}, 1.0, NONE),
    ("both: the graver", {"equity": 8_000.0}, 1.0, (HALTED, Halt.DRAWDOWN)),
    ("three times as volatile", {}, 3.0, (HALTED, Halt.VOLATILITY)),
    ("nearly", {}, 2.999, NONE),
    ("unknown volatility stops nobody", {}, np.nan, NONE),
    ("volatile and a day's loss", {"equity": 9_000.0}, 5.0, (HALTED, Halt.DAILY_LOSS)),
    ("eight losses", {"losses_in_row": 8}, 1.0, (REDUCING, Halt.LOSSES_IN_ROW)),
    ("seven", {"losses_in_row": 7}, 1.0, NONE),
    ("a poor Sharpe ratio", {"sharpe": 0.49}, 1.0, (REDUCING, Halt.REVIEW)),
    ("just good enough", {"sharpe": 0.5}, 1.0, NONE),
    ("not known yet", {"sharpe": np.nan}, 1.0, NONE),
    ("losses and a poor Sharpe ratio", {"losses_in_row": 9, "sharpe": -1.0}, 1.0, (REDUCING, Halt.REVIEW)),
    ("a review, and volatile", {"sharpe": -1.0}, 4.0, (HALTED, Halt.VOLATILITY)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "fields", "ratio", "answer"), CLOSES, ids=range(len(CLOSES)))
def test_a_limit_is_judged_at_the_close(
    what: str, fields: dict[str, Any], ratio: float, answer: tuple[TradingState, Halt]
) -> None:
    account = account_at(**fields)
    update_limits(account, terms(**LIMITS), START + 5, ratio)
    assert (account["state"], account["halt"]) == answer, what
    assert account["state_since"] == (0 if answer == NONE else START + 5)
    assert account["time"] == START + 5


RANKS = [
    {Halt.NONE}, {Halt.LOSSES_IN_ROW}, {Halt.REVIEW}, {Halt.VOLATILITY}, {Halt.DAILY_LOSS},
    {Halt.DRAWDOWN, Halt.OPERATOR},
]  # fmt: skip


def test_halts_have_ranks() -> None:
    assert [{h for h in Halt if severity(int(h)) == rank} for rank in range(6)] == RANKS


@pytest.mark.parametrize("standing", list(Halt))
@pytest.mark.parametrize("new", list(Halt))
def test_only_a_graver_halt_replaces_one(standing: Halt, new: Halt) -> None:
    account = stopped(REDUCING, standing)
    stop_trading(account, int(new), int(HALTED), START)
    rank = {halt: i for i, halts in enumerate(RANKS) for halt in halts}
    replaced = rank[new] > rank[standing]
    assert (account["halt"], account["state"]) == (
        (new, HALTED) if replaced else (standing, REDUCING)
    )
    assert account["state_since"] == (START if replaced else START - HOUR_NS)


# (what, account before, operator, ratio, hours later, (state, halt) after)
LIFTS: list[tuple[str, Any, int, float, float, tuple[TradingState, Halt]]] = [
    ("calmer still", (HALTED, Halt.VOLATILITY), -1, 1.0, 0, NONE),
    ("calm is two thirds of the limit", (HALTED, Halt.VOLATILITY), -1, 2.0, 0, NONE),
    ("less is not enough", (HALTED, Halt.VOLATILITY), -1, 2.001, 0, (HALTED, Halt.VOLATILITY)),
    ("nor is not knowing", (HALTED, Halt.VOLATILITY), -1, np.nan, 0, (HALTED, Halt.VOLATILITY)),
    ("calm lifts nothing else", (HALTED, Halt.DAILY_LOSS), -1, 1.0, 0, (HALTED, Halt.DAILY_LOSS)),
    ("a new day lifts a day's loss", (HALTED, Halt.DAILY_LOSS), -1, 1.0, 24, NONE),
    ("and losses in a row", (REDUCING, Halt.LOSSES_IN_ROW), -1, 1.0, 24, NONE),
    ("but no drawdown", (HALTED, Halt.DRAWDOWN), -1, 1.0, 24, (HALTED, Halt.DRAWDOWN)),
    ("no review", (REDUCING, Halt.REVIEW), -1, 1.0, 24, (REDUCING, Halt.REVIEW)),
    ("and no order of a person", (HALTED, Halt.OPERATOR), -1, 1.0, 24, (HALTED, Halt.OPERATOR)),
    ("a person comes after five hours", (HALTED, Halt.DRAWDOWN), 5 * HOUR_NS, 1.0, 4, NONE),
    ("not before", (HALTED, Halt.DRAWDOWN), 5 * HOUR_NS + 1, 1.0, 4, (HALTED, Halt.DRAWDOWN)),
    ("also to a review", (REDUCING, Halt.REVIEW), 5 * HOUR_NS, 1.0, 4, NONE),
    ("also to what they ordered", (HALTED, Halt.OPERATOR), 5 * HOUR_NS, 1.0, 4, NONE),
    ("not to a day's loss", (HALTED, Halt.DAILY_LOSS), 5 * HOUR_NS, 1.0, 4, (HALTED, Halt.DAILY_LOSS)),
    ("a person who is there at once", (HALTED, Halt.DRAWDOWN), 0, 1.0, 0, NONE),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "before", "delay", "ratio", "hours", "after"), LIFTS, ids=[c[0] for c in LIFTS]
)
def test_a_halt_is_lifted_by_what_it_waits_for(
    what: str, before: Any, delay: int, ratio: float, hours: float, after: Any
) -> None:
    account = stopped(*before)
    time = START + int(hours * HOUR_NS)
    update_limits(account, terms(Operator(delay), volatility_ratio=3.0), time, ratio)
    assert (account["state"], account["halt"]) == after
    assert account["state_since"] == (time if after == NONE else START - HOUR_NS)


def test_a_person_comes_also_to_a_halt_of_1970() -> None:
    account = account_at(state=HALTED, halt=Halt.DRAWDOWN, state_since=1)
    update_limits(account, terms(Operator(HOUR_NS)), START, 1.0)
    assert account["state"] == ACTIVE


def test_a_person_who_resumes_measures_everything_afresh() -> None:
    account = stopped(
        HALTED, Halt.DRAWDOWN, equity=8_000.0, losses_in_row=5, paused_until=START + 9
    )
    account["sharpe"], account["returns_count"], account["returns_at"] = -2.0, 40, 40
    resume(account, START)
    assert (account["state"], account["halt"], account["state_since"]) == (ACTIVE, Halt.NONE, START)
    assert (account["peak_equity"], account["day_start_equity"]) == (8_000.0, 8_000.0)
    assert (account["losses_in_row"], account["paused_until"]) == (0, 0)
    assert (account["returns_count"], account["returns_at"]) == (0, 0)
    assert np.isnan(account["sharpe"])


def test_lifting_alone_keeps_what_was_counted() -> None:
    account = stopped(HALTED, Halt.VOLATILITY, losses_in_row=5, peak_equity=12_000.0)
    lift(account, START)
    assert (account["losses_in_row"], account["peak_equity"]) == (5, 12_000.0)


def test_a_new_day_stores_the_return_and_begins_its_counts() -> None:
    account = account_at(equity=10_500.0, trades_today=4, losses_in_row=3)
    roll_day(account, terms(), START + DAY_NS - 1)  # 23:59:59.999999999
    assert (account["day"], account["trades_today"], account["returns_count"]) == (DAY, 4, 0)
    roll_day(account, terms(), START + DAY_NS)
    assert (account["day"], account["trades_today"], account["returns_count"]) == (DAY + 1, 0, 1)
    assert account["returns"][0] == pytest.approx(0.05)
    assert account["day_start_equity"] == 10_500.0
    assert account["losses_in_row"] == 3  # only a halt for them begins their count anew
    account["equity"] = 10_080.0
    roll_day(account, terms(), START + 3 * DAY_NS)
    assert account["returns"][1] == pytest.approx(-0.04)
    assert (account["returns_at"], account["returns_count"], account["day"]) == (2, 2, DAY + 3)


def test_a_new_day_after_a_halt_for_losses_forgets_them() -> None:
    account = stopped(REDUCING, Halt.LOSSES_IN_ROW, losses_in_row=8)
    roll_day(account, terms(), START + DAY_NS)
    assert account["losses_in_row"] == 0


def test_the_first_day_of_all_has_no_return() -> None:
    account = new_account(10_000.0)
    assert account["day"] == -1
    roll_day(account, terms(), START)
    assert (account["day"], account["returns_count"]) == (DAY, 0)


def test_the_first_of_january_1970_is_a_day_too() -> None:
    account = account_at(day=0, equity=11_000.0)
    roll_day(account, terms(), DAY_NS)
    assert account["returns"][0] == pytest.approx(0.1)


@pytest.mark.parametrize(("began_with", "count"), [(0.0, 0), (0.5, 1)])
def test_no_return_on_nothing(began_with: float, count: int) -> None:
    account = account_at(day_start_equity=began_with, equity=1.0)
    roll_day(account, terms(), START + DAY_NS)
    assert account["returns_count"] == count


def test_daily_returns_are_a_ring() -> None:
    account = account_at(returns_at=127, returns_count=128, equity=10_100.0)
    roll_day(account, terms(), START + DAY_NS)
    assert account["returns"][127] == pytest.approx(0.01)
    assert (account["returns_at"], account["returns_count"]) == (0, 128)


def with_returns(values: list[float], at: int) -> Any:
    account = new_account(1.0)
    for i, value in enumerate(reversed(values)):
        account["returns"][(at - 1 - i) % 128] = value
    account["returns_at"], account["returns_count"] = at, len(values)
    return account


@pytest.mark.parametrize("at", [3, 2, 0])
def test_the_sharpe_ratio_of_three_days_also_across_the_end_of_the_ring(at: int) -> None:
    # 1, 2, 3 %: mean 2 %, sample deviation 1 %
    assert rolling_sharpe(with_returns([0.01, 0.02, 0.03], at), 3, 3) == pytest.approx(2 * 365**0.5)


def test_only_the_last_days_count() -> None:
    account = with_returns([9.0, 0.01, 0.02, 0.03], 4)
    assert rolling_sharpe(account, 3, 1) == pytest.approx(2 * 365**0.5)


@pytest.mark.parametrize(
    ("values", "days", "active"),
    [
        ([0.01, 0.02], 3, 1),  # too few on record
        ([0.01, 0.0, 0.02], 3, 3),  # too few with a result
        ([0.015625] * 4, 4, 1),  # no deviation at all
        ([0.0] * 3, 3, 0),
    ],
)
def test_no_sharpe_ratio_where_it_would_mean_nothing(values: Any, days: int, active: int) -> None:
    assert np.isnan(rolling_sharpe(with_returns(values, len(values)), days, active))


def test_a_day_of_loss_is_a_day_with_a_result() -> None:
    # -1, -2, -3 %
    got = rolling_sharpe(with_returns([-0.01, -0.02, -0.03], 3), 3, 3)
    assert got == pytest.approx(-2 * 365**0.5)


def test_a_day_with_a_result_is_enough_where_one_is_asked_for() -> None:
    # 0, 0, 3 %: mean 1 %, deviation root of (1 + 1 + 4) / 2 = 1.732 %
    got = rolling_sharpe(with_returns([0.0, 0.0, 0.03], 3), 3, 1)
    assert got == pytest.approx(365**0.5 / 3**0.5)


@pytest.mark.parametrize(("days", "known"), [(0, False), (1, False), (2, True), (3, False)])
def test_the_review_looks_at_as_many_days_as_it_is_told(days: int, known: bool) -> None:
    account = with_returns([0.01], 1)
    account["day"], account["equity"], account["day_start_equity"] = DAY, 1.02, 1.0
    roll_day(account, terms(sharpe_days=days, sharpe_active_days=1), START + DAY_NS)
    assert np.isfinite(account["sharpe"]) == known
    if known:  # 1 and 2 %: mean 1.5 %, deviation 0.7071 %
        assert account["sharpe"] == pytest.approx(1.5 / 0.5**0.5 * 365**0.5)


def test_never_more_days_than_the_ring_holds() -> None:
    account = account_at(returns_count=127, returns_at=127, equity=10_100.0)
    account["returns"][:127] = np.linspace(-0.01, 0.02, 127)
    roll_day(account, terms(sharpe_days=1_000, sharpe_active_days=1), START + DAY_NS)
    values = np.append(np.linspace(-0.01, 0.02, 127), 0.01)
    assert account["sharpe"] == pytest.approx(values.mean() / values.std(ddof=1) * 365**0.5)


def after_hits(hits: list[int], **limits: Any) -> Any:
    account = new_account(1.0)
    for hit in hits:
        record_hit(account, bool(hit), terms(**limits))
    return account


@pytest.mark.parametrize(
    ("hits", "off"),
    [
        ([0, 0, 0], 0),  # too few to judge
        ([1, 1, 0, 0], 0),  # half of four
        ([1, 0, 0, 0], 1),
        ([1, 1, 1, 1, 0, 0, 0], 1),  # of the last four one
        ([0, 0, 0, 1, 1], 1),  # the fourth made it 1 of 4
        ([1, 1, 0, 0, 1], 0),
    ],
)
def test_accuracy_is_judged_over_the_last_signals(hits: list[int], off: int) -> None:
    assert after_hits(hits, accuracy_signals=4, min_accuracy=0.5)["signals_off"] == off


def test_accuracy_can_be_off() -> None:
    account = after_hits([0] * 9, accuracy_signals=0)
    assert (account["signals_off"], account["hits_count"], account["hits_at"]) == (0, 0, 0)


def test_a_single_signal_can_be_asked_for() -> None:
    assert after_hits([0], accuracy_signals=1, min_accuracy=0.5)["signals_off"] == 1
    assert after_hits([1], accuracy_signals=1, min_accuracy=0.5)["signals_off"] == 0


def test_hits_are_a_ring() -> None:
    account = after_hits([1] * 127 + [0, 1], accuracy_signals=4, min_accuracy=0.75)
    assert (account["hits_at"], account["hits_count"], account["signals_off"]) == (1, 128, 0)
    assert (account["hits"][127], account["hits"][0]) == (0, 1)
    record_hit(account, False, terms(accuracy_signals=4, min_accuracy=0.75))
    assert account["signals_off"] == 1  # 1, 0, 1, 0 across the end


def test_another_model_starts_with_a_clean_record_and_the_same_does_not() -> None:
    account = after_hits([0, 0, 0], accuracy_signals=3)
    account["model_id"] = 4
    accept_model(account, 4)
    assert (account["signals_off"], account["hits_count"], account["hits_at"]) == (1, 3, 3)
    accept_model(account, 5)
    assert (account["signals_off"], account["hits_count"], account["hits_at"]) == (0, 0, 0)
    assert account["model_id"] == 5
