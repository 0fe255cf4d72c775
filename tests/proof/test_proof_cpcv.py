"""Combinatorial folds: purged on both sides, every group tested equally often, whole paths."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.errors import InputError
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.splits import Fold, Span, combinatorial, paths, training_rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pandas as pd
    import purgedcv
    from skfolio.model_selection import CombinatorialPurgedCV

DAYS = 120
END = DAYS * DAY_NS

groups = st.integers(2, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1)))


def folds_of(count: int, tested: int, reach: int = 0, days: int = DAYS) -> tuple[Fold, ...]:
    return combinatorial(
        0, days * DAY_NS, groups=count, test_groups=tested, reach_ns=reach * HOUR_NS
    )


@settings(max_examples=40)
@given(groups, st.integers(0, 72), st.integers(0, 48), st.integers(0, 1_000))
def test_no_label_that_is_learned_from_was_open_in_a_test_or_in_what_its_labels_reach_out_to(
    numbers: tuple[int, int], reach: int, embargo: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(0, END, 12 * HOUR_NS)
    life = rng.integers(0, reach + 1, len(time)) * HOUR_NS
    for fold in folds_of(*numbers, reach):
        kept = training_rows(fold, time, time + life, embargo * HOUR_NS)
        tested = fold.tests(time)
        assert not (kept & tested).any()
        # An embargo after a test, and one between a label and the test it precedes.
        begins, ends = time[kept, None], (time + life)[kept, None]
        before = ends + embargo * HOUR_NS <= time[tested]
        after = begins >= (time + life)[tested] + embargo * HOUR_NS
        assert (before | after).all()


@given(groups)
def test_each_group_is_tested_by_another_fold_in_each_path(numbers: tuple[int, int]) -> None:
    count, tested = numbers
    folds = folds_of(count, tested)
    assert len(folds) == math.comb(count, tested)
    found = paths(folds)
    assert len(found) == math.comb(count, tested) * tested // count
    for path in found:
        spans = [span for span, _ in path]
        assert (spans[0].start, spans[-1].end) == (0, END)
        assert all(a.end == b.start for a, b in itertools.pairwise(spans))
        assert all(span in fold.test for span, fold in path)
    spoken = [(span, fold.index) for path in found for span, fold in path]
    assert len(set(spoken)) == len(spoken) == sum(len(fold.test) for fold in folds)


@pytest.mark.parametrize(("count", "tested"), [(6, 2), (5, 3), (8, 2), (4, 3)])
def test_splits_and_paths_are_those_of_skfolio(count: int, tested: int) -> None:
    theirs = CombinatorialPurgedCV(n_folds=count, n_test_folds=tested)
    folds = folds_of(count, tested)
    assert len(folds) == theirs.n_splits
    per_group = DAYS // count
    at = [[span.start // DAY_NS // per_group for span in fold.test] for fold in folds]
    assert at == theirs.test_set_index.tolist()
    mine = [[fold.index for _, fold in path] for path in paths(folds)]
    assert len(mine) == theirs.n_test_paths
    assert np.array_equal(np.array(mine).T, theirs.recombined_paths)


@pytest.mark.parametrize("embargo", [0, 2])
def test_purging_equals_that_of_skfolio_for_labels_of_equal_length(embargo: int) -> None:
    life = 3
    theirs = CombinatorialPurgedCV(6, 2, purged_size=life, embargo_size=embargo)
    time = DAY_NS * np.arange(DAYS)
    end = time + (life + 1) * DAY_NS  # skfolio counts the day a label starts on too
    for fold, (train, _) in zip(
        folds_of(6, 2, 24 * life), theirs.split(np.zeros((DAYS, 1))), strict=True
    ):
        kept = training_rows(fold, time, end, 0)
        for span in fold.test:  # its embargo is on one side only
            kept &= ~Span(span.end, span.end + (life + embargo) * DAY_NS).holds(time)
        settled = train[end[train] <= END]  # it knows of no labels that are still open at the end
        assert np.array_equal(np.flatnonzero(kept), settled)


@pytest.mark.parametrize(("count", "tested"), [(6, 2), (5, 2), (4, 1)])
def test_purging_equals_that_of_purgedcv_for_labels_of_any_length(count: int, tested: int) -> None:
    rng = np.random.default_rng(count)
    time = DAY_NS * np.arange(DAYS)
    life = rng.integers(1, 6, DAYS) * DAY_NS
    life[DAYS // count - 1 :: DAYS // count] = (
        5 * DAY_NS
    )  # the last label of a group reaches furthest
    end = np.minimum(time + life, END)
    theirs = purgedcv.CombinatorialPurgedCV(
        count, tested,
        prediction_times=pd.Series(pd.to_datetime(time)),
        evaluation_times=pd.Series(pd.to_datetime(end)),
    )  # fmt: skip
    folds = combinatorial(0, END, groups=count, test_groups=tested, reach_ns=4 * DAY_NS)
    for fold, (train, _) in zip(folds, theirs.split(np.zeros((DAYS, 1))), strict=True):
        assert np.array_equal(np.flatnonzero(training_rows(fold, time, end, 0)), train)


def test_what_is_learned_leaves_out_the_tests_and_their_reach() -> None:
    fold = Fold(0, 0, 100, (Span(20, 40), Span(40, 50), Span(90, 100)), reach_ns=5)
    assert fold.learned() == (Span(0, 20), Span(55, 90))


@pytest.mark.parametrize(
    ("count", "tested", "days", "said"),
    [
        (6, 6, 100, "left to train on"),
        (6, 0, 100, "left to train on"),
        (1, 1, 100, "left to train on"),
        (30, 15, 100, "155,117,520 trainings"),
        (6, 2, 4, "only 4 days"),
    ],
)
def test_numbers_that_make_no_cross_validation_are_refused(
    count: int, tested: int, days: int, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        folds_of(count, tested, days=days)
