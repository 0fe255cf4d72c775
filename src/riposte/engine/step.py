"""One bar for all symbols: open, path, close, limits, decision. Back-test, paper and live call this."""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing, inlined
from riposte.engine.accounting import value_account
from riposte.engine.decide import anything_to_decide, decide
from riposte.engine.enums import Reason, Rule
from riposte.engine.fills import close_at_market, good_bar
from riposte.engine.limits import record_hit, update_limits
from riposte.engine.records import REFUSALS, Log, PortfolioRow, Records, Terms
from riposte.engine.walk import marked, walk

BAD_NUMBER = int(Rule.BAD_NUMBER)
END_OF_DATA = int(Reason.END_OF_DATA)


@inlined
def judge_forecast(account: Any, position: Any, bar: Any, terms: Terms, time: int) -> None:
    """When the horizon of an acted-on signal is over, count whether its direction was right."""
    direction = position["forecast_direction"]
    if direction == 0 or time < position["forecast_due"]:
        return
    moved = (bar["close"] - position["forecast_price"]) * direction
    record_hit(account, moved > 0.0, terms)
    position["forecast_direction"] = 0


@inlined
def judge_bars(account: Any, positions: Records, bars: Records, terms: Terms, time: int) -> float:
    """Judge the forecasts that are due; returns the largest volatility ratio of the bars, NaN unknown."""
    ratio = np.nan
    for s in range(len(positions)):
        bar = bars[s]
        if bar["present"] == 0:
            continue
        judge_forecast(account, positions[s], bar, terms, time)
        own = bar["volatility_ratio"]
        if own > ratio or np.isnan(ratio):  # one that is not known hides none that is
            ratio = own
    return ratio


@inlined
def refuse_false(bars: Records, time: int, log: Log) -> None:
    """Mark bars absent whose numbers cannot be true, on record."""
    for s in range(len(bars)):
        if bars[s]["present"] == 1 and not good_bar(bars[s]):
            bars[s]["present"] = 0
            row = log.refusals[log.counts[REFUSALS]]
            row["time"], row["symbol"], row["rule"] = time, s, BAD_NUMBER
            row["limit"], row["value"] = 0.0, bars[s]["close"]
            log.counts[REFUSALS] += 1


@borrowing
def whole_inside(bars: Records, finer: Records) -> int:
    """Bit s is set where all finer bars (F, S) of symbol s are there, and its own bar too."""
    whole = 0
    for s in range(len(bars)):
        there = bars[s]["present"] == 1
        for i in range(len(finer)):
            there &= good_bar(finer[i, s])
        whole |= there << s
    return whole


@borrowing
def lay_row(row: Records, bars: Records, finer: Records, whole: int, i: int) -> None:
    """Put the ``i``-th finer bars into ``row``; a symbol that has not all of them is walked by its own bar,
    with the first of the others'."""
    for s in range(len(row)):
        if (whole >> s) & 1:
            row[s] = finer[i, s]
        elif i == 0:
            row[s] = bars[s]
        else:
            row[s]["present"] = 0


@borrowing
def end_row(positions: Records, bars: Records, time: int) -> None:
    """After finer bars the bar's own close, mark and time stand."""
    for s in range(len(bars)):
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
    room: Records,
    signals: Records,
    instruments: Records,
    before: PortfolioRow,
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
    (F, S) are F bars of equal length inside it, F may be 0: they decide what happened on the way, one row
    after the other in ``room`` (S,). ``before`` is what was known of the symbols together at the bar's open, by
    which its fills are judged; ``portfolio`` at its close, for what is decided there.
    """
    refuse_false(bars, time, log)
    count = len(finer)
    whole = whole_inside(bars, finer) if count > 0 else 0
    length = interval_ns // max(count, 1)
    for i in range(max(count, 1)):
        if count > 0:
            lay_row(room, bars, finer, whole, i)
        closed = time - interval_ns + (i + 1) * length
        walk(
            account,
            positions,
            pending,
            room if count > 0 else bars,
            instruments,
            before,
            terms,
            closed - length,
            closed,
            log,
        )
    if count > 0:
        end_row(positions, bars, time)
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


@borrowing
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
