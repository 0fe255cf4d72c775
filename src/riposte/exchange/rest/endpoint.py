"""What an endpoint is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from riposte.exchange.params import Params
from riposte.exchange.records import Account
from riposte.exchange.refusals import Refusal

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

Security = Literal["NONE", "KEY", "USER_DATA", "TRADE"]
"""NONE: anyone; KEY: an API key without signature; the others: key and signature."""


@dataclass(slots=True)
class Call:
    """One request to be answered."""

    sim: Simulator
    params: Params
    account: Account | None = None
    api_key: str = ""

    @property
    def caller(self) -> Account:
        """The account of a signed request."""
        if self.account is None:
            raise Refusal(-2014)
        return self.account

    @property
    def symbol(self) -> str:
        """The symbol, which must be listed (-1102, -1121)."""
        name = self.params.needed("symbol").upper()
        return self.sim.exchange.contract(name).symbol

    def symbols(self) -> list[str]:
        """The symbol asked for, or all."""
        if self.params.text("symbol"):
            return [self.symbol]
        return list(self.sim.exchange.contracts)

    def one_or_all(self, show: Callable[[str], Any]) -> Any:
        """An object for the symbol asked for, else a list of all."""
        if self.params.text("symbol"):
            return show(self.symbol)
        return [show(symbol) for symbol in self.sim.exchange.contracts]


Handler = Callable[[Call], Any]
Weight = int | Callable[[Params], int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method and path, who may call it, what it counts, and what answers it."""

    method: str
    path: str
    security: Security
    weight: Weight
    handler: Handler
    orders: int = 0
    """How many orders a call counts in 10 seconds."""

    def weigh(self, params: Params) -> int:
        """The weight of a call."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)
