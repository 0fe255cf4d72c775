"""Streams go out from here."""

from __future__ import annotations

from collections.abc import Sequence

from riposte.exchange.core import Exchange
from riposte.exchange.events import Event
from riposte.exchange.streams.listen_keys import NEVER_MS, ListenKeys
from riposte.exchange.tape import Tape


class Hub:
    """Nobody can listen yet."""

    def __init__(self, exchange: Exchange, tape: Tape, listen_keys: ListenKeys) -> None:
        self.exchange, self.tape, self.listen_keys = exchange, tape, listen_keys
        self.due_ms = NEVER_MS

    def publish(self, events: Sequence[Event], now_ms: int) -> None:
        """Nobody listens."""
