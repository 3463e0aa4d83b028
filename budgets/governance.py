"""Changes of what may be lost: tightening takes effect at once, loosening when a second officer approved of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Row

from budgets.approvals import decisions_on, is_approved, reasoned_decisions, require_approved
from budgets.commits import Commits
from budgets.errors import InvalidTransitionError, OwnProposalError, UnknownProposalError
from budgets.history import History
from budgets.ledger import Account, Balance, canonical_json
from budgets.meters import LIFETIME, WINDOWS
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.proposals import APPROVED, DECLINED, MADE, WAITING, WITHDRAWN, Decision, Proposal, cap_change
from budgets.statements import Connection
from budgets.tables import ACCOUNTS, DECISIONS, ENTRIES, FREEZES, PROPOSALS
from budgets.writer import Writer, account_of, find_account

_PROPOSALS: Final = sa.select(PROPOSALS, ENTRIES.c.at, ENTRIES.c.actor, ENTRIES.c.payload).join(
    ENTRIES, ENTRIES.c.seq == PROPOSALS.c.seq
)
_PROPOSAL: Final = _PROPOSALS.where(PROPOSALS.c.id == sa.bindparam("proposal_id"))


class Governance(History):
    """The part of the ledger that changes what may be lost."""

    _commits: Commits

    def open_account(
        self,
        account: Account,
        cap: PrivacyLoss,
        actor: str,
        reason: str,
        limits: Mapping[str, PrivacyLoss] | None = None,
    ) -> None:
        caps = {LIFETIME: cap, **(limits or {})}
        self._commits.run_anchored(lambda writer: _open_account(writer, account, caps, actor, reason))

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
        return self._commits.run_anchored(
            lambda writer: _set_cap(writer, account_id, meter, cap, actor, reason, proposal_id)
        )

    def freeze(self, scope: str, actor: str, reason: str) -> None:
        self._commits.run_anchored(lambda writer: _set_frozen(writer, scope, 1, actor, {"reason": reason}))

    def frozen(self) -> tuple[str, ...]:
        latest = sa.select(FREEZES.c.scope, FREEZES.c.frozen).order_by(FREEZES.c.seq)
        with self.reading() as connection:
            states = {row.scope: row.frozen for row in connection.execute(latest)}
        return tuple(sorted(scope for scope, frozen in states.items() if frozen))

    def propose(self, proposal: Proposal) -> Proposal:
        return self._commits.run_anchored(lambda writer: _propose(writer, proposal))

    def decide(self, proposal_id: str, decision: str, actor: str, reason: str) -> Proposal:
        return self._commits.run_anchored(lambda writer: _decide(writer, proposal_id, decision, actor, reason))

    def proposals(self, dataset: str | None = None) -> tuple[Proposal, ...]:
        query = _PROPOSALS.order_by(PROPOSALS.c.seq.desc())
        if dataset is not None:
            query = query.where(PROPOSALS.c.dataset == dataset)
        with self.reading() as connection:
            return tuple(_to_proposal(connection, row) for row in connection.execute(query).all())

    def proposal(self, proposal_id: str) -> Proposal:
        with self.reading() as connection:
            return _find(connection, proposal_id)

    def decisions(self, proposal_id: str) -> tuple[Decision, ...]:
        with self.reading() as connection:
            return reasoned_decisions(connection, proposal_id)


def _open_account(writer: Writer, account: Account, limits: Mapping[str, PrivacyLoss], actor: str, reason: str) -> None:
    """Opens an account with a limit for each of these kinds of meters; the same one as before stays as it is."""
    present = find_account(writer.connection, account.id)
    if present is not None:
        if present != account:
            raise InvalidTransitionError(f"Another account has the id {account.id!r}.")
        return
    if account.parent is not None and account_of(writer.connection, account.parent).dataset != account.dataset:
        raise InvalidTransitionError("An account and its parent belong to one dataset.")
    writer.insert(ACCOUNTS, asdict(account))
    opened = [Balance(account, cap, ZERO, ZERO, kind) for kind, cap in sorted(limits.items())]
    writer.append("account-opened", actor, {"account": asdict(account), "reason": reason}, opened)
    writer.add_meters(opened)


def _set_cap(
    writer: Writer,
    account_id: str,
    meter: str,
    cap: PrivacyLoss,
    actor: str,
    reason: str,
    proposal_id: str | None,
) -> Balance:
    """Sets a limit. Raises ApprovalNeededError where it allows more than before and no two people approved of it."""
    account = account_of(writer.connection, account_id)
    present = writer.meters(account_id, [meter]).get(meter)
    if present is None and meter not in WINDOWS:
        raise InvalidTransitionError(f"The account {account_id!r} has no meter {meter!r}.")
    if present is not None and not cap.fits_within(present.cap):
        require_approved(writer.connection, proposal_id, cap_change(account_id, meter, cap))
    balance = Balance(account, cap, ZERO, ZERO, meter) if present is None else replace(present, cap=cap)
    facts = {"account_id": account_id, "meter": meter, "reason": reason, "proposal_id": proposal_id}
    writer.append("cap-set", actor, facts, [balance])
    if present is None:
        writer.add_meters([balance])
    return balance


def _propose(writer: Writer, proposal: Proposal) -> Proposal:
    """Notes the change; an officer's own first approval is among its decisions."""
    facts = {
        "proposal_id": proposal.id,
        "dataset": proposal.dataset,
        "change": proposal.change,
        "reason": proposal.reason,
        "decisions": [decision for decision, _ in proposal.decisions],
    }
    writer.append("proposed", proposal.proposer, facts)
    change = canonical_json(proposal.change)
    writer.insert(PROPOSALS, {"id": proposal.id, "seq": writer.head.seq, "dataset": proposal.dataset, "change": change})
    for decision, _ in proposal.decisions:
        _note(writer, proposal.id, decision)
    return _find(writer.connection, proposal.id)


