"""How a position is opened: limits, post-only, patience, partial fills, latency; the arithmetic beside each.

Equity 10,000 USDT at 5x: an order wants 50,000 USDT, 500 coins at 100. No fees, no spread, no impact unless said.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from scenario import CALM, FREE, PLAIN, STEADY, WIDE, bars_of, config, inputs_of, signals_of, trade

from riposte.engine.enums import Reason, Rule
from riposte.engine.parameters import EntryOrder, Execution
from riposte.engine.run import RunResult, run
from riposte.market.interval import HOUR_NS, SECOND_NS

LONG, SHORT = {"direction": 1}, {"direction": -1}


def limit(offset: float = 0.01, patience: int = 3, **more: Any) -> Execution:
    settings = {"entry_order": EntryOrder.LIMIT, "reprice": False, **more}
    return Execution(entry_offset=offset, entry_patience=patience, **settings)


def fills_of(result: RunResult) -> list[tuple[float, float, int]]:
    return [(f["quantity"], f["price"], f["maker"]) for f in result.fills]


# (what, signal, bars after the decision at 100, limit 1 % away, price of the fill or None, maker)
RESTING = [
    ("a limit to buy is traded through", LONG, [(100, 100, 98.9, 99.5)], 99.0, 1),
    ("a limit to sell is traded through", SHORT, [(100, 101.1, 100, 100.5)], 101.0, 1),
    ("a touch does not fill it", LONG, [(100, 100, 99.0, 99.5)], None, 1),
    ("it rests for the bars it has patience for", LONG,
     [(100, 100, 99.5, 100), (100, 100, 99.5, 100), (100, 100, 98.5, 99)], 99.0, 1),
    ("and no longer", LONG,
     [(100, 100, 99.5, 100)] * 3 + [(100, 100, 98.5, 99)], None, 1),
    ("an open beyond it when it arrives is taken at the open", LONG, [(98.5, 99, 98, 98.5)], 98.5, 0),
    ("an open beyond a resting one fills it at its price", LONG,
     [(100, 100, 99.5, 100), (97, 98, 96, 97)], 99.0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("what", "signal", "path", "price", "maker"), RESTING)
def test_a_limit_entry(what: str, signal: Any, path: Any, price: float | None, maker: int) -> None:
    result = trade(path, signal, execution=limit())
    if price is None:
        assert len(result.fills) == 0, what
        return
    # 50,000 USDT wanted at 100 are 500 coins, also at the limit
    first = result.fills[0]
    wanted = 500.0 if price <= 100.0 else 50_000.0 / price
    assert (first["price"], first["maker"]) == pytest.approx((price, maker)), what
    assert first["quantity"] == pytest.approx(wanted)


def test_a_resting_entry_pays_the_maker_fee() -> None:
    instrument = dataclasses.replace(PLAIN, maker_fee=0.0002, taker_fee=0.0005)
    result = trade([(100, 100, 98, 99)], LONG, execution=limit(), instrument=instrument)
    assert result.fills[0]["fee"] == pytest.approx(500 * 99 * 0.0002)


def test_the_bar_that_fills_a_resting_entry_can_stop_it_but_not_pay_it() -> None:
    # Limit 99, stop 10 % under it at 89.1, target at 108.9: the high of 109 may have come first.
    paid = trade([(100, 109, 98, 99), CALM], LONG, execution=limit())
    assert paid.trades[0]["exit_reason"] == Reason.END_OF_DATA
    # The way from 100 down to 89 leads through 99: this stop is certain.
    stopped = trade([(100, 109, 89, 99)], LONG, execution=limit())
    (closed,) = stopped.trades
    assert (closed["exit_reason"], closed["exit_price"]) == (Reason.STOP, pytest.approx(89.1))
    assert closed["net"] == pytest.approx(500 * (89.1 - 99.0))


def test_a_resting_entry_that_follows_the_price_is_filled_at_the_new_limit() -> None:
    path = [(100, 103, 100, 102), (102, 102, 100.9, 101)]
    # Decided at 100: limit 99, not reached. Re-priced at the close of 102: 100.98, traded through.
    followed = trade(path, LONG, execution=limit(reprice=True))
    assert followed.fills[0]["price"] == pytest.approx(102 * 0.99)
    left = trade(path, LONG, execution=limit())
    assert len(left.fills) == 0


def test_a_post_only_order_that_would_take_is_turned_away_and_may_come_back() -> None:
    post_only = limit(entry_order=EntryOrder.POST_ONLY)
    # 98.5 at its arrival is through its limit of 99: refused. Then the open is above it, and it rests.
    path = [(98.5, 99.2, 98, 99.1), (99.3, 99.4, 98.9, 99)]
    result = trade(path, LONG, execution=post_only)
    (refused,) = result.refusals
    assert (refused["rule"], refused["limit"], refused["value"]) == (Rule.POST_ONLY, 99.0, 98.5)
    assert fills_of(result)[0] == (pytest.approx(500.0), pytest.approx(99.0), 1)


def test_out_of_patience_the_rest_crosses_at_market_if_told_to() -> None:
    path = [(100, 101, 99.5, 101), (101, 102, 100.5, 102), (102, 103, 101, 103)]
    crossing = limit(patience=2, cross_after=True)
    # Two bars of patience end at the close of 102: taken at the next open, 102, cut to 50,000 USDT.
    result = trade(path, LONG, execution=crossing)
    assert fills_of(result)[0] == (pytest.approx(50_000 / 102), pytest.approx(102.0), 0)


# Thin bars: a tenth of 100,000 USDT may be taken in each: 100 coins at 100.
THIN = dataclasses.replace(FREE, participation=0.1)


def test_an_order_larger_than_its_share_of_the_volume_fills_bar_by_bar() -> None:
    patient = Execution(entry_patience=3)
    result = trade([CALM] * 5, LONG, costs=THIN, execution=patient, quote_volume=100_000.0)
    entries = [f for f in result.fills if f["reason"] == Reason.SIGNAL]
    assert [f["quantity"] for f in entries] == pytest.approx([100.0, 100.0, 100.0])
    assert [(f["time"] - entries[0]["time"]) // HOUR_NS for f in entries] == [0, 1, 2]
    (closed,) = result.trades  # one trade, however many fills
    assert closed["quantity"] == pytest.approx(300.0)
    assert closed["adds"] == 0
    assert result.account["trades_today"] == 1


def test_the_second_part_averages_the_entry_and_keeps_the_first_stop() -> None:
    patient = Execution(entry_patience=2)
    path = [CALM, (104, 104, 104, 104), (104, 104, 89, 90)]
    result = trade(path, LONG, costs=THIN, execution=patient, quote_volume=100_000.0)
    # 100 coins at 100 (stop 90), then 10,000 / 104 = 96.15 at 104; all stopped at 90.
    second = 10_000 / 104
    (closed,) = result.trades
    assert closed["entry_price"] == pytest.approx((100 * 100 + second * 104) / (100 + second))
    assert closed["exit_price"] == pytest.approx(90.0)
    assert closed["net"] == pytest.approx(-100 * 10 - second * 14)


def test_what_is_left_of_an_order_dies_with_its_position() -> None:
    patient = Execution(entry_patience=5)
    path = [(100, 100, 89, 95), (95, 95, 95, 95), (95, 95, 95, 95)]
    result = trade(path, LONG, costs=THIN, execution=patient, quote_volume=100_000.0)
    # Filled 100 of 500, stopped at 90 within the bar: nobody wants the other 400 any more.
    assert [f["reason"] for f in result.fills] == [Reason.SIGNAL, Reason.STOP]


def test_a_resting_target_fills_by_its_share_of_the_volume_and_the_rest_stays() -> None:
    volumes = [1e9, 1e9, 110_000.0, 110_000.0, 1e9]
    path = [CALM, (105, 112, 105, 111), (111, 112, 111, 111), CALM]
    result = trade(path, LONG, costs=THIN, quote_volume=volumes)
    # Target 110: a tenth of 110,000 USDT is 100 coins a bar.
    targets = [f["quantity"] for f in result.fills if f["reason"] == Reason.TARGET]
    assert targets == pytest.approx([100.0, 100.0])
    (closed,) = result.trades
    assert closed["exit_reason"] == Reason.END_OF_DATA
    assert closed["exit_price"] == pytest.approx((200 * 110 + 300 * 100) / 500)


def test_a_stop_is_never_held_back_by_volume() -> None:
    volumes = [1e9, 1e9, 1_000.0]
    result = trade([CALM, (95, 95, 85, 86)], LONG, costs=THIN, quote_volume=volumes)
    assert result.fills[-1]["quantity"] == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("latency", "bars_waited"),
    [(0, 0), (250_000_000, 0), (HOUR_NS - 1, 0), (HOUR_NS, 1), (2 * HOUR_NS + SECOND_NS, 2)],
)
def test_latency_delays_by_the_whole_bars_it_lasts(latency: int, bars_waited: int) -> None:
    path = [(101.0, 101, 101, 101), (102.0, 102, 102, 102), (103.0, 103, 103, 103)]
    late = Execution(latency_ns=latency)
    result = trade(path, LONG, execution=late)
    assert result.fills[0]["price"] == pytest.approx(101.0 + bars_waited)


def test_an_exit_is_late_too_and_is_not_decided_anew_meanwhile() -> None:
    late = Execution(latency_ns=HOUR_NS)
    path = [CALM, CALM, (101.0, 101, 101, 101), (102.0, 102, 102, 102), (103.0, 103, 103, 103)]
    result = trade(path, {**LONG, "horizon_ns": 2 * HOUR_NS}, execution=late)
    # Decided at close 0, entered at open 2 (close 1); horizon over at close 3; left at open 5, not 4.
    (closed,) = result.trades
    assert (closed["exit_reason"], closed["exit_price"]) == (Reason.TIME, pytest.approx(103.0))


def test_a_signal_the_other_way_withdraws_a_resting_entry() -> None:
    records = bars_of([CALM, (100, 100, 99.5, 100), (100, 100, 98, 99)])
    wide = {"stop_loss": 0.1, "take_profit": 0.1}
    signals = signals_of(3, {0: {**LONG, **wide}, 1: {**SHORT, **wide}})
    result = run(inputs_of(records, signals), config(execution=limit(patience=10)))
    # The long at 99 is gone; the short rests at 101 and is not reached.
    assert len(result.fills) == 0


def test_a_stop_of_trading_withdraws_a_resting_entry_and_says_so() -> None:
    limits = dataclasses.replace(WIDE, volatility_ratio=3.0)
    path = [(100, 100, 99.5, 100), (100, 100, 98, 99)]
    ratios = [1.0, 3.5, 3.5]
    result = trade(path, LONG, execution=limit(), limits=limits, volatility_ratio=ratios)
    assert len(result.fills) == 0
    assert Rule.STATE in set(result.refusals["rule"])


def test_a_reducing_order_never_turns_a_position_over() -> None:
    # The horizon's exit was decided for 500 coins; a target takes 100 of them meanwhile: 400 are left.
    late = Execution(latency_ns=HOUR_NS)
    volumes = [1e9, 1e9, 1e9, 110_000.0, 1e9, 1e9]
    path = [CALM, CALM, (105, 112, 105, 106), (106, 106, 106, 106), (106, 106, 106, 106)]
    result = trade(
        path,
        {**LONG, "horizon_ns": HOUR_NS},
        costs=THIN,
        execution=late,
        rules=STEADY,
        quote_volume=volumes,
    )
    assert [f["quantity"] for f in result.fills] == pytest.approx([500.0, 100.0, 400.0])
    assert result.positions[0]["quantity"] == 0.0


def test_what_is_left_of_an_order_is_taken_back_once_its_position_takes_profit() -> None:
    patient = Execution(entry_patience=9)
    rules = dataclasses.replace(STEADY, partial_at=(0.2,), partial_share=(0.5,))
    path = [CALM, (100, 103, 100, 102), (102, 102, 102, 102), (102, 102, 102, 102)]
    result = trade(path, LONG, costs=THIN, execution=patient, rules=rules, quote_volume=100_000.0)
    # 100 coins, then 10,000 / 100 more, half sold at 102: the other 300 are not bought any more.
    reasons = [f["reason"] for f in result.fills]
    assert reasons == [Reason.SIGNAL, Reason.SIGNAL, Reason.PARTIAL_TARGET, Reason.END_OF_DATA]
