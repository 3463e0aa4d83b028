"""How exact the answers to a statement would be at several prices, from simulations: free, and without private rows."""

from __future__ import annotations

from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Depends

from service.answering import Person
from service.api import examples
from service.auth import allow, purpose_of
from service.context import Context, context_of
from service.problems import RETRY_AFTER_SECONDS, ProblemError
from service.request_body import body_of
from service.responses import problems
from service.schemas import AccuracyBody
from service.simulation.errors import SimulationError
from service.simulation.rehearsal import Rehearsed
from service.simulation.report import Accuracy
from service.simulation.simulations import Wanted

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
_WAITING_MOST: Final = 8

Asking = Annotated[Person, Depends(allow("analyst", "dashboard", "officer"))]
Here = Annotated[Context, Depends(context_of)]


@router.post(
    "/{dataset}/accuracy",
    summary="How exact answers would be at several prices",
    response_model=Accuracy,
    responses={
        200: {"content": examples.content(examples.ACCURACY)},
        **problems("sql-syntax", "not-found", "query-not-private", "invalid-price", "not-simulated"),
    },
    openapi_extra=examples.body("AccuracyBody", examples.ACCURACY_REQUEST),
)
async def accuracy(
    dataset: str, person: Asking, here: Here, body: Annotated[AccuracyBody, Depends(body_of(AccuracyBody))]
) -> Accuracy:
    """Draw answers on rows that are made up from the policy, or declared public by it, and compare them with the truth.

    It is free, is not noted in the ledger, and never reads private rows. The first call for a snapshot takes longest.
    """
    if here.simulation_slots.statistics().tasks_waiting >= _WAITING_MOST:
        raise ProblemError("too-many-requests", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    body = body.model_copy(update={"purpose": purpose_of(person, body.purpose)})
    async with here.person_slots.one(person.name):
        return await anyio.to_thread.run_sync(_simulated, here, dataset, body, limiter=here.simulation_slots)


def _simulated(here: Context, dataset: str, body: AccuracyBody) -> Accuracy:
    snapshot = here.catalogue.snapshot(dataset) if dataset in here.catalogue.names() else None
    if snapshot is None:
        raise ProblemError("not-found")
    statement = Rehearsed(body.sql, body.params, body.option_values(), body.purpose)
    wanted = Wanted(statement, tuple(sorted(set(body.epsilons))), body.draws, body.wanted_relative_error)
    try:
        return here.simulations.accuracy(snapshot, wanted)
    except SimulationError as error:
        raise ProblemError("not-simulated", str(error)) from None
