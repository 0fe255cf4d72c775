"""Recorded order-book sessions as market frames: sound, and never ahead of the recording."""

from __future__ import annotations

import functools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from riposte.errors import DataError
from riposte.features.catalogue import FeatureSpec, catalogue, names
from riposte.features.causality import agree, typical_size
from riposte.features.matrix import build_matrix, latest_row, row_in_segment
from riposte.features.sets import PPO_30
from riposte.market.assemble import gathered, whole_bars
from riposte.market.book_bars import ticker_bars
from riposte.market.frame import COLUMNS, MarketFrame
from riposte.market.interval import INTERVALS, SECOND_NS
from riposte.market.replay import DepthChanges, replay
from riposte.sources.level2 import Level2, Stream, read_level2
from riposte.sources.level2_frame import level2_frame

SESSIONS = ("BTCUSDT-20230404", "BTCUSDT-20240718", "ETHUSDT-20240718")
SECOND, FIVE, FIFTEEN, MINUTE = (INTERVALS[name] for name in ("1s", "5s", "15s", "1m"))
GROUPS = ("book", "trades")

every_session = pytest.mark.parametrize("name", SESSIONS)


@functools.cache
def session(folder: Path) -> tuple[Level2, MarketFrame]:
    record = read_level2(folder)
    return record, level2_frame(record, SECOND)


@pytest.fixture
def record(market_data: Path, name: str) -> Level2:
    return session(market_data / "l2" / name)[0]


@pytest.fixture
def frame(market_data: Path, name: str) -> MarketFrame:
    return session(market_data / "l2" / name)[1]


def families(frame: MarketFrame) -> dict[str, FeatureSpec]:
    """The features of the book and of trades that suit the frame and have their data."""
    available = [name for name in COLUMNS if frame.has(name)]
    return {
        name: catalogue()[name]
        for name in names(frame.interval, available)
        if catalogue()[name].group in GROUPS
    }


@every_session
def test_a_session_becomes_one_unbroken_stretch_of_bars(record: Level2, frame: MarketFrame) -> None:
    assert len(frame) >= 475
    assert frame.segment[-1] == 0
    span = record.depth.event_time[-1] - record.depth.event_time[0]
    assert 0 <= span - len(frame) * SECOND_NS < 3 * SECOND_NS, "hardly anything is left out"
    assert (frame["best_bid"] < frame["best_ask"]).all()
    assert (frame["bid_depth_5"] <= frame["bid_depth_10"]).all()
    assert (np.abs(frame["mean_imbalance"]) <= 1).all()
    assert (np.abs(frame["order_flow"]) <= frame["order_flow_size"] * (1 + 1e-12)).all()
    np.testing.assert_allclose(frame["buy_volume"], frame["taker_buy_volume"], rtol=1e-9)
    volume = frame["buy_volume"] + frame["sell_volume"]
    np.testing.assert_allclose(volume, frame["volume"], rtol=1e-9)
    assert (frame["largest_order"] <= volume * (1 + 1e-12)).all()


@every_session
def test_bars_stand_at_the_book_that_stood_at_their_close(
    record: Level2, frame: MarketFrame
) -> None:
    history = replay(record.depth, 10)
    row = np.searchsorted(history.event_time, frame.close_time) - 1
    np.testing.assert_array_equal(frame["best_bid"], history.bids[row, 0, 0])
    np.testing.assert_array_equal(frame["best_ask_quantity"], history.asks[row, 0, 1])
    for side, best in (("bid", history.bids), ("ask", history.asks)):
        np.testing.assert_allclose(frame[f"{side}_depth_10"], best[row, :, 1].sum(axis=1))
    count = np.diff(
        np.searchsorted(history.event_time, np.append(frame.open_time, frame.close_time[-1]))
    )
    np.testing.assert_array_equal(frame["book_updates"], count)


@every_session
def test_the_recorded_best_bid_and_ask_tell_the_same(record: Level2, frame: MarketFrame) -> None:
    """Another stream of the same book, sent at every change: the depth comes some ms later."""
    top = ticker_bars(record.ticker.series, SECOND)
    common, here, there = np.intersect1d(frame.open_time, top.open_time, return_indices=True)
    assert len(common) >= len(frame) - 2
    bid, best = frame["best_bid"][here], top["best_bid"][there]
    assert (bid == best).mean() > 0.95
    assert (np.abs(bid / best - 1) < 5e-4).all()
    spread = frame["mean_spread"][here].mean() / top["mean_spread"][there].mean()
    assert spread == pytest.approx(1.0, abs=0.02)
    for column, least in (("mean_imbalance", 0.99), ("order_flow", 0.85)):
        together = np.corrcoef(frame[column][here], top[column][there])[0, 1]
        assert together > least, (column, together)


@every_session
def test_the_price_follows_the_order_flow(frame: MarketFrame) -> None:
    """The law of Cont, Kukanov and Stoikov: moves of the middle are linear in the order flow."""
    middle = np.log(0.5 * (frame["best_bid"] + frame["best_ask"]))
    ten = len(frame) // 10 * 10
    moves = np.diff(middle[9:ten:10])
    flows = frame["order_flow"][10:ten].reshape(-1, 10).sum(axis=1)
    assert np.corrcoef(moves, flows)[0, 1] > 0.5


