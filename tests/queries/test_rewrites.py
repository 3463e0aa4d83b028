"""Rewrites: statements that are planned, and nothing but the statement's text and the policy in them."""

from __future__ import annotations

import pytest
import sqlglot

from queries.errors import QueryNotPrivateError
from queries.parse import DIALECT
from queries.rewrites import OTHER_FORMS, TEXT_LIMIT
from tests.queries.retailer import Statement, planned, statements

ACCEPTED = [statement for statement in statements("accepted") if not OTHER_FORMS.search(statement.sql)]


def _rewrite(sql: str, params: dict[str, object] | None = None, options: dict[str, object] | None = None) -> str | None:
    with pytest.raises(QueryNotPrivateError) as refused:
        planned(sql, params or {}, options or {})
    return refused.value.rewrite


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_a_statement_that_is_written_out_asks_the_same(statement: Statement) -> None:
    """A rewrite changes one place: what is written out from the tree elsewhere means what was read."""
    written = sqlglot.parse_one(statement.sql, dialect=DIALECT).sql(dialect=DIALECT, comments=False)
    one, other = (planned(sql, statement.params, statement.options) for sql in (statement.sql, written))
    assert [node.aggregation.digest for node in one.nodes] == [node.aggregation.digest for node in other.nodes]


def test_parameters_stay_as_they_are_written() -> None:
    sql = "SELECT day FROM lines WHERE pieces > $low AND note = $text"
    found = _rewrite(sql, {"low": 3, "text": "secret"})
    assert found == "SELECT COUNT(*) AS n FROM lines WHERE pieces > $low AND note = $text"


def test_a_rewrite_that_is_refused_in_turn_is_not_shown() -> None:
    assert _rewrite("SELECT MEDIAN(LENGTH(note) / 3) AS s FROM lines") is None  # of which no range is known
    options: dict[str, object] = {"l2_bound": {"s": 10}}
    assert _rewrite("SELECT SUM(LENGTH(note) / 3) AS s FROM lines", {}, options) is not None


def test_a_long_statement_is_not_rewritten() -> None:
    assert _rewrite(f"SELECT day FROM lines /* {'x' * TEXT_LIMIT} */") is None


def test_a_clause_that_no_tree_keeps_is_not_lost() -> None:
    assert _rewrite("SELECT day FROM lines WHERE note = 'WITH DIFFERENTIAL_PRIVACY'") is None


def test_a_name_is_corrected_only_to_the_one_that_is_near() -> None:
    assert _rewrite("SELECT COUNT(*) AS n FROM lins") == "SELECT COUNT(*) AS n FROM lines"
    assert _rewrite("SELECT COUNT(*) AS n FROM receipts") is None
    with_two = "WITH linea AS (SELECT * FROM lines) SELECT COUNT(*) AS n FROM linee"
    assert _rewrite(with_two) is None


def test_a_column_of_a_query_further_out_is_not_taken_for_one_of_this() -> None:
    sql = "SELECT name, (SELECT COUNT(*) FROM lines WHERE lines.product_id = p.product_id) AS n FROM products AS p"
    assert _rewrite(sql) is None


def test_the_conditions_on_units_are_never_rewritten() -> None:
    assert _rewrite("SELECT COUNT(*) AS n FROM lines WHERE household_id = 'h1'") is None
