"""Many sets of engine settings over one market and one set of signals, and what the best of them proves.

What was said about the market is decided once; each set trades it under its own rules. Sets run side by
side in threads (compiled code holds no lock) over one market in memory: only the widths of the barriers,
which a set may change, are written anew, into room of its own for each thread. A set's numbers do not
depend on the other sets, on their order or on the number of threads.

Picking the best of many is itself a way to fit chance, so the result comes with what luck alone would
show (:func:`judge`): the deflated Sharpe ratio and the probability of back-test overfitting.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import Records
from riposte.engine.run import MarketInputs, reordered, run, sliced
from riposte.market.barriers import Barriers, widths_at
from riposte.market.frame import Floats
from riposte.proof import overfitting, sharpe
from riposte.proof.metrics import DAYS_PER_YEAR, METRICS, daily_returns, measure

Value = float | int | str | bool | tuple[float, ...]
Progress = Callable[[int, int], None]

# Ways to halve the history grow with its blocks: 924 of twelve. Sixteen would take longer than the sweep.
_BLOCKS = 12


@dataclass(frozen=True, slots=True)
class Variant:
    """One set: the settings it changes, by dotted key, and what follows from them.

    ``barriers`` must scale the same way and look back as far as those the market was made with, since the
    volatility and the true range of each bar are part of the market.
    """

    values: Mapping[str, Value]
    engine: EngineConfig
    barriers: Barriers


@dataclass(frozen=True, slots=True)
class Swept:
    """What N sets made of the market: a column of N for each name of METRICS, and the net returns
    (days, N) of UTC days, fractions."""

    variants: tuple[Variant, ...]
    metrics: Mapping[str, Floats]
    returns: Floats


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sets prove together.

    ``ranked``: numbers of the sets, the highest Sharpe ratio first, those without one last. ``trials``: how
    many variants were tried on this history, these sets included. ``lucky_sharpe``: the yearly ratio that
    the best of so many worthless ones would show. ``deflated`` (N,): for each set, the probability that its
    true Sharpe ratio is above zero although so many were tried. ``overfitting``: how often the best of one
    half of the history is below the median in the other (PBO); NaN where the history is too short, or there
    is nothing to choose between.
    """

    ranked: tuple[int, ...]
    trials: int
    lucky_sharpe: float
    deflated: Floats
    overfitting: float


def sweep(
    inputs: MarketInputs,
    variants: Sequence[Variant],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Swept:
    """Trade ``inputs`` under every set, in ``workers`` threads; ``progress(done, total)`` after each.

    ``inputs`` is only read. Whoever interrupts waits for the sets that have begun, no longer.

    Raises:
        ValueError: if there are no sets.
    """
    if not variants:
        raise ValueError("nothing to sweep: no sets")
    report = progress or (lambda _done, _total: None)
    workers = max(1, min(workers, len(variants)))
    inputs = by_name(inputs)  # once, or every run would
    room: SimpleQueue[Records] = SimpleQueue()
    for _ in range(workers):
        room.put(inputs.signals.copy())

    def judged(variant: Variant) -> tuple[Mapping[str, float], Floats]:
        signals = room.get()
        try:
            return _trade(inputs, signals, variant)
        finally:
            room.put(signals)

    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(judged, variant) for variant in variants]
        try:
            for done, each in enumerate(as_completed(waiting), 1):
                each.result()
                report(done, len(variants))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        found = [each.result() for each in waiting]
    return Swept(
        variants=tuple(variants),
        metrics={name: np.array([metrics[name] for metrics, _ in found]) for name in METRICS},
        returns=np.column_stack([returns for _, returns in found]),
    )


def by_name(inputs: MarketInputs) -> MarketInputs:
    """The same market with its symbols in the order in which the engine works on them."""
    order = sorted(range(len(inputs.symbols)), key=inputs.symbols.__getitem__)
    return inputs if order == list(range(len(order))) else reordered(inputs, order)


def compile_engine(inputs: MarketInputs, variant: Variant) -> None:
    """Trade one bar, so that what is compiled at first use is compiled."""
    run(sliced(inputs, 0, 1), variant.engine)


def _trade(
    inputs: MarketInputs, signals: Records, variant: Variant
) -> tuple[Mapping[str, float], Floats]:
    """The measures and the daily returns of one set, ``signals`` being room to write its widths in."""
    base = inputs.bars["atr" if variant.barriers.scale == "atr" else "volatility"]
    widths = widths_at(base, inputs.interval_ns, variant.barriers)
    signals["take_profit"], signals["stop_loss"] = widths
    signals["horizon_ns"] = variant.barriers.horizon_ns
    result = run(dataclasses.replace(inputs, signals=signals), variant.engine)
    start = variant.engine.starting_equity
    measures = measure(
        result.time,
        result.equity,
        start,
        trades=result.trades,
        fills=result.fills,
        exposure=result.exposure,
    )
    return measures, daily_returns(result.time, result.equity, start)


def judge(swept: Swept, earlier: int = 0) -> Verdict:
    """What the sets prove, ``earlier`` variants having been tried on this history before.

    The ratios of the sets stand for those of the earlier variants too, whose returns are gone.
    """
    estimates = [sharpe.estimate(column) for column in swept.returns.T]
    ratios = [each.sharpe for each in estimates]
    trials = len(estimates) + earlier
    variance = sharpe.variance_of(ratios)
    deflated = np.array([sharpe.deflated_sharpe_ratio(e, trials, variance) for e in estimates])
    lucky = sharpe.expected_maximum_sharpe(trials, variance)
    blocks = overfitting.blocks_for(len(swept.returns), most=_BLOCKS)
    comparable = len(estimates) > 1 and blocks > 0
    return Verdict(
        ranked=tuple(
            int(i)
            for i in np.argsort(-np.nan_to_num(np.array(ratios), nan=-math.inf), kind="stable")
        ),
        trials=trials,
        lucky_sharpe=lucky * DAYS_PER_YEAR**0.5,
        deflated=deflated,
        overfitting=(
            overfitting.probability_of_overfitting(swept.returns, blocks).probability
            if comparable
            else math.nan
        ),
    )
