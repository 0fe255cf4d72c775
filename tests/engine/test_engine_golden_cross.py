"""Hand-computed cross margin: what stands behind a position while a bar is walked, and at its close."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, bars_of
from stage import CALM, CROSS, Stage

from riposte.engine.cross import adverse_price, backing, bankruptcy_margin, place_liquidations
from riposte.engine.enums import Reason
from riposte.engine.records import new_positions

EXACT = {"rel": 1e-12, "abs": 1e-12}
LIQUIDATED = Reason.LIQUIDATION

# (what, coins, stop, bar or None where absent, worst price of it): the mark is 77
WORST: list[tuple[str, float, float, Any, float]] = [
    ("the low of a long", 4.0, 80.0, (100, 110, 90, 105), 90.0),
    ("the high of a short", -4.0, 130.0, (100, 110, 90, 105), 110.0),
    ("a long is out at its stop", 4.0, 95.0, (100, 110, 90, 105), 95.0),
    ("a short is out at its stop", -4.0, 107.0, (100, 110, 90, 105), 107.0),
    ("a stop jumped by the open", 4.0, 95.0, (92, 110, 90, 105), 92.0),
    ("a short's stop jumped", -4.0, 107.0, (109, 110, 90, 105), 109.0),
    ("the stop just above the low", 4.0, 90.5, (100, 110, 90, 105), 90.5),
    ("the stop just below it", 4.0, 89.5, (100, 110, 90, 105), 90.0),
    ("half a coin", 0.5, 95.0, (100, 110, 90, 105), 95.0),
    ("half a short coin", -0.5, 107.0, (100, 110, 90, 105), 107.0),
    ("no bar: the mark", 4.0, 95.0, None, 77.0),
]


@pytest.mark.parametrize(("what", "coins", "stop", "bar", "worst"), WORST)
def test_the_worst_price_at_which_a_bar_still_finds_a_position(
    what: str, coins: float, stop: float, bar: Any, worst: float
) -> None:
    position = new_positions(1)[0]
    position["quantity"], position["stop_price"], position["mark"] = coins, stop, 77.0
    row = bars_of([bar or CALM], present=int(bar is not None))[0]
    assert adverse_price(position, row) == worst, what


def trio() -> Stage:
    """One coin long, one short, ten long, one flat; wallet 1,000, maintenance half a per cent."""
    stage = Stage(4, equity=1_000.0, execution=CROSS)
    stage.hold(0, 1.0, 50.0, 200.0)
    stage.hold(1, -1.0, 150.0, 50.0)
    stage.hold(2, 10.0, 97.0, 200.0)
    stage.positions["mark"] = 102.0, 103.0, 104.0, 100.0
    return stage


BARS = bars_of([(100, 110, 90, 105), (100, 120, 95, 100), (100, 100, 60, 80), CALM])
# of each at its mark and at its worst: 2 and -10; -3 and -20; 40 and (at its stop of 97) -30; maintenance
# 0.51 or 0.45, 0.515 or 0.6, 5.2 or 4.85
BEHIND = [
    (0, False, False, 1_000 - 3 + 40),
    (0, True, False, 1_000 - 20 - 30),
    (0, True, True, 1_000 - 20 - 30 - 0.6 - 4.85),
    (0, False, True, 1_000 - 3 + 40 - 0.515 - 5.2),
    (1, True, False, 1_000 - 10 - 30),
    (2, True, True, 1_000 - 10 - 20 - 0.45 - 0.6),
    (3, False, True, 1_000 + 2 - 3 + 40 - 0.51 - 0.515 - 5.2),
]


@pytest.mark.parametrize(("symbol", "stressed", "net", "usdt"), BEHIND)
def test_wallet_and_the_others_profit_stand_behind_a_position(
    symbol: int, stressed: bool, net: bool, usdt: float
) -> None:
    s = trio()
    behind = backing(s.account, s.positions, s.instruments, BARS, symbol, stressed, net)
    assert behind == pytest.approx(usdt, **EXACT)


def test_liquidation_stands_where_that_is_used_up() -> None:
    s = trio()
    s.positions["liquidation_price"] = -7.0
    place_liquidations(s.account, s.positions, s.instruments, BARS, True)
    # one coin long behind 944.55: never; one short: (100 + 954.7) / 1.005, where 1,000 - 10 - 30 less
    # 0.45 + 4.85 of maintenance is 954.7; ten long: (1,000 - 968.95) / 9.95; what is flat is left alone
    assert s.positions["liquidation_price"].tolist() == pytest.approx(
        [0.0, 1_054.7 / 1.005, 31.05 / 9.95, -7.0], **EXACT
    )
    place_liquidations(s.account, s.positions, s.instruments, BARS, False)
    # at marks: 1,000 + 2 + 40 - 0.51 - 5.2 behind the short
    assert s.positions["liquidation_price"][1] == pytest.approx(1_136.29 / 1.005, **EXACT)


def test_bankruptcy_is_judged_with_the_others_at_their_worst_and_their_maintenance_given_up() -> (
    None
):
    s = trio()
    own = (s.account, s.positions, s.instruments, BARS, 0)
    assert bankruptcy_margin(*own, s.terms) == pytest.approx(950.0, **EXACT)
    assert bankruptcy_margin(*own, Stage().terms) == pytest.approx(20.0)  # isolated: 100 / 5


def pair(a: float, b: float, equity: float = 2_000.0) -> Stage:
    """Positions of ``a`` and ``b`` coins, with stops and targets out of reach."""
    stage = Stage(2, equity=equity, execution=CROSS)
    for symbol, coins in ((0, a), (1, b)):
        far = (40.0, 180.0) if coins > 0 else (180.0, 40.0)
        stage.hold(symbol, coins, *far)
    return stage


def test_a_bar_is_walked_with_every_other_symbol_at_its_worst() -> None:
    # Behind the long: 2,000 - 100 x 6 of the short at 106 - 0.005 x 10,600 = 1,347.
    # Liquidation at (10,000 - 1,347) / 99.5 = 86.965, though at marks it would be 80.90
    stage = pair(100.0, -100.0)
    # The short with the long at 86.5: 2,000 - 1,350 - 43.25 = 606.75; (10,000 + 606.75) / 100.5 = 105.54.
    fills = stage.bar((100, 100, 86.5, 100), (100, 106, 100, 100))
    assert fills == [
        (0, LIQUIDATED, 100.0, pytest.approx(8_653 / 99.5, **EXACT)),
        (1, LIQUIDATED, 100.0, pytest.approx(10_606.75 / 100.5, **EXACT)),
    ]
    assert pair(100.0, -100.0).bar((100, 100, 87.5, 100), (100, 105, 100, 100)) == []


def test_at_the_close_the_marks_alone_count() -> None:
    # Walked, the second is at 85: liquidation of the first at (10,000 - 2,000 + 1,500 + 42.5) / 99.5 = 95.9,
    # which its low of 99 does not reach. At the close the second stands at 100 again: (10,000 - 1,950) / 99.5
    # = 80.9, and a mark of 95 is above that.
    stage = pair(100.0, 100.0)
    assert stage.bar((100, 100, 99, 100), (100, 100, 85, 100), mark=[95.0, 100.0]) == []
    assert stage.positions[0]["liquidation_price"] == pytest.approx(8_050 / 99.5, **EXACT)


def test_a_mark_that_takes_the_account_below_its_maintenance_liquidates_at_the_close() -> None:
    # (10,000 - 1,950) / 99.5 = 80.905; a mark of 80.5 is below. Bankruptcy with the second at 100: 80
    stage = pair(100.0, 100.0)
    # or, seen from the second: (10,000 - 2,000 + 1,950 + 40.25) / 99.5 = 100.4. Of one account both go.
    fills = stage.bar(CALM, CALM, mark=[80.5, 100.0])
    assert fills == [(0, LIQUIDATED, 100.0, 80.5), (1, LIQUIDATED, 100.0, 100.0)]
    assert stage.account["wallet"] == pytest.approx(50.0)


def test_the_short_too() -> None:
    # (10,000 + 1,950) / 100.5 = 118.905
    stage = pair(100.0, -100.0)
    assert stage.bar(CALM, CALM, mark=[100.0, 118.8]) == []
    assert stage.bar(CALM, CALM, mark=[100.0, 119.0]) == [
        (0, LIQUIDATED, 100.0, 100.0), (1, LIQUIDATED, 100.0, 119.0),
    ]  # fmt: skip


def test_an_entry_filled_within_the_bar_stands_on_the_account_at_once() -> None:
    # 100 coins at 98 and 5x would be liquidated alone at (9,800 - 1,960) / 99.5 = 78.8; the account of 10,000
    # is more than the whole of it
    for execution, price in ((CROSS, 0.0), (None, 7_840 / 99.5)):
        stage = Stage(execution=execution)
        stage.order(quantity=100.0, stop_loss=0.5)
        fills = stage.bar((100, 100, 75, 80))
        liquidated = [f for f in fills if f[1] == LIQUIDATED]
        assert liquidated == (
            [(0, LIQUIDATED, 100.0, pytest.approx(price, **EXACT))] if price else []
        )
    # 38 coins of one symbol with another held: 1,000 - 10 x 2 - 0.005 x 980 = 975.1 behind them;
    # (3,724 - 975.1) / 37.81 = 72.70, and alone (3,724 - 744.8) / 37.81 = 78.8
    stage = pair(10.0, 0.5, equity=1_000.0)
    stage.positions[1] = new_positions(1)[0]
    stage.positions["last_time"], stage.positions[0]["stop_price"] = stage.time, 97.0
    stage.order(1, quantity=38.0, stop_loss=0.25)
    fills = stage.bar((100, 100, 98, 98), (100, 100, 75, 80))
    assert fills == [(1, Reason.SIGNAL, pytest.approx(38.0), pytest.approx(98.0))]
    assert stage.positions[1]["quantity"] == pytest.approx(38.0)


@pytest.mark.parametrize(
    ("what", "coins", "liquidation", "mark", "gone"),
    [
        ("a long above", 0.5, 80.0, 80.25, False),
        ("a long at it", 0.5, 80.0, 80.0, True),
        ("a long below", 0.5, 80.0, 79.75, True),
        ("a short below", -0.5, 120.0, 119.75, False),
        ("a short at it", -0.5, 120.0, 120.0, True),
        ("a short above", -0.5, 120.0, 120.25, True),
        ("a long that never is", 0.5, 0.0, 0.25, False),
        ("a long that is at cents", 0.5, 0.5, 0.25, True),
        ("one coin", 1.0, 80.0, 80.0, True),
        ("one short coin", -1.0, 120.0, 120.0, True),
    ],
)
def test_a_mark_reaches_liquidation_from_either_side(
    what: str, coins: float, liquidation: float, mark: float, gone: bool
) -> None:
    stage = Stage()
    stop = 40.0 if coins > 0 else 160.0
    stage.hold(0, coins, stop, 200.0 if coins > 0 else 40.0, liquidation_price=liquidation)
    stage.positions[0]["margin"] = 1_000.0
    fills = stage.bar(CALM, mark=mark)
    assert [f[1] for f in fills] == ([LIQUIDATED] if gone else []), what
    assert bool(stage.positions[0]["quantity"] == 0.0) is gone
    if gone:
        assert stage.log.fills[0]["time"] == stage.time


def test_a_symbol_without_a_bar_is_not_liquidated_and_those_after_it_are() -> None:
    stage = Stage(2)
    for symbol in range(2):
        stage.hold(symbol, 2.0, 40.0, 200.0, liquidation_price=90.0, mark=80.0)
    assert [f[0] for f in stage.bar(None, CALM, mark=80.0)] == [1]


def test_a_bar_that_is_not_there_touches_nothing_whatever_it_says() -> None:
    stage = Stage(2)
    for symbol in range(2):
        stage.hold(symbol, 2.0, 90.0, 200.0)
    fall = (50.0, 50.0, 50.0, 50.0)
    assert [f[0] for f in stage.bar(fall, fall, present=[0, 1])] == [1]


def test_an_entry_filled_within_the_bar_is_walked_with_the_others_at_their_worst_too() -> None:
    # 1,000 less 20 coins x 10 less 0.005 x 1,800 = 791 behind 28 coins at 98: (2,744 - 791) / 27.86 = 70.10;
    # with the other at its mark it would be (2,744 - 990) / 27.86 = 62.96, below the low of 65
    limits = {"risk_fraction": 9.0, "daily_loss": 9.0, "max_drawdown": 9.0}
    stage = Stage(2, equity=1_000.0, execution=CROSS, **limits)
    stage.hold(0, 20.0, 50.0, 200.0)
    stage.order(1, quantity=28.0, stop_loss=0.5)
    fills = stage.bar((100, 100, 90, 100), (100, 100, 65, 80))
    assert fills == [
        (1, Reason.SIGNAL, pytest.approx(28.0), 98.0),
        (1, LIQUIDATED, pytest.approx(28.0), pytest.approx(1_953 / 27.86)),
    ]


def test_what_is_left_of_an_order_dies_with_a_position_liquidated_at_the_close() -> None:
    stage = Stage()
    stage.hold(0, 2.0, 40.0, 200.0, liquidation_price=90.0)
    stage.order(filled=2.0, quantity=5.0, limit_price=50.0, expires_at=stage.time + 99 * 10**13)
    stage.bar(CALM, mark=85.0)
    assert stage.pending[0]["approved"] == 0


def test_bankruptcy_bounds_the_loss_of_the_whole_account() -> None:
    # 2,000 behind 100 coins: opened at 70, filled at 80, and the account is at nothing
    stage = Stage(equity=2_000.0, execution=CROSS)
    stage.hold(0, 100.0, 40.0, 200.0)
    fills = stage.bar((70, 70, 70, 70))
    assert fills == [(0, LIQUIDATED, 100.0, pytest.approx(80.0))]
    assert stage.account["wallet"] == pytest.approx(0.0, abs=1e-9)


def test_the_liquidation_fee_is_paid_of_what_is_left() -> None:
    instrument = dataclasses.replace(PLAIN, liquidation_fee=0.01)
    stage = Stage(equity=2_000.0, execution=CROSS, instrument=instrument)
    stage.hold(0, 100.0, 40.0, 200.0)
    stage.bar((80.25, 80.25, 80.25, 80.25))
    # 25 left, 1 % of 8,025 would be 80.25
    assert stage.account["fees"] == pytest.approx(25.0)
    assert np.isclose(stage.account["wallet"], 0.0)
