"""Draws of null tests, kept so that none is made twice: one file each, whole or not there.

Several processes may draw into one folder. A draw is its bytes; what they mean is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from riposte.errors import DataError
from riposte.stores.disk import explained, replace_durably


@dataclass(frozen=True, slots=True)
class NullDraws:
    """The draws of one study: a folder named after ``key``, what decides their numbers."""

    folder: Path
    key: str

    @property
    def place(self) -> Path:
        """Where they lie."""
        return self.folder / self.key

    def names(self) -> tuple[str, ...]:
        """Names of the draws that are kept, sorted."""
        return tuple(sorted(path.stem for path in self.place.glob("*.json")))

    def read(self, name: str) -> bytes:
        """One draw.

        Raises:
            StorageError: if it cannot be read.
        """
        path = self._path(name)
        with explained(path, "read"):
            return path.read_bytes()

    def keep(self, name: str, content: bytes) -> None:
        """Write one draw; an interruption leaves it whole or absent.

        Raises:
            StorageError: if it cannot be written.
        """
        with explained(self._path(name), "written"):
            self.place.mkdir(parents=True, exist_ok=True)
            replace_durably(self._path(name), content)

    def damaged(self, name: str, why: DataError) -> DataError:
        """What to say of a draw that makes no sense."""
        return DataError(
            f"{self._path(name)} cannot be used: {why.message}",
            hint="delete this file: the draw is made again when it is asked for",
        )

    def _path(self, name: str) -> Path:
        return self.place / f"{name}.json"
