"""The book in bars: against a plain book of dictionaries, whole bars only, and never ahead of time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.errors import InputError
from riposte.market.assemble import assemble, gathered, whole_bars
from riposte.market.book_bars import SETTLE_NS, book_bars, ticker_bars
from riposte.market.frame import COLUMNS, Bars
from riposte.market.interval import INTERVALS, SECOND_NS, Interval
from riposte.market.replay import DepthChanges, make_depth_changes, replay
from riposte.market.series import make_series

SECOND, FIVE = INTERVALS["1s"], INTERVALS["5s"]
START = 1_700_000_000 * SECOND_NS
MS = 1_000_000
Level = tuple[float, float]
Message = tuple[int, list[Level], list[Level]]  # milliseconds, bids and asks that change

SNAPSHOT: Message = (-400, [(99.0, 5.0), (98.0, 4.0)], [(101.0, 3.0), (103.0, 6.0)])


def changes_of(
    messages: list[Message], lost: tuple[int, ...] = (), fresh: tuple[int, ...] = ()
) -> DepthChanges:
    """Messages that follow one another; ``fresh`` ones are snapshots, ``lost`` ones do not arrive."""
    rows: dict[str, list[int]] = {
        name: [] for name in ("event_time", "sent_time", "received_time", "first_id", "final_id", "previous_id")
    }  # fmt: skip
    levels: list[tuple[bool, bool, float, float]] = []
    for number, (at, bids, asks) in enumerate(messages):
        snapshot = number == 0 or number in fresh
        if number in lost:
            continue
        for is_bid, side in ((True, bids), (False, asks)):
            for price, quantity in side:
                levels.append((snapshot, is_bid, price, quantity))
                when = START + at * MS
                ids = (
                    (-1, 10 * number + 9, -1)
                    if snapshot
                    else (10 * number, 10 * number + 9, 10 * number - 1)
                )
                for name, value in zip(rows, (when, when + MS, when + 2 * MS, *ids), strict=True):
                    rows[name].append(value)
    return make_depth_changes(
        "BTCUSDT",
        {name: np.array(values, dtype=np.int64) for name, values in rows.items()},
        *(np.array([level[i] for level in levels]) for i in range(4)),
    )


def naive(messages: list[Message], interval: Interval) -> dict[int, dict[str, float]]:
    """The same bars with a dictionary for each side; bars that were crossed or empty left out."""
    bids: dict[float, float] = {}
    asks: dict[float, float] = {}
    last = START + messages[-1][0] * MS
    first = -(-(START + messages[0][0] * MS) // interval.ns) * interval.ns
    opens = range(first, last - SETTLE_NS - interval.ns + 1, interval.ns)
    found: dict[int, dict[str, float]] = {}
    names = list(book_bars(changes_of([SNAPSHOT]), SECOND).columns)
    for open_time in opens:
        found[open_time] = dict.fromkeys(names, 0.0)
    bad: set[int] = set()

    def top() -> tuple[float, float, float, float]:
        bid, ask = max(bids, default=math.nan), min(asks, default=math.nan)
        return bid, bids.get(bid, math.nan), ask, asks.get(ask, math.nan)

    def ranked(side: str) -> list[Level]:
        return sorted(bids.items(), reverse=True) if side == "bid" else sorted(asks.items())

    for number, (at, new_bids, new_asks) in enumerate(messages):
        now = START + at * MS
        bar = found.get(now // interval.ns * interval.ns) if number else None
        before = top()
        for side, book, changed in (("bid", bids, new_bids), ("ask", asks, new_asks)):
            for price, quantity in changed:
                best = [level for level, _ in ranked(side)][:10]
                inside = len(best) < 10 or (price >= best[9] if side == "bid" else price <= best[9])
                gain = quantity - book.get(price, 0.0)
                if bar is not None and inside and gain:
                    bar[f"{side}_added" if gain > 0 else f"{side}_removed"] += abs(gain)
                    bar[f"{side}_additions" if gain > 0 else f"{side}_removals"] += 1
                book.pop(price, None)
                if quantity:
                    book[price] = quantity
        after = top()
        if bar is not None:
            flow = 0.0
            flow += after[1] if after[0] >= before[0] else 0.0
            flow -= before[1] if after[0] <= before[0] else 0.0
            flow -= after[3] if after[2] <= before[2] else 0.0
            flow += before[3] if after[2] >= before[2] else 0.0
            bar["order_flow"] += flow
            bar["order_flow_size"] += abs(flow)
            bar["book_updates"] += 1
            bar["middle_changes"] += before[0] + before[2] != after[0] + after[2]
        until = START + messages[number + 1][0] * MS if number + 1 < len(messages) else now
        middle = (after[0] + after[2]) / 2
        for open_time, row in found.items():
            stop = open_time + interval.ns
            held = min(stop, until) - max(open_time, now)
            if not after[0] < after[2] and (held > 0 or row is bar):
                bad.add(open_time)
            if held > 0:
                row["mean_spread"] += (after[2] - after[0]) / middle * held / interval.ns
                row["mean_imbalance"] += (
                    (after[1] - after[3]) / (after[1] + after[3]) * held / interval.ns
                )
            if now < stop <= until:
                row |= dict(
                    zip(
                        ("best_bid", "best_bid_quantity", "best_ask", "best_ask_quantity"),
                        after,
                        strict=True,
                    )
                )
                for side in ("bid", "ask"):
                    ten = ranked(side)[:10]
                    coins = np.array([quantity for _, quantity in ten])
                    far = np.abs(np.array([price for price, _ in ten]) - middle) / middle
                    row[f"{side}_depth_5"] = coins[:5].sum()
                    row[f"{side}_depth_10"] = coins.sum()
                    row[f"{side}_distance_10"] = coins @ far / coins.sum() if len(ten) else math.nan
                    row[f"{side}_slope"] = (
                        np.polyfit(far, coins.cumsum(), 1)[0] if len(ten) > 1 else math.nan
                    )
    return {open_time: row for open_time, row in found.items() if open_time not in bad}


def agree(made: Bars, expected: dict[int, dict[str, float]]) -> None:
    assert made.open_time.tolist() == list(expected)
    for row, values in enumerate(expected.values()):
        for name, value in values.items():
            assert made[name][row] == pytest.approx(value, rel=1e-6, abs=1e-9, nan_ok=True), name


def test_one_bar_worked_out_by_hand() -> None:
    made = book_bars(
        changes_of([
            SNAPSHOT,
            (250, [(99.0, 7.0)], []),  # the best bid gains 2
            (500, [(100.0, 1.0)], [(101.0, 0.0)]),  # a better bid, and the best ask goes
            (1100, [(100.0, 9.0)], []),  # after the close
            (1300, [], [(103.0, 5.0)]),
        ]),
        SECOND,
    )  # fmt: skip
    assert made.open_time.tolist() == [START]
    row = {name: float(values[0]) for name, values in made.columns.items()}
    assert (row["best_bid"], row["best_bid_quantity"]) == (100.0, 1.0)
    assert (row["best_ask"], row["best_ask_quantity"]) == (103.0, 6.0)
    assert row["order_flow"] == 2.0 + (1.0 + 3.0)
    assert row["order_flow_size"] == 6.0
    assert (row["book_updates"], row["middle_changes"]) == (2.0, 1.0)
    assert (row["bid_added"], row["bid_additions"]) == (3.0, 2.0)
    assert (row["ask_removed"], row["ask_removals"], row["ask_added"]) == (3.0, 1.0, 0.0)
    assert row["mean_spread"] == pytest.approx(0.5 * 2 / 100 + 0.5 * 3 / 101.5, rel=1e-12)
    imbalance = 0.25 * 2 / 8 + 0.25 * 4 / 10 + 0.5 * (1 - 6) / 7
    assert row["mean_imbalance"] == pytest.approx(imbalance, rel=1e-12)
    assert (row["bid_depth_5"], row["bid_depth_10"]) == (12.0, 12.0)
    far = (1.5 * 1 + 2.5 * 7 + 3.5 * 4) / 12 / 101.5
    assert row["bid_distance_10"] == pytest.approx(far, rel=1e-12)
    slope = (-1 * (1 - 7) + 1 * (12 - 7)) / 2 * 101.5  # least squares over three levels 1 apart
    assert row["bid_slope"] == pytest.approx(slope, rel=1e-9)
    assert np.isnan(row["ask_slope"]), "one level has no slope"


steps = st.lists(
    st.tuples(
        st.integers(1, 700),
        st.booleans(),
        st.integers(1, 14),
        st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 7.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@given(steps, st.integers(0, 4), st.sampled_from([SECOND, FIVE]))
def test_bars_equal_those_of_a_book_of_dictionaries(
    drawn: list[tuple[int, bool, int, float]], overlap: int, interval: Interval
) -> None:
    """Up to fourteen levels a side; where the sides overlap the book is crossed now and then."""
    bids = [(100.0 - i, 1.0 + i) for i in range(12)]
    asks = [(101.0 + i, 2.0 + i) for i in range(12)]
    messages: list[Message] = [(-400, bids, asks)]
    at = -400
    for wait, is_bid, place, quantity in drawn:
        at += wait
        price = 101.0 + overlap / 4 - place if is_bid else 100.0 - overlap / 4 + place
        level = [(price, quantity)]
        messages.append((at, level if is_bid else [], [] if is_bid else level))
    messages.append((at + 120, [(50.0, 1.0)], []))
    agree(book_bars(changes_of(messages), interval), naive(messages, interval))


def quiet(count: int, step: int = 300) -> list[Message]:
    """A snapshot and messages at even distances that change one bid and one ask."""
    return [
        SNAPSHOT,
        *((step * i, [(99.0, 5.0 + i % 3)], [(101.0, 3.0 + i % 2)]) for i in range(count)),
    ]


def seconds(made: Bars) -> list[int]:
    return [int(t) for t in (made.open_time - START) // SECOND_NS]


def test_a_bar_is_given_only_when_the_record_reaches_beyond_its_close() -> None:
    assert seconds(book_bars(changes_of([*quiet(4), (1099, [(97.0, 1.0)], [])]), SECOND)) == []
    assert seconds(book_bars(changes_of([*quiet(4), (1100, [(97.0, 1.0)], [])]), SECOND)) == [0]
    late = book_bars(changes_of([*quiet(4), (1000, [(97.0, 1.0)], [])]), SECOND, settle_ns=0)
    assert seconds(late) == [0]


def test_bars_in_which_the_book_was_lost_are_left_out_until_a_new_snapshot_stands() -> None:
    messages = quiet(40)
    messages[20] = (5700, SNAPSHOT[1], SNAPSHOT[2])  # a snapshot 5.7 s in
    broken = changes_of(messages, lost=(12, 13), fresh=(20,))
    history = replay(broken)
    assert len(history.breaks) == 1
    # Followed to 3.0 s, lost from there to 5.7 s, whole again from 6 s on.
    assert seconds(book_bars(broken, SECOND, history=history)) == [0, 1, 2, 6, 7, 8, 9, 10]
    unbroken = book_bars(changes_of(messages), SECOND)
    rows = np.isin(unbroken.open_time, book_bars(broken, SECOND).open_time)
    assert rows.sum() == 8
    for name in ("best_bid", "order_flow", "bid_added"):
        after = np.flatnonzero(rows)[3:]
        np.testing.assert_array_equal(unbroken[name][after], book_bars(broken, SECOND)[name][3:])


def test_a_crossed_book_has_no_bar() -> None:
    messages = quiet(20)
    messages.insert(6, (1250, [(102.0, 1.0)], []))
    messages.insert(8, (1550, [(102.0, 0.0)], []))
    assert seconds(book_bars(changes_of(messages), SECOND)) == [0, 2, 3, 4]


def test_nothing_recorded_or_no_snapshot_gives_no_bar() -> None:
    assert len(book_bars(changes_of([SNAPSHOT]), SECOND)) == 0
    never = changes_of(quiet(20), lost=(0,))
    assert len(book_bars(never, SECOND)) in {
        0,
        5,
    }  # the first message that is there is the snapshot


@settings(max_examples=30)
@given(st.integers(1, 59))
def test_cutting_the_record_off_changes_no_bar_that_was_given(cut: int) -> None:
    chance = np.random.default_rng(7)
    messages: list[Message] = [(-400, [(99.0, 5.0), (98.0, 1.0)], [(101.0, 3.0)])]
    coins = chance.integers(1, 9, (60, 2)).astype(float).tolist()
    places = chance.integers(98, 100, 60).astype(float).tolist()
    times = np.cumsum(chance.integers(50, 400, 60)).tolist()
    messages += [
        (at, [(place, bid)], [(101.0, ask)])
        for at, place, (bid, ask) in zip(times, places, coins, strict=True)
    ]
    whole, part = (book_bars(changes_of(m), SECOND) for m in (messages, messages[: cut + 1]))
    assert np.array_equal(part.open_time, whole.open_time[: len(part)])
    for name, values in part.columns.items():
        assert values.tobytes() == whole[name][: len(part)].tobytes(), name


def test_longer_bars_are_gathered_from_shorter_ones() -> None:
    changes = changes_of(quiet(200, 97))
    fine, direct = book_bars(changes, SECOND), book_bars(changes, FIVE)
    starts = whole_bars(fine.open_time, SECOND, FIVE)
    assert np.array_equal(fine.open_time[starts], direct.open_time)
    for name, values in fine.columns.items():
        made = gathered(values, starts, 5, COLUMNS[name].gather)
        np.testing.assert_allclose(made, direct[name], rtol=1e-12, err_msg=name)


def test_the_best_bid_and_ask_alone_give_the_same_columns() -> None:
    messages = [*quiet(30), (9100, [(99.5, 2.0)], [(101.0, 0.0)]), (9900, [(99.5, 1.0)], []), (10_500, [], [(103.0, 2.0)])]  # fmt: skip
    history = replay(changes_of(messages))
    ticker = make_series(
        "book_ticker", "BTCUSDT", None, history.event_time,
        {
            "update_id": history.update_id.astype(np.float64),
            "bid_price": history.bids[:, 0, 0],
            "bid_quantity": history.bids[:, 0, 1],
            "ask_price": history.asks[:, 0, 0],
            "ask_quantity": history.asks[:, 0, 1],
        },
    )  # fmt: skip
    top, book = ticker_bars(ticker, SECOND), book_bars(changes_of(messages), SECOND)
    assert seconds(top) == seconds(book) == list(range(10))
    for name, values in top.columns.items():
        np.testing.assert_allclose(values, book[name], rtol=1e-12, err_msg=name)
    flat = {name: np.full(12, 100.0) for name in ("open", "high", "low", "close", "volume")}
    opens = START + np.arange(12, dtype=np.int64) * SECOND_NS
    klines = make_series("klines", "BTCUSDT", SECOND, opens, flat)
    frame = assemble("BTCUSDT", SECOND, {"klines": klines, "book_ticker": ticker})
    np.testing.assert_array_equal(frame["best_bid"][:10], top["best_bid"])
    assert np.isnan(frame["best_bid"][10:]).all()
    assert not frame.has("bid_depth_10")
    prices = {"mark_price": np.full(len(ticker), 100.0)}
    mark = make_series("mark", "BTCUSDT", None, ticker.event_time, prices)
    with pytest.raises(InputError, match="made of book_ticker, not of mark"):
        ticker_bars(mark, SECOND)
