"""What the system must beat: holding, chance with the same risk, and the open-interest rule alone.

All of them go through the same engine, limits and costs, except holding, which is the accounting alone:
it has no stop to limit.
"""

from __future__ import annotations

import numpy as np

from riposte.engine.accounting import apply_fill, settle_funding, value_account
from riposte.engine.parameters import EngineConfig
from riposte.engine.records import instrument_records, new_account, new_positions
from riposte.engine.run import MarketInputs, RunResult, run
from riposte.market.frame import Floats
from riposte.proof.backtest import outcome, with_directions
from riposte.proof.metrics import METRICS, curve_measures
from riposte.proof.results import Outcome


def buy_and_hold(inputs: MarketInputs, start_equity: float) -> Outcome:
    """Equal weights bought at the first open without leverage and held; fees and funding charged."""
    symbols = len(inputs.symbols)
    account, positions = new_account(start_equity), new_positions(symbols)
    instruments = instrument_records(inputs.instruments)
    equity = np.zeros(len(inputs.time))
    bought = 0.0
    bars = inputs.bars
    for t in range(len(inputs.time)):
        for s in range(symbols):
            bar, position = bars[t, s], positions[s]
            if bar["present"] == 0:
                continue
            if position["quantity"] == 0.0:
                notional = start_equity / symbols / (1.0 + instruments[s]["taker_fee"])
                fee = notional * instruments[s]["taker_fee"]
                quantity = notional / bar["open"]
                apply_fill(
                    account, position, instruments[s], 1, quantity, bar["open"], fee, 0.0, 1.0
                )
                bought += notional
            position["mark"] = bar["close"]
            if bar["funding"] != 0.0:
                paid = settle_funding(account, position, bar["funding"], bar["close"])
                # Paid by selling a little, received by buying: else paying would build up leverage.
                side, coins = (-1, paid / bar["close"]) if paid > 0.0 else (1, -paid / bar["close"])
                apply_fill(
                    account, position, instruments[s], side, coins, bar["close"], 0.0, 0.0, 1.0
                )
        equity[t] = value_account(account, positions)
    measures = dict.fromkeys(METRICS, np.nan) | curve_measures(inputs.time, equity, start_equity)
    measures |= {
        "exposure": 1.0,
        "turnover": 0.0,
        "trades": float(symbols),
        "fees": float(account["fees"]),
        "funding": float(account["funding"]),
        "slippage": 0.0,
        "gap": 0.0,
    }
    note = "Equal weights bought at the start and held; fees charged, funding paid out of the position."
    return Outcome("Buy and hold", note, inputs.time, equity, measures)


def random_entries(
    inputs: MarketInputs, config: EngineConfig, *, seeds: int, seed: int
) -> tuple[Outcome, Floats]:
    """Entries at chance times in chance directions, as many as the system's signals.

    Same holding rules, limits and costs. The outcome shown is that of the median seed; the second value
    is the net return of every seed.
    """
    acted = (inputs.signals["direction"] != 0) & (
        inputs.signals["confidence"] >= config.rules.min_confidence
    )
    rng = np.random.default_rng(seed)
    spoken = inputs.signals["model_id"] >= 0
    share = acted.sum() / max(int(spoken.sum()), 1)
    results: list[RunResult] = []
    for _ in range(seeds):
        wanted = spoken & (rng.random(acted.shape) < share)
        direction = np.where(wanted, rng.choice([-1, 1], acted.shape), 0).astype(np.int8)
        confidence = np.where(wanted, config.rules.min_confidence, 0.0)
        results.append(run(with_directions(inputs, direction, confidence), config))
    returns = np.array([r.equity[-1] / config.starting_equity - 1.0 for r in results])
    middle = results[int(np.argsort(returns)[len(returns) // 2])]
    low, high = np.quantile(returns, [0.05, 0.95])
    note = (
        f"As many entries as the system had signals, at chance times and sides; median of {seeds} seeds, "
        f"5 to 95 % of them from {low:+.1%} to {high:+.1%}."
    )
    return outcome("Random entries", note, middle, config.starting_equity), returns
