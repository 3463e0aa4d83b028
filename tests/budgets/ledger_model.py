"""What a ledger should do, in plain Python: the rules alone, without a database, durability or other callers.

It has the ledger's methods, so that one call can be made of both and the results compared. Balances are added up anew
from the list of queries each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from budgets.errors import (
    ApprovalNeededError,
    BudgetError,
    BudgetExhaustedError,
    FrozenError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    LedgerUnavailableError,
    OwnProposalError,
    RequestInProgressError,
    UnknownAccountError,
    UnknownProposalError,
)
from budgets.history import stamp
from budgets.ledger import Account, Balance, Claim, Ledger, Outcome, Recovery, StoredRelease, lost_outcome
from budgets.meters import LIFETIME, WINDOWS, kind_of, window_at
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.proposals import Proposal
from tests.budgets.ledger_samples import Clock

NEXT = {"begun": "reserved", "voided": "reserved", "settled": "begun", "failed": "begun"}
USED = ("reserved", "begun", "settled", "failed")
SPENT = ("begun", "settled", "failed")


@dataclass
class ModelQuery:
    """What the model knows of one query."""

    query_id: str
    state: str
    claim: Claim
    charges: dict[tuple[str, str], PrivacyLoss]
    until: str = ""
    outcome: Outcome | None = None

    @property
    def seen(self) -> tuple[object, ...]:
        return (self.query_id, self.state, self.claim.loss, self.claim.account_id)


@dataclass
class LedgerModel:
    """Accounts, limits, queries, freezes and proposals, and the kinds of entries that there are."""

    clock: Clock
    kinds: list[str] = field(default_factory=list)  # of its entries
    at: str = ""
    known: dict[str, Account] = field(default_factory=dict)
    caps: dict[tuple[str, str], PrivacyLoss] = field(default_factory=dict)
    touched: dict[tuple[str, str], None] = field(default_factory=dict)
    asked: dict[str, ModelQuery] = field(default_factory=dict)
    stops: dict[str, bool] = field(default_factory=dict)
    changes: dict[str, Proposal] = field(default_factory=dict)

    # What is written

    def open_account(
        self,
        account: Account,
        cap: PrivacyLoss,
        actor: str,
        reason: str,
        limits: Mapping[str, PrivacyLoss] | None = None,
    ) -> None:
        present = self.known.get(account.id)
        if present is not None:
            if present != account:
                raise InvalidTransitionError
            return
        if account.parent is not None and self._account(account.parent).dataset != account.dataset:
            raise InvalidTransitionError
        self._append("account-opened")
        self.known[account.id] = account
        for meter, limit in {LIFETIME: cap, **(limits or {})}.items():
            self.caps[account.id, meter] = limit
            self.touched[account.id, meter] = None

    def set_cap(
        self,
        account_id: str,
        cap: PrivacyLoss,
        actor: str,
        reason: str,
        *,
        meter: str = LIFETIME,
        proposal_id: str | None = None,
    ) -> Balance:
        self._account(account_id)
        present = self.caps.get((account_id, meter))
        if present is None and meter not in WINDOWS:
            raise InvalidTransitionError
        if present is not None and not cap.fits_within(present) and proposal_id is None:
            raise ApprovalNeededError
        self._append("cap-set")
        self.caps[account_id, meter] = cap
        self.touched[account_id, meter] = None
        return self._balance(account_id, meter)

    def reserve(self, claim: Claim) -> None:
        until = stamp(self.clock() + timedelta(seconds=claim.lease_seconds))
        charges = self._take_up(claim)
        for (account_id, meter), loss in charges.items():
            balance = self._balance(account_id, meter)
            used = balance.spent + balance.reserved
            if not used.fits_within(balance.cap) or not (used + loss).fits_within(balance.cap):
                raise BudgetExhaustedError(account_id, meter)
        self._add(ModelQuery(claim.query_id, "reserved", claim, charges, until))

    def record_reuse(self, claim: Claim, outcome: Outcome) -> None:
        self._add(ModelQuery(claim.query_id, "reused", claim, self._take_up(claim), "", outcome))

    def begin(self, reservation_id: str) -> None:
        self._move(reservation_id, "begun")

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        self._move(reservation_id, "settled", outcome)

    def fail(self, reservation_id: str, outcome: Outcome) -> None:
        self._move(reservation_id, "failed", outcome)

    def void(self, reservation_id: str, reason: str) -> None:
        self._move(reservation_id, "voided")

    def freeze(self, scope: str, actor: str, reason: str) -> None:
        self._append("frozen")
        self.stops[scope] = True

    def propose(self, proposal: Proposal) -> Proposal:
        self._append("proposed")
        self.changes[proposal.id] = proposal
        return proposal

    def decide(self, proposal_id: str, decision: str, actor: str, reason: str) -> Proposal:
        found = self.proposal(proposal_id)
        if found.state != "waiting":
            raise InvalidTransitionError
        if decision == "withdrawn" and actor != found.proposer:
            raise OwnProposalError
        if decision == "approved" and actor in {found.proposer, *(who for _, who in found.decisions)}:
            raise OwnProposalError
        self._append("decided")
        decisions = (*found.decisions, (decision, actor))
        if decision == "approved" and [each for each, _ in decisions].count("approved") > 1:
            decisions = (*decisions, ("made", actor))
            self._make(proposal_id, found.change)
        self.changes[proposal_id] = replace(found, decisions=decisions)
        return self.changes[proposal_id]

    def recover(self) -> Recovery:
        expired = [each for each in self._open() if each.until <= stamp(self.clock())]
        counts = {"voided": 0, "failed": 0}
        for query in expired:
            state = "voided" if query.state == "reserved" else "failed"
            self._move(query.query_id, state, lost_outcome(query.query_id) if state == "failed" else None)
            counts[state] += 1
        return Recovery(**counts)

    # What is read

    def meters(self, account_id: str) -> tuple[Balance, ...]:
        self._account(account_id)
        own = [meter for account, meter in self.touched if account == account_id and meter not in WINDOWS]
        limits = [kind for account, kind in self.caps if account == account_id and kind in WINDOWS]
        now = [window_at(kind, stamp(self.clock())) for kind in limits]
        shown = [meter for meter in own if kind_of(meter) not in WINDOWS or meter in now]
        return tuple(self._balance(account_id, meter) for meter in dict.fromkeys([*shown, *now]))

    def frozen(self) -> tuple[str, ...]:
        return tuple(sorted(scope for scope, stopped in self.stops.items() if stopped))

    def proposal(self, proposal_id: str) -> Proposal:
        if proposal_id not in self.changes:
            raise UnknownProposalError
        return self.changes[proposal_id]

    def replay(self, principal: str, idempotency_key: str, request_digest: str) -> Outcome | None:
        claim = Claim("", ZERO, principal, idempotency_key, request_digest, "", {}, 0)
        earlier = self._earlier(claim)
        if earlier is None:
            return None
        if earlier.outcome is None:
            raise RequestInProgressError
        return earlier.outcome

    # How

    def _append(self, kind: str) -> None:
        self.kinds.append(kind)
        self.at = self._time()

    def _time(self) -> str:
        return max(stamp(self.clock()), self.at)

    def _account(self, account_id: str) -> Account:
        if account_id not in self.known:
            raise UnknownAccountError(account_id)
        return self.known[account_id]

    def path(self, account_id: str) -> list[str]:
        parent = self._account(account_id).parent
        return [account_id, *([] if parent is None else self.path(parent))]

    def _earlier(self, claim: Claim) -> ModelQuery | None:
        """The request that holds the key."""
        holding = [
            each for each in self.asked.values() if each.claim.key_digest == claim.key_digest and each.state != "voided"
        ]
        if holding and holding[-1].claim.request_digest != claim.request_digest:
            raise IdempotencyKeyReusedError
        return holding[-1] if holding else None

    def _take_up(self, claim: Claim) -> dict[tuple[str, str], PrivacyLoss]:
        """What a claim that may be taken up would take from each meter."""
        if self._earlier(claim) is not None:
            raise RequestInProgressError
        if claim.query_id in self.asked:
            raise InvalidTransitionError
        path = self.path(claim.account_id)
        if {self.known[path[0]].dataset, "*"} & set(self.frozen()):
            raise FrozenError(self.known[path[0]].dataset)
        charges = {}
        for account_id in path:
            kinds = [kind for account, kind in self.caps if account == account_id and kind in WINDOWS]
            windows = {window_at(kind, self._time()): claim.loss for kind in kinds}
            for meter, loss in {**claim.metered, **windows}.items():
                if (account_id, kind_of(meter)) not in self.caps:
                    raise BudgetExhaustedError(account_id, meter)
                charges[account_id, meter] = loss
        return charges

    def _add(self, query: ModelQuery) -> None:
        self._append(query.state)
        self.asked[query.query_id] = query
        self.touched |= dict.fromkeys(query.charges)

    def _move(self, query_id: str, state: str, outcome: Outcome | None = None) -> None:
        query = self.asked.get(query_id)
        if query is None or query.state != NEXT[state]:
            raise InvalidTransitionError
        dataset = self.known[query.claim.account_id].dataset
        if state == "begun" and {dataset, "*"} & set(self.frozen()):
            raise FrozenError(dataset)
        self._append(state)
        query.state, query.outcome = state, outcome

    def _open(self) -> list[ModelQuery]:
        return [each for each in self.asked.values() if each.state in ("reserved", "begun")]

    def _make(self, proposal_id: str, change: Mapping[str, Any]) -> None:
        if change["kind"] == "cap":
            cap = PrivacyLoss(**change["cap"])
            self.set_cap(change["account_id"], cap, "", "", meter=change["meter"], proposal_id=proposal_id)
        else:
            self._append("unfrozen")
            self.stops[change["scope"]] = False

    def _balance(self, account_id: str, meter: str) -> Balance:
        cap = self.caps[account_id, kind_of(meter)]
        spent, reserved = (self._total(account_id, meter, states) for states in (SPENT, ("reserved",)))
        return Balance(self.known[account_id], cap, spent, reserved, meter)

    def _total(self, account_id: str, meter: str, states: tuple[str, ...]) -> PrivacyLoss:
        total = ZERO
        for query in self.asked.values():
            if query.state in states:
                total += query.charges.get((account_id, meter), ZERO)
        return total


def result_of(call: Callable[[], object]) -> str:
    """How a call ended: `ok`, or the name of its error."""
    try:
        call()
    except BudgetError as error:
        return type(error).__name__
    return "ok"


def tried(model: LedgerModel, call: Callable[[Any], object]) -> tuple[LedgerModel, str]:
    """A copy of the model after the call, and how it ended; a call that fails changes nothing."""
    after = deepcopy(model)
    result = result_of(lambda: call(after))
    return (after if result == "ok" else model), result


def after_all(models: list[LedgerModel], call: Callable[[Any], object], result: str) -> list[LedgerModel]:
    """What may be the case once the call has ended like this: if that is unknown, it has happened or it has not."""
    unknown = result == LedgerUnavailableError.__name__
    possible = []
    for model in models:
        after, expected = tried(model, call)
        if expected == result or unknown:
            possible.append(after)
        if unknown and after is not model:
            possible.append(model)
    return possible


def view(model: LedgerModel) -> dict[str, object]:
    """All that can be seen of what the model holds."""
    return {
        "entries": list(model.kinds),
        "meters": {name: {each.meter: each for each in model.meters(name)} for name in sorted(model.known)},
        "queries": [each.seen for each in model.asked.values()],
        "outcomes": {query_id: each.outcome for query_id, each in model.asked.items()},
        "frozen": model.frozen(),
        "proposals": {name: each.decisions for name, each in sorted(model.changes.items())},
    }


def view_of(ledger: Ledger) -> dict[str, object]:
    """The same of a ledger."""
    history = ledger.queries(principal=None, dataset=None, before=None, limit=100_000)[::-1]
    names = [balance.account.id for balance in ledger.accounts()]
    return {
        "entries": [entry.kind for entry in ledger.entries(after_seq=0, limit=1_000_000)],
        "meters": {name: {each.meter: each for each in ledger.meters(name)} for name in names},
        "queries": [(each.query_id, each.state, each.loss, each.account_id) for each in history],
        "outcomes": {each.query_id: ledger.outcome(each.query_id) for each in history},
        "frozen": ledger.frozen(),
        "proposals": {each.id: each.decisions for each in sorted(ledger.proposals(), key=lambda each: each.id)},
    }
