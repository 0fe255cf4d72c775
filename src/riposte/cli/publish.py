"""Putting a study before people: report files, the terminal summary, the settings as text."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from riposte.cli.display import out
from riposte.errors import StorageError
from riposte.proof.report import as_json, evidence, render, summary_table
from riposte.proof.results import Study
from riposte.settings.load import Loaded, flatten


def settings_text(loaded: Loaded) -> str:
    """The effective settings as TOML lines, each with where it came from."""
    lines, section = [], ""
    for key, value in flatten(loaded.settings.model_dump(mode="json")).items():
        head, _, name = key.rpartition(".")
        if head != section:
            lines += ["", f"[{head}]"]
            section = head
        if value is None:
            lines.append(f"# {name}: {'by the interval' if section == 'barriers' else 'none'}")
            continue
        shown = orjson.dumps(
            value
        ).decode()  # of strings, numbers and lists of them TOML is the same
        lines.append(f"{name} = {shown}  # {loaded.sources.get(key, 'default')}")
    return "\n".join(lines).strip()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all.

    Raises:
        StorageError: if it cannot be written; what was there before is unchanged.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="free some space or choose another report.folder; what was there is unchanged",
        ) from error


def check_writable(folder: Path) -> None:
    """Refuse a report folder that cannot be written before minutes are spent on a study.

    Raises:
        StorageError: saying which folder and what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise StorageError(
            f"reports cannot be written to {folder}", hint="choose another report.folder"
        )


def write_report(study: Study, folder: Path, name: str) -> Path:
    """Write ``name.html`` and ``name.json``; returns the path of the HTML file."""
    path = folder / f"{name}.html"
    write_atomically(path.with_suffix(".json"), as_json(study))
    write_atomically(path, render(study).encode())
    return path


def print_summary(study: Study, path: Path, *, json: bool) -> None:
    """The outcome in the terminal, or as JSON."""
    if json:
        out.file.write(as_json(study).decode() + "\n")
        return
    out.print(summary_table(study, evidence(study)))
    out.print(f"\nReport: {path}")
