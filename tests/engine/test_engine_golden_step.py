"""Hand-computed steps: verdicts on forecasts, marks, funding, bars that cannot be true, the end of the data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import (
    FREE,
    PLAIN,
    START,
    WIDE,
    bars_of,
    config,
    inputs_of,
    no_finer,
    signals_of,
    strangers,
)

from riposte.engine.accounting import apply_fill, value_account
from riposte.engine.enums import Intent, Reason, Rule
from riposte.engine.loop import run_bars
from riposte.engine.parameters import Operator
from riposte.engine.quiet import WATCH
from riposte.engine.records import (
    BAR,
    FILL,
    INTENT,
    REFUSAL,
    TRADE,
    Log,
    instrument_records,
    new_account,
    new_positions,
)
from riposte.engine.run import new_log, run, terms_of
from riposte.engine.step import close_all, judge_bars, judge_forecast, step
from riposte.engine.walk import close_of_row
from riposte.market.interval import HOUR_NS

CALM = (100.0, 100.0, 100.0, 100.0)


def terms(operator: Operator | None = None, **limits: Any) -> Any:
    return terms_of(config(dataclasses.replace(WIDE, **limits), operator=operator))


def close_of_bar(account: Any, positions: Any, bars: Any, terms: Any, time: int) -> float:
    """A row's close as a step makes it: marks and funding, then the verdicts and the largest ratio."""
    symbols = len(positions)
    instruments = instrument_records([PLAIN] * symbols)
    none = np.zeros(symbols, INTENT)
    close_of_row(account, positions, none, bars, instruments, terms, time, new_log(4))
    ratio = judge_bars(account, positions, bars, terms, time)
    value_account(account, positions)
    return float(ratio)


@pytest.mark.parametrize(
    ("direction", "close", "time", "verdict"),
    [
        (1, 100.25, START, 1),
        (1, 100.0, START, 0),  # it did not move: the direction was not right
        (-1, 99.75, START, 1),
        (-1, 100.25, START, 0),
        (1, 100.25, START + 1, 1),
        (1, 100.25, START - 1, None),  # not due
        (0, 100.25, START, None),  # nothing was forecast
    ],
)
def test_a_forecast_is_judged_when_its_horizon_is_over(
    direction: int, close: float, time: int, verdict: Any
) -> None:
    account, position = new_account(1.0), new_positions(1)[0]
    position["forecast_direction"], position["forecast_price"] = direction, 100.0
    position["forecast_due"] = START
    judge_forecast(account, position, bars_of([(close,) * 4])[0], terms(accuracy_signals=5), time)
    if verdict is None:
        assert (account["hits_count"], position["forecast_direction"]) == (0, direction)
    else:
        assert (account["hits_count"], account["hits"][0]) == (1, verdict)
        assert position["forecast_direction"] == 0  # judged once


@pytest.mark.parametrize(
    ("mark", "used"),
    [(101.0, 101.0), (0.5, 0.5), (np.nan, 100.0), (0.0, 100.0), (-1.0, 100.0), (np.inf, 100.0)],
)
def test_a_close_is_marked_at_the_mark_price_where_it_is_one(mark: float, used: float) -> None:
    account, positions = new_account(10_000.0), new_positions(2)
    bars = bars_of([CALM, CALM], mark=[mark, 55.0], present=[1, 0], volatility_ratio=[1.5, 9.0])
    positions["mark"][1], positions["last_time"][1] = 44.0, 77
    ratio = close_of_bar(account, positions, bars, terms(), START)
    assert (positions[0]["mark"], positions[0]["last_close"], positions[0]["last_time"]) == (
        used,
        100.0,
        START,
    )
    assert (positions[1]["mark"], positions[1]["last_close"], positions[1]["last_time"]) == (
        44.0,
        0.0,
        77,
    )
    assert ratio == 1.5  # of bars that are there


