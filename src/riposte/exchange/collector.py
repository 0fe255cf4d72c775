"""Python's garbage collector, told what an exchange is like."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 100_000, 50, 1_000


def collect_seldom() -> None:
    """Look for garbage in cycles a hundred times less often than usual, in this whole process.

    An exchange keeps nearly all it makes (orders, fills, incomes), so the collector would walk
    through ever more that is alive and find nothing: a seventh of the core's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
