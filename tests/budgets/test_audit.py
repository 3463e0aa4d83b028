"""The audit finds every change to a ledger, also when the chain was computed anew to hide it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgets import audit
from budgets.errors import LedgerUnavailableError
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    OFFICER,
    anchored_in,
    answer,
    claim_of,
    open_accounts,
    open_ledger,
    outcome_of,
)


@pytest.fixture
def file(tmp_path: Path, written: Path) -> Path:
    """A copy of the closed ledger, and its anchor."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "ledger.sqlite"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger with every kind of entry: 3 accounts, 5 queries, a cap."""
    directory = tmp_path_factory.mktemp("written")
    ledger = open_ledger(directory)
    open_accounts(ledger)
    answer(ledger, "a", 300)
    ledger.reserve(claim_of("b", 100))
    ledger.void("q_b", "busy")
    ledger.reserve(claim_of("c", 50, 7, BEN))
    ledger.begin("q_c")
    ledger.fail("q_c", outcome_of("c"))
    ledger.record_reuse(claim_of("d", 0), outcome_of("d"))
    ledger.set_cap(ADA.id, PrivacyLoss(500, 500), OFFICER, "less")
    ledger.reserve(claim_of("e", 5))
    ledger.close()
    return directory


@pytest.fixture
def damage(file: Path) -> Iterator[Callable[[str], object]]:
    """Runs SQL that the triggers would forbid."""
    connection = sqlite3.connect(file)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    yield connection.executescript
    connection.close()


def test_a_sound_ledger_has_no_problems(file: Path) -> None:
    report = audit.verify(file, anchor=file.parent / "anchor.json")
    assert report.problems == ()
    assert report.is_sound
    assert (report.entries, report.accounts, report.queries) == (14, 3, 5)


def test_an_open_ledger_is_verified_in_place(file: Path) -> None:
    ledger = open_ledger(file.parent)
    report = audit.verify(ledger)
    assert report.is_sound
    assert report.head_hash == ledger.head().hash
    assert audit.verify(file) == report
    ledger.close()


def test_a_copy_in_a_directory_that_cannot_be_written_is_verified_and_left_as_it_is(file: Path, tmp_path: Path) -> None:
    offline = tmp_path / "offline"
    offline.mkdir()
    shutil.copy(file, offline / "copy.sqlite")
    before = (offline / "copy.sqlite").read_bytes()
    assert audit.verify(offline / "copy.sqlite").is_sound
    assert [path.name for path in offline.iterdir()] == ["copy.sqlite"]
    assert (offline / "copy.sqlite").read_bytes() == before


def test_what_is_no_ledger_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something" * 1000)
    for name in ("x", "missing"):
        with pytest.raises(LedgerUnavailableError):
            audit.verify(tmp_path / name)


@pytest.mark.parametrize("column", ["at", "kind", "actor", "payload", "prev_hash", "hash"])
@pytest.mark.parametrize("seq", range(1, 15))
def test_one_changed_byte_of_any_entry_is_found(
    file: Path, damage: Callable[[str], object], column: str, seq: int
) -> None:
    damage(f"UPDATE entries SET {column} = substr({column}, 1, 4) || 'X' || substr({column}, 6) WHERE seq = {seq}")
    assert not audit.verify(file).is_sound


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE postings SET spent_rho_nano = spent_rho_nano - 1 WHERE seq = 5",
        "UPDATE postings SET cap_rho_nano = cap_rho_nano + 1 WHERE seq = 13",
        "DELETE FROM postings WHERE seq = 14",
        "INSERT INTO postings SELECT account_id, meter, 99, 1000, 0, 0, 0, 0, 0 FROM postings WHERE seq = 1",
        "UPDATE accounts SET parent = NULL WHERE owner = 'ada'",
        "INSERT INTO accounts VALUES ('shop/person/eve', 'shop', 'person', 'shop', 'eve')",
        "UPDATE requests SET principal = 'ben' WHERE query_id = 'q_a'",
        "UPDATE requests SET key_digest = 'x' WHERE query_id = 'q_a'",
        "UPDATE requests SET rho_nano = 1 WHERE query_id = 'q_e'",
        "UPDATE transitions SET state = 'voided' WHERE query_id = 'q_a' AND step = 2",
        "DELETE FROM transitions WHERE query_id = 'q_a' AND step = 2",
        "DELETE FROM leases",
        "UPDATE leases SET until = '2000-01-01T00:00:00.000000Z'",
        "INSERT INTO leases VALUES ('q_a', '2000-01-01T00:00:00.000000Z')",
        "UPDATE outcomes SET body = x'00' WHERE query_id = 'q_a'",
        "UPDATE outcomes SET status = 200 WHERE query_id = 'q_c'",
        "DELETE FROM outcomes WHERE query_id = 'q_d'",
        "UPDATE releases SET \"table\" = x'00'",
        "UPDATE releases SET rho_nano = 999",
        "DELETE FROM releases",
        "DELETE FROM entries WHERE seq = 14",
        "DELETE FROM entries WHERE seq = 1",
        "UPDATE entries SET seq = -seq WHERE seq IN (5, 6); UPDATE entries SET seq = 11 + seq WHERE seq < 0",
    ],
)
def test_any_change_beside_or_of_the_entries_is_found(file: Path, damage: Callable[[str], object], sql: str) -> None:
    damage(sql)
    assert not audit.verify(file).is_sound


