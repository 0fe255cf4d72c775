"""The control API's routes; what each takes and gives is in ``docs/simulated-exchange.md``."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from riposte.errors import InputError, nearest
from riposte.exchange.clock import LONGEST_LEAP_MS, RunningClock
from riposte.exchange.contract import Contract
from riposte.exchange.control import views
from riposte.exchange.control.guard import foreigner, guarded, said, told, whole
from riposte.exchange.faults import catalogue, script
from riposte.exchange.faults.plan import FaultPlan
from riposte.exchange.faults.reading import Amount, Table, record, table
from riposte.exchange.faults.whose import account_of, symbol_of
from riposte.exchange.invariants import breaches
from riposte.exchange.simulator import Simulator

PREFIX = "/sim/v1"
AT_ONCE = 500
"""Feed events between two looks at the sockets."""
MOST_SPEED = 1_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How time is to go on."""

    advance_ms: int | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        if (self.advance_ms is None) == (self.speed is None):
            raise InputError("one of 'advance_ms' and 'speed' is needed, and not both")
        if self.advance_ms is not None and not 0 <= self.advance_ms <= LONGEST_LEAP_MS:
            raise InputError(
                f"advance_ms must be between 0 and {LONGEST_LEAP_MS}, not {self.advance_ms}"
            )
        if self.speed is not None and not (
            math.isfinite(self.speed) and 0 <= self.speed <= MOST_SPEED
        ):
            raise InputError(f"speed must be between 0 and {MOST_SPEED}, not {self.speed}")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A new customer."""

    name: str
    deposit: Amount = 0

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64 or not self.name.isprintable():
            raise InputError("name must be a text of 1 to 64 printable characters")
        if self.deposit < 0:
            raise InputError("deposit must not be below 0")


@dataclass(frozen=True, slots=True)
class NewKey:
    """Access to an account; what is left out is made up."""

    account: str = ""
    key: str = ""
    secret: str = ""
    public_pem: str = ""
    """The public half of an Ed25519 or RSA key, instead of a secret."""

    def __post_init__(self) -> None:
        if self.secret and self.public_pem:
            raise InputError("'public_pem' stands instead of a 'secret': leave one out")


@dataclass(frozen=True, slots=True)
class Whose:
    """To whom and to what a row of the catalogue is done where it does not say."""

    account: str = ""
    symbol: str = ""


class Control:
    """Handlers over one exchange."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim

    def routes(self) -> list[web.RouteDef]:
        """All of it; what is no route is told so in the API's own way."""
        known = [
            web.get(f"{PREFIX}/status", guarded(self.status)),
            web.post(f"{PREFIX}/clock", guarded(self.pace)),
            web.get(f"{PREFIX}/accounts", guarded(self.accounts)),
            web.post(f"{PREFIX}/accounts", guarded(self.open_account)),
            web.post(f"{PREFIX}/keys", guarded(self.add_key)),
            web.get(f"{PREFIX}/faults", guarded(self.faults)),
            web.post(f"{PREFIX}/faults", guarded(self.add_faults)),
            web.delete(f"{PREFIX}/faults", guarded(self.clear_faults)),
            web.get(f"{PREFIX}/faults/log", guarded(self.log)),
            web.get(f"{PREFIX}/catalogue", guarded(self.catalogue)),
            web.post(f"{PREFIX}/catalogue/{{row}}", guarded(self.add_row)),
            web.post(f"{PREFIX}/act", guarded(self.act)),
            web.get(f"{PREFIX}/journal", guarded(self.journal)),
            web.get(f"{PREFIX}/book", guarded(self.book)),
            web.get(f"{PREFIX}/invariants", guarded(self.invariants)),
        ]
        return [*known, web.route("*", "/sim{rest:.*}", _unknown(known))]

    @property
    def plan(self) -> FaultPlan:
        """The exchange's plan of faults; an empty one from the first time it is asked for."""
        if self.sim.faults is None:
            self.sim.faults = FaultPlan(self.sim.exchange.journal)
        return self.sim.faults

    # time

    async def status(self, _: web.Request) -> Any:
        """The exchange at a glance."""
        return views.status(self.sim)

    async def pace(self, request: web.Request) -> Any:
        """Let time leap, and answer when all that falls in between has happened; or set its speed."""
        wanted = record(Pace, table(await told(request), "the pace"), "the pace")
        clock = self.sim.clock
        if wanted.speed is not None:
            if not isinstance(clock, RunningClock):
                raise InputError("this clock is stepped: it has no speed, advance it")
            clock.speed = wanted.speed
        clock.advance(wanted.advance_ms or 0)
        await self._reached(clock.now_ms())
        return {"now_ms": self.sim.exchange.now_ms, "clock": views.clock(clock)}

    async def _reached(self, until_ms: int) -> None:
        while self.sim.exchange.now_ms < until_ms:
            self.sim.pump(AT_ONCE)
            await asyncio.sleep(0)

    # accounts

    async def accounts(self, request: web.Request) -> Any:
        """All accounts, or the one that is named, as they really are."""
        exchange = self.sim.exchange
        if name := request.query.get("name", ""):
            return views.account(self.sim, account_of(self.sim, name))
        return [views.account(self.sim, each) for each in exchange.accounts.values()]

    async def open_account(self, request: web.Request) -> Any:
        """A new customer."""
        wanted = record(NewAccount, table(await told(request), "the account"), "the account")
        if wanted.name in self.sim.exchange.accounts:
            raise InputError(f"there is an account {wanted.name!r} already")
        return views.account(self.sim, self.sim.open_account(wanted.name, wanted.deposit))

    async def add_key(self, request: web.Request) -> Any:
        """An API key; its secret is told this once."""
        wanted = record(NewKey, table(await told(request), "the key"), "the key")
        account = account_of(self.sim, wanted.account)
        made = self.sim.add_key(
            account, key=wanted.key, secret=wanted.secret, public_pem=wanted.public_pem
        )
        return {"account": account.name, "key": made.key, "secret": made.secret.decode()}

    # faults

    async def faults(self, _: web.Request) -> Any:
        """What is planned."""
        return views.faults(self.plan)

    async def add_faults(self, request: web.Request) -> Any:
        """Add a script."""
        return self._added(script.read(await told(request), self.sim.exchange.now_ms))

    async def clear_faults(self, _: web.Request) -> Any:
        """Forget all rules and acts, and let the feed go on."""
        return {"cleared": self.plan.clear()}

    async def log(self, _: web.Request) -> Any:
        """The last things done, oldest first."""
        return [
            {
                "number": each.number,
                "time_ms": each.time_ms,
                "name": each.name,
                "kind": each.kind,
                "to": each.to,
                **({"failed": each.failed} if each.failed else {}),
            }
            for each in self.plan.log
        ]

    async def catalogue(self, _: web.Request) -> Any:
        """The known faults."""
        return {row_id: views.row(row) for row_id, row in catalogue.catalogue().items()}

    async def add_row(self, request: web.Request) -> Any:
        """Add a row of the catalogue."""
        whose = record(Whose, table(await told(request), "the fault"), "the fault")
        if whose.account:
            account_of(self.sim, whose.account)
        if whose.symbol:
            symbol_of(self.sim, whose.symbol)
        return self._added(
            catalogue.script_of(
                request.match_info["row"],
                self.sim.exchange.now_ms,
                account=whose.account,
                symbol=whose.symbol,
            )
        )

    def _added(self, read: script.Script) -> Any:
        """Put a script into the plan; what was due at once is done before the answer."""
        read.add_to(self.plan)
        self.sim.pump(AT_ONCE)
        return {"rules": len(read.rules), "acts": len(read.acts)}

    async def act(self, request: web.Request) -> Any:
        """Let the exchange do something now."""
        given: Table = table(await told(request), "the act")
        act = script.read_act(given, "the act")
        self.plan.perform(self.sim, str(given["kind"]), act)
        return {"now_ms": self.sim.exchange.now_ms}

    # what is really there

    async def journal(self, request: web.Request) -> Any:
        """How many lines and their hash; the lines too where they are kept in memory."""
        kept = self.sim.exchange.journal
        first = whole(request, "first", 0, 1 << 62)
        limit = whole(request, "limit", 1_000, 100_000)
        lines = None
        if kept.lines is not None:
            lines = [line.decode() for line in kept.lines[first : first + limit]]
        return {"count": kept.count, "head": kept.head, "lines": lines}

    async def book(self, request: web.Request) -> Any:
        """An order book as it is, whatever the streams say."""
        return views.book(self.sim, self._contract(request), whole(request, "limit", 20, 100_000))

    def _contract(self, request: web.Request) -> Contract:
        return self.sim.exchange.contract(symbol_of(self.sim, request.query.get("symbol", "")))

    async def invariants(self, _: web.Request) -> Any:
        """What of the exchange's own rules does not hold: nothing, or it has a defect."""
        return {"breaches": breaches(self.sim.exchange)}


def _unknown(known: list[web.RouteDef]) -> Any:
    """Say that there is no such route, and which is nearest."""
    paths = sorted({route.path for route in known})

    async def handle(request: web.Request) -> web.StreamResponse:
        if foreign := foreigner(request):
            return said({"error": foreign}, 403)
        methods = [route.method for route in known if route.path == request.path]
        if methods:
            text = f"{request.path} takes {' and '.join(methods)}, not {request.method}"
            return said({"error": text}, 405)
        near = nearest(request.path, paths)
        return said({"error": f"the control API has no {request.path}{near}"}, 404)

    return handle
