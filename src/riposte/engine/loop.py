"""The loop over time: one step per bar, quiet bars crossed without one."""

from __future__ import annotations

from typing import Any

from riposte.compiled import borrowing
from riposte.engine.accounting import exposure
from riposte.engine.fills import good_bar
from riposte.engine.limits import ACTIVE
from riposte.engine.quiet import cross, unmoved
from riposte.engine.records import FILLS, REFUSALS, TRADES, Log, PortfolioRow, Records, Terms
from riposte.engine.step import step

# What one row of one symbol can write at most: an order that reduces, one that opens, a resting one, four
# partial targets and a target or a stop; and why something was refused at its open, on its way, at its close.
_TRADES, _FILLS, _REFUSALS = 3, 9, 4


@borrowing
def busy_rows(bars: Records, finer: Records, inside: Any, busy: Any) -> None:
    """Set ``busy`` (T,) to 1 where finer bars may do more inside a bar than the bar itself tells."""
    for t in range(len(bars)):
        for s in range(bars.shape[1]):
            bar = bars[t, s]
            count = inside[t + 1] - inside[t]
            if count == 0:
                continue
            low, high = finer[inside[t], s]["low"], finer[inside[t], s]["high"]
            for i in range(inside[t], inside[t + 1]):
                inner = finer[i, s]
                low, high = min(low, inner["low"]), max(high, inner["high"])
                mark = inner["mark"]
                within = not (mark < bar["low"] or mark > bar["high"])
                if not (good_bar(inner) and inner["funding"] == 0.0 and within):
                    busy[t] = 1
            if low != bar["low"] or high != bar["high"]:
                busy[t] = 1


@borrowing
def has_room(log: Log, rows: int) -> bool:
    """Whether the log can hold what ``rows`` rows of one symbol can write at most."""
    return bool(
        log.counts[TRADES] + _TRADES * rows <= len(log.trades)
        and log.counts[FILLS] + _FILLS * rows <= len(log.fills)
        and log.counts[REFUSALS] + _REFUSALS * rows <= len(log.refusals)
    )


@borrowing
def run_bars(
    start: int,
    account: Any,
    positions: Records,
    pending: Records,
    time: Any,
    bars: Records,
    finer: Records,
    inside: Any,
    busy: Any,
    rooms: Records,
    watch: Records,
    signals: Records,
    instruments: Records,
    since: Any,
    correlation: Any,
    weight: Any,
    terms: Terms,
    interval_ns: int,
    equity: Any,
    exposures: Any,
    states: Any,
    halts: Any,
    log: Log,
    quietly: int,
) -> int:
    """The loop: :func:`~riposte.engine.step.step` for each row of (T, S) arrays from ``start``.

    ``finer`` (N, S) holds the finer bars, of which rows ``inside[t]`` to ``inside[t + 1]`` lie in bar t;
    ``busy`` (T,) the bars in which they may do more than the bar tells (empty without finer bars). Row e of
    ``correlation`` (E, S, S) and ``weight`` (E, S) holds for the opens and the closes from ``since[e]`` on;
    ``since[0]`` lies before all. ``rooms`` (2, S) of BAR and ``watch`` (S,) of WATCH are room to work in.

    Returns the row it stopped at: T when done, or earlier when the log might not hold what the next
    step can write; the caller makes room and calls again. The market is only read. Bars in
    which nothing can happen are crossed without a step (:mod:`riposte.engine.quiet`), unless ``quietly``
    is 0; the result is the same.
    """
    symbols = len(positions)
    row, room = rooms[0], rooms[1]
    t, stepped, epoch, before = start, False, 0, 0
    while t < len(time):
        judged = stepped or account["state"] == ACTIVE
        if quietly == 1 and judged and unmoved(account, positions, pending, terms):
            t = cross(
                t, account, positions, pending, time, bars, signals, busy, terms, watch,
                equity, exposures, states, halts,
            )  # fmt: skip
            if t == len(time):
                break
        if not has_room(log, symbols * max(1, inside[t + 1] - inside[t])):
            return t
        for s in range(symbols):  # a step marks bad bars absent, in a copy
            row[s] = bars[t, s]
        while epoch + 1 < len(since) and since[epoch + 1] <= time[t]:
            epoch += 1
        while before + 1 < len(since) and since[before + 1] <= time[t] - interval_ns:
            before += 1
        step(
            account,
            positions,
            pending,
            row,
            finer[inside[t] : inside[t + 1]],
            room,
            signals[t],
            instruments,
            PortfolioRow(correlation[before], weight[before]),
            PortfolioRow(correlation[epoch], weight[epoch]),
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
