"""Machine code on disk is never older than any source it was made from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from riposte.compiled import room_fingerprint

CALLEE = """
from riposte.compiled import compiled

@compiled
def rule(x: float) -> float:
    return x + {number}
"""
CALLER = """
from riposte.compiled import compiled
from callee import rule

@compiled
def asks(x: float) -> float:
    return rule(x)

print(asks(1.0))
"""


def test_the_fingerprint_of_a_room_changes_with_any_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1")
    (tmp_path / "two.py").write_text("b = 1")
    before = room_fingerprint(tmp_path)
    (tmp_path / "two.py").write_text("b = 2")
    room_fingerprint.cache_clear()
    assert room_fingerprint(tmp_path) != before


def test_a_changed_callee_in_another_file_is_never_served_from_the_cache(tmp_path: Path) -> None:
    # Numba's own check looks at the caller's file only and would print the old answer.
    (tmp_path / "caller.py").write_text(CALLER)
    answers = []
    for number in (1, 2):
        (tmp_path / "callee.py").write_text(CALLEE.format(number=number))
        done = subprocess.run(
            [sys.executable, "caller.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        answers.append(done.stdout.strip())
    assert answers == ["2.0", "3.0"]
