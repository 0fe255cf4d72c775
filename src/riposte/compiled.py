"""One way to compile a hot path, typed so that the compiled function keeps its signature.

The machine code is cached on disk beside the source (or in ``NUMBA_CACHE_DIR``), so only the first
run after an installation compiles. ``fastmath`` stays off: the same inputs give the same bytes, and
NaN means "missing" everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` with Numba in nopython mode; releases the GIL, caches on disk."""
    return cast(
        Callable[P, R],
        numba.njit(cache=True, nogil=True, error_model="numpy")(function),
    )
