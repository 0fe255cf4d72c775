"""One row of bars, one per symbol, walked from open to close: what the market does to orders and positions.

A step of the engine walks its own bars, or the finer bars inside them where there are any. Every phase is done for
all symbols before the next begins, so that no symbol is served because it stands first in a list: what reduces
at the open, what opens there (the surest first), the path through the bar, the close.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import inlined
from riposte.engine.accounting import settle_funding
from riposte.engine.cross import bankruptcy_margin, is_cross, place_liquidations
from riposte.engine.decide import next_surest
from riposte.engine.matching import (
    drop_remainder,
    execute_opening,
    execute_reduction,
    fill_resting,
    liquidate,
    match_bar,
)
from riposte.engine.records import Log, PortfolioRow, Records, Terms
from riposte.engine.review import opens


@inlined
def open_of_row(
    account: Any,
    positions: Records,
    pending: Records,
    row: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    opened: int,
    log: Log,
) -> None:
    """Let the approved orders that have arrived meet the opens (at ``opened``): first what reduces."""
    for s in range(len(pending)):
        order = pending[s]
        ready = order["approved"] == 1 and row[s]["present"] == 1 and order["arrives_at"] <= opened
        if ready and not opens(order):
            execute_reduction(
                account, positions, pending, s, row[s], instruments, terms, opened, log
            )
    s = -1
    for _ in range(len(pending)):
        s = next_surest(pending, s)
        order = pending[s]
        if opens(order) and row[s]["present"] == 1 and order["arrives_at"] <= opened:
            execute_opening(
                account,
                positions,
                pending,
                s,
                row[s],
                instruments,
                portfolio,
                terms,
                opened,
                log,
            )


@inlined
def path_of_row(
    account: Any,
    positions: Records,
    pending: Records,
    row: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    closed: int,
    log: Log,
) -> None:
    """Run resting entries, liquidations, stops and targets through the row."""
    if is_cross(terms):
        place_liquidations(account, positions, instruments, row, True)
    for s in range(len(positions)):
        if row[s]["present"] == 0:
            continue
        entered = False
        if pending[s]["approved"] == 1:
            entered = fill_resting(
                account,
                positions,
                pending,
                s,
                row[s],
                instruments,
                portfolio,
                terms,
                closed,
                log,
            )
            if entered and is_cross(terms):
                place_liquidations(account, positions, instruments, row, True)
        if positions[s]["quantity"] != 0.0:
            match_bar(
                account,
                positions[s],
                instruments[s],
                terms,
                s,
                row[s],
                bankruptcy_margin(account, positions, instruments, row, s, terms),
                entered,
                closed,
                log,
            )
        drop_remainder(positions[s], pending[s])


@inlined
def marked(bar: Any) -> float:
    """The price that values a position at the bar's close: the mark price, or the close without one."""
    mark = bar["mark"]
    return mark if mark > 0.0 and mark < np.inf else bar["close"]


@inlined
def liquidate_at_marks(
    account: Any,
    positions: Records,
    pending: Records,
    row: Records,
    instruments: Records,
    terms: Terms,
    closed: int,
    log: Log,
) -> None:
    """Liquidate what the mark price at the close has reached, though no trade of the bar has."""
    if is_cross(terms):
        place_liquidations(account, positions, instruments, row, False)
    for s in range(len(positions)):
        position = positions[s]
        if position["quantity"] == 0.0 or row[s]["present"] == 0:
            continue
        side = 1.0 if position["quantity"] > 0.0 else -1.0
        price = position["liquidation_price"]
        if price > 0.0 and (position["mark"] - price) * side <= 0.0:
            margin = bankruptcy_margin(account, positions, instruments, row, s, terms)
            liquidate(
                account,
                position,
                instruments[s],
                terms,
                s,
                position["mark"],
                margin,
                closed,
                log,
            )
            drop_remainder(position, pending[s])


@inlined
def close_of_row(
    account: Any,
    positions: Records,
    pending: Records,
    row: Records,
    instruments: Records,
    terms: Terms,
    closed: int,
    log: Log,
) -> None:
    """Mark positions, settle funding, and liquidate what the marks leave without margin."""
    held = False
    for s in range(len(positions)):
        bar = row[s]
        if bar["present"] == 0:
            continue
        position = positions[s]
        position["mark"] = marked(bar)
        position["last_close"] = bar["close"]
        position["last_time"] = closed
        if position["quantity"] != 0.0:
            held = True
            if bar["funding"] != 0.0 and terms.costs["funding"] == 1:
                settle_funding(account, position, bar["funding"], position["mark"])
    if held:
        liquidate_at_marks(account, positions, pending, row, instruments, terms, closed, log)


@inlined
def walk(
    account: Any,
    positions: Records,
    pending: Records,
    row: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    opened: int,
    closed: int,
    log: Log,
) -> None:
    """Walk one row of bars (S,) that opens at ``opened`` and closes at ``closed``, ns UTC."""
    waiting = False
    held = False
    for s in range(len(positions)):
        waiting |= pending[s]["approved"] == 1
        held |= positions[s]["quantity"] != 0.0
    if waiting:
        open_of_row(account, positions, pending, row, instruments, portfolio, terms, opened, log)
    if waiting or held:
        path_of_row(account, positions, pending, row, instruments, portfolio, terms, closed, log)
    close_of_row(account, positions, pending, row, instruments, terms, closed, log)
