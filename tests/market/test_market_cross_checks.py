"""Streams compared with one another: agreement is silent, each contradiction is named and placed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from riposte.errors import InputError
from riposte.market.cross_checks import (
    MILLISECOND_NS,
    book_against_ticker,
    check_history,
    check_ticker,
    check_trades,
    clock_drift,
    frozen_bands,
    sequence_breaks,
    trades_against_candles,
    trades_against_ticker,
)
from riposte.market.frame import Floats
from riposte.market.interval import HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from riposte.market.replay import DepthChanges, make_depth_changes, replay
from riposte.market.series import KINDS, Series, make_series
from riposte.market.trades import candles

MINUTE = INTERVALS["1m"]
START = 19_000 * 24 * HOUR_NS
SECOND = SECOND_NS


def ten_minutes_of_trades() -> Series:
    chance = np.random.default_rng(5)
    count = 600
    price = np.round(100 + np.cumsum(chance.choice([-0.1, 0.1], count)), 1)
    return make_series(
        "trades",
        "BTCUSDT",
        None,
        START + np.arange(count) * SECOND,
        {
            "trade_id": np.arange(count) + 7.0,
            "price": price,
            "quantity": np.round(chance.uniform(0.001, 2, count), 3),
            "buyer_is_maker": chance.integers(0, 2, count).astype(np.float64),
        },
    )


def quotes_of(trades: Series) -> Series:
    """Best bid and ask half a second before every trade, such that the trade takes one of them."""
    sold = trades["buyer_is_maker"] == 1
    bid = np.where(sold, trades["price"], trades["price"] - 0.1)
    return make_series(
        "book_ticker",
        "BTCUSDT",
        None,
        trades.event_time - SECOND // 2,
        {
            "update_id": np.arange(len(trades)) + 100.0,
            "bid_price": bid,
            "bid_quantity": np.ones(len(trades)),
            "ask_price": bid + 0.1,
            "ask_quantity": np.ones(len(trades)),
        },
    )


def changed(series: Series, name: str, row: int, value: float) -> Series:
    values = series[name].copy()
    values[row] = value
    return replace(series, columns=dict(series.columns) | {name: values})


def without(series: Series, *rows: int) -> Series:
    keep = np.setdiff1d(np.arange(len(series)), rows)
    columns = {name: values[keep] for name, values in series.columns.items()}
    return replace(series, event_time=series.event_time[keep], columns=columns)


TRADES = ten_minutes_of_trades()
CANDLES = candles(TRADES, MINUTE, partial=True)
QUOTES = quotes_of(TRADES)


def test_trades_and_the_candles_made_of_them_agree() -> None:
    assert len(CANDLES) == 10
    assert trades_against_candles(TRADES, CANDLES) == ()
    assert trades_against_candles(TRADES, without(CANDLES, 0, 1, 9)) == ()
    rounded = changed(CANDLES, "volume", 4, float(CANDLES["volume"][4]) * (1 + 5e-7))
    assert trades_against_candles(TRADES, rounded) == ()
    unsaid = changed(CANDLES, "taker_buy_volume", 4, np.nan)
    assert trades_against_candles(TRADES, unsaid) == (), (
        "what candles do not say is no contradiction"
    )


@pytest.mark.parametrize(
    ("candles_given", "code", "row"),
    [
        (changed(CANDLES, "high", 4, 200.0), "trade-prices", 4),
        (changed(CANDLES, "close", 5, float(CANDLES["close"][5]) + 0.1), "trade-prices", 5),
        (changed(CANDLES, "volume", 4, float(CANDLES["volume"][4]) * 1.00001), "trade-volumes", 4),
        (changed(CANDLES, "taker_buy_volume", 6, 0.0), "trade-volumes", 6),
        (changed(CANDLES, "trade_count", 6, 59.0), "trade-counts", 6),
        (without(CANDLES, 3), "trade-bar-missing", 3),
    ],
)
def test_candles_that_are_not_those_of_the_trades_are_named(
    candles_given: Series, code: str, row: int
) -> None:
    found = trades_against_candles(TRADES, candles_given)
    assert [(f.severity, f.code, f.count, f.first_time) for f in found] == [
        ("error", code, 1, START + row * MINUTE_NS)
    ]


def test_a_partial_bar_is_not_judged() -> None:
    assert trades_against_candles(TRADES, changed(CANDLES, "high", 9, 200.0)) == ()
    assert trades_against_candles(TRADES.rows(0, 10), CANDLES) == ()


def test_a_bar_with_volume_that_no_trade_made_is_named() -> None:
    quiet = without(TRADES, *range(240, 300))
    found = trades_against_candles(quiet, CANDLES)
    assert [(f.code, f.first_time) for f in found] == [("trade-none", START + 4 * MINUTE_NS)]


def test_candles_of_another_symbol_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        trades_against_candles(TRADES, replace(CANDLES, symbol="ETHUSDT"))


@pytest.mark.parametrize(
    ("trades", "severity", "code", "count"),
    [
        (without(TRADES, 100), "warning", "trade-gap", 1),
        (without(TRADES, 100, 101, 200), "warning", "trade-gap", 2),
        (changed(TRADES, "trade_id", 5, 11.0), "error", "trade-repeated", 1),
        (changed(TRADES, "trade_id", 5, 9.0), "error", "trade-order", 1),
        (changed(TRADES, "price", 5, 0.0), "error", "trade-value", 1),
        (changed(TRADES, "quantity", 5, 0.0), "error", "trade-value", 1),
        (TRADES.rows(0, 0), "error", "empty", 1),
    ],
)
def test_faults_in_the_order_and_values_of_trades_are_named(
    trades: Series, severity: str, code: str, count: int
) -> None:
    found = {f.code: f for f in check_trades(trades)}
    assert (found[code].severity, found[code].count) == (severity, count)


def test_sound_trades_and_quotes_have_no_findings_and_a_short_gap_is_a_note() -> None:
    assert check_trades(TRADES) == ()
    assert check_ticker(QUOTES) == ()
    close = replace(without(TRADES, 100), event_time=START + np.arange(599) * SECOND)
    assert [(f.severity, f.code) for f in check_trades(close)] == [("note", "trade-gap")]


@pytest.mark.parametrize(
    ("quotes", "code"),
    [
        (changed(QUOTES, "update_id", 5, 104.0), "ticker-order"),
        (changed(QUOTES, "bid_price", 5, 500.0), "ticker-crossed"),
        (changed(QUOTES, "bid_price", 5, 0.0), "ticker-value"),
        (changed(QUOTES, "ask_price", 5, np.nan), "ticker-value"),
    ],
)
def test_faults_of_best_bids_and_asks_are_named(quotes: Series, code: str) -> None:
    assert [(f.severity, f.code, f.count) for f in check_ticker(quotes)] == [("error", code, 1)]


def clock(
    behind_ms: float, way_ms: float = 3.0, moving_ms: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(2)
    sent = START + np.arange(5000) * 20 * MILLISECOND_NS
    way = way_ms * (1 + chance.exponential(5, 5000))
    way[::100] += 800.0  # some messages are slow
    shift = way - behind_ms + np.linspace(0, moving_ms, 5000)
    return sent, sent + (shift * MILLISECOND_NS).astype(np.int64)


@pytest.mark.parametrize("behind_ms", [20.0, 1500.0, 86_400_000.0])
def test_a_clock_behind_the_exchange_s_is_found_and_measured_by_the_fastest_messages(
    behind_ms: float,
) -> None:
    drift = clock_drift(*clock(behind_ms), symbol="BTCUSDT", stream="trades")
    assert drift.offset_ns == pytest.approx(-(behind_ms - 3.0) * MILLISECOND_NS, abs=5e5)
    assert [(f.severity, f.code) for f in drift.findings] == [("warning", "clock-behind")]


def test_a_right_clock_is_silent_a_late_stream_is_told_and_a_moving_clock_noted() -> None:
    def codes(sent: np.ndarray, received: np.ndarray) -> list[str]:
        found = clock_drift(sent, received, symbol="BTCUSDT", stream="trades")
        return [f.code for f in found.findings]

    assert codes(*clock(0.0)) == []
    assert codes(*clock(-2000.0)) == ["clock-ahead"]
    assert codes(*clock(0.0, moving_ms=50.0)) == ["clock-moved"]
    with pytest.raises(InputError, match="0 times of sending"):
        codes(np.empty(0, np.int64), np.empty(0, np.int64))


def changes_of(rows: list[tuple[int, int, int, float, float]]) -> DepthChanges:
    """A snapshot 100.0 / 100.1 at update 100, then (first, final, previous, price, quantity) bids."""
    snapshot = [(-1, 100, -1, 100.0, 1.0), (-1, 100, -1, 100.1, 1.0)]
    every = np.array([*snapshot, *rows])
    whole = every.astype(np.int64)
    time = START + whole[:, 1]
    numbers = {
        "first_id": whole[:, 0],
        "final_id": whole[:, 1],
        "previous_id": whole[:, 2],
        "event_time": time,
        "sent_time": time,
        "received_time": time,
    }
    at_first = np.arange(len(every)) < 2
    is_bid = np.arange(len(every)) != 1
    return make_depth_changes("BTCUSDT", numbers, at_first, is_bid, every[:, 3], every[:, 4])


GOOD = [(101, 110, 100, 100.0, 2.0), (111, 120, 110, 100.0, 3.0), (121, 130, 120, 99.9, 1.0)]


def test_an_unbroken_sequence_has_no_findings() -> None:
    changes = changes_of(GOOD)
    assert sequence_breaks(changes) == ()
    assert check_history(changes, replay(changes)) == ()


@pytest.mark.parametrize(
    ("rows", "code", "at"),
    [
        ([GOOD[0], GOOD[2]], "sequence-break", 130),
        ([GOOD[0], GOOD[1], GOOD[0]], "sequence-order", 110),
    ],
)
def test_breaks_in_the_sequence_are_placed(
    rows: list[tuple[int, int, int, float, float]], code: str, at: int
) -> None:
    found = sequence_breaks(changes_of(rows))
    assert [(f.severity, f.code, f.first_time) for f in found] == [("warning", code, START + at)]


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        ((111, 120, 110, 100.1, 2.0), ["crossed-book"]),
        ((111, 120, 110, 100.0, -2.0), ["impossible-level"]),
        ((115, 120, 114, 100.0, 2.0), ["never-taken"]),
    ],
)
def test_a_rebuilt_book_that_is_wrong_says_so(
    row: tuple[int, int, int, float, float], codes: list[str]
) -> None:
    changes = changes_of([GOOD[0], row])
    found = check_history(changes, replay(changes))
    assert [f.code for f in found] == codes
    assert found[0].first_time == START + 120


def test_a_record_without_a_snapshot_says_so() -> None:
    changes = changes_of(GOOD)
    alone = replace(changes, is_snapshot=np.zeros(len(changes), dtype=np.bool_))
    assert "no-snapshot" in [f.code for f in sequence_breaks(alone)]


def ticker_of(rows: list[tuple[float, float, float, float, float]]) -> Series:
    table = np.array(rows)
    names = ("update_id", "bid_price", "bid_quantity", "ask_price", "ask_quantity")
    columns = {name: table[:, i] for i, name in enumerate(names)}
    return make_series("book_ticker", "BTCUSDT", None, START + np.arange(len(rows)), columns)


SAME = [
    (100.0, 100.0, 1.0, 100.1, 1.0),
    (105.0, 100.0, 7.0, 100.1, 1.0),  # inside a message: the book never stood there
    (110.0, 100.0, 2.0, 100.1, 1.0),
    (130.0, 100.0, 3.0, 100.1, 1.0),
]


def test_the_book_is_compared_where_both_streams_have_the_update() -> None:
    history = replay(changes_of(GOOD))
    same = book_against_ticker(history, ticker_of(SAME))
    assert (same.compared, same.different, same.findings) == (3, 0, ())
    for column in range(1, 5):
        row = list(SAME[3])
        row[column] += 0.1
        apart = book_against_ticker(history, ticker_of([*SAME[:3], tuple(row)]))  # type: ignore[list-item]
        assert (apart.compared, apart.different) == (3, 1)
        assert [(f.severity, f.code, f.first_time) for f in apart.findings] == [
            ("error", "book-ticker", START + 3)
        ]
    other = book_against_ticker(history, ticker_of([(999.0, *SAME[0][1:])]))
    assert [f.code for f in other.findings] == ["ticker-apart"]
    with pytest.raises(InputError, match="is not the best bid and ask of BTCUSDT"):
        book_against_ticker(history, TRADES)


def test_trades_lie_between_the_bids_and_asks_around_them() -> None:
    same = trades_against_ticker(TRADES, QUOTES)
    assert same.findings == ()
    assert same.compared == 599, "the last trade comes after the last quote"
    far = trades_against_ticker(changed(TRADES, "price", 7, 150.0), QUOTES)
    assert [(f.code, f.count, f.first_time) for f in far.findings] == [
        ("trade-outside", 1, START + 7 * SECOND)
    ]
    turned = replace(
        TRADES, columns=dict(TRADES.columns) | {"buyer_is_maker": 1 - TRADES["buyer_is_maker"]}
    )
    found = trades_against_ticker(turned, QUOTES).findings
    assert [(f.severity, f.code) for f in found] == [("error", "trade-side")]
    later = replace(TRADES, event_time=TRADES.event_time + HOUR_NS)
    assert [f.code for f in trades_against_ticker(later, QUOTES).findings] == ["ticker-apart"]


def a_day_of_depth(change: Callable[[dict[str, Floats]], None]) -> Series:
    """Bands every 30 s, as the exchange's archive has them."""
    chance = np.random.default_rng(9)
    columns = {name: np.round(chance.uniform(50, 90, 2880), 3) for name in KINDS["depth"].columns}
    change(columns)
    return make_series("depth", "SOLUSDT", None, START + np.arange(2880) * 30 * SECOND, columns)


