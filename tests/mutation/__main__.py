"""Mutation testing of the engine: ``python tests/mutation`` (or ``make mutants``).

Every mutant runs as plain Python (NUMBA_DISABLE_JIT=1): compiling each would take minutes a piece. That
the engine means the same in both ways is what its own tests say, which pass with and without the JIT.
"""

from __future__ import annotations

import os

os.environ["NUMBA_DISABLE_JIT"] = "1"  # before anything imports Numba

import argparse
import hashlib
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numba  # noqa: F401  imported once, here, and inherited by every fork
import numpy as np
from mutation_plan import Mutant, mutants_of
from mutation_report import Results, Verdict, equivalents, refuted, survivors, table
from mutation_trial import Survey, Trials, first_failure, in_fork, in_forks, put_in_place

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src"
ROOM = "riposte/engine"
HERE = REPOSITORY / "tests" / "mutation"
TESTS = (str(REPOSITORY / "tests" / "engine"), str(HERE / "small_markets.py"))
# Thousands of scenarios, or bars by the ten thousand: small_markets.py stands in for them.
TOO_SLOW = (
    "no_money_appears_in_hostile_markets",
    "test_engine_scenarios.py",
    "bytes_are_the_same_in_thousands_of_markets",
    "the_same_bytes_with_finer_bars_in_them",
    "the_order_of_the_symbols_changes_nothing",
    "real_minutes_settle_hours",
    "room_for_the_records_grows",
    "test_engine_parity",
)


def digest(paths: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


def cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "riposte" / "mutants"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/mutation", description=__doc__)
    parser.add_argument("--files", nargs="*", default=[], help="only these files: margin quiet ...")
    parser.add_argument("--sample", type=int, default=0, help="only so many, drawn with --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--keep-kills", action="store_true", help="tests were only added: ask survivors only"
    )
    parser.add_argument(
        "--at-least", type=float, default=0.0, help="exit with 1 below this score, in per cent"
    )
    parser.add_argument("--cache", type=Path, default=cache_folder())
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Mutant]:
    paths = sorted((SOURCE / ROOM).glob("*.py"))
    if options.files:
        unknown = set(options.files) - {p.stem for p in paths}
        if unknown:
            sys.exit(f"no such file in {ROOM}: {', '.join(sorted(unknown))}")
        paths = [p for p in paths if p.stem in options.files]
    mutants = [mutant for path in paths for mutant in mutants_of(SOURCE, path)]
    if options.sample:
        drawn = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
        mutants = sorted(drawn, key=lambda m: (m.file, m.line))
    return mutants


class Run:
    """Trials of a list of mutants; the tests that have killed neighbours are asked first."""

    def __init__(self, trials: Trials, survey: Survey, results: Results, tests: str, workers: int):
        self._trials, self._survey, self._results = trials, survey, results
        self._tests, self._workers = tests, workers
        self._kills: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._begun: dict[str, float] = {}
        self.tried = 0

    def order(self, mutant: Mutant) -> list[str]:
        kills = self._kills[mutant.file, mutant.function]
        seconds = self._survey.seconds
        return sorted(
            self._survey.tests_of(mutant), key=lambda t: -kills.get(t, 0) / (seconds[t] + 0.002)
        )

    def trial(self, mutants: Sequence[Mutant], work: Callable[[Mutant, list[str]], str]) -> None:
        by_key = {m.key: m for m in mutants}

        def tasks() -> Iterator[tuple[str, Callable[[], Any]]]:
            for mutant in mutants:
                order = self.order(mutant)
                self._begun[mutant.key] = time.monotonic()
                yield mutant.key, lambda m=mutant, o=order: work(m, o)

        for key, answer in in_forks(tasks(), self._workers):
            killer = "time" if answer is None else str(answer)
            if killer not in ("", "time", "import"):
                self._kills[by_key[key].file, by_key[key].function][killer] += 1
            seconds = time.monotonic() - self._begun.pop(key)
            self._results.add(Verdict(key, killer, round(seconds, 3), self._tests))
            self.tried += 1
            if self.tried % 50 == 0:
                print(f"  {self.tried} tried", file=sys.__stderr__, flush=True)

    def cold(self, mutants: Sequence[Mutant]) -> None:
        self.trial(mutants, lambda m, order: self._trials.cold(m, self._survey, order))

    def warm(self, mutants: Sequence[Mutant]) -> None:
        def with_items(items: dict[str, Any]) -> None:
            def work(mutant: Mutant, order: list[str]) -> str:
                if not order:
                    return ""  # no test calls it, or even imports it
                put_in_place(mutant, SOURCE / mutant.file)
                return first_failure([(t, items[t]) for t in order], self._survey)

            self.trial(mutants, work)

        self._trials.with_items(with_items)


def main() -> int:
    options = arguments()
    np.seterr(all="ignore")  # as compiled: NaN and infinity, no warning
    # small_markets.py imports from the engine's tests, also where it is collected alone
    sys.path[:0] = [str(SOURCE), str(REPOSITORY / "tests" / "engine")]
    hypothesis.settings.register_profile("mutants")  # imported before any fork
    began = time.monotonic()
    mutants = chosen(options)
    tests = digest([*(REPOSITORY / "tests" / "engine").glob("*.py"), HERE / "small_markets.py"])
    engine = digest([*(SOURCE / "riposte").glob("*.py"), *(SOURCE / "riposte").glob("[em]*/*.py")])
    results = Results(options.cache / f"{engine}.jsonl")
    todo = [m for m in mutants if not results.holds(m.key, tests, options.keep_kills)]
    print(f"{len(mutants)} mutants, {len(todo)} to try", flush=True)
    if todo:
        trials = Trials(SOURCE, ROOM, TESTS, TOO_SLOW)
        survey = trials.survey()
        print(
            f"{len(survey.seconds)} tests, {sum(survey.seconds.values()):.1f} s on the unchanged engine",
            flush=True,
        )
        run = Run(trials, survey, results, tests, options.workers)
        warm = [m for m in todo if survey.is_warm(m)]
        if warm:
            in_fork(lambda: run.warm(warm))
            results.read()  # what the fork added
        run.cold([m for m in todo if not survey.is_warm(m)])
        seconds = time.monotonic() - began
        print(f"{seconds:.0f} s, {seconds / len(todo):.2f} s per mutant")
    known = equivalents(HERE / "equivalent.toml")
    for lines in (
        survivors(mutants, results.verdicts, known),
        refuted(mutants, results.verdicts, known),
        table(mutants, results.verdicts),
    ):
        print("\n".join(lines))
    killed = sum(bool(results.verdicts[m.key].killer) for m in mutants)
    return 0 if killed >= options.at_least / 100.0 * len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
