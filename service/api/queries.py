"""Questions, their history, their answers in several formats, and their receipts."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from budgets.evidence.chain import charged_at
from budgets.evidence.receipts import receipt_of
from budgets.ledger import Outcome, QueryRecord
from service import formats
from service.answering import REFUSALS, Person, QueryRequest
from service.api import examples
from service.api.audit import proof_document
from service.auth import allow, purpose_of
from service.context import Context, context_of
from service.problems import ProblemError
from service.query_record import record_document
from service.quotes import Quote
from service.request_body import body_of
from service.responses import Answer, ChargeProof, HistoryPage, QuerySummary, SealedReceipt, problems
from service.schemas import QueryBody
from service.time_grid import on_time_grid

router = APIRouter(prefix="/v1/queries", tags=["queries"])
_QUERY_ID: Final = re.compile(r"^q_[A-Za-z0-9]{1,64}$")
_KEY: Final = re.compile(r"^[\x21-\x7e]{1,200}$")
_CREATED: Final = 201

Asking = Annotated[Person, Depends(allow("analyst"))]
ReadingHistory = Annotated[Person, Depends(allow("analyst", "officer", "auditor"))]
ReadingReceipts = Annotated[Person, Depends(allow("analyst", "auditor"))]
Here = Annotated[Context, Depends(context_of)]


@router.post(
    "",
    summary="Ask a question, or what it would cost",
    status_code=201,
    responses={
        200: {"model": Quote, "description": "The quote of a dry run", "content": examples.content(examples.QUOTE)},
        201: {"model": Answer, "description": "The answer", "content": examples.content(examples.ANSWER)},
        **problems(
            "sql-syntax",
            "idempotency-key-missing",
            "unauthenticated",
            "purpose",
            "frozen",
            "budget-exhausted",
            "too-many-failures",
            "not-found",
            "request-in-progress",
            "too-large",
            "unsupported-media-type",
            "query-not-private",
            "max-epsilon-exceeded",
            "too-many-requests",
            "release-failed",
        ),
    },
    openapi_extra=examples.body("QueryBody", examples.QUERY),
)
async def ask(
    request: Request,
    person: Asking,
    here: Here,
    body: Annotated[QueryBody, Depends(body_of(QueryBody))],
    idempotency_key: Annotated[
        str | None,
        Header(description="1 to 200 visible ASCII characters, fresh for each new question; not needed for a dry run."),
    ] = None,
) -> Response:
    """Answer one SELECT statement with noise, and charge it; with `dry_run` only say the price and the expected error.

    The same request with the same Idempotency-Key gets the same bytes and is charged once.
    """
    body = body.model_copy(update={"purpose": purpose_of(person, body.purpose)})
    if body.dry_run:
        await anyio.to_thread.run_sync(_require_dataset, here, body.dataset)
        async with here.person_slots.one(person.name):
            quote = await anyio.to_thread.run_sync(
                here.answers.quote, person, _question(body), limiter=here.query_slots
            )
        return JSONResponse(quote.model_dump(mode="json"))
    key = _idempotency_key(idempotency_key, request)
    outcome = await anyio.to_thread.run_sync(_replayed, here, person, body, key)
    if outcome is None:
        outcome = await _answer(here, person, body, key)
    location = {"Location": f"/v1/queries/{outcome.query_id}"} if outcome.status == _CREATED else {}
    return Response(outcome.body, outcome.status, location, outcome.media_type)


@router.get(
    "",
    summary="The history of queries",
    response_model=HistoryPage,
    responses={
        200: {"content": examples.content(examples.HISTORY)},
        **problems("unauthenticated", "role", "invalid-request"),
    },
)
def history(
    person: ReadingHistory,
    here: Here,
    dataset: Annotated[str | None, Query(max_length=63, description="Only queries on this dataset.")] = None,
    cursor: Annotated[str | None, Query(max_length=80, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, object]:
    """Newest first, without answers: an analyst's own queries, for officers and auditors everybody's."""
    if cursor is not None:
        _visible(here, person, cursor)
    principal = person.name if person.role == "analyst" else None
    found = here.ledger.queries(principal=principal, dataset=dataset, before=cursor, limit=limit + 1)
    page = found[:limit]
    return {
        "items": [record_document(record, here.catalogue) for record in page],
        "next": page[-1].query_id if len(found) > limit else None,
    }


@router.get(
    "/{query_id}",
    summary="One query",
    response_model=QuerySummary,
    responses={
        200: {"content": examples.content(examples.HISTORY_ITEM)},
        **problems("unauthenticated", "role", "not-found"),
    },
)
def one(query_id: str, person: ReadingHistory, here: Here) -> dict[str, object]:
    """What was asked, when, in which state it is and what it cost; not its answer."""
    return record_document(_visible(here, person, query_id), here.catalogue)


@router.get(
    "/{query_id}/result.{fmt}",
    summary="The answer, as JSON, CSV, Parquet or Arrow",
    response_class=Response,
    responses={
        200: {"description": "The rows", "content": formats.documented(examples.ANSWER)},
        **problems("unauthenticated", "role", "not-found", "release-failed"),
    },
)
def result(query_id: str, fmt: str, person: Asking, here: Here) -> Response:
    """The stored answer: `json` is byte for byte what was sent first; a query that failed gives its stored problem."""
    record = _visible(here, person, query_id)
    if fmt not in formats.MEDIA_TYPES:
        raise ProblemError("not-found")
    outcome = _outcome(here, record)
    if outcome.status != _CREATED or fmt == "json":
        status = 200 if outcome.status == _CREATED else outcome.status
        return Response(outcome.body, status, media_type=outcome.media_type)
    name = {"Content-Disposition": f'attachment; filename="{query_id}.{fmt}"'}
    return Response(formats.encode(outcome.body, fmt), headers=name, media_type=formats.MEDIA_TYPES[fmt])


@router.get(
    "/{query_id}/receipt",
    summary="The signed receipt of an answer",
    response_model=SealedReceipt,
    responses={
        200: {"content": examples.content(examples.SEALED_RECEIPT)},
        **problems("unauthenticated", "role", "not-found"),
    },
)
def receipt(query_id: str, person: ReadingReceipts, here: Here) -> Response:
    """What was released and what it cost, for the one who asked, and for auditors: the bytes that were signed.

    `signature` is over the bytes of `receipt` as they are sent; null for answers from before receipts were signed.
    """
    outcome = _outcome(here, _visible(here, person, query_id))
    if outcome.status != _CREATED:
        raise ProblemError("not-found")
    found = receipt_of(outcome.body)
    if found is None:
        return JSONResponse({"receipt": json.loads(outcome.body)["receipt"], "signature": None})
    return Response(found.sealed, media_type="application/json")


@router.get(
    "/{query_id}/proof",
    summary="The proof that a charge is in the ledger",
    response_model=ChargeProof,
    responses={
        200: {"content": examples.content(examples.CHARGE_PROOF)},
        **problems("unauthenticated", "role", "not-found"),
    },
)
def proof(query_id: str, person: ReadingReceipts, here: Here) -> dict[str, object]:
    """The place that the receipt names (`ledger.seq`, `ledger.hash`), proven by a path to a signed tree head."""
    charge = charged_at(here.ledger, _visible(here, person, query_id).query_id)
    if charge is None:
        raise ProblemError("not-found")
    return proof_document(here, charge.seq)


def _require_dataset(here: Context, dataset: str) -> None:
    if here.catalogue.snapshot(dataset) is None:
        raise ProblemError("not-found")


def _replayed(here: Context, person: Person, body: QueryBody, key: str) -> Outcome | None:
    """The stored outcome of the same request, if there is one."""
    _require_dataset(here, body.dataset)
    return here.ledger.replay(person.name, key, body.digest())


async def _answer(here: Context, person: Person, body: QueryBody, key: str) -> Outcome:
    """A fresh outcome, held back to the time grid unless no private row was read for it."""
    async with on_time_grid(here.settings.response_grid_ms) as work:
        try:
            async with here.person_slots.one(person.name):
                answered = await anyio.to_thread.run_sync(
                    here.answers.answer, person, _question(body), key, body.digest(), limiter=here.query_slots
                )
        except REFUSALS:
            work.touched_private_rows = False
            raise
        work.touched_private_rows = answered.touched_private_rows
    if answered.touched_private_rows:
        here.metrics.count_charge(body.dataset)
    return answered.outcome


def _question(body: QueryBody) -> QueryRequest:
    return QueryRequest(
        dataset=body.dataset,
        sql=body.sql,
        params=body.params,
        epsilon=body.epsilon,
        rho=body.rho,
        max_epsilon=body.max_epsilon,
        reuse=body.reuse,
        purpose=body.purpose,
        options=body.option_values(),
        target=body.wanted(),
    )


def _idempotency_key(key: str | None, request: Request) -> str:
    if key is None or len(request.headers.getlist("idempotency-key")) != 1 or not _KEY.fullmatch(key):
        raise ProblemError("idempotency-key-missing")
    return key


def _visible(here: Context, person: Person, query_id: str) -> QueryRecord:
    """The record of a query that `person` may know of; the same "not-found" for an unknown one and somebody else's."""
    record = here.ledger.query(query_id) if _QUERY_ID.fullmatch(query_id) else None
    if record is None or (person.role == "analyst" and record.principal != person.name):
        raise ProblemError("not-found")
    return record


def _outcome(here: Context, record: QueryRecord) -> Outcome:
    outcome = here.ledger.outcome(record.query_id)
    if outcome is None:
        raise ProblemError("not-found")
    return outcome
