"""The archive on a real local socket: its layout, ranges and checksums, and faults on demand."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from archive_files import checksum

from riposte.sources.archive.layout import ArchiveFile, archive_file


@dataclass
class Archive:
    """What it serves, what it does wrong, and what it was asked for.

    ``made`` gives a file's content or None. Faults count down: ``cut[path] = 2`` breaks the connection
    in the middle of the next two answers for that path.
    """

    made: Callable[[ArchiveFile], bytes | None]
    cut: Counter[str] = field(default_factory=Counter)
    refuse: dict[str, list[int]] = field(default_factory=dict)  # path to statuses, one each time
    spoil: Counter[str] = field(default_factory=Counter)  # one byte is wrong
    bad_checksum: set[str] = field(default_factory=set)
    retry_after: str = "0.05"
    chunk: int = 1 << 16
    pause_s: float = 0.0  # between chunks
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and Range
    content: dict[str, bytes | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, path: str) -> bytes | None:
        name = path.rsplit("/", 1)[-1]
        if name.endswith(".CHECKSUM"):
            content = self.get(path.removesuffix(".CHECKSUM"))
            if content is None:
                return None
            name = name.removesuffix(".CHECKSUM")
            return checksum(b"other" if name in self.bad_checksum else content, name)
        with self.lock:
            if path not in self.content:
                file = archive_file(name, path.split("/")[4])
                known = file is not None and file.path == path
                self.content[path] = self.made(file) if file and known else None
            return self.content[path]

    def files_asked(self) -> list[str]:
        """The names of the zips that were asked for, in order."""
        paths = [path.rsplit("/", 1)[-1] for path, _ in self.asked]
        return [name for name in paths if name.endswith(".zip")]


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            wanted = self.headers.get("Range", "")
            with archive.lock:
                archive.asked.append((path, wanted))
                status = archive.refuse.get(path, [])
                refused = status.pop(0) if status else 0
                cut = archive.cut[path] > 0
                archive.cut[path] -= cut
                spoil = archive.spoil[path] > 0
                archive.spoil[path] -= spoil
            if refused:
                self._answer(refused, b"no", {"Retry-After": archive.retry_after})
                return
            content = archive.get(path)
            if content is None:
                self._answer(404, b"no such key", {})
                return
            if spoil:
                content = content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]
            first = int(wanted[6:-1]) if wanted and archive.ranges else 0
            if first >= len(content):
                self._answer(416, b"", {})
                return
            code = 206 if wanted and archive.ranges else 200
            self._answer(code, content[first:], {}, cut=cut)

        def _answer(
            self, code: int, body: bytes, headers: dict[str, str], *, cut: bool = False
        ) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            sent = body[: len(body) // 2] if cut else body
            try:
                for first in range(0, len(sent), archive.chunk):
                    self.wfile.write(sent[first : first + archive.chunk])
                    if archive.pause_s:
                        time.sleep(archive.pause_s)
            except OSError:
                self.close_connection = True
            if cut:
                self.close_connection = True

    return Handler


@contextmanager
def serving(archive: Archive) -> Iterator[str]:
    """The address of a server of the archive, for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(archive))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
