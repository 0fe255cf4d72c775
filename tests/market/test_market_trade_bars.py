"""Trades in bars: sides, sizes, large orders and the way of the price, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError, InputError
from riposte.market.assemble import assemble, gathered, whole_bars
from riposte.market.frame import COLUMNS, Bars, Floats
from riposte.market.interval import INTERVALS, MINUTE_NS, SECOND_NS
from riposte.market.series import Series, make_series
from riposte.market.trade_bars import LARGE_HISTORY, large_from, trade_bars
from riposte.market.trades import candles

SECOND, FIFTEEN, MINUTE, FIVE = (INTERVALS[name] for name in ("1s", "15s", "1m", "5m"))
START = 28_700_000 * MINUTE_NS
MS = 1_000_000


def trades_of(rows: list[tuple[int, float, float, bool]], kind: str = "trades") -> Series:
    """From rows of milliseconds, price, quantity and whether the taker bought."""
    ids = np.arange(len(rows), dtype=np.float64)
    columns = {
        "trade_id": ids,
        "price": np.array([row[1] for row in rows]),
        "quantity": np.array([row[2] for row in rows]),
        "buyer_is_maker": np.array([0.0 if row[3] else 1.0 for row in rows]),
    }
    if kind == "agg_trades":
        columns |= {"first_trade_id": 3 * ids, "last_trade_id": 3 * ids + 2}
    times = START + np.array([row[0] for row in rows], dtype=np.int64) * MS
    return make_series(kind, "BTCUSDT", None, times, columns)


def random_trades(seed: int, count: int, seconds: int) -> Series:
    """Trades on a grid of prices, several of them in one millisecond now and then."""
    chance = np.random.default_rng(seed)
    at = np.sort(chance.integers(0, max(1, seconds * 1000 // 3), count)) * 3
    price = 100 + 0.1 * np.cumsum(chance.integers(-1, 2, count))
    size = np.round(chance.lognormal(0, 1.5, count), 3) + 0.001
    side = chance.random(count) < 0.5
    return trades_of(
        [
            (int(a), float(p), float(q), bool(s))
            for a, p, q, s in zip(at, price, size, side, strict=True)
        ]
    )


def naive(trades: Series, open_time: int, ns: int) -> dict[str, float]:
    """One bar, trade by trade; without the large ones."""
    found = dict.fromkeys(
        ("buy_volume", "sell_volume", "buy_count", "sell_count", "taker_orders", "largest_order",
         "order_size_squares", "price_path", "upticks", "downticks"), 0.0,
    )  # fmt: skip
    sizes: list[float] = []
    before: tuple[float, ...] | None = None
    for at, price, quantity, maker in zip(
        trades.event_time,
        trades["price"],
        trades["quantity"],
        trades["buyer_is_maker"],
        strict=True,
    ):
        same = before == (at, price, maker)
        if open_time <= at < open_time + ns:
            side = "sell" if maker else "buy"
            found[f"{side}_volume"] += quantity
            found[f"{side}_count"] += 1
            if same:
                sizes[-1] += quantity
            else:
                sizes.append(quantity)
                if before is not None:
                    found["price_path"] += abs(np.log(price / before[1]))
                    found["upticks"] += price > before[1]
                    found["downticks"] += price < before[1]
        before = (at, price, maker)
    found["taker_orders"] = len(sizes)
    found["largest_order"] = max(sizes, default=0.0)
    found["order_size_squares"] = sum(size**2 for size in sizes)
    return found


def test_one_bar_worked_out_by_hand() -> None:
    made = trade_bars(
        trades_of([
            (500, 100.0, 9.0, True),  # before the first whole bar
            (1000, 101.0, 1.0, True),
            (1000, 101.0, 2.0, True),  # the same order goes on
            (1000, 102.0, 1.0, True),  # and takes the next price
            (1900, 101.0, 5.0, False),
            (3500, 101.0, 1.0, True),
        ]),
        SECOND,
    )  # fmt: skip
    assert made.open_time.tolist() == [START + SECOND_NS, START + 2 * SECOND_NS]
    assert made["buy_volume"].tolist() == [4.0, 0.0]
    assert made["sell_volume"].tolist() == [5.0, 0.0]
    assert made["buy_count"].tolist() == [3.0, 0.0]
    assert made["sell_count"].tolist() == [1.0, 0.0]
    assert made["taker_orders"].tolist() == [3.0, 0.0]
    assert made["largest_order"].tolist() == [5.0, 0.0]
    assert made["order_size_squares"].tolist() == [3.0**2 + 1.0 + 25.0, 0.0]
    assert made["upticks"].tolist() == [2.0, 0.0]
    assert made["downticks"].tolist() == [1.0, 0.0]
    way = np.log(101 / 100) + 2 * np.log(102 / 101)
    np.testing.assert_allclose(made["price_path"], [way, 0.0], rtol=1e-12)
    assert np.isnan(made["large_buy_volume"]).all(), "nobody knows yet what is large"


@given(st.integers(0, 10_000), st.integers(1, 300), st.sampled_from([SECOND, FIFTEEN, MINUTE]))
def test_bars_equal_a_loop_over_the_trades(seed: int, count: int, interval: object) -> None:
    trades = random_trades(seed, count, 130)
    made = trade_bars(trades, interval)  # type: ignore[arg-type]
    for row, open_time in enumerate(made.open_time):
        expected = naive(trades, int(open_time), interval.ns)  # type: ignore[attr-defined]
        for name, value in expected.items():
            assert made[name][row] == pytest.approx(value, rel=1e-12, abs=1e-15), name


@given(st.integers(0, 10_000))
def test_sides_add_up_to_the_candle(seed: int) -> None:
    trades = random_trades(seed, 400, 60)
    candle = candles(trades, SECOND)
    made = trade_bars(trades, SECOND)
    row = np.searchsorted(made.open_time, candle.event_time)
    assert np.array_equal(made.open_time[row], candle.event_time)
    np.testing.assert_allclose(made["buy_volume"][row], candle["taker_buy_volume"], rtol=1e-12)
    total = made["buy_volume"] + made["sell_volume"]
    np.testing.assert_allclose(total[row], candle["volume"], rtol=1e-12)
    count = made["buy_count"] + made["sell_count"]
    np.testing.assert_array_equal(count[row], candle["trade_count"])
    assert np.delete(total, row).tolist() == [0.0] * (len(total) - len(row)), "the bars between"


@pytest.mark.parametrize("coarse", [FIFTEEN, MINUTE, FIVE])
def test_longer_bars_are_sums_of_shorter_ones_large_orders_included(coarse: object) -> None:
    trades = random_trades(3, 9_000, 1_300)
    fine, direct = trade_bars(trades, SECOND), trade_bars(trades, coarse)  # type: ignore[arg-type]
    starts = whole_bars(fine.open_time, SECOND, coarse)  # type: ignore[arg-type]
    assert np.array_equal(fine.open_time[starts], direct.open_time)
    for name, values in fine.columns.items():
        parts = coarse.ns // SECOND_NS  # type: ignore[attr-defined]
        made = gathered(values, starts, parts, COLUMNS[name].gather)
        np.testing.assert_allclose(made, direct[name], rtol=1e-12, atol=1e-14, err_msg=name)
    assert np.isfinite(direct["large_buy_volume"]).any()
    assert np.isnan(fine["large_buy_volume"][0])


def test_large_is_what_exceeds_95_percent_of_the_thousand_before_the_minute() -> None:
    trades = random_trades(5, 6_000, 600)
    time, size = trades.event_time, trades["quantity"]
    level = large_from(time, size)
    for row in range(0, len(time), 97):
        start = int(np.searchsorted(time, time[row] // MINUTE_NS * MINUTE_NS))
        if start < LARGE_HISTORY:
            assert np.isnan(level[row])
        else:
            before = np.sort(size[start - LARGE_HISTORY : start])
            assert level[row] == before[949]
            assert (before > level[row]).sum() <= 50
    # Nothing after the minute's start matters.
    other = np.where(time >= START + 5 * MINUTE_NS, size * 7, size)
    early = time < START + 6 * MINUTE_NS
    np.testing.assert_array_equal(level[early], large_from(time, other)[early])


@given(st.integers(0, 10_000), st.floats(0.2, 0.99))
def test_cutting_the_record_off_changes_no_bar_that_was_over(seed: int, share: float) -> None:
    trades = random_trades(seed, 3_000, 200)
    whole = trade_bars(trades, SECOND)
    part = trade_bars(trades.rows(0, int(len(trades) * share)), SECOND)
    assert np.array_equal(part.open_time, whole.open_time[: len(part)])
    for name, values in part.columns.items():
        assert values.tobytes() == whole[name][: len(part)].tobytes(), name


def test_aggregated_trades_count_the_trades_they_join() -> None:
    rows = [(0, 100.0, 1.0, True), (1200, 101.0, 2.0, True), (1300, 101.0, 3.0, False), (2500, 101.0, 1.0, True)]  # fmt: skip
    made = trade_bars(trades_of(rows, "agg_trades"), SECOND)
    assert made["buy_count"].tolist() == [3.0]
    assert made["sell_count"].tolist() == [3.0]
    assert made["taker_orders"].tolist() == [2.0]


def test_bars_that_a_hole_touches_are_left_out() -> None:
    trades = random_trades(1, 2_000, 100)
    kept = (trades.event_time < START + 40 * SECOND_NS) | (
        trades.event_time > START + 50 * SECOND_NS
    )
    holed = make_series(
        "trades", "BTCUSDT", None, trades.event_time[kept],
        {name: values[kept] for name, values in trades.columns.items()},
    )  # fmt: skip
    made = trade_bars(holed, SECOND)
    gone = np.setdiff1d(trade_bars(trades, SECOND).open_time, made.open_time)
    assert ((gone - START) // SECOND_NS).tolist() == list(range(39, 51))


def test_the_frame_takes_trades_bar_by_bar_and_leaves_what_they_do_not_cover_missing() -> None:
    trades = random_trades(2, 4_000, 600)
    klines = candles(trades, MINUTE, partial=True)
    frame = assemble("BTCUSDT", MINUTE, {"klines": klines, "trades": trades})
    made = trade_bars(trades, MINUTE)
    inside = np.isin(frame.open_time, made.open_time)
    assert not inside.all(), "the first and the last bar are not covered whole"
    for name in made.columns:
        np.testing.assert_array_equal(frame[name][inside], made[name])
        assert np.isnan(frame[name][~inside]).all()
    finer = trade_bars(trades, SECOND)
    again = assemble("BTCUSDT", MINUTE, {"klines": klines}, [finer])
    np.testing.assert_allclose(again["buy_volume"][inside], frame["buy_volume"][inside], rtol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    trades = random_trades(2, 400, 600)
    klines = candles(trades, MINUTE, partial=True)
    with pytest.raises(InputError, match="1m bars cannot be made of 5m bars of the book"):
        assemble("BTCUSDT", MINUTE, {"klines": klines}, [trade_bars(trades, FIVE)])
    foreign = Bars("ETHUSDT", MINUTE, np.empty(0, np.int64), dict[str, Floats]())
    with pytest.raises(DataError, match="bars of ETHUSDT were given"):
        assemble("BTCUSDT", MINUTE, {"klines": klines}, [foreign])
    with pytest.raises(InputError, match="made of trades, not of klines"):
        trade_bars(klines, MINUTE)
    with pytest.raises(DataError, match="price is not above 0"):
        trade_bars(trades_of([(0, -1.0, 1.0, True), (9000, 1.0, 1.0, True)]), SECOND)
    assert len(trade_bars(trades.rows(0, 0), SECOND)) == 0
