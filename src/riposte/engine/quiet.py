"""Bars in which nothing can happen, crossed at the speed of memory.

Most bars touch no stop and no target, bring no signal, settle no funding and cross no limit. All that
:func:`~riposte.engine.step.step` does at such a bar is to mark positions and to value the account.
:func:`cross` does just that, from bar to bar, and stops before the first at which anything *might* happen,
which is then a matter for ``step``. No rule is decided here: a bar that is wrongly thought eventful costs
time, and that none is wrongly thought quiet is proven by runs that are the same byte for byte without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing, inlined
from riposte.engine.cross import is_cross
from riposte.engine.decide import clear
from riposte.engine.limits import ACTIVE, NO_HALT, SPENT, VOLATILITY
from riposte.engine.matching import follow
from riposte.engine.parameters import NEVER
from riposte.engine.position import next_partial, send
from riposte.engine.records import Records, Terms, layout
from riposte.engine.walk import marked
from riposte.market.interval import DAY_NS

_HAIR = 1e-12

# What is watched of one symbol while bars are crossed.
WATCH = layout(
    [
        ("lower", "f8"),  # prices strictly between these do nothing
        ("upper", "f8"),
        ("least", "f8"),  # and marks between these
        ("most", "f8"),
        ("quantity", "f8"),
        ("entry", "f8"),
        ("lowest", "f8"),  # prices seen
        ("highest", "f8"),
        ("long", "i1"),  # whether such a signal is heeded
        ("short", "i1"),
    ]
)


@borrowing
def unmoved(account: Any, positions: Records, pending: Records, terms: Terms) -> bool:
    """Whether the account may cross bars at all, nothing being approved: trading with no limit met, or
    flat and stopped for a reason that no bar lifts. Not where every bar moves a stop (one that trails by true
    ranges) or a liquidation price (several positions under cross margin)."""
    count = 0
    for s in range(len(pending)):
        if pending[s]["approved"] == 1:
            return False
        if positions[s]["quantity"] != 0.0:
            count += 1
            if terms.rules["trail_atr"] > 0.0 and trails(positions[s], terms):
                return False
    held = count > 0
    if count > 1 and is_cross(terms):
        return False
    if account["state"] == ACTIVE:
        return bool(
            account["halt"] == NO_HALT
            and account["losses_in_row"] < terms.limits["losses_in_row"]
            and not account["sharpe"] < terms.limits["min_sharpe"]
        )
    return not held and account["halt"] != VOLATILITY


@borrowing
def trails(position: Any, terms: Terms) -> bool:
    """Whether the stop of an open position has begun to trail."""
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    gained = (position["best_price"] - position["entry_price"]) * side
    after = terms.rules["trail_after"]
    return bool(after > 0.0 and gained >= after * position["risk_per_coin"])


@borrowing
def mark_bounds(position: Any, terms: Terms) -> tuple[float, float]:
    """(lower, upper): a mark strictly between them is neither at liquidation nor too near to it."""
    liquidation = position["liquidation_price"]
    near = terms.limits["liquidation_distance"]
    if position["quantity"] == 0.0 or liquidation <= 0.0:
        return -np.inf, np.inf
    if position["quantity"] > 0.0:
        return liquidation / (1.0 - near) * (1.0 + _HAIR), np.inf
    return -np.inf, liquidation / (1.0 + near) * (1.0 - _HAIR)


@borrowing
def bounds(position: Any, terms: Terms) -> tuple[float, float]:
    """(lower, upper): a bar strictly between them reaches neither stop nor liquidation, no target, and no
    price at which a trailing stop would move. They stand a hair inside, so that rounding errs towards an
    event; unbounded for a flat position."""
    if position["quantity"] == 0.0:
        return -np.inf, np.inf
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    stop, liquidation, target = (
        position["stop_price"],
        position["liquidation_price"],
        position["target_price"],
    )
    if liquidation > 0.0 and (liquidation - stop) * side > 0.0:
        stop = liquidation
    if next_partial(position) > 0.0:
        target = min(target * side, next_partial(position) * side) * side
    if terms.rules["trail_after"] > 0.0:
        start = position["entry_price"] * side
        start += terms.rules["trail_after"] * position["risk_per_coin"]
        target = min(target * side, max(start, position["best_price"] * side)) * side
    inside, outside = 1.0 + _HAIR, 1.0 - _HAIR
    if side > 0.0:
        return stop * inside, target * outside
    return target * inside, stop * outside


@borrowing
def wakes_at(account: Any, positions: Records, terms: Terms) -> int:
    """The time (ns UTC) from which a bar is an event whatever it holds: a new day, an expiry,
    a verdict, a person."""
    until = (account["day"] + 1) * DAY_NS
    delay = terms.operator["resumes_after_ns"]
    if account["state"] != ACTIVE and delay != NEVER:
        until = min(until, account["state_since"] + delay)
    for s in range(len(positions)):
        position = positions[s]
        if position["forecast_direction"] != 0:
            until = min(until, position["forecast_due"])
        if position["quantity"] != 0.0 and terms.rules["time_exit"] == 1:
            until = min(until, position["expires_at"])
    return until


@borrowing
def heeded(position: Any, terms: Terms) -> tuple[bool, bool]:
    """Whether a signal to go (long, short) could change anything: a position may be deaf to either."""
    if position["quantity"] == 0.0:
        return True, True
    adds = terms.rules["add_after"] > 0.0 and position["adds"] < terms.rules["max_adds"]
    leaves = terms.rules["exit_on_reversal"] == 1
    return (adds, leaves) if position["quantity"] > 0.0 else (leaves, adds)


@inlined
def eventful(bar: Any, signal: Any, eye: Any, calm: float, threshold: float, model: int) -> bool:
    """Whether a bar might do more to a symbol than mark it: any doubt is an event.

    ``calm``: the volatility limit; ``threshold``: the least confidence; ``model``: of which a signal may
    be without an event, where a position is held.
    """
    low, high = bar["low"], bar["high"]
    return not (
        bar["present"] == 1
        and low > 0.0
        and low > eye["lower"]
        and high < eye["upper"]
        and high < np.inf
        and low <= bar["open"]
        and bar["open"] <= high
        and low <= bar["close"]
        and bar["close"] <= high
        and (
            signal["direction"] == 0
            or (eye["long"] if signal["direction"] > 0 else eye["short"]) == 0
            or not signal["confidence"] >= threshold
        )
        and not bar["volatility_ratio"] >= calm
        and (
            eye["quantity"] == 0.0
            or (bar["funding"] == 0.0 and (signal["model_id"] < 0 or signal["model_id"] == model))
        )
    )


@borrowing
def look(positions: Records, terms: Terms, watch: Records) -> bool:
    """Note in ``watch`` what each symbol is watched for; returns whether any position is held."""
    any_held = False
    for s in range(len(positions)):
        position, eye = positions[s], watch[s]
        eye["lower"], eye["upper"] = bounds(position, terms)
        eye["least"], eye["most"] = mark_bounds(position, terms)
        eye["quantity"], eye["entry"] = position["quantity"], position["entry_price"]
        eye["lowest"], eye["highest"] = np.inf, -np.inf
        long, short = heeded(position, terms)
        eye["long"], eye["short"] = long, short
        any_held |= position["quantity"] != 0.0
    return any_held


@borrowing
def cross(
    start: int,
    account: Any,
    positions: Records,
    pending: Records,
    time: Any,
    bars: Records,
    signals: Records,
    busy: Any,
    terms: Terms,
    watch: Records,
    equity: Any,
    exposures: Any,
    states: Any,
    halts: Any,
) -> int:
    """Cross quiet bars from row ``start`` of (T, S) arrays; the first row that is not one, or T.

    ``busy`` (T,) or empty: rows that are events whatever they hold. ``watch`` (S,) is room for :data:`WATCH`.
    Curves, positions, account and waiting intents are left as :func:`~riposte.engine.step.step` would
    have left them.
    """
    symbols = len(positions)
    any_held = look(positions, terms, watch)
    begin, until = account["day"] * DAY_NS, wakes_at(account, positions, terms)
    calm, threshold = terms.limits["volatility_ratio"], terms.rules["min_confidence"]
    peak, wallet, model = account["peak_equity"], account["wallet"], account["model_id"]
    floor_of_day = account["day_start_equity"] * (1.0 - terms.limits["daily_loss"])
    spared = 1.0 - SPENT * terms.limits["max_drawdown"]
    state, halt = account["state"], account["halt"]
    unrealised, t = account["unrealised"], start
    if time[t] < begin:  # only if the clock went back
        return t
    while t < len(time) and time[t] < until:
        event = len(busy) > 0 and busy[t] == 1
        for s in range(symbols):
            event |= eventful(bars[t, s], signals[t, s], watch[s], calm, threshold, model)
        if event:
            break
        total, held = 0.0, 0.0
        if any_held:
            for s in range(symbols):
                eye = watch[s]
                if eye["quantity"] != 0.0:
                    bar = bars[t, s]
                    mark = marked(bar)
                    event |= not (eye["least"] < mark < eye["most"])
                    total += eye["quantity"] * (mark - eye["entry"])
                    held += abs(eye["quantity"]) * mark
                    # Of a bar that breaks a limit too: it touches no barrier, and a step would say the same.
                    eye["lowest"] = min(eye["lowest"], bar["low"])
                    eye["highest"] = max(eye["highest"], bar["high"])
        value = wallet + total
        top = max(peak, value)
        # Who is stopped and flat has been judged on this very value by the step before.
        spent = state == ACTIVE and (value <= top * spared or value <= floor_of_day)
        if event or spent:
            break
        peak, unrealised = top, total
        equity[t] = value
        exposures[t] = held / value if held > 0.0 else 0.0
        states[t] = state
        halts[t] = halt
        t += 1
    if t > start:
        _settle(positions, pending, bars, t - 1, time[t - 1], watch, any_held, terms)
        account["unrealised"] = unrealised
        account["equity"] = wallet + unrealised
        account["peak_equity"] = peak
        account["time"] = time[t - 1]
    return t


@borrowing
def _settle(
    positions: Records,
    pending: Records,
    bars: Records,
    t: int,
    time: int,
    watch: Records,
    any_held: bool,
    terms: Terms,
) -> None:
    """What the quiet bars leave in the records, ``t`` being the last of them."""
    for s in range(len(positions)):
        position, eye = positions[s], watch[s]
        position["mark"] = marked(bars[t, s])
        position["last_close"] = bars[t, s]["close"]
        position["last_time"] = time
        if any_held:  # only then does a step look at intents at all
            clear(pending[s])
            held = position["quantity"]
            if held != 0.0:
                best, worst = eye["highest"], eye["lowest"]
                if held < 0.0:
                    best, worst = worst, best
                follow(position, best, worst)
                send(pending[s], time, bars[t, s]["close"], terms)
