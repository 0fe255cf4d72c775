"""The checks: every fault is found, named and counted; sound data has no findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from riposte.market.assemble import assemble
from riposte.market.checks import check, check_frame, compare, time_unit
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from riposte.market.series import KINDS, Series, format_time, make_series

START = 19_000 * DAY_NS
HOUR = INTERVALS["1h"]
BARS = 600


def sound(kind: str = "klines", bars: int = BARS) -> Series:
    chance = np.random.default_rng(3)
    close = np.round(100 * np.exp(np.cumsum(chance.normal(0, 0.004, bars))), 2)
    opened = np.concatenate([[100.0], close[:-1]])
    columns: dict[str, Floats]
    if kind == "klines":
        columns = {
            "open": opened,
            "high": np.maximum(opened, close) + 0.5,
            "low": np.minimum(opened, close) - 0.5,
            "close": close,
            "volume": chance.uniform(1, 2, bars),
            "taker_buy_volume": chance.uniform(0, 1, bars),
        }
    elif kind == "funding":
        columns = {"funding_rate": chance.normal(1e-4, 1e-5, bars)}
    else:
        columns = {name: close + i for i, name in enumerate(KINDS[kind].columns)}
    step = 8 * HOUR_NS if kind == "funding" else HOUR_NS
    times = START + np.arange(bars) * step
    return make_series(kind, "BTCUSDT", None if kind == "funding" else HOUR, times, columns)


def with_value(column: str, row: int, value: float, kind: str = "klines") -> Series:
    series = sound(kind)
    values = series[column].copy()
    values[row] = value
    return replace(series, columns=dict(series.columns) | {column: values})


def with_times(change: Callable[[np.ndarray], np.ndarray]) -> Series:
    series = sound()
    return replace(series, event_time=change(series.event_time.copy()))


def taking(rows: list[int] | np.ndarray, kind: str = "klines") -> Series:
    series = sound(kind)
    return replace(
        series,
        event_time=series.event_time[rows],
        columns={name: values[rows] for name, values in series.columns.items()},
    )


def without(first: int, last: int, kind: str = "klines") -> Series:
    return taking(np.setdiff1d(np.arange(BARS), np.arange(first, last)), kind)


def moved(times: np.ndarray, row: int, by_ns: int) -> np.ndarray:
    times[row] += by_ns
    return times


def conflicting() -> Series:
    series = taking([*range(5), 4, *range(5, 10)])
    close = series["close"].copy()
    close[5] += 0.01
    return replace(series, columns=dict(series.columns) | {"close": close})


def flat(rows: slice, volume: float) -> Series:
    series = sound()
    columns = {name: values.copy() for name, values in series.columns.items()}
    for name in ("open", "high", "low", "close"):
        columns[name][rows] = 100.0
    columns["volume"][rows] = volume
    columns["taker_buy_volume"][rows] = 0.0
    return replace(series, columns=columns)


def silent(row: int) -> Series:
    series = with_value("volume", row, 0.0)
    taken = series["taker_buy_volume"].copy()
    taken[row] = 0.0
    return replace(series, columns=dict(series.columns) | {"taker_buy_volume": taken})


def spiked(column: str, kind: str) -> Series:
    series = sound(kind)
    return with_value(column, 300, float(series[column][300] * 1.4), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_sound_data_has_no_findings(kind: str) -> None:
    assert check(sound(kind)) == ()


CASES = {
    "nothing": (taking([]), "error", "empty", 1, None),
    "seconds": (with_times(lambda t: t // 10**9), "error", "time-unit", 1, None),
    "milliseconds": (with_times(lambda t: t // 10**6), "error", "time-unit", 1, None),
    "microseconds": (with_times(lambda t: t // 10**3), "error", "time-unit", 1, None),
    "some microseconds": (
        with_times(lambda t: np.where(np.arange(BARS) < 400, t, t // 10**3)),
        "error", "time-unit", 1, None,
    ),
    "no times": (with_times(lambda t: t * 0 + 7), "error", "time-unit", 1, None),
    "unsorted": (taking([0, 1, 3, 2, 4]), "error", "unsorted", 1, 2),
    "reversed": (taking(list(range(9, -1, -1))), "error", "unsorted", 9, 8),
    "repeated": (taking([0, 1, 2, 2, 2, 3]), "error", "duplicate", 2, 2),
    "conflict": (conflicting(), "error", "conflict", 1, 4),
    "overlap": (with_times(lambda t: moved(t, 7, -30 * MINUTE_NS)), "error", "overlap", 1, None),
    "off the grid": (with_times(lambda t: t + MINUTE_NS), "error", "off-grid", BARS, None),
    "gap": (without(10, 13), "warning", "gap", 1, 10),
    "funding gap": (without(10, 13, "funding"), "warning", "gap", 1, None),
    "missing close": (with_value("close", 5, np.nan), "error", "missing-value", 1, 5),
    "missing volume": (with_value("volume", 5, np.nan), "error", "missing-value", 1, 5),
    "infinite high": (with_value("high", 5, np.inf), "error", "infinite", 1, 5),
    "infinite rate": (
        with_value("funding_rate", 5, -np.inf, "funding"), "error", "infinite", 1, None,
    ),
    "negative low": (with_value("low", 5, -1.0), "error", "not-positive", 1, 5),
    "zero mark": (with_value("mark_price", 5, 0.0, "mark"), "error", "not-positive", 1, 5),
    "negative volume": (with_value("volume", 5, -1.0), "error", "negative", 1, 5),
    "negative interest": (
        with_value("open_interest", 5, -1.0, "open_interest"), "error", "negative", 1, 5,
    ),
    "high below low": (with_value("high", 5, 50.0), "error", "impossible-bar", 1, 5),
    "close above high": (with_value("close", 5, 500.0), "error", "impossible-bar", 1, 5),
    "open below low": (with_value("open", 5, 50.0), "error", "impossible-bar", 1, 5),
    "too much taken": (with_value("taker_buy_volume", 5, 9.0), "error", "impossible-bar", 1, 5),
    "flat bar": (flat(slice(5, 6), 0.0), "note", "flat-bar", 1, 5),
    "frozen candles": (flat(slice(5, 15), 1.0), "warning", "frozen", 1, 5),
    "silent move": (silent(5), "warning", "no-volume", 1, 5),
    "price spike": (spiked("mark_price", "mark"), "warning", "outlier", 1, 300),
    "interest spike": (spiked("open_interest", "open_interest"), "warning", "outlier", 1, 300),
    "wild funding": (
        with_value("funding_rate", 5, 0.05, "funding"), "warning", "outlier", 1, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_named_counted_and_placed(name: str) -> None:
    series, severity, code, count, row = CASES[name]
    found = [finding for finding in check(series) if finding.code == code]
    assert found, f"{code} not among {check(series)}"
    assert (found[0].severity, found[0].count) == (severity, count)
    assert found[0].message.startswith("BTCUSDT ")
    if row is not None:
        at = START + row * HOUR_NS
        assert found[0].first_time == at
        assert format_time(at) in found[0].message


def test_a_message_is_one_sentence_with_what_how_many_and_when() -> None:
    finding = check(taking([0, 1, 2, 2, 2, 3]))[0]
    assert finding.message == ("BTCUSDT klines 1h: repeated rows: 2, first at 2022-01-08 02:00 UTC")
    assert check(without(10, 13))[0].message == (
        "BTCUSDT klines 1h: gaps (3 rows missing, the longest 3h): 1, at 2022-01-08 10:00 UTC"
    )


def test_a_jump_to_a_new_level_is_a_warning_of_its_own() -> None:
    series = sound("open_interest")
    values = series["open_interest"].copy()
    values[400:] *= 0.4
    found = check(replace(series, columns={"open_interest": values}))
    assert [(f.severity, f.code, f.first_time) for f in found] == [
        ("warning", "jump", START + 400 * HOUR_NS)
    ]


def test_errors_come_first() -> None:
    series = without(10, 13)
    close = series["close"].copy()
    close[20] = np.nan
    found = check(replace(series, columns=dict(series.columns) | {"close": close}))
    assert [finding.severity for finding in found] == ["error", "warning"]


def test_old_data_is_stale_only_where_it_should_be_fresh() -> None:
    series = sound()
    last = int(series.event_time[-1])
    assert check(series, as_of_ns=last + 2 * HOUR_NS) == ()
    stale = check(series, as_of_ns=last + 3 * HOUR_NS)
    assert [(f.severity, f.code) for f in stale] == [("error", "stale")]
    assert format_time(last) in stale[0].message


def test_candles_of_two_intervals_are_compared() -> None:
    fine = sound(bars=48)
    four = INTERVALS["4h"]
    coarse = assemble("BTCUSDT", four, {"klines": fine})
    columns = {name: coarse[name].copy() for name in KINDS["klines"].required}
    agreeing = make_series("klines", "BTCUSDT", four, coarse.open_time, columns)
    assert compare(fine, agreeing) == ()
    columns["high"][3] += 0.01
    wrong = compare(fine, make_series("klines", "BTCUSDT", four, coarse.open_time, columns))
    assert [(f.code, f.count, f.first_time) for f in wrong] == [
        ("disagreement", 1, START + 3 * four.ns)
    ]


def test_a_frame_tells_its_coverage_and_where_mark_and_last_part() -> None:
    candles = sound(bars=48)
    closes = candles.event_time + HOUR_NS
    mark = candles["close"] * 1.001
    mark[30] *= 1.05
    frame = assemble(
        "BTCUSDT",
        HOUR,
        {
            "klines": candles,
            "mark": make_series("mark", "BTCUSDT", HOUR, closes, {"mark_price": mark}),
            "open_interest": make_series(
                "open_interest",
                "BTCUSDT",
                HOUR,
                np.delete(closes, range(20, 25))[10:],
                {"open_interest": np.arange(33.0) + 1},
            ),
        },
    )
    found = {finding.code: finding for finding in check_frame(frame)}
    assert set(found) == {"mark-last", "absent", "late-start", "hole"}
    assert found["mark-last"].first_time == START + 30 * HOUR_NS
    assert found["late-start"].count == 11
    assert found["hole"].severity == "warning"
    assert found["hole"].count == 4  # five are absent, one is bridged
    assert "trade_count" in found["absent"].message


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1_577_836_800, "s"),
        (1_577_836_800_000, "ms"),
        (1_577_836_800_000_000, "us"),
        (1_577_836_800_000_000_000, "ns"),
        (20_200_101, None),
        (-5, None),
    ],
)
def test_the_unit_of_a_time_is_told_by_its_size(value: int, unit: str | None) -> None:
    assert time_unit(np.array([value])) == unit
    assert time_unit(np.array([value, 17])) is None
