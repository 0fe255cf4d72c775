"""The gate: every order, from any source, passes here last, and only here is it approved.

Orders that reduce a position are never refused for risk: nothing may keep the account from becoming
smaller. An order that opens or adds is held against every limit; the first rule it breaks refuses it,
with the limit and the value on record (SPEC K1-K4, K6).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from riposte.compiled import borrowing
from riposte.engine.accounting import unrealised_of, used_margin
from riposte.engine.enums import Intent, Rule
from riposte.engine.limits import ACTIVE, allowed_leverage
from riposte.engine.margin import bracket_of, liquidation_price
from riposte.engine.records import RING, PortfolioRow, Records, Terms
from riposte.market.interval import MINUTE_NS

ENTER = int(Intent.ENTER)
ADD = int(Intent.ADD)

OK = int(Rule.NONE)
BAD_NUMBER = int(Rule.BAD_NUMBER)
STATE = int(Rule.STATE)
PAUSED = int(Rule.PAUSED)
ACCURACY = int(Rule.ACCURACY)
TRADES_PER_DAY = int(Rule.TRADES_PER_DAY)
ORDER_RATE = int(Rule.ORDER_RATE)
DUPLICATE = int(Rule.DUPLICATE)
SELF_TRADE = int(Rule.SELF_TRADE)
LEVERAGE = int(Rule.LEVERAGE)
MARGIN_FRACTION = int(Rule.MARGIN_FRACTION)
RISK_PER_TRADE = int(Rule.RISK_PER_TRADE)
LOSS_BUDGET = int(Rule.LOSS_BUDGET)
MAX_ORDER_NOTIONAL = int(Rule.MAX_ORDER_NOTIONAL)
MIN_NOTIONAL = int(Rule.MIN_NOTIONAL)
NO_STOP = int(Rule.NO_STOP)
VOLATILITY = int(Rule.VOLATILITY)
FREE_MARGIN = int(Rule.FREE_MARGIN)
OPPOSITE_POSITION = int(Rule.OPPOSITE_POSITION)
STALE_DATA = int(Rule.STALE_DATA)
MAX_POSITIONS = int(Rule.MAX_POSITIONS)
HEAT = int(Rule.HEAT)
CORRELATION = int(Rule.CORRELATION)
PORTFOLIO_WEIGHT = int(Rule.PORTFOLIO_WEIGHT)
LIQUIDATION_NEAR = int(Rule.LIQUIDATION_NEAR)

# Relative slack for comparing a size with the cap it was cut to.
_SLACK = 1.0 + 1e-9
# A stop must stand clear of liquidation: at most this share of the way there.
_STOP_TO_LIQUIDATION = 0.8


@borrowing
def round_trip_fraction(instrument: Any, terms: Terms) -> float:
    """Fees and half-spreads of entering and leaving as a taker, as a fraction of notional."""
    return 2.0 * terms.costs["multiplier"] * (instrument["taker_fee"] + instrument["half_spread"])


@borrowing
def opens(order: Any) -> bool:
    """Whether the order is approved and would open or add to a position."""
    return bool(order["approved"] == 1 and order["kind"] in (ENTER, ADD))


@borrowing
def open_risk(positions: Any) -> float:
    """USDT still to be lost from the marks down to the stops of all open positions."""
    total = 0.0
    for s in range(len(positions)):
        position = positions[s]
        if position["quantity"] != 0.0:
            total += max(0.0, (position["mark"] - position["stop_price"]) * position["quantity"])
    return total


@borrowing
def stop_risk(position: Any) -> float:
    """USDT that a position loses against its entry if its stop is hit; 0 once the stop locks a profit in."""
    return max(0.0, (position["entry_price"] - position["stop_price"]) * position["quantity"])


@borrowing
def reserved(pending: Any, symbol: int, instruments: Any, terms: Terms) -> tuple[int, float, float]:
    """What approved orders of other symbols, not filled yet, will take: (entries, margin, risk)."""
    entries = 0
    margin = 0.0
    risk = 0.0
    for s in range(len(pending)):
        order = pending[s]
        if s == symbol or not opens(order):
            continue
        notional = order["quantity"] * order["reference_price"]
        margin += notional / order["leverage"]
        risk += notional * (order["stop_loss"] + round_trip_fraction(instruments[s], terms))
        if order["kind"] == ENTER and order["filled"] == 0.0:
            entries += 1
    return entries, margin, risk


@borrowing
def highest_correlation(
    portfolio: PortfolioRow, positions: Records, pending: Records, symbol: int, side: int
) -> float:
    """The highest correlation that a position of ``side`` would have with any other, held or on its way.

    Of returns, times both sides: a long and a short of like symbols are opposites. NaN where one of them is
    not known, -1 where there is no other.
    """
    highest = -1.0
    for s in range(len(positions)):
        other = np.sign(positions[s]["quantity"])
        if other == 0.0 and opens(pending[s]):
            other = float(pending[s]["side"])
        if s == symbol or other == 0.0:
            continue
        value = portfolio.correlation[symbol, s] * side * other
        if not value <= highest:
            highest = value
        if np.isnan(highest):
            break
    return highest


@borrowing
def loss_budget(account: Any, positions: Any, terms: Terms) -> float:
    """USDT that may still be put at risk before the daily or the drawdown limit would be met.

    What open positions could lose down to their stops is already taken off, so that even if every
    stop is hit the limits hold (gaps beyond a stop excepted).
    """
    equity = account["wallet"] + unrealised_of(positions)
    daily = equity - account["day_start_equity"] * (1.0 - terms.limits["daily_loss"])
    drawdown = equity - account["peak_equity"] * (1.0 - terms.limits["max_drawdown"])
    return min(daily, drawdown) - open_risk(positions)


@borrowing
def notional_caps(
    account: Any,
    positions: Any,
    pending: Any,
    symbol: int,
    instruments: Any,
    portfolio: PortfolioRow,
    terms: Terms,
    stop_fraction: float,
    leverage: float,
) -> tuple[float, int]:
    """Largest extra notional (USDT) the limits allow for one symbol, and the rule that binds."""
    equity = account["equity"]
    position = positions[symbol]
    _, margin_ahead, risk_ahead = reserved(pending, symbol, instruments, terms)
    margins = used_margin(positions) + margin_ahead
    costs = round_trip_fraction(instruments[symbol], terms)
    loss_fraction = stop_fraction + costs
    held_risk = stop_risk(position) + abs(position["quantity"]) * position["entry_price"] * costs

    cap = (terms.limits["margin_fraction"] * equity - position["margin"]) * leverage
    rule = MARGIN_FRACTION
    other = (terms.limits["risk_fraction"] * equity - held_risk) / loss_fraction
    if other < cap:
        cap, rule = other, RISK_PER_TRADE
    other = (loss_budget(account, positions, terms) - risk_ahead) / loss_fraction
    if other < cap:
        cap, rule = other, LOSS_BUDGET
    other = (terms.limits["heat_fraction"] * equity - margins) * leverage
    if other < cap:
        cap, rule = other, HEAT
    share = portfolio.weight[symbol] * terms.limits["heat_fraction"]
    other = (share * equity - position["margin"]) * leverage
    if other < cap:
        cap, rule = other, PORTFOLIO_WEIGHT
    other = (account["wallet"] + min(0.0, account["unrealised"]) - margins) * leverage
    if other < cap:
        cap, rule = other, FREE_MARGIN
    if terms.limits["max_order_notional"] < cap:
        cap, rule = terms.limits["max_order_notional"], MAX_ORDER_NOTIONAL
    return cap, rule


@borrowing
def orders_in_last_minute(account: Any, time: int) -> int:
    """How many opening orders were approved in the minute before ``time``."""
    count = 0
    for i in range(RING):  # from the newest back
        at = account["order_times"][(account["orders_at"] - 1 - i) % RING]
        if at <= 0 or time - at >= MINUTE_NS:
            break
        count += 1
    return count


@borrowing
def standing(
    account: Any,
    positions: Any,
    entries_ahead: int,
    symbol: int,
    intent: Any,
    terms: Terms,
    time: int,
) -> tuple[int, float, float]:
    """Rules on whether anything may be opened at all: (rule, limit, value)."""
    if account["state"] != ACTIVE:
        return STATE, float(ACTIVE), float(account["halt"])
    if time < account["paused_until"]:
        return PAUSED, float(account["paused_until"]), float(time)
    if account["signals_off"] == 1 and intent["model_id"] >= 0:
        return ACCURACY, terms.limits["min_accuracy"], 0.0
    today = account["trades_today"] + entries_ahead
    if intent["kind"] == ENTER and today >= terms.limits["trades_per_day"]:
        return TRADES_PER_DAY, float(terms.limits["trades_per_day"]), float(today)
    recent = orders_in_last_minute(account, time)
    if recent >= terms.limits["orders_per_minute"]:
        return ORDER_RATE, float(terms.limits["orders_per_minute"]), float(recent)
    age = time - positions[symbol]["last_time"]
    if age > terms.limits["stale_ns"]:
        return STALE_DATA, float(terms.limits["stale_ns"]), float(age)
    if intent["kind"] == ENTER:
        held = entries_ahead
        for s in range(len(positions)):
            if positions[s]["quantity"] != 0.0:
                held += 1
        if held >= terms.limits["max_positions"]:
            return MAX_POSITIONS, float(terms.limits["max_positions"]), float(held)
    return OK, 0.0, 0.0


@borrowing
def _clear_of_liquidation(intent: Any, instrument: Any, terms: Terms) -> tuple[int, float, float]:
    """Rules on the way from the entry to liquidation, and on the stop in it: (rule, limit, value)."""
    price, quantity, stop = intent["reference_price"], intent["quantity"], intent["stop_loss"]
    margin = quantity * price / intent["leverage"]
    liquidation = liquidation_price(instrument, intent["side"] * quantity, price, margin)
    distance = abs(price - liquidation) / price
    if distance < terms.limits["liquidation_distance"]:
        return LIQUIDATION_NEAR, terms.limits["liquidation_distance"], distance
    if not (0.0 < stop < _STOP_TO_LIQUIDATION * distance):
        return NO_STOP, _STOP_TO_LIQUIDATION * distance, stop
    return OK, 0.0, 0.0


@borrowing
def _sanity(
    account: Any,
    position: Any,
    intent: Any,
    instrument: Any,
    terms: Terms,
    volatility_ratio: float,
) -> tuple[int, float, float]:
    """Rules on the order itself: (rule, limit, value)."""
    price = intent["reference_price"]
    quantity = intent["quantity"]
    if not (np.isfinite(price) and np.isfinite(quantity) and price > 0.0 and quantity > 0.0):
        return BAD_NUMBER, 0.0, quantity
    if not volatility_ratio < terms.limits["volatility_ratio"]:  # NaN refuses too
        return VOLATILITY, terms.limits["volatility_ratio"], volatility_ratio
    bracket = instrument["brackets"][bracket_of(instrument, quantity * price), 3]
    allowed = min(allowed_leverage(account, terms), bracket)
    if not intent["leverage"] <= allowed * _SLACK:
        return LEVERAGE, allowed, intent["leverage"]
    held = position["quantity"]
    if held * intent["side"] < 0.0 or (held != 0.0 and intent["kind"] == ENTER):
        return OPPOSITE_POSITION, 0.0, held
    if held != 0.0 and (position["target_price"] - price) * intent["side"] <= 0.0:
        return SELF_TRADE, position["target_price"], price
    if quantity * price < instrument["min_notional"]:
        return MIN_NOTIONAL, instrument["min_notional"], quantity * price
    return _clear_of_liquidation(intent, instrument, terms)


@borrowing
def review_reduction(intent: Any) -> tuple[int, float, float]:
    """Approve an intent that only makes a position smaller; refuses nothing but a senseless number."""
    if not (np.isfinite(intent["quantity"]) and intent["quantity"] > 0.0):
        return BAD_NUMBER, 0.0, intent["quantity"]
    intent["approved"] = 1
    return OK, 0.0, 0.0


@borrowing
def review(
    account: Any,
    positions: Any,
    pending: Any,
    symbol: int,
    instruments: Any,
    portfolio: PortfolioRow,
    terms: Terms,
    volatility_ratio: float,
    time: int,
) -> tuple[int, float, float]:
    """Approve the intent in ``pending[symbol]``, or say which rule refuses it: (rule, limit, value); rule 0 is approval."""
    intent = pending[symbol]
    if intent["approved"] == 1:
        return DUPLICATE, 0.0, intent["quantity"]
    if intent["kind"] != ENTER and intent["kind"] != ADD:
        return review_reduction(intent)
    position = positions[symbol]
    entries_ahead, _, _ = reserved(pending, symbol, instruments, terms)
    rule, limit, value = standing(account, positions, entries_ahead, symbol, intent, terms, time)
    if rule == OK:
        rule, limit, value = _sanity(
            account, position, intent, instruments[symbol], terms, volatility_ratio
        )
    highest = terms.limits["max_correlation"]
    if rule == OK and intent["kind"] == ENTER and highest < 1.0:
        found = highest_correlation(portfolio, positions, pending, symbol, intent["side"])
        if not found <= highest:  # what is not known refuses too
            rule, limit, value = CORRELATION, highest, found
    if rule == OK:
        cap, binding = notional_caps(
            account,
            positions,
            pending,
            symbol,
            instruments,
            portfolio,
            terms,
            intent["stop_loss"],
            intent["leverage"],
        )
        notional = intent["quantity"] * intent["reference_price"]
        if notional > cap * _SLACK:
            rule, limit, value = binding, cap, notional
    if rule == OK:
        intent["approved"] = 1
        account["order_times"][account["orders_at"]] = time
        account["orders_at"] = (account["orders_at"] + 1) % RING
    return rule, limit, value
