"""The declared tables as the statement sees them: typed columns, no unit among them, sensitive lines dealt with."""

from __future__ import annotations

import pytest

from queries.function_names import Function
from queries.plan import BOOLEAN, DATE, INTEGER, VARCHAR, Call, Column, Derived, Join, Kind, Relation, Scan, Type
from queries.policy import load_policy
from queries.schema import BaseTable, Schema
from tests.queries.retailer import POLICY_TEXT, SCHEMA

SENSITIVE = """
sensitive:
  - {name: beer, label: beer, table: products, column: category, values: [beer], rule: deny}
  - {name: wine, label: wine, table: products, column: category, values: [wine], rule: coarsen, parent: department}
  - {name: pills, label: pills, table: products, column: category, values: [pills], rule: allow_for, parent: department,
     purposes: [health-study]}
  - {name: tests, label: tests, table: products, column: category, values: [tests], rule: allow_for,
     purposes: [health-study]}
"""


def _table(name: str, schema: Schema = SCHEMA) -> BaseTable:
    table = schema.table(name)
    assert table is not None
    return table


def _guarded(purpose: str | None) -> BaseTable:
    """The lines, seen for a purpose; of the stand-ins for coarsened products only the department is known."""
    text = POLICY_TEXT.replace("name: {type: string}", "name: {type: string, nullable: true}")
    text = text.replace("price: {type: decimal,", "price: {type: decimal, nullable: true,")
    return _table("lines", Schema(load_policy(text + SENSITIVE), purpose))


def test_a_table_that_is_not_declared_is_none() -> None:
    assert SCHEMA.table("receipts") is None


def test_the_unit_is_no_column_of_a_private_table() -> None:
    table = _table("lines")
    assert table.unit_column == "household_id"
    assert "household_id" not in table.columns
    assert "household_id" not in dict(table.relation.first.columns)
    assert table.relation.private


def test_a_public_table_has_no_unit() -> None:
    table = _table("products")
    assert table.unit_column is None
    assert not table.relation.private


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        ("pieces", INTEGER),
        ("amount", Type(Kind.DECIMAL, 2)),
        ("discount", Type(Kind.DECIMAL, 3)),
        ("day", DATE),
        ("note", VARCHAR),
        ("paid_by_card", BOOLEAN),
    ],
)
def test_a_column_has_its_declared_type(column: str, type_: Type) -> None:
    assert _table("lines").columns[column] == Column(0, column, type_)


def test_lines_that_fall_under_no_rule_are_as_they_are() -> None:
    assert _table("lines").relation.where == ()


def _numbers(expression: object, function: Function) -> list[set[object]]:
    """The lists of group numbers that the mark is looked up in, below calls of the function."""
    if not isinstance(expression, Call):
        return []
    found = [
        {literal.value for literal in inner.arguments[1:]}  # type: ignore[union-attr]  # IN has literals only
        for inner in expression.arguments
        if isinstance(inner, Call) and inner.function is Function.IN and expression.function is function
    ]
    return found + [numbers for inner in expression.arguments for numbers in _numbers(inner, function)]


@pytest.mark.parametrize(
    ("purpose", "denied", "restored"),
    [(None, {0, 3}, None), ("marketing", {0, 3}, None), ("health-study", {0}, {2})],
)
def test_sensitive_lines_are_left_out_coarsened_or_restored_by_the_purpose(
    purpose: str | None, denied: set[int], restored: set[int] | None
) -> None:
    table = _guarded(purpose)
    (condition,) = table.relation.where
    assert _numbers(condition, Function.NOT) == [denied]
    shown = table.columns["product_id"]
    assert _numbers(shown, Function.CASE) == ([restored] if restored else [])


def test_a_line_without_a_mark_is_kept() -> None:
    (condition,) = _guarded(None).relation.where
    assert isinstance(condition, Call)
    assert condition.function is Function.OR
    assert Call(Function.IS_NULL, (Column(0, "_sensitive", INTEGER),), BOOLEAN) in condition.arguments


def test_the_hidden_columns_have_no_name_in_the_statement() -> None:
    assert not [name for name in _guarded(None).columns if name.startswith("_")]


def test_what_is_declared_of_a_column_is_seen_through_subqueries_that_pass_it_on() -> None:
    base = _table("lines").relation
    pieces = Column(0, "pieces", INTEGER)
    doubled = Call(Function.ADD, (pieces, pieces), INTEGER)
    relation = Relation(Derived(base, (pieces, doubled)))
    fact = SCHEMA.fact(relation, Column(0, "c0", INTEGER))
    assert fact is not None
    assert fact.path == "lines.pieces"
    assert SCHEMA.fact(relation, Column(0, "c1", INTEGER)) is None


def test_a_column_may_be_null_if_declared_so_computed_or_on_the_right_of_a_left_join() -> None:
    lines, products = _table("lines").relation.first, _table("products").relation.first
    assert isinstance(lines, Scan)
    inner, left = Relation(lines, (Join(products),)), Relation(lines, (Join(products, left=True),))
    name, note, pieces = Column(1, "name", VARCHAR), Column(0, "note", VARCHAR), Column(0, "pieces", INTEGER)
    assert [SCHEMA.nullable(inner, column) for column in (name, note, pieces)] == [False, True, False]
    assert [SCHEMA.nullable(left, column) for column in (name, note, pieces)] == [True, True, False]
