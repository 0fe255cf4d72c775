"""A user's own features: listed, cached and trained like built-in ones, and refused where they peek."""

from __future__ import annotations

import json
from pathlib import Path

from console import Riposte

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_features.py"
RANGE = ("--timerange", "20240101-20240801", "-p", "BTCUSDT")

PEEKING = '''
import numpy as np
from riposte.features.catalogue import feature

@feature("mine", lookback=lambda: 2)
def tomorrow(close):
    """Looks like a return.

    Formula: ln(close[t+1] / close[t])
    Unit: fraction
    Look-back: 2 bars
    Source: wishful thinking
    """
    out = np.full(len(close), np.nan)
    out[:-1] = np.log(close[1:] / close[:-1])
    return out
'''


def test_the_example_is_trained_and_explained(
    riposte: Riposte, market_data: Path, tmp_path: Path
) -> None:
    own = {"RIPOSTE__FEATURES__FILES": str(EXAMPLE)}
    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    listed = json.loads(riposte("features", "list", "--json", **own).stdout)
    mine = {each["name"] for each in listed if each["group"] == "mine"}
    assert len(mine) >= 4
    shown = riposte("features", "show", sorted(mine)[0], **own)
    assert "Formula" in shown.stdout
    trained = riposte("train", *RANGE, "--json", **own)
    assert trained.returncode == 0, trained.stderr
    cached = len(list((tmp_path / "data" / "features").rglob("*.f8")))
    assert cached > 100
    reasons = json.loads(riposte("explain", *RANGE, "--json", "--top", "400", **own).stdout)
    named = {name for name, _ in reasons["BTCUSDT"]["reasons"]}
    assert mine <= named
    assert len(list((tmp_path / "data" / "features").rglob("*.f8"))) == cached
    without = riposte("explain", *RANGE)
    assert without.returncode == 5  # the model was trained on features that are not there


def test_a_feature_that_peeks_is_refused_before_training(
    riposte: Riposte, market_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "peeking.py").write_text(PEEKING)
    own = {"RIPOSTE__FEATURES__FILES": "peeking.py"}
    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    done = riposte("train", *RANGE, **own)
    assert done.returncode in (2, 3)
    assert "tomorrow" in done.stderr
    assert not (tmp_path / "models").exists()
    checked = riposte("features", "check", "-p", "BTCUSDT", **own)
    assert checked.returncode == 3
    assert "tomorrow" in checked.stdout


def test_the_thirty_features_of_the_ppo_system_are_a_set(riposte: Riposte) -> None:
    done = riposte("features", "list", "--json", "-i", "1m", RIPOSTE__FEATURES__SET="ppo-30")
    listed = json.loads(done.stdout)
    assert len(listed) == 30
    assert all(each["default"] for each in listed)


def test_a_file_that_is_not_there_is_one_sentence(riposte: Riposte) -> None:
    done = riposte("features", "list", RIPOSTE__FEATURES__FILES="mine.py")
    assert done.returncode == 2
    assert "mine.py does not exist" in done.stderr


def test_features_are_chosen_normalised_drawn_and_proven(
    riposte: Riposte, market_data: Path, tmp_path: Path
) -> None:
    assert riposte("data", "import", str(market_data), "-p", "BTCUSDT").returncode == 0
    chosen = {
        "RIPOSTE__FEATURES__SELECTION": "information",
        "RIPOSTE__FEATURES__KEEP": "25",
        "RIPOSTE__FEATURES__NORMALISE": "zscore",
    }
    trained = riposte("train", *RANGE, "--json", **chosen)
    assert trained.returncode == 0, trained.stderr
    about = json.loads(trained.stdout)
    assert "25 of" in about["selection"]
    assert "stable" in about["selection"]
    reasons = json.loads(riposte("explain", *RANGE, "--json", "--top", "99", **chosen).stdout)
    named = [name for name, _ in reasons["BTCUSDT"]["reasons"]]
    assert len(named) == 25
    assert all(name.endswith("_zscore_1w") for name in named)
    proven = riposte(
        "backtest", "-p", "BTCUSDT", "--timerange", "20240101-20250301", "--prove-causal", **chosen
    )
    assert proven.returncode == 0, proven.stderr
    drawn = riposte("features", "plot", "rsi", "-p", "BTCUSDT")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "reports" / "feature-rsi-BTCUSDT.html").stat().st_size > 100_000
