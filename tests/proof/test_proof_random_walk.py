"""On a market in which nothing can be learned nothing is earned: seeds of a driftless random walk, with their spread."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_study import market, plan

from riposte.engine.run import run
from riposte.market.instrument import Instrument
from riposte.proof.unseen import walk


@pytest.mark.slow
def test_on_a_driftless_random_walk_nothing_is_earned(
    instruments: tuple[Instrument, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = 8
    net, gross, trades = [], [], 0
    for seed in range(seeds):
        frames = market(100 + seed, months=10, kind="random-walk")
        known = walk(frames, instruments, plan(0.5), workers=1)
        engine = plan(0.5).engine
        paid = run(known.inputs, engine)
        free = run(
            known.inputs,
            dataclasses.replace(engine, costs=dataclasses.replace(engine.costs, multiplier=0.0)),
        )
        net.append(paid.equity[-1] / engine.starting_equity - 1.0)
        gross.append(free.equity[-1] / engine.starting_equity - 1.0)
        trades += len(paid.trades)

    def interval(values: list[float]) -> tuple[float, float, float]:
        middle, error = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
        return (
            float(middle - 2.36 * error),
            float(middle),
            float(middle + 2.36 * error),
        )  # t, 7 d.f.

    low, middle, high = interval(net)
    free_low, free_middle, free_high = interval(gross)
    with capsys.disabled():
        print(
            f"\nrandom walk, {seeds} seeds, {trades} trades: net {middle:+.2%} "
            f"[{low:+.2%}, {high:+.2%}], without costs {free_middle:+.2%} "
            f"[{free_low:+.2%}, {free_high:+.2%}]"
        )
    assert trades > 50 * seeds
    assert low <= 0.0
    assert middle < free_middle  # costs are charged
    assert free_low <= 0.0 <= free_high or free_high <= 0.0
