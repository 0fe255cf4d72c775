"""SPEC section 12, walk-forward: 24 months of 5m bars, 18 folds, the default models, on all cores.

Recorded 5m candles cover months only, so the market is the synthetic one (:mod:`riposte.sources.synthetic`):
its bars cost as much to learn from as real ones, and what is earned on them means nothing. Figures are
printed (``-s``) and in the extra info; nothing is asserted about time. It takes minutes:
``RIPOSTE_BENCH_FOLDS=3`` walks over the newest three folds only.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from riposte.features.provision import BUILT_IN, common_features
from riposte.labels.triple_barrier import triple_barrier
from riposte.layers.stack import fit_stack
from riposte.market.assemble import assemble
from riposte.market.frame import MarketFrame
from riposte.market.instrument import instrument_for
from riposte.market.interval import parse_interval
from riposte.proof.dataset import prepare, training_set
from riposte.proof.splits import walk_forward
from riposte.proof.study import Provenance, run_study
from riposte.settings.convert import plan_of
from riposte.settings.load import load_settings
from riposte.sources.synthetic import synthetic_market

SYMBOL = "BTCUSDT"
START = 1_577_836_800_000_000_000  # 2020-01-01
DAYS = 731  # 2020 and 2021
CORES = os.cpu_count() or 1
T = TypeVar("T")


@pytest.fixture(scope="module")
def frame() -> MarketFrame:
    interval = parse_interval("5m")
    made = synthetic_market([SYMBOL], interval, START, DAYS * 288, 7)
    return assemble(SYMBOL, interval, made[SYMBOL])


def timed(split: dict[str, float], what: str, work: Callable[[], T]) -> T:
    """The work's result; its CPU seconds go into ``split``."""
    started = time.process_time()
    found = work()
    split[what] = round(time.process_time() - started, 2)
    return found


@pytest.mark.benchmark(group="walk-forward, 24 months of 5m bars, default models")
def test_walk_forward(benchmark: Any, frame: MarketFrame) -> None:
    folds = int(os.environ.get("RIPOSTE_BENCH_FOLDS", "0"))
    flags = {"data.symbols": SYMBOL, "data.interval": "5m", "walkforward.folds": folds}
    plan = plan_of(load_settings(flags=flags).settings)
    about = Provenance("bench", "Synthetic market", real_data=False, created="", version="", settings="")  # fmt: skip

    def children() -> float:
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    before, own = children(), time.process_time()
    study = benchmark.pedantic(
        run_study,
        ([frame], [instrument_for(SYMBOL)], plan, about),
        {"workers": CORES},
        rounds=1,
        iterations=1,
    )
    figures = {
        "folds": len(study.folds),
        "bars": len(frame),
        "features": len(common_features([frame], BUILT_IN)),
        "training_rows": study.folds[-1].train_rows,
        "wall_seconds": round(benchmark.stats.stats.min, 1),
        "cpu_seconds": round(children() - before + time.process_time() - own, 1),
        "trades": len(study.run.trades),
    }
    benchmark.extra_info.update(figures)
    print(f"\nwalk-forward on {CORES} cores: {figures}")


@pytest.mark.benchmark(group="walk-forward: where the time of one fold goes")
def test_parts_of_a_fold(benchmark: Any, frame: MarketFrame) -> None:
    plan = plan_of(load_settings(flags={"data.symbols": SYMBOL, "data.interval": "5m"}).settings)
    split: dict[str, float] = {}
    wanted = common_features([frame], BUILT_IN)
    BUILT_IN(frame.rows(0, 3000), wanted)  # compiled and warm
    timed(split, "features, once", lambda: BUILT_IN(frame, wanted))
    timed(
        split,
        "labels, once",
        lambda: triple_barrier(
            frame, plan.barriers, reading=plan.reading, round_trip_cost=plan.round_trip_cost
        ),
    )
    data = prepare(
        frame,
        plan.barriers,
        reading=plan.reading,
        round_trip_cost=plan.round_trip_cost,
        wanted=wanted,
    )
    ends = int(frame.open_time[0]), int(frame.close_time[-1])
    fold = walk_forward(*ends, train_months=6, test_months=1, step_months=1)[9]
    horizon = plan.stack.forecast_horizon_ns
    training_set([data], fold, plan.embargo_ns, horizon)
    rows, _ = timed(
        split, "training rows", lambda: training_set([data], fold, plan.embargo_ns, horizon)
    )
    stack = timed(split, "fits", lambda: fit_stack(rows, plan.stack))
    some = slice(0, 30 * 288)
    timed(
        split,
        "answers for a month",
        lambda: stack.signals(
            rows.features[some],
            rows.take_profit[some],
            rows.stop_loss[some],
            plan.round_trip_cost,
            rows.time[some],
        ),
    )
    benchmark.extra_info["cpu_seconds"] = split
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\nCPU seconds: {split}")
