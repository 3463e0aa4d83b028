"""One query's life: plan, price, look for stored answers, reserve, begin, release, settle.

The order of these steps is what the ledger's invariants rest on. Nothing is reserved before the plan has run on empty
tables and a worker is held; after `begin` every outcome is charged; no answer leaves before it is durable together with
its charge.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version

import structlog

from budgets.errors import BudgetExhaustedError, TooManyFailuresError, UnknownAccountError
from budgets.ledger import Claim, Ledger, Outcome, StoredRelease
from budgets.privacy_loss import PrivacyLoss
from queries.errors import (
    EngineUnavailableError,
    PostprocessError,
    PriceError,
    QueryNotPrivateError,
    ReleaseFailedError,
    SqlSyntaxError,
)
from queries.plan import ThresholdKeys
from queries.planner import PlannedNode, QueryPlan, SizeOf, options_of, plan_of, price, price_of, read
from queries.postprocess import answer_columns, answer_rows, empty_table, half_width, statement_tables, stored_table
from queries.schema import Schema
from queries.vault import Snapshot
from queries.worker_process import WorkerProcess
from service.accounts import epsilon_text, plain
from service.arrow import from_stream, to_stream
from service.catalogue import Catalogue
from service.engines import Engines
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem
from service.remembered import Remembered
from service.settings import Settings

_LEASE_MARGIN_SECONDS = 30
_REMEMBERED_PLANS = 512
_SOFTWARE = {name: version(name) for name in ("kvitto", "opendp", "duckdb")}
REFUSALS = (  # raised before anything is begun
    SqlSyntaxError,
    QueryNotPrivateError,
    PriceError,
    PostprocessError,
    BudgetExhaustedError,
    UnknownAccountError,
    TooManyFailuresError,
)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_log = structlog.stdlib.get_logger("kvitto")


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the owner of an API key, and the key's role."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A question as it was validated at the edge."""

    dataset: str
    sql: str
    params: Mapping[str, object]
    epsilon: Fraction | None
    rho: Fraction | None
    max_epsilon: Fraction | None
    reuse: str
    purpose: str | None
    options: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answered:
    """A durable outcome, and whether private rows were read for it."""

    outcome: Outcome
    touched_private_rows: bool


@dataclass(frozen=True, slots=True)
class _Question:
    """A planned question: what is stored of it already, and what would have to be bought."""

    id: str
    person: Person
    request: QueryRequest
    snapshot: Snapshot
    plan: QueryPlan
    stored: Mapping[str, StoredRelease]  # by the node's name

    @property
    def missing(self) -> tuple[PlannedNode, ...]:
        """The nodes to be bought; two with one digest are bought once."""
        found: dict[str, PlannedNode] = {}
        for node in self.plan.nodes:
            if node.name not in self.stored:
                found.setdefault(node.aggregation.digest, node)
        return tuple(found.values())

    @property
    def loss(self) -> PrivacyLoss:
        total = PrivacyLoss(0)
        for node in self.missing:
            total = total + node.loss
        return total


