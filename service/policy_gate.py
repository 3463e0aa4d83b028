"""Policies that allow more than the one before: their snapshots wait until two officers approved of the change.

The first policy of a dataset is approved by its opening, which is in the ledger. Later ones are compared with that
which serves, entry by entry, and what is approved is the step from one to the other: both digests and the differences
in words stand in the ledger. An approval of one step lets no other step pass.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from budgets.errors import UnknownAccountError
from budgets.ledger import Ledger
from budgets.proposals import MADE, WAITING, Proposal
from queries import vault
from queries.errors import LoadError
from queries.policy import Policy
from queries.policy_changes import loosens, policy_changes
from queries.vault import Snapshot
from service.accounts import open_accounts
from service.catalogue import WaitingSnapshot as Waiting

POLICY: Final = "policy"
_LOADER: Final = "load"
_MOST_DIFFERENCES: Final = 200
_NOTHING_TO_COMPARE: Final = {
    "effect": "loosening",
    "words": "The policy that was approved is not in the vault, so nothing can be compared with it.",
}
_log = structlog.stdlib.get_logger("kvitto")


def new_proposal_id() -> str:
    """A fresh id of a proposal."""
    return f"p_{secrets.token_hex(8)}"


def may_serve(ledger: Ledger, current: Snapshot | None, policy: Policy) -> bool:
    """Whether a new policy may serve at once: the dataset's first, and one that allows no more than that before."""
    if current is None:
        return not _is_open(ledger, policy.dataset)
    return not loosens(policy_changes(current.policy, policy))


def policy_change(current: Snapshot | None, waiting: Snapshot) -> dict[str, object]:
    """The step from one policy to another as it is proposed and approved."""
    differences: list[Mapping[str, str]] = [_NOTHING_TO_COMPARE]
    if current is not None:
        found = policy_changes(current.policy, waiting.policy)
        differences = [{"effect": each.effect, "words": each.words} for each in found]
    return {
        "kind": POLICY,
        "from": None if current is None else current.policy_digest,
        "digest": waiting.policy_digest,
        "differences": differences[:_MOST_DIFFERENCES],
    }


def propose_policy(ledger: Ledger, vault_root: Path, dataset: str) -> Proposal | None:
    """The proposal for the snapshot that waits, made if none waits; None if no snapshot does."""
    waiting = vault.waiting_snapshot(vault_root, dataset)
    if waiting is None:
        return None
    change = policy_change(vault.readable_current(vault_root, dataset), waiting)
    known = (each for each in _proposals(ledger, dataset, change) if each.state == WAITING)
    return next(known, None) or _propose(ledger, dataset, change)


def waiting_document(ledger: Ledger, waiting: Waiting | None, serving: Policy) -> dict[str, object] | None:
    """What the API tells of a snapshot that waits: what its policy changes, and where that is decided."""
    if waiting is None:
        return None
    proposals = (each for each in ledger.proposals(waiting.policy.dataset) if each.state == WAITING)
    of_policy = (each for each in proposals if each.change.get("digest") == waiting.policy_digest)
    found = next(of_policy, None)
    differences = [{"effect": each.effect, "words": each.words} for each in policy_changes(serving, waiting.policy)]
    return {
        "id": waiting.id,
        "created": str(waiting.created),
        "proposal": None if found is None else found.id,
        "differences": differences[:_MOST_DIFFERENCES],
    }


def serve_approved(ledger: Ledger, vault_root: Path) -> None:
    """Lets every waiting snapshot serve whose policy was approved, and has each proposed that nobody proposed yet."""
    for dataset in vault.waiting_datasets(vault_root):
        try:
            _serve_if_approved(ledger, vault_root, dataset)
        except LoadError:
            _log.warning("waiting-snapshot-not-served", dataset=dataset)  # a load is under way, or it is damaged


def _serve_if_approved(ledger: Ledger, vault_root: Path, dataset: str) -> None:
    waiting = vault.waiting_snapshot(vault_root, dataset)
    if waiting is None:
        return
    change = policy_change(vault.readable_current(vault_root, dataset), waiting)
    states = {proposal.state for proposal in _proposals(ledger, dataset, change)}
    if MADE in states:
        before = None if change["from"] is None else str(change["from"])
        served = vault.serve_waiting(vault_root, dataset, before, str(change["digest"]))
        if served is not None:
            open_accounts(ledger, served.policy)
            _log.warning("policy-serves", dataset=dataset, snapshot=served.id, digest=change["digest"])
    elif not states:
        _propose(ledger, dataset, change)


def _proposals(ledger: Ledger, dataset: str, change: Mapping[str, Any]) -> list[Proposal]:
    """The proposals of exactly this step, the newest first."""
    return [
        proposal
        for proposal in ledger.proposals(dataset)
        if proposal.change.get("kind") == POLICY
        and all(proposal.change.get(name) == change[name] for name in ("from", "digest"))
    ]


def _propose(ledger: Ledger, dataset: str, change: dict[str, object]) -> Proposal:
    reason = "A load brought a policy that allows more than the one that serves."
    return ledger.propose(Proposal(new_proposal_id(), dataset, change, _LOADER, reason))


def _is_open(ledger: Ledger, dataset: str) -> bool:
    try:
        ledger.balance(dataset)
    except UnknownAccountError:
        return False
    return True
