"""The app: the only place that picks implementations and puts them together."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
import anyio.to_thread
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match

from budgets.errors import BudgetError, LedgerUnavailableError
from budgets.evidence.chain import Chain, ReadableLedger
from budgets.evidence.signing import KeyRing
from budgets.ledger import Outcome
from budgets.sql_ledger import SqlLedger
from queries.errors import QueryError
from queries.exclusion_list import ExclusionList, list_file
from queries.vault import SecretKeys
from service.accounts import open_accounts
from service.alerting import Alerting
from service.anchoring import Anchoring
from service.answering import Answering
from service.api import (
    accuracy,
    approvals,
    audit,
    budgets,
    datasets,
    exclusions,
    freeze,
    keys,
    me,
    operations,
    pages,
    queries,
    reports,
)
from service.api_document import api_document
from service.api_keys import ApiKeys, open_pepper
from service.auth import Authentication
from service.catalogue import Catalogue, VaultCatalogue
from service.context import Answers, Context, Rehearsals
from service.edge import Edge, problem_response
from service.limits import InFlight, PersonSlots, WholeBody
from service.metrics import Metrics
from service.policy_gate import serve_approved
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem, ProblemError, problem_of
from service.rate_limit import RateLimit
from service.settings import Settings
from service.simulation.simulations import Simulations
from service.validation import invalid_request

_log = structlog.stdlib.get_logger("kvitto")
_EXPORTS_IN_FLIGHT = 2  # each of them reads the whole ledger
_SLUGS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


def create_app(
    settings: Settings,
    *,
    answering: Answers | None = None,
    ledger: ReadableLedger | None = None,
    catalogue: Catalogue | None = None,
    api_keys: ApiKeys | None = None,
    simulations: Rehearsals | None = None,
) -> FastAPI:
    """The service, ready to be served. What is not given is opened as the settings say; the app closes all of it."""
    opened_ledger = ledger or open_ledger(settings)
    opened_catalogue = catalogue or VaultCatalogue(settings.vault_root)
    signing, chain, metrics = KeyRing(settings.keys_dir), Chain(opened_ledger), Metrics()
    context = Context(
        settings=settings,
        answers=answering or open_answering(settings, opened_ledger, opened_catalogue),
        simulations=simulations or Simulations(settings),
        ledger=opened_ledger,
        catalogue=opened_catalogue,
        keys=api_keys or open_api_keys(settings),
        signing=signing,
        chain=chain,
        anchoring=open_anchoring(settings, opened_ledger, chain, signing, metrics),
        exclusions=open_exclusions(settings),
        metrics=metrics,
        query_slots=anyio.CapacityLimiter(settings.queries_in_flight),
        person_slots=PersonSlots(settings.queries_in_flight, settings.requests_in_flight),
        simulation_slots=anyio.CapacityLimiter(settings.simulations_in_flight),
        export_slots=threading.BoundedSemaphore(_EXPORTS_IN_FLIGHT),
    )
    app = FastAPI(
        title="Kvitto",
        version=version("kvitto"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=[
            Middleware(Edge, metrics=context.metrics),
            Middleware(InFlight, requests_in_flight=settings.requests_in_flight),
            Middleware(
                Authentication, keys=context.keys, rate_limit=RateLimit(settings.rate_per_second, settings.rate_burst)
            ),
            Middleware(WholeBody, body_timeout_seconds=settings.body_timeout_seconds),
        ],
    )
    app.state.context = context
    governed = (budgets, approvals, freeze)
    modules = (queries, datasets, accuracy, exclusions, *governed, me, keys, audit, reports, operations, pages)
    routers = [module.router for module in modules]
    app.state.routes = [route for router in routers for route in router.routes]
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    for kind in (ProblemError, QueryError, BudgetError):
        app.add_exception_handler(kind, _refused)
    app.openapi = lambda: api_document(app)  # type: ignore[method-assign]  # FastAPI's documented way.
    return app


def open_api_keys(settings: Settings) -> ApiKeys:
    """The store of API keys in the data directory."""
    return ApiKeys(settings.api_keys_url, open_pepper(settings.keys_dir))


def open_exclusions(settings: Settings) -> ExclusionList:
    """The list of opt-outs and erasures beside the vault."""
    return ExclusionList(list_file(settings.vault_root), SecretKeys.open(settings.keys_dir))


def open_ledger(settings: Settings) -> SqlLedger:
    """The ledger of the settings; refuses to open behind its anchor."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.anchor_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqlLedger(settings.ledger_url, anchor=settings.anchor_file, lost=_lost)


