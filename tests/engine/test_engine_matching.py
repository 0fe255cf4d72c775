"""What a bar does to an order or a position: hand-computed cases, the arithmetic beside each."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import (
    CALM,
    FREE,
    PLAIN,
    STEADY,
    WIDE,
    bars_of,
    config,
    inputs_of,
    signals_of,
    trade,
)

from riposte.engine.enums import Reason, Side
from riposte.engine.parameters import TargetOrder
from riposte.engine.run import run
from riposte.market.instrument import brackets_from_rates
from riposte.market.interval import HOUR_NS

LONG, SHORT = int(Side.LONG), int(Side.SHORT)


# (what, side, bars after the decision, exit reason, exit price); entry at 100, stop and target 10 away
PATHS = [
    ("a long's stop is touched", LONG, [(100, 101, 89, 95)], Reason.STOP, 90.0),
    ("a short's stop is touched", SHORT, [(100, 111, 99, 105)], Reason.STOP, 110.0),
    ("a touch to the tick is a stop", LONG, [(100, 101, 90, 95)], Reason.STOP, 90.0),
    ("a stop jumped by the open fills at the open", LONG, [CALM, (88, 89, 87, 88)], Reason.STOP, 88.0),
    ("the same for a short", SHORT, [CALM, (113, 114, 112, 113)], Reason.STOP, 113.0),
    ("a long's target is traded through", LONG, [(100, 111, 99, 105)], Reason.TARGET, 110.0),
    ("a short's target is traded through", SHORT, [(100, 101, 89, 95)], Reason.TARGET, 90.0),
    ("stop and target in one bar: the stop", LONG, [(100, 115, 85, 100)], Reason.STOP, 90.0),
    ("the same for a short", SHORT, [(100, 115, 85, 100)], Reason.STOP, 110.0),
    ("a resting target jumped by the open fills at its price", LONG,
     [CALM, (112, 113, 111, 112)], Reason.TARGET, 110.0),
    ("a mere touch does not fill a resting target", LONG,
     [(100, 110, 99, 105), (105, 105, 105, 105)], Reason.END_OF_DATA, 105.0),
]  # fmt: skip


@pytest.mark.parametrize(("what", "side", "path", "reason", "price"), PATHS)
def test_within_a_bar(what: str, side: int, path: Any, reason: Reason, price: float) -> None:
    result = trade(path, {"direction": side})
    (closed,) = result.trades
    assert closed["exit_reason"] == reason, what
    assert closed["entry_price"] == pytest.approx(100.0)
    assert closed["exit_price"] == pytest.approx(price)
    # 500 coins, whatever the side
    assert closed["net"] == pytest.approx(500.0 * (price - 100.0) * side)
    assert result.equity[-1] == pytest.approx(10_000.0 + closed["net"])


def test_a_target_at_market_fills_on_a_touch_and_takes_the_better_open() -> None:
    at_market = dataclasses.replace(FREE, target_order=TargetOrder.MARKET)
    touched = trade([(100, 110, 99, 105)], {"direction": LONG}, costs=at_market)
    assert touched.trades[0]["exit_price"] == pytest.approx(110.0)
    jumped = trade([CALM, (112, 113, 111, 112)], {"direction": LONG}, costs=at_market)
    assert jumped.trades[0]["exit_price"] == pytest.approx(112.0)


def test_fees_are_taker_in_and_maker_at_a_resting_target() -> None:
    instrument = dataclasses.replace(PLAIN, taker_fee=0.0005, maker_fee=0.0002)
    result = trade([(100, 111, 99, 105)], {"direction": LONG}, instrument=instrument)
    (closed,) = result.trades
    # 500 coins: in at 100 -> 50,000 x 0.0005 = 25; out at 110 -> 55,000 x 0.0002 = 11
    assert closed["fees"] == pytest.approx(25.0 + 11.0)
    assert closed["net"] == pytest.approx(5_000.0 - 36.0)


def test_slippage_is_half_spread_plus_square_root_impact() -> None:
    instrument = dataclasses.replace(PLAIN, half_spread=0.001)
    costs = dataclasses.replace(FREE, impact=0.5)
    # volatility 1 %, order 50,000 of 5,000,000 USDT: share 1 %, root 10 %.
    # fraction = 0.001 + 0.5 x 0.01 x 0.1 = 0.0015: bought at 100.15; the cap on the notional
    # (50,000) holds at that price, so 499.2511... coins are bought.
    result = trade(
        [CALM], {"direction": LONG}, instrument=instrument, costs=costs, quote_volume=5e6
    )
    bought = result.fills[0]
    assert bought["price"] == pytest.approx(100.15)
    assert bought["quantity"] == pytest.approx(50_000 / 100.15)
    assert bought["slippage"] == pytest.approx(0.15 * 50_000 / 100.15)


def test_an_entry_takes_no_more_than_its_share_of_the_bars_volume() -> None:
    costs = dataclasses.replace(FREE, participation=0.1)
    result = trade([CALM], {"direction": LONG}, costs=costs, quote_volume=100_000.0)
    assert result.fills[0]["quantity"] * 100.0 == pytest.approx(10_000.0)


def test_funding_is_paid_by_longs_and_received_by_shorts_row_by_row() -> None:
    funding = [0.0, 0.0, 0.001, 0.0, -0.0005]
    path = [CALM] * 4
    long = trade(path, {"direction": LONG}, funding=funding)
    # held 500 coins at mark 100 = 50,000: pays 50, then receives 25
    assert long.trades[0]["funding"] == pytest.approx(50.0 - 25.0)
    short = trade(path, {"direction": SHORT}, funding=funding)
    assert short.trades[0]["funding"] == pytest.approx(-25.0)
    assert short.equity[-1] == pytest.approx(10_025.0)


def test_a_position_opened_after_the_settlement_pays_nothing_for_it() -> None:
    # The settlement belongs to the bar of the decision; the fill comes at the next open.
    result = trade([CALM], {"direction": LONG}, funding=[0.01, 0.0])
    assert result.trades[0]["funding"] == 0.0


def test_a_position_stopped_inside_the_bar_pays_no_funding_at_its_close() -> None:
    result = trade([(100, 101, 89, 95)], {"direction": LONG}, funding=[0.0, 0.01])
    assert result.trades[0]["funding"] == 0.0


def liquidated(path: Any, side: int, fee: float = 0.0) -> Any:
    """A position whose stop has been taken out of the way, as if it failed, runs into liquidation."""
    from riposte.engine.accounting import apply_fill
    from riposte.engine.matching import match_bar
    from riposte.engine.records import instrument_records, new_account, new_positions
    from riposte.engine.run import new_log, terms_of

    instrument = instrument_records(
        [
            dataclasses.replace(
                PLAIN, liquidation_fee=fee, brackets=brackets_from_rates([(0, 0.005, 100)])
            )
        ]
    )[0]
    account, positions = new_account(10_000.0), new_positions(1)
    apply_fill(account, positions[0], instrument, side, 100.0, 100.0, 0.0, 0.0, 5.0)
    positions[0]["stop_price"] = 1e-6 if side > 0 else 1e6
    positions[0]["target_price"] = 1e6 if side > 0 else 1e-6
    positions[0]["equity_before"] = 10_000.0
    log = new_log(4)
    bar = bars_of([path])[0]
    match_bar(
        account, positions[0], instrument, terms_of(config()), 0, bar, 2_000.0, False, HOUR_NS, log
    )
    return account, positions[0], log


def test_an_isolated_long_is_liquidated_where_margin_meets_maintenance() -> None:
    # 100 coins at 100, 5x: margin 2,000. 2,000 + 100 (P - 100) = 0.005 x 100 P -> P = 80.40201...
    account, position, log = liquidated((100, 100, 79, 85), LONG)
    price = 8_000 / 99.5
    assert log.trades[0]["exit_price"] == pytest.approx(price)
    assert log.trades[0]["exit_reason"] == Reason.LIQUIDATION
    assert account["wallet"] == pytest.approx(10_000 + 100 * (price - 100))
    assert position["quantity"] == 0.0


def test_an_isolated_short_is_liquidated_above() -> None:
    # 2,000 + 100 (100 - P) = 0.005 x 100 P -> P = 12,000 / 100.5
    _, _, log = liquidated((100, 125, 100, 110), SHORT)
    assert log.trades[0]["exit_price"] == pytest.approx(12_000 / 100.5)


@pytest.mark.parametrize(
    ("path", "side"), [((40, 41, 39, 40), LONG), ((190, 191, 189, 190), SHORT)]
)
def test_a_gap_far_beyond_liquidation_costs_the_margin_and_no_more(path: Any, side: int) -> None:
    account, _, log = liquidated(path, side, fee=0.0125)
    assert account["wallet"] == pytest.approx(8_000.0)
    assert log.trades[0]["net"] == pytest.approx(-2_000.0)


def test_the_liquidation_fee_is_taken_from_what_margin_is_left() -> None:
    account, _, log = liquidated((100, 100, 79, 85), LONG, fee=0.0125)
    price = 8_000 / 99.5
    left = 2_000 + 100 * (price - 100)  # 40.2 USDT, less than 1.25 % of 8,040
    assert log.trades[0]["fees"] == pytest.approx(left)
    assert account["wallet"] == pytest.approx(8_000.0)


def test_maintenance_uses_the_bracket_of_the_notional() -> None:
    from riposte.engine.margin import liquidation_price, maintenance_margin
    from riposte.engine.records import instrument_records

    brackets = brackets_from_rates([(0, 0.004, 125), (50_000, 0.005, 100), (600_000, 0.0065, 75)])
    record = instrument_records([dataclasses.replace(PLAIN, brackets=brackets)])[0]
    assert maintenance_margin(record, 40_000.0) == pytest.approx(160.0)
    assert maintenance_margin(record, 100_000.0) == pytest.approx(100_000 * 0.005 - 50.0)
    assert maintenance_margin(record, 1_000_000.0) == pytest.approx(1_000_000 * 0.0065 - 950.0)
    # 10 coins at 10,000, margin 20,000: long liquidated at 80,402: the second bracket
    price = liquidation_price(record, 10.0, 10_000.0, 20_000.0)
    assert price == pytest.approx((100_000 - 20_000 - 50) / (10 * 0.995))
    assert 20_000 + 10 * (price - 10_000) == pytest.approx(maintenance_margin(record, 10 * price))


def test_part_of_the_profit_is_taken_half_way_and_the_stop_moves_to_break_even() -> None:
    rules = dataclasses.replace(STEADY, partial_at=(0.5,), partial_share=(0.5,))
    path = [(100, 106, 99, 104), (104, 104, 99, 99.5)]
    result = trade(path, {"direction": LONG}, rules=rules)
    partial, rest = result.fills[1], result.fills[2]
    # half of 500 at 105: +1,250; the rest at break-even (no fees here): 0
    assert (partial["quantity"], partial["price"]) == pytest.approx((250.0, 105.0))
    assert (rest["quantity"], rest["price"]) == pytest.approx((250.0, 100.0))
    assert result.trades[0]["net"] == pytest.approx(1_250.0)


def test_the_stop_trails_the_best_price_and_never_goes_back() -> None:
    rules = dataclasses.replace(STEADY, trail_after=0.5, trail_distance=0.8)
    # R = 10. Best 106 -> stop 98; best 108 -> stop 100; then down to 99: out at 100.
    path = [(100, 106, 100, 105), (105, 108, 104, 106), (106, 106, 99, 99)]
    result = trade(path, {"direction": LONG}, rules=rules)
    (closed,) = result.trades
    assert closed["exit_reason"] == Reason.TRAILING_STOP
    assert closed["exit_price"] == pytest.approx(100.0)


def test_a_position_that_reaches_neither_barrier_is_left_at_the_next_open_after_its_horizon() -> (
    None
):
    path = [CALM, CALM, (101, 101, 101, 101), (102, 102, 102, 102)]
    result = trade(path, {"direction": LONG, "horizon_ns": 2 * HOUR_NS})
    (closed,) = result.trades
    # entered at the open of bar 1; two bars later, at the open of bar 3
    assert closed["exit_reason"] == Reason.TIME
    assert closed["exit_price"] == pytest.approx(101.0)
    assert closed["closed_at"] - closed["opened_at"] == 2 * HOUR_NS


def test_an_opposite_signal_ends_a_position_when_the_rules_say_so() -> None:
    rules = dataclasses.replace(STEADY, exit_on_reversal=True)
    records = bars_of([CALM, CALM, (102, 102, 102, 102), CALM])
    signals = signals_of(
        4,
        {
            0: {"direction": LONG, "stop_loss": 0.1, "take_profit": 0.1},
            1: {"direction": SHORT, "stop_loss": 0.1, "take_profit": 0.1},
        },
    )
    result = run(inputs_of(records, signals), config(rules=rules))
    assert result.trades[0]["exit_reason"] == Reason.REVERSAL
    assert result.trades[0]["exit_price"] == pytest.approx(102.0)


def test_a_winner_is_added_to_and_its_entry_averages() -> None:
    rules = dataclasses.replace(STEADY, add_after=0.3, add_share=0.5, max_adds=1)
    records = bars_of([CALM, (100, 104, 100, 104), (104, 104, 104, 104), (104, 104, 104, 104)])
    up = {"direction": LONG, "stop_loss": 0.1, "take_profit": 0.2}
    signals = signals_of(4, {0: up, 1: up})
    limits = dataclasses.replace(WIDE, max_order_notional=20_000.0)
    result = run(inputs_of(records, signals), config(limits, rules=rules))
    # 200 coins at 100; up 4 (0.4 R) half as many again at 104: 300 coins at 101.333
    first, added, _ = result.fills
    assert (first["quantity"], first["price"]) == pytest.approx((200.0, 100.0))
    assert (added["quantity"], added["price"], added["reason"]) == pytest.approx(
        (100.0, 104.0, Reason.ADD)
    )
    (closed,) = result.trades
    assert closed["entry_price"] == pytest.approx((200 * 100 + 100 * 104) / 300)
    assert closed["adds"] == 1
    assert closed["net"] == pytest.approx(200 * 4.0)  # 104 - 100 on the first, nothing on the add


def test_prices_are_rounded_against_the_trader_and_quantities_down() -> None:
    instrument = dataclasses.replace(PLAIN, tick_size=0.5, step_size=3.0, half_spread=0.001)
    result = trade([(100, 100, 89, 95)], {"direction": LONG}, instrument=instrument)
    bought, sold = result.fills
    assert bought["price"] == 100.5  # 100.1 up to the tick
    assert bought["quantity"] == 495.0  # 50,000 / 100.5 = 497.5 down to a multiple of 3
    assert sold["price"] == 90.0  # stop 90.45 up to 90.5, less 0.1 %, down to the tick


def test_the_same_inputs_give_the_same_bytes() -> None:
    path = [(100, 106, 94, 101), (101, 108, 99, 100)]
    first = trade(path, {"direction": LONG})
    second = trade(path, {"direction": LONG})
    for name in ("trades", "fills", "refusals", "positions"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert np.array_equal(first.equity, second.equity)
