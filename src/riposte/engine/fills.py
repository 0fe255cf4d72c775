"""Fills of the fill model: market orders with spread and impact, opening, closing, trade records.

Market orders pay half the spread and the square-root impact of their share of the bar's volume.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing, inlined
from riposte.engine.accounting import apply_fill
from riposte.engine.decide import ENTER, clear, refuse
from riposte.engine.enums import Rule
from riposte.engine.limits import record_result
from riposte.engine.margin import against, floor_to
from riposte.engine.position import place_barriers
from riposte.engine.records import FILLS, TRADES, Log, PortfolioRow, Records, Terms
from riposte.engine.review import OK, notional_caps

PRICE_COLLAR = int(Rule.PRICE_COLLAR)
STALE_DATA = int(Rule.STALE_DATA)
PARTICIPATION = int(Rule.PARTICIPATION)

# What is left of an order below this share of it is dust of rounding: it is filled.
_DUST = 1e-9


@borrowing
def good_bar(bar: Any) -> bool:
    """Whether the bar is there and its prices can be: finite, positive, low <= open, close <= high."""
    if bar["present"] == 0:
        return False
    low, high = bar["low"], bar["high"]
    finite = np.isfinite(bar["open"]) and np.isfinite(bar["close"])
    return bool(
        finite
        and np.isfinite(low)
        and np.isfinite(high)
        and low > 0.0
        and low <= bar["open"] <= high
        and low <= bar["close"] <= high
    )


@borrowing
def slippage_fraction(instrument: Any, terms: Terms, bar: Any, notional: float) -> float:
    """Half-spread plus square-root impact of a market order of ``notional`` USDT in this bar."""
    volume = bar["quote_volume"]
    share = min(notional / volume, 1.0) if volume > 0.0 else 1.0
    volatility = bar["volatility"]
    if not np.isfinite(volatility):
        volatility = 0.0
    impact = terms.costs["impact"] * volatility * np.sqrt(share)
    return terms.costs["multiplier"] * (instrument["half_spread"] + impact)


@borrowing
def book(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    side: int,
    quantity: float,
    price: float,
    reference: float,
    fee_rate: float,
    leverage: float,
    reason: int,
    maker: int,
    gap: float,
    time: int,
    log: Log,
) -> None:
    """Book one fill into the accounts and the fill record.

    ``gap``: USDT of it that the price jumped beyond a stop's trigger; ``slippage`` starts where it jumped to.
    """
    fee = quantity * price * fee_rate * terms.costs["multiplier"]
    slippage = abs(price - reference) * quantity
    realised = apply_fill(
        account, position, instrument, side, quantity, price, fee, slippage, leverage
    )
    account["gap"] += gap
    position["gap"] += gap
    row = log.fills[log.counts[FILLS]]
    row["time"] = time
    row["symbol"] = symbol
    row["side"] = side
    row["reason"] = reason
    row["maker"] = maker
    row["quantity"] = quantity
    row["price"] = price
    row["reference_price"] = reference
    row["fee"] = fee
    row["slippage"] = slippage
    row["gap"] = gap
    row["realised"] = realised
    log.counts[FILLS] += 1


@borrowing
def taker_price(order: Any, bar: Any, instrument: Any, terms: Terms, notional: float) -> float:
    """Price of an opening order that takes ``notional`` USDT at the bar's open: never beyond its limit."""
    side = order["side"]
    slip = slippage_fraction(instrument, terms, bar, notional)
    price = against(side, bar["open"] * (1.0 + side * slip), instrument["tick_size"])
    if order["limit_price"] > 0.0:
        return min(price * side, order["limit_price"] * side) * side
    return price


