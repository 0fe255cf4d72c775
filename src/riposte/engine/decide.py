"""``decide``: from state, market and signals to approved intents. The same function everywhere."""

from __future__ import annotations

from typing import Any

from riposte.compiled import compiled
from riposte.engine.enums import Intent, Reason
from riposte.engine.limits import ACTIVE, HALTED, accept_model
from riposte.engine.margin import floor_to
from riposte.engine.position import halt_reason, manage, wanted_notional, write_exit
from riposte.engine.records import REFUSALS, Log, Records, Terms
from riposte.engine.review import (
    MIN_NOTIONAL,
    NO_STOP,
    OK,
    STATE,
    notional_caps,
    reserved,
    review,
    review_reduction,
    standing,
)

NOTHING = int(Intent.NOTHING)
ENTER = int(Intent.ENTER)
ADD = int(Intent.ADD)
SIGNAL = int(Reason.SIGNAL)


@compiled
def clear(intent: Any) -> None:
    """An intent slot that wants nothing."""
    intent["kind"] = NOTHING
    intent["approved"] = 0
    intent["quantity"] = 0.0


@compiled
def refuse(log: Log, time: int, symbol: int, rule: int, limit: float, value: float) -> None:
    """Put a refusal on record."""
    row = log.refusals[log.counts[REFUSALS]]
    row["time"] = time
    row["symbol"] = symbol
    row["rule"] = rule
    row["limit"] = limit
    row["value"] = value
    log.counts[REFUSALS] += 1


@compiled
def propose_entry(
    account: Any,
    positions: Records,
    symbol: int,
    signal: Any,
    bar: Any,
    instruments: Records,
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
    leverage = terms.limits["max_leverage"]
    cap, rule = notional_caps(
        account, positions, pending, symbol, instruments, terms, stop, leverage
    )
    wanted = wanted_notional(terms, signal, bar, account["equity"], max(cap, 0.0), interval_ns)
    price = bar["close"]
    quantity = floor_to(min(wanted, cap) / price, instrument["step_size"])
    if quantity * price < instrument["min_notional"] or quantity <= 0.0:
        # Name the limit that leaves too little room, or the minimum itself where none does.
        binding = rule if cap < instrument["min_notional"] else MIN_NOTIONAL
        return binding, max(cap, 0.0), instrument["min_notional"]
    out["side"] = signal["direction"]
    out["reason"] = SIGNAL
    out["quantity"] = quantity
    out["reference_price"] = price
    out["take_profit"] = signal["take_profit"]
    out["stop_loss"] = stop
    out["leverage"] = leverage
    out["confidence"] = signal["confidence"]
    out["horizon_ns"] = signal["horizon_ns"]
    out["regime"] = signal["regime"]
    out["decided_at"] = time
    return OK, 0.0, 0.0


@compiled
def stop_absent(account: Any, position: Any, symbol: int, time: int, order: Any, log: Log) -> None:
    """Apply a stop of trading to a symbol that has no bar now."""
    if account["state"] == ACTIVE:
        return
    if order["kind"] == ENTER or order["kind"] == ADD:
        clear(order)
        refuse(log, time, symbol, STATE, float(ACTIVE), float(account["halt"]))
    if account["state"] == HALTED and position["quantity"] != 0.0:
        write_exit(position, halt_reason(account["halt"]), position["last_close"], time, order)
        review_reduction(order)


@compiled
def decide_symbol(
    account: Any,
    positions: Records,
    symbol: int,
    signal: Any,
    bar: Any,
    instruments: Records,
    terms: Terms,
    interval_ns: int,
    time: int,
    out: Records,
    log: Log,
) -> None:
    """Decide for a symbol that has a position or a signal worth acting on."""
    position = positions[symbol]
    rule, limit, value = OK, 0.0, 0.0
    if position["quantity"] != 0.0:
        manage(account, position, signal, bar, instruments[symbol], terms, time, out[symbol])
    else:
        rule, limit, value = propose_entry(
            account, positions, symbol, signal, bar, instruments, terms, interval_ns, time, out
        )
    if rule == OK and out[symbol]["kind"] != NOTHING:
        rule, limit, value = review(
            account, positions, out, symbol, instruments, terms, bar["volatility_ratio"], time
        )
    if rule != OK:
        clear(out[symbol])
        refuse(log, time, symbol, rule, limit, value)


@compiled
def anything_to_decide(
    account: Any, positions: Records, bars: Records, signals: Records, terms: Terms
) -> bool:
    """Whether :func:`decide` could write anything: most bars have no position and no signal."""
    for s in range(len(positions)):
        if positions[s]["quantity"] != 0.0:
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


@compiled
def decide(
    account: Any,
    positions: Records,
    bars: Records,
    signals: Records,
    instruments: Records,
    terms: Terms,
    interval_ns: int,
    time: int,
    out: Records,
    log: Log,
) -> None:
    """Look at the close of one bar and write at most one intent per symbol to ``out``.

    Every intent left in ``out`` has passed :func:`~riposte.engine.review.review`; every one it
    refused is on record in ``log``. A symbol without a bar is left alone: what was approved for it
    stays standing until its next bar. Only a stop of trading reaches it: an opening order is then
    withdrawn, and HALTED closes its position at the next bar there is.
    """
    for s in range(len(positions)):
        bar = bars[s]
        position = positions[s]
        if bar["present"] == 0:
            stop_absent(account, position, s, time, out[s], log)
            continue
        clear(out[s])
        signal = signals[s]
        wanted = signal["direction"] != 0 and signal["confidence"] >= terms.rules["min_confidence"]
        if wanted or position["quantity"] != 0.0:
            if signal["model_id"] >= 0:
                accept_model(account, signal["model_id"])
            decide_symbol(
                account, positions, s, signal, bar, instruments, terms, interval_ns, time, out, log
            )
