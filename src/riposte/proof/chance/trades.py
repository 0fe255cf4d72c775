"""Monte Carlo of trades: the same trades in other orders, some twice, some not at all.

A resample draws as many trades as there were, with replacement, in blocks that follow one another as
they did: the stationary bootstrap of Politis and Romano (1994), "The Stationary Bootstrap", JASA 89. In
each the account compounds, ``E <- E (1 + f)`` with ``f`` a trade's net result as a fraction of equity at
its entry, and three things are read off: the final return, the deepest fall from a peak, and the longest
run of trades that did not win.

What it leaves out: a fall *inside* a trade is not seen, trades that were open together are taken one
after the other, and no limit stops the account. So the drawdowns are those of closed trades, and the
probability of meeting the drawdown limit is that of an account which nobody pauses before it.
"""

from __future__ import annotations

import numpy as np

from riposte.compiled import compiled
from riposte.engine.records import Records
from riposte.market.frame import Floats
from riposte.proof.chance.block_length import stationary_block_length
from riposte.proof.chance.results import TradeLuck

RESAMPLES = 10_000


def resampled_trades(
    trades: Records, drawdown_limit: float, *, seed: int, resamples: int = RESAMPLES
) -> TradeLuck | None:
    """The spread of what these trades could have come to; None where there is no trade.

    ``trades`` are TRADE records; they are taken in the order in which they closed.
    ``drawdown_limit`` is the fraction of peak equity at which the account is shut down.
    """
    if len(trades) == 0:
        return None
    order = np.argsort(trades["closed_at"], kind="stable")
    fractions = np.ascontiguousarray(trades["net_fraction"][order])
    mean_block = stationary_block_length(fractions)
    drawn = resampled_paths(fractions, mean_block, resamples, np.random.default_rng(seed))
    actual = path_measures(fractions)
    return TradeLuck(
        trades=len(fractions),
        mean_block=mean_block,
        total_return=drawn[:, 0],
        max_drawdown=drawn[:, 1],
        losing_streak=drawn[:, 2],
        actual_return=float(actual[0]),
        actual_drawdown=float(actual[1]),
        actual_streak=float(actual[2]),
        drawdown_limit=drawdown_limit,
    )


@compiled
def path_measures(fractions: Floats) -> Floats:
    """(3,): final return, deepest fall from a peak, longest run of trades that did not win."""
    out = np.zeros(3)
    equity, peak, streak = 1.0, 1.0, 0.0
    for fraction in fractions:
        equity, peak, streak = _book(out, fraction, equity, peak, streak)
    return out


@compiled
def resampled_paths(
    fractions: Floats, mean_block: float, resamples: int, rng: np.random.Generator
) -> Floats:
    """:func:`path_measures` of each resample (resamples, 3), in blocks of ``mean_block`` on average."""
    count = len(fractions)
    fresh = 1.0 / mean_block
    out = np.zeros((resamples, 3))
    for number in range(resamples):
        equity, peak, streak, at = 1.0, 1.0, 0.0, -1
        for _ in range(count):
            if at < 0 or rng.random() < fresh:
                at = int(rng.random() * count)
            else:
                at = at + 1 if at + 1 < count else 0
            equity, peak, streak = _book(out[number], fractions[at], equity, peak, streak)
    return out


@compiled
def _book(
    row: Floats, fraction: float, equity: float, peak: float, streak: float
) -> tuple[float, float, float]:
    """Add a trade to an account and to its measures; an account that is lost stays lost."""
    equity *= max(1.0 + fraction, 0.0)
    peak = max(peak, equity)
    streak = 0.0 if fraction > 0.0 else streak + 1.0
    row[0] = equity - 1.0
    row[1] = max(row[1], 1.0 - equity / peak)
    row[2] = max(row[2], streak)
    return equity, peak, streak