def hold(columns: dict[str, Floats], names: tuple[str, ...], first: int, last: int) -> None:
    for name in names:
        columns[name][first:last] = columns[name][first]


NEAR_ASK = ("ask_quantity_1pct", "ask_notional_1pct", "ask_quantity_2pct", "ask_notional_2pct")


def test_bands_that_stand_still_for_hours_while_others_move_are_named() -> None:
    """binance-public-data issue 496: the inner ask bands, from noon to the end of the day."""
    found = frozen_bands(a_day_of_depth(lambda c: hold(c, NEAR_ASK, 1440, 2880)))
    assert {f.message.split("in which ")[1].split(" ")[0] for f in found} == set(NEAR_ASK)
    assert {(f.code, f.count, f.first_time) for f in found} == {
        ("frozen-band", 1, START + 12 * HOUR_NS)
    }
    assert "(the longest 12.0 hours)" in found[0].message


def test_a_quiet_minute_in_a_frozen_stretch_does_not_hide_it() -> None:
    def freeze(columns: dict[str, Floats]) -> None:
        hold(columns, NEAR_ASK[:1], 1440, 2880)
        hold(columns, KINDS["depth"].columns, 1600, 1602)

    assert len(frozen_bands(a_day_of_depth(freeze))) == 1


def test_bands_that_move_or_stand_still_all_together_or_shortly_are_not_named() -> None:
    every = KINDS["depth"].columns
    assert frozen_bands(a_day_of_depth(lambda c: None)) == ()
    assert frozen_bands(a_day_of_depth(lambda c: hold(c, every, 1440, 2880))) == ()
    assert frozen_bands(a_day_of_depth(lambda c: hold(c, NEAR_ASK, 1440, 1600))) == ()
    assert frozen_bands(a_day_of_depth(lambda c: None).rows(0, 1)) == ()

    def absent(columns: dict[str, Floats]) -> None:
        columns["ask_quantity_02pct"][:] = np.nan

    assert frozen_bands(a_day_of_depth(absent)) == (), "a band that was not recorded is not frozen"
