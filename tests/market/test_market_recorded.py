"""The traps of the recorded market data, each on the real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.market.assemble import assemble, resample
from riposte.market.checks import check, check_frame, compare
from riposte.market.frame import MarketFrame
from riposte.market.interval import HOUR_NS, INTERVALS, MINUTE_NS
from riposte.sources.recorded import read_series

HOUR = INTERVALS["1h"]
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")


def ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def recorded_frame(folder: Path, symbol: str) -> MarketFrame:
    files = (
        folder / "klines" / f"{symbol}-1h.parquet",
        folder / "mark" / f"{symbol}-1h.parquet",
        folder / "funding" / f"{symbol}.parquet",
        folder / "open_interest" / f"{symbol}-1h-bybit.parquet",
    )
    return assemble(symbol, HOUR, {s.kind: s for s in map(read_series, files)})


@pytest.fixture(scope="module")
def frames(market_data: Path) -> dict[str, MarketFrame]:
    return {symbol: recorded_frame(market_data, symbol) for symbol in SYMBOLS}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_mark_price_of_a_row_is_that_of_its_close(
    frames: dict[str, MarketFrame], symbol: str
) -> None:
    frame = frames[symbol]
    at_close = np.nanmedian(np.abs(frame["mark_price"] / frame["close"] - 1))
    at_open = np.nanmedian(np.abs(frame["mark_price"] / frame["open"] - 1))
    assert at_close < 2e-4
    assert at_open > 10 * at_close, "joined at the opening it would look an hour ahead"


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_open_interest_answers_the_past_hour_and_not_the_coming_one(
    market_data: Path, symbol: str
) -> None:
    """A snapshot stamped T was taken at T: its change goes with the bar that ended there."""
    interest = read_series(market_data / "open_interest" / f"{symbol}-1h-bybit.parquet")
    candles = read_series(market_data / "klines" / f"{symbol}-1h.parquet")
    change = np.abs(np.diff(np.log(interest["open_interest"])))
    stamped = interest.event_time[1:]
    moved = np.abs(np.log(candles["close"] / candles["open"]))

    def goes_with(bar_open: np.ndarray) -> float:
        _, here, there = np.intersect1d(bar_open, candles.event_time, return_indices=True)
        return float(np.corrcoef(change[here], moved[there])[0, 1])

    assert goes_with(stamped - HOUR_NS) > 1.6 * goes_with(stamped)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_row_holds_the_open_interest_published_by_its_close(
    frames: dict[str, MarketFrame], market_data: Path, symbol: str
) -> None:
    frame = frames[symbol]
    interest = read_series(market_data / "open_interest" / f"{symbol}-1h-bybit.parquet")
    rows = np.flatnonzero(np.isfinite(frame["open_interest"]))
    snapshot = np.searchsorted(interest.event_time, frame.open_time[rows])
    assert (frame["open_interest"][rows] == interest["open_interest"][snapshot]).all()


@pytest.mark.parametrize(
    ("symbol", "start"),
    [
        ("BTCUSDT", "2020-12-01T00:00"),
        ("ETHUSDT", "2020-12-01T00:00"),
        ("SOLUSDT", "2021-06-29T09:00"),
        ("BNBUSDT", "2021-06-29T09:00"),
    ],
)
def test_open_interest_starts_later_than_the_candles(
    frames: dict[str, MarketFrame], symbol: str, start: str
) -> None:
    frame = frames[symbol]
    known = np.isfinite(frame["open_interest"])
    assert frame.open_time[np.argmax(known)] == ns(start)
    assert not known[0]
    late = [
        f for f in check_frame(frame) if f.code == "late-start" and "open_interest" in f.message
    ]
    assert late[0].count == int(np.argmax(known))


def test_the_holes_of_sol_are_segment_borders(frames: dict[str, MarketFrame]) -> None:
    frame = frames["SOLUSDT"]
    border = np.flatnonzero(np.diff(frame.segment)) + 1
    assert frame.open_time[border].tolist() == [ns("2022-03-01T00:00"), ns("2022-04-03T00:00")]
    missing = (np.diff(frame.open_time)[border - 1] // HOUR_NS - 1).tolist()
    assert missing == [72, 48]
    assert frames["BTCUSDT"].segment[-1] == 0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_recorded_settlement_is_charged_once(
    frames: dict[str, MarketFrame], market_data: Path, symbol: str
) -> None:
    frame = frames[symbol]
    funding = read_series(market_data / "funding" / f"{symbol}.parquet")
    second = funding.event_time // 10**9 * 10**9
    bar = (
        np.searchsorted(frame.open_time, second, side="left") - 1
    )  # opens before, closes at or after
    inside = (bar >= 0) & (frame.close_time[np.maximum(bar, 0)] >= second)
    charged = np.nansum(frame["funding_charge"])
    assert charged == pytest.approx(funding["funding_rate"][inside].sum(), abs=1e-12)
    assert inside.sum() >= len(funding) - 17, "only settlements in the holes are not charged"
    held = np.flatnonzero(frame["funding_charge"] != 0.0)
    assert np.isin(frame.close_time[held] % (2 * HOUR_NS), [0]).all()


def test_sol_pays_on_two_hour_intervals_and_at_the_floor(frames: dict[str, MarketFrame]) -> None:
    frame = frames["SOLUSDT"]
    november = frame.between(ns("2022-11-10T00:00"), ns("2022-11-12T00:00"))
    paid = november.close_time[np.nan_to_num(november["funding_charge"]) != 0.0]
    assert np.diff(paid).min() == 2 * HOUR_NS
    assert np.nanmin(frame["funding_charge"]) == -0.02
    assert np.nanmax(november["hours_since_funding"]) <= 4.0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_taker_volume_and_trade_counts_stay_missing(
    frames: dict[str, MarketFrame], symbol: str
) -> None:
    assert not frames[symbol].has("taker_buy_volume")
    assert not frames[symbol].has("trade_count")
    assert frames[symbol].has("quote_volume")


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_flat_bar_is_noticed_and_nothing_recorded_is_refused(
    market_data: Path, symbol: str
) -> None:
    candles = read_series(market_data / "klines" / f"{symbol}-1h.parquet")
    findings = check(candles)
    flat = [finding for finding in findings if finding.code == "flat-bar"]
    assert [(f.count, f.first_time) for f in flat] == [(1, ns("2024-10-28T20:00"))]
    assert "error" not in {finding.severity for finding in findings}


@pytest.mark.parametrize("interval", ["1m", "5m"])
@pytest.mark.parametrize("symbol", SYMBOLS[:3])
def test_fine_candles_make_the_hourly_ones_exactly(
    market_data: Path, symbol: str, interval: str
) -> None:
    fine = read_series(market_data / "klines" / f"{symbol}-{interval}.parquet")
    hourly = read_series(market_data / "klines" / f"{symbol}-1h.parquet")
    made = resample(fine, HOUR)
    _, here, there = np.intersect1d(made.event_time, hourly.event_time, return_indices=True)
    assert len(here) > 1000
    assert len(here) == len(made)
    for name in ("open", "high", "low", "close"):
        assert (made[name][here] == hourly[name][there]).all(), name
    assert np.allclose(made["volume"][here], hourly["volume"][there], rtol=1e-9)
    assert compare(fine, hourly) == ()


def test_the_five_minute_files_are_two_stretches(market_data: Path) -> None:
    fine = read_series(market_data / "klines" / "BTCUSDT-5m.parquet")
    frame = assemble("BTCUSDT", INTERVALS["5m"], {"klines": fine})
    assert frame.segment[-1] == 1
    first_part = frame.close_time[frame.segment == 0][-1]
    assert first_part == ns("2025-04-13T07:15") + 5 * MINUTE_NS
    assert [f.code for f in check(fine) if f.severity == "warning"] == ["gap"]
