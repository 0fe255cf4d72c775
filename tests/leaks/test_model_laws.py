"""Every model in the whole way from frame to decision: causal, scale-free, the same twice, saved or not.

The models are found in the settings' own lists, so that a new one is tested the day it is written.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from honest_pipeline import BARRIERS
from scaling import scaled

from riposte.features.matrix import build_matrix, latest_row
from riposte.layers.contract import Signals, TrainingSet
from riposte.layers.forecast.layer import ForecastConfig
from riposte.layers.learners.catboost import CatBoostLearner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.layers.regime.layer import RegimeConfig
from riposte.layers.saving import load_stack, save_stack
from riposte.layers.signal.layer import LearnerName, SignalConfig, SignalModel
from riposte.layers.stack import DecisionStack, Lineage, StackConfig, fit_stack
from riposte.market.barriers import barrier_widths
from riposte.market.frame import MarketFrame
from riposte.proof.leak_checks import decisions, prove_causal

QUICK = LightGBMLearner(rounds=12)
LEARNERS = {
    "lightgbm": QUICK,
    "xgboost": XGBoostLearner(rounds=12),
    "catboost": CatBoostLearner(rounds=12),
    "forest": LightGBMLearner(rounds=12, forest=True),
}
MODELS = {
    model: StackConfig(
        signal=SignalConfig(model=model, members=get_args(LearnerName), **LEARNERS),
        regime=RegimeConfig(QUICK),
    )
    for model in get_args(SignalModel)
}
MODELS["components and a forecast"] = StackConfig(
    signal=SignalConfig(components=12, **LEARNERS),
    regime=RegimeConfig(QUICK),
    forecast=ForecastConfig("both", in_signal=True, boosting=QUICK, forest=LEARNERS["forest"]),
)


@pytest.fixture(params=sorted(MODELS))
def stack(request: pytest.FixtureRequest, rows: TrainingSet) -> DecisionStack:
    return _fitted(request.param, _Rows(rows))


class _Rows:
    """The session's training rows, all alike to the cache."""

    def __init__(self, rows: TrainingSet) -> None:
        self.rows = rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rows)

    def __hash__(self) -> int:
        return 0


@cache
def _fitted(name: str, rows: _Rows) -> DecisionStack:
    moved = rows.rows.long_return
    known = {"forward_return": moved, "forward_end": rows.rows.label_end}
    fields = {each: getattr(rows.rows, each) for each in rows.rows.__slots__}
    return fit_stack(TrainingSet(**(fields | known)), MODELS[name])


def decided(stack: DecisionStack, history: MarketFrame) -> Signals:
    """The decisions on every bar of a history."""
    matrix = build_matrix(history, stack.names)
    widths = barrier_widths(history, BARRIERS)
    return stack.signals(matrix.values, *widths, 0.0014, matrix.close_time)


def test_no_decision_changes_with_what_comes_after_it(
    stack: DecisionStack, frame: MarketFrame
) -> None:
    assert prove_causal(lambda h: decisions(decided(stack, h)), frame, [3_000, 5_999]) == ()


def test_prices_ten_times_as_high_are_the_same_market(
    stack: DecisionStack, frame: MarketFrame
) -> None:
    one, other = decided(stack, frame), decided(stack, scaled(frame))
    # A feature's last bits may fall on the other side of a tree's threshold, rarely.
    apart = np.abs(one.probabilities - other.probabilities).max(axis=1)
    assert (apart > 1e-9).mean() < 0.005
    assert (one.direction != other.direction).mean() < 0.002
    assert (one.regime != other.regime).mean() < 0.002


def test_the_live_row_is_decided_as_the_batchs_last(
    stack: DecisionStack, frame: MarketFrame
) -> None:
    whole = decided(stack, frame)
    for end in range(4_000, 6_000, 397):
        history = frame.rows(0, end)
        live = latest_row(history, stack.names)[None]
        target, stop = (width[-1:] for width in barrier_widths(history, BARRIERS))
        said = stack.signals(live, target, stop, 0.0014, history.close_time[-1:])
        assert said.probabilities[0] == pytest.approx(whole.probabilities[end - 1], abs=1e-6)
        assert said.abstention[0] == whole.abstention[end - 1]


def test_saved_and_loaded_it_decides_the_same_to_the_bit(
    stack: DecisionStack, frame: MarketFrame, tmp_path: Path
) -> None:
    save_stack(stack, tmp_path / "model", Lineage())
    loaded = load_stack(tmp_path / "model", stack.names)
    for name, values in decisions(decided(stack, frame)).items():
        assert values.tobytes() == decisions(decided(loaded, frame))[name].tobytes(), name
