"""Running the tests against a mutant: in a fork, in process, until the first one fails.

Two ways to put a mutant in place. A change inside a function's body is made in a process that has imported
and collected everything already: the function object gets the mutant's code, and whoever imported the
function sees it; a trial costs a fork and the tests. Any other change (a constant, a default, a class) and
any function called at import is tried from a fresh import of the engine with the file's source replaced.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.util
import inspect
import json
import os
import resource
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import pytest
from mutation_plan import Mutant

# CPU seconds a single test may take beyond ten times what it takes on the unchanged engine.
_GRACE = 1.0
_MEMORY = 4 << 30  # bytes of address space: a mutant may ask for a field of any size


@dataclass
class Survey:
    """What the unchanged engine does: seconds of each test, the engine's functions that each calls, and
    those called while the tests are imported.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)
    at_import: list[str] = field(default_factory=list)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Tests that call the mutant's function, the quickest first; all of them where it is in none."""
        name = f"{mutant.file}:{mutant.function}"
        reached = [
            test for test in self.seconds if not mutant.function or name in self.calls.get(test, [])
        ]
        return sorted(reached, key=lambda test: self.seconds[test])

    def is_warm(self, mutant: Mutant) -> bool:
        """Whether a change of the function's code is enough."""
        return bool(mutant.function) and f"{mutant.file}:{mutant.function}" not in self.at_import


class _Calls:
    """Names ``file:function`` of the functions entered under a source folder."""

    def __init__(self, root: Path, room: str) -> None:
        self._root, self._room = f"{root}/", f"{root}/{room}"
        self.seen: set[str] = set()

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        code: CodeType = frame.f_code
        if event == "call" and code.co_filename.startswith(self._room):
            name = code.co_qualname.split(".<locals>")[0]
            self.seen.add(f"{code.co_filename.removeprefix(self._root)}:{name}")


def pytest_arguments(tests: Sequence[str]) -> list[str]:
    """Plain Python warns and raises where compiled code goes on with NaN or infinity; so no warnings."""
    quiet = ["-q", "-s", "--assert=plain", "-p", "no:cacheprovider", "-W", "ignore"]
    return [*quiet, "-o", "timeout=0", "-o", "addopts=", *tests]


class _Session:
    """Pytest plugin: the items of one session, collected under a small Hypothesis profile."""

    def __init__(self, left_out: Sequence[str], loop: Callable[[dict[str, Any]], None]) -> None:
        self._left_out, self._loop = left_out, loop

    def pytest_collection(self, session: pytest.Session) -> None:
        import hypothesis

        hypothesis.settings.register_profile(
            "mutants",
            hypothesis.settings.get_profile("house"),
            max_examples=6,
            database=None,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # no shrinking
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            return True
        kept = [i for i in session.items if not any(part in i.nodeid for part in self._left_out)]
        self._loop({item.nodeid: item for item in kept})
        return True


def fails(item: Any) -> bool:
    """Run one collected test; whether it failed. Pytest's own reports take ten times as long as a test."""
    from _pytest.outcomes import OutcomeException, Skipped
    from _pytest.runner import runtestprotocol

    if item.get_closest_marker("xfail"):
        return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))
    state = item.session._setupstate
    try:
        state.setup(item)
        item.runtest()
        state.teardown_exact(None)
    except Skipped:
        state.teardown_exact(None)
    except (Exception, OutcomeException):  # noqa: BLE001  whatever it is, the test has noticed
        return True
    return False


