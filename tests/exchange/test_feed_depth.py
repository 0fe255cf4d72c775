"""A recorded book on the exchange: its own book is the recorded one after every update."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from riposte.errors import DataError
from riposte.exchange.contract import contract_of
from riposte.exchange.core import Exchange
from riposte.exchange.events import Traded
from riposte.exchange.feed import Feed, HouseQuotes, HouseTrade, MarkPrice
from riposte.exchange.feeds.depth import RecordedBook, depth_feed
from riposte.exchange.journal import Journal
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for
from riposte.market.replay import replay
from riposte.sources.level2 import Level2, read_level2

LEVELS = 20
FOLDERS = ["BTCUSDT-20230404", "BTCUSDT-20240718", "ETHUSDT-20240718"]


def recorded(market_data: Path, name: str) -> tuple[Level2, RecordedBook]:
    record = read_level2(market_data / "l2" / name)
    contract = contract_of(instrument_for(record.symbol))
    return record, RecordedBook(
        contract,
        record.depth,
        record.trades.series,
        record.mark.series if record.mark else None,
        record.index.series if record.index else None,
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_the_book_is_the_recorded_one_after_every_update(market_data: Path, name: str) -> None:
    record, book = recorded(market_data, name)
    feed = depth_feed([book])
    contract = feed.contracts[0]
    exchange = Exchange(feed.contracts, start_ms=feed.start_ms, journal=Journal(keep=False))
    history = replay(record.depth, levels=LEVELS)
    times = np.maximum.accumulate(history.event_time // 1_000_000)

    def expected(row: int) -> list[list[tuple[int, int]]]:
        sides = []
        for side in (history.bids[row], history.asks[row]):
            ticks = np.rint(side[:, 0] * E8 / contract.tick_e8)
            steps = np.rint(side[:, 1] * E8 / contract.step_e8)
            sides.append([(int(t), int(s)) for t, s in zip(ticks, steps, strict=True)])
        return sides

    compared = prints = volume = sent = 0
    last, at = None, feed.start_ms
    for event in feed.events():
        if event.time_ms != at and isinstance(last, HouseQuotes):
            row = int(np.searchsorted(times, at, side="right")) - 1
            assert [list(s) for s in exchange.books[contract.symbol].depth(LEVELS)] == expected(row)
            compared += 1
        if isinstance(event, HouseQuotes | HouseTrade):
            last, at = event, event.time_ms
        sent += event.quantity if isinstance(event, HouseTrade) else 0
        exchange.apply(event)
        for told in exchange.take_events():
            if isinstance(told, Traded):
                prints, volume = prints + 1, volume + told.quantity
    assert compared > 1_000
    assert volume == sent > 0


def test_trades_are_the_recorded_ones(market_data: Path) -> None:
    record, book = recorded(market_data, FOLDERS[0])
    feed = depth_feed([book])
    trades = [event for event in feed.events() if isinstance(event, HouseTrade)]
    times = record.trades.series.event_time // 1_000_000
    chosen = (times > feed.start_ms) & (times < feed.end_ms)
    contract = feed.contracts[0]
    assert [t.price_ticks * contract.tick_e8 / E8 for t in trades] == pytest.approx(
        list(record.trades.series["price"][chosen]), abs=1e-9
    )
    assert sum(t.quantity for t in trades) * contract.step_e8 / E8 == pytest.approx(
        record.trades.series["quantity"][chosen].sum()
    )


def test_the_mark_price_is_the_recorded_one_else_the_middle(market_data: Path) -> None:
    record, book = recorded(market_data, FOLDERS[0])
    assert record.mark is not None
    feed = depth_feed([book])
    told = [event for event in feed.events() if isinstance(event, MarkPrice)]
    within = record.mark.series.between(feed.start_ms * 10**6 + 1, feed.end_ms * 10**6)
    assert [m.mark_e8 for m in told[-len(within) :]] == [
        round(float(p) * E8) for p in within["mark_price"]
    ]
    bare = depth_feed([dataclasses.replace(book, mark=None, index=None)])
    middles = [event for event in bare.events() if isinstance(event, MarkPrice)]
    assert {b.time_ms - a.time_ms for a, b in pairwise(middles)} == {1_000}
    first = next(m for m in told if m.time_ms >= middles[5].time_ms)
    assert abs(middles[5].mark_e8 / first.mark_e8 - 1) < 2e-3


def test_books_of_one_session_run_together_in_time_order_and_the_same_again(
    market_data: Path,
) -> None:
    feed: Feed = depth_feed([recorded(market_data, name)[1] for name in FOLDERS[1:]])
    events = list(feed.events())
    assert {event.symbol for event in events} == {"BTCUSDT", "ETHUSDT"}
    times = [event.time_ms for event in events]
    assert times == sorted(times)
    assert times[0] >= feed.start_ms
    assert times[-1] < feed.end_ms
    assert list(feed.events()) == events


def test_books_of_different_days_are_refused(market_data: Path) -> None:
    with pytest.raises(DataError, match="different times"):
        depth_feed([recorded(market_data, name)[1] for name in FOLDERS[:2]])
