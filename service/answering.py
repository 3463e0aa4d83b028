"""One query's life: plan, price, look for stored answers, reserve, begin, release, settle.

The order of these steps is what the ledger's invariants rest on. Nothing is reserved before the plan has run on empty
tables and a worker is held; after `begin` every outcome is charged; no answer leaves before it is durable together with
its charge.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from importlib.metadata import version

import pyarrow as pa
import structlog

from budgets.errors import BudgetExhaustedError, FrozenError, TooManyFailuresError, UnknownAccountError
from budgets.evidence.chain import ReadableLedger
from budgets.evidence.signing import KeyRing
from budgets.ledger import Balance, Claim, Outcome, StoredRelease
from budgets.meters import BLOCK, LIFETIME, WINDOWS, kind_of
from budgets.privacy_loss import PrivacyLoss
from queries.answers import answer_columns, answer_rows
from queries.block_charges import Charges, together
from queries.chosen import reusing, told
from queries.display import Biased
from queries.errors import (
    EngineUnavailableError,
    PostprocessError,
    PriceError,
    QueryNotPrivateError,
    ReleaseFailedError,
    SqlSyntaxError,
)
from queries.evidence import Knowledge, Stored
from queries.options import options_of, price_of, without_bounds
from queries.plan import NANO
from queries.planned import PlannedNode, QueryPlan
from queries.planner import PriceOf, plan, price, with_nodes
from queries.policy import Policy
from queries.postprocess import biased_measures, empty_table, statement_tables
from queries.schema import Schema
from queries.stated import Question
from queries.targets import Target, most_epsilon, rho_for
from queries.vault import Snapshot
from queries.worker_process import WorkerProcess
from service.accounts import epsilon_text, paying_account_id, plain
from service.arrow import from_stream, to_stream
from service.catalogue import Catalogue
from service.engines import Engines
from service.guarantees import guarantee_document
from service.notices import answered_notices, knowledge_of, quoted_notices
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem
from service.quotes import Offer, Quote, quote_of
from service.receipts import Receipts, released_document
from service.release_documents import release_document
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
    FrozenError,
    UnknownAccountError,
    TooManyFailuresError,
)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_log = structlog.stdlib.get_logger("kvitto")


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the owner of an API key, the key's role, and the purposes that it is bound to (none: any)."""

    name: str
    role: str
    purposes: tuple[str, ...] = ()


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
    target: Target | None = None


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
    known: Knowledge  # of bounds that somebody gave, from earlier releases

    @property
    def schema(self) -> Schema:
        return _schema(self.snapshot, self.request)

    @property
    def missing(self) -> tuple[PlannedNode, ...]:
        """The nodes to be bought; two with one digest are bought once."""
        found: dict[str, PlannedNode] = {}
        for node in self.plan.nodes:
            if node.name not in self.stored:
                found.setdefault(node.aggregation.digest, node)
        return tuple(found.values())

    @property
    def tables(self) -> Mapping[str, pa.Table]:
        """What is stored of the releases, by the node's name."""
        return {name: from_stream(release.table) for name, release in self.stored.items()}

    @property
    def charges(self) -> Charges:
        """What is to be taken of each meter."""
        return together(node.charges for node in self.missing)

    @property
    def loss(self) -> PrivacyLoss:
        """What whole units lose over their lifetime."""
        return self.charges.get(LIFETIME, PrivacyLoss(0))

    @property
    def price(self) -> PrivacyLoss:
        """What one unit loses: with blocks an account in one month, else what a whole unit loses."""
        total = PrivacyLoss(0)
        for node in self.missing:
            total = total + node.loss
        return total

    def taken(self, meter: str) -> PrivacyLoss | None:
        """What is taken of a meter that an account has, of the limit of its blocks too; None where that is nothing."""
        if kind_of(meter) in WINDOWS or (meter == BLOCK and self.snapshot.policy.blocks is not None):
            return self.price
        return self.charges.get(meter, PrivacyLoss(0) if meter == LIFETIME else None)


