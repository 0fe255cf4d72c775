"""A sweep file is held against the settings, and its sets are the same whoever draws them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from riposte.errors import InputError
from riposte.market.interval import HOUR_NS
from riposte.settings.convert import barriers_of, engine_of
from riposte.settings.schema import Settings
from riposte.settings.sweep import SweepPlan, read_sweep, variants_of, written

SETTINGS = Settings()
RANDOM = """
[sweep]
sets = 300
seed = 3
[position]
min_confidence = { from = 0.55, to = 0.80 }
sizing = ["confidence", "fixed-fraction"]
max_adds = { from = 0, to = 3 }
[barriers]
take_profit = { from = 0.5, to = 4.0, log = true }
horizon = { from = "6h", to = "72h" }
[backtest]
resumes_after = ["1d", "never"]
"""
GRID = """
[sweep]
sampling = "grid"
[position]
trail_after = { from = 0.0, to = 2.0, steps = 5 }
add_after = [0.0, 0.5]
[barriers]
stop_loss = { from = 0.5, to = 2.0, log = true, steps = 3 }
"""


def plan_of(tmp_path: Path, text: str, sets: int | None = None) -> SweepPlan:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return read_sweep(path, SETTINGS, sets=sets)


def test_a_grid_is_every_combination_with_both_ends_of_its_ranges(tmp_path: Path) -> None:
    first, *sets = plan_of(tmp_path, GRID).values()
    assert first == {}  # as configured
    wanted = itertools.product([0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 0.5], [0.5, 1.0, 2.0])
    found = [tuple(each.values()) for each in sets]
    assert found == [pytest.approx(each) for each in wanted]
    assert list(sets[0]) == ["position.trail_after", "position.add_after", "barriers.stop_loss"]


def test_random_sets_lie_in_their_ranges_and_reach_all_of_them(tmp_path: Path) -> None:
    sets = plan_of(tmp_path, RANDOM).values()[1:]
    assert len(sets) == 300
    confidence = [float(each["position.min_confidence"]) for each in sets]
    assert 0.55 <= min(confidence) < 0.57
    assert 0.78 < max(confidence) <= 0.80
    target = sorted(float(each["barriers.take_profit"]) for each in sets)
    assert target[150] == pytest.approx(2**0.5, rel=0.15)  # half of them below the geometric middle
    assert {each["position.max_adds"] for each in sets} == {0, 1, 2, 3}
    horizons = [int(each["barriers.horizon"]) for each in sets]
    assert all(6 * HOUR_NS <= each <= 72 * HOUR_NS and each % HOUR_NS == 0 for each in horizons)
    assert {each["position.sizing"] for each in sets} == {"confidence", "fixed-fraction"}


def test_more_sets_begin_with_the_fewer_and_the_seed_decides(tmp_path: Path) -> None:
    many = plan_of(tmp_path, RANDOM, sets=500)
    few = plan_of(tmp_path, RANDOM)
    other = plan_of(tmp_path, RANDOM.replace("seed = 3", "seed = 4"))
    assert many.values()[:301] == few.values()
    assert many.identity == few.identity
    assert other.values()[1:] != few.values()[1:]
    assert other.identity != few.identity


def test_ladders_and_orders_can_be_varied(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        """
        [sweep]
        sampling = "grid"
        [position]
        partial_at = [[], 0.5, [0.3, 0.6]]
        [execution]
        entry_order = ["market", "post-only"]
        latency = ["1s", "2m"]
        """,
    )
    variants = variants_of(SETTINGS, plan)
    assert len(variants) == 1 + 3 * 2 * 2
    assert {each.engine.rules.partial_at for each in variants} == {(), (0.5,), (0.3, 0.6)}
    assert {each.engine.execution.entry_order.name for each in variants} == {"MARKET", "POST_ONLY"}
    assert written(plan, variants[1].values)["execution.latency"] == "1s"


def test_no_set_is_drawn_twice(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        '[sweep]\nsets = 100\n[position]\nsizing = ["confidence"]\ntime_exit = [true, false]',
    )
    assert len(plan.values()) == 3


def test_the_engine_is_told_what_the_settings_would_say(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, RANDOM)
    variants = variants_of(SETTINGS, plan)
    assert variants[0].engine == engine_of(SETTINGS)
    assert variants[0].barriers == barriers_of(SETTINGS)
    for each in variants[1:20]:
        assert each.engine.rules.min_confidence == each.values["position.min_confidence"]
        assert each.engine.rules.max_adds == each.values["position.max_adds"]
        assert each.barriers.take_profit == each.values["barriers.take_profit"]
        assert each.barriers.horizon_ns == each.values["barriers.horizon"]
        assert each.engine.operator.resumes_after_ns == each.values["backtest.resumes_after"]
        assert each.engine.limits == engine_of(SETTINGS).limits
    text = written(plan, variants[1].values)
    assert str(text["barriers.horizon"]).endswith(("h", "d"))
    assert text["backtest.resumes_after"] in {"1d", "never"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[position]\nmin_confidense = [0.6]", "did you mean 'position.min_confidence'?"),
        ("[positions]\nmin_confidence = [0.6]", "unknown key positions.min_confidence"),
        ("[position]\nmin_confidence = [0.6, 1.4]", "less than or equal to 1"),
        ("[risk]\nmax_leverage = { from = 1, to = 20 }", "less than or equal to 5"),
        ("[position]\nsizing = ['kelly']", "fractional-kelly"),
        ("[position]\nsizing = { from = 'confidence', to = 'fixed-fraction' }", "list them"),
        ("[position]\ntime_exit = { from = false, to = true }", "list them"),
        ("[position]\ntrail_after = { from = 2.0, to = 1.0 }", "from must be below to"),
        ("[position]\ntrail_after = { from = 0.0, to = 1.0, log = true }", "begins above 0"),
        ("[position]\ntrail_after = { from = 0.0 }", "a from and a to"),
        ("[position]\ntrail_after = { from = 0.0, too = 1.0 }", "did you mean 'to'?"),
        ("[position]\ntrail_after = { from = 0.0, to = 1.0, log = 1 }", "log is true or false"),
        ("[position]\ntrail_after = []", "name at least one value"),
        ("[model]\nseed = [1, 2]", "model.seed cannot be swept"),
        ("[model.lightgbm]\nrounds = [1, 2]", "model.lightgbm.rounds cannot be swept"),
        ("[barriers]\nreading = ['upper-lower']", "the model learned from these labels"),
        ("[risk]\nvolatility_short = ['6h']", "measured anew"),
        ("[backtest]\ninside = ['none']", "measured anew"),
        ("[position]\npartial_at = { from = 0.2, to = 0.8 }", "list them"),
        ("[sweep]\nset = 5\n[position]\ntrail_after = [0]", "did you mean 'sets'?"),
        ("[sweep]\nsets = 0\n[position]\ntrail_after = [0]", "greater than or equal to 1"),
        ("[sweep]\nsampling = 'all'\n[position]\ntrail_after = [0]", "'random' or 'grid'"),
        ("[sweep]\nsampling = 'grid'\n[position]\ntrail_after = { from = 0, to = 1 }", "steps"),
        ("sweep = 3\n[position]\ntrail_after = [0]", "write [sweep]"),
        ("[sweep]\nsets = 3", "nothing is varied"),
        ("[position\n", "not valid TOML"),
    ],
)
def test_a_bad_sweep_file_is_refused_with_what_is_allowed(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(InputError) as refused:
        plan_of(tmp_path, text)
    assert said in refused.value.message
    assert "sweep.toml" in refused.value.message


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        plan_of(
            tmp_path, "[position]\nmin_confidense = [0.6]\ntrail_after = [-1]\n[model]\nseed = [1]"
        )
    assert refused.value.message.count("sweep.toml: ") == 3


def test_a_grid_too_large_and_sets_of_a_grid_are_refused(tmp_path: Path) -> None:
    keys = ("trail_after", "trail_distance", "add_after", "kelly_fraction")
    large = "\n".join(f"{key} = {{ from = 0.1, to = 1.0, steps = 20 }}" for key in keys)
    with pytest.raises(InputError, match="160,000 sets"):
        plan_of(tmp_path, f'[sweep]\nsampling = "grid"\n[position]\n{large}').values()
    with pytest.raises(InputError, match="as many sets as it has points"):
        plan_of(tmp_path, GRID, sets=10)
    with pytest.raises(InputError, match="does not exist"):
        read_sweep(tmp_path / "absent.toml", SETTINGS)
