"""The rule-based position layer: how large, when to take part of the profit, when to add, when to leave.

Everything is measured in R, the distance from the entry to the first stop. Stops only ever tighten.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing
from riposte.engine.enums import Intent, Reason
from riposte.engine.limits import DAILY_LOSS, DRAWDOWN, HALTED, VOLATILITY
from riposte.engine.margin import ceil_to, floor_to
from riposte.engine.parameters import Sizing
from riposte.engine.records import PARTIALS, Terms

ADD = int(Intent.ADD)
EXIT = int(Intent.EXIT)

TIME = int(Reason.TIME)
REVERSAL = int(Reason.REVERSAL)
ADDED = int(Reason.ADD)
BY_DAILY_LOSS = int(Reason.DAILY_LOSS)
BY_DRAWDOWN = int(Reason.DRAWDOWN)
BY_VOLATILITY = int(Reason.VOLATILITY)
BY_OPERATOR = int(Reason.OPERATOR)
LIQUIDATION_NEAR = int(Reason.LIQUIDATION_NEAR)

FIXED_FRACTION = int(Sizing.FIXED_FRACTION)
FRACTIONAL_KELLY = int(Sizing.FRACTIONAL_KELLY)
VOLATILITY_TARGET = int(Sizing.VOLATILITY_TARGET)

_YEAR_NS = 365 * 86_400 * 1_000_000_000
# At the threshold a signal gets this share of the largest size; full confidence gets all of it.
_LEAST_CONFIDENT_SHARE = 0.5


@borrowing
def halt_reason(halt: int) -> int:
    """The exit reason that a halt gives to the positions it closes."""
    if halt == DAILY_LOSS:
        return BY_DAILY_LOSS
    if halt == DRAWDOWN:
        return BY_DRAWDOWN
    if halt == VOLATILITY:
        return BY_VOLATILITY
    return BY_OPERATOR


@borrowing
def wanted_notional(
    terms: Terms, signal: Any, bar: Any, equity: float, cap: float, interval_ns: int
) -> float:
    """Notional (USDT) that the sizing method asks for; the caller cuts it to ``cap``.

    fixed fraction: equity x fraction / stop. Fractional Kelly (Kelly 1956; Thorp 2006):
    f = p - (1 - p) / b with b = target / stop is the share of equity to risk at the stop. Volatility
    target: the notional whose yearly volatility is the target share of equity. Confidence: from half
    of the cap at the threshold to all of it at certainty.
    """
    method = terms.rules["sizing"]
    stop = signal["stop_loss"]
    if method == FIXED_FRACTION:
        return terms.rules["fixed_fraction"] * equity / stop
    if method == FRACTIONAL_KELLY:
        odds = signal["take_profit"] / stop
        chance = signal["confidence"]
        share = terms.rules["kelly_fraction"] * (chance - (1.0 - chance) / odds)
        return max(share, 0.0) * equity / stop
    if method == VOLATILITY_TARGET:
        yearly = bar["volatility"] * np.sqrt(_YEAR_NS / interval_ns)
        return terms.rules["volatility_target"] * equity / yearly
    least = terms.rules["min_confidence"]
    above = (signal["confidence"] - least) / max(1.0 - least, 1e-9)
    return cap * (_LEAST_CONFIDENT_SHARE + (1.0 - _LEAST_CONFIDENT_SHARE) * min(above, 1.0))


@borrowing
def place_barriers(position: Any, intent: Any, instrument: Any, terms: Terms, price: float) -> None:
    """Set stop, target and partial target from an opening fill at ``price``.

    The stop is rounded towards the entry and the targets away from it, so that rounding never adds
    risk or invents profit.
    """
    tick = instrument["tick_size"]
    width = intent["take_profit"]
    if intent["side"] > 0:
        position["stop_price"] = ceil_to(price * (1.0 - intent["stop_loss"]), tick)
        position["target_price"] = ceil_to(price * (1.0 + width), tick)
    else:
        position["stop_price"] = floor_to(price * (1.0 + intent["stop_loss"]), tick)
        position["target_price"] = floor_to(price * (1.0 - width), tick)
    for i in range(PARTIALS):
        part = terms.rules["partial_at"][i]
        away = price * (1.0 + intent["side"] * width * part)
        rounded = ceil_to(away, tick) if intent["side"] > 0 else floor_to(away, tick)
        position["partial_prices"][i] = rounded if part > 0.0 else 0.0
    position["risk_per_coin"] = abs(price - position["stop_price"])


@borrowing
def next_partial(position: Any) -> float:
    """Price of the partial target that comes next; 0 where none is left."""
    taken = position["partials_taken"]
    return position["partial_prices"][taken] if taken < PARTIALS else 0.0


@borrowing
def trail_width(position: Any, bar: Any, terms: Terms) -> float:
    """How far (USDT) a trailing stop stands behind the best price: average true ranges where the rules
    count in them and one is known, else initial risks."""
    if terms.rules["trail_atr"] > 0.0 and bar["atr"] > 0.0:
        return terms.rules["trail_atr"] * bar["atr"] * bar["close"]
    return terms.rules["trail_distance"] * position["risk_per_coin"]


@borrowing
def tighten_stop(position: Any, bar: Any, instrument: Any, terms: Terms) -> None:
    """Move the stop to break-even after a partial profit and trail it behind the best price."""
    side = 1.0 if position["quantity"] > 0.0 else -1.0
    entry = position["entry_price"]
    stop = position["stop_price"]
    if position["partials_taken"] > 0 and terms.rules["breakeven_after_partial"] == 1:
        fees = 2.0 * terms.costs["multiplier"] * instrument["taker_fee"] * entry
        stop = max(stop * side, entry * side + fees) * side
    if terms.rules["trail_after"] > 0.0:
        gained = (position["best_price"] - entry) * side
        if gained >= terms.rules["trail_after"] * position["risk_per_coin"]:
            trailed = position["best_price"] - side * trail_width(position, bar, terms)
            if (trailed - stop) * side > 0.0:
                stop = trailed
                position["trailing"] = 1
    tick = instrument["tick_size"]
    rounded = floor_to(stop, tick) if side > 0.0 else ceil_to(stop, tick)
    if (rounded - position["stop_price"]) * side > 0.0:
        position["stop_price"] = rounded


@borrowing
def send(order: Any, time: int, price: float, terms: Terms) -> None:
    """Stamp an order decided at ``time`` on a market standing at ``price``."""
    order["reference_price"] = price
    order["decided_at"] = time
    order["arrives_at"] = time + terms.execution["latency_ns"]


@borrowing
def write_exit(position: Any, reason: int, price: float, time: int, terms: Terms, out: Any) -> None:
    """Write an intent to leave the whole position at market."""
    out["kind"] = EXIT
    out["side"] = -1 if position["quantity"] > 0.0 else 1
    out["reason"] = reason
    out["quantity"] = abs(position["quantity"])
    send(out, time, price, terms)


@borrowing
def liquidation_is_near(position: Any, terms: Terms) -> bool:
    """Whether the mark stands closer to liquidation than the portfolio tier allows (SPEC K4)."""
    distance = abs(position["mark"] - position["liquidation_price"]) / position["mark"]
    return bool(
        position["liquidation_price"] > 0.0 and distance < terms.limits["liquidation_distance"]
    )


@borrowing
def exit_reason(account: Any, position: Any, signal: Any, terms: Terms, time: int) -> int:
    """Why an open position is to be left at this close; 0: it is not."""
    side = 1 if position["quantity"] > 0.0 else -1
    if account["state"] == HALTED:
        return halt_reason(account["halt"])
    if liquidation_is_near(position, terms):
        return LIQUIDATION_NEAR
    if terms.rules["time_exit"] == 1 and time >= position["expires_at"]:
        return TIME
    against = signal["direction"] == -side and signal["confidence"] >= terms.rules["min_confidence"]
    if terms.rules["exit_on_reversal"] == 1 and against:
        return REVERSAL
    return 0


@borrowing
def write_add(
    position: Any,
    signal: Any,
    bar: Any,
    instrument: Any,
    terms: Terms,
    interval_ns: int,
    time: int,
    out: Any,
) -> None:
    """Write an unapproved intent to add to a winner, where the rules and the signal want one."""
    side = 1 if position["quantity"] > 0.0 else -1
    send(out, time, bar["close"], terms)
    if terms.rules["add_after"] <= 0.0 or position["adds"] >= terms.rules["max_adds"]:
        return
    gained = (bar["close"] - position["entry_price"]) * side
    agrees = signal["direction"] == side and signal["confidence"] >= terms.rules["min_confidence"]
    if agrees and gained >= terms.rules["add_after"] * position["risk_per_coin"]:
        out["kind"] = ADD
        out["side"] = side
        out["reason"] = ADDED
        out["quantity"] = floor_to(
            terms.rules["add_share"] * position["first_quantity"], instrument["step_size"]
        )
        out["stop_loss"] = (bar["close"] - position["stop_price"]) * side / bar["close"]
        out["leverage"] = position["leverage"]
        out["confidence"] = signal["confidence"]
        out["expires_at"] = out["arrives_at"] + interval_ns
