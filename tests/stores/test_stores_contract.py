"""What every store does alike: the same tests for the Parquet lake and for PostgreSQL."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from some_series import HOUR, START, any_rows, interest, interval_of, same, with_values

from riposte.errors import DataError, InputError
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS
from riposte.market.series import KINDS, Change, Series, kind_of, make_series, merge
from riposte.stores.lake import Lake
from riposte.stores.postgres import Postgres
from riposte.stores.protocol import Store

MONTH = int(np.datetime64("2024-02-01T00:00", "ns").astype(np.int64))
DENSE = [kind for kind in KINDS if KINDS[kind].key]
NewStore = Callable[[], Store]

once_per_test = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
numbers = itertools.count()


def stored(store: Store, symbol: str = "BTCUSDT", **between: int) -> list[float]:
    return store.read("open_interest", symbol, HOUR, **between)["open_interest"].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_as_it_went_in(store: Store, kind: str) -> None:
    times = START + np.arange(2000, dtype=np.int64) * HOUR_NS + 7_000
    series = any_rows(kind, times)
    assert store.merge(series) == Change(added=2000)
    assert same(store.read(kind, "BTCUSDT", interval_of(kind)), series)
    assert store.version(kind, "BTCUSDT", interval_of(kind)) != store.version(kind, "X", None)


@pytest.mark.parametrize("kind", DENSE)
def test_a_moment_has_many_rows_where_a_key_tells_them_apart(store: Store, kind: str) -> None:
    times = START + np.repeat(np.arange(500, dtype=np.int64), 7) * 5 * 60 * 10**9
    series = any_rows(kind, times)
    halves = (
        series.rows(0, 1801),
        series.rows(1795, 3500),
    )  # some rows of the moment of the cut twice
    assert [store.write(half) for half in halves] == [1801, 1699]
    assert same(store.read(kind, "BTCUSDT", None), series)
    one = int(times[14])
    assert len(store.read(kind, "BTCUSDT", None, one, one + 1)) == 7


def test_the_ends_of_what_a_number_can_be_are_kept(store: Store) -> None:
    values = [np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, np.nan, 0.1 + 0.2]
    store.write(interest(0, values))
    back = store.read("open_interest", "BTCUSDT", HOUR)["open_interest"]
    assert back.tobytes() == np.array(values).tobytes()


@pytest.mark.parametrize("moment", ["1678-01-01", "1969-12-31T23:59:59.999999", "2261-12-31"])
def test_times_far_from_now_are_kept(store: Store, moment: str) -> None:
    time = int(np.datetime64(moment, "ns").astype(np.int64))
    store.write(any_rows("mark", np.array([time])))
    assert store.read("mark", "BTCUSDT", HOUR).event_time.tolist() == [time]
    assert store.read("mark", "BTCUSDT", HOUR, time, time + 1).event_time.tolist() == [time]
    assert store.holdings()[0].first_ns == time


def test_a_time_finer_than_a_microsecond_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="finer than a microsecond"):
        store.write(any_rows("mark", np.array([START + 1])))


@given(st.integers(-5, 80), st.integers(-5, 80), st.integers(-1, 1))
@once_per_test
def test_a_range_is_read_from_its_start_to_before_its_stop(
    store: Store, start: int, stop: int, beside: int
) -> None:
    store.write(interest(0, np.arange(72.0)))
    first, end = START + start * HOUR_NS + beside, START + stop * HOUR_NS + beside
    found = stored(store, start_ns=first, stop_ns=end)
    assert found == [hour for hour in range(72) if first <= START + hour * HOUR_NS < end]


def test_an_empty_range_of_a_stored_series_is_an_empty_series(store: Store) -> None:
    store.write(interest(0, np.arange(72.0)))
    for start, stop in ((START - 99, START), (START + 99 * DAY_NS, None), (START + 1, START + 2)):
        empty = store.read("open_interest", "BTCUSDT", HOUR, start, stop)
        assert (len(empty), list(empty.columns)) == (0, ["open_interest"])


def test_an_open_side_and_the_end_of_time_are_the_same(store: Store) -> None:
    store.write(interest(0, np.arange(72.0)))
    assert stored(store, start_ns=-(2**63) + 1, stop_ns=2**63 - 1) == stored(store)


def test_what_is_not_stored_is_named(store: Store) -> None:
    with pytest.raises(DataError, match=r"BTCUSDT mark 1h is not in the store") as caught:
        store.read("mark", "BTCUSDT", HOUR)
    assert "riposte data" in caught.value.hint
    with pytest.raises(InputError, match=r"did you mean 'mark'"):
        store.read("marks", "BTCUSDT", HOUR)
    store.write(any_rows("mark", np.array([START])))
    with pytest.raises(DataError, match=r"BTCUSDT mark 5m is not in the store"):
        store.read("mark", "BTCUSDT", INTERVALS["5m"])


@pytest.mark.parametrize("symbol", ["../BTCUSDT", "btcusdt", "", "BTC'; drop", "X" * 41, "BTC\0"])
def test_a_symbol_that_no_exchange_has_is_refused(store: Store, symbol: str) -> None:
    with pytest.raises(InputError, match="symbol"):
        store.read("mark", symbol, HOUR)
    with pytest.raises(InputError, match="symbol"):
        store.write(any_rows("mark", np.array([START]), symbol))
    assert store.holdings() == ()


def test_optional_columns_are_read_when_they_are_asked_for(store: Store) -> None:
    series = any_rows("klines", START + np.arange(50) * HOUR_NS)
    store.write(series)
    required = list(kind_of("klines").required)
    some = store.read("klines", "BTCUSDT", HOUR, columns=["trade_count"])
    assert list(some.columns) == [*required, "trade_count"]
    assert same(some, make_series("klines", "BTCUSDT", HOUR, series.event_time, some.columns))
    assert list(store.read("klines", "BTCUSDT", HOUR, columns=()).columns) == required
    assert same(store.read("klines", "BTCUSDT", HOUR), series)


def test_an_optional_column_without_a_value_in_the_range_is_left_out(store: Store) -> None:
    series = any_rows("klines", START + np.arange(72) * HOUR_NS)
    columns = {name: values.copy() for name, values in series.columns.items()}
    columns["trade_count"][:60] = np.nan
    store.write(make_series("klines", "BTCUSDT", HOUR, series.event_time, columns))
    early = store.read("klines", "BTCUSDT", HOUR, stop_ns=START + 60 * HOUR_NS)
    assert "trade_count" not in early.columns
    assert "trade_count" in store.read("klines", "BTCUSDT", HOUR).columns


def test_rows_are_merged_by_time_and_new_ones_win(store: Store) -> None:
    store.write(interest(0, [1, 2, 3, 4]))
    change = store.merge(interest(2, [3, 40, 5]))
    assert change == Change(added=1, replaced=1, first_replaced_ns=START + 3 * HOUR_NS)
    assert stored(store) == [1, 2, 3, 40, 5]
    assert store.merge(interest(0, [1, 2, 3, 40, 5])) == Change()


def test_a_missing_value_replaces_nothing_and_a_new_column_joins(store: Store) -> None:
    required = {name: np.arange(3.0) for name in kind_of("klines").required}
    times = START + np.arange(3) * HOUR_NS
    store.write(make_series("klines", "BTCUSDT", HOUR, times, required))
    more = {name: np.full(3, np.nan) for name in required}
    more["trade_count"] = np.array([7.0, np.nan, 9.0])
    assert store.merge(make_series("klines", "BTCUSDT", HOUR, times, more)).replaced == 2
    back = store.read("klines", "BTCUSDT", HOUR)
    assert back["open"].tolist() == [0, 1, 2]
    assert np.array_equal(back["trade_count"], [7, np.nan, 9], equal_nan=True)


def test_nothing_is_written_of_nothing(store: Store) -> None:
    assert store.merge(interest(0, []), {"empty.csv": "abc"}) == Change()
    assert store.holdings() == ()


values = st.one_of(st.just(np.nan), st.integers(-3, 3).map(float))
hours = st.lists(st.integers(0, 70), min_size=1, max_size=12, unique=True).map(sorted)


@st.composite
def some_rows(draw: st.DrawFn, kind: str) -> tuple[list[int], dict[str, list[float]]]:
    if KINDS[kind].key:
        pairs = st.tuples(st.integers(0, 5), st.integers(0, 3))
        rows = draw(st.lists(pairs, min_size=1, max_size=12, unique=True).map(sorted))
        times, keys = [9 * time for time, _ in rows], [float(key) for _, key in rows]
    else:
        times, keys = draw(hours), []
    columns = {
        name: draw(st.lists(values, min_size=len(times), max_size=len(times)))
        for name in KINDS[kind].columns
        if name in KINDS[kind].required or draw(st.booleans())
    }
    if not columns:
        columns["global_account_ratio"] = [1.0] * len(times)
    if keys:
        columns[KINDS[kind].key] = keys
    return times, columns


@pytest.mark.parametrize("kind", ["klines", "ratios", "book_ticker"])
@given(data=st.data())
@once_per_test
def test_any_row_of_writes_gives_what_merging_them_gives(
    store: Store, kind: str, data: st.DataObject
) -> None:
    """Written in any order, in parts that overlap: the content, the counts and the version agree."""
    symbol = f"S{next(numbers)}"
    interval = interval_of(kind)
    wanted: Series | None = None
    for times, columns in data.draw(st.lists(some_rows(kind), min_size=1, max_size=4)):
        moments = START + np.array(times, dtype=np.int64) * HOUR_NS
        arrays = {name: np.array(column) for name, column in columns.items()}
        series = make_series(kind, symbol, interval, moments, arrays)
        change = store.merge(series)
        if wanted is None:
            wanted, expected = series, Change(added=len(series))
        else:
            wanted, expected = merge(wanted, series)
        assert change == expected
        assert same(with_values(store.read(kind, symbol, interval)), with_values(wanted))
    assert wanted is not None
    held = next(each for each in store.holdings() if each.symbol == symbol)
    ends = int(wanted.event_time[0]), int(wanted.event_time[-1])
    assert (held.rows, held.first_ns, held.last_ns) == (len(wanted), *ends)
    version = store.version(kind, symbol, interval)
    store.trim(kind, symbol, interval, 2**62)
    store.write(wanted)
    assert store.version(kind, symbol, interval) == version, "written at once it is the same"


def test_holdings_tell_what_is_there(store: Store) -> None:
    assert store.holdings() == ()
    store.write(interest(0, np.arange(72.0)))
    store.write(interest(5, [1, 2], "ETHUSDT"))
    rates = {"funding_rate": np.array([1e-4])}
    store.write(make_series("funding", "BTCUSDT", None, np.array([START]), rates))
    for name in ("1d", "5m", "1h"):
        mark = {"mark_price": np.ones(1)}
        store.write(make_series("mark", "BTCUSDT", INTERVALS[name], np.array([START]), mark))
    told = [
        (h.kind, h.symbol, str(h.interval), h.rows, h.first_ns, h.last_ns) for h in store.holdings()
    ]
    assert told == [
        ("funding", "BTCUSDT", "None", 1, START, START),
        ("mark", "BTCUSDT", "5m", 1, START, START),
        ("mark", "BTCUSDT", "1h", 1, START, START),
        ("mark", "BTCUSDT", "1d", 1, START, START),
        ("open_interest", "BTCUSDT", "1h", 72, START, START + 71 * HOUR_NS),
        ("open_interest", "ETHUSDT", "1h", 2, START + 5 * HOUR_NS, START + 6 * HOUR_NS),
    ]


def test_the_version_follows_the_content_and_not_the_way_it_came(new_store: NewStore) -> None:
    one, other = new_store(), new_store()
    nothing = one.version("open_interest", "BTCUSDT", HOUR)
    one.write(interest(0, np.arange(72.0)))
    other.write(interest(40, np.arange(40.0, 72.0)))
    partly = other.version("open_interest", "BTCUSDT", HOUR)
    other.write(interest(0, np.arange(40.0)))
    version = one.version("open_interest", "BTCUSDT", HOUR)
    assert other.version("open_interest", "BTCUSDT", HOUR) == version
    other.write(interest(70, [70.5]))
    assert len({nothing, partly, version, other.version("open_interest", "BTCUSDT", HOUR)}) == 4
    other.write(interest(70, [70.0]))
    assert other.version("open_interest", "BTCUSDT", HOUR) == version


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_is_the_same_in_every_store(
    tmp_path: Path, postgres: Postgres, kind: str
) -> None:
    """And what one store gives, another takes as it is."""
    lake, interval = Lake(tmp_path), interval_of(kind)
    series = any_rows(kind, START + np.arange(2000, dtype=np.int64) * HOUR_NS)
    postgres.write(series)
    for start in (1500, 0, 700):
        lake.write(series.rows(start, start + 800))
    version = postgres.version(kind, "BTCUSDT", interval)
    assert lake.version(kind, "BTCUSDT", interval) == version
    assert lake.merge(postgres.read(kind, "BTCUSDT", interval)) == Change()
    assert postgres.merge(lake.read(kind, "BTCUSDT", interval)) == Change()
    assert lake.holdings() == postgres.holdings()


def test_receipts_become_true_with_their_rows(store: Store) -> None:
    assert store.receipts("open_interest", "BTCUSDT", HOUR) == {}
    store.merge(interest(0, np.arange(50.0)), {"a.zip": "1"})
    store.merge(interest(50, np.arange(50.0, 72.0)), {"b.zip": "2"})
    assert store.receipts("open_interest", "BTCUSDT", HOUR) == {"a.zip": "1", "b.zip": "2"}
    assert store.merge(interest(0, np.arange(50.0)), {"a.zip": "3", "c.zip": "4"}) == Change()
    held = {"a.zip": "3", "b.zip": "2", "c.zip": "4"}
    assert store.receipts("open_interest", "BTCUSDT", HOUR) == held
    assert store.receipts("open_interest", "ETHUSDT", HOUR) == {}
    store.write(interest(71, [0, 0, 0]))
    store.compact()
    assert store.receipts("open_interest", "BTCUSDT", HOUR) == held


def test_a_receipt_whose_month_is_trimmed_away_is_void(store: Store) -> None:
    store.merge(interest(0, np.arange(72.0)), {"both.zip": "1"})
    store.merge(interest(48, np.arange(48.0, 72.0)), {"february.zip": "2"})
    assert store.trim("open_interest", "BTCUSDT", HOUR, MONTH) == 48
    assert store.receipts("open_interest", "BTCUSDT", HOUR) == {"february.zip": "2"}


@given(st.integers(-2, 75))
@once_per_test
def test_trimming_leaves_what_is_not_before_the_time(store: Store, hour: int) -> None:
    symbol = f"S{next(numbers)}"
    store.write(interest(0, np.arange(72.0), symbol))
    rest = list(range(72))[max(0, hour) :]
    assert store.trim("open_interest", symbol, HOUR, START + hour * HOUR_NS) == 72 - len(rest)
    assert store.trim("open_interest", symbol, HOUR, START + hour * HOUR_NS) == 0
    held = [each.rows for each in store.holdings() if each.symbol == symbol]
    assert held == ([len(rest)] if rest else [])
    if rest:
        assert stored(store, symbol) == rest
    else:
        with pytest.raises(DataError, match="is not in the store"):
            stored(store, symbol)
    store.write(interest(0, np.arange(72.0), symbol))
    assert stored(store, symbol) == list(range(72))


def test_trimming_what_is_not_there_removes_nothing(store: Store) -> None:
    assert store.trim("mark", "BTCUSDT", HOUR, 2**62) == 0


def test_compacting_changes_no_row(store: Store) -> None:
    for hour in range(30):
        store.write(interest(hour, [float(hour)]))
    version = store.version("open_interest", "BTCUSDT", HOUR)
    assert store.compact() >= 0
    assert store.compact() == 0
    assert stored(store) == list(range(30))
    assert store.version("open_interest", "BTCUSDT", HOUR) == version


def test_a_document_is_kept_until_another_takes_its_name(store: Store) -> None:
    assert store.kept("quality.json") is None
    store.keep("quality.json", b'{"findings": []}')
    store.keep("other.bin", bytes(range(256)) * 1000)
    store.keep("quality.json", b"")
    assert store.kept("quality.json") == b""
    assert store.kept("other.bin") == bytes(range(256)) * 1000
    for name in ("../secret", "", "A.json", "a b", "x\0"):
        with pytest.raises(InputError, match="document"):
            store.keep(name, b"")
        with pytest.raises(InputError, match="document"):
            store.kept(name)


def test_threads_that_write_one_series_lose_no_row(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda hour: store.write(interest(hour, [float(hour)])), range(40)))
    assert done == [1] * 40
    assert stored(store) == list(range(40))


WRITER = """
import pickle, sys
import numpy as np
from riposte.market.interval import HOUR_NS, INTERVALS
from riposte.market.series import make_series

store, start, offset = pickle.load(sys.stdin.buffer)
for hour in range(offset, 60, 3):
    times = start + np.arange(hour, hour + 2) * HOUR_NS  # the second row is another writer's first
    value = {"open_interest": np.arange(hour, hour + 2.0)}
    store.write(make_series("open_interest", "BTCUSDT", INTERVALS["1h"], times, value))
"""


def test_processes_that_write_one_month_lose_no_row_and_no_reader_misses_one(store: Store) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER], stdin=PIPE) for _ in range(3)]
    try:
        for offset, writer in enumerate(writers):
            assert writer.stdin is not None
            writer.stdin.write(pickle.dumps((store, START, offset)))
            writer.stdin.close()
        seen: list[float] = []
        while any(writer.poll() is None for writer in writers):
            if store.holdings():
                found = stored(store)
                assert set(seen) <= set(found)
                seen = found
    finally:
        codes = [writer.wait(timeout=60) for writer in writers]
    assert codes == [0, 0, 0]
    assert stored(store) == list(range(61))


def test_a_store_can_be_sent_to_another_process(store: Store) -> None:
    store.write(interest(0, [1, 2, 3]))
    assert stored(pickle.loads(pickle.dumps(store))) == [1, 2, 3]
