"""A recorded order book run again: the best levels after every message, in the order a book took them.

The same compiled rule as the live :class:`riposte.market.book.OrderBook`, over a whole record.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from riposte.compiled import compiled
from riposte.errors import DataError
from riposte.market.book import Mask, Outcome, take_change, take_snapshot, with_room
from riposte.market.frame import Floats, Times

_FIRST_CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class DepthChanges:
    """Recorded depth messages, snapshots among them, in order of arrival.

    Build it with :func:`make_depth_changes`. Per message (n,), int64: ``event_time`` (ns UTC, when
    the book changed at the exchange), ``sent_time`` (its clock at sending), ``received_time`` (our
    clock), ``first_id`` (``U``), ``final_id`` (``u``, of a snapshot ``lastUpdateId``),
    ``previous_id`` (``pu``; the two are -1 for a snapshot) and ``is_snapshot``. The levels of
    message i are the rows ``start[i]`` to ``start[i + 1]`` of ``is_bid``, ``price`` (USDT) and
    ``quantity`` (coins; 0 removes the level).
    """

    symbol: str
    event_time: Times
    sent_time: Times
    received_time: Times
    first_id: Times
    final_id: Times
    previous_id: Times
    is_snapshot: Mask
    start: Times
    is_bid: Mask
    price: Floats
    quantity: Floats

    def __len__(self) -> int:
        return len(self.final_id)

    @property
    def title(self) -> str:
        """How messages name it: ``BTCUSDT depth changes``."""
        return f"{self.symbol} depth changes"


def make_depth_changes(
    symbol: str,
    rows: dict[str, Times],
    is_snapshot: Mask,
    is_bid: Mask,
    price: Floats,
    quantity: Floats,
) -> DepthChanges:
    """Messages from recorded rows, one row per level, the rows of a message together.

    ``rows`` holds event_time, sent_time, received_time, first_id, final_id and previous_id of each
    row; a message is a run of rows with one final_id, snapshot or not. A message that changed no
    level has no rows: where there was one, the next seems to follow nothing.

    Raises:
        DataError: if there are no rows or their lengths differ.
    """
    final_id = rows["final_id"]
    lengths = {len(each) for each in (*rows.values(), is_snapshot, is_bid, price, quantity)}
    if len(lengths) != 1 or len(final_id) == 0:
        raise DataError(f"{symbol} depth changes: columns of {sorted(lengths)} rows")
    edges = (np.diff(final_id) != 0) | (np.diff(is_snapshot.astype(np.int8)) != 0)
    first = np.append(0, np.flatnonzero(edges) + 1)
    message = {name: values[first].astype(np.int64) for name, values in rows.items()}
    arrays = (
        message["event_time"],
        message["sent_time"],
        message["received_time"],
        message["first_id"],
        message["final_id"],
        message["previous_id"],
        is_snapshot[first],
        np.append(first, len(final_id)).astype(np.int64),
        is_bid.astype(np.bool_),
        price.astype(np.float64),
        quantity.astype(np.float64),
    )
    for each in arrays:
        each.setflags(write=False)
    return DepthChanges(symbol, *arrays)


@dataclass(frozen=True, slots=True)
class BookHistory:
    """The best levels of a book, one row for each message it took, in the order it took them.

    ``message`` is the row of :class:`DepthChanges`; a message that was held comes after the
    snapshot it waited for, and ``known_time`` (ns UTC, our clock) is then the snapshot's.
    ``event_time`` is the exchange's. ``bids`` and ``asks`` are (n, levels, 2), price and quantity,
    the best first, NaN where there are fewer. ``breaks`` are the messages that did not follow,
    ``unsound`` those with an impossible level, ``never_taken`` those that had to wait for a
    snapshot that did not come.
    """

    symbol: str
    message: Times
    update_id: Times
    event_time: Times
    known_time: Times
    bids: Floats
    asks: Floats
    breaks: Times
    unsound: Times
    never_taken: Times

    def __len__(self) -> int:
        return len(self.message)

    @property
    def crossed(self) -> Mask:
        """Rows where a bid is at or above an ask: the book is wrong there."""
        return np.asarray(self.bids[:, 0, 0] >= self.asks[:, 0, 0])


def replay(changes: DepthChanges, levels: int = 1) -> BookHistory:
    """Rebuild the book over the whole record and note its best ``levels`` after every message."""
    count = len(changes)
    message = np.empty(count, dtype=np.int64)
    bids = np.full((count, levels, 2), np.nan)
    asks = np.full((count, levels, 2), np.nan)
    outcomes = np.full(count, int(Outcome.STALE), dtype=np.int64)
    broke = np.zeros(count, dtype=np.bool_)
    taken = _replay(
        changes.first_id, changes.final_id, changes.previous_id, changes.is_snapshot,
        changes.start, changes.is_bid, changes.price, changes.quantity,
        message, bids, asks, outcomes, broke,
    )  # fmt: skip
    message = message[:taken].copy()
    waiting = (outcomes == Outcome.HELD) | (outcomes == Outcome.BREAK)
    return BookHistory(
        changes.symbol,
        message,
        changes.final_id[message],
        changes.event_time[message],
        np.maximum.accumulate(changes.received_time[message]),
        bids[:taken],
        asks[:taken],
        np.flatnonzero(broke),
        np.flatnonzero(outcomes == Outcome.UNSOUND),
        np.flatnonzero(waiting),
    )


@compiled
def _note(side: Floats, count: int, sign: float, row: Floats) -> None:
    for i in range(min(count, len(row))):
        row[i, 0] = sign * side[0, count - 1 - i]
        row[i, 1] = side[1, count - 1 - i]


@compiled
def _replay(
    first_id: Times, final_id: Times, previous_id: Times, is_snapshot: Mask,
    start: Times, is_bid: Mask, price: Floats, quantity: Floats,
    message: Times, best_bids: Floats, best_asks: Floats, outcomes: Times, broke: Mask,
) -> int:  # fmt: skip
    """Run over the messages; after a snapshot once more over those that were held for it."""
    bids = np.empty((2, _FIRST_CAPACITY))
    asks = np.empty((2, _FIRST_CAPACITY))
    status = np.zeros(4, dtype=np.int64)
    taken = 0
    held_from = -1  # the first message that waits for a snapshot
    snapshot = -1  # while the held ones are run over again: the snapshot they waited for
    m = 0
    while m < len(final_id):
        if snapshot >= 0 and (m == snapshot or is_snapshot[m]):
            if m == snapshot:
                snapshot = -1
            m += 1
            continue
        part = slice(start[m], start[m + 1])
        rows = start[m + 1] - start[m]
        bids = with_room(bids, status[2], rows)
        asks = with_room(asks, status[3], rows)
        if is_snapshot[m]:
            outcome = take_snapshot(
                bids, asks, status, final_id[m], is_bid[part], price[part], quantity[part]
            )
        else:
            outcome = take_change(
                bids, asks, status, first_id[m], final_id[m], previous_id[m],
                is_bid[part], price[part], quantity[part],
            )  # fmt: skip
        outcomes[m] = outcome
        broke[m] |= outcome == Outcome.BREAK
        if outcome == Outcome.APPLIED:
            _note(bids, status[2], 1.0, best_bids[taken])
            _note(asks, status[3], -1.0, best_asks[taken])
            message[taken] = m
            taken += 1
            if is_snapshot[m] and held_from >= 0:
                snapshot, m, held_from = m, held_from, -1
                continue
        elif outcome == Outcome.HELD or outcome == Outcome.BREAK:  # noqa: PLR1714 - compiled
            if held_from < 0:
                held_from = m
            if snapshot >= 0:  # it and all after it go on waiting
                m = snapshot
                continue
        m += 1
    return taken
