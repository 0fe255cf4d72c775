"""Triple barriers as mlfinpy 0.1.2 sees them, for ``mlfinpy.json``.

mlfinpy needs a Numba older than ours, so it runs in an environment of its own::

    python -m venv /tmp/mlfinpy && /tmp/mlfinpy/bin/pip install mlfinpy==0.1.2 scikit-learn
    /tmp/mlfinpy/bin/python tests/labels/golden/make_mlfinpy.py > tests/labels/golden/mlfinpy.json

It also prints, on standard error, how many events a second mlfinpy labels.
"""

from __future__ import annotations

import json
import math
import sys
import time

ROWS, HORIZON, TARGET, STOP = 3000, 24, 0.015, 0.010


def closes(rows: int) -> list[float]:
    """A price path that every machine makes alike: a walk driven by a linear congruential generator."""
    state, log_price, path = 12345, 0.0, []
    for _ in range(rows):
        total = 0.0
        for _ in range(12):  # a sum of twelve uniforms is nearly normal
            state = (1103515245 * state + 12345) % 2**31
            total += state / 2**31
        log_price += 0.004 * (total - 6.0)
        path.append(100.0 * math.exp(log_price))
    return path


def main() -> None:
    import numpy as np
    import pandas as pd
    from mlfinpy.labeling.labeling import triple_barriers

    close = pd.Series(closes(ROWS), index=pd.date_range("2024-01-01", periods=ROWS, freq="h"))
    starts = close.index[: ROWS - HORIZON]
    events = pd.DataFrame({"t1": close.index[HORIZON:], "trgt": 1.0, "side": 1.0}, index=starts)
    began = time.perf_counter()
    touched = triple_barriers(close, events, np.array([TARGET, STOP]), starts)
    print(f"{len(starts) / (time.perf_counter() - began):,.0f} events a second", file=sys.stderr)
    first = touched[["t1", "pt", "sl"]].apply(pd.to_datetime)
    which = first[["pt", "sl", "t1"]].apply(lambda row: row.idxmin(), axis=1)
    bars = ((first.min(axis=1) - starts) / pd.Timedelta("1h")).astype(int)
    outcome = which.map({"pt": 1, "sl": -1, "t1": 0})
    json.dump(
        {
            "mlfinpy": "0.1.2", "rows": ROWS, "horizon": HORIZON, "target": TARGET, "stop": STOP,
            "outcome": outcome.tolist(), "bars": bars.tolist(),
        },
        sys.stdout,
    )  # fmt: skip


if __name__ == "__main__":
    main()
