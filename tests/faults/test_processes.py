"""Two processes spend while an officer lowers the cap: nothing is lost, and no entry exceeds the cap in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from budgets import audit
from budgets.errors import BudgetError
from budgets.ledger import Ledger, QueryRecord
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, BEN, DATASET, OFFICER, claim_of, open_accounts, raise_cap, url_of
from tests.budgets.postgres_server import PostgresServer
from tests.faults.spenders import PRICE, all_at_once, spent_by

THREADS = 200


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


def open_wide(url: str, anchor: Path, cap: int) -> SqlLedger:
    """A ledger with so much for each person and for the dataset."""
    ledger = SqlLedger(url, anchor=anchor)
    for account in (DATASET, ADA, BEN):
        ledger.open_account(account, PrivacyLoss(cap), OFFICER, "why")
    return ledger


@pytest.mark.parametrize("form", ["short", pytest.param("long", marks=pytest.mark.faults)])
def test_no_cap_that_an_officer_lowers_meanwhile_is_exceeded(url: str, tmp_path: Path, form: str) -> None:
    # A charge takes a server ten times as long as a file.
    requests = 10_000 if form == "long" else 40 if url.startswith("postgresql") else 300
    wanted, anchor = 2 * requests * PRICE, tmp_path / "anchor.json"
    ledger = open_wide(url, anchor, wanted)
    caps = [int(wanted * share) for share in (0.9, 0.7, 0.6, 0.5)]
    ends = all_at_once(url, anchor, requests, caps)
    assert {len(each) for each in ends.values()} == {requests}
    balance = ledger.balance(DATASET.id)
    assert balance.cap == PrivacyLoss(caps[-1])
    assert balance.spent == PrivacyLoss(spent_by(ends))
    assert balance.reserved == PrivacyLoss(0)
    assert any("refused" in each for each in ends.values())
    states = {record.query_id: record.state for record in _all_queries(ledger)}
    assert states == {
        f"q_{owner}{number}": end for owner in ends for number, end in enumerate(ends[owner]) if end != "refused"
    }
    spent = [posting["spent_rho_nano"] for posting in _postings(ledger)]
    assert spent == sorted(spent)
    assert audit.verify(ledger, anchor=anchor).problems == ()
    ledger.close()
    SqlLedger(url, anchor=anchor).close()


def _all_queries(ledger: Ledger) -> tuple[QueryRecord, ...]:
    return ledger.queries(principal=None, dataset=None, before=None, limit=10**6)


def _postings(ledger: Ledger) -> list[dict[str, int]]:
    """The postings of the dataset's account, in order."""
    entries = ledger.entries(after_seq=0, limit=10**6)
    return [each for entry in entries for each in entry.facts["postings"] if each["account_id"] == DATASET.id]


@pytest.mark.parametrize(
    "rounds", [pytest.param(2, id="short"), pytest.param(100, id="long", marks=pytest.mark.faults)]
)
def test_of_200_threads_one_wins_each_round(url: str, tmp_path: Path, rounds: int) -> None:
    """In turns: the rest of a budget, one idempotency key, one step of a reservation."""
    ledger = SqlLedger(url, anchor=tmp_path / "anchor.json")
    open_accounts(ledger)
    raise_cap(ledger, ADA, PrivacyLoss(10**12))
    raise_cap(ledger, DATASET, PrivacyLoss(10**12))
    with ThreadPoolExecutor(THREADS) as pool:
        for number in range(rounds):
            ledger.reserve(claim_of(f"step-{number}", 1))
            rest = ledger.balance(ADA.id).remaining.rho_nano

            def race(kind: str, caller: int, number: int = number, rest: int = rest) -> None:
                name = f"{kind}-{number}-{caller}"
                if kind == "rest":
                    ledger.reserve(claim_of(name, rest * 6 // 10))
                elif kind == "key":
                    ledger.reserve(claim_of(name, 1, account=BEN, key=f"key {number}"))
                elif caller % 2:
                    ledger.begin(f"q_step-{number}")
                else:
                    ledger.void(f"q_step-{number}", "why")

            for kind in ("rest", "key", "step"):
                assert _winners(pool, race, kind) == 1, (kind, number)
            for record in ledger.queries(principal=None, dataset=None, before=None, limit=3):
                if record.state == "reserved" and record.query_id.startswith("q_rest"):
                    ledger.void(record.query_id, "the next round wants it")
    assert audit.verify(ledger, anchor=tmp_path / "anchor.json").problems == ()
    ledger.close()


def _winners(pool: ThreadPoolExecutor, race: Callable[[str, int], None], kind: str) -> int:
    together = Barrier(THREADS)

    def run(caller: int) -> bool:
        together.wait(120)
        try:
            race(kind, caller)
        except BudgetError:
            return False
        return True

    return Counter(pool.map(run, range(THREADS)))[True]


def test_a_charge_that_is_added_beside_the_rules_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a ledger that admits everything exceeds its cap, and the audit says so."""
    ledger = SqlLedger(url_of(tmp_path))
    open_accounts(ledger)
    monkeypatch.setattr("budgets.privacy_loss.PrivacyLoss.fits_within", lambda *_: True)
    monkeypatch.setattr("budgets.privacy_loss.PrivacyLoss.minus", lambda self, other: replace(self))
    for number in range(3):
        ledger.reserve(claim_of(str(number), 400))
    monkeypatch.undo()
    assert any("exceeds the cap" in problem for problem in audit.verify(ledger).problems)
    ledger.close()
