"""The accounting identity and what a fill may never do, over random orders of events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenario import PLAIN

from riposte.engine.accounting import (
    apply_fill,
    exposure,
    settle_funding,
    used_margin,
    value_account,
)
from riposte.engine.records import instrument_records, new_account, new_positions

INSTRUMENT = instrument_records([PLAIN])[0]
DEPOSIT = 10_000.0

prices = st.floats(0.01, 1e5, allow_nan=False)
events = st.lists(
    st.one_of(
        st.tuples(
            st.just("fill"),
            st.integers(0, 1),
            st.sampled_from([-1, 1]),
            st.floats(1e-6, 1e3),
            prices,
            st.floats(0, 50),
        ),
        st.tuples(st.just("funding"), st.integers(0, 1), st.floats(-0.03, 0.03), prices),
        st.tuples(st.just("mark"), st.integers(0, 1), prices),
    ),
    max_size=40,
)


def play(sequence: Any) -> tuple[Any, Any, float]:
    """Account, positions and the largest notional seen, after the events."""
    account, positions = new_account(DEPOSIT), new_positions(2)
    largest = DEPOSIT
    for kind, symbol, *values in sequence:
        position = positions[symbol]
        if kind == "fill":
            side, quantity, price, fee = values
            held = position["quantity"]
            if held * side < 0:
                quantity = min(quantity, abs(held))
            apply_fill(account, position, INSTRUMENT, side, quantity, price, fee, 0.0, 5.0)
            position["mark"] = price
            largest = max(largest, quantity * price)
        elif kind == "funding":
            settle_funding(account, position, values[0], values[1])
            largest = max(largest, abs(position["quantity"]) * values[1])
        else:
            position["mark"] = values[0]
            largest = max(largest, abs(position["quantity"]) * values[0])
        value_account(account, positions)
    return account, positions, largest


@given(events)
def test_equity_is_deposits_and_realised_and_unrealised_less_fees_and_funding(
    sequence: Any,
) -> None:
    account, positions, largest = play(sequence)
    open_profit = sum(
        p["quantity"] * (p["mark"] - p["entry_price"]) for p in positions if p["quantity"] != 0
    )
    expected = (
        account["deposits"]
        + account["realised"]
        + open_profit
        - account["fees"]
        - account["funding"]
    )
    assert account["equity"] == pytest.approx(expected, rel=0, abs=1e-8 * largest)
    assert account["wallet"] == pytest.approx(
        account["deposits"] + account["realised"] - account["fees"] - account["funding"],
        rel=0,
        abs=1e-8 * largest,
    )


@given(events)
def test_margin_is_held_exactly_while_a_position_is_open(sequence: Any) -> None:
    _, positions, _ = play(sequence)
    for position in positions:
        if position["quantity"] == 0.0:
            assert position["margin"] == 0.0
            assert position["liquidation_price"] == 0.0
        else:
            assert position["margin"] > 0.0
            cost = abs(position["quantity"]) * position["entry_price"]
            assert position["margin"] * 5.0 == pytest.approx(cost, rel=1e-6)


@given(
    st.sampled_from([-1, 1]),
    st.lists(st.tuples(st.floats(0.01, 100), st.floats(1, 1e4)), min_size=1, max_size=8),
    prices,
)
def test_entry_averages_by_quantity_and_closing_at_it_realises_nothing(
    side: int, adds: list[tuple[float, float]], mark: float
) -> None:
    account, positions = new_account(DEPOSIT), new_positions(1)
    for quantity, price in adds:
        apply_fill(account, positions[0], INSTRUMENT, side, quantity, price, 0.0, 0.0, 3.0)
    total = sum(q for q, _ in adds)
    average = sum(q * p for q, p in adds) / total
    assert positions[0]["entry_price"] == pytest.approx(average, rel=1e-9)
    assert exposure(positions) == 0.0  # nothing marked yet
    positions[0]["mark"] = mark
    assert exposure(positions) == pytest.approx(total * mark)
    apply_fill(account, positions[0], INSTRUMENT, -side, total, average, 0.0, 0.0, 3.0)
    assert positions[0]["quantity"] == 0.0
    assert used_margin(positions) == 0.0
    assert account["wallet"] == pytest.approx(DEPOSIT, abs=1e-6 * average * total)


def test_closing_in_parts_realises_the_same_as_closing_at_once() -> None:
    outcomes = []
    for parts in ([1.0], [0.25, 0.25, 0.5], list(np.full(10, 0.1))):
        account, positions = new_account(DEPOSIT), new_positions(1)
        apply_fill(account, positions[0], INSTRUMENT, 1, 8.0, 50.0, 1.0, 0.0, 5.0)
        for share in parts:
            apply_fill(account, positions[0], INSTRUMENT, -1, 8.0 * share, 60.0, 0.0, 0.0, 5.0)
        outcomes.append((positions[0]["quantity"], round(account["wallet"], 9)))
    assert outcomes == [(0.0, DEPOSIT + 79.0)] * 3


@pytest.mark.parametrize(
    ("side", "rate", "paid"), [(1, 0.001, 10.0), (-1, 0.001, -10.0), (1, -0.001, -10.0)]
)
def test_longs_pay_a_positive_rate_to_shorts(side: int, rate: float, paid: float) -> None:
    account, positions = new_account(DEPOSIT), new_positions(1)
    apply_fill(account, positions[0], INSTRUMENT, side, 100.0, 90.0, 0.0, 0.0, 5.0)
    # 100 coins at mark 100 = 10,000 USDT
    assert settle_funding(account, positions[0], rate, 100.0) == pytest.approx(paid)
    assert account["wallet"] == pytest.approx(DEPOSIT - paid)
