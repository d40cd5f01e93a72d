"""A PostgreSQL server of the tests' own, on a port of the loopback, with an empty database for each test that wants one.

The fixtures are imported by tests/conftest.py. `database` gives a test both kinds of database, one after the other.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
from psycopg import sql

from tests.ports import free_port
from tests.system import lacking

USER, PASSWORD = "fusion", "canary-0-password"
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "unix_socket_directories=")


class PostgresServer:
    """Start a server in a folder of its own; stop it at the end."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._names = (f"test{number}" for number in count(1))
        self.port = free_port()

    def __enter__(self) -> Self:
        user = _user()
        # Not in pytest's folders: another user cannot reach into them.
        self._folder = Path(tempfile.mkdtemp(prefix="fusion-postgres-"))
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if user:
            for path in (self._folder, password):
                shutil.chown(path, user)
        data = self._folder / "data"
        made = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}"]
        told = subprocess.run(
            [self._programs / "initdb", "--no-sync", *made, data],
            user=user,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it with the data it has."""
        settings = ("listen_addresses=127.0.0.1", f"port={self.port}", *_QUICK)
        options = [part for each in settings for part in ("-c", each)]
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *options],
                user=_user(),
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def stop(self) -> None:
        """End it at once, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)

    def _wait(self) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                log = (self._folder / "log").read_text()
                assert self._process.poll() is None, log
                assert time.monotonic() < end, log
                time.sleep(0.02)
            else:
                return

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    @contextlib.contextmanager
    def empty_database(self) -> Iterator[str]:
        """Give the URL of a new database, which is gone afterwards."""
        name = next(self._names)
        self.run(f"CREATE DATABASE {name}")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")


def _programs() -> Path:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the PATH; skip the test if there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    found = [*([Path(on_path).resolve()] if on_path else []), *installed]
    return found[-1].parent if found else lacking("PostgreSQL is not here: apt-get install postgresql")


def _user() -> str | None:
    """Return whom the server is to belong to, None for who runs the tests: PostgreSQL refuses to be root's."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with postgres.empty_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """What `open_runs` takes: of each kind of database one that is empty."""
    return tmp_path / "runs.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def change(db: str | Path, statement: str, *values: Any) -> None:
    """Change a database from outside; in a thread, because who holds its lock needs the event loop to let it go."""

    def work() -> None:
        if isinstance(db, str):
            with psycopg.connect(db) as server:
                server.execute(statement.replace("?", "%s"), values)
        else:
            with contextlib.closing(sqlite3.connect(db)) as file, file:
                file.execute(statement, values)

    await asyncio.to_thread(work)


async def everything(url: str) -> str:
    """Return all that a PostgreSQL database holds, as text."""

    def work() -> str:
        with psycopg.connect(url) as server:
            tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            rows = [
                server.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name))).fetchall()
                for (name,) in tables
            ]
        return repr(rows)

    return await asyncio.to_thread(work)
