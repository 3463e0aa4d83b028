"""Accounts, claims and answers that the tests of the ledger share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from budgets.anchor import Anchor
from budgets.ledger import Account, Claim, Head, Ledger, Outcome, StoredRelease
from budgets.meters import LIFETIME
from budgets.privacy_loss import PrivacyLoss
from budgets.proposals import APPROVED, Proposal, cap_change
from budgets.sql_ledger import SqlLedger

DATASET = Account("shop", "shop", "dataset", None, None)
ADA = Account("shop/person/ada", "shop", "person", "shop", "ada")
BEN = Account("shop/person/ben", "shop", "person", "shop", "ben")
OFFICER = "officer"
SECOND_OFFICER = "second-officer"
DATASET_CAP = PrivacyLoss(1_000, 1_000)
PERSON_CAP = PrivacyLoss(800, 800)
LEASE_SECONDS = 60


@dataclass
class Clock:
    """A clock that moves only when it is told to."""

    now: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def url_of(directory: Path) -> str:
    return f"sqlite:///{directory / 'ledger.sqlite'}"


def open_accounts(ledger: Ledger) -> None:
    """The dataset's account over-allocated to two persons: 800 + 800 of 1,000."""
    for account, cap in ((DATASET, DATASET_CAP), (ADA, PERSON_CAP), (BEN, PERSON_CAP)):
        ledger.open_account(account, cap, OFFICER, "the policy says so")


def open_ledger(directory: Path, clock: Clock | None = None) -> SqlLedger:
    anchor = directory / "anchor.json"
    return (
        SqlLedger(url_of(directory), anchor=anchor)
        if clock is None
        else SqlLedger(url_of(directory), anchor=anchor, clock=clock)
    )


def anchored_in(directory: Path) -> Head:
    """The entry that the anchor of the ledger in the directory has seen."""
    anchored = Anchor(directory / "anchor.json").read()
    assert anchored is not None
    return anchored


def claim_of(
    name: str, rho_nano: int = 10, delta_atto: int = 0, account: Account = ADA, key: str | None = None
) -> Claim:
    return Claim(
        account_id=account.id,
        loss=PrivacyLoss(rho_nano, delta_atto),
        principal=account.owner or "",
        idempotency_key=f"key-{name}" if key is None else key,
        request_digest="d" * 64,
        query_id=f"q_{name}",
        description={"sql": "SELECT COUNT(*) FROM lines", "purpose": "Prüfung"},
        lease_seconds=LEASE_SECONDS,
    )


def outcome_of(name: str, body: bytes = b'{"rows": []}') -> Outcome:
    return Outcome(f"q_{name}", 201, body, "application/json")


def release_of(name: str, rho_nano: int = 10) -> StoredRelease:
    return StoredRelease("plan", "snapshot-1", rho_nano, f"q_{name}", DATASET.dataset, f"table of {name}".encode())


def raise_cap(ledger: Ledger, account: Account, cap: PrivacyLoss, meter: str = LIFETIME) -> None:
    """Sets any cap, as two officers may."""
    change = cap_change(account.id, meter, cap)
    name = f"p_{ledger.head().seq}"
    ledger.propose(Proposal(name, account.dataset, change, OFFICER, "more", decisions=((APPROVED, OFFICER),)))
    ledger.decide(name, APPROVED, SECOND_OFFICER, "agreed")


def another_request(claim: Claim) -> Claim:
    """The same key with another body, under a fresh query id."""
    return replace(claim, request_digest="e" * 64, query_id=f"{claim.query_id}_other")


def answer(ledger: Ledger, name: str, rho_nano: int = 10, account: Account = ADA) -> Outcome:
    """One query from reservation to answer."""
    claim = claim_of(name, rho_nano, account=account)
    ledger.reserve(claim)
    ledger.begin(claim.query_id)
    outcome = outcome_of(name, f"answer of {name}".encode())
    ledger.settle(claim.query_id, outcome, (release_of(name, rho_nano),))
    return outcome