def cut_tail(file: Path, damage: Callable[[str], object], keep: int) -> None:
    """Removes the last entries from every table, leaving a ledger that hangs together."""
    damage(
        f"""
        DELETE FROM releases WHERE seq > {keep};
        DELETE FROM outcomes WHERE query_id IN (SELECT query_id FROM requests WHERE seq > {keep});
        DELETE FROM transitions WHERE seq > {keep};
        DELETE FROM leases WHERE query_id NOT IN (SELECT query_id FROM requests WHERE seq <= {keep});
        DELETE FROM charges WHERE query_id IN (SELECT query_id FROM requests WHERE seq > {keep});
        DELETE FROM requests WHERE seq > {keep};
        DELETE FROM meters WHERE seq > {keep};
        DELETE FROM postings WHERE seq > {keep};
        DELETE FROM entries WHERE seq > {keep};
        """
    )


def test_a_neatly_cut_tail_is_found_by_the_anchor_alone(file: Path, damage: Callable[[str], object]) -> None:
    cut_tail(file, damage, 12)
    assert audit.verify(file).is_sound
    problems = audit.verify(file, anchor=file.parent / "anchor.json").problems
    anchored = anchored_in(file.parent).seq
    assert anchored > 12
    assert problems == (f"Entry {anchored} is anchored, but is missing or another: an old copy, or a cut tail.",)


