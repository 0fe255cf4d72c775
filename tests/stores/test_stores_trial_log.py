"""The trial log in PostgreSQL keeps the same chain as the one on disk."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest
from databases import sql

from riposte.errors import DataError
from riposte.proof.trials import FIRST, Trial, line, line_hash, read_chain
from riposte.stores.postgres import Postgres
from riposte.stores.postgres_trial_log import PostgresTrialLog

TRIAL = Trial(
    "tune", "2026-01-01 00:00 UTC", ("BTCUSDT",), "1h", 0, 1000, "data", "settings", "0.1",
    {"excess_log_loss": -0.001},
)  # fmt: skip


def log_one(log: PostgresTrialLog, trial: Trial) -> None:
    log.append(lambda last: line(trial, FIRST if last is None else line_hash(last)))


def test_lines_come_back_in_order_and_byte_for_byte(database: str) -> None:
    log = PostgresTrialLog(database)
    assert log.lines() == ()
    trials = [replace(TRIAL, settings=str(number)) for number in range(12)]
    for trial in trials:
        log_one(log, trial)
    assert read_chain(log.lines()) == tuple(trials)
    assert pickle.loads(pickle.dumps(log)).lines() == log.lines()


def test_a_row_changed_past_us_is_noticed(database: str) -> None:
    log = PostgresTrialLog(database)
    for number in range(3):
        log_one(log, replace(TRIAL, settings=str(number)))
    sql(database, "delete from riposte.trials where number = 2")
    with pytest.raises(DataError, match="trial log was changed: line 2"):
        read_chain(log.lines())


def test_a_database_made_before_there_was_a_log_gets_one(database: str, postgres: Postgres) -> None:
    assert list(postgres.holdings()) == []
    sql(database, "drop table riposte.trials")
    log = PostgresTrialLog(database)
    log_one(log, TRIAL)
    assert read_chain(log.lines()) == (TRIAL,)


def test_two_processes_append_to_one_chain_and_a_kill_breaks_nothing(database: str) -> None:
    script = """
        import sys
        from dataclasses import replace
        sys.path.insert(0, sys.argv[2])
        from test_stores_trial_log import TRIAL, PostgresTrialLog, log_one
        log = PostgresTrialLog(sys.argv[1])
        for number in range(100000):
            log_one(log, replace(TRIAL, settings=f"{sys.argv[3]}-{number}"))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), database, os.path.dirname(__file__)]
    running = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    log = PostgresTrialLog(database)
    until = time.monotonic() + 60

    def writers() -> set[str]:
        return {trial.settings[0] for trial in read_chain(log.lines())}

    while (len(log.lines()) < 60 or writers() < {"a", "b"}) and time.monotonic() < until:
        time.sleep(0.1)
    for process in running:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    log_one(log, TRIAL)
    trials = read_chain(log.lines())
    assert writers() >= {"a", "b"}
    assert len(trials) > 60
    assert len({trial.settings for trial in trials}) == len(trials)
