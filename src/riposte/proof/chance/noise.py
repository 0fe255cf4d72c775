"""Frames in which nothing can be learned, of the shape of given ones: a driftless random walk."""

from __future__ import annotations

from collections.abc import Sequence

from riposte.market.assemble import assemble
from riposte.market.frame import MarketFrame, make_frame
from riposte.sources.synthetic import synthetic_market


def random_walks(frames: Sequence[MarketFrame], seed: int) -> tuple[MarketFrame, ...]:
    """A random walk for each frame: same symbol, interval and span, and only columns that it has.

    The price is a martingale; volume, open interest and funding answer to what it did and say nothing
    about what comes (:mod:`riposte.sources.synthetic`). What the generator has no series for (ratios,
    liquidations, the order book) is missing, and so are the features made of it.
    """
    interval = frames[0].interval
    start = min(int(frame.open_time[0]) for frame in frames)
    stop = max(int(frame.open_time[-1]) for frame in frames)
    made = synthetic_market(
        [frame.symbol for frame in frames],
        interval,
        start,
        (stop - start) // interval.ns + 1,
        seed,
        kind="random-walk",
    )
    walks = []
    for frame in frames:
        whole = assemble(frame.symbol, interval, made[frame.symbol])
        walk = whole.between(int(frame.open_time[0]), int(frame.open_time[-1]) + 1)
        kept = {name: values for name, values in walk.columns.items() if frame.has(name)}
        walks.append(make_frame(frame.symbol, interval, walk.open_time, kept))
    return tuple(walks)
