"""The one accounting: fills, funding and marks booked into account and position records.

At every moment ``equity = deposits + realised + unrealised - fees - funding``. ``realised`` is price
profit at the prices actually filled, so slippage is already inside; ``slippage`` repeats it as a memo.
"""

from __future__ import annotations

from typing import Any

from riposte.compiled import borrowing
from riposte.engine.margin import liquidation_price

# A position smaller than this share of its largest size is dust of rounding: it is flat.
_DUST = 1e-9


@borrowing
def apply_fill(
    account: Any,
    position: Any,
    instrument: Any,
    side: int,
    quantity: float,
    price: float,
    fee: float,
    slippage: float,
    leverage: float,
) -> float:
    """Book a fill and return the profit it realised (USDT, before the fee).

    A fill on the position's side opens or adds: the entry price averages, margin grows by
    notional / ``leverage``. A fill on the other side reduces, at most to flat; margin is released in
    proportion. ``fee`` and ``slippage`` are positive USDT. The liquidation price is that of an isolated
    position; under cross margin :func:`riposte.engine.cross.place_liquidations` replaces it.
    """
    held = position["quantity"]
    realised = 0.0
    if held * side >= 0.0:
        total = abs(held) + quantity
        position["entry_price"] = (abs(held) * position["entry_price"] + quantity * price) / total
        position["quantity"] = side * total
        position["margin"] += quantity * price / leverage
        position["leverage"] = leverage
        position["max_quantity"] = max(position["max_quantity"], total)
        position["entry_notional"] += quantity * price
    else:
        closed = min(quantity, abs(held))
        realised = (price - position["entry_price"]) * closed * (1.0 if held > 0.0 else -1.0)
        left = abs(held) - closed
        if left <= _DUST * position["max_quantity"]:
            left = 0.0
        position["margin"] *= left / abs(held)
        position["quantity"] = left if held > 0.0 else -left
        position["exit_quantity"] += closed
        position["exit_notional"] += closed * price
    position["realised"] += realised
    position["fees"] += fee
    position["slippage"] += slippage
    account["realised"] += realised
    account["fees"] += fee
    account["slippage"] += slippage
    account["wallet"] += realised - fee
    if position["quantity"] == 0.0:
        position["margin"] = 0.0
        position["liquidation_price"] = 0.0
    else:
        position["liquidation_price"] = liquidation_price(
            instrument, position["quantity"], position["entry_price"], position["margin"]
        )
    return realised


@borrowing
def settle_funding(account: Any, position: Any, rate: float, mark: float) -> float:
    """Charge one funding rate on the position at ``mark``; longs pay a positive rate. Returns USDT paid."""
    paid = position["quantity"] * mark * rate
    position["funding"] += paid
    account["funding"] += paid
    account["wallet"] -= paid
    return paid


@borrowing
def unrealised(position: Any) -> float:
    """Profit of the open quantity at the position's mark price, USDT."""
    if position["quantity"] == 0.0:
        return 0.0
    return position["quantity"] * (position["mark"] - position["entry_price"])


@borrowing
def unrealised_of(positions: Any) -> float:
    """Sum of the open positions' profit at their marks, USDT."""
    total = 0.0
    for s in range(len(positions)):
        total += unrealised(positions[s])
    return total


@borrowing
def value_account(account: Any, positions: Any) -> float:
    """Recompute unrealised profit, equity and its peak from the positions' marks; returns equity."""
    total = unrealised_of(positions)
    account["unrealised"] = total
    account["equity"] = account["wallet"] + total
    account["peak_equity"] = max(account["peak_equity"], account["equity"])
    return account["equity"]


@borrowing
def exposure(positions: Any) -> float:
    """Sum of the positions' absolute notionals at mark, USDT."""
    total = 0.0
    for s in range(len(positions)):
        if positions[s]["quantity"] != 0.0:
            total += abs(positions[s]["quantity"]) * positions[s]["mark"]
    return total


@borrowing
def used_margin(positions: Any) -> float:
    """Sum of the positions' initial margins, USDT."""
    total = 0.0
    for s in range(len(positions)):
        total += positions[s]["margin"]
    return total
