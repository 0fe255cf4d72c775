"""The plan: rules that look at every request and message, acts that wait for their time.

Nothing in it is left to chance but by its seed, and everything it does is written into the
exchange's journal: the same plan, the same seed and the same client give the same journal.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from riposte.errors import InputError
from riposte.exchange.book import Book
from riposte.exchange.clock import NEVER_MS
from riposte.exchange.faults.actions import OUTCOMES, Action, RequestAction, Stale
from riposte.exchange.faults.acts import carry_out
from riposte.exchange.faults.answers import Reply
from riposte.exchange.faults.deeds import Disconnect
from riposte.exchange.faults.held import Held, What, hold
from riposte.exchange.faults.kinds import KIND_OF, Act
from riposte.exchange.faults.match import Counter, RequestMatch, StreamMatch, Turns
from riposte.exchange.faults.reading import written
from riposte.exchange.feed import FeedEvent
from riposte.exchange.journal import Journal
from riposte.exchange.refusals import Refusal
from riposte.exchange.streams.faulty import StreamAction

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

LOG_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done to which requests or messages."""

    name: str
    match: RequestMatch | StreamMatch
    turns: Turns
    kind: str
    action: Action


@dataclass(frozen=True, slots=True)
class TimedAct:
    """What the exchange does at a time."""

    name: str
    at_ms: int
    act: Act


@dataclass(frozen=True, slots=True)
class Injection:
    """Something that was done."""

    number: int
    time_ms: int
    name: str
    kind: str
    to: str
    """The request, the stream, or what the act was done with."""
    failed: str = ""
    """Why an act could not be carried out."""


