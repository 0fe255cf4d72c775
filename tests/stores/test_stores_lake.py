"""The Parquet lake: what is written is read, writers don't harm each other, faults lose nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from riposte.errors import DataError, InputError, RiposteError, StorageError
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS
from riposte.market.series import KINDS, Change, Series, make_series
from riposte.stores.lake import Lake
from riposte.stores.protocol import Store

HOUR = INTERVALS["1h"]
START = int(np.datetime64("2024-01-30T00:00", "ns").astype(np.int64))


def interest(first_hour: int, values: list[float] | np.ndarray, symbol: str = "BTCUSDT") -> Series:
    times = START + (first_hour + np.arange(len(values), dtype=np.int64)) * HOUR_NS
    columns = {"open_interest": np.array(values, dtype=float)}
    return make_series("open_interest", symbol, HOUR, times, columns)


def read_interest(lake: Lake, symbol: str = "BTCUSDT", **between: int) -> list[float]:
    series = lake.read("open_interest", symbol, HOUR, **between)
    return series["open_interest"].tolist()


def month_files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.parquet"))


def leftovers(root: Path) -> list[str]:
    return [p.name for p in root.rglob("*") if p.is_file() and p.suffix not in (".parquet", "")]


def as_store(lake: Lake) -> Store:
    return lake


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_as_it_went_in(tmp_path: Path, kind: str) -> None:
    chance = np.random.default_rng(1)
    times = START + np.arange(2000, dtype=np.int64) * HOUR_NS + 7000
    columns = {name: chance.normal(size=2000) for name in KINDS[kind].columns}
    for values in columns.values():
        values[3] = np.nan
    interval = None if kind == "funding" else HOUR
    series = make_series(kind, "BTCUSDT", interval, times, columns)
    lake = as_store(Lake(tmp_path / "new" / "lake"))
    assert lake.write(series) == 2000
    back = lake.read(kind, "BTCUSDT", interval)
    assert back.event_time.tobytes() == times.tobytes()
    assert list(back.columns) == list(columns)
    for name, values in columns.items():
        assert back[name].tobytes() == values.tobytes()


def test_the_series_is_cut_into_months(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, np.arange(72.0)))  # 30 and 31 January, 1 February
    names = [path.relative_to(tmp_path).as_posix() for path in month_files(tmp_path)]
    assert names == [
        "open_interest/BTCUSDT/1h/2024-01.parquet",
        "open_interest/BTCUSDT/1h/2024-02.parquet",
    ]
    assert read_interest(lake) == list(range(72))


def test_rows_are_merged_by_time_and_new_ones_win(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, [1, 2, 3, 4]))
    change = lake.merge(interest(2, [3, 40, 5]))
    assert change == Change(added=1, replaced=1, first_replaced_ns=START + 3 * HOUR_NS)
    assert read_interest(lake) == [1, 2, 3, 40, 5]


def test_writing_the_same_again_touches_no_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, np.arange(72.0)))
    before = {path: path.stat().st_mtime_ns for path in month_files(tmp_path)}
    assert lake.write(interest(0, np.arange(72.0))) == 0
    assert {path: path.stat().st_mtime_ns for path in month_files(tmp_path)} == before


def test_a_read_opens_only_the_months_it_needs(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, np.arange(72.0)))
    january, february = month_files(tmp_path)
    january.write_bytes(b"not a month")
    start = START + 48 * HOUR_NS
    assert read_interest(lake, start_ns=start) == list(range(48, 72))
    with pytest.raises(StorageError):
        read_interest(lake, start_ns=start - 1)
    february.write_bytes(b"not a month")
    with pytest.raises(StorageError):
        read_interest(lake, start_ns=start)


@given(st.integers(-5, 80), st.integers(-5, 80))
@settings(max_examples=40)
def test_a_range_is_read_from_its_start_to_before_its_stop(
    tmp_path_factory: pytest.TempPathFactory, start: int, stop: int
) -> None:
    lake = Lake(tmp_path_factory.getbasetemp() / "ranges")
    lake.write(interest(0, np.arange(72.0)))
    found = read_interest(lake, start_ns=START + start * HOUR_NS, stop_ns=START + stop * HOUR_NS)
    assert found == [float(hour) for hour in range(72) if start <= hour < stop]


def test_holdings_tell_what_is_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.holdings() == ()
    lake.write(interest(0, np.arange(72.0)))
    lake.write(interest(5, [1, 2], "ETHUSDT"))
    rates = {"funding_rate": np.array([1e-4])}
    lake.write(make_series("funding", "BTCUSDT", None, np.array([START]), rates))
    told = [
        (h.kind, h.symbol, str(h.interval), h.rows, h.first_ns, h.last_ns) for h in lake.holdings()
    ]
    assert told == [
        ("funding", "BTCUSDT", "None", 1, START, START),
        ("open_interest", "BTCUSDT", "1h", 72, START, START + 71 * HOUR_NS),
        ("open_interest", "ETHUSDT", "1h", 2, START + 5 * HOUR_NS, START + 6 * HOUR_NS),
    ]


def test_the_version_follows_the_content_and_not_the_way_it_came(tmp_path: Path) -> None:
    one, other = Lake(tmp_path / "a"), Lake(tmp_path / "b")
    one.write(interest(0, np.arange(72.0)))
    other.write(interest(40, np.arange(40.0, 72.0)))
    other.write(interest(0, np.arange(40.0)))
    version = one.version("open_interest", "BTCUSDT", HOUR)
    assert other.version("open_interest", "BTCUSDT", HOUR) == version
    other.write(interest(70, [70.5]))
    assert other.version("open_interest", "BTCUSDT", HOUR) != version


def test_what_is_not_stored_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(DataError, match=r"BTCUSDT mark 1h is not in the store"):
        lake.read("mark", "BTCUSDT", HOUR)
    with pytest.raises(InputError, match=r"did you mean 'mark'"):
        lake.read("marks", "BTCUSDT", HOUR)
    with pytest.raises(InputError, match="cannot be stored"):
        lake.read("mark", "../BTCUSDT", HOUR)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "nothing"])
def test_a_damaged_month_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, np.random.default_rng(1).normal(size=47)))
    month = month_files(tmp_path)[0]
    content = bytearray(month.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[60] ^= 0xFF
    elif damage == "foreign":
        content = bytearray(b"open_time,open\n1,2\n")
    else:
        content = bytearray()
    month.write_bytes(content)
    with pytest.raises(StorageError, match="is damaged and cannot be read") as caught:
        lake.read("open_interest", "BTCUSDT", HOUR)
    assert str(month) in caught.value.message
    assert "delete this one file" in caught.value.hint
    with pytest.raises(StorageError, match="is damaged"):
        lake.write(interest(1, [5.0]))
    assert month.read_bytes() == bytes(content), "a damaged file is left for its owner to look at"
    assert leftovers(tmp_path) == []


def test_no_flipped_bit_gives_a_wrong_value(tmp_path: Path) -> None:
    """Wherever a month file is hurt, reading it is refused or gives what was written."""
    lake = Lake(tmp_path)
    values = np.random.default_rng(1).normal(size=40)
    lake.write(interest(0, values))
    month = month_files(tmp_path)[0]
    content = month.read_bytes()
    refused = 0
    for place in range(0, len(content), 7):
        hurt = bytearray(content)
        hurt[place] ^= 0x10
        month.write_bytes(hurt)
        try:
            series = lake.read("open_interest", "BTCUSDT", HOUR)
        except StorageError:
            refused += 1
        else:
            assert series["open_interest"].tobytes() == values.tobytes(), place
            assert series.event_time[0] == START
    assert refused > len(content) // 7 // 4


def test_a_parquet_file_of_something_else_is_damage_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write(interest(0, [1.0]))
    lake.write(make_series("mark", "BTCUSDT", HOUR, np.array([START]), {"mark_price": np.ones(1)}))
    mark, other = sorted(month_files(tmp_path), key=lambda path: "mark" not in path.parts)
    mark.write_bytes(other.read_bytes())
    with pytest.raises(StorageError, match="is damaged"):
        lake.read("mark", "BTCUSDT", HOUR)


def test_two_writers_at_once_lose_no_row(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, numpy as np
        from pathlib import Path
        from riposte.market.interval import INTERVALS, HOUR_NS
        from riposte.market.series import make_series
        from riposte.stores.lake import Lake
        root, start, offset = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
        for hour in range(offset, 60, 3):
            times = np.array([start + hour * HOUR_NS])
            value = {"open_interest": np.array([float(hour)])}
            Lake(root).write(make_series("open_interest", "BTCUSDT", INTERVALS["1h"], times, value))
        """
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), str(START), str(offset)])
        for offset in range(3)
    ]
    try:
        seen: list[float] = []
        while any(writer.poll() is None for writer in writers):
            if month_files(tmp_path):
                found = read_interest(Lake(tmp_path))  # never half a file, never a row lost again
                assert set(seen) <= set(found)
                seen = found
    finally:
        codes = [writer.wait(timeout=120) for writer in writers]
    assert codes == [0, 0, 0]
    assert read_interest(Lake(tmp_path)) == list(range(60))


