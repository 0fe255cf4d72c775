"""Hand-computed hours made of quarters: whose quarters are walked, which rows are busy, how a market is cut."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, START, WIDE, bars_of, config, signals_of
from stage import CALM, Stage

from riposte.engine.enums import Intent, Reason
from riposte.engine.loop import busy_rows
from riposte.engine.parameters import EntryOrder, Execution
from riposte.engine.records import BAR, SIGNAL
from riposte.engine.run import Finer, MarketInputs, epochs, reordered, run, sliced, terms_of
from riposte.engine.step import whole_inside
from riposte.market.interval import HOUR_NS
from riposte.market.portfolio import Portfolio

HALF_HOUR, QUARTER = HOUR_NS // 2, HOUR_NS // 4
STOP, TARGET = Reason.STOP, Reason.TARGET
NAN, INFINITY = float("nan"), float("inf")


def test_each_quarter_is_walked_in_its_turn_and_at_its_time() -> None:
    # an hour of 88 to 121 would be a stop at 90; its second quarter reached the target of 120 before
    stage = Stage()
    stage.hold(0, 4.0, 90.0, 120.0)
    quarters = [[CALM], [(100, 121, 100, 120)], [(120, 120, 88, 90)], [(90, 100, 90, 100)]]
    assert stage.bar((100, 121, 88, 100), finer=quarters) == [(0, TARGET, 4.0, 120.0)]
    assert stage.log.fills[0]["time"] == START + 2 * QUARTER
    assert Stage().bar(CALM) == []


def test_a_symbol_that_lacks_one_is_walked_by_its_own_bar_with_the_first_of_the_others() -> None:
    stage = Stage(3)
    for symbol in range(3):
        stage.hold(symbol, 4.0, 90.0, 120.0)
    hour = (100, 121, 88, 100)
    up, down = (100, 121, 100, 120), (100, 100, 88, 100)
    fills = stage.bar(hour, hour, hour, finer=[[CALM, up, up], [up, None, down]])
    # the second lacks its second half-hour: its hour says stop, in the first half-hour already
    assert fills == [(1, STOP, 4.0, 90.0), (2, TARGET, 4.0, 120.0), (0, TARGET, 4.0, 120.0)]
    assert (stage.log.fills["time"][:3] - START).tolist() == [HALF_HOUR, HALF_HOUR, HOUR_NS]


def test_an_hour_walked_whole_is_walked_once() -> None:
    # a target at market would be filled by each of four quarters; the second quarter is a lie
    stage = Stage(execution=Execution(reprice=False))
    stage.order(order=EntryOrder.MARKET, limit_price=0.0)
    lie = (100, 99, 98, 100)
    fills = stage.bar((100, 103, 97, 102), finer=[[CALM], [lie], [CALM], [CALM]])
    assert [f[1] for f in fills] == [Reason.SIGNAL]
    p = stage.positions[0]
    assert (p["best_price"], p["worst_price"], p["opened_at"]) == (103.0, 97.0, START)


def test_after_its_quarters_the_hour_s_own_close_and_mark_stand() -> None:
    stage = Stage(2)
    stage.hold(0, 4.0, 50.0, 200.0)
    stage.positions[1]["last_close"] = stage.positions[1]["mark"] = 77.0
    rows = [[CALM, CALM], [(100, 105, 100, 104), CALM]]
    stage.bar((100, 105, 100, 103), None, finer=rows, mark=[102.0, 1.0])
    p = stage.positions
    assert p["mark"].tolist() == [102.0, 77.0]
    assert p["last_close"].tolist() == [103.0, 77.0]
    assert p["last_time"].tolist() == [stage.time, START]
    assert stage.account["equity"] == pytest.approx(10_008.0)


def test_without_a_bar_of_its_own_a_symbol_has_no_quarters_either() -> None:
    stage = Stage(2)
    stage.order(0, order=EntryOrder.MARKET, limit_price=0.0)
    assert stage.bar(None, CALM, finer=[[CALM, CALM]] * 4) == []
    assert stage.pending[0]["approved"] == 1


def test_an_order_arrives_within_the_hour() -> None:
    stage = Stage(execution=Execution(reprice=False))
    stage.order(order=EntryOrder.MARKET, limit_price=0.0, arrives_at=START + QUARTER)
    quarters = [[(float(p),) * 4] for p in (100, 101, 102, 103)]
    assert stage.bar((100, 103, 100, 103), finer=quarters)[0][3] == 101.0
    assert stage.log.fills[0]["time"] == START + QUARTER


@pytest.mark.parametrize(
    ("own", "first", "second", "whole"),
    [
        ((1, 1, 1), (1, 1, 1), (1, 1, 1), 0b111),
        ((1, 0, 1), (1, 1, 1), (1, 1, 1), 0b101),
        ((1, 1, 1), (0, 1, 1), (1, 1, 1), 0b110),
        ((1, 1, 1), (1, 1, 1), (1, 1, 0), 0b011),
        ((0, 0, 0), (1, 1, 1), (1, 1, 1), 0),
    ],
)
def test_whole_is_who_has_every_bar(own: Any, first: Any, second: Any, whole: int) -> None:
    bars = bars_of([CALM] * 3, present=own)
    finer = np.stack([bars_of([CALM] * 3, present=row) for row in (first, second)])
    assert whole_inside(bars, finer) == whole


HOUR = (100.0, 110.0, 90.0, 105.0)
FIRST, SECOND = (100.0, 110.0, 95.0, 96.0), (96.0, 105.0, 90.0, 105.0)
# (what, first half, second half, fields of both halves, busy): an hour of 90 to 110
BUSY: list[tuple[str, Any, Any, dict[str, Any], int]] = [
    ("they say what the hour says", FIRST, SECOND, {}, 0),
    ("the extremes the other way round", SECOND, FIRST, {}, 0),
    ("a higher high", (100, 110.25, 95, 96), SECOND, {}, 1),
    ("no high", (100, 109.75, 95, 96), SECOND, {}, 1),
    ("a lower low", FIRST, (96, 105, 89.75, 105), {}, 1),
    ("no low", FIRST, (96, 105, 90.25, 105), {}, 1),
    ("funding on the way", FIRST, SECOND, {"funding": [0.001, 0.0]}, 1),
    ("funding at its end", FIRST, SECOND, {"funding": [0.0, -0.001]}, 1),
    ("one is missing", FIRST, SECOND, {"present": [1, 0]}, 1),
    ("the first is missing", FIRST, SECOND, {"present": [0, 1]}, 1),
    ("a lie", (100, 110, 95, 94), SECOND, {}, 1),
    ("a mark above the high", FIRST, SECOND, {"mark": [110.25, 100.0]}, 1),
    ("a mark below the low", FIRST, SECOND, {"mark": [100.0, 89.75]}, 1),
    ("marks at the extremes", FIRST, SECOND, {"mark": [110.0, 90.0]}, 0),
    ("a mark not known", FIRST, SECOND, {"mark": [NAN, 100.0]}, 0),
]  # fmt: skip


@pytest.mark.parametrize(("what", "first", "second", "fields", "busy"), BUSY, ids=[c[0] for c in BUSY])  # fmt: skip
@pytest.mark.parametrize("symbol", [0, 1])
def test_a_row_is_busy_where_its_halves_say_more(
    what: str, first: Any, second: Any, fields: dict[str, Any], busy: int, symbol: int
) -> None:
    # three hours of two symbols; the first has no halves, the second has calm ones, the third those of the case
    bars = np.repeat(bars_of([HOUR, CALM, HOUR])[:, None], 2, 1)
    finer = np.repeat(bars_of([CALM, CALM, FIRST, SECOND])[:, None], 2, 1)
    finer[2:, symbol] = bars_of([first, second], **fields)
    found = np.zeros(3, np.int8)
    busy_rows(bars, finer, np.array([0, 0, 2, 4]), found)
    assert found.tolist() == [0, 0, busy], what


def quarters(steps: int, symbols: int = 1, **changes: Any) -> MarketInputs:
    """A market of hours with a rising price, each with its quarters."""
    price = 100.0 + np.arange(4 * steps)
    inner = bars_of(np.column_stack([price, price + 1, price, price + 1]))
    hours = bars_of(np.column_stack([price[::4], price[3::4] + 1, price[::4], price[3::4] + 1]))
    names = tuple("ABC"[:symbols])
    values: dict[str, Any] = {
        "symbols": names, "instruments": (PLAIN,) * symbols, "interval_ns": HOUR_NS,
        "time": START + HOUR_NS * np.arange(1, steps + 1, dtype=np.int64),
        "bars": np.repeat(hours[:, None], symbols, 1),
        "signals": np.repeat(signals_of(steps, {})[:, None], symbols, 1),
        "finer": Finer(QUARTER, np.repeat(inner[:, None], symbols, 1), 4 * np.arange(steps + 1)),
    }  # fmt: skip
    return MarketInputs(**(values | changes))


GOOD = quarters(3).finer
assert GOOD is not None


@pytest.mark.parametrize(
    ("finer", "why"),
    [
        (dataclasses.replace(GOOD, interval_ns=HOUR_NS), "fraction of the interval"),
        (dataclasses.replace(GOOD, interval_ns=QUARTER - 1), "fraction of the interval"),
        (dataclasses.replace(GOOD, interval_ns=2 * HOUR_NS), "fraction of the interval"),
        (dataclasses.replace(GOOD, bars=np.zeros((12, 1), SIGNAL)), "must be BAR records"),
        (dataclasses.replace(GOOD, bars=np.zeros((12, 2), BAR)), "same symbols and steps"),
        (dataclasses.replace(GOOD, inside=np.array([0, 4, 8])), "same symbols and steps"),
        (dataclasses.replace(GOOD, inside=np.array([0, 4, 8, 12, 12])), "same symbols and steps"),
        (dataclasses.replace(GOOD, inside=np.array([0, 4, 8, 8])), "4 finer bars or none"),
        (dataclasses.replace(GOOD, inside=np.array([0, 4, 8, 11])), "4 finer bars or none"),
        (dataclasses.replace(GOOD, inside=np.array([0, 3, 8, 12])), "4 finer bars or none"),
        (dataclasses.replace(GOOD, inside=np.array([0, 8, 8, 12])), "4 finer bars or none"),
        (dataclasses.replace(GOOD, inside=np.array([4, 8, 12, 12])), "4 finer bars or none"),
        (dataclasses.replace(GOOD, interval_ns=HALF_HOUR), "2 finer bars or none"),
    ],
)
def test_finer_bars_that_do_not_fit_are_refused(finer: Finer, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        quarters(3, finer=finer)


@pytest.mark.parametrize(
    "finer",
    [
        Finer(QUARTER, GOOD.bars[:8], np.array([0, 4, 4, 8])),
        Finer(QUARTER, GOOD.bars[:0], np.array([0, 0, 0, 0])),
        Finer(HALF_HOUR, GOOD.bars[:6], np.array([0, 2, 4, 6])),
    ],
)
def test_none_in_some_steps_and_two_in_each_are_right(finer: Finer) -> None:
    assert len(run(quarters(3, finer=finer), config()).equity) == 3


KNOWN = Portfolio(
    np.array([START + 2 * HOUR_NS]),
    np.array([[[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]]]),
    np.array([[0.5, 0.3, 0.2]]),
)


def test_a_portfolio_must_be_of_the_market_s_symbols() -> None:
    with pytest.raises(ValueError, match="a portfolio of 2 symbols wanted"):
        quarters(3, 2, portfolio=KNOWN)


def test_before_the_first_epoch_nothing_is_known() -> None:
    since, correlation, weight = epochs(quarters(3, 3, portfolio=KNOWN))
    assert since.tolist() == [-(2**63), START + 2 * HOUR_NS]
    unknown = [[1.0, NAN, NAN], [NAN, 1.0, NAN], [NAN, NAN, 1.0]]
    assert np.array_equal(correlation, [unknown, KNOWN.correlation[0]], equal_nan=True)
    assert weight.tolist() == [[1.0, 1.0, 1.0], [0.5, 0.3, 0.2]]
    since, correlation, weight = epochs(quarters(3, 3))
    assert since.tolist() == [-(2**63)]
    assert np.array_equal(correlation, [unknown], equal_nan=True)
    assert weight.tolist() == [[1.0, 1.0, 1.0]]


def test_a_slice_takes_its_quarters_along() -> None:
    part = sliced(quarters(4), 1, 3)
    assert (part.time - START).tolist() == [2 * HOUR_NS, 3 * HOUR_NS]
    assert part.bars["open"].tolist() == [[104.0], [108.0]]
    assert part.signals.shape == (2, 1)
    assert part.finer is not None
    assert part.finer.inside.tolist() == [0, 4, 8]
    assert part.finer.bars["open"][:, 0].tolist() == [104.0 + i for i in range(8)]
    assert sliced(quarters(4, finer=None), 1, 3).finer is None


def test_reordered_is_the_same_market() -> None:
    market = quarters(2, 3, portfolio=KNOWN)
    for s in range(3):
        market.bars["mark"][:, s] = market.signals["confidence"][:, s] = s
        assert market.finer is not None
        market.finer.bars["mark"][:, s] = s
    other = reordered(market, (2, 0, 1))
    assert other.symbols == ("C", "A", "B")
    assert other.bars["mark"][0].tolist() == other.signals["confidence"][0].tolist() == [2, 0, 1]
    assert other.finer is not None
    assert other.finer.bars["mark"][5].tolist() == [2, 0, 1]
    assert other.portfolio is not None
    assert other.portfolio.weight.tolist() == [[0.2, 0.5, 0.3]]
    assert other.portfolio.correlation[0].tolist() == [[1.0, 0.2, 0.3], [0.2, 1.0, 0.1], [0.3, 0.1, 1.0]]  # fmt: skip
    assert (other.interval_ns, other.time is market.time) == (HOUR_NS, True)
    bare = reordered(dataclasses.replace(market, finer=None, portfolio=None), (2, 0, 1))
    assert (bare.finer, bare.portfolio) == (None, None)


@pytest.mark.parametrize(
    ("latency", "resolution", "counted"),
    [(0, HOUR_NS, 0), (HOUR_NS - 1, HOUR_NS, 0), (HOUR_NS, HOUR_NS, HOUR_NS), (5 * QUARTER, HALF_HOUR, HOUR_NS), (7, 1, 7)],
)  # fmt: skip
def test_latency_counts_in_whole_bars(latency: int, resolution: int, counted: int) -> None:
    settings = config(execution=Execution(latency_ns=latency))
    terms = terms_of(settings, resolution)
    assert terms.execution["latency_ns"] == counted
    assert terms_of(settings).execution["latency_ns"] == latency


def test_symbols_are_numbered_as_they_were_given() -> None:
    # the engine works by name: C, A, B are entered as A, B, C, and the numbers are those of the inputs
    bars = np.repeat(bars_of([CALM, CALM, (101, 101, 101, 101)])[:, None], 3, 1)
    for s, close in enumerate((101.0, 102.0, 103.0)):
        bars[2, s] = bars_of([(close,) * 4])[0]
    signals = np.repeat(signals_of(3, {0: {"direction": 1, "stop_loss": 0.1, "take_profit": 0.2}})[:, None], 3, 1)  # fmt: skip
    market = MarketInputs(("C", "A", "B"), (PLAIN,) * 3, HOUR_NS, START + HOUR_NS * np.arange(1, 4), bars, signals)  # fmt: skip
    signals["take_profit"][1:] = 0.0
    result = run(market, config(dataclasses.replace(WIDE, max_order_notional=1_000.0)))
    assert result.trades["symbol"].tolist() == [1, 2, 0]
    assert result.fills["symbol"].tolist() == [1, 2, 0, 1, 2, 0]
    assert result.trades["exit_price"].tolist() == [102.0, 103.0, 101.0]
    assert result.positions["last_close"].tolist() == [101.0, 102.0, 103.0]
    assert sorted(result.refusals["symbol"].tolist()) == []


def test_what_is_known_at_a_close_holds_from_it_on_and_not_for_the_bar_that_ends_there() -> None:
    # weights of nothing for A and all for B from 01:00, the other way round from 03:00; both always say buy
    eye = np.eye(2)[None].repeat(2, 0)
    weights = np.array([[0.0, 1.0], [1.0, 0.0]])
    known = Portfolio(START + HOUR_NS * np.array([1, 3]), eye, weights)
    bars = np.repeat(bars_of([CALM] * 5)[:, None], 2, 1)
    said = {"direction": 1, "stop_loss": 0.1, "take_profit": 0.2}
    time = START + HOUR_NS * np.arange(1, 6)
    # what B was decided for at 02:00 is bought at that open, though by 03:00 B may have nothing
    for row, opened in ((0, {1}), (1, {1}), (2, {0}), (3, {0})):
        signals = np.repeat(signals_of(5, {row: said})[:, None], 2, 1)
        market = MarketInputs(
            ("A", "B"), (PLAIN,) * 2, HOUR_NS, time, bars, signals, portfolio=known
        )
        result = run(market, config(dataclasses.replace(WIDE, heat_fraction=0.2)))
        assert set(result.trades["symbol"].tolist()) == opened
        assert result.trades["quantity"].tolist() == [pytest.approx(100.0)]
        assert len(result.refusals) == 1


def test_a_position_reduced_in_a_quarter_is_decided_on_at_the_hour() -> None:
    stage = Stage()
    stage.hold(0, 4.0, 90.0, 120.0)
    stage.order(kind=Intent.REDUCE, side=-1, quantity=1.0, limit_price=0.0, reason=Reason.OPERATOR)
    fills = stage.bar(CALM, finer=[[CALM]] * 4)
    assert fills == [(0, Reason.OPERATOR, 1.0, pytest.approx(100.0))]
