"""The report of a full study and of one in which nothing happened: every part is there and says what is so."""

from __future__ import annotations

import dataclasses
import io
import json
import re

import numpy as np
import pytest
from example_study import empty_study, full_study
from rich.console import Console

from riposte.proof.report import as_json, evidence, render, summary_table
from riposte.proof.report import format as fmt
from riposte.proof.report.chance import terminal_lines
from riposte.proof.report.luck import verdict
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
    for heading in (
        "Could this be chance?",
        "Threshold ladder",
        "When it stays silent",
        "Is the confidence honest?",
    ):
        assert heading in page
    assert not re.search(r'(src|href)="https?://', page)
    assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).lower().split()


def test_the_json_says_the_same_and_has_no_number_that_is_none(study: Study) -> None:
    told = json.loads(as_json(study))
    assert told["silences"]["rows"] == study.silences.rows
    assert told["trials"] == study.trials
    assert len(told["folds"]) == len(study.folds)
    summary_table(study)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", html.replace("\N{NO-BREAK SPACE}", " "))


def section(page: str, name: str) -> str:
    return plain(re.search(rf'<section id="{name}">.*?</section>', page, re.DOTALL)[0])  # type: ignore[index]


def test_the_section_on_chance_shows_every_draw_and_where_the_real_run_stands() -> None:
    shown = section(render(FULL), "chance")
    for test in FULL.chance.nulls:
        assert shown.count("A draw:") == 2 * 4 * len(test.draws)  # two tests, four ways each
    assert shown.count("Real: ") == 8
    assert "p = 0.19" in shown
    assert "Trust no figure" not in shown
    assert "as it was" in shown
    assert "None has been drawn" not in shown


def test_without_null_tests_the_page_and_the_terminal_say_how_to_draw_them() -> None:
    shown = section(render(EMPTY), "chance")
    assert "Nothing was traded" in shown
    assert "riposte walkforward --null walk,labels" in shown
    assert "no resample" not in shown
    assert any("No null test drawn yet" in line for line in terminal_lines(EMPTY))


def test_a_pipeline_that_earns_on_noise_is_not_to_be_trusted() -> None:
    walk, labels = FULL.chance.nulls
    lucky = tuple(
        dataclasses.replace(
            draw,
            measured=tuple(
                dataclasses.replace(m, total_return=0.2 + 0.01 * draw.number) for m in draw.measured
            ),
        )
        for draw in walk.draws
    )
    chance = dataclasses.replace(
        FULL.chance, nulls=(dataclasses.replace(walk, draws=lucky), labels)
    )
    leaking = dataclasses.replace(FULL, chance=chance)
    assert "Trust no figure on this page" in section(render(leaking), "chance")
    assert any("earned where nothing can be" in line for line in terminal_lines(leaking))
    told = json.loads(as_json(leaking))["chance"]["nulls"]
    assert [test["earns_on_noise"] for test in told] == [True, False]


def test_the_json_has_every_draw_and_the_spread_of_the_resamples() -> None:
    told = json.loads(as_json(FULL))["chance"]
    assert [len(test["draws"]) for test in told["nulls"]] == [20, 20]
    assert len(told["nulls"][0]["p_values"]) == len(told["real"]) == 4
    spread = told["trades"]["max_drawdown"]
    assert spread["0.05"] < spread["0.5"] < spread["0.95"]
    assert told["markets"]["resamples"] == 200
    assert json.loads(as_json(EMPTY))["chance"]["trades"] is None


def test_few_trades_are_said_to_say_little() -> None:
    few = full_study(bars=900, trades=3)
    shown = section(render(few), "chance")
    assert "3 trades in all: too few for either to say much" in shown
    assert "The same trades in another order" not in shown  # nothing to draw


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.05, "5 %"), (-0.005, "−0.5 %"), (0.0005, "0.05 %"), (0.00025, "0.025 %"), (0.0, "0 %")],
)
def test_round_values_on_an_axis_have_the_decimals_they_need(value: float, wanted: str) -> None:
    assert plain(fmt.round_percent(value)) == wanted


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
    console.print(summary_table(FULL, evidence(FULL)))
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


def test_the_page_says_what_gaps_took_beyond_stops() -> None:
    trades = FULL.run.trades.copy()
    trades["gap"][:3] = 10.0, 25.5, 0.0
    jumped = dataclasses.replace(FULL, run=dataclasses.replace(FULL.run, trades=trades))
    assert "2 stops were jumped by an open and lost 35.50 USDT" in section(render(jumped), "risk")
    assert "No stop was jumped" in section(render(FULL), "risk")
