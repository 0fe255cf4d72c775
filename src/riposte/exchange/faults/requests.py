"""What a plan does to one request, on whatever wire it came."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from riposte.exchange.faults.actions import Answer, Delay, Do, Lose, RequestAction, Spoil, Stale
from riposte.exchange.faults.answers import ANSWERS, HTML, Reply, page, said
from riposte.exchange.refusals import STATUSES, TEXTS

if TYPE_CHECKING:
    from riposte.exchange.simulator import Simulator

LOOK_S = 0.002
BAN_MS = 120_000


@dataclass(slots=True)
class Planned:
    """What was planned for a request: first :meth:`before`, then its answer, then :meth:`after`."""

    sim: Simulator
    actions: list[RequestAction]
    account: str
    about: tuple[str, str, str]
    """Method, path and symbol."""

    @property
    def outcome(self) -> RequestAction | None:
        """What becomes of it."""
        kinds = (Lose, Answer, Spoil, Stale)
        return next((action for action in self.actions if isinstance(action, kinds)), None)

    @property
    def lost(self) -> Lose | None:
        """Set if it never arrives."""
        outcome = self.outcome
        return outcome if isinstance(outcome, Lose) and not outcome.after else None

    @property
    def instead(self) -> Reply | None:
        """What is answered instead of executing it."""
        outcome = self.outcome
        if isinstance(outcome, Answer) and not outcome.after:
            return reply_of(outcome, self.sim.server_ms())
        return None

    async def before(self) -> None:
        """Delays and acts before it is executed."""
        await self._take(after=False)

    async def after(self, answer: Reply) -> Reply | Lose:
        """Delays and acts after it was executed, and what is left of its answer."""
        await self._take(after=True)
        outcome, plan = self.outcome, self.sim.faults
        given: Reply | Lose = answer
        if isinstance(outcome, Lose):
            given = outcome
        elif isinstance(outcome, Answer) and outcome.after:
            given = reply_of(outcome, self.sim.server_ms())
        elif isinstance(outcome, Spoil):
            given = spoiled(answer, outcome)
        elif isinstance(outcome, Stale) and plan is not None:
            given = plan.answers.get(self.about, answer)
        if plan is not None and plan.remembers and isinstance(given, Reply):
            plan.answers[self.about] = given
        return given

    async def _take(self, *, after: bool) -> None:
        for action in self.actions:
            if isinstance(action, Delay) and action.after == after:
                await _wait(self.sim, action)
            elif isinstance(action, Do) and action.after == after and self.sim.faults is not None:
                self.sim.faults.attempt(self.sim, "at a request", action.act, self.account)


def plan_for(
    sim: Simulator, method: str, path: str, params: Mapping[str, str], api_key: str
) -> Planned | None:
    """What the plan has for a request; None if it has no plan."""
    plan = sim.faults
    if plan is None:
        return None
    key = sim.keys.get(api_key)
    account = key.account.name if key is not None else ""
    actions = plan.on_request(method, path, params, account, sim.exchange.now_ms)
    if not actions and not plan.remembers:
        return None
    return Planned(sim, actions, account, (method, path, params.get("symbol", "")))


async def _wait(sim: Simulator, delay: Delay) -> None:
    if delay.clock == "wall":
        await asyncio.sleep(delay.length_ms / 1000)
        return
    until = sim.exchange.now_ms + delay.length_ms
    while sim.exchange.now_ms < until:
        await asyncio.sleep(LOOK_S)


def reply_of(answer: Answer, now_ms: int) -> Reply:
    """An answer as it goes out."""
    if answer.says:
        reply = ANSWERS[answer.says]
        if answer.says == "banned":
            length_ms = answer.retry_after_s * 1000 or BAN_MS
            until = str(now_ms + length_ms).encode()
            reply = replace(reply, body=reply.body.replace(b"{until}", until))
        if answer.retry_after_s:
            reply = replace(reply, headers={"Retry-After": str(answer.retry_after_s)})
        return replace(reply, status=answer.status or reply.status)
    if answer.body:
        return Reply(answer.status or 200, answer.body.encode(), answer.content_type)
    text = answer.text or TEXTS[answer.code].format(**answer.fields)
    status = answer.status or STATUSES.get(answer.code, 400)
    return said(status, text, answer.code, answer.retry_after_s)


def spoiled(answer: Reply, spoil: Spoil) -> Reply:
    """An answer, damaged; one that is ``cut`` is whole here and cut on the wire."""
    match spoil.how:
        case "truncate":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        case "empty":
            return replace(answer, body=b"")
        case "html":
            return page(answer.status, "OK" if answer.status == 200 else "Error")
        case "wrong-type":
            return replace(answer, content_type=HTML)
    return replace(answer, cut=True)


def as_error(reply: Reply) -> dict[str, object]:
    """A reply's body as the ``error`` of the WebSocket API."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = {}
    if not isinstance(body, dict) or "msg" not in body:
        return {"code": -1000, "msg": TEXTS[-1000]}
    return {"code": body.get("code", -1000), "msg": body["msg"]}
