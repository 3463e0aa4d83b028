"""The emitted SQL: no value of a row can make it fail, and the unit stands in joins and filters only."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from queries import emit
from queries.plan import Expression, Function
from tests.queries.expressions import TABLE, TYPES, calls_of, expressions, functions_of

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a tree that fails is found again by itself


@pytest.fixture(scope="module")
def nasty() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(TABLE)
        yield connection


def _run(connection: duckdb.DuckDBPyConnection, *trees: Expression) -> None:
    listed = ", ".join(emit._sql(tree) for tree in trees)
    try:
        connection.execute(f"SELECT {listed} FROM t AS s0").fetchall()
    except duckdb.Error as error:
        for tree in trees:
            if len(trees) > 1:
                _run(connection, tree)
        raise AssertionError(f"{error} from {trees}") from None


@pytest.mark.parametrize("function", Function)
def test_a_function_has_a_value_or_null_for_every_row(function: Function, nasty: duckdb.DuckDBPyConnection) -> None:
    results = [type_ for type_ in TYPES if function in functions_of(type_)]
    assert results, "no result type draws this function"

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=_PHASES)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        trees = [
            data.draw(st.sampled_from(results).flatmap(lambda type_: calls_of(function, type_, 1))) for _ in range(8)
        ]
        _run(nasty, *trees)

    check()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=_PHASES)
@given(st.lists(st.sampled_from(TYPES).flatmap(expressions), min_size=6, max_size=12))
def test_nested_functions_have_a_value_or_null_for_every_row(
    nasty: duckdb.DuckDBPyConnection, trees: list[Expression]
) -> None:
    _run(nasty, *trees)