@dataclass(frozen=True)
class Trials:
    """Where the source is, which part of it is mutated, which tests are run."""

    root: Path  # the folder of the package
    room: str  # riposte/engine
    tests: tuple[str, ...]
    left_out: tuple[str, ...]  # parts of names of tests too slow for plain Python

    def survey(self) -> Survey:
        """Run every test on the unchanged engine, in a fork.

        Raises:
            RuntimeError: if one fails: nothing can be said about mutants then.
        """
        answer = in_fork(self._survey)
        if answer is None or "failed" in answer:
            raise RuntimeError(
                f"tests fail on the unchanged engine: {(answer or {}).get('failed')}"
            )
        return Survey(answer["seconds"], answer["calls"], answer["at_import"])

    def _survey(self) -> dict[str, Any]:
        calls = _Calls(self.root, self.room)
        out: dict[str, Any] = {"seconds": {}, "calls": {}, "at_import": []}

        def loop(items: dict[str, Any]) -> None:
            out["at_import"] = sorted(calls.seen)
            for test, item in items.items():
                calls.seen = set()
                sys.setprofile(calls)
                failed = fails(item)
                sys.setprofile(None)
                out["calls"][test] = sorted(calls.seen)
                begin = time.process_time()
                if failed or fails(item):  # a second time without the profile, for the time
                    out.setdefault("failed", []).append(test)
                out["seconds"][test] = time.process_time() - begin

        sys.setprofile(calls)
        code = self._pytest(loop)
        sys.setprofile(None)
        if code or not out["seconds"]:
            out.setdefault("failed", []).append(f"pytest ended with {code}")
        return out

    def _pytest(self, loop: Callable[[dict[str, Any]], None], tests: Sequence[str] = ()) -> int:
        """Pytest's exit status; what ``loop`` raises is raised, not reported by pytest."""
        raised: list[Exception] = []

        def guarded(items: dict[str, Any]) -> None:
            try:
                loop(items)
            except Exception as error:  # noqa: BLE001
                raised.append(error)

        plugin = _Session(self.left_out, guarded)
        status = int(pytest.main(pytest_arguments(tests or self.tests), plugins=[plugin]))
        if raised:
            raise raised[0]
        return status

    def cold(self, mutant: Mutant, survey: Survey, order: Sequence[str]) -> str:
        """To be called in a fork that has not imported the engine: the test that fails, or ''.

        The file of the likeliest killer is collected alone at first: that takes most of the time.
        """
        killer = ["import"]

        def loop(items: dict[str, Any]) -> None:
            killer[0] = first_failure([(t, items[t]) for t in order if t in items], survey)

        sys.meta_path.insert(0, _Replaced(mutant.module, mutant.source, self.root / mutant.file))
        likeliest = str(self.root.parent / order[0].split("::")[0])
        for tests in ((likeliest,), self.tests):
            killer[0] = "import"
            limit_cpu(30.0)  # the import itself may not end
            self._pytest(loop, tests)
            if killer[0]:
                break
        return killer[0]

    def with_items(self, work: Callable[[dict[str, Any]], None]) -> None:
        """Import and collect everything once, then do ``work`` with the items by name."""

        def frozen(items: dict[str, Any]) -> None:
            gc.collect()
            gc.freeze()  # a fork then shares the pages of all that is there
            work(items)

        self._pytest(frozen)


class _Replaced(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a source that is not the file's."""

    def __init__(self, module: str, source: str, path: Path) -> None:
        self._module, self._source, self._path = module, source, path

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> Any:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: Any) -> bytes:
        return self._source.encode()


def put_in_place(mutant: Mutant, path: Path) -> None:
    """Give the function that ``mutant`` changes the mutant's code, in this process."""
    module = sys.modules[mutant.module]
    code = _code_of(compile(mutant.source, str(path), "exec"), mutant.function.split("."))
    function: Any = module
    for part in mutant.function.split("."):
        function = inspect.getattr_static(function, part)
    assert isinstance(function, FunctionType)
    function.__code__ = code


def _code_of(code: CodeType, names: Sequence[str]) -> CodeType:
    for name in names:
        inner = [c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name]
        code = inner[-1]
    return code


def first_failure(items: Sequence[tuple[str, Any]], survey: Survey) -> str:
    """Name of the first of these tests that fails, or ''; a test without end ends the process."""
    for test, item in items:
        limit_cpu(_GRACE + 10.0 * survey.seconds[test])
        if fails(item):
            return test
    limit_cpu(0.0)
    return ""


def limit_cpu(seconds: float) -> None:
    """End this process by SIGPROF after so much more CPU time; 0: no limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _child(work: Callable[[], Any], pipe: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        answer = {"answer": work()}
    except BaseException:  # noqa: BLE001  told to the parent, which raises it
        answer = {"broken": traceback.format_exc()}
    left = json.dumps(answer).encode()
    while left:
        left = left[os.write(pipe, left) :]
    os._exit(0)


def in_fork(work: Callable[[], Any]) -> Any:
    """The JSON value that ``work`` returns in a process of its own; None if it died."""
    ((_, answer),) = in_forks([("", work)], 1)
    return answer


def in_forks(
    tasks: Iterable[tuple[str, Callable[[], Any]]], workers: int
) -> Iterator[tuple[str, Any]]:
    """(name, answer) of each task as it ends, ``workers`` at a time; answer None: out of time.

    Raises:
        RuntimeError: if a task raises, or dies of anything but the limit on its time.
    """
    waiting = iter(tasks)
    running: dict[int, tuple[str, int, bytearray]] = {}  # read end -> name, pid, answer so far
    with selectors.DefaultSelector() as selector:
        while True:
            while len(running) < workers and (task := next(waiting, None)) is not None:
                reader, writer = os.pipe()
                sys.stdout.flush()
                pid = os.fork()
                if pid == 0:
                    os.close(reader)
                    _child(task[1], writer)
                os.close(writer)
                running[reader] = (task[0], pid, bytearray())
                selector.register(reader, selectors.EVENT_READ)
            if not running:
                return
            for key, _ in selector.select():
                piece = os.read(key.fd, 1 << 16)
                running[key.fd][2].extend(piece)
                if not piece:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    name, pid, answer = running.pop(key.fd)
                    yield name, _answer(name, os.waitpid(pid, 0)[1], bytes(answer))


def _answer(name: str, status: int, answer: bytes) -> Any:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return None
    told = json.loads(answer) if answer else {"broken": f"it died with status {status}"}
    if "broken" in told:
        raise RuntimeError(f"the trial of {name} broke: {told['broken']}")
    return told["answer"]
