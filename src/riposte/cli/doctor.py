"""``riposte doctor``: is everything here that the other verbs need?"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path

import typer

import riposte
from riposte.cli.display import out, print_json, table
from riposte.cli.options import ConfigFiles, Given, Json
from riposte.compiled import cache_root
from riposte.errors import StorageError

LIBRARIES = ("numpy", "numba", "polars", "pyarrow", "TA-Lib", "lightgbm", "xgboost-cpu", "pydantic")
_LEAST_FREE_BYTES = 500_000_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def findings(config: list[Path] | None) -> list[tuple[str, bool, str]]:
    """(what, whether it is fine, in words)."""
    settings = Given(config=config).load().settings
    lake = settings.data.lake
    place = next(p for p in (lake, *lake.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    archive = settings.data.archive
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return [
        ("riposte", True, f"{riposte.__version__}, preset {settings.preset}"),
        (
            "python",
            True,
            f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        ),
        ("cores", True, str(os.cpu_count())),
        ("libraries", True, versions),
        ("disk", free > _LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free for {lake}"),
        (
            "lake",
            os.access(place, os.W_OK),
            f"{lake} can be written" if os.access(place, os.W_OK) else f"{place} cannot be written",
        ),
        ("compiled code", True, str(cache_root())),
        (
            "archive",
            archive is None or archive.is_dir(),
            "none named: RIPOSTE_ARCHIVE or data.archive names a folder of recorded history"
            if archive is None
            else f"{archive}{'' if archive.is_dir() else ' is not a folder'}",
        ),
    ]


def doctor(config: ConfigFiles = None, json: Json = False) -> None:
    """Check Python, libraries, disk, folders and the archive."""
    found = findings(config)
    if json:
        print_json({what: {"fine": fine, "detail": detail} for what, fine, detail in found})
    else:
        rows = [(what, "ok" if fine else "[red]PROBLEM[/]", detail) for what, fine, detail in found]
        out.print(table("", ("check", "", "detail"), rows, right=9))
    problems = [what for what, fine, _ in found if not fine]
    if problems:
        raise StorageError(f"not ready: {', '.join(problems)}")
