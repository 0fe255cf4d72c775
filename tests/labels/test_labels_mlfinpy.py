"""Our triple barrier against mlfinpy 0.1.2, where the two definitions agree.

They agree on bars without a path of their own, each opening at the close before it: mlfinpy enters at
the close of the event and looks at closes only. On real bars they differ, on purpose: we enter at the
next open, look at highs and lows, take a gap at its open, count the stop where both barriers lie in
one bar, and judge each side by itself (``symmetric``). mlfinpy also labels events whose horizon runs
out of the data; we do not, since only early hits would be known there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from riposte.labels.triple_barrier import triple_barrier
from riposte.market.barriers import Barriers
from riposte.market.frame import make_frame
from riposte.market.interval import HOUR_NS, INTERVALS

GOLDEN = Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN))
from make_mlfinpy import HORIZON, ROWS, STOP, TARGET, closes  # noqa: E402


@pytest.fixture(scope="module")
def golden() -> dict[str, list[int]]:
    told: dict[str, list[int]] = json.loads((GOLDEN / "mlfinpy.json").read_text())
    return told


def test_upper_lower_labels_and_their_ends_are_mlfinpy_s(golden: dict[str, list[int]]) -> None:
    close = np.array(closes(ROWS))
    opened = np.append(close[:1], close[:-1])
    columns = {
        "open": opened,
        "high": np.maximum(opened, close),
        "low": np.minimum(opened, close),
        "close": close,
        "volume": np.ones(ROWS),
    }
    frame = make_frame(
        "BTCUSDT", INTERVALS["1h"], 480_000 * HOUR_NS + np.arange(ROWS) * HOUR_NS, columns
    )
    barriers = Barriers(TARGET, STOP, HORIZON * HOUR_NS, "fixed")
    labels = triple_barrier(frame, barriers, reading="upper-lower")
    events = ROWS - HORIZON
    assert labels.known[:events].all()
    assert labels.label[:events].tolist() == golden["outcome"]
    # The end of both sides is ours; the first touch of the one pair of barriers is mlfinpy's: a row's
    # label cannot be known before it.
    ours = (labels.end_time - frame.close_time)[:events] // HOUR_NS
    assert (ours >= np.array(golden["bars"])).all()
    counts = {side: golden["outcome"].count(side) for side in (-1, 0, 1)}
    assert min(counts.values()) > 100  # every outcome is well represented
