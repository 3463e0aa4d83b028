"""Changes that wait for a second pair of eyes: what was decided of each, and whether one may be made.

Whatever allows more than before (a higher cap, an end to a freeze) is proposed first, and made when two different
people approved of exactly this change. An officer's own proposal counts as the first approval.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from budgets.errors import ApprovalNeededError
from budgets.ledger import canonical_json
from budgets.proposals import APPROVED, FINAL, Decision
from budgets.statements import Connection
from budgets.tables import DECISIONS, ENTRIES, PROPOSALS

APPROVALS_NEEDED: Final = 2

_DECIDED: Final = (
    sa.select(DECISIONS.c.decision, ENTRIES.c.actor, ENTRIES.c.at, ENTRIES.c.payload)
    .join(ENTRIES, ENTRIES.c.seq == DECISIONS.c.seq)
    .where(DECISIONS.c.proposal_id == sa.bindparam("proposal_id"))
    .order_by(DECISIONS.c.seq)
)
_CHANGE: Final = sa.select(PROPOSALS.c.change).where(PROPOSALS.c.id == sa.bindparam("proposal_id"))


def decisions_on(connection: Connection, proposal_id: str) -> list[tuple[str, str]]:
    """Returns what was decided of a proposal and by whom, in order."""
    rows = connection.execute(_DECIDED, {"proposal_id": proposal_id})
    return [(row.decision, row.actor) for row in rows]


def reasoned_decisions(connection: Connection, proposal_id: str) -> tuple[Decision, ...]:
    """Returns the same with the time and the reason of each."""
    rows = connection.execute(_DECIDED, {"proposal_id": proposal_id})
    return tuple(Decision(row.decision, row.actor, row.at, json.loads(row.payload).get("reason", "")) for row in rows)


def is_approved(decided: list[tuple[str, str]]) -> bool:
    """Says whether enough different people approved, and nobody ended it."""
    ended = any(decision in FINAL for decision, _ in decided)
    return not ended and len({actor for decision, actor in decided if decision == APPROVED}) >= APPROVALS_NEEDED


def require_approved(connection: Connection, proposal_id: str | None, change: Mapping[str, Any]) -> None:
    """Raises ApprovalNeededError unless the proposal is of exactly this change, approved, and was not made before."""
    row = connection.execute(_CHANGE, {"proposal_id": proposal_id}).one_or_none()
    same = row is not None and row.change == canonical_json(change)
    if not same or not is_approved(decisions_on(connection, str(proposal_id))):
        raise ApprovalNeededError("This allows more than before: another person has to approve of it first.")
