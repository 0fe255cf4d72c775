"""Reading the exchange's zips into the lake, and building the frame of two years of minutes.

Targets: two million rows of candles a second from local zips; the frame in seconds and within 1 GiB.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riposte.market.interval import INTERVALS, MINUTE_NS
from riposte.market.series import make_series
from riposte.sources.archive.layout import DATASETS, ArchiveFile
from riposte.sources.archive.local import import_zips, zips_under
from riposte.stores.lake import Lake

MINUTE = INTERVALS["1m"]


def candles_csv(month: date, seed: int) -> str:
    """A month of 1m candles with the digits real ones have."""
    file = ArchiveFile(DATASETS["klines"], "BTCUSDT", MINUTE, month)
    first, stop = file.days
    rows = (stop - first).days * 1440
    chance = np.random.default_rng(seed)
    opened = int(np.datetime64(first, "ms").astype(np.int64)) + np.arange(rows) * 60_000
    close = np.round(40_000 * np.exp(np.cumsum(chance.normal(0, 5e-4, rows))), 1)
    start = np.append(close[:1], close[:-1])
    volume = chance.gamma(2, 50, rows).round(3)
    lines = [",".join(file.dataset.columns)]
    for t, o, c, v in zip(opened, start, close, volume, strict=True):
        lines.append(
            f"{t},{o:.1f},{max(o, c) + 1.1:.1f},{min(o, c) - 1.1:.1f},{c:.1f},{v:.3f},{t + 59999},"
            f"{v * c:.5f},{int(v * 10)},{v / 2:.3f},{v / 2 * c:.5f},0"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve months of 1m candles as the archive publishes them."""
    folder = tmp_path_factory.mktemp("zips")
    for number in range(1, 13):
        file = ArchiveFile(DATASETS["klines"], "BTCUSDT", MINUTE, date(2024, number, 1))
        with zipfile.ZipFile(folder / file.name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{file.name[:-4]}.csv", candles_csv(file.month, number))
    return folder


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "lake"
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_year_of_minutes_from_local_zips(benchmark: Any, zips: Path, empty: Path) -> None:
    files = zips_under(zips)

    def clean() -> None:
        shutil.rmtree(empty, ignore_errors=True)

    result = benchmark.pedantic(
        lambda: import_zips(files, Lake(empty)), setup=clean, rounds=8, warmup_rounds=1
    )
    rows = result.rows_changed
    assert rows == 527_040
    rate = rows / benchmark.stats.stats.min
    benchmark.extra_info["rows_per_second"] = round(rate)

    def with_pandas() -> None:
        for path, _ in files:
            content = zipfile.ZipFile(path).read(f"{path.stem}.csv")
            pd.read_csv(io.BytesIO(content)).to_parquet(empty.with_suffix(".parquet"))

    import time

    began = time.perf_counter()
    with_pandas()
    peer = rows / (time.perf_counter() - began)
    benchmark.extra_info["times_as_fast_as_pandas"] = round(rate / peer, 1)


FRAME = """
import json, sys, time
from pathlib import Path
from riposte.market.frame import COLUMNS
from riposte.market.interval import INTERVALS
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake
lake = Lake(Path(sys.argv[1]))
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
before = peak()
began = time.perf_counter()
frame = load_frame(lake, "BTCUSDT", INTERVALS["1m"])
took = time.perf_counter() - began
print(json.dumps({"rows": len(frame), "seconds": took, "peak_mib": peak() / 1024,
                  "imports_mib": before / 1024,
                  "columns": sum(frame.has(name) for name in COLUMNS)}))
"""


def test_the_frame_of_two_years_of_minutes_with_every_series(
    benchmark: Any, tmp_path: Path
) -> None:
    import json

    rows = 730 * 1440
    start = int(np.datetime64("2023-01-01", "ns").astype(np.int64))
    chance = np.random.default_rng(1)
    lake = Lake(tmp_path)
    close = 40_000 * np.exp(np.cumsum(chance.normal(0, 5e-4, rows)))
    opened = np.append(close[:1], close[:-1])
    noise = {n: chance.uniform(1, 2, rows) for n in ("volume", "quote_volume", "trade_count")}
    candles = {
        "open": opened,
        "high": np.maximum(opened, close) + 1,
        "low": np.minimum(opened, close) - 1,
        "close": close,
        **noise,
        "taker_buy_volume": noise["volume"] / 2,
    }
    times = start + np.arange(rows) * MINUTE_NS
    lake.write(make_series("klines", "BTCUSDT", MINUTE, times, candles))
    for kind, column in (("mark", "mark_price"), ("index", "index_price"), ("premium", "premium")):
        lake.write(make_series(kind, "BTCUSDT", MINUTE, times + MINUTE_NS, {column: close}))
    fives = start + np.arange(rows // 5) * 5 * MINUTE_NS
    from riposte.market.series import KINDS

    for kind in ("open_interest", "ratios"):
        columns = {name: chance.uniform(1, 2, len(fives)) for name in KINDS[kind].columns}
        lake.write(make_series(kind, "BTCUSDT", INTERVALS["5m"], fives, columns))
    halves = start + np.arange(2 * rows) * MINUTE_NS // 2
    columns = {name: chance.uniform(1, 2, len(halves)) for name in KINDS["depth"].columns}
    lake.write(make_series("depth", "BTCUSDT", None, halves, columns))
    eights = start + np.arange(rows // 480) * 480 * MINUTE_NS
    lake.write(make_series("funding", "BTCUSDT", None, eights, {"funding_rate": eights * 1e-20}))
    forced = np.unique(start + chance.integers(0, rows * 60_000, 200_000) * 1_000_000)
    columns = {name: chance.uniform(1, 2, len(forced)) for name in KINDS["liquidations"].columns}
    lake.write(make_series("liquidations", "BTCUSDT", None, forced, columns))

    def build() -> dict[str, float]:
        command = [sys.executable, "-c", textwrap.dedent(FRAME), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        told: dict[str, float] = json.loads(done.stdout)
        return told

    told = benchmark.pedantic(build, rounds=3)
    assert told["rows"] == rows
    benchmark.extra_info.update({name: round(value, 2) for name, value in told.items()})
