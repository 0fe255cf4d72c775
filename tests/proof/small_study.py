"""A small synthetic market and a plan that is quick to walk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from riposte.engine.parameters import EngineConfig, Limits, Operator, PositionRules
from riposte.layers.stack import StackConfig
from riposte.market.assemble import assemble
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import DAY_NS, HOUR_NS, parse_interval
from riposte.proof.chance.study import Resampling
from riposte.proof.plan import StudyPlan
from riposte.sources.synthetic import synthetic_market

START = 1_672_531_200_000_000_000  # 2023-01-01
SYMBOLS = ("BTCUSDT", "ETHUSDT")
BARRIERS = Barriers(1.0, 0.5, 24 * HOUR_NS, "volatility", 7 * DAY_NS)


def market(seed: int, months: float = 9, kind: str = "realistic") -> tuple[MarketFrame, ...]:
    interval = parse_interval("1h")
    bars = int(months * 30.5 * 24)
    made = synthetic_market(SYMBOLS, interval, START, bars, seed, kind=kind)
    return tuple(assemble(symbol, interval, made[symbol]) for symbol in SYMBOLS)


def plan(threshold: float = 0.5, *, limits: Limits | None = None) -> StudyPlan:
    wide = Limits(
        max_drawdown=0.9, daily_loss=0.5, losses_in_row=1000, sharpe_days=0, accuracy_signals=0
    )
    rules = PositionRules(min_confidence=threshold)
    engine = EngineConfig(limits or wide, rules=rules, operator=Operator(DAY_NS))
    return StudyPlan(
        barriers=BARRIERS,
        engine=engine,
        stack=StackConfig(),
        train_months=6,
        random_seeds=3,
        bootstrap_resamples=100,
        resampling=Resampling(trades=500, markets=20),
    )


def changed_after(frames: Sequence[MarketFrame], time_ns: int) -> tuple[MarketFrame, ...]:
    """The same history up to ``time_ns``, another one afterwards."""
    out = []
    for number, frame in enumerate(frames):
        rng = np.random.default_rng(number)
        later = frame.close_time > time_ns
        columns = {}
        for name, values in frame.columns.items():
            new = values.copy()
            new[later] *= np.exp(rng.normal(0.0, 0.2))
            columns[name] = new
        wobble = np.exp(np.cumsum(rng.normal(0, 0.02, int(later.sum()))))
        for name in ("open", "high", "low", "close", "mark_price"):
            columns[name][later] *= wobble
        out.append(make_frame(frame.symbol, frame.interval, frame.open_time, columns))
    return tuple(out)
