"""Where the ledger lies: a table in an SQLite file or in PostgreSQL, to which lines are only added.

What was added is on the disk when :meth:`SqlLedger.append` returns, all lines of a call or none. The
table itself refuses to be updated or deleted from; that nobody got past it the chain of the lines tells
(:mod:`riposte.trader.chain`).

One writer at a time: whoever writes holds the *lease*, which another can take only when it has run out.
Every write names its lease, and the database refuses one that was taken over meanwhile, so that a
process which slept through the end of its lease cannot write (nor, asking first, trade) any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from riposte.errors import InputError, MissingExtraError, StorageError

Lines = Callable[[bytes | None], Sequence[bytes]]
"""The lines to add after the last one (None: there is none yet)."""
TABLES = sa.MetaData()
LINES = sa.Table(
    "riposte_ledger",
    TABLES,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("line", sa.LargeBinary, nullable=False),
)
LEASES = sa.Table(
    "riposte_lease",
    TABLES,
    sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
)
_REFUSALS = {
    "sqlite": [
        f"create trigger if not exists riposte_ledger_no_{word} before {word} on riposte_ledger "
        "begin select raise(abort, 'the ledger is only added to'); end"
        for word in ("update", "delete")
    ],
    "postgresql": [
        "create or replace function riposte_ledger_refuse() returns trigger language plpgsql as "
        "$$ begin raise exception 'the ledger is only added to'; end $$",
        "create or replace trigger riposte_ledger_no_change before update or delete or truncate "
        "on riposte_ledger execute function riposte_ledger_refuse()",
    ],
}


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write: ``token`` rises with each change of hands."""

    token: int
    holder: str
    until_ns: int


class LeaseHeldError(StorageError):
    """Another writer holds the lease, or has taken it over."""


