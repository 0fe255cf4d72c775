"""Training sets with a known truth for the layers' tests: small, seeded, with missing values."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from riposte.layers.contract import TrainingSet
from riposte.layers.learners.catboost import CatBoostLearner
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.learners.xgboost import XGBoostLearner
from riposte.layers.regime.layer import RegimeConfig
from riposte.layers.signal.layer import SignalConfig, SignalModel
from riposte.layers.stack import StackConfig
from riposte.market.interval import HOUR_NS

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
LIFE = 6 * HOUR_NS  # of a label
COST = 0.001


def training_set(
    rows: int = 900, seed: int = 0, skill: float = 1.5, symbols: int = 2
) -> TrainingSet:
    """Rows where ``alpha`` says the side (as strongly as ``skill``) and ``beta`` the regime."""
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(rows, len(NAMES)))
    score = skill * features[:, 0] + chance.logistic(size=rows)
    label = np.where(np.abs(score) < 0.7, 0, np.sign(score)).astype(np.int8)
    regime = np.clip(np.floor(features[:, 1] + 3.5), 0, 6).astype(np.int8)
    features[:, 2:][chance.random((rows, 3)) < 0.1] = np.nan
    time = (np.arange(rows) // symbols).astype(np.int64) * HOUR_NS
    return TrainingSet(
        features=features,
        names=NAMES,
        time=time,
        symbol=np.arange(rows) % symbols,
        label=label,
        label_end=time + LIFE,
        weight=chance.uniform(0.2, 1.0, rows),
        regime_label=regime,
        regime_end=time + LIFE,
        long_return=0.02 * label,
        short_return=-0.02 * label,
        take_profit=np.full(rows, 0.02),
        stop_loss=np.full(rows, 0.02),
        feature_version="v1",
        forward_return=0.01 * np.tanh(score) + 0.005 * chance.normal(size=rows),
        forward_end=time + LIFE,
    )


def small_config(
    model: SignalModel = "blend", seed: int = 7, components: int = 0, **changes: Any
) -> StackConfig:
    """A stack that learns from a few hundred rows in a moment."""
    lightgbm = LightGBMLearner(rounds=15, least_rows=10, l2=1.0, feature_fraction=0.8)
    xgboost = XGBoostLearner(rounds=15, least_weight=1.0, l2=1.0, feature_fraction=0.8)
    return StackConfig(
        regime=RegimeConfig(lightgbm=lightgbm),
        signal=SignalConfig(
            model=model,
            lightgbm=lightgbm,
            xgboost=xgboost,
            catboost=CatBoostLearner(rounds=15, l2=1.0, feature_fraction=0.8),
            forest=LightGBMLearner(
                rounds=15, least_rows=10, l2=1.0, feature_fraction=0.8, forest=True
            ),
            direction_prior=1.0,
            components=components,
        ),
        least_rows=100,
        seed=seed,
        **changes,
    )


def replaced(training: TrainingSet, **changes: Any) -> TrainingSet:
    """The training set with some arrays replaced."""
    return dataclasses.replace(training, **changes)
