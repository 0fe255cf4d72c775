"""The exception tree, grouped by what the caller can do about it.

::

    RiposteError                 anything a person should read instead of a traceback
    ├── InputError               fix what you typed or configured, then run again       exit 2
    ├── DataError                the market data is wrong or missing: mend or re-import  exit 3
    ├── StorageError             disk, permissions, a store: free it, then run again     exit 4
    ├── ModelError               an artefact does not fit: retrain                       exit 5
    ├── MissingExtraError        an optional library is absent: install the extra        exit 6
    └── ExchangeError            the exchange or its archive is out of reach: try later  exit 7

Each message is one sentence for the person who will read it: what, where, what is allowed.
``hint`` says what to do next. A broken rule inside the product is not in this tree: it is an
ordinary exception and fails loudly.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RiposteError(Exception):
    """Something a person can put right; shown as one line, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(RiposteError):
    """A flag, a file name or a setting that cannot be used."""

    exit_code = 2


class DataError(RiposteError):
    """Market data that is missing, malformed or contradictory."""

    exit_code = 3


class StorageError(RiposteError):
    """A store that cannot be read or written; what it held before is unchanged."""

    exit_code = 4


class ModelError(RiposteError):
    """A model artefact that does not fit the features, versions or data at hand."""

    exit_code = 5


class MissingExtraError(RiposteError):
    """A library of an optional extra is not installed."""

    exit_code = 6

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"{library} is not installed",
            hint=f'pip install "riposte-futures[{extra}]"',
        )


class ExchangeError(RiposteError):
    """The exchange or its archive cannot be reached, refuses, or asks to be left alone for a while."""

    exit_code = 7


def nearest(given: str, allowed: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the allowed name closest to ``given``, else an empty string."""
    found = difflib.get_close_matches(given, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""
