"""SPEC section 12, features: the whole catalogue, its memory, and one live row.

The figures that count are printed and in the extra info; nothing is asserted about time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riposte.features.catalogue import names
from riposte.features.matrix import build_matrix, latest_row
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, MINUTE_NS, parse_interval

MINUTE = parse_interval("1m")


def market(rows: int) -> MarketFrame:
    """A random walk of one-minute bars with funding and open interest."""
    chance = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(0.0005 * chance.standard_t(4, rows)))
    opened = np.append(close[0], close[:-1])
    wick = np.abs(chance.normal(0, 0.0003, (2, rows)))
    open_time = np.arange(rows, dtype=np.int64) * MINUTE_NS
    settled = open_time // (8 * HOUR_NS)
    return make_frame(
        "BTCUSDT",
        MINUTE,
        open_time,
        {
            "open": opened,
            "high": np.maximum(opened, close) * (1 + wick[0]),
            "low": np.minimum(opened, close) * (1 - wick[1]),
            "close": close,
            "volume": chance.exponential(100.0, rows),
            "mark_price": close * (1 + 1e-4 * chance.standard_normal(rows)),
            "funding_rate": 1e-4 * np.sin(settled),
            "funding_charge": np.where(np.diff(settled, prepend=0) > 0, 1e-4, 0.0),
            "hours_since_funding": (open_time % (8 * HOUR_NS)) / HOUR_NS,
            "open_interest": 1e5 * np.exp(np.cumsum(1e-4 * chance.standard_normal(rows))),
        },
    )


@pytest.mark.parametrize("rows", [100_000, 1_000_000])
def test_the_whole_catalogue(rows: int, benchmark: Any) -> None:
    frame = market(rows)
    supported = names(MINUTE, [name for name in frame.columns if frame.has(name)])
    build_matrix(frame.rows(0, 20_000), supported)  # compile
    cpu: list[float] = []

    def build() -> tuple[int, int]:
        before = time.process_time()
        shape = build_matrix(frame, supported).values.shape
        cpu.append(time.process_time() - before)
        return shape

    # The first round also makes the machine find the memory; it is shown apart.
    shape = benchmark.pedantic(build, rounds=3 if rows > 2e5 else 5, warmup_rounds=1)
    best = benchmark.stats.stats.min if benchmark.stats else float("nan")
    benchmark.extra_info["features"] = len(supported)
    benchmark.extra_info["cpu_seconds"] = min(cpu)
    benchmark.extra_info["seconds_for_120_features_on_1m_rows"] = (
        best * 120 / len(supported) * 1e6 / rows
    )
    print(
        f"\n{len(supported)} features of {rows:,} rows: {best:.2f} s ({min(cpu):.2f} s of CPU), "
        f"{len(supported) * rows / best / 1e6:,.0f} million values/s, "
        f"{best * 120 / len(supported) * 1e6 / rows:.2f} s for 120 features of a million rows"
    )
    assert shape == (rows, len(supported))


def test_memory_of_two_years_of_minutes() -> None:
    """SPEC section 12: 24 months of 1m bars with 120 features within 2 GiB, in a process of its own."""
    script = (
        "import resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_bench_features import MINUTE, build_matrix, market, names\n"
        "frame = market(1_051_200)\n"
        "wanted = names(MINUTE, [n for n in frame.columns if frame.has(n)])[:120]\n"
        "build_matrix(frame, wanted)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)\n"
    )
    folder = str(Path(__file__).parent)
    told = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, check=True)
    print(f"\npeak memory of 120 features on 24 months of 1m bars: {float(told.stdout):.2f} GiB")


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
def test_one_live_row(interval: str, benchmark: Any) -> None:
    minutes, length = market(60_000), parse_interval(interval)
    frame = make_frame(
        "BTCUSDT",
        length,
        np.arange(60_000, dtype=np.int64) * length.ns,
        {name: np.array(minutes[name]) for name in minutes.columns},
    )
    row = benchmark(latest_row, frame)
    benchmark.extra_info["features"] = len(row)
    assert np.isfinite(row).any()
