"""Order book: level updates per second of a replay, beside a dictionary that is sorted for its best.

The same recorded day and the same result, the best bid and ask after every message, for all: the
compiled replay, the live book fed message by message, and the plain way. The figures that count are
``level_updates_per_second`` and the ratio beside it; nothing is asserted about time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sortedcontainers import SortedDict

from riposte.market.book import OrderBook
from riposte.market.replay import DepthChanges, replay
from riposte.sources.level2 import read_level2

Message = tuple[int, int, int, list[Any], list[Any]]
Best = tuple[float, float]
FOLDER = (
    "BTCUSDT-20230404"  # starts with its snapshot, so that the peer needs no rule to hold changes
)


@pytest.fixture(scope="module")
def changes(market_data: Path) -> DepthChanges:
    return read_level2(market_data / "l2" / FOLDER).depth


def messages_of(changes: DepthChanges) -> list[Message]:
    """As they come from the exchange: numbers, and levels as pairs of texts."""
    out = []
    for m in range(len(changes)):
        rows = slice(int(changes.start[m]), int(changes.start[m + 1]))
        pairs = [
            [f"{price:.2f}", f"{quantity:.3f}"]
            for price, quantity in zip(changes.price[rows], changes.quantity[rows], strict=True)
        ]
        bids = int(changes.is_bid[rows].sum())
        numbers = changes.first_id[m], changes.final_id[m], changes.previous_id[m]
        out.append((*(int(n) for n in numbers), pairs[:bids], pairs[bids:]))
    return out


def plain(messages: list[Message]) -> list[Best]:
    """A dictionary for each side; its best by sorting the keys, as in many a first book."""
    return _peer(messages, dict, lambda bids, asks: (sorted(bids)[-1], sorted(asks)[0]))


def ordered(messages: list[Message]) -> list[Best]:
    """The same with sortedcontainers, which keeps the keys sorted."""
    return _peer(
        messages, SortedDict, lambda bids, asks: (bids.peekitem(-1)[0], asks.peekitem(0)[0])
    )


def _peer(messages: list[Message], make: Any, best_of: Callable[[Any, Any], Best]) -> list[Best]:
    sides = (make(), make())
    best = []
    for *_, bids, asks in messages:
        for side, levels in zip(sides, (bids, asks), strict=True):
            for text, amount in levels:
                price, quantity = float(text), float(amount)
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        best.append(best_of(*sides))
    return best


def live(messages: list[Message]) -> list[Best]:
    book = OrderBook("BTCUSDT")
    best = []
    for first, final, previous, bids, asks in messages:
        if first < 0:
            book.snapshot(final, bids, asks)
        else:
            book.change(first, final, previous, bids, asks)
        best.append((book.best_bid, book.best_ask))
    return best


def record(benchmark: Any, changes: DepthChanges, expected: list[Best]) -> None:
    messages = messages_of(changes)
    seconds = benchmark.stats.stats.min
    info = benchmark.extra_info
    info["level_updates_per_second"] = round(len(changes.price) / seconds)
    for name, peer in (("a_sorted_dict", plain), ("sortedcontainers", ordered)):
        started = time.perf_counter()
        best = peer(messages)
        taken = time.perf_counter() - started
        assert best == expected
        info[f"times_as_fast_as_{name}"] = round(taken / seconds, 1)


@pytest.mark.benchmark(group="order book, 325,000 recorded level updates in 16,000 messages")
def test_replay(benchmark: Any, changes: DepthChanges) -> None:
    history = benchmark.pedantic(replay, (changes,), rounds=5, warmup_rounds=1)
    best = np.column_stack([history.bids[:, 0, 0], history.asks[:, 0, 0]])
    record(benchmark, changes, [(bid, ask) for bid, ask in best.tolist()])


@pytest.mark.benchmark(group="order book, 325,000 recorded level updates in 16,000 messages")
def test_replay_with_twenty_levels(benchmark: Any, changes: DepthChanges) -> None:
    history = benchmark.pedantic(replay, (changes, 20), rounds=5, warmup_rounds=1)
    benchmark.extra_info["level_updates_per_second"] = round(
        len(changes.price) / benchmark.stats.stats.min
    )
    assert np.isfinite(history.bids).all()


@pytest.mark.benchmark(group="order book, 325,000 recorded level updates in 16,000 messages")
def test_live_book(benchmark: Any, changes: DepthChanges) -> None:
    best = benchmark.pedantic(live, (messages_of(changes),), rounds=2, warmup_rounds=1)
    record(benchmark, changes, best)
