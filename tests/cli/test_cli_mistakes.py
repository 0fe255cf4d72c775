"""What a first-time user may do wrong: one clear line, an exit code, and nothing lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from console import COMMAND, Riposte, environment

MISTAKES = [
    (("wibble",), 2, "wibble"),
    (("demo", "--wibble"), 2, "--wibble"),
    (("walkforward", "-c", "nowhere.toml"), 2, "nowhere.toml does not exist"),
    (("walkforward", "--timerange", "2024"), 2, "20240101-20240201"),
    (("walkforward", "-i", "7m"), 2, "data.interval"),
    (("walkforward", "-p", "BTCEUR"), 2, "BTC/USDT:USDT"),
    (("walkforward", "--cpcv", "6"), 2, "write groups and test groups, such as 6,2"),
    (("walkforward", "--cpcv", "6,6"), 2, "left to train on"),
    (("walkforward", "--folds", "-1"), 2, "walkforward.folds = -1"),
    (("walkforward",), 3, "riposte data import"),
    (("data", "import"), 2, "RIPOSTE_ARCHIVE"),
    (("data", "import", "nowhere"), 2, "nowhere"),
    (("features", "show", "rsi_15"), 2, "did you mean"),
    (("features", "list", "--group", "momentun"), 2, "did you mean 'momentum'"),
    (("models", "show", "best"), 2, "best"),
    (("report", "mine"), 2, "riposte report open mine"),
    (("config", "show", "--preset", "yolo"), 2, "survival"),
    (("demo", "--years", "0.1"), 2, "0.75"),
]


@pytest.mark.parametrize(("arguments", "code", "said"), MISTAKES, ids=lambda v: str(v)[:40])
def test_a_mistake_gets_one_sentence_and_an_exit_code(
    riposte: Riposte, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = riposte(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1


def test_a_report_folder_that_cannot_be_written_is_refused_before_the_work(
    riposte: Riposte, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    done = riposte("demo", RIPOSTE__REPORT__FOLDER="taken/reports")
    assert done.returncode == 4
    assert "reports cannot be written to taken/reports" in done.stderr
    assert "SYNTHETIC" not in done.stderr


def test_an_environment_variable_with_a_wrong_name_is_refused(riposte: Riposte) -> None:
    done = riposte("config", "check", RIPOSTE__RISK__LEVERAGE="3")
    assert done.returncode == 2
    assert "environment RIPOSTE__RISK__LEVERAGE" in done.stderr


def test_a_report_that_cannot_be_written_is_an_error_and_leaves_the_old_one(
    riposte: Riposte, tmp_path: Path
) -> None:
    from riposte.cli.publish import write_atomically
    from riposte.errors import StorageError

    path = tmp_path / "kept.html"
    write_atomically(path, b"old")
    limit = f"ulimit -f 8; exec {COMMAND[0]} -c \"from pathlib import Path; import signal; \
signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from riposte.cli.publish import write_atomically; \
write_atomically(Path('kept.html'), b'x' * 10_000_000)\""
    done = subprocess.run(
        ["bash", "-c", limit], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert StorageError.__name__ in done.stderr
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept.html"]


def started(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_ends_a_demo_with_one_line_and_no_report(tmp_path: Path) -> None:
    process = started(tmp_path, "demo", "--years", "1.5", "--workers", "2")
    time.sleep(12)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("reports/*"))


def test_an_import_killed_at_any_moment_is_completed_by_the_next(
    riposte: Riposte, tmp_path: Path, market_data: Path
) -> None:
    for wait in (0.6, 0.9, 1.2, 1.6):
        process = started(tmp_path, "data", "import", str(market_data))
        time.sleep(wait)
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    assert riposte("data", "import", str(market_data)).returncode == 0
    again = riposte("data", "import", str(market_data), "--json")
    assert '"rows_changed": 0' in again.stdout
    assert riposte("data", "check").returncode == 0