@pytest.mark.parametrize(
    ("ratios", "largest"),
    [
        ([1.0, 2.0, 1.5], 2.0),
        ([2.0, 2.5, 2.25], 2.5),
        ([np.nan, 0.5, 0.25], 0.5),
        ([2.0, np.nan, 1.0], 2.0),
        ([0.5, np.nan], 0.5),
    ],
)
def test_the_largest_known_volatility_ratio_counts(ratios: list[float], largest: float) -> None:
    bars = bars_of([CALM] * len(ratios), volatility_ratio=ratios)
    positions = new_positions(len(ratios))
    assert close_of_bar(new_account(1.0), positions, bars, terms(), START) == largest


def test_with_no_ratio_known_none_is() -> None:
    bars = bars_of([CALM] * 2, volatility_ratio=np.nan)
    assert np.isnan(close_of_bar(new_account(1.0), new_positions(2), bars, terms(), START))


@pytest.mark.parametrize("rate", [0.01, -0.02, 1.0, -1.0])
@pytest.mark.parametrize("coins", [0.5, 1.0, -1.0])
def test_a_close_settles_funding_where_something_is_held(coins: float, rate: float) -> None:
    account, positions = new_account(10_000.0), new_positions(2)
    fill = (1 if coins > 0 else -1, abs(coins), 100.0, 0.0, 0.0, 5.0)
    apply_fill(account, positions[1], instrument_records([PLAIN])[0], *fill)
    bars = bars_of([CALM, CALM], funding=rate, mark=[100.0, 110.0])
    close_of_bar(account, positions, bars, terms(), START)
    assert positions["funding"].tolist() == [0.0, pytest.approx(coins * 110.0 * rate)]
    assert account["equity"] == pytest.approx(10_000.0 + coins * (10.0 - 110.0 * rate))


def test_a_close_gives_the_verdict_on_a_forecast() -> None:
    account, positions = new_account(10_000.0), new_positions(1)
    positions["forecast_direction"], positions["forecast_price"] = 1, 99.0
    close_of_bar(account, positions, bars_of([CALM]), terms(accuracy_signals=5), START)
    assert (account["hits_count"], account["hits"][0]) == (1, 1)


def entering(symbols: int) -> Any:
    """Approved orders for 10 coins each, decided an hour before START."""
    pending = np.zeros(symbols, INTENT)
    for name, value in {
        "kind": Intent.ENTER, "approved": 1, "side": 1, "quantity": 10.0, "reference_price": 100.0,
        "leverage": 5.0, "stop_loss": 0.1, "take_profit": 0.2, "horizon_ns": 9 * HOUR_NS,
        "decided_at": START - HOUR_NS, "model_id": -1,
    }.items():  # fmt: skip
        pending[name] = value
    return pending


def test_a_bar_that_cannot_be_true_is_absent_and_on_record() -> None:
    account, positions, log = new_account(10_000.0), new_positions(4), new_log(4)
    bars = bars_of([CALM, (100.0, 99.0, 98.0, 98.5), CALM, CALM], present=[0, 1, 0, 1])
    pending = entering(4)
    step(
        account, positions, pending, bars, no_finer(4), np.zeros(4, BAR), signals_of(4, {}),
        instrument_records([PLAIN] * 4), strangers(4), strangers(4), terms(), HOUR_NS, START, log,
    )  # fmt: skip
    assert bars["present"].tolist() == [0, 0, 0, 1]
    (row,) = log.refusals[: log.counts[2]]  # of the lie: what is absent is none
    assert (row["time"], row["symbol"], row["rule"]) == (START, 1, Rule.BAD_NUMBER)
    assert (row["limit"], row["value"]) == (0.0, 98.5)
    assert positions["last_close"].tolist() == [0.0, 0.0, 0.0, 100.0]
    # the orders of the others stand, and only the last is carried out
    assert positions["quantity"].tolist() == [0.0, 0.0, 0.0, 10.0]
    assert pending["approved"].tolist() == [1, 1, 1, 0]


