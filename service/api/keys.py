"""API keys, for administrators: made, listed, revoked; the text of a key is shown once."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from service.api import examples
from service.auth import allow
from service.context import Context, context_of
from service.problems import ProblemError
from service.request_body import body_of
from service.responses import KeyPage, NewKey, problems
from service.schemas import KeyRequest

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[Depends(allow("admin"))])
Here = Annotated[Context, Depends(context_of)]


@router.post(
    "",
    summary="Make a key",
    status_code=201,
    response_model=NewKey,
    responses={
        201: {"content": examples.content(examples.NEW_KEY)},
        **problems("invalid-request", "too-large", "unsupported-media-type"),
    },
    openapi_extra=examples.body("KeyRequest", examples.KEY_REQUEST),
)
def create(here: Here, body: Annotated[KeyRequest, Depends(body_of(KeyRequest))]) -> dict[str, object]:
    """256 random bits; `key` is in this response and nowhere else."""
    lifetime = timedelta(days=body.expires_in_days) if body.expires_in_days is not None else None
    key, text = here.keys.create(body.owner, body.role, lifetime, body.purposes)
    return {**asdict(key), "key": text}


@router.get(
    "",
    summary="The keys",
    response_model=KeyPage,
    responses={200: {"content": examples.content(examples.KEYS)}, **problems("invalid-request")},
)
def keys(
    here: Here,
    cursor: Annotated[str | None, Query(max_length=80, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, object]:
    """All keys ordered by id, revoked ones too."""
    found = here.keys.list(after=cursor, limit=limit + 1)
    page = found[:limit]
    return {"items": [asdict(key) for key in page], "next": page[-1].id if len(found) > limit else None}


@router.delete(
    "/{key_id}", summary="Revoke a key", status_code=204, response_class=Response, responses=problems("not-found")
)
def revoke(key_id: str, here: Here) -> Response:
    """End a key's life at once and for good."""
    if here.keys.revoke(key_id) is None:
        raise ProblemError("not-found")
    return Response(status_code=204)
