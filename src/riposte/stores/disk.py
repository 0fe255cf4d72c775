"""Writing to a disk so that nothing is lost: whole files or none, one writer at a time, faults in words."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from riposte.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_durably(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a new file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, content: bytes | pa.Buffer) -> None:
    """Put the content in the place of the file: readers see the old or the new, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_durably(temporary, content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make renames in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Threads of one process queue here, where waiting is not polling, before one asks for the file lock.
_queues: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


@contextlib.contextmanager
def locked(folder: Path, timeout_s: float) -> Iterator[None]:
    """The folder for this writer alone, in this process and among all others.

    Raises:
        StorageError: if another writer does not end in time.
    """
    late = StorageError(
        f"{folder} is being written by another process for more than {timeout_s:g} s",
        hint="wait for it to finish, or end it",
    )
    queue = _queues[folder.resolve()]
    if not queue.acquire(timeout=timeout_s):
        raise late
    try:
        with FileLock(folder / ".lock", timeout=timeout_s, poll_interval=0.01):
            yield
    except Timeout:
        raise late from None
    finally:
        queue.release()


@contextlib.contextmanager
def explained(path: Path, done: str) -> Iterator[None]:
    """Turn what the disk or Parquet says into one sentence about ``path``."""
    try:
        yield
    except pa.ArrowException as error:
        raise damaged(path) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(
                f"the disk is full: {path} could not be {done}, what was stored before is unchanged",
                hint="free some space and run again",
            ) from error
        if isinstance(error, PermissionError):
            raise StorageError(
                f"no permission: {path} could not be {done}",
                hint="check the owner and the rights of the folder",
            ) from error
        if error.errno is None:  # Parquet reports a damaged page without an error number
            raise damaged(path) from error
        raise StorageError(
            f"{path} could not be {done}: {(error.strerror or str(error)).lower()}"
        ) from error


class DamagedFileError(StorageError):
    """A file that cannot be understood; ``path`` is which."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is damaged and cannot be read",
            hint="riposte data download sets it aside and fetches its month again; if it came from "
            "elsewhere, delete this one file and import it again (other months are not affected)",
        )
        self.path = path


def damaged(path: Path) -> DamagedFileError:
    """What to say of a file that cannot be understood."""
    return DamagedFileError(path)