@every_session
@pytest.mark.parametrize("interval", [FIVE, FIFTEEN, MINUTE], ids=str)
def test_longer_bars_are_gathered_from_seconds(
    record: Level2, frame: MarketFrame, interval: object
) -> None:
    direct = level2_frame(record, interval)  # type: ignore[arg-type]
    starts = whole_bars(frame.open_time, SECOND, interval)  # type: ignore[arg-type]
    assert np.array_equal(frame.open_time[starts], direct.open_time)
    parts = interval.ns // SECOND_NS  # type: ignore[attr-defined]
    traded = frame["volume"][starts] > 0  # else the first second stands at the price before it
    assert traded.any()
    for column, meaning in COLUMNS.items():
        made = gathered(frame[column], starts, parts, meaning.gather)
        rows = traded if column in ("open", "high", "low") else slice(None)
        np.testing.assert_allclose(
            made[rows], direct[column][rows], rtol=1e-9, atol=1e-9, equal_nan=True, err_msg=column
        )


def cut_off(record: Level2, at_ns: int) -> Level2:
    """The record as it was at that moment of our clock."""

    def stream(whole: Stream | None) -> Stream | None:
        if whole is None:
            return None
        rows = int(np.searchsorted(whole.received_time, at_ns))
        return Stream(
            whole.series.rows(0, rows), whole.sent_time[:rows], whole.received_time[:rows]
        )

    depth = record.depth
    count = int(np.searchsorted(depth.received_time, at_ns))
    levels = int(depth.start[count])
    part = {
        field.name: getattr(depth, field.name)[: levels if field.name in ("is_bid", "price", "quantity") else count]
        for field in fields(DepthChanges)
        if field.name not in ("symbol", "start")
    }  # fmt: skip
    changes = DepthChanges(symbol=depth.symbol, start=depth.start[: count + 1], **part)
    streams = {key: stream(getattr(record, key)) for key in ("trades", "off_book", "ticker", "mark", "index")}  # fmt: skip
    return replace(record, depth=changes, **streams)  # type: ignore[arg-type]


@every_session
def test_cutting_the_recording_off_at_any_moment_changes_no_bar_that_was_over(
    record: Level2, frame: MarketFrame
) -> None:
    chance = np.random.default_rng(11)
    received = record.depth.received_time
    for at in chance.integers(received[0] + 20 * SECOND_NS, received[-1], 12):
        part = level2_frame(cut_off(record, int(at)), SECOND)
        count = len(part)
        assert 15 <= count < len(frame)
        assert np.array_equal(part.open_time, frame.open_time[:count])
        for column in COLUMNS:
            if column in ("mark_price", "index_price"):
                continue  # joined as known by the exchange's clock, they arrive later than trades
            assert part[column].tobytes() == frame[column][:count].tobytes(), column


@every_session
def test_features_of_the_book_and_of_trades_are_finite_where_warm(frame: MarketFrame) -> None:
    used = families(frame)
    assert len(used) >= 35
    matrix = build_matrix(frame, used)
    place = row_in_segment(frame)
    large = np.isfinite(frame["large_buy_volume"])
    for name, values in zip(matrix.names, matrix.values.T, strict=True):
        lookback = used[name].lookback(SECOND)
        warm = place >= lookback - 1
        if "large_buy_volume" in used[name].columns:
            warm &= np.convolve(large, np.ones(lookback))[: len(large)] >= lookback
        assert np.isfinite(values[warm]).all(), name
        if warm.sum() > 100:
            assert np.ptp(values[warm]) > 0, name


@every_session
def test_live_equals_batch_on_a_recorded_session(frame: MarketFrame) -> None:
    used = list(families(frame))
    matrix = build_matrix(frame, used)
    scale = [typical_size(column) for column in matrix.values.T]
    for row in np.linspace(30, len(frame) - 1, 12).astype(int):
        live = latest_row(frame.rows(0, row + 1), used)
        for place, name in enumerate(used):
            batch = matrix.values[row, place]
            assert agree(batch, live[place], scale[place]), (name, row, batch, live[place])


@every_session
def test_the_input_vector_of_the_ppo_system_is_finite_on_seconds_but_for_long_windows(
    frame: MarketFrame,
) -> None:
    matrix = build_matrix(frame, PPO_30)
    assert matrix.names == PPO_30
    last = dict(zip(matrix.names, matrix.values[-1], strict=True))
    for name, value in last.items():
        lookback = catalogue()[name].lookback(SECOND)
        large = "large_buy_volume" in catalogue()[name].columns
        assert np.isfinite(value) or lookback > len(frame) or large, name


def test_mark_and_index_prices_are_those_of_the_record(market_data: Path) -> None:
    record, frame = session(market_data / "l2" / SESSIONS[0])
    assert np.isfinite(frame["mark_price"]).mean() > 0.99
    assert record.mark is not None
    row = np.searchsorted(record.mark.series.event_time, frame.close_time, side="right") - 1
    known = np.isfinite(frame["mark_price"])
    np.testing.assert_array_equal(
        frame["mark_price"][known], record.mark.series["mark_price"][row[known]]
    )
    assert not session(market_data / "l2" / SESSIONS[1])[1].has("mark_price")


def test_a_bar_without_trades_stands_at_the_price_before_it(market_data: Path) -> None:
    _, frame = session(market_data / "l2" / SESSIONS[1])
    still = np.flatnonzero(frame["volume"][1:] == 0) + 1
    assert len(still) > 3
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(frame[name][still], frame["close"][still - 1])
    for name in ("trade_count", "buy_volume", "taker_orders", "price_path"):
        assert (frame[name][still] == 0).all()


def test_a_record_too_short_for_one_bar_is_refused(market_data: Path) -> None:
    record, _ = session(market_data / "l2" / SESSIONS[2])
    with pytest.raises(DataError, match="too short for one whole bar of 1h"):
        level2_frame(record, INTERVALS["1h"])
    nothing = replace(record, trades=replace(record.trades, series=record.trades.series.rows(0, 0)))
    with pytest.raises(DataError, match="no book or no trades"):
        level2_frame(nothing, SECOND)
