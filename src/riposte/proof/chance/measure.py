"""What signals come to, measured alike for a real run and for the draws of a null test.

As configured the pipeline is nearly silent where nothing can be learned, and silence proves little. So
signals are also measured **outspoken**: on every bar that a model spoke about its likelier side is acted
on, whatever the confidence, and no reason to abstain counts. And each without any cost beside net of
all: there the spread lies around zero if the game is fair.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from riposte.engine.parameters import EngineConfig
from riposte.engine.run import MarketInputs, run
from riposte.layers.contract import LONG, SHORT, Signals
from riposte.market.frame import MarketFrame
from riposte.proof.backtest import at_threshold, with_directions
from riposte.proof.chance.results import Measured
from riposte.proof.metrics import daily_returns, drawdown, sharpe_ratio

EVERY_SIDE = 0.5  # no likelier side has a lower confidence


def at_no_cost(config: EngineConfig) -> EngineConfig:
    """The same rules where trading and holding cost nothing: no fee, no slippage, no funding."""
    return dataclasses.replace(
        config, costs=dataclasses.replace(config.costs, multiplier=0.0, funding=False)
    )


def outspoken(
    inputs: MarketInputs, frames: Sequence[MarketFrame], signals: Sequence[Signals]
) -> MarketInputs:
    """The market of ``inputs`` with the likelier side of every bar that a model spoke about.

    ``signals[i]`` has one row per row of ``frames[i]``; a bar whose sides are equally likely stays
    without a direction.
    """
    direction = np.zeros(inputs.signals.shape, np.int8)
    for column, (frame, said) in enumerate(zip(frames, signals, strict=True)):
        time = frame.close_time
        inside = (time >= inputs.time[0]) & (time <= inputs.time[-1])
        lean = said.probabilities[inside, LONG] - said.probabilities[inside, SHORT]
        direction[np.searchsorted(inputs.time, time[inside]), column] = np.sign(lean)
    direction[inputs.signals["model_id"] < 0] = 0
    return with_directions(inputs, direction, inputs.signals["confidence"])


def measured(
    inputs: MarketInputs, everywhere: MarketInputs, engine: EngineConfig
) -> tuple[Measured, ...]:
    """What signals come to as configured and outspoken (``everywhere``), each net and without costs."""
    configured = engine.rules.min_confidence
    ways = ((inputs, configured, False), (everywhere, EVERY_SIDE, True))
    return tuple(
        _measured(market, at_threshold(engine, threshold), every, paid)
        for market, threshold, every in ways
        for paid in (True, False)
    )


def _measured(market: MarketInputs, config: EngineConfig, every: bool, paid: bool) -> Measured:
    result = run(market, config if paid else at_no_cost(config))
    start = config.starting_equity
    return Measured(
        threshold=config.rules.min_confidence,
        outspoken=every,
        paid=paid,
        total_return=float(result.equity[-1] / start - 1.0),
        sharpe=sharpe_ratio(daily_returns(result.time, result.equity, start)),
        max_drawdown=float(drawdown(result.equity, start).max()),
        trades=len(result.trades),
    )
