"""A user's own features: loaded from a file, computed, cached, versioned, and refused when unsound."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from riposte.errors import InputError
from riposte.features.catalogue import catalogue, version
from riposte.features.causality import first_violation, refuse_unsound
from riposte.features.matrix import build_matrix, feature_values, latest_row
from riposte.market.frame import MarketFrame
from riposte.sources.user_features import load_features, with_users

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "my_features.py"

HEAD = """import numpy as np
from riposte.features.catalogue import feature
"""


def declared(
    name: str, body: str, parameters: str = "close", options: str = "lookback=lambda: 3"
) -> str:
    return f'''
@feature("mine", {options})
def {name}({parameters}):
    """A feature.

    Formula: x
    Unit: x
    Look-back: x
    Source: x
    """
{body}
'''


def written(folder: Path, *texts: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(texts))
    return path


# -- loading --------------------------------------------------------------------------------------


def test_the_example_loads_and_stands_beside_the_built_in_features() -> None:
    own = load_features([EXAMPLE])
    assert set(own) == {
        "range_squeeze_24h",
        "range_squeeze_7d",
        "reversal_tendency_24h",
        "reversal_tendency_3d",
        "volume_shock_24h",
    }
    together = with_users([EXAMPLE])
    assert list(together) == [*catalogue(), *own]
    with pytest.raises(TypeError):
        together["x"] = own["volume_shock_24h"]  # type: ignore[index]


def test_the_example_is_sound_on_the_recorded_history(
    bitcoin: MarketFrame, complete: MarketFrame, broken: MarketFrame
) -> None:
    own = load_features([EXAMPLE])
    for frame in (bitcoin.rows(30_000, 33_000), complete, broken):
        refuse_unsound(own, frame)
    matrix = build_matrix(complete, own, own)
    assert np.isfinite(matrix.values[matrix.ready]).all()
    np.testing.assert_allclose(latest_row(complete, own, own), matrix.values[-1], rtol=1e-9)


MISTAKES = {
    "a syntax error": ("def broken(:\n", r"mine\.py, line 3: "),
    "no feature": ("def plain(close):\n    return close\n", "declares no feature"),
    "an error at import": ("x = 1 / 0\n", r"mine\.py, line 3: ZeroDivisionError: division by zero"),
    "a missing package": ("import not_there_at_all\n", r"line 3: ModuleNotFoundError: No module"),
    "an exit": ("raise SystemExit(3)\n", r"line 3: SystemExit: 3"),
    "a built-in name": (
        declared("rsi", "    return close"),
        "'rsi' has the name of a built-in one",
    ),
    "an unknown column": (
        declared("mine", "    return clsoe", "clsoe"),
        r"line \d+: feature 'mine': parameter 'clsoe' is neither .*did you mean 'close'",
    ),
    "an unused window": (
        declared("mine", "    return close", options='lookback=lambda window: 3, at=("4h",)'),
        "window 'window' is not one of its parameters",
    ),
    "a bad duration": (
        declared(
            "mine", "    return close", "close, window", 'lookback=lambda window: 3, at=("4x",)'
        ),
        "duration '4x' is not understood",
    ),
    "a look-back of other windows": (
        declared("mine", "    return close", options="lookback=lambda slow: slow"),
        "its lookback fails on its windows .none.: TypeError",
    ),
    "a look-back of nothing": (
        declared("mine", "    return close", options="lookback=lambda: 0"),
        "must be a whole number of bars, 1 or more, not 0",
    ),
    "a docstring without its unit": (
        declared("mine", "    return close").replace("Unit: x", "x"),
        "lacks a line 'Unit: ...'",
    ),
}


@pytest.mark.parametrize(("text", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_file_is_told_in_one_sentence(
    text: str, told: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=told) as caught:
        load_features([path])
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_features([tmp_path / "absent.py"])
    with pytest.raises(InputError, match="is a folder"):
        load_features([tmp_path])
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        load_features([tmp_path / "bytes.py"])


def test_two_files_may_not_declare_the_same_feature(tmp_path: Path) -> None:
    one = written(tmp_path, declared("mine", "    return close"), name="one.py")
    two = written(tmp_path, declared("mine", "    return close"), name="two.py")
    with pytest.raises(
        InputError, match=r"two\.py: feature 'mine' is already declared in .*one\.py"
    ):
        load_features([one, two])


def test_a_file_stands_alone_because_its_text_is_its_version(tmp_path: Path) -> None:
    (tmp_path / "mine_too.py").write_text("x = 1\n")
    path = written(tmp_path, "import mine_too\n", declared("mine", "    return close"))
    with pytest.raises(InputError, match="line 3: it imports a file beside it"):
        load_features([path])


# -- versions -------------------------------------------------------------------------------------


def test_the_version_follows_the_text_of_the_whole_file(tmp_path: Path) -> None:
    text = declared("mine", "    return close / FACTOR")
    before = load_features([written(tmp_path, "FACTOR = 2.0\n", text)])["mine"]
    path = written(tmp_path, "FACTOR = 3.0\n", text)
    after = load_features([path])["mine"]
    again = load_features([path])["mine"]
    assert before.version != after.version == again.version
    assert version([before]) != version([after])


def test_the_version_is_that_of_the_text_that_runs_whatever_becomes_of_the_file(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, declared("mine", "    return close"))
    spec = load_features([path])["mine"]
    first = spec.version
    path.write_text("changed")
    os.utime(path, (1, 1))
    assert spec.version == first
    path.unlink()
    assert spec.version == first


# -- computing ------------------------------------------------------------------------------------

WRONG_RESULTS = {
    "an exception": (
        "    return close[10_000_000]",
        r"line \d+: feature 'mine' fails on .*IndexError",
    ),
    "one number": ("    return close.mean()", r"returned shape \(\) for 2,600 rows"),
    "a row too few": ("    return np.diff(close)", r"returned shape \(2599,\) for 2,600 rows"),
    "an infinity": ("    return close / (close - close)", "is infinite in|fails"),
    "text": ("    return np.array(['a'] * len(close))", "ValueError: could not convert"),
    "its input changed": (
        "    close[0] = 1.0\n    return close",
        "ValueError: assignment destination is read-only",
    ),
}


@pytest.mark.parametrize(("body", "told"), WRONG_RESULTS.values(), ids=WRONG_RESULTS.keys())
def test_a_mistake_in_the_function_is_told_in_one_sentence(
    body: str, told: str, tmp_path: Path, complete: MarketFrame
) -> None:
    if "infinity" in told or "infinite" in told:
        body = "    return np.where(close > close[0], np.inf, close)"
    own = load_features([written(tmp_path, declared("mine", body))])
    with pytest.raises(InputError, match=told):
        build_matrix(complete, own, own)


def test_whole_numbers_and_truth_values_are_taken_as_numbers(
    tmp_path: Path, complete: MarketFrame
) -> None:
    own = load_features([written(tmp_path, declared("mine", "    return close > close[0]"))])
    assert set(np.unique(feature_values(own["mine"], complete)[2:])) <= {0.0, 1.0}


def test_a_compiled_loop_in_the_file_works(tmp_path: Path, complete: MarketFrame) -> None:
    path = written(
        tmp_path,
        "from riposte.compiled import compiled\n",
        "@compiled\ndef doubled(x):\n    out = np.empty(len(x))\n    for i in range(len(x)):\n"
        "        out[i] = 2.0 * x[i]\n    return out\n",
        declared("mine", "    return doubled(close) / close"),
    )
    for _ in range(2):  # compiled, then from the cache on disk
        own = load_features([path])
        assert (feature_values(own["mine"], complete)[2:] == 2.0).all()


def test_a_matrix_of_the_users_features_travels_to_workers_without_their_functions(
    tmp_path: Path, complete: MarketFrame
) -> None:
    own = load_features([written(tmp_path, declared("mine", "    return close / close[0]"))])
    carried = pickle.dumps(build_matrix(complete, own, own))
    assert b"riposte_user_features" not in carried
    np.testing.assert_array_equal(
        pickle.loads(carried).values, build_matrix(complete, own, own).values
    )


# -- soundness ------------------------------------------------------------------------------------

UNSOUND = {
    "the next bar": (
        "    return np.append(np.diff(close), np.nan)",
        "looks ahead: .*needs the next bar",
    ),
    "five bars on": (
        "    return np.append(close[5:], np.full(5, np.nan)) / close",
        "looks ahead: .*needs 5 later bars",
    ),
    "the mean of all": ("    return close / close.mean()", "looks ahead: .*needs later bars"),
    "a longer memory": (
        "    return close / np.append(np.full(40, np.nan), close[:-40])[:len(close)]",
        "looks back further than it says: .*the 3 bars it states; it settles with 48 bars",
    ),
    "a recursion without end": (
        "    return np.cumsum(close) / close",
        "looks back further than it says",
    ),
    "a fill from behind": (
        "    import polars as pl\n"
        "    return pl.Series(open_interest).fill_nan(None).fill_null(strategy='backward')"
        ".fill_null(0.0).to_numpy()",
        "looks ahead",
    ),
}


@pytest.mark.parametrize(("body", "told"), UNSOUND.values(), ids=UNSOUND.keys())
def test_training_refuses_a_feature_that_is_not_what_it_says(
    body: str, told: str, tmp_path: Path, complete: MarketFrame
) -> None:
    parameters = "open_interest" if "open_interest" in body else "close"
    own = load_features([written(tmp_path, declared("mine", body, parameters))])
    with pytest.raises(InputError, match=told) as caught:
        refuse_unsound({**own, "rsi": catalogue()["rsi"]}, complete)
    assert "'mine'" in caught.value.message
    assert "UTC (row" in caught.value.message


def test_all_that_fail_are_counted(tmp_path: Path, complete: MarketFrame) -> None:
    bodies = [declared(f"mine_{i}", "    return np.append(close[1:], 0.0)") for i in range(3)]
    own = load_features([written(tmp_path, *bodies)])
    with pytest.raises(InputError, match=r"'mine_0' looks ahead.*\(2 more features fail\)"):
        refuse_unsound(own, complete)


def test_a_feature_that_no_stretch_of_history_can_fill_is_not_called_sound(
    tmp_path: Path, complete: MarketFrame
) -> None:
    text = declared("mine", "    return close", options="lookback=lambda: 5_000")
    own = load_features([written(tmp_path, text)])
    with pytest.raises(
        InputError, match="looks back over 5,000 bars, and the longest .* has 2,600"
    ):
        refuse_unsound(own, complete)


def test_the_built_in_features_pass_where_columns_were_never_recorded(bitcoin: MarketFrame) -> None:
    part = bitcoin.rows(30_000, 31_500)
    for name in ("rsi", "taker_imbalance", "open_interest_zscore_7d", "premium_zscore_7d"):
        if name in catalogue():
            assert first_violation(catalogue()[name], part, cuts=6, rows=12) is None
