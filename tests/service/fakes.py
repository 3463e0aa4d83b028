"""Stand-ins that follow the contracts: an answering that noises nothing, a catalogue of policies without data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import count

from budgets.evidence.chain import ReadableLedger, charged_at
from budgets.evidence.receipts import with_receipt
from budgets.evidence.signing import KeyRing
from budgets.ledger import Claim, Outcome, StoredRelease, sha256_hex
from budgets.privacy_loss import ZERO, PrivacyLoss, rho_of_epsilon
from queries.errors import QueryNotPrivateError
from queries.policy import Policy, load_policy
from service.accounts import person_account_id, plain
from service.answering import Answered, Person, QueryRequest
from service.api import examples
from service.quotes import Quote
from service.simulation.report import Accuracy
from service.simulation.simulations import Wanted

POLICY_TEXT = """
dataset: shop
title: A small shop
unit: {name: household, label: a household with all its rows in all tables}
max_units: 1000
budget: {epsilon: "10", delta: "1e-6", delta_for_thresholds: "2e-7"}
query: {default_epsilon: "0.1", max_epsilon: "2"}
persons:
  analyst: {epsilon: "8"}
  dashboard: {epsilon: "8"}
retention: {days: 36525, column: purchases.day}
tables:
  purchases:
    visibility: private
    unit_column: household_id
    columns:
      household_id: {type: integer}
      day: {type: date, range: ["2017-01-01", "2017-12-31"]}
      amount: {type: decimal, scale: 2, range: ["0.00", "1000.00"]}
bounds:
  - {measure: purchases.amount, l2: "2000"}
  - {measure: rows, l2: "500"}
