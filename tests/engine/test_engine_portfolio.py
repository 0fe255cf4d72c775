"""The portfolio tier (SPEC K4): heat, weights, correlation, the leverage ladder; and symbols without an order."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario import CALM, FREE, PLAIN, START, STEADY, WIDE, bars_of, config, signals_of
from test_engine_invariants import hostile_market, random_config, random_portfolio

from riposte.engine.enums import Rule
from riposte.engine.limits import allowed_leverage, record_result, win_rate
from riposte.engine.parameters import Limits
from riposte.engine.records import new_account
from riposte.engine.run import MarketInputs, RunResult, reordered, run, terms_of
from riposte.market.instrument import INSTRUMENTS
from riposte.market.interval import HOUR_NS
from riposte.market.portfolio import Portfolio

NAMES = ("A", "B", "C")


def together(
    correlation: Any, weight: Any = (1 / 3, 1 / 3, 1 / 3), since: int = START
) -> Portfolio:
    return Portfolio(np.array([since]), np.array([correlation], float), np.array([weight], float))


def bets(
    directions: tuple[int, ...],
    portfolio: Portfolio | None,
    confidence: tuple[float, ...] = (0.9, 0.8, 0.7),
    **limits: Any,
) -> RunResult:
    """Signals for three calm symbols at the close of the first bar; equity 10,000, 5x."""
    bars = np.stack([bars_of([CALM] * 3) for _ in NAMES], axis=1)
    said = [
        signals_of(3, {0: {"direction": d, "confidence": c}})
        for d, c in zip(directions, confidence, strict=True)
    ]
    time = START + HOUR_NS * np.arange(1, 4, dtype=np.int64)
    inputs = MarketInputs(
        NAMES, (PLAIN,) * 3, HOUR_NS, time, bars, np.stack(said, axis=1), portfolio=portfolio
    )
    wide = dataclasses.replace(WIDE, margin_fraction=0.3, **limits)
    return run(inputs, config(wide, FREE, STEADY))


def opened(result: RunResult) -> set[str]:
    return {NAMES[t["symbol"]] for t in result.trades}


LIKE = [[1.0, 0.9, 0.2], [0.9, 1.0, 0.1], [0.2, 0.1, 1.0]]
OPPOSED = [[1.0, -0.9, 0.2], [-0.9, 1.0, 0.1], [0.2, 0.1, 1.0]]
UNKNOWN_PAIR = [[1.0, np.nan, 0.2], [np.nan, 1.0, 0.1], [0.2, 0.1, 1.0]]


@pytest.mark.parametrize(
    ("what", "correlation", "directions", "expected"),
    [
        ("two that move alike are one bet", LIKE, (1, 1, 1), {"A", "C"}),
        ("a long and a short of them are not", LIKE, (1, -1, 1), {"A", "B", "C"}),
        ("two that move against one another, one each way, are", OPPOSED, (1, -1, 1), {"A", "C"}),
        ("the same way they are not", OPPOSED, (1, 1, 1), {"A", "B", "C"}),
        ("what is not known is refused", UNKNOWN_PAIR, (1, 1, 1), {"A", "C"}),
    ],
)
def test_correlation(what: str, correlation: Any, directions: Any, expected: set[str]) -> None:
    result = bets(directions, together(correlation), max_correlation=0.7)
    assert opened(result) == expected, what
    if expected != set(NAMES):
        (refused,) = result.refusals
        assert (refused["rule"], refused["limit"]) == (Rule.CORRELATION, 0.7)
        assert refused["value"] == pytest.approx(np.abs(correlation[0][1]), nan_ok=True)


def test_the_surest_signal_has_the_first_claim() -> None:
    # B is surer than A and takes the bet that the two are.
    result = bets((1, 1, 0), together(LIKE), confidence=(0.7, 0.9, 0.5), max_correlation=0.7)
    assert opened(result) == {"B"}


def test_without_a_portfolio_only_one_bet_is_made_unless_the_limit_is_off() -> None:
    assert opened(bets((1, 1, 1), None, max_correlation=0.7)) == {"A"}
    assert opened(bets((1, 1, 1), None, max_correlation=1.0)) == set(NAMES)
    # Nor before the first estimate is there.
    later = together(np.eye(3), since=START + 100 * HOUR_NS)
    assert opened(bets((1, 1, 1), later, max_correlation=0.7)) == {"A"}


def test_a_symbol_may_use_its_weight_of_the_heat() -> None:
    weights = (0.5, 0.3, 0.2)
    result = bets((1, 1, 1), together(np.eye(3), weights), (1.0, 1.0, 1.0), heat_fraction=0.2)
    # Margins of 20 % of 10,000 in all: 1,000, 600 and 400; at 5x and 100 that is 50, 30 and 20 coins.
    held = {NAMES[t["symbol"]]: t["quantity"] for t in result.trades}
    assert held == pytest.approx({"A": 50.0, "B": 30.0, "C": 20.0})


def test_a_symbol_of_no_weight_is_refused_by_that_rule() -> None:
    result = bets((0, 0, 1), together(np.eye(3), (0.5, 0.5, 0.0)))
    assert [r["rule"] for r in result.refusals] == [Rule.PORTFOLIO_WEIGHT]


def test_heat_is_shared_by_all() -> None:
    result = bets((1, 1, 1), None, (1.0, 1.0, 1.0), heat_fraction=0.4, max_correlation=1.0)
    # 30 % of equity each, 40 % in all: 3,000, then 1,000, then nothing; x 5 / 100.
    held = {NAMES[t["symbol"]]: t["quantity"] for t in result.trades}
    assert held == pytest.approx({"A": 150.0, "B": 50.0})
    assert [r["rule"] for r in result.refusals] == [Rule.HEAT]


def proven_account() -> Any:
    """56 % of the last 50 trades won, Sharpe 2, 14 % under the peak: all better than asked."""
    account = new_account(10_000.0)
    for i in range(50):
        record_result(account, i % 25 < 14)
    account["sharpe"], account["peak_equity"] = 2.0, 10_000.0 / 0.86
    return account


@pytest.mark.parametrize(
    ("what", "change", "leverage"),
    [
        ("a good record", {}, 5.0),
        ("a Sharpe that is not above 1.8", {"sharpe": 1.8}, 3.0),
        ("a Sharpe that is not known", {"sharpe": np.nan}, 3.0),
        ("a drawdown of 15 %", {"peak_equity": 10_000.0 / 0.85}, 3.0),
        ("too few trades", {"results_count": 49}, 3.0),
    ],
)
def test_more_leverage_is_earned_and_lost(what: str, change: Any, leverage: float) -> None:
    account = proven_account()
    assert win_rate(account, 50) == pytest.approx(0.56)
    for name, value in change.items():
        account[name] = value
    assert allowed_leverage(account, terms_of(config(Limits()))) == leverage, what


def test_one_lost_trade_too_many_takes_it_back() -> None:
    account = proven_account()
    terms = terms_of(config(Limits()))
    record_result(account, False)  # the oldest, a win, leaves the window: 54 %
    assert win_rate(account, 50) == pytest.approx(0.54)
    assert allowed_leverage(account, terms) == 3.0


def test_an_entry_uses_the_base_leverage_until_more_is_earned() -> None:
    result = bets((1, 0, 0), None, (1.0, 0.5, 0.5), base_leverage=3.0)
    # 30 % of 10,000 as margin, 3x: 9,000 USDT
    assert result.trades[0]["quantity"] == pytest.approx(90.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_symbols_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    time, bars, signals = hostile_market(rng)
    third = hostile_market(rng)
    inputs = MarketInputs(
        ("X", "Y", "Z"),
        (INSTRUMENTS["BTCUSDT"], INSTRUMENTS["SOLUSDT"], INSTRUMENTS["ETHUSDT"]),
        HOUR_NS,
        time,
        np.concatenate([bars, third[1][:, :1]], axis=1),
        np.concatenate([signals, third[2][:, :1]], axis=1),
        portfolio=random_portfolio(rng, 3),
    )
    chosen = random_config(rng)
    whole = run(inputs, chosen)
    for order in itertools.permutations(range(3)):
        other = run(reordered(inputs, order), chosen)
        assert other.equity.tobytes() == whole.equity.tobytes()
        assert other.account.tobytes() == whole.account.tobytes()
        assert other.positions.tobytes() == whole.positions[list(order)].tobytes()
        for name in ("trades", "fills", "refusals"):
            found = getattr(other, name).copy()
            found["symbol"] = np.array(order)[found["symbol"]]
            assert found.tobytes() == getattr(whole, name).tobytes()
