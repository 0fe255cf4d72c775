"""Folds, walk-forward and combinatorial, and the rows that a fold may learn from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError
from riposte.market.frame import Times
from riposte.market.interval import DAY_NS, SECOND_NS

Mask = NDArray[np.bool_]
MOST_SPLITS = 1000  # combinations of groups; every one is a whole training


@dataclass(frozen=True, slots=True)
class Span:
    """The times in ``[start, end)``, ns UTC."""

    start: int
    end: int

    def holds(self, time: Times) -> Mask:
        """Which of the times (n,) lie in it."""
        inside: Mask = (time >= self.start) & (time < self.end)
        return inside


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: learn inside ``[train_start, train_end)``, be judged on each span of ``test``; ns UTC.

    A walk-forward fold has one test span, which begins where its training window ends. A fold of a
    combinatorial cross-validation learns before and after each of its test spans. ``reach_ns`` is how long
    after its decision a test row's label may still be open: what happened until then belongs to the test.
    """

    index: int
    train_start: int
    train_end: int
    test: tuple[Span, ...]
    reach_ns: int = 0

    @property
    def test_start(self) -> int:
        """Where the first test span starts."""
        return self.test[0].start

    @property
    def test_end(self) -> int:
        """Where the last test span ends."""
        return self.test[-1].end

    def tests(self, time: Times) -> Mask:
        """Which decision times (n,) lie in a test span."""
        inside = np.zeros(len(time), np.bool_)
        for span in self.test:
            inside |= span.holds(time)
        return inside

    def clear(self, start: Times, end: Times, embargo_ns: int) -> Mask:
        """Which lives ``[start, end]`` (n,) may be learned from.

        Those that had ended by ``train_end`` and keep ``embargo_ns`` away from every test span and from
        what its labels reach out to: over that long before it, or begun that long after.
        """
        kept: Mask = end <= self.train_end
        for span in self.test:
            before = end <= span.start - embargo_ns
            kept &= before | (start >= span.end + self.reach_ns + embargo_ns)
        return kept

    def learned(self) -> tuple[Span, ...]:
        """What is left of the training window without the test spans and what their labels reach out to."""
        opens, found = self.train_start, []
        for span in self.test:
            found.append(Span(opens, min(span.start, self.train_end)))
            opens = max(opens, span.end + self.reach_ns)
        found.append(Span(opens, self.train_end))
        return tuple(span for span in found if span.start < span.end)


def month_start(time_ns: int, months: int = 0) -> int:
    """The first instant of the month ``months`` after that of ``time_ns``."""
    at = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
    month = at.year * 12 + at.month - 1 + months
    first = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * SECOND_NS


def walk_forward(
    start: int,
    end: int,
    *,
    train_months: int = 6,
    test_months: int = 1,
    step_months: int = 1,
    last: int = 0,
) -> tuple[Fold, ...]:
    """Folds over ``[start, end)``: whole calendar months, each trained only on what came before.

    The first training window opens at the first month that begins in the range; the last test window
    may be cut by ``end``. ``last``: only so many, the newest ones; 0 for all.

    Raises:
        InputError: if a length is not positive, the range holds no fold, or not as many as wanted.
    """
    if min(train_months, test_months, step_months) < 1:
        raise InputError("walk-forward needs at least one month each to train, test and step")
    first = month_start(start)
    if first < start:
        first = month_start(start, 1)
    folds: list[Fold] = []
    while True:
        opens = month_start(first, step_months * len(folds))
        test_start = month_start(opens, train_months)
        if test_start >= end:
            break
        test_end = min(month_start(test_start, test_months), end)
        folds.append(Fold(len(folds), opens, test_start, (Span(test_start, test_end),)))
    if not folds:
        raise InputError(
            f"the data holds no fold: {train_months} months to train and one to test are needed"
        )
    if last > len(folds):
        raise InputError(f"the last {last} folds are wanted, but the data holds only {len(folds)}")
    return tuple(folds[-last:])


def combinatorial(
    start: int, end: int, *, groups: int, test_groups: int, reach_ns: int
) -> tuple[Fold, ...]:
    """Combinatorial purged cross-validation over ``[start, end)``: C(N, k) folds, each judged on another
    choice of k of N groups and trained on what is left of the others.

    Groups are equally long, as far as whole UTC days let them be. Each is tested in C(N - 1, k - 1) =
    C(N, k) · k / N folds, which is how many paths :func:`paths` makes of them.

    Source: López de Prado, Advances in Financial Machine Learning (2018), section 12.4.

    Raises:
        InputError: if there are not at least two groups, a test group, a group to train on and a day per
            group, or if there are more than :data:`MOST_SPLITS` folds.
    """
    check_groups(groups, test_groups)
    first, days = -(-start // DAY_NS), (end - 1) // DAY_NS + 1 - -(-start // DAY_NS)
    if days < groups:
        raise InputError(f"{groups} groups need a day each, but there are only {max(days, 0)} days")
    inner = [(first + round(days * group / groups)) * DAY_NS for group in range(1, groups)]
    spans = [Span(a, b) for a, b in itertools.pairwise([start, *inner, end])]
    return tuple(
        Fold(index, start, end, tuple(spans[group] for group in chosen), reach_ns)
        for index, chosen in enumerate(itertools.combinations(range(groups), test_groups))
    )


def parse_groups(text: str) -> tuple[int, int] | None:
    """``6,2`` as (groups, test groups); None of nothing.

    Raises:
        InputError: if it is not two numbers, or they make no cross-validation.
    """
    if not text.strip():
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"{text!r} is not understood: write groups and test groups, such as 6,2")
    groups, test_groups = map(int, parts)
    check_groups(groups, test_groups)
    return groups, test_groups


def check_groups(groups: int, test_groups: int) -> None:
    """Refuse numbers of groups that make no cross-validation.

    Raises:
        InputError: saying what is wanted.
    """
    if groups > MOST_SPLITS:
        raise InputError(f"{groups} groups are too many: at most {MOST_SPLITS:,} make sense")
    if not 1 <= test_groups < groups:
        raise InputError(
            f"of {groups} groups {test_groups} cannot be tested: at least one must be, and at least one "
            "left to train on"
        )
    if math.comb(groups, test_groups) > MOST_SPLITS:
        raise InputError(
            f"{test_groups} of {groups} groups make {math.comb(groups, test_groups):,} trainings; at most "
            f"{MOST_SPLITS:,} are done"
        )


def paths(folds: Sequence[Fold]) -> tuple[tuple[tuple[Span, Fold], ...], ...]:
    """The folds of :func:`combinatorial` as whole histories: for each path, in order of time, every group
    with the fold that speaks about it. A group's p-th fold belongs to path p."""
    speakers: dict[Span, list[Fold]] = {}
    for fold in folds:
        for span in fold.test:
            speakers.setdefault(span, []).append(fold)
    ordered = sorted(speakers.items(), key=lambda each: each[0].start)
    return tuple(
        tuple((span, spoken[path]) for span, spoken in ordered)
        for path in range(len(ordered[0][1]))
    )


def training_rows(fold: Fold, time: Times, label_end: Times, embargo_ns: int) -> Mask:
    """Rows decided inside the training window and no test, whose label's life is clear of the tests."""
    inside = (time >= fold.train_start) & (time < fold.train_end) & ~fold.tests(time)
    rows: Mask = inside & fold.clear(time, label_end, embargo_ns)
    return rows
