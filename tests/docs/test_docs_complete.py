"""Every setting, verb and preset has its place in the documentation, and every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from riposte.cli.main import VERBS
from riposte.settings.load import PRESETS, known_keys

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("key", sorted(known_keys()))
def test_every_setting_is_explained(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_shown(verb: str) -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "quickstart.md").read_text()
    assert f"riposte {verb}" in text or f"make {verb}" in text


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_described(preset: str) -> None:
    assert f"`{preset}`" in (ROOT / "docs" / "risk.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_named_tests_exist(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for named in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / named).exists(), named