def test_threads_of_one_process_lose_no_row_either(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda hour: lake.write(interest(hour, [float(hour)])), range(40)))
    assert read_interest(lake) == list(range(40))


def test_a_writer_does_not_wait_for_ever(tmp_path: Path) -> None:
    lake = Lake(tmp_path, lock_timeout_s=0.05)
    lake.write(interest(0, [1.0]))
    with (
        FileLock(month_files(tmp_path)[0].parent / ".lock"),
        pytest.raises(StorageError, match="written by another process"),
    ):
        lake.write(interest(1, [2.0]))
    assert lake.write(interest(1, [2.0])) == 1


def test_a_killed_writer_leaves_the_old_months_and_its_rubbish_is_cleared(tmp_path: Path) -> None:
    """The process dies after the new months are on the disk and before any is renamed."""
    lake = Lake(tmp_path)
    lake.write(interest(0, np.arange(72.0)))
    script = textwrap.dedent(
        """
        import os, sys, signal, numpy as np
        from pathlib import Path
        from riposte.market.interval import INTERVALS, HOUR_NS
        from riposte.market.series import make_series
        from riposte.stores import lake
        def killed(*_): os.kill(os.getpid(), signal.SIGKILL)
        os.replace = killed
        times = int(sys.argv[2]) + np.arange(72) * HOUR_NS
        value = {"open_interest": np.full(72, -1.0)}
        series = make_series("open_interest", "BTCUSDT", INTERVALS["1h"], times, value)
        lake.Lake(Path(sys.argv[1])).write(series)
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), str(START)], check=False)
    assert done.returncode == -9
    assert len(leftovers(tmp_path)) == 2
    assert read_interest(lake) == list(range(72))
    lake.write(interest(0, [7.0]))
    assert leftovers(tmp_path) == []


FILL = """
import resource, sys, numpy as np
from pathlib import Path
from riposte.errors import StorageError
from riposte.market.interval import INTERVALS, HOUR_NS
from riposte.market.series import make_series
from riposte.stores.lake import Lake

root, start, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
hours = 24 * 365
times = start + np.arange(hours) * HOUR_NS
values = np.random.default_rng(1).normal(size=hours)
series = make_series("open_interest", "BTCUSDT", INTERVALS["1h"], times, {"open_interest": values})
try:
    Lake(root).write(series)
except StorageError as error:
    print(error.message)
    sys.exit(error.exit_code)
"""


def fill(root: Path, limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", FILL, str(root), str(START), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )


def assert_full_disk_lost_nothing(root: Path, limit: int) -> None:
    lake = Lake(root)
    lake.write(interest(0, np.arange(50.0)))
    stored = {path: path.read_bytes() for path in month_files(root)}
    done = fill(root, limit)
    assert done.returncode == StorageError.exit_code, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("the disk is full: ")
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in month_files(root)} == stored
    assert leftovers(root) == []
    assert read_interest(lake) == list(range(50))


def test_a_file_size_limit_met_while_writing_loses_nothing(tmp_path: Path) -> None:
    assert_full_disk_lost_nothing(tmp_path, 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 64 KiB, where the user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root on Linux")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_while_writing_loses_nothing(small_disk: Path) -> None:
    assert_full_disk_lost_nothing(small_disk, 0)


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Rights do not bind root: for the test, be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_without_permission_says_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = tmp_path / "lake"
    lake = Lake(root)
    lake.write(interest(0, [1.0]))
    folder = month_files(root)[0].parent
    folder.chmod(0o500)
    request.getfixturevalue("ordinary_user")
    try:
        with pytest.raises(StorageError, match="no permission"):
            lake.write(interest(1, [2.0]))
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o700)
    assert read_interest(lake) == [1.0]


def test_a_file_in_the_place_of_the_folder_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("here already")
    with pytest.raises(StorageError, match="could not be written") as caught:
        Lake(tmp_path / "lake").write(interest(0, [1.0]))
    assert isinstance(caught.value, RiposteError)
    assert "\n" not in caught.value.message


def test_an_empty_series_writes_nothing(tmp_path: Path) -> None:
    assert Lake(tmp_path / "lake").write(interest(0, [])) == 0
    assert not (tmp_path / "lake").exists()


def test_old_times_have_their_months_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    times = np.array([-DAY_NS, 0], dtype=np.int64)
    lake.write(
        make_series("open_interest", "BTCUSDT", HOUR, times, {"open_interest": np.array([1.0, 2])})
    )
    assert [path.stem for path in month_files(tmp_path)] == ["1969-12", "1970-01"]
    assert read_interest(lake) == [1.0, 2.0]
