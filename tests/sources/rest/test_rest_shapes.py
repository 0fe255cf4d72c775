"""Answers as the exchange documents them are understood; answers that cannot be are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from exchange_answers import MS, Exchange, serving

from riposte.errors import DataError
from riposte.market.interval import INTERVALS, MINUTE_NS, Interval
from riposte.market.series import Series
from riposte.sources.rest.client import Client
from riposte.sources.rest.history import fetch
from riposte.sources.rest.present import (
    clock_offset,
    funding_hours,
    funding_now,
    open_interest_now,
    server_time,
)

# The examples of the exchange's documentation, word for word: padded zeros and times as texts too.
EXAMPLES = {
    "klines": """[[1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100",
        "148976.11427815", 1499644799999, "2434.19055334", 308, "1756.87402397", "28.46694368",
        "17928899.62484339"]]""",
    "markPriceKlines": """[[1591256460000, "9653.29201333", "9654.56401333", "9653.07367333",
        "9653.07367333", "0  ", 1591256519999, "0", 60, "0", "0", "0"]]""",
    "indexPriceKlines": """[[1591256400000, "9653.69440000", "9653.69640000", "9651.38600000",
        "9651.55200000", "0  ", 1591256459999, "0", 60, "0", "0", "0"]]""",
    "premiumIndexKlines": """[[1691603820000, "-0.00042931", "-0.00023641", "-0.00059406",
        "-0.00043659", "0", 1691603879999, "0", 12, "0", "0", "0"]]""",
    "fundingRate": """[
        {"symbol": "BTCUSDT", "fundingTime": 1698768000000, "fundingRate": "0.00010000",
         "markPrice": "34287.54619963"},
        {"symbol": "BTCUSDT", "fundingTime": 1698796800000, "fundingRate": "0.00010000",
         "markPrice": "34651.40000000"}]""",
    "openInterestHist": """[
        {"symbol":"BTCUSDT", "sumOpenInterest":"20403.63700000",
         "sumOpenInterestValue": "150570784.07809979", "timestamp":"1583127900000"},
        {"symbol":"BTCUSDT", "sumOpenInterest":"20401.36700000",
         "sumOpenInterestValue":"149940752.14464448", "timestamp":"1583128200000"}]""",
    "globalLongShortAccountRatio": """[{"symbol":"BTCUSDT", "longShortRatio":"0.1960",
        "longAccount": "0.6622", "shortAccount":"0.3378", "timestamp":"1583139600000"}]""",
    "topLongShortAccountRatio": """[{"symbol":"BTCUSDT", "longShortRatio":"1.8105",
        "longAccount": "0.6442", "shortAccount":"0.3558", "timestamp":"1583139600000"}]""",
    "topLongShortPositionRatio": """[{"symbol":"BTCUSDT", "longShortRatio":"1.4342",
        "longAccount": "0.5891", "shortAccount":"0.4656", "timestamp":"1583139600000"}]""",
    "takerlongshortRatio": """[{"buySellRatio":"1.3104", "buyVol": "343.9290",
        "sellVol":"248.5030", "timestamp":"1583139900000"}]""",
    "aggTrades": """[{"a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27781,
        "T": 1498793709153, "m": true}]""",
    "fundingInfo": """[{"symbol": "BLZUSDT", "adjustedFundingRateCap": "0.02500000",
        "adjustedFundingRateFloor": "-0.02500000", "fundingIntervalHours": 8,
        "disclaimer": false}]""",
    "premiumIndex": """{"symbol": "BTCUSDT", "markPrice": "11793.63104562",
        "indexPrice": "11781.80495970", "estimatedSettlePrice": "11781.16138815",
        "lastFundingRate": "0.00038246", "nextFundingTime": 1597392000000,
        "interestRate": "0.00010000", "time": 1597370495002}""",
    "openInterest": '{"openInterest": "10659.509", "symbol": "BTCUSDT", "time": 1589437530011}',
    "time": '{"serverTime": 1499827319559}',
}
ENDPOINTS = {
    "klines": "klines",
    "mark": "markPriceKlines",
    "index": "indexPriceKlines",
    "premium": "premiumIndexKlines",
    "funding": "fundingRate",
    "open_interest": "openInterestHist",
    "ratios": "globalLongShortAccountRatio",
    "agg_trades": "aggTrades",
}
FIVE, MINUTE = INTERVALS["5m"], INTERVALS["1m"]


@dataclass
class Reciting(Exchange):
    """Answers the first question to an endpoint with the body it was given, and then with no rows."""

    bodies: dict[str, Any] = field(default_factory=dict)

    def answer(self, path: str, query: dict[str, str]) -> Any:
        return 200, self.bodies.pop(path.rsplit("/", 1)[-1], [])


@dataclass
class Place:
    exchange: Reciting
    client: Client

    def get(self, kind: str, interval: Interval | None, around_ms: int) -> list[Series]:
        """What is served of some minutes on either side of a time."""
        start, stop = around_ms * MS - 10 * MINUTE_NS, around_ms * MS + 600 * MINUTE_NS
        return list(fetch(self.client, kind, "BTCUSDT", interval, start, stop, stop))


@pytest.fixture
def place() -> Iterator[Place]:
    exchange = Reciting(0)
    with serving(exchange) as url:
        exchange.bodies = {name: json.loads(text) for name, text in EXAMPLES.items()}
        yield Place(exchange, Client(url, tries=2))


@pytest.mark.parametrize(
    ("kind", "interval", "time_ms", "expected"),
    [
        ("klines", MINUTE, 1499040000000, {
            "open": 0.0163479, "high": 0.8, "low": 0.015758, "close": 0.015771,
            "volume": 148976.11427815, "quote_volume": 2434.19055334, "trade_count": 308,
            "taker_buy_volume": 1756.87402397,
        }),
        ("mark", MINUTE, 1591256520000, {"mark_price": 9653.07367333}),
        ("index", MINUTE, 1591256460000, {"index_price": 9651.552}),
        ("premium", MINUTE, 1691603880000, {"premium": -0.00043659}),
        ("funding", None, 1698768000000, {"funding_rate": 0.0001}),
        ("open_interest", FIVE, 1583127900000, {"open_interest": 20403.637}),
        ("ratios", FIVE, 1583139600000, {
            "global_account_ratio": 0.196, "top_account_ratio": 1.8105,
            "top_position_ratio": 1.4342, "taker_volume_ratio": float("nan"),
        }),
        ("agg_trades", None, 1498793709153, {
            "trade_id": 26129, "price": 0.01633102, "quantity": 4.70443515,
            "first_trade_id": 27781, "last_trade_id": 27781, "buyer_is_maker": 1.0,
        }),
    ],
)  # fmt: skip
def test_history_is_read_as_the_exchange_documents_it(
    place: Place, kind: str, interval: Interval | None, time_ms: int, expected: dict[str, float]
) -> None:
    first = place.get(kind, interval, time_ms)[0]
    assert first.event_time[0] == time_ms * MS
    row = {name: values[0] for name, values in first.columns.items()}
    assert row == pytest.approx(expected, rel=1e-15, nan_ok=True)
    if kind == "ratios":
        assert (
            first["taker_volume_ratio"][1] == 1.3104
        )  # five minutes later, and the others lack it


def test_the_present_is_read_as_the_exchange_documents_it(place: Place) -> None:
    now = funding_now(place.client, "BTCUSDT")
    assert (now.estimated_rate, now.mark_price, now.index_price) == (
        0.00038246,
        11793.63104562,
        11781.8049597,
    )
    assert (now.next_time_ns, now.time_ns) == (1597392000000 * MS, 1597370495002 * MS)
    interest = open_interest_now(place.client, "BTCUSDT")
    assert (interest.open_interest, interest.time_ns) == (10659.509, 1589437530011 * MS)
    assert funding_hours(place.client) == {"BLZUSDT": 8}
    assert server_time(place.client) == 1499827319559 * MS


def changed(name: str, key: Any, value: Any) -> Any:
    """The documented answer with one cell of its first row put differently; ``...`` removes it."""
    body = json.loads(EXAMPLES[name])
    row = body[0] if isinstance(body, list) else body
    if value is ...:
        del row[key]
    else:
        row[key] = value
    return body


@pytest.mark.parametrize(
    ("kind", "key", "value", "told"),
    [
        ("klines", 4, None, "missing values .* of close"),
        ("klines", 4, "NaN", "missing values .* of close"),
        ("klines", 4, "much", "no numbers"),
        ("klines", 2, "0.001", "high below low"),
        ("klines", 1, "-1", "not above 0"),
        ("klines", 9, "148977", "more taker-buy volume than volume"),
        ("klines", 0, 1499040000001, "off the 1m grid"),
        ("klines", 0, None, "no milliseconds"),
        ("klines", 0, 1499040000, "no milliseconds"),
        ("mark", 4, "0", "not above 0"),
        ("premium", 4, "Infinity", "infinite"),
        ("funding", "fundingTime", None, "no milliseconds"),
        ("funding", "fundingRate", "", "'fundingRate' as a number"),
        ("funding", "fundingRate", ..., "'fundingRate' as a number"),
        ("open_interest", "sumOpenInterest", "-5", "negative"),
        ("open_interest", "timestamp", "yesterday", "'timestamp' as a number"),
        ("ratios", "longShortRatio", "Infinity", "infinite"),
        ("agg_trades", "m", ..., "'m' as true or false"),
        ("agg_trades", "m", "false", "'m' as true or false"),
        ("agg_trades", "p", "0", "not above 0"),
    ],
)
def test_data_that_cannot_be_is_refused_in_a_sentence(
    place: Place, kind: str, key: Any, value: Any, told: str
) -> None:
    name = ENDPOINTS[kind]
    time = json.loads(EXAMPLES[name])[0]
    stamp = time[0] if isinstance(time, list) else time.get("T") or time.get("fundingTime")
    place.exchange.bodies[name] = changed(name, key, value)
    interval = FIVE if kind in ("open_interest", "ratios") else MINUTE
    with pytest.raises(DataError, match=told):
        place.get(kind, interval, int(stamp or time["timestamp"]))


@pytest.mark.parametrize("body", [{"rows": []}, [1, 2], [[1, "2"]], {"code": 0}])
@pytest.mark.parametrize("kind", ENDPOINTS)
def test_an_answer_that_is_no_table_is_refused(place: Place, kind: str, body: Any) -> None:
    place.exchange.bodies[ENDPOINTS[kind]] = body
    with pytest.raises(DataError, match=f"(?i){ENDPOINTS[kind]} with (something|rows)"):
        place.get(kind, FIVE, 1583127900000)


def test_periods_without_a_snapshot_are_left_out(place: Place) -> None:
    for nothing in ("0.00000000", None):
        place.exchange.bodies["openInterestHist"] = changed(
            "openInterestHist", "sumOpenInterest", nothing
        )
        (piece,) = place.get("open_interest", FIVE, 1583127900000)
        assert piece.event_time.tolist() == [1583128200000 * MS]


@pytest.mark.parametrize("body", [[1], [{"fundingIntervalHours": 4}], {"symbol": "BTCUSDT"}])
def test_funding_hours_that_name_no_symbol_are_refused(place: Place, body: Any) -> None:
    place.exchange.bodies["fundingInfo"] = body
    with pytest.raises(DataError, match="no table of symbols"):
        funding_hours(place.client)


@pytest.mark.parametrize("value", ["", None, "NaN", "Infinity", ...])
def test_a_present_value_that_is_no_number_is_refused(place: Place, value: Any) -> None:
    place.exchange.bodies["premiumIndex"] = changed("premiumIndex", "lastFundingRate", value)
    with pytest.raises(DataError, match="lastFundingRate"):
        funding_now(place.client, "BTCUSDT")


def test_the_clock_is_compared_by_the_middle_of_several_rounds() -> None:
    exchange = Exchange(1_700_000_000_000)
    delays = iter([0, 9_000, 40, 60, 20, 40, 0, 100, 30, 50])  # ms, before and after each question
    now = exchange.now_ms - 250

    def clock() -> int:
        return (now + next(delays)) * MS

    with serving(exchange) as url:
        assert clock_offset(Client(url), clock) == 200 * MS  # one round took nine seconds
