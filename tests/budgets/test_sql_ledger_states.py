"""Any sequence of calls, jumps of the clock and restarts gives what the model says, in SQLite and in PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from budgets import audit
from budgets.ledger import Account
from budgets.meters import BLOCK
from budgets.privacy_loss import PrivacyLoss
from budgets.proposals import APPROVED, Proposal, cap_change, unfreezing
from budgets.sql_ledger import SqlLedger
from tests.budgets.ledger_model import LedgerModel, after_all, result_of, view, view_of
from tests.budgets.ledger_samples import (
    ADA,
    BEN,
    DATASET,
    DATASET_CAP,
    LEASE_SECONDS,
    OFFICER,
    PERSON_CAP,
    SECOND_OFFICER,
    Clock,
    claim_of,
    outcome_of,
    url_of,
)
from tests.budgets.postgres_server import PostgresServer

DAY = 24 * 3600
names = st.integers(0, 12).map(str)
amounts = st.integers(0, 250)
caps = st.builds(PrivacyLoss, st.integers(0, 1500), st.integers(0, 1500))
everyone = st.sampled_from([DATASET, ADA, BEN])
people = st.sampled_from([ADA, BEN])
officers = st.sampled_from([OFFICER, SECOND_OFFICER, "ada"])
proposal_ids = st.integers(0, 5).map("p_{}".format)


class LedgerMachine(RuleBasedStateMachine):
    """Makes each call of the ledger and of the model, and compares how they end and what can be seen then."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.url = self.new_url()
        self.ledger = self.opened()
        self.model = LedgerModel(self.clock)
        limits = {BLOCK: PrivacyLoss(400, 400)}
        for account, cap in ((DATASET, DATASET_CAP), (ADA, PERSON_CAP), (BEN, PERSON_CAP)):
            for target in (self.ledger, self.model):
                target.open_account(account, cap, OFFICER, "the policy says so", limits)
        self.spent: dict[str, PrivacyLoss] = {}

    def new_url(self) -> str:
        return url_of(self.directory)

    def opened(self) -> SqlLedger:
        return SqlLedger(self.url, anchor=self.directory / "anchor.json", clock=self.clock)

    def teardown(self) -> None:
        report = audit.verify(self.ledger, anchor=self.directory / "anchor.json")
        self.ledger.close()
        shutil.rmtree(self.directory)
        assert report.problems == ()

    def both(self, call: Callable[[Any], object]) -> None:
        result = result_of(lambda: call(self.ledger))
        possible = after_all([self.model], call, result)
        assert possible, f"the ledger says {result}, the model does not"
        self.model = possible[0]
        self.model.clock = self.clock  # the model may be a copy

    @rule(account=people, rho=amounts, delta=amounts, name=names, key=names, digest=st.sampled_from("ddde"))
    def reserve(self, account: Account, rho: int, delta: int, name: str, key: str, digest: str) -> None:
        claim = replace(claim_of(name, rho, delta, account, key), request_digest=digest * 64)
        self.both(lambda target: target.reserve(claim))

    @rule(account=people, name=names, rho=amounts, block=st.sampled_from(["block:2026-10", "static"]))
    def reserve_in_a_block(self, account: Account, name: str, rho: int, block: str) -> None:
        claim = replace(claim_of(name, rho, 0, account), meters={block: PrivacyLoss(rho)})
        self.both(lambda target: target.reserve(claim))

    @rule(account=people, name=names, key=names)
    def reuse(self, account: Account, name: str, key: str) -> None:
        self.both(lambda target: target.record_reuse(claim_of(name, 0, 0, account, key), outcome_of(name)))

    @rule(name=names)
    def begin(self, name: str) -> None:
        self.both(lambda target: target.begin(f"q_{name}"))

    @rule(name=names)
    def void(self, name: str) -> None:
        self.both(lambda target: target.void(f"q_{name}", "why"))

    @rule(name=names)
    def settle(self, name: str) -> None:
        self.both(lambda target: target.settle(f"q_{name}", outcome_of(name), ()))

    @rule(name=names)
    def fail(self, name: str) -> None:
        self.both(lambda target: target.fail(f"q_{name}", outcome_of(name)))

    @rule(account=people, name=names, rho=amounts)
    def answer(self, account: Account, name: str, rho: int) -> None:
        self.both(lambda target: target.reserve(claim_of(name, rho, 0, account)))
        self.both(lambda target: target.begin(f"q_{name}"))
        self.both(lambda target: target.settle(f"q_{name}", outcome_of(name), ()))

    @rule(account=people, key=names)
    def replay(self, account: Account, key: str) -> None:
        self.both(lambda target: target.replay(account.owner, key, "d" * 64))

    @rule(account=everyone, cap=caps, meter=st.sampled_from(["lifetime", "day", "month", "block", "static"]))
    def set_cap(self, account: Account, cap: PrivacyLoss, meter: str) -> None:
        self.both(lambda target: target.set_cap(account.id, cap, OFFICER, "changed", meter=meter))

    @rule(proposal_id=proposal_ids, account=everyone, cap=caps, who=officers, thaw=st.booleans())
    def propose(self, proposal_id: str, account: Account, cap: PrivacyLoss, who: str, thaw: bool) -> None:  # noqa: FBT001
        change = unfreezing("shop") if thaw else cap_change(account.id, "lifetime", cap)
        decisions = () if who == "ada" else ((APPROVED, who),)
        if proposal_id not in self.model.changes:
            self.both(lambda target: target.propose(Proposal(proposal_id, "shop", change, who, "", "", decisions)))

    @rule(proposal_id=proposal_ids, who=officers, decision=st.sampled_from([*[APPROVED] * 3, "declined", "withdrawn"]))
    def decide(self, proposal_id: str, who: str, decision: str) -> None:
        self.both(lambda target: target.decide(proposal_id, decision, who, "why"))

    @rule(scope=st.sampled_from(["shop", "shop", "other"]))
    def freeze(self, scope: str) -> None:
        self.both(lambda target: target.freeze(scope, OFFICER, "why"))

    @rule(seconds=st.sampled_from([1, LEASE_SECONDS // 2, LEASE_SECONDS, -LEASE_SECONDS, DAY, -DAY, 9 * DAY]))
    def wait(self, seconds: int) -> None:
        self.clock.forward(seconds)

    @rule()
    def recover(self) -> None:
        self.both(lambda target: target.recover())

    @rule()
    def restart(self) -> None:
        self.ledger.close()
        self.ledger = self.opened()

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        assert view_of(self.ledger) == view(self.model)
        for balance in self.ledger.accounts():
            assert self.spent.get(balance.account.id, PrivacyLoss(0)).fits_within(balance.spent)
            self.spent[balance.account.id] = balance.spent


def run(machine: type[LedgerMachine], examples: int, steps: int) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    limits = settings(
        max_examples=examples, stateful_step_count=steps, suppress_health_check=slow, report_multiple_bugs=False
    )
    run_state_machine_as_test(machine, settings=limits)


SHORT_AND_LONG = [pytest.param(8, 30, id="short"), pytest.param(200, 60, id="long", marks=pytest.mark.faults)]


@pytest.mark.parametrize(("examples", "steps"), SHORT_AND_LONG)
def test_any_sequence_of_calls_in_sqlite_gives_what_the_model_says(examples: int, steps: int) -> None:
    run(LedgerMachine, examples, steps)


@pytest.mark.parametrize(("examples", "steps"), SHORT_AND_LONG)
def test_any_sequence_of_calls_in_postgresql_gives_what_the_model_says(
    postgres: PostgresServer, examples: int, steps: int
) -> None:
    class PostgresMachine(LedgerMachine):
        def new_url(self) -> str:
            return postgres.new_database()

    run(PostgresMachine, max(1, examples // 4), steps)


@pytest.mark.parametrize("method", ["_take_up", "_total", "_earlier", "_open"])
def test_a_model_with_other_rules_is_told_from_the_ledger(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The control: a comparison that finds nothing wrong with a wrong model would find nothing wrong with a ledger."""
    wrong: dict[str, Callable[..., object]] = {
        "_take_up": lambda model, claim: {(claim.account_id, "lifetime"): claim.loss},
        "_total": lambda *_: PrivacyLoss(0),
        "_earlier": lambda *_: None,
        "_open": lambda _: [],
    }
    few_steps(LedgerMachine())
    monkeypatch.setattr(LedgerModel, method, wrong[method])
    with pytest.raises(AssertionError):
        few_steps(LedgerMachine())


def few_steps(machine: LedgerMachine) -> None:
    """Steps that need every rule."""
    steps: tuple[Callable[[], object], ...] = (
        lambda: machine.reserve(ADA, 100, 0, "1", "1", "d"),
        lambda: machine.reserve(ADA, 100, 0, "2", "1", "d"),
        lambda: machine.begin("1"),
        lambda: machine.wait(LEASE_SECONDS),
        machine.recover,
    )
    for step in steps:
        step()
        machine.the_ledger_says_what_the_model_says()
    machine.teardown()
