"""Every trap that the recorded data's README lists, each on the real files.

============================================ =====================================================
what the README says                         the test
============================================ =====================================================
``mark/`` holds the price of the bar's end   recorded: the_mark_price_of_a_row_is_that_of_its_close
no taker-buy volume, no trade counts         here: no_candle_file_says_who_took_or_how_many_traded
                                             recorded: taker_volume_and_trade_counts_stay_missing
one flat bar, 2024-10-28 20:00               here: one_hour_stood_still_for_every_symbol
                                             recorded: the_flat_bar_is_noticed ...
SOL misses 72 h and 48 h                     recorded: the_holes_of_sol_are_segment_borders
SOL funding every 2 h and 4 h, at -2 %       here: sol_settled_at_2_4_and_8_hours_and_at_the_floor
charge what the history says                 recorded: every_recorded_settlement_is_charged_once
5m files are disjoint segments               here: five_minute_files_break_where_a_gap_is
                                             recorded: the_five_minute_files_are_two_stretches
open interest starts later                   recorded: open_interest_starts_later_than_the_candles
``l2/``: diffs with U/u/pu and a snapshot    here: the_snapshot_came_in_the_midst_of_the_changes,
                                             the_changes_are_one_unbroken_chain
``l2/``: the local clock is behind           here: the_local_clock_is_behind, the_clock_of_2023_moved
``l2/``: rebuilt book equals best bid/ask    here: the_rebuilt_book_is_the_recorded_best_bid_and_ask
``leverage_brackets.json``                   here: the_margin_is_continuous_at_every_bracket
                                             sources: recorded_brackets_fit_an_instrument
1m and 5m make the 1h exactly                recorded: fine_candles_make_the_hourly_ones_exactly
                                             here: five_minute_candles_are_those_of_the_minutes
============================================ =====================================================

"recorded" is test_market_recorded.py, "sources" tests/sources/test_sources_files.py. Traps that the
README does not list, found in the files, have their tests at the end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.engine.margin import maintenance_margin
from riposte.engine.records import instrument_records
from riposte.market.assemble import assemble, resample
from riposte.market.checks import check, compare
from riposte.market.cross_checks import (
    MILLISECOND_NS,
    book_against_ticker,
    clock_drift,
    trades_against_candles,
    trades_against_ticker,
)
from riposte.market.instrument import Instrument
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS
from riposte.market.replay import replay
from riposte.market.series import make_series
from riposte.market.trades import candles
from riposte.sources.files import read_brackets
from riposte.sources.level2 import Level2, read_level2
from riposte.sources.recorded import read_series

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
FOLDERS = ("BTCUSDT-20230404", "BTCUSDT-20240718", "ETHUSDT-20240718")


def ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


@pytest.fixture(scope="module")
def level2(market_data: Path) -> dict[str, Level2]:
    return {name: read_level2(market_data / "l2" / name) for name in FOLDERS}


def test_no_candle_file_says_who_took_or_how_many_traded(market_data: Path) -> None:
    files = sorted((market_data / "klines").glob("*.parquet"))
    assert len(files) == 10
    for path in files:
        candles_read = read_series(path)
        assert "taker_buy_volume" not in candles_read.columns, path.name
        assert "trade_count" not in candles_read.columns, path.name
        assert ("quote_volume" in candles_read.columns) == path.stem.endswith("-1h"), path.name


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_one_hour_stood_still_for_every_symbol(market_data: Path, symbol: str) -> None:
    hourly = read_series(market_data / "klines" / f"{symbol}-1h.parquet")
    silent = np.flatnonzero(hourly["volume"] == 0)
    assert hourly.event_time[silent].tolist() == [ns("2024-10-28T20:00")]
    prices = {float(hourly[name][silent[0]]) for name in ("open", "high", "low", "close")}
    assert prices == {float(hourly["close"][silent[0] - 1])}, "it repeats the close before"


def test_sol_settled_at_2_4_and_8_hours_and_at_the_floor(market_data: Path) -> None:
    funding = read_series(market_data / "funding" / "SOLUSDT.parquet")
    hours = np.round(np.diff(funding.event_time) / HOUR_NS).astype(int)
    assert dict(zip(*np.unique(hours, return_counts=True), strict=True)) == {2: 98, 4: 3, 8: 5227}
    often = np.flatnonzero(hours < 8)
    assert funding.event_time[often[0]] >= ns("2022-11-09T16:00")
    assert funding.event_time[often[-1]] <= ns("2022-11-18T07:00")
    floor = funding["funding_rate"] == -0.02
    assert floor.sum() == 7
    assert funding["funding_rate"].min() == -0.02
    assert set(hours[np.flatnonzero(floor) - 1]) == {2, 4}
    for symbol in ("BTCUSDT", "ETHUSDT", "BNBUSDT"):
        other = read_series(market_data / "funding" / f"{symbol}.parquet")
        assert set(np.round(np.diff(other.event_time) / HOUR_NS)) == {8}


@pytest.mark.parametrize(
    ("symbol", "last", "next_", "missing"),
    [
        ("BTCUSDT", "2025-04-13T07:15", "2025-05-25T10:35", 12135),
        ("ETHUSDT", "2025-04-13T07:15", "2025-05-25T10:35", 12135),
        ("SOLUSDT", "2025-04-05T10:20", "2025-05-25T10:35", 14402),
    ],
)
def test_five_minute_files_break_where_a_gap_is(
    market_data: Path, symbol: str, last: str, next_: str, missing: int
) -> None:
    fine = read_series(market_data / "klines" / f"{symbol}-5m.parquet")
    gaps = [f for f in check(fine) if f.code == "gap"]
    assert [f.count for f in gaps] == [1]
    assert f"({missing} rows missing" in gaps[0].message
    frame = assemble(symbol, INTERVALS["5m"], {"klines": fine})
    border = np.flatnonzero(np.diff(frame.segment))
    assert frame.open_time[border].tolist() == [ns(last)]
    assert frame.open_time[border + 1].tolist() == [ns(next_)]


@pytest.mark.parametrize("symbol", SYMBOLS[:3])
def test_five_minute_candles_are_those_of_the_minutes(market_data: Path, symbol: str) -> None:
    minutes = read_series(market_data / "klines" / f"{symbol}-1m.parquet")
    fives = read_series(market_data / "klines" / f"{symbol}-5m.parquet")
    made = resample(minutes, INTERVALS["5m"])
    assert len(np.intersect1d(made.event_time, fives.event_time)) > 8000
    assert compare(minutes, fives) == ()


@pytest.mark.parametrize(
    ("name", "before", "messages"),
    [
        ("BTCUSDT-20230404", 0, 16111),
        ("BTCUSDT-20240718", 6, 9023),
        ("ETHUSDT-20240718", 7, 8930),
    ],
)
def test_the_snapshot_came_in_the_midst_of_the_changes(
    level2: dict[str, Level2], name: str, before: int, messages: int
) -> None:
    """In 2024 it arrived after changes that are newer than it: these have to be held."""
    depth = level2[name].depth
    assert len(depth) == messages
    snapshot = np.flatnonzero(depth.is_snapshot)
    assert snapshot.tolist() == [before]
    levels = int(depth.start[before + 1] - depth.start[before])
    assert levels == 2000, "limit=1000 a side"
    assert (depth.first_id[snapshot], depth.previous_id[snapshot]) == (-1, -1)
    history = replay(depth)
    if before:
        assert depth.final_id[before - 1] > depth.final_id[before]
        assert before - 1 in history.message
        assert history.message[0] == before
        assert 0 not in history.message, "changes older than the snapshot are dropped"


@pytest.mark.parametrize("name", FOLDERS)
def test_the_changes_are_one_unbroken_chain(level2: dict[str, Level2], name: str) -> None:
    depth = level2[name].depth
    rows = ~depth.is_snapshot
    assert (depth.previous_id[rows][1:] == depth.final_id[rows][:-1]).all()
    assert (depth.first_id[rows] <= depth.final_id[rows]).all()
    history = replay(depth)
    assert len(history.breaks) == len(history.unsound) == len(history.never_taken) == 0
    assert not history.crossed.any()
    assert history.update_id[-1] == depth.final_id[-1]


@pytest.mark.parametrize(
    ("name", "compared"),
    [("BTCUSDT-20230404", 1565), ("BTCUSDT-20240718", 625), ("ETHUSDT-20240718", 834)],
)
def test_the_rebuilt_book_is_the_recorded_best_bid_and_ask(
    level2: dict[str, Level2], name: str, compared: int
) -> None:
    """Prices and quantities of both sides, at every update that both streams have."""
    agreement = book_against_ticker(replay(level2[name].depth), level2[name].ticker.series)
    assert (agreement.compared, agreement.different) == (compared, 0)


@pytest.mark.parametrize(
    ("name", "low_ms", "high_ms"),
    [
        ("BTCUSDT-20230404", -32.0, -10.0),
        ("BTCUSDT-20240718", -1525.0, -1520.0),
        ("ETHUSDT-20240718", -1525.0, -1520.0),
    ],
)
def test_the_local_clock_is_behind(
    level2: dict[str, Level2], name: str, low_ms: float, high_ms: float
) -> None:
    record = level2[name]
    streams = {
        "depth": (record.depth.sent_time, record.depth.received_time),
        "trades": (record.trades.sent_time, record.trades.received_time),
        "ticker": (record.ticker.sent_time, record.ticker.received_time),
    }
    for stream, (sent, received) in streams.items():
        drift = clock_drift(sent, received, symbol=record.symbol, stream=stream)
        assert low_ms < drift.offset_ns / MILLISECOND_NS < high_ms, stream
        assert drift.findings[0].code == "clock-behind"


def test_the_clock_of_2023_moved(level2: dict[str, Level2]) -> None:
    """11 ms behind at the first row, 31 ms a minute later, right for a while: no one figure mends it.

    That of 2024 runs 1.5 s behind throughout.
    """
    ticker = level2["BTCUSDT-20230404"].ticker
    way_ms = (ticker.received_time - ticker.sent_time) / MILLISECOND_NS
    assert way_ms[0] == pytest.approx(-11.4, abs=0.1)
    assert way_ms.min() == pytest.approx(-31.0, abs=0.1)

    def moved(name: str) -> int:
        depth = level2[name].depth
        return clock_drift(
            depth.sent_time, depth.received_time, symbol="BTCUSDT", stream="depth"
        ).moved_ns

    assert moved("BTCUSDT-20230404") > 30 * MILLISECOND_NS
    assert moved("BTCUSDT-20240718") < 3 * MILLISECOND_NS


def test_the_margin_is_continuous_at_every_bracket(market_data: Path) -> None:
    """Just below and just at a floor the maintenance margin is the same, by file and by engine."""
    tables = read_brackets(market_data / "leverage_brackets.json")
    assert {*SYMBOLS} < tables.keys()
    for symbol, table in tables.items():
        floor, rate, amount, leverage = table.T
        below = floor[1:] * rate[:-1] - amount[:-1]
        at = floor[1:] * rate[1:] - amount[1:]
        assert np.allclose(below, at, rtol=1e-9, atol=0.01), symbol
        assert (np.diff(rate) > 0).all()
        assert (np.diff(leverage) < 0).all()
        contract = instrument_records([Instrument(symbol, brackets=table)])[0]
        for notional in floor[1:].tolist():
            just_below = maintenance_margin(contract, np.nextafter(notional, 0.0))
            assert just_below == pytest.approx(maintenance_margin(contract, notional), abs=0.01)


# Not in the README, found in the files.


@pytest.mark.parametrize("name", FOLDERS)
def test_trades_around_a_full_hour_are_the_close_and_the_open_of_its_candles(
    level2: dict[str, Level2], market_data: Path, name: str
) -> None:
    trades = level2[name].trades.series
    hourly = read_series(market_data / "klines" / f"{name[:7]}-1h.parquet")
    hour = int(trades.event_time[-1]) // HOUR_NS * HOUR_NS
    after = int(np.searchsorted(trades.event_time, hour))
    bar = int(np.searchsorted(hourly.event_time, hour))
    assert trades["price"][after - 1] == hourly["close"][bar - 1]
    assert trades["price"][after] == hourly["open"][bar]
    for bars, part in ((bar - 1, slice(0, after)), (bar, slice(after, None))):
        assert trades["price"][part].max() <= hourly["high"][bars]
        assert trades["price"][part].min() >= hourly["low"][bars]


@pytest.mark.parametrize("name", FOLDERS)
def test_minutes_made_of_the_trades_are_whole(level2: dict[str, Level2], name: str) -> None:
    trades = level2[name].trades.series
    made = candles(trades, INTERVALS["1m"])
    assert 7 <= len(made) <= 8
    assert (np.diff(made.event_time) == INTERVALS["1m"].ns).all()
    assert check(made) == ()
    assert trades_against_candles(trades, made) == ()
    assert (made["taker_buy_volume"] <= made["volume"]).all()
    inside = trades.between(int(made.event_time[0]), int(made.event_time[-1]) + INTERVALS["1m"].ns)
    assert made["trade_count"].sum() == len(inside)


def test_one_recorded_trade_never_met_the_book_and_lies_outside_it(
    level2: dict[str, Level2],
) -> None:
    """The insurance fund's, 2023-04-05 00:01: it is no price of the market."""
    record = level2["BTCUSDT-20230404"]
    assert len(record.off_book.series) == 1
    ticker = record.ticker.series
    assert trades_against_ticker(record.off_book.series, ticker).different == 1
    assert trades_against_ticker(record.trades.series, ticker).different == 0
    for name in FOLDERS[1:]:
        assert len(level2[name].off_book.series) == 0


@pytest.mark.parametrize("name", FOLDERS)
def test_recorded_times_are_milliseconds_of_the_named_day(
    level2: dict[str, Level2], name: str
) -> None:
    record = level2[name]
    day = ns(f"{name[8:12]}-{name[12:14]}-{name[14:]}")
    for series in (record.trades.series, record.ticker.series):
        assert (series.event_time % MILLISECOND_NS == 0).all()
        assert day <= series.event_time[0] < day + DAY_NS <= series.event_time[-1]
        make_series(series.kind, series.symbol, None, series.event_time, series.columns)