class Answering:
    """Quotes and answers over all datasets of a catalogue."""

    def __init__(self, ledger: Ledger, catalogue: Catalogue, settings: Settings) -> None:
        self._ledger = ledger
        self._catalogue = catalogue
        self._engines = Engines(settings)
        self._plans = Remembered[tuple[object, ...], QueryPlan](_REMEMBERED_PLANS)
        self._failures_per_day = settings.failures_per_day
        self._lease_seconds = int(settings.query_timeout_seconds) + _LEASE_MARGIN_SECONDS
        for name in catalogue.names():
            self._engines.of(self._snapshot(name))

    def quote(self, person: Person, request: QueryRequest) -> dict[str, object]:
        """What the question would cost and how exact the answer would be. Reads no private row and spends nothing."""
        question = self._question(person, request)
        self._try_out(question)
        account = self._ledger.balance(_account(question))
        left = account.remaining
        return {
            "status": "quote",
            "dataset": request.dataset,
            "snapshot": question.snapshot.id,
            "cost": self._cost(question),
            "affordable": question.loss.fits_within(left),
            "remaining": self._loss_document(question.snapshot, left),
            "stored": sorted({release.query_id for release in question.stored.values()}),
            "columns": [
                {"name": output.name, "role": output.role, "has_interval": output.error is not None}
                for output in question.plan.columns
            ],
            "releases": [_node_document(node, stored=node.name in question.stored) for node in question.plan.nodes],
        }

    def answer(self, person: Person, request: QueryRequest, idempotency_key: str, request_digest: str) -> Answered:
        """The answer, durable together with its charge. Refusals are raised before anything is reserved."""
        question = self._question(person, request)
        claim = Claim(
            account_id=_account(question),
            loss=question.loss,
            principal=person.name,
            idempotency_key=idempotency_key,
            request_digest=request_digest,
            query_id=question.id,
            description=_description(question),
            lease_seconds=self._lease_seconds,
        )
        self._try_out(question)
        if not question.missing:
            outcome = self._outcome(question, {})
            self._ledger.record_reuse(claim, outcome)
            return Answered(outcome, touched_private_rows=False)
        return Answered(self._buy(question, claim), touched_private_rows=True)

    def close(self) -> None:
        """End all workers."""
        self._engines.close()

    def _buy(self, question: _Question, claim: Claim) -> Outcome:
        with self._engines.of(question.snapshot).vault() as worker:
            # Whether a release finishes is an output that no noise covers: a person may see few that do not.
            if self._ledger.failures(claim.principal, question.request.dataset) >= self._failures_per_day:
                raise TooManyFailuresError
            reservation = self._ledger.reserve(claim)
            self._ledger.begin(reservation.id)  # should this fail, the lease runs out and recovery decides
            return self._finish(question, reservation.id, worker)

    def _finish(self, question: _Question, reservation_id: str, worker: WorkerProcess) -> Outcome:
        """Release and settle. Whatever goes wrong, rows may have been read: charged, and constant to the caller."""
        outcome = None
        try:
            tables = self._release(question, worker)
            outcome = self._outcome(question, tables)
        except ReleaseFailedError:
            return _failed(question.id)
        finally:
            if outcome is None:
                _log.warning("release-failed", query=question.id)
                self._ledger.fail(reservation_id, _failed(question.id))
        self._ledger.settle(reservation_id, outcome, _releases(question, tables))
        return outcome

    def _release(self, question: _Question, worker: WorkerProcess) -> dict[str, bytes]:
        """The bought tables by digest."""
        found = {}
        for node in question.missing:
            raw = worker.release(node.aggregation, node.loss)
            found[node.aggregation.digest] = to_stream(stored_table(node, from_stream(raw)))
        return found

    def _outcome(self, question: _Question, bought: Mapping[str, bytes]) -> Outcome:
        """The response: the rest of the statement over bought and stored tables."""
        found = {}
        for node in question.plan.nodes:
            stored = question.stored.get(node.name)
            found[node.name] = from_stream(stored.table if stored is not None else bought[node.aggregation.digest])
        tables = {name: to_stream(each) for name, each in statement_tables(question.plan.nodes, found).items()}
        try:
            stream = self._engines.of(question.snapshot).postprocess(question.plan.sql, tables)
            return self._written(question, from_stream(stream))
        except (PostprocessError, EngineUnavailableError) as error:
            return _unfinished(question, error)
        except (OverflowError, ValueError):
            return _unfinished(question, PostprocessError("A value of the answer cannot be shown."))

    def _written(self, question: _Question, table: object) -> Outcome:
        outputs = question.plan.columns
        body = {
            "id": question.id,
            "status": "done",
            "cost": self._cost(question),
            "guarantee": self._guarantee(question.snapshot),
            "columns": answer_columns(outputs, table),
            "rows": answer_rows(outputs, table),
            "receipt": self._receipt(question),
        }
        return Outcome(
            question.id, 201, json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), "application/json"
        )

    def _question(self, person: Person, request: QueryRequest) -> _Question:
        snapshot = self._snapshot(request.dataset)
        _check_purpose(snapshot, request.purpose)
        planned = self._plan(snapshot, request)
        stored = {}
        for node in planned.nodes if request.reuse == "prefer" else ():
            release = self._ledger.find_release(
                request.dataset, node.aggregation.digest, snapshot.id, node.loss.rho_nano
            )
            if release is not None:
                stored[node.name] = release
        return _Question(_new_id(), person, request, snapshot, planned, stored)

    def _plan(self, snapshot: Snapshot, request: QueryRequest) -> QueryPlan:
        """The plan of a request: a pure function of the request and the snapshot's public facts."""
        size_of = self._engines.of(snapshot).domain_size
        asked = (request.sql, repr(sorted(request.params.items())), repr(sorted(request.options.items())))
        key = (snapshot.id, *asked, request.purpose, request.epsilon, request.rho, request.max_epsilon)
        return self._plans.get(key, lambda: _planned(snapshot, request, size_of))

    def _snapshot(self, dataset: str) -> Snapshot:
        snapshot = self._catalogue.snapshot(dataset)
        if not isinstance(snapshot, Snapshot):
            raise QueryNotPrivateError("unknown-dataset", "There is no such dataset.")
        return snapshot

    def _try_out(self, question: _Question) -> None:
        """Run everything on empty tables: an error in SQL must show before it costs anything."""
        engines = self._engines.of(question.snapshot)
        for node in question.missing:
            engines.prepare(node.aggregation)
        empty = statement_tables(question.plan.nodes, {node.name: empty_table(node) for node in question.plan.nodes})
        tables = {name: to_stream(table) for name, table in empty.items()}
        answer_columns(question.plan.columns, engines.try_out(question.plan.sql, tables))

    def _cost(self, question: _Question) -> dict[str, object]:
        reused = sorted({release.query_id for release in question.stored.values()})
        return {**self._loss_document(question.snapshot, question.loss), "reused_from": reused[0] if reused else None}

    def _loss_document(self, snapshot: Snapshot, loss: PrivacyLoss) -> dict[str, object]:
        return {
            "epsilon": epsilon_text(loss, snapshot.policy.budget.conversion_delta),
            "delta": plain(Fraction(loss.delta_atto, 10**18)),
            "rho": plain(Fraction(loss.rho_nano, 10**9)),
        }

    def _guarantee(self, snapshot: Snapshot) -> dict[str, object]:
        """What holds for all releases of the dataset together, by the cap in force."""
        cap = self._ledger.balance(snapshot.dataset).cap
        conversion_delta = snapshot.policy.budget.conversion_delta
        return {
            "unit": snapshot.policy.unit.name,
            "neighbours": "add-or-remove-one",
            "epsilon": epsilon_text(cap, conversion_delta),
            "delta": plain(conversion_delta + Fraction(cap.delta_atto, 10**18)),
        }

    def _receipt(self, question: _Question) -> dict[str, object]:
        return {
            "query_id": question.id,
            "dataset": question.snapshot.dataset,
            "snapshot": question.snapshot.id,
            "account": _account(question),
            "issued_at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "sql": question.request.sql,
            "releases": [_node_document(node, stored=node.name in question.stored) for node in question.plan.nodes],
            "charged": self._loss_document(question.snapshot, question.loss),
            "guarantee": self._guarantee(question.snapshot),
            "software": _SOFTWARE,
        }


