"""Changes of budgets that people ask for over HTTP: what may be made at once, and what becomes a proposal.

What loosens is decided by the ledger alone: this only asks it to make the change, and proposes what it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from budgets.approvals import APPROVALS_NEEDED
from budgets.errors import ApprovalNeededError, InvalidTransitionError
from budgets.ledger import Balance, Ledger
from budgets.meters import LIFETIME, WINDOWS, kind_of
from budgets.privacy_loss import PrivacyLoss
from budgets.proposals import APPROVED, DECLINED, WAITING, WITHDRAWN, Proposal, cap_change, unfreezing
from queries.policy import Policy
from service.accounts import ATTO, cap_of, epsilon_text, largest_share, plain
from service.policy_gate import POLICY, new_proposal_id
from service.problems import ProblemError
from service.schemas import BudgetChange

EVERYTHING: Final = "*"  # the scope of a freeze of all datasets
DECISIONS: Final[Mapping[str, str]] = {"approve": APPROVED, "decline": DECLINED, "withdraw": WITHDRAWN}
_MOST_WAITING: Final = 20


@dataclass(frozen=True, slots=True)
class WantedCap:
    """A new cap of one kind of meters of an account, who wants it and why."""

    account: Balance
    meter: str
    cap: PrivacyLoss
    person: str
    reason: str

    @property
    def change(self) -> dict[str, object]:
        return cap_change(self.account.account.id, self.meter, self.cap)

    def proposal(self, decisions: tuple[tuple[str, str], ...] = ()) -> Proposal:
        """A fresh proposal of it."""
        dataset = self.account.account.dataset
        return Proposal(new_proposal_id(), dataset, self.change, self.person, self.reason, decisions=decisions)


def wanted_cap(ledger: Ledger, policy: Policy, account: Balance, person: str, body: BudgetChange) -> WantedCap:
    """The change that a body asks for; a delta that is not given stays, within what the policy allows."""
    limit = limit_of(ledger, account, body.meter)
    if limit is None and body.meter not in WINDOWS:
        raise ProblemError("invalid-request", f"The account has no meter {body.meter}.")
    most = largest_share(policy, body.meter)
    share = body.delta_for_thresholds
    if share is None:
        share = min(Fraction((account.cap if limit is None else limit).delta_atto, ATTO), most)
    elif share > most:
        raise ProblemError("invalid-request", "delta_for_thresholds is above what the dataset's policy allows.")
    return WantedCap(account, body.meter, cap_of(policy, body.epsilon, share), person, body.reason)


def limit_of(ledger: Ledger, account: Balance, meter: str) -> PrivacyLoss | None:
    """The limit of a kind of meters of an account; None where there is none."""
    if meter == LIFETIME:
        return account.cap
    return next((each.cap for each in ledger.meters(account.account.id) if kind_of(each.meter) == meter), None)


def change_cap(ledger: Ledger, wanted: WantedCap) -> Balance | Proposal:
    """The changed meter where that tightens; otherwise a proposal, which has the officer's own approval."""
    account_id = wanted.account.account.id
    try:
        return ledger.set_cap(account_id, wanted.cap, wanted.person, wanted.reason, meter=wanted.meter)
    except ApprovalNeededError:
        return _propose(ledger, wanted.proposal(((APPROVED, wanted.person),)))


def request_cap(ledger: Ledger, wanted: WantedCap) -> Proposal:
    """A proposal that two officers have to approve of."""
    limit = limit_of(ledger, wanted.account, wanted.meter)
    if limit is None or wanted.cap.fits_within(limit):
        raise ProblemError("invalid-request", "That is no more than the account has already.")
    return _propose(ledger, wanted.proposal())


