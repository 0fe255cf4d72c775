"""Whatever range is asked for: every observation in it once, in order, in pages, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from exchange_answers import MS, Exchange, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, Interval
from riposte.market.series import Series
from riposte.sources.labels import LABELS_START_NS, period_end
from riposte.sources.rest.client import Client
from riposte.sources.rest.history import fetch

NOW = int(np.datetime64("2026-11-20T10:30:30", "ns").astype(np.int64))
TRADES = [
    {"a": 100 + n, "p": "10.5", "q": "0.1", "f": 2 * n, "l": 2 * n + 1, "m": n % 2 == 0,
     "T": NOW // MS - 4 * 3_600_000 + n // 3 + 5_400_000 * (n // 1700), "nq": "0.1"}
    for n in range(3400)
]  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Exchange, Client]]:
    exchange = Exchange(NOW // MS, trades=TRADES)
    with serving(exchange) as url:
        yield exchange, Client(url, lambda: NOW, lambda _: None)


def got(
    place: tuple[Exchange, Client], kind: str, interval: Interval | None, start: int, stop: int
) -> list[Series]:
    place[0].asked.clear()
    return list(fetch(place[1], kind, "BTCUSDT", interval, start, stop, NOW))


def times(pieces: list[Series]) -> list[int]:
    return [int(t) for piece in pieces for t in piece.event_time]


@settings(max_examples=25)
@given(
    kind=st.sampled_from(["mark", "index", "premium"]),
    back=st.integers(0, 2500 * MINUTE_NS),
    length=st.integers(0, 2600 * MINUTE_NS),
)
def test_ends_of_bars(place: tuple[Exchange, Client], kind: str, back: int, length: int) -> None:
    start, stop = NOW - back, NOW - back + length
    first = -(-start // MINUTE_NS) * MINUTE_NS
    expected = list(range(first, min(stop, NOW + 1), MINUTE_NS))
    assert times(got(place, kind, INTERVALS["1m"], start, stop)) == expected


@settings(max_examples=25)
@given(back=st.integers(0, 500 * DAY_NS), length=st.integers(0, 600 * DAY_NS))
def test_settlements(place: tuple[Exchange, Client], back: int, length: int) -> None:
    start, stop = NOW - back, NOW - back + length
    step = 4 * HOUR_NS
    expected = list(range(-(-start // step) * step, min(stop, NOW + 1), step))
    # One of this very moment may be stamped after it.
    assert times(got(place, "funding", None, start, stop)) == expected


@settings(max_examples=25)
@given(
    kind=st.sampled_from(["open_interest", "ratios"]),
    name=st.sampled_from(["5m", "15m", "1h"]),
    back=st.integers(0, 29 * DAY_NS),
    length=st.integers(0, 31 * DAY_NS),
)
def test_periods(
    place: tuple[Exchange, Client], kind: str, name: str, back: int, length: int
) -> None:
    start, stop = NOW - back, NOW - back + length
    step = INTERVALS[name].ns
    expected = list(range(-(-start // step) * step, min(stop, NOW + 1), step))
    assert times(got(place, kind, INTERVALS[name], start, stop)) == expected
    assert all(len(piece) <= 500 for piece in got(place, kind, INTERVALS[name], start, stop))


@settings(max_examples=25)
@given(back=st.integers(0, 5 * HOUR_NS), length=st.integers(0, 6 * HOUR_NS))
def test_trades(place: tuple[Exchange, Client], back: int, length: int) -> None:
    start, stop = NOW - back, NOW - back + length
    pieces = got(place, "agg_trades", None, start, stop)
    expected = [t["a"] for t in TRADES if start <= t["T"] * MS < stop]
    assert [int(n) for piece in pieces for n in piece["trade_id"]] == expected
    assert not any("fromId" in query and "startTime" in query for _, query in place[0].asked)


def test_a_page_is_handed_over_before_the_next_is_asked_for(
    place: tuple[Exchange, Client],
) -> None:
    exchange, client = place
    wanted = (
        ("klines", INTERVALS["1m"], 2500 * MINUTE_NS, 1),
        ("funding", None, 400 * DAY_NS, 1),
        ("open_interest", INTERVALS["5m"], 20 * DAY_NS, 1),
        ("ratios", INTERVALS["5m"], 20 * DAY_NS, 4),
    )
    for kind, interval, back, requests in wanted:
        exchange.asked.clear()
        pieces = fetch(client, kind, "BTCUSDT", interval, NOW - back, NOW, NOW)
        assert not exchange.asked
        next(pieces)
        assert len(exchange.asked) == requests, kind


@given(
    end=st.integers(-3000, 3000),
    name=st.sampled_from(["5m", "15m", "1h", "4h", "1d"]),
)
def test_no_label_tells_a_value_before_its_period_is_over(end: int, name: str) -> None:
    step = INTERVALS[name].ns
    ended = LABELS_START_NS + end * step
    label = ended if ended <= LABELS_START_NS else ended - step
    told = int(period_end(np.array([label], dtype=np.int64), step)[0])
    # The label of the change stands for two periods, and is taken for the later.
    assert told == ended or (label == LABELS_START_NS and told == ended + step)
    assert told >= ended
