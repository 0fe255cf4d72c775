"""What the exchange keeps: accounts, positions, orders and conditional ("algo") orders.

Mutable records with a life inside the core; nobody outside it writes to them. Prices of orders are
ticks, quantities steps, money USDT e8 (``riposte.exchange.units``), times milliseconds. The words
of the protocol (``"BUY"``, ``"LIMIT"``, ``"GTC"`` …) are kept as they are, because they go out
again as they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from riposte.exchange.contract import Contract

OrderSide = Literal["BUY", "SELL"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]
WorkingType = Literal["CONTRACT_PRICE", "MARK_PRICE"]

OPEN_STATUSES = frozenset({"NEW", "PARTIALLY_FILLED"})
OPEN_ALGO_STATUSES = frozenset({"NEW"})


@dataclass(slots=True, eq=False)
class Order:
    """An order of the book, live or gone."""

    order_id: int
    client_order_id: str
    account: Account
    contract: Contract
    side: OrderSide
    position_side: PositionSide
    type: str
    """LIMIT, MARKET or LIQUIDATION (of the exchange itself)."""
    time_in_force: str
    price_ticks: int
    """0 for a market order."""
    quantity: int
    """Steps; of a close-position order what it closes."""
    created_ms: int
    updated_ms: int
    original_type: str
    """The conditional type that made it, else ``type``."""
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = "CONTRACT_PRICE"
    price_protect: bool = False
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    good_till_ms: int = 0
    trigger_ticks: int = 0
    activate_ticks: int = 0
    callback_ppm: int = 0
    status: str = "NEW"
    """NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, EXPIRED_IN_MATCH, REJECTED."""
    executed: int = 0
    """Steps filled so far."""
    executed_quote_e8: int = 0
    """Σ notional of the fills."""
    realized_e8: int = 0
    """Σ realised profit of its fills."""
    amendments: int = 0
    modify_id: int | None = None
    """The client's own number of the last change."""
    algo_id: int = 0
    """The conditional order whose child it is, or 0."""
    expire_reason: str = ""

    @property
    def sign(self) -> int:
        """+1 for a buy, −1 for a sell."""
        return 1 if self.side == "BUY" else -1

    @property
    def remaining(self) -> int:
        """Steps not filled."""
        return self.quantity - self.executed

    @property
    def open(self) -> bool:
        """Whether it still rests in the book."""
        return self.status in OPEN_STATUSES


@dataclass(slots=True, eq=False)
class AlgoOrder:
    """A conditional order: waits for its trigger, then sends a child order."""

    algo_id: int
    client_algo_id: str
    account: Account
    contract: Contract
    side: OrderSide
    position_side: PositionSide
    type: str
    """STOP, STOP_MARKET, TAKE_PROFIT, TAKE_PROFIT_MARKET or TRAILING_STOP_MARKET."""
    time_in_force: str
    quantity: int
    """Steps; 0 with ``close_position``."""
    price_ticks: int
    """Limit price of the child; 0 for a market child."""
    trigger_ticks: int
    created_ms: int
    updated_ms: int
    working_type: WorkingType = "CONTRACT_PRICE"
    price_match: str = "NONE"
    stp_mode: str = "EXPIRE_MAKER"
    close_position: bool = False
    price_protect: bool = False
    reduce_only: bool = False
    good_till_ms: int = 0
    activate_ticks: int = 0
    """TRAILING: activation price, 0 once (or if at once) active."""
    callback_ppm: int = 0
    """TRAILING: distance from the extreme."""
    extreme_e8: int = 0
    """TRAILING: best price since activation; 0 before."""
    status: str = "NEW"
    """NEW, CANCELED, EXPIRED, REJECTED, TRIGGERING, TRIGGERED, FINISHED."""
    triggered_ms: int = 0
    child: Order | None = None
    reject_reason: str = ""

    @property
    def sign(self) -> int:
        """+1 for a buy, −1 for a sell."""
        return 1 if self.side == "BUY" else -1


@dataclass(slots=True, eq=False)
class Position:
    """Holdings of one account in one contract and position side.

    ``cost_e8`` is Σ signed notional of what is still held (average entry × quantity, exact), so
    ``unrealised = value at mark − cost`` and no rounding is ever lost.
    """

    contract: Contract
    side: PositionSide
    quantity: int = 0
    """Steps, signed: negative is short."""
    cost_e8: int = 0
    isolated_margin_e8: int = 0
    """Isolated wallet; 0 in cross margin."""
    realized_e8: int = 0
    """Accumulated realised profit, fees not counted (``cr``)."""
    fees_e8: int = 0
    """Fees paid since it was opened; moves the break-even price."""
    updated_ms: int = 0

    @property
    def step_e8(self) -> int:
        """Coins of a step."""
        return self.contract.step_e8


@dataclass(slots=True)
class SymbolSettings:
    """What an account chose for a contract."""

    leverage: int = 20
    isolated: bool = False
    auto_add_margin: bool = False


class Fill(NamedTuple):
    """One execution, from the view of one order."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: OrderSide
    position_side: PositionSide
    price_ticks: int
    quantity: int
    notional_e8: int
    fee_e8: int
    realized_e8: int
    maker: bool
    time_ms: int


class Income(NamedTuple):
    """One change of a wallet."""

    tran_id: int
    kind: str
    """TRANSFER, REALIZED_PNL, COMMISSION, FUNDING_FEE, INSURANCE_CLEAR."""
    symbol: str
    amount_e8: int
    time_ms: int
    trade_id: str = ""
    info: str = ""


@dataclass(slots=True, eq=False)
class Account:
    """One customer. ``wallet_e8`` includes the isolated wallets of its positions."""

    name: str
    number: int
    wallet_e8: int = 0
    hedge_mode: bool = False
    multi_assets: bool = False
    fee_burn: bool = False
    """Whether fees are to be paid in BNB; without BNB, as always here, they are paid in USDT."""
    restricted: str = ""
    """"" (free), ``"reduce-only"`` (-4087) or ``"no-orders"`` (-4088)."""
    liquidating: bool = False
    margin_called: set[str] = field(default_factory=set)
    """Scopes (``cross`` or a symbol) whose margin call was sent and has not recovered."""
    settings: dict[str, SymbolSettings] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    open_orders: dict[int, Order] = field(default_factory=dict)
    open_by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)
    """(symbol, client id) → open order: ids are unique among open orders only."""
    latest_by_client_id: dict[tuple[str, str], Order] = field(default_factory=dict)
    """(symbol, client id) → the newest order that had it, open or not."""
    amendments: list[tuple[int, Order, tuple[int, int], tuple[int, int], int | None]] = field(
        default_factory=list
    )
    """(time_ms, order, (ticks, steps) before, after, the client's number of it)."""
    open_algos: dict[int, AlgoOrder] = field(default_factory=dict)
    resting_e8: dict[tuple[str, PositionSide], list[int]] = field(default_factory=dict)
    """Notional of open orders that may enlarge a position: [buys, sells], kept as they change."""
    orders: dict[int, Order] = field(default_factory=dict)
    """All orders ever, by id."""
    algos: dict[int, AlgoOrder] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    income: list[Income] = field(default_factory=list)
    margin_changes: list[tuple[int, str, PositionSide, int, int]] = field(default_factory=list)
    """(time_ms, symbol, position side, amount_e8, 1 added | 2 reduced)."""
    is_house: bool = False
    """The feed's liquidity: no margin, no fees, no user events."""
    pays_fees: bool = True
    updated_ms: int = 0
