"""What can be done to a request or a message, as records; acts of the exchange are in ``deeds``.

Stream messages are spoiled by :class:`~riposte.exchange.streams.faulty.StreamAction`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Literal, get_args

from riposte.errors import InputError, nearest
from riposte.exchange.faults.answers import ANSWERS
from riposte.exchange.refusals import TEXTS
from riposte.exchange.streams.faulty import StreamAction, StreamFault


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold a request before it comes in, or (``after``) its answer before it goes out.

    ``clock``: whether the milliseconds are the wall's or the exchange's. A request held in
    exchange time beyond its ``recvWindow`` is refused when it comes in, as late ones are.
    """

    length_ms: int
    after: bool = False
    clock: Literal["wall", "exchange"] = "wall"

    def __post_init__(self) -> None:
        at_least("length_ms", self.length_ms, 0)


@dataclass(frozen=True, slots=True)
class Lose:
    """Close the connection without an answer: before executing, or (``after``) having executed.

    ``reset`` closes it with a TCP reset.
    """

    after: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer something else: instead of executing, or (``after``) having executed.

    Either one of the ready-made answers (``says``), or an error ``code`` with the exchange's text
    (``fields`` fill its gaps; ``status`` and ``text`` replace the usual ones), or a ``body``.
    """

    says: str = ""
    code: int = 0
    fields: Mapping[str, str] = field(default_factory=dict)
    status: int = 0
    text: str = ""
    body: str = ""
    content_type: str = "application/json"
    retry_after_s: int = 0
    after: bool = False

    def __post_init__(self) -> None:
        if (self.says != "") + (self.code != 0) + (self.body != "") != 1:
            raise InputError("exactly one of 'says', 'code' and 'body' is needed")
        if self.says and self.says not in ANSWERS:
            near = nearest(self.says, ANSWERS)
            raise InputError(
                f"no answer is called {self.says!r}{near}; known: {', '.join(ANSWERS)}"
            )
        if self.status and not 200 <= self.status <= 599:
            raise InputError(f"status must be between 200 and 599, not {self.status}")
        if not self.code and (self.text or self.fields):
            raise InputError("'text' and 'fields' go with 'code'")
        if self.code and not self.text:
            self._check_text()

    def _check_text(self) -> None:
        if self.code not in TEXTS:
            near = nearest(str(self.code), [str(code) for code in TEXTS])
            raise InputError(f"code {self.code} has no text here{near}; give it one with 'text'")
        wanted = {name for _, name, _, _ in Formatter().parse(TEXTS[self.code]) if name}
        if wanted != set(self.fields):
            names = ", ".join(sorted(wanted)) or "none"
            raise InputError(f"the text of {self.code} needs these 'fields': {names}")


@dataclass(frozen=True, slots=True)
class Spoil:
    """Execute, and damage the answer.

    truncate: half of the JSON. cut: the connection breaks off in the middle of the body. empty: no
    body. html: a web page. wrong-type: the body under ``text/html``.
    """

    how: Literal["truncate", "cut", "empty", "html", "wrong-type"]


@dataclass(frozen=True, slots=True)
class Stale:
    """Answer what such a request (method, path, symbol) was answered the time before."""


@dataclass(frozen=True, slots=True)
class Do:
    """Have the exchange do something just before the request is executed, or (``after``) then."""

    act: Any
    after: bool = False


RequestAction = Delay | Lose | Answer | Spoil | Stale | Do
REQUEST_KINDS: dict[str, type[Any]] = {
    "delay": Delay,
    "lose": Lose,
    "answer": Answer,
    "spoil": Spoil,
    "stale": Stale,
    "act": Do,
}
OUTCOMES = (Lose, Answer, Spoil, Stale)
"""Kinds of which a request can have only one."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: int = 1008

    def __post_init__(self) -> None:
        if not 1000 <= self.code <= 4999 or self.code in (1005, 1006, 1015):
            raise InputError(f"a WebSocket can't be closed with code {self.code}")


@dataclass(frozen=True, slots=True)
class Stall:
    """The socket says nothing for ``length_ms`` of the exchange's time, for ever if 0."""

    length_ms: int = 0

    def __post_init__(self) -> None:
        at_least("length_ms", self.length_ms, 0)


@dataclass(frozen=True, slots=True)
class Huge:
    """A message of ``size`` bytes comes instead."""

    size: int = 1 << 20

    def __post_init__(self) -> None:
        at_least("size", self.size, 2)


@dataclass(frozen=True, slots=True)
class Replace:
    """``text`` comes instead."""

    text: str


@dataclass(frozen=True, slots=True)
class _Plain:
    """Nothing more to say."""


STREAM_KINDS: dict[str, type[Any]] = dict.fromkeys(get_args(StreamFault), _Plain) | {
    "close": Close,
    "stall": Stall,
    "huge": Huge,
    "replace": Replace,
}
"""What each kind of :class:`StreamAction` may be told."""


Action = RequestAction | StreamAction


def at_least(name: str, value: int, least: int) -> None:
    """Refuse what is too small."""
    if value < least:
        raise InputError(f"{name} must be at least {least}, not {value}")
