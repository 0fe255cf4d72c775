"""Where orders meet: price first, then time; every fill goes into both parties' books at once.

An order of the house is None. A fill between the house and itself is a print between strangers:
volume, but nobody's position.
"""

from __future__ import annotations

from riposte.exchange.book import Book, HalfBook, Level, Resting
from riposte.exchange.contract import Contract
from riposte.exchange.events import LevelChanged, Traded
from riposte.exchange.ledger import book_fill, fee_e8, position_of, settings_of
from riposte.exchange.margin import initial_e8
from riposte.exchange.records import Account, Fill, Order, OrderSide, Position, PositionSide
from riposte.exchange.state import State
from riposte.exchange.units import rounded_ratio

NO_LIMIT_BUY = 1 << 62
NO_LIMIT_SELL = 0


def reduces(order: Order) -> bool:
    """Whether an order may only make a position smaller."""
    closes_hedge = (order.position_side == "LONG" and order.side == "SELL") or (
        order.position_side == "SHORT" and order.side == "BUY"
    )
    return order.reduce_only or order.close_position or closes_hedge


def reducible(order: Order) -> int:
    """Steps by which an order could make its position smaller."""
    position = order.account.positions.get((order.contract.symbol, order.position_side))
    if position is None or position.quantity * order.sign >= 0:
        return 0
    return abs(position.quantity)


def level_changed(state: State, book: Book, side: OrderSide, level: Level) -> None:
    """Tell the new total at a price."""
    book.last_update_id += 1
    state.outbox.append(
        LevelChanged(state.now_ms, book.symbol, side, level.ticks, level.total, book.last_update_id)
    )


def rest(state: State, order: Order) -> None:
    """Put what is left of an order into the book."""
    book = state.books[order.contract.symbol]
    account = order.account
    account.open_orders[order.order_id] = order
    account.open_by_client_id[order.contract.symbol, order.client_order_id] = order
    _bind(order, order.remaining)
    level_changed(state, book, order.side, book.side(order.side).add(order, order.remaining))


def withdraw(state: State, order: Order) -> None:
    """Take a resting order out of the book; its status is the caller's business."""
    book = state.books[order.contract.symbol]
    account = order.account
    _bind(order, -order.remaining)
    del account.open_orders[order.order_id]
    del account.open_by_client_id[order.contract.symbol, order.client_order_id]
    level_changed(state, book, order.side, book.side(order.side).withdraw(order))


def finish(state: State, order: Order, status: str, execution: str, reason: str = "") -> None:
    """End an order that is not filled: CANCELED, EXPIRED or EXPIRED_IN_MATCH."""
    if order.order_id in order.account.open_orders:
        withdraw(state, order)
    order.status = status
    order.expire_reason = reason
    state.tell_order(order, execution)
    state.ended.append(order)


def _bind(order: Order, steps: int) -> None:
    """Count (or, negative, no longer count) resting steps towards the order margin."""
    if reduces(order):
        return
    key = (order.contract.symbol, order.position_side)
    resting = order.account.resting_e8.setdefault(key, [0, 0])
    resting[order.side == "SELL"] += order.contract.notional_e8(order.price_ticks, steps)


def take(
    state: State,
    contract: Contract,
    side: OrderSide,
    limit_ticks: int,
    steps: int,
    taker: Order | None,
) -> int:
    """Trade up to ``steps`` at ``limit_ticks`` or better; returns what could not be traded."""
    book = state.books[contract.symbol]
    half = book.against(side)
    while steps:
        level = half.best()
        if level is None or level.ticks * half.sign < limit_ticks * half.sign:
            break
        place, resting = next(iter(level.queue.items()))
        maker = resting.order
        if maker is not None:
            if taker is not None and maker.account is taker.account:
                if not _self_trade(state, maker, taker):
                    return 0
                if not maker.open:
                    continue
            if reduces(maker) and not _fit(state, maker):
                continue
        quantity = min(steps, resting.quantity)
        _execute(state, contract, half, level, place, resting, taker, side, quantity)
        steps -= quantity
    return steps


def takeable(
    state: State,
    account: Account,
    contract: Contract,
    side: OrderSide,
    limit_ticks: int,
    steps: int,
    stp_mode: str,
) -> int:
    """What :func:`take` would trade: the account's own orders don't count, nor what may only reduce
    a position beyond what there is to reduce."""
    half = state.books[contract.symbol].against(side)
    found, reduced = 0, dict[tuple[Account, PositionSide], int]()
    for level in half:
        if level.ticks * half.sign < limit_ticks * half.sign:
            break
        for resting in level.queue.values():
            maker, quantity = resting.order, resting.quantity
            if maker is not None and maker.account is account:
                if stp_mode in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
                    return found
                if stp_mode == "EXPIRE_MAKER":
                    continue
            if maker is not None and reduces(maker):
                key = maker.account, maker.position_side
                quantity = min(quantity, reducible(maker) - reduced.get(key, 0))
                reduced[key] = reduced.get(key, 0) + quantity
            found += quantity
        if found >= steps:
            break
    return found


def _self_trade(state: State, maker: Order, taker: Order) -> bool:
    """Prevent an account from trading with itself; whether the taker lives on."""
    mode = taker.stp_mode
    if mode in ("EXPIRE_MAKER", "EXPIRE_BOTH"):
        finish(state, maker, "EXPIRED_IN_MATCH", "EXPIRED", "self trade prevention")
    if mode in ("EXPIRE_TAKER", "EXPIRE_BOTH"):
        finish(state, taker, "EXPIRED_IN_MATCH", "EXPIRED", "self trade prevention")
        return False
    return True


