"""SPEC section 12, labels: the triple barrier against the book's own pandas code, and against mlfinpy.

mlfinpy needs a Numba older than ours, so it cannot be imported here. Where ``RIPOSTE_MLFINPY_PYTHON`` names
the interpreter of an environment that has it (see ``tests/labels/golden/make_mlfinpy.py``), it labels the
same events in the same run, in a process of its own; else the figure that was measured is shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from riposte.labels.triple_barrier import triple_barrier
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS

GOLDEN = Path(__file__).parents[1] / "tests" / "labels" / "golden"
MEASURED = 2_859  # events/s of mlfinpy 0.1.2 on the 2-core machine this was written on
sys.path.insert(0, str(GOLDEN))
from make_mlfinpy import HORIZON, STOP, TARGET, closes  # noqa: E402

BARRIERS = Barriers(TARGET, STOP, HORIZON * HOUR_NS, "fixed")


def frame(rows: int) -> MarketFrame:
    """Bars without a path of their own, as mlfinpy sees the market."""
    close = np.array(closes(rows))
    opened = np.append(close[:1], close[:-1])
    columns = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": np.ones(rows),
    }
    times = np.arange(rows, dtype=np.int64) * HOUR_NS
    return make_frame("BTCUSDT", INTERVALS["1h"], times, columns)


def ours(rows: int) -> float:
    """Events a second of ours, all rows of the frame being events."""
    whole = frame(rows)
    triple_barrier(whole, BARRIERS)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        triple_barrier(whole, BARRIERS)
        best = min(best, time.perf_counter() - start)
    return (rows - HORIZON) / best


def the_books_way(close: Any, events: Any) -> Any:
    """Snippet 3.2 of Lopez de Prado (2018), applyPtSlOnT1: first touches, event by event."""
    out = events[["t1"]].copy(deep=True)
    out["sl"] = out["pt"] = None
    for moment, end in events["t1"].items():
        path = close[moment:end]
        path = path / close[moment] - 1.0
        out.loc[moment, "sl"] = path[path < -STOP].index.min()
        out.loc[moment, "pt"] = path[path > TARGET].index.min()
    return out


def test_against_the_book_in_pandas(benchmark: Any) -> None:
    pd = pytest.importorskip("pandas")
    rows = 2_000
    close = pd.Series(closes(rows), index=pd.date_range("2024-01-01", periods=rows, freq="h"))
    events = pd.DataFrame({"t1": close.index[HORIZON:]}, index=close.index[: rows - HORIZON])
    start = time.perf_counter()
    touched = the_books_way(close, events)
    theirs = len(touched) / (time.perf_counter() - start)
    mine = ours(1_000_000)
    whole = frame(100_000)
    benchmark.pedantic(triple_barrier, (whole, BARRIERS), rounds=5, warmup_rounds=1)
    benchmark.extra_info["times_faster_than_pandas"] = mine / theirs
    print(
        f"\nthe book in pandas {theirs:,.0f} events/s, riposte {mine:,.0f} events/s: "
        f"{mine / theirs:,.0f} times faster"
    )


def test_against_mlfinpy(benchmark: Any) -> None:
    python = os.environ.get("RIPOSTE_MLFINPY_PYTHON")
    origin, theirs = "as measured when this was written", float(MEASURED)
    if python:
        told = subprocess.run(
            [python, str(GOLDEN / "make_mlfinpy.py")], capture_output=True, text=True, check=True
        )
        found = re.search(r"([\d,]+) events a second", told.stderr)
        assert found, told.stderr
        origin, theirs = "in this run", float(found.group(1).replace(",", ""))
    mine = ours(1_000_000)
    benchmark.pedantic(triple_barrier, (frame(3_000), BARRIERS), rounds=5, warmup_rounds=1)
    benchmark.extra_info["times_faster_than_mlfinpy"] = mine / theirs
    print(
        f"\nmlfinpy {theirs:,.0f} events/s ({origin}), riposte {mine:,.0f} events/s: "
        f"{mine / theirs:,.0f} times faster"
    )
