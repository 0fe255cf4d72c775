"""From settings to what each room is told: its own plain, frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from riposte.engine.parameters import (
    NEVER,
    Costs,
    EngineConfig,
    EntryOrder,
    Execution,
    Limits,
    MarginMode,
    Operator,
    PositionRules,
    Sizing,
    TargetOrder,
)
from riposte.errors import InputError
from riposte.layers.abstention.rule import NO_END, AbstentionConfig
from riposte.layers.forecast.layer import ForecastConfig
from riposte.layers.position.covariance import returns_in
from riposte.layers.position.portfolio import PortfolioConfig
from riposte.layers.regime.layer import RegimeConfig
from riposte.layers.signal.layer import LearnerName, SignalConfig
from riposte.layers.stack import StackConfig
from riposte.market.barriers import Barriers
from riposte.market.interval import (
    DAY_NS,
    INTERVALS,
    SECOND_NS,
    format_duration,
    parse_duration,
)
from riposte.market.volatility import VolatilityWindows
from riposte.proof.chance.study import Resampling
from riposte.proof.plan import StudyPlan
from riposte.proof.selection.choose import SelectionConfig
from riposte.proof.splits import parse_groups
from riposte.settings.learners import learner_with
from riposte.settings.schema import Settings

# Why barriers depend on the bar: a barrier is judged on bars, so the horizon must hold many of them and
# the widths must be in the range that prices cover in that time. 60 minutes are sixty 1m bars, but a
# single 1h bar, inside which nobody can tell whether the target or the stop came first.
# Where they scale with volatility, target and stop are equally wide: then a trade that reaches neither
# earns nothing on average, which is what the decision rule takes it to earn.
_BARRIERS: Mapping[str, Barriers] = {
    "1m": Barriers(0.015, 0.005, parse_duration("60m"), "fixed"),
    "5m": Barriers(1.0, 1.0, parse_duration("4h"), "volatility", parse_duration("1d")),
    "15m": Barriers(1.0, 1.0, parse_duration("8h"), "volatility", parse_duration("2d")),
    "1h": Barriers(1.0, 1.0, parse_duration("24h"), "volatility", parse_duration("7d")),
}


def default_barriers(interval: str) -> Barriers:
    """The shipped barriers of the nearest interval that is not longer; of 1m for anything shorter."""
    length = INTERVALS[interval].ns
    fitting = [name for name in _BARRIERS if INTERVALS[name].ns <= length]
    return _BARRIERS[fitting[-1] if fitting else "1m"]


_SIZINGS = {
    "fixed-fraction": Sizing.FIXED_FRACTION,
    "fractional-kelly": Sizing.FRACTIONAL_KELLY,
    "volatility-target": Sizing.VOLATILITY_TARGET,
    "confidence": Sizing.CONFIDENCE,
}


def barriers_of(settings: Settings) -> Barriers:
    """The barriers: the interval's own, with what the configuration sets."""
    base = default_barriers(settings.data.interval)
    chosen = settings.barriers
    scale = chosen.scale or base.scale
    if scale != base.scale and (chosen.take_profit is None or chosen.stop_loss is None):
        raise InputError(
            f"barriers.scale = {scale!r} needs barriers.take_profit and barriers.stop_loss with it"
        )
    return Barriers(
        take_profit=chosen.take_profit or base.take_profit,
        stop_loss=chosen.stop_loss or base.stop_loss,
        horizon_ns=chosen.horizon or base.horizon_ns,
        scale=scale,
        volatility_window_ns=chosen.volatility_window or base.volatility_window_ns,
        min_width=chosen.min_width,
        max_width=chosen.max_width,
        atr_bars=chosen.atr_bars,
    )


def limits_of(settings: Settings) -> Limits:
    """The engine's limits."""
    values = settings.risk.model_dump(
        exclude={"pause", "stale", "volatility_short", "volatility_normal"}
    )
    return Limits(**values, pause_ns=settings.risk.pause, stale_ns=settings.risk.stale)


def engine_of(settings: Settings) -> EngineConfig:
    """The engine's whole configuration."""
    position = settings.position.model_dump(exclude={"sizing"})
    chosen = settings.execution
    return EngineConfig(
        limits=limits_of(settings),
        costs=Costs(
            multiplier=settings.costs.multiplier,
            impact=settings.costs.impact,
            participation=settings.costs.participation,
            target_order=TargetOrder[settings.costs.target_order.upper()],
        ),
        rules=PositionRules(sizing=_SIZINGS[settings.position.sizing], **position),
        operator=Operator(settings.backtest.resumes_after),
        starting_equity=settings.backtest.starting_equity,
        execution=Execution(
            margin_mode=MarginMode[chosen.margin_mode.upper()],
            entry_order=EntryOrder[chosen.entry_order.replace("-", "_").upper()],
            entry_offset=chosen.entry_offset,
            entry_patience=chosen.entry_patience,
            reprice=chosen.reprice,
            cross_after=chosen.cross_after,
            latency_ns=chosen.latency,
        ),
    )


