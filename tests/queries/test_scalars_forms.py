"""A call and its form have one value for every row, NULL and the ends of all ranges included."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from queries import emit
from queries.function_names import Function
from queries.plan import BOOLEAN, INTEGER, Call, Column, Expression, Literal
from queries.scalars.forms import formed, is_present, selection, summed
from tests.queries.expressions import EXACT, TABLE, TYPES, calls_of, expressions, functions_of

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
_CHANGED = (
    *(Function.AND, Function.OR, Function.NOT, Function.EQUAL, Function.NOT_EQUAL, Function.LESS, Function.LESS_EQUAL),
    *(Function.SAME, Function.IN, Function.IS_NULL, Function.LIKE, Function.CASE, Function.COALESCE, Function.ADD),
    *(Function.MULTIPLY, Function.SUBTRACT, Function.GREATEST, Function.LEAST),
)


def _tried(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=list(HealthCheck), phases=_PHASES)


@pytest.fixture(scope="module")
def nasty() -> Iterator[duckdb.DuckDBPyConnection]:
    """The table, and DuckDB without the rule that compares x with 1 where TRY_CAST(x AS BIGINT) is compared with it.

    To that rule (1.5.5) a number beyond 64 bits is large or small, and no NULL; either is total, but they differ.
    """
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET disabled_optimizers = 'expression_rewriter'")
        connection.execute(TABLE)
        yield connection


def _in_form(tree: Expression) -> Expression:
    if not isinstance(tree, Call):
        return tree
    return formed(tree.function, tree.type, *(_in_form(argument) for argument in tree.arguments))


def _differing(connection: duckdb.DuckDBPyConnection, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of expressions that have different values in some row."""
    columns = ", ".join(f"count_if(({one}) IS DISTINCT FROM ({other}))" for one, other in pairs)
    counts = connection.execute(f"SELECT {columns} FROM t AS s0").fetchone() or ()
    return [pair for pair, count in zip(pairs, counts, strict=True) if count]


def _pair(tree: Expression, other: Expression, form: str = "{}") -> tuple[str, str]:
    return form.format(emit.sql_of(tree)), form.format(emit.sql_of(other))


@pytest.mark.parametrize("function", _CHANGED)
def test_a_call_has_the_value_of_its_form(function: Function, nasty: duckdb.DuckDBPyConnection) -> None:
    results = [type_ for type_ in TYPES if function in functions_of(type_)]

    @_tried(8)
    @given(st.lists(st.sampled_from(results).flatmap(lambda type_: calls_of(function, type_, 2)), min_size=5))
    def check(trees: list[Expression]) -> None:
        assert _differing(nasty, [_pair(tree, _in_form(tree)) for tree in trees]) == []

    check()


@_tried(30)
@given(st.lists(expressions(BOOLEAN, 3), min_size=5, max_size=12))
def test_a_selection_keeps_the_same_rows(nasty: duckdb.DuckDBPyConnection, trees: list[Expression]) -> None:
    assert _differing(nasty, [_pair(t, selection(_in_form(t)), "({}) IS TRUE") for t in trees]) == []


@_tried(20)
@given(st.lists(st.sampled_from(EXACT).flatmap(lambda type_: expressions(type_, 3)), min_size=5, max_size=12))
def test_a_summand_adds_up_to_the_same(nasty: duckdb.DuckDBPyConnection, trees: list[Expression]) -> None:
    assert _differing(nasty, [_pair(t, summed(_in_form(t)), "coalesce({}, 0)") for t in trees]) == []


@_tried(20)
@given(st.lists(st.sampled_from(TYPES).flatmap(lambda type_: expressions(type_, 3)), min_size=5, max_size=12))
def test_a_value_is_present_where_it_is_not_null(nasty: duckdb.DuckDBPyConnection, trees: list[Expression]) -> None:
    def present(tree: Expression) -> tuple[str, str]:
        return (
            f"({emit.sql_of(tree)}) IS NOT NULL",
            f"({emit.sql_of(is_present(_in_form(tree), lambda _: False))}) IS TRUE",
        )

    assert _differing(nasty, [present(tree) for tree in trees]) == []


@_tried(30)
@given(st.sampled_from(TYPES).flatmap(lambda type_: expressions(type_, 3)))
def test_a_form_is_its_own_form(tree: Expression) -> None:
    once = _in_form(tree)
    assert _in_form(once) == once
    assert once.type == tree.type


def test_a_form_that_differed_would_be_seen(nasty: duckdb.DuckDBPyConnection) -> None:
    number = Column(0, "i", INTEGER)
    less = Call(Function.LESS, (number, Literal(1, INTEGER)), BOOLEAN)
    assert _differing(nasty, [_pair(less, Call(Function.LESS_EQUAL, less.arguments, BOOLEAN))])
