"""What signals come to, measured alike for a real run and for the draws of a null test."""

from __future__ import annotations

import dataclasses

from riposte.engine.parameters import EngineConfig
from riposte.engine.run import MarketInputs, run
from riposte.proof.backtest import at_threshold
from riposte.proof.chance.results import Measured
from riposte.proof.metrics import daily_returns, drawdown, sharpe_ratio

TALKATIVE = 0.50  # every direction that is not silenced otherwise is acted on


def thresholds(engine: EngineConfig) -> tuple[float, ...]:
    """The confidence thresholds a draw is measured at: the configured one, and one at which it trades."""
    configured = engine.rules.min_confidence
    return (configured,) if configured <= TALKATIVE else (configured, TALKATIVE)


def at_no_cost(config: EngineConfig) -> EngineConfig:
    """The same rules where trading and holding cost nothing: no fee, no slippage, no funding."""
    return dataclasses.replace(
        config, costs=dataclasses.replace(config.costs, multiplier=0.0, funding=False)
    )


def measured(inputs: MarketInputs, engine: EngineConfig) -> tuple[Measured, ...]:
    """What the signals of ``inputs`` come to, at each threshold with all costs and without any."""
    found = []
    for threshold in thresholds(engine):
        for paid in (True, False):
            rules = at_threshold(engine, threshold)
            result = run(inputs, rules if paid else at_no_cost(rules))
            start = engine.starting_equity
            found.append(
                Measured(
                    threshold=threshold,
                    paid=paid,
                    total_return=float(result.equity[-1] / start - 1.0),
                    sharpe=sharpe_ratio(daily_returns(result.time, result.equity, start)),
                    max_drawdown=float(drawdown(result.equity, start).max()),
                    trades=len(result.trades),
                )
            )
    return tuple(found)
