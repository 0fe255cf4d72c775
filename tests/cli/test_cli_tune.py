"""``riposte tune`` as a user runs it: ended, killed, gone on with, and its result used."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from console import COMMAND, environment

from riposte.cli.main import main
from riposte.market.interval import parse_interval
from riposte.market.series import Series
from riposte.proof.trials import Trial, read_chain, variants
from riposte.proof.tuning.space import OF_LEARNERS, OF_SIGNAL, values_of
from riposte.settings.convert import stack_of
from riposte.settings.load import load_settings
from riposte.sources.synthetic import synthetic_market
from riposte.stores.lake import Lake
from riposte.stores.trial_log import TrialLog

START = 1_672_531_200_000_000_000  # 2023-01-01
UNTIL = 1_682_899_200_000_000_000  # 2023-05-01
USUAL = ("-p", "BTCUSDT", "--until", "20230501")
QUICK = {"RIPOSTE__TUNE__SPLITS": "2", "RIPOSTE__MODEL__MEMBERS": "lightgbm",
         "RIPOSTE__TUNE__MODELS": "lightgbm"}  # fmt: skip
SEARCH = ("tune", *USUAL, "--json", "--trials")
FINISHED = {"COMPLETE", "PRUNED"}
Verb = Callable[..., Any]


def stocked(folder: Path, change: Callable[[Series], Series] = lambda each: each) -> None:
    made = synthetic_market(("BTCUSDT",), parse_interval("1h"), START, 140 * 24, 5)
    lake = Lake(folder / "data" / "lake")
    for each in made["BTCUSDT"].values():
        lake.write(change(each))


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verb:
    """Run a verb in this process, in a folder with five months of history; what it says, parsed."""
    stocked(tmp_path)
    monkeypatch.chdir(tmp_path)
    for key in [key for key in os.environ if key.startswith("RIPOSTE")]:
        monkeypatch.delenv(key)
    for key, value in QUICK.items():
        monkeypatch.setenv(key, value)

    def call(*arguments: str, code: int = 0) -> Any:
        returned = main(list(arguments))
        said = capsys.readouterr()
        assert returned == code, said.err
        return said.err if code else json.loads(said.out)

    return call


def tune(*more: str) -> tuple[str, ...]:
    return ("tune", *USUAL, "--workers", "1", "--json", *more)


def logged(folder: Path) -> tuple[Trial, ...]:
    return read_chain(TrialLog(folder / "data" / "trials.jsonl").lines())


def in_study(folder: Path) -> dict[int, str]:
    """The state of each trial, past us."""
    path = folder / "data" / "tune.db"
    if not path.exists():
        return {}
    with sqlite3.connect(path, timeout=30) as connection:
        try:
            return dict(connection.execute("select number, state from trials").fetchall())
        except sqlite3.OperationalError:
            return {}


def test_every_trial_is_logged_and_the_best_is_a_configuration(told: Verb, tmp_path: Path) -> None:
    found = told(*tune("--trials", "7", "--write", "best.toml"))
    assert found["finished"] == 7
    trials = logged(tmp_path)
    assert [trial.kind for trial in trials] == ["tune"] * 7
    assert len({trial.settings for trial in trials}) == 7
    assert sum(trial.scores["pruned"] for trial in trials) == found["pruned"]
    assert variants(trials, replace(trials[0], kind="walkforward")) == 7
    assert told("trials", "--json") == {"tune": {"runs": 7, "different": 7}}

    signal_config = stack_of(load_settings([tmp_path / "best.toml"]).settings).signal
    best = {path.removeprefix("model."): v for path, v in found["best"]["parameters"].items()}
    best["model"] = best.pop("signal")
    assert values_of(signal_config) == best
    assert signal_config.members == ("lightgbm",)
    told("config", "check", "-c", "best.toml", "--json")
    again = told(*tune("--trials", "7"))  # all there: nothing more is tried
    assert again == found
    assert len(logged(tmp_path)) == 7


def test_nothing_after_the_window_changes_a_trial(
    told: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(1)

    def change(each: Series) -> Series:
        later = each.event_time >= UNTIL
        factor = np.where(later, np.exp(chance.normal(0.0, 0.3)), 1.0)
        return replace(each, columns={k: v * factor for k, v in each.columns.items()})

    ours = told(*tune("--trials", "3"))
    other = tmp_path / "other"
    stocked(other, change)
    monkeypatch.chdir(other)
    assert told(*tune("--trials", "3")) == ours
    # The change is there to be seen, where the window is longer.
    longer = ("tune", "-p", "BTCUSDT", "--workers", "1", "--json", "--study", "longer")
    theirs = told(*longer, "--trials", "2")
    monkeypatch.chdir(tmp_path)
    assert told(*longer, "--trials", "2") != theirs


def test_a_study_begun_on_something_else_is_refused(
    told: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(*tune("--trials", "2"))
    said = told("tune", "-p", "BTCUSDT", "--until", "20230425", "--workers", "1", "--json", code=2)
    assert "the window was 2023-01-01 00:00 UTC to 2023-05-01" in said
    assert "--study" in said
    monkeypatch.setenv("RIPOSTE__BARRIERS__HORIZON", "12h")
    assert "barriers.horizon was null and is now" in told(*tune(), code=2)
    assert "give one of them" in told(*tune("--timerange", "20230101-20230301"), code=2)


def test_a_configuration_of_the_user_is_tried_beside_the_shipped_one(
    told: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIPOSTE__MODEL__LIGHTGBM__ROUNDS", "33")
    found = told(*tune("--trials", "2"))
    tried = {each["trial"]: each["parameters"] for each in found["trials"]}
    assert found["shipped"]["trial"] == 0
    assert tried[0]["model.lightgbm.rounds"] == 60
    assert tried[1]["model.lightgbm.rounds"] == 33
    monkeypatch.setenv("RIPOSTE__MODEL__LIGHTGBM__ROUNDS", "34")  # searched: no other study
    assert told(*tune("--trials", "3"))["finished"] == 3


def test_a_search_that_was_interrupted_and_killed_goes_on(tmp_path: Path) -> None:
    stocked(tmp_path)
    done: set[int] = set()
    for how in (signal.SIGINT, signal.SIGKILL):
        ended = ended_after(tmp_path, len(done) + 3, how)
        assert ended == (130 if how == signal.SIGINT else -signal.SIGKILL)
        left = settled(tmp_path) if how == signal.SIGKILL else in_study(tmp_path)
        # An interrupt leaves nothing open; a kill what its two workers were on, at most.
        assert list(left.values()).count("RUNNING") <= (2 if how == signal.SIGKILL else 0)
        kept = {number for number, state in left.items() if state in FINISHED}
        assert done <= kept
        assert len({trial.settings for trial in logged(tmp_path)}) >= len(kept)
        done = kept
    more = subprocess.run(
        [*COMMAND, *SEARCH, str(len(done) + 2), "--workers", "1"],
        cwd=tmp_path,
        env=environment(**QUICK),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert more.returncode == 0, more.stderr
    after = in_study(tmp_path)
    assert json.loads(more.stdout)["finished"] == len(done) + 2
    assert "RUNNING" not in after.values()
    assert done <= {number for number, state in after.items() if state in FINISHED}


def ended_after(folder: Path, finished: int, how: int) -> int:
    """Search with two workers and end it when so many trials are finished; its exit status."""
    running = subprocess.Popen(
        [*COMMAND, *SEARCH, "5000", "--workers", "2"],
        cwd=folder,
        env=environment(**QUICK),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while sum(state in FINISHED for state in in_study(folder).values()) < finished:
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
    running.send_signal(how)
    return running.wait(60)


def settled(folder: Path) -> dict[int, str]:
    """The study when nobody works on it any more: the same twice, two seconds apart."""
    before: dict[int, str] = {}
    while before != (now := in_study(folder)):
        before = now
        time.sleep(2.0)
    return now


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['optuna'] = None\n"
        "from riposte.cli.main import main; sys.exit(main(['tune']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 6
    assert 'pip install "riposte-futures[tune]"' in done.stderr


@pytest.mark.parametrize("end", ["low", "high"])
def test_whatever_the_search_proposes_the_settings_accept(end: str) -> None:
    ranges = {f"model.{name}": each for name, each in OF_SIGNAL.items()}
    for learner in ("lightgbm", "xgboost", "catboost", "forest"):
        has = set(type(getattr(load_settings().settings.model, learner)).model_fields)
        ranges |= {f"model.{learner}.{n}": each for n, each in OF_LEARNERS.items() if n in has}
    flags = {key: getattr(each, end) for key, each in ranges.items()}
    assert stack_of(load_settings(flags=flags).settings).signal.balance == flags["model.balance"]