def _decide(writer: Writer, proposal_id: str, decision: str, actor: str, reason: str) -> Proposal:
    """Notes a decision; the second approval makes the change in the same transaction."""
    found = _find(writer.connection, proposal_id)
    if found.state != WAITING:
        raise InvalidTransitionError(f"The proposal is {found.state} already.")
    if decision == WITHDRAWN and actor != found.proposer:
        raise OwnProposalError("Only who proposed a change can withdraw it.")
    if decision == APPROVED and actor in {found.proposer, *(who for _, who in found.decisions)}:
        raise OwnProposalError("Somebody else has to approve of it: you proposed or approved it already.")
    if decision not in (APPROVED, DECLINED, WITHDRAWN):
        raise InvalidTransitionError("A proposal is approved, declined or withdrawn.")
    writer.append("decided", actor, {"proposal_id": proposal_id, "decision": decision, "reason": reason})
    _note(writer, proposal_id, decision)
    if is_approved(decisions_on(writer.connection, proposal_id)):
        _make(writer, found, actor)
    return _find(writer.connection, proposal_id)


def _make(writer: Writer, proposal: Proposal, actor: str) -> None:
    change = proposal.change
    if change["kind"] == "cap":
        cap = PrivacyLoss(**change["cap"])
        _set_cap(writer, change["account_id"], change["meter"], cap, actor, proposal.reason, proposal.id)
    elif change["kind"] == "unfreeze":
        facts = {"reason": proposal.reason, "proposal_id": proposal.id}
        require_approved(writer.connection, proposal.id, change)
        _set_frozen(writer, change["scope"], 0, actor, facts)
    else:
        writer.append("permitted", actor, {"proposal_id": proposal.id, "change": change})
    _note(writer, proposal.id, MADE)


def _set_frozen(writer: Writer, scope: str, frozen: int, actor: str, facts: Mapping[str, object]) -> None:
    writer.append("frozen" if frozen else "unfrozen", actor, {"scope": scope, **facts})
    writer.insert(FREEZES, {"scope": scope, "seq": writer.head.seq, "frozen": frozen})


def _note(writer: Writer, proposal_id: str, decision: str) -> None:
    writer.insert(DECISIONS, {"proposal_id": proposal_id, "seq": writer.head.seq, "decision": decision})


def _find(connection: Connection, proposal_id: str) -> Proposal:
    row = connection.execute(_PROPOSAL, {"proposal_id": proposal_id}).one_or_none()
    if row is None:
        raise UnknownProposalError("There is no such proposal.")
    return _to_proposal(connection, row)


def _to_proposal(connection: Connection, row: Row[Any]) -> Proposal:
    reason, change = json.loads(row.payload)["reason"], json.loads(row.change)
    decided = tuple(decisions_on(connection, row.id))
    return Proposal(row.id, row.dataset, change, row.actor, reason, row.at, decided)
