"""The harness tells a tested rule from an untested one, and leaves out only what it says it leaves out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutation_operators import operators
from mutation_plan import Mutant, mutants_of
from mutation_report import Equivalent, Results, Verdict, refuted, survivors, table
from mutation_trial import in_forks

SOURCE = '''"""A module: 1 + 1 is in its docstring."""
from __future__ import annotations

import math

LIMIT = 3


@lru_cache(maxsize=5)
def rule(account: Literal[7] | None, price: float = 2.0) -> float:
    """Not 3 * 3."""
    account["paid"] += price * LIMIT
    if price > 0.0 and price < math.inf:
        account["seen"] = 1
        return min(price, 9.0)
    for _ in range(4):
        rule(account, -price)
    raise ValueError(f"{price + 1} is no price")


class Side:
    LONG = 1
'''


@pytest.fixture
def mutants(tmp_path: Path) -> list[Mutant]:
    (tmp_path / "rules.py").write_text(SOURCE)
    return mutants_of(tmp_path, tmp_path / "rules.py")


def changes(mutants: list[Mutant]) -> set[tuple[str, str]]:
    return {(m.diff()[0][2:], m.diff()[1][2:]) for m in mutants}


def test_every_kind_of_change_is_made(mutants: list[Mutant]) -> None:
    assert changes(mutants) >= {
        ("LIMIT = 3", "LIMIT = 4"),
        ('account["paid"] += price * LIMIT', 'account["paid"] -= price * LIMIT'),
        ('account["paid"] += price * LIMIT', 'account["paid"] += price / LIMIT'),
        ('account["paid"] += price * LIMIT', "pass"),
        ("if price > 0.0 and price < math.inf:", "if price >= 0.0 and price < math.inf:"),
        ("if price > 0.0 and price < math.inf:", "if price > 0.0 or price < math.inf:"),
        ("if price > 0.0 and price < math.inf:", "if True and price < math.inf:"),
        ("if price > 0.0 and price < math.inf:", "if not price > 0.0 and price < math.inf:"),
        ('account["seen"] = 1', "pass"),
        ("return min(price, 9.0)", "return max(price, 9.0)"),
        ("return min(price, 9.0)", "pass"),
        ("for _ in range(4):", "for _ in []:"),
        ("rule(account, -price)", "rule(account, price)"),
        ("LONG = 1", "LONG = 2"),
    }


def test_what_is_said_to_be_left_out_is_and_nothing_else_of_the_lines(
    mutants: list[Mutant],
) -> None:
    touched = {before for before, _ in changes(mutants)}
    assert not any("import" in line or "lru_cache" in line or '"""' in line for line in touched)
    assert not any("is no price" in line for line in touched)
    (default,) = {before for before in touched if before.startswith("def rule")}
    assert default in touched  # the default of an argument is a number like another ...
    assert all(
        "Literal[7] | None" in after for before, after in changes(mutants) if before == default
    )


def test_no_two_mutants_are_the_same_program_and_each_is_one(mutants: list[Mutant]) -> None:
    sources = [m.source for m in mutants]
    assert len(set(sources)) == len(sources)
    assert SOURCE not in sources
    assert len({m.key for m in mutants}) == len(mutants)
    for source in sources:
        compile(source, "rules.py", "exec")


def test_a_change_knows_whether_it_is_made_at_a_call_or_at_import(mutants: list[Mutant]) -> None:
    where = {m.diff()[0][2:].split(" ")[0]: m.function for m in mutants}
    assert (where["LIMIT"], where["LONG"], where["def"]) == ("", "", "")
    assert (where["return"], where["if"], where["for"]) == ("rule", "rule", "rule")


def test_operators_that_numba_would_not_compile_are_not_used() -> None:
    assert not any("Bit" in name or "Is" in name or "Shift" in name for name in operators())


