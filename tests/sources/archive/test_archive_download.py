"""Downloading the archive: only what is missing, verified, resumed, whole whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from archive_files import made, zipped
from archive_server import Archive, serving

from riposte.errors import ExchangeError, StorageError
from riposte.market.interval import INTERVALS
from riposte.sources.archive.download import State, Summary, download
from riposte.sources.archive.layout import DATASETS, ArchiveFile
from riposte.sources.archive.plan import Wanted, plan
from riposte.sources.archive.transfer import StoppedError, Transfer
from riposte.stores.lake import Lake

HOUR = INTERVALS["1h"]
TODAY = date(2024, 5, 20)
START, STOP = date(2024, 2, 10), date(2024, 5, 20)


def wanted(dataset: str = "klines", start: date = START, stop: date = STOP) -> Wanted:
    chosen = DATASETS[dataset]
    return Wanted(chosen, "BTCUSDT", HOUR if chosen.by_interval else None, start, stop)


def published(file: ArchiveFile) -> bytes | None:
    """What the archive has on the morning of 2024-05-20: months to April, days to the 18th."""
    last = date(2024, 5, 19) if file.day else date(2024, 5, 1)
    return made(file) if file.days[1] <= last else None


@dataclass
class Place:
    archive: Archive
    url: str
    folder: Path

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake")

    def get(self, *stretches: Wanted, refresh: bool = False, connections: int = 4) -> Summary:
        transfer = Transfer(
            self.url, self.folder / "arriving", first_wait_s=0.01, timeout_s=2, chunk=2048
        )
        return download(
            stretches, self.lake, transfer, TODAY, connections=connections, refresh=refresh
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    archive = Archive(published)
    with serving(archive) as url:
        yield Place(archive, url, tmp_path)


def path(name: str, often: str = "monthly") -> str:
    return f"data/futures/um/{often}/klines/BTCUSDT/1h/{name}"


def test_whole_months_are_taken_as_months_and_the_rest_as_days(place: Place) -> None:
    summary = place.get(wanted())
    asked = place.archive.files_asked()
    assert sorted(name for name in asked if len(name) == len("BTCUSDT-1h-2024-03.zip")) == [
        "BTCUSDT-1h-2024-03.zip", "BTCUSDT-1h-2024-04.zip",
    ]  # fmt: skip
    assert len(asked) == len(set(asked)) == 2 + 20 + 18  # months, days of February and of May
    stored = place.lake.read("klines", "BTCUSDT", HOUR)
    assert len(stored) == (20 + 31 + 30 + 18) * 24 == summary.rows
    assert (np.diff(stored.event_time) == HOUR.ns).all()
    assert summary.absent == {"BTCUSDT klines 1h": [date(2024, 5, 19)]}
    assert summary.failed == []
    assert not list((place.folder / "arriving").rglob("*.zip*"))  # nothing is left lying about


def test_a_second_run_asks_for_nothing_but_what_was_not_there(place: Place) -> None:
    place.get(wanted())
    place.archive.asked.clear()
    summary = place.get(wanted())
    assert [name for name, _ in place.archive.asked] == [
        path("BTCUSDT-1h-2024-05-19.zip.CHECKSUM", "daily")
    ]
    assert summary.rows == summary.files == 0


def test_only_the_missing_months_are_fetched(place: Place) -> None:
    place.get(wanted(start=date(2024, 4, 1)))
    place.archive.asked.clear()
    place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 5, 1)))
    assert place.archive.files_asked() == ["BTCUSDT-1h-2024-03.zip"]


def test_a_deleted_month_is_fetched_again(place: Place) -> None:
    place.get(wanted())
    version = place.lake.version("klines", "BTCUSDT", HOUR)
    (place.folder / "lake" / "klines" / "BTCUSDT" / "1h" / "2024-03.parquet").unlink()
    place.archive.asked.clear()
    place.get(wanted())
    assert place.archive.files_asked() == ["BTCUSDT-1h-2024-03.zip"]
    assert place.lake.version("klines", "BTCUSDT", HOUR) == version


def test_a_month_that_lacks_days_is_completed_from_the_days(place: Place) -> None:
    """BTCUSDT 1m of 2022-05 lacks four whole days (#346)."""

    def holed(file: ArchiveFile) -> bytes | None:
        content = published(file)
        if content is None or file.day or file.month.month != 3:
            return content
        import io
        import zipfile

        text = zipfile.ZipFile(io.BytesIO(content)).read(f"{file.name[:-4]}.csv").decode()
        lines = text.splitlines()
        gone = [n for n in range(1, len(lines)) if (n - 1) // 24 in (15, 18, 20)]
        return zipped("\n".join(line for n, line in enumerate(lines) if n not in gone))

    place.archive.made = holed
    place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    assert sorted(place.archive.files_asked()) == [
        "BTCUSDT-1h-2024-03-16.zip", "BTCUSDT-1h-2024-03-19.zip", "BTCUSDT-1h-2024-03-21.zip",
        "BTCUSDT-1h-2024-03.zip",
    ]  # fmt: skip
    assert len(place.lake.read("klines", "BTCUSDT", HOUR)) == 31 * 24


def test_metrics_give_interest_and_ratios_from_one_download(place: Place) -> None:
    stretch = wanted("metrics", start=date(2024, 3, 30), stop=date(2024, 4, 3))
    place.get(stretch)
    for kind in ("open_interest", "ratios"):
        stored = place.lake.read(kind, "BTCUSDT", INTERVALS["5m"])
        assert len(stored) == 4 * 288
        assert (np.diff(stored.event_time) == INTERVALS["5m"].ns).all()
    place.archive.asked.clear()
    place.get(stretch)
    assert place.archive.asked == []


def test_a_file_without_rows_of_one_of_its_kinds_is_not_asked_for_again(place: Place) -> None:
    def without_ratios(file: ArchiveFile) -> bytes | None:
        import io
        import zipfile

        content = made(file)
        text = zipfile.ZipFile(io.BytesIO(content)).read(f"{file.name[:-4]}.csv").decode()
        lines = text.splitlines()
        bare = [",".join([*line.split(",")[:4], "", "", "", ""]) for line in lines[1:]]
        return zipped("\n".join([lines[0], *bare]))

    place.archive.made = without_ratios
    stretch = wanted("metrics", start=date(2024, 3, 30), stop=date(2024, 4, 3))
    place.get(stretch)
    place.archive.asked.clear()
    place.get(stretch)
    assert place.archive.asked == []


def test_the_seam_of_the_metrics_change_has_neither_hole_nor_shift(tmp_path: Path) -> None:
    with serving(Archive(made)) as url:
        lake = Lake(tmp_path / "lake")
        stretch = wanted("metrics", start=date(2026, 6, 20), stop=date(2026, 7, 3))
        download([stretch], lake, Transfer(url, tmp_path / "in"), date(2026, 11, 1))
    stored = lake.read("open_interest", "BTCUSDT", INTERVALS["5m"])
    assert len(stored) == 13 * 288
    assert (np.diff(stored.event_time) == INTERVALS["5m"].ns).all()
    expected = np.round(80_000 + 500 * np.sin(stored.event_time / 1e6 / 1e8), 3)
    assert np.allclose(stored["open_interest"], expected)  # each value at its own moment


def test_months_only_are_taken_for_funding_and_never_the_running_one(place: Place) -> None:
    place.get(wanted("fundingRate"))
    assert sorted(place.archive.files_asked()) == [
        f"BTCUSDT-fundingRate-2024-0{month}.zip" for month in (2, 3, 4)
    ]


def test_trades_come_day_by_day(place: Place) -> None:
    place.get(wanted("aggTrades", start=date(2024, 5, 1), stop=date(2024, 5, 4)))
    days = sorted((place.folder / "lake" / "agg_trades").rglob("2*.parquet"))
    assert [day.stem for day in days] == ["2024-05-01", "2024-05-02", "2024-05-03"]


def test_a_cut_connection_is_continued_from_the_last_byte(place: Place) -> None:
    name = path("BTCUSDT-1h-2024-03.zip")
    place.archive.cut[name] = 3
    place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    ranges = [wanted_range for asked, wanted_range in place.archive.asked if asked == name]
    assert len(ranges) == 4
    assert ranges[0] == ""
    assert ranges[1:] == sorted(ranges[1:], key=lambda r: int(r[6:-1]))
    assert int(ranges[1][6:-1]) > 0
    assert len(place.lake.read("klines", "BTCUSDT", HOUR)) == 31 * 24


def test_a_server_that_knows_no_ranges_sends_it_all_again(place: Place) -> None:
    name = path("BTCUSDT-1h-2024-03.zip")
    place.archive.ranges = False
    place.archive.cut[name] = 1
    place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    assert len(place.lake.read("klines", "BTCUSDT", HOUR)) == 31 * 24


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_busy_server_is_asked_again(place: Place, status: int) -> None:
    name = path("BTCUSDT-1h-2024-03.zip")
    place.archive.refuse[name] = [status, status]
    summary = place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    assert summary.failed == []
    assert place.archive.files_asked().count("BTCUSDT-1h-2024-03.zip") == 3


def test_a_spoiled_file_is_fetched_again_and_its_rows_never_stored(place: Place) -> None:
    name = path("BTCUSDT-1h-2024-03.zip")
    place.archive.spoil[name] = 2
    summary = place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    assert summary.failed == []
    assert place.archive.files_asked().count("BTCUSDT-1h-2024-03.zip") == 3


def test_a_file_that_never_fits_its_checksum_is_told_and_the_others_are_stored(
    place: Place,
) -> None:
    place.archive.bad_checksum.add("BTCUSDT-1h-2024-03.zip")
    summary = place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 5, 1)))
    assert summary.failed == [
        "BTCUSDT klines 1h 2024-03: BTCUSDT-1h-2024-03.zip does not fit its checksum, "
        "three times over"
    ]
    assert len(place.lake.read("klines", "BTCUSDT", HOUR)) == 30 * 24
    place.archive.bad_checksum.clear()
    assert place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 5, 1))).rows == 31 * 24


