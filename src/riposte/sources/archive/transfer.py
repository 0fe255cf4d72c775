"""Fetching one file of the archive: resumed where it was cut, verified before anybody reads it.

A file is written to ``<name>.part`` and renamed when its SHA-256 is the one the archive states. After
a kill the part is continued from its last byte.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from riposte.errors import DataError, ExchangeError, StorageError
from riposte.sources.archive.layout import ArchiveFile

_CHECKSUM = re.compile(rb"\s*([0-9a-fA-F]{64})\s+\*?(\S+)\s*")
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_WAIT_S = 120.0

Received = Callable[[int], None]
"""Told the number of bytes as they arrive."""


class StoppedError(Exception):
    """The transfer was asked to stop; what has arrived stays for the next time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A verified file on this disk."""

    path: Path
    checksum: str


@dataclass(slots=True)
class Transfer:
    """A way to the archive at ``url``, with files arriving in ``folder``. Safe to use from threads.

    ``tries``: how often a request is made before its failure is told. ``chunk``: bytes written at a
    time, the most that a cut can lose. ``stop`` ends all of it.
    """

    url: str
    folder: Path
    tries: int = 6
    first_wait_s: float = 0.5
    timeout_s: float = 30.0
    chunk: int = 1 << 16
    stop: threading.Event = field(default_factory=threading.Event)
    received: Received = lambda size: None
    _own: threading.local = field(default_factory=threading.local)

    def fetch(self, file: ArchiveFile) -> Fetched | None:
        """The file, verified; None if the archive does not have it.

        Raises:
            ExchangeError: if the archive cannot be reached or goes on failing.
            DataError: if what it gives never fits its checksum.
            StorageError: if the disk is full or the folder cannot be written.
            StoppedError: if the transfer was stopped.
        """
        checksum = self.checksum(file)
        if checksum is None:
            return None
        try:
            return self._fetched(file, checksum)
        except OSError as error:
            raise StorageError(
                f"{self.folder} could not be written: {(error.strerror or str(error)).lower()}",
                hint="make room there and run the same again: what is stored is whole",
            ) from error

    def _fetched(self, file: ArchiveFile, checksum: str) -> Fetched | None:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        if path.is_file():
            if _sha256(path) == checksum:
                return Fetched(path, checksum)
            path.unlink()
        for _ in range(3):
            if not self._download(file, part):
                return None
            if _sha256(part) == checksum:
                part.replace(path)
                return Fetched(path, checksum)
            part.unlink()  # it was another version, or it was damaged on the way: all of it again
        raise DataError(
            f"{file.name} does not fit its checksum, three times over",
            hint="the archive is being changed, or something on the way alters files: try later",
        )

    def checksum(self, file: ArchiveFile) -> str | None:
        """The SHA-256 that the archive states for the file; None if it does not have the file."""
        content = self._request(f"{file.path}.CHECKSUM", _whole_body)
        if content is None:
            return None
        match = _CHECKSUM.fullmatch(content)
        if match is None or match[2].decode(errors="replace") != file.name:
            raise DataError(
                f"{file.name}.CHECKSUM is not a checksum of that file",
                hint="something between here and the archive answers in its place",
            )
        return match[1].decode().lower()

    def _download(self, file: ArchiveFile, part: Path) -> bool:
        """Bring the part up to the whole; False if the archive does not have the file."""

        def body(answer: Any) -> bool:
            held = part.stat().st_size if part.exists() else 0
            if (
                answer.status_code == 416
            ):  # nothing after what is here: it is whole, or another file
                return True
            resumed = answer.status_code == 206 and held > 0
            with part.open("ab" if resumed else "wb") as out:
                for chunk in answer.iter_content(self.chunk):
                    out.write(chunk)
                    self.received(len(chunk))
                    if self.stop.is_set():
                        raise StoppedError
            return True

        return bool(self._request(file.path, body, part))

    def _request(
        self, path: str, read: Callable[[Any], Any], part: Path | None = None
    ) -> Any | None:
        """What ``read`` makes of the answer, tried again while that may help; None for 404."""
        import requests

        reason = ""
        for attempt in range(self.tries):
            if self.stop.is_set():
                raise StoppedError
            wait = min(self.first_wait_s * 2**attempt, _LONGEST_WAIT_S)
            held = part.stat().st_size if part and part.exists() else 0
            headers = {"Range": f"bytes={held}-"} if held else {}
            try:
                with self._session().get(
                    f"{self.url.rstrip('/')}/{path}",
                    headers=headers,
                    stream=True,
                    timeout=(min(self.timeout_s, 10.0), self.timeout_s),
                ) as answer:
                    if answer.status_code == 404:
                        return None
                    if answer.status_code in (200, 206, 416):
                        return read(answer)
                    reason = f"it answers {answer.status_code}"
                    if answer.status_code not in _AGAIN:
                        break
                    wait = _retry_after(answer.headers.get("Retry-After"), wait)
            except requests.exceptions.RequestException as error:
                reason = _in_words(error)
            if attempt + 1 < self.tries and self.stop.wait(wait):
                raise StoppedError
        raise ExchangeError(
            f"{self.url} cannot serve {path.rsplit('/', 1)[-1]}: {reason}",
            hint="run the same again later: what has arrived is kept",
        )

    def _session(self) -> Any:
        """One connection for each thread."""
        import requests

        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.headers["Accept-Encoding"] = "identity"
        return self._own.session


def _whole_body(answer: Any) -> bytes:
    content: bytes = answer.content
    return content


def _retry_after(stated: str | None, otherwise: float) -> float:
    """The seconds that a Retry-After header asks for, at most two minutes."""
    try:
        return min(float(stated or otherwise), _LONGEST_WAIT_S)
    except ValueError:  # a date: rare, and a fixed wait does
        return otherwise


def _in_words(error: Exception) -> str:
    import requests

    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ReadTimeout):
        return "it does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refuses"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke in the middle"
    return "no connection"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
