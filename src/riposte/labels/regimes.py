"""Regime labels: which of seven states the market was in around a bar, by one stated rule.

The rule looks at a window around the close of row ``t``: a stretch behind it and a stretch ahead of
it, both durations. It is a *label*: what lies ahead may be learned from, never traded on. Measured are

* ``trend``: the signed efficiency of the whole window, net log return / sum of absolute log returns
  (P. Kaufman's efficiency ratio with a sign, in [-1, 1]), and the same of each stretch by itself;
* ``volatility``: root mean square of the window's log returns;
* ``escape``: how far the close at the window's end lies beyond the high-low range of the stretch
  behind, as a share of that range; 0 inside it.

The first of these that holds is the label:

1. REVERSAL: both stretches trend at least ``turn`` strongly, in opposite directions;
2. BREAKOUT: ``escape`` is at least ``escape``, out of a stretch behind that was calmer than ``calm``;
3. TRENDING_UP or TRENDING_DOWN: the window trends at least ``trend`` strongly;
4. HIGH_VOLATILITY: volatility at least ``high``;
5. LOW_VOLATILITY: volatility at most ``low``;
6. RANGING: none of these.

Every threshold is a quantile over the training window, per symbol, so that each regime has its share of
any market and the rule knows nothing of what came after the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from riposte.compiled import compiled
from riposte.errors import DataError
from riposte.labels.triple_barrier import Labels
from riposte.market.frame import Floats, MarketFrame, Times
from riposte.market.interval import DAY_NS, HOUR_NS

# The order of riposte.layers.contract.REGIMES; rooms on one line do not import each other.
REGIME_NAMES = (
    "TRENDING_UP",
    "TRENDING_DOWN",
    "RANGING",
    "HIGH_VOLATILITY",
    "LOW_VOLATILITY",
    "BREAKOUT",
    "REVERSAL",
)
UNKNOWN = -1
UP, DOWN, RANGING, HIGH, LOW, BREAKOUT, REVERSAL = range(7)

_LEAST_ROWS = 50


@dataclass(frozen=True, slots=True)
class RegimeWindows:
    """How far the rule looks behind and ahead, and the quantiles its thresholds are."""

    behind_ns: int = DAY_NS
    ahead_ns: int = 12 * HOUR_NS
    trend_quantile: float = 0.75
    turn_quantile: float = 0.70
    high_quantile: float = 0.75
    low_quantile: float = 0.25
    calm_quantile: float = 0.60
    escape_quantile: float = 0.70  # of the rows that escape at all


@dataclass(frozen=True, slots=True)
class Thresholds:
    """One symbol's thresholds; efficiencies and escapes are shares, volatilities per bar."""

    trend: float
    turn_behind: float
    turn_ahead: float
    high: float
    low: float
    calm: float
    escape: float


@dataclass(frozen=True, slots=True)
class RegimeRule:
    """The rule with thresholds fitted on a training window, by symbol."""

    windows: RegimeWindows
    thresholds: Mapping[str, Thresholds]


@dataclass(frozen=True, slots=True)
class RegimeLabels:
    """``label`` int8 (n,): index into :data:`REGIME_NAMES`, -1 unknown; ``end_time`` (n,): when known."""

    label: Labels
    end_time: Times


@dataclass(frozen=True, slots=True)
class _Measures:
    trend: Floats
    trend_behind: Floats
    trend_ahead: Floats
    volatility: Floats
    volatility_behind: Floats
    escape: Floats


def fit_regime_rule(
    frames: MarketFrame | Iterable[MarketFrame], windows: RegimeWindows | None = None
) -> RegimeRule:
    """Fit the thresholds on the frames of a training window: nothing outside their rows is looked at.

    Several frames of one symbol are pieces of its window, with something left out between them.

    Raises:
        DataError: if a frame has too few rows with a whole window around them.
    """
    windows = windows or RegimeWindows()
    several = [frames] if isinstance(frames, MarketFrame) else list(frames)
    pieces: dict[str, list[MarketFrame]] = {}
    for frame in several:
        pieces.setdefault(frame.symbol, []).append(frame)
    return RegimeRule(windows, {name: _thresholds(of, windows) for name, of in pieces.items()})


