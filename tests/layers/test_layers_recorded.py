"""The layers on recorded hours of BTCUSDT: they fit what real features look like, gaps and NaN included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from riposte.features.matrix import build_matrix
from riposte.labels.regimes import fit_regime_rule, regime_labels
from riposte.labels.triple_barrier import triple_barrier
from riposte.labels.weights import uniqueness
from riposte.layers.contract import TrainingSet
from riposte.layers.open_interest import open_interest_score
from riposte.layers.stack import DecisionStack, StackConfig, fit_stack
from riposte.market.barriers import Barriers, barrier_widths
from riposte.market.frame import MarketFrame
from riposte.market.interval import DAY_NS, parse_interval
from riposte.sources.files import import_archive
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake

BARRIERS = Barriers(1.0, 1.0, DAY_NS, scale="volatility")


@pytest.fixture(scope="module")
def frame(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> MarketFrame:
    """BTCUSDT, hourly, the first half of 2023 and two months before it."""
    hour = parse_interval("1h")
    lake = Lake(tmp_path_factory.mktemp("lake"))
    import_archive(market_data, ["BTCUSDT"], [hour], lake)
    start, stop = (
        int(np.datetime64(day, "ns").astype(np.int64)) for day in ("2022-11-01", "2023-07-01")
    )
    return load_frame(lake, "BTCUSDT", hour, start, stop)


@pytest.fixture(scope="module")
def training(frame: MarketFrame) -> TrainingSet:
    matrix = build_matrix(frame)
    labels = triple_barrier(frame, BARRIERS, round_trip_cost=0.0012)
    regimes = regime_labels(frame, fit_regime_rule(frame))
    take_profit, stop_loss = barrier_widths(frame, BARRIERS)
    rows = np.flatnonzero(matrix.ready & labels.known)
    start, end = frame.close_time[rows], labels.end_time[rows]
    return TrainingSet(
        features=matrix.values[rows],
        names=matrix.names,
        time=start,
        symbol=np.zeros(len(rows), np.int64),
        label=labels.label[rows],
        label_end=end,
        weight=uniqueness(start, end),
        regime_label=regimes.label[rows],
        regime_end=regimes.end_time[rows],
        long_return=labels.long_return[rows],
        short_return=labels.short_return[rows],
        take_profit=take_profit[rows],
        stop_loss=stop_loss[rows],
        feature_version=matrix.version,
    )


@pytest.fixture(scope="module")
def stack(training: TrainingSet) -> DecisionStack:
    return fit_stack(training, StackConfig())


def test_both_layers_are_fitted_and_scored_on_rows_they_had_not_seen(
    training: TrainingSet, stack: DecisionStack
) -> None:
    assert len(training) > 4000
    regime, signal = stack.scores["regime"], stack.scores["signal"]
    assert 0.6 * len(training) < signal.rows < 0.7 * len(training)
    # Half of a regime's window lies in the past: not to know it better than its frequency is a defect.
    assert regime.log_loss < regime.base_log_loss - 0.3
    # Whether a side pays is another matter: no more is asked here than not to be worse than nothing.
    assert signal.log_loss < signal.base_log_loss + 0.01


def test_few_months_of_a_liquid_market_give_no_great_confidence(
    training: TrainingSet, stack: DecisionStack
) -> None:
    found = stack.signals(
        training.features, training.take_profit, training.stop_loss, 0.0012, training.time
    )
    assert np.isfinite(found.probabilities).all()
    assert np.median(found.confidence) < 0.62
    assert len(np.unique(found.regime)) >= 5


def test_the_open_interest_score_uses_its_range_on_real_data(frame: MarketFrame) -> None:
    score = open_interest_score(frame)[7 * 24 :]
    assert (score != 0).mean() > 0.95
    assert 0.05 < (np.abs(score) > 0.3).mean() < 0.5
    assert abs(score.mean()) < 0.2
