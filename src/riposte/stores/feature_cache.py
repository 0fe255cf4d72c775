"""Computed features kept by what they were computed from, so that nothing is computed twice.

A feature's key is a hash of everything that decides its values: the times and the very columns it
reads, the bar size, its definition, and the versions of the code and libraries that compute it. Data
that was corrected, a feature that was edited or a library that was upgraded has another key, so
nothing stale can be served; what nobody asks for any more is the first to go when room is short.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numba
import numpy as np
from isal import isal_zlib

import riposte
from riposte.compiled import room_fingerprint
from riposte.errors import StorageError
from riposte.features.catalogue import FeatureSpec, catalogue
from riposte.features.matrix import FeatureMatrix, build_matrix, feature_values
from riposte.market.frame import Floats, MarketFrame, Times

_HEADER = struct.Struct("<8sQI")  # a mark, how many values follow, their checksum
_MARK = b"riposte1"


@dataclass(frozen=True, slots=True)
class FeatureCache:
    """A cache in ``folder`` of at most ``room`` bytes. Safe for several processes at once.

    ``known`` are the features it can give (None: the built-in catalogue).
    """

    folder: Path
    room: int = 4_000_000_000
    known: Mapping[str, FeatureSpec] | None = None

    @property
    def specs(self) -> Mapping[str, FeatureSpec]:
        """All features it can give."""
        return catalogue() if self.known is None else self.known

    def __call__(self, frame: MarketFrame, wanted: Iterable[str]) -> FeatureMatrix:
        """:func:`riposte.features.matrix.build_matrix`, each feature computed only if it is not here.

        Raises:
            InputError: as ``build_matrix``.
            StorageError: if the folder cannot be written.
        """
        hashes = _hashes(frame)
        made: list[int] = []
        matrix = build_matrix(
            frame, wanted, self.specs, values_of=partial(self._values, hashes, made)
        )
        if made:
            self.make_room()
        return matrix

    def make_room(self) -> int:
        """Remove the features that were used longest ago until the rest fits; how many went."""
        files = []
        an_hour_ago = time.time() - 3600
        for path in self.folder.glob("*/.*.tmp"):  # of a writer that was killed
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < an_hour_ago:
                    path.unlink()
        for path in self.folder.glob("*/*.f8"):
            with contextlib.suppress(FileNotFoundError):  # another process may be faster
                about = path.stat()
                files.append((about.st_mtime_ns, about.st_size, path))
        total = sum(size for _, size, _ in files)
        gone = 0
        for _, size, path in sorted(files):
            if total <= self.room:
                break
            path.unlink(missing_ok=True)
            total -= size
            gone += 1
        return gone

    def _values(
        self, hashes: dict[str, bytes], made: list[int], spec: FeatureSpec, frame: MarketFrame
    ) -> Floats:
        """One feature of every row, from its file or computed and put there."""
        key = _key(spec, frame, hashes)
        path = self.folder / key[:2] / f"{key}.f8"
        values = _read(path, len(frame))
        if values is None:
            values = feature_values(spec, frame)
            _write(path, values)
            made.append(len(values))
        return values


def _hashes(frame: MarketFrame) -> dict[str, bytes]:
    """The hash of each column, and of the times and gaps."""
    found = {name: _hash(values) for name, values in frame.columns.items()}
    found["close_time"] = _hash(frame.open_time)
    found["segment"] = _hash(frame.segment)
    return found


def _hash(values: Floats | Times) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).data).digest()


def _key(spec: FeatureSpec, frame: MarketFrame, hashes: dict[str, bytes]) -> str:
    digest = hashlib.sha256(
        f"{_machinery()} {spec.name} {spec.version} {frame.interval} {len(frame)}".encode()
    )
    for name in ("close_time", "segment", *spec.inputs):
        digest.update(hashes[name])
    return digest.hexdigest()


@cache
def _machinery() -> str:
    """What computes features, besides their definitions: all code they may call, and its libraries."""
    code = room_fingerprint(Path(riposte.__file__).resolve().parent / "features")
    return f"{code} numpy {np.__version__} numba {numba.__version__}"


def _read(path: Path, rows: int) -> Floats | None:
    """The values of a file; None if it is not there or is damaged (then it is removed)."""
    try:
        content = path.read_bytes()
        os.utime(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _in_words(path, "read", error) from error
    if len(content) == _HEADER.size + 8 * rows:
        mark, count, checksum = _HEADER.unpack_from(content)
        body = memoryview(content)[_HEADER.size :]
        if mark == _MARK and count == rows and checksum == isal_zlib.crc32(body):
            return np.frombuffer(body, dtype="<f8")
    path.unlink(missing_ok=True)
    return None


def _write(path: Path, values: Floats) -> None:
    """Put the values there whole or not at all. No flush: what a power cut spoils fails its checksum."""
    body = values.astype("<f8", copy=False).tobytes()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(_HEADER.pack(_MARK, len(values), isal_zlib.crc32(body)))
            file.write(body)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _in_words(path, "written", error) from error


def _in_words(path: Path, done: str, error: OSError) -> StorageError:
    return StorageError(
        f"the cached feature {path} could not be {done}: {(error.strerror or str(error)).lower()}",
        hint="make room there, name another data.feature_cache, or set data.feature_cache_gb = 0",
    )
