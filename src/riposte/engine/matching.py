"""What one bar does to a position and its waiting orders: the fill model of back-test and paper.

Within a bar the adverse path comes first: liquidation or stop before any target. A stop that the
open has jumped over fills at the open. A resting limit, of an entry or a target, fills only if the price
trades through it, and in each bar no more of it than its share of the volume. In the bar that fills a resting
entry only what goes against it counts: when in the bar it was filled is not known. Liquidation is judged by the
bar's extreme, the nearest thing in a candle to the mark price's own, and by the mark price at the close.
"""

from __future__ import annotations

from typing import Any

from riposte.compiled import borrowing, inlined
from riposte.engine.decide import clear, refuse
from riposte.engine.enums import Reason, Rule
from riposte.engine.fills import close_at_market, close_quantity, open_position
from riposte.engine.margin import bankruptcy_price, floor_to
from riposte.engine.parameters import EntryOrder, TargetOrder
from riposte.engine.position import next_partial
from riposte.engine.records import Log, PortfolioRow, Records, Terms
from riposte.engine.review import ADD, opens

STOP = int(Reason.STOP)
TRAILING_STOP = int(Reason.TRAILING_STOP)
TARGET = int(Reason.TARGET)
PARTIAL_TARGET = int(Reason.PARTIAL_TARGET)
LIQUIDATION = int(Reason.LIQUIDATION)
AT_MARKET = int(TargetOrder.MARKET)
POST_ONLY = int(EntryOrder.POST_ONLY)
CROSSED = int(Rule.POST_ONLY)


@borrowing
def liquidate(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    price: float,
    margin: float,
    time: int,
    log: Log,
) -> None:
    """The exchange closes the position at ``price``, at worst at bankruptcy: the ``margin`` behind it
    bounds the loss."""
    quantity = position["quantity"]
    worst = bankruptcy_price(quantity, position["entry_price"], margin)
    filled = max(price, worst) if quantity > 0.0 else min(price, worst)
    size = abs(quantity)
    left = margin + quantity * (filled - position["entry_price"])
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
        0.0,
        time,
        log,
    )


@borrowing
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


@borrowing
def take_target(
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
    """Fill ``quantity`` at ``target`` if the bar trades through it, a resting order at most to its share of
    the volume; returns whether any of it was filled."""
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
            0.0,
            reason,
            time,
            log,
        )
        return True
    takeable = terms.costs["participation"] * bar["quote_volume"] / target
    size = min(quantity, floor_to(takeable, instrument["step_size"]))
    if beyond <= 0.0 or size <= 0.0:
        return False
    close_quantity(
        account,
        position,
        instrument,
        terms,
        symbol,
        size,
        target,
        target,
        instrument["maker_fee"],
        reason,
        1,
        0.0,
        time,
        log,
    )
    return True