def open_anchoring(
    settings: Settings, ledger: ReadableLedger, chain: Chain, signing: KeyRing, metrics: Metrics
) -> Anchoring | None:
    """What sends tree heads elsewhere, if the settings say where."""
    if not settings.anchor_url:
        return None
    return Anchoring(settings.anchor_url, settings.anchor_seconds, ledger, chain, signing, metrics)


def open_answering(settings: Settings, ledger: ReadableLedger, catalogue: Catalogue) -> Answering:
    """The real answering: workers over the vault."""
    return Answering(ledger, catalogue, settings)


def _lost(query_id: str) -> Outcome:
    """What a query that was begun and never finished gets: the constant problem, charged."""
    problem = Problem("release-failed", PROBLEM_TYPES["release-failed"].meaning, {"id": query_id})
    return Outcome(query_id, problem.status, problem.body(), MEDIA_TYPE)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Recover and open accounts at the start, recover from time to time, and close everything at the end."""
    context: Context = app.state.context
    await anyio.to_thread.run_sync(_start, context)
    gc.collect()
    gc.freeze()  # what stands now stands for good: a collection that walks all modules takes 0.1 s of some request
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_recover_forever, context)
            tasks.start_soon(Alerting(context.ledger, context.settings).run)
            if context.anchoring is not None:
                tasks.start_soon(context.anchoring.run)
            yield
            tasks.cancel_scope.cancel()
    finally:
        context.simulations.close()
        context.answers.close()
        context.keys.close()
        context.exclusions.close()
        context.ledger.close()


def _start(context: Context) -> None:
    _recover(context)
    for name in context.catalogue.names():
        snapshot = context.catalogue.snapshot(name)
        if snapshot is not None:
            open_accounts(context.ledger, snapshot.policy)


async def _recover_forever(context: Context) -> None:
    while True:
        await anyio.sleep(context.settings.recovery_seconds)
        try:
            await anyio.to_thread.run_sync(_recover, context)
        except LedgerUnavailableError:
            _log.warning("recovery-failed")
        try:
            await anyio.to_thread.run_sync(context.answers.move_on)
        except QueryError:  # a snapshot that cannot be opened: queries say so, and the next round tries again
            _log.warning("snapshot-not-opened")


def _recover(context: Context) -> None:
    found = context.ledger.recover()
    if found.voided or found.failed:
        _log.warning("recovered", voided=found.voided, failed=found.failed)
    serve_approved(context.ledger, context.settings.vault_root)


async def _refused(request: Request, error: Exception) -> Response:
    return problem_response(_problem(request, error), request.state.request_id)


def _problem(request: Request, error: Exception) -> Problem:
    """The problem of an error that the framework or the calls raised; a fault of ours goes on to the edge."""
    if isinstance(error, RequestValidationError):
        return invalid_request(error.errors())
    if isinstance(error, HTTPException):
        problem = ProblemError(_SLUGS.get(error.status_code, "bad-request")).problem
        offered = _allow(request) if problem.slug == "method-not-allowed" else {}
        return Problem(problem.slug, problem.detail, {}, offered)
    known = problem_of(error)
    if known is None:
        raise error
    return known


def _allow(request: Request) -> dict[str, str]:
    """The Allow header: the methods of every route at the address."""
    methods: set[str] = set()
    for route in (*request.app.state.routes, *request.app.routes):
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    methods |= {"HEAD"} if "GET" in methods else set()
    return {"Allow": ", ".join(sorted(methods))}
