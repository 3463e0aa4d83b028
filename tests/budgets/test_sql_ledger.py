"""The SQL ledger passes the contract, keeps everything over a restart, and fails closed."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from budgets import audit
from budgets.errors import LedgerBehindAnchorError, LedgerCorruptError, LedgerUnavailableError
from budgets.ledger import Head, Ledger, Outcome
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_contract import LedgerContract
from tests.budgets.ledger_samples import (
    ADA,
    DATASET,
    DATASET_CAP,
    LEASE_SECONDS,
    OFFICER,
    Clock,
    anchored_in,
    answer,
    claim_of,
    open_accounts,
    open_ledger,
    outcome_of,
    raise_cap,
    url_of,
)


class TestSqlLedger(LedgerContract):
    @pytest.fixture
    def empty(self, tmp_path: Path, clock: Clock) -> Iterator[SqlLedger]:
        ledger = open_ledger(tmp_path, clock)
        yield ledger
        report = audit.verify(ledger, anchor=tmp_path / "anchor.json")
        ledger.close()
        assert report.problems == ()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    ledger = open_ledger(tmp_path)
    open_accounts(ledger)
    yield ledger
    ledger.close()


def test_everything_is_there_after_a_restart(ledger: SqlLedger, tmp_path: Path) -> None:
    outcome = answer(ledger, "a", 300)
    ledger.reserve(claim_of("b", 100))
    before = ledger.head(), ledger.accounts(), ledger.queries(principal=None, dataset=None, before=None, limit=9)
    ledger.close()
    again = open_ledger(tmp_path)
    assert (
        again.head(),
        again.accounts(),
        again.queries(principal=None, dataset=None, before=None, limit=9),
    ) == before
    assert again.replay("ada", "key-a", "d" * 64) == outcome
    again.begin("q_b")
    again.close()


def test_the_ledger_and_its_anchor_are_readable_by_their_owner_alone(ledger: SqlLedger, tmp_path: Path) -> None:
    ledger.head()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert {"ledger.sqlite", "ledger.sqlite-wal", "anchor.json"} <= modes.keys()


@pytest.mark.parametrize(
    "table", ["entries", "accounts", "postings", "requests", "transitions", "outcomes", "releases"]
)
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}", "REPLACE INTO {0} SELECT * FROM {0}"]
)
def test_nothing_that_was_written_can_be_changed(ledger: SqlLedger, tmp_path: Path, table: str, change: str) -> None:
    answer(ledger, "a")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute(change.format(table))
    connection.close()


def test_recovery_stores_the_outcome_that_the_service_chose(tmp_path: Path) -> None:
    clock = Clock()
    ledger = SqlLedger(
        url_of(tmp_path), clock=clock, lost=lambda query_id: Outcome(query_id, 599, b"lost", "text/plain")
    )
    open_accounts(ledger)
    ledger.reserve(claim_of("a"))
    ledger.begin("q_a")
    clock.forward(LEASE_SECONDS)
    ledger.recover()
    assert ledger.outcome("q_a") == Outcome("q_a", 599, b"lost", "text/plain")
    ledger.close()


# The anchor


def test_the_anchor_stands_at_every_charge_answer_and_cap(ledger: SqlLedger, tmp_path: Path) -> None:
    ledger.reserve(claim_of("b"))
    steps = (
        lambda: ledger.begin("q_b"),
        lambda: answer(ledger, "a"),
        lambda: ledger.fail("q_b", outcome_of("b")),
        lambda: ledger.set_cap(ADA.id, PrivacyLoss(100), "officer", "a reason"),
        lambda: raise_cap(ledger, ADA, PrivacyLoss(10**6)),
        lambda: ledger.freeze("shop", "officer", "a reason"),
    )
    for step in steps:
        step()
        assert anchored_in(tmp_path) == ledger.head()


def test_a_ledger_works_without_an_anchor(tmp_path: Path) -> None:
    ledger = SqlLedger(url_of(tmp_path))
    open_accounts(ledger)
    answer(ledger, "a")
    ledger.close()
    assert not (tmp_path / "anchor.json").exists()


def test_an_old_copy_of_the_file_is_refused(ledger: SqlLedger, tmp_path: Path) -> None:
    answer(ledger, "a", 300)
    ledger.close()
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "backup")
    again = open_ledger(tmp_path)
    answer(again, "b", 300)
    again.close()
    shutil.copy(tmp_path / "backup", tmp_path / "ledger.sqlite")
    with pytest.raises(LedgerBehindAnchorError):
        open_ledger(tmp_path)


def test_a_lost_ledger_is_refused_and_never_begun_anew(ledger: SqlLedger, tmp_path: Path) -> None:
    ledger.close()
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(LedgerBehindAnchorError):
        open_ledger(tmp_path)


def test_another_history_of_the_same_length_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ledger = open_ledger(tmp_path / name)
        ledger.open_account(DATASET, DATASET_CAP, OFFICER, f"reason {name}")
        ledger.close()
    shutil.copy(tmp_path / "one" / "ledger.sqlite", tmp_path / "two" / "ledger.sqlite")
    with pytest.raises(LedgerBehindAnchorError):
        open_ledger(tmp_path / "two")


def test_a_ledger_ahead_of_its_anchor_opens_and_moves_it(ledger: SqlLedger, tmp_path: Path) -> None:
    old = (tmp_path / "anchor.json").read_bytes()
    answer(ledger, "a")
    ledger.close()
    (tmp_path / "anchor.json").write_bytes(old)
    again = open_ledger(tmp_path)
    assert anchored_in(tmp_path) == again.head()
    again.close()


# A broken ledger


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET payload = replace(payload, '300', '301') WHERE kind = 'reserved'",
        "UPDATE entries SET actor = 'eve' WHERE seq = 4",
        "UPDATE entries SET at = '2026-01-01T00:00:00.000000Z' WHERE seq = 4",
        "UPDATE entries SET prev_hash = 'x' WHERE seq = 4",
        "DELETE FROM entries WHERE seq = 4",
        "DELETE FROM entries WHERE seq = 1",
        "UPDATE entries SET seq = -seq WHERE seq IN (4, 5); UPDATE entries SET seq = 9 + seq WHERE seq < 0",
        "UPDATE postings SET spent_rho_nano = 0",
        "DELETE FROM postings WHERE seq = 6",
        "INSERT INTO postings SELECT account_id, meter, 99, cap_rho_nano, 0, 0, 0, 0, 0 FROM postings WHERE seq = 1",
        "DELETE FROM entries WHERE seq = 6",
    ],
)
def test_a_damaged_tail_is_noticed_at_the_next_start(ledger: SqlLedger, tmp_path: Path, damage: str) -> None:
    answer(ledger, "a", 300)
    ledger.close()
    damage_file(tmp_path / "ledger.sqlite", damage)
    with pytest.raises(LedgerCorruptError):
        open_ledger(tmp_path)


def damage_file(path: Path, damage: str) -> None:
    """Does what the triggers forbid, as someone would who can write the file."""
    connection = sqlite3.connect(path)
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.executescript("".join(f"DROP TRIGGER {name};" for (name,) in triggers) + damage)
    connection.close()


def test_a_long_ledger_is_checked_from_the_link_before_its_tail_on(
    ledger: SqlLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budgets.soundness.TAIL_ENTRIES", 2)
    answer(ledger, "a", 300)
    ledger.close()
    open_ledger(tmp_path).close()
    damage_file(tmp_path / "ledger.sqlite", "UPDATE entries SET hash = 'x' WHERE seq = 4")
    with pytest.raises(LedgerCorruptError):
        open_ledger(tmp_path)


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(LedgerUnavailableError):
        open_ledger(tmp_path)


# Failures


def _calls(ledger: Ledger) -> dict[str, Callable[[], object]]:
    return {
        "open_account": lambda: ledger.open_account(ADA, DATASET_CAP, OFFICER, ""),
        "set_cap": lambda: ledger.set_cap(DATASET.id, DATASET_CAP, OFFICER, ""),
        "reserve": lambda: ledger.reserve(claim_of("z")),
        "begin": lambda: ledger.begin("q_reserved"),
        "void": lambda: ledger.void("q_reserved", ""),
        "settle": lambda: ledger.settle("q_begun", outcome_of("begun"), ()),
        "fail": lambda: ledger.fail("q_begun", outcome_of("begun")),
        "record_reuse": lambda: ledger.record_reuse(claim_of("z", 0), outcome_of("z")),
        "recover": ledger.recover,
        "accounts": ledger.accounts,
        "balance": lambda: ledger.balance(ADA.id),
        "replay": lambda: ledger.replay("ada", "key-a", "d" * 64),
        "find_release": lambda: ledger.find_release("shop", "plan", "snapshot-1", 0),
        "outcome": lambda: ledger.outcome("q_a"),
        "queries": lambda: ledger.queries(principal=None, dataset=None, before=None, limit=1),
        "query": lambda: ledger.query("q_a"),
        "entries": lambda: ledger.entries(after_seq=0, limit=1),
        "head": ledger.head,
    }


def _prepare(ledger: Ledger) -> None:
    answer(ledger, "a")
    ledger.reserve(claim_of("reserved"))
    ledger.reserve(claim_of("begun"))
    ledger.begin("q_begun")


_CALLS = (
    *("open_account", "set_cap", "reserve", "begin", "void", "settle", "fail", "record_reuse", "recover", "accounts"),
    *("balance", "replay", "find_release", "outcome", "queries", "query", "entries", "head"),
)


@pytest.mark.parametrize("call", _CALLS)
def test_a_ledger_whose_file_broke_gives_nothing(ledger: SqlLedger, tmp_path: Path, call: str) -> None:
    _prepare(ledger)
    ledger.close()
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    (tmp_path / "ledger.sqlite").write_bytes(b"disk full of something else" * 1000)
    with pytest.raises(LedgerUnavailableError):
        _calls(ledger)[call]()


_BIG = "x" * 100_000


def _big_writes(ledger: Ledger) -> dict[str, Callable[[], object]]:
    begun = Outcome("q_begun", 201, _BIG.encode(), "application/json")
    reused = Outcome("q_z", 201, _BIG.encode(), "application/json")
    return {
        "set_cap": lambda: ledger.set_cap(DATASET.id, DATASET_CAP, OFFICER, _BIG),
        "reserve": lambda: ledger.reserve(replace(claim_of("z"), description={"sql": _BIG})),
        "void": lambda: ledger.void("q_reserved", _BIG),
        "settle": lambda: ledger.settle("q_begun", begun, ()),
        "fail": lambda: ledger.fail("q_begun", begun),
        "record_reuse": lambda: ledger.record_reuse(claim_of("z", 0), reused),
    }


@pytest.mark.parametrize("call", ["set_cap", "reserve", "void", "settle", "fail", "record_reuse"])
def test_a_write_on_a_full_disk_is_unavailable_and_leaves_nothing(ledger: SqlLedger, call: str) -> None:
    _prepare(ledger)
    before = ledger.head(), ledger.accounts()
    sa.event.listen(ledger._engine, "begin", _leave_no_page_free)
    with pytest.raises(LedgerUnavailableError):
        _big_writes(ledger)[call]()
    assert (ledger.head(), ledger.accounts()) == before
    assert audit.verify(ledger).problems == ()


def _leave_no_page_free(connection: sa.Connection) -> None:
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_an_anchor_that_cannot_be_written_makes_the_ledger_unavailable_and_the_charge_stands(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    anchor = tmp_path / "elsewhere" / "anchor.json"
    ledger = SqlLedger(url_of(tmp_path), anchor=anchor)
    open_accounts(ledger)
    shutil.rmtree(tmp_path / "elsewhere")
    ledger.reserve(claim_of("a", 300))
    with pytest.raises(LedgerUnavailableError):
        ledger.begin("q_a")
    assert ledger.balance(ADA.id).spent.rho_nano == 300
    ledger.close()


def test_a_failed_start_leaves_no_connection_open(tmp_path: Path) -> None:
    (tmp_path / "anchor.json").write_text("not an anchor")
    with pytest.raises(LedgerCorruptError):
        open_ledger(tmp_path)
    assert not (tmp_path / "ledger.sqlite-wal").exists()


def test_the_head_of_a_ledger_is_its_last_entry(ledger: SqlLedger) -> None:
    last = ledger.entries(after_seq=2, limit=1)[0]
    assert ledger.head() == Head(last.seq, last.hash)
