"""Walk-forward folds in calendar months, and the rows a fold may learn from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from riposte.errors import InputError
from riposte.market.frame import Times
from riposte.market.interval import SECOND_NS


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: learn on ``[train_start, train_end)``, be judged on ``[test_start, test_end)``; ns UTC."""

    index: int
    train_start: int
    train_end: int
    test_start: int
    test_end: int


def month_start(time_ns: int, months: int = 0) -> int:
    """The first instant of the month ``months`` after that of ``time_ns``."""
    at = datetime.fromtimestamp(time_ns // SECOND_NS, UTC)
    month = at.year * 12 + at.month - 1 + months
    first = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(first.timestamp()) * SECOND_NS


def walk_forward(
    start: int, end: int, *, train_months: int = 6, test_months: int = 1, step_months: int = 1
) -> tuple[Fold, ...]:
    """Folds over ``[start, end)``: whole calendar months, each trained only on what came before.

    The first training window opens at the first month that begins in the range; the last test window
    may be cut by ``end``. Raises:
        InputError: if a length is not positive, or the range holds no fold.
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
        folds.append(Fold(len(folds), opens, test_start, test_start, test_end))
    if not folds:
        raise InputError(
            f"the data holds no fold: {train_months} months to train and one to test are needed"
        )
    return tuple(folds)


def training_rows(fold: Fold, time: Times, label_end: Times, embargo_ns: int) -> NDArray[np.bool_]:
    """Rows decided inside the training window whose label was known ``embargo_ns`` before the test."""
    inside = (time >= fold.train_start) & (time < fold.train_end)
    rows: NDArray[np.bool_] = inside & (label_end <= fold.test_start - embargo_ns)
    return rows
