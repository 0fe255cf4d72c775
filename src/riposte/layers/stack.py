"""The decision stack: the layers, fitted together without leakage, answering as one.

Fitting on a training window:

1. the window is cut into ``inner_splits + 1`` consecutive stretches; each stretch but the first is
   predicted by models fitted on the rows before it whose labels were known when it began;
2. the regime layer's out-of-fold probabilities, and if wanted what the forecast expected out of fold,
   become features of the signal layer (missing in the first stretch, which trees take as it is);
3. the signal's learners are weighed and calibrated on their own out-of-fold answers, and the conformal
   sets of sides are fitted on the same rows;
4. how unlike its past a row may be is measured on each stretch against the rows before it;
5. every layer is fitted once more on all rows.

The same training set and configuration give the same stack, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from riposte.errors import DataError, InputError
from riposte.layers.abstention.conformal import fit_side_sets
from riposte.layers.abstention.novelty import fit_novelty
from riposte.layers.abstention.rule import NO_END, AbstentionConfig, Silence
from riposte.layers.contract import (
    REGIMES,
    UNKNOWN_REGIME,
    Abstention,
    Signals,
    TrainingSet,
    check_features,
)
from riposte.layers.ensemble import Scores
from riposte.layers.forecast.layer import (
    ForecastConfig,
    ForecastFit,
    ForecastLayer,
    ForecastScores,
    fit_forecast,
)
from riposte.layers.regime.layer import (
    RegimeConfig,
    RegimeFit,
    RegimeLayer,
    fit_regime,
    raw_probabilities,
)
from riposte.layers.signal.layer import SignalConfig, SignalLayer, fit_signal
from riposte.layers.signal.rule import likelier_side, pays
from riposte.layers.splits import forward_splits
from riposte.market.frame import Floats, Times

REGIME_COLUMNS = tuple(f"layer.regime.{name.lower()}" for name in REGIMES)


@dataclass(frozen=True, slots=True)
class StackConfig:
    """Settings of the whole stack. ``least_rows``: no model is fitted on fewer rows than this."""

    regime: RegimeConfig = field(default_factory=RegimeConfig)
    signal: SignalConfig = field(default_factory=SignalConfig)
    forecast: ForecastConfig = field(default_factory=ForecastConfig)
    abstention: AbstentionConfig = field(default_factory=AbstentionConfig)
    inner_splits: int = 2
    least_rows: int = 250
    seed: int = 7

    def __post_init__(self) -> None:
        if self.inner_splits < 1:
            raise InputError(f"inner_splits must be at least 1, not {self.inner_splits}")
        if self.least_rows < 1:
            raise InputError(f"least_rows must be at least 1, not {self.least_rows}")

    @property
    def forecast_horizon_ns(self) -> int | None:
        """How far ahead the returns reach that the stack learns to forecast; None if none."""
        return None if self.forecast.model == "off" else self.forecast.horizon_ns


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a saved stack comes from: when it was made (ISO time, handed in), by what, from what."""

    created: str = ""
    version: str = ""
    source: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """What a stack was fitted on. Times are ns UTC: first and last decision, last label known."""

    rows: int
    first_time: int
    last_time: int
    last_label_end: int
    class_counts: tuple[int, int, int]  # SHORT, NEUTRAL, LONG
    feature_version: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DecisionStack:
    """The fitted layers. Each row's answer depends on that row alone.

    ``names`` are the features it takes, in order. ``regime`` is None if too few rows had a known
    regime, ``forecast`` if none was asked for. ``scores`` are out of fold, by layer.
    """

    names: tuple[str, ...]
    regime: RegimeLayer | None
    forecast: ForecastLayer | None
    signal: SignalLayer
    silence: Silence
    scores: Mapping[str, Scores]
    forecast_scores: ForecastScores | None
    training: Training
    lineage: Lineage = field(default_factory=Lineage)

    @property
    def columns(self) -> tuple[str, ...]:
        """What the signal layer reads: the stack's features and what the layers below it add."""
        read = self.forecast is not None and self.forecast.in_signal
        return (
            *self.names,
            *REGIME_COLUMNS,
            *(self.forecast.columns if self.forecast and read else ()),
        )

    def signals(
        self,
        features: Floats,
        take_profit: Floats,
        stop_loss: Floats,
        round_trip_cost: float,
        time: Times,
    ) -> Signals:
        """Decide rows ``features`` (n, k) at ``time`` (n,), ns UTC, with barrier widths (n,) and the
        cost as a fraction.

        Raises:
            ModelError: if the rows have not as many features as the stack takes.
            DataError: if a feature is infinite.
        """
        joined, regime_probabilities = self._joined(features)
        probabilities = self.signal.probabilities(joined)
        side, confidence = likelier_side(probabilities)
        abstention = self.silence.reasons(features, probabilities, time)
        paying = pays(probabilities, side, take_profit, stop_loss, round_trip_cost)
        abstention[~paying] |= np.uint8(Abstention.DOES_NOT_PAY)
        if self.regime is None:
            regime = np.full(len(features), UNKNOWN_REGIME, np.int8)
        else:
            regime = regime_probabilities.argmax(axis=1).astype(np.int8)
        return Signals(
            direction=np.where(abstention == 0, side, 0).astype(np.int8),
            confidence=confidence,
            probabilities=probabilities,
            regime=regime,
            regime_probabilities=regime_probabilities,
            abstention=abstention,
        )

    def expected_return(self, features: Floats, take_profit: Floats) -> Floats:
        """What the mean of the forecast's models expects of the price, as a fraction (n,); NaN without."""
        check_features(features, len(self.names), self.names, what="the decision stack")
        if self.forecast is None:
            return np.full(len(features), np.nan)
        expected: Floats = self.forecast.expected(features).mean(axis=1) * take_profit
        return expected

    def attribution(self, features: Floats) -> Floats:
        """SHAP values (n, columns + 1) toward the direction margin log P(LONG) - log P(SHORT).

        The columns are :attr:`columns`, then the base; they sum to the margin.
        """
        joined, _ = self._joined(features)
        return self.signal.toward_long(joined)

    def contributions(self, features: Floats) -> Floats:
        """What each of the stack's own features adds to the direction margin (n, k).

        With the base of :meth:`attribution` they sum to the margin. What a lower layer's answer adds is
        shared out among the features in proportion to the size of their own SHAP values toward that
        answer: a convention, since "because the regime is RANGING" is no feature of the market.
        """
        attributed = self.attribution(features)
        count = len(self.names)
        own: Floats = attributed[:, :count].copy()
        below = attributed[:, count : len(self.columns)]
        if below.any():
            shares = self._shares_below(features)
            own += np.einsum("nj,nkj->nk", below, shares)
        return own

    def describe(self) -> dict[str, Any]:
        """What it was trained on, when, and how it scored, as plain JSON values."""
        return {
            "features": list(self.names),
            "feature_version": self.training.feature_version,
            "classes": {"regime": list(REGIMES), "signal": ["SHORT", "NEUTRAL", "LONG"]},
            "models": {
                "regime": [] if self.regime is None else [n for n, _ in self.regime.members],
                "forecast": [] if self.forecast is None else [n for n, _ in self.forecast.members],
                "signal": [name for name, _ in self.signal.members],
            },
            "training": {
                "rows": self.training.rows,
                "first_time": self.training.first_time,
                "last_time": self.training.last_time,
                "last_label_end": self.training.last_label_end,
                "class_counts": list(self.training.class_counts),
                "config": dict(self.training.config),
            },
            "expires": self.silence.expires,
            "scores": {name: scores_as_json(scores) for name, scores in self.scores.items()},
            "forecast_scores": (
                None if self.forecast_scores is None else scores_as_json(self.forecast_scores)
            ),
            "lineage": asdict(self.lineage),
        }

    def _shares_below(self, features: Floats) -> Floats:
        """For each column a lower layer adds, each feature's share of it (n, k, columns added)."""
        sizes = np.zeros((len(features), len(self.names), len(self.columns) - len(self.names)))
        regimes = len(REGIMES)
        if self.regime is not None:
            sizes[:, :, :regimes] = np.abs(self.regime.contributions(features)[:, :-1])
        if self.forecast is not None and self.forecast.in_signal:
            for place, (_, member) in enumerate(self.forecast.members, regimes):
                sizes[:, :, place] = np.abs(member.contributions(features)[:, :-1, 0])
        whole = sizes.sum(axis=1, keepdims=True)
        flat = np.full_like(sizes, 1.0 / len(self.names))
        shares: Floats = np.divide(sizes, whole, out=flat, where=whole > 0.0)
        return shares

    def _joined(self, features: Floats) -> tuple[Floats, Floats]:
        """(features with the lower layers' columns beside them, calibrated regime probabilities)."""
        check_features(features, len(self.names), self.names, what="the decision stack")
        return _joined(features, self.regime, self.forecast)


