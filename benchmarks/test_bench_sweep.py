"""A thousand sets of engine settings, four symbols, five years of hourly bars: one sweep, on all cores.

Real candles, funding, marks and open interest; the signals are those of the open-interest rule, whose data
begin in 2021. Figures are printed (``-s``) and in the extra info; nothing is asserted about time.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from riposte.engine.run import MarketInputs
from riposte.layers.open_interest import open_interest_signals
from riposte.layers.position.inputs import market_inputs
from riposte.market.instrument import instrument_for
from riposte.market.interval import DAY_NS, parse_interval
from riposte.proof.sweep import compile_engine, judge, sweep
from riposte.settings.convert import parse_timerange, plan_of
from riposte.settings.schema import Settings
from riposte.settings.sweep import read_sweep, variants_of
from riposte.sources.files import import_archive
from riposte.stores.frames import load_frame
from riposte.stores.lake import Lake

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT")
SETS = 1000
WIDE = """
[position]
min_confidence = { from = 0.55, to = 0.85 }
sizing = ["confidence", "fixed-fraction", "volatility-target", "fractional-kelly"]
partial_at = [[], [0.5]]
trail_after = { from = 0.0, to = 2.0 }
trail_distance = { from = 0.5, to = 2.0 }
add_after = [0.0, 1.0]
[barriers]
take_profit = { from = 0.5, to = 3.0, log = true }
stop_loss = { from = 0.5, to = 2.0, log = true }
horizon = { from = "6h", to = "72h" }
[risk]
max_leverage = { from = 1, to = 5 }
trades_per_day = { from = 3, to = 15 }
[costs]
multiplier = [1.0, 2.0]
[backtest]
resumes_after = ["1d", "7d", "never"]
"""


@pytest.fixture(scope="module")
def inputs(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> MarketInputs:
    lake, hour = Lake(tmp_path_factory.mktemp("lake")), parse_interval("1h")
    import_archive(market_data, SYMBOLS, [hour], lake, lambda *_: None)
    _, stop = parse_timerange("-20250630")
    assert stop is not None
    frames = [load_frame(lake, s, hour, stop - 5 * 365 * DAY_NS, stop) for s in SYMBOLS]
    plan = plan_of(Settings())
    spoken = [open_interest_signals(frame, 1e-9) for frame in frames]
    instruments = [instrument_for(symbol) for symbol in SYMBOLS]
    return market_inputs(
        frames,
        spoken,
        plan.barriers,
        instruments,
        windows=plan.windows,
        portfolio=plan.portfolio,
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.benchmark(group="a sweep of 1,000 sets, 4 symbols, 5 years of 1h bars")
@pytest.mark.parametrize("workers", sorted({1, os.cpu_count() or 1}))
def test_a_thousand_sets(
    benchmark: Any, inputs: MarketInputs, tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(WIDE)
    settings = Settings()
    variants = variants_of(settings, read_sweep(path, settings, sets=SETS))
    compile_engine(inputs, variants[0])
    before, cpu = peak_mib(), time.process_time()
    swept = benchmark.pedantic(
        sweep, (inputs, variants), {"workers": workers}, rounds=1, iterations=1
    )
    cpu = time.process_time() - cpu
    started = time.process_time()
    verdict = judge(swept)
    figures = {
        "wall_seconds": round(benchmark.stats.stats.min, 1),
        "cpu_seconds": round(cpu, 1),
        "judging_cpu_seconds": round(time.process_time() - started, 1),
        "million_symbol_bars": round(inputs.bars.size * len(variants) / 1e6),
        "million_symbol_bars_per_cpu_second": round(
            inputs.bars.size * len(variants) / cpu / 1e6, 1
        ),
        "trades": int(swept.metrics["trades"].sum()),
        "extra_mib": round(peak_mib() - before),
        "inputs_mib": round((inputs.bars.nbytes + inputs.signals.nbytes) / 2**20),
        "best_sharpe": round(float(swept.metrics["sharpe"][verdict.ranked[0]]), 2),
        "best_deflated": round(float(verdict.deflated[verdict.ranked[0]]), 4),
        "pbo": round(verdict.overfitting, 2),
    }
    benchmark.extra_info.update(figures)
    print(f"\n{len(variants)} sets, {workers} threads, {inputs.bars.shape}: {figures}")
