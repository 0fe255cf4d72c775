"""Market data in PostgreSQL, with TimescaleDB where the server has it.

Each kind of series is a table, so that SQL reaches everything: ``riposte.klines`` has the columns
``series_id``, ``time``, ``open``, ``high``, ... and a missing value is NULL; ``riposte.series`` says which
symbol and interval a ``series_id`` is. The tables are for reading: write through this store, which keeps
books about the rows (:mod:`riposte.stores.postgres_series`).

A write is one transaction. Writers of one series take turns by an advisory lock, readers see the rows as
they were before a write or after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from riposte.errors import DataError
from riposte.market.interval import Interval
from riposte.market.series import KINDS, Change, Series, kind_of
from riposte.stores.postgres_schema import old_chunks_sql, table
from riposte.stores.postgres_series import StoredSeries, holdings_of, may_save, stretches
from riposte.stores.postgres_server import Server
from riposte.stores.protocol import (
    NO_RECEIPTS,
    Holding,
    content_hash,
    refuse_document,
    refuse_symbol,
    series_version,
    storable,
)


class Postgres:
    """A store in the database at ``url``, ``postgresql://user:password@host:5432/name``.

    The tables are made when they are first used. ``lock_timeout_s``: how long a writer waits for another
    one before it gives up. ``retention`` (kind to ns): where TimescaleDB is, it drops rows older than
    that; None leaves in force what was said before. May be used by several threads, pickled and forked.

    Raises:
        MissingExtraError: if psycopg is not installed.
        InputError: if the address or the retention cannot be.
    """

    def __init__(
        self,
        url: str,
        lock_timeout_s: float = 60.0,
        retention: Mapping[str, int] | None = None,
    ) -> None:
        self._made_of = (url, lock_timeout_s, retention)
        self._server = Server(url, lock_timeout_s, retention)

    def __repr__(self) -> str:
        return f"Postgres({self._server.address!r})"

    def __reduce__(self) -> tuple[type[Postgres], tuple[Any, ...]]:
        return Postgres, self._made_of

    def __enter__(self) -> Postgres:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._server.close()

    def merge(self, series: Series, receipts: Mapping[str, str] = NO_RECEIPTS) -> Change:
        """Add the rows in one transaction; see :class:`riposte.stores.protocol.Store`."""
        title = _title(series.kind, series.symbol, series.interval)
        if len(series) == 0:
            return Change()
        rows = storable(series)
        with self._server.writing(title) as cursor:
            stored = StoredSeries.make(cursor, series.kind, series.symbol, series.interval)
            stored.take_turn()
            change = stored.merge(rows)
            if receipts:
                stored.note_receipts(receipts, int(rows.event_time[0]))
        return change

    def write(self, series: Series) -> int:
        """Add the rows in one transaction; the number of rows that are new or changed."""
        return self.merge(series).rows

    def read(
        self,
        kind: str,
        symbol: str,
        interval: Interval | None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> Series:
        """The stored rows with ``start_ns <= event_time < stop_ns``.

        Raises:
            DataError: if nothing of that kind, symbol and interval is stored.
            StorageError: if the database cannot be read.
        """
        title = _title(kind, symbol, interval)
        wanted = _wanted(kind, columns)
        with self._server.reading(title) as cursor:
            stored = StoredSeries.find(cursor, kind, symbol, interval)
            parts = stored.parts() if stored else []
            if stored is None or not parts:
                raise DataError(
                    f"{title} is not in the store {self._server.address}",
                    hint="bring it in: riposte data download or riposte data import",
                )
            return storable(stored.read(stretches(parts, start_ns, stop_ns), wanted))

    def holdings(self) -> tuple[Holding, ...]:
        """Every series that has rows, from the books."""
        with self._server.reading("the list of series") as cursor:
            there = cursor.execute("select distinct kind from riposte.series").fetchall()
            # A kind this version does not know is of a newer one.
            kinds = [kind for (kind,) in there if kind in KINDS]
            found = [each for kind in kinds for each in holdings_of(cursor, kind)]
        return tuple(sorted(found, key=_holding_order))

    def version(self, kind: str, symbol: str, interval: Interval | None) -> str:
        """A hash of the stored content of one series; of nothing, where nothing is stored.

        Parts that were not changed since they were last hashed are not read again.
        """
        title = _title(kind, symbol, interval)
        hashes: dict[str, str] = {}
        new: list[tuple[str, int, str, int]] = []
        with self._server.reading(title) as cursor:
            stored = StoredSeries.find(cursor, kind, symbol, interval)
            for part in stored.parts() if stored else []:
                assert stored is not None
                found = part.content_hash
                if found is None:
                    found = content_hash(stored.read([part.span], kind_of(kind).columns))
                    new.append((found, stored.number, part.name, part.changes))
                hashes[part.name] = found
            save = bool(new) and may_save(cursor)
        if save:
            with self._server.writing(title) as cursor:
                # What was written to meanwhile keeps no hash.
                cursor.executemany(
                    "update riposte.parts set content_hash = %s"
                    " where series_id = %s and name = %s and changes = %s",
                    new,
                )
        return series_version(kind, symbol, interval, hashes)

    def receipts(self, kind: str, symbol: str, interval: Interval | None) -> Mapping[str, str]:
        """The files whose rows are all stored, name to checksum."""
        with self._server.reading(_title(kind, symbol, interval)) as cursor:
            stored = StoredSeries.find(cursor, kind, symbol, interval)
            return stored.receipts() if stored else {}

    def trim(self, kind: str, symbol: str, interval: Interval | None, before_ns: int) -> int:
        """Remove the rows before a time."""
        with self._server.writing(_title(kind, symbol, interval)) as cursor:
            stored = StoredSeries.find(cursor, kind, symbol, interval)
            if stored is None:
                return 0
            stored.take_turn()
            return stored.trim(before_ns)

    def heal(self, kind: str, symbol: str, interval: Interval | None) -> tuple[str, ...]:
        """Nothing: the database keeps its own pages whole, or refuses them in words."""
        _title(kind, symbol, interval)
        return ()

    def compact(self) -> int:
        """Let the server tidy its tables; with TimescaleDB the number of chunks now compressed."""
        gone = 0
        with self._server.connection("the tables", "written") as connection:
            there = self._server.timescale(connection)
            for kind in KINDS:
                if there and there.in_use and there.community:
                    for (chunk,) in connection.execute(old_chunks_sql(kind)).fetchall():
                        connection.execute("select compress_chunk(%s::regclass)", (chunk,))
                        gone += 1
                connection.execute(f"vacuum (analyze) {table(kind)}")
        return gone

    def keep(self, name: str, content: bytes) -> None:
        """Keep a document, in place of an earlier one of that name."""
        refuse_document(name)
        with self._server.writing(name) as cursor:
            cursor.execute(
                "insert into riposte.documents (name, content) values (%s, %s) on conflict (name)"
                " do update set content = excluded.content, written = now()",
                (name, content),
            )

    def kept(self, name: str) -> bytes | None:
        """The document of that name, None if there is none."""
        refuse_document(name)
        with self._server.reading(name) as cursor:
            cursor.execute("select content from riposte.documents where name = %s", (name,))
            row = cursor.fetchone()
        return None if row is None else bytes(row[0])

    def notice(self) -> str | None:
        """What this database lacks for want of TimescaleDB, in one sentence; None if nothing."""
        with self._server.connection("the database", "read") as connection:
            return self._server.notice(connection)

    def convert(self) -> None:
        """Make hypertables of tables that are older than TimescaleDB in this database.

        It moves every row, and nobody else can use the tables until it is done.
        """
        with (
            self._server.connection("the tables", "written") as connection,
            connection.transaction(),
        ):
            self._server.use_timescale(connection)


def _title(kind: str, symbol: str, interval: Interval | None) -> str:
    """How messages name a series, if there can be one of that name."""
    kind_of(kind)
    refuse_symbol(symbol)
    return " ".join(str(part) for part in (symbol, kind, interval) if part)


def _wanted(kind: str, columns: Sequence[str] | None) -> tuple[str, ...]:
    known = kind_of(kind)
    chosen = [n for n in known.columns if n in known.required or columns is None or n in columns]
    return tuple(chosen) or known.columns  # a series has at least one column


def _holding_order(holding: Holding) -> tuple[str, str, int]:
    return holding.kind, holding.symbol, holding.interval.ns if holding.interval else 0
