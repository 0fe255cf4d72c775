"""Null tests: honest pipelines earn nothing where nothing can be learned, one that looks ahead is caught."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
from small_study import plan

from riposte.errors import DataError
from riposte.features.catalogue import FeatureSpec, catalogue
from riposte.features.provision import Computed
from riposte.layers.learners.lightgbm import LightGBMLearner
from riposte.layers.regime.layer import RegimeConfig
from riposte.layers.signal.layer import SignalConfig
from riposte.layers.stack import StackConfig
from riposte.market.assemble import assemble
from riposte.market.frame import Floats, MarketFrame
from riposte.market.instrument import instrument_for
from riposte.market.interval import parse_interval
from riposte.proof.chance.measure import at_no_cost, measured, outspoken
from riposte.proof.chance.noise import random_walks
from riposte.proof.chance.nulls import draw_as_json, draw_from_json, draw_nulls
from riposte.proof.chance.results import NullKind, NullTest
from riposte.proof.chance.standing import (
    earns_on_noise,
    mean_interval,
    null_tests,
    p_value,
    returns_of,
)
from riposte.proof.plan import StudyPlan
from riposte.proof.unseen import walk
from riposte.sources.synthetic import synthetic_market

START = 1_672_531_200_000_000_000
HOUR = parse_interval("1h")
INSTRUMENTS = [dataclasses.replace(instrument_for("BTCUSDT"), min_notional=5.0)]
USED = ("log_return_4h", "log_return_24h", "return_per_risk_24h", "volatility_24h",
        "moving_average_distance_24h", "up_share_24h")  # fmt: skip
NET, FREE = 2, 3  # ways of measuring with every bar acted on


def tomorrow(close: Floats) -> Floats:
    """What the price will do: no feature may know."""
    ahead = np.full(len(close), np.nan)
    ahead[:-12] = np.log(close[12:] / close[:-12])
    return ahead


def features(*, leaking: bool) -> Computed:
    known: Mapping[str, FeatureSpec] = {name: catalogue()[name] for name in USED}
    if leaking:
        base = known["log_return_24h"]
        leak = dataclasses.replace(base, name="leak", function=tomorrow, windows={},
                                   in_bars=lambda _: {})  # fmt: skip
        known = {**known, "leak": leak}
    return Computed(known)


def quick() -> StudyPlan:
    """Three months to learn, two tested; small trees, which is enough to find a planted leak."""
    trees = LightGBMLearner(rounds=25, feature_fraction=1.0, learning_rate=0.1, l2=1.0)
    few = LightGBMLearner(rounds=2)
    stack = StackConfig(
        signal=SignalConfig(model="lightgbm", lightgbm=trees, direction_prior=0.1),
        regime=RegimeConfig(lightgbm=few),
    )
    return dataclasses.replace(plan(0.5), stack=stack, train_months=3)


@pytest.fixture(scope="module")
def frames() -> tuple[MarketFrame, ...]:
    made = synthetic_market(("BTCUSDT",), HOUR, START, 150 * 24, 3)
    return (assemble("BTCUSDT", HOUR, made["BTCUSDT"]),)


def drawn(
    kind: NullKind, frames: tuple[MarketFrame, ...], *, leaking: bool, draws: int = 6
) -> NullTest:
    made = draw_nulls(kind, range(draws), frames, INSTRUMENTS, quick(),
                      features=features(leaking=leaking))  # fmt: skip
    (test,) = null_tests(made)
    return test


@pytest.fixture(scope="module")
def honest(frames: tuple[MarketFrame, ...]) -> NullTest:
    return drawn("walk", frames, leaking=False)


def test_on_random_walks_an_honest_pipeline_earns_nothing(honest: NullTest) -> None:
    assert sum(draw.measured[NET].trades for draw in honest.draws) > 60
    assert not earns_on_noise(honest)
    low, _ = mean_interval(returns_of(honest, NET), 0.99)
    assert low < 0.0
    assert (returns_of(honest, NET) < returns_of(honest, FREE)).all()  # costs are charged


def test_a_feature_that_looks_ahead_beats_the_null_and_is_caught(
    honest: NullTest, frames: tuple[MarketFrame, ...]
) -> None:
    leaking = drawn("walk", frames, leaking=True)
    assert earns_on_noise(leaking)
    assert returns_of(leaking, NET).min() > returns_of(honest, NET).max()


def test_with_shuffled_labels_not_even_a_leak_pays_and_the_real_run_stands_out(
    frames: tuple[MarketFrame, ...],
) -> None:
    leak = features(leaking=True)
    seen = walk(frames, INSTRUMENTS, quick(), workers=1, features=leak)
    everywhere = outspoken(seen.inputs, frames, seen.signals)
    real = measured(seen.inputs, everywhere, quick().engine)[NET].total_return
    test = drawn("labels", frames, leaking=True)
    null = returns_of(test, NET)
    assert real > 2.0 * np.abs(null).max()
    assert p_value(real, null) == pytest.approx(1 / 7)
    assert not earns_on_noise(test)


def test_draws_differ_by_number_and_only_by_it(
    honest: NullTest, frames: tuple[MarketFrame, ...]
) -> None:
    again = draw_nulls("walk", [4], frames, INSTRUMENTS, quick(), features=features(leaking=False))
    assert next(iter(again)) == honest.draws[4]
    assert len({draw.measured[NET].total_return for draw in honest.draws}) == len(honest.draws)


def test_a_random_walk_has_the_shape_of_the_market_and_nothing_else_of_it(
    frames: tuple[MarketFrame, ...],
) -> None:
    late = (frames[0].rows(100, 900),)
    (walked,) = random_walks(late, 1)
    assert (walked.open_time == late[0].open_time).all()
    assert walked.symbol == "BTCUSDT"
    assert [n for n in walked.columns if walked.has(n)] == [
        n for n in late[0].columns if late[0].has(n)
    ]
    moves = np.corrcoef(np.diff(np.log(walked["close"])), np.diff(np.log(late[0]["close"])))
    assert abs(moves[0, 1]) < 0.12


def test_outspoken_signals_take_the_likelier_side_of_every_bar_a_model_spoke_about(
    frames: tuple[MarketFrame, ...],
) -> None:
    seen = walk(frames, INSTRUMENTS, quick(), workers=1, features=features(leaking=False))
    everywhere = outspoken(seen.inputs, frames, seen.signals).signals[:, 0]
    spoken = everywhere["model_id"] >= 0
    assert 0 < spoken.sum() < len(spoken)
    assert (everywhere["direction"][~spoken] == 0).all()
    assert np.isin(everywhere["direction"][spoken], (-1, 1)).mean() > 0.99
    configured = seen.inputs.signals[:, 0]["direction"]
    assert (everywhere["direction"] == configured)[configured != 0].all()
    free = at_no_cost(plan(0.65).engine)
    assert (free.costs.multiplier, free.costs.funding) == (0.0, False)


def test_chance_is_never_said_to_be_impossible() -> None:
    null = np.array([-0.02, -0.01, 0.0, 0.01])
    assert p_value(0.05, null) == pytest.approx(1 / 5)
    assert p_value(0.0, null) == pytest.approx(3 / 5)
    assert p_value(-0.05, null) == 1.0


def test_a_draw_is_read_as_it_was_written_and_a_damaged_one_is_refused(honest: NullTest) -> None:
    silent = dataclasses.replace(honest.draws[0].measured[0], sharpe=float("nan"), trades=0)
    draw = dataclasses.replace(honest.draws[0], measured=(silent, *honest.draws[0].measured[1:]))
    again = draw_from_json(draw_as_json(draw))
    assert np.isnan(again.measured[0].sharpe)
    assert again.measured[1:] == draw.measured[1:]
    for text in (b"", b"{}", b'{"kind": "dice", "number": 1, "measured": []}', b"[1]"):
        with pytest.raises(DataError, match="no draw of a null test"):
            draw_from_json(text)
