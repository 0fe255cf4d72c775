"""Back-test: frames and signals through the one engine, in one account."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riposte.engine.parameters import NEVER, EngineConfig, Operator
from riposte.engine.run import MarketInputs, RunResult, run, sliced
from riposte.market.frame import Floats
from riposte.proof.metrics import measure
from riposte.proof.results import Outcome


def outcome(name: str, note: str, result: RunResult, start_equity: float) -> Outcome:
    """A run as a row of a comparison."""
    return Outcome(
        name=name,
        note=note,
        time=result.time,
        equity=result.equity,
        metrics=measure(
            result.time,
            result.equity,
            start_equity,
            trades=result.trades,
            fills=result.fills,
            exposure=result.exposure,
        ),
    )


def with_directions(
    inputs: MarketInputs, direction: NDArray[np.int8], confidence: Floats
) -> MarketInputs:
    """The same market with other signals (T, S)."""
    signals = inputs.signals.copy()
    signals["direction"] = direction
    signals["confidence"] = confidence
    return dataclasses.replace(inputs, signals=signals)


def between(inputs: MarketInputs, start: int, end: int) -> MarketInputs:
    """The steps that close in ``[start, end]``."""
    first = int(np.searchsorted(inputs.time, start, side="left"))
    return sliced(inputs, first, int(np.searchsorted(inputs.time, end, side="right")))


def at_threshold(config: EngineConfig, threshold: float) -> EngineConfig:
    """The same rules at another confidence threshold."""
    rules = dataclasses.replace(config.rules, min_confidence=threshold)
    return dataclasses.replace(config, rules=rules)


def at_costs(config: EngineConfig, multiplier: float) -> EngineConfig:
    """The same rules with fees and slippage multiplied."""
    costs = dataclasses.replace(config.costs, multiplier=multiplier)
    return dataclasses.replace(config, costs=costs)


def cost_what_if(inputs: MarketInputs, config: EngineConfig, multiple: float) -> Outcome:
    """The same signals where trading costs ``multiple`` times what is configured; funding as recorded."""
    result = run(inputs, at_costs(config, multiple * config.costs.multiplier))
    note = (
        f"Fees and slippage times {multiple:g}; funding as recorded. Same signals; sizes follow, since "
        "the loss that is risked at a stop includes its costs."
    )
    return outcome(f"Costs × {multiple:g}", note, result, config.starting_equity)


def never_resumed(config: EngineConfig) -> EngineConfig:
    """The same rules with nobody there to lift a stop."""
    return dataclasses.replace(config, operator=Operator(NEVER))


def simulate(inputs: Sequence[MarketInputs], config: EngineConfig) -> tuple[RunResult, ...]:
    """Run several inputs one after the other under one configuration."""
    return tuple(run(each, config) for each in inputs)