def test_only_what_is_approved_is_carried_out_and_at_the_open() -> None:
    account, positions, log = new_account(10_000.0), new_positions(2), new_log(4)
    pending = entering(2)
    pending["approved"] = 0, 1
    bars = bars_of([(100.0, 101.0, 99.0, 100.0)] * 2)
    step(
        account, positions, pending, bars, no_finer(2), np.zeros(2, BAR), signals_of(2, {}),
        instrument_records([PLAIN] * 2), strangers(2), strangers(2), terms(), HOUR_NS, START, log,
    )  # fmt: skip
    assert positions["quantity"].tolist() == [0.0, 10.0]
    assert log.fills[0]["time"] == positions[1]["opened_at"] == START - HOUR_NS
    assert (positions[1]["best_price"], positions[1]["worst_price"]) == (
        101.0,
        99.0,
    )  # the bar is lived through


def test_what_is_open_at_the_end_is_closed_at_its_last_close() -> None:
    account, positions, log = new_account(10_000.0), new_positions(3), new_log(4)
    instruments = instrument_records([PLAIN] * 3)
    for symbol, side in ((0, 1), (2, -1)):
        fill = (side, 0.5, 100.0, 0.0, 0.0, 5.0)
        apply_fill(account, positions[symbol], instruments[symbol], *fill)
        positions[symbol]["equity_before"] = 10_000.0
    positions["last_close"] = 104.0, 50.0, 98.0
    close_all(account, positions, bars_of([CALM] * 3), instruments, terms(), START, log)
    rows = log.trades[: log.counts[0]]
    assert rows["symbol"].tolist() == [0, 2]
    assert set(rows["exit_reason"].tolist()) == {Reason.END_OF_DATA}
    assert rows["exit_price"].tolist() == pytest.approx([104.0, 98.0])
    assert rows["gap"].tolist() == [0.0, 0.0]
    assert account["equity"] == pytest.approx(10_003.0)  # 2 + 1
    assert positions["quantity"].tolist() == [0.0, 0.0, 0.0]


def test_exposure_is_a_share_of_equity_and_nothing_at_the_end() -> None:
    bars = bars_of([CALM, CALM, (100.0, 104.0, 100.0, 104.0), (104.0,) * 4])
    signals = signals_of(4, {0: {"direction": 1, "stop_loss": 0.1, "take_profit": 0.2}})
    limits = dataclasses.replace(WIDE, max_order_notional=5_000.0)
    result = run(inputs_of(bars, signals), config(limits))
    # 50 coins: 5,000 of 10,000; then 5,200 of 10,200
    assert result.exposure.tolist() == pytest.approx([0.0, 0.5, 5_200 / 10_200, 0.0])
    assert result.equity.tolist() == pytest.approx([1e4, 1e4, 10_200.0, 10_200.0])
    assert result.account["equity"] == result.equity[-1]


# Room that a step of three symbols may need beyond what is used: 9 trades, 27 fills, 12 refusals.
ROOMS = [
    ("just enough", (5, 7, 4), (14, 34, 16), 2),
    ("a trade too few", (5, 7, 4), (13, 99, 99), 0),
    ("a fill too few", (5, 7, 4), (99, 33, 99), 0),
    ("a refusal too few", (5, 7, 4), (99, 99, 15), 0),
    ("trades just enough", (5, 0, 0), (14, 99, 99), 2),
    ("fills just enough", (0, 7, 0), (99, 34, 99), 2),
    ("refusals just enough", (0, 0, 4), (99, 99, 16), 2),
    ("a trade too few, whatever else", (5, 0, 0), (13, 99, 99), 0),
    ("a fill too few, whatever else", (0, 7, 0), (99, 33, 99), 0),
    ("a refusal too few, whatever else", (0, 0, 4), (99, 99, 15), 0),
]