@inlined
def take_profits(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    bar: Any,
    time: int,
    log: Log,
) -> None:
    """Fill the partial targets that the bar reaches, in their order, then the target.

    A partial target of which only a part could be filled is done with; the target stays until all is.
    """
    part = next_partial(position)
    while part > 0.0:
        held = abs(position["quantity"])
        share = terms.rules["partial_share"][position["partials_taken"]]
        size = floor_to(held * share, instrument["step_size"])
        if not 0.0 < size < held or not take_target(
            account,
            position,
            instrument,
            terms,
            symbol,
            bar,
            size,
            part,
            PARTIAL_TARGET,
            time,
            log,
        ):
            break
        position["partials_taken"] += 1
        part = next_partial(position)
    take_target(
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


@borrowing
def follow(position: Any, best: float, worst: float) -> None:
    """Remember the most favourable (``best``) and the most adverse price seen by an open position."""
    if position["quantity"] > 0.0:
        position["best_price"] = max(position["best_price"], best)
        position["worst_price"] = min(position["worst_price"], worst)
    elif position["quantity"] < 0.0:
        position["best_price"] = min(position["best_price"], best)
        position["worst_price"] = max(position["worst_price"], worst)


@inlined
def match_bar(
    account: Any,
    position: Any,
    instrument: Any,
    terms: Terms,
    symbol: int,
    bar: Any,
    margin: float,
    adverse_only: bool,
    time: int,
    log: Log,
) -> None:
    """Run the position's liquidation, stop, partial targets and target through one bar.

    ``margin``: USDT that a liquidation can take at most. ``adverse_only``: a resting entry was filled in this
    very bar. ``time`` is the bar's close: when, at the latest, the fill was known.
    """
    reason, price = adverse_exit(position, bar)
    if reason == LIQUIDATION:
        liquidate(account, position, instrument, terms, symbol, price, margin, time, log)
        return
    if reason != 0:
        size = abs(position["quantity"])
        close_at_market(
            account,
            position,
            instrument,
            terms,
            symbol,
            bar,
            size,
            price,
            abs(price - position["stop_price"]) * size,
            reason,
            time,
            log,
        )
        return
    long = position["quantity"] > 0.0
    if adverse_only:
        follow(position, bar["close"], bar["low"] if long else bar["high"])
        return
    take_profits(account, position, instrument, terms, symbol, bar, time, log)
    if long:
        follow(position, bar["high"], bar["low"])
    else:
        follow(position, bar["low"], bar["high"])


@inlined
def execute_reduction(
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
    """Carry out an approved order that reduces, at the bar's open (``time``), then empty its slot.

    It never turns a position over: at most it closes it.
    """
    order = pending[symbol]
    position = positions[symbol]
    if position["quantity"] != 0.0:
        close_at_market(
            account,
            position,
            instruments[symbol],
            terms,
            symbol,
            bar,
            min(order["quantity"], abs(position["quantity"])),
            bar["open"],
            0.0,
            order["reason"],
            time,
            log,
        )
    clear(order)


@inlined
def execute_opening(
    account: Any,
    positions: Records,
    pending: Records,
    symbol: int,
    bar: Any,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    time: int,
    log: Log,
) -> None:
    """Let an approved opening order meet the market at the bar's open (``time``): taken there if it is at
    market or its limit is reached, else laid into the book. A post-only order that would take is turned
    away and stands aside until it is re-priced or out of time.
    """
    order = pending[symbol]
    limit = order["limit_price"]
    reached = limit <= 0.0 or (bar["open"] - limit) * order["side"] <= 0.0
    if order["resting"] == 1 or not reached:
        order["resting"] = 1
    elif order["order"] == POST_ONLY:
        refuse(log, time, symbol, CROSSED, limit, bar["open"])
    else:
        open_position(
            account, positions, pending, symbol, bar, instruments, portfolio, terms, 0, time, log
        )


@inlined
def fill_resting(
    account: Any,
    positions: Records,
    pending: Records,
    symbol: int,
    bar: Any,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    time: int,
    log: Log,
) -> bool:
    """Fill a resting opening order at its limit if the bar trades through it; returns whether it did."""
    order = pending[symbol]
    if order["resting"] == 0 or not opens(order):
        return False
    worst = bar["low"] if order["side"] > 0 else bar["high"]
    if (worst - order["limit_price"]) * order["side"] >= 0.0:
        return False
    before = positions[symbol]["quantity"]
    open_position(
        account, positions, pending, symbol, bar, instruments, portfolio, terms, 1, time, log
    )
    return bool(positions[symbol]["quantity"] != before)


@borrowing
def drop_remainder(position: Any, order: Any) -> None:
    """Take back what is left of an opening order once its position is closed or has begun to take profit."""
    begun = order["kind"] == ADD or order["filled"] > 0.0
    over = position["quantity"] == 0.0 or position["partials_taken"] > 0
    if opens(order) and begun and over:
        clear(order)
