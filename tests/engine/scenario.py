"""Small markets for the engine's tests: bars written as (open, high, low, close), signals by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from riposte.engine.parameters import (
    Costs,
    EngineConfig,
    Execution,
    Limits,
    Operator,
    PositionRules,
)
from riposte.engine.records import BAR, SIGNAL, PortfolioRow, Records
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.market.instrument import Instrument, brackets_from_rates
from riposte.market.interval import HOUR_NS

START = 1_704_067_200_000_000_000  # 2024-01-01 00:00 UTC
ONE_BRACKET = brackets_from_rates([(0, 0.005, 100)])

# No rounding, no spread, no fees: arithmetic a reader can do by hand.
PLAIN = Instrument(
    "PLAINUSDT",
    tick_size=1e-9,
    step_size=1e-9,
    min_notional=0.0,
    maker_fee=0.0,
    taker_fee=0.0,
    liquidation_fee=0.0,
    half_spread=0.0,
    brackets=ONE_BRACKET,
)

FREE = Costs(impact=0.0, participation=1.0)
STEADY = PositionRules(min_confidence=0.5, partial_at=(), trail_after=0.0, exit_on_reversal=False)
# Limits so wide that only the ones a test names matter.
WIDE = Limits(
    margin_fraction=1.0,
    max_leverage=5.0,
    risk_fraction=1.0,
    heat_fraction=1.0,
    max_correlation=1.0,
    liquidation_distance=0.0,
    base_leverage=5.0,
    daily_loss=0.99,
    trades_per_day=10_000,
    losses_in_row=10_000,
    max_drawdown=0.99,
    volatility_ratio=1e9,
    sharpe_days=0,
    accuracy_signals=0,
    price_collar=10.0,
    max_order_notional=1e12,
    orders_per_minute=100,
)


def strangers(symbols: int) -> PortfolioRow:
    """Nothing is known of the symbols together."""
    return PortfolioRow(np.where(np.eye(symbols) == 1.0, 1.0, np.nan), np.ones(symbols))


def no_finer(symbols: int) -> Records:
    """No bars inside the bar."""
    return np.zeros((0, symbols), BAR)


def config(
    limits: Limits = WIDE,
    costs: Costs = FREE,
    rules: PositionRules = STEADY,
    operator: Operator | None = None,
    equity: float = 10_000.0,
    execution: Execution | None = None,
) -> EngineConfig:
    return EngineConfig(
        limits, costs, rules, operator or Operator(), equity, execution or Execution()
    )


def bars_of(prices: Sequence[Sequence[float]], **fields: Any) -> Any:
    """BAR records from rows of (open, high, low, close); other fields by name."""
    bars = np.zeros(len(prices), BAR)
    table = np.asarray(prices, float)
    for i, name in enumerate(("open", "high", "low", "close")):
        bars[name] = table[:, i]
    bars["mark"] = bars["close"]
    bars["quote_volume"] = 1e9
    bars["volatility"] = 0.01
    bars["volatility_ratio"] = 1.0
    bars["present"] = 1
    for name, values in fields.items():
        bars[name] = values
    return bars


def signals_of(rows: int, at: Mapping[int, Mapping[str, Any]]) -> Any:
    """SIGNAL records: neutral everywhere but the named rows."""
    signals = np.zeros(rows, SIGNAL)
    signals["take_profit"] = 0.02
    signals["stop_loss"] = 0.01
    signals["horizon_ns"] = 1_000 * HOUR_NS
    signals["confidence"] = 1.0
    signals["model_id"] = -1
    signals["regime"] = -1
    for row, values in at.items():
        for name, value in values.items():
            signals[name][row] = value
    return signals


def inputs_of(
    bars: Any, signals: Any, instrument: Instrument = PLAIN, start: int = START
) -> MarketInputs:
    """One symbol's inputs, hourly, the first bar closing an hour after ``start``."""
    time = start + HOUR_NS * np.arange(1, len(bars) + 1, dtype=np.int64)
    return MarketInputs(
        (instrument.symbol,), (instrument,), HOUR_NS, time, bars[:, None], signals[:, None]
    )


CALM = (100.0, 100.0, 100.0, 100.0)


def trade(
    bars: Sequence[Sequence[float]],
    signal: Mapping[str, Any],
    *,
    instrument: Instrument = PLAIN,
    costs: Costs = FREE,
    rules: PositionRules = STEADY,
    limits: Limits = WIDE,
    execution: Execution | None = None,
    **fields: Any,
) -> RunResult:
    """Signal at the close of a first bar at 100; equity 10,000 and 5x: 50,000 USDT or 500 coins at 100."""
    records = bars_of([CALM, *bars], **fields)
    signals = signals_of(len(records), {0: {"stop_loss": 0.1, "take_profit": 0.1, **signal}})
    chosen = config(limits, costs, rules, execution=execution)
    return run(inputs_of(records, signals, instrument), chosen)
