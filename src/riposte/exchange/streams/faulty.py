"""What can go wrong with a message on its way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StreamFault = Literal[
    "drop", "duplicate", "reorder", "stall", "close", "truncate", "binary", "huge", "replace"
]


@dataclass(frozen=True, slots=True)
class StreamAction:
    """What happens to one message instead of being sent.

    drop: it is lost. duplicate: it comes twice. reorder: it comes after the next one. stall: it and
    all that follow for ``length_ms`` (0: for ever) are lost, and the socket answers no ping. close:
    the socket is closed with ``code``. truncate: its second half is missing. binary: it comes as a
    binary frame. huge: ``size`` bytes come instead. replace: ``text`` comes instead.
    """

    kind: StreamFault
    length_ms: int = 0
    code: int = 1008
    size: int = 1 << 20
    text: str = ""
