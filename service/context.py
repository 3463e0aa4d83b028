"""What the calls of the API work with: one object a running app, made by `service.app.create_app`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
from fastapi import Request

from budgets.evidence.chain import Chain, ReadableLedger
from budgets.evidence.signing import KeyRing
from queries.exclusion_list import ExclusionList
from service.anchoring import Anchoring
from service.answering import Answered, Person, QueryRequest
from service.api_keys import ApiKeys
from service.catalogue import Catalogue
from service.limits import PersonSlots
from service.metrics import Metrics
from service.quotes import Quote
from service.settings import Settings
from service.simulation.report import Accuracy
from service.simulation.simulations import Wanted


class Answers(Protocol):
    """The part of `Answering` that the API uses; both calls block, and both refuse before anything is reserved."""

    def quote(self, person: Person, request: QueryRequest) -> Quote: ...

    def answer(self, person: Person, request: QueryRequest, idempotency_key: str, request_digest: str) -> Answered: ...

    def move_on(self) -> None: ...

    def close(self) -> None: ...


class Rehearsals(Protocol):
    """The part of `Simulations` that the API uses; it blocks."""

    def accuracy(self, snapshot: Any, wanted: Wanted) -> Accuracy: ...  # noqa: ANN401  # of the catalogue's own kind

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that one app was put together from."""

    settings: Settings
    answers: Answers
    simulations: Rehearsals
    ledger: ReadableLedger
    catalogue: Catalogue
    keys: ApiKeys
    signing: KeyRing
    chain: Chain
    anchoring: Anchoring | None
    exclusions: ExclusionList
    metrics: Metrics
    query_slots: anyio.CapacityLimiter
    person_slots: PersonSlots
    simulation_slots: anyio.CapacityLimiter
    export_slots: threading.BoundedSemaphore


async def context_of(request: Request) -> Context:
    """The context of the app that serves `request`; async, as all that does not block: a thread would cost more."""
    context: Context = request.app.state.context
    return context
