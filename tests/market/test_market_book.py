"""The local order book against an exchange that is modelled with dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError
from riposte.market.book import OrderBook, Outcome, Sync, judge
from riposte.market.replay import BookHistory, DepthChanges, make_depth_changes, replay

Side = dict[float, float]
FAR_BID, FAR_ASK = 50.0, 150.0  # levels that stay, so that no side is ever empty


@dataclass(frozen=True)
class Message:
    """A snapshot (``first_id`` None) or a change, as the exchange sends it."""

    first_id: int | None
    final_id: int
    previous_id: int
    bids: Side
    asks: Side


class Exchange:
    """Every update there ever was; the book as of any of them."""

    def __init__(self, updates: list[tuple[int, bool, int, int]], sizes: list[int]) -> None:
        self.updates: list[tuple[int, bool, float, float]] = []
        number = 100
        for step, is_bid, offset, quantity in updates:
            number += step
            price = round(100.0 - offset if is_bid else 100.1 + offset, 1)
            self.updates.append((number, is_bid, price, float(quantity)))
        self.messages: list[Message] = []
        previous, row = 100, 0
        for size in sizes:
            part = self.updates[row : row + size]
            if not part:
                break
            sides: tuple[Side, Side] = ({}, {})
            for _, is_bid, price, quantity in part:
                sides[not is_bid][price] = quantity
            self.messages.append(Message(part[0][0], part[-1][0], previous, *sides))
            previous, row = part[-1][0], row + size

    def book(self, number: int) -> tuple[Side, Side]:
        sides: tuple[Side, Side] = ({FAR_BID: 9.0}, {FAR_ASK: 9.0})
        for at, is_bid, price, quantity in self.updates:
            if at <= number:
                sides[not is_bid][price] = quantity
        bids, asks = ({p: q for p, q in side.items() if q} for side in sides)
        return bids, asks

    def snapshot(self, number: int) -> Message:
        return Message(None, number, -1, *self.book(number))


def rows(side: Side) -> list[list[str]]:
    return [[f"{price:.1f}", f"{quantity:.3f}"] for price, quantity in side.items()]


def feed(book: OrderBook, message: Message) -> Outcome:
    bids, asks = rows(message.bids), rows(message.asks)
    if message.first_id is None:
        return book.snapshot(message.final_id, bids, asks)
    return book.change(message.first_id, message.final_id, message.previous_id, bids, asks)


def recorded(messages: list[Message]) -> DepthChanges:
    levels = [
        (m, is_bid, price, quantity)
        for m, message in enumerate(messages)
        for is_bid, side in ((True, message.bids), (False, message.asks))
        for price, quantity in side.items()
    ]
    at = np.array([row[0] for row in levels])
    numbers = {
        "first_id": [-1 if m.first_id is None else m.first_id for m in messages],
        "final_id": [m.final_id for m in messages],
        "previous_id": [m.previous_id for m in messages],
        "event_time": [10 * m.final_id for m in messages],
        "sent_time": [10 * m.final_id + 1 for m in messages],
        "received_time": [10**6 + m for m in range(len(messages))],
    }
    return make_depth_changes(
        "BTCUSDT",
        {name: np.array(values)[at] for name, values in numbers.items()},
        np.array([messages[m].first_id is None for m in at]),
        np.array([row[1] for row in levels]),
        np.array([row[2] for row in levels]),
        np.array([row[3] for row in levels]),
    )


def sides_of(book: OrderBook) -> tuple[Side, Side]:
    return dict(book.bids().tolist()), dict(book.asks().tolist())


updates = st.lists(
    st.tuples(st.integers(1, 3), st.booleans(), st.integers(0, 6), st.integers(0, 3)),
    min_size=1,
    max_size=40,
)
sizes = st.lists(st.integers(1, 4), min_size=40, max_size=40)
# What happens to each message on its way: lost, arrived, arrived twice; and now and then a
# snapshot, taken so many updates before the newest one that has arrived.
ways = st.lists(
    st.tuples(st.sampled_from([0, 1, 1, 1, 1, 2]), st.none() | st.integers(0, 8)),
    min_size=40,
    max_size=40,
)


def arrivals(exchange: Exchange, way: list[tuple[int, int | None]]) -> Iterator[Message]:
    numbers = [100, *(number for number, *_ in exchange.updates)]
    for message, (times, snapshot) in zip(exchange.messages, way, strict=False):
        yield from [message] * times
        if snapshot is not None:
            newest = numbers.index(message.final_id)
            yield exchange.snapshot(numbers[max(0, newest - snapshot)])


@given(updates, sizes, ways)
def test_a_book_that_has_a_snapshot_is_the_exchange_s_book_of_its_last_update(
    made: list[tuple[int, bool, int, int]], size: list[int], way: list[tuple[int, int | None]]
) -> None:
    """Whatever is lost, repeated or overtaken on the way: the book is right or says that it waits."""
    exchange = Exchange(made, size)
    book = OrderBook("BTCUSDT")
    for message in arrivals(exchange, way):
        before = book.last_id, sides_of(book), book.sync
        outcome = feed(book, message)
        if book.sync != Sync.WAITING:
            assert sides_of(book) == exchange.book(book.last_id)
        if outcome in (Outcome.STALE, Outcome.HELD):
            assert (book.last_id, sides_of(book), book.sync) == before
        if outcome == Outcome.BREAK:
            assert book.sync == Sync.WAITING


@given(updates, sizes, ways)
def test_a_replay_takes_what_the_live_book_takes(
    made: list[tuple[int, bool, int, int]], size: list[int], way: list[tuple[int, int | None]]
) -> None:
    exchange = Exchange(made, size)
    messages = list(arrivals(exchange, way))
    if not messages:
        return
    changes = recorded(messages)
    history = replay(changes, levels=3)
    assert len(np.unique(history.message)) == len(history)
    for row, number in enumerate(history.update_id):
        bids, asks = exchange.book(int(number))
        best = sorted(bids.items(), reverse=True)[:3], sorted(asks.items())[:3]
        for levels, wanted in zip((history.bids[row], history.asks[row]), best, strict=True):
            assert levels[: len(wanted)].tolist() == [list(level) for level in wanted]
            assert np.isnan(levels[len(wanted) :]).all()
    book = OrderBook("BTCUSDT")
    outcomes = [feed(book, message) for message in messages]
    if book.sync != Sync.WAITING:
        assert history.update_id[-1] == book.last_id
        assert len(history.never_taken) == 0
    assert (len(history.breaks) > 0) == (Outcome.BREAK in outcomes)


@pytest.mark.parametrize(
    ("sync", "first", "final", "previous", "outcome"),
    [
        (Sync.WAITING, 95, 105, 94, Outcome.HELD),
        (Sync.STARTED, 90, 99, 89, Outcome.STALE),
        (Sync.STARTED, 90, 100, 89, Outcome.APPLIED),
        (Sync.STARTED, 95, 105, 94, Outcome.APPLIED),
        (Sync.STARTED, 100, 105, 99, Outcome.APPLIED),
        (Sync.STARTED, 103, 105, 100, Outcome.APPLIED),
        (Sync.STARTED, 101, 105, 99, Outcome.BREAK),
        (Sync.FOLLOWING, 101, 105, 100, Outcome.APPLIED),
        (Sync.FOLLOWING, 95, 100, 94, Outcome.STALE),
        (Sync.FOLLOWING, 104, 105, 103, Outcome.BREAK),
        (Sync.FOLLOWING, 98, 105, 97, Outcome.BREAK),
    ],
)
def test_the_rule_judges_a_message_by_its_three_numbers(
    sync: Sync, first: int, final: int, previous: int, outcome: Outcome
) -> None:
    assert judge(sync, 100, first, final, previous) is outcome


def started(bids: Side | None = None, asks: Side | None = None) -> OrderBook:
    book = OrderBook("BTCUSDT")
    taken = book.snapshot(
        100,
        rows(bids or {100.0: 1.0, 99.0: 2.0, 95.0: 3.0}),
        rows(asks or {101.0: 4.0, 105.0: 5.0}),
    )
    assert taken is Outcome.APPLIED
    return book


def test_messages_that_overtook_the_snapshot_are_taken_after_it() -> None:
    book = OrderBook("BTCUSDT")
    assert book.change(90, 95, 80, [["100.0", "7"]], []) is Outcome.HELD
    assert book.change(96, 105, 95, [["100.0", "8"]], []) is Outcome.HELD
    assert book.change(106, 110, 105, [["99.0", "0"]], []) is Outcome.HELD
    assert book.sync is Sync.WAITING
    assert book.snapshot(100, [["100.0", "1"], ["99.0", "2"]], [["101.0", "4"]]) is Outcome.APPLIED
    assert book.sync is Sync.FOLLOWING
    assert book.last_id == 110
    assert sides_of(book) == ({100.0: 8.0}, {101.0: 4.0})


def test_a_lost_message_is_reported_and_the_book_recovers_with_an_older_snapshot() -> None:
    book = started()
    assert book.change(101, 110, 100, [["100.0", "2"]], []) is Outcome.APPLIED
    assert book.change(121, 130, 120, [["100.0", "4"]], []) is Outcome.BREAK
    assert book.sync is Sync.WAITING
    assert book.change(131, 140, 130, [["98.0", "1"]], []) is Outcome.HELD
    late = [["100.0", "3"], ["99.0", "2"]], [["101.0", "4"]]
    assert book.snapshot(115, *late) is Outcome.BREAK, "the lost message is not in it"
    assert book.snapshot(125, *late) is Outcome.APPLIED
    assert book.last_id == 140
    assert sides_of(book)[0] == {100.0: 4.0, 99.0: 2.0, 98.0: 1.0}


def test_a_snapshot_older_than_a_following_book_changes_nothing() -> None:
    book = started()
    book.change(101, 110, 100, [["100.0", "2"]], [])
    assert book.snapshot(105, [["1.0", "1"]], [["2.0", "1"]]) is Outcome.STALE
    assert book.sync is Sync.FOLLOWING
    assert book.best_bid == 100.0


def test_only_the_newest_messages_are_held() -> None:
    book = OrderBook("BTCUSDT", held=2)
    for number in range(101, 104):
        book.change(number, number, number - 1, [["100.0", str(number)]], [])
    assert book.snapshot(100, [], []) is Outcome.BREAK, "the first one was let go"
    assert book.snapshot(101, [], []) is Outcome.APPLIED
    assert book.bids().tolist() == [[100.0, 103.0]]


@pytest.mark.parametrize(
    "level", [["nan", "1"], ["0", "1"], ["-5", "1"], ["100", "-1"], ["1", "inf"]]
)
def test_a_message_with_an_impossible_level_is_not_taken_in_part(level: list[str]) -> None:
    book = started()
    before = sides_of(book)
    assert book.change(101, 110, 100, [["100.0", "9"], level], []) is Outcome.UNSOUND
    assert book.sync is Sync.WAITING
    assert sides_of(book) == before
    assert OrderBook("BTCUSDT").snapshot(100, [level], []) is Outcome.UNSOUND


@pytest.mark.parametrize(
    "levels", [[["a", "1"]], [["1"], ["2"]], [["1", "2", "3"]] * 2, [["1", "2"], ["3"]]]
)
def test_levels_that_are_not_pairs_of_numbers_are_refused(levels: list[list[str]]) -> None:
    with pytest.raises(DataError, match="not rows of price and quantity"):
        started().change(101, 110, 100, levels, [])


def test_best_prices_and_levels_are_given_the_best_first() -> None:
    book = started()
    assert (book.best_bid, book.best_ask, book.middle) == (100.0, 101.0, 100.5)
    assert book.bids(2).tolist() == [[100.0, 1.0], [99.0, 2.0]]
    assert book.asks(9).tolist() == [[101.0, 4.0], [105.0, 5.0]]
    book.bids(1)[0, 0] = 0.0
    assert book.best_bid == 100.0, "what is given is a copy"


def test_an_empty_book_has_no_prices() -> None:
    book = OrderBook("BTCUSDT")
    assert np.isnan([book.best_bid, book.best_ask, book.middle]).all()
    assert not book.crossed
    assert book.bids().shape == (0, 2)


def test_a_crossed_book_is_seen() -> None:
    book = started()
    assert not book.crossed
    assert book.change(101, 110, 100, [["101.0", "1"]], []) is Outcome.APPLIED
    assert book.crossed


def test_depth_is_summed_to_a_distance_and_says_whether_it_is_whole() -> None:
    book = started()
    near = book.within(0.01)
    assert (near.bid_quantity, near.bid_notional) == (1.0, 100.0)
    assert (near.ask_quantity, near.ask_notional) == (4.0, 404.0)
    assert near.whole
    wide = book.within(0.05)
    assert (wide.bid_quantity, wide.ask_quantity) == (3.0, 9.0)
    assert not wide.whole, "95.475 is known, 105.525 lies beyond the snapshot"
    book.change(101, 110, 100, [], [["105.2", "1"]])
    assert book.within(0.05).ask_quantity == 10.0
    assert not book.within(0.05).whole


def test_a_book_may_grow_far_beyond_its_first_size() -> None:
    bids = {round(100.0 - i / 10, 1): 1.0 + i for i in range(900)}
    asks = {round(101.0 + i / 10, 1): 1.0 + i for i in range(5000)}
    book = started(bids, asks)
    assert sides_of(book) == (bids, asks)
    more = {round(1000.0 + i / 10, 1): 2.0 for i in range(5000)}
    book.change(101, 110, 100, [], np.array(list(more.items())))
    assert sides_of(book) == (bids, asks | more)


def test_a_restarted_book_waits_for_a_snapshot() -> None:
    book = started()
    book.restart()
    assert book.sync is Sync.WAITING
    assert book.change(101, 110, 100, [["100.0", "2"]], []) is Outcome.HELD


def history_of(*messages: Message) -> BookHistory:
    return replay(recorded(list(messages)))


SNAPSHOT = Message(None, 100, -1, {100.0: 1.0}, {101.0: 1.0})


def test_a_replayed_message_that_was_held_is_known_with_its_snapshot() -> None:
    held = Message(95, 105, 94, {100.0: 2.0}, {})
    history = history_of(held, SNAPSHOT, Message(106, 110, 105, {100.0: 3.0}, {}))
    assert history.message.tolist() == [1, 0, 2]
    assert history.update_id.tolist() == [100, 105, 110]
    assert history.event_time.tolist() == [1000, 1050, 1100]
    assert history.known_time.tolist() == [10**6 + 1, 10**6 + 1, 10**6 + 2]
    assert history.bids[:, 0, 1].tolist() == [1.0, 2.0, 3.0]


def test_a_replay_names_breaks_impossible_levels_and_what_it_never_took() -> None:
    lost = history_of(SNAPSHOT, Message(103, 105, 102, {100.0: 2.0}, {}))
    assert (lost.breaks.tolist(), lost.never_taken.tolist(), len(lost)) == ([1], [1], 1)
    odd = history_of(SNAPSHOT, Message(101, 105, 100, {100.0: -2.0}, {}))
    assert (odd.unsound.tolist(), len(odd)) == ([1], 1)
    crossed = history_of(SNAPSHOT, Message(101, 105, 100, {101.0: 2.0}, {}))
    assert crossed.crossed.tolist() == [False, True]


def test_recorded_rows_without_rows_or_of_several_lengths_are_refused() -> None:
    changes = recorded([SNAPSHOT])
    numbers = {"final_id": changes.final_id}
    with pytest.raises(DataError, match="columns of"):
        make_depth_changes(
            "X", numbers, changes.is_snapshot, changes.is_bid, changes.price, changes.quantity
        )
