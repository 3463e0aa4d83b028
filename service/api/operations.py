"""For those who run the service: is it alive, can it answer, and its counters. No key is needed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from service.api import examples
from service.context import Context, context_of
from service.responses import Readiness, Status, problems

router = APIRouter(tags=["operations"])
Here = Annotated[Context, Depends(context_of)]
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


@router.get(
    "/livez",
    summary="Is the process alive",
    response_model=Status,
    responses={200: {"content": examples.content({"status": "ok"})}},
)
async def livez() -> dict[str, str]:
    """Answers as long as the process serves."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Can queries be answered",
    response_model=Readiness,
    responses={200: {"content": examples.content(examples.READINESS)}, **problems("ledger-unavailable")},
)
def readyz(here: Here) -> dict[str, object]:
    """Answers 200 when the ledger can be read, 503 otherwise; `anchor` tells how far behind the kept heads are."""
    here.ledger.head()
    lag = None if here.anchoring is None else here.anchoring.lag()
    return {"status": "ok", "anchor": None if lag is None else {"entries": lag.entries, "seconds": round(lag.seconds)}}


@router.get(
    "/metrics",
    summary="Counters in Prometheus' text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(here: Here) -> Response:
    """Requests by route, method and status, and charges by dataset: nothing of private rows, no run times."""
    return Response(here.metrics.text(), media_type=_METRICS_TYPE)
