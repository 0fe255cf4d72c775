"""Databases for the tests, on a real PostgreSQL server, and what to do to them past the store."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit


class Databases:
    """Databases of this test run, emptied and used again."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.names: list[str] = []
        self.free: list[str] = []
        self.used: list[str] = []

    def url(self, name: str) -> str:
        return urlsplit(self.server)._replace(path=f"/{name}").geturl()

    def fresh(self) -> str:
        """The address of a database without tables."""
        if self.free:
            name = self.free.pop()
            sql(
                self.url(name),
                "select pg_terminate_backend(pid) from pg_stat_activity"
                f" where datname = '{name}' and pid <> pg_backend_pid()",
                "drop schema if exists riposte cascade",
            )
        else:
            name = f"riposte_test_{os.getpid()}_{len(self.names)}"
            self.names.append(name)
            sql(self.server, f"drop database if exists {name}", f"create database {name}")
        self.used.append(name)
        return self.url(name)

    def give_back(self) -> None:
        self.free += self.used
        self.used.clear()

    def drop(self) -> None:
        for name in self.names:
            sql(self.server, f"drop database if exists {name} with (force)")


def sql(database: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements past the store; the rows of the last one."""
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def end_connections(database: str, only: str = "true") -> int:
    """End our connections to the database as an administrator does; how many there were."""
    found = sql(
        database,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname ="
        f" current_database() and application_name = 'riposte' and {only}",
    )
    return len(found)


def as_user(url: str, name: str) -> str:
    """The address for another user."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}").geturl()
