"""Performance in pure functions: curves and trade records in, plain numbers out.

Returns are of UTC days, a year has 365 of them: these markets never close. A measure that is not
defined (no trades, no losses, no change) is NaN, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from riposte.engine.records import Records
from riposte.market.frame import Floats, Times
from riposte.market.interval import DAY_NS, HOUR_NS

DAYS_PER_YEAR = 365.0
Better = Literal["high", "low", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a measure is shown: its name for people, its unit, and which direction is good."""

    label: str
    unit: Literal["fraction", "ratio", "days", "hours", "count", "usdt"]
    better: Better


METRICS: Mapping[str, Metric] = {
    "total_return": Metric("Net return", "fraction", "high"),
    "annual_return": Metric("Annualised return", "fraction", "high"),
    "volatility": Metric("Volatility (yearly)", "fraction", "low"),
    "sharpe": Metric("Sharpe", "ratio", "high"),
    "sortino": Metric("Sortino", "ratio", "high"),
    "calmar": Metric("Calmar", "ratio", "high"),
    "max_drawdown": Metric("Max drawdown", "fraction", "low"),
    "drawdown_days": Metric("Longest drawdown", "days", "low"),
    "win_rate": Metric("Win rate", "fraction", "high"),
    "profit_factor": Metric("Profit factor", "ratio", "high"),
    "average_win": Metric("Average win", "usdt", "high"),
    "average_loss": Metric("Average loss", "usdt", "high"),
    "expectancy": Metric("Expectancy per trade", "usdt", "high"),
    "average_holding_hours": Metric("Average holding", "hours", "neither"),
    "exposure": Metric("Time in market", "fraction", "neither"),
    "turnover": Metric("Turnover (yearly, × equity)", "ratio", "low"),
    "trades": Metric("Trades", "count", "neither"),
    "fees": Metric("Fees", "usdt", "low"),
    "funding": Metric("Funding paid", "usdt", "low"),
    "slippage": Metric("Slippage", "usdt", "low"),
    "gap": Metric("Lost in gaps beyond stops", "usdt", "low"),
}


def daily_returns(time: Times, equity: Floats, start_equity: float) -> Floats:
    """Simple returns of UTC days; ``equity[i]`` stood at ``time[i]``. Days without a row count as 0.

    Formula: equity at the day's end / equity at the end of the day before - 1.
    The first return starts from ``start_equity``, so that the costs of the first day are in.
    """
    day = (time - 1) // DAY_NS  # a bar closing at 00:00 belongs to the day it ends
    first, last = int(day[0]), int(day[-1])
    ends = np.searchsorted(day, np.arange(first, last + 1), side="right") - 1
    closes = np.append(start_equity, equity[np.maximum(ends, 0)])
    returns: Floats = closes[1:] / closes[:-1] - 1.0
    return returns


def sharpe_ratio(returns: Floats) -> float:
    """Mean over standard deviation of daily returns, annualised, no risk-free rate; NaN if nothing moves.

    Formula: mean(r) / sd(r) · sqrt(365), sd with n - 1.
    Source: Sharpe (1994), "The Sharpe Ratio", Journal of Portfolio Management 21(1).
    """
    spread = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    return float(np.mean(returns)) / spread * DAYS_PER_YEAR**0.5 if spread > 0.0 else np.nan


def sortino_ratio(returns: Floats) -> float:
    """Mean over downside deviation of daily returns, annualised; NaN if no day lost.

    Formula: mean(r) / sqrt(mean(min(r, 0)²)) · sqrt(365), the mean square over all days.
    Source: Sortino and Price (1994), "Performance Measurement in a Downside Risk Framework", Journal of
    Investing 3(3).
    """
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if len(returns) else 0.0
    return float(np.mean(returns)) / downside * DAYS_PER_YEAR**0.5 if downside > 0.0 else np.nan


def drawdown(equity: Floats, start_equity: float) -> Floats:
    """Fall from the highest equity so far, as a positive fraction, one per row.

    Formula: 1 - equity / max(start equity, equity up to the row). Open positions are in it.
    """
    peak = np.maximum.accumulate(np.maximum(equity, start_equity))
    fall: Floats = 1.0 - equity / peak
    return fall


