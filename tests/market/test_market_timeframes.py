"""Longer bars beside short ones: equal to those assembled directly, and never known too early."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError, InputError
from riposte.market.assemble import assemble
from riposte.market.frame import COLUMNS, MarketFrame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from riposte.market.series import KINDS, Series, make_series
from riposte.market.timeframes import coarser, known_at

MINUTE, FIVE, QUARTER, HOUR = (INTERVALS[name] for name in ("1m", "5m", "15m", "1h"))
START = 19_800 * DAY_NS


def market(seed: int, minutes: int, gaps: tuple[int, ...] = ()) -> dict[str, Series]:
    """Every kind a frame is made of, at its own pace, with holes in the candles."""
    chance = np.random.default_rng(seed)
    rows = np.setdiff1d(np.arange(minutes), np.array(gaps, dtype=int))
    close = 100 * np.exp(np.cumsum(chance.normal(0, 1e-3, len(rows))))
    opened = np.append(100.0, close[:-1])
    candles = {
        "open": opened,
        "high": np.maximum(opened, close) + 0.1,
        "low": np.minimum(opened, close) - 0.1,
        "close": close,
        "volume": chance.uniform(1, 2, len(rows)),
        "taker_buy_volume": chance.uniform(0, 1, len(rows)),
    }
    made = {"klines": make_series("klines", "BTCUSDT", MINUTE, START + rows * MINUTE_NS, candles)}
    paces = {"mark": 1, "premium": 1, "open_interest": 5, "ratios": 5}
    for kind, pace in paces.items():
        count = minutes // pace
        times = START + (1 + np.arange(count)) * pace * MINUTE_NS
        columns = {name: chance.uniform(1, 2, count) for name in KINDS[kind].columns}
        made[kind] = make_series(kind, "BTCUSDT", INTERVALS[f"{pace}m"], times, columns)
    times = START + np.arange(minutes // 120 + 1) * 2 * HOUR_NS
    rates = {"funding_rate": chance.normal(0, 1e-4, len(times))}
    made["funding"] = make_series("funding", "BTCUSDT", None, times, rates)
    times = np.unique(START + chance.integers(0, minutes * 60_000, 50) * 1_000_000)
    forced = {name: chance.uniform(0, 5, len(times)) for name in KINDS["liquidations"].columns}
    made["liquidations"] = make_series("liquidations", "BTCUSDT", None, times, forced)
    times = START + np.arange(minutes * 2) * 30_000_000_000 + 6_000_000_000
    depth = {name: chance.uniform(1e6, 2e6, len(times)) for name in KINDS["depth"].columns}
    made["depth"] = make_series("depth", "BTCUSDT", None, times, depth)
    return made


@given(
    seed=st.integers(0, 1000),
    minutes=st.integers(61, 600),
    gaps=st.lists(st.integers(0, 600), max_size=4),
    interval=st.sampled_from([FIVE, QUARTER, HOUR]),
)
def test_longer_bars_made_of_a_frame_equal_those_assembled_from_the_series(
    seed: int, minutes: int, gaps: list[int], interval: object
) -> None:
    series = market(seed, minutes, tuple(gaps))
    fine = assemble("BTCUSDT", MINUTE, series)
    try:
        direct = assemble("BTCUSDT", interval, series)  # type: ignore[arg-type]
    except DataError:
        return  # not one whole bar
    made = coarser(fine, interval)  # type: ignore[arg-type]
    assert np.array_equal(made.open_time, direct.open_time)
    assert np.array_equal(made.segment, direct.segment)
    for name in COLUMNS:
        if name.endswith("_liquidations"):
            continue  # known bar by bar: a bar at the edge of the record is judged by its own length
        np.testing.assert_allclose(made[name], direct[name], rtol=1e-12, err_msg=name)


def test_an_hour_is_known_from_its_close_and_not_a_minute_earlier() -> None:
    fine = assemble("BTCUSDT", MINUTE, market(1, 300))
    hours = coarser(fine, HOUR)
    column = known_at(fine, hours, hours["close"])
    assert np.isnan(column[:59]).all()
    assert column[59] == hours["close"][0]  # the minute that closes with the hour
    assert column[118] == hours["close"][0]
    assert column[119] == hours["close"][1]


@given(cut=st.integers(61, 299), seed=st.integers(0, 50))
def test_a_row_does_not_change_with_what_comes_after_it(cut: int, seed: int) -> None:
    fine = assemble("BTCUSDT", MINUTE, market(seed, 300))
    seen = fine.rows(0, cut)
    whole, part = coarser(fine, HOUR), coarser(seen, HOUR)
    expected = known_at(fine, whole, whole["volume"])[:cut]
    np.testing.assert_array_equal(known_at(seen, part, part["volume"]), expected)


def test_a_missing_hour_is_not_answered_with_an_older_one() -> None:
    fine = assemble("BTCUSDT", MINUTE, market(1, 400, gaps=(130,)))
    hours = coarser(fine, HOUR)
    assert len(hours) == 5
    column = known_at(fine, hours, hours["close"])
    minute_of = (fine.open_time - START) // MINUTE_NS
    assert np.isnan(column[(minute_of >= 179) & (minute_of < 239)]).all()
    assert np.isfinite(column[minute_of >= 239]).all()


def test_several_columns_are_mapped_at_once() -> None:
    fine = assemble("BTCUSDT", MINUTE, market(1, 200))
    hours = coarser(fine, HOUR)
    both = known_at(fine, hours, np.column_stack([hours["open"], hours["close"]]))
    assert both.shape == (200, 2)
    np.testing.assert_array_equal(both[:, 1], known_at(fine, hours, hours["close"]))


def test_bars_that_cannot_be_made_are_refused() -> None:
    fine: MarketFrame = assemble("BTCUSDT", MINUTE, market(1, 100)).rows(1, 50)
    with pytest.raises(DataError, match="no bars"):
        coarser(fine, HOUR)
    with pytest.raises(InputError, match="1m bars cannot be made of 5m bars"):
        coarser(assemble("BTCUSDT", FIVE, market(1, 100)), MINUTE)