class FaultPlan:
    """Rules and acts of one exchange."""

    def __init__(
        self,
        journal: Journal,
        rules: Sequence[Rule] = (),
        acts: Sequence[TimedAct] = (),
        seed: int = 0,
    ) -> None:
        self._journal, self._seed = journal, seed
        self._rules: list[tuple[Rule, Counter]] = []
        self._acts: list[tuple[int, int, TimedAct]] = []
        self._numbers = 0
        self._held: list[Held] = []
        self._silenced = False
        self.streaming = False
        self.remembers = False
        """Whether answers are kept for rules that repeat them."""
        self.answers: dict[tuple[str, str, str], Reply] = {}
        """The last answer to each (method, path, symbol)."""
        self.log: deque[Injection] = deque(maxlen=LOG_LINES)
        """The last ones; the journal has all."""
        self.injections = 0
        for rule in rules:
            self.add_rule(rule)
        for act in acts:
            self.add_act(act)

    # what is planned

    def add_rule(self, rule: Rule) -> None:
        """Follow a rule from now on."""
        self._numbers += 1
        self._rules.append((rule, Counter(rule.turns, f"{self._seed}/{self._numbers}")))
        self.streaming = self.streaming or isinstance(rule.match, StreamMatch)
        self.remembers = self.remembers or isinstance(rule.action, Stale)

    def add_act(self, act: TimedAct) -> None:
        """Do something at its time; at once if that is over."""
        self._numbers += 1
        heapq.heappush(self._acts, (act.at_ms, self._numbers, act))

    def reseed(self, seed: int) -> None:
        """Let chance begin anew for rules added from now on."""
        self._seed = seed

    def clear(self) -> int:
        """Forget all rules and acts, let the feed go on; how many there were."""
        count = len(self._rules) + len(self._acts)
        self._rules, self._acts = [], []
        for held in self._held:
            held.until_ms = 0
        self.streaming, self.remembers = self._silenced, False
        self.answers.clear()
        return count

    @property
    def rules(self) -> list[tuple[Rule, Counter]]:
        """The rules and how often they were seen to match, and taken."""
        return list(self._rules)

    @property
    def acts(self) -> list[TimedAct]:
        """The acts to come, in order."""
        return [act for _, _, act in sorted(self._acts, key=lambda row: row[:2])]

    @property
    def held(self) -> list[Held]:
        """The parts of the feed that stand still."""
        return list(self._held)

    # what happens

    def on_request(
        self, method: str, path: str, params: Mapping[str, str], account: str, now_ms: int
    ) -> list[RequestAction]:
        """What happens to a request: any number of delays and acts, at most one outcome."""
        taken: list[RequestAction] = []
        decided = False
        for rule, counter in self._rules:
            match, action = rule.match, rule.action
            if isinstance(match, StreamMatch) or isinstance(action, StreamAction):
                continue
            if not match.fits(method, path, params, account):
                continue
            outcome = isinstance(action, OUTCOMES)
            if counter.takes(now_ms, free=not (outcome and decided)):
                decided = decided or outcome
                taken.append(action)
                self._note(now_ms, rule.name, rule.kind, f"{method} {path}")
        return taken

    def on_message(
        self, route: str, stream: str, account: str, payload: bytes, now_ms: int
    ) -> StreamAction | None:
        """What happens to a message: what the first rule that takes it says."""
        taken: StreamAction | None = None
        for rule, counter in self._rules:
            match, action = rule.match, rule.action
            if not isinstance(match, StreamMatch) or not isinstance(action, StreamAction):
                continue
            if not match.fits(route, stream, account, payload):
                continue
            if counter.takes(now_ms, free=taken is None):
                # a listen key is long and says nothing; the account does
                self._note(now_ms, rule.name, rule.kind, f"{route} {account or stream}")
                taken = action
        return taken

    def on_feed(self, event: FeedEvent) -> bool:
        """Whether an event of the feed may come in; it is kept back while its part is held."""
        taken = [held.take(event) for held in self._held]
        return not any(taken)

    @property
    def due_ms(self) -> int:
        """When something must be done next; far away if nothing."""
        acts = self._acts[0][0] if self._acts else NEVER_MS
        return min([acts, *(held.until_ms for held in self._held)])

    def act(self, sim: Simulator) -> None:
        """Do what is due: let held parts of the feed go on, then carry out acts in their order."""
        now = sim.exchange.now_ms
        for held in [held for held in self._held if held.until_ms <= now]:
            self._held.remove(held)
            self._journal.append(now, "feed-goes-on", held.symbol, held.what)
            for event in held.caught_up(now):
                sim.exchange.apply(event)
        while self._acts and self._acts[0][0] <= now:
            _, _, due = heapq.heappop(self._acts)
            self.attempt(sim, due.name, due.act)

    def attempt(self, sim: Simulator, name: str, act: Act, account: str = "") -> str:
        """Carry an act out; why it could not be, or ""."""
        try:
            self.perform(sim, name, act, account)
        except InputError as error:
            return error.message
        except Refusal as refusal:
            return str(refusal)
        return ""

    def perform(self, sim: Simulator, name: str, act: Act, account: str = "") -> None:
        """Carry an act out now.

        Raises:
            InputError: if there is nothing to do it to.
            Refusal: if the exchange's rules forbid it.
        """
        now, kind = sim.exchange.now_ms, KIND_OF[type(act)]
        told = _shown(act)
        self._journal.append(now, "act", name, kind, account, told)
        if isinstance(act, Disconnect) and act.how == "silence":
            self._silenced = self.streaming = True
        try:
            carry_out(sim, act, account)
        except (InputError, Refusal) as error:
            self._journal.append(now, "act-failed", name, str(error))
            self._log(now, name, kind, str(told), str(error))
            raise
        self._log(now, name, kind, str(told))

    def hold(self, book: Book, symbol: str, what: What, until_ms: int) -> None:
        """Let a part of the feed stand still until a time."""
        for held in self._held:
            if (held.symbol, held.what) == (symbol, what):
                held.until_ms = max(held.until_ms, until_ms)
                return
        self._held.append(hold(book, symbol, what, until_ms))

    def _note(self, now_ms: int, name: str, kind: str, to: str) -> None:
        self._journal.append(now_ms, "fault", name, kind, to)
        self._log(now_ms, name, kind, to)

    def _log(self, now_ms: int, name: str, kind: str, to: str, failed: str = "") -> None:
        self.injections += 1
        self.log.append(Injection(self.injections, now_ms, name, kind, to, failed))


def _shown(act: Act) -> dict[str, Any]:
    """An act as it was written, without the names of keys."""
    return {name: value for name, value in written(act).items() if name != "key"}