def longest_drawdown_days(time: Times, equity: Floats, start_equity: float) -> float:
    """Longest stretch below an earlier peak, in days; an unfinished one counts to the end.

    Formula: the longest time from one row at the highest equity so far to the next.
    """
    peak = np.maximum.accumulate(np.maximum(equity, start_equity))
    at_peak = time[equity >= peak]
    marks = np.concatenate([time[:1], at_peak, time[-1:]])
    return float(np.max(np.diff(marks), initial=0)) / DAY_NS


def trade_measures(trades: Records) -> dict[str, float]:
    """Win rate, profit factor, averages and holding time of closed trades, net of their costs.

    Formulas, over net results x in USDT: win rate, share of x > 0; profit factor, sum of x > 0 over minus
    the sum of x <= 0; average win and loss, means of these; expectancy, mean of all; holding, mean time
    from opening to closing, hours. Each is NaN where it divides by nothing.
    """
    net = trades["net"]
    wins, losses = net[net > 0.0], net[net <= 0.0]
    lost = float(-losses.sum())
    held = (trades["closed_at"] - trades["opened_at"]) / HOUR_NS
    return {
        "win_rate": len(wins) / len(net) if len(net) else np.nan,
        "profit_factor": float(wins.sum()) / lost if lost > 0.0 else np.nan,
        "average_win": float(wins.mean()) if len(wins) else np.nan,
        "average_loss": float(losses.mean()) if len(losses) else np.nan,
        "expectancy": float(net.mean()) if len(net) else np.nan,
        "average_holding_hours": float(held.mean()) if len(net) else np.nan,
        "trades": float(len(net)),
    }


def curve_measures(time: Times, equity: Floats, start_equity: float) -> dict[str, float]:
    """Return, risk and drawdown of an equity curve.

    Formulas, over n daily returns r: total return, last / start equity - 1; annual return,
    (1 + total)^(365 / n) - 1; volatility, sd(r) · sqrt(365); Calmar, annual return / largest drawdown
    (Young 1991, "Calmar Ratio: A Smoother Tool", Futures 20(1), over the whole record).
    """
    returns = daily_returns(time, equity, start_equity)
    total = float(equity[-1]) / start_equity - 1.0
    years = len(returns) / DAYS_PER_YEAR
    yearly = (1.0 + total) ** (1.0 / years) - 1.0 if total > -1.0 else -1.0
    worst = float(drawdown(equity, start_equity).max())
    moved = bool(np.any(returns != 0.0))
    return {
        "total_return": total,
        "annual_return": yearly,
        "volatility": float(np.std(returns, ddof=1)) * DAYS_PER_YEAR**0.5 if moved else np.nan,
        "sharpe": sharpe_ratio(returns),
        "sortino": sortino_ratio(returns),
        "calmar": yearly / worst if worst > 0.0 else np.nan,
        "max_drawdown": worst,
        "drawdown_days": longest_drawdown_days(time, equity, start_equity),
    }


def measure(
    time: Times,
    equity: Floats,
    start_equity: float,
    *,
    trades: Records,
    fills: Records,
    exposure: Floats,
) -> dict[str, float]:
    """All of :data:`METRICS` for a run.

    Beyond the curve's and the trades' measures: exposure, share of rows with a position open; turnover,
    traded value / mean equity / years; fees, funding paid (negative: received) and slippage in USDT.
    """
    traded = float((fills["quantity"] * fills["price"]).sum())
    years = (float(time[-1]) - float(time[0])) / (DAYS_PER_YEAR * DAY_NS) or np.nan
    found = curve_measures(time, equity, start_equity) | trade_measures(trades)
    found |= {
        "exposure": float(np.mean(exposure > 0.0)),
        "turnover": traded / float(np.mean(equity)) / years,
        "fees": float(fills["fee"].sum()),
        "funding": float(trades["funding"].sum()),
        "slippage": float(fills["slippage"].sum()),
        "gap": float(fills["gap"].sum()),
    }
    return {name: found[name] for name in METRICS}


def by_group(
    trades: Records, group: NDArray[Any], names: Mapping[int, str]
) -> dict[str, dict[str, float]]:
    """Trade measures and the net result of each group of trades, largest group first."""
    out: dict[str, dict[str, float]] = {}
    values, counts = np.unique(group, return_counts=True)
    for value in values[np.argsort(-counts)]:
        part = trades[group == value]
        measures = trade_measures(part)
        measures |= {
            "net": float(part["net"].sum()),
            "fees": float(part["fees"].sum()),
            "funding": float(part["funding"].sum()),
            "slippage": float(part["slippage"].sum()),
        }
        out[names.get(int(value), str(value))] = measures
    return out
