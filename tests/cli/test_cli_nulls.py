"""``riposte walkforward --null`` as a user runs it: shown, kept, gone on with, and refused in words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from riposte.cli import nulls
from riposte.cli.main import INTERRUPTED, main
from riposte.cli.market import stored_market
from riposte.market.interval import parse_interval
from riposte.proof.chance.results import Measured, NullDraw
from riposte.settings.load import load_settings
from riposte.sources.synthetic import synthetic_market
from riposte.stores.lake import Lake

START = 1_672_531_200_000_000_000  # 2023-01-01
QUICK = {
    "RIPOSTE__MODEL__SIGNAL": "lightgbm",
    "RIPOSTE__MODEL__LIGHTGBM__ROUNDS": "3",
    "RIPOSTE__MODEL__REGIME__ROUNDS": "2",
    "RIPOSTE__WALKFORWARD__TRAIN_MONTHS": "4",
    "RIPOSTE__WALKFORWARD__MARKET_RESAMPLES": "20",
    "RIPOSTE__WALKFORWARD__RANDOM_SEEDS": "1",
    "RIPOSTE__WALKFORWARD__WORKERS": "1",
}
USUAL = ("walkforward", "-p", "BTCUSDT", "-i", "4h")
Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def riposte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Verb:
    """Run the verb in this process, in a folder with five months of history."""
    made = synthetic_market(("BTCUSDT",), parse_interval("4h"), START, 150 * 6, 5)
    lake = Lake(tmp_path / "data" / "lake")
    for each in made["BTCUSDT"].values():
        lake.write(each)
    monkeypatch.chdir(tmp_path)
    for key in [key for key in os.environ if key.startswith("RIPOSTE")]:
        monkeypatch.delenv(key)
    for key, value in QUICK.items():
        monkeypatch.setenv(key, value)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*USUAL, *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def kinds(text: str) -> list[tuple[str, int]]:
    return [(test["kind"], len(test["draws"])) for test in json.loads(text)["chance"]["nulls"]]


def test_draws_are_made_shown_and_shown_again_by_the_next_report(
    riposte: Verb, tmp_path: Path
) -> None:
    code, out, _ = riposte("--null", "walk,labels", "--seeds", "1", "--json")
    assert code == 0
    assert kinds(out) == [("walk", 1), ("labels", 1)]
    page = (tmp_path / "reports" / "walkforward.html").read_text()
    assert "Shuffled labels" in page
    code, out, _ = riposte("--json")
    assert kinds(out) == [("walk", 1), ("labels", 1)]
    for kept in (tmp_path / "data" / "nulls").rglob("*.json"):
        kept.write_bytes(b'{"kind": "walk"')
    code, out, err = riposte()
    assert code != 0
    assert "cannot be used" in err
    assert "delete this file" in err


def test_an_interruption_keeps_what_was_drawn_and_the_next_run_goes_on_from_there(
    riposte: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    ways = tuple(
        Measured(0.65, every, paid, 0.0, float("nan"), 0.0, 0)
        for every in (False, True)
        for paid in (True, False)
    )

    def drawing(kind: Any, numbers: Any, *_: Any, **__: Any) -> Iterator[NullDraw]:
        asked.append(list(numbers))
        for number in numbers:
            if number == 3 and len(asked) == 1:
                raise KeyboardInterrupt
            yield NullDraw(kind, number, ways)

    monkeypatch.setattr(nulls, "draw_nulls", drawing)
    code, _, err = riposte("--null", "walk", "--seeds", "4")
    assert code == INTERRUPTED
    assert "interrupted" in err
    assert (tmp_path / "reports" / "walkforward.html").is_file()
    names = sorted(path.name for path in (tmp_path / "data" / "nulls").rglob("*.json"))
    assert names == ["walk-0001.json", "walk-0002.json"]
    code, out, _ = riposte("--null", "walk", "--seeds", "4", "--json")
    assert asked == [[1, 2, 3, 4], [3, 4]]
    assert kinds(out) == [("walk", 4)]


def test_an_unknown_null_test_is_refused_before_any_work(riposte: Verb) -> None:
    code, out, err = riposte("--null", "walks")
    assert code not in (0, INTERRUPTED)
    assert "null test 'walks' is not known: use walk or labels" in err
    assert out == ""


@pytest.mark.usefixtures("riposte")
def test_the_same_data_and_settings_have_the_same_draws_and_others_have_others() -> None:
    def key(**flags: object) -> str:
        usual = {"data.symbols": "BTCUSDT", "data.interval": "4h"}
        settings = load_settings((), environment=os.environ, flags={**usual, **flags}).settings
        return nulls.draws_of(settings, stored_market(settings)).key

    assert key() == key(**{"report.folder": "elsewhere", "walkforward.workers": 2})
    others = {key(**{name: value}) for name, value in (
        ("model.seed", 8), ("costs.multiplier", 2.0), ("position.min_confidence", 0.6),
        ("walkforward.train_months", 3),
    )}  # fmt: skip
    assert len(others | {key()}) == 5
