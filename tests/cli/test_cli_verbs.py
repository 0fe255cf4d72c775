"""The verbs on real history: each does its work and can print JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from console import Riposte

RANGE = ("--timerange", "20240101-20250101", "-p", "BTC/USDT:USDT")


def parsed(text: str) -> object:
    return json.loads(text)


def test_help_names_the_verbs_in_the_order_of_the_job(riposte: Riposte) -> None:
    text = riposte("--help").stdout
    verbs = ["doctor", "data", "features", "labels", "train", "tune", "explain", "walkforward", "backtest",
             "trials", "models", "report", "config", "sim", "demo"]  # fmt: skip
    places = [text.index(f"│ {verb} ") for verb in verbs]
    assert places == sorted(places)


def test_doctor_finds_everything_in_order(riposte: Riposte) -> None:
    done = riposte("doctor", "--json")
    assert done.returncode == 0
    assert all(each["fine"] for each in json.loads(done.stdout).values())


def test_config_show_masks_nothing_it_need_not_and_says_where_from(riposte: Riposte) -> None:
    shown = json.loads(riposte("config", "show", "--json", RIPOSTE__MODEL__SEED="3").stdout)
    assert shown["model.seed"] == {"value": 3, "source": "environment RIPOSTE__MODEL__SEED"}


def test_from_import_to_backtest(riposte: Riposte, market_data: Path, tmp_path: Path) -> None:
    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    held = parsed(riposte("data", "list", "--json").stdout)
    assert {each["kind"] for each in held} >= {"klines", "funding", "mark", "open_interest"}  # type: ignore[index,union-attr]
    assert riposte("data", "check", "-p", "BTCUSDT").returncode == 0
    kept = json.loads((tmp_path / "reports" / "data-check.json").read_text())
    assert {f["severity"] for f in kept["findings"]} <= {"note", "warning"}
    labels = json.loads(riposte("labels", *RANGE, "--json").stdout)["BTCUSDT"]
    assert labels["short"] + labels["neutral"] + labels["long"] == pytest.approx(1.0)

    trained = riposte("train", *RANGE, "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["training"]["rows"] > 5_000
    assert "latest" in json.loads(riposte("models", "list", "--json").stdout)
    reasons = json.loads(riposte("explain", *RANGE, "--json").stdout)["BTCUSDT"]
    assert len(reasons["reasons"]) == 10

    seen = riposte("backtest", *RANGE)
    assert seen.returncode == 3
    assert "unseen" in seen.stderr
    unseen = riposte("backtest", "--timerange", "20240101-", "-p", "BTCUSDT", "--json")
    assert unseen.returncode == 0, unseen.stderr
    assert json.loads(unseen.stdout)["from"].startswith("2025-01-0")

    (tmp_path / "sweep.toml").write_text(
        '[sweep]\nsignals = "model"\nsets = 5\n[position]\ntrail_after = { from = 0.0, to = 2.0 }'
    )
    swept = riposte(
        "backtest", "--sweep", "sweep.toml", "--timerange", "20240101-", "-p", "BTCUSDT", "--json"
    )
    assert swept.returncode == 0, swept.stderr
    found = json.loads(swept.stdout)
    assert found["from"] == json.loads(unseen.stdout)["from"]
    assert found["sets"][0]["total_return"] == json.loads(unseen.stdout)["total_return"]


def test_features_are_listed_shown_and_checked(riposte: Riposte) -> None:
    listed = json.loads(riposte("features", "list", "--json").stdout)
    assert len(listed) >= 60
    assert {"open_interest", "funding"} <= {each["group"] for each in listed}
    assert "Formula" in riposte("features", "show", listed[0]["name"]).stdout


def test_every_run_is_logged_and_variants_on_the_same_history_count(
    riposte: Riposte, market_data: Path, tmp_path: Path
) -> None:
    from riposte.proof.trials import read_chain
    from riposte.stores.trial_log import TrialLog

    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    span = ("-p", "BTCUSDT", "--timerange", "20240101-20241001", "--json")
    counts = []
    for seed in ("7", "7", "8"):
        done = riposte("walkforward", *span, "--seed", seed, "--workers", "1")
        assert done.returncode == 0, done.stderr
        study = json.loads((tmp_path / "reports" / "walkforward.json").read_text())
        counts.append(study["trials"])
    assert counts[0] == counts[1]  # the same again is no new attempt
    assert counts[2] == counts[0] + 1
    log = TrialLog(tmp_path / "data" / "trials.jsonl")
    assert [trial.kind for trial in read_chain(log.lines())] == ["walkforward"] * 3
    content = log.path.read_bytes()
    log.path.write_bytes(content.replace(b'"sharpe"', b'"Sharpe"', 1))
    refused = riposte("walkforward", *span, "--workers", "1")
    assert refused.returncode == 3
    assert "trial log was changed" in refused.stderr
