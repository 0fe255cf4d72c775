"""Stores for the tests: a lake in a folder, and databases of their own on a real PostgreSQL server.

The server is the one at ``RIPOSTE_TEST_DATABASE``, else at 127.0.0.1:5432; its user must be allowed to make
databases. Each test gets databases without tables, dropped when the run ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from databases import Databases

from riposte.stores.lake import Lake
from riposte.stores.postgres import Postgres
from riposte.stores.protocol import Store

SERVER = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(scope="session")
def database_server() -> str:
    """The address of a server on which databases may be made."""
    url = os.environ.get("RIPOSTE_TEST_DATABASE", SERVER)
    try:
        import psycopg
    except ImportError:
        unavailable("psycopg is not installed")
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        unavailable(f"no PostgreSQL server to test on (set RIPOSTE_TEST_DATABASE): {error}")
    return url


def unavailable(reason: str) -> NoReturn:
    """A test that cannot be run is skipped for a user and fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def databases(database_server: str) -> Iterator[Databases]:
    """The databases of this run."""
    made = Databases(database_server)
    try:
        yield made
    finally:
        made.drop()


@pytest.fixture
def fresh_database(databases: Databases) -> Iterator[Callable[[], str]]:
    """Gives the address of a database without tables, another one with each call."""
    yield databases.fresh
    databases.give_back()


@pytest.fixture
def database(fresh_database: Callable[[], str]) -> str:
    """The address of one database without tables."""
    return fresh_database()


@pytest.fixture
def postgres(database: str) -> Iterator[Postgres]:
    """A store in an empty database."""
    with Postgres(database) as store:
        yield store


@pytest.fixture(params=["lake", "postgres"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Gives an empty store, another one with each call; of every sort there is."""
    if request.param == "lake":
        folders = (tmp_path / f"lake {number}" for number in range(100))
        yield lambda: Lake(next(folders))
        return
    fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
    made: list[Postgres] = []

    def new() -> Store:
        made.append(Postgres(fresh()))
        return made[-1]

    yield new
    for store in made:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty store, of every sort there is."""
    return new_store()
