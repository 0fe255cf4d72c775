"""The demo as a new user runs it: on the synthetic market and on recorded history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archive_files import made
from archive_server import Archive, serving

from riposte.sources.archive.layout import ArchiveFile


def demo(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RIPOSTE")}
    return subprocess.run(
        [sys.executable, "-m", "riposte.cli.main", "demo", *arguments],
        cwd=folder,
        env={**kept, "COLUMNS": "200", "NO_COLOR": "1", **more},
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


def test_twice_gives_identical_numbers_and_the_second_reuses_the_first(tmp_path: Path) -> None:
    first = demo(tmp_path, "--years", "0.8", "--workers", "2")
    assert first.returncode == 0, first.stderr
    assert "SYNTHETIC" in first.stdout
    assert "nothing in it ever traded" in first.stdout
    assert "Buy and hold" in first.stdout
    report = tmp_path / "reports" / "demo.html"
    assert report.stat().st_size > 100_000
    written = report.stat().st_mtime_ns

    second = demo(tmp_path, "--years", "0.8", "--json")
    kept = json.loads(second.stdout)
    assert kept["reused"] is True
    assert report.stat().st_mtime_ns == written
    assert kept["fingerprint"] in first.stdout

    (tmp_path / "reports" / "demo.summary").unlink()
    third = json.loads(demo(tmp_path, "--years", "0.8", "--workers", "1", "--json").stdout)
    assert third["reused"] is False
    assert third["fingerprint"] == kept["fingerprint"]


def test_with_the_public_archive_in_reach_it_takes_real_history(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()

    def published(file: ArchiveFile) -> bytes | None:
        return made(file) if file.days[1] < today - timedelta(days=3) else None

    with serving(Archive(published)) as url:
        there = {
            "RIPOSTE__DATA__ARCHIVE_URL": url,
            "RIPOSTE__DATA__SYMBOLS": "BTCUSDT",
            "RIPOSTE__DATA__KINDS": "klines,mark,funding",
        }
        done = demo(tmp_path, "--years", "0.8", **there)
        assert done.returncode == 0, done.stderr
        assert "REAL history from the exchange's public archive" in done.stdout
        offline = demo(tmp_path, "--years", "0.8", "--offline", **there)
        assert "SYNTHETIC" in offline.stdout


@pytest.mark.slow
def test_on_recorded_history_the_whole_walk_forward_runs(tmp_path: Path, market_data: Path) -> None:
    done = demo(tmp_path, RIPOSTE_ARCHIVE=str(market_data))
    assert done.returncode == 0, done.stderr
    assert "REAL recorded history" in done.stdout
    study = json.loads((tmp_path / "reports" / "demo.json").read_text())
    assert len(study["folds"]) == 60
    assert all(f["train_end"] <= f["test_start"] for f in study["folds"])
