"""The configuration: what wins, what is refused and how it is said."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from riposte.engine.parameters import NEVER, Limits, Sizing
from riposte.engine.state import looser
from riposte.errors import InputError
from riposte.layers.position.portfolio import PortfolioConfig
from riposte.layers.signal.layer import SignalConfig
from riposte.layers.stack import StackConfig
from riposte.market.interval import HOUR_NS, MINUTE_NS
from riposte.settings.convert import (
    barriers_of,
    engine_of,
    limits_of,
    parse_timerange,
    plan_of,
    stack_of,
)
from riposte.settings.load import PRESETS, known_keys, load_settings


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_flags_beat_environment_beats_dotenv_beats_later_files_beats_earlier_beats_preset(
    tmp_path: Path,
) -> None:
    first = written(tmp_path, "a.toml", "[risk]\ntrades_per_day = 14\ndaily_loss = 0.014\n")
    second = written(tmp_path, "b.toml", "[risk]\ntrades_per_day = 13\nlosses_in_row = 7\n")
    written(tmp_path, ".env", "RIPOSTE__RISK__LOSSES_IN_ROW=6\nRIPOSTE__RISK__MAX_POSITIONS=6\n")
    environment = {"RIPOSTE__RISK__MAX_POSITIONS": "5", "RIPOSTE__MODEL__SEED": "5"}
    loaded = load_settings(
        [first, second], environment=environment, flags={"model.seed": 4}, folder=tmp_path
    )
    risk = loaded.settings.risk
    assert (risk.daily_loss, risk.trades_per_day, risk.losses_in_row, risk.max_positions) == (
        0.014,
        13,
        6,
        5,
    )
    assert loaded.settings.model.seed == 4
    assert loaded.sources["risk.daily_loss"] == str(first)
    assert loaded.sources["risk.losses_in_row"] == ".env RIPOSTE__RISK__LOSSES_IN_ROW"
    assert loaded.sources["risk.max_positions"] == "environment RIPOSTE__RISK__MAX_POSITIONS"
    assert loaded.sources["model.seed"] == "flag"
    assert loaded.sources["risk.max_leverage"] == "preset survival"


def test_riposte_toml_is_read_where_no_file_is_named(tmp_path: Path) -> None:
    written(tmp_path, "riposte.toml", "preset = 'four-layer'\n")
    assert load_settings(folder=tmp_path).settings.preset == "four-layer"


REFUSED = [
    ("[risk]\nmax_leverag = 3\n", ["max_leverag", "did you mean 'risk.max_leverage'"]),
    ("[rsk]\nmax_leverage = 3\n", ["rsk.max_leverage", "did you mean"]),
    ("[risk]\nmax_leverage = 20\n", ["risk.max_leverage = 20", "less than or equal to 5"]),
    ("[risk]\nmargin_fraction = 0.5\n", ["risk.margin_fraction", "0.08"]),
    ("[risk]\ndaily_loss = nan\n", ["risk.daily_loss"]),
    ("[risk]\ntrades_per_day = 0\n", ["risk.trades_per_day", "greater than or equal to 1"]),
    ("[data]\ninterval = '7m'\n", ["data.interval", "1m, 3m, 5m"]),
    ("[data]\nsymbols = ['BTCEUR']\n", ["BTCEUR", "BTC/USDT:USDT"]),
    ("[data]\nsymbols = []\n", ["data.symbols"]),
    ("[barriers]\nhorizon = '1 fortnight'\n", ["barriers.horizon", "24h"]),
    ("[position]\nmin_confidence = 0.3\n", ["position.min_confidence"]),
    ("[model.xgboost]\nrounds = 0\n", ["model.xgboost.rounds = 0", "greater than or equal to 1"]),
    ("[model.xgboost]\nleaves = 3\n", ["model.xgboost.leaves", "did you mean"]),
    ("[position]\nsizing = 'martingale'\n", ["position.sizing", "fractional-kelly"]),
    ("[portfolio]\nweights = 'kelly'\n", ["portfolio.weights", "risk-parity"]),
    ("[portfolio]\nwindow = 'a month'\n", ["portfolio.window", "24h"]),
    ("[portfolio]\nshrinkge = 'none'\n", ["did you mean 'portfolio.shrinkage'"]),
    ("preset = 'yolo'\n", ["yolo", "survival"]),
    ("[risk\n", ["not valid TOML"]),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_a_bad_key_or_value_is_refused_with_its_place(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    path = written(tmp_path, "mine.toml", text)
    with pytest.raises(InputError) as refusal:
        load_settings([path], folder=tmp_path)
    for part in said:
        assert part in refusal.value.message
    if "yolo" not in text:
        assert "mine.toml" in refusal.value.message


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "m.toml", "[risk]\nmax_leverage = 9\ndaily_los = 1\n")
    with pytest.raises(InputError) as refusal:
        load_settings([path], folder=tmp_path)
    assert "max_leverage" in refusal.value.message
    assert "daily_los" in refusal.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere.toml does not exist"):
        load_settings([tmp_path / "nowhere.toml"], folder=tmp_path)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads_and_makes_a_plan(tmp_path: Path, preset: str) -> None:
    settings = load_settings(flags={"preset": preset}, folder=tmp_path).settings
    assert plan_of(settings).engine.limits.margin_fraction <= 0.08


@pytest.mark.parametrize("preset", ["four-layer", "open-interest"])
def test_survival_is_the_strictest_of_each_system(tmp_path: Path, preset: str) -> None:
    survival = limits_of(load_settings(folder=tmp_path).settings)
    other = limits_of(load_settings(flags={"preset": preset}, folder=tmp_path).settings)
    assert looser(other, survival) == ()


def test_no_setting_can_loosen_the_engine_s_own_ceilings(tmp_path: Path) -> None:
    for key in ("risk.margin_fraction", "risk.risk_fraction", "risk.heat_fraction"):
        with pytest.raises(InputError, match=key):
            load_settings(flags={key: 0.9}, folder=tmp_path)
    assert limits_of(load_settings(folder=tmp_path).settings) != Limits(margin_fraction=0.9)


def test_barriers_follow_the_interval_until_they_are_set(tmp_path: Path) -> None:
    def barriers(**flags: object):  # type: ignore[no-untyped-def]
        given = {k.replace("__", "."): v for k, v in flags.items()}
        return barriers_of(load_settings(flags=given, folder=tmp_path).settings)

    minute = barriers(data__interval="1m")
    assert (minute.take_profit, minute.stop_loss, minute.horizon_ns) == (
        0.015,
        0.005,
        60 * MINUTE_NS,
    )
    hour = barriers(data__interval="1h")
    assert (hour.scale, hour.horizon_ns) == ("volatility", 24 * HOUR_NS)
    assert barriers(data__interval="1h", barriers__horizon="12h").horizon_ns == 12 * HOUR_NS
    with pytest.raises(InputError, match="needs barriers.take_profit"):
        barriers(data__interval="1h", barriers__scale="fixed")


def test_words_become_the_engine_s_numbers(tmp_path: Path) -> None:
    flags = {"backtest.resumes_after": "never", "position.sizing": "fractional-kelly"}
    engine = engine_of(load_settings(flags=flags, folder=tmp_path).settings)
    assert engine.operator.resumes_after_ns == NEVER
    assert engine.rules.sizing is Sizing.FRACTIONAL_KELLY


def test_how_symbols_share_the_account_reaches_the_plan(tmp_path: Path) -> None:
    assert plan_of(load_settings(folder=tmp_path).settings).portfolio == PortfolioConfig()
    text = "[portfolio]\nweights = 'hrp'\nwindow = '60d'\nshrinkage = 'identity'\n"
    path = written(tmp_path, "m.toml", text)
    plan = plan_of(load_settings([path], folder=tmp_path).settings)
    assert plan.portfolio == PortfolioConfig("hrp", 60 * 24 * HOUR_NS, "identity")


PORTFOLIOS_REFUSED = [
    ({"portfolio.window": "1d"}, "portfolio.window = 1d holds 24 returns of 1h bars"),
    ({"portfolio.window": "29d", "data.interval": "1d"}, "so at least 30d"),
    (
        {"portfolio.weights": "hrp", "portfolio.shrinkage": "constant-correlation"},
        "leaves portfolio.weights = 'hrp' no tree",
    ),
]


@pytest.mark.parametrize(("flags", "said"), PORTFOLIOS_REFUSED)
def test_weights_that_could_not_be_made_are_refused_before_anything_is_fitted(
    tmp_path: Path, flags: dict[str, object], said: str
) -> None:
    settings = load_settings(flags=flags, folder=tmp_path).settings
    with pytest.raises(InputError, match=re.escape(said)):
        plan_of(settings)


def test_a_time_range_is_read_like_the_field_writes_it() -> None:
    day = 86_400 * 10**9
    start, stop = parse_timerange("20240101-20240201")
    assert start is not None
    assert stop is not None
    assert stop - start == 31 * day
    assert parse_timerange("20240101-")[1] is None
    assert parse_timerange("-20240101")[0] is None
    for bad in ("2024", "20240201-20240101", "20241301-", "-", "a-b"):
        with pytest.raises(InputError, match="time range"):
            parse_timerange(bad)


LEARNERS = ("lightgbm", "xgboost", "catboost", "forest")


def test_without_settings_the_learners_are_as_they_are_shipped(tmp_path: Path) -> None:
    assert stack_of(load_settings(folder=tmp_path).settings) == StackConfig()


@pytest.mark.parametrize("name", LEARNERS)
def test_every_number_of_a_learner_can_be_set_and_reaches_it(tmp_path: Path, name: str) -> None:
    shipped = getattr(SignalConfig(), name)
    numbers = {f.name for f in fields(shipped)} - {"forest"}
    assert {k for k in known_keys() if k.startswith(f"model.{name}.")} == {
        f"model.{name}.{number}" for number in numbers
    }
    wanted = {number: getattr(shipped, number) * 0.5 for number in numbers}
    wanted |= {n: int(v) for n, v in wanted.items() if isinstance(getattr(shipped, n), int)}
    flags = {f"model.{name}.{number}": value for number, value in wanted.items()}
    made = getattr(stack_of(load_settings(flags=flags, folder=tmp_path).settings).signal, name)
    assert made == replace(shipped, **wanted)


def test_a_table_of_a_learner_sets_only_what_it_names(tmp_path: Path) -> None:
    text = "[model]\nbalance = 0.25\n[model.regime]\nrounds = 9\n[model.lightgbm]\nleaves = 3\n"
    path = written(tmp_path, "m.toml", text)
    environment = {"RIPOSTE__MODEL__LIGHTGBM__ROUNDS": "80"}
    stack = stack_of(load_settings([path], environment=environment, folder=tmp_path).settings)
    shipped = StackConfig()
    assert stack.regime.lightgbm == replace(shipped.regime.lightgbm, rounds=9)
    assert stack.signal == replace(
        shipped.signal, balance=0.25, lightgbm=replace(shipped.signal.lightgbm, leaves=3, rounds=80)
    )
