"""Connections to a PostgreSQL server, and the making of our tables there.

A connection serves one thread at a time and is kept for the next; one that broke is replaced. The
password in the address appears in no message.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from riposte.errors import InputError, MissingExtraError, StorageError
from riposte.market.series import KINDS
from riposte.stores.postgres_errors import Failure, explained, refused
from riposte.stores.postgres_schema import (
    LOCK,
    PRESENT_SQL,
    TIMESCALE_FROM,
    VERSION,
    columns_needed,
    policies_sql,
    retention_text,
    tables_sql,
    timescale_sql,
)

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]
    Cursor = psycopg.Cursor[tuple[Any, ...]]

_OLDEST = 140_000  # date_bin(), exact extract(); 13 and older are no longer maintained
_MOST_IDLE = 4
# A server that vanished without a word is noticed after a minute, not after two hours.
_DEFAULTS: Mapping[str, str | int] = {
    "application_name": "riposte",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# A forked child may neither use nor close its parent's connections: it only keeps them from being freed.
_inherited: list[object] = []


@dataclass(frozen=True, slots=True)
class Timescale:
    """What a database has of TimescaleDB: its version, whether under the community licence, in use."""

    version: str
    community: bool
    in_use: bool

    @property
    def recent(self) -> bool:
        """Whether this version has what we call."""
        numbers = self.version.split("-")[0].split(".")[:2]
        return tuple(int(number) for number in numbers) >= TIMESCALE_FROM


def lacking(there: Timescale | None, *, retention: bool, available: bool = False) -> str | None:
    """What is missed without (all of) TimescaleDB, in one sentence; None if nothing.

    ``available``: the server has the extension, be it in this database or not.
    """
    least = ".".join(str(number) for number in TIMESCALE_FROM)
    lost = "chunks by time, compression and candles of 5m, 15m and 1h are missing"
    if retention:
        lost += ", and old rows stay until they are trimmed"
    if there is None and available:
        return (
            "TimescaleDB is on the server but not in this database "
            f"(an administrator adds it: create extension timescaledb): everything works, {lost}"
        )
    if there is None:
        return f"this is PostgreSQL without TimescaleDB: everything works, {lost}"
    if not there.recent:
        return f"TimescaleDB {there.version} is older than {least} and not used: {lost}"
    if not there.in_use:
        return f"the tables were made before TimescaleDB was there: {lost} until they are converted"
    if not there.community:
        return "TimescaleDB has chunks by time under its Apache licence only: " + lost.removeprefix(
            "chunks by time, "
        )
    return None


class Server:
    """One database, reached through connections that are opened when they are needed."""

    def __init__(
        self, url: str, lock_timeout_s: float, retention: Mapping[str, int] | None
    ) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict
        except ImportError:
            raise MissingExtraError("psycopg", "postgres") from None
        self.lock_timeout_s = lock_timeout_s
        self._psycopg = psycopg
        self._retention = retention
        if retention:
            policies_sql(retention)  # refuses what cannot be
        try:
            given = {name: value for name, value in conninfo_to_dict(url).items() if value}
        except psycopg.Error:
            given = {}
        names = f"{given.get('host')} {given.get('dbname')}"
        if not given or (url.startswith("postgres") and "@" in names):
            raise InputError(
                "the address of the database is not understood: write it like "
                "postgresql://user:password@host:5432/name",
                hint="in a password, write @ as %40, / as %2F and : as %3A",
            )
        self._options: dict[str, Any] = {**_DEFAULTS, **given}
        self.address = (
            f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname', '')}"
        )
        self._guard = threading.Lock()
        self._idle: list[Connection] = []
        self._process = os.getpid()
        self._ready = False
        self._closing = weakref.finalize(self, _close_all, self._idle, self._process)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._guard:
            _close_all(self._idle, self._process)

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Cursor]:
        """A transaction that waits for other writers at most the lock timeout."""
        with self.connection(what, "written") as connection:
            connection.isolation_level = self._psycopg.IsolationLevel.READ_COMMITTED
            connection.read_only = None
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                self._limit_waiting(connection)
                yield cursor

    @contextlib.contextmanager
    def reading(self, what: str) -> Iterator[Cursor]:
        """A transaction that sees one state of the database throughout and waits for nobody."""
        with self.connection(what, "read") as connection:
            connection.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                yield cursor

    @contextlib.contextmanager
    def connection(self, what: str, done: str) -> Iterator[Connection]:
        """A connection for statements that are each a transaction; ``what`` could not be ``done``."""
        connection = self._taken()
        try:
            if not self._ready:
                self._prepare(connection)
                self._ready = True
            yield connection
        except self._psycopg.Error as error:
            failure = Failure(self.address, what, done, self.lock_timeout_s, connection.closed)
            raise explained(error, failure) from error
        finally:
            self._put_back(connection)

    def timescale(self, connection: Connection) -> Timescale | None:
        """What TimescaleDB there is in the database, None without it."""
        row = connection.execute(
            "select extversion, current_setting('timescaledb.license', true) from pg_extension"
            " where extname = 'timescaledb'"
        ).fetchone()
        if row is None:
            return None
        used = connection.execute(
            "select count(*) from timescaledb_information.hypertables"
            " where hypertable_schema = 'riposte'"
        ).fetchone()
        return Timescale(row[0], row[1] != "apache", bool(used and used[0]))

    def notice(self, connection: Connection) -> str | None:
        """What the database lacks of TimescaleDB, in one sentence."""
        there = self.timescale(connection)
        available = connection.execute(
            "select from pg_available_extensions where name = 'timescaledb'"
        ).fetchone()
        return lacking(there, retention=bool(self._retention), available=available is not None)

    def use_timescale(self, connection: Connection, kinds: Iterable[str] = KINDS) -> None:
        """Make the tables of the kinds hypertables, where a TimescaleDB that can is in the database."""
        there = self.timescale(connection)
        if there is None or not there.recent:
            return
        for statement in timescale_sql(kinds, community=there.community):
            connection.execute(statement)
        if there.community:
            self._set_policies(connection, self._retention or {})

    def _set_policies(self, connection: Connection, retention: Mapping[str, int]) -> None:
        for statement in policies_sql(retention):
            connection.execute(statement)
        connection.execute(
            "update riposte.version set retention = %s", (retention_text(retention),)
        )

    def _limit_waiting(self, connection: Connection) -> None:
        """Wait for locks at most the lock timeout, until the end of the transaction."""
        wait_ms = max(1, round(self.lock_timeout_s * 1000))
        connection.execute("select set_config('lock_timeout', %s, true)", (f"{wait_ms}ms",))

    def _taken(self) -> Connection:
        with self._guard:
            if os.getpid() != self._process:
                _inherited.extend(self._idle)
                self._idle.clear()
                self._process = os.getpid()
                self._closing.detach()
                self._closing = weakref.finalize(self, _close_all, self._idle, self._process)
            while self._idle:
                connection = self._idle.pop()
                if not connection.closed and not _speaks(connection):
                    return connection
                connection.close()
        return self._opened()

    def _put_back(self, connection: Connection) -> None:
        status = self._psycopg.pq.TransactionStatus
        with self._guard:
            usable = not connection.closed and connection.info.transaction_status == status.IDLE
            if usable and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _opened(self) -> Connection:
        try:
            connection = self._psycopg.connect(**self._options, autocommit=True)
        except self._psycopg.Error as error:
            # Without its cause: psycopg's error carries the password.
            raise refused(error, self.address) from None
        if connection.info.server_version < _OLDEST:
            version = connection.info.server_version // 10_000
            connection.close()
            raise StorageError(
                f"PostgreSQL {version} at {self.address} is too old", hint="use 14 or newer"
            )
        return connection

    def _prepare(self, connection: Connection) -> None:
        """Make the tables, kinds and columns that are not there, and see that the retention is ours."""
        if _made(connection).complete and not self._other_retention(connection):
            return
        if not _made(connection).columns:
            self._add_extension(connection)
        with connection.transaction():
            # Two processes may come here at once: one makes the tables, the other finds them made.
            self._limit_waiting(connection)
            connection.execute("select pg_advisory_xact_lock(%s, 0)", (LOCK,))
            made = _made(connection)
            if made.version > VERSION:
                raise StorageError(
                    f"the tables at {self.address} are of version {made.version}, "
                    "newer than this Riposte",
                    hint="update Riposte",
                )
            if not made.complete:
                for statement in tables_sql():
                    connection.execute(statement)
                connection.execute(
                    "insert into riposte.version (number) values (%s) on conflict do nothing",
                    (VERSION,),
                )
            there = self.timescale(connection)
            if there and (there.in_use or not made.columns):
                new = KINDS.keys() - {kind for kind, _ in made.columns}
                if new:
                    self.use_timescale(connection, sorted(new))
                elif there.community and self._other_retention(connection):
                    self._set_policies(connection, self._retention or {})

    def _other_retention(self, connection: Connection) -> bool:
        """Whether the retention we were given is not the one that is in force."""
        if self._retention is None:
            return False
        row = connection.execute("select retention from riposte.version").fetchone()
        return row is not None and row[0] != retention_text(self._retention)

    def _add_extension(self, connection: Connection) -> None:
        """Add TimescaleDB to the database, where the server has it and lets us."""
        found = connection.execute(
            "select installed_version from pg_available_extensions where name = 'timescaledb'"
        ).fetchone()
        if found is None or found[0] is not None:
            return
        # A server that has not loaded it ends the connection: this one is only for the attempt. What
        # it could not do, notice() says.
        with contextlib.suppress(self._psycopg.Error), self._opened() as attempt:
            attempt.execute("create extension if not exists timescaledb")


@dataclass(frozen=True, slots=True)
class _Made:
    """The tables that are there: their version, 0 for none, and their columns."""

    version: int
    columns: frozenset[tuple[str, str]]

    @property
    def complete(self) -> bool:
        return self.version == VERSION and columns_needed() <= self.columns


def _made(connection: Connection) -> _Made:
    columns = frozenset(connection.execute(PRESENT_SQL).fetchall())
    if ("version", "number") not in columns:
        return _Made(0, frozenset())
    row = connection.execute("select number from riposte.version").fetchone()
    return _Made(int(row[0]) if row else 0, columns)


def _speaks(connection: Connection) -> bool:
    """Whether the server has something to say; while it is idle that is only that it goes."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


def _close_all(idle: list[Connection], process: int) -> None:
    if os.getpid() != process:
        _inherited.extend(idle)
        idle.clear()
    while idle:
        idle.pop().close()
