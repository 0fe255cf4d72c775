"""Hand-computed room: what is reserved and at risk already, and the largest order that the limits leave."""

from __future__ import annotations

from typing import Any

import pytest
from scenario import START, config
from test_engine_golden_gate import EXACT, INSTRUMENTS, Desk, of_account

from riposte.engine.enums import Intent, Rule
from riposte.engine.parameters import Costs, Limits
from riposte.engine.records import new_account
from riposte.engine.review import (
    loss_budget,
    open_risk,
    orders_in_last_minute,
    reserved,
    round_trip_fraction,
)
from riposte.engine.run import terms_of
from riposte.market.interval import MINUTE_NS


def test_orders_of_the_last_minute_are_those_younger_than_sixty_seconds() -> None:
    account = new_account(1.0)
    # as they were written: the newest last, and looked for from there back
    account["order_times"][:4] = START - MINUTE_NS, START - MINUTE_NS + 1, START - 1, START
    account["orders_at"] = 4
    assert orders_in_last_minute(account, START) == 3
    assert (
        orders_in_last_minute(new_account(1.0), 5) == 0
    )  # empty places are no orders at the epoch
    account["order_times"][:5] = 1, 0, 0, 0, 0
    account["orders_at"] = 1
    assert orders_in_last_minute(account, START) == 0
    assert orders_in_last_minute(account, 5) == 1
    account["order_times"][:] = START
    assert orders_in_last_minute(account, START) == 128


def test_costs_there_and_back_are_two_fees_and_two_half_spreads_times_the_multiplier() -> None:
    terms = terms_of(config(costs=Costs(multiplier=3.0)))
    # 2 x 3 x (0.001 + 0.001)
    assert round_trip_fraction(INSTRUMENTS[0], terms) == pytest.approx(0.012)


def test_open_risk_is_what_the_stops_would_still_cost_from_the_marks() -> None:
    desk = Desk()
    assert open_risk(desk.positions) == 0.0
    desk.hold(0, 1.0, 98.0)
    assert open_risk(desk.positions) == pytest.approx(2.0)
    desk.hold(1, -1.0, 104.0)
    assert open_risk(desk.positions) == pytest.approx(6.0)
    desk.hold(0, 9.0, 98.0)  # 2 x 10
    desk.positions[1]["quantity"] = -0.5  # 4 x 0.5
    desk.hold(2, 10.0, 100.5)  # behind a stop in profit nothing is at risk
    assert open_risk(desk.positions) == pytest.approx(22.0)


def test_approved_orders_ahead_reserve_entries_margin_and_risk() -> None:
    desk = Desk()
    desk.order(0, approved=1)  # its own is never ahead of itself
    desk.order(1, approved=1, quantity=20.0, stop_loss=0.016, leverage=4.0)
    assert reserved(desk.pending, 0, INSTRUMENTS, desk.terms) == pytest.approx((1, 500.0, 40.0))
    desk.order(2, approved=1, kind=Intent.ADD, quantity=1.0, stop_loss=0.006, leverage=5.0)
    # 2,000 / 4 and 100 / 5; 2,000 x (1.6 % + 0.4 %) and 100 x (0.6 % + 0.4 %); an add is no entry
    assert reserved(desk.pending, 0, INSTRUMENTS, desk.terms) == pytest.approx((1, 520.0, 41.0))
    desk.pending[1]["filled"] = 0.25  # what has begun is counted as held, not as an entry to come
    assert reserved(desk.pending, 0, INSTRUMENTS, desk.terms) == pytest.approx((0, 520.0, 41.0))
    # seen from the second: 10 coins before it, 1 after
    desk.order(2, approved=1, kind=Intent.ADD, quantity=1.0, stop_loss=0.006, leverage=3.0)
    ahead = reserved(desk.pending, 1, INSTRUMENTS, desk.terms)
    assert ahead == pytest.approx((1, 200.0 + 100.0 / 3.0, 14.0 + 1.0))
    desk.order(2, approved=1, kind=Intent.EXIT)
    desk.order(1, approved=0)
    assert reserved(desk.pending, 0, INSTRUMENTS, desk.terms) == (0, 0.0, 0.0)


def test_the_loss_budget_is_the_nearer_limit_less_what_the_stops_risk() -> None:
    desk = Desk(daily_loss=0.02, max_drawdown=0.05)
    desk.account["day_start_equity"], desk.account["peak_equity"] = 10_100.0, 10_300.0
    # day: 10,000 - 10,100 x 0.98 = 102; drawdown: 10,000 - 10,300 x 0.95 = 215
    assert loss_budget(desk.account, desk.positions, desk.terms) == pytest.approx(102.0)
    desk.hold(1, 10.0, 95.0)
    assert loss_budget(desk.account, desk.positions, desk.terms) == pytest.approx(52.0)
    desk.account["peak_equity"] = 10_450.0  # 10,000 - 9,927.50
    assert loss_budget(desk.account, desk.positions, desk.terms) == pytest.approx(22.5)


