"""One bar for all symbols: open, path, close, limits, decision. Back-test, paper and live call this."""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import compiled, inlined
from riposte.engine.accounting import value_account
from riposte.engine.decide import anything_to_decide, decide
from riposte.engine.enums import Reason, Rule
from riposte.engine.fills import close_at_market, good_bar
from riposte.engine.limits import record_hit, update_limits
from riposte.engine.records import REFUSALS, Log, PortfolioRow, Records, Terms
from riposte.engine.walk import marked, walk

BAD_NUMBER = int(Rule.BAD_NUMBER)
END_OF_DATA = int(Reason.END_OF_DATA)


@compiled
def judge_forecast(account: Any, position: Any, bar: Any, terms: Terms, time: int) -> None:
    """When the horizon of an acted-on signal is over, count whether its direction was right."""
    direction = position["forecast_direction"]
    if direction == 0 or time < position["forecast_due"]:
        return
    moved = (bar["close"] - position["forecast_price"]) * direction
    record_hit(account, moved > 0.0, terms)
    position["forecast_direction"] = 0


@compiled
def judge_bars(account: Any, positions: Records, bars: Records, terms: Terms, time: int) -> float:
    """Judge the forecasts that are due; returns the largest volatility ratio of the bars, NaN unknown."""
    ratio = np.nan
    for s in range(len(positions)):
        bar = bars[s]
        if bar["present"] == 0:
            continue
        judge_forecast(account, positions[s], bar, terms, time)
        if not ratio >= bar["volatility_ratio"]:  # also when ratio is still NaN
            ratio = bar["volatility_ratio"]
    return ratio


@compiled
def refuse_false(bars: Records, time: int, log: Log) -> None:
    """Mark bars absent whose numbers cannot be true, on record."""
    for s in range(len(bars)):
        if bars[s]["present"] == 1 and not good_bar(bars[s]):
            bars[s]["present"] = 0
            row = log.refusals[log.counts[REFUSALS]]
            row["time"], row["symbol"], row["rule"] = time, s, BAD_NUMBER
            row["limit"], row["value"] = 0.0, bars[s]["close"]
            log.counts[REFUSALS] += 1


@compiled
def walk_inside(
    account: Any,
    positions: Records,
    pending: Records,
    bars: Records,
    finer: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    interval_ns: int,
    time: int,
    log: Log,
) -> None:
    """Walk the finer bars (F, S) that lie inside the bars (S,) which close at ``time``.

    Where a symbol has not all of its finer bars, its own bar is walked with the first of the others'.
    The bar's own close, mark and time stand at the end.
    """
    count, symbols = finer.shape
    length = interval_ns // count
    row = bars.copy()
    whole = np.ones(symbols, np.bool_)
    for i in range(count):
        for s in range(symbols):
            whole[s] &= bars[s]["present"] == 1 and good_bar(finer[i, s])
    for i in range(count):
        opened = time - interval_ns + i * length
        for s in range(symbols):
            if whole[s]:
                row[s] = finer[i, s]
            elif i > 0:
                row[s]["present"] = 0
        walk(
            account,
            positions,
            pending,
            row,
            instruments,
            portfolio,
            terms,
            opened,
            opened + length,
            log,
        )
    for s in range(symbols):
        if bars[s]["present"] == 1:
            positions[s]["mark"] = marked(bars[s])
            positions[s]["last_close"] = bars[s]["close"]
            positions[s]["last_time"] = time


@inlined
def step(
    account: Any,
    positions: Records,
    pending: Records,
    bars: Records,
    finer: Records,
    signals: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    interval_ns: int,
    time: int,
    log: Log,
) -> None:
    """Advance the account over the bar that closes at ``time``.

    ``pending`` (one INTENT per symbol) holds the orders decided before and working; those that have arrived
    meet this bar from its open on; on return it holds what works after this close. ``bars`` is (S,) and is not
    changed, except that a bar whose numbers cannot be true is marked absent and refused on record. ``finer``
    (F, S) are F bars of equal length inside it, F may be 0: they decide what happened on the way.
    """
    refuse_false(bars, time, log)
    if len(finer) > 0:
        walk_inside(
            account,
            positions,
            pending,
            bars,
            finer,
            instruments,
            portfolio,
            terms,
            interval_ns,
            time,
            log,
        )
    else:
        walk(
            account,
            positions,
            pending,
            bars,
            instruments,
            portfolio,
            terms,
            time - interval_ns,
            time,
            log,
        )
    ratio = judge_bars(account, positions, bars, terms, time)
    value_account(account, positions)
    update_limits(account, terms, time, ratio)
    if anything_to_decide(account, positions, pending, bars, signals, terms):
        decide(
            account,
            positions,
            bars,
            signals,
            instruments,
            portfolio,
            terms,
            interval_ns,
            time,
            pending,
            log,
        )


@compiled
def close_all(
    account: Any,
    positions: Records,
    bars: Records,
    instruments: Records,
    terms: Terms,
    time: int,
    log: Log,
) -> None:
    """Close every open position at its last close: the end of the data, not a decision."""
    for s in range(len(positions)):
        position = positions[s]
        if position["quantity"] != 0.0:
            close_at_market(
                account,
                position,
                instruments[s],
                terms,
                s,
                bars[s],
                abs(position["quantity"]),
                position["last_close"],
                0.0,
                END_OF_DATA,
                time,
                log,
            )
    value_account(account, positions)