@borrowing
def turned_away(
    order: Any, base: float, terms: Terms, maker: int, time: int
) -> tuple[int, float, float]:
    """Rules on an opening order that meets the market at the price ``base``: (rule, limit, value)."""
    age = time - order["decided_at"]
    if maker == 0 and age > terms.limits["stale_ns"]:
        return STALE_DATA, float(terms.limits["stale_ns"]), float(age)
    moved = abs(base / order["reference_price"] - 1.0)
    if moved > terms.limits["price_collar"]:
        return PRICE_COLLAR, terms.limits["price_collar"], moved
    return OK, 0.0, 0.0


@borrowing
def open_position(
    account: Any,
    positions: Records,
    pending: Records,
    symbol: int,
    bar: Any,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    maker: int,
    time: int,
    log: Log,
) -> None:
    """Fill an approved opening order as far as volume and limits allow at its price.

    As a taker at the bar's open (``time`` its open), or as a ``maker`` at the order's limit (``time`` the
    bar's close). Given up if the decision is too old or the price beyond the collar; cut to what the limits
    allow; what is more than its share of the bar's volume is left working.
    """
    order = pending[symbol]
    position = positions[symbol]
    instrument = instruments[symbol]
    base = order["limit_price"] if maker == 1 else bar["open"]
    rule, limit, value = turned_away(order, base, terms, maker, time)
    if rule != OK:
        refuse(log, time, symbol, rule, limit, value)
        clear(order)
        return
    side = order["side"]
    takeable = terms.costs["participation"] * bar["quote_volume"]
    price = base
    if maker == 0:
        wanted = min(order["quantity"] * base, takeable)
        price = taker_price(order, bar, instrument, terms, wanted)
    stop_fraction = order["stop_loss"]
    if position["quantity"] != 0.0:
        stop_fraction = max((price - position["stop_price"]) * side / price, 0.0)
    cap, rule = notional_caps(
        account,
        positions,
        pending,
        symbol,
        instruments,
        portfolio,
        terms,
        stop_fraction,
        order["leverage"],
    )
    if takeable < cap:
        cap, rule = takeable, PARTICIPATION
    quantity = floor_to(min(order["quantity"], max(cap, 0.0) / price), instrument["step_size"])
    too_small = order["filled"] == 0.0 and quantity * price < instrument["min_notional"]
    if quantity <= 0.0 or too_small:
        refuse(log, time, symbol, rule, cap, instrument["min_notional"])
        if rule != PARTICIPATION:
            clear(order)
        return
    is_new = position["quantity"] == 0.0
    if is_new:
        begin_trade(account, position, order, price, time)
    if order["kind"] == ENTER:
        position["first_quantity"] += quantity
    elif order["filled"] == 0.0:
        position["adds"] += 1
    book(
        account,
        position,
        instrument,
        terms,
        symbol,
        side,
        quantity,
        price,
        base,
        instrument["maker_fee"] if maker == 1 else instrument["taker_fee"],
        order["leverage"],
        order["reason"],
        maker,
        0.0,
        time,
        log,
    )
    if is_new:
        place_barriers(position, order, instrument, terms, price)
    left = order["quantity"] - quantity
    order["filled"] += quantity
    order["quantity"] = left
    if rule != PARTICIPATION or left < max(instrument["step_size"], _DUST * order["filled"]):
        clear(order)


@inlined
def begin_trade(account: Any, position: Any, order: Any, price: float, time: int) -> None:
    """Start the record of a new trade in a flat position."""
    # A forecast still waiting for its horizon is judged first; only models are judged at all.
    if position["forecast_direction"] == 0 and order["model_id"] >= 0:
        position["forecast_direction"] = order["side"]
        position["forecast_due"] = time + order["horizon_ns"]
        position["forecast_price"] = price
    position["first_quantity"] = 0.0
    position["max_quantity"] = 0.0
    position["realised"] = 0.0
    position["fees"] = 0.0
    position["funding"] = 0.0
    position["slippage"] = 0.0
    position["gap"] = 0.0
    position["entry_notional"] = 0.0
    position["exit_quantity"] = 0.0
    position["exit_notional"] = 0.0
    position["entry_price"] = 0.0
    position["adds"] = 0
    position["partials_taken"] = 0
    position["trailing"] = 0
    position["best_price"] = price
    position["worst_price"] = price
    position["mark"] = price
    position["opened_at"] = time
    position["expires_at"] = time + order["horizon_ns"]
    position["confidence"] = order["confidence"]
    position["regime"] = order["regime"]
    position["model_id"] = order["model_id"]
    position["equity_before"] = account["equity"]
    account["trades_today"] += 1


