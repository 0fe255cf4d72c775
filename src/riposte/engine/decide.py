"""``decide``: from state, market and signals to approved intents. The same function everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing, inlined
from riposte.engine.enums import Intent, Reason
from riposte.engine.limits import ACTIVE, HALTED, accept_model, allowed_leverage
from riposte.engine.margin import against, floor_to
from riposte.engine.parameters import EntryOrder
from riposte.engine.position import (
    exit_reason,
    halt_reason,
    send,
    tighten_stop,
    wanted_notional,
    write_add,
    write_exit,
)
from riposte.engine.records import REFUSALS, Log, PortfolioRow, Records, Terms
from riposte.engine.review import (
    MIN_NOTIONAL,
    NO_STOP,
    OK,
    PAUSED,
    STATE,
    notional_caps,
    opens,
    reserved,
    review,
    review_reduction,
    standing,
)

NOTHING = int(Intent.NOTHING)
ENTER = int(Intent.ENTER)
EXIT = int(Intent.EXIT)
SIGNAL = int(Reason.SIGNAL)
AT_MARKET = int(EntryOrder.MARKET)


@borrowing
def clear(intent: Any) -> None:
    """An intent slot that wants nothing."""
    intent["kind"] = NOTHING
    intent["approved"] = 0
    intent["resting"] = 0
    intent["order"] = AT_MARKET
    intent["quantity"] = 0.0
    intent["filled"] = 0.0
    intent["limit_price"] = 0.0


@borrowing
def refuse(log: Log, time: int, symbol: int, rule: int, limit: float, value: float) -> None:
    """Put a refusal on record."""
    row = log.refusals[log.counts[REFUSALS]]
    row["time"] = time
    row["symbol"] = symbol
    row["rule"] = rule
    row["limit"] = limit
    row["value"] = value
    log.counts[REFUSALS] += 1


@borrowing
def entry_limit(order: Any, bar: Any, instrument: Any, terms: Terms) -> float:
    """The limit of an opening order at this close: on the better side of it by the offset; 0 at market."""
    if order["order"] == AT_MARKET:
        return 0.0
    better = bar["close"] * (1.0 - order["side"] * terms.execution["entry_offset"])
    return against(-order["side"], better, instrument["tick_size"])


@inlined
def propose_entry(
    account: Any,
    positions: Records,
    symbol: int,
    signal: Any,
    bar: Any,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    interval_ns: int,
    time: int,
    pending: Records,
) -> tuple[int, float, float]:
    """Size an entry into ``pending[symbol]``, unapproved; or (rule, limit, value) where none fits."""
    instrument = instruments[symbol]
    out = pending[symbol]
    out["kind"] = ENTER
    out["model_id"] = signal["model_id"]
    # First whether anything may be opened, so that the record names the cause and not a symptom.
    ahead, _, _ = reserved(pending, symbol, instruments, terms)
    refusal = standing(account, positions, ahead, symbol, out, terms, time)
    if refusal[0] != OK:
        return refusal
    stop = signal["stop_loss"]
    if not (stop > 0.0 and signal["take_profit"] > 0.0):  # NaN widths refuse too
        return NO_STOP, 0.0, stop
    leverage = allowed_leverage(account, terms)
    cap, rule = notional_caps(
        account, positions, pending, symbol, instruments, portfolio, terms, stop, leverage
    )
    wanted = wanted_notional(terms, signal, bar, account["equity"], max(cap, 0.0), interval_ns)
    price = bar["close"]
    quantity = floor_to(min(wanted, cap) / price, instrument["step_size"])
    if quantity * price < instrument["min_notional"] or quantity <= 0.0:
        # Name the limit that leaves too little room, or the minimum itself where none does.
        smallest = max(instrument["min_notional"], instrument["step_size"] * price)
        binding = rule if cap < smallest else MIN_NOTIONAL
        return binding, max(cap, 0.0), smallest
    out["side"] = signal["direction"]
    out["reason"] = SIGNAL
    out["quantity"] = quantity
    send(out, time, price, terms)
    out["order"] = terms.execution["entry_order"]
    out["limit_price"] = entry_limit(out, bar, instrument, terms)
    out["expires_at"] = out["arrives_at"] + terms.execution["entry_patience"] * interval_ns
    out["take_profit"] = signal["take_profit"]
    out["stop_loss"] = stop
    out["leverage"] = leverage
    out["confidence"] = signal["confidence"]
    out["horizon_ns"] = signal["horizon_ns"]
    out["regime"] = signal["regime"]
    return OK, 0.0, 0.0


@inlined
def keeps_working(
    account: Any,
    order: Any,
    signal: Any,
    bar: Any,
    instrument: Any,
    terms: Terms,
    interval_ns: int,
    symbol: int,
    time: int,
    log: Log,
) -> bool:
    """Whether an approved order that is not filled yet goes on working after this close.

    One that reduces does. One that opens is withdrawn by any stop of trading and by a signal the other way;
    out of time it crosses at market for one bar or is given up; else a resting one follows the price.
    """
    if not opens(order):
        return True
    if account["state"] != ACTIVE:
        refuse(log, time, symbol, STATE, float(ACTIVE), float(account["halt"]))
        return False
    if time < account["paused_until"]:
        refuse(log, time, symbol, PAUSED, float(account["paused_until"]), float(time))
        return False
    threshold = terms.rules["min_confidence"]
    if signal["direction"] == -order["side"] and signal["confidence"] >= threshold:
        return False
    limited = order["limit_price"] > 0.0
    if time >= order["expires_at"]:
        send(order, time, bar["close"], terms)
        order["order"] = AT_MARKET
        order["limit_price"] = 0.0
        order["resting"] = 0
        order["expires_at"] = order["arrives_at"] + interval_ns
        return bool(limited and terms.execution["cross_after"] == 1)
    if limited and terms.execution["reprice"] == 1:
        send(order, time, bar["close"], terms)
        order["limit_price"] = entry_limit(order, bar, instrument, terms)
        order["resting"] = 0
    return True


@inlined
def stop_absent(
    account: Any, position: Any, symbol: int, terms: Terms, time: int, order: Any, log: Log
) -> None:
    """Apply a stop of trading to a symbol that has no bar now."""
    if account["state"] == ACTIVE:
        return
    if opens(order):
        clear(order)
        refuse(log, time, symbol, STATE, float(ACTIVE), float(account["halt"]))
    leaving = order["approved"] == 1
    if account["state"] == HALTED and position["quantity"] != 0.0 and not leaving:
        reason = halt_reason(account["halt"])
        write_exit(position, reason, position["last_close"], time, terms, order)
        review_reduction(order)


@inlined
def decide_symbol(
    account: Any,
    positions: Records,
    symbol: int,
    signal: Any,
    bar: Any,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    interval_ns: int,
    time: int,
    out: Records,
    log: Log,
) -> None:
    """Decide for a symbol that has a position or a signal worth acting on; an order may be working."""
    position = positions[symbol]
    order = out[symbol]
    rule, limit, value = OK, 0.0, 0.0
    if position["quantity"] != 0.0:
        tighten_stop(position, bar, instruments[symbol], terms)
        working = order["approved"] == 1
        if working and not opens(order):
            return
        reason = exit_reason(account, position, signal, terms, time)
        if reason != 0:
            clear(order)
            write_exit(position, reason, bar["close"], time, terms, order)
        elif not working:
            write_add(position, signal, bar, instruments[symbol], terms, interval_ns, time, order)
    elif order["approved"] == 0:
        rule, limit, value = propose_entry(
            account,
            positions,
            symbol,
            signal,
            bar,
            instruments,
            portfolio,
            terms,
            interval_ns,
            time,
            out,
        )
    if rule == OK and order["kind"] != NOTHING and order["approved"] == 0:
        rule, limit, value = review(
            account,
            positions,
            out,
            symbol,
            instruments,
            portfolio,
            terms,
            bar["volatility_ratio"],
            time,
        )
    if rule != OK:
        clear(order)
        refuse(log, time, symbol, rule, limit, value)


@inlined
def anything_to_decide(
    account: Any,
    positions: Records,
    pending: Records,
    bars: Records,
    signals: Records,
    terms: Terms,
) -> bool:
    """Whether :func:`decide` could write anything: most bars have no position, order or signal."""
    for s in range(len(positions)):
        if positions[s]["quantity"] != 0.0 or pending[s]["approved"] == 1:
            return True
        if bars[s]["present"] == 0:
            if account["state"] != ACTIVE:
                return True
        elif (
            signals[s]["direction"] != 0
            and signals[s]["confidence"] >= terms.rules["min_confidence"]
        ):
            return True
    return False


@borrowing
def sureness(order: Any) -> float:
    """The confidence of a signal or an order; one that is not known counts least."""
    confidence = order["confidence"]
    return confidence if confidence >= 0.0 else -1.0


@borrowing
def next_surest(orders: Records, last: int) -> int:
    """The symbol that comes after ``last`` (-1: the first) by falling confidence, equal ones in their order;
    -1 after the last. Who is surest has the first claim on limits that are not enough for all."""
    found, most = -1, -np.inf
    bound = np.inf if last < 0 else sureness(orders[last])
    for s in range(len(orders)):
        own = sureness(orders[s])
        if (own < bound or (own == bound and s > last)) and own > most:
            found, most = s, own
    return found


@inlined
def decide(
    account: Any,
    positions: Records,
    bars: Records,
    signals: Records,
    instruments: Records,
    portfolio: PortfolioRow,
    terms: Terms,
    interval_ns: int,
    time: int,
    out: Records,
    log: Log,
) -> None:
    """Look at the close of one bar and write at most one intent per symbol to ``out``.

    Every intent left in ``out`` has passed :func:`~riposte.engine.review.review`; every one it
    refused is on record in ``log``. An approved order that is not filled goes on working while
    :func:`keeps_working`. A symbol without a bar is left alone: what was approved for it
    stays standing until its next bar. Only a stop of trading reaches it: an opening order is then
    withdrawn, and HALTED closes its position at the next bar there is.
    """
    s = -1
    for _ in range(len(positions)):
        s = next_surest(signals, s)
        bar = bars[s]
        position = positions[s]
        order = out[s]
        if bar["present"] == 0:
            stop_absent(account, position, s, terms, time, order, log)
            continue
        signal = signals[s]
        if order["approved"] == 0 or not keeps_working(
            account, order, signal, bar, instruments[s], terms, interval_ns, s, time, log
        ):
            clear(order)
        wanted = signal["direction"] != 0 and signal["confidence"] >= terms.rules["min_confidence"]
        if wanted or position["quantity"] != 0.0:
            if signal["model_id"] >= 0:
                accept_model(account, signal["model_id"])
            decide_symbol(
                account,
                positions,
                s,
                signal,
                bar,
                instruments,
                portfolio,
                terms,
                interval_ns,
                time,
                out,
                log,
            )