def regime_labels(frame: MarketFrame, rule: RegimeRule) -> RegimeLabels:
    """Label every row; -1 where the window around it is not wholly in the data and its segment.

    Raises:
        DataError: if the rule was not fitted on this symbol.
    """
    if frame.symbol not in rule.thresholds:
        raise DataError(
            f"the regime rule was not fitted on {frame.symbol}, only on {', '.join(rule.thresholds)}"
        )
    at = rule.thresholds[frame.symbol]
    m = _measures(frame, rule.windows)
    turned = (
        (np.abs(m.trend_behind) >= at.turn_behind)
        & (np.abs(m.trend_ahead) >= at.turn_ahead)
        & (np.sign(m.trend_behind) == -np.sign(m.trend_ahead))
    )
    cases = [
        (np.isnan(m.trend), UNKNOWN),
        (turned, REVERSAL),
        ((m.escape > 0.0) & (m.escape >= at.escape) & (m.volatility_behind <= at.calm), BREAKOUT),
        (m.trend >= at.trend, UP),
        (m.trend <= -at.trend, DOWN),
        (m.volatility >= at.high, HIGH),
        (m.volatility <= at.low, LOW),
    ]
    label = np.select([c for c, _ in cases], [name for _, name in cases], RANGING).astype(np.int8)
    ahead = frame.interval.bars(rule.windows.ahead_ns)
    return RegimeLabels(label, frame.close_time + ahead * frame.interval.ns)


def _thresholds(frames: Sequence[MarketFrame], windows: RegimeWindows) -> Thresholds:
    m = _joined([_measures(frame, windows) for frame in frames])
    whole = np.isfinite(m.trend)
    if whole.sum() < _LEAST_ROWS:
        raise DataError(
            f"{frames[0].symbol} {frames[0].interval}: only {int(whole.sum())} bars have a whole regime "
            f"window around them, {_LEAST_ROWS} are needed"
        )
    escapes = m.escape[whole & (m.escape > 0.0)]

    def quantile(values: Floats, share: float) -> float:
        return float(np.quantile(values[whole], share))

    return Thresholds(
        trend=quantile(np.abs(m.trend), windows.trend_quantile),
        turn_behind=quantile(np.abs(m.trend_behind), windows.turn_quantile),
        turn_ahead=quantile(np.abs(m.trend_ahead), windows.turn_quantile),
        high=quantile(m.volatility, windows.high_quantile),
        low=quantile(m.volatility, windows.low_quantile),
        calm=quantile(m.volatility_behind, windows.calm_quantile),
        escape=float(np.quantile(escapes, windows.escape_quantile)) if len(escapes) else np.inf,
    )


def _joined(parts: Sequence[_Measures]) -> _Measures:
    return _Measures(
        *(
            np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(_Measures)
        )
    )


def _measures(frame: MarketFrame, windows: RegimeWindows) -> _Measures:
    behind = frame.interval.bars(windows.behind_ns)
    ahead = frame.interval.bars(windows.ahead_ns)
    measured = _measure(frame["high"], frame["low"], frame["close"], frame.segment, behind, ahead)
    return _Measures(*measured)


@compiled
def _efficiency(net: float, path: float) -> float:
    return net / path if path > 0.0 else 0.0


@compiled
def _measure(
    high: Floats, low: Floats, close: Floats, segment: Times, behind: int, ahead: int
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """The measures of every row, NaN where the window leaves the data or the segment.

    Sums run over each window afresh: a running sum would let a row outside the window, by its rounding,
    touch the label.
    """
    n = len(close)
    trend, trend_behind, trend_ahead = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    volatility, volatility_behind = np.full(n, np.nan), np.full(n, np.nan)
    escape = np.full(n, np.nan)
    move = np.zeros(n)
    for i in range(1, n):
        move[i] = np.log(close[i] / close[i - 1])
    for t in range(behind, n - ahead):
        if segment[t - behind] != segment[t + ahead]:
            continue
        path_behind, square_behind = 0.0, 0.0
        top, bottom = high[t], low[t]
        for j in range(t - behind + 1, t + 1):
            path_behind += abs(move[j])
            square_behind += move[j] ** 2
            top = max(top, high[j])
            bottom = min(bottom, low[j])
        path_ahead, square_ahead = 0.0, 0.0
        for j in range(t + 1, t + ahead + 1):
            path_ahead += abs(move[j])
            square_ahead += move[j] ** 2
        net_behind = np.log(close[t] / close[t - behind])
        net_ahead = np.log(close[t + ahead] / close[t])
        trend_behind[t] = _efficiency(net_behind, path_behind)
        trend_ahead[t] = _efficiency(net_ahead, path_ahead)
        trend[t] = _efficiency(net_behind + net_ahead, path_behind + path_ahead)
        volatility_behind[t] = np.sqrt(square_behind / behind)
        volatility[t] = np.sqrt((square_behind + square_ahead) / (behind + ahead))
        beyond = max(close[t + ahead] - top, bottom - close[t + ahead], 0.0)
        escape[t] = beyond / (top - bottom) if top > bottom else 0.0
    return trend, trend_behind, trend_ahead, volatility, volatility_behind, escape
