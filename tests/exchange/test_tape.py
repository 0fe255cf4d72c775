"""The tape against an aggregation of its own: every interval, the day's statistics, the joined trades."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.exchange.bars import DAY_MS, FIXED_MS, INTERVALS, Bar, Candles, ending, opening
from riposte.exchange.contract import contract_of
from riposte.exchange.events import FundingSettled, Marked, Traded
from riposte.exchange.feed import History
from riposte.exchange.span import Span
from riposte.exchange.tape import Tape
from riposte.exchange.units import E8
from riposte.market.instrument import instrument_for

CONTRACT = contract_of(instrument_for("BTCUSDT"))
START = int(datetime(2024, 2, 28, 21, 30, tzinfo=UTC).timestamp() * 1000)
EVERY = {name: {"1M": "1mo"}.get(name, name) for name in INTERVALS}


def some_trades(count: int, span_ms: int, seed: int = 1) -> list[Traded]:
    """Bursts of trades with quiet minutes between, over ``span_ms``."""
    rng = random.Random(seed)
    price, trades = 500_000, []
    times = sorted(START + rng.randrange(span_ms) // 400 * 400 for _ in range(count))
    for number, at in enumerate(times):
        price += rng.randint(-20, 20)
        trades.append(
            Traded(at, "BTCUSDT", number + 1, price, rng.randint(1, 500), rng.random() < 0.5, False)
        )
    return trades


def tape_of(trades: list[Traded]) -> Tape:
    tape = Tape([CONTRACT], {})
    for trade in trades:
        tape.take(trade)
    return tape


def aggregated(trades: list[Traded], interval: str) -> dict[int, tuple[int, ...]]:
    """Opening of each bar with trades → its values, by polars."""
    tick, step, unit = CONTRACT.tick_e8, CONTRACT.step_e8, CONTRACT.unit_e8
    frame = pl.DataFrame(
        {
            "time": [t.time_ms for t in trades],
            "price": [t.price_ticks * tick for t in trades],
            "volume": [t.quantity * step for t in trades],
            "quote": [t.price_ticks * t.quantity * unit for t in trades],
            "taker": [not t.buyer_is_maker for t in trades],
            "id": [t.trade_id for t in trades],
        }
    ).with_columns(pl.from_epoch("time", time_unit="ms"))
    grouped = frame.group_by_dynamic("time", every=EVERY[interval]).agg(
        pl.col("price").first().alias("open"),
        pl.col("price").max().alias("high"),
        pl.col("price").min().alias("low"),
        pl.col("price").last().alias("close"),
        pl.col("volume").sum(),
        pl.col("quote").sum(),
        pl.len().alias("count"),
        pl.col("volume").filter(pl.col("taker")).sum().alias("taker_volume"),
        pl.col("quote").filter(pl.col("taker")).sum().alias("taker_quote"),
        pl.col("id").first().alias("first"),
        pl.col("id").last().alias("last"),
    )
    rows = grouped.with_columns(pl.col("time").dt.epoch("ms")).rows()
    return {row[0]: row[1:] for row in rows}


def values(bar: Bar) -> tuple[int, ...]:
    return (
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote, bar.count,
        bar.taker_volume, bar.taker_quote, bar.first_id, bar.last_id,
    )  # fmt: skip


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_is_what_the_trades_add_up_to(interval: str) -> None:
    trades = some_trades(4_000, 9 * DAY_MS)
    bars = tape_of(trades).symbols["BTCUSDT"].candles["trade"].select(interval, None, None, 10**6)
    expected = aggregated(trades, interval)
    assert {bar.open_ms: values(bar) for bar in bars if bar.count} == expected
    opens = [bar.open_ms for bar in bars]
    assert opens == sorted(set(opens))
    for before, bar in pairwise(bars):
        assert bar.open_ms == ending(interval, before.open_ms) + 1, "a bar is missing"
        if not bar.count:
            assert values(bar)[:5] == (before.close,) * 4 + (0,)


def test_the_day_is_the_last_twenty_four_hours() -> None:
    trades = some_trades(5_000, 3 * DAY_MS)
    now = START + 3 * DAY_MS - FIXED_MS["1m"] * 7
    seen = [t for t in trades if t.time_ms < now]
    tape = tape_of(seen).symbols["BTCUSDT"]
    ticker = tape.ticker(now)
    assert ticker is not None
    since = (now - DAY_MS) - (now - DAY_MS) % FIXED_MS["1m"]  # by whole minutes
    day = [t for t in seen if t.time_ms >= since]
    tick = CONTRACT.tick_e8
    assert ticker.high_e8 == max(t.price_ticks for t in day) * tick
    assert ticker.low_e8 == min(t.price_ticks for t in day) * tick
    assert ticker.last_e8 == seen[-1].price_ticks * tick
    assert ticker.last_steps == seen[-1].quantity
    assert ticker.volume_e8 == sum(t.quantity for t in day) * CONTRACT.step_e8
    assert ticker.quote_e8 == sum(CONTRACT.notional_e8(t.price_ticks, t.quantity) for t in day)
    assert ticker.count == len(day)
    assert (ticker.first_id, ticker.last_id) == (day[0].trade_id, day[-1].trade_id)
    assert (ticker.open_ms, ticker.close_ms) == (now - DAY_MS, now)


def test_a_contract_without_trades_has_no_day() -> None:
    assert Tape([CONTRACT], {}).symbols["BTCUSDT"].ticker(START) is None


def test_trades_of_one_moment_price_and_side_are_joined() -> None:
    trades = some_trades(3_000, 600_000, seed=4)
    trades = [t for i, t in enumerate(trades) for _ in range(1 + i % 3)]
    trades = [
        Traded(t.time_ms, t.symbol, i + 1, t.price_ticks, t.quantity, t.buyer_is_maker, False)
        for i, t in enumerate(trades)
    ]
    tape = tape_of(trades).symbols["BTCUSDT"]
    joined = list(tape.agg_trades)
    assert [a.agg_id for a in joined] == list(range(1, len(joined) + 1))
    assert len(joined) < len(trades)
    by_id = {t.trade_id: t for t in trades}
    expected_first = 1
    for agg in joined:
        assert agg.first_id == expected_first
        parts = [by_id[i] for i in range(agg.first_id, agg.last_id + 1)]
        assert {(p.time_ms, p.price_ticks, p.buyer_is_maker) for p in parts} == {
            (agg.time_ms, agg.price_ticks, agg.buyer_is_maker)
        }
        assert agg.quantity == sum(p.quantity for p in parts)
        expected_first = agg.last_id + 1
    assert expected_first == len(trades) + 1
    for one, two in pairwise(joined):
        assert (one.time_ms, one.price_ticks, one.buyer_is_maker) != (
            two.time_ms,
            two.price_ticks,
            two.buyer_is_maker,
        )


def test_mark_index_and_premium_have_candles_of_their_own() -> None:
    tape = Tape([CONTRACT], {})
    for second in range(0, 180, 3):
        index = 50_000 * E8
        mark = index + (second - 90) * E8
        tape.take(Marked(START + second * 1_000, "BTCUSDT", mark, index, 0, 0))
    candles = tape.symbols["BTCUSDT"].candles
    marks = candles["mark"].select("1m", None, None, 10)
    assert [(b.open, b.close) for b in marks] == [
        ((50_000 + low) * E8, (50_000 + low + 57) * E8) for low in (-90, -30, 30)
    ]
    assert [b.count for b in marks] == [20, 20, 20]
    assert {b.close for b in candles["index"].select("1m", None, None, 10)} == {50_000 * E8}
    premiums = candles["premium"].select("1m", None, None, 10)
    assert [b.open for b in premiums] == [low * E8 // 50_000 for low in (-90, -30, 30)]


def test_history_goes_on_without_a_seam() -> None:
    price = 50_000 * E8
    past = tuple(
        Bar(START - (10 - i) * 60_000, price + i, price + i, price + i, price + i, 7, 8, 9)
        for i in range(10)
    )
    history = History(60_000, past, funding=((START - 1, 100, price), (START - 2, 50, price)))
    tape = Tape([CONTRACT], {"BTCUSDT": history})
    for trade in some_trades(50, 600_000):
        tape.take(trade)
    bars = tape.symbols["BTCUSDT"].candles["trade"].select("1m", None, None, 1_500)
    assert [b.open_ms for b in bars[:10]] == [b.open_ms for b in past]
    assert [b.open_ms for b in bars] == list(
        range(past[0].open_ms, bars[-1].open_ms + 1, FIXED_MS["1m"])
    )
    tape.take(FundingSettled(START + 5, "BTCUSDT", -30, price))
    assert [f.rate_e8 for f in tape.funding("BTCUSDT", Span(), 10)] == [50, 100, -30]
    assert [f.rate_e8 for f in tape.funding(None, Span(START - 1), 1)] == [100]
    assert [f.rate_e8 for f in tape.funding(None, Span(None, START), 1)] == [100]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3 * 86_400_000), st.integers(1, 99)), min_size=1, max_size=60
    ),
    st.sampled_from(INTERVALS),
    st.integers(0, 3 * 86_400_000),
    st.integers(1, 40),
)
def test_any_cut_of_the_bars_is_a_cut_of_all_of_them(
    moments: list[tuple[int, int]], interval: str, cut: int, limit: int
) -> None:
    candles = Candles()
    for offset, price in sorted(moments):
        candles.add(Bar(START + offset, price, price, price, price, 1, price, 1))
    whole = candles.select(interval, None, None, 10**6)
    at = START + cut
    after = candles.select(interval, at, None, limit)
    before = candles.select(interval, None, at, limit)
    assert after == [bar for bar in whole if bar.open_ms >= at][:limit]
    assert before == [bar for bar in whole if bar.open_ms <= at][-limit:]
    assert sum(bar.volume for bar in whole) == len(moments)
    assert all(opening(interval, bar.open_ms) == bar.open_ms for bar in whole)
