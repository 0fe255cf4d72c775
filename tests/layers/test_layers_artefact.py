"""Model folders: whole or absent, verified before they are parsed, refused with the difference named."""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markets import COST, NAMES, small_config, training_set

import riposte.layers
from riposte.errors import ModelError, StorageError
from riposte.layers import artefact
from riposte.layers.learners import LEARNERS
from riposte.layers.saving import load_stack, save_stack
from riposte.layers.stack import Lineage, fit_stack

LINEAGE = Lineage("2024-05-01T12:00:00Z", "0.1.0", "a test", "[settings]")
UNSEEN = training_set(50, seed=1)
STACK = fit_stack(training_set(600), small_config())
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "models" / "first"
    save_stack(STACK, place, LINEAGE)
    return place


def edit_manifest(
    folder: Path, change: Callable[[dict[str, Any]], Any], *, seal: bool = True
) -> None:
    """Change the manifest as someone would who knows the format."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if seal:
        content = {key: value for key, value in manifest.items() if key != "seal"}
        text = json.dumps(content, sort_keys=True)
        manifest["seal"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(manifest))


def test_the_manifest_says_what_a_person_needs_to_know(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["features"] == list(NAMES)
    assert manifest["feature_version"] == "v1"
    assert manifest["format_version"] == 1
    assert set(manifest["libraries"]) == {"lightgbm", "xgboost-cpu"}
    assert manifest["training"]["rows"] == 600
    assert manifest["scores"]["signal"]["log_loss"] == STACK.scores["signal"].log_loss
    assert manifest["lineage"]["created"] == LINEAGE.created
    for name, listed in manifest["files"].items():
        payload = (folder / name).read_bytes()
        assert listed == {
            "sha256": hashlib.sha256(payload).hexdigest(),
            "bytes": len(payload),
        }


def test_a_loaded_stack_is_the_saved_one(folder: Path) -> None:
    loaded = load_stack(folder, NAMES, "v1")
    widths = np.full(len(UNSEEN), 0.02)
    one = STACK.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    other = loaded.signals(UNSEEN.features, widths, widths, COST, UNSEEN.time)
    for name in (
        "direction",
        "confidence",
        "probabilities",
        "regime",
        "regime_probabilities",
        "abstention",
    ):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert loaded.describe() == {**STACK.describe(), "lineage": loaded.describe()["lineage"]}
    assert loaded.lineage == LINEAGE


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    save_stack(STACK, tmp_path / "second", LINEAGE)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()}


def test_a_newer_stack_replaces_an_older_one_whole(folder: Path) -> None:
    single = fit_stack(training_set(600), small_config("lightgbm"))
    save_stack(single, folder, LINEAGE)
    assert not (folder / "signal.xgboost.json").exists()
    assert load_stack(folder, NAMES).describe()["models"]["signal"] == ["lightgbm"]
    assert [path.name for path in folder.parent.iterdir()] == ["first"]


def test_a_disk_that_fills_leaves_the_older_model_and_no_half_of_the_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(path: Path, payload: bytes) -> None:
        path.write_bytes(payload[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artefact, "_write", full)
    with pytest.raises(StorageError, match="cannot be written: No space left on device"):
        save_stack(STACK, folder, Lineage("later"))
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [path.name for path in folder.parent.iterdir()] == ["first"]


def test_a_rename_that_fails_puts_the_older_model_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.rename
    calls: list[Path] = []

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(StorageError, match="Input/output error"):
        save_stack(STACK, folder, Lineage("later"))
    assert load_stack(folder, NAMES).lineage == LINEAGE
    assert [path.name for path in folder.parent.iterdir()] == ["first"]


def test_a_folder_that_holds_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter.txt").write_text("dear")
    with pytest.raises(StorageError, match="exists and is not a model"):
        save_stack(STACK, tmp_path / "precious", LINEAGE)
    assert (tmp_path / "precious" / "letter.txt").read_text() == "dear"


def damage(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    payload[len(payload) // 2] ^= 1
    path.write_bytes(payload)


REFUSALS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a flipped bit in a model": (
        lambda f: damage(f / "signal.xgboost.json"),
        "signal.xgboost.json is damaged",
    ),
    "another calibration": (
        lambda f: (f / "fitted.json").write_text("{}"),
        "fitted.json is damaged",
    ),
    "a missing file": (
        lambda f: (f / "regime.lightgbm.txt").unlink(),
        "regime.lightgbm.txt is missing",
    ),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "is not a model"),
    "half a manifest": (
        lambda f: (f / "manifest.json").write_text((f / "manifest.json").read_text()[:99]),
        "the manifest is not JSON",
    ),
    "an edited manifest": (
        lambda f: edit_manifest(f, lambda m: m["features"].reverse(), seal=False),
        "was changed after it was written",
    ),
    "a later format": (
        lambda f: edit_manifest(f, lambda m: m.update(format_version=2)),
        "has format version 2, this program reads 1",
    ),
    "another major version of a library": (
        lambda f: edit_manifest(f, lambda m: m["libraries"].update(lightgbm="3.3.5")),
        "written by lightgbm 3.3.5",
    ),
    "a library that is absent": (
        lambda f: edit_manifest(f, lambda m: m["libraries"].update(tabnet="4.1")),
        "needs tabnet 4.1, which is absent",
    ),
    "a file outside the folder": (
        lambda f: edit_manifest(f, lambda m: m["files"].update({"../letter.txt": {}})),
        "impossible file '../letter.txt'",
    ),
    "an unknown learner": (
        lambda f: edit_manifest(f, lambda m: m["layers"]["signal"][0].update(learner="oracle")),
        "the manifest is incomplete: KeyError 'oracle'",
    ),
    "another kind of model": (
        lambda f: edit_manifest(f, lambda m: m.update(kind="policy")),
        "is a policy, not a decision-stack",
    ),
    "other regimes": (
        lambda f: edit_manifest(f, lambda m: m["classes"]["regime"].reverse()),
        "knows other regimes",
    ),
    "nothing about its training": (
        lambda f: edit_manifest(f, lambda m: m.pop("training")),
        "the manifest is incomplete: KeyError 'training'",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_folder_that_does_not_fit_is_refused_in_one_sentence(what: str, folder: Path) -> None:
    spoil, said = REFUSALS[what]
    spoil(folder)
    with pytest.raises(ModelError, match=said) as refusal:
        load_stack(folder, NAMES, "v1")
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    "payload", [b"", b"not a model", b"\x80\x04N.", b"{}", b'{"learner": 3}', b"[]", b"tree\n"]
)
def test_a_payload_that_is_no_model_is_refused(name: str, payload: bytes) -> None:
    with pytest.raises(ModelError, match=r"not an? (LightGBM |XGBoost |CatBoost )?model"):
        LEARNERS[name]().load(payload)


def is_pickle(payload: bytes) -> bool:
    """Whether the bytes are a pickle from start to stop."""
    try:
        for _ in pickletools.genops(payload):
            pass
    except (ValueError, IndexError):
        return False
    return True


def test_no_file_of_a_model_is_a_pickle(folder: Path) -> None:
    assert is_pickle(pickle.dumps({"a": 1}))
    assert len(list(folder.iterdir())) == 5
    for path in folder.iterdir():
        assert not is_pickle(path.read_bytes()), path.name


def test_loading_a_model_unpickles_nothing(folder: Path) -> None:
    """The interpreter itself says when anything is unpickled, by whatever library."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from riposte.layers.saving import load_stack\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if 'pickle' in event else None)\n"
        f"load_stack(Path({str(folder)!r}), {NAMES!r}, 'v1')\n"
        "import pickle\n"
        "before = len(seen)\n"
        "pickle.loads(pickle.dumps(Path))\n"
        "print(before, len(seen) > before)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["0", "True"]


def test_no_source_file_of_the_product_can_unpickle() -> None:
    package = Path(riposte.layers.__file__).parent.parent
    sources = list(package.rglob("*.py"))
    assert len(sources) > 20
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            used = {name.split(".")[0] for name in names} & UNPICKLERS
            assert not used, f"{path} imports {used}"
            allows = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
            assert not allows, f"{path} mentions allow_pickle"
