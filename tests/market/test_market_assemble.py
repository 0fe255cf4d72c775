"""The market frame: who joins whom, when a value becomes known, and for how long it holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError, InputError
from riposte.market.assemble import assemble, resample
from riposte.market.frame import COLUMNS, Floats, MarketFrame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, Interval
from riposte.market.series import Series, make_series

START = 19_000 * DAY_NS
HOUR = INTERVALS["1h"]
MS = 1_000_000


def candles(interval: Interval, bars: int, *, seed: int = 1, drop: tuple[int, ...] = ()) -> Series:
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, bars)))
    opened = np.concatenate([[100.0], close[:-1]])
    keep = np.setdiff1d(np.arange(bars), drop)
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * 1.002,
        "low": np.minimum(opened, close) * 0.998,
        "close": close,
        "volume": chance.uniform(1, 2, bars),
    }
    return make_series(
        "klines",
        "BTCUSDT",
        interval,
        START + keep * interval.ns,
        {name: values[keep] for name, values in columns.items()},
    )


def observed(
    kind: str, column: str, offsets_ns: list[int], values: list[float], interval: Interval | None
) -> Series:
    times = START + np.array(offsets_ns, dtype=np.int64)
    return make_series(kind, "BTCUSDT", interval, times, {column: np.array(values, dtype=float)})


def frame_with(*series: Series, bars: int = 24) -> MarketFrame:
    return assemble(
        "BTCUSDT", HOUR, {"klines": candles(HOUR, bars)} | {each.kind: each for each in series}
    )


def test_every_column_of_the_frame_is_there_and_unknown_ones_are_missing() -> None:
    frame = frame_with()
    assert set(frame.columns) == set(COLUMNS)
    assert not frame.has("open_interest")
    assert not frame.has("funding_charge")
    assert frame.has("close")


def test_open_interest_is_seen_only_once_it_is_published() -> None:
    stamped = [h * HOUR_NS for h in range(6)]
    frame = frame_with(
        observed("open_interest", "open_interest", stamped, [10, 11, 12, 13, 14, 15], HOUR)
    )
    # The first bar closes at 01:00: the snapshot of 01:00 is not out yet, that of 00:00 is.
    assert frame["open_interest"][:5].tolist() == [10, 11, 12, 13, 14]


def test_open_interest_is_carried_two_hours_and_then_missing() -> None:
    frame = frame_with(observed("open_interest", "open_interest", [0], [10], HOUR))
    # Published at 00:05, carried until 02:05: the closes at 01:00 and 02:00 have it.
    known = np.isfinite(frame["open_interest"])
    assert known.tolist() == [True, True] + [False] * 22


def test_a_series_spaced_wider_than_its_carrying_time_holds_until_the_next_is_due() -> None:
    four = INTERVALS["4h"]
    stamped = [0, 4 * HOUR_NS]
    frame = frame_with(observed("open_interest", "open_interest", stamped, [10, 11], four))
    assert frame["open_interest"][:8].tolist() == [10] * 4 + [11] * 4
    assert np.isnan(frame["open_interest"][8:]).all()


def test_a_missing_snapshot_is_bridged_like_an_absent_one() -> None:
    absent = observed("open_interest", "open_interest", [0, 2 * HOUR_NS], [10, 12], HOUR)
    missing = observed(
        "open_interest", "open_interest", [0, HOUR_NS, 2 * HOUR_NS], [10, np.nan, 12], HOUR
    )
    one, other = frame_with(absent)["open_interest"], frame_with(missing)["open_interest"]
    assert np.array_equal(one, other, equal_nan=True)


def test_the_mark_price_of_a_close_is_the_one_that_held_then() -> None:
    frame = frame_with(
        observed("mark", "mark_price", [HOUR_NS, 2 * HOUR_NS, 4 * HOUR_NS], [1.0, 2.0, 4.0], HOUR)
    )
    assert frame["mark_price"][:2].tolist() == [1.0, 2.0]
    assert np.isnan(frame["mark_price"][2]), "no mark price is invented for a bar without one"
    assert frame["mark_price"][3] == 4.0


def test_a_finer_mark_price_must_be_that_of_the_close() -> None:
    five = INTERVALS["5m"]
    frame = frame_with(
        observed("mark", "mark_price", [55 * MINUTE_NS, 120 * MINUTE_NS], [1.0, 2.0], five)
    )
    assert np.isnan(frame["mark_price"][0]), "the value of 00:55 is not the one of the close"
    assert frame["mark_price"][1] == 2.0


@pytest.mark.parametrize("late_ms", [0, 1, 8, 47, 999])
def test_a_settlement_stamped_late_belongs_to_the_bar_that_closes_on_the_hour(late_ms: int) -> None:
    frame = frame_with(
        observed("funding", "funding_rate", [0, 8 * HOUR_NS + late_ms * MS], [0.0001, 0.0007], None)
    )
    assert frame["funding_charge"][7] == 0.0007, "the bar 07:00 to 08:00"
    assert frame["funding_charge"][8] == 0.0
    assert frame["hours_since_funding"][7] == 0.0
    assert frame["hours_since_funding"][8] == 1.0


def test_a_settled_rate_is_known_from_the_next_close_on() -> None:
    frame = frame_with(
        observed("funding", "funding_rate", [0, 8 * HOUR_NS], [0.0001, 0.0007], None)
    )
    assert frame["funding_rate"][6:9].tolist() == [0.0001, 0.0001, 0.0007]


def test_all_settlements_inside_a_bar_are_charged() -> None:
    eight = INTERVALS["8h"]
    funding = observed(
        "funding",
        "funding_rate",
        [2 * HOUR_NS, 4 * HOUR_NS + 3 * MS, 8 * HOUR_NS + 5 * MS],
        [0.001, 0.002, 0.004],
        None,
    )
    frame = assemble("BTCUSDT", eight, {"klines": candles(HOUR, 48), "funding": funding})
    assert frame["funding_charge"][0] == pytest.approx(0.007)


def test_an_unknown_charge_is_not_taken_for_none() -> None:
    frame = frame_with(observed("funding", "funding_rate", [8 * HOUR_NS], [0.001], None), bars=48)
    charge = frame["funding_charge"]
    assert np.isnan(charge[:7]).all(), "before the first settlement nothing is known"
    assert charge[7] == 0.001
    assert (charge[8:17] == 0.0).all()
    assert np.isnan(charge[17:]).all(), "after 9 hours without a settlement nothing is known"


def test_forced_orders_are_summed_over_the_bar() -> None:
    times = START + np.array([0, 10, 60, 61, 180]) * MINUTE_NS
    forced = make_series(
        "liquidations",
        "BTCUSDT",
        None,
        times,
        {"long_liquidations": np.array([1.0, 2, 3, 4, 5]), "short_liquidations": np.zeros(5)},
    )
    frame = frame_with(forced)
    assert frame["long_liquidations"][:3].tolist() == [5.0, 4.0, 5.0]
    assert np.isnan(frame["long_liquidations"][3]), "after the end of the record"


def test_a_gap_starts_a_new_segment() -> None:
    frame = assemble("BTCUSDT", HOUR, {"klines": candles(HOUR, 20, drop=(5, 6, 12))})
    assert frame.segment.tolist() == [0] * 5 + [1] * 5 + [2] * 7


def test_coarse_bars_are_made_only_of_all_their_parts() -> None:
    fine = candles(INTERVALS["15m"], 16, drop=(0, 9))
    coarse = resample(fine, HOUR)
    assert ((coarse.event_time - START) // HOUR_NS).tolist() == [1, 3]
    part = fine.between(START + HOUR_NS, START + 2 * HOUR_NS)
    assert coarse["open"][0] == part["open"][0]
    assert coarse["close"][0] == part["close"][-1]
    assert coarse["high"][0] == part["high"].max()
    assert coarse["low"][0] == part["low"].min()
    assert coarse["volume"][0] == pytest.approx(part["volume"].sum())


@pytest.mark.parametrize(("fine", "coarse"), [("1h", "5m"), ("2h", "3m"), ("8h", "12h")])
def test_bars_that_cannot_be_made_are_refused(fine: str, coarse: str) -> None:
    with pytest.raises(InputError, match=f"{coarse} bars cannot be made of {fine} bars"):
        resample(candles(INTERVALS[fine], 10), INTERVALS[coarse])


def test_no_candles_and_foreign_series_are_refused() -> None:
    with pytest.raises(DataError, match="BTCUSDT 1h: no bars"):
        assemble("BTCUSDT", HOUR, {})
    with pytest.raises(DataError, match="ETHUSDT klines: the series given is BTCUSDT klines 1h"):
        assemble("ETHUSDT", HOUR, {"klines": candles(HOUR, 5)})


def test_a_candle_without_a_price_is_refused() -> None:
    bad = candles(HOUR, 5)
    broken = replace(bad, columns=dict(bad.columns) | {"close": np.array([1, 2, np.nan, 4, 5.0])})
    with pytest.raises(DataError, match="close is missing in some bars"):
        assemble("BTCUSDT", HOUR, {"klines": broken})


def _after(series: Series, known_ns: int, shift: float) -> Series:
    """The series with all rows that became known after ``known_ns`` changed."""
    changed: dict[str, Floats] = {}
    for name, values in series.columns.items():
        held = series.interval.ns if series.kind == "klines" and series.interval else 0
        known = series.event_time + held + COLUMNS[name].delay_ns
        changed[name] = np.where(known > known_ns, values * shift, values)
    return replace(series, columns=changed)


@given(
    st.sampled_from(["1h", "15m", "4h"]),
    st.integers(0, 71),
    st.floats(0.5, 2.0).filter(lambda x: x != 1.0),
)
def test_nothing_published_later_reaches_a_row(name: str, row_hour: int, shift: float) -> None:
    chance = np.random.default_rng(5)
    interval = INTERVALS[name]
    hours = np.arange(1, 73)
    series = {
        "klines": candles(INTERVALS["15m"], 288),
        "mark": observed("mark", "mark_price", list(hours * HOUR_NS), list(hours * 1.0), HOUR),
        "open_interest": observed(
            "open_interest", "open_interest", list(hours * HOUR_NS), list(hours * 2.0), HOUR
        ),
        "ratios": observed(
            "ratios", "taker_volume_ratio", list(hours * HOUR_NS), list(hours * 3.0), HOUR
        ),
        "funding": observed(
            "funding",
            "funding_rate",
            list(np.arange(0, 73, 8) * HOUR_NS),
            list(chance.normal(0, 1e-4, 10)),
            None,
        ),
    }
    before = assemble("BTCUSDT", interval, series)
    at = START + row_hour * HOUR_NS
    after = assemble(
        "BTCUSDT", interval, {kind: _after(each, at, shift) for kind, each in series.items()}
    )
    rows = before.close_time <= at
    for column in COLUMNS:
        if column == "funding_charge":
            continue  # accounting: a settlement is charged at its second, not when it is published
        assert before[column][rows].tobytes() == after[column][rows].tobytes(), column
    late = before.close_time > at + interval.ns
    assert not late.any() or (before["close"][late] != after["close"][late]).all()
