"""A search stays inside its window, goes on where it was ended, and says what luck explains."""

from __future__ import annotations

import os
import signal
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState
from small_search import (
    DECIDING,
    FEATURES,
    MODELS,
    Refusing,
    StuckAtFirst,
    ToldByTwo,
    frames,
    search,
    small_plan,
    stages,
)
from small_study import changed_after

from riposte.errors import DataError, InputError, ModelError, StorageError
from riposte.layers.signal.layer import SignalConfig
from riposte.market.frame import MarketFrame
from riposte.market.interval import DAY_NS
from riposte.proof.tuning.compare import beyond_luck, difference, luck
from riposte.proof.tuning.space import (
    Range,
    inside,
    proposed,
    ranges_of,
    searched_paths,
    values_of,
    with_values,
)
from riposte.proof.tuning.stages import content_of, score_stage, stages_of
from riposte.proof.tuning.standing import Standing, standing
from riposte.proof.tuning.study import (
    CONFIGURED,
    SHIPPED,
    Attempt,
    Search,
    begin,
    opened_study,
)
from riposte.proof.tuning.workers import run_search


class Drawn:
    """Chooses at random."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def option(self, name: str, options: tuple[str, ...]) -> str:
        return options[int(self.rng.integers(len(options)))]

    def number(self, name: str, allowed: Range) -> float | int:
        drawn = float(self.rng.uniform(allowed.low, allowed.high))
        return round(drawn) if allowed.whole else drawn


def all_trials(made: Search) -> list[FrozenTrial]:
    with opened_study(made) as study:
        return study.get_trials(deepcopy=False)


def standing_of(made: Search) -> Standing:
    with opened_study(made) as study:
        return standing(study, float(sum(stage.weight.sum() for stage in made.stages)))


def told(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    return [(t.state, t.params, t.value, t.intermediate_values) for t in trials]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_proposal_becomes_exactly_the_settings_it_names(seed: int) -> None:
    models = ("blend", "stack", "catboost", "forest", "xgboost")
    values = proposed(SignalConfig(), models, Drawn(seed))
    config = with_values(SignalConfig(), values)
    assert values_of(config) == values
    assert inside(config)
    assert values.keys() <= searched_paths(SignalConfig())


def test_the_shipped_defaults_of_every_model_lie_inside_the_search() -> None:
    for model in ("lightgbm", "xgboost", "catboost", "forest", "blend", "stack"):
        assert inside(replace(SignalConfig(), model=model))  # type: ignore[arg-type]
    assert not inside(replace(SignalConfig(), direction_prior=9.0))
    assert "forest.learning_rate" not in ranges_of(replace(SignalConfig(), model="forest"))


def test_nothing_a_trial_sees_depends_on_what_comes_after_the_window() -> None:
    whole = frames()
    end = int(whole[0].close_time[-1]) - 20 * DAY_NS
    start = int(whole[0].open_time[0])

    def window(of: tuple[MarketFrame, ...]) -> tuple[MarketFrame, ...]:
        return tuple(frame.between(start, end) for frame in of)

    other = changed_after(whole, end)
    assert content_of(other) != content_of(whole)
    assert content_of(window(other)) == content_of(window(whole))
    ours, theirs = stages(window(whole)), stages(window(other))
    config = SignalConfig(model="lightgbm")
    for one, same in zip(ours, theirs, strict=True):
        for each in fields(one):
            mine, yours = getattr(one, each.name), getattr(same, each.name)
            if not is_dataclass(mine):
                np.testing.assert_array_equal(mine, yours)
        assert score_stage(one, config, small_plan().stack) == score_stage(
            same, config, small_plan().stack
        )


def test_each_stage_learns_only_from_what_was_settled_before_it() -> None:
    embargo = small_plan().embargo_ns
    made = stages(frames())
    assert len(made) == 3
    for stage, after in zip(made, (*made[1:], None), strict=True):
        assert stage.training.label_end.max() <= stage.start - embargo
        known = stage.training.regime_label >= 0
        assert stage.training.regime_end[known].max() <= stage.start - embargo
        assert after is None or after.start == stage.stop
    # What comes after a stage begins changes nothing of what was fitted for it.
    cut = changed_after(frames(), made[1].start)
    np.testing.assert_array_equal(stages(cut)[1].joined, made[1].joined)


def test_a_window_too_short_for_its_stretches_is_refused() -> None:
    short = tuple(frame.rows(0, 400) for frame in frames())
    with pytest.raises(DataError, match=r"too few|first stretch"):
        stages_of(short, small_plan(), 8, FEATURES)


def test_an_interrupted_search_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = search(tmp_path, "whole")
    run_search(whole, 13, 1)
    parts = search(tmp_path, "parts")
    run_search(parts, 4, 1)

    def interrupt(_attempt: Attempt) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(replace(parts, record=interrupt), 13, 1)
    assert standing_of(parts).finished == 4
    begin(parts, DECIDING, {SHIPPED: parts.stack.signal})
    run_search(parts, 13, 1)
    kept = [trial for trial in all_trials(parts) if trial.state != TrialState.FAIL]
    assert len(all_trials(parts)) == 14
    assert told(kept) == told(all_trials(whole))
    assert {trial.state for trial in kept} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_the_shipped_defaults_come_first_and_are_what_others_are_held_against(
    tmp_path: Path,
) -> None:
    made = search(tmp_path, begun=False)
    mine = replace(made.stack.signal, balance=0.9)
    begin(made, DECIDING, {SHIPPED: made.stack.signal, CONFIGURED: mine})
    begin(made, DECIDING, {SHIPPED: made.stack.signal, CONFIGURED: mine})  # not queued twice
    run_search(made, 3, 1)
    trials = all_trials(made)
    assert trials[0].params == values_of(made.stack.signal)
    assert trials[1].params == values_of(mine)
    assert trials[2].user_attrs.get("origin") is None
    found = standing_of(made)
    assert found.shipped.number == 0
    assert found.against_shipped(found.shipped).value == 0.0
    for each in found.judged:
        compared = found.against_shipped(each)
        assert compared.value == pytest.approx(each.excess - found.shipped.excess)
        assert compared.standard_error >= 0.0


def test_a_bad_trial_is_pruned_early_and_still_counted(tmp_path: Path) -> None:
    seen: list[Attempt] = []
    made = search(tmp_path, record=seen.append)
    run_search(made, 12, 1)
    pruned = [attempt for attempt in seen if attempt.pruned]
    assert pruned
    assert all(len(attempt.scores) < len(made.stages) for attempt in pruned)
    assert [attempt.number for attempt in seen] == list(range(12))
    assert standing_of(made).pruned == len(pruned)
    assert {attempt.values["model"] for attempt in seen} == set(MODELS)


def test_a_study_on_something_else_is_refused_with_the_difference(tmp_path: Path) -> None:
    made = search(tmp_path)
    with pytest.raises(InputError, match="barriers.horizon was 24h and is now 8h"):
        begin(made, {**DECIDING, "barriers.horizon": "8h"}, {})
    with pytest.raises(InputError, match="data was a and is now absent"):
        begin(made, {"barriers.horizon": "24h"}, {})


def test_two_workers_share_a_study_and_no_trial_is_done_twice(tmp_path: Path) -> None:
    made = search(tmp_path, record=ToldByTwo(tmp_path / "told"), alone=False)
    run_search(made, 8, 2)
    trials = all_trials(made)
    assert len(trials) == 8
    assert len({repr(sorted(trial.params.items())) for trial in trials}) == 8
    assert len({trial.user_attrs["process"] for trial in trials}) == 2
    lines = (tmp_path / "told").read_text().splitlines()
    assert sorted(int(line.split()[0]) for line in lines) == list(range(8))
    run_search(made, 8, 2)  # all there: nothing is done
    assert len(all_trials(made)) == 8


def test_a_killed_worker_loses_its_running_trial_and_no_other(tmp_path: Path) -> None:
    made = search(tmp_path, record=StuckAtFirst(tmp_path / "told"), alone=False)
    killed: list[int] = []

    def kill_the_one_on_the_first(done: int, _wanted: int) -> None:
        if done == 7 and not killed:  # all that the other worker can do
            process = int(all_trials(made)[0].user_attrs["process"].rpartition(":")[2])
            os.kill(process, signal.SIGKILL)
            killed.append(process)

    run_search(made, 8, 2, progress=kill_the_one_on_the_first)
    trials = all_trials(made)
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [0]
    assert len(trials) == 9
    assert not [trial for trial in trials if trial.state == TrialState.RUNNING]
    # What others are held against was judged all the same.
    assert standing_of(made).shipped.values == trials[0].params
    assert standing_of(made).finished == 8


def test_differences_are_judged_by_their_weeks() -> None:
    rng = np.random.default_rng(1)
    hard = rng.gamma(2.0, 50.0, 40)  # what makes a week hard for both drops out
    better = hard - 0.5 + rng.normal(0.0, 0.1, 40)
    found = difference(better, hard, 1000.0)
    assert found.value == pytest.approx(-0.02, abs=0.002)
    assert found.standard_error == pytest.approx(0.1 * np.sqrt(40) / 1000.0, rel=0.3)
    assert beyond_luck(found, 1000)
    assert not beyond_luck(difference(hard + rng.normal(0.0, 9.0, 40), hard, 1000.0), 50)
    assert np.isnan(difference([1.0], [2.0], 1.0).standard_error)


@pytest.mark.parametrize("trials", [2, 10, 100])
def test_luck_is_the_expected_best_of_draws_without_skill(trials: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(40_000, trials)).max(axis=1).mean()
    assert luck(trials) == pytest.approx(drawn, abs=0.08)
    assert luck(1) == 0.0


@pytest.mark.parametrize("workers", [1, 2])
def test_when_the_time_is_over_no_trial_begins(tmp_path: Path, workers: int) -> None:
    made = search(tmp_path)
    run_search(made, 5, workers, over=lambda: True)
    assert [trial.state for trial in all_trials(made)] == [TrialState.WAITING]
    with pytest.raises(ModelError, match="not judged the shipped defaults yet"):
        standing_of(made)


def test_what_a_worker_cannot_do_is_said_by_the_parent(tmp_path: Path) -> None:
    made = search(tmp_path, record=Refusing(tmp_path / "told"), alone=False)
    with pytest.raises(StorageError, match="the trial log is full"):
        run_search(made, 5, 2)
    assert {trial.state for trial in all_trials(made)} <= {TrialState.FAIL}