"""
MONTHLY_TEXT = (
    f"{POLICY_TEXT.replace('dataset: shop', 'dataset: months')}blocks: {{period: month, columns: {{purchases: day}}}}\n"
)
LIFETIME_TOO = MONTHLY_TEXT.replace('delta: "1e-6"', 'delta: "1e-6", lifetime_epsilon: "60", lifetime_delta: "5e-6"')

SNAPSHOT = "20261123T080000Z-0001"
PLAN = "ab" * 32
TABLE = b"a released table"
COLUMNS = [
    {"name": "department", "type": "VARCHAR", "role": "dimension", "confidence": None, "of": None},
    {"name": "lines", "type": "BIGINT", "role": "estimate", "confidence": None, "of": None},
    {"name": "lines_lower", "type": "DOUBLE", "role": "lower", "confidence": 0.95, "of": "lines"},
]
ROWS = [
    {"department": "GROCERY", "lines": 12, "lines_lower": 9.5},
    {"department": "=cmd()", "lines": -3, "lines_lower": -6.25},
    {"department": None, "lines": None, "lines_lower": None},
]


@dataclass(frozen=True)
class FakeSnapshot:
    """A snapshot without files."""

    policy: Policy
    id: str = SNAPSHOT
    created: str = "2026-11-23T08:00:00Z"

    @property
    def dataset(self) -> str:
        return self.policy.dataset


@dataclass
class FakeCatalogue:
    """Snapshots by dataset."""

    snapshots: dict[str, FakeSnapshot] = field(
        default_factory=lambda: {"shop": FakeSnapshot(load_policy(POLICY_TEXT, "shop"))}
    )

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.snapshots))

    def snapshot(self, dataset: str) -> FakeSnapshot | None:
        return self.snapshots.get(dataset)

    def waiting(self, dataset: str) -> None:
        return None


class FakeAnswering:
    """Charges the real ledger as the real one does, and answers with fixed rows; `work` runs where rows are read."""

    def __init__(self, ledger: ReadableLedger, catalogue: FakeCatalogue, keys: KeyRing | None = None) -> None:
        self._ledger = ledger
        self._keys = keys
        self._catalogue = catalogue
        self._numbers = count(1)
        self.work: Callable[[], None] = lambda: None
        self.refusal: Exception | None = None
        self.fails_with: Outcome | None = None
        self.requests: list[QueryRequest] = []
        self.is_closed = False

    def quote(self, person: Person, request: QueryRequest) -> Quote:
        del person
        self._refuse(request)
        cost = self._cost(self._loss(request), None)
        return Quote.model_validate(
            {**examples.QUOTE, "dataset": request.dataset, "cost": cost, "notices": [examples.NOTICE]}
        )

    def answer(self, person: Person, request: QueryRequest, idempotency_key: str, request_digest: str) -> Answered:
        self._refuse(request)
        stored = self._ledger.replay(person.name, idempotency_key, request_digest)
        if stored is not None:
            return Answered(stored, touched_private_rows=False)
        query_id = f"q_{next(self._numbers):016d}"
        is_repeat = request.reuse == "prefer" and "repeat" in request.sql
        loss = ZERO if is_repeat else self._loss(request)
        claim = Claim(
            account_id=person_account_id(request.dataset, person.name),
            loss=loss,
            principal=person.name,
            idempotency_key=idempotency_key,
            request_digest=request_digest,
            query_id=query_id,
            description={
                "dataset": request.dataset,
                "sql": request.sql,
                "snapshot": SNAPSHOT,
                "plans": "" if is_repeat else PLAN,
            },
            lease_seconds=60,
        )
        if is_repeat:
            outcome = Outcome(query_id, 201, self._body(claim), "application/json")
            self._ledger.record_reuse(claim, outcome)
            return Answered(outcome, touched_private_rows=False)
        reservation = self._ledger.reserve(claim)
        self._ledger.begin(reservation.id)
        self.work()
        if self.fails_with is not None:
            failed = Outcome(query_id, self.fails_with.status, self.fails_with.body, self.fails_with.media_type)
            self._ledger.fail(reservation.id, failed)
            return Answered(failed, touched_private_rows=True)
        outcome = Outcome(query_id, 201, self._body(claim), "application/json")
        release = StoredRelease(PLAN, SNAPSHOT, loss.rho_nano, query_id, request.dataset, TABLE)
        self._ledger.settle(reservation.id, outcome, (release,))
        return Answered(outcome, touched_private_rows=True)

    def move_on(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def _refuse(self, request: QueryRequest) -> None:
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        if "household_id" in request.sql:
            raise QueryNotPrivateError(
                "unit-in-output", "household_id would be in the output", hint="leave it out", line=1, column=8
            )

    def _loss(self, request: QueryRequest) -> PrivacyLoss:
        budget = self._catalogue.snapshots[request.dataset].policy.budget
        rho = request.rho or rho_of_epsilon(request.epsilon or Fraction(1, 10), budget.conversion_delta)
        return PrivacyLoss.from_exact(rho, Fraction(0))

    def _body(self, claim: Claim) -> bytes:
        cost = self._cost(claim.loss, None)
        guarantee = {"unit": "household", "neighbours": "add-or-remove-one", "epsilon": "0.1", "delta": "0.0000008"}
        answer = {"id": claim.query_id, "status": "done", "cost": cost, "guarantee": guarantee, "columns": COLUMNS}
        answer |= {"rows": ROWS, "notices": [examples.NOTICE]}
        receipt = {"query_id": claim.query_id, "charged": cost}
        if self._keys is None:
            return json.dumps({**answer, "receipt": receipt}).encode()
        return with_receipt(json.dumps(answer).encode(), {**receipt, **self._facts(claim)}, self._keys)

    def _facts(self, claim: Claim) -> dict[str, object]:
        described, charge = claim.description, charged_at(self._ledger, claim.query_id)
        place = asdict(charge or self._ledger.head())
        rho = plain(Fraction(claim.loss.rho_nano, 10**9))
        release = {
            "digest": PLAN,
            "stored": False,
            "table_sha256": sha256_hex(TABLE),
            "released_by": {"query_id": claim.query_id, "rho": rho, **place},
        }
        return {
            "dataset": described["dataset"],
            "snapshot": described["snapshot"],
            "sql": described["sql"],
            "account": claim.account_id,
            "charged": {"epsilon": "0.1", "delta": "0", "rho": rho},
            "ledger": {"entry": "head" if charge is None else "begun", **place},
            "releases": [] if charge is None else [release],
        }

    def _cost(self, loss: PrivacyLoss, reused_from: str | None) -> dict[str, object]:
        return {"epsilon": "0.1", "delta": "0", "rho": str(loss.rho_nano), "reused_from": reused_from}


class FakeSimulations:
    """Tells the figures of the example, or raises what it is given; `work` runs meanwhile."""

    def __init__(self) -> None:
        self.work: Callable[[], None] = lambda: None
        self.refusal: Exception | None = None
        self.asked: list[Wanted] = []
        self.is_closed = False

    def accuracy(self, snapshot: FakeSnapshot, wanted: Wanted) -> Accuracy:
        self.asked.append(wanted)
        self.work()
        if self.refusal is not None:
            raise self.refusal
        return Accuracy.model_validate({**examples.ACCURACY, "dataset": snapshot.dataset})

    def close(self) -> None:
        self.is_closed = True
