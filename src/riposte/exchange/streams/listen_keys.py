"""Listen keys: the address of an account's user stream, valid for an hour at a time.

``POST`` gives the account's live key, or a new one, and makes it last an hour from now; ``PUT``
makes it last; a key that has run out, or was closed, brings no more events ("User Data Streams",
Binance USD-M).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from riposte.exchange.bars import HOUR_MS
from riposte.exchange.clock import NEVER_MS
from riposte.exchange.records import Account
from riposte.exchange.refusals import Refusal

LIFE_MS = HOUR_MS


@dataclass(slots=True)
class ListenKey:
    """A key, whose it is, and how long it lasts."""

    text: str
    account: Account
    until_ms: int


class ListenKeys:
    """The keys of all accounts; at most one live key each.

    Keys are derived from the account and how many it has had, so that a run can be repeated; they
    open nothing outside this machine.
    """

    def __init__(self, life_ms: int = LIFE_MS) -> None:
        self.life_ms = life_ms
        self._live: dict[str, ListenKey] = {}
        self._of: dict[str, ListenKey] = {}
        self._issued: dict[str, int] = {}

    def issue(self, account: Account, now_ms: int) -> str:
        """The live key, lasting from now; a new one if there is none."""
        key = self._of.get(account.name)
        if key is None or key.until_ms <= now_ms:
            number = self._issued[account.name] = self._issued.get(account.name, 0) + 1
            seed = f"{account.number}/{account.name}/{number}".encode()
            text = hashlib.blake2b(seed, digest_size=32).hexdigest()
            key = self._of[account.name] = ListenKey(text, account, 0)
            self._live[text] = key
        key.until_ms = now_ms + self.life_ms
        return key.text

    def extend(self, account: Account, now_ms: int) -> str:
        """Let the live key last from now (-1125 if there is none)."""
        key = self._of.get(account.name)
        if key is None or key.until_ms <= now_ms:
            raise Refusal(-1125)
        key.until_ms = now_ms + self.life_ms
        return key.text

    def close(self, account: Account) -> ListenKey | None:
        """End the live key."""
        key = self._of.pop(account.name, None)
        if key is not None:
            self._live.pop(key.text, None)
        return key

    def find(self, text: str, now_ms: int) -> Account | None:
        """Whose live key this is."""
        key = self._live.get(text)
        return key.account if key is not None and key.until_ms > now_ms else None

    def of(self, account: Account) -> str:
        """The account's key, or ""."""
        key = self._of.get(account.name)
        return key.text if key is not None else ""

    @property
    def due_ms(self) -> int:
        """When the next key runs out."""
        if not self._of:
            return NEVER_MS
        return min(key.until_ms for key in self._of.values())

    def expire(self, now_ms: int) -> list[ListenKey]:
        """Take out the keys that have run out by now."""
        ended = [key for key in self._of.values() if key.until_ms <= now_ms]
        for key in ended:
            self.close(key.account)
        return ended
