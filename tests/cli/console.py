"""Running the installed command as a user does, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

Riposte = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = [sys.executable, "-m", "riposte.cli.main"]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RIPOSTE")}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **more}
