"""Hand-computed crossings of quiet bars: what they leave, where they stop, which limits they heed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, STEADY, bars_of, signals_of
from test_engine_golden_quiet import ACTIVE, CALM, HALTED, MIDNIGHT, account_at, held, terms

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.enums import Halt, Intent
from riposte.engine.limits import update_limits
from riposte.engine.quiet import WATCH, cross
from riposte.engine.records import INTENT, instrument_records, new_positions
from riposte.market.interval import HOUR_NS


class Road:
    """Hourly bars of one symbol from START, crossed from some row; 4 coins long at 100 if ``held``."""

    def __init__(
        self, prices: Any, *, side: int = 0, rules: Any = STEADY, signals: Any = None, **limits: Any
    ):
        self.bars = bars_of(prices)[:, None]
        self.terms = terms(rules=rules, **limits)
        self.rows = len(prices)
        self.signals = signals_of(self.rows, signals or {})[:, None]
        self.time = START + HOUR_NS * np.arange(1, self.rows + 1, dtype=np.int64)
        self.account, self.positions = account_at(), new_positions(1)
        self.pending = np.zeros(1, INTENT)
        self.busy = np.zeros(0, np.int8)
        self.equity, self.exposures = np.full(self.rows, -1.0), np.full(self.rows, -1.0)
        self.states, self.halts = np.full(self.rows, 9, np.int8), np.full(self.rows, 9, np.int8)
        if side:
            instrument = instrument_records([PLAIN])[0]
            apply_fill(self.account, self.positions[0], instrument, side, 4.0, 100.0, 0.0, 0.0, 5.0)
            liquidation = self.positions[0]["liquidation_price"]
            self.positions[0] = held(
                side, expires_at=MIDNIGHT, liquidation_price=liquidation, margin=80.0
            )
        value_account(self.account, self.positions)

    def cross(self, start: int = 0, watched: int = 1) -> int:
        return int(
            cross(
                start,
                self.account,
                self.positions,
                self.pending,
                self.time,
                self.bars,
                self.signals,
                self.busy,
                self.terms,
                np.zeros(watched, WATCH),
                self.equity,
                self.exposures,
                self.states,
                self.halts,
            )
        )


def test_a_quiet_road_is_crossed_to_its_end_and_leaves_what_steps_would() -> None:
    road = Road([CALM, (100.0, 104.0, 99.0, 103.0), (103.0, 103.0, 96.0, 98.0)], side=1)
    road.pending["kind"], road.pending["quantity"] = Intent.EXIT, 5.0
    assert road.cross() == 3
    # 4 coins: 10,000, up 12, down 8
    assert road.equity.tolist() == [10_000.0, 10_012.0, 9_992.0]
    assert road.exposures.tolist() == [400 / 10_000, 412 / 10_012, 392 / 9_992]
    assert (road.states.tolist(), road.halts.tolist()) == ([ACTIVE] * 3, [Halt.NONE] * 3)
    p, a = road.positions[0], road.account
    assert (p["mark"], p["last_close"], p["last_time"]) == (98.0, 98.0, road.time[2])
    assert (p["best_price"], p["worst_price"]) == (104.0, 96.0)
    assert (a["unrealised"], a["equity"], a["peak_equity"], a["time"]) == (
        -8.0,
        9_992.0,
        10_012.0,
        road.time[2],
    )
    order = road.pending[0]
    assert (order["kind"], order["quantity"]) == (Intent.NOTHING, 0.0)
    assert (order["reference_price"], order["decided_at"]) == (98.0, road.time[2])


def test_a_short_sees_the_low_as_its_best() -> None:
    road = Road([(100.0, 104.0, 99.0, 103.0), (103.0, 103.0, 96.0, 98.0)], side=-1)
    assert road.cross() == 2
    assert (road.positions[0]["best_price"], road.positions[0]["worst_price"]) == (96.0, 104.0)
    assert road.equity.tolist() == [9_988.0, 10_008.0]


@pytest.mark.parametrize("coins", [1.0, 0.5])
@pytest.mark.parametrize("side", [1, -1])
def test_one_coin_or_half_of_it_is_valued_too(side: int, coins: float) -> None:
    road = Road([(100.0, 100.75, 99.5, 100.5)], side=side)
    road.positions[0]["quantity"] = coins * side
    assert road.cross() == 1
    assert road.equity[0] == 10_000.0 + 0.5 * coins * side
    assert road.exposures[0] == 100.5 * coins / road.equity[0]
    best, worst = (100.75, 99.5) if side > 0 else (99.5, 100.75)
    assert (road.positions[0]["best_price"], road.positions[0]["worst_price"]) == (best, worst)


def test_what_was_seen_before_is_not_forgotten() -> None:
    road = Road([CALM, CALM], side=1)
    road.positions[0]["best_price"], road.positions[0]["worst_price"] = 105.0, 95.0
    road.cross()
    assert (road.positions[0]["best_price"], road.positions[0]["worst_price"]) == (105.0, 95.0)


def test_flat_it_only_looks() -> None:
    road = Road([CALM, (100.0, 150.0, 50.0, 120.0)])
    road.pending["kind"], road.pending["quantity"] = Intent.ENTER, 5.0
    assert road.cross() == 2
    assert road.equity.tolist() == [10_000.0] * 2
    assert road.exposures.tolist() == [0.0] * 2
    assert (road.positions[0]["mark"], road.positions[0]["last_close"]) == (120.0, 120.0)
    assert (road.positions[0]["best_price"], road.positions[0]["worst_price"]) == (0.0, 0.0)
    # with nothing held and nothing said, no step looks at intents
    assert (road.pending[0]["kind"], road.pending[0]["quantity"]) == (Intent.ENTER, 5.0)


@pytest.mark.parametrize(
    ("what", "third", "side", "reached"),
    [
        ("a stop", (100.0, 100.0, 92.0, 95.0), 1, 2),
        ("a target", (100.0, 116.5, 100.0, 110.0), 1, 2),
        ("neither", (100.0, 115.0, 93.0, 95.0), 1, 4),
        ("a lie", (100.0, 99.0, 98.0, 98.0), 0, 2),
    ],
)
def test_it_stops_before_an_event(what: str, third: Any, side: int, reached: int) -> None:
    road = Road([CALM, CALM, third, CALM], side=side)
    assert road.cross() == reached
    assert road.equity[reached:].tolist() == [-1.0] * (4 - reached)
    assert (road.equity[:reached] > 0.0).all()
    assert road.account["time"] == road.time[reached - 1]


def test_an_event_at_once_moves_nothing() -> None:
    road = Road([(100.0, 100.0, 92.0, 95.0), CALM], side=1)
    before = (road.account.tobytes(), road.positions.tobytes())
    assert road.cross() == 0
    assert (road.account.tobytes(), road.positions.tobytes()) == before


def test_it_begins_where_it_is_told_and_stops_at_midnight() -> None:
    road = Road([CALM] * 30)
    assert road.cross(5) == 23  # the bar that closes at 00:00 is the 24th
    assert road.equity[:5].tolist() == [-1.0] * 5
    assert road.equity[5:23].tolist() == [10_000.0] * 18


def test_a_clock_gone_back_to_yesterday_is_no_road() -> None:
    road = Road([CALM, CALM])
    road.time -= 2 * HOUR_NS
    assert road.cross() == 0
    road.time += HOUR_NS  # at 00:00 sharp it is today
    assert road.cross() == 2


@pytest.mark.parametrize(
    ("what", "limits", "close", "reached"),
    [
        # 4 coins at 97: 9,988, which is 0.12 % less; the first bar closed at 100
        ("a day's loss", {"daily_loss": 0.0012}, 97.0, 1),
        ("more than that", {"daily_loss": 0.0011}, 97.0, 1),
        ("not quite", {"daily_loss": 0.00121}, 97.0, 2),
        ("a drawdown, at 95 % of it", {"max_drawdown": 0.0012 / 0.95}, 97.0, 1),
        ("not quite so much", {"max_drawdown": 0.00121 / 0.95}, 97.0, 2),
    ],
)
def test_it_stops_before_a_limit_of_the_account(
    what: str, limits: dict[str, float], close: float, reached: int
) -> None:
    road = Road([CALM, (100.0, 100.0, close, close)], side=1, **limits)
    assert road.cross() == reached
    # and there update_limits says the same
    road.account["equity"] = 9_988.0
    update_limits(road.account, road.terms, int(road.time[1]), 1.0)
    assert bool(road.account["state"] == HALTED) is (reached == 1)


def test_a_drawdown_counts_from_a_peak_on_the_way() -> None:
    # up 32 to 10,032, then down 44 to 9,988: 0.44 % of the peak
    limits = {"max_drawdown": 0.0043 / 0.95}
    path = [(100.0, 108.0, 100.0, 108.0), (108.0, 108.0, 97.0, 97.0)]
    assert Road(path, side=1, **limits).cross() == 1
    assert Road(path, side=1, max_drawdown=0.0045 / 0.95).cross() == 2


def test_who_is_stopped_and_flat_is_not_judged_again() -> None:
    road = Road([CALM, CALM], daily_loss=0.01)
    road.account["state"], road.account["halt"] = HALTED, Halt.DAILY_LOSS
    road.account["wallet"] = road.account["equity"] = 9_000.0
    assert road.cross() == 2
    assert (road.states.tolist(), road.halts.tolist()) == ([HALTED] * 2, [Halt.DAILY_LOSS] * 2)


def test_a_busy_row_is_an_event_whatever_it_holds() -> None:
    road = Road([CALM] * 4)
    road.busy = np.array([0, 0, 1, 0], np.int8)
    assert road.cross() == 2
    road.busy[2] = 0
    assert road.cross(2) == 4


@pytest.mark.parametrize(
    ("mark", "reached"), [(80.5, 2), (80.25, 1), (np.nan, 2), (0.0, 2), (np.inf, 2)]
)
def test_a_mark_at_liquidation_is_an_event_though_no_trade_goes_there(
    mark: float, reached: int
) -> None:
    # 4 coins at 100 with 80 behind them: (400 - 80) / 3.98 = 80.40; what is no mark is the close
    road = Road([CALM, CALM], side=1)
    road.bars["mark"][1] = mark
    assert road.cross() == reached


def test_a_mark_that_comes_near_liquidation_is_an_event() -> None:
    # nearer than 15 %: below 80.40 / 0.85 = 94.59
    for mark, reached in ((94.75, 2), (94.5, 1)):
        road = Road([CALM, CALM], side=1, liquidation_distance=0.15)
        road.bars["mark"][1] = mark
        assert road.cross() == reached


def test_every_symbol_is_watched_and_settled() -> None:
    # 4 coins long of the second of three symbols; the third is a lie in its third bar
    road = Road([CALM] * 4, side=1)
    road.positions = np.concatenate([new_positions(1), road.positions, new_positions(1)])
    road.bars, road.signals = np.repeat(road.bars, 3, 1), np.repeat(road.signals, 3, 1)
    road.bars[1] = bars_of([CALM, (100, 106, 97, 103), (7.0, 7.0, 7.0, 7.0)])
    road.bars["high"][2, 2] = 99.0
    road.pending = np.zeros(3, INTENT)
    road.pending["kind"], road.pending["quantity"] = Intent.ENTER, 5.0
    assert road.cross(watched=3) == 2
    assert road.equity[:2].tolist() == [10_000.0, 10_012.0]
    assert road.exposures[1] == 412.0 / 10_012.0
    assert road.positions["last_close"].tolist() == [100.0, 103.0, 7.0]
    assert road.positions["mark"].tolist() == [100.0, 103.0, 7.0]
    assert road.positions["last_time"].tolist() == [road.time[1]] * 3
    assert (road.positions[1]["best_price"], road.positions[1]["worst_price"]) == (106.0, 97.0)
    assert road.pending["kind"].tolist() == [0, 0, 0]
    assert road.pending["reference_price"].tolist() == [0.0, 103.0, 0.0]
