"""Folds are whole months, in order, each trained only on what came before."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import InputError
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.splits import Fold, Span, training_rows, walk_forward


def ns(year: int, month: int, day: int = 1) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 10**9


def test_five_and_a_half_years_make_sixty_folds_of_six_one_one_months() -> None:
    folds = walk_forward(ns(2020, 1), ns(2025, 7))
    assert len(folds) == 60
    assert (folds[0].train_start, folds[0].test_start) == (ns(2020, 1), ns(2020, 7))
    assert (folds[-1].test_start, folds[-1].test_end) == (ns(2025, 6), ns(2025, 7))


@given(
    st.integers(ns(2019, 1), ns(2022, 1)),
    st.integers(30, 1500),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_folds_lie_in_the_range_and_never_test_before_they_have_trained(
    start: int, days: int, train: int, test: int, step: int
) -> None:
    end = start + days * DAY_NS
    try:
        folds = walk_forward(start, end, train_months=train, test_months=test, step_months=step)
    except InputError:
        assert days < (train + 2) * 31
        return
    assert [f.index for f in folds] == list(range(len(folds)))
    for fold in folds:
        assert start <= fold.train_start < fold.train_end == fold.test_start < fold.test_end <= end
    for earlier, later in itertools.pairwise(folds):
        assert later.test_start > earlier.test_start


def test_the_last_folds_are_those_of_the_whole_walk() -> None:
    whole = walk_forward(ns(2020, 1), ns(2021, 1))
    assert walk_forward(ns(2020, 1), ns(2021, 1), last=2) == whole[-2:]


def test_too_little_history_is_said() -> None:
    with pytest.raises(InputError, match="6 months to train"):
        walk_forward(ns(2020, 1), ns(2020, 5))
    with pytest.raises(InputError, match="the last 7 folds are wanted, but the data holds only 6"):
        walk_forward(ns(2020, 1), ns(2021, 1), last=7)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 72)), min_size=1, max_size=50),
       st.integers(0, 48))  # fmt: skip
def test_no_row_whose_label_was_open_at_the_embargo_is_learned_from(
    rows: list[tuple[int, int]], embargo: int
) -> None:
    fold = Fold(0, 100 * HOUR_NS, 300 * HOUR_NS, (Span(300 * HOUR_NS, 400 * HOUR_NS),))
    time = np.array([t for t, _ in rows]) * HOUR_NS
    end = time + np.array([h for _, h in rows]) * HOUR_NS
    kept = training_rows(fold, time, end, embargo * HOUR_NS)
    for t, e, keep in zip(time, end, kept, strict=True):
        inside = fold.train_start <= t < fold.train_end
        assert keep == (inside and e + embargo * HOUR_NS <= fold.test_start)
