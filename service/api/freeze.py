"""The kill switch: one officer stops a dataset, or everything, at once; two start it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from service.answering import Person
from service.api import examples
from service.api.approvals import document_of
from service.auth import ROLES, allow
from service.context import Context, context_of
from service.governance import EVERYTHING, freeze, propose_unfreezing
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import Freeze, Proposal, problems
from service.schemas import FreezeBody, Reason

router = APIRouter(prefix="/v1/freeze", tags=["governance"])
Officer = Annotated[Person, Depends(allow("officer"))]
Here = Annotated[Context, Depends(context_of)]


@router.get(
    "",
    summary="What is frozen",
    response_model=Freeze,
    dependencies=[Depends(allow(*ROLES))],
    responses={200: {"content": examples.content(examples.FREEZE)}, **problems()},
)
def frozen(here: Here) -> dict[str, object]:
    """What is stopped until two officers start it again."""
    return _frozen(here)


@router.put(
    "",
    summary="Stop a dataset, or everything",
    response_model=Freeze,
    responses={
        200: {"content": examples.content(examples.FREEZE)},
        **problems("not-found", "invalid-request", "too-large", "unsupported-media-type"),
    },
    openapi_extra=examples.body("FreezeBody", examples.FREEZE_REQUEST),
)
def stop(person: Officer, here: Here, body: Annotated[FreezeBody, Depends(body_of(FreezeBody))]) -> dict[str, object]:
    """From now on nothing is answered, stored answers of new questions included; what has begun may end."""
    _require_known(here, body.dataset)
    freeze(here.ledger, body.dataset, person.name, body.reason)
    return _frozen(here)


@router.delete(
    "",
    summary="Propose to start again",
    status_code=202,
    response_model=Proposal,
    responses={202: {"content": examples.content(examples.PROPOSAL)}, **problems("not-found", "invalid-request")},
)
def start_again(
    person: Officer,
    here: Here,
    response: Response,
    reason: Annotated[Reason, Query(description="Why; it stands in the ledger forever.")],
    dataset: Annotated[str | None, Query(max_length=63, description="The dataset; without it everything.")] = None,
) -> dict[str, object]:
    """A proposal with the officer's own approval: another officer's makes it."""
    made = propose_unfreezing(here.ledger, dataset, person.name, reason)
    response.headers["Location"] = f"/v1/approvals/{made.id}"
    return document_of(here, made)


def _frozen(here: Context) -> dict[str, object]:
    scopes = here.ledger.frozen()
    return {"everything": EVERYTHING in scopes, "datasets": [scope for scope in scopes if scope != EVERYTHING]}


def _require_known(here: Context, dataset: str | None) -> None:
    if dataset is not None and dataset not in here.catalogue.names():
        raise ProblemError("not-found")