class Answering:
    """Quotes and answers over all datasets of a catalogue."""

    def __init__(self, ledger: ReadableLedger, catalogue: Catalogue, settings: Settings) -> None:
        self._ledger = ledger
        self._receipts = Receipts(ledger, KeyRing(settings.keys_dir))
        self._catalogue = catalogue
        self._engines = Engines(settings)
        self._plans = Remembered[tuple[object, ...], QueryPlan](_REMEMBERED_PLANS)
        self._failures_per_day = settings.failures_per_day
        self._lease_seconds = int(settings.query_timeout_seconds) + _LEASE_MARGIN_SECONDS
        for name in catalogue.names():
            self._engines.of(self._snapshot(name))

    def quote(self, person: Person, request: QueryRequest) -> Quote:
        """What the question would cost and how exact the answer would be. Reads no private row and spends nothing."""
        question = self._question(person, request)
        schema, most = question.schema, most_epsilon(question.schema, request.max_epsilon)
        return quote_of(
            Offer(
                snapshot=question.snapshot,
                schema=schema,
                plan=question.plan,
                stored=question.stored,
                cost=self._cost(question),
                charges=self._charges(question),
                described=self._try_out(question),
                documents=_node_documents(question, question.tables),
                path=self._path(question),
                limit_nano=price(schema, most, None, most),
                target=request.target,
                notices=quoted_notices(question.plan, question.known, schema),
            )
        )

    def answer(self, person: Person, request: QueryRequest, idempotency_key: str, request_digest: str) -> Answered:
        """The answer, durable together with its charge. Refusals are raised before anything is reserved."""
        question = self._question(person, request)
        claim = Claim(
            account_id=_account(question),
            loss=question.price,
            meters=question.charges,
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

    def move_on(self) -> None:
        """Let workers of snapshots that are not current any more end, once they are done."""
        self._engines.move_on(self._snapshot)

    def close(self) -> None:
        """End all workers."""
        self._engines.close()

    def _buy(self, question: _Question, claim: Claim) -> Outcome:
        with self._engines.of(question.snapshot).vault(question.snapshot.id) as worker:
            # Whether a release finishes is an output that no noise covers: a person may see few that do not.
            if self._ledger.failures(claim.principal, question.request.dataset) >= self._failures_per_day:
                raise TooManyFailuresError
            reservation = self._ledger.reserve(claim)
            try:
                self._ledger.begin(reservation.id)  # should this fail, the lease runs out and recovery decides
            except FrozenError:
                self._ledger.void(reservation.id, "frozen")
                raise
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
        return {node.aggregation.digest: worker.release(node.aggregation, node.loss) for node in question.missing}

    def _outcome(self, question: _Question, bought: Mapping[str, bytes]) -> Outcome:
        """The response: the rest of the statement over bought and stored tables."""
        streams = {}
        for node in question.plan.nodes:
            stored = question.stored.get(node.name)
            streams[node.name] = stored.table if stored is not None else bought[node.aggregation.digest]
        tables = statement_tables(question.plan.nodes, {name: from_stream(table) for name, table in streams.items()})
        try:
            finished = self._engines.of(question.snapshot).finish(question.plan.sql, tables)
            return self._written(question, finished, streams, biased_measures(tables))
        except (PostprocessError, EngineUnavailableError) as error:
            return _unfinished(question, error)
        except (OverflowError, ValueError):
            return _unfinished(question, PostprocessError("A value of the answer cannot be shown."))

    def _written(
        self,
        question: _Question,
        table: pa.Table,
        streams: Mapping[str, bytes],
        biased: frozenset[Biased],
    ) -> Outcome:
        outputs, bands = question.plan.columns, question.snapshot.policy.reliability.bands
        released = {name: from_stream(stream) for name, stream in streams.items()}
        guarantee = guarantee_document(self._ledger.meters(question.snapshot.dataset), question.snapshot.policy)
        body = {
            "id": question.id,
            "status": "done",
            "cost": self._cost(question),
            "guarantee": guarantee,
            "columns": answer_columns(outputs, table, biased),
            "rows": answer_rows(outputs, table, bands),
            "notices": _notices(question, released),
        }
        answer = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        receipt = {**self._receipt(question, released, streams), "guarantee": guarantee, "software": _SOFTWARE}
        signed = self._receipts.attach(answer, receipt)
        return Outcome(question.id, 201, signed, "application/json")

    def _question(self, person: Person, request: QueryRequest) -> _Question:
        snapshot = self._snapshot(request.dataset)
        check_purpose(snapshot.policy, request.purpose)
        planned = self._plan(snapshot, request)
        stored = {}
        for node in planned.nodes if request.reuse == "prefer" else ():
            release = self._ledger.find_release(
                request.dataset, node.aggregation.digest, snapshot.id, node.loss.rho_nano
            )
            if release is not None:
                stored[node.name] = release
        known = knowledge_of(planned, lambda: self._without_bounds(snapshot, request), request.dataset, self._ledger)
        return _Question(_new_id(), person, request, snapshot, planned, stored, known)

    def _without_bounds(self, snapshot: Snapshot, request: QueryRequest) -> QueryPlan:
        """The plan of the same statement, at any price, with all bounds chosen from the data."""
        schema, size_of = _schema(snapshot, request), self._engines.of(snapshot).domain_size
        options = without_bounds(options_of(request.options))
        key = (snapshot.id, request.sql, repr(sorted(request.params.items())), repr(options), request.purpose)
        return self._plans.get(key, lambda: plan(request.sql, request.params, schema, NANO, options, size_of))

    def _plan(self, snapshot: Snapshot, request: QueryRequest) -> QueryPlan:
        """The plan of a request: a pure function of the request and the snapshot's public facts."""
        schema, size_of = _schema(snapshot, request), self._engines.of(snapshot).domain_size
        options = options_of(request.options)
        asked = (request.sql, repr(sorted(request.params.items())), repr(options))
        key = (snapshot.id, *asked, request.purpose)

        def plan_at(rho_nano: int | PriceOf) -> QueryPlan:
            return plan(request.sql, request.params, schema, rho_nano, options, size_of)

        def bounded_at(rho_nano: int) -> QueryPlan:
            return self._bounded(snapshot, self._plans.get((*key, rho_nano), lambda: plan_at(rho_nano)))

        priced = (request.epsilon, request.rho, request.max_epsilon)
        price_in = _price_in(request, schema, bounded_at)
        if request.target is not None:  # what it takes changes as bounds become known
            return self._bounded(snapshot, plan_at(price_in))
        return self._bounded(snapshot, self._plans.get((*key, priced), lambda: plan_at(price_in)))

    def _bounded(self, snapshot: Snapshot, planned: QueryPlan) -> QueryPlan:
        """The plan with the bounds that earlier releases of the same questions chose, as long as the policy allows."""
        within = timedelta(days=snapshot.policy.query.keep_bounds_days)
        free = [node for node in planned.nodes if any(block.free for block in node.aggregation.blocks)]
        if not free or not within:
            return planned
        known = {}
        for node in free:
            earlier = self._ledger.latest_release(snapshot.dataset, node.aggregation.digest, within)
            bounded = None if earlier is None else reusing(node, from_stream(earlier.table))
            if bounded is not None:
                known[node.name] = bounded
        return with_nodes(planned, tuple(known.get(node.name, node) for node in planned.nodes)) if known else planned

    def _snapshot(self, dataset: str) -> Snapshot:
        snapshot = self._catalogue.snapshot(dataset)
        if not isinstance(snapshot, Snapshot):
            raise QueryNotPrivateError("unknown-dataset", "There is no such dataset.")
        return snapshot

    def _path(self, question: _Question) -> tuple[tuple[Balance, PrivacyLoss], ...]:
        """The meters of the account and of those above it that pay, each with what it pays; its lifetime first."""
        found: list[tuple[Balance, PrivacyLoss]] = []
        account_id: str | None = _account(question)
        while account_id is not None:
            meters = self._ledger.meters(account_id)
            found += [(each, taken) for each in meters if (taken := question.taken(each.meter)) is not None]
            account_id = meters[0].account.parent
        return tuple(found)

    def _try_out(self, question: _Question) -> list[dict[str, object]]:
        """The columns of the answer, by running everything on empty tables: an error in SQL must cost nothing."""
        engines = self._engines.of(question.snapshot)
        for node in question.missing:
            engines.prepare(node.aggregation)
        empty = statement_tables(question.plan.nodes, {node.name: empty_table(node) for node in question.plan.nodes})
        tables = {name: to_stream(table) for name, table in empty.items()}
        return answer_columns(question.plan.columns, engines.try_out(question.plan.sql, tables))

    def _cost(self, question: _Question) -> dict[str, object]:
        reused = sorted({release.query_id for release in question.stored.values()})
        return {**self._loss_document(question.snapshot, question.loss), "reused_from": reused[0] if reused else None}

    def _loss_document(self, snapshot: Snapshot, loss: PrivacyLoss) -> dict[str, object]:
        return {
            "epsilon": epsilon_text(loss, snapshot.policy.budget.conversion_delta),
            "delta": plain(Fraction(loss.delta_atto, 10**18)),
            "rho": plain(Fraction(loss.rho_nano, 10**9)),
        }

    def _charges(self, question: _Question) -> dict[str, dict[str, object]] | None:
        """What is taken of each meter; None of a dataset without blocks, where the cost says it all."""
        if question.snapshot.policy.blocks is None:
            return None
        return {meter: self._loss_document(question.snapshot, loss) for meter, loss in question.charges.items()}

    def _receipt(
        self, question: _Question, tables: Mapping[str, pa.Table], streams: Mapping[str, bytes]
    ) -> dict[str, object]:
        shown = zip(question.plan.nodes, _node_documents(question, tables), strict=True)
        return {
            "query_id": question.id,
            "dataset": question.snapshot.dataset,
            "snapshot": question.snapshot.id,
            "account": _account(question),
            "issued_at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "sql": question.request.sql,
            "purpose": question.request.purpose,
            "ledger": self._receipts.place(question.id, is_charged=bool(question.missing)),
            "releases": [
                released_document(
                    node,
                    document,
                    question.schema,
                    streams[node.name],
                    self._receipts.origin(question.stored.get(node.name), question.id, node.loss),
                )
                for node, document in shown
            ],
            "charged": self._loss_document(question.snapshot, question.loss),
            **({} if (charges := self._charges(question)) is None else {"charges": charges}),
        }


def _schema(snapshot: Snapshot, request: QueryRequest) -> Schema:
    return Schema(snapshot.policy, request.purpose, snapshot.as_of)


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


def _price_in(request: QueryRequest, schema: Schema, plan_at: Callable[[int], QueryPlan]) -> PriceOf:
    """The price of a request: as its body or its statement gives it, or as its target needs."""

    def price_of_question(question: Question) -> int:
        epsilon, rho = price_of(question, request.epsilon, request.rho)
        if request.target is None:
            return price(schema, epsilon, rho, request.max_epsilon)
        if epsilon is not None or rho is not None:
            reason = "The statement states a price, and the request a target."
            raise QueryNotPrivateError("option-conflict", reason, hint="State one of the two.", line=1, column=1)
        return rho_for(request.target, plan_at, schema, request.max_epsilon)

    return price_of_question


def _node_documents(question: _Question, tables: Mapping[str, pa.Table]) -> list[dict[str, object]]:
    """The releases as documents; `tables` are those that are known already, by the node's name."""
    nodes = (told(node, tables[node.name]) if node.name in tables else node for node in question.plan.nodes)
    return [release_document(node, stored=node.name in question.stored) for node in nodes]


def _notices(question: _Question, tables: Mapping[str, pa.Table]) -> list[dict[str, object]]:
    """What the releases of an answer, by the node's name, show of bounds."""
    released = {}
    for node in question.plan.nodes:
        stored, table = question.stored.get(node.name), tables[node.name]
        bought = (node.loss.rho_nano, question.id) if stored is None else (stored.rho_nano, stored.query_id)
        released[node.name] = Stored(table, *bought)
    found = answered_notices(question.plan, question.known, question.schema, released)
    return [notice.model_dump(mode="json") for notice in found]


def _description(question: _Question) -> dict[str, str]:
    facts = {
        "dataset": question.snapshot.dataset,
        "sql": question.request.sql,
        "snapshot": question.snapshot.id,
        "plans": " ".join(node.aggregation.digest for node in question.plan.nodes),
    }
    return facts | ({"purpose": question.request.purpose} if question.request.purpose else {})


def _account(question: _Question) -> str:
    return paying_account_id(question.snapshot.policy, question.person.name, question.request.purpose)


def check_purpose(policy: Policy, purpose: str | None) -> None:
    """Refuse a purpose that the policy does not name."""
    if purpose is not None and purpose not in policy.known_purposes():
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
