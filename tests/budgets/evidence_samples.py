"""A ledger with signed receipts, as the service writes it, and an export of it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from budgets.evidence.chain import charged_at
from budgets.evidence.export import export
from budgets.evidence.receipts import with_receipt
from budgets.evidence.signing import KeyRing
from budgets.ledger import Claim, Outcome, StoredRelease, sha256_hex
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_samples import ADA, BEN, OFFICER, claim_of, open_accounts, open_ledger, outcome_of

SNAPSHOT = "20261123T080000Z-0001"
SQL = "SELECT COUNT(*) AS n FROM lines"


class Recorded:
    """A ledger with its keys; `answer`, `repeat` and `fail` write to it as the service does."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.keys = KeyRing(directory / "keys")
        self.ledger: SqlLedger = open_ledger(directory)
        self.released: dict[str, Any] = {}  # what releases are stored with in place of what is right

    def claim(self, name: str, rho_nano: int, delta_atto: int = 0, **more: Any) -> Claim:
        described = {"dataset": "shop", "sql": SQL, "snapshot": SNAPSHOT, "plans": digest_of(more.pop("plan", name))}
        return replace(claim_of(name, rho_nano, delta_atto, **more), description=described)

    def answer(self, name: str, rho_nano: int, delta_atto: int = 0, **changes: Any) -> None:
        claim = self.claim(name, rho_nano, delta_atto)
        self.ledger.reserve(claim)
        self.ledger.begin(claim.query_id)
        table = f"the table of {name}".encode()
        body = self.body(claim, self.receipt(claim, claim.query_id, rho_nano, table), changes)
        release = StoredRelease(digest_of(name), SNAPSHOT, rho_nano, claim.query_id, "shop", table)
        outcome = Outcome(claim.query_id, 201, body, "application/json")
        self.ledger.settle(claim.query_id, outcome, (replace(release, **self.released),))

    def repeat(self, name: str, of: str, rho_nano: int, **changes: Any) -> None:
        claim = self.claim(name, 0, plan=of)
        body = self.body(claim, self.receipt(claim, f"q_{of}", rho_nano, f"the table of {of}".encode()), changes)
        self.ledger.record_reuse(claim, Outcome(claim.query_id, 201, body, "application/json"))

    def fail(self, name: str, rho_nano: int) -> None:
        self.ledger.reserve(claim_of(name, rho_nano, account=BEN))
        self.ledger.begin(f"q_{name}")
        self.ledger.fail(f"q_{name}", replace(outcome_of(name), status=503))

    def receipt(self, claim: Claim, buyer: str, rho_nano: int, table: bytes) -> dict[str, Any]:
        own, bought = charged_at(self.ledger, claim.query_id), charged_at(self.ledger, buyer)
        assert bought is not None
        origin = {"query_id": buyer, "rho": decimal(rho_nano, 9), **asdict(bought)}
        release = {"digest": claim.description["plans"], "stored": own is None, "released_by": origin}
        return {
            **{name: claim.description[name] for name in ("dataset", "sql", "snapshot")},
            "query_id": claim.query_id,
            "account": claim.account_id,
            "charged": {"rho": decimal(claim.loss.rho_nano, 9), "delta": decimal(claim.loss.delta_atto, 18)},
            "ledger": {"entry": "head" if own is None else "begun", **asdict(own or self.ledger.head())},
            "releases": [{**release, "table_sha256": sha256_hex(table)}],
        }

    def body(self, claim: Claim, receipt: dict[str, Any], changes: dict[str, Any]) -> bytes:
        answer = f'{{"id": "{claim.query_id}", "rows": [{{"n": 12}}]}}'.encode()
        return with_receipt(answer, receipt | changes, self.keys)

    def export(self, path: Path) -> Path:
        path.write_bytes(b"".join(export(self.ledger, self.keys).chunks()))
        return path

    def close(self) -> None:
        self.ledger.close()


def written(directory: Path) -> Recorded:
    """Two answers, a repeat, a failure, something voided, an open reservation and a lowered cap."""
    recorded = Recorded(directory)
    open_accounts(recorded.ledger)
    recorded.answer("a", 300, 7)
    recorded.answer("b", 20)
    recorded.repeat("c", "a", 300)
    recorded.fail("d", 50)
    recorded.ledger.reserve(claim_of("e", 100))
    recorded.ledger.void("q_e", "busy")
    recorded.ledger.set_cap(ADA.id, PrivacyLoss(500, 500), OFFICER, "less")
    recorded.ledger.reserve(claim_of("f", 5))
    return recorded


def digest_of(name: str) -> str:
    return sha256_hex(name.encode())


def decimal(units: int, places: int) -> str:
    return f"{units / 10**places:.{places}f}"
