"""Monte Carlo of bars: the recorded market cut into stretches of days and put together anew.

Whole UTC days are drawn with replacement in blocks of geometric length (stationary bootstrap, Politis
and Romano 1994), for all symbols at once, so that what moved together still does and the hour of the
day, the settlements of funding and the daily limits stay where they were. A bar brings along everything
that stands beside it: volume, volatility, funding, and the signal given at its close.

Prices are chained: the first bar of a block follows from the last close of the block before by the same
ratios by which it followed from its own. Inside a block that is the recorded market times one constant,
so every bar keeps its shape.

**What this shows.** How much of a result hangs on the order in which the market's episodes came, and on
each having come exactly once: the account, its sizes and its limits are run through other histories made
of the same weeks. **What it does not show.** Whether there is an edge: inside a block each signal still
stands before the very bars it was given for, and only at block borders is that tie cut. A model that
fitted these weeks by luck looks as good in every resample. Nothing is learned anew, and weeks of a kind
that never came in the record come in no resample. Whether the signals know anything is the question of
:mod:`riposte.proof.chance.nulls`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import Records
from riposte.engine.run import Finer, MarketInputs, run
from riposte.errors import DataError
from riposte.market.frame import Floats
from riposte.market.interval import DAY_NS
from riposte.market.portfolio import Portfolio
from riposte.proof.bootstrap import stationary_indices
from riposte.proof.chance.results import FAN, MarketLuck
from riposte.proof.metrics import daily_returns, drawdown, sharpe_ratio

PRICES = ("open", "high", "low", "close", "mark")
_LEAST_DAYS = 2
_LEAST_BLOCK_DAYS = 10.0
_HORIZONS = 10.0  # of the longest holding time, in a mean block: one trade in ten meets a border
_BLOCKS = 4.0  # a short record is cut into at least so many, on average

Rows = NDArray[np.int64]


def resampled_markets(
    inputs: MarketInputs,
    config: EngineConfig,
    *,
    horizon_ns: int,
    resamples: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> MarketLuck:
    """The spread of the engine's results over resampled markets.

    ``horizon_ns``: the longest time a trade is held; blocks are ten times as long on average, at least
    ten days, at most a quarter of the record. ``workers`` threads share the work (compiled code runs
    beside other compiled code); the result does not depend on how many.

    Raises:
        DataError: if the inputs hold fewer than two whole days.
    """
    pieces = MarketPieces(inputs)
    wanted = max(_LEAST_BLOCK_DAYS, _HORIZONS * horizon_ns / DAY_NS)
    mean_block = max(1.0, min(wanted, pieces.days / _BLOCKS))

    def one(number: int) -> tuple[Floats, Floats]:
        rng = np.random.default_rng([seed, number])
        market = pieces.market(stationary_indices(pieces.days, mean_block, rng))
        return _measured(market, config)

    report = progress or (lambda _done, _total: None)
    measures, curves = np.empty((resamples, 4)), np.empty((resamples, pieces.days))
    with ThreadPoolExecutor(max(workers, 1)) as threads:
        try:
            for number, (row, curve) in enumerate(threads.map(one, range(resamples))):
                measures[number], curves[number] = row, curve
                report(number + 1, resamples)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return MarketLuck(
        days=pieces.days,
        mean_block_days=mean_block,
        total_return=measures[:, 0],
        sharpe=measures[:, 1],
        max_drawdown=measures[:, 2],
        trades=measures[:, 3],
        fan=np.quantile(curves, FAN, axis=0),
    )


def _measured(market: MarketInputs, config: EngineConfig) -> tuple[Floats, Floats]:
    """(4,) return, Sharpe, drawdown, trades; and the return since the start at each day's end."""
    start = config.starting_equity
    result = run(market, config)
    daily = daily_returns(result.time, result.equity, start)
    row: Floats = np.array(
        [
            result.equity[-1] / start - 1.0,
            sharpe_ratio(daily),
            drawdown(result.equity, start).max(),
            len(result.trades),
        ]
    )
    return row, np.cumprod(1.0 + daily, dtype=np.float64) - 1.0


