"""Hand-computed portfolio tier: what moves together, what a symbol may take, what leverage a record earns."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scenario import PLAIN, config
from test_engine_golden_gate import INSTRUMENTS, Desk

from riposte.engine.enums import Intent, Rule
from riposte.engine.limits import allowed_leverage, record_result, win_rate
from riposte.engine.parameters import PARTIALS, Limits, PositionRules, as_record
from riposte.engine.records import BRACKETS, PortfolioRow, instrument_records, new_account
from riposte.engine.review import highest_correlation, stop_risk
from riposte.engine.run import terms_of
from riposte.market.instrument import Instrument

NAN = float("nan")
ROW = PortfolioRow(
    np.array([[1.0, 0.8, -0.6], [0.8, 1.0, 0.3], [-0.6, 0.3, 1.0]]), np.array([0.25, 0.5, 0.25])
)


def holding(desk: Desk, *coins: float) -> None:
    for symbol, quantity in enumerate(coins):
        if quantity:
            desk.hold(symbol, quantity, 99.0 if quantity > 0 else 101.0)


# (what, held, orders on their way by symbol, side of the first symbol's order, highest)
TOGETHER: list[tuple[str, Any, dict[int, dict[str, Any]], int, float]] = [
    ("alone", (0.0, 0.0, 0.0), {}, 1, -1.0),
    ("its own position is no other", (5.0, 0.0, 0.0), {}, 1, -1.0),
    ("two longs", (0.0, 1.0, 0.0), {}, 1, 0.8),
    ("a short to a long", (0.0, 0.5, 0.0), {}, -1, -0.8),
    ("two shorts", (0.0, -1.0, 0.0), {}, -1, 0.8),
    ("a long to a short", (0.0, -0.5, 0.0), {}, 1, -0.8),
    ("opposites held opposite", (0.0, 0.0, -4.0), {}, 1, 0.6),
    ("the highest of two", (0.0, 1.0, -4.0), {}, 1, 0.8),
    ("whichever comes first", (0.0, -1.0, -4.0), {}, 1, 0.6),
    ("one on its way", (0.0, 0.0, 0.0), {1: {"side": 1}}, 1, 0.8),
    ("one on its way down", (0.0, 0.0, 0.0), {1: {"side": -1}}, 1, -0.8),
    ("one not approved", (0.0, 0.0, 0.0), {1: {"approved": 0}}, 1, -1.0),
    ("what is held counts, not its add", (0.0, 1.0, 0.0), {1: {"side": -1, "kind": Intent.ADD}}, 1, 0.8),
    ("nor to a short", (0.0, -1.0, 0.0), {1: {"side": 1, "kind": Intent.ADD}}, 1, -0.8),
    ("an order to leave opens nothing", (0.0, 0.0, 0.0), {1: {"kind": Intent.EXIT}}, 1, -1.0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "held", "orders", "side", "highest"), TOGETHER, ids=[c[0] for c in TOGETHER]
)
def test_the_highest_correlation_of_what_would_be_held_together(
    what: str, held: Any, orders: Any, side: int, highest: float
) -> None:
    desk = Desk()
    holding(desk, *held)
    for symbol, fields in orders.items():
        desk.order(symbol, **{"approved": 1, **fields})
    found = highest_correlation(ROW, desk.positions, desk.pending, 0, side)
    assert found == pytest.approx(highest), what


def test_what_is_not_known_is_not_forgotten_for_what_is() -> None:
    unknown = PortfolioRow(ROW.correlation.copy(), ROW.weight)
    unknown.correlation[0, 1] = NAN
    desk = Desk()
    holding(desk, 0.0, 1.0, 1.0)
    assert np.isnan(highest_correlation(unknown, desk.positions, desk.pending, 0, 1))
    unknown.correlation[0] = 1.0, 0.2, NAN
    assert np.isnan(highest_correlation(unknown, desk.positions, desk.pending, 0, 1))


@pytest.mark.parametrize(
    ("limit", "kind", "answer"),
    [
        (0.75, Intent.ENTER, (Rule.CORRELATION, 0.75, 0.8)),
        (0.8, Intent.ENTER, (Rule.NONE, 0.0, 0.0)),
        (1.0, Intent.ENTER, (Rule.NONE, 0.0, 0.0)),
        (
            0.75,
            Intent.ADD,
            (Rule.NONE, 0.0, 0.0),
        ),  # what is held already was asked when it was opened
    ],
)
def test_correlation_is_asked_of_entries_and_may_be_the_limit(
    limit: float, kind: Intent, answer: Any
) -> None:
    desk = Desk(max_correlation=limit)
    desk.portfolio = ROW
    holding(desk, 1.0 if kind == Intent.ADD else 0.0, 1.0)
    desk.order(0, kind=kind)
    assert desk.review() == answer


def test_unknown_correlation_refuses_and_an_unlimited_one_is_not_asked_for() -> None:
    for limit, rule in ((0.99, Rule.CORRELATION), (1.0, Rule.NONE)):
        desk = Desk(max_correlation=limit)
        holding(desk, 0.0, 1.0)
        assert desk.review()[0] == rule


def test_a_symbol_takes_its_weight_of_the_heat_less_what_it_has() -> None:
    desk = Desk(heat_fraction=0.2)
    desk.portfolio = ROW
    # a quarter of 2,000 is 500, x 5
    assert desk.caps() == (pytest.approx(2_500.0), Rule.PORTFOLIO_WEIGHT)
    holding(desk, 10.0)  # margin 200
    assert desk.caps() == (pytest.approx(1_500.0), Rule.PORTFOLIO_WEIGHT)
    desk.portfolio = PortfolioRow(ROW.correlation, np.array([1.0, 0.0, 0.0]))
    # all of the heat: 1,800 x 5, of which the heat itself is the earlier named
    assert desk.caps() == (pytest.approx(9_000.0), Rule.HEAT)


@pytest.mark.parametrize(
    ("coins", "stop", "risk"), [(4.0, 98.0, 8.0), (-4.0, 103.0, 12.0), (4.0, 101.0, 0.0), (-4.0, 99.5, 0.0)]
)  # fmt: skip
def test_a_stop_risks_its_way_from_the_entry(coins: float, stop: float, risk: float) -> None:
    desk = Desk()
    position = desk.hold(0, coins, stop)
    position["mark"] = 150.0  # where the price is does not matter
    assert stop_risk(position) == pytest.approx(risk)


def with_results(won: int, lost: int) -> Any:
    account = new_account(10_000.0)
    for i in range(won + lost):
        record_result(account, i >= lost)
    return account


def test_results_are_counted_in_a_ring_and_in_all() -> None:
    account = with_results(2, 3)
    assert (account["trades"], account["wins"], account["losses_in_row"]) == (5, 2, 0)
    assert account["results"][:6].tolist() == [0, 0, 0, 1, 1, 0]
    assert (account["results_at"], account["results_count"]) == (5, 5)
    record_result(account, False)
    record_result(account, False)
    assert (account["losses_in_row"], account["wins"], account["trades"]) == (2, 2, 7)
    account = with_results(130, 0)
    assert (account["results_at"], account["results_count"]) == (2, 128)
    record_result(account, False)
    assert account["results"][2] == 0
    assert account["results"].sum() == 127
    # the last three across the end of the ring
    account["results_at"] = 1
    account["results"][126:], account["results"][0] = (1, 0), 1
    assert win_rate(account, 3) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("trades", "rate"), [(1, 1.0), (2, 1.0), (4, 0.5), (5, 0.4), (6, NAN), (0, NAN), (-1, NAN)]
)
def test_the_win_rate_of_the_last_trades(trades: int, rate: float) -> None:
    found = win_rate(with_results(2, 3), trades)
    assert found == pytest.approx(rate, nan_ok=True)


# 4 trades, more than half of them won, Sharpe above 1, less than 25 % under the peak; 2x, and 5x earned
LADDER = {
    "base_leverage": 2.0, "max_leverage": 5.0, "ladder_trades": 4, "ladder_win_rate": 0.5,
    "ladder_sharpe": 1.0, "ladder_drawdown": 0.25,
}  # fmt: skip
RUNGS: list[tuple[str, tuple[int, int], dict[str, float], dict[str, float], float]] = [
    ("all earned", (3, 1), {}, {}, 5.0),
    ("half won", (2, 2), {}, {}, 2.0),
    ("too few", (3, 0), {}, {}, 2.0),
    ("a Sharpe ratio at the limit", (3, 1), {"sharpe": 1.0}, {}, 2.0),
    ("above it", (3, 1), {"sharpe": 1.01}, {}, 5.0),
    ("not known", (3, 1), {"sharpe": NAN}, {}, 2.0),
    ("a quarter under the peak", (3, 1), {"peak_equity": 10_000.0, "equity": 7_500.0}, {}, 2.0),
    ("just above that", (3, 1), {"peak_equity": 10_000.0, "equity": 7_500.5}, {}, 5.0),
    ("a base above the maximum", (0, 0), {}, {"base_leverage": 9.0}, 5.0),
    ("a maximum below the base", (0, 0), {}, {"max_leverage": 1.5}, 1.5),
    ("more trades asked for than are kept", (127, 1), {}, {"ladder_trades": 500}, 5.0),
    ("all kept are asked", (127, 0), {}, {"ladder_trades": 500}, 2.0),
]


@pytest.mark.parametrize(
    ("what", "results", "account", "limits", "leverage"), RUNGS, ids=[c[0] for c in RUNGS]
)
def test_a_rung_of_the_ladder(
    what: str, results: Any, account: Any, limits: Any, leverage: float
) -> None:
    book = with_results(*results)
    book["sharpe"] = 2.0
    for name, value in account.items():
        book[name] = value
    terms = terms_of(config(Limits(**(LADDER | limits))))
    assert allowed_leverage(book, terms) == leverage, what


def test_a_bracket_of_the_exchange_allows_less_to_larger_positions() -> None:
    # from 1,000 USDT on three times at most
    tiered = dataclasses.replace(
        PLAIN, brackets=((0.0, 0.005, 0.0, 100.0), (1_000.0, 0.005, 0.0, 3.0))
    )
    for coins, answer in ((9.99, (Rule.NONE, 0.0, 0.0)), (10.0, (Rule.LEVERAGE, 3.0, 5.0))):
        desk = Desk()
        desk.instruments = instrument_records([tiered] * 3)
        desk.order(0, quantity=coins)
        assert desk.review() == answer


def test_a_lost_streak_of_the_largest_leverage_is_refused_by_its_rule() -> None:
    desk = Desk(**LADDER)
    desk.order(0, leverage=2.5)
    assert desk.review() == (Rule.LEVERAGE, 2.0, 2.5)


def test_a_tuple_fills_the_first_places_and_no_more_than_there_are() -> None:
    record = as_record(PositionRules(partial_at=(0.25, 0.5)))
    assert record["partial_at"].tolist() == [0.25, 0.5, 0.0, 0.0]
    assert (
        as_record(PositionRules(partial_at=(1.0,) * 4))["partial_at"].tolist() == [1.0] * PARTIALS
    )
    with pytest.raises(ValueError, match="partial_at: 5 values, room for 4"):
        as_record(PositionRules(partial_at=(0.1,) * 5))


@pytest.mark.parametrize("count", [0, 17])
def test_brackets_are_one_to_sixteen(count: int) -> None:
    def of(brackets: int) -> Any:
        rows = tuple((float(i), 0.01, 0.0, 50.0) for i in range(brackets))
        contract = Instrument("X", 0.1, 0.1, 5.0, 0.0, 0.0, 0.0, 0.0, rows)
        return instrument_records([contract])

    with pytest.raises(ValueError, match=f"X: {count} brackets, room for 1 to 16"):
        of(count)
    assert of(16)[0]["bracket_count"] == BRACKETS
    assert len(INSTRUMENTS) == 3


def test_the_first_rule_that_is_broken_is_named() -> None:
    desk = Desk(max_correlation=0.75)
    desk.portfolio = ROW
    holding(desk, 0.0, 1.0)
    desk.order(0, leverage=6.0)
    assert desk.review() == (Rule.LEVERAGE, 5.0, 6.0)
