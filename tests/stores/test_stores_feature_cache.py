"""The feature cache gives what would be computed, computes nothing twice and serves nothing stale."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riposte.errors import StorageError
from riposte.features.catalogue import FeatureSpec, names
from riposte.features.matrix import build_matrix, feature_values
from riposte.market.frame import MarketFrame, make_frame
from riposte.market.interval import HOUR_NS, INTERVALS
from riposte.stores import feature_cache
from riposte.stores.feature_cache import FeatureCache

HOUR = INTERVALS["1h"]
WANTED = ("log_return_4h", "log_return_24h", "rsi")


def market(rows: int = 600, seed: int = 1) -> MarketFrame:
    chance = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(chance.normal(0, 0.01, rows)))
    opened = np.append(100.0, close[:-1])
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) + 0.5,
        "low": np.minimum(opened, close) - 0.5,
        "close": close,
        "volume": chance.uniform(1, 2, rows),
    }
    return make_frame("BTCUSDT", HOUR, 480_000 * HOUR_NS + np.arange(rows) * HOUR_NS, columns)


def with_column(frame: MarketFrame, name: str, values: np.ndarray) -> MarketFrame:
    return replace(frame, columns={**frame.columns, name: values})


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the features that are really computed."""
    seen: list[str] = []

    def noted(spec: FeatureSpec, frame: MarketFrame) -> np.ndarray:
        seen.append(spec.name)
        return feature_values(spec, frame)

    monkeypatch.setattr(feature_cache, "feature_values", noted)
    return seen


def available(frame: MarketFrame) -> tuple[str, ...]:
    return names(frame.interval, [name for name in frame.columns if frame.has(name)])


def test_the_matrix_is_the_computed_one_bit_for_bit(tmp_path: Path) -> None:
    frame = market()
    wanted = available(frame)
    plain = build_matrix(frame, wanted)
    for _ in range(2):
        cached = FeatureCache(tmp_path)(frame, wanted)
        assert cached.names == plain.names
        assert cached.version == plain.version
        assert cached.values.tobytes() == plain.values.tobytes()
        assert np.array_equal(cached.ready, plain.ready)


def test_nothing_is_computed_twice(tmp_path: Path, computed: list[str]) -> None:
    frame = market()
    wanted = available(frame)
    FeatureCache(tmp_path)(frame, wanted[:40])
    FeatureCache(tmp_path)(frame, wanted[:50])  # a few more: only they are computed
    FeatureCache(tmp_path)(frame, wanted[:50][::-1])
    assert sorted(computed) == sorted(wanted[:50])


def test_a_corrected_column_makes_anew_what_reads_it_and_nothing_else(
    tmp_path: Path, computed: list[str]
) -> None:
    frame = market()
    wanted = available(frame)
    cache = FeatureCache(tmp_path)
    cache(frame, wanted)
    computed.clear()
    volume = frame["volume"].copy()
    volume[300] *= 1.5
    changed = with_column(frame, "volume", volume)
    fresh = cache(changed, wanted)
    assert np.array_equal(fresh.values, build_matrix(changed, wanted).values, equal_nan=True)
    assert computed
    assert "log_return_4h" not in computed


def test_the_same_rows_with_another_gap_are_another_thing(
    tmp_path: Path, computed: list[str]
) -> None:
    frame = market()
    cache = FeatureCache(tmp_path)
    cache(frame, WANTED[:1])
    later = frame.open_time.copy()
    later[400:] += HOUR_NS
    gapped = make_frame("BTCUSDT", HOUR, later, dict(frame.columns))
    assert np.isnan(cache(gapped, WANTED[:1]).values[400:404]).all()
    assert len(computed) == 2


def test_another_symbol_with_the_same_content_may_share(
    tmp_path: Path, computed: list[str]
) -> None:
    frame = market()
    FeatureCache(tmp_path)(frame, WANTED[:1])
    FeatureCache(tmp_path)(replace(frame, symbol="ETHUSDT"), WANTED[:1])
    assert len(computed) == 1


def test_code_and_libraries_are_part_of_the_key(
    tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = market()
    FeatureCache(tmp_path)(frame, WANTED[:1])
    monkeypatch.setattr(feature_cache, "_machinery", lambda: "another numba")
    FeatureCache(tmp_path)(frame, WANTED[:1])
    assert len(computed) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, computed: list[str], damage: str) -> None:
    frame = market()
    cache = FeatureCache(tmp_path)
    whole = cache(frame, WANTED[:1])
    (path,) = tmp_path.rglob("*.f8")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[1000] ^= 1
    path.write_bytes({"cut": bytes(content[:-8]), "empty": b""}.get(damage, bytes(content)))
    again = cache(frame, WANTED[:1])
    assert again.values.tobytes() == whole.values.tobytes()
    assert len(computed) == 2


def test_what_was_used_longest_ago_goes_first(tmp_path: Path, computed: list[str]) -> None:
    frame = market()
    size = 8 * len(frame) + 20
    cache = FeatureCache(tmp_path, room=2 * size)
    for number, name in enumerate(("log_return_4h", "log_return_24h")):
        cache(frame, [name])
        newest = max(tmp_path.rglob("*.f8"), key=lambda p: p.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    cache(frame, ["log_return_4h"])  # used: now it is the younger
    third = next(name for name in available(frame) if name not in WANTED)
    cache(frame, [third])
    computed.clear()
    cache(frame, ["log_return_4h", third])
    assert computed == []
    cache(frame, ["log_return_24h"])
    assert computed == ["log_return_24h"]


def test_two_processes_fill_one_cache(tmp_path: Path) -> None:
    script = """
        import sys
        sys.path.insert(0, sys.argv[2])
        from pathlib import Path
        from test_stores_feature_cache import FeatureCache, available, market
        frame = market()
        FeatureCache(Path(sys.argv[1]))(frame, available(frame))
    """
    command = [
        sys.executable, "-c", textwrap.dedent(script), str(tmp_path), str(Path(__file__).parent)
    ]  # fmt: skip
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    frame = market()
    wanted = available(frame)
    assert len(list(tmp_path.rglob("*.f8"))) == len(wanted)
    assert not list(tmp_path.rglob("*.tmp"))
    cached = FeatureCache(tmp_path)(frame, wanted)
    assert cached.values.tobytes() == build_matrix(frame, wanted).values.tobytes()


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be") as told:
        FeatureCache(tmp_path / "file")(market(), WANTED[:1])
    assert "feature_cache_gb = 0" in told.value.hint
