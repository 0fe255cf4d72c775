"""The trial log in PostgreSQL: the table ``riposte.trials``, a row a line, never changed.

Writers take turns by an advisory lock, so that each line follows the one before it. That nobody changed a
row past us is not for the database to say: the chain of the lines tells (:mod:`riposte.proof.trials`).
"""

from __future__ import annotations

from riposte.stores.postgres_schema import LOCK, TRIALS_LOCK
from riposte.stores.postgres_server import Server
from riposte.stores.trial_log import Line

_WHAT = "the trial log"


class PostgresTrialLog:
    """A log in the database at ``url``; safe for several processes at once, and pickled with its address.

    Raises:
        MissingExtraError: if psycopg is not installed.
        InputError: if the address cannot be.
    """

    def __init__(self, url: str, lock_timeout_s: float = 60.0) -> None:
        self._made_of = (url, lock_timeout_s)
        self._server = Server(url, lock_timeout_s, None)

    def __repr__(self) -> str:
        return f"PostgresTrialLog({self._server.address!r})"

    def __reduce__(self) -> tuple[type[PostgresTrialLog], tuple[str, float]]:
        return PostgresTrialLog, self._made_of

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._server.close()

    def lines(self) -> tuple[bytes, ...]:
        """See :class:`riposte.stores.trial_log.TrialLines`."""
        with self._server.reading(_WHAT) as cursor:
            cursor.execute("select line from riposte.trials order by number")
            return tuple(bytes(line) for (line,) in cursor.fetchall())

    def append(self, made: Line) -> bytes:
        """See :class:`riposte.stores.trial_log.TrialLines`."""
        with self._server.writing(_WHAT) as cursor:
            cursor.execute("select pg_advisory_xact_lock(%s, %s)", (LOCK, TRIALS_LOCK))
            cursor.execute("select number, line from riposte.trials order by number desc limit 1")
            last = cursor.fetchone()
            text = made(bytes(last[1]) if last else None)
            if b"\n" in text:
                raise ValueError("a trial is one line")
            cursor.execute(
                "insert into riposte.trials (number, line) values (%s, %s)",
                (last[0] + 1 if last else 1, text),
            )
        return text
