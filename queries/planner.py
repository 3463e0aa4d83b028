"""From a statement to a plan with its price: what it releases, at what part of ρ each, by which mechanisms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

import sqlglot
from sqlglot import exp

from budgets.privacy_loss import rho_of_epsilon
from queries.aggregates import Node
from queries.drafts import Draft, SizeOf, pointing_at
from queries.errors import IllegalPlanError, PlanTooLargeError, PriceError, QueryNotPrivateError, SqlSyntaxError
from queries.expected import Noise, expected_errors, key_columns
from queries.hints import general_hint
from queries.options import Options, merged, price_of
from queries.parse import DIALECT
from queries.plan import NANO
from queries.planned import PlannedNode, QueryPlan
from queries.relations import Statement, check
from queries.rewrites import rewrite
from queries.schema import Schema
from queries.shares import TOO_SMALL
from queries.stated import Question, misplaced, read, state_least_units

PriceOf = Callable[[Question], int]


def price(schema: Schema, epsilon: Fraction | None, rho: Fraction | None, max_epsilon: Fraction | None) -> int:
    """The nano-ρ that a statement may spend; raises PriceError. A given ε is the whole statement's."""
    policy = schema.policy
    delta = policy.budget.conversion_delta
    cap = policy.query.max_epsilon if max_epsilon is None else min(max_epsilon, policy.query.max_epsilon)
    limit = int(rho_of_epsilon(cap, delta) * NANO)
    wanted = policy.query.default_epsilon if epsilon is None else epsilon
    if wanted <= 0:
        raise PriceError("invalid-price", "An epsilon must be above 0.")
    nano = int(rho_of_epsilon(wanted, delta) * NANO) if rho is None else int(rho * NANO)
    if nano > limit:
        raise PriceError("max-epsilon-exceeded", f"One query may take an epsilon of at most {float(cap):g}.")
    if nano < 1:
        raise PriceError("invalid-price", "This price is too small to be accounted for.")
    return nano


def plan(
    sql: str, params: Mapping[str, object], schema: Schema, rho_nano: int | PriceOf, options: Options, size_of: SizeOf
) -> QueryPlan:
    """The plan of a statement; raises SqlSyntaxError, QueryNotPrivateError or PriceError.

    Its price may depend on what the statement itself says of it. A refusal carries the statement rewritten, where a
    rule can repair it and the result is planned.
    """
    try:
        return _planned(sql, params, schema, rho_nano, options, size_of)
    except QueryNotPrivateError as error:
        error.hint = error.hint or general_hint(error.code)
        if error.line is None:
            error.line, error.column = 1, 1  # of what the request says besides the statement
        instead = rewrite(sql, schema, error)
        if instead is not None and _is_planned(instead, params, schema, options, size_of):
            error.rewrite = instead
        raise


def _is_planned(sql: str, params: Mapping[str, object], schema: Schema, options: Options, size_of: SizeOf) -> bool:
    try:
        _planned(sql, params, schema, NANO, options, size_of)
    except (SqlSyntaxError, QueryNotPrivateError, PriceError):
        return False
    return True


def _planned(
    sql: str, params: Mapping[str, object], schema: Schema, rho_nano: int | PriceOf, options: Options, size_of: SizeOf
) -> QueryPlan:
    question = read(sql, params)
    price_of(question, None, None)  # a price in the statement has to be one, whatever is split in the end
    options = merged(options, question)
    _check_unit(options, schema, question)
    if options.least_units is not None:
        state_least_units(question, options.least_units)
    try:
        statement = check(question.tree, schema)
        _check_places(statement, question)
        whole = rho_nano if isinstance(rho_nano, int) else rho_nano(question)
        return _plan(statement, schema, whole, options, size_of)
    except PlanTooLargeError as error:
        reason = f"This is more than can be planned: {error}."
    except RecursionError:
        reason = "This is nested more deeply than can be planned."
    raise QueryNotPrivateError("too-complex", reason, hint="Use fewer and simpler expressions.", line=1, column=1)


def _check_unit(options: Options, schema: Schema, question: Question) -> None:
    units = {str(table.unit_column).lower() for table in schema.policy.tables.values() if table.is_private}
    if options.unit_column is not None and options.unit_column not in units:
        said = question.options.get("privacy_unit_column")
        line, column = said.place if said is not None else (None, None)
        reason = "The privacy unit is what the policy says, and cannot be chosen."
        hint = f"Leave privacy_unit_column out, or write {schema.unit_column}."
        raise QueryNotPrivateError("unknown-option", reason, hint=hint, line=line, column=column)


def _check_places(statement: Statement, question: Question) -> None:
    """Refuse what the statement says where it has no effect: it would be paid for and not be what was meant."""
    unused = question.places - {place for node in statement.nodes for place in node.clauses}
    if unused:
        raise misplaced(min(unused, key=repr))


def _plan(statement: Statement, schema: Schema, rho_nano: int, options: Options, size_of: SizeOf) -> QueryPlan:
    _check_aliases(statement.nodes, options)
    drafts = []
    for node in statement.nodes:
        with pointing_at(node.place):
            drafts.append(Draft(node, schema, options, size_of))
    parts = sum(draft.parts for draft in drafts)
    if parts > rho_nano:
        raise PriceError("invalid-price", TOO_SMALL)
    nodes: list[PlannedNode] = []
    for number, draft in enumerate(drafts):
        with pointing_at(statement.nodes[number].place):
            nodes.extend(draft.finish(f"released_{number}", rho_nano * draft.parts // parts))
    rows = statement.rows
    noise = _noise(nodes)
    errors = expected_errors(rows.tree, rows.columns, noise)
    keys = key_columns(rows.tree, rows.columns, noise)
    return QueryPlan(tuple(nodes), rows.columns, rows.tree.sql(dialect=DIALECT), errors, keys)


def with_nodes(plan: QueryPlan, nodes: tuple[PlannedNode, ...]) -> QueryPlan:
    """The plan with other mechanisms for its nodes, of which its errors follow."""
    tree = sqlglot.parse_one(plan.sql, dialect=DIALECT)
    if not isinstance(tree, exp.Query):
        raise IllegalPlanError("a plan without a query")
    return replace(plan, nodes=nodes, errors=expected_errors(tree, plan.columns, _noise(nodes)))


def _noise(nodes: Iterable[PlannedNode]) -> dict[str, list[Noise]]:
    found: dict[str, list[Noise]] = {}
    for node in nodes:
        found.setdefault(node.table, []).append(node.noise)
    return found


def _check_aliases(nodes: tuple[Node, ...], options: Options) -> None:
    known = {alias for node in nodes for aliases in node.aliases.values() for alias in aliases}
    for given in (options.bounds_per_group, options.bounds_per_row, options.l2_bounds, options.automatic):
        for alias in given:
            if alias not in known:
                raise QueryNotPrivateError(
                    "unknown-alias", f"The options name {alias[:60]}, which is no aggregate here."
                )