def test_a_task_without_end_is_ended_and_a_broken_one_is_not_taken_for_a_kill() -> None:
    def endless() -> None:
        import signal

        signal.setitimer(signal.ITIMER_PROF, 0.05)
        while True:
            pass

    assert dict(in_forks([("a", endless), ("b", lambda: 5)], 2)) == {"a": None, "b": 5}
    with pytest.raises(RuntimeError, match="(?s)the trial of c broke: .*KeyError"):
        list(in_forks([("c", lambda: {}["no"])], 1))
    with pytest.raises(RuntimeError, match="died with status"):
        list(in_forks([("d", lambda: os._exit(3))], 1))


def test_verdicts_outlive_the_run_and_survivors_are_asked_again_when_tests_change(
    tmp_path: Path,
) -> None:
    Results(tmp_path / "r.jsonl").add(Verdict("k", "some test", 0.1, "old"))
    results = Results(tmp_path / "r.jsonl")
    results.add(Verdict("s", "", 0.1, "old"))
    assert results.holds("k", "old", keep_kills=False)
    assert not results.holds("k", "new", keep_kills=False)
    assert results.holds("k", "new", keep_kills=True)
    assert not results.holds("s", "new", keep_kills=True)
    assert not results.holds("unknown", "old", keep_kills=True)


def test_a_survivor_counts_also_when_it_is_held_for_equivalent(mutants: list[Mutant]) -> None:
    some = [m for m in mutants if m.diff()[0] == "- LIMIT = 3"]
    verdicts = {m.key: Verdict(m.key, "", 0.1, "t") for m in some}
    verdicts[some[0].key] = Verdict(some[0].key, "a test", 0.1, "t")
    known = [Equivalent(r"LIMIT = 3 => LIMIT = \d", "of no consequence", "rules.py")]
    assert table(some, verdicts)[-1].split() == ["all", "2", "1", "50.0%"]
    told = survivors(some, verdicts, known)
    assert told[0].startswith(f"rules.py:6 NumberReplacer [{some[1].key}]")
    assert told[1:] == ["    - LIMIT = 3", "    + LIMIT = 2", "    equivalent: of no consequence"]
    (wrong,) = refuted(some, verdicts, known)
    assert wrong.startswith("not equivalent: rules.py:6 - LIMIT = 3")
    elsewhere = [Equivalent(known[0].change, known[0].why, "other.py")]
    assert survivors(some, verdicts, elsewhere) == told[:3]


TESTED = "from riposte.engine.rules import double\ndef test_it():\n    assert double(3) == 6\n"


def test_a_rule_without_a_test_lets_its_mutants_live(tmp_path: Path) -> None:
    """The whole of it on a repository of two rules, one of them untested."""
    engine, tests = tmp_path / "src/riposte/engine", tmp_path / "tests/engine"
    engine.mkdir(parents=True)
    tests.mkdir(parents=True)
    (engine.parent / "__init__.py").touch()
    (engine / "__init__.py").touch()
    (engine / "rules.py").write_text("def double(x):\n    return 2 * x\n")
    (engine / "bare.py").write_text("START = 5\n\n\ndef untested(x):\n    return x + START\n")
    (tests / "test_rules.py").write_text(TESTED)
    here = Path(__file__).parent
    for path in [*here.glob("mutation_*.py"), here / "__main__.py"]:
        (tmp_path / "tests/mutation").mkdir(exist_ok=True)
        (tmp_path / "tests/mutation" / path.name).write_text(path.read_text())
    (tmp_path / "tests/mutation/small_markets.py").write_text("")
    (tmp_path / "tests/mutation/equivalent.toml").write_text("equivalent = []\n")
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import settings\nsettings.register_profile('house')\n"
    )
    command = [
        sys.executable,
        "tests/mutation",
        "--cache",
        str(tmp_path / "cache"),
        "--workers",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [*command, "--at-least", "60"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    scores = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[-6:]}
    assert scores["riposte/engine/bare.py"][1:] == ["0", "0.0%"]
    assert scores["riposte/engine/rules.py"][0] == scores["riposte/engine/rules.py"][1]
    assert "    + return x - START" in done.stdout
    (kept,) = (tmp_path / "cache").glob("*.jsonl")
    tried = [json.loads(line)["key"] for line in kept.read_text().splitlines()]
    assert len(tried) == len(set(tried))
    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert ", 0 to try" in again.stdout
