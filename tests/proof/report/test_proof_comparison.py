"""Studies side by side: only what they share is judged, differences are weighed, refusals are said."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from example_study import empty_study
from rich.console import Console
from several_studies import from_day, record, study, with_returns

from riposte.errors import DataError, InputError
from riposte.market.interval import DAY_NS, HOUR_NS
from riposte.proof.bootstrap import stationary_indices
from riposte.proof.comparison import export, page, terminal, words
from riposte.proof.comparison.common import common_ground
from riposte.proof.comparison.compare import compare
from riposte.proof.comparison.measures import entry
from riposte.proof.comparison.pairs import pairs, resampled_days
from riposte.proof.comparison.results import Comparison
from riposte.proof.comparison.tables import best, measures
from riposte.proof.metrics import sharpe_ratio
from riposte.proof.report import as_json, summary_table
from riposte.proof.report.record import StudyRecord, read_study

STUDY = study()
ONE = record("one", STUDY)
OTHER = record("other", study(90))
NASTY = "<script>alert('x')</script>"


def compared(*records: StudyRecord) -> Comparison:
    return compare(records, created="2025-07-02 00:00 UTC", version="0.1.0")


def test_a_study_read_back_from_its_json_is_the_same_study() -> None:
    assert dict(ONE.system.metrics) == pytest.approx(dict(STUDY.system.metrics), nan_ok=True)
    for name in (
        "symbol",
        "side",
        "exit_reason",
        "regime",
        "opened_at",
        "closed_at",
        "net",
        "fees",
    ):
        np.testing.assert_array_equal(ONE.trades[name], STUDY.run.trades[name])
    assert ONE.targets == STUDY.targets
    assert (ONE.start, ONE.end) == (STUDY.start, STUDY.end)
    price = STUDY.prices[1]
    last_of_day = (price.time + HOUR_NS) % DAY_NS == 0
    np.testing.assert_array_equal(ONE.closes["ETHUSDT"].price, price.close[last_of_day])


def test_its_summary_in_the_terminal_is_that_of_the_study() -> None:
    shown = []
    for each in (STUDY, ONE):
        console = Console(width=100, record=True)
        console.print(summary_table(each))
        shown.append(console.export_text())
    assert shown[0] == shown[1]


def damaged(**changed: Any) -> bytes:
    return json.dumps(json.loads(as_json(STUDY)) | changed).encode()


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (b"{", DataError, "x.json is not valid JSON"),
        (b"[1]", InputError, "not the JSON of a study"),
        (b'{"kind": "comparison", "schema": 1}', InputError, "not the JSON of a study"),
        (damaged(schema=1), InputError, "has schema 1, and this version reads schema 2"),
        (damaged(trades=[{}]), DataError, "x.json is damaged"),
        (damaged(system={"name": "x"}), DataError, "x.json is damaged"),
    ],
)
def test_what_is_no_study_is_refused_in_one_sentence(
    content: bytes, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_study(content, "x.json")


def test_measures_of_the_days_agree_with_the_study_s_own_wherever_the_days_decide() -> None:
    common = common_ground([ONE, OTHER])
    assert common.whole
    own = entry(ONE, common).measures
    assert own == dict(ONE.system.metrics)
    again = entry(ONE, dataclasses.replace(common, whole=False)).measures
    by_bar = {"max_drawdown", "calmar", "drawdown_days", "exposure", "turnover", "accuracy"}
    for name in set(own) - by_bar:
        assert again[name] == pytest.approx(own[name]), name
    assert again["turnover"] == pytest.approx(own["turnover"], rel=0.03)
    assert again["max_drawdown"] <= own["max_drawdown"] + 1e-12


def test_time_in_the_market_is_the_union_of_the_trades() -> None:
    common = dataclasses.replace(common_ground([ONE, OTHER]), whole=False)
    held = np.zeros((common.days, 24), bool).ravel()
    for trade in ONE.trades:
        first = (int(trade["opened_at"]) - common.first_day * DAY_NS) // HOUR_NS
        held[first : (int(trade["closed_at"]) - common.first_day * DAY_NS) // HOUR_NS] = True
    assert entry(ONE, common).measures["exposure"] == pytest.approx(held.mean())


def test_only_the_common_period_is_judged_and_the_page_says_so() -> None:
    late = from_day(OTHER, "late", 50)
    found = compared(ONE, late)
    assert found.common.days == 150
    assert not found.common.whole
    long, short = found.entries
    np.testing.assert_allclose(long.returns, entry(ONE, common_ground([ONE, OTHER])).returns[50:])
    np.testing.assert_allclose(short.growth[0], 1.0)
    assert long.base == pytest.approx(ONE.system.equity[49])
    assert long.measures["total_return"] == pytest.approx(
        ONE.system.equity[-1] / ONE.system.equity[49] - 1.0
    )
    assert any(
        s.startswith("Only the common period counts, 2020-08-20 to") for s in found.common.limits
    )
    assert any("started with different money" in s for s in found.common.limits)
    assert "share of equity" in page.render(found)


def renamed(whole: StudyRecord, **changed: Any) -> StudyRecord:
    return dataclasses.replace(whole, **{"name": "renamed", **changed})


def test_a_study_of_fewer_markets_is_compared_as_an_account_and_said_to_be_one() -> None:
    trades = OTHER.trades[OTHER.trades["symbol"] == 0]
    found = compared(ONE, renamed(OTHER, symbols=("BTCUSDT",), trades=trades))
    assert found.common.symbols == ("BTCUSDT",)
    assert any("traded different markets" in s for s in found.common.limits)
    assert "ETHUSDT" in page.render(found)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([ONE], "takes 2 to 8 studies, and 1"),
        ([ONE, ONE], "one is named more than once"),
        ([ONE, renamed(OTHER, real_data=False)], "recorded and synthetic markets cannot be compared"),
        ([ONE, renamed(OTHER, symbols=("XRPUSDT",))], "share no market: one traded BTCUSDT, ETHUSDT; renamed traded XRPUSDT"),
        ([ONE, from_day(OTHER, "late", 180)], "share 20 days, and fewer than 30 say nothing: one from 2020"),
        ([ONE, record("alien", study(seed=4))], "one and alien call two different markets BTCUSDT"),
        ([ONE, renamed(OTHER, settings="= no TOML")], "settings cannot be read"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_what_does_not_compare_is_refused_in_words(records: list[StudyRecord], said: str) -> None:
    with pytest.raises((InputError, DataError), match=said):
        compared(*records)


def noise(seed: int, days: int = 200) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, days)


def test_intervals_are_those_of_resampling_both_on_the_same_days() -> None:
    a, b = with_returns(ONE, "a", noise(1)), with_returns(ONE, "b", noise(2))
    common = common_ground([a, b])
    entries = [entry(each, common) for each in (a, b)]
    (found,) = pairs(entries, common, resampled_days(common.days, seed=5, resamples=300))
    rng = np.random.default_rng(5)
    means, ratios = [], []
    for _ in range(300):
        rows = stationary_indices(common.days, 10.0, rng)
        x, y = entries[0].returns[rows], entries[1].returns[rows]
        means.append(np.mean(x - y) * 365)
        ratios.append(sharpe_ratio(x) - sharpe_ratio(y))
    for estimate, drawn in ((found.annual_return, means), (found.sharpe, ratios)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert found.correlation == pytest.approx(
        np.corrcoef(entries[0].returns, entries[1].returns)[0, 1]
    )


def test_what_chance_explains_is_not_told_apart_and_what_it_does_not_is() -> None:
    market = noise(1)
    base = with_returns(ONE, "base", market)
    twin = with_returns(ONE, "twin", market + 0.1 * noise(3))
    better = with_returns(ONE, "better", market + 0.001 + 0.1 * noise(3))
    vague = compared(base, twin)
    assert not vague.pairs[0].sharpe.told_apart
    assert "chance alone could explain the difference" in words.verdict(vague)
    clear = compared(base, better)
    assert clear.pairs[0].annual_return.told_apart
    assert clear.pairs[0].sharpe.high < 0.0
    assert "chance alone could hardly explain the difference" in words.verdict(clear)
    assert clear.leader == 1


def test_a_study_and_its_double_differ_in_nothing() -> None:
    found = compared(ONE, renamed(ONE))
    (pair,) = found.pairs
    assert (pair.sharpe.low, pair.sharpe.high, pair.correlation) == pytest.approx((0.0, 0.0, 1.0))
    assert (pair.overlap.together, pair.overlap.opposed) == pytest.approx((1.0, 0.0))
    assert found.settings == ()
    assert any("the same run to the last trade" in sentence for sentence in words.findings(found))


def one_at_a_time(whole: StudyRecord) -> StudyRecord:
    """The study without the trades that began while the market was held: no account can have them."""
    kept, free = [], {}
    for row in np.argsort(whole.trades["opened_at"], kind="stable"):
        trade = whole.trades[row]
        if trade["opened_at"] >= free.get(int(trade["symbol"]), 0):
            kept.append(row)
            free[int(trade["symbol"])] = trade["closed_at"]
    return dataclasses.replace(whole, trades=whole.trades[np.array(kept)])


def sides_by_hour(each: StudyRecord, start: int, hours: int) -> np.ndarray:
    side = np.zeros((2, hours), int)
    for trade in each.trades:
        first, last = ((int(trade[n]) - start) // HOUR_NS for n in ("opened_at", "closed_at"))
        side[trade["symbol"], first:last] = trade["side"]
    return side


def test_overlap_is_that_of_the_hours_in_which_both_held() -> None:
    a, b = one_at_a_time(ONE), one_at_a_time(OTHER)
    found = compared(a, b)
    start, hours = found.common.first_day * DAY_NS, found.common.days * 24
    x, y = sides_by_hour(a, start, hours), sides_by_hour(b, start, hours)
    either = ((x != 0) | (y != 0)).sum()
    same = found.pairs[0].overlap
    assert same.together == pytest.approx(((x == y) & (x != 0)).sum() / either)
    assert same.opposed == pytest.approx((x * y == -1).sum() / either)
    assert 0.0 < same.opposed < same.together + same.opposed < 1.0


def test_only_settings_that_differ_are_shown_and_those_that_decide_come_first() -> None:
    a = renamed(ONE, name="a", settings='[data]\nlake = "x"\n[position]\nmin_confidence = 0.65\n')
    b = renamed(
        OTHER,
        name="b",
        settings='[data]\nlake = "y"\n[position]\nmin_confidence = 0.5\nadds = [1, 2]\n',
        barriers="others",
    )
    told = [(each.key, each.values, each.decides) for each in compared(a, b).settings]
    assert told == [
        ("position.min_confidence", ("0.65", "0.5"), True),
        ("position.adds", ("–", "1, 2"), True),
        ("barriers in effect", (ONE.barriers, "others"), True),
        ("data.lake", ("x", "y"), False),
    ]


@pytest.mark.parametrize(
    ("metric", "values", "winner"),
    [
        ("sharpe", [0.1, 0.3, 0.2], 1),
        ("max_drawdown", [0.1, 0.3, 0.2], 0),
        ("average_loss", [-3.0, -2.0], 1),
        ("trades", [1.0, 2.0], None),
        ("sharpe", [0.3, 0.3], None),
        ("sharpe", [np.nan, 0.3], None),
        ("sharpe", [np.nan, 0.3, 0.1], 1),
    ],
)
def test_the_best_is_marked_only_where_better_means_something(
    metric: str, values: list[float], winner: int | None
) -> None:
    assert best(metric, values) == winner


def test_every_measure_is_in_the_table_and_one_cell_of_a_row_at_most_is_marked() -> None:
    table = measures(compared(ONE, OTHER))
    assert len(table.rows) == len(ONE.system.metrics)
    assert all(sum(c.kind == "best" for c in row.cells) <= 1 for row in table.rows)


def test_choosing_among_more_costs_more_and_the_largest_count_is_taken() -> None:
    several = [
        dataclasses.replace(with_returns(ONE, f"s{i}", noise(i) + 0.0005), trials=10 + i)
        for i in range(4)
    ]
    chosen = compared(*several).selection
    assert chosen.trials == 13
    assert chosen.probabilistic > chosen.deflated_among > chosen.deflated
    assert chosen.overfitting is not None
    assert chosen.overfitting.configurations == 4
    assert 0.0 <= chosen.overfitting.probability <= 1.0


def everything() -> Comparison:
    return compared(
        ONE, renamed(OTHER, name=NASTY, version=NASTY, barriers=NASTY), record("third", study(30))
    )


def still() -> Comparison:
    nothing = record("still", empty_study())
    return compared(nothing, dataclasses.replace(nothing, name="as still"))


@pytest.mark.parametrize("make", [everything, still])
def test_page_json_and_terminal_are_whole_and_hold_no_number_that_is_none(make: Any) -> None:
    found = make()
    html = page.render(found)
    assert html.count("<section") == html.count("</section>") == 10
    assert NASTY not in html
    assert not re.search(r'(src|href)="https?://', html)
    assert "nan" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL).lower().split()
    told = json.loads(export.as_json(found))
    assert len(told["days"]) == found.common.days + 1
    assert {each["name"] for each in told["studies"]} == {e.name for e in found.entries}
    console = Console(width=100, record=True)
    console.print(terminal.summary_table(told))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 100
    assert told["verdict"][:60] in text
    assert html == page.render(make())
