"""A feed put together of the events of several contracts, in time order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from riposte.errors import DataError
from riposte.exchange.contract import Contract
from riposte.exchange.feed import FeedEvent, History

Source = Callable[[], Iterator[FeedEvent]]
"""Starts one contract's events, in time order; the same each time."""


@dataclass(slots=True)
class ComposedFeed:
    """Merges its sources as they go; of events at one time those of the earlier source come first."""

    contracts: Sequence[Contract]
    start_ms: int
    end_ms: int
    sources: Sequence[Source]
    histories: Mapping[str, History] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """What a person should know of the record, one sentence each."""

    def __post_init__(self) -> None:
        if self.start_ms >= self.end_ms:
            raise DataError("the feed has nothing to bring in that time range")

    def history(self, symbol: str) -> History | None:
        """What happened before ``start_ms``."""
        return self.histories.get(symbol)

    def events(self) -> Iterator[FeedEvent]:
        """All events from ``start_ms`` to ``end_ms``, made as they are asked for."""
        return heapq.merge(*(start() for start in self.sources), key=attrgetter("time_ms"))
