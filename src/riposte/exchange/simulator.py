"""The whole exchange: the core, its clock and feed, its tape, and whoever listens.

Time is the core's: it goes on when :meth:`Simulator.pump` brings it to where the clock is, event by
event. With a :class:`~riposte.exchange.clock.SteppedClock` that happens only when someone advances
the clock, and a run is the same every time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

from riposte.errors import InputError
from riposte.exchange.bars import FIXED_MS
from riposte.exchange.clock import NEVER_MS, Clock
from riposte.exchange.core import INSURANCE_E8, Exchange
from riposte.exchange.feed import Feed, FeedEvent
from riposte.exchange.journal import Journal
from riposte.exchange.keys import ApiKey, public_key
from riposte.exchange.limits import Limits, RateLimiter
from riposte.exchange.records import Account
from riposte.exchange.streams.connection import Connection
from riposte.exchange.streams.hub import Hub
from riposte.exchange.streams.listen_keys import ListenKeys
from riposte.exchange.switches import Switches
from riposte.exchange.tape import Tape

if TYPE_CHECKING:
    from riposte.exchange.faults.plan import FaultPlan

SAMPLE_MS = FIXED_MS["5m"]


class Simulator:
    """An exchange that runs."""

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        *,
        switches: Switches | None = None,
        limits: Limits | None = None,
        journal: Journal | None = None,
        insurance_e8: int = INSURANCE_E8,
    ) -> None:
        self.feed, self.clock = feed, clock
        self.exchange = Exchange(
            feed.contracts,
            start_ms=feed.start_ms,
            switches=switches,
            journal=journal,
            insurance_e8=insurance_e8,
        )
        histories = {c.symbol: feed.history(c.symbol) for c in feed.contracts}
        self.tape = Tape(feed.contracts, {name: h for name, h in histories.items() if h})
        self.limiter = RateLimiter(limits or Limits())
        self.listen_keys = ListenKeys()
        self.hub = Hub(self.exchange, self.tape, self.listen_keys)
        self.keys: dict[str, ApiKey] = {}
        self.connections: dict[Connection, None] = {}
        self.faults: FaultPlan | None = None
        self.maintenance = False
        self.skew_ms = 0
        """How far the time it tells is from the time it goes by."""
        self._events: Iterator[FeedEvent] = feed.events()
        self._next = next(self._events, None)
        self._sample_ms = feed.start_ms - feed.start_ms % SAMPLE_MS + SAMPLE_MS
        self.settle()

    @property
    def switches(self) -> Switches:
        """How it behaves where the real one is unknown."""
        return self.exchange.switches

    @property
    def feed_ended(self) -> bool:
        """Whether the feed has nothing more."""
        return self._next is None

    def server_ms(self) -> int:
        """What the exchange says the time is."""
        return self.exchange.now_ms + self.skew_ms

    def open_account(self, name: str, deposit_e8: int = 0) -> Account:
        """A new customer; :meth:`add_key` gives it access."""
        account = self.exchange.open_account(name, deposit_e8)
        self.settle()
        return account

    def add_key(
        self,
        account: Account,
        *,
        key: str = "",
        secret: str = "",
        public_pem: str = "",
    ) -> ApiKey:
        """An API key of an account: with a ``secret`` (made up if not given) or a public key.

        Raises:
            InputError: if the key exists already, or the PEM text is no public key.
        """
        name = key or secrets.token_hex(32)
        if name in self.keys:
            raise InputError("there is an API key of this name already")
        public = public_key(public_pem) if public_pem else None
        held = b"" if public else (secret or secrets.token_hex(32)).encode()
        made = ApiKey(name, account, held, public, created_ms=self.exchange.now_ms)
        self.keys[name] = made
        return made

    def note_refusal(self, api_key: str, method: str, path: str, code: int) -> None:
        """Write down what a customer asked for in vain: it tells as much of a client as its trades."""
        key = self.keys.get(api_key)
        if key is not None:
            journal, name = self.exchange.journal, key.account.name
            journal.append(self.exchange.now_ms, "refused", name, method, path, code)

    def settle(self) -> None:
        """After a command: write down and tell what happened."""
        events = self.exchange.take_events()
        for event in events:
            self.tape.take(event)
        self.hub.publish(events, self.exchange.now_ms)

    def next_ms(self) -> int:
        """When something is due next."""
        return min(
            self._next.time_ms if self._next is not None else NEVER_MS,
            self.exchange.timers[0][0] if self.exchange.timers else NEVER_MS,
            self.hub.due_ms,
            self._sample_ms,
            self.faults.due_ms if self.faults is not None else NEVER_MS,
        )

    def pump(self, most: int = NEVER_MS) -> bool:
        """Let everything happen that is due by the clock; whether it all did.

        After ``most`` events it leaves off, so that requests are answered between; the clock then
        falls back to what was reached.
        """
        target = self.clock.now_ms()
        for _ in range(most):
            at = self.next_ms()
            if at > target:
                self._advance(target)
                return True
            self._advance(at)
        self.clock.hold_at(self.exchange.now_ms)
        return False

    def _advance(self, to_ms: int) -> None:
        """Go to a time at which at most one kind of thing is due, and do one such thing."""
        exchange, event = self.exchange, self._next
        if self.faults is not None and self.faults.due_ms <= to_ms:
            exchange.advance(to_ms)
            self.faults.act(self)
        elif event is not None and event.time_ms <= to_ms:
            if self.faults is None or self.faults.on_feed(event):
                exchange.apply(event)
            else:
                exchange.advance(event.time_ms)
            self._next = next(self._events, None)
        else:
            exchange.advance(to_ms)
        if exchange.now_ms >= self._sample_ms:
            self._sample()
        self.settle()

    def _sample(self) -> None:
        """Note the open interest every five minutes."""
        exchange = self.exchange
        accounts = list(exchange.accounts.values())
        for symbol in exchange.contracts:
            outside = exchange.outside_interest.get(symbol, 0)
            mark = exchange.mark_e8.get(symbol, 0)
            self.tape.sample(symbol, exchange.now_ms, accounts, outside, mark)
        self._sample_ms = exchange.now_ms - exchange.now_ms % SAMPLE_MS + SAMPLE_MS