def _fit(state: State, maker: Order) -> bool:
    """Cut a resting order that may only reduce to what there is to reduce; expire it if nothing."""
    most = reducible(maker)
    if not most:
        finish(state, maker, "EXPIRED", "EXPIRED", "nothing to reduce")
        return False
    excess = maker.remaining - most
    if excess > 0:
        book = state.books[maker.contract.symbol]
        half = book.side(maker.side)
        level = half.levels[maker.price_ticks]
        level.queue[maker.order_id].quantity -= excess
        level.total -= excess
        maker.quantity -= excess
        level_changed(state, book, maker.side, level)
    return True


def _execute(
    state: State,
    contract: Contract,
    half: HalfBook,
    level: Level,
    place: int,
    resting: Resting,
    taker: Order | None,
    side: OrderSide,
    quantity: int,
) -> None:
    ticks, maker = level.ticks, resting.order
    if maker is not None:
        _bind(maker, -quantity)
    half.serve(level, place, resting, quantity)
    level_changed(state, state.books[contract.symbol], half.side, level)
    trade_id = state.number("trade")
    print_trade(
        state,
        contract,
        ticks,
        quantity,
        buyer_is_maker=side == "SELL",
        trade_id=trade_id,
        liquidation=taker is not None and taker.type == "LIQUIDATION",
    )
    notional = contract.notional_e8(ticks, quantity)
    if maker is not None:
        fill(state, maker, ticks, quantity, notional, trade_id, maker=True)
    elif taker is not None:
        house_fill(state, contract, half.sign, quantity, notional)
    if taker is not None:
        fill(state, taker, ticks, quantity, notional, trade_id, maker=False)
    elif maker is not None:
        house_fill(state, contract, -half.sign, quantity, notional)


def print_trade(
    state: State,
    contract: Contract,
    ticks: int,
    quantity: int,
    *,
    buyer_is_maker: bool,
    trade_id: int,
    liquidation: bool = False,
) -> None:
    """A public trade: last price, tape, and something for the triggers to look at."""
    symbol = contract.symbol
    state.outbox.append(
        Traded(state.now_ms, symbol, trade_id, ticks, quantity, buyer_is_maker, liquidation)
    )
    if state.last_ticks.get(symbol) != ticks:
        state.last_ticks[symbol] = ticks
        state.printed.setdefault(symbol, []).append(ticks)


def house_fill(
    state: State, contract: Contract, sign: int, quantity: int, notional_e8: int
) -> None:
    """The house's side of a customer's fill: no fee, no margin, but it counts."""
    position = position_of(state.house, contract, "BOTH")
    state.house.wallet_e8 += book_fill(position, sign, quantity, notional_e8)


def fill(
    state: State,
    order: Order,
    ticks: int,
    quantity: int,
    notional_e8: int,
    trade_id: int,
    *,
    maker: bool,
) -> None:
    """Book one fill of a customer's order: position, wallet, order, event."""
    account, contract = order.account, order.contract
    position = position_of(account, contract, order.position_side)
    before = position.quantity
    realized = book_fill(position, order.sign, quantity, notional_e8)
    charged = account.pays_fees and order.type != "LIQUIDATION"  # that pays the liquidation fee
    fee = fee_e8(contract, notional_e8, maker=maker) if charged else 0
    _move_isolated(state, order, position, before, ticks)
    position.realized_e8 += realized
    position.fees_e8 = position.fees_e8 + fee if before * position.quantity > 0 else fee
    position.updated_ms = state.now_ms
    if not position.quantity:
        position.fees_e8 = 0
    trade = str(trade_id)
    if realized:
        state.pay(account, "REALIZED_PNL", realized, symbol=contract.symbol, trade_id=trade)
    if fee:
        state.pay(account, "COMMISSION", -fee, symbol=contract.symbol, trade_id=trade)
        state.fees_e8 += fee
    state.traders[account] = None
    order.executed += quantity
    order.executed_quote_e8 += notional_e8
    order.realized_e8 += realized
    done = order.executed == order.quantity
    order.status = "FILLED" if done else "PARTIALLY_FILLED"
    record = Fill(
        trade_id,
        order.order_id,
        order.client_order_id,
        contract.symbol,
        order.side,
        order.position_side,
        ticks,
        quantity,
        notional_e8,
        fee,
        realized,
        maker,
        state.now_ms,
    )
    account.fills.append(record)
    if done and order.order_id in account.open_orders:
        del account.open_orders[order.order_id]
        del account.open_by_client_id[contract.symbol, order.client_order_id]
    state.tell_order(order, "CALCULATED" if order.type == "LIQUIDATION" else "TRADE", record)
    state.touch(account, position)
    if done:
        state.ended.append(order)
    if before and before * position.quantity <= 0:
        state.closed.append((account, position))


def _move_isolated(state: State, order: Order, position: Position, before: int, ticks: int) -> None:
    """Bring margin into an isolated position that grew, take its share out of one that shrank."""
    settings = settings_of(order.account, order.contract)
    if not settings.isolated:
        return
    after = position.quantity
    kept = abs(after) if before * after > 0 else 0
    if before and kept < abs(before):
        position.isolated_margin_e8 -= rounded_ratio(
            position.isolated_margin_e8, abs(before) - kept, abs(before)
        )
    opened = abs(after) - min(kept, abs(before))
    if opened > 0:
        notional = order.contract.notional_e8(ticks, opened)
        position.isolated_margin_e8 += initial_e8(notional, settings.leverage)
