"""One way to compile a hot path, typed so that the compiled function keeps its signature.

The machine code is cached on disk, so only the first run after a change compiles. Numba alone would
trust a cached function as long as *its own* file is unchanged, even when a function it calls in
another file is not: an upgrade could go on running half of the old engine. So the cache folder is
named after the contents of the whole room the function stands in and of the rooms below it.

``fastmath`` stays off: the same inputs give the same bytes, and NaN means "missing" everywhere.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, cast

import numba
from numba.core import config

P = ParamSpec("P")
R = TypeVar("R")

_numba_config: Any = config  # its settings are made at run time; no type knows them
_PACKAGE = Path(__file__).resolve().parent


@functools.cache
def cache_root() -> Path:
    """Where compiled code is kept: NUMBA_CACHE_DIR, else the user's cache folder, else a temporary one."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(named) if named else Path(home) / "riposte" / "compiled"
    try:
        root.mkdir(parents=True, exist_ok=True)
        writable = os.access(root, os.W_OK)
    except OSError:
        writable = False
    return root if writable else Path(tempfile.gettempdir()) / f"riposte-compiled-{os.getuid()}"


@functools.cache
def room_fingerprint(room: Path) -> str:
    """Hash of every source file that a function in the folder ``room`` may call into.

    A room of the package counts with its sub-folders and the rooms below it. A user's own folder
    counts with the files beside it and the whole package, whose primitives they may call.
    """
    ours = _PACKAGE in room.parents
    places = [*room.rglob("*.py")] if ours else [*room.glob("*.py"), *_PACKAGE.rglob("*.py")]
    if ours:
        places += [*(_PACKAGE / "market").rglob("*.py"), _PACKAGE / "compiled.py"]
    digest = hashlib.sha256()
    for path in sorted(places):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _room_of(function: Callable[..., object]) -> Path:
    source = Path(inspect.getfile(function)).resolve()
    if _PACKAGE in source.parents:
        return _PACKAGE / source.relative_to(_PACKAGE).parts[0]
    return source.parent


def cores() -> int:
    """How many threads of compiled code run at once; no result depends on it."""
    return os.cpu_count() or 1


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` with Numba in nopython mode; releases the GIL, caches on disk."""
    return _compile(function, inline="never")


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Like :func:`compiled`, but its body is put into its compiled callers.

    For the one function a hot loop calls at every pass: a call that hands over arrays costs ten
    nanoseconds for each of them, in reference counts.
    """
    return _compile(function, inline="always")


def borrowing(function: Callable[P, R]) -> Callable[P, R]:
    """Like :func:`compiled`, for functions that make no array: those they are given they borrow, uncounted.

    Counting the references of every array at every call is a fifth of the time of a step of the engine.
    """
    return _compile(function, inline="never", _nrt=False)


def _compile(
    function: Callable[P, R], inline: Literal["never", "always"], **options: Any
) -> Callable[P, R]:
    room = _room_of(function)
    before = _numba_config.CACHE_DIR
    _numba_config.CACHE_DIR = str(cache_root() / f"{room.name}-{room_fingerprint(room)}")
    try:
        decorated = numba.njit(
            cache=True, nogil=True, error_model="numpy", inline=inline, **options
        )(function)
    finally:
        _numba_config.CACHE_DIR = before
    return cast(Callable[P, R], decorated)
