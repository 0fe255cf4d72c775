"""A whole study on a small synthetic market: complete, repeatable, and with fair baselines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_study import plan

from riposte.engine.enums import TradingState
from riposte.engine.parameters import Limits
from riposte.engine.run import run
from riposte.layers.position.inputs import market_inputs
from riposte.layers.trend_rule import trend_rule_signals
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.market.interval import DAY_NS
from riposte.proof import baselines, sharpe
from riposte.proof.backtest import cost_what_if
from riposte.proof.metrics import daily_returns
from riposte.proof.plan import Provenance
from riposte.proof.results import Study
from riposte.proof.study import run_study
from riposte.proof.unseen import walk

ABOUT = Provenance("t", "SYNTHETIC", False, "now", "0", "", ("note",))


@pytest.fixture(scope="module")
def study(frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]) -> Study:
    return run_study(frames, instruments, dataclasses.replace(plan(0.52), cpcv=(3, 2)), ABOUT)


def test_the_study_is_judged_by_everything_that_was_tried(study: Study) -> None:
    judged = study.honesty
    daily = daily_returns(study.system.time, study.system.equity, study.starting_equity)
    assert judged.record == sharpe.estimate(daily)
    assert judged.record.sharpe * 365**0.5 == pytest.approx(study.system.metrics["sharpe"])
    assert judged.trials == study.trials
    assert judged.deflated < judged.probabilistic  # to have tried more is to know less
    tried = {rung.metrics["sharpe"] for rung in study.ladder}
    tried |= {each.metrics["sharpe"] for each in (*study.cost_what_ifs, study.baselines[-1])}
    known = [each for each in tried if np.isfinite(each)]
    assert sum(judged.spread_of.values()) == len(known)
    assert judged.spread == pytest.approx(np.std(known, ddof=1))
    assert judged.overfitting is not None
    assert 2 <= judged.overfitting.configurations == len(judged.choices)
    assert set(study.intervals) == {"total_return", "sharpe", "max_drawdown", "calmar"}


def test_combinatorial_paths_stand_beside_the_walk(study: Study) -> None:
    found = study.paths
    assert found is not None
    assert (len(found.groups), found.folds, found.unfitted, len(found.metrics)) == (3, 3, 0, 2)
    assert found.equity.shape == (2, len(found.time))
    assert found.groups[0][0] < study.start  # what the walk could only learn from is tested too
    for curve, metrics in zip(found.equity, found.metrics, strict=True):
        gained = curve[-1] / study.starting_equity - 1.0
        assert metrics["total_return"] == pytest.approx(gained)
    assert sum(metrics["trades"] for metrics in found.metrics) > 0
    assert not np.array_equal(found.equity[0], found.equity[1])
    assert found.overfitting is not None


def test_the_study_holds_everything_the_report_shows(study: Study) -> None:
    assert [b.name for b in study.baselines] == [
        "Buy and hold",
        "Random entries",
        "Trend rule alone",
        "Open-interest signal alone",
    ]
    assert [round(r.threshold, 2) for r in study.ladder] == [0.50, 0.55, 0.60, 0.65, 0.70]
    assert len(study.cost_what_ifs) == 3
    assert study.trials >= len(study.ladder) + len(study.cost_what_ifs)
    assert sum(i.share for i in study.importance) == pytest.approx(1.0)
    assert sum(f.trades for f in study.folds) == len(study.run.trades) > 0
    assert set(study.by_symbol) <= set(study.symbols)
    net = sum(group["net"] for group in study.by_exit.values())
    assert study.run.equity[-1] - study.starting_equity == pytest.approx(net)


def test_more_costs_never_help(study: Study) -> None:
    free, paid, doubled = (o.metrics for o in study.cost_what_ifs)
    assert free["fees"] == 0.0
    assert free["slippage"] < 0.2 * paid["slippage"]  # rounding to the tick remains
    assert doubled["fees"] > 1.5 * paid["fees"] > 0.0
    assert free["total_return"] > paid["total_return"] > doubled["total_return"]


def test_costs_times_one_are_the_systems_own_whatever_is_configured(
    study: Study, frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]
) -> None:
    assert (study.cost_what_ifs[1].equity == study.system.equity).all()
    engine = plan(0.5).engine
    rule = [trend_rule_signals(frame, 20 * DAY_NS, 0.6) for frame in frames]
    inputs = market_inputs(frames, rule, plan().barriers, instruments)
    dear = dataclasses.replace(engine, costs=dataclasses.replace(engine.costs, multiplier=2.0))
    once, twice, of_dear = (
        cost_what_if(inputs, config, multiple)
        for config, multiple in ((engine, 1.0), (engine, 2.0), (dear, 1.0))
    )
    assert (once.equity == run(inputs, engine).equity).all()
    assert (of_dear.equity == twice.equity).all()
    assert twice.metrics["fees"] > 1.5 * once.metrics["fees"] > 0.0


def test_the_trend_rule_goes_through_the_same_engine_and_costs(study: Study) -> None:
    rule = next(b for b in study.baselines if b.name == "Trend rule alone")
    assert rule.metrics["trades"] > 10
    assert rule.metrics["fees"] > 0.0
    assert "channel of the last 20d" in rule.note


def test_the_study_says_how_much_of_it_could_be_chance(study: Study) -> None:
    chance = study.chance
    assert chance.trades is not None
    assert chance.trades.trades == len(study.run.trades)
    assert len(chance.trades.total_return) == 500
    assert chance.market.fan.shape == (5, chance.market.days)
    configured = chance.real[0]
    assert configured.total_return == pytest.approx(study.system.metrics["total_return"])
    assert configured.trades == len(study.run.trades)
    assert chance.real[2].trades > configured.trades  # outspoken
    assert chance.nulls == ()


def test_a_higher_threshold_takes_a_subset_of_the_signals(study: Study) -> None:
    signals = [rung.signals for rung in study.ladder]
    assert signals == sorted(signals, reverse=True)


def test_the_same_study_twice_has_the_same_fingerprint(
    study: Study, frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]
) -> None:
    again = run_study(frames, instruments, plan(0.52), ABOUT)
    assert again.fingerprint == study.fingerprint
    other = run_study(
        frames, instruments, dataclasses.replace(plan(0.52), embargo_ns=10**15), ABOUT
    )
    assert other.fingerprint != study.fingerprint


def test_buy_and_hold_pays_its_fee_and_its_funding_and_never_borrows(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...], study: Study
) -> None:
    seen = walk(frames, instruments, plan(), workers=1)
    held = baselines.buy_and_hold(seen.inputs, 10_000.0)
    assert held.equity.min() > 0.0
    grown = np.mean([
        f["close"][f.close_time <= study.end][-1]
        / f["open"][f.close_time >= study.start][0] for f in frames
    ])  # fmt: skip
    without_funding = 10_000.0 * grown
    assert held.equity[-1] == pytest.approx(without_funding, rel=0.15)
    assert held.metrics["fees"] == pytest.approx(5.0, rel=0.02)


def test_random_entries_enter_about_as_often_as_the_system_signals(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]
) -> None:
    seen = walk(frames, instruments, plan(), workers=1)
    result, returns = baselines.random_entries(seen.inputs, plan(0.5).engine, seeds=5, seed=1)
    assert len(returns) == 5
    assert len(np.unique(returns)) == 5
    assert result.metrics["trades"] > 10


def test_a_shut_down_that_nobody_lifts_lasts(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]
) -> None:
    strict = plan(0.5, limits=Limits(max_drawdown=0.005, sharpe_days=0, accuracy_signals=0))
    study = run_study(frames, instruments, strict, ABOUT)
    halted = np.flatnonzero(study.run.state == TradingState.HALTED)
    assert len(halted) > 0
    assert study.never_resumed.metrics["trades"] < study.system.metrics["trades"]
