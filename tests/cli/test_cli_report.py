"""`riposte report`: what there is, opened where it can be, shown, compared, and every mistake named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from several_studies import study

from riposte.cli.main import main
from riposte.proof.report import as_json

ONE, OTHER = as_json(study()), as_json(study(90))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, without display or browser, with two studies and one page without JSON."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "survival.json").write_bytes(ONE)
    (reports / "survival.html").write_text("<p>survival</p>")
    (reports / "eager.json").write_bytes(OTHER)
    (reports / "figure.html").write_text("<p>a figure</p>")
    return reports


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What the command printed; on standard error where it fails."""
    assert main(["report", *arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def test_the_list_gives_kind_moment_and_headline(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.json").write_text("{")
    listed = {each["name"]: each for each in json.loads(said(capsys, "list", "--json"))}
    assert list(listed) == ["broken", "eager", "figure", "survival"]
    assert listed["survival"]["kind"] == "study"
    assert listed["survival"]["made"] == "2025-07-01T00:00:00Z"
    assert "net, Sharpe" in listed["survival"]["headline"]
    assert listed["figure"]["kind"] == "other"
    assert "not valid JSON" in listed["broken"]["headline"]
    assert "survival" in said(capsys, "list")


def test_an_empty_folder_says_how_to_get_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "riposte demo makes one" in said(capsys, "list")
    assert "riposte demo makes one" in said(capsys, "open", "demo", code=2)


def test_without_a_display_it_prints_the_path_and_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = said(capsys, "open", "survival")
    assert str(folder / "survival.html") in printed
    assert "No browser can be opened here" in printed
    told = json.loads(said(capsys, "open", "survival", "--json"))
    assert told == {
        "html": "reports/survival.html",
        "json": "reports/survival.json",
        "opened": False,
    }
    assert "only this JSON" in said(capsys, "open", "eager")


def test_a_browser_that_is_there_gets_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = folder.parent / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {folder.parent}/asked\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    # The standard library remembers the browsers it found first; a fresh process has none.
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    assert json.loads(said(capsys, "open", "survival", "--json"))["opened"] is True
    asked = (folder.parent / "asked").read_text().strip()
    assert asked == (folder / "survival.html").as_uri()


def test_a_study_and_a_comparison_are_shown_from_their_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Buy and hold" in said(capsys, "show", "survival")
    assert json.loads(said(capsys, "show", "survival", "--json")) == json.loads(ONE)
    compared = said(capsys, "compare", "survival", "eager", "--name", "both")
    assert "Highest Sharpe ratio" in compared
    assert (folder / "both.html").is_file()
    assert said(capsys, "show", "both") == compared
    kinds = {each["name"]: each["kind"] for each in json.loads(said(capsys, "list", "--json"))}
    assert kinds["both"] == "comparison"


def test_files_anywhere_compare_and_are_told_apart_by_their_folders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "survival.json").write_bytes(OTHER)
    told = json.loads(said(capsys, "compare", "survival", "elsewhere/survival.json", "--json"))
    assert [each["name"] for each in told["studies"]] == [
        "reports/survival",
        "elsewhere/survival",
    ]
    assert (folder / "comparison.json").is_file()


MISTAKES = [
    (("survival",), 2, "hint: for the report of that name: riposte report open survival"),
    (("shwo", "survival"), 2, "did you mean 'show'"),
    (("open", "survivel"), 2, "did you mean 'survival'"),
    (("show", "nowhere/x.json"), 2, "nowhere/x.json does not exist"),
    (("show", "figure"), 2, "report figure has a page but no JSON"),
    (("compare", "survival"), 2, "a comparison takes 2 to 8 studies, and 1"),
    (("compare", "survival", "reports/survival.json"), 2, "cannot be compared with itself"),
    (
        ("compare", "survival", "eager", "--name", "eager"),
        2,
        "is not a comparison and would be lost",
    ),
    (("compare", "survival", "eager", "--name", "a/b"), 2, "use letters, digits"),
    (("compare", "survival", "older"), 2, "older has schema 1, and this version reads schema 2"),
]


@pytest.mark.parametrize(("arguments", "code", "wanted"), MISTAKES, ids=lambda v: str(v)[:40])
def test_a_mistake_gets_one_sentence_and_loses_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    wanted: str,
) -> None:
    (folder / "older.json").write_bytes(json.dumps(json.loads(ONE) | {"schema": 1}).encode())
    told = said(capsys, *arguments, code=code)
    assert wanted in told.replace("\n", " ")
    assert told.count("error:") == 1
    assert not (folder / "comparison.json").exists()
    assert (folder / "eager.json").read_bytes() == OTHER
