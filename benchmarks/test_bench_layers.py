"""SPEC section 12, labels and layers: triple barriers of a million bars, one fold's fit, one decision.

The figures that count are the benchmark's own; nothing is asserted about time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from riposte.labels.triple_barrier import triple_barrier
from riposte.layers.contract import TrainingSet
from riposte.layers.forecast.layer import ForecastConfig
from riposte.layers.signal.layer import SignalConfig
from riposte.layers.stack import StackConfig, fit_stack
from riposte.market.barriers import Barriers
from riposte.market.frame import make_frame
from riposte.market.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS


def fold(rows: int = 8_700, features: int = 120) -> TrainingSet:
    """The size of six months of hourly bars of two symbols, with a faint signal."""
    chance = np.random.default_rng(1)
    values = chance.normal(size=(rows, features))
    values[chance.random(values.shape) < 0.05] = np.nan
    score = 0.2 * np.nan_to_num(values[:, 0]) + chance.normal(size=rows)
    time = (np.arange(rows) // 2).astype(np.int64) * HOUR_NS
    return TrainingSet(
        features=values,
        names=tuple(f"feature_{i}" for i in range(features)),
        time=time,
        symbol=np.arange(rows) % 2,
        label=np.where(np.abs(score) < 0.5, 0, np.sign(score)).astype(np.int8),
        label_end=time + DAY_NS,
        weight=np.full(rows, 0.07),
        regime_label=chance.integers(0, 7, rows).astype(np.int8),
        regime_end=time + DAY_NS,
        forward_return=0.01 * score,
        forward_end=time + DAY_NS,
        long_return=np.zeros(rows),
        short_return=np.zeros(rows),
        take_profit=np.full(rows, 0.03),
        stop_loss=np.full(rows, 0.03),
    )


def test_triple_barriers_of_a_million_bars(benchmark: Any) -> None:
    rows = 1_000_000
    chance = np.random.default_rng(0)
    close = 30_000 * np.exp(np.cumsum(0.0005 * chance.standard_t(4, rows)))
    opened = np.append(close[0], close[:-1])
    wick = np.abs(chance.normal(0, 0.0003, (2, rows)))
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * (1 + wick[0]),
        "low": np.minimum(opened, close) * (1 - wick[1]),
        "close": close,
        "volume": np.ones(rows),
    }
    times = np.arange(rows, dtype=np.int64) * MINUTE_NS
    frame = make_frame("BTCUSDT", INTERVALS["1m"], times, columns)
    labels = benchmark.pedantic(triple_barrier, (frame, Barriers()), rounds=5, warmup_rounds=1)
    assert labels.known.sum() == rows - 60


def test_fitting_the_stack_on_one_fold(benchmark: Any) -> None:
    training = fold()
    stack = benchmark.pedantic(fit_stack, (training, StackConfig()), rounds=2, warmup_rounds=1)
    assert stack.training.rows == len(training)


MODELS = {
    "blend": StackConfig(),
    "stack of four and a forecast": StackConfig(
        signal=SignalConfig(model="stack", members=("lightgbm", "xgboost", "catboost", "forest")),
        forecast=ForecastConfig("both", in_signal=True),
    ),
}


@pytest.mark.parametrize("model", MODELS)
def test_one_decision(model: str, benchmark: Any) -> None:
    training = fold(3_000)
    stack = fit_stack(training, MODELS[model])
    width, time = np.array([0.03]), training.time[-1:]
    signals = benchmark(stack.signals, training.features[:1], width, width, 0.001, time)
    assert len(signals) == 1


@pytest.mark.parametrize("model", MODELS)
def test_explaining_one_decision(model: str, benchmark: Any) -> None:
    training = fold(3_000)
    stack = fit_stack(training, MODELS[model])
    reasons = benchmark(stack.contributions, training.features[:1])
    assert reasons.shape == (1, len(training.names))
