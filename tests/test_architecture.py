"""Laws of the house that an import contract cannot express, checked on the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "riposte"
FILES = sorted(SOURCE.rglob("*.py"))
PURE = ("market", "features", "labels", "engine")


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def approvals(path: Path) -> int:
    """How many statements of a file set the field ``approved`` to anything but 0."""
    found = 0
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            if (
                isinstance(target, ast.Subscript)
                and isinstance(target.slice, ast.Constant)
                and target.slice.value == "approved"
                and not (isinstance(node.value, ast.Constant) and node.value.value == 0)
            ):
                found += 1
    return found


def test_only_the_review_approves_an_order() -> None:
    assert {p.name for p in FILES if approvals(p)} == {"review.py"}


def calls(path: Path) -> set[str]:
    """Dotted names of everything a file calls."""
    return {ast.unparse(n.func) for n in ast.walk(tree(path)) if isinstance(n, ast.Call)}


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.relative_to(SOURCE).parts[0] in PURE], ids=name
)
def test_the_core_reads_no_clock_rolls_no_dice_and_touches_no_file(path: Path) -> None:
    assert not {"open", "print", "input"} & calls(path)
    assert not [
        c for c in calls(path) if c.startswith(("np.random", "random.", "time.", "datetime"))
    ]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_asks_in_which_mode_it_runs(path: Path) -> None:
    modes = {"is_live", "is_backtest", "is_paper", "run_mode", "runmode", "dry_run"}
    names = {n.id for n in ast.walk(tree(path)) if isinstance(n, ast.Name)}
    assert not modes & names


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_grows_beyond_what_a_reader_holds(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