@inlined
def end_trade(
    account: Any,
    position: Any,
    terms: Terms,
    symbol: int,
    side: int,
    reason: int,
    time: int,
    log: Log,
) -> None:
    """Write the finished trade of ``side`` and count it as won or lost, net of fees and funding."""
    net = position["realised"] - position["fees"] - position["funding"]
    closed = position["exit_quantity"]
    row = log.trades[log.counts[TRADES]]
    row["symbol"] = symbol
    row["side"] = side
    row["exit_reason"] = reason
    row["regime"] = position["regime"]
    row["model_id"] = position["model_id"]
    row["opened_at"] = position["opened_at"]
    row["closed_at"] = time
    row["entry_price"] = position["entry_notional"] / closed
    row["exit_price"] = position["exit_notional"] / closed
    row["quantity"] = position["max_quantity"]
    row["realised"] = position["realised"]
    row["fees"] = position["fees"]
    row["funding"] = position["funding"]
    row["slippage"] = position["slippage"]
    row["gap"] = position["gap"]
    row["net"] = net
    row["net_fraction"] = net / position["equity_before"]
    row["confidence"] = position["confidence"]
    row["adds"] = position["adds"]
    row["best_price"] = position["best_price"]
    row["worst_price"] = position["worst_price"]
    log.counts[TRADES] += 1
    record_result(account, net > 0.0)
    pause = terms.limits["pause_after_losses"]
    if net <= 0.0 and pause > 0 and account["losses_in_row"] % pause == 0:
        account["paused_until"] = time + terms.limits["pause_ns"]
    position["stop_price"] = 0.0
    position["target_price"] = 0.0
    position["partial_prices"][:] = 0.0


@borrowing
def close_quantity(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    quantity: float,
    price: float,
    reference: float,
    fee_rate: float,
    reason: int,
    maker: int,
    gap: float,
    time: int,
    log: Log,
) -> None:
    """Reduce the position by ``quantity`` at ``price``; ends the trade when it becomes flat."""
    side = -1 if position["quantity"] > 0.0 else 1
    position["best_price"] = (
        max(position["best_price"], price) if side < 0 else min(position["best_price"], price)
    )
    position["worst_price"] = (
        min(position["worst_price"], price) if side < 0 else max(position["worst_price"], price)
    )
    book(
        account,
        position,
        instrument,
        terms,
        symbol,
        side,
        quantity,
        price,
        reference,
        fee_rate,
        position["leverage"],
        reason,
        maker,
        gap,
        time,
        log,
    )
    if position["quantity"] == 0.0:
        end_trade(account, position, terms, symbol, -side, reason, time, log)


@borrowing
def close_at_market(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    bar: Any,
    quantity: float,
    reference: float,
    gap: float,
    reason: int,
    time: int,
    log: Log,
) -> None:
    """Leave ``quantity`` by a market order around ``reference``; never refused for lack of volume, which
    the impact pays for instead."""
    side = -1 if position["quantity"] > 0.0 else 1
    slip = slippage_fraction(instrument, terms, bar, quantity * reference)
    price = against(side, reference * (1.0 + side * slip), instrument["tick_size"])
    close_quantity(
        account,
        position,
        instrument,
        terms,
        symbol,
        quantity,
        max(price, instrument["tick_size"]),
        reference,
        instrument["taker_fee"],
        reason,
        0,
        gap,
        time,
        log,
    )
