"""Opt-outs and erasures, for officers: they are recorded, and nobody is told of whom or how many."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from queries.exclusion_list import Asked
from service.answering import Person
from service.api import examples
from service.auth import allow
from service.context import Context, context_of
from service.exclusions import record
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import Recorded, problems
from service.schemas import ExclusionBody

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

Officer = Annotated[Person, Depends(allow("officer", "admin"))]
Here = Annotated[Context, Depends(context_of)]


@router.post(
    "/{dataset}/exclusions",
    summary="Leave units out of later snapshots",
    status_code=202,
    response_model=Recorded,
    responses={
        202: {"content": examples.content(examples.RECORDED)},
        **problems("not-found", "invalid-request", "too-large", "unsupported-media-type", "not-recorded"),
    },
    openapi_extra=examples.body("ExclusionBody", examples.EXCLUSION),
)
def exclude(
    dataset: str, person: Officer, here: Here, body: Annotated[ExclusionBody, Depends(body_of(ExclusionBody))]
) -> dict[str, object]:
    """Record an opt-out, an erasure or a withdrawal; it is in force from the next load or refresh on.

    The response is the same for ids that the data have and for others, and for a first request and a repeated one.
    There is no call that reads what was recorded.
    """
    snapshot = here.catalogue.snapshot(dataset) if dataset in here.catalogue.names() else None
    if snapshot is None:
        raise ProblemError("not-found")
    asked = Asked(dataset, body.level, body.kind, person.name, body.reason)
    record(here.exclusions, snapshot.policy, asked, body.units)
    return {"dataset": dataset, "level": body.level, "kind": body.kind, "status": "recorded"}
