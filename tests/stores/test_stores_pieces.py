"""Appended rows lie in pieces of their own: cheap to write, and nobody can tell when reading."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.market.interval import INTERVALS, MINUTE_NS
from riposte.market.series import Series, make_series, merge
from riposte.stores.lake import Lake
from riposte.stores.pieces import piece_path, pieces_of

MINUTE = INTERVALS["1m"]
START = int(np.datetime64("2024-01-01T00:00", "ns").astype(np.int64))


def interest(first: int, count: int, value: float = 1.0) -> Series:
    times = START + (first + np.arange(count, dtype=np.int64)) * MINUTE_NS
    values = value + np.arange(count, dtype=float)
    return make_series("open_interest", "BTCUSDT", MINUTE, times, {"open_interest": values})


def read(lake: Lake) -> Series:
    return lake.read("open_interest", "BTCUSDT", MINUTE)


def folder(lake: Lake) -> Path:
    return lake.root / "open_interest" / "BTCUSDT" / "1m"


def files(lake: Lake) -> list[str]:
    return sorted(path.name for path in folder(lake).glob("*.parquet"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    lake.write(interest(0, 5000))
    return lake


def test_a_row_that_continues_the_month_becomes_a_piece(lake: Lake) -> None:
    before = (folder(lake) / "2024-01.parquet").stat().st_mtime_ns
    change = lake.merge(interest(5000, 1))
    assert (change.added, change.replaced) == (1, 0)
    assert files(lake) == ["2024-01+0001.parquet", "2024-01.parquet"]
    assert (folder(lake) / "2024-01.parquet").stat().st_mtime_ns == before
    assert len(read(lake)) == 5001
    assert lake.holdings()[0].rows == 5001


def test_a_change_of_the_past_puts_the_pieces_together(lake: Lake) -> None:
    lake.merge(interest(5000, 1))
    change = lake.merge(interest(10, 1, value=-7.0))
    assert change.replaced == 1
    assert files(lake) == ["2024-01.parquet"]
    assert read(lake)["open_interest"][10] == -7.0
    assert len(read(lake)) == 5001


def test_many_pieces_are_put_together_by_the_writer(lake: Lake) -> None:
    for minute in range(100):
        lake.merge(interest(5000 + minute, 1))
    assert len(files(lake)) <= 34
    assert len(read(lake)) == 5100


def test_compaction_leaves_one_file_a_month_and_changes_nothing_else(lake: Lake) -> None:
    for minute in range(5):
        lake.merge(interest(5000 + minute, 1), {f"day-{minute}.zip": "aa"})
    before, version, receipts = read(lake), lake.version("open_interest", "BTCUSDT", MINUTE), 5
    assert len(lake.receipts("open_interest", "BTCUSDT", MINUTE)) == receipts
    assert lake.compact() == 5
    assert files(lake) == ["2024-01.parquet"]
    assert np.array_equal(read(lake).event_time, before.event_time)
    assert lake.version("open_interest", "BTCUSDT", MINUTE) == version
    assert len(lake.receipts("open_interest", "BTCUSDT", MINUTE)) == receipts
    assert lake.compact() == 0


def test_the_version_does_not_know_of_pieces(lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other")
    other.write(interest(0, 5001))
    lake.merge(interest(5000, 1, value=5001.0))
    assert lake.version("open_interest", "BTCUSDT", MINUTE) == other.version(
        "open_interest", "BTCUSDT", MINUTE
    )


def test_pieces_a_killed_writer_could_not_remove_count_once(lake: Lake) -> None:
    lake.merge(interest(5000, 1))
    piece = piece_path(folder(lake), "2024-01", 1)
    content = piece.read_bytes()
    lake.compact()
    piece.write_bytes(content)  # as if killed between the rename and the removal
    assert len(read(lake)) == 5001
    assert lake.holdings()[0].rows == 5001
    lake.merge(interest(5001, 1))
    assert len(read(lake)) == 5002
    assert files(lake) == ["2024-01+0002.parquet", "2024-01.parquet"]


def test_a_receipt_is_true_only_with_all_the_months_it_names(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    minutes = 31 * 24 * 60
    lake.merge(interest(minutes - 5, 10), {"month.zip": "aa"})
    assert lake.receipts("open_interest", "BTCUSDT", MINUTE) == {"month.zip": "aa"}
    (folder(lake) / "2024-02.parquet").unlink()
    assert lake.receipts("open_interest", "BTCUSDT", MINUTE) == {}
    lake.merge(interest(minutes - 5, 10), {"month.zip": "aa"})
    assert lake.receipts("open_interest", "BTCUSDT", MINUTE) == {"month.zip": "aa"}


def test_a_receipt_is_kept_with_rows_that_were_there_already(lake: Lake) -> None:
    assert lake.merge(interest(0, 5000), {"month.zip": "aa"}).rows == 0
    assert lake.receipts("open_interest", "BTCUSDT", MINUTE) == {"month.zip": "aa"}
    lake.merge(interest(0, 5000), {"month.zip": "bb"})
    assert lake.receipts("open_interest", "BTCUSDT", MINUTE) == {"month.zip": "bb"}


def test_trimming_removes_what_is_older_and_nothing_else(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, 60 * 24 * 40))
    cut = START + 33 * 24 * 60 * MINUTE_NS
    assert lake.trim("open_interest", "BTCUSDT", MINUTE, cut) == 33 * 24 * 60
    assert files(lake) == ["2024-02.parquet"]
    assert read(lake).event_time[0] == cut
    assert lake.trim("open_interest", "BTCUSDT", MINUTE, cut) == 0


def test_documents_are_kept_and_replaced(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.kept("quality.json") is None
    lake.keep("quality.json", b"1")
    lake.keep("quality.json", b"2")
    assert lake.kept("quality.json") == b"2"
    assert lake.holdings() == ()


def test_trades_of_one_moment_are_kept_apart_by_their_number(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    times = START + np.array([0, 0, 0, MINUTE_NS, 24 * 60 * MINUTE_NS])
    columns = {
        "trade_id": np.array([7.0, 8.0, 9.0, 10.0, 11.0]),
        "price": np.ones(5),
        "quantity": np.ones(5),
        "buyer_is_maker": np.zeros(5),
    }
    trades = make_series("trades", "BTCUSDT", None, times, columns)
    lake.merge(trades.rows(0, 2))
    assert lake.merge(trades).added == 3
    stored = lake.read("trades", "BTCUSDT", None)
    assert stored["trade_id"].tolist() == [7, 8, 9, 10, 11]
    names = [path.name for path in sorted((tmp_path / "trades" / "BTCUSDT" / "events").glob("2*"))]
    assert names == ["2024-01-01.parquet", "2024-01-02.parquet"]


@settings(max_examples=40)
@given(
    writes=st.lists(
        st.tuples(st.integers(0, 6000), st.integers(1, 700), st.integers(0, 3)), max_size=12
    )
)
def test_whatever_is_written_reads_as_if_merged_in_memory(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, int]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    expected = interest(0, 5000)
    lake.write(expected)
    for first, count, value in writes:
        new = interest(first, count, float(value))
        expected, change = merge(expected, new)
        assert lake.merge(new) == change
    stored = read(lake)
    assert np.array_equal(stored.event_time, expected.event_time)
    assert np.array_equal(stored["open_interest"], expected["open_interest"])
    assert len({piece.number for each in pieces_of(folder(lake)).values() for piece in each}) >= 1


def test_a_reader_never_misses_or_doubles_a_row_while_pieces_come_and_go(tmp_path: Path) -> None:
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from test_stores_pieces import Lake, interest
        lake = Lake(Path(sys.argv[1]))
        print("ready", flush=True)
        for minute in range(5000, 100000):
            lake.merge(interest(minute, 1))
            if minute % 7 == 0:
                lake.compact()
    """
    lake = Lake(tmp_path)
    lake.write(interest(0, 5000))
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(script),
        str(tmp_path),
        str(Path(__file__).parent),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline()
        last = 5000
        until = time.monotonic() + 4
        try:
            while time.monotonic() < until:
                stored = read(lake)
                assert len(stored) >= last
                assert (np.diff(stored.event_time) == MINUTE_NS).all()
                last = len(stored)
        finally:
            os.kill(writer.pid, signal.SIGKILL)
    assert last > 5010
    assert len(read(lake)) >= last


def test_only_the_wanted_columns_are_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    times = START + np.arange(10, dtype=np.int64) * MINUTE_NS
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count")
    series = make_series("klines", "BTCUSDT", MINUTE, times, {name: np.ones(10) for name in names})
    lake.write(series)
    some = lake.read("klines", "BTCUSDT", MINUTE, columns=["trade_count"])
    assert list(some.columns) == ["open", "high", "low", "close", "volume", "trade_count"]
