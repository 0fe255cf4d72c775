"""What is known of one order, as facts that only add up: the order in which they come does not matter.

The exchange tells of an order in many ways: the answer to its placing, the user stream (repeated, late,
out of order), queries, lists of trades. Each of them becomes :class:`Facts`, and what is known is the
:func:`merge` of all. Merging is commutative, associative and idempotent, so that a message that comes
twice, late or after a restart changes nothing, and one that was lost is made up for by asking.

What is not known is not guessed: an order that was sent and of which nothing was heard is ``UNKNOWN``
until the exchange says one thing or the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from functools import reduce

from riposte.errors import DataError

ZERO = Decimal(0)


class End(IntEnum):
    """How an order ended at the exchange; where messages differ, the larger one stands."""

    EXPIRED = 1
    CANCELED = 2
    FILLED = 3


class Status(IntEnum):
    """What may be assumed of an order."""

    INTENDED = 0
    """Written down, not sent: it is nowhere."""
    UNKNOWN = 1
    """Sent, and nothing heard: it may rest, it may be filled, it may never have arrived. Ask."""
    OPEN = 2
    """The exchange has it, and it may still fill."""
    ENDED = 3
    """It can fill no more; what it filled is known but for what :attr:`Facts.untold` says."""
    REFUSED = 4
    """The exchange did not take it."""
    ABSENT = 5
    """The exchange was asked, long enough afterwards, and does not know it."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One trade of an order. ``fee`` is None where the message did not tell (TRADE_LITE)."""

    trade_id: int
    quantity: Decimal
    price: Decimal
    maker: bool
    time_ns: int
    fee: Decimal | None = None
    fee_asset: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the exchange did not take an order."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Quantity and price as the exchange had them at a time: an amendment changes both."""

    time_ns: int
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about the order with one client id; the empty one knows nothing.

    ``order_id``: the exchange's number, 0 unknown. ``executed``: the most that the exchange has told in
    one number. ``executions``: by trade id, in their order. ``shape``: the newest one.
    """

    sent: bool = False
    order_id: int = 0
    executed: Decimal = ZERO
    executions: tuple[Execution, ...] = ()
    shape: Shape | None = None
    end: End | None = None
    refused: Refused | None = None
    absent: bool = False

    @property
    def exists(self) -> bool:
        """Whether the exchange has (or had) it: any sign of life outweighs a refusal or an absence."""
        return bool(self.order_id or self.executed or self.executions or self.end)

    @property
    def traded(self) -> Decimal:
        """The quantity of the trades that are known one by one."""
        return sum((each.quantity for each in self.executions), ZERO)

    @property
    def filled(self) -> Decimal:
        """The quantity that has been filled at least."""
        return max(self.executed, self.traded)

    @property
    def untold(self) -> Decimal:
        """The quantity of trades that must be, and are not known one by one: fetch them."""
        return self.filled - self.traded

    @property
    def without_fee(self) -> tuple[int, ...]:
        """Trades whose fee has not been told: fetch it."""
        return tuple(each.trade_id for each in self.executions if each.fee is None)

    @property
    def status(self) -> Status:
        """What may be assumed."""
        if self.exists:
            whole = self.shape is not None and self.filled >= self.shape.quantity
            return Status.ENDED if self.end is not None or whole else Status.OPEN
        if self.refused is not None:
            return Status.REFUSED
        if self.absent:
            return Status.ABSENT
        return Status.UNKNOWN if self.sent else Status.INTENDED


NOTHING = Facts()


def merge(one: Facts, other: Facts) -> Facts:
    """All that both say.

    Raises:
        DataError: if they speak of two orders.
    """
    if one.order_id and other.order_id and one.order_id != other.order_id:
        raise DataError(
            f"two orders of the exchange have one client id: {one.order_id} and {other.order_id}"
        )
    return Facts(
        sent=one.sent or other.sent,
        order_id=one.order_id or other.order_id,
        executed=max(one.executed, other.executed),
        executions=_joined((*one.executions, *other.executions)),
        shape=max(filter(None, (one.shape, other.shape)), key=_newer, default=None),
        end=max(filter(None, (one.end, other.end)), default=None),
        refused=min(filter(None, (one.refused, other.refused)), key=_told, default=None),
        absent=one.absent or other.absent,
    )


def merged(facts: Iterable[Facts]) -> Facts:
    """All that all say."""
    return reduce(merge, facts, NOTHING)


def _joined(executions: Iterable[Execution]) -> tuple[Execution, ...]:
    """Each trade once, as the message that tells most has it."""
    found: dict[int, Execution] = {}
    for each in executions:
        known = found.get(each.trade_id)
        found[each.trade_id] = each if known is None else max(known, each, key=_fullness)
    return tuple(found[trade_id] for trade_id in sorted(found))


def _fullness(execution: Execution) -> tuple[bool, Decimal, str, int, Decimal, Decimal, bool]:
    fee = execution.fee
    return (
        fee is not None,
        ZERO if fee is None else fee,
        execution.fee_asset,
        execution.time_ns,
        execution.quantity,
        execution.price,
        execution.maker,
    )


def _newer(shape: Shape) -> tuple[int, Decimal, Decimal]:
    return shape.time_ns, shape.quantity, shape.price


def _told(refused: Refused) -> tuple[int, str]:
    return refused.code, refused.text


def sent() -> Facts:
    """It was, or may have been, put on the wire."""
    return Facts(sent=True)


def refusal(code: int, text: str) -> Facts:
    """The exchange did not take it; not for answers that leave the outcome open."""
    return Facts(sent=True, refused=Refused(code, text))


def absence() -> Facts:
    """The exchange does not know it, asked so long after it was sent that it cannot arrive any more."""
    return Facts(sent=True, absent=True)


def execution(order_id: int, trade: Execution, executed: Decimal = ZERO) -> Facts:
    """One trade, and what was filled in all when it was told (0: not said)."""
    return Facts(sent=True, order_id=order_id, executed=executed, executions=(trade,))


def snapshot(
    order_id: int, shape: Shape, executed: Decimal = ZERO, end: End | None = None
) -> Facts:
    """How the exchange has it: an answer, an update without a trade, a query."""
    told = Facts(sent=True, order_id=order_id, executed=executed, shape=shape, end=end)
    return replace(told, end=End.FILLED) if executed >= shape.quantity > 0 else told
