"""Candles from trades: against a plain loop, against one another, and only where they are whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError, InputError
from riposte.market.assemble import resample
from riposte.market.interval import HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from riposte.market.series import Series, make_series
from riposte.market.trades import candles, holes

MINUTE, FIVE = INTERVALS["1m"], INTERVALS["5m"]
START = 19_000 * 24 * HOUR_NS
Trade = tuple[int, float, float, bool]  # ns since START, price, quantity, buyer is maker


def trades_of(rows: list[Trade], numbers: list[int] | None = None) -> Series:
    number = np.arange(len(rows)) + 5_000_000_000 if numbers is None else np.array(numbers)
    return make_series(
        "trades",
        "BTCUSDT",
        None,
        START + np.array([row[0] for row in rows], dtype=np.int64),
        {
            "trade_id": number.astype(np.float64),
            "price": np.array([row[1] for row in rows]),
            "quantity": np.array([row[2] for row in rows]),
            "buyer_is_maker": np.array([float(row[3]) for row in rows]),
        },
    )


def joined(trades: Series) -> Series:
    """The same trades aggregated: those in a row of one time, price and side are one."""
    same = np.diff(trades.event_time) == 0
    for name in ("price", "buyer_is_maker"):
        same &= np.diff(trades[name]) == 0
    first = np.flatnonzero(np.append(True, ~same))
    last = np.append(first[1:], len(trades)) - 1
    columns = {
        "trade_id": 1.0 + np.arange(len(first)),
        "price": trades["price"][first],
        "quantity": np.add.reduceat(trades["quantity"], first),
        "first_trade_id": trades["trade_id"][first],
        "last_trade_id": trades["trade_id"][last],
        "buyer_is_maker": trades["buyer_is_maker"][first],
    }
    return make_series("agg_trades", "BTCUSDT", None, trades.event_time[first], columns)


def by_hand(trades: Series, interval_ns: int) -> dict[int, dict[str, float]]:
    bars: dict[int, dict[str, float]] = {}
    for row, time in enumerate(trades.event_time.tolist()):
        price, quantity = trades["price"][row], trades["quantity"][row]
        opens = time - time % interval_ns
        bar = bars.setdefault(
            opens,
            {"open": price, "high": price, "low": price, "close": price, "volume": 0.0,
             "quote_volume": 0.0, "trade_count": 0.0, "taker_buy_volume": 0.0},
        )  # fmt: skip
        bar["high"], bar["low"] = max(bar["high"], price), min(bar["low"], price)
        bar["close"] = price
        bar["volume"] += quantity
        bar["quote_volume"] += price * quantity
        bar["trade_count"] += 1
        bar["taker_buy_volume"] += 0.0 if trades["buyer_is_maker"][row] else quantity
    return bars


some_trades = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 1000, 7 * SECOND_NS, 45 * SECOND_NS, 200 * SECOND_NS]),
        st.integers(900, 1100).map(lambda tick: tick / 10),
        st.integers(1, 5000).map(lambda lots: lots / 1000),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
).map(
    lambda rows: trades_of(
        [
            (int(time), *rest)
            for time, (_, *rest) in zip(np.cumsum([r[0] for r in rows]), rows, strict=True)
        ]
    )
)


@given(some_trades)
def test_candles_are_those_a_plain_loop_makes(trades: Series) -> None:
    wanted = by_hand(trades, MINUTE.ns)
    made = candles(trades, MINUTE, partial=True)
    assert made.event_time.tolist() == sorted(wanted)
    for row, time in enumerate(made.event_time.tolist()):
        for name, value in wanted[time].items():
            assert made[name][row] == pytest.approx(value, rel=1e-12), name


@given(some_trades)
def test_aggregated_trades_make_the_same_candles_and_count_single_trades(trades: Series) -> None:
    plain, aggregated = candles(trades, MINUTE), candles(joined(trades), MINUTE)
    assert (plain.event_time == aggregated.event_time).all()
    for name, values in plain.columns.items():
        assert np.allclose(values, aggregated[name], rtol=1e-12, atol=0), name


@given(some_trades)
def test_whole_bars_are_the_bars_between_the_first_and_the_last_trade(trades: Series) -> None:
    every, whole = candles(trades, MINUTE, partial=True), candles(trades, MINUTE)
    first, last = int(trades.event_time[0]), int(trades.event_time[-1])
    wanted = [t for t in every.event_time.tolist() if first < t and t + MINUTE.ns <= last]
    assert whole.event_time.tolist() == wanted


@given(some_trades)
def test_minutes_make_the_same_five_minutes_as_the_trades(trades: Series) -> None:
    covered = (START, START + 24 * HOUR_NS)
    five = candles(trades, FIVE, covered=covered)
    made = resample(candles(trades, MINUTE, covered=covered), FIVE)  # where no minute is empty
    _, here, there = np.intersect1d(five.event_time, made.event_time, return_indices=True)
    assert len(here) == len(made)
    for name, values in made.columns.items():
        assert np.allclose(five[name][here], values[there], rtol=1e-12, atol=0), name


def every_ten_seconds(count: int, numbers: list[int] | None = None, start_ns: int = 0) -> Series:
    rows = [(start_ns + i * 10 * SECOND_NS, 100.0 + i % 7, 1.0, i % 2 == 0) for i in range(count)]
    return trades_of(rows, numbers)


def minutes(series: Series) -> list[int]:
    return ((series.event_time - START) // MINUTE_NS).tolist()


def test_the_first_and_the_last_partial_bars_are_left_out() -> None:
    trades = every_ten_seconds(20, start_ns=25 * SECOND_NS)  # 0:25 to 3:35
    assert minutes(candles(trades, MINUTE)) == [1, 2]
    assert minutes(candles(trades, MINUTE, partial=True)) == [0, 1, 2, 3]
    covered = (START, START + 4 * MINUTE_NS)
    assert minutes(candles(trades, MINUTE, covered=covered)) == [0, 1, 2, 3]
    assert minutes(candles(trades, MINUTE, covered=(START + 1, START + 4 * MINUTE_NS))) == [1, 2, 3]


def test_a_bar_is_whole_when_a_trade_of_the_next_moment_is_there() -> None:
    assert minutes(candles(every_ten_seconds(13), MINUTE)) == [1]  # 0:00 to 2:00
    assert minutes(candles(every_ten_seconds(12), MINUTE)) == []


def test_bars_without_trades_are_absent() -> None:
    rows = [(m * MINUTE_NS + 5, 100.0, 1.0, True) for m in (0, 1, 3, 4)]
    assert minutes(candles(trades_of(rows), MINUTE)) == [1, 3]


def test_a_hole_in_the_record_takes_its_bars_away_and_a_single_absent_trade_does_not() -> None:
    numbers = [i if i < 15 else i + 40 for i in range(40)]  # missing between 2:20 and 2:30
    assert minutes(candles(every_ten_seconds(40, numbers), MINUTE)) == [1, 3, 4, 5]
    over = [i if i < 18 else i + 40 for i in range(40)]  # between 2:50 and 3:00
    trades = every_ten_seconds(40, over)
    assert holes(trades).tolist() == [18]
    assert minutes(candles(trades, MINUTE)) == [1, 4, 5]
    assert minutes(candles(trades, MINUTE, hole_ns=20 * SECOND_NS)) == [1, 2, 3, 4, 5]
    assert minutes(candles(trades, MINUTE, partial=True)) == [0, 1, 2, 3, 4, 5, 6]


def test_no_trades_make_no_candles() -> None:
    none = candles(trades_of([]), MINUTE)
    assert (none.kind, len(none)) == ("klines", 0)


def test_other_kinds_and_impossible_trades_are_refused() -> None:
    mark = make_series("mark", "BTCUSDT", None, np.array([START]), {"mark_price": np.ones(1)})
    with pytest.raises(InputError, match="candles are made of trades, not of mark"):
        candles(mark, MINUTE)
    for price, quantity in ((0.0, 1.0), (np.nan, 1.0), (1.0, -1.0), (1.0, np.nan)):
        with pytest.raises(DataError, match="trade 5000000001 has price"):
            candles(trades_of([(0, 1.0, 1.0, True), (1, price, quantity, True)]), MINUTE)
