"""SPEC section 12, back-test: bars per second of the full model, and ratios to other engines.

Same candles, same signals, same run. The figure that counts is ``bars_per_second`` in the extra info
and the ratio printed beside it; nothing is asserted about time.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "engine"))

from scenario import PLAIN, STEADY, bars_of, config, inputs_of, signals_of
from test_engine_parity import ours, theirs

from riposte.engine.parameters import Limits, Operator
from riposte.engine.run import run
from riposte.market.interval import DAY_NS, MINUTE_NS

ROWS = 1_000_000


def market(rows: int) -> Any:
    rng = np.random.default_rng(1)
    close = 30_000 * np.exp(np.cumsum(0.0005 * rng.standard_t(4, rows)))
    open_ = np.append(close[0], close[:-1])
    wick = np.abs(rng.normal(0, 0.0003, (2, rows)))
    high = np.maximum(open_, close) * (1 + wick[0])
    low = np.minimum(open_, close) * (1 - wick[1])
    bars = bars_of(np.column_stack([open_, high, low, close]))
    signals = signals_of(rows, {})
    signals["direction"] = np.where(rng.random(rows) < 0.01, rng.choice([-1, 1], rows), 0)
    hourly = inputs_of(bars, signals, dataclasses.replace(PLAIN, taker_fee=0.0005))
    time = hourly.time[0] + MINUTE_NS * np.arange(rows, dtype=np.int64)
    return dataclasses.replace(hourly, time=time, interval_ns=MINUTE_NS)


@pytest.mark.benchmark(group="back-test")
def test_bars_per_second_with_every_limit_on(benchmark: Any) -> None:
    inputs = market(ROWS)
    limits = Limits(max_drawdown=0.9, daily_loss=0.5)
    settings = config(limits, rules=STEADY, operator=Operator(DAY_NS))
    result = benchmark.pedantic(run, (inputs, settings), rounds=3, warmup_rounds=1)
    benchmark.extra_info["bars_per_second"] = round(ROWS / benchmark.stats.stats.min)
    benchmark.extra_info["trades"] = len(result.trades)


@pytest.mark.benchmark(group="back-test against backtesting.py, same 12,000 candles and trades")
def test_ratio_to_backtesting_py(benchmark: Any, market_data: Path) -> None:
    candles = (
        pl.read_parquet(market_data / "klines" / "BTCUSDT-1h.parquet")
        .filter(pl.col("open_time") >= 1_609_459_200_000)
        .head(12_000)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.perf_counter()
        expected, _ = theirs(candles, 0.0005)
        peer = time.perf_counter() - started
    trades, _ = benchmark.pedantic(ours, (candles, 0.0005), rounds=5, warmup_rounds=1)
    assert len(trades) == len(expected)
    benchmark.extra_info["times_as_fast_as_backtesting_py"] = round(
        peer / benchmark.stats.stats.min, 1
    )
