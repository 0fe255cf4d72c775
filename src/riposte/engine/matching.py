"""What one bar does to a position and its waiting orders: the fill model of back-test and paper.

Within a bar the adverse path comes first: liquidation or stop before any target. A stop that the
open has jumped over fills at the open. A resting target fills only if the price trades through it.
Liquidation is judged by the bar's extreme, the nearest thing in a candle to the mark price's own.
"""

from __future__ import annotations

from typing import Any

from riposte.compiled import compiled
from riposte.engine.decide import ADD, ENTER, clear
from riposte.engine.enums import Reason
from riposte.engine.fills import close_at_market, close_quantity, open_position
from riposte.engine.margin import bankruptcy_price, floor_to
from riposte.engine.parameters import TargetOrder
from riposte.engine.records import Log, Records, Terms

STOP = int(Reason.STOP)
TRAILING_STOP = int(Reason.TRAILING_STOP)
TARGET = int(Reason.TARGET)
PARTIAL_TARGET = int(Reason.PARTIAL_TARGET)
LIQUIDATION = int(Reason.LIQUIDATION)
AT_MARKET = int(TargetOrder.MARKET)


@compiled
def liquidate(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    price: float,
    time: int,
    log: Log,
) -> None:
    """The exchange closes the position at ``price``, at worst at bankruptcy; the margin bounds the loss."""
    quantity = position["quantity"]
    worst = bankruptcy_price(quantity, position["entry_price"], position["margin"])
    filled = max(price, worst) if quantity > 0.0 else min(price, worst)
    size = abs(quantity)
    left = position["margin"] + quantity * (filled - position["entry_price"])
    fee_rate = min(instrument["liquidation_fee"], max(left, 0.0) / (size * filled))
    if terms.costs["multiplier"] > 0.0:
        fee_rate /= terms.costs[
            "multiplier"
        ]  # what the exchange takes does not scale with our what-ifs
    close_quantity(
        account,
        position,
        instrument,
        terms,
        symbol,
        size,
        filled,
        price,
        fee_rate,
        LIQUIDATION,
        0,
        time,
        log,
    )


@compiled
def adverse_exit(position: Any, bar: Any) -> tuple[int, float]:
    """(reason, price) of the liquidation or stop that this bar reaches first, or (0, 0)."""
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    stop, liquidation = position["stop_price"], position["liquidation_price"]
    worst = bar["low"] if side > 0.0 else bar["high"]
    stop_reason = TRAILING_STOP if position["trailing"] == 1 else STOP
    has_liquidation = liquidation > 0.0
    if has_liquidation and (bar["open"] - liquidation) * side <= 0.0:
        return LIQUIDATION, bar["open"]
    if (bar["open"] - stop) * side <= 0.0:
        return stop_reason, bar["open"]
    stop_first = not has_liquidation or (stop - liquidation) * side >= 0.0
    if stop_first and (worst - stop) * side <= 0.0:
        return stop_reason, stop
    if has_liquidation and (worst - liquidation) * side <= 0.0:
        return LIQUIDATION, liquidation
    return 0, 0.0


@compiled
def _take_target(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    bar: Any,
    quantity: float,
    target: float,
    reason: int,
    time: int,
    log: Log,
) -> bool:
    """Fill ``quantity`` at ``target`` if the bar trades through it; returns whether it did."""
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    best = bar["high"] if side > 0.0 else bar["low"]
    beyond = (best - target) * side
    if terms.costs["target_order"] == AT_MARKET:
        if beyond < 0.0:
            return False
        opened_beyond = (bar["open"] - target) * side > 0.0
        close_at_market(
            account,
            position,
            instrument,
            terms,
            symbol,
            bar,
            quantity,
            bar["open"] if opened_beyond else target,
            reason,
            time,
            log,
        )
        return True
    if beyond <= 0.0:
        return False
    close_quantity(
        account,
        position,
        instrument,
        terms,
        symbol,
        quantity,
        target,
        target,
        instrument["maker_fee"],
        reason,
        1,
        time,
        log,
    )
    return True


@compiled
def match_bar(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    bar: Any,
    time: int,
    log: Log,
) -> None:
    """Run the position's liquidation, stop, partial target and target through one bar.

    ``time`` is the bar's close: when, at the latest, the fill was known.
    """
    reason, price = adverse_exit(position, bar)
    if reason == LIQUIDATION:
        liquidate(account, position, instrument, terms, symbol, price, time, log)
        return
    if reason != 0:
        close_at_market(
            account,
            position,
            instrument,
            terms,
            symbol,
            bar,
            abs(position["quantity"]),
            price,
            reason,
            time,
            log,
        )
        return
    if position["partial_price"] > 0.0 and position["partial_taken"] == 0:
        part = floor_to(
            abs(position["quantity"]) * terms.rules["partial_share"], instrument["step_size"]
        )
        if 0.0 < part < abs(position["quantity"]) and _take_target(
            account,
            position,
            instrument,
            terms,
            symbol,
            bar,
            part,
            position["partial_price"],
            PARTIAL_TARGET,
            time,
            log,
        ):
            position["partial_taken"] = 1
    _take_target(
        account,
        position,
        instrument,
        terms,
        symbol,
        bar,
        abs(position["quantity"]),
        position["target_price"],
        TARGET,
        time,
        log,
    )
    if position["quantity"] > 0.0:
        position["best_price"] = max(position["best_price"], bar["high"])
        position["worst_price"] = min(position["worst_price"], bar["low"])
    elif position["quantity"] < 0.0:
        position["best_price"] = min(position["best_price"], bar["low"])
        position["worst_price"] = max(position["worst_price"], bar["high"])


@compiled
def execute_pending(
    account: Any,
    positions: Records,
    pending: Records,
    symbol: int,
    bar: Any,
    instruments: Records,
    terms: Terms,
    time: int,
    log: Log,
) -> None:
    """Carry out the approved intent of one symbol at the bar's open (``time``), then empty its slot."""
    order = pending[symbol]
    position = positions[symbol]
    if order["kind"] == ENTER or order["kind"] == ADD:
        open_position(account, positions, pending, symbol, bar, instruments, terms, time, log)
    elif position["quantity"] != 0.0:
        close_at_market(
            account,
            position,
            instruments[symbol],
            terms,
            symbol,
            bar,
            min(order["quantity"], abs(position["quantity"])),
            bar["open"],
            order["reason"],
            time,
            log,
        )
    clear(order)
