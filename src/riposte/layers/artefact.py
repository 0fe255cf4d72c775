"""Model files are data, not code: a folder of native files and a manifest that describes them.

::

    model/
      manifest.json       what it is, what it was trained on, the sha256 of every other file and its own
      regime.txt          LightGBM's text, XGBoost's JSON ...

A folder is written beside its place under a temporary name and renamed into it: a reader finds a whole
model or none. Reading checks the format version, every hash and the major versions of the libraries
before a single byte is parsed as a model. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from riposte.errors import ModelError, StorageError

FORMAT = "riposte-model"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_FILE_NAME = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A model folder's content: ``about`` is plain JSON, ``files`` are payloads by file name."""

    about: Mapping[str, Any]
    files: Mapping[str, bytes]


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution."""
    return {name: metadata.version(name) for name in sorted(set(libraries))}


def write_artefact(folder: Path, artefact: Artefact, libraries: Iterable[str]) -> None:
    """Write the artefact as ``folder``; an earlier model there is replaced as a whole.

    Raises:
        StorageError: if the folder holds something else, or the disk refuses; what was there stays.
    """
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise StorageError(f"{folder} exists and is not a model: choose another folder")
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "libraries": library_versions(libraries),
        "files": {
            name: {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload)}
            for name, payload in sorted(artefact.files.items())
        },
        **artefact.about,
    }
    manifest["seal"] = _seal(manifest)
    text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False) + "\n"
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, payload in artefact.files.items():
            _write(made / name, payload)
        _write(made / MANIFEST, text.encode())
        made.chmod(0o755)  # mkdtemp's 0700 is for secrets
        _put_in_place(made, folder)
    except OSError as error:
        raise StorageError(f"model {folder} cannot be written: {error.strerror}") from error
    finally:
        if made is not None and made.exists():
            shutil.rmtree(made, ignore_errors=True)


def read_artefact(folder: Path) -> Artefact:
    """Read and verify a model folder.

    Raises:
        ModelError: if it is no model, of another format version, damaged, or written by another major
            version of a library; the message names the difference.
        StorageError: if a file cannot be read.
    """
    manifest = _read_manifest(folder)
    _check_libraries(folder, manifest.get("libraries"))
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise ModelError(f"model {folder}: the manifest lists no files")
    files: dict[str, bytes] = {}
    for name, expected in listed.items():
        if not _FILE_NAME.fullmatch(name) or name.startswith("."):
            raise ModelError(f"model {folder}: the manifest names the impossible file {name!r}")
        payload = _read(folder / name, f"model {folder}: file {name} is missing")
        found = hashlib.sha256(payload).hexdigest()
        wanted = expected.get("sha256") if isinstance(expected, dict) else None
        if found != wanted:
            raise ModelError(
                f"model {folder}: {name} is damaged, its sha256 is {found[:12]}..., "
                f"the manifest says {str(wanted)[:12]}..."
            )
        files[name] = payload
    own = {"format", "format_version", "libraries", "files", "seal"}
    return Artefact({key: manifest[key] for key in manifest if key not in own}, files)


def _read_manifest(folder: Path) -> dict[str, Any]:
    raw = _read(folder / MANIFEST, f"{folder} is not a model: it has no {MANIFEST}")
    try:
        manifest = json.loads(raw)
    except (UnicodeDecodeError, ValueError) as error:
        raise ModelError(f"model {folder}: the manifest is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"{folder} is not a model: its manifest is not of format {FORMAT!r}")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"model {folder} has format version {version}, this program reads {FORMAT_VERSION}",
            hint="train again, or use the program that wrote it",
        )
    if manifest.get("seal") != _seal(manifest):
        raise ModelError(f"model {folder}: the manifest was changed after it was written")
    return manifest


def _seal(manifest: Mapping[str, Any]) -> str:
    """Hash of the manifest without its seal: damage shows. It is no protection against malice."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_libraries(folder: Path, wanted: Any) -> None:
    if not isinstance(wanted, dict):
        raise ModelError(f"model {folder}: the manifest lists no library versions")
    for name, version in wanted.items():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise ModelError(f"model {folder} needs {name} {version}, which is absent") from None
        if installed.split(".")[0] != str(version).split(".")[0]:
            raise ModelError(
                f"model {folder} was written by {name} {version}, {installed} is installed: "
                "the major versions differ",
                hint="train again, or install the version that wrote it",
            )


def _read(path: Path, absent: str) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(absent) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, payload: bytes) -> None:
    with path.open("wb") as file:
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(made: Path, folder: Path) -> None:
    """Rename ``made`` to ``folder``; a model there is moved aside first, and back if that fails."""
    if not folder.exists():
        made.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    folder.rename(aside / folder.name)
    try:
        made.rename(folder)
    except OSError:
        (aside / folder.name).rename(folder)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