def stack_of(settings: Settings) -> StackConfig:
    """What the layers are fitted with."""
    model = settings.model
    signal, regime = SignalConfig(), RegimeConfig()
    learners = {
        name: learner_with(getattr(signal, name), getattr(model, name))
        for name in get_args(LearnerName)
    }
    return StackConfig(
        signal=SignalConfig(
            model=model.signal,
            members=model.members,
            balance=model.balance,
            direction_prior=model.direction_prior,
            components=settings.features.components,
            **learners,
        ),
        regime=replace(regime, lightgbm=learner_with(regime.lightgbm, model.regime)),
        forecast=ForecastConfig(
            model=model.forecast,
            horizon_ns=model.forecast_horizon,
            in_signal=model.forecast_in_signal,
        ),
        abstention=AbstentionConfig(
            unlike=model.unlike,
            coverage=model.coverage,
            life_ns=NO_END if model.expires_after == NEVER else model.expires_after,
        ),
        seed=model.seed,
    )


def selection_of(settings: Settings) -> SelectionConfig | None:
    """How features are chosen inside a training window; None where all are used."""
    chosen = settings.features
    if chosen.selection == "off":
        return None
    return SelectionConfig(
        method=chosen.selection,
        keep=chosen.keep,
        correlation=chosen.correlation,
        seeds=chosen.selection_seeds,
        seed=settings.model.seed,
    )


def portfolio_config_of(settings: Settings) -> PortfolioConfig:
    """How symbols share the account.

    Raises:
        InputError: if the window holds too few returns of the configured bars.
    """
    chosen = settings.portfolio
    returns_in(chosen.window, INTERVALS[settings.data.interval])
    return PortfolioConfig(
        weights=chosen.weights, window_ns=chosen.window, shrinkage=chosen.shrinkage
    )


def plan_of(settings: Settings) -> StudyPlan:
    """What a walk-forward study is told."""
    walk = settings.walkforward
    needed = walk.test_months * 31 * DAY_NS + walk.embargo + barriers_of(settings).horizon_ns
    if settings.model.expires_after < needed:
        raise InputError(
            f"model.expires_after = {format_duration(settings.model.expires_after)} is shorter than a "
            f"test of walkforward.test_months = {walk.test_months} with what is purged before it: the "
            "model would fall silent inside it",
            hint=f"set model.expires_after to {-(-needed // DAY_NS)}d or more, or to never",
        )
    return StudyPlan(
        barriers=barriers_of(settings),
        engine=engine_of(settings),
        stack=stack_of(settings),
        windows=VolatilityWindows(
            settings.risk.volatility_short,
            settings.risk.volatility_normal,
            settings.barriers.atr_bars,
        ),
        reading=settings.barriers.reading,
        train_months=walk.train_months,
        test_months=walk.test_months,
        step_months=walk.step_months,
        folds=walk.folds,
        cpcv=parse_groups(walk.cpcv),
        embargo_ns=walk.embargo,
        random_seeds=walk.random_seeds,
        bootstrap_resamples=walk.bootstrap_resamples,
        resampling=Resampling(walk.trade_resamples, walk.market_resamples),
        seed=settings.model.seed,
        selection=selection_of(settings),
        weighting=settings.barriers.weights,
        portfolio=portfolio_config_of(settings),
    )


def range_of(settings: Settings) -> tuple[int | None, int | None]:
    """(start, stop) of the configured time range, ns UTC; None where it is open."""
    return parse_timerange(settings.data.timerange)


def parse_timerange(text: str) -> tuple[int | None, int | None]:
    """``20240101-20240201`` as (start, stop) ns UTC: from the first day's start to the second's.

    Raises:
        InputError: if it is not two dates, or the first is not before the second.
    """
    if not text:
        return None, None
    first, dash, second = text.partition("-")
    if not dash or not (first or second):
        raise InputError(f"time range {text!r} is not understood: write 20240101-20240201")
    start, stop = (_day(part, text) if part else None for part in (first, second))
    if start is not None and stop is not None and start >= stop:
        raise InputError(f"time range {text!r} ends before it starts")
    return start, stop


def _day(text: str, whole: str) -> int:
    try:
        day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(
            f"time range {whole!r}: {text!r} is not a date, write it like 20240131"
        ) from None
    return int(day.timestamp()) * SECOND_NS
