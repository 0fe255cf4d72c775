"""Several partial targets, stops that trail by true ranges, and what a gap costs; the arithmetic beside each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scenario import CALM, PLAIN, STEADY, trade

from riposte.engine.enums import Reason
from riposte.engine.parameters import PositionRules, as_record

LONG, SHORT = {"direction": 1}, {"direction": -1}
THIRDS = dataclasses.replace(
    STEADY, partial_at=(0.3, 0.6), partial_share=(0.4, 0.5), breakeven_after_partial=False
)


def test_partial_targets_are_taken_one_after_the_other_each_of_what_is_held_then() -> None:
    path = [(100, 104, 100, 103), (103, 107, 103, 106), (106, 111, 106, 110)]
    result = trade(path, LONG, rules=THIRDS)
    # 500 coins, target 110: 40 % at 103 = 200; half of 300 at 106 = 150; the last 150 at 110.
    found = [(f["reason"], f["quantity"], f["price"]) for f in result.fills[1:]]
    assert found == [
        (Reason.PARTIAL_TARGET, pytest.approx(200.0), pytest.approx(103.0)),
        (Reason.PARTIAL_TARGET, pytest.approx(150.0), pytest.approx(106.0)),
        (Reason.TARGET, pytest.approx(150.0), pytest.approx(110.0)),
    ]
    assert result.trades[0]["net"] == pytest.approx(200 * 3 + 150 * 6 + 150 * 10)


def test_one_bar_can_take_them_all() -> None:
    result = trade([(100, 111, 100, 110)], LONG, rules=THIRDS)
    assert [f["price"] for f in result.fills[1:]] == pytest.approx([103.0, 106.0, 110.0])


def test_a_short_takes_them_downwards() -> None:
    result = trade([(100, 100, 93, 94), (94, 94, 89, 90)], SHORT, rules=THIRDS)
    assert [f["price"] for f in result.fills[1:]] == pytest.approx([97.0, 94.0, 90.0])


def test_a_share_too_small_to_trade_leaves_the_position_to_its_target() -> None:
    coarse = dataclasses.replace(PLAIN, step_size=300.0)  # 40 % of 300 coins is none
    result = trade([(100, 111, 100, 110)], LONG, rules=THIRDS, instrument=coarse)
    assert [f["quantity"] for f in result.fills] == pytest.approx([300.0, 300.0])


def test_the_first_partial_moves_the_stop_to_break_even_with_its_fees() -> None:
    rules = dataclasses.replace(THIRDS, breakeven_after_partial=True)
    fees = dataclasses.replace(PLAIN, taker_fee=0.001, maker_fee=0.0)
    result = trade([(100, 104, 100, 103), (103, 103, 99, 100)], LONG, rules=rules, instrument=fees)
    # In and out at 0.1 % each on 100: 0.20
    assert result.fills[-1]["price"] == pytest.approx(100.2)
    assert result.fills[-1]["reason"] == Reason.STOP


def test_no_more_partial_targets_than_there_is_room_for() -> None:
    with pytest.raises(ValueError, match="5 values, room for 4"):
        as_record(PositionRules(partial_at=(0.1, 0.2, 0.3, 0.4, 0.5)))


ATR = dataclasses.replace(STEADY, trail_after=0.2, trail_atr=2.0)


def test_a_stop_trails_two_average_true_ranges_behind_the_best_price() -> None:
    path = [(100, 106, 100, 105), (105, 105, 101, 102), (102, 102, 102, 102)]
    # R = 10, so it trails from 102 on. ATR 2 % of 105: 106 - 2 x 2.1 = 101.8, reached in the next bar.
    result = trade(path, LONG, rules=ATR, atr=[0.02, 0.02, 0.02, 0.02])
    (closed,) = result.trades
    assert closed["exit_reason"] == Reason.TRAILING_STOP
    assert closed["exit_price"] == pytest.approx(106 - 2 * 0.02 * 105)


def test_it_tightens_when_ranges_shrink_and_never_loosens_when_they_grow() -> None:
    path = [(100, 106, 100, 105), (105, 105, 104, 105), (105, 105, 104, 105), (105, 105, 100, 101)]
    # Best 106; 106 - 2 x 5 % x 105 = 95.5, then 106 - 2 x 1 % x 105 = 103.9, then 10 %: it stays.
    result = trade(path, LONG, rules=ATR, atr=[0.05, 0.05, 0.01, 0.1, 0.1])
    assert result.trades[0]["exit_price"] == pytest.approx(106 - 2 * 0.01 * 105)


def test_where_no_range_is_known_it_trails_by_the_first_risk() -> None:
    path = [(100, 106, 100, 105), (105, 105, 95, 96)]
    result = trade(path, LONG, rules=ATR, atr=[np.nan] * 3)
    assert result.trades[0]["exit_price"] == pytest.approx(106 - 10.0)


def test_what_a_jumped_stop_loses_beyond_its_price_is_on_record_as_gap() -> None:
    spread = dataclasses.replace(PLAIN, half_spread=0.001)
    jumped = trade([CALM, (85, 86, 84, 85)], LONG, instrument=spread)
    stop = 0.9 * jumped.fills[0]["price"]
    (closed,) = jumped.trades
    quantity = closed["quantity"]
    # Stop 10 % under the entry, open 85: the way between them is the gap, the spread on 85 is slippage.
    assert closed["gap"] == pytest.approx((stop - 85.0) * quantity)
    assert jumped.fills[-1]["slippage"] == pytest.approx(0.001 * 85 * quantity)
    assert jumped.account["gap"] == pytest.approx(closed["gap"])
    held = trade([CALM, (95, 95, 85, 85)], LONG, instrument=spread)
    assert held.trades[0]["gap"] == 0.0
