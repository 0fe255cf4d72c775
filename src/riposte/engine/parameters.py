"""What the engine is told once: limits, costs and position rules, typed here, records inside.

Each dataclass holds the settings with their units; :func:`as_record` turns it into the NumPy record
that compiled code reads. Fractions are of equity or price as named; durations are nanoseconds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from riposte.engine.records import PARTIALS, layout
from riposte.market.interval import DAY_NS, HOUR_NS

NEVER = -1


class Sizing(IntEnum):
    """How the wanted notional follows from signal and market; the limits cap every method."""

    FIXED_FRACTION = 0
    FRACTIONAL_KELLY = 1
    VOLATILITY_TARGET = 2
    CONFIDENCE = 3


class TargetOrder(IntEnum):
    """How a take-profit executes: a resting limit (maker) or a market order at the trigger (taker)."""

    LIMIT = 0
    MARKET = 1


class EntryOrder(IntEnum):
    """How a position is opened: at market, by a limit, or by a limit that must not take (post-only)."""

    MARKET = 0
    LIMIT = 1
    POST_ONLY = 2


class MarginMode(IntEnum):
    """What stands behind a position: its own margin, or the whole account."""

    ISOLATED = 0
    CROSS = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The four tiers of risk limits (SPEC K1-K4) and the order checks (K6).

    The defaults are the ``survival`` preset. A count of 0 or a fraction of 0 switches a limit off
    only where its comment says so; nothing switches the position tier off.
    """

    # Position tier
    margin_fraction: float = 0.08  # margin of one position / equity, at entry
    max_leverage: float = 5.0
    risk_fraction: float = 0.01  # loss at the stop, costs included / equity
    max_positions: int = 10
    # Portfolio tier
    heat_fraction: float = 0.20  # sum of all margins / equity
    max_correlation: float = 0.7  # of returns, times both sides, with any symbol held; 1: off
    liquidation_distance: float = 0.15  # |mark - liquidation| / mark: nearer closes; 0: off
    base_leverage: float = 3.0  # what is allowed until the record below earns max_leverage
    ladder_trades: int = 50  # closed trades that the win rate is taken of; fewer earn nothing
    ladder_win_rate: float = 0.55
    ladder_sharpe: float = 1.8  # rolling, of sharpe_days
    ladder_drawdown: float = 0.15  # of peak equity, now
    # Daily tier
    daily_loss: float = 0.02  # of equity at 00:00 UTC, open positions and fees included
    trades_per_day: int = 15
    losses_in_row: int = 8  # then halt until the next UTC day
    pause_after_losses: int = 0  # 0: off; else pause for pause_ns
    pause_ns: int = DAY_NS
    # System tier
    max_drawdown: float = 0.05  # of peak equity: close everything, a person resumes
    volatility_ratio: float = 3.0  # short-run / normal volatility: close everything
    min_sharpe: float = 0.5  # rolling, annualised; below it no entry until acknowledged
    sharpe_days: int = 30  # 0: off
    sharpe_active_days: int = 10  # of those, days with a result; fewer say nothing
    min_accuracy: float = 0.5  # of the last accuracy_signals acted on; below it model signals off
    accuracy_signals: int = 50  # 0: off
    # Order checks
    price_collar: float = 0.05  # |open or order price / last close - 1|
    max_order_notional: float = 100_000.0
    orders_per_minute: int = 30
    stale_ns: int = 2 * HOUR_NS  # age of the last good bar beyond which nothing is opened


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs beyond the instrument's own fees and spread.

    Slippage of a taker fill, as a fraction of the price, is
    ``half_spread + impact * volatility * sqrt(order notional / bar quote volume)``: the square-root
    law of market impact (Almgren et al. 2005, "Direct Estimation of Equity Market Impact").
    ``multiplier`` scales fees and slippage together, for the what-if at doubled costs.
    """

    multiplier: float = 1.0
    impact: float = 0.5
    participation: float = 0.10  # largest share of a bar's volume an order takes in that bar
    funding: bool = True
    target_order: TargetOrder = TargetOrder.LIMIT


@dataclass(frozen=True, slots=True)
class PositionRules:
    """The rule-based position layer: size, partial profit, adding, stops, time (SPEC M7)."""

    sizing: Sizing = Sizing.CONFIDENCE
    min_confidence: float = 0.65
    kelly_fraction: float = 0.5
    fixed_fraction: float = 0.01  # FIXED_FRACTION: equity risked at the stop
    volatility_target: float = 0.15  # VOLATILITY_TARGET: yearly volatility of one position
    partial_at: tuple[float, ...] = (0.5,)  # shares of the way to the target, rising
    partial_share: tuple[float, ...] = (0.5,)  # share of what is held that is closed at each
    breakeven_after_partial: bool = True
    trail_after: float = 1.0  # in initial risks (R) of profit; 0: no trailing
    trail_distance: float = 1.0  # in R
    trail_atr: float = 0.0  # instead of R: behind the best price by so many average true ranges
    add_after: float = 0.0  # in R of profit; 0: never add
    add_share: float = 0.5  # of the first size
    max_adds: int = 1
    time_exit: bool = True
    exit_on_reversal: bool = True


@dataclass(frozen=True, slots=True)
class Execution:
    """How orders reach the market, and what margin stands behind a position.

    ``entry_offset``: how far a limit stands on the better side of the close that decided it, as a fraction.
    ``entry_patience``: for how many bars an opening order works; what is unfilled then is dropped, or
    taken at market where ``cross_after`` is set. ``reprice``: a resting order follows each close.
    ``latency_ns``: from the decision to the exchange. A bar is the resolution there is, so the order
    waits for whole bars (of the finer series where there is one): less than one is no delay.
    """

    margin_mode: MarginMode = MarginMode.ISOLATED
    entry_order: EntryOrder = EntryOrder.MARKET
    entry_offset: float = 0.0
    entry_patience: int = 1
    reprice: bool = True
    cross_after: bool = False
    latency_ns: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """The person a back-test pretends is there: how long until a stop that needs one is lifted.

    ``NEVER`` (-1): nobody comes, and a drawdown shut-down lasts to the end of the test.
    """

    resumes_after_ns: int = NEVER


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All the engine's parameters."""

    limits: Limits = Limits()
    costs: Costs = Costs()
    rules: PositionRules = PositionRules()
    operator: Operator = Operator()
    starting_equity: float = 10_000.0
    execution: Execution = Execution()


# By annotation, not by value: an int given for a float must not change the compiled record.
_TYPES: dict[str, tuple[Any, ...]] = {
    "float": ("f8",),
    "int": ("i8",),
    "bool": ("i1",),
    "tuple[float, ...]": ("f8", (PARTIALS,)),
}


def as_record(parameters: Any) -> Any:
    """A dataclass of numbers as a single NumPy record with the same field names.

    A tuple fills the first places of an array of ``PARTIALS``, the rest being 0. Raises:
        ValueError: if a tuple is longer than that.
    """
    fields = dataclasses.fields(parameters)
    record = np.zeros(1, layout([(f.name, *_TYPES.get(str(f.type), ("i8",))) for f in fields]))
    for f in fields:
        value = getattr(parameters, f.name)
        if isinstance(value, tuple):
            if len(value) > PARTIALS:
                raise ValueError(f"{f.name}: {len(value)} values, room for {PARTIALS}")
            value = [*value, *[0.0] * (PARTIALS - len(value))]
        record[f.name] = value
    return record[0]
