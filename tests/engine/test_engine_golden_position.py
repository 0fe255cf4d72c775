"""Hand-computed position rules: each sizing method, barriers, break-even and trailing, adding and leaving."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, STEADY, WIDE, bars_of, config, signals_of

from riposte.engine.accounting import apply_fill
from riposte.engine.enums import Halt, Intent, Reason, TradingState
from riposte.engine.parameters import Costs, Sizing
from riposte.engine.position import (
    exit_reason,
    halt_reason,
    place_barriers,
    tighten_stop,
    wanted_notional,
    write_add,
    write_exit,
)
from riposte.engine.records import INTENT, instrument_records, new_account, new_positions
from riposte.engine.run import terms_of
from riposte.market.interval import HOUR_NS, MINUTE_NS

EXACT = {"rel": 1e-12, "abs": 1e-12}
TICKS = dataclasses.replace(
    PLAIN, tick_size=0.25, step_size=0.5, taker_fee=0.001, half_spread=0.001
)
CALM = (100.0, 100.0, 100.0, 100.0)
HALTED = int(TradingState.HALTED)

# (what, rules, signal, volatility, interval, notional); equity 10,000, cap 20,000
SIZES: list[tuple[str, dict[str, Any], dict[str, float], float, int, float]] = [
    ("2 % of equity at a stop of 4 %", {"sizing": Sizing.FIXED_FRACTION, "fixed_fraction": 0.02},
     {"stop_loss": 0.04}, 0.01, HOUR_NS, 5_000.0),
    # odds 3, chance 0.6: 0.6 - 0.4 / 3 = 0.46667; half of it 0.23333; 2,333.33 at risk of 2 %
    ("half Kelly", {"sizing": Sizing.FRACTIONAL_KELLY, "kelly_fraction": 0.5},
     {"stop_loss": 0.02, "take_profit": 0.06, "confidence": 0.6}, 0.01, HOUR_NS, 0.5 * (0.6 - 0.4 / 3.0) * 1e4 / 0.02),
    ("Kelly of a bad bet is nothing", {"sizing": Sizing.FRACTIONAL_KELLY},
     {"stop_loss": 0.02, "take_profit": 0.02, "confidence": 0.45}, 0.01, HOUR_NS, 0.0),
    # 0.4 % an hour, times the root of 8,760 hours: 37.44 % a year
    ("15 % a year", {"sizing": Sizing.VOLATILITY_TARGET, "volatility_target": 0.15}, {}, 0.004, HOUR_NS,
     0.15 * 1e4 / (0.004 * 8_760.0**0.5)),
    ("the same of minutes", {"sizing": Sizing.VOLATILITY_TARGET, "volatility_target": 0.15}, {}, 0.004, MINUTE_NS,
     0.15 * 1e4 / (0.004 * 525_600.0**0.5)),
    ("of a bar that no year is a multiple of", {"sizing": Sizing.VOLATILITY_TARGET, "volatility_target": 0.15}, {},
     0.004, 5_000 * HOUR_NS, 0.15 * 1e4 / (0.004 * 1.752**0.5)),
    ("a low threshold", {"min_confidence": 0.4}, {"confidence": 0.7}, 0.01, HOUR_NS, 15_000.0),
    ("at the threshold half of the cap", {"min_confidence": 0.6}, {"confidence": 0.6}, 0.01, HOUR_NS, 10_000.0),
    ("half-way to certainty three quarters", {"min_confidence": 0.6}, {"confidence": 0.8}, 0.01, HOUR_NS, 15_000.0),
    ("certain: all of it", {"min_confidence": 0.6}, {"confidence": 1.0}, 0.01, HOUR_NS, 20_000.0),
    ("never more than all", {"min_confidence": 0.6}, {"confidence": 1.5}, 0.01, HOUR_NS, 20_000.0),
    ("a threshold of certainty", {"min_confidence": 1.0}, {"confidence": 1.0}, 0.01, HOUR_NS, 10_000.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "rules", "signal", "volatility", "interval", "notional"),
    SIZES,
    ids=[c[0] for c in SIZES],
)
def test_a_sizing_method_asks_for(
    what: str,
    rules: dict[str, Any],
    signal: dict[str, float],
    volatility: float,
    interval: int,
    notional: float,
) -> None:
    terms = terms_of(config(rules=dataclasses.replace(STEADY, **rules)))
    bar = bars_of([CALM], volatility=volatility)[0]
    asked = wanted_notional(terms, signals_of(1, {0: signal})[0], bar, 10_000.0, 20_000.0, interval)
    assert asked == pytest.approx(notional, **EXACT)


@pytest.mark.parametrize(
    ("side", "stop", "target", "part"),
    [
        (1, 95.25, 111.25, 105.75),  # 95.0475 up, 111.0555 up, 105.56 up (the half way)
        (-1, 105.0, 89.0, 94.5),  # 105.0525 down, 89.0445 down, 94.5473 down
    ],
)
def test_barriers_are_rounded_towards_the_entry_and_targets_away_from_it(
    side: int, stop: float, target: float, part: float
) -> None:
    position, intent = new_positions(1)[0], np.zeros(1, INTENT)[0]
    intent["side"], intent["stop_loss"], intent["take_profit"] = side, 0.05, 0.11
    terms = terms_of(config(rules=dataclasses.replace(STEADY, partial_at=(0.5,))))
    place_barriers(position, intent, instrument_records([TICKS])[0], terms, 100.05)
    assert [position["stop_price"], position["target_price"]] == [stop, target]
    assert position["partial_prices"].tolist() == [part, 0.0, 0.0, 0.0]
    assert position["risk_per_coin"] == pytest.approx(abs(100.05 - stop), **EXACT)


def test_no_partial_price_without_a_partial_target() -> None:
    position, intent = new_positions(1)[0], np.zeros(1, INTENT)[0]
    intent["side"], intent["stop_loss"], intent["take_profit"] = 1, 0.05, 0.11
    place_barriers(position, intent, instrument_records([TICKS])[0], terms_of(config()), 100.0)
    assert position["partial_prices"].tolist() == [0.0] * 4


class Seat:
    """A position of 4 coins at 100, stop 8 away, in a market of quarter ticks and half coins."""

    def __init__(
        self, side: int = 1, costs: Costs | None = None, instrument: Any = TICKS, **rules: Any
    ) -> None:
        self.side, self.instrument = side, instrument_records([instrument])[0]
        chosen = dataclasses.replace(STEADY, **rules)
        self.terms = terms_of(config(rules=chosen, costs=costs or Costs()))
        self.account, self.positions = new_account(10_000.0), new_positions(1)
        p = self.position
        apply_fill(self.account, p, self.instrument, side, 4.0, 100.0, 0.0, 0.0, 5.0)
        p["stop_price"], p["risk_per_coin"], p["first_quantity"] = 100.0 - 8.0 * side, 8.0, 4.0
        p["best_price"], p["expires_at"] = 100.0, START + 10 * HOUR_NS
        p["mark"], self.atr = 100.0, 0.0
        self.out = np.zeros(1, INTENT)[0]

    @property
    def position(self) -> Any:
        return self.positions[0]

    def tighten(self, gained: float) -> tuple[float, int]:
        """(stop's distance from the entry, in profit positive; trailing) at such a best price."""
        p = self.position
        p["best_price"] = 100.0 + gained * self.side
        tighten_stop(p, bars_of([CALM], atr=self.atr)[0], self.instrument, self.terms)
        return (p["stop_price"] - 100.0) * self.side, int(p["trailing"])

    def manage(self, close: float = 100.0, time: int = START, **signal: Any) -> Intent:
        bar, said = bars_of([(close, close, close, close)])[0], signals_of(1, {0: signal})[0]
        reason = exit_reason(self.account, self.position, said, self.terms, time)
        if reason:
            write_exit(self.position, reason, close, time, self.terms, self.out)
        else:
            write_add(
                self.position, said, bar, self.instrument, self.terms, HOUR_NS, time, self.out
            )
        return Intent(self.out["kind"])


@pytest.mark.parametrize("side", [1, -1])
def test_after_a_part_the_stop_covers_the_fees_of_there_and_back(side: int) -> None:
    seat = Seat(side, Costs(multiplier=3.0), breakeven_after_partial=True)
    assert seat.tighten(5.0) == (-8.0, 0)  # nothing was taken yet
    seat.position["partials_taken"] = 1
    # 2 x 0.1 % x 3 of 100 is 0.60, and 0.50 to the tick, away from the price
    assert seat.tighten(5.0) == (0.5, 0)
    seat.position["stop_price"] = 100.0 + 2.25 * side  # it stands better already
    assert seat.tighten(5.0) == (2.25, 0)


@pytest.mark.parametrize(("side", "stop"), [(1, 100.75), (-1, 100.0)])
def test_break_even_is_that_of_the_average_entry(side: int, stop: float) -> None:
    seat = Seat(side, Costs(multiplier=3.0), breakeven_after_partial=True)
    seat.position["partials_taken"], seat.position["entry_price"] = 1, 100.375
    seat.tighten(5.0)
    # 0.6 % of 100.375 is 0.602: 100.977 down, or 99.773 up
    assert seat.position["stop_price"] == stop


def test_break_even_can_be_off() -> None:
    seat = Seat(breakeven_after_partial=False)
    seat.position["partials_taken"] = 1
    assert seat.tighten(5.0) == (-8.0, 0)


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_trails_from_its_threshold_at_its_distance(side: int) -> None:
    seat = Seat(side, trail_after=0.5, trail_distance=0.75)
    assert seat.tighten(3.9) == (-8.0, 0)  # half an R is 4
    assert seat.tighten(4.0) == (-2.0, 1)  # 4 less 0.75 R
    assert seat.tighten(9.6) == (3.5, 1)  # 3.6, to the tick
    assert seat.tighten(9.3) == (3.5, 1)  # 3.3: a stop never goes back
    assert seat.position["stop_price"] == 100.0 + 3.5 * side


@pytest.mark.parametrize("side", [1, -1])
def test_the_stop_of_half_a_coin_trails_too(side: int) -> None:
    seat = Seat(side, trail_after=0.5, trail_distance=0.75)
    seat.position["quantity"] = 0.5 * side
    assert seat.tighten(4.0) == (-2.0, 1)


@pytest.mark.parametrize("side", [1, -1])
def test_half_an_r_may_be_four_and_a_half(side: int) -> None:
    seat = Seat(side, trail_after=0.5, trail_distance=0.5)
    seat.position["risk_per_coin"] = 9.0
    assert seat.tighten(4.25) == (-8.0, 0)
    assert seat.tighten(4.5) == (0.0, 1)


def test_a_trail_behind_the_stop_that_stands_is_none() -> None:
    seat = Seat(trail_after=0.5, trail_distance=1.5)
    assert seat.tighten(4.0) == (-8.0, 0)  # 4 - 12 is where it stands
    assert seat.tighten(4.5) == (-7.5, 1)


def test_trailing_can_be_off() -> None:
    assert Seat(trail_after=0.0).tighten(50.0) == (-8.0, 0)


def test_a_trail_beats_break_even_and_the_other_way_round() -> None:
    seat = Seat(trail_after=0.5, trail_distance=1.0, breakeven_after_partial=True)
    seat.position["partials_taken"] = 1
    assert seat.tighten(7.0) == (
        0.0,
        0,
    )  # fees are 0.20: break-even, to the tick; the trail is below
    assert seat.tighten(10.0) == (2.0, 1)


@pytest.mark.parametrize(
    ("halt", "reason"),
    [
        (Halt.DAILY_LOSS, Reason.DAILY_LOSS),
        (Halt.DRAWDOWN, Reason.DRAWDOWN),
        (Halt.VOLATILITY, Reason.VOLATILITY),
        (Halt.OPERATOR, Reason.OPERATOR),
        (Halt.REVIEW, Reason.OPERATOR),
        (Halt.LOSSES_IN_ROW, Reason.OPERATOR),
        (Halt.NONE, Reason.OPERATOR),
    ],
)
def test_a_halt_names_the_reason_of_the_exits_it_makes(halt: Halt, reason: Reason) -> None:
    assert halt_reason(int(halt)) == reason


@pytest.mark.parametrize("coins", [4.0, 0.5])
@pytest.mark.parametrize(("side", "order_side"), [(1, -1), (-1, 1)])
def test_a_halt_leaves_the_whole_position(side: int, order_side: int, coins: float) -> None:
    seat = Seat(side)
    seat.position["quantity"] = coins * side
    seat.account["state"], seat.account["halt"] = HALTED, Halt.VOLATILITY
    assert seat.manage(97.0, START + 3) == Intent.EXIT
    out = seat.out
    assert (out["side"], out["quantity"], out["reason"]) == (order_side, coins, Reason.VOLATILITY)
    assert (out["reference_price"], out["decided_at"], out["approved"]) == (97.0, START + 3, 0)


END = START + 10 * HOUR_NS


@pytest.mark.parametrize(
    ("what", "rules", "side", "time", "signal", "reason"),
    [
        ("before the horizon", {}, 1, END - 1, {}, None),
        ("at the horizon", {}, 1, END, {}, Reason.TIME),
        ("after it", {}, -1, END + 1, {}, Reason.TIME),
        ("time does not matter", {"time_exit": False}, 1, END, {}, None),
        ("reversed", {"exit_on_reversal": True}, 1, START, {"direction": -1}, Reason.REVERSAL),
        ("a short reversed", {"exit_on_reversal": True}, -1, START, {"direction": 1}, Reason.REVERSAL),
        ("just sure enough", {"exit_on_reversal": True}, 1, START, {"direction": -1, "confidence": 0.5}, Reason.REVERSAL),
        ("not sure enough", {"exit_on_reversal": True}, 1, START, {"direction": -1, "confidence": 0.49}, None),
        ("the same way", {"exit_on_reversal": True}, 1, START, {"direction": 1}, None),
        ("no way", {"exit_on_reversal": True}, -1, START, {"direction": 0}, None),
        ("reversals do not matter", {}, 1, START, {"direction": -1}, None),
        ("time comes before reversal", {"exit_on_reversal": True}, 1, END, {"direction": -1}, Reason.TIME),
    ],
)  # fmt: skip
def test_a_position_is_left(
    what: str, rules: dict[str, Any], side: int, time: int, signal: dict[str, Any], reason: Any
) -> None:
    seat = Seat(side, **rules)
    assert seat.manage(101.0, time, **signal) == (
        Intent.NOTHING if reason is None else Intent.EXIT
    ), what
    assert (seat.out["reference_price"], seat.out["decided_at"]) == (101.0, time)
    assert seat.out["reason"] == (reason or 0)


@pytest.mark.parametrize("side", [1, -1])
def test_a_winner_is_added_to_from_its_threshold(side: int) -> None:
    seat = Seat(side, add_after=0.5, add_share=0.4, max_adds=2)
    seat.position["risk_per_coin"], seat.position["quantity"] = 9.0, 0.5 * side
    assert seat.manage(100.0 + 4.25 * side, direction=side) == Intent.NOTHING
    assert seat.manage(100.0 + 4.5 * side, START + 1, direction=side) == Intent.ADD
    out = seat.out
    # 0.4 x the first 4 coins down to 1.5; the stop is 12.5 away from 104.5 or 95.5
    assert (out["side"], out["quantity"], out["reason"]) == (side, 1.5, Reason.ADD)
    assert out["stop_loss"] == pytest.approx(12.5 / (100.0 + 4.5 * side), **EXACT)
    assert (out["leverage"], out["decided_at"], out["approved"]) == (5.0, START + 1, 0)
    assert (out["arrives_at"], out["expires_at"]) == (START + 1, START + 1 + HOUR_NS)
    assert out["reference_price"] == 100.0 + 4.5 * side


@pytest.mark.parametrize("direction", [0, 1])
def test_a_short_is_added_to_by_a_short_alone(direction: int) -> None:
    assert Seat(-1, add_after=0.5).manage(90.0, direction=direction) == Intent.NOTHING


def test_whoever_leaves_does_not_add() -> None:
    assert Seat(add_after=0.5).manage(110.0, END, direction=1) == Intent.EXIT


@pytest.mark.parametrize(
    ("rules", "adds", "signal", "kind"),
    [
        ({"max_adds": 2}, 1, {"direction": 1}, Intent.ADD),
        ({"max_adds": 2}, 2, {"direction": 1}, Intent.NOTHING),
        ({"max_adds": 2}, 3, {"direction": 1}, Intent.NOTHING),
        ({"max_adds": 2}, 0, {"direction": -1}, Intent.NOTHING),
        ({"max_adds": 2}, 0, {"direction": 0}, Intent.NOTHING),
        ({"max_adds": 2}, 0, {"direction": 1, "confidence": 0.5}, Intent.ADD),
        ({"max_adds": 2}, 0, {"direction": 1, "confidence": 0.49}, Intent.NOTHING),
        ({"max_adds": 2, "add_after": 0.0}, 0, {"direction": 1}, Intent.NOTHING),
    ],
)  # fmt: skip
def test_an_add_needs_room_agreement_and_a_rule(
    rules: Any, adds: int, signal: Any, kind: Intent
) -> None:
    seat = Seat(**{"add_after": 0.5, **rules})
    seat.position["adds"] = adds
    assert seat.manage(104.0, **signal) == kind


@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_trails_by_true_ranges_where_one_is_known(side: int) -> None:
    seat = Seat(side, trail_after=0.5, trail_distance=0.75, trail_atr=2.5)
    seat.atr = 0.02  # of a close of 100: 2.5 x 2 = 5 behind the best
    assert seat.tighten(3.75) == (-8.0, 0)
    assert seat.tighten(4.0) == (-1.0, 1)
    seat.atr = 0.005
    assert seat.tighten(4.0) == (2.75, 1)  # 1.25 behind it
    seat.atr = 0.0
    assert seat.tighten(9.5) == (3.5, 1)  # not known: 0.75 R
    seat.atr = float("nan")
    assert seat.tighten(11.0) == (5.0, 1)
    half = Seat(side, trail_after=0.5, trail_distance=0.75, trail_atr=0.5)
    half.atr = 0.5
    assert half.tighten(20.0) == (-5.0, 1)  # half of 50 behind 20
    plain = Seat(side, trail_after=0.5, trail_distance=0.75, trail_atr=0.0)
    plain.atr = 0.02
    assert plain.tighten(4.0) == (-2.0, 1)


# liquidation at 80 is 20 % from a mark of 100; near is what is less than the limit
@pytest.mark.parametrize(
    ("what", "side", "liquidation", "mark", "limit", "near"),
    [
        ("at the limit", 1, 75.0, 100.0, 0.25, False),
        ("nearer", 1, 75.5, 100.0, 0.25, True),
        ("a short at it", -1, 125.0, 100.0, 0.25, False),
        ("a short nearer", -1, 124.5, 100.0, 0.25, True),
        ("of the mark and not of the entry", 1, 80.0, 104.0, 0.25, True),
        ("that too", 1, 80.0, 108.0, 0.25, False),
        ("never liquidated", 1, 0.0, 100.0, 2.0, False),
        ("at cents", 1, 0.5, 0.625, 0.25, True),
        ("off", 1, 80.0, 80.0, 0.0, False),
    ],
)
def test_a_position_is_left_before_liquidation(
    what: str, side: int, liquidation: float, mark: float, limit: float, near: bool
) -> None:
    seat = Seat(side)
    seat.terms = terms_of(config(dataclasses.replace(WIDE, liquidation_distance=limit)))
    seat.position["liquidation_price"], seat.position["mark"] = liquidation, mark
    assert seat.manage(100.0) == (Intent.EXIT if near else Intent.NOTHING), what
    assert seat.out["reason"] == (Reason.LIQUIDATION_NEAR if near else 0)


def test_several_parts_stand_at_their_shares_of_the_way() -> None:
    position, intent = new_positions(1)[0], np.zeros(1, INTENT)[0]
    position["partial_prices"] = 7.0  # left by an earlier trade
    rules = dataclasses.replace(STEADY, partial_at=(0.25, 0.5, 0.75))
    for side, prices in ((1, [102.5, 105.0, 107.5, 0.0]), (-1, [97.5, 95.0, 92.5, 0.0])):
        intent["side"], intent["stop_loss"], intent["take_profit"] = side, 0.05, 0.1
        record = instrument_records([TICKS])[0]
        place_barriers(position, intent, record, terms_of(config(rules=rules)), 100.0)
        assert position["partial_prices"].tolist() == prices


def test_an_order_is_stamped_with_its_arrival() -> None:
    seat = Seat()
    seat.terms.execution["latency_ns"] = 7
    seat.account["state"], seat.account["halt"] = HALTED, Halt.DRAWDOWN
    seat.manage(97.0, START + 3)
    assert (seat.out["decided_at"], seat.out["arrives_at"]) == (START + 3, START + 10)
