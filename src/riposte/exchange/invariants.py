"""What must hold between any two commands; a breach is a defect of the exchange, never of a client.

Tests look at it after each step, and the control API tells it, so that whoever judges a bot by this
exchange can see that the judge is sound.
"""

from __future__ import annotations

from collections.abc import Iterator

from riposte.exchange.book import Book, HalfBook
from riposte.exchange.margin import view
from riposte.exchange.matching import reduces
from riposte.exchange.records import Account, Order
from riposte.exchange.state import State


def breaches(exchange: State) -> list[str]:
    """One sentence for each rule that does not hold now; nothing is changed."""
    return [
        *_money(exchange),
        *(text for book in exchange.books.values() for text in _book(exchange, book)),
        *(text for account in exchange.accounts.values() for text in _account(exchange, account)),
        *_waiting(exchange),
    ]


def gap_e8(exchange: State) -> int:
    """Money that came from nowhere (or, negative, was lost): 0, to the last digit."""
    worth = sum(
        account.wallet_e8 - sum(p.cost_e8 for p in account.positions.values())
        for account in [*exchange.accounts.values(), exchange.house]
    )
    return worth + exchange.insurance_e8 + exchange.fees_e8 - exchange.deposits_e8


def _money(exchange: State) -> Iterator[str]:
    if gap := gap_e8(exchange):
        yield f"money came from nowhere: {gap} e8"
    if exchange.insurance_e8 < 0:
        yield f"the insurance fund owes {-exchange.insurance_e8} e8"
    holders = [*exchange.accounts.values(), exchange.house]
    for symbol in exchange.contracts:
        held = sum(p.quantity for a in holders for (s, _), p in a.positions.items() if s == symbol)
        if held:
            yield f"{symbol}: longs and shorts differ by {held} steps"


def _book(exchange: State, book: Book) -> Iterator[str]:
    bid, ask = book.best_bid(), book.best_ask()
    if bid is not None and ask is not None and bid[0] >= ask[0]:
        yield f"{book.symbol}: crossed, bid {bid[0]} and ask {ask[0]} ticks"
    resting = {order.order_id: order for half in (book.bids, book.asks) for order in _orders(half)}
    mine = {
        order.order_id: order
        for account in exchange.accounts.values()
        for order in account.open_orders.values()
        if order.contract.symbol == book.symbol
    }
    if resting != mine:
        odd = sorted(resting.keys() ^ mine.keys())
        yield f"{book.symbol}: the book and the accounts differ in the orders {odd}"
    for half in (book.bids, book.asks):
        yield from _half(book.symbol, half)


def _orders(half: HalfBook) -> Iterator[Order]:
    for level in half:
        yield from (each.order for each in level.queue.values() if each.order is not None)


def _half(symbol: str, half: HalfBook) -> Iterator[str]:
    if half.keys != sorted(half.levels[key * half.sign].ticks * half.sign for key in half.keys):
        yield f"{symbol} {half.side}: levels out of order"
    for level in half:
        where = f"{symbol} {half.side} {level.ticks}"
        queue = level.queue.values()
        if level.total != sum(each.quantity for each in queue) or level.total <= 0:
            yield f"{where}: a total of {level.total} steps is not what stands there"
        if level.house != sum(each.quantity for each in queue if each.order is None):
            yield f"{where}: {level.house} steps are not what the market has there"
        for each in queue:
            order = each.order
            if each.quantity <= 0 or (order is not None and each.quantity != order.remaining):
                number = order.order_id if order is not None else "of the market"
                yield f"{where}: order {number} rests with {each.quantity} steps"


def _account(exchange: State, account: Account) -> Iterator[str]:
    name = account.name
    if account.wallet_e8 != (total := sum(row.amount_e8 for row in account.income)):
        yield f"{name}: a wallet of {account.wallet_e8} e8 with an income of {total} e8"
    balance = view(account, exchange.mark_e8).margin_balance
    if balance < 0:
        yield f"{name}: owes {-balance} e8"
    for order in account.open_orders.values():
        if not order.open or order.remaining <= 0:
            yield f"{name}: order {order.order_id} is open and {order.status}"
    by_id = set(account.open_by_client_id.values())
    if by_id != set(account.open_orders.values()):
        yield f"{name}: open orders and their client ids differ"
    yield from _bound(account)
    for (symbol, side), position in account.positions.items():
        if not position.quantity and (position.cost_e8 or position.isolated_margin_e8):
            yield f"{name}: an empty position of {symbol} {side} has a cost or a margin"


def _bound(account: Account) -> Iterator[str]:
    """The notional of open orders, which is kept as they change, against the orders."""
    wanted: dict[tuple[str, str], list[int]] = {}
    for order in account.open_orders.values():
        if not reduces(order):
            both = wanted.setdefault((order.contract.symbol, order.position_side), [0, 0])
            both[order.side == "SELL"] += order.contract.notional_e8(
                order.price_ticks, order.remaining
            )
    for key, kept in account.resting_e8.items():
        if list(kept) != wanted.pop(key, [0, 0]):
            yield f"{account.name}: open orders of {' '.join(key)} bind something else than is kept"
    for missing in wanted:
        yield f"{account.name}: what open orders of {' '.join(missing)} bind is not kept"


def _waiting(exchange: State) -> Iterator[str]:
    """Conditional orders are listed by symbol and by account."""
    listed = {number for algos in exchange.algos.values() for number in algos}
    owned = {number for account in exchange.accounts.values() for number in account.open_algos}
    if listed != owned:
        yield f"conditional orders are listed in one place only: {sorted(listed ^ owned)}"
    for algos in exchange.algos.values():
        yield from (
            f"conditional order {algo.algo_id} waits and is {algo.status}"
            for algo in algos.values()
            if algo.status != "NEW"
        )
