"""The reports in a real browser: no error, nothing fetched, nothing wider than a phone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from several_studies import record
from several_studies import study as made_up_study

from riposte.engine.parameters import EngineConfig, PositionRules
from riposte.layers.stack import StackConfig
from riposte.market.assemble import assemble
from riposte.market.barriers import Barriers
from riposte.market.instrument import instrument_for
from riposte.market.interval import DAY_NS, HOUR_NS, parse_interval
from riposte.proof.chance.study import Resampling
from riposte.proof.comparison.compare import compare
from riposte.proof.comparison.page import render as render_comparison
from riposte.proof.plan import Provenance, StudyPlan
from riposte.proof.report import as_json, render, summary_table
from riposte.proof.results import Study
from riposte.proof.study import run_study
from riposte.sources.synthetic import synthetic_market

START = 1_672_531_200_000_000_000
NASTY = "<script>alert('x')</script> & co"


@pytest.fixture(scope="module")
def study() -> Study:
    interval = parse_interval("1h")
    made = synthetic_market(("BTCUSDT",), interval, START, 250 * 24, 5)
    frames = [assemble("BTCUSDT", interval, made["BTCUSDT"])]
    plan = StudyPlan(
        barriers=Barriers(1.0, 1.0, 24 * HOUR_NS, "volatility", 7 * DAY_NS),
        engine=EngineConfig(rules=PositionRules(min_confidence=0.51)),
        stack=StackConfig(),
        random_seeds=2,
        bootstrap_resamples=100,
        resampling=Resampling(trades=500, markets=20),
    )
    about = Provenance(NASTY, "SYNTHETIC market", False, "now", "0", NASTY, (NASTY,))
    return run_study(frames, [instrument_for("BTCUSDT")], plan, about)


@pytest.fixture(scope="module")
def page_file(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(study), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def comparison_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    studies = [
        record(name, made_up_study(trades, real_data=False, source="SYNTHETIC"))
        for name, trades in (("base", 60), (NASTY, 90), ("a_long_name_without_any_space_in_it", 30))
    ]
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    path.write_text(render_comparison(compare(studies, created="now", version="0")), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        message = "no Chromium: `make browser` installs it where Debian's packages are"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["page_file", "comparison_file"])
def test_it_opens_without_an_error_and_fits(
    browser: Any, request: pytest.FixtureRequest, kind: str, width: int, scheme: str
) -> None:
    page_file: Path = request.getfixturevalue(kind)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: complaints.append(f"dialog {d.message}"))
    fetched: list[str] = []
    page.on("request", lambda r: fetched.append(r.url))
    page.goto(page_file.as_uri())
    page.wait_for_function("document.documentElement.dataset.ready")
    for chip in page.query_selector_all(".chips button"):
        chip.click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.dataset.ready") == "yes"
    assert complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in fetched)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "SYNTHETIC" in page.inner_text("body").upper()
    context.close()


def test_names_are_escaped_and_nothing_points_outside(page_file: Path) -> None:
    html = page_file.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert 'src="http' not in html
    assert 'href="http' not in html


def test_the_json_holds_the_same_study_without_nan(study: Study) -> None:
    told = orjson.loads(as_json(study))
    assert told["fingerprint"] == study.fingerprint
    assert len(told["folds"]) == len(study.folds)
    assert b"NaN" not in as_json(study)


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_summary_fits(study: Study, width: int) -> None:
    console = Console(width=width, record=True)
    console.print(summary_table(study))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= width
    for name in ("Riposte", "Buy and hold", "Random entries", "met", "missed"):
        assert name in text