def propose_unfreezing(ledger: Ledger, dataset: str | None, person: str, reason: str) -> Proposal:
    """A proposal to start a dataset (None: everything) again, with the officer's own approval."""
    scope = EVERYTHING if dataset is None else dataset
    if scope not in ledger.frozen():
        raise ProblemError("not-found", "This is not frozen.")
    decisions = ((APPROVED, person),)
    return _propose(
        ledger, Proposal(new_proposal_id(), dataset, unfreezing(scope), person, reason, decisions=decisions)
    )


def freeze(ledger: Ledger, dataset: str | None, person: str, reason: str) -> None:
    """Stops a dataset (None: everything); nothing is noted where it is stopped already."""
    scope = EVERYTHING if dataset is None else dataset
    if scope not in ledger.frozen():
        ledger.freeze(scope, person, reason)


def is_frozen(ledger: Ledger, dataset: str) -> bool:
    """Whether a dataset is stopped, by name or with all others."""
    return bool({dataset, EVERYTHING} & set(ledger.frozen()))


def decide(ledger: Ledger, proposal: Proposal, decision: str, person: str, reason: str) -> Proposal:
    """The proposal with one more decision; the same decision of the same person again changes nothing.

    Raises "already-decided", or OwnProposalError.
    """
    noted = DECISIONS[decision]
    if (proposal.proposer != person or noted == WITHDRAWN) and (noted, person) in proposal.decisions:
        return proposal
    try:
        return ledger.decide(proposal.id, noted, person, reason)
    except InvalidTransitionError:
        raise ProblemError("already-decided", f"The proposal is {ledger.proposal(proposal.id).state}.") from None


def proposal_document(ledger: Ledger, proposal: Proposal, policy: Policy | None) -> dict[str, object]:
    """What the API tells of a proposal; caps in epsilon, as far as the dataset's policy is known."""
    approvals = {who for decision, who in proposal.decisions if decision == APPROVED}
    return {
        "id": proposal.id,
        "url": f"/v1/approvals/{proposal.id}",
        "dataset": proposal.dataset,
        "kind": str(proposal.change.get("kind", "other")),
        "words": _words(proposal.change, policy),
        "change": dict(proposal.change),
        "proposer": proposal.proposer,
        "reason": proposal.reason,
        "at": proposal.at,
        "state": proposal.state,
        "approvals_needed": max(APPROVALS_NEEDED - len(approvals), 0) if proposal.state == WAITING else 0,
        "decisions": [
            {"decision": each.decision, "by": each.actor, "at": each.at, "reason": each.reason}
            for each in ledger.decisions(proposal.id)
        ],
    }


def _propose(ledger: Ledger, proposal: Proposal) -> Proposal:
    """The proposal, noted; one of the same person for the same change that waits still is found again."""
    mine = [each for each in ledger.proposals() if each.proposer == proposal.proposer and each.state == WAITING]
    same = (each for each in mine if each.change == proposal.change)
    if (found := next(same, None)) is not None:
        return found
    if len(mine) >= _MOST_WAITING:
        raise ProblemError("invalid-request", f"{_MOST_WAITING} proposals of yours wait already: withdraw one first.")
    return ledger.propose(proposal)


def _words(change: Mapping[str, Any], policy: Policy | None) -> str:
    match change.get("kind"):
        case "cap":
            cap = PrivacyLoss(**change["cap"])
            amount = f"rho {plain(Fraction(cap.rho_nano, 10**9))}"
            if policy is not None:
                amount = f"epsilon {epsilon_text(cap, policy.budget.conversion_delta)}"
            delta = plain(Fraction(cap.delta_atto, ATTO))
            return f"The cap of {change['account_id']} ({change['meter']}) becomes {amount}, delta {delta}."
        case "unfreeze":
            scope = change["scope"]
            return "Everything is started again." if scope == EVERYTHING else f"The dataset {scope} is started again."
        case kind if kind == POLICY:
            loosened = [each["words"] for each in change["differences"] if each["effect"] == "loosening"]
            return f"A policy that allows more serves: {'; '.join(loosened)}"
        case kind:
            return f"A change of the kind {kind}."
