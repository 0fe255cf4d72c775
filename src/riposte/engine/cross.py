"""Cross margin: the whole account stands behind every position, and one price liquidates each.

A position is liquidated where the wallet, its own profit and that of all others no longer cover the
maintenance margins of all. While a bar is walked the others are taken at the worst price it shows them (or
where their stop takes them out): the adverse path of every symbol at once.

Source: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts" (cross margin mode).
"""

from __future__ import annotations

from typing import Any

from riposte.compiled import borrowing
from riposte.engine.margin import liquidation_price, maintenance_margin
from riposte.engine.parameters import MarginMode
from riposte.engine.records import Records, Terms

CROSS = int(MarginMode.CROSS)


@borrowing
def is_cross(terms: Terms) -> bool:
    """Whether the account uses cross margin."""
    return bool(terms.execution["margin_mode"] == CROSS)


@borrowing
def adverse_price(position: Any, bar: Any) -> float:
    """The worst price at which the bar still finds the position open: its extreme, but where it has a
    stop no worse than that stop, or the open that jumped it."""
    if bar["present"] == 0:
        return position["mark"]
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    worst = bar["low"] if side > 0.0 else bar["high"]
    stop = position["stop_price"]
    if (worst - stop) * side < 0.0:
        return min(stop * side, bar["open"] * side) * side
    return worst


@borrowing
def backing(
    account: Any,
    positions: Records,
    instruments: Records,
    bars: Records,
    symbol: int,
    stressed: bool,
    net: bool,
) -> float:
    """USDT that the account puts behind the position of ``symbol``: wallet and the others' profit.

    ``stressed``: the others at their worst of ``bars``, else at their marks. ``net``: less the maintenance
    margins of the others, which they need themselves.
    """
    total = account["wallet"]
    for s in range(len(positions)):
        other = positions[s]
        if s == symbol or other["quantity"] == 0.0:
            continue
        price = adverse_price(other, bars[s]) if stressed else other["mark"]
        total += other["quantity"] * (price - other["entry_price"])
        if net:
            total -= maintenance_margin(instruments[s], abs(other["quantity"]) * price)
    return total


@borrowing
def place_liquidations(
    account: Any, positions: Records, instruments: Records, bars: Records, stressed: bool
) -> None:
    """Set every open position's liquidation price from what the account puts behind it."""
    for s in range(len(positions)):
        position = positions[s]
        if position["quantity"] != 0.0:
            behind = backing(account, positions, instruments, bars, s, stressed, True)
            position["liquidation_price"] = liquidation_price(
                instruments[s], position["quantity"], position["entry_price"], behind
            )


@borrowing
def bankruptcy_margin(
    account: Any,
    positions: Records,
    instruments: Records,
    bars: Records,
    symbol: int,
    terms: Terms,
) -> float:
    """USDT that the position of ``symbol`` can lose before nothing is left behind it."""
    if is_cross(terms):
        return backing(account, positions, instruments, bars, symbol, True, False)
    return positions[symbol]["margin"]
