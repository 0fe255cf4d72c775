"""The report of a full study and of one in which nothing happened: every part is there and says what is so."""

from __future__ import annotations

import dataclasses
import io
import json
import re

import pytest
from example_study import empty_study, full_study
from rich.console import Console

from riposte.proof.report import as_json, render, summary_table
from riposte.proof.report.luck import verdict
from riposte.proof.report.words import promises
from riposte.proof.results import Study

FULL = full_study(bars=4_000, trades=60)
EMPTY = empty_study()


@pytest.fixture(params=["full", "empty"])
def study(request: pytest.FixtureRequest) -> Study:
    return FULL if request.param == "full" else EMPTY


def test_the_page_is_whole_and_asks_nothing_of_the_network(study: Study) -> None:
    page = render(study)
    assert page.count("<section") == page.count("</section>")
    for heading in ("Threshold ladder", "When it stays silent", "Is the confidence honest?"):
        assert heading in page
    assert not re.search(r'(src|href)="https?://', page)
    assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).lower().split()


def test_the_json_says_the_same_and_has_no_number_that_is_none(study: Study) -> None:
    told = json.loads(as_json(study))
    assert told["silences"]["rows"] == study.silences.rows
    assert told["trials"] == study.trials
    assert len(told["folds"]) == len(study.folds)
    summary_table(study)


def test_luck_is_judged_in_words_a_person_understands() -> None:
    def said(**record: float) -> str:
        of = dataclasses.replace(FULL.honesty.record, sharpe=record.pop("sharpe"))
        judged = dataclasses.replace(FULL.honesty, record=of, expected_best=1.5, **record)
        return verdict(dataclasses.replace(FULL, honesty=judged))

    assert "no sign of skill" in said(sharpe=-0.02, probabilistic=0.2, deflated=0.0)
    assert "luck explains it" in said(sharpe=0.05, probabilistic=0.97, deflated=0.4)
    assert "is within what luck explains" in said(sharpe=0.05, probabilistic=0.8, deflated=0.4)
    assert "is more than luck explains" in said(sharpe=0.2, probabilistic=0.999, deflated=0.97)
    assert "did not move" in verdict(EMPTY)


def test_the_figures_on_luck_are_on_the_page_in_the_json_and_in_the_terminal() -> None:
    page, told = render(FULL), json.loads(as_json(FULL))
    for heading in ("Luck or skill?", "Deflated Sharpe ratio", "The same settings on other"):
        assert heading in page
    assert "The same settings on other" not in render(EMPTY)
    assert told["honesty"]["deflated"] == pytest.approx(FULL.honesty.deflated)
    assert told["honesty"]["spread_of"] == {"thresholds": 3, "logged runs": 1}
    assert len(told["paths"]["metrics"]) == len(told["paths"]["daily"]["equity"]) == 5
    nothing = json.loads(as_json(EMPTY))
    assert (nothing["paths"], nothing["honesty"]["deflated"]) == (None, None)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(summary_table(FULL))
    shown = console.export_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "after 32 variants" in shown
    assert "5 histories" in shown


def test_promises_are_set_beside_what_was_measured() -> None:
    said = promises(FULL).replace("\N{NO-BREAK SPACE}", " ")
    assert "90.0 % have the side that came" in said
    assert "Measured over 70,412 bars: 88.1 %" in said
    assert "Measured: 2.0 %: the market moved away from its past." in said
    kept = dataclasses.replace(FULL, promised_unlike=0.05)
    assert "moved away" not in promises(kept)
    unasked = dataclasses.replace(FULL, promised_unlike=0.0, promised_coverage=0.0)
    assert "Promised" not in promises(unasked)
