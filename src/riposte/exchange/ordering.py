"""Placing, changing and cancelling orders: checks first, then effects; a refusal leaves no trace."""

from __future__ import annotations

from typing import NamedTuple

from riposte.exchange import filters
from riposte.exchange.contract import CLOSED, Contract
from riposte.exchange.ledger import fee_e8, settings_of
from riposte.exchange.margin import exposure_beyond_e8, initial_e8, value_e8, view
from riposte.exchange.matching import (
    NO_LIMIT_BUY,
    NO_LIMIT_SELL,
    finish,
    rest,
    take,
    takeable,
    withdraw,
)
from riposte.exchange.records import Account, Order, OrderSide, PositionSide
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import Amendment, NewOrder
from riposte.exchange.state import State
from riposte.exchange.units import PPM

MAX_AMENDMENTS = 10_000
NOTHING = 0, 0


class Checked(NamedTuple):
    """A request on the contract's grid, allowed."""

    contract: Contract
    ticks: int
    """0 for a market order."""
    steps: int
    limit_ticks: int
    """How far it may take."""
    client_order_id: str


def place(state: State, account: Account, request: NewOrder) -> Order:
    """Accept an order and let it trade."""
    checked = check(state, account, request)
    order = new_order(state, account, request, checked)
    send(state, order, checked.limit_ticks)
    return order


def new_order(state: State, account: Account, request: NewOrder, checked: Checked) -> Order:
    """The record of a request that was allowed; not yet sent."""
    return Order(
        state.number("order"),
        checked.client_order_id,
        account,
        checked.contract,
        request.side,
        request.position_side,
        request.type,
        request.time_in_force or "GTC",
        checked.ticks,
        checked.steps,
        state.now_ms,
        state.now_ms,
        request.type,
        reduce_only=request.reduce_only,
        price_match=request.price_match,
        stp_mode=request.stp_mode,
        good_till_ms=request.good_till_ms,
    )


def send(state: State, order: Order, limit_ticks: int) -> None:
    """Let an accepted order meet the book; what is left rests or expires by its time in force."""
    account = order.account
    account.orders[order.order_id] = order
    account.latest_by_client_id[order.contract.symbol, order.client_order_id] = order
    state.tell_order(order, "NEW")
    meet(state, order, limit_ticks)