@pytest.mark.parametrize(("what", "used", "rooms", "reached"), ROOMS, ids=[c[0] for c in ROOMS])
def test_the_loop_stops_before_a_step_that_its_records_may_not_hold(
    what: str, used: Any, rooms: Any, reached: int
) -> None:
    trades, fills, refusals = rooms
    log = Log(
        np.zeros(trades, TRADE), np.zeros(fills, FILL), np.zeros(refusals, REFUSAL),
        np.array(used, np.int64),
    )  # fmt: skip
    assert looped(2, log, quietly=0) == reached


@pytest.mark.parametrize(("trades", "reached"), [(23, 0), (24, 1), (41, 1), (42, 2)])
def test_a_step_over_finer_bars_needs_the_room_of_as_many(trades: int, reached: int) -> None:
    # 6 trades used; two bars in the first step and four in the second: 2 x 9 and 4 x 9 more
    log = Log(
        np.zeros(trades, TRADE), np.zeros(999, FILL), np.zeros(999, REFUSAL), np.array([6, 0, 0])
    )
    assert looped(2, log, quietly=0, inside=(0, 2, 6)) == reached


def looped(rows: int, log: Any, quietly: int, inside: Any = ()) -> int:
    """The row at which the loop stops, over calm bars of three symbols, with as many inside them."""
    finer = np.repeat(bars_of([CALM] * max(sum(inside), 1))[: max(inside, default=0), None], 3, 1)
    rooms = np.array(inside, np.int64) if inside else np.zeros(rows + 1, np.int64)
    bars = np.repeat(bars_of([CALM] * max(rows, 1))[:rows, None], 3, 1)
    signals = np.repeat(signals_of(max(rows, 1), {})[:rows, None], 3, 1)
    time = START + HOUR_NS * np.arange(1, rows + 1, dtype=np.int64)
    curves = (np.zeros(rows), np.zeros(rows), np.zeros(rows, np.int8), np.zeros(rows, np.int8))
    return int(
        run_bars(
            0, new_account(10_000.0), new_positions(3), np.zeros(3, INTENT), time, bars, finer,
            rooms, np.zeros(0, np.int8), np.zeros((2, 3), BAR),
            np.zeros(3, WATCH), signals, instrument_records([PLAIN] * 3), np.zeros(1, np.int64),
            strangers(3).correlation[None], strangers(3).weight[None], terms(), HOUR_NS, *curves,
            log, quietly,
        )
    )  # fmt: skip


@pytest.mark.parametrize("quietly", [0, 1])
def test_a_loop_over_nothing_ends_at_once(quietly: int) -> None:
    assert looped(0, new_log(50), quietly) == 0


def test_the_end_of_the_data_costs_what_leaving_in_its_last_bar_costs() -> None:
    instrument = dataclasses.replace(PLAIN, taker_fee=0.001)
    costs = dataclasses.replace(FREE, impact=0.5)
    bars = bars_of(
        [CALM] * 4, quote_volume=[1e9, 1e9, 1e9, 100_000.0], volatility=[0.0, 0.0, 0.0, 0.04]
    )
    signals = signals_of(4, {0: {"direction": 1, "stop_loss": 0.1, "take_profit": 0.2}})
    limits = dataclasses.replace(WIDE, max_order_notional=1_000.0)
    result = run(inputs_of(bars, signals, instrument), config(limits, costs))
    # 10 coins at 100, fee 1. Out: a hundredth of the last bar's volume, 0.5 x 4 % x 0.1 = 0.2 %, at 99.80:
    # 2 lost, fee 0.998
    assert result.fills[-1]["price"] == pytest.approx(99.8)
    assert result.fills[-1]["time"] == result.trades[0]["closed_at"] == result.time[-1]
    assert result.equity.tolist() == pytest.approx([10_000.0, 9_999.0, 9_999.0, 9_996.002])
