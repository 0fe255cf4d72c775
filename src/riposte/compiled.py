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
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = Path(__file__).resolve().parent
_BELOW_EVERY_ROOM = (_PACKAGE / "market", _PACKAGE / "compiled.py")


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
    """Hash of every source file a function in ``room`` (a folder, or a single file) may call into."""
    digest = hashlib.sha256()
    for place in (room, *_BELOW_EVERY_ROOM):
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _room_of(function: Callable[..., object]) -> Path:
    source = Path(inspect.getfile(function)).resolve()
    if _PACKAGE in source.parents:
        return _PACKAGE / source.relative_to(_PACKAGE).parts[0]
    return source  # a user's own file: it may call our primitives, see below


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` with Numba in nopython mode; releases the GIL, caches on disk."""
    room = _room_of(function)
    fingerprint = room_fingerprint(room)
    if _PACKAGE not in room.parents:
        fingerprint += room_fingerprint(_PACKAGE)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_root() / f"{room.stem}-{fingerprint}")
    try:
        decorated = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before
    return cast(Callable[P, R], decorated)
