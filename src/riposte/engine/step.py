"""One bar for all symbols: open, path, close, limits, decision. Back-test, paper and live call this."""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import compiled, inlined
from riposte.engine.accounting import exposure, settle_funding, value_account
from riposte.engine.decide import anything_to_decide, decide
from riposte.engine.enums import Reason, Rule
from riposte.engine.fills import close_at_market, good_bar
from riposte.engine.limits import ACTIVE, record_hit, update_limits
from riposte.engine.matching import execute_pending, match_bar
from riposte.engine.quiet import cross, unmoved
from riposte.engine.records import Log, Records, Terms

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
def close_of_bar(account: Any, positions: Records, bars: Records, terms: Terms, time: int) -> float:
    """Mark positions, settle funding, value the account; returns the largest volatility ratio."""
    ratio = np.nan
    for s in range(len(positions)):
        bar = bars[s]
        if bar["present"] == 0:
            continue
        position = positions[s]
        mark = bar["mark"]
        position["mark"] = mark if np.isfinite(mark) and mark > 0.0 else bar["close"]
        position["last_close"] = bar["close"]
        position["last_time"] = time
        if position["quantity"] != 0.0 and bar["funding"] != 0.0 and terms.costs["funding"] == 1:
            settle_funding(account, position, bar["funding"], position["mark"])
        judge_forecast(account, position, bar, terms, time)
        if not ratio >= bar["volatility_ratio"]:  # also when ratio is still NaN
            ratio = bar["volatility_ratio"]
    value_account(account, positions)
    return ratio


@inlined
def step(
    account: Any,
    positions: Records,
    pending: Records,
    bars: Records,
    signals: Records,
    instruments: Records,
    terms: Terms,
    interval_ns: int,
    time: int,
    log: Log,
) -> None:
    """Advance the account over the bar that closes at ``time``.

    ``pending`` (one INTENT per symbol) holds what was decided at the previous close and is filled at
    this bar's open; on return it holds what was decided at this close. ``bars`` is (S,) and is not
    changed, except that a bar whose numbers cannot be true is marked absent and refused on record.
    """
    for s in range(len(positions)):
        if bars[s]["present"] == 0:
            continue
        if not good_bar(bars[s]):
            bars[s]["present"] = 0
            row = log.refusals[log.counts[2]]
            row["time"], row["symbol"], row["rule"] = time, s, BAD_NUMBER
            row["limit"], row["value"] = 0.0, bars[s]["close"]
            log.counts[2] += 1
            continue
        if pending[s]["approved"] == 1:
            execute_pending(
                account, positions, pending, s, bars[s], instruments, terms, time - interval_ns, log
            )
        if positions[s]["quantity"] != 0.0:
            match_bar(account, positions[s], instruments[s], terms, s, bars[s], time, log)
    ratio = close_of_bar(account, positions, bars, terms, time)
    update_limits(account, terms, time, ratio)
    if anything_to_decide(account, positions, bars, signals, terms):
        decide(
            account, positions, bars, signals, instruments, terms, interval_ns, time, pending, log
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
                END_OF_DATA,
                time,
                log,
            )
    value_account(account, positions)


@compiled
def run_bars(
    start: int,
    account: Any,
    positions: Records,
    pending: Records,
    time: Any,
    bars: Records,
    signals: Records,
    instruments: Records,
    terms: Terms,
    interval_ns: int,
    equity: Any,
    exposures: Any,
    states: Any,
    halts: Any,
    log: Log,
    quietly: int,
) -> int:
    """The loop: :func:`step` for each row of (T, S) arrays from ``start``.

    Returns the row it stopped at: T when done, or earlier when the log might not hold what the next
    step can write; the caller makes room and calls again. ``bars`` and ``signals`` are only read. Bars in
    which nothing can happen are crossed without a step (:mod:`riposte.engine.quiet`), unless ``quietly``
    is 0; the result is the same.
    """
    symbols = len(positions)
    row = bars[0].copy() if len(time) else bars[:0].reshape(-1)
    t, stepped = start, False
    while t < len(time):
        judged = stepped or account["state"] == ACTIVE
        if quietly == 1 and judged and unmoved(account, positions, pending, terms):
            t = cross(
                t, account, positions, pending, time, bars, signals, terms,
                equity, exposures, states, halts,
            )  # fmt: skip
            if t == len(time):
                break
        if (
            log.counts[0] + 2 * symbols > len(log.trades)
            or log.counts[1] + 4 * symbols > len(log.fills)
            or log.counts[2] + 3 * symbols > len(log.refusals)
        ):
            return t
        for s in range(symbols):  # a step marks bad bars absent, in a copy
            row[s] = bars[t, s]
        step(
            account,
            positions,
            pending,
            row,
            signals[t],
            instruments,
            terms,
            interval_ns,
            time[t],
            log,
        )
        equity[t] = account["equity"]
        held = exposure(positions)
        exposures[t] = held / account["equity"] if held > 0.0 else 0.0
        states[t] = account["state"]
        halts[t] = account["halt"]
        t, stepped = t + 1, True
    return t
