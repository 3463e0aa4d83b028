"""The errors that are told beforehand are those that answers show, and what is not known is said to be unknown."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from queries.expected import ExpectedError, KeyColumn, Span, Unknown
from queries.planned import QueryPlan
from tests.queries.retailer import Retailer, Statement, planned, statements

ACCEPTED = statements("accepted")


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retailer]:
    opened = Retailer(tmp_path_factory.mktemp("retailer"))
    yield opened
    opened.close()


def expected(sql: str, column: str) -> Span | Unknown:
    (found,) = (each.error for each in planned(sql).errors if each.column == column)
    return found


def shown(retailer: Retailer, plan: QueryPlan) -> dict[str, list[float]]:
    """The standard errors of each estimate in the rows of the answer."""
    table = retailer.released(plan)
    names = {output.name: output.hidden.error for output in plan.columns if output.hidden is not None}
    return {name: [x for x in table.column(error).to_pylist() if x is not None] for name, error in names.items()}


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_what_is_expected_is_what_the_answer_shows(retailer: Retailer, statement: Statement) -> None:
    plan = retailer.plan(statement)
    errors = shown(retailer, plan)
    assert [each.column for each in plan.errors] == list(errors)
    for each in plan.errors:
        if isinstance(each.error, Span):
            low, high = each.error.low * (1 - 1e-9), each.error.high * (1 + 1e-9)
            assert all(low <= error <= high for error in errors[each.column])


def test_most_errors_of_the_accepted_statements_are_known() -> None:
    found = [each.error for s in ACCEPTED for each in planned(s.sql, s.params, s.options).errors]
    assert sum(isinstance(error, Span) for error in found) > 0.7 * len(found) > 50


@pytest.mark.parametrize(
    ("expression", "factor"),
    [
        ("COUNT(*)", 1), ("-COUNT(*)", 1), ("COUNT(*) - 5", 1), ("COUNT(*) / 4", 0.25), ("COUNT(*) * 2 / 100.0", 0.02),
        ("COUNT(*) + COUNT(*)", 2), ("3 * COUNT(*) - COUNT(*)", 2), ("CAST(COUNT(*) AS DOUBLE) / 8", 0.125),
        ("COUNT(*) * (2 + 3 * 4)", 14), ("0 * COUNT(*)", 0), ("(2 - 5) * COUNT(*)", 3), ("COUNT(*) * 1e3", 1000),
        ("COUNT(*) / 0", Unknown.COMPLEX), ("COUNT(*) * CAST(2.7 AS INTEGER)", Unknown.COMPLEX),
        ("COUNT(*) * (7 // 2)", Unknown.COMPLEX), ("COUNT(*) * COUNT(*)", Unknown.DATA), ("1 / COUNT(*)", Unknown.DATA),
        ("AVG(amount)", Unknown.DATA), ("SQRT(COUNT(*))", Unknown.DATA),
    ],
)  # fmt: skip
def test_a_linear_expression_has_its_factors_error(expression: str, factor: float | Unknown) -> None:
    alone = expected("SELECT COUNT(*) AS n FROM lines", "n")
    assert isinstance(alone, Span)
    found = expected(f"SELECT {expression} AS n FROM lines", "n")
    if isinstance(factor, Unknown):
        assert found is factor
    else:
        assert isinstance(found, Span)
        assert found.low == found.high == pytest.approx(factor * alone.low)


def test_independent_noise_adds_up_in_squares() -> None:
    plan = planned("SELECT COUNT(*) AS n, SUM(amount) AS s, SUM(amount) / 10 - 3 * COUNT(*) AS both FROM lines")
    n, s, both = (each.error for each in plan.errors)
    assert isinstance(n, Span)
    assert isinstance(s, Span)
    assert isinstance(both, Span)
    assert both.low == both.high == pytest.approx(math.hypot(s.low / 10, 3 * n.low))


@pytest.mark.parametrize(
    "factor", ["store_id", "CASE WHEN store_id = 1 THEN 2 ELSE 3 END", "(store_id + 1)", "ABS(store_id)"]
)
def test_a_factor_that_is_a_key_differs_from_group_to_group(factor: str) -> None:
    assert expected(f"SELECT {factor} * COUNT(*) AS n FROM lines GROUP BY store_id", "n") is Unknown.GROUP


def test_the_data_count_for_more_than_the_group() -> None:
    assert expected("SELECT store_id * COUNT(*) * SUM(pieces) AS n FROM lines GROUP BY store_id", "n") is Unknown.DATA


def test_an_error_is_followed_through_subqueries_names_and_joins() -> None:
    plan = planned(
        "WITH t AS (SELECT store_id, COUNT(*) AS n, AVG(pieces) AS m FROM lines GROUP BY store_id), "
        "u(shop, spend) AS (SELECT store_id, SUM(amount) FROM lines GROUP BY store_id) "
        "(SELECT a.n, b.n AS other, u.spend, a.m FROM t AS a LEFT JOIN t AS b USING (store_id) "
        "JOIN u ON a.store_id = u.shop) ORDER BY 1"
    )
    found = {each.column: each.error for each in plan.errors}
    counts, sums = plan.nodes
    (count,) = (measure.standard_error for measure in counts.measures if "n" in measure.columns)
    assert found["n"] == found["other"] == count
    assert found["spend"] == sums.measures[0].standard_error
    assert found["m"] is Unknown.DATA
    assert [each.release for each in plan.errors] == ["released_0", "released_0", "released_1", "released_0"]


def test_subtotals_span_from_one_group_to_all(retailer: Retailer) -> None:
    statement = Statement("", "SELECT product_id, COUNT(*) AS n FROM lines GROUP BY ROLLUP (product_id)")
    plan = retailer.plan(statement)
    (error,) = (each.error for each in plan.errors)
    assert isinstance(error, Span)
    groups = plan.nodes[0].groups
    assert groups is not None
    assert error.high == pytest.approx(error.low * math.sqrt(groups))
    found = shown(retailer, plan)["n"]
    assert [min(found), max(found)] == pytest.approx([error.low, error.high])


def test_subtotals_of_thresholded_keys_have_no_largest_error() -> None:
    error = expected("SELECT note, COUNT(*) AS n FROM lines GROUP BY ROLLUP (note)", "n")
    assert isinstance(error, Span)
    assert error.high == math.inf


def test_a_statement_of_many_terms_is_worked_out() -> None:
    alone, found = (expected(f"SELECT {'+'.join(['COUNT(*)'] * n)} AS n FROM lines", "n") for n in (1, 190))
    assert isinstance(alone, Span)
    assert isinstance(found, Span)
    assert found.low == pytest.approx(190 * alone.low)


def test_columns_that_show_keys_are_found_under_their_names() -> None:
    plan = planned(
        "WITH t AS (SELECT store_id AS shop, pieces, COUNT(*) AS n FROM lines GROUP BY ALL) "
        "SELECT shop AS place, n, pieces + 1 AS more, t.pieces, 'x' AS text FROM t"
    )
    assert plan.keys == (KeyColumn("place", "released_0", 1), KeyColumn("pieces", "released_0", 0))


def test_a_column_of_a_union_is_of_no_release() -> None:
    plan = planned("SELECT note, COUNT(*) AS n FROM lines GROUP BY note UNION ALL SELECT 'all', COUNT(*) FROM lines")
    assert (plan.keys, plan.errors) == ((), (ExpectedError("n", None, Unknown.COMPLEX),))
    plan = planned("SELECT note, COUNT(*) AS n FROM lines GROUP BY note UNION SELECT 'all', COUNT(*) FROM lines")
    assert (plan.keys, plan.errors) == ((), ())
