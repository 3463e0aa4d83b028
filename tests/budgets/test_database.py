"""A database that would lose a commit, or that is too new, is refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets import sqlite
from budgets.database import WRITES, open_database
from budgets.errors import LedgerUnavailableError


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


def test_every_connection_commits_durably(tmp_path: Path) -> None:
    engine = open_database(url_of(tmp_path))
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:ledger?mode=memory&uri=true",
        "sqlite:////nowhere/at/all/ledger.sqlite",
    ],
)
def test_a_database_without_a_durable_file_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerUnavailableError):
        open_database(url)
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_does_not_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_SETTINGS", {**sqlite._SETTINGS, "synchronous": ("NORMAL", 2)})
    with pytest.raises(LedgerUnavailableError, match="synchronous"):
        open_database(url_of(tmp_path))


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_database(url_of(tmp_path)).dispose()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(LedgerUnavailableError, match="newer"):
        open_database(url_of(tmp_path))


def test_someone_elses_database_is_not_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("CREATE TABLE entries (text)")
    connection.close()
    with pytest.raises(LedgerUnavailableError):
        open_database(url_of(tmp_path))
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("entries",)]
    connection.close()


def test_a_writer_keeps_others_out_from_its_first_statement_on(tmp_path: Path) -> None:
    engine = open_database(url_of(tmp_path))
    with engine.execution_options(**WRITES).connect() as writer, writer.begin(), engine.connect() as reader:
        assert reader.exec_driver_sql("SELECT count(*) FROM entries").scalar_one() == 0
        other = sqlite3.connect(tmp_path / "ledger.sqlite", timeout=0.01)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    engine.dispose()


def test_a_reader_sees_one_state_however_long_it_reads(tmp_path: Path) -> None:
    engine = open_database(url_of(tmp_path))
    with engine.connect() as reader, reader.begin():
        count = sa.text("SELECT count(*) FROM accounts")
        assert reader.execute(count).scalar_one() == 0
        with engine.execution_options(**WRITES).begin() as writer:
            writer.exec_driver_sql("INSERT INTO accounts (id, dataset, kind) VALUES ('a', 'a', 'dataset')")
        assert reader.execute(count).scalar_one() == 0
    engine.dispose()


def test_an_up_to_date_ledger_opens_at_once_and_without_alembic(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from budgets.sql_ledger import SqlLedger\n"
        "started = time.process_time()\n"
        "SqlLedger(sys.argv[1]).close()\n"
        "print(time.process_time() - started, 'alembic' in sys.modules)\n"
    )
    open_database(url_of(tmp_path)).dispose()
    seconds = []
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-c", program, url_of(tmp_path)], capture_output=True, check=True, text=True, timeout=60
        )
        elapsed, imported = run.stdout.split()
        assert imported == "False"
        seconds.append(float(elapsed))
    assert min(seconds) < 0.1, seconds
