"""The exchange's limits as the exchange sees them: nothing asked while it asks to be left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from exchange_answers import MS, Exchange, serving

from riposte.errors import ExchangeError
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from riposte.sources.rest.client import WEIGHT_PER_MINUTE, Client
from riposte.sources.rest.history import fetch

NOW = int(np.datetime64("2026-11-20T10:30:30", "ns").astype(np.int64))
WEIGHTS = {"klines": 5, "aggTrades": 20, "fundingRate": 1, "fundingInfo": 1}


@dataclass
class Clock:
    """A clock that only sleeping moves on."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += round(seconds * SECOND_NS)


@dataclass
class Counting(Exchange):
    """An exchange that notes when it was asked, and tells the weight of the minute so far.

    ``others`` is the weight that somebody else at the same address uses up every minute.
    """

    clock: Clock = field(default_factory=Clock)
    others: int = 0
    slow_answers: int = 0
    seen: list[tuple[int, str]] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> object:
        self.seen.append((self.clock(), path.rsplit("/", 1)[-1]))
        if self.slow_answers:
            self.slow_answers -= 1
            time.sleep(0.6)
        minute = self.clock() // MINUTE_NS
        self.used_weight = self.others + self.weight_of(minute)
        return super().answer(path, query)

    def weight_of(self, minute: int) -> int:
        return sum(WEIGHTS.get(name, 0) for at, name in self.seen if at // MINUTE_NS == minute)

    def most_within(self, names: tuple[str, ...], span_ns: int) -> int:
        """The most requests of these names in any stretch of that length."""
        at = np.array([when for when, name in self.seen if name in names], dtype=np.int64)
        return int((np.searchsorted(at, at + span_ns, "left") - np.arange(len(at))).max())


@dataclass
class Place:
    exchange: Counting
    client: Client
    clock: Clock

    def bars(self) -> int:
        start = NOW - 5 * HOUR_NS
        pieces = fetch(self.client, "klines", "BTCUSDT", INTERVALS["1h"], start, NOW, NOW)
        return sum(map(len, pieces))


@pytest.fixture
def place() -> Iterator[Place]:
    clock = Clock()
    exchange = Counting(NOW // MS, clock=clock)
    with serving(exchange) as url:
        yield Place(exchange, Client(url, clock, clock.sleep), clock)


@pytest.mark.parametrize("others", [0, 1000])
def test_no_minute_holds_more_weight_than_our_share(place: Place, others: int) -> None:
    place.exchange.others = others
    asked = 300  # of weight 20: three minutes' worth when alone, seven beside another
    for number in range(asked):
        params = {"symbol": "BTCUSDT", "fromId": number, "limit": 1}
        place.client.get("fapiPublicGetAggTrades", params, 20)
    minutes = sorted({at // MINUTE_NS for at, _ in place.exchange.seen})
    weights = [place.exchange.weight_of(minute) for minute in minutes]
    assert sum(weights) == asked * 20
    assert max(weights) + others <= 0.8 * WEIGHT_PER_MINUTE + 20
    assert len(minutes) == -(-asked * 20 // (1920 - others))


def test_the_funding_endpoints_share_one_allowance_of_five_minutes(place: Place) -> None:
    rates = {"symbol": "BTCUSDT", "startTime": 1, "endTime": 2, "limit": 1}
    for _ in range(300):
        place.client.get("fapiPublicGetFundingInfo", {}, 0)
        place.client.get("fapiPublicGetFundingRate", rates, 0)
    both = ("fundingRate", "fundingInfo")
    assert place.exchange.most_within(both, 5 * MINUTE_NS) == 400


def test_statistics_are_paced_over_every_five_minutes(place: Place) -> None:
    params = {"symbol": "BTCUSDT", "period": "5m", "limit": 1}
    params |= {"startTime": NOW // MS - 600_000, "endTime": NOW // MS}
    for _ in range(900):
        place.client.get("fapiDataGetOpenInterestHist", params, 0)
    assert place.exchange.most_within(("openInterestHist",), 5 * MINUTE_NS) == 800


def test_a_wait_that_is_asked_for_also_holds_for_the_next_question(place: Place) -> None:
    place.exchange.retry_after = "100"
    place.exchange.faults = [429] * 6
    with pytest.raises(ExchangeError, match="429"):
        place.bars()
    refused_at = place.clock.now
    assert place.bars() == 4
    assert place.exchange.seen[-1][0] >= refused_at + 100 * SECOND_NS


def test_a_long_wait_is_told_and_kept_instead_of_cut_short(place: Place) -> None:
    place.exchange.retry_after = "1800"
    place.exchange.faults = [429]
    for _ in range(3):
        with pytest.raises(ExchangeError, match=r"no requests until 2026-11-20 11:00:30 UTC"):
            place.bars()
    assert len(place.exchange.asked) == 1
    place.clock.now += 1800 * SECOND_NS
    assert place.bars() == 4


@pytest.mark.parametrize(("stated", "until_s", "lasts_s"), [("60", -60, 60), ("0", -1, 120)])
def test_a_ban_is_obeyed_where_the_clocks_disagree(
    place: Place, stated: str, until_s: int, lasts_s: int
) -> None:
    place.exchange.retry_after = stated
    place.exchange.ban_until_ms = (NOW + until_s * SECOND_NS) // MS  # our clock runs ahead
    place.exchange.faults = [418]
    for _ in range(2):
        with pytest.raises(ExchangeError, match="banned this address until"):
            place.bars()
    place.clock.now += (lasts_s - 1) * SECOND_NS
    with pytest.raises(ExchangeError, match="banned"):
        place.bars()
    assert len(place.exchange.asked) == 1
    place.clock.now += 2 * SECOND_NS
    assert place.bars() == 4


@pytest.mark.parametrize("status", [401, 403, 404, 451])
def test_a_closed_door_is_not_knocked_at_again(place: Place, status: int) -> None:
    place.exchange.faults = [status] * 3
    with pytest.raises(ExchangeError, match=f"it answers {status}"):
        place.bars()
    assert len(place.exchange.asked) == 1


def test_an_exchange_that_is_too_slow_is_asked_again_and_then_told() -> None:
    clock = Clock()
    exchange = Counting(NOW // MS, clock=clock)
    exchange.slow_answers = 2
    with serving(exchange) as url:
        client = Client(url, clock, clock.sleep, tries=2, timeout_s=0.2)
        with pytest.raises(ExchangeError, match="does not answer in time"):
            Place(exchange, client, clock).bars()
        assert len(exchange.asked) == 2
        assert Place(exchange, client, clock).bars() == 4


@pytest.mark.parametrize("interval", ["5m", "1h", "2h", "12h", "1d"])
def test_long_periods_too_begin_within_the_thirty_days(place: Place, interval: str) -> None:
    step = INTERVALS[interval]
    pieces = list(
        fetch(place.client, "open_interest", "BTCUSDT", step, NOW - 400 * DAY_NS, NOW + 1, NOW)
    )
    times = np.concatenate([piece.event_time for piece in pieces])
    assert (np.diff(times) == step.ns).all()
    assert times[-1] == NOW // step.ns * step.ns
    assert NOW - 30 * DAY_NS < times[0] <= NOW - 30 * DAY_NS + 2 * step.ns + HOUR_NS
    kept = min(int(query["startTime"]) for _, query in place.exchange.asked)
    assert kept > (NOW - 30 * DAY_NS) // MS  # not on the edge: it moves on while we wait
