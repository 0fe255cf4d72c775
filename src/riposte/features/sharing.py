"""What one feature has worked out is there for the next, while a matrix is built and no longer.

Inside :func:`sharing` a function marked :func:`shared` gives back what it gave before for the same
arguments: the same arrays, not equal ones, and equal numbers. The arrays it gives are read-only, so that
no feature can change what another reads. Outside, it computes as if it were not marked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

import numpy as np

from riposte.market.frame import Floats

P = ParamSpec("P")
R = TypeVar("R")

# By function and arguments: the result, and the arguments, so that no identity is used anew.
_Kept = dict[tuple[Hashable, ...], tuple[object, tuple[object, ...]]]
_kept: ContextVar[_Kept | None] = ContextVar("kept", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Until the end of the block, shared functions of this thread remember."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def shared(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a pure function of arrays and numbers as worth remembering."""

    @functools.wraps(function)
    def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
        kept = _kept.get()
        if kept is None or kwargs:
            return function(*args, **kwargs)
        key = (function, *[id(a) if type(a) is np.ndarray else a for a in args])
        found = kept.get(key)
        if found is not None:
            return found[0]  # type: ignore[return-value]
        result = _read_only(function(*args, **kwargs))
        kept[key] = (result, args)
        return result

    return remembered


def writable(values: Floats) -> Floats:
    """The values as an array that compiled code takes without compiling once more: C order, not
    read-only. A copy is made only where there is none such behind a read-only view. Nobody writes to it."""
    flags = values.flags
    if flags.writeable and flags.c_contiguous and values.dtype == np.float64:
        return values
    behind = values.base
    if (
        not flags.writeable
        and isinstance(behind, np.ndarray)
        and behind.flags.writeable
        and behind.flags.c_contiguous
        and behind.shape == values.shape
        and behind.dtype == np.float64
    ):
        return behind
    return np.require(values, np.float64, ["C", "W"])


def _read_only(result: R) -> R:
    """Views of the arrays that cannot be written through."""
    if isinstance(result, np.ndarray):
        view = result.view()
        view.flags.writeable = False
        return view
    if isinstance(result, tuple):
        return tuple([_read_only(each) for each in result])  # type: ignore[return-value]
    return result
