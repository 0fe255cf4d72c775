"""What a study is told: everything that decides its numbers, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from riposte.engine.parameters import EngineConfig
from riposte.labels.triple_barrier import Reading
from riposte.layers.position.portfolio import PortfolioConfig
from riposte.layers.stack import StackConfig
from riposte.market.barriers import Barriers
from riposte.market.interval import HOUR_NS, format_duration
from riposte.market.volatility import VolatilityWindows
from riposte.proof.chance.study import Resampling
from riposte.proof.dataset import Weighting
from riposte.proof.selection.choose import SelectionConfig


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Everything that decides the numbers of a study."""

    barriers: Barriers
    engine: EngineConfig
    stack: StackConfig
    windows: VolatilityWindows = field(default_factory=VolatilityWindows)
    reading: Reading = "symmetric"
    train_months: int = 6
    test_months: int = 1
    step_months: int = 1
    embargo_ns: int = HOUR_NS
    round_trip_cost: float = 0.0014
    selection: SelectionConfig | None = None
    weighting: Weighting = "uniqueness"
    portfolio: PortfolioConfig = field(default_factory=PortfolioConfig)
    ladder: tuple[float, ...] = (0.50, 0.55, 0.60, 0.65, 0.70)
    open_interest_threshold: float = 0.3
    random_seeds: int = 20
    bootstrap_resamples: int = 1000
    resampling: Resampling = field(default_factory=Resampling)
    seed: int = 7
    # Variants that were looked at on this history while the shipped defaults were chosen: ten learner
    # settings, ten strengths of the calibration's prior, two barrier shapes. They count as trials too.
    earlier_trials: int = 23
    earlier_sharpes: tuple[float, ...] = ()  # yearly, of those variants of which it is known
    folds: int = 0  # only so many of the newest; 0 for all
    cpcv: tuple[int, int] | None = None  # groups and test groups of the paths; None for no paths


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a study says about where it comes from; handed in, since nothing here reads a clock."""

    title: str
    source: str
    real_data: bool
    created: str
    version: str
    settings: str
    quality: tuple[str, ...] = ()


def describe_barriers(barriers: Barriers) -> str:
    """The barriers in words."""
    horizon = format_duration(barriers.horizon_ns)
    if barriers.scale == "atr":
        return (
            f"target {barriers.take_profit:g} and stop {barriers.stop_loss:g} average true ranges of "
            f"{barriers.atr_bars} bars, at most {horizon}"
        )
    if barriers.scale == "fixed":
        return (
            f"target {barriers.take_profit:.2%}, stop {barriers.stop_loss:.2%}, at most {horizon}"
        )
    return (
        f"target {barriers.take_profit:g} and stop {barriers.stop_loss:g} times the volatility "
        f"expected over {horizon}, at most {horizon}"
    )
