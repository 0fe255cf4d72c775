"""History over REST: whole, in order, final bars only, within the exchange's limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from exchange_answers import CHANGE, MS, Exchange, bar, interest, rate, serving
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.errors import DataError, ExchangeError, InputError
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from riposte.market.series import Series
from riposte.sources.labels import LABELS_START_NS, period_end
from riposte.sources.rest.client import Client
from riposte.sources.rest.history import earliest, fetch
from riposte.sources.rest.present import (
    clock_offset,
    funding_hours,
    funding_now,
    open_interest_now,
    server_time,
)

NOW = int(np.datetime64("2026-11-20T10:30:30", "ns").astype(np.int64))
MINUTE, FIVE, HOUR = INTERVALS["1m"], INTERVALS["5m"], INTERVALS["1h"]


@dataclass
class Clock:
    """A clock that only sleeping moves on."""

    now: int = NOW
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += int(seconds * SECOND_NS)


@dataclass
class Place:
    exchange: Exchange
    client: Client
    clock: Clock

    def get(self, kind: str, interval: object, start: int, stop: int = NOW + 1) -> list[Series]:
        return list(fetch(self.client, kind, "BTCUSDT", interval, start, stop, NOW))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Exchange, str]]:
    exchange = Exchange(NOW // MS)
    with serving(exchange) as url:
        yield exchange, url


@pytest.fixture
def place(server: tuple[Exchange, str]) -> Place:
    exchange, url = server
    exchange.asked.clear()
    exchange.faults.clear()
    exchange.listed_ms, exchange.used_weight, exchange.now_ms = 0, 1, NOW // MS
    clock = Clock()
    return Place(exchange, Client(url, clock, clock.sleep), clock)


def times(pieces: list[Series]) -> np.ndarray:
    return np.concatenate([piece.event_time for piece in pieces])


@settings(max_examples=40)
@given(back=st.integers(0, 3000), length=st.integers(0, 3100))
def test_pages_of_candles_are_the_table_and_only_final_bars(
    server: tuple[Exchange, str], back: int, length: int
) -> None:
    exchange, url = server
    exchange.faults.clear()
    clock = Clock()
    start = NOW - back * MINUTE_NS
    stop = start + length * MINUTE_NS
    pieces = list(
        fetch(Client(url, clock, clock.sleep), "klines", "BTCUSDT", MINUTE, start, stop, NOW)
    )
    first = -(-start // MINUTE_NS) * MINUTE_NS
    expected = [t for t in range(first, stop, MINUTE_NS) if t + MINUTE_NS <= NOW]
    assert [int(t) for piece in pieces for t in piece.event_time] == expected
    for piece in pieces:
        row = bar(int(piece.event_time[0]) // MS, 60_000)
        assert piece["close"][0] == float(row[4])
        assert piece["quote_volume"][0] == float(row[7])
        assert piece["trade_count"][0] == row[8]
        assert piece["taker_buy_volume"][0] == float(row[9])


@pytest.mark.parametrize(
    ("kind", "column"), [("mark", "mark_price"), ("index", "index_price"), ("premium", "premium")]
)
def test_values_that_close_a_bar_are_stamped_with_its_end(
    place: Place, kind: str, column: str
) -> None:
    pieces = place.get(kind, HOUR, NOW - 3 * HOUR_NS)
    ends = times(pieces)
    assert ends.tolist() == [t for t in range(0, NOW + 1, HOUR_NS) if NOW - 3 * HOUR_NS <= t <= NOW]
    assert pieces[0][column][0] == float(bar(int(ends[0] - HOUR_NS) // MS, 3_600_000)[4])
    assert ("pair" if kind == "index" else "symbol") in place.exchange.asked[0][1]


def test_a_symbol_listed_later_begins_where_it_begins(place: Place) -> None:
    place.exchange.listed_ms = (NOW - 90 * MINUTE_NS) // MS
    pieces = place.get("klines", MINUTE, NOW - DAY_NS)
    assert len(times(pieces)) == 89


def test_settlements_are_whole_seconds_and_each_once(place: Place) -> None:
    start = NOW - 400 * DAY_NS
    pieces = place.get("funding", None, start)
    got = times(pieces)
    assert len(pieces) == 3  # pages of a thousand
    expected = [t for t in range(0, NOW + 1, 4 * HOUR_NS) if t >= start]
    assert got.tolist() == expected
    assert pieces[0]["funding_rate"][0] == float(rate(expected[0] // MS))


@pytest.mark.parametrize("kind", ["open_interest", "ratios"])
def test_thirty_days_of_periods_and_not_more(place: Place, kind: str) -> None:
    pieces = place.get(kind, FIVE, NOW - 400 * DAY_NS)
    got = times(pieces)
    limit = earliest(kind, NOW)
    assert limit is not None
    assert got[0] == -(-limit // (5 * MINUTE_NS)) * 5 * MINUTE_NS
    assert got[-1] == NOW // (5 * MINUTE_NS) * 5 * MINUTE_NS
    assert (np.diff(got) == 5 * MINUTE_NS).all()
    for name, values in pieces[0].columns.items():
        assert values[0] == float(interest(int(got[0]) // MS)), name
    assert earliest("klines", NOW) is None


def test_periods_around_the_change_of_labels(place: Place) -> None:
    now = LABELS_START_NS + 3 * HOUR_NS
    place.exchange.now_ms = now // MS
    pieces = list(
        fetch(place.client, "open_interest", "BTCUSDT", FIVE, now - 6 * HOUR_NS, now + 1, now)
    )
    got = np.concatenate([piece.event_time for piece in pieces])
    values = np.concatenate([piece["open_interest"] for piece in pieces])
    for when, value in zip(got, values, strict=True):
        if when != CHANGE * MS + 5 * MINUTE_NS:
            assert value == float(interest(int(when) // MS))
    assert len(got) >= 72  # the label of the change itself may stand for either period


def test_the_end_of_a_period_under_both_labels() -> None:
    labels = LABELS_START_NS + np.array([-2, -1, 0, 1]) * 5 * MINUTE_NS
    ends = period_end(labels, 5 * MINUTE_NS)
    assert ((ends - LABELS_START_NS) // (5 * MINUTE_NS)).tolist() == [-2, -1, 1, 2]


def test_trades_of_hours_without_any_and_of_full_pages(place: Place) -> None:
    first = NOW // MS - 5 * 3_600_000
    place.exchange.trades = [
        {"a": 100 + n, "p": "10.5", "q": "0.1", "f": 2 * n, "l": 2 * n + 1, "m": n % 2 == 0,
         "T": first + 2 * 3_600_000 + n // 3, "nq": "0.1"}
        for n in range(2500)
    ]  # fmt: skip
    pieces = place.get("agg_trades", None, first * MS)
    numbers = np.concatenate([piece["trade_id"] for piece in pieces])
    assert numbers.tolist() == list(range(100, 2600))


def test_the_weights_the_exchange_counts_are_kept_below_its_limit(place: Place) -> None:
    place.exchange.used_weight = 1916
    place.get("klines", MINUTE, NOW - 2500 * MINUTE_NS)
    assert len(place.exchange.asked) == 3
    assert len(place.clock.slept) == 2  # after each answer that tells 1916 of 0.8 * 2400
    assert place.clock.now // MINUTE_NS > NOW // MINUTE_NS


def test_a_windowed_limit_is_kept(place: Place) -> None:
    client = place.client
    for _ in range(450):
        client.get("fapiPublicGetFundingInfo", {}, 0)
    assert place.clock.now - NOW >= 5 * MINUTE_NS  # 400 in the first five minutes, at 80 %


def test_429_is_waited_out_as_long_as_it_asks(place: Place) -> None:
    place.exchange.retry_after = "7"
    place.exchange.faults = [429, 429]
    pieces = place.get("klines", HOUR, NOW - 5 * HOUR_NS)
    assert len(times(pieces)) == 4
    assert place.clock.slept == [7.0, 7.0]


def test_after_a_ban_not_one_request_is_made_until_it_ends(place: Place) -> None:
    place.exchange.ban_until_ms = (NOW + 120 * SECOND_NS) // MS
    place.exchange.faults = [418]
    with pytest.raises(ExchangeError, match=r"banned this address until 2026-11-20 10:32:30 UTC"):
        place.get("klines", HOUR, NOW - 5 * HOUR_NS)
    for _ in range(3):
        with pytest.raises(ExchangeError, match="banned"):
            place.get("klines", HOUR, NOW - 5 * HOUR_NS)
    assert len(place.exchange.asked) == 1
    place.clock.now += 121 * SECOND_NS
    assert place.get("klines", HOUR, NOW - 5 * HOUR_NS)


@pytest.mark.parametrize("fault", [502, 503, 500, "cut"])
def test_a_failing_exchange_is_asked_again(place: Place, fault: int | str) -> None:
    place.exchange.faults = [fault, fault]
    assert len(times(place.get("klines", HOUR, NOW - 5 * HOUR_NS))) == 4
    assert len(place.exchange.asked) == 3
    assert place.clock.slept == [0.5, 1.0]


def test_an_exchange_that_goes_on_failing_is_told(place: Place) -> None:
    place.exchange.faults = [503] * 10
    with pytest.raises(ExchangeError, match="it answers 503"):
        place.get("klines", HOUR, NOW - 5 * HOUR_NS)


def test_an_exchange_out_of_reach_is_told() -> None:
    clock = Clock()
    client = Client("http://127.0.0.1:9", clock, clock.sleep, tries=2)
    with pytest.raises(ExchangeError, match="no connection"):
        list(fetch(client, "klines", "BTCUSDT", HOUR, NOW - DAY_NS, NOW, NOW))


def test_a_page_instead_of_an_answer_is_told(place: Place) -> None:
    place.exchange.faults = ["html"]
    with pytest.raises(DataError, match="no JSON"):
        place.get("klines", HOUR, NOW - 5 * HOUR_NS)


def test_what_is_asked_for_wrongly_is_refused_in_words(place: Place) -> None:
    with pytest.raises(InputError, match="does not know the symbol NOPEUSDT"):
        list(fetch(place.client, "klines", "NOPEUSDT", HOUR, NOW - DAY_NS, NOW, NOW))
    with pytest.raises(InputError, match="depth is not served over REST"):
        place.get("depth", None, NOW - DAY_NS)
    with pytest.raises(InputError, match="not served in 1m"):
        place.get("ratios", MINUTE, NOW - DAY_NS)


def test_the_present(place: Place) -> None:
    now = funding_now(place.client, "BTCUSDT")
    assert now.estimated_rate == 0.00038246
    assert now.next_time_ns == NOW // MS * MS + 5 * SECOND_NS
    assert open_interest_now(place.client, "BTCUSDT").open_interest == 10659.509
    assert funding_hours(place.client) == {"SOLUSDT": 4}
    assert server_time(place.client) == NOW // MS * MS


def test_a_clock_that_is_behind_is_measured(place: Place) -> None:
    behind = 1_500_000_000
    assert clock_offset(place.client, lambda: NOW // MS * MS - behind) == behind
