"""Asks a statement again and again where exact answers may be known, and measures how far off the noised ones are.

A release is made as it always is, with real noise; the answer is finished as it always is. The truth is the same
statement over sums without bounds and noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import pyarrow as pa
import sqlglot

from budgets.privacy_loss import rho_of_epsilon
from queries.answers import answer_columns, answer_rows
from queries.errors import IllegalPlanError, PriceError, ReleaseFailedError
from queries.options import options_of
from queries.parse import DIALECT
from queries.plan import NANO
from queries.planned import QueryPlan
from queries.planner import plan
from queries.policy import Policy
from queries.postprocess import statement_tables
from queries.schema import Schema
from queries.worker_process import WorkerProcess
from service.answering import check_purpose
from service.arrow import from_stream
from service.engines import DatasetEngine, bought_table
from service.simulation.draws import Draws, Key, Row, Shown, truth_of
from service.simulation.errors import SimulationError, SimulationTooLongError


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A statement to be rehearsed, as a request would have it."""

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    purpose: str | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How many answers are drawn at each price, and how long that may take; what is drawn by then counts."""

    draws: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AtPrice:
    """What was drawn at one price."""

    epsilon: Fraction
    plan: QueryPlan
    draws: Draws
    rows: int  # of the true answer


def plan_at(statement: Rehearsed, policy: Policy, epsilon: Fraction, engine: DatasetEngine) -> QueryPlan:
    """The plan at this epsilon, whatever the statement says of its price, and however much one query may take."""
    check_purpose(policy, statement.purpose)
    rho_nano = int(rho_of_epsilon(epsilon, policy.budget.conversion_delta) * NANO)
    if rho_nano < 1:
        raise PriceError("invalid-price", "This price is too small to be accounted for.")
    schema, options = Schema(policy, statement.purpose), options_of(statement.options)
    return plan(statement.sql, statement.params, schema, rho_nano, options, engine.domain_size)


def rehearse(
    plans: Mapping[Fraction, QueryPlan],
    engine: DatasetEngine,
    effort: Effort,
    tell: Callable[[float], None] = lambda _share: None,
) -> list[AtPrice]:
    """Answers to each plan, by epsilon, beside the truth; in turn, so that all have as many when time is over.

    Raises SimulationError where nothing can be told, and PostprocessError.
    """
    over = time.monotonic() + effort.seconds
    try:
        with engine.vault() as worker:
            truths: dict[object, _Truth] = {}
            found = [_AtPlan(epsilon, each, engine, worker, truths) for epsilon, each in plans.items()]
            for number in range(effort.draws):
                for place, one in enumerate(found):
                    if time.monotonic() > over:
                        if number == 0:
                            raise SimulationTooLongError(_TOO_LONG)
                        return [each.drawn() for each in found]
                    one.draw()
                    tell((number * len(found) + place + 1) / (effort.draws * len(found)))
    except ReleaseFailedError:
        raise SimulationTooLongError(_TOO_LONG) from None
    except IllegalPlanError as error:
        raise SimulationError(f"The simulation failed: {error}") from None
    return [each.drawn() for each in found]


_TOO_LONG = "This statement needs more time or memory than a simulation may take: ask for fewer groups or prices."


@dataclass(frozen=True, slots=True)
class _Truth:
    """The true answer: which columns it shows, its rows by key without LIMIT, and how many it has with it."""

    shown: Shown
    rows: Mapping[Key, Row]
    count: int


class _AtPlan:
    """One plan with its truth and the answers drawn so far."""

    def __init__(
        self,
        epsilon: Fraction,
        query_plan: QueryPlan,
        engine: DatasetEngine,
        worker: WorkerProcess,
        known: dict[object, _Truth],
    ) -> None:
        self._epsilon, self._plan, self._engine, self._worker = epsilon, query_plan, engine, worker
        key = _unpriced(query_plan)
        if key not in known:
            known[key] = self._true()
        self._truth = known[key]
        self._draws = Draws(self._truth.shown, self._truth.rows)

    def draw(self) -> None:
        """Release afresh, finish the answer, and keep its rows."""
        bought = {node.aggregation.digest: node for node in self._plan.nodes}  # two with one digest are bought once
        tables = {digest: bought_table(node, self._worker) for digest, node in bought.items()}
        stored = {node.name: tables[node.aggregation.digest] for node in self._plan.nodes}
        self._draws.add(self._rows(self._finished(self._plan.sql, stored)))

    def drawn(self) -> AtPrice:
        return AtPrice(self._epsilon, self._plan, self._draws, self._truth.count)

    def _true(self) -> _Truth:
        """The statement over sums without bounds and noise."""
        exact = {node.name: from_stream(self._worker.exact(node.aggregation)) for node in self._plan.nodes}
        without_limit = _without_limit(self._plan.sql)
        every = self._finished(without_limit, exact)
        limited = every if without_limit == self._plan.sql else self._finished(self._plan.sql, exact)
        shown = Shown.of(answer_columns(self._plan.columns, every))
        rows = truth_of(shown, self._rows(every))
        if not rows and every.num_rows:
            raise SimulationError("The rows of the answer cannot be told apart: select the columns of GROUP BY too.")
        return _Truth(shown, rows, limited.num_rows)

    def _finished(self, sql: str, stored: Mapping[str, pa.Table]) -> pa.Table:
        return self._engine.finish(sql, statement_tables(self._plan.nodes, stored))

    def _rows(self, table: pa.Table) -> Sequence[Row]:
        return answer_rows(self._plan.columns, table)


def _unpriced(query_plan: QueryPlan) -> object:
    """What of a plan decides its true answer: prices do not."""
    nodes = (
        (node.table, node.aggregation.digest, node.key_numbers, tuple(measure.number for measure in node.measures))
        for node in query_plan.nodes
    )
    return (query_plan.sql, query_plan.columns, tuple(nodes))


def _without_limit(sql: str) -> str:
    """The statement with all its rows: each row of an answer then has a true value beside it."""
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    if not tree.args.get("limit") and not tree.args.get("offset"):
        return sql
    tree.set("limit", None)
    tree.set("offset", None)
    return tree.sql(dialect=DIALECT)