class SqlLedger:
    """A ledger at ``sqlite:///path`` or ``postgresql://user:password@host:5432/name``; never shown whole.

    Raises:
        InputError: if the address is neither.
        MissingExtraError: if the database's driver is not installed.
        StorageError: if the database cannot be reached, or its tables not be made.
    """

    def __init__(self, address: str, *, lock_timeout_s: float = 10.0) -> None:
        self._engine = _engine(address, lock_timeout_s)
        self.place = self._engine.url.render_as_string(hide_password=True)
        with self._writing("made") as connection:
            TABLES.create_all(connection)
            for statement in _REFUSALS[self._engine.dialect.name]:
                connection.execute(sa.text(statement))

    def __enter__(self) -> SqlLedger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    # lines

    def lines(self, first: int = 1) -> Iterator[bytes]:
        """The lines from number ``first`` on, a thousand at a time from the database."""
        while True:
            chosen = sa.select(LINES.c.line).where(LINES.c.number >= first)
            with self._reading() as connection:
                rows = connection.execute(chosen.order_by(LINES.c.number).limit(1_000)).all()
            yield from (bytes(row[0]) for row in rows)
            if not rows:
                return
            first += len(rows)

    def append(self, made: Lines, lease: Lease) -> list[bytes]:
        """Add the lines that ``made`` gives for the last one; they are durable when this returns.

        Raises:
            LeaseHeldError: if the lease is no longer this writer's; nothing was added.
            StorageError: if they could not be added; none was.
        """
        with self._writing("added to") as connection:
            held = _held(connection)
            if held is None or held.token != lease.token:
                raise _taken_over(held)
            query = sa.select(LINES.c.number, LINES.c.line).order_by(LINES.c.number.desc()).limit(1)
            last = connection.execute(query).first()
            number = 0 if last is None else last.number
            added = list(made(None if last is None else bytes(last.line)))
            rows = [{"number": number + n, "line": text} for n, text in enumerate(added, 1)]
            if rows:
                connection.execute(sa.insert(LINES), rows)
        return added

    # the lease

    def acquire(self, holder: str, now_ns: int, length_ns: int) -> Lease:
        """Become the writer, if nobody is or the lease has run out.

        Raises:
            LeaseHeldError: if another holds it; its name and for how long are said.
        """
        with self._writing("taken over") as connection:
            held = _held(connection)
            if held is not None and held.until_ns > now_ns:
                raise LeaseHeldError(
                    f"{held.holder} trades on this ledger already",
                    hint="end it first; if it was killed, wait "
                    f"{(held.until_ns - now_ns) / 1e9:.1f} s until its lease runs out",
                )
            token = 1 if held is None else held.token + 1
            return _write_lease(connection, Lease(token, holder, now_ns + length_ns), held)

    def renew(self, lease: Lease, now_ns: int, length_ns: int) -> Lease:
        """Stay the writer for ``length_ns`` from now; also after it ran out, if nobody took over.

        Raises:
            LeaseHeldError: if another has taken over.
        """
        with self._writing("kept") as connection:
            held = _held(connection)
            if held is None or held.token != lease.token:
                raise _taken_over(held)
            renewed = Lease(lease.token, lease.holder, now_ns + length_ns)
            return _write_lease(connection, renewed, held)

    def release(self, lease: Lease) -> None:
        """Let another writer begin at once; nothing if it has already."""
        with self._writing("given back") as connection:
            held = _held(connection)
            if held is not None and held.token == lease.token:
                _write_lease(connection, Lease(lease.token, lease.holder, 0), held)

    def holder(self) -> Lease | None:
        """Who holds, or held, the lease."""
        with self._reading() as connection:
            return _held(connection)

    # connections

    @contextlib.contextmanager
    def _writing(self, done: str) -> Iterator[Connection]:
        """A transaction that no other writer's overlaps; a failure undoes it whole."""
        with self._explained(done), self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.text("select pg_advisory_xact_lock(1382642799, -3)"))
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A look at the database that waits for no writer and lets none wait."""
        with self._explained("read"), self._engine.connect() as connection:
            yield connection.execution_options(riposte_reads=True)

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _refused(error, self.place, done) from error
        except SQLAlchemyError as error:
            raise StorageError(
                f"the ledger at {self.place} could not be {done}: {error}"
            ) from error


def _engine(address: str, lock_timeout_s: float) -> Engine:
    try:
        url = make_url(address)
    except ArgumentError:
        url = None
    backend = url.get_backend_name() if url is not None else ""
    if url is None or backend not in ("sqlite", "postgresql") or not url.database:
        raise InputError(
            "the ledger's address is not understood: write sqlite:///path or "
            "postgresql://user:password@host:5432/name"
        )
    if backend == "sqlite":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": lock_timeout_s})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 10,
                "options": f"-c lock_timeout={int(lock_timeout_s * 1000)}",
            },
        )
    except ModuleNotFoundError as error:
        raise MissingExtraError("psycopg", "postgres") from error


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Transactions are ours to begin; a commit is on the disk, also when the power fails."""
    connection.isolation_level = None
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("riposte_reads", False)
    connection.exec_driver_sql("begin" if reads else "begin immediate")


def _held(connection: Connection) -> Lease | None:
    row = connection.execute(sa.select(LEASES)).first()
    return None if row is None else Lease(row.token, row.holder, row.until_ns)


def _write_lease(connection: Connection, lease: Lease, before: Lease | None) -> Lease:
    values = {"token": lease.token, "holder": lease.holder, "until_ns": lease.until_ns}
    if before is None:
        connection.execute(sa.insert(LEASES).values(only_row=1, **values))
    else:
        connection.execute(sa.update(LEASES).values(**values))
    return lease


def _taken_over(held: Lease | None) -> LeaseHeldError:
    who = "nobody" if held is None else held.holder
    return LeaseHeldError(
        f"the lease of the ledger has been taken over: {who} holds it now",
        hint="this process must not trade any more; find out why it was silent for so long",
    )


def _refused(error: DBAPIError, place: str, done: str) -> StorageError:
    said = " ".join(str(error.orig).split())
    hint = ""
    if "locked" in said or "lock timeout" in said:
        said, hint = "another process is writing to it", "end it, or wait until it has finished"
    elif "disk" in said and "full" in said:
        said, hint = "the disk is full", "free some space; nothing was lost"
    elif error.connection_invalidated or "connect" in said:
        hint = "start the database, or correct its address"
    return StorageError(f"the ledger at {place} could not be {done}: {said}", hint=hint)