@dataclass(frozen=True, slots=True)
class Below:
    """The layers under the signal layer, fitted, and what that layer is fitted on: ``joined`` are the
    features with what these layers said out of fold beside them (n, k + what they add)."""

    regime: RegimeFit | None
    forecast: ForecastFit | None
    joined: Floats

    def answered(self, features: Floats) -> Floats:
        """Rows (n, k) with what the fitted layers say of them beside them, as in a decision."""
        regime = None if self.regime is None else self.regime.layer
        return _joined(features, regime, None if self.forecast is None else self.forecast.layer)[0]


def _joined(
    features: Floats, regime: RegimeLayer | None, forecast: ForecastLayer | None
) -> tuple[Floats, Floats]:
    """(features with the lower layers' columns beside them, calibrated regime probabilities)."""
    if regime is None:
        beside = calibrated = np.full((len(features), len(REGIMES)), np.nan)
    else:
        margins = regime.margins(features)
        beside = raw_probabilities(margins)
        calibrated = regime.calibration.probabilities(margins)
    parts = [features, beside]
    if forecast is not None and forecast.in_signal:
        parts.append(forecast.expected(features))
    return np.hstack(parts), calibrated


def fit_below(
    training: TrainingSet, stretches: tuple[tuple[int, int], ...], config: StackConfig
) -> Below:
    """Fit the layers under the signal layer; they do not depend on its settings."""
    regime = fit_regime(training, stretches, config.regime, config.seed, config.least_rows)
    forecast = fit_forecast(training, stretches, config.forecast, config.seed, config.least_rows)
    beside = [
        np.full((len(training), len(REGIMES)), np.nan) if regime is None else regime.out_of_fold
    ]
    if forecast is not None and forecast.layer.in_signal:
        beside.append(forecast.out_of_fold)
    return Below(regime, forecast, np.hstack([training.features, *beside]))