def test_a_page_in_the_place_of_a_checksum_is_told(place: Place) -> None:
    place.archive.content[path("BTCUSDT-1h-2024-03.zip.CHECKSUM")] = b""
    place.archive.get = (  # type: ignore[method-assign]
        lambda asked: b"<html>log in</html>" if asked.endswith("CHECKSUM") else b""
    )
    summary = place.get(wanted(start=date(2024, 3, 1), stop=date(2024, 4, 1)))
    assert "is not a checksum of that file" in summary.failed[0]


def test_a_file_published_anew_is_fetched_when_asked_to_look(place: Place) -> None:
    stretch = wanted(start=date(2024, 3, 1), stop=date(2024, 5, 1))
    place.get(stretch)
    place.archive.content.clear()

    def corrected(file: ArchiveFile) -> bytes | None:
        content = published(file)
        if content and file.month.month == 3:
            from archive_files import klines

            text = klines(file.month, 31).replace(",0\n", ",1\n")
            return zipped(text)
        return content

    place.archive.made = corrected
    place.archive.asked.clear()
    assert place.get(stretch).files == 0
    summary = place.get(stretch, refresh=True)
    assert place.archive.files_asked() == ["BTCUSDT-1h-2024-03.zip"]
    assert summary.files == 1


def test_an_archive_out_of_reach_is_told_at_once(tmp_path: Path) -> None:
    transfer = Transfer("http://127.0.0.1:9", tmp_path / "in", tries=2, first_wait_s=0.01)
    with pytest.raises(ExchangeError, match="no connection") as told:
        download([wanted()], Lake(tmp_path / "lake"), transfer, TODAY)
    assert "what has arrived is kept" in told.value.hint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 96 KiB, where the user may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root on Linux")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_fills_is_told_and_a_run_with_room_completes_the_lake(
    place: Place, small_disk: Path
) -> None:
    on_disk = Place(place.archive, place.url, small_disk)
    on_disk.get(wanted(start=date(2024, 5, 16)))
    with pytest.raises(StorageError) as told:
        on_disk.get(wanted())
    assert "run" in told.value.hint
    stored = on_disk.lake.read("klines", "BTCUSDT", HOUR)
    assert len(stored) >= 3 * 24  # what was there is there
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    on_disk.get(wanted())
    place.get(wanted())
    assert on_disk.lake.version("klines", "BTCUSDT", HOUR) == place.lake.version(
        "klines", "BTCUSDT", HOUR
    )