def of_other_symbols(desk: Desk) -> None:
    desk.hold(1, 40.0, 99.0)  # margin 800, 40 at risk
    desk.order(2, approved=1, quantity=10.0, stop_loss=0.006)  # margin 200, 10 at risk


def of_its_own(desk: Desk) -> None:
    desk.hold(0, 20.0, 99.5)  # margin 400, half a USDT a coin at risk: 10


CAPS: list[tuple[str, Any, dict[str, float], float, Rule]] = [
    # (8 % of 10,000 - 400 held) x 5
    ("margin held counts", of_its_own, {"margin_fraction": 0.08}, 2_000.0, Rule.MARGIN_FRACTION),
    ("that of others does not", of_other_symbols, {"margin_fraction": 0.08}, 4_000.0, Rule.MARGIN_FRACTION),
    # (100 - 10 - 0.4 % of the 2,000 held) / 1.4 %: what is held pays its way out too
    ("risk held counts", of_its_own, {"risk_fraction": 0.01}, 82 / 0.014, Rule.RISK_PER_TRADE),
    # (200 - 40 - 10) / 1.4 %
    ("budget spent by others", of_other_symbols, {"daily_loss": 0.02}, 150 / 0.014, Rule.LOSS_BUDGET),
    # (2,000 - 800 - 200) x 5
    ("heat of others", of_other_symbols, {"heat_fraction": 0.2}, 5_000.0, Rule.HEAT),
    ("order size", of_its_own, {"max_order_notional": 77.0}, 77.0, Rule.MAX_ORDER_NOTIONAL),
    # wallet 10,000, less 30 of open losses, less margins 800 and 200: 8,970 x 5
    ("free margin", lambda d: (of_other_symbols(d), of_account(unrealised=-30.0)(d)),
     {"heat_fraction": 9.0, "margin_fraction": 9.0}, 44_850.0, Rule.FREE_MARGIN),
    # an open profit is not margin yet
    ("unrealised profit", lambda d: (of_other_symbols(d), of_account(unrealised=500.0)(d)),
     {"heat_fraction": 9.0, "margin_fraction": 9.0}, 45_000.0, Rule.FREE_MARGIN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "change", "limits", "cap", "rule"), CAPS, ids=[c[0] for c in CAPS]
)
def test_the_largest_notional_and_the_rule_that_binds(
    what: str, change: Any, limits: dict[str, float], cap: float, rule: Rule
) -> None:
    desk = Desk(**limits)
    change(desk)
    assert desk.caps() == (pytest.approx(cap, **EXACT), rule)


def test_of_two_limits_that_meet_the_earlier_named_binds() -> None:
    # 5 x 1,000 both by margin and by heat, and the largest order is 5,000 too
    desk = Desk(margin_fraction=0.1, heat_fraction=0.1, max_order_notional=5_000.0)
    assert desk.caps() == (5_000.0, Rule.MARGIN_FRACTION)


def test_the_preset_of_the_specification() -> None:
    # SPEC K4: correlation 0.7, liquidation 15 % away, 3x until 50 trades at 55 %, Sharpe 1.8, drawdown 15 %
    # SPEC K1-K3: 8 % margin, 5x, 1 % at risk; 2 % a day, 15 trades, 8 losses; 5 % drawdown, 3x volatility,
    # Sharpe 0.5, accuracy 50 %
    assert Limits() == Limits(
        margin_fraction=0.08, max_leverage=5.0, risk_fraction=0.01, max_positions=10,
        heat_fraction=0.20, max_correlation=0.7, liquidation_distance=0.15, base_leverage=3.0,
        ladder_trades=50, ladder_win_rate=0.55, ladder_sharpe=1.8, ladder_drawdown=0.15, daily_loss=0.02, trades_per_day=15, losses_in_row=8,
        pause_after_losses=0, pause_ns=24 * 3_600_000_000_000, max_drawdown=0.05,
        volatility_ratio=3.0, min_sharpe=0.5, sharpe_days=30, sharpe_active_days=10,
        min_accuracy=0.5, accuracy_signals=50, price_collar=0.05, max_order_notional=100_000.0,
        orders_per_minute=30, stale_ns=2 * 3_600_000_000_000,
    )  # fmt: skip