def fit_stack(training: TrainingSet, config: StackConfig) -> DecisionStack:
    """Fit all layers on a training window; see the top of this file.

    Matrix products run in one thread: how they are split among several decides how their sums are
    rounded, and a model must not depend on how many cores it was fitted on.

    Raises:
        DataError: if the window has too few rows, or a feature is infinite.
    """
    with threadpool_limits(1, user_api="blas"):
        return _fit_stack(training, config)


def _fit_stack(training: TrainingSet, config: StackConfig) -> DecisionStack:
    if len(training) < config.least_rows:
        raise DataError(
            f"{len(training)} training rows are too few: at least {config.least_rows} are needed",
            hint="train on a longer window",
        )
    check_features(training.features, len(training.names), training.names)
    stretches = forward_splits(training.time, config.inner_splits)
    below = fit_below(training, stretches, config)
    regime, forecast = below.regime, below.forecast
    signal = fit_signal(
        training, below.joined, stretches, config.signal, config.seed, config.least_rows
    )
    scores = {"signal": signal.scores}
    if regime is not None:
        scores["regime"] = regime.scores
    counts = np.bincount(training.label.astype(np.int64) + 1, minlength=3)
    return DecisionStack(
        names=training.names,
        regime=None if regime is None else regime.layer,
        forecast=None if forecast is None else forecast.layer,
        signal=signal.layer,
        silence=_fit_silence(training, stretches, signal.probabilities, config),
        scores=scores,
        forecast_scores=None if forecast is None else forecast.scores,
        training=Training(
            rows=len(training),
            first_time=int(training.time[0]),
            last_time=int(training.time[-1]),
            last_label_end=int(training.label_end.max()),
            class_counts=(int(counts[0]), int(counts[1]), int(counts[2])),
            feature_version=training.feature_version,
            config=json.loads(json.dumps(asdict(config))),  # as it will be read again
        ),
    )


def _fit_silence(
    training: TrainingSet,
    stretches: tuple[tuple[int, int], ...],
    probabilities: Floats,
    config: StackConfig,
) -> Silence:
    """When the stack says nothing, from the rows and their out-of-fold probabilities (n, 3)."""
    rule = config.abstention
    judged = np.flatnonzero(np.isfinite(probabilities[:, 0]))
    last = int(training.time[-1])
    return Silence(
        novelty=(
            fit_novelty(training, stretches, rule.unlike, config.least_rows)
            if rule.unlike > 0.0
            else None
        ),
        sides=(
            fit_side_sets(
                probabilities[judged],
                training.label[judged].astype(np.int64) + 1,
                training.evidence[judged] / len(np.unique(training.symbol)),
                rule.coverage,
            )
            if rule.coverage > 0.0
            else None
        ),
        expires=NO_END if rule.life_ns > NO_END - last else last + rule.life_ns,
    )


def scores_as_json(scores: Scores | ForecastScores) -> dict[str, float | None]:
    """JSON has no NaN: a score that could not be taken is null."""
    return {name: None if value != value else value for name, value in asdict(scores).items()}  # noqa: PLR0124
