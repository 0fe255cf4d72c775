"""What a PostgreSQL server or the way to it can refuse, in words for the person who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from riposte.errors import StorageError

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Failure:
    """``what`` could not be ``done`` at ``address``; whether the connection is ``lost``."""

    address: str
    what: str
    done: str
    lock_timeout_s: float
    lost: bool


def refused(error: psycopg.Error, address: str) -> StorageError:
    """What to say where no connection could be made.

    A server gives no SQLSTATE at that point, only a text, which it may give in another language.
    """
    text = str(error)
    pgconn = error.pgconn
    asked = pgconn is not None and (pgconn.used_password or pgconn.needs_password)
    if asked or "password" in text:
        return StorageError(
            f"PostgreSQL at {address} did not accept the user or the password",
            hint="check both in the database's address",
        )
    if "FATAL" not in text:
        return StorageError(
            f"no PostgreSQL server answers at {address}",
            hint="start it, or correct the address",
        )
    said = text.splitlines()[0].rsplit("FATAL:", 1)[-1].strip()
    hint = "correct the address, or ask who runs the server"
    if said.startswith("database ") and said.endswith("does not exist"):
        hint = "make it (createdb) or correct the name in the address"
    return StorageError(f"PostgreSQL at {address} refused the connection: {said}", hint=hint)


def explained(error: psycopg.Error, failure: Failure) -> StorageError:
    """What to say where a statement failed."""
    code = error.sqlstate or ""
    failed = f"{failure.what} could not be {failure.done}"
    if failure.lost or code[:2] == "08" or code in {"57P01", "57P02", "57P03"}:
        return StorageError(
            f"the connection to PostgreSQL at {failure.address} was lost: {failed}",
            hint="run again when the server is back: a write is there whole or not at all",
        )
    if code == "55P03":
        return StorageError(
            f"{failure.what} is being written by another process "
            f"for more than {failure.lock_timeout_s:g} s",
            hint="wait for it to finish, or end it",
        )
    reason, hint = _REASONS.get(code) or _REASONS.get(code[:2]) or ("", "")
    said = (error.diag.message_primary or str(error)).splitlines()[0]
    unchanged = ", what was stored before is unchanged" if failure.done == "written" else ""
    return StorageError(
        f"{reason or said}: {failed} in PostgreSQL at {failure.address}{unchanged}", hint=hint
    )


# By SQLSTATE, or by its class, the first two characters.
_REASONS: Mapping[str, tuple[str, str]] = {
    "53100": ("the server's disk is full", "free some space there and run again"),
    "53": ("the server is out of memory or connections", "free some and run again"),
    "25006": ("the database is read-only", "use the primary server, or allow writing"),
    "42501": (
        "no permission",
        "grant the user the schema riposte and its tables, or use the owner",
    ),
    "42P01": ("Riposte's tables are not there", "let them be made anew: start again"),
    "42703": ("Riposte's tables are not as they were made", "start again to have them mended"),
    "23505": ("rows were written past Riposte", "write through Riposte only, then run again"),
    "40": ("other work on the database was in the way", "run again"),
    "57014": ("the statement was stopped", "raise the server's statement_timeout, or run again"),
    "58": ("the server met a fault of its disk", "look into the server's log"),
    "XX001": ("the database is damaged", "restore it from a backup"),
    "XX002": ("an index of the database is damaged", "run REINDEX SCHEMA riposte"),
}
