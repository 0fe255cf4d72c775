"""``riposte backtest --sweep``: every set is shown and logged, and the best is not sold as skill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from riposte.cli.main import main
from riposte.proof.trials import read_chain
from riposte.stores.trial_log import TrialLog

RANGE = ("-p", "BTCUSDT", "--timerange", "20240101-20250101")
SWEEP = """
[sweep]
sets = 40
[position]
min_confidence = { from = 0.55, to = 0.80 }
[barriers]
stop_loss = { from = 0.5, to = 2.0, log = true }
horizon = ["12h", "24h"]
"""


@contextmanager
def interrupted_at_the_seventh(*, quiet: bool = False) -> Iterator[object]:
    """Progress whose reader presses Ctrl-C when seven sets are done."""

    def report(what: str, done: int, total: int) -> None:
        if what == "sets" and done == 7:
            raise KeyboardInterrupt

    yield report


def test_a_sweep_shows_and_logs_every_set(
    market_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    log = TrialLog(tmp_path / "data" / "trials.jsonl")
    again = ["backtest", "--sweep", "sweep.toml", *RANGE]

    def said(*arguments: str) -> str:
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    said("data", "import", str(market_data), "-p", "BTCUSDT")
    found = json.loads(said(*again, "--json", "--workers", "2"))
    assert len(found["sets"]) == 41
    assert found["sets"][0]["values"] == {}
    assert set(found["sets"][1]["values"]) == {
        "position.min_confidence", "barriers.stop_loss", "barriers.horizon",
    }  # fmt: skip
    assert found["sets"][1]["values"]["barriers.horizon"] in {"12h", "1d"}
    ratios = [found["sets"][number]["sharpe"] for number in found["ranked"]]
    assert ratios == sorted(ratios, reverse=True)
    assert found["trials"] == 41 + 23  # and what was tried while the defaults were chosen

    (line,) = read_chain(log.lines())
    assert (line.kind, line.sets) == ("sweep", 41)
    assert line.scores["sharpe"] == max(ratios)
    assert line.scores["deflated_sharpe"] == found["sets"][found["ranked"][0]]["deflated_sharpe"]

    with monkeypatch.context() as here:
        here.setattr("riposte.cli.sweep.progress", interrupted_at_the_seventh)
        assert main([*again, "--sets", "500"]) == 130
    assert [trial.sets for trial in read_chain(log.lines())] == [41, 7]

    (tmp_path / "sweep.toml").write_text(SWEEP.replace("0.80", "0.81"))
    shown = said(*again, "--sets", "20")
    assert "as configured" in shown
    assert "Picking the best of 21 is selection" in shown
    assert f"With {21 + 41 + 23} variants ever tried" in shown
    counted = json.loads(said("trials", "--json"))
    assert counted["sweep"] == {"runs": 3, "different": 41 + 21}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sweep", "absent.toml"), "absent.toml does not exist"),
        (("--sweep", "wrong.toml"), "did you mean 'position.trail_after'?"),
        (("--sets", "5"), "give --sweep FILE with it"),
    ],
)
def test_mistakes_are_said_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.toml").write_text("[position]\ntrail_aftr = [1.0]\n")
    assert main(["backtest", *arguments]) == 2
    assert said in capsys.readouterr().err
