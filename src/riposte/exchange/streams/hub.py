"""Where events become messages: market channels by period, user streams by listen key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import orjson

from riposte.exchange.clock import NEVER_MS
from riposte.exchange.core import Exchange
from riposte.exchange.events import (
    AccountChanged,
    AlgoChanged,
    ConfigChanged,
    ContractChanged,
    Event,
    FundingSettled,
    LevelChanged,
    Liquidated,
    MarginCalled,
    Marked,
    OrderChanged,
    Traded,
)
from riposte.exchange.records import Account
from riposte.exchange.streams.channels import KINDS, Channel
from riposte.exchange.streams.frames import Message
from riposte.exchange.streams.listen_keys import ListenKeys
from riposte.exchange.streams.names import StreamName
from riposte.exchange.tape import Tape
from riposte.exchange.wire import user_events
from riposte.exchange.wire.orders import Json

AccountEvent = OrderChanged | AccountChanged | AlgoChanged | ConfigChanged | MarginCalled


class Listener(Protocol):
    """Whoever receives messages."""

    def receive(self, message: Message, account: str) -> None:
        """Take a message; ``account`` is whose user stream it is of, "" for market data."""
        ...


class _Open:
    """A channel and its listeners."""

    __slots__ = ("channel", "listeners", "name")

    def __init__(self, name: StreamName) -> None:
        self.name = name
        self.listeners: dict[Listener, None] = {}
        self.channel: Channel

    def say(self, said: Json | list[Json]) -> None:
        message = Message(self.name.text, orjson.dumps(said))
        for listener in tuple(self.listeners):
            listener.receive(message, "")


class Hub:
    """All channels that somebody listens to."""

    def __init__(self, exchange: Exchange, tape: Tape, listen_keys: ListenKeys) -> None:
        self._exchange, self._tape, self._keys = exchange, tape, listen_keys
        self._open: dict[str, _Open] = {}
        self._hearing: dict[type, dict[str, list[_Open]]] = {}
        """Kind of event → symbol → the channels that want it."""
        self._timed: dict[int, list[_Open]] = {}
        self._next: dict[int, int] = {}
        """Period → when its channels speak next."""
        self._first_ms = NEVER_MS
        """The earliest of these."""
        self._untimed: list[_Open] = []
        self._users: dict[str, dict[Listener, None]] = {}
        """Listen key → its listeners."""

    @property
    def due_ms(self) -> int:
        """When something must be said although nothing happens; far away if nobody listens."""
        return min(self._first_ms, self._keys.due_ms)

    # who listens

    def listen(self, name: StreamName, listener: Listener) -> None:
        """Send a market stream to a listener from now on."""
        held = self._open.get(name.text)
        if held is None:
            held = self._open[name.text] = _Open(name)
            held.channel = KINDS[name.kind](name, self._exchange, self._tape, held.say)
            for kind, symbol in self._keys_of(held):
                self._hearing.setdefault(kind, {}).setdefault(symbol, []).append(held)
            if name.every_ms:
                self._timed.setdefault(name.every_ms, []).append(held)
                now = self._exchange.now_ms
                later = now - now % name.every_ms + name.every_ms
                self._next.setdefault(name.every_ms, later)
                self._first_ms = min(self._next.values())
            else:
                self._untimed.append(held)
        held.listeners[listener] = None

    def leave(self, name: str, listener: Listener) -> None:
        """Send it no more; a channel without listeners ends."""
        held = self._open.get(name)
        if held is None:
            return
        held.listeners.pop(listener, None)
        if held.listeners:
            return
        del self._open[name]
        for kind, symbol in self._keys_of(held):
            self._hearing[kind][symbol].remove(held)
        every = held.name.every_ms
        if not every:
            self._untimed.remove(held)
            return
        self._timed[every].remove(held)
        if not self._timed[every]:
            del self._timed[every], self._next[every]
            self._first_ms = min(self._next.values(), default=NEVER_MS)

    def listen_to_account(self, listen_key: str, listener: Listener) -> None:
        """Send an account's events to a listener as long as the key lives."""
        self._users.setdefault(listen_key, {})[listener] = None

    def leave_account(self, listen_key: str, listener: Listener) -> None:
        """Send them no more."""
        listeners = self._users.get(listen_key, {})
        listeners.pop(listener, None)
        if not listeners:
            self._users.pop(listen_key, None)

    def _keys_of(self, held: _Open) -> list[tuple[type, str]]:
        name = held.name
        symbols = [name.symbol] if name.symbol else list(self._exchange.contracts)
        return [(kind, symbol) for kind in held.channel.hears for symbol in symbols]

    # what is said

    def publish(self, events: Sequence[Event], now_ms: int) -> None:
        """Tell everyone what happened, then let the channels speak whose time has come."""
        if not (self._open or self._users):
            self._expire(now_ms)
            return
        for event in events:
            hearing = self._hearing.get(type(event))
            if hearing is not None:
                for held in hearing.get(_symbol_of(event), ()):
                    held.channel.hear(event)
            elif self._users and isinstance(event, AccountEvent):
                self._tell_account(event, now_ms)
        if events:
            for held in self._untimed:
                held.channel.tick(now_ms)
        if self._first_ms <= now_ms:
            self._tick(now_ms)
        self._expire(now_ms)

    def _tick(self, now_ms: int) -> None:
        for every, due in list(self._next.items()):
            if due <= now_ms:
                self._next[every] = now_ms - now_ms % every + every
                for held in tuple(self._timed[every]):
                    held.channel.tick(now_ms)
        self._first_ms = min(self._next.values(), default=NEVER_MS)

    def _tell_account(self, event: AccountEvent, now_ms: int) -> None:
        account = event.account
        key = self._keys.of(account)
        listeners = self._users.get(key) if key else None
        if not listeners:
            return
        for said in user_events.messages(event, now_ms):
            self._send(key, said, listeners, account.name)

    def _send(
        self, key: str, said: Json, listeners: dict[Listener, None], account_name: str
    ) -> None:
        message = Message(key, orjson.dumps(said))
        for listener in tuple(listeners):
            listener.receive(message, account_name)

    def _expire(self, now_ms: int) -> None:
        if self._keys.due_ms > now_ms:
            return
        for ended in self._keys.expire(now_ms):
            self.end_key(ended.text, ended.account, now_ms)

    def end_key(self, listen_key: str, account: Account, now_ms: int) -> None:
        """Tell the listeners of a key that it has ended; they hear nothing more."""
        listeners = self._users.pop(listen_key, {})
        self._send(listen_key, user_events.key_expired(listen_key, now_ms), listeners, account.name)


def _symbol_of(event: Event) -> str:
    """The symbol of a public event; "" of an account's own."""
    if isinstance(event, _PUBLIC):
        return event.symbol
    return event.order.contract.symbol if isinstance(event, Liquidated) else ""


_PUBLIC = (LevelChanged, Traded, Marked, FundingSettled, ContractChanged)
