"""The report of a full study and of one in which nothing happened: every part is there and says what is so."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
from example_study import empty_study, full_study

from riposte.proof.report import as_json, render, summary_table
from riposte.proof.report.prepare import monthly_returns
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


def test_promises_are_set_beside_what_was_measured() -> None:
    said = promises(FULL).replace("\N{NO-BREAK SPACE}", " ")
    assert "90.0 % have the side that came" in said
    assert "Measured over 70,412 bars: 88.1 %" in said
    assert "Measured: 2.0 %: the market moved away from its past." in said
    kept = dataclasses.replace(FULL, promised_unlike=0.05)
    assert "moved away" not in promises(kept)
    unasked = dataclasses.replace(FULL, promised_unlike=0.0, promised_coverage=0.0)
    assert "Promised" not in promises(unasked)


def test_a_study_that_sets_out_at_midnight_has_no_month_of_one_bar() -> None:
    time = np.arange("2024-06-01", "2024-08-01", dtype="datetime64[D]").astype("datetime64[ns]")
    equity = np.linspace(100.0, 160.0, len(time))
    (year,) = monthly_returns(time.astype(np.int64), equity, 100.0)
    at_first_of_july = equity[30]
    assert year.months[4:7] == pytest.approx(
        (np.nan, at_first_of_july / 100.0 - 1.0, equity[-1] / at_first_of_july - 1.0), nan_ok=True
    )


def test_few_trades_are_said_to_be_few() -> None:
    few = dataclasses.replace(FULL.system, metrics={**FULL.system.metrics, "trades": 10.0})
    said = "All of it rests on 10\N{NO-BREAK SPACE}trades"
    assert said in render(dataclasses.replace(FULL, system=few))
    assert "All of it rests on" not in render(FULL)
