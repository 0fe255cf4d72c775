"""Scripts of faults: TOML or JSON in the same words, read strictly.

::

    seed = 7

    [[rules]]
    name = "lost answer"
    when = { method = "POST", path = "/fapi/v1/order", nth = 1 }
    do = { kind = "lose", after = true }

    [[acts]]
    after_ms = 60_000
    kind = "liquidate"
    account = "alice"

Times are milliseconds of the exchange's clock: ``after_ms`` and ``until_ms`` from the moment the
script is loaded, ``from_ms``, ``to_ms`` and ``at_ms`` since 1970.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riposte.errors import InputError
from riposte.exchange.faults import kinds
from riposte.exchange.faults.actions import REQUEST_KINDS, STREAM_KINDS, Action, Do
from riposte.exchange.faults.match import RequestMatch, StreamMatch, Turns
from riposte.exchange.faults.plan import FaultPlan, Rule, TimedAct
from riposte.exchange.faults.reading import (
    Table,
    kinded,
    listed,
    only,
    record,
    table,
    written,
)
from riposte.exchange.streams.faulty import StreamAction

_TURNS = tuple(field.name for field in dataclasses.fields(Turns))
_RELATIVE = ("after_ms", "until_ms")


@dataclass(frozen=True, slots=True)
class Script:
    """What is to go wrong."""

    rules: tuple[Rule, ...] = ()
    acts: tuple[TimedAct, ...] = ()
    seed: int | None = None

    def add_to(self, plan: FaultPlan) -> None:
        """Put it into a plan."""
        if self.seed is not None:
            plan.reseed(self.seed)
        for rule in self.rules:
            plan.add_rule(rule)
        for act in self.acts:
            plan.add_act(act)


def load(path: Path, now_ms: int) -> Script:
    """A script of a TOML file.

    Raises:
        InputError: if it cannot be read, is no TOML, or says what means nothing.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}") from error
    try:
        return read(document, now_ms)
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from error


def read(document: Any, now_ms: int) -> Script:
    """A script of a table; ``now_ms`` is when it is loaded."""
    given = table(document, "the script")
    only(given, ("seed", "rules", "acts"), "the script")
    seed = given.get("seed")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise InputError(f"seed must be a whole number, not {seed!r}")
    rules = listed(given.get("rules", []), "rules")
    acts = listed(given.get("acts", []), "acts")
    return Script(
        tuple(read_rule(one, f"rules[{n}]", now_ms) for n, one in enumerate(rules)),
        tuple(read_timed(one, f"acts[{n}]", now_ms) for n, one in enumerate(acts)),
        seed,
    )


def read_rule(given: Any, where: str, now_ms: int) -> Rule:
    """One rule."""
    given = table(given, where)
    only(given, ("name", "when", "do"), where)
    if "do" not in given:
        raise InputError(f"{where} needs 'do'")
    done = table(given["do"], f"{where}: do")
    kind, action = read_action(done, f"{where}: do")
    when = table(given.get("when", {}), f"{where}: when")
    match_class = StreamMatch if isinstance(action, StreamAction) else RequestMatch
    match, turns = _read_when(when, match_class, f"{where}: when", now_ms)
    return Rule(_name(given, kind, where), match, turns, kind, action)


def _name(given: Table, default: str, where: str) -> str:
    name = given.get("name", default)
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: name must be a text, not {name!r}")
    return name


def read_action(done: Table, where: str) -> tuple[str, Action]:
    """What a rule does, and its kind."""
    kind = done.get("kind")
    if kind == "act":
        only(done, ("kind", "act", "after"), where)
        act = read_act(done.get("act"), f"{where}: act")
        rest = {"act": act, **{k: v for k, v in done.items() if k == "after"}}
        return "act", record(Do, rest, where)
    if isinstance(kind, str) and kind in STREAM_KINDS:
        read = kinded(STREAM_KINDS, done, where)
        told = {field.name: getattr(read, field.name) for field in dataclasses.fields(read)}
        return kind, StreamAction(kind, **told)  # type: ignore[arg-type]
    action: Action = kinded({**REQUEST_KINDS, **STREAM_KINDS}, done, where)
    return str(kind), action


def read_act(given: Any, where: str) -> kinds.Act:
    """What the exchange does."""
    return kinded(kinds.KINDS, given, where)


def read_timed(given: Any, where: str, now_ms: int) -> TimedAct:
    """An act and its time: ``after_ms``, ``at_ms``, or at once."""
    given = table(given, where)
    if "after_ms" in given and "at_ms" in given:
        raise InputError(f"{where}: either 'after_ms' or 'at_ms'")
    at_ms = now_ms
    if "after_ms" in given:
        at_ms += _whole(given["after_ms"], f"{where}: after_ms")
    elif "at_ms" in given:
        at_ms = _whole(given["at_ms"], f"{where}: at_ms")
    act = kinded(kinds.KINDS, given, where, skip=("after_ms", "at_ms", "name"))
    return TimedAct(_name(given, str(given["kind"]), where), at_ms, act)


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{where} must be a whole number of milliseconds, not {value!r}")
    return value


def _read_when(
    when: Table, match_class: type[RequestMatch] | type[StreamMatch], where: str, now_ms: int
) -> tuple[RequestMatch | StreamMatch, Turns]:
    matching = tuple(field.name for field in dataclasses.fields(match_class))
    only(when, (*matching, *_TURNS, *_RELATIVE), where)
    turns = {name: when[name] for name in _TURNS if name in when}
    for name, absolute in zip(_RELATIVE, ("from_ms", "to_ms"), strict=True):
        if name in when:
            if absolute in turns:
                raise InputError(f"{where}: either {name!r} or {absolute!r}")
            turns[absolute] = now_ms + _whole(when[name], f"{where}: {name}")
    match = record(match_class, {k: when[k] for k in matching if k in when}, where)
    return match, record(Turns, turns, where)


# and written again


def shown_rule(rule: Rule) -> dict[str, Any]:
    """A rule as a script would write it."""
    when = written(rule.match) | written(rule.turns)
    return {"name": rule.name, "when": when, "do": shown_action(rule.kind, rule.action)}


def shown_action(kind: str, action: Action) -> dict[str, Any]:
    """What a rule does."""
    if isinstance(action, Do):
        after = {"after": True} if action.after else {}
        return {"kind": kind, "act": shown_act(action.act), **after}
    return {"kind": kind, **written(action)}


def shown_act(act: kinds.Act) -> dict[str, Any]:
    """What the exchange does."""
    return {"kind": kinds.KIND_OF[type(act)], **written(act)}