class MarketPieces:
    """A market ready to be put together anew, day by day.

    A day is what closes in ``(00:00, 24:00]`` UTC; days at either end that are shorter than the longest
    are left out, days with a hole inside the record keep their hole.

    Raises:
        DataError: if fewer than two days are left.
    """

    def __init__(self, inputs: MarketInputs) -> None:
        day = (inputs.time - 1) // DAY_NS
        first = np.concatenate([[0], np.flatnonzero(np.diff(day)) + 1])
        length = np.diff(np.append(first, len(day)))
        whole = np.flatnonzero(length == length.max())
        kept = slice(whole[0], whole[-1] + 1)
        self._inputs = inputs
        self._first: Rows = first[kept].astype(np.int64)
        self._length: Rows = length[kept].astype(np.int64)
        self._within = inputs.time - day * DAY_NS
        self._opens_at = int(day[first[kept.start]])
        self._before, self._after = _price_levels(inputs.bars)
        if self.days < _LEAST_DAYS:
            raise DataError(f"{self.days} whole days are too few to resample a market")

    @property
    def days(self) -> int:
        """How many days can be drawn."""
        return len(self._first)

    def market(self, drawn: Rows) -> MarketInputs:
        """The market of the days ``drawn`` (numbers from 0), one after the other.

        Days that followed one another in the record follow as they did; others are joined by price.
        """
        length = self._length[drawn]
        ends = np.cumsum(length)
        place = np.arange(ends[-1]) - np.repeat(ends - length, length)
        rows = np.repeat(self._first[drawn], length) + place
        day = np.repeat(self._opens_at + np.arange(len(drawn)), length)
        bars = np.take(self._inputs.bars, rows, axis=0)  # records: much faster than indexing
        factor = np.repeat(self._factors(drawn), length, axis=0)
        _scale(bars, factor)
        return dataclasses.replace(
            self._inputs,
            time=day * DAY_NS + self._within[rows],
            bars=bars,
            signals=np.take(self._inputs.signals, rows, axis=0),
            finer=self._finer(rows, factor),
            portfolio=self._portfolio(drawn),
        )

    def _finer(self, rows: Rows, factor: Floats) -> Finer | None:
        """The finer bars inside the drawn rows, at their prices."""
        finer = self._inputs.finer
        if finer is None:
            return None
        first = finer.inside[rows]
        counts = finer.inside[rows + 1] - first
        inside = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.arange(inside[-1]) - np.repeat(inside[:-1], counts)
        bars = np.take(finer.bars, np.repeat(first, counts) + place, axis=0)
        _scale(bars, np.repeat(factor, counts, axis=0))
        return Finer(finer.interval_ns, bars, inside)

    def _portfolio(self, drawn: Rows) -> Portfolio | None:
        """What was known of the symbols together on each drawn day."""
        known = self._inputs.portfolio
        if known is None:
            return None
        day = (self._inputs.time[self._first[drawn]] - 1) // DAY_NS
        rows = np.maximum(known.row_at(day * DAY_NS), 0)
        since = (self._opens_at + np.arange(len(drawn), dtype=np.int64)) * DAY_NS
        return Portfolio(since, known.correlation[rows], known.weight[rows])

    def _factors(self, drawn: Rows) -> Floats:
        """By what each drawn day's prices are multiplied (days, symbols)."""
        opens = self._before[self._first[drawn]]
        closes = self._after[self._first[drawn] + self._length[drawn] - 1]
        start = self._before[self._first[0]]
        # A day that follows its own predecessor is joined by exactly 1.
        joints = np.concatenate([(start / opens[0])[None], closes[:-1] / opens[1:]])
        factors: Floats = np.cumprod(joints, axis=0)
        return factors


def _scale(bars: Records, factor: Floats) -> None:
    """Multiply all prices of the bars (rows, symbols) in place."""
    for name in PRICES:
        bars[name] *= factor


def _price_levels(bars: Records) -> tuple[Floats, Floats]:
    """The last close before each row, and with it (rows, symbols).

    Before a symbol's first bar it is that bar's open; a symbol that never has a bar stands at 1.
    """
    present = bars["present"] != 0
    rows = np.arange(len(bars))[:, None]
    last = np.maximum.accumulate(np.where(present, rows, -1), axis=0)
    symbol = np.arange(bars.shape[1])[None, :]
    opening = np.where(
        present.any(axis=0), bars["open"][np.argmax(present, axis=0), symbol[0]], 1.0
    )
    after: Floats = np.where(last >= 0, bars["close"][np.maximum(last, 0), symbol], opening)
    before: Floats = np.concatenate([opening[None], after[:-1]])
    return before, after
