"""One series in an open transaction: its rows, and the books the store keeps about them.

The books (``riposte.parts``) say of each month of a series (of a dense kind each day) how many rows it
has, from when to when, and the hash of its content once it was asked for. Rows may vanish at the old end
without our doing, when TimescaleDB drops them: readers therefore trust the books only from the first row
that is there, and writers put them right before they write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from riposte.market.interval import INTERVALS, Interval
from riposte.market.series import Change, Series, kind_of, merge
from riposte.stores.postgres_rows import (
    columns_of,
    copied,
    differing,
    joined,
    nanoseconds,
    selected,
    timestamp,
    unpacked,
)
from riposte.stores.postgres_schema import LOCK, table
from riposte.stores.protocol import Holding, partitions

if TYPE_CHECKING:
    from riposte.stores.postgres_server import Cursor

Span = tuple[datetime, datetime]
"""From the first to the last moment, both included."""

_TICK = timedelta(microseconds=1)
_QUERY_ROWS = 500_000  # rows that one query gives, in whole parts


@dataclass(frozen=True, slots=True)
class Part:
    """What the books say of one part of a series."""

    name: str
    rows: int
    first: datetime
    last: datetime
    content_hash: str | None
    changes: int  # how often it was written to

    @property
    def span(self) -> Span:
        return self.first, self.last


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """A series that has a number in the tables; use it within the transaction of ``cursor``."""

    cursor: Cursor
    kind: str
    symbol: str
    interval: Interval | None
    number: int

    @classmethod
    def find(
        cls, cursor: Cursor, kind: str, symbol: str, interval: Interval | None
    ) -> StoredSeries | None:
        """The series, None if nothing was ever stored of it."""
        row = cursor.execute(
            "select id from riposte.series where kind = %s and symbol = %s and interval = %s",
            (kind, symbol, str(interval or "")),
        ).fetchone()
        return None if row is None else cls(cursor, kind, symbol, interval, int(row[0]))

    @classmethod
    def make(
        cls, cursor: Cursor, kind: str, symbol: str, interval: Interval | None
    ) -> StoredSeries:
        """The series, given a number if it has none."""
        found = cls.find(cursor, kind, symbol, interval)
        if found is None:
            # Where another writer is giving it one, this waits for him and then finds it.
            cursor.execute(
                "insert into riposte.series (kind, symbol, interval) values (%s, %s, %s)"
                " on conflict do nothing",
                (kind, symbol, str(interval or "")),
            )
            found = cls.find(cursor, kind, symbol, interval)
        assert found is not None
        return found

    def take_turn(self) -> None:
        """Keep other writers of the series away until the transaction ends, and put the books right."""
        self.cursor.execute("select pg_advisory_xact_lock(%s, %s)", (LOCK, self.number))
        self._settle()

    def parts(self) -> list[Part]:
        """The parts that have rows, in time order."""
        self.cursor.execute(_parts_sql(self.kind), {"series": self.number})
        return [Part(*row) for row in self.cursor.fetchall()]

    def read(self, spans: Iterable[Span], columns: Sequence[str]) -> Series:
        """The rows of the spans, which follow one another."""
        query = selected(self.kind, columns)
        blocks = []
        for first, last in spans:
            self.cursor.execute(query, {"series": self.number, "first": first, "last": last})
            row = self.cursor.fetchone()
            assert row is not None
            blocks.append(unpacked(row, columns))
        return joined(self.kind, self.symbol, self.interval, blocks, columns)

    def merge(self, new: Series) -> Change:
        """Add the rows; the writer has its turn."""
        span = timestamp(int(new.event_time[0])), timestamp(int(new.event_time[-1]))
        overlaps = self._has_rows(span)
        pieces: list[Series] = []
        total = Change()
        notes = []
        for name, rows in partitions(new):
            change = self._merge_part(rows, pieces) if overlaps else Change(added=len(rows))
            if not overlaps:
                pieces.append(rows)
            if change.rows:
                first, last = (timestamp(int(rows.event_time[end])) for end in (0, -1))
                notes.append((self.number, name, change.added, first, last))
            total = total.and_then(change)
        if pieces:
            self._copy(pieces)
            self.cursor.executemany(_NOTE_PART, notes)
        return total

    def note_receipts(self, receipts: Mapping[str, str], first_ns: int) -> None:
        """Put the receipts into the books; their rows begin at ``first_ns``."""
        first = timestamp(first_ns)
        self.cursor.executemany(
            "insert into riposte.receipts (series_id, name, checksum, first_time)"
            " values (%s, %s, %s, %s) on conflict (series_id, name) do update"
            " set checksum = excluded.checksum, first_time = excluded.first_time",
            [(self.number, name, checksum, first) for name, checksum in receipts.items()],
        )

    def receipts(self) -> dict[str, str]:
        """The receipts whose rows are all there."""
        self.cursor.execute(
            "select name, checksum from riposte.receipts where series_id = %(series)s"  # noqa: S608
            f" and first_time >= ({_first_sql(self.kind)}) order by name",
            {"series": self.number},
        )
        return dict(self.cursor.fetchall())

    def trim(self, before_ns: int) -> int:
        """Remove the rows before a time; the writer has its turn."""
        self.cursor.execute(
            f"delete from {table(self.kind)} where series_id = %s and time < %s",  # noqa: S608
            (self.number, timestamp(before_ns)),
        )
        removed = self.cursor.rowcount
        self._settle()
        return removed

    def _has_rows(self, span: Span) -> bool:
        found = self.cursor.execute(
            f"select exists (select from {table(self.kind)}"  # noqa: S608
            " where series_id = %s and time between %s and %s)",
            (self.number, *span),
        ).fetchone()
        return bool(found and found[0])

    def _merge_part(self, new: Series, pieces: list[Series]) -> Change:
        """Make place for what is to be written instead, and add that to the pieces."""
        span = timestamp(int(new.event_time[0])), timestamp(int(new.event_time[-1]))
        stored = self.read([span], kind_of(self.kind).columns)
        merged, change = merge(stored, new)
        if change.rows:
            there, wanted = differing(stored, merged)
            if len(there):
                ends = (timestamp(int(there.event_time[end])) for end in (0, -1))
                self.cursor.execute(
                    f"delete from {table(self.kind)}"  # noqa: S608
                    " where series_id = %s and time between %s and %s",
                    (self.number, *ends),
                )
            pieces.append(wanted)
        return change

    def _copy(self, pieces: Sequence[Series]) -> None:
        columns = columns_of(pieces)
        names = ", ".join(f'"{name}"' for name in columns)
        target = f"{table(self.kind)} (series_id, time, {names})"
        with self.cursor.copy(f"copy {target} from stdin (format binary)") as copy:
            for block in copied(self.number, pieces, columns):
                copy.write(block)

    def _settle(self) -> None:
        """Take out of the books what is no longer there at the old end."""
        self.cursor.execute(_settle_sql(self.kind), {"series": self.number})


def stretches(parts: Sequence[Part], start_ns: int | None, stop_ns: int | None) -> list[Span]:
    """The spans of the rows with ``start_ns <= event_time < stop_ns``, each not too much for a query."""
    start = parts[0].first if start_ns is None else timestamp(start_ns)
    last = parts[-1].last if stop_ns is None else timestamp(stop_ns) - _TICK
    spans: list[Span] = []
    rows = 0
    for part in parts:
        first, end = max(start, part.first), min(last, part.last)
        if first > end:
            continue
        if spans and rows + part.rows <= _QUERY_ROWS:
            first = spans.pop()[0]
            rows += part.rows
        else:
            rows = part.rows
        spans.append((first, end))
    return spans


def holdings_of(cursor: Cursor, kind: str) -> list[Holding]:
    """The series of a kind that have rows."""
    cursor.execute(
        "select s.symbol, s.interval, sum(p.rows)::bigint, min(p.first_time), max(p.last_time)"  # noqa: S608
        f" from riposte.series s, lateral ({_parts_sql(kind, 's.id')}) as p"
        " where s.kind = %s group by s.id",
        (kind,),
    )
    return [
        Holding(kind, symbol, INTERVALS.get(name), rows, nanoseconds(first), nanoseconds(last))
        for symbol, name, rows, first, last in cursor.fetchall()
        if name in INTERVALS or not name
    ]


def may_save(cursor: Cursor) -> bool:
    """Whether a hash that was computed can be saved: not on a replica nor by one who may only read."""
    row = cursor.execute(
        "select not pg_is_in_recovery() and current_setting('default_transaction_read_only') = 'off'"
        " and has_table_privilege('riposte.parts', 'update')"
    ).fetchone()
    return bool(row and row[0])


_NOTE_PART = (
    "insert into riposte.parts as p (series_id, name, rows, first_time, last_time)"
    " values (%s, %s, %s, %s, %s) on conflict (series_id, name) do update"
    " set rows = p.rows + excluded.rows, first_time = least(p.first_time, excluded.first_time),"
    " last_time = greatest(p.last_time, excluded.last_time), content_hash = null,"
    " changes = p.changes + 1"
)


def _first_sql(kind: str, series: str = "%(series)s") -> str:
    return f"select min(time) from {table(kind)} where series_id = {series}"  # noqa: S608


def _count_sql(kind: str) -> str:
    """How many rows a part has from the first that is there."""
    return (
        f"(select count(*) from {table(kind)} as k where k.series_id = p.series_id"  # noqa: S608
        " and k.time between f.first and p.last_time)"
    )


def _parts_sql(kind: str, series: str = "%(series)s") -> str:
    """The books of a series as far as they hold: a part that lost its beginning is counted anew."""
    return (
        f"select p.name, case when p.first_time < f.first then {_count_sql(kind)} else p.rows end"  # noqa: S608
        " as rows, greatest(p.first_time, f.first) as first_time, p.last_time,"
        " case when p.first_time < f.first then null else p.content_hash end as content_hash,"
        f" p.changes from riposte.parts as p, ({_first_sql(kind, series)}) as f (first)"
        f" where p.series_id = {series} and p.last_time >= f.first order by p.name"
    )


def _settle_sql(kind: str) -> str:
    return (
        f"with f (first) as ({_first_sql(kind)}),"  # noqa: S608
        " gone as (delete from riposte.parts as p using f where p.series_id = %(series)s"
        " and (p.last_time < f.first or f.first is null)),"
        f" cut as (update riposte.parts as p set rows = {_count_sql(kind)}, first_time = f.first,"
        " content_hash = null, changes = p.changes + 1 from f where p.series_id = %(series)s"
        " and p.first_time < f.first and p.last_time >= f.first)"
        " delete from riposte.receipts as r using f where r.series_id = %(series)s"
        " and (r.first_time < f.first or f.first is null)"
    )
