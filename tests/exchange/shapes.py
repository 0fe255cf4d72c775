"""Recorded messages, and how an answer differs from one in keys and types."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "binance-net"


@dataclass(frozen=True)
class Recorded:
    """One recorded request and its answer."""

    name: str
    method: str
    path: str
    signed: bool
    body: Any


def recorded_answers() -> list[Recorded]:
    found = []
    for path in sorted(SHARED.glob("Endpoints/UsdFutures/*/*.txt")):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        body = "\n".join(line for line in lines[3:] if line.strip() != "```")
        method, route, signed = (line.strip() for line in lines[:3])
        found.append(Recorded(path.stem, method, route, signed == "true", parsed(body)))
    return found


def parsed(text: str) -> Any:
    """JSON as documentation writes it: with comments and dangling commas."""
    text = re.sub(r"(?m)(?<=[\s,\]}])//[^\n]*$", "", text)
    text = re.sub(r",(\s*[\]}])", r"\1", text)
    return json.loads(text)


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "string", list: "list", dict: "object", type(None): "null"}[type(value)]


def differences(
    wanted: Any, got: Any, where: str = "$", *, less: frozenset[str] = frozenset()
) -> list[str]:
    """How ``got`` differs in keys and types; names in ``less`` may lack, names may not be added."""
    if kind(wanted) != kind(got):
        return [f"{where}: {kind(got)} instead of {kind(wanted)}"]
    if isinstance(wanted, dict):
        found = [f"{where}.{k}: lacks" for k in wanted.keys() - got.keys() - less]
        found += [f"{where}.{k}: not recorded" for k in got.keys() - wanted.keys()]
        for key in wanted.keys() & got.keys():
            found += differences(wanted[key], got[key], f"{where}.{key}", less=less)
        return sorted(found)
    if isinstance(wanted, list):
        if not wanted:
            return []
        if not got:
            return [f"{where}: empty"]
        if all(kind(row) == "object" for row in wanted) and wanted:
            return differences_of_any(wanted, got, where, less)
        if all(kind(row) not in ("object", "list") for row in wanted):
            kinds = {kind(row) for row in wanted}
            if len(kinds) == 1:
                return [f"{where}[{i}]" for i, row in enumerate(got) if kind(row) not in kinds]
            return differences_of_row(wanted, got, where)
        return [
            line
            for i, row in enumerate(got)
            for line in differences(wanted[0], row, f"{where}[{i}]", less=less)
        ]
    return []


def differences_of_any(
    wanted: list[Any], got: list[Any], where: str, less: frozenset[str]
) -> list[str]:
    """Each row must be like one of the recorded rows."""
    found: list[str] = []
    for i, row in enumerate(got):
        tries = [differences(one, row, f"{where}[{i}]", less=less) for one in wanted]
        found += min(tries, key=len)
    return found


def differences_of_row(wanted: list[Any], got: list[Any], where: str) -> list[str]:
    """A row of fixed columns."""
    if len(wanted) != len(got):
        return [f"{where}: {len(got)} columns instead of {len(wanted)}"]
    return [
        f"{where}[{i}]: {kind(b)} instead of {kind(a)}"
        for i, (a, b) in enumerate(zip(wanted, got, strict=True))
        if kind(a) != kind(b)
    ]
