"""What a run found: kept line by line as it goes, so that it can be resumed; scores and survivors."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mutation_plan import Mutant


@dataclass(frozen=True)
class Verdict:
    """The end of one trial. ``killer`` is the failing test, ``time`` for one without end, ``import`` for an
    engine that cannot be imported, empty for a survivor; ``tests`` the digest of the tests asked.
    """

    key: str
    killer: str
    seconds: float
    tests: str


class Results:
    """The verdicts of one state of the engine, in a file to which each is added as it falls."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.verdicts: dict[str, Verdict] = {}
        self.read()

    def read(self) -> None:
        """Take in what the file holds."""
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                verdict = Verdict(**json.loads(line))
                self.verdicts[verdict.key] = verdict

    def add(self, verdict: Verdict) -> None:
        self.verdicts[verdict.key] = verdict
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(verdict)) + "\n")

    def holds(self, key: str, tests: str, keep_kills: bool) -> bool:
        """Whether a verdict stands; a kill by older tests does where tests have only been added."""
        verdict = self.verdicts.get(key)
        if verdict is None:
            return False
        return verdict.tests == tests or (keep_kills and bool(verdict.killer))


@dataclass(frozen=True)
class Equivalent:
    """A kind of change that no test can notice, and why: a regular expression that the whole of
    ``line before => line after`` matches.
    """

    change: str
    why: str
    file: str = ""  # only in files of such a name

    def is_of(self, mutant: Mutant) -> bool:
        if self.file and not re.fullmatch(self.file, Path(mutant.file).name):
            return False
        lines = mutant.diff()
        if [line[0] for line in lines] != ["-", "+"]:
            return False
        change = f"{lines[0][2:]} => {lines[1][2:]}"
        return re.fullmatch(self.change, change) is not None


def equivalents(path: Path) -> list[Equivalent]:
    """The kinds of change held for equivalent, from a TOML file; each counts as a survivor all the same."""
    return [Equivalent(**row) for row in tomllib.loads(path.read_text())["equivalent"]]


def table(mutants: Sequence[Mutant], verdicts: Mapping[str, Verdict]) -> list[str]:
    """Score per file, and of all: killed mutants of all mutants, equivalent ones included."""
    files = sorted({m.file for m in mutants})
    lines = [f"{'file':<34}{'mutants':>8}{'killed':>8}{'score':>8}"]
    rows = [(name, [m for m in mutants if m.file == name]) for name in files]
    rows += [
        ("cosmic-ray's operators", [m for m in mutants if not m.is_own]),
        ("our operators", [m for m in mutants if m.is_own]),
        ("all", list(mutants)),
    ]
    for name, some in rows:
        killed = sum(bool(verdicts[m.key].killer) for m in some)
        share = killed / len(some) if some else 1.0
        lines.append(f"{name:<34}{len(some):>8}{killed:>8}{share:>8.1%}")
    return lines


def survivors(
    mutants: Iterable[Mutant], verdicts: Mapping[str, Verdict], known: Sequence[Equivalent]
) -> list[str]:
    """Every mutant that no test noticed: place, operator, changed lines, and the reason if one is known."""
    lines = []
    for mutant in mutants:
        if verdicts[mutant.key].killer:
            continue
        why = next((e.why for e in known if e.is_of(mutant)), None)
        lines.append(f"{mutant.file}:{mutant.line} {mutant.operator} [{mutant.key}]")
        lines += [f"    {text}" for text in mutant.diff()]
        if why is not None:
            lines.append(f"    equivalent: {why}")
    return lines


def refuted(
    mutants: Iterable[Mutant], verdicts: Mapping[str, Verdict], known: Sequence[Equivalent]
) -> list[str]:
    """Mutants that are held for equivalent and were killed all the same: the list is wrong there."""
    return [
        f"not equivalent: {mutant.file}:{mutant.line} {' => '.join(mutant.diff())}"
        for mutant in mutants
        if verdicts[mutant.key].killer and any(e.is_of(mutant) for e in known)
    ]
