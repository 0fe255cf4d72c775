"""Series: what their structure promises, and what merging two of them keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.errors import DataError, InputError
from riposte.market.interval import HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from riposte.market.series import Change, Series, format_time, make_series, merge

START = 1_700_000_000 * SECOND_NS // HOUR_NS * HOUR_NS
HOUR = INTERVALS["1h"]


def interest(hours: list[int], values: list[float]) -> Series:
    times = START + np.array(hours, dtype=np.int64) * HOUR_NS
    return make_series(
        "open_interest", "BTCUSDT", HOUR, times, {"open_interest": np.array(values, dtype=float)}
    )


def candles(hours: list[int], **extra: list[float]) -> Series:
    times = START + np.array(hours, dtype=np.int64) * HOUR_NS
    ones = np.ones(len(hours))
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), ones)
    return make_series(
        "klines", "BTCUSDT", HOUR, times, columns | {k: np.array(v) for k, v in extra.items()}
    )


def test_a_series_is_a_frozen_copy() -> None:
    values = np.array([1.0, 2.0])
    times = START + np.arange(2) * HOUR_NS
    series = make_series("open_interest", "BTCUSDT", HOUR, times, {"open_interest": values})
    values[0] = 99.0
    times[0] = 0
    assert series["open_interest"][0] == 1.0
    assert series.event_time[0] == START
    with pytest.raises(ValueError, match="read-only"):
        series["open_interest"][0] = 5.0


@pytest.mark.parametrize(
    ("kind", "times", "columns", "error", "words"),
    [
        ("kliness", [0, 1], {"open": 2}, InputError, "did you mean 'klines'"),
        ("mark", [0, 1], {}, DataError, "missing columns mark_price"),
        ("mark", [0, 1], {"mark_price": 2, "colour": 2}, DataError, "unknown columns colour"),
        ("mark", [0, 1], {"mark_price": 3}, DataError, "mark_price has 3 rows, not 2"),
        ("mark", [1, 0], {"mark_price": 2}, DataError, "not strictly increasing"),
        ("mark", [1, 1], {"mark_price": 2}, DataError, "not strictly increasing"),
        ("ratios", [0, 1], {}, DataError, "unknown columns"),
    ],
)
def test_a_malformed_series_is_refused_in_words(
    kind: str, times: list[int], columns: dict[str, int], error: type[Exception], words: str
) -> None:
    arrays = {name: np.ones(length) for name, length in columns.items()}
    with pytest.raises(error, match=words):
        make_series(kind, "BTCUSDT", HOUR, np.array(times, dtype=np.int64), arrays)


def test_between_takes_the_start_and_leaves_the_stop() -> None:
    series = interest([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0])
    part = series.between(START + HOUR_NS, START + 3 * HOUR_NS)
    assert part["open_interest"].tolist() == [2.0, 3.0]
    assert len(series.between(None, None)) == 4
    assert len(series.between(START + 3 * HOUR_NS, START)) == 0


def test_a_new_value_wins_and_the_change_is_reported() -> None:
    merged, change = merge(
        interest([0, 1, 2], [1.0, 2.0, 3.0]), interest([1, 2, 3], [2.0, 9.0, 4.0])
    )
    assert merged["open_interest"].tolist() == [1.0, 2.0, 9.0, 4.0]
    assert change == Change(added=1, replaced=1, first_replaced_ns=START + 2 * HOUR_NS)


def test_a_missing_value_never_replaces_a_stored_one() -> None:
    merged, change = merge(interest([0, 1], [1.0, 2.0]), interest([0, 1], [np.nan, 5.0]))
    assert merged["open_interest"].tolist() == [1.0, 5.0]
    assert change.replaced == 1


def test_candles_without_an_optional_column_do_not_wipe_it() -> None:
    merged, change = merge(candles([0, 1], trade_count=[7.0, 8.0]), candles([1, 2]))
    assert merged["trade_count"][:2].tolist() == [7.0, 8.0]
    assert np.isnan(merged["trade_count"][2])
    assert change == Change(added=1)


hours_and_values = st.dictionaries(
    st.integers(0, 30), st.one_of(st.just(float("nan")), st.floats(0, 1e9)), max_size=20
)


@given(hours_and_values, hours_and_values)
def test_merging_twice_changes_nothing_more(
    first: dict[int, float], second: dict[int, float]
) -> None:
    def of(table: dict[int, float]) -> Series:
        return interest(sorted(table), [table[hour] for hour in sorted(table)])

    merged, change = merge(of(first), of(second))
    again, none = merge(merged, of(second))
    assert none == Change()
    assert again["open_interest"].tobytes() == merged["open_interest"].tobytes()
    assert change.added == len(set(second) - set(first))
    for hour, value in second.items():
        if not np.isnan(value):
            row = int(np.searchsorted(merged.event_time, START + hour * HOUR_NS))
            assert merged["open_interest"][row] == value


def test_times_are_written_for_people() -> None:
    noon = int(np.datetime64("2024-10-28T20:00", "ns").astype(np.int64))
    assert format_time(noon) == "2024-10-28 20:00 UTC"
    assert format_time(noon + 7 * SECOND_NS) == "2024-10-28 20:00:07 UTC"
    assert format_time(noon + MINUTE_NS) == "2024-10-28 20:01 UTC"
