"""What every test may ask for: the recorded market data, where it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent

settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("house")


def recorded_data() -> Path | None:
    """The folder of recorded market data, or None where it is absent."""
    named = os.environ.get("RIPOSTE_ARCHIVE")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return folder if (folder / "klines").is_dir() else None


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Recorded market data; a test without it is skipped for a user and fails in CI."""
    folder = recorded_data()
    if folder is None:
        message = "recorded market data not found: set RIPOSTE_ARCHIVE to its folder"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a long proof first: with several workers nobody waits for one at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
