"""What the tests against chance leave behind, as plain typed values; the report computes nothing anew.

Returns and drawdowns are fractions, net of all costs unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from riposte.market.frame import Floats

NullKind = Literal["walk", "labels"]
KINDS: tuple[NullKind, ...] = get_args(NullKind)
FAN = (0.05, 0.25, 0.50, 0.75, 0.95)  # which quantiles a fan of curves shows


@dataclass(frozen=True, slots=True)
class TradeLuck:
    """The same trades drawn anew (resamples,) and, by the same arithmetic, in their own order."""

    trades: int
    mean_block: float
    total_return: Floats
    max_drawdown: Floats
    losing_streak: Floats
    actual_return: float
    actual_drawdown: float
    actual_streak: float
    drawdown_limit: float

    @property
    def meets_limit(self) -> float:
        """Share of the resamples whose closed trades fall to the drawdown limit."""
        return float(np.mean(self.max_drawdown >= self.drawdown_limit))


@dataclass(frozen=True, slots=True)
class MarketLuck:
    """The engine on resampled markets (resamples,), the signals travelling with their bars.

    ``fan`` (quantiles of :data:`FAN`, days): net return since the start, at the end of each day.
    """

    days: int
    mean_block_days: float
    total_return: Floats
    sharpe: Floats
    max_drawdown: Floats
    trades: Floats
    fan: Floats

    @property
    def loses(self) -> float:
        """Share of the resampled markets in which the account lost."""
        return float(np.mean(self.total_return < 0.0))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the engine, with all costs or with none of them.

    ``outspoken``: the likelier side of every bar was acted on, else what the layers let through.
    """

    threshold: float
    outspoken: bool
    paid: bool  # False: no fee, no slippage, no funding
    total_return: float
    sharpe: float  # NaN where nothing was traded
    max_drawdown: float
    trades: int


@dataclass(frozen=True, slots=True)
class NullDraw:
    """The whole pipeline once, where nothing can be learned; ``number`` seeds it."""

    kind: NullKind
    number: int
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class NullTest:
    """Draws of one kind, in order of their numbers."""

    kind: NullKind
    draws: tuple[NullDraw, ...]


@dataclass(frozen=True, slots=True)
class Chance:
    """All that a study says about chance. ``real``: its own signals, measured as the draws are."""

    trades: TradeLuck | None  # None: nothing was traded
    market: MarketLuck
    real: tuple[Measured, ...]
    nulls: tuple[NullTest, ...] = ()
