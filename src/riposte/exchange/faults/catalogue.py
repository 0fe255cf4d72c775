"""The fault catalogue: every row with a ready-made script, or why no exchange can do it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from riposte.errors import InputError, nearest
from riposte.exchange.faults import kinds
from riposte.exchange.faults.reading import Table, record
from riposte.exchange.faults.script import Script, read

Class = Literal[
    "net",
    "exchange",
    "clock",
    "process",
    "disk",
    "database",
    "model",
    "data",
    "operator",
    "attack",
]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault."""

    kind: Class
    name: str
    rules: tuple[Any, ...] = ()
    acts: tuple[Any, ...] = ()
    always: str = ""
    """What the exchange does without being told to."""
    client: str = ""
    """Why it can't be injected here."""
    id: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if bool(self.rules or self.acts) + bool(self.always) + bool(self.client) != 1:
            raise InputError(f"{self.id}: one of a script, 'always' and 'client' is needed")

    @property
    def injectable(self) -> bool:
        """Whether there is a script."""
        return bool(self.rules or self.acts)


@cache
def catalogue() -> dict[str, Row]:
    """All rows, by id."""
    text = files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {
        row_id: record(Row, {"id": row_id, "kind": given.pop("class"), **given}, row_id)
        for row_id, given in tomllib.loads(text).items()
    }


def script_of(row_id: str, now_ms: int, *, account: str = "", symbol: str = "") -> Script:
    """A row's script, its acts done to an account and a symbol where the row names none.

    Raises:
        InputError: if there is no such row, or it is not the exchange's doing.
    """
    rows = catalogue()
    row = rows.get(row_id)
    if row is None:
        raise InputError(f"the catalogue has no {row_id!r}{nearest(row_id, rows)}")
    if row.client:
        raise InputError(f"{row_id} is the client's side only: {row.client}")
    if row.always:
        raise InputError(f"{row_id} needs no fault: {row.always}")
    meant = {"account": account, "symbol": symbol}
    acts = [{"name": row_id, **_addressed(act, meant)} for act in row.acts]
    rules = []
    for rule in row.rules:
        done = rule["do"]
        if "act" in done:
            done = {**done, "act": _addressed(done["act"], {"account": "", "symbol": symbol})}
        rules.append({"name": row_id, **rule, "do": done})
    return read({"rules": rules, "acts": acts}, now_ms)


def _addressed(act: Table, meant: dict[str, str]) -> dict[str, Any]:
    """An act with the account and symbol that it leaves open."""
    known = kinds.KINDS[act["kind"]].__dataclass_fields__
    added = {name: value for name, value in meant.items() if value and name in known}
    return {**added, **act}