def rewrite(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes entries and computes the chain anew, as someone would who knows how and has no anchor to fear."""
    connection = sqlite3.connect(file)
    prev_hash = "0" * 64
    names = ("seq", "at", "kind", "actor", "payload")
    for row in connection.execute(f"SELECT {', '.join(names)} FROM entries ORDER BY seq").fetchall():
        entry = dict(zip(names, row, strict=True))
        entry["payload"] = json.loads(entry["payload"])
        change(entry)
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256((prev_hash + text).encode()).hexdigest()
        payload = json.dumps(entry["payload"], sort_keys=True, separators=(",", ":"))
        connection.execute(
            "UPDATE entries SET at = ?, kind = ?, actor = ?, payload = ?, prev_hash = ?, hash = ? WHERE seq = ?",
            (entry["at"], entry["kind"], entry["actor"], payload, prev_hash, digest, entry["seq"]),
        )
        # The postings follow, so that only the rules are left to notice.
        for posting in entry["payload"]["postings"]:
            columns = ", ".join(f"{name} = :{name}" for name in posting)
            connection.execute(
                f"UPDATE postings SET {columns} WHERE seq = :seq AND account_id = :account_id",
                {**posting, "seq": entry["seq"]},
            )
        prev_hash = digest
    connection.commit()
    connection.close()


def on(seq: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        if entry["seq"] == seq:
            entry["payload"] |= {name: value for name, value in changes.items() if name in entry["payload"]}
            entry |= {name: value for name, value in changes.items() if name in entry}

    return change


def refund(entry: dict[str, Any]) -> None:
    """From entry 6 on, 300 less are spent."""
    for posting in entry["payload"]["postings"]:
        if entry["seq"] >= 6 and posting["spent_rho_nano"] >= 300:
            posting["spent_rho_nano"] -= 300


def raise_cap(entry: dict[str, Any]) -> None:
    """Ada's account has ten times the cap from entry 4 on, without an entry that says so."""
    for posting in entry["payload"]["postings"]:
        if entry["seq"] >= 4 and posting["account_id"] == ADA.id:
            posting["cap_rho_nano"] *= 10


def charged(seq: int) -> Callable[[dict[str, Any]], None]:
    """The entry's query costs 5, on all meters, in words alone."""

    def change(entry: dict[str, Any]) -> None:
        if entry["seq"] == seq:
            for claimed in (entry["payload"], *entry["payload"]["charges"]):
                claimed["rho_nano"] = 5

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (refund, "balances that do not follow"),
        (raise_cap, "balances that do not follow"),
        (on(4, rho_nano=900), "takes less from a lifetime than it costs"),
        (on(4, rho_nano=30), "requests"),
        (on(2, at="2020-01-01T00:00:00.000000Z"), "earlier than the entry before"),
        (on(6, kind="failed"), "transitions"),
        (on(6, kind="begun"), "makes a query that is begun begun"),
        (on(8, kind="settled"), "makes a query that is reserved settled"),
        (on(8, kind="gift"), "unknown kind"),
        (on(4, principal="ben"), "another than its principal"),
        (on(7, query_id="q_a"), "takes up a query a second time"),
        (charged(12), "free repeat that costs"),
        (charged(4), "balances that do not follow"),
        (on(12, attempt=2), "counts the attempts"),
        (on(6, outcome={"status": 201, "media_type": "application/json", "body_sha256": "0" * 64}), "outcomes"),
        (on(6, releases=[]), "releases"),
    ],
)
def test_a_rewritten_chain_is_found_by_the_rules(
    file: Path, damage: Callable[[str], object], change: Callable[[dict[str, Any]], None], words: str
) -> None:
    damage("")
    rewrite(file, lambda _: None)
    assert audit.verify(file).is_sound
    rewrite(file, change)
    assert any(words in problem for problem in audit.verify(file).problems), audit.verify(file).problems


def test_a_claim_over_the_cap_is_found(file: Path, damage: Callable[[str], object]) -> None:
    """All numbers follow from each other here; only that the claim was admitted breaks a rule."""
    damage("")

    def shrink(entry: dict[str, Any]) -> None:
        for posting in entry["payload"]["postings"]:
            if posting["account_id"] == "shop":
                posting["cap_rho_nano"] = 299

    rewrite(file, shrink)
    problems = audit.verify(file).problems
    assert problems
    assert all("exceeds the cap of account 'shop'" in problem for problem in problems), problems


def test_a_key_used_twice_is_found(file: Path, damage: Callable[[str], object]) -> None:
    damage("")
    first = sqlite3.connect(file)
    (digest,) = first.execute("SELECT key_digest FROM requests WHERE query_id = 'q_a'").fetchone()
    first.close()
    rewrite(file, on(7, key_digest=digest))
    assert any("idempotency key that is in use" in problem for problem in audit.verify(file).problems)


def test_a_report_of_a_ruined_ledger_is_short(file: Path, damage: Callable[[str], object]) -> None:
    damage("UPDATE entries SET payload = '[1' WHERE seq = 1")
    assert 0 < len(audit.verify(file).problems) <= audit.PROBLEMS_SHOWN


def test_a_payload_that_is_valid_json_of_another_shape_is_found(file: Path, damage: Callable[[str], object]) -> None:
    damage("UPDATE entries SET payload = '[1]' WHERE seq = 4; UPDATE entries SET payload = '{}' WHERE seq = 5")
    assert not audit.verify(file).is_sound


def test_an_empty_ledger_is_sound(tmp_path: Path) -> None:
    ledger = SqlLedger(f"sqlite:///{tmp_path}/empty.sqlite")
    assert audit.verify(ledger).problems == ()
    ledger.close()
