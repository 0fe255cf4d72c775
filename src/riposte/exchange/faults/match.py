"""Which requests or messages a rule is for, and which of those it takes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from riposte.errors import InputError
from riposte.exchange.clock import NEVER_MS
from riposte.exchange.faults.actions import at_least
from riposte.exchange.faults.reading import Amount
from riposte.exchange.units import E8


@dataclass(frozen=True, slots=True)
class RequestMatch:
    """Requests of the REST interface and of the WebSocket API (by the REST path of their meaning).

    Texts are compared as ``fnmatch`` patterns (``*``, ``?``, ``[…]``); empty: any.
    """

    method: Literal["", "GET", "POST", "PUT", "DELETE"] = ""
    path: str = ""
    symbol: str = ""
    account: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    """Parameters that must be there and match."""
    reducing: bool | None = None
    """Only what can't make a position larger (cancel, reduce-only, close-position), or only the
    rest."""

    def fits(self, method: str, path: str, params: Mapping[str, str], account: str) -> bool:
        """Whether a request is meant."""
        return (
            self.method in ("", method)
            and _like(path, self.path)
            and _like(params.get("symbol", "").upper(), self.symbol)
            and _like(account, self.account)
            and all(name in params and _like(params[name], p) for name, p in self.params.items())
            and (self.reducing is None or self.reducing == reduces(method, params))
        )


def reduces(method: str, params: Mapping[str, str]) -> bool:
    """Whether a request can't make a position larger, by what it says."""
    closing = ("LONG", "SELL"), ("SHORT", "BUY")
    return (
        method == "DELETE"
        or any(params.get(name, "").lower() == "true" for name in ("reduceOnly", "closePosition"))
        or (params.get("positionSide", "").upper(), params.get("side", "").upper()) in closing
    )


@dataclass(frozen=True, slots=True)
class StreamMatch:
    """Messages of streams; texts as in :class:`RequestMatch`, a user stream's name is its listen key."""

    route: Literal["", "public", "market", "private", "legacy"] = ""
    stream: str = ""
    symbol: str = ""
    account: str = ""
    """Whose user stream; market streams are nobody's."""
    event: str = ""
    """The kind of event, exactly: ``ORDER_TRADE_UPDATE``, ``depthUpdate`` …"""

    def fits(self, route: str, stream: str, account: str, payload: bytes) -> bool:
        """Whether a message is meant."""
        return (
            self.route in ("", route)
            and _like(stream, self.stream)
            and (not self.account or (account != "" and _like(account, self.account)))
            and (not self.symbol or _like(symbol_in(stream), self.symbol))
            and (not self.event or f'"e":"{self.event}"'.encode() in payload)
        )


def symbol_in(stream: str) -> str:
    """The symbol that a stream's name begins with, in upper case."""
    return stream.partition("@")[0].partition("_")[0].upper()


def _like(text: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(text, pattern)


@dataclass(frozen=True, slots=True)
class Turns:
    """Which of the matching ones are taken: by number, by chance, by the exchange's time."""

    nth: int = 0
    """Only the n-th, from 1."""
    every: int = 0
    """Each n-th."""
    probability: Amount = E8
    times: int = 0
    """At most so many; 0: any number."""
    from_ms: int = 0
    """Counted, and taken, from this time on."""
    to_ms: int = NEVER_MS
    """Before this time."""

    def __post_init__(self) -> None:
        for name in ("nth", "every", "times"):
            at_least(name, getattr(self, name), 0)
        if not 0 <= self.probability <= E8:
            raise InputError("probability must be between 0 and 1")
        if self.to_ms <= self.from_ms:
            raise InputError("the end must be after the beginning")


class Counter:
    """A rule's turns as they come."""

    def __init__(self, turns: Turns, seed: str) -> None:
        self._turns = turns
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose, no secret
        self.seen = 0
        self.taken = 0

    def takes(self, now_ms: int, *, free: bool = True) -> bool:
        """Whether the one that has just come is taken; if not ``free``, it is only counted."""
        turns = self._turns
        if not turns.from_ms <= now_ms < turns.to_ms:
            return False
        self.seen += 1
        if not free:
            return False
        if turns.times and self.taken >= turns.times:
            return False
        if turns.nth and self.seen != turns.nth:
            return False
        if turns.every and self.seen % turns.every:
            return False
        if turns.probability < E8 and self._chance.randrange(E8) >= turns.probability:
            return False
        self.taken += 1
        return True
