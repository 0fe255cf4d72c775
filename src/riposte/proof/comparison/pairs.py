"""Two studies held against each other, day by day and trade by trade."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from riposte.engine.records import Records
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS
from riposte.proof.bootstrap import stationary_indices
from riposte.proof.comparison.results import Common, Entry, Estimate, Overlap, Pair
from riposte.proof.metrics import DAYS_PER_YEAR, sharpe_ratio


def pairs(entries: Sequence[Entry], common: Common, rows: NDArray[np.int64]) -> tuple[Pair, ...]:
    """Every pair of studies. ``rows`` (resamples, days): the days of each bootstrap resample.

    All studies are resampled on the same days, so that what the market did to all of them cancels
    out; the intervals are the percentiles of the differences. The idea is that of Ledoit and Wolf
    (2008), "Robust performance hypothesis testing with the Sharpe ratio", J. Empirical Finance 15,
    with plain percentiles in place of studentised ones.
    """
    drawn = [(_means(e.returns[rows]), _sharpes(e.returns[rows])) for e in entries]
    found = []
    for first, second in itertools.combinations(range(len(entries)), 2):
        a, b = entries[first], entries[second]
        mean = float(np.mean(a.returns - b.returns)) * DAYS_PER_YEAR
        sharpe = sharpe_ratio(a.returns) - sharpe_ratio(b.returns)
        found.append(
            Pair(
                first=first,
                second=second,
                annual_return=_estimate(mean, drawn[first][0] - drawn[second][0]),
                sharpe=_estimate(sharpe, drawn[first][1] - drawn[second][1]),
                correlation=correlation(a.returns, b.returns),
                overlap=overlap(a, b, common),
            )
        )
    return tuple(found)


def resampled_days(
    days: int, *, seed: int, resamples: int = 2000, mean_block: float = 10.0
) -> NDArray[np.int64]:
    """Rows of the stationary bootstrap, (resamples, days)."""
    rng = np.random.default_rng(seed)
    return np.array([stationary_indices(days, mean_block, rng) for _ in range(resamples)])


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation; NaN where one of the two never moves."""
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def overlap(a: Entry, b: Entry, common: Common) -> Overlap:
    """How far two studies held the same markets on the same side, over the common period."""
    together = opposed = held = 0.0
    same = 0
    for symbol in sorted({*a.record.symbols, *b.record.symbols}):
        one, other = _side_over_time(a, symbol, common), _side_over_time(b, symbol, common)
        edges = np.union1d(one[0], other[0])
        length = np.diff(edges).astype(np.float64)
        x, y = (
            sides[np.searchsorted(times, edges[:-1], side="right") - 1]
            for times, sides in (one, other)
        )
        together += float(length[(x == y) & (x != 0)].sum())
        opposed += float(length[x * y == -1].sum())
        held += float(length[(x != 0) | (y != 0)].sum())
        same += len(set(_entries(a, symbol, common)) & set(_entries(b, symbol, common)))
    counts = tuple(
        sum(len(_entries(each, s, common)) for s in each.record.symbols) for each in (a, b)
    )
    share = held or float("nan")
    return Overlap(together / share, opposed / share, same, (counts[0], counts[1]))


def _side_over_time(
    each: Entry, symbol: str, common: Common
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(times, sides): from ``times[i]`` on the market was held on ``sides[i]``; 0 is not held.

    An account has one position in a market at a time, so its trades there never overlap.
    """
    start, end = common.first_day * DAY_NS, (common.last_day + 1) * DAY_NS
    trades = _of(each, symbol)
    trades = trades[(trades["closed_at"] > start) & (trades["opened_at"] < end)]
    trades = trades[np.argsort(trades["opened_at"], kind="stable")]
    edges = np.stack([trades["opened_at"], trades["closed_at"]], axis=1).clip(start, end).ravel()
    sides = np.stack([trades["side"], np.zeros(len(trades))], axis=1).ravel()
    times = np.concatenate([[start], edges, [end]])
    return times, np.concatenate([[0], sides, [0]]).astype(np.int64)


def _entries(each: Entry, symbol: str, common: Common) -> list[tuple[int, int]]:
    """(moment, side) of each entry in a market on a common day."""
    trades = _of(each, symbol)
    start, end = common.first_day * DAY_NS, (common.last_day + 1) * DAY_NS
    inside = trades[(trades["opened_at"] >= start) & (trades["opened_at"] < end)]
    return list(zip(inside["opened_at"].tolist(), inside["side"].tolist(), strict=True))


def _of(each: Entry, symbol: str) -> Records:
    if symbol not in each.record.symbols:
        return each.record.trades[:0]
    trades: Records = each.record.trades[
        each.record.trades["symbol"] == each.record.symbols.index(symbol)
    ]
    return trades


def _means(samples: Floats) -> Floats:
    means: Floats = samples.mean(axis=1) * DAYS_PER_YEAR
    return means


def _sharpes(samples: Floats) -> Floats:
    spread = samples.std(axis=1, ddof=1)
    moved = spread > 0.0
    ratio = np.full(len(samples), np.nan)
    ratio[moved] = samples.mean(axis=1)[moved] / spread[moved] * DAYS_PER_YEAR**0.5
    return ratio


def _estimate(value: float, drawn: Floats) -> Estimate:
    finite = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(finite):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(finite, [0.025, 0.975])
    return Estimate(value, float(low), float(high))
