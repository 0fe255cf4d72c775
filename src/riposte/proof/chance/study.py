"""What every study says about chance: its trades and its market drawn anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from riposte.engine.parameters import EngineConfig
from riposte.engine.records import Records
from riposte.engine.run import MarketInputs
from riposte.proof.chance.markets import resampled_markets
from riposte.proof.chance.measure import measured
from riposte.proof.chance.results import Chance
from riposte.proof.chance.trades import resampled_trades


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often the trades and the market of a study are drawn anew."""

    trades: int = 10_000
    markets: int = 200


def chance_of(
    inputs: MarketInputs,
    everywhere: MarketInputs,
    engine: EngineConfig,
    trades: Records,
    resampling: Resampling,
    *,
    horizon_ns: int,
    seed: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Chance:
    """The study's signals under chance, without null tests: those are long work and drawn apart.

    ``everywhere``: the same market with its signals outspoken (:mod:`riposte.proof.chance.measure`).

    Raises:
        DataError: if the market is too short to be cut into days.
    """
    return Chance(
        trades=resampled_trades(
            trades, engine.limits.max_drawdown, seed=seed, resamples=resampling.trades
        ),
        market=resampled_markets(
            inputs,
            engine,
            horizon_ns=horizon_ns,
            resamples=resampling.markets,
            seed=seed,
            workers=workers,
            progress=progress,
        ),
        real=measured(inputs, everywhere, engine),
    )
