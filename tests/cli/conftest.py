"""Running the installed command as a user does, in an empty folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from console import COMMAND, Riposte, environment


@pytest.fixture
def riposte(tmp_path: Path) -> Riposte:
    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return call
