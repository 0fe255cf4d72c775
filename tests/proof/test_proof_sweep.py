"""A sweep gives each set what it would make of the market alone, and says what the best one proves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from small_study import BARRIERS, plan

from riposte.engine.parameters import Sizing
from riposte.engine.run import MarketInputs, run
from riposte.layers.open_interest import open_interest_signals
from riposte.layers.position.inputs import market_inputs
from riposte.market.barriers import Barriers
from riposte.market.frame import MarketFrame
from riposte.market.instrument import Instrument
from riposte.market.interval import HOUR_NS
from riposte.proof.backtest import outcome
from riposte.proof.metrics import METRICS, daily_returns
from riposte.proof.sweep import Swept, Variant, judge, sweep

ENGINE = plan().engine


def variant(barriers: Barriers = BARRIERS, **rules: object) -> Variant:
    engine = dataclasses.replace(ENGINE, rules=dataclasses.replace(ENGINE.rules, **rules))  # type: ignore[arg-type]
    return Variant({"rules": str(rules)}, engine, barriers)


VARIANTS = (
    variant(),
    variant(min_confidence=0.7, sizing=Sizing.FIXED_FRACTION),
    variant(dataclasses.replace(BARRIERS, take_profit=2.5, stop_loss=0.8)),
    variant(dataclasses.replace(BARRIERS, horizon_ns=60 * HOUR_NS, min_width=0.01, max_width=0.03)),
    variant(trail_after=0.0, partial_at=(), exit_on_reversal=False),
    dataclasses.replace(variant(), engine=dataclasses.replace(ENGINE, starting_equity=50_000.0)),
)


def inputs_at(
    barriers: Barriers, frames: Sequence[MarketFrame], instruments: Sequence[Instrument]
) -> MarketInputs:
    signals = [open_interest_signals(frame, 0.05) for frame in frames]
    return market_inputs(frames, signals, barriers, instruments)


@pytest.fixture(scope="module")
def inputs(frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...]) -> MarketInputs:
    return inputs_at(BARRIERS, frames, instruments)


@pytest.mark.parametrize("scale", ["volatility", "fixed", "atr"])
def test_every_set_equals_a_back_test_of_its_own(
    frames: tuple[MarketFrame, ...], instruments: tuple[Instrument, ...], scale: str
) -> None:
    factor = {"volatility": 1.0, "fixed": 0.02, "atr": 3.0}[scale]
    variants = tuple(
        dataclasses.replace(
            each,
            barriers=dataclasses.replace(
                each.barriers,
                scale=scale,
                take_profit=factor * each.barriers.take_profit,
                stop_loss=factor * each.barriers.stop_loss,
            ),
        )
        for each in VARIANTS
    )
    swept = sweep(inputs_at(variants[0].barriers, frames, instruments), variants)
    for column, each in enumerate(variants):
        start = each.engine.starting_equity
        alone = run(inputs_at(each.barriers, frames, instruments), each.engine)
        expected = outcome("", "", alone, start).metrics
        found = {name: float(values[column]) for name, values in swept.metrics.items()}
        assert found == pytest.approx(dict(expected), rel=0, abs=0, nan_ok=True)
        returns = daily_returns(alone.time, alone.equity, start)
        np.testing.assert_array_equal(swept.returns[:, column], returns)
    assert swept.metrics["trades"].min() > 20
    assert len(set(swept.metrics["total_return"])) >= len(variants) - 1


def test_neither_workers_nor_order_nor_company_change_a_set(inputs: MarketInputs) -> None:
    whole = sweep(inputs, VARIANTS * 3, workers=1)
    threads = sweep(inputs, VARIANTS * 3, workers=4)
    turned = sweep(inputs, VARIANTS[::-1], workers=2)
    count = len(VARIANTS)
    for name in METRICS:
        np.testing.assert_array_equal(whole.metrics[name], threads.metrics[name])
        np.testing.assert_array_equal(whole.metrics[name][:count], turned.metrics[name][::-1])
    assert whole.returns.tobytes() == threads.returns.tobytes()
    assert (
        np.ascontiguousarray(turned.returns[:, ::-1]).tobytes()
        == np.ascontiguousarray(whole.returns[:, :count]).tobytes()
    )


def test_the_market_is_shared_and_left_as_it_was(
    inputs: MarketInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs.bars.tobytes(), inputs.signals.tobytes()
    seen: list[MarketInputs] = []

    def looked(given: MarketInputs, config: object) -> object:
        seen.append(given)
        return run(given, config)  # type: ignore[arg-type]

    monkeypatch.setattr("riposte.proof.sweep.run", looked)
    sweep(inputs, VARIANTS * 2, workers=2)
    assert before == (inputs.bars.tobytes(), inputs.signals.tobytes())
    assert all(np.shares_memory(each.bars, inputs.bars) for each in seen)
    assert len({each.signals.ctypes.data for each in seen}) <= 2  # one for each thread


def test_an_interruption_ends_it_soon(inputs: MarketInputs) -> None:
    judged = []

    def impatient(done: int, wanted: int) -> None:
        judged.append(done)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(inputs, VARIANTS * 500, workers=2, progress=impatient)
    assert judged == [1, 2, 3]


def test_no_sets_are_refused(inputs: MarketInputs) -> None:
    with pytest.raises(ValueError, match="no sets"):
        sweep(inputs, ())


def swept_of(returns: np.ndarray) -> Swept:
    """What a sweep whose sets made these daily returns would leave."""
    variants = tuple(variant() for _ in returns.T)
    return Swept(variants, {name: np.zeros(len(variants)) for name in METRICS}, returns)


def test_the_best_of_many_worthless_sets_is_seen_through() -> None:
    convinced, overfit = 0, []
    for seed in range(8):
        returns = np.random.default_rng(seed).normal(0.0, 0.01, (700, 200))
        verdict = judge(swept_of(returns))
        best = verdict.ranked[0]
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1) * 365**0.5
        assert best == int(ratios.argmax())
        assert ratios[best] > 1.3  # looks good
        assert ratios[best] == pytest.approx(verdict.lucky_sharpe, rel=0.4)
        convinced += verdict.deflated[best] >= 0.95
        overfit.append(verdict.overfitting)
    assert convinced <= 1
    assert 0.3 < np.mean(overfit) < 0.7


def test_a_set_that_is_worth_something_is_recognised_and_earlier_trials_make_it_harder() -> None:
    returns = np.random.default_rng(5).normal(0.0, 0.01, (1400, 200))
    returns[:, 17] += 0.0018
    verdict = judge(swept_of(returns))
    assert verdict.ranked[0] == 17
    assert verdict.trials == 200
    assert verdict.deflated[17] > 0.99
    assert verdict.overfitting < 0.05
    harder = judge(swept_of(returns), earlier=100_000)
    assert harder.trials == 100_200
    assert harder.lucky_sharpe > verdict.lucky_sharpe
    assert harder.deflated[17] < verdict.deflated[17]


def test_sets_that_never_trade_come_last_and_break_nothing() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, (300, 6))
    returns[:, [0, 3]] = 0.0
    verdict = judge(swept_of(returns))
    assert set(verdict.ranked[-2:]) == {0, 3}
    assert np.isnan(verdict.deflated[[0, 3]]).all()
    assert np.isfinite(verdict.deflated[[1, 2, 4, 5]]).all()
    assert 0.0 <= verdict.overfitting <= 1.0


def test_a_history_too_short_to_halve_says_so() -> None:
    verdict = judge(swept_of(np.random.default_rng(1).normal(0.0, 0.01, (20, 5))))
    assert np.isnan(verdict.overfitting)