def test_a_folder_that_cannot_be_written_is_told(place: Place) -> None:
    (place.folder / "arriving").write_text("a file in the way")
    with pytest.raises(StorageError, match="could not be written"):
        place.get(wanted())


@pytest.mark.parametrize("damage", ["footer", "page"])
def test_a_damaged_month_is_set_aside_and_fetched_again(place: Place, damage: str) -> None:
    place.get(wanted())
    version = place.lake.version("klines", "BTCUSDT", HOUR)
    month = place.folder / "lake" / "klines" / "BTCUSDT" / "1h" / "2024-03.parquet"
    content = bytearray(month.read_bytes())
    spot = 300 if damage == "page" else len(content) - 20
    content[spot] ^= 0xFF
    month.write_bytes(bytes(content))
    with pytest.raises(StorageError, match="is damaged"):
        place.lake.read("klines", "BTCUSDT", HOUR)
    assert place.lake.heal("klines", "BTCUSDT", HOUR) == (str(month),)
    assert month.with_suffix(".parquet.damaged").read_bytes() == bytes(content)
    place.archive.asked.clear()
    place.get(wanted())
    assert place.archive.files_asked() == ["BTCUSDT-1h-2024-03.zip"]
    assert place.lake.version("klines", "BTCUSDT", HOUR) == version
    assert place.lake.heal("klines", "BTCUSDT", HOUR) == ()