def meet(state: State, order: Order, limit_ticks: int) -> None:
    """Trade what can be traded now."""
    take(state, order.contract, order.side, limit_ticks, order.remaining, order)
    if not order.open:
        return
    if order.type == "LIMIT" and order.time_in_force not in ("IOC", "FOK"):
        rest(state, order)
        if order.good_till_ms:
            state.schedule(order.good_till_ms // 1000 * 1000, "good-till", order)
    else:
        finish(state, order, "EXPIRED", "EXPIRED", "not filled at once")


def check(state: State, account: Account, request: NewOrder) -> Checked:
    """Every rule an order must satisfy, in the exchange's order; no effect."""
    contract = state.contract(request.symbol)
    filters.check_form(request, state.now_ms)
    filters.check_position_side(account, request.position_side, reduce_only=request.reduce_only)
    steps = filters.steps_of(contract, request.quantity_e8, market=request.type == "MARKET")
    ticks = 0
    if request.type == "LIMIT":
        ticks = (
            filters.ticks_of(contract, request.price_e8)
            if request.price_match == "NONE"
            else matched_price(state, contract, request.side == "BUY", request.price_match)
        )
    client_order_id = request.client_order_id or f"auto-{state.peek('order')}"
    if (contract.symbol, client_order_id) in account.open_by_client_id:
        raise Refusal(-4116)
    reducing = check_may_trade(
        state, account, contract, request.position_side, request.side, request.reduce_only
    )
    mark = state.mark_e8.get(contract.symbol, 0)
    if ticks:
        filters.check_distance(contract, request.side == "BUY", ticks, mark)
    if reducing:
        steps = min(steps, reducing) if request.reduce_only else steps
        if steps > reducing:
            raise Refusal(-2022)
    else:
        filters.check_grid(contract, steps)
        notional = contract.notional_e8(ticks, steps) if ticks else contract.value_e8(mark, steps)
        if ticks or mark:
            filters.check_notional(contract, notional)
        check_margin(state, account, contract, request.position_side, request.side, ticks, steps)
    limit = ticks or market_limit(state, contract, request.side)
    if ticks:
        if len(account.open_orders) >= contract.max_open_orders and request.time_in_force not in (
            "IOC",
            "FOK",
        ):
            raise Refusal(-2025)
        _check_time_in_force(state, account, contract, request, ticks, steps)
    return Checked(contract, ticks, steps, limit, client_order_id)


def check_may_trade(
    state: State,
    account: Account,
    contract: Contract,
    position_side: PositionSide,
    side: str,
    reduce_only: bool,
) -> int:
    """Whether an account may trade this way now; the steps it may reduce by, 0 if it enlarges."""
    if account.liquidating:
        raise Refusal(-2023)
    if account.restricted == "no-orders":
        raise Refusal(-4088)
    sign = 1 if side == "BUY" else -1
    hedge_close = (position_side == "LONG" and sign < 0) or (position_side == "SHORT" and sign > 0)
    if not (reduce_only or hedge_close):
        if account.restricted:
            raise Refusal(-4087)
        if contract.status != "TRADING":
            raise Refusal(-4140)
        return 0
    if contract.status in CLOSED:
        raise Refusal(-4141)
    position = account.positions.get((contract.symbol, position_side))
    if position is None or position.quantity * sign >= 0:
        raise Refusal(-2022)
    return abs(position.quantity)


def check_margin(
    state: State,
    account: Account,
    contract: Contract,
    position_side: PositionSide,
    side: str,
    ticks: int,
    steps: int,
) -> None:
    """Position limit of the leverage (-2027) and enough free margin for an order (-2019)."""
    marks, key = state.mark_e8, (contract.symbol, position_side)
    mark, leverage = marks.get(contract.symbol, 0), settings_of(account, contract).leverage
    at_mark = contract.value_e8(mark, steps)
    notional = price = contract.notional_e8(ticks, steps) if ticks else at_mark
    if side == "SELL":
        notional = max(price, at_mark)
    buys, sells = account.resting_e8.get(key, NOTHING)
    position = account.positions.get(key)
    value = 0 if position is None else value_e8(position, marks)
    before = exposure_beyond_e8(value, buys, sells)
    if side == "SELL":
        sells += notional
        exposure = value - sells
    else:
        buys += notional
        exposure = value + buys
    if abs(exposure) > max(abs(value), contract.max_notional_e8(leverage)):
        raise Refusal(-2027)
    after = exposure_beyond_e8(value, buys, sells)
    extra = initial_e8(after, leverage) - initial_e8(before, leverage)
    if not extra:
        return
    loss = price - at_mark if mark else 0
    extra += fee_e8(contract, notional, maker=False) + max(0, -loss if side == "SELL" else loss)
    if extra > view(account, marks).available:
        raise Refusal(-2019)


def market_limit(state: State, contract: Contract, side: OrderSide) -> int:
    """How far a market order may take: a bound from the mark price, if there is one.

    Raises:
        Refusal: -4131 if the best price is beyond it already.
    """
    buy, mark = side == "BUY", state.mark_e8.get(contract.symbol, 0)
    if not mark:
        return NO_LIMIT_BUY if buy else NO_LIMIT_SELL
    if buy:
        limit = mark * (PPM + contract.market_take_bound_ppm) // PPM // contract.tick_e8
    else:
        limit = -(-mark * (PPM - contract.market_take_bound_ppm) // PPM // contract.tick_e8)
    half = state.books[contract.symbol].against(side)
    best = half.best()
    if best is not None and best.ticks * half.sign < limit * half.sign:
        raise Refusal(-4131)
    return limit


def matched_price(state: State, contract: Contract, buy: bool, price_match: str) -> int:
    """The price that a price match stands for now: the n-th level of one side of the book."""
    book = state.books[contract.symbol]
    name, _, place = price_match.partition("_")
    half = book.asks if buy == (name == "OPPONENT") else book.bids
    levels = half.depth(int(place or 1))
    if not levels or len(levels) < int(place or 1):
        raise Refusal(-5041)
    return levels[-1][0]


def _check_time_in_force(
    state: State, account: Account, contract: Contract, request: NewOrder, ticks: int, steps: int
) -> None:
    half = state.books[contract.symbol].against(request.side)
    best = half.best()
    crosses = best is not None and best.ticks * half.sign >= ticks * half.sign
    if request.time_in_force in ("GTX", "RPI") and crosses:
        raise Refusal(-5022)
    if request.time_in_force == "FOK":
        mode = request.stp_mode
        if takeable(state, account, contract, request.side, ticks, steps, mode) < steps:
            raise Refusal(-5021)


def find(
    state: State, account: Account, symbol: str, order_id: int, client_order_id: str
) -> Order | None:
    """An order by id, else by client id (the open one, else the newest)."""
    state.contract(symbol)
    if order_id:
        order = account.orders.get(order_id)
        return order if order is not None and order.contract.symbol == symbol else None
    if not client_order_id:
        raise Refusal(-1102, name="orderId")
    order = account.open_by_client_id.get((symbol, client_order_id))
    return order or account.latest_by_client_id.get((symbol, client_order_id))


def cancel(
    state: State, account: Account, symbol: str, order_id: int, client_order_id: str
) -> Order:
    """Cancel an open order, or -2011."""
    order = find(state, account, symbol, order_id, client_order_id)
    if order is None or not order.open:
        raise Refusal(-2011)
    finish(state, order, "CANCELED", "CANCELED")
    return order


def cancel_all(state: State, account: Account, symbol: str) -> list[Order]:
    """Cancel all open orders of a symbol (not the conditional ones)."""
    state.contract(symbol)
    found = [order for order in account.open_orders.values() if order.contract.symbol == symbol]
    for order in found:
        finish(state, order, "CANCELED", "CANCELED")
    return found


def modify(state: State, account: Account, request: Amendment) -> Order:
    """Change price and quantity of a limit order; it goes to the back of its new queue.

    As the exchange does, it cancels the order instead when the new quantity is not above what is
    filled, or when a post-only order would now cross.
    """
    order = find(state, account, request.symbol, request.order_id, request.client_order_id)
    if order is None or not order.open:
        raise Refusal(-2013)
    contract = state.contract(request.symbol)
    if contract.status != "TRADING":
        raise Refusal(-5024)
    if order.type != "LIMIT":
        raise Refusal(-5025)
    if order.side != request.side:
        raise Refusal(-1117)
    if order.amendments >= MAX_AMENDMENTS:
        raise Refusal(-5026)
    steps = filters.steps_of(contract, request.quantity_e8, market=False)
    if request.price_match != "NONE":
        if request.price_match not in filters.PRICE_MATCHES:
            raise Refusal(-5037)
        ticks = matched_price(state, contract, order.side == "BUY", request.price_match)
    else:
        ticks = filters.ticks_of(contract, request.price_e8)
    if ticks == order.price_ticks and steps == order.quantity:
        raise Refusal(-5027)
    filters.check_distance(
        contract, order.side == "BUY", ticks, state.mark_e8.get(contract.symbol, 0)
    )
    _check_amended_size(state, order, ticks, steps)
    order.modify_id = request.modify_id
    _amend(state, order, ticks, steps)
    return order


def _check_amended_size(state: State, order: Order, ticks: int, steps: int) -> None:
    left = steps - order.executed
    if left <= 0:
        return
    reducing = check_may_trade(
        state,
        order.account,
        order.contract,
        order.position_side,
        order.side,
        order.reduce_only,
    )
    if reducing:
        if left > reducing:
            raise Refusal(-5047)
        return
    filters.check_notional(order.contract, order.contract.notional_e8(ticks, steps))
    resting = order.account.resting_e8[order.contract.symbol, order.position_side]
    bound = order.contract.notional_e8(order.price_ticks, order.remaining)
    column = order.side == "SELL"
    resting[column] -= bound
    try:
        check_margin(
            state,
            order.account,
            order.contract,
            order.position_side,
            order.side,
            ticks,
            left,
        )
    finally:
        resting[column] += bound


def _amend(state: State, order: Order, ticks: int, steps: int) -> None:
    half = state.books[order.contract.symbol].against(order.side)
    best = half.best()
    crosses = best is not None and best.ticks * half.sign >= ticks * half.sign
    if steps <= order.executed or (order.time_in_force in ("GTX", "RPI") and crosses):
        finish(state, order, "CANCELED", "CANCELED")
        return
    withdraw(state, order)
    before = order.price_ticks, order.quantity
    order.price_ticks, order.quantity = ticks, steps
    order.amendments += 1
    change = state.now_ms, order, before, (ticks, steps), order.modify_id
    order.account.amendments.append(change)
    state.tell_order(order, "AMENDMENT")
    meet(state, order, ticks)
