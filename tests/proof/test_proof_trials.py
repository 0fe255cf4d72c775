"""The trial log counts every attempt once and tells when anybody touched it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riposte.cli.trials import hash_of
from riposte.errors import DataError
from riposte.proof.trials import (
    FIRST,
    Trial,
    line,
    line_hash,
    other_variants,
    read_chain,
    recorded_sharpes,
    variants,
)
from riposte.settings.load import load_settings
from riposte.stores.trial_log import TrialLog

BASE = Trial(
    "walkforward", "2026-01-01T00:00:00Z", ("BTCUSDT",), "1h", 0, 1000, "data", "settings", "0.1",
    {"sharpe": 0.5},
)  # fmt: skip


def chain(trials: list[Trial]) -> list[bytes]:
    lines, before = [], FIRST
    for trial in trials:
        lines.append(line(trial, before))
        before = line_hash(lines[-1])
    return lines


def log_many(log: TrialLog, trials: list[Trial]) -> None:
    for trial in trials:
        log.append(lambda last, t=trial: line(t, FIRST if last is None else line_hash(last)))


def test_trials_come_back_as_they_were() -> None:
    trials = [BASE, replace(BASE, kind="train", scores={"log_loss": math.inf - math.inf})]
    found = read_chain(chain(trials))
    assert found[0] == BASE
    assert math.isnan(found[1].scores["log_loss"])


@given(
    count=st.integers(2, 6),
    where=st.integers(0, 5),
    how=st.sampled_from(["edit", "remove", "swap", "repeat"]),
)
def test_any_edit_removal_or_reorder_is_noticed(count: int, where: int, how: str) -> None:
    lines = chain([replace(BASE, settings=str(n)) for n in range(count)])
    place = where % (count - 1)  # the last line has nobody after it to tell
    if how == "edit":
        lines[place] = lines[place].replace(b'"sharpe":0.5', b'"sharpe":0.6')
    elif how == "remove":
        del lines[place]
    elif how == "swap":
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
    else:
        lines.insert(place, lines[place])
    with pytest.raises(DataError, match="trial log was changed"):
        read_chain(lines)


def test_variants_count_other_attempts_on_overlapping_data_once() -> None:
    others = [
        replace(BASE, settings="b"),
        replace(BASE, settings="b", made="later"),  # the same again
        replace(BASE, settings="c", start_ns=900, stop_ns=2000),
        replace(BASE, settings="d", start_ns=1000, stop_ns=2000),  # no common moment
        replace(BASE, settings="e", symbols=("ETHUSDT",)),
        replace(BASE, settings="f", symbols=("ETHUSDT", "BTCUSDT")),
        replace(BASE, kind="train", settings="g"),
        BASE,
    ]
    assert variants(others, BASE) == 3
    assert variants(others, replace(BASE, settings="new")) == 4


def test_every_set_of_a_sweep_counts_and_a_larger_run_of_it_holds_the_smaller() -> None:
    sweep = replace(BASE, kind="sweep", settings="space", sets=200)
    log = read_chain(chain([sweep, replace(sweep, sets=500), replace(sweep, sets=30), BASE]))
    assert [trial.sets for trial in log] == [200, 500, 30, 1]
    assert variants(log, replace(BASE, settings="new")) == 501
    assert variants(log, BASE) == 500
    assert variants(log, replace(sweep, sets=500)) == 1
    assert variants(log, replace(sweep, sets=100)) == 401  # 400 of its own were looked at before
    assert variants(log, replace(sweep, settings="other", sets=100)) == 501


def test_the_sharpe_ratios_of_other_variants_are_known_as_far_as_they_were_traded() -> None:
    log = [
        BASE,
        replace(BASE, settings="other", scores={"sharpe": 0.1}),
        replace(BASE, settings="other", scores={"sharpe": 0.2}),  # run again: the last one counts
        replace(BASE, settings="still", scores={"sharpe": math.nan}),
        replace(BASE, kind="tune", settings="tuned", scores={"log_loss": 1.0}),
    ]
    others = other_variants(log, BASE)
    assert len(others) == variants(log, BASE) == 3
    assert recorded_sharpes(others) == (0.2,)


def test_a_cross_validation_makes_no_other_variant_but_fewer_folds_do() -> None:
    def hashed(**flags: object) -> str:
        return hash_of(load_settings((), environment={}, flags=flags).settings)

    assert hashed(**{"walkforward.cpcv": "6,2"}) == hashed()
    assert hashed(**{"walkforward.folds": 3}) != hashed()


def test_what_a_killed_writer_left_unfinished_is_cut_off(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "trials.jsonl")
    log_many(log, [BASE, replace(BASE, settings="b")])
    with log.path.open("ab") as file:
        file.write(b'{"kind":"walkf')
    assert len(read_chain(log.lines())) == 2
    log_many(log, [replace(BASE, settings="c")])
    assert [trial.settings for trial in read_chain(log.lines())] == ["settings", "b", "c"]


def test_several_processes_append_to_one_chain_and_a_kill_breaks_nothing(tmp_path: Path) -> None:
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from test_proof_trials import BASE, TrialLog, log_many, replace
        log = TrialLog(Path(sys.argv[1]))
        for n in range(10000):
            log_many(log, [replace(BASE, settings=f"{sys.argv[3]}-{n}")])
    """
    path = tmp_path / "trials.jsonl"
    command = [sys.executable, "-c", textwrap.dedent(script), str(path), str(Path(__file__).parent)]
    running = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    until = time.monotonic() + 60
    while len(TrialLog(path).lines()) < 40 and time.monotonic() < until:
        time.sleep(0.1)
    for process in running:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    log = TrialLog(path)
    log_many(log, [BASE])
    trials = read_chain(log.lines())
    assert len(trials) > 40
    assert len({trial.settings for trial in trials}) == len(trials)
