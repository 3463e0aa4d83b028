"""Changes that somebody wants made, which wait for a second pair of eyes, and the protocol of those who decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from budgets.pace import Observed
from budgets.privacy_loss import PrivacyLoss

APPROVED, DECLINED, WITHDRAWN, MADE = "approved", "declined", "withdrawn", "made"
FINAL: Final = frozenset({DECLINED, WITHDRAWN, MADE})  # decisions that end a proposal
WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that somebody wants made: what, of which dataset (None: all), by whom and why, and what became of it.

    `change` is what `cap_change` or `unfreezing` write, or another with a `kind` of its own, which is noted when it is
    approved. `decisions` are (approved | declined | withdrawn | made, by whom): an officer's own approval is the first.
    """

    id: str
    dataset: str | None
    change: Mapping[str, Any]
    proposer: str
    reason: str
    at: str = ""
    decisions: tuple[tuple[str, str], ...] = ()

    @property
    def state(self) -> str:
        """`waiting`, or what ended it."""
        return next((decision for decision, _ in self.decisions if decision in FINAL), WAITING)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided of a proposal, when (UTC), and why."""

    decision: str
    actor: str
    at: str
    reason: str


class Governed(Observed, Protocol):
    """The part of a ledger that stops, and that decides on changes. Each call is one durable transaction."""

    def freeze(self, scope: str, actor: str, reason: str) -> None:
        """Stops everything that is asked of a dataset, or of all of them ("*"), from now on."""

    def frozen(self) -> tuple[str, ...]:
        """Returns the scopes that are frozen."""

    def propose(self, proposal: Proposal) -> Proposal:
        """Notes a change that waits for approvals."""

    def decide(self, proposal_id: str, decision: str, actor: str, reason: str) -> Proposal:
        """Approves, declines or withdraws a change; the second approval makes it.

        Raises UnknownProposalError, OwnProposalError, or InvalidTransitionError where it was decided already.
        """

    def proposals(self, dataset: str | None = None) -> tuple[Proposal, ...]:
        """Returns proposed changes, the newest first."""

    def proposal(self, proposal_id: str) -> Proposal: ...

    def decisions(self, proposal_id: str) -> tuple[Decision, ...]:
        """Returns what was decided of a proposal, in order, with the reasons."""


def cap_change(account_id: str, meter: str, cap: PrivacyLoss) -> dict[str, object]:
    """Returns a change of a cap as it is proposed and approved."""
    return {"kind": "cap", "account_id": account_id, "meter": meter, "cap": asdict(cap)}


def unfreezing(scope: str) -> dict[str, object]:
    """Returns the end of a freeze as it is proposed and approved."""
    return {"kind": "unfreeze", "scope": scope}
