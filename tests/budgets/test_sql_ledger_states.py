"""Any sequence of calls and restarts gives what a model of twenty lines says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from budgets import audit
from budgets.errors import ApprovalNeededError, BudgetExhaustedError, InvalidTransitionError, RequestInProgressError
from budgets.ledger import Account, Recovery
from budgets.privacy_loss import PrivacyLoss
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    DATASET,
    DATASET_CAP,
    LEASE_SECONDS,
    OFFICER,
    PERSON_CAP,
    Clock,
    claim_of,
    open_accounts,
    open_ledger,
    outcome_of,
    raise_cap,
)

PATHS = {ADA.id: (ADA.id, DATASET.id), BEN.id: (BEN.id, DATASET.id)}
amounts = st.integers(0, 250)
keys = st.integers(1, 8).map(str)
people = st.sampled_from([ADA, BEN])


@dataclass
class ModelQuery:
    """What the model knows of one query."""

    state: str
    loss: PrivacyLoss
    account: str
    key: str
    ends: float = 0


class LedgerMachine(RuleBasedStateMachine):
    """The model: caps, and a list of queries with their state, loss, account, key and end of lease."""

    queries = Bundle("queries")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.ledger = open_ledger(self.directory, self.clock)
        open_accounts(self.ledger)
        self.caps = {DATASET.id: DATASET_CAP, ADA.id: PERSON_CAP, BEN.id: PERSON_CAP}
        self.model: dict[str, ModelQuery] = {}
        self.spent_before = {account: PrivacyLoss(0) for account in self.caps}

    def teardown(self) -> None:
        report = audit.verify(self.ledger, anchor=self.directory / "anchor.json")
        self.ledger.close()
        shutil.rmtree(self.directory)
        assert report.problems == ()

    def total(self, account_id: str, *states: str) -> PrivacyLoss:
        total = PrivacyLoss(0)
        for query in self.model.values():
            if query.state in states and account_id in PATHS[query.account]:
                total += query.loss
        return total

    def used(self, account_id: str) -> PrivacyLoss:
        return self.total(account_id, "reserved", "begun", "settled", "failed")

    def key_is_taken(self, account: Account, key: str) -> bool:
        return any(
            (query.account, query.key) == (account.id, key) and query.state != "voided" for query in self.model.values()
        )

    @initialize(target=queries)
    def no_query(self) -> str:
        return "none"

    @rule(target=queries, account=people, rho=amounts, delta=amounts, key=keys)
    def reserve(self, account: Account, rho: int, delta: int, key: str) -> str:
        name = str(len(self.model))
        claim = claim_of(name, rho, delta, account, key)
        admitted = all((self.used(each) + claim.loss).fits_within(self.caps[each]) for each in PATHS[account.id])
        try:
            self.ledger.reserve(claim)
        except RequestInProgressError:
            assert self.key_is_taken(account, key)
            return "none"
        except BudgetExhaustedError:
            assert not self.key_is_taken(account, key)
            assert not admitted
            return "none"
        assert admitted
        assert not self.key_is_taken(account, key)
        ends = self.clock.now.timestamp() + LEASE_SECONDS
        self.model[name] = ModelQuery("reserved", claim.loss, account.id, key, ends)
        return name

    @rule(target=queries, account=people, key=keys)
    def reuse(self, account: Account, key: str) -> str:
        name = str(len(self.model))
        try:
            self.ledger.record_reuse(claim_of(name, 0, 0, account, key), outcome_of(name))
        except RequestInProgressError:
            assert self.key_is_taken(account, key)
            return "none"
        assert not self.key_is_taken(account, key)
        self.model[name] = ModelQuery("reused", PrivacyLoss(0), account.id, key)
        return name

    @rule(name=queries)
    def begin(self, name: str) -> None:
        self.move(name, "reserved", "begun", lambda: self.ledger.begin(f"q_{name}"))

    @rule(name=queries)
    def void(self, name: str) -> None:
        self.move(name, "reserved", "voided", lambda: self.ledger.void(f"q_{name}", "why"))

    @rule(name=queries)
    def settle(self, name: str) -> None:
        self.move(name, "begun", "settled", lambda: self.ledger.settle(f"q_{name}", outcome_of(name), ()))

    @rule(name=queries)
    def fail(self, name: str) -> None:
        self.move(name, "begun", "failed", lambda: self.ledger.fail(f"q_{name}", outcome_of(name)))

    def move(self, name: str, needed: str, state: str, call: Callable[[], None]) -> None:
        present = self.model[name].state if name in self.model else None
        try:
            call()
        except InvalidTransitionError:
            assert present != needed
        else:
            assert present == needed
            self.model[name].state = state

    @rule(account=st.sampled_from([DATASET, ADA, BEN]), rho=st.integers(0, 1500), delta=st.integers(0, 1500))
    def set_cap(self, account: Account, rho: int, delta: int) -> None:
        cap = PrivacyLoss(rho, delta)
        try:
            self.ledger.set_cap(account.id, cap, OFFICER, "changed")
        except ApprovalNeededError:
            assert not cap.fits_within(self.caps[account.id])
            raise_cap(self.ledger, account, cap)
        else:
            assert cap.fits_within(self.caps[account.id])
        self.caps[account.id] = cap

    @rule(seconds=st.sampled_from([1, LEASE_SECONDS // 2, LEASE_SECONDS, -LEASE_SECONDS]))
    def wait(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule()
    def recover(self) -> None:
        counts = {"voided": 0, "failed": 0}
        for query in self.model.values():
            if query.state in ("reserved", "begun") and query.ends <= self.clock.now.timestamp():
                query.state = "voided" if query.state == "reserved" else "failed"
                counts[query.state] += 1
        assert self.ledger.recover() == Recovery(**counts)

    @precondition(lambda self: bool(self.model))
    @rule()
    def restart(self) -> None:
        self.ledger.close()
        self.ledger = open_ledger(self.directory, self.clock)

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        for balance in self.ledger.accounts():
            account_id = balance.account.id
            assert balance.cap == self.caps[account_id]
            assert balance.reserved == self.total(account_id, "reserved")
            assert balance.spent == self.total(account_id, "begun", "settled", "failed")
            assert self.spent_before[account_id].fits_within(balance.spent)
            self.spent_before[account_id] = balance.spent
        history = self.ledger.queries(principal=None, dataset=None, before=None, limit=1000)
        assert [(each.query_id, each.state) for each in reversed(history)] == [
            (f"q_{name}", query.state) for name, query in self.model.items()
        ]


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=15, stateful_step_count=40)
