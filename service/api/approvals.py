"""Proposals: changes that allow more than before, and the four eyes that they need."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from budgets.proposals import Proposal
from service.answering import Person
from service.api import examples
from service.auth import allow
from service.context import Context, context_of
from service.governance import decide, proposal_document
from service.policy_gate import POLICY, serve_approved
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import Proposal as ProposalBody
from service.responses import ProposalPage, problems
from service.schemas import DecisionBody

router = APIRouter(prefix="/v1/approvals", tags=["governance"])
_SEES_ALL = frozenset({"officer", "auditor"})

Reader = Annotated[Person, Depends(allow("analyst", "dashboard", "officer", "auditor"))]
Deciding = Annotated[Person, Depends(allow("analyst", "dashboard", "officer"))]
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "",
    summary="The proposals",
    response_model=ProposalPage,
    responses={200: {"content": examples.content(examples.PROPOSALS)}, **problems("not-found", "invalid-request")},
)
def proposals(
    person: Reader,
    here: Here,
    state: Annotated[
        Literal["waiting", "made", "declined", "withdrawn"] | None, Query(description="Only those in this state.")
    ] = None,
    dataset: Annotated[str | None, Query(max_length=63, description="Only those of this dataset.")] = None,
    cursor: Annotated[str | None, Query(max_length=80, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, object]:
    """Newest first: one's own, for officers and auditors everybody's."""
    visible = [each for each in here.ledger.proposals(dataset) if _may_see(person, each)]
    if cursor is not None:
        place = next((n for n, each in enumerate(visible) if each.id == cursor), None)
        if place is None:
            raise ProblemError("not-found")
        visible = visible[place + 1 :]
    found = [each for each in visible if state in (None, each.state)]
    page = found[:limit]
    return {
        "items": [document_of(here, each) for each in page],
        "next": page[-1].id if len(found) > limit else None,
    }


@router.get(
    "/{proposal_id}",
    summary="One proposal",
    response_model=ProposalBody,
    responses={200: {"content": examples.content(examples.PROPOSAL)}, **problems("not-found")},
)
def proposal(proposal_id: str, person: Reader, here: Here) -> dict[str, object]:
    """What is to be changed, who wants it and why, and what was decided by whom."""
    return document_of(here, _visible(here, person, proposal_id))


@router.post(
    "/{proposal_id}/decision",
    summary="Approve, decline or withdraw",
    response_model=ProposalBody,
    responses={
        200: {"content": examples.content(examples.MADE)},
        **problems(
            "four-eyes", "not-found", "already-decided", "invalid-request", "too-large", "unsupported-media-type"
        ),
    },
    openapi_extra=examples.body("DecisionBody", examples.DECISION),
)
def decision(
    proposal_id: str, person: Deciding, here: Here, body: Annotated[DecisionBody, Depends(body_of(DecisionBody))]
) -> dict[str, object]:
    """The second approval makes the change. Officers approve and decline; who proposed a change can withdraw it."""
    found = _visible(here, person, proposal_id)
    if body.decision != "withdraw" and person.role != "officer":
        raise ProblemError("role", "Only officers approve and decline.")
    decided = decide(here.ledger, found, body.decision, person.name, body.reason)
    if decided.change.get("kind") == POLICY:
        serve_approved(here.ledger, here.settings.vault_root)
    return document_of(here, decided)


def document_of(here: Context, found: Proposal) -> dict[str, object]:
    """The proposal as the API shows it."""
    snapshot = None if found.dataset is None else here.catalogue.snapshot(found.dataset)
    return proposal_document(here.ledger, found, None if snapshot is None else snapshot.policy)


def _visible(here: Context, person: Person, proposal_id: str) -> Proposal:
    """A proposal that `person` may know of; the same "not-found" for an unknown one and somebody else's."""
    found = here.ledger.proposal(proposal_id)
    if not _may_see(person, found):
        raise ProblemError("not-found")
    return found


def _may_see(person: Person, found: Proposal) -> bool:
    return person.role in _SEES_ALL or found.proposer == person.name
