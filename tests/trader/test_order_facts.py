"""Whatever the exchange tells of an order, in whatever order and how often: the same is known."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError
from riposte.trader.order_facts import (
    NOTHING,
    End,
    Execution,
    Facts,
    Shape,
    Status,
    absence,
    execution,
    merge,
    merged,
    refusal,
    sent,
    snapshot,
)

D = Decimal
WHOLE = Shape(1, D("0.010"), D("49000"))


def trade(trade_id: int, quantity: str, fee: str | None = "0.1", executed: str = "0") -> Facts:
    told = Execution(trade_id, D(quantity), D("49000"), False, trade_id, fee and D(fee), "USDT")
    return execution(7, told, D(executed))


AMOUNTS = st.integers(0, 20).map(D)
EXECUTIONS = st.builds(
    Execution,
    st.integers(1, 4),
    AMOUNTS,
    AMOUNTS,
    st.booleans(),
    st.integers(0, 3),
    st.none() | AMOUNTS,
    st.sampled_from(["", "USDT"]),
)
SHAPES = st.builds(Shape, st.integers(0, 3), AMOUNTS, AMOUNTS)
FACTS = st.one_of(
    st.just(sent()),
    st.just(absence()),
    st.builds(refusal, st.sampled_from([-2019, -1007]), st.sampled_from(["a", "b"])),
    st.builds(execution, st.sampled_from([0, 7]), EXECUTIONS, AMOUNTS),
    st.builds(snapshot, st.just(7), SHAPES, AMOUNTS, st.none() | st.sampled_from(End)),
)


@given(st.lists(FACTS, max_size=8), st.randoms(use_true_random=False))
def test_order_repetition_and_grouping_change_nothing(
    told: list[Facts], rng: random.Random
) -> None:
    shuffled = [*told, *(rng.choice(told) for _ in told)]
    rng.shuffle(shuffled)
    known = merged(told)
    assert merged(shuffled) == known
    cut = rng.randint(0, len(shuffled))
    assert merge(merged(shuffled[:cut]), merged(shuffled[cut:])) == known
    assert merge(known, known) == known == merge(known, NOTHING)


@given(FACTS, FACTS)
def test_nothing_that_is_known_is_unlearned(one: Facts, other: Facts) -> None:
    both = merge(one, other)
    for before in (one, other):
        assert both.filled >= before.filled
        assert both.exists >= before.exists
        assert {e.trade_id for e in before.executions} <= {e.trade_id for e in both.executions}
        if before.status is Status.ENDED and before.end is not None:
            assert both.status is Status.ENDED


CASES: list[tuple[str, list[Facts], Status, str, str]] = [
    ("written down", [], Status.INTENDED, "0", "0"),
    ("its answer was lost", [sent()], Status.UNKNOWN, "0", "0"),
    ("lost, then found open", [sent(), snapshot(7, WHOLE)], Status.OPEN, "0", "0"),
    ("lost before it arrived", [sent(), absence()], Status.ABSENT, "0", "0"),
    ("refused", [sent(), refusal(-2019, "Margin is insufficient.")], Status.REFUSED, "0", "0"),
    ("called absent, and filled after all", [absence(), trade(1, "0.010")], Status.OPEN, "0.010", "0"),
    ("refused by a gateway, and open", [refusal(-1001, "x"), snapshot(7, WHOLE)], Status.OPEN, "0", "0"),
    ("half filled", [snapshot(7, WHOLE), trade(1, "0.004")], Status.OPEN, "0.004", "0"),
    ("filled by trades alone", [snapshot(7, WHOLE), trade(1, "0.004"), trade(2, "0.006")],
     Status.ENDED, "0.010", "0"),
    ("the same trade twice", [snapshot(7, WHOLE), trade(1, "0.004"), trade(1, "0.004")],
     Status.OPEN, "0.004", "0"),
    ("filled before the answer came", [trade(1, "0.010"), snapshot(7, WHOLE)], Status.ENDED, "0.010", "0"),
    ("a trade was lost", [snapshot(7, WHOLE, D("0.010")), trade(2, "0.006")],
     Status.ENDED, "0.010", "0.004"),
    ("a trade was lost, the next tells", [snapshot(7, WHOLE), trade(2, "0.001", executed="0.005")],
     Status.OPEN, "0.005", "0.004"),
    ("half filled, then expired", [snapshot(7, WHOLE), trade(1, "0.005"),
     snapshot(7, WHOLE, D("0.005"), End.EXPIRED)], Status.ENDED, "0.005", "0"),
    ("cancelled; a fill comes late", [snapshot(7, WHOLE, end=End.CANCELED), trade(1, "0.003")],
     Status.ENDED, "0.003", "0"),
    ("amended to less than is filled", [snapshot(7, WHOLE), trade(1, "0.005"),
     snapshot(7, Shape(2, D("0.005"), D("49100")))], Status.ENDED, "0.005", "0"),
    ("an old answer after an amendment", [snapshot(7, Shape(2, D("0.020"), D("49100"))),
     snapshot(7, WHOLE), trade(1, "0.010")], Status.OPEN, "0.010", "0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("_", "told", "status", "filled", "untold"), CASES, ids=[c[0] for c in CASES]
)
def test_what_may_be_assumed(
    _: str, told: list[Facts], status: Status, filled: str, untold: str
) -> None:
    for order in (told, told[::-1]):
        known = merged(order)
        assert (known.status, known.filled, known.untold) == (status, D(filled), D(untold))


def test_the_message_that_tells_most_of_a_trade_stands() -> None:
    lite, whole = trade(1, "0.004", fee=None), trade(1, "0.004", fee="0.098")
    assert merge(lite, trade(2, "0.001")).without_fee == (1,)
    for both in (merge(lite, whole), merge(whole, lite)):
        assert both.without_fee == ()
        assert both.executions[0].fee == D("0.098")


def test_two_orders_with_one_client_id_are_never_taken_for_one() -> None:
    with pytest.raises(DataError, match="7 and 8"):
        merge(snapshot(7, WHOLE), snapshot(8, WHOLE))
