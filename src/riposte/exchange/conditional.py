"""Conditional ("algo") orders: stops, take-profits and trailing stops, which wait for a price.

Life cycle (as recorded from the exchange): NEW → CANCELED | EXPIRED | REJECTED, or NEW →
TRIGGERING → (10 ms) TRIGGERED with the number of the child order → FINISHED when the child has come
to an end; FINISHED with nothing executed means that the stop did not protect. A child that the
exchange refuses leaves REJECTED with the reason.
"""

from __future__ import annotations

from riposte.exchange import filters, ordering
from riposte.exchange.contract import Contract
from riposte.exchange.events import AlgoChanged
from riposte.exchange.matching import finish
from riposte.exchange.records import Account, AlgoOrder, Order
from riposte.exchange.refusals import Refusal
from riposte.exchange.requests import NewAlgo, NewOrder
from riposte.exchange.state import State
from riposte.exchange.units import PPM

MAX_OPEN = 200
TRIGGER_DELAY_MS = 10
CLOSE_POSITION_TYPES = ("STOP_MARKET", "TAKE_PROFIT_MARKET")
TRAILING = "TRAILING_STOP_MARKET"


def place(state: State, account: Account, request: NewAlgo) -> AlgoOrder:
    """Accept a conditional order; it binds no margin until it triggers."""
    contract = state.contract(request.symbol)
    _check_form(request, state.now_ms)
    filters.check_position_side(account, request.position_side, reduce_only=request.reduce_only)
    market = request.type not in ("STOP", "TAKE_PROFIT")
    steps = (
        0
        if request.close_position
        else filters.steps_of(contract, request.quantity_e8, market=market)
    )
    ticks = filters.ticks_of(contract, request.price_e8) if request.price_e8 else 0
    trigger = (
        0 if request.type == TRAILING else filters.ticks_of(contract, request.trigger_price_e8)
    )
    activate = (
        filters.ticks_of(contract, request.activate_price_e8) if request.activate_price_e8 else 0
    )
    client_id = request.client_algo_id or f"auto-algo-{state.peek('algo')}"
    _check_account(account, contract, request, client_id)
    if steps and not (request.reduce_only or account.hedge_mode):
        filters.check_grid(contract, steps)
        filters.check_notional(
            contract,
            contract.notional_e8(
                ticks or trigger or activate or state.last_ticks.get(contract.symbol, 0), steps
            ),
        )
    algo = AlgoOrder(
        state.peek("algo"),
        client_id,
        account,
        contract,
        request.side,
        request.position_side,
        request.type,
        request.time_in_force or "GTC",
        steps,
        ticks,
        trigger,
        state.now_ms,
        state.now_ms,
        working_type=request.working_type,
        price_match=request.price_match,
        stp_mode=request.stp_mode,
        close_position=request.close_position,
        price_protect=request.price_protect,
        reduce_only=request.reduce_only,
        good_till_ms=request.good_till_ms,
        activate_ticks=activate,
        callback_ppm=request.callback_ppm,
    )
    _check_not_through(state, algo)
    state.number("algo")
    account.algos[algo.algo_id] = account.open_algos[algo.algo_id] = algo
    state.algos.setdefault(contract.symbol, {})[algo.algo_id] = algo
    _tell(state, algo)
    if algo.good_till_ms:
        state.schedule(algo.good_till_ms // 1000 * 1000, "algo-good-till", algo)
    return algo


def _check_form(request: NewAlgo, now_ms: int) -> None:
    if request.type not in filters.CONDITIONAL_TYPES:
        raise Refusal(-1116)
    if request.side not in ("BUY", "SELL"):
        raise Refusal(-1117)
    if request.stp_mode not in filters.STP_MODES:
        raise Refusal(-5039)
    if request.client_algo_id:
        filters.check_client_id(request.client_algo_id, name="clientAlgoId")
    if request.time_in_force and request.time_in_force not in filters.TIMES_IN_FORCE:
        raise Refusal(-1115)
    filters.check_good_till(request.time_in_force, request.good_till_ms, now_ms)
    if request.type == TRAILING:
        if not 1_000 <= request.callback_ppm <= 100_000:
            raise Refusal(-1102, name="callbackRate")
    elif not request.trigger_price_e8:
        raise Refusal(-1102, name="triggerPrice")
    _check_limit_price(request)
    _check_size(request)


def _check_size(request: NewAlgo) -> None:
    if request.close_position:
        if request.type not in CLOSE_POSITION_TYPES:
            raise Refusal(-1106, name="closePosition")
        if request.quantity_e8:
            raise Refusal(-4136)
        if request.reduce_only:
            raise Refusal(-1106, name="reduceOnly")
    elif not request.quantity_e8:
        raise Refusal(-1102, name="quantity")


def _check_limit_price(request: NewAlgo) -> None:
    if request.type not in ("STOP", "TAKE_PROFIT"):
        if request.price_e8:
            raise Refusal(-1106, name="price")
        if request.price_match != "NONE":
            raise Refusal(-5038)
    elif request.price_match != "NONE":
        if request.price_match not in filters.PRICE_MATCHES:
            raise Refusal(-5037)
        if request.price_e8:
            raise Refusal(-1106, name="price")
    elif not request.price_e8:
        raise Refusal(-1102, name="price")


def _check_account(account: Account, contract: Contract, request: NewAlgo, client_id: str) -> None:
    if account.liquidating:
        raise Refusal(-2023)
    if account.restricted == "no-orders":
        raise Refusal(-4088)
    reducing = request.reduce_only or request.close_position
    if account.restricted and not reducing:
        raise Refusal(-4087)
    if contract.status != "TRADING" and not reducing:
        raise Refusal(-4140)
    if len(account.open_algos) >= MAX_OPEN:
        raise Refusal(-4045)
    if any(algo.client_algo_id == client_id for algo in account.open_algos.values()):
        raise Refusal(-4116)
    if request.close_position and any(
        algo.close_position
        and (algo.contract.symbol, algo.position_side, algo.side, algo.type)
        == (contract.symbol, request.position_side, request.side, request.type)
        for algo in account.open_algos.values()
    ):
        raise Refusal(-4130)


def _reference_e8(state: State, algo: AlgoOrder) -> int:
    symbol = algo.contract.symbol
    if algo.working_type == "MARK_PRICE":
        return state.mark_e8.get(symbol, 0)
    return state.last_ticks.get(symbol, 0) * algo.contract.tick_e8


def _rises(algo: AlgoOrder) -> bool:
    """Whether it waits for a rising price."""
    stop = algo.type in ("STOP", "STOP_MARKET")
    return (algo.side == "BUY") == stop


def _check_not_through(state: State, algo: AlgoOrder) -> None:
    """Refuse what would trigger at once (-2021)."""
    price = _reference_e8(state, algo)
    if not price:
        return
    if algo.type == TRAILING:
        wanted = algo.activate_ticks * algo.contract.tick_e8
        if wanted and (price >= wanted if algo.side == "SELL" else price <= wanted):
            raise Refusal(-2021)
    elif _reached(algo, price):
        raise Refusal(-2021)


def _reached(algo: AlgoOrder, price_e8: int) -> bool:
    trigger = algo.trigger_ticks * algo.contract.tick_e8
    return price_e8 >= trigger if _rises(algo) else price_e8 <= trigger


def _trail(algo: AlgoOrder, price_e8: int) -> bool:
    """Follow the extreme; whether the price has come back by the callback rate."""
    sell = algo.side == "SELL"
    if algo.activate_ticks:
        wanted = algo.activate_ticks * algo.contract.tick_e8
        if price_e8 < wanted if sell else price_e8 > wanted:
            return False
        algo.activate_ticks = 0
    if not algo.extreme_e8:
        algo.extreme_e8 = price_e8
    if sell:
        algo.extreme_e8 = max(algo.extreme_e8, price_e8)
        return price_e8 * PPM <= algo.extreme_e8 * (PPM - algo.callback_ppm)
    algo.extreme_e8 = min(algo.extreme_e8, price_e8)
    return price_e8 * PPM >= algo.extreme_e8 * (PPM + algo.callback_ppm)


def look_at_prices(state: State) -> None:
    """Trigger what the prices since the last look have reached."""
    printed, state.printed = state.printed, {}
    for symbol, prices in printed.items():
        if algos := state.algos.get(symbol):
            tick = state.contracts[symbol].tick_e8
            for ticks in prices:
                _look(state, list(algos.values()), "CONTRACT_PRICE", ticks * tick)
    for symbol in sorted(state.marked):
        if algos := state.algos.get(symbol):
            _look(state, list(algos.values()), "MARK_PRICE", state.mark_e8[symbol])


def _look(state: State, algos: list[AlgoOrder], working_type: str, price_e8: int) -> None:
    for algo in algos:
        if algo.status != "NEW" or algo.working_type != working_type:
            continue
        hit = _trail(algo, price_e8) if algo.type == TRAILING else _reached(algo, price_e8)
        if hit and not (algo.price_protect and _far_apart(state, algo)):
            algo.status = "TRIGGERING"
            algo.triggered_ms = state.now_ms
            _close(state, algo)
            _tell(state, algo)
            state.schedule(state.now_ms + TRIGGER_DELAY_MS, "trigger", algo)


def _far_apart(state: State, algo: AlgoOrder) -> bool:
    """priceProtect: last and mark price differ by more than the contract's ``triggerProtect``."""
    symbol = algo.contract.symbol
    mark = state.mark_e8.get(symbol, 0)
    last = state.last_ticks.get(symbol, 0) * algo.contract.tick_e8
    return abs(mark - last) * PPM > algo.contract.trigger_protect_ppm * mark


def trigger(state: State, algo: AlgoOrder) -> None:
    """Send the child of an order that triggered."""
    if algo.status != "TRIGGERING":
        return
    account, contract = algo.account, state.contracts[algo.contract.symbol]
    steps = algo.quantity
    if algo.close_position:
        position = account.positions.get((contract.symbol, algo.position_side))
        if position is None or position.quantity * algo.sign >= 0:
            _end(state, algo, "EXPIRED", "no position to close")
            return
        steps = abs(position.quantity)
    limit = algo.type in ("STOP", "TAKE_PROFIT")
    request = NewOrder(
        contract.symbol,
        algo.side,
        "LIMIT" if limit else "MARKET",
        quantity_e8=steps * contract.step_e8,
        price_e8=algo.price_ticks * contract.tick_e8,
        time_in_force=algo.time_in_force if limit else "",
        position_side=algo.position_side,
        reduce_only=(algo.reduce_only or algo.close_position) and not account.hedge_mode,
        client_order_id=algo.client_algo_id,
        price_match=algo.price_match,
        stp_mode=algo.stp_mode,
    )
    try:
        checked = ordering.check(state, account, request)
    except Refusal as refusal:
        _end(state, algo, "REJECTED", refusal.text)
        return
    child = ordering.new_order(state, account, request, checked)
    child.original_type = algo.type
    child.algo_id = algo.algo_id
    child.close_position = algo.close_position
    child.working_type = algo.working_type
    child.price_protect = algo.price_protect
    child.trigger_ticks = algo.trigger_ticks
    child.callback_ppm = algo.callback_ppm
    algo.child = child
    algo.status = "TRIGGERED"
    _tell(state, algo)
    ordering.send(state, child, checked.limit_ticks)


def cancel(state: State, account: Account, algo_id: int, client_algo_id: str) -> AlgoOrder:
    """Cancel a waiting conditional order: -2011 if there is none, -4117 while it triggers."""
    algo = find(account, algo_id, client_algo_id)
    if algo is None:
        raise Refusal(-2011)
    if algo.status == "TRIGGERING":
        raise Refusal(-4117)
    if algo.status != "NEW":
        raise Refusal(-2011)
    _end(state, algo, "CANCELED")
    return algo


def cancel_all(state: State, account: Account, symbol: str) -> list[AlgoOrder]:
    """Cancel all waiting conditional orders of a symbol."""
    state.contract(symbol)
    found = [algo for algo in account.open_algos.values() if algo.contract.symbol == symbol]
    for algo in found:
        _end(state, algo, "CANCELED")
    return found


def find(account: Account, algo_id: int, client_algo_id: str) -> AlgoOrder | None:
    """A conditional order by id, else the newest with the client id."""
    if algo_id:
        return account.algos.get(algo_id)
    if not client_algo_id:
        raise Refusal(-1102, name="algoId")
    matches = (a for a in reversed(account.algos.values()) if a.client_algo_id == client_algo_id)
    return next(matches, None)


def expire(state: State, algo: AlgoOrder, status: str = "EXPIRED", reason: str = "") -> None:
    """End a waiting order for a reason of the exchange."""
    if algo.status in ("NEW", "TRIGGERING"):
        _end(state, algo, status, reason)


def look_at_ends(state: State) -> None:
    """Finish the conditional orders whose children ended; expire what a closed position leaves."""
    ended, state.ended = state.ended, []
    for order in ended:
        algo = order.account.algos.get(order.algo_id) if order.algo_id else None
        if algo is not None and algo.status == "TRIGGERED":
            _end(state, algo, "FINISHED")
    closed, state.closed = state.closed, []
    for account, position in closed:
        key = position.contract.symbol, position.side
        for order in list(account.open_orders.values()):
            mine = (order.contract.symbol, order.position_side) == key and order.reduce_only
            if mine and order.sign * position.quantity >= 0:
                finish(state, order, "EXPIRED", "EXPIRED", "the position is closed")
        for algo in list(account.open_algos.values()):
            mine = (algo.contract.symbol, algo.position_side) == key and algo.close_position
            if mine and algo.sign * position.quantity >= 0:
                _end(state, algo, "EXPIRED", "the position is closed")


def _close(state: State, algo: AlgoOrder) -> None:
    algo.account.open_algos.pop(algo.algo_id, None)
    state.algos[algo.contract.symbol].pop(algo.algo_id, None)


def _end(state: State, algo: AlgoOrder, status: str, reason: str = "") -> None:
    _close(state, algo)
    algo.status = status
    algo.reject_reason = reason
    _tell(state, algo)


def _tell(state: State, algo: AlgoOrder) -> None:
    child: Order | None = algo.child
    algo.updated_ms = state.now_ms
    state.emit(
        AlgoChanged(
            state.now_ms,
            algo.account,
            algo,
            algo.status,
            0 if child is None else child.order_id,
            0 if child is None else child.executed,
            0 if child is None else child.executed_quote_e8,
            algo.reject_reason,
        )
    )