def test_progress_counts_batches_files_bytes_and_rows(place: Place) -> None:
    seen: list[tuple[int, int, int]] = []

    def note(state: State) -> None:
        seen.append((state.done, state.batches, state.bytes))

    transfer = Transfer(place.url, place.folder / "arriving")
    download([wanted()], place.lake, transfer, TODAY, progress=note)
    assert seen[-1][0] == seen[-1][1] == 4
    assert seen[-1][2] > 10_000


def test_stopping_leaves_whole_batches(place: Place) -> None:
    place.archive.pause_s, place.archive.chunk = 0.02, 2048
    transfer = Transfer(place.url, place.folder / "arriving")
    threading.Timer(0.3, transfer.stop.set).start()
    with pytest.raises(StoppedError):
        download([wanted()], place.lake, transfer, TODAY, connections=2)
    place.archive.pause_s = 0
    place.get(wanted())
    assert len(place.lake.read("klines", "BTCUSDT", HOUR)) == (20 + 31 + 30 + 18) * 24


def test_nothing_is_planned_outside_the_days_that_were_published() -> None:
    def planned(dataset: str, start: date, stop: date) -> int:
        return len(plan(wanted(dataset, start, stop), {}, TODAY))

    assert planned("bookTicker", date(2020, 1, 1), date(2023, 5, 1)) == 0
    assert planned("bookTicker", date(2024, 3, 30), date(2024, 5, 1)) == 2
    assert planned("metrics", date(2019, 1, 1), date(2020, 9, 1)) == 0
    assert planned("klines", date(2025, 1, 1), date(2025, 2, 1)) == 0


@pytest.mark.slow
def test_a_download_killed_at_fifty_random_moments_ends_in_the_same_lake(place: Place) -> None:
    place.archive.pause_s, place.archive.chunk = 0.001, 4096
    stretches = [
        wanted(start=date(2024, 3, 25)),
        wanted("metrics", start=date(2024, 4, 29), stop=date(2024, 5, 3)),
    ]
    place.get(*stretches)
    undisturbed = place.lake
    driver = Path(__file__).with_name("killed_download.py")
    told = subprocess.run(
        [sys.executable, str(driver), place.url, str(place.folder / "killed"), "50"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    moments = [line.split() for line in told.stdout.splitlines()]
    assert len(moments) == 50
    cut = [line for line in moments if line[1] == str(-signal.SIGKILL)]
    assert len(cut) >= 25  # most kills came in the middle
    for trial in range(50):
        lake = Lake(place.folder / "killed" / str(trial) / "lake")
        for held in undisturbed.holdings():
            key = (held.kind, held.symbol, held.interval)
            ours, theirs = undisturbed.read(*key), lake.read(*key)
            assert ours.event_time.tobytes() == theirs.event_time.tobytes()
            assert list(ours.columns) == list(theirs.columns)
            for name in ours.columns:
                assert ours[name].tobytes() == theirs[name].tobytes()
            assert lake.version(*key) == undisturbed.version(*key)
        assert lake.holdings() == undisturbed.holdings()