def _planned(snapshot: Snapshot, request: QueryRequest, size_of: SizeOf) -> QueryPlan:
    """The request's plan; its price and options are those of the body and of the statement together."""
    schema, question = Schema(snapshot.policy, request.purpose), read(request.sql, request.params)
    epsilon, rho = price_of(question, request.epsilon, request.rho)
    rho_nano = price(schema, epsilon, rho, request.max_epsilon)
    return plan_of(question, schema, rho_nano, options_of(request.options), size_of)


def _releases(question: _Question, tables: Mapping[str, bytes]) -> tuple[StoredRelease, ...]:
    return tuple(
        StoredRelease(
            digest=node.aggregation.digest,
            snapshot=question.snapshot.id,
            rho_nano=node.loss.rho_nano,
            query_id=question.id,
            dataset=question.snapshot.dataset,
            table=tables[node.aggregation.digest],
        )
        for node in question.missing
    )


def _node_document(node: PlannedNode, *, stored: bool) -> dict[str, object]:
    """What an auditor needs of one release: question, keys, bounds, noise and price. Public: from the plan alone."""
    keys = node.aggregation.keys
    document: dict[str, object] = {
        "digest": node.aggregation.digest,
        "stored": stored,
        "keys": "threshold" if isinstance(keys, ThresholdKeys) else "public",
        "groups": node.groups,
        "mechanism": "discrete Gaussian on L2-clipped sums",
        "rho": plain(Fraction(node.loss.rho_nano, 10**9)),
        "delta": plain(Fraction(node.loss.delta_atto, 10**18)),
        "measures": [
            {
                "kind": measure.kind.value,
                "columns": list(measure.columns),
                "l2_bound": plain(measure.l2_bound),
                "standard_error": float(f"{measure.standard_error:.6g}"),
                "interval_half_width": float(f"{half_width(measure.standard_error):.6g}"),
            }
            for measure in node.measures
        ],
    }
    if isinstance(keys, ThresholdKeys):
        document["max_groups_contributed"] = keys.max_groups
    return document


def _description(question: _Question) -> dict[str, str]:
    facts = {
        "dataset": question.snapshot.dataset,
        "sql": question.request.sql,
        "snapshot": question.snapshot.id,
        "plans": " ".join(node.aggregation.digest for node in question.plan.nodes),
    }
    return facts | ({"purpose": question.request.purpose} if question.request.purpose else {})


def _account(question: _Question) -> str:
    return f"{question.snapshot.dataset}/person/{question.person.name}"


def _check_purpose(snapshot: Snapshot, purpose: str | None) -> None:
    if purpose is not None and purpose not in snapshot.policy.purposes():
        raise QueryNotPrivateError("unknown-purpose", "The policy names no such purpose.", hint="Leave it out.")


def _new_id() -> str:
    """q_, then 10 characters of time and 8 of chance: ids sort by time."""
    number = time.time_ns() // 1_000_000
    head = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(45, -1, -5))
    return f"q_{head}{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def _failed(query_id: str) -> Outcome:
    problem = Problem("release-failed", PROBLEM_TYPES["release-failed"].meaning, {"id": query_id})
    return Outcome(query_id, problem.status, problem.body(), MEDIA_TYPE)


def _unfinished(question: _Question, error: PostprocessError | EngineUnavailableError) -> Outcome:
    """The release stands and is stored; what comes after it failed, and can be asked again at no charge."""
    reason = error.reason if isinstance(error, PostprocessError) else "No worker was free."
    stored = "The releases are stored: the corrected statement is free. " if question.plan.nodes else ""
    problem = Problem("postprocess-failed", f"{stored}{reason}", {"id": question.id})
    return Outcome(question.id, problem.status, problem.body(), MEDIA_TYPE)
