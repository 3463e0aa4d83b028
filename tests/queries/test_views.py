"""Relations under construction: names that are found, units that are joined, and one normal form whatever the order."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.function_names import Function
from queries.plan import Call, Column, Derived, Expression, Relation
from queries.scalars import UnitColumn
from queries.views import EXPANSIONS_LIMIT, Scope, View, canonical, renumbered, shifted
from tests.queries.retailer import SCHEMA


def _view(table: str) -> View:
    base = SCHEMA.table(table)
    assert base is not None
    unit: dict[str, Expression | UnitColumn] = {base.unit_column: UnitColumn(0)} if base.unit_column else {}
    return View(base.relation, {**unit, **base.columns})


def _scope(from_: str, where: str = "TRUE") -> Scope:
    """The scope of a FROM clause over declared tables."""
    tree = sqlglot.parse_one(f"SELECT 1 FROM {from_} WHERE {where}", dialect="duckdb")
    scope = Scope()
    items = [(tree.args["from_"].this, None), *((join.this, join) for join in tree.args.get("joins") or [])]
    for table, join in items:
        view = _view(table.name)
        if join is not None and join.args.get("side"):
            scope.add_outer(table.alias_or_name, view, join)
            continue
        scope.add(table.alias_or_name, view, table)
        if join is not None:
            scope.join_inner(join)
    scope.restrict(tree.args["where"].this, {})
    return scope


def _relation(from_: str, where: str = "TRUE") -> Relation:
    return _scope(from_, where).relation(exp.Select(), SCHEMA)


def _resolved(scope: Scope, name: str, **aliases: str) -> Expression | UnitColumn:
    column = sqlglot.parse_one(name, dialect="duckdb")
    assert isinstance(column, exp.Column)
    return scope.resolve(column, {alias: sqlglot.parse_one(text) for alias, text in aliases.items()})


JOINED = [
    ("lines a JOIN customers b USING (household_id)", "TRUE"),
    ("lines a JOIN customers b ON a.household_id = b.household_id", "TRUE"),
    ("lines a JOIN customers b ON (b.household_id = a.household_id) AND pieces = members", "TRUE"),
    ("lines a, customers b", "a.household_id = b.household_id AND pieces > 1"),
    ("lines a, customers b, lines c", "a.household_id = b.household_id AND c.household_id = b.household_id"),
    ("lines a JOIN lines b USING (household_id) JOIN customers c USING (household_id)", "TRUE"),
    ("lines a LEFT JOIN customers b ON a.household_id = b.household_id", "TRUE"),
]
NOT_JOINED = [
    ("lines a, customers b", "TRUE"),
    ("lines a JOIN customers b ON a.pieces = b.members", "TRUE"),
    ("lines a, customers b, lines c", "a.household_id = b.household_id"),
    ("lines a, customers b", "a.household_id = a.household_id"),
    ("lines a LEFT JOIN customers b ON a.pieces = b.members", "TRUE"),
]


@pytest.mark.parametrize(("from_", "where"), JOINED)
def test_private_tables_that_are_chained_by_the_unit_are_one_relation(from_: str, where: str) -> None:
    assert _relation(from_, where).private


@pytest.mark.parametrize(("from_", "where"), NOT_JOINED)
def test_private_tables_that_are_not_all_joined_on_the_unit_are_refused(from_: str, where: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _relation(from_, where)
    assert refused.value.code == "join-not-on-unit"


def test_an_equality_of_units_under_or_joins_nothing() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _relation("lines a, customers b", "a.household_id = b.household_id OR pieces = 1")
    assert refused.value.code == "unit-in-expression"


def test_a_unit_that_may_be_null_joins_nothing_in_where() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _relation("lines a LEFT JOIN customers b ON a.household_id = b.household_id", "a.household_id = b.household_id")
    assert refused.value.code == "unit-in-expression"


SAME = [
    ("lines JOIN products USING (product_id)", "products JOIN lines USING (product_id)"),
    (
        "lines l JOIN products p ON l.product_id = p.product_id",
        "products p JOIN lines l ON p.product_id = l.product_id",
    ),
    (
        "lines l JOIN products p USING (product_id) JOIN stores s USING (store_id)",
        "stores s JOIN lines l USING (store_id) JOIN products p USING (product_id)",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_inner_joins_have_one_normal_form_whatever_their_order(one: str, other: str) -> None:
    assert canonical(_relation(one))[0] == canonical(_relation(other))[0]


def test_the_normal_form_says_where_each_source_went() -> None:
    relation = _relation("stores JOIN lines USING (store_id)")
    normal, moved = canonical(relation)
    assert [normal.sources[moved[place]] for place in range(2)] == list(relation.sources)


def test_a_left_join_keeps_its_place() -> None:
    relation = _relation("lines l LEFT JOIN products p USING (product_id) JOIN stores s USING (store_id)")
    normal, moved = canonical(relation)
    assert moved == {0: 0, 1: 1, 2: 2}
    assert [join.left for join in normal.joins] == [True, False]


def test_a_name_in_two_tables_is_ambiguous_unless_using_made_them_equal() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _resolved(_scope("lines JOIN products ON price > 1"), "product_id")
    assert refused.value.code == "ambiguous-column"
    used = _resolved(_scope("lines JOIN products USING (product_id)"), "product_id")
    assert used == _resolved(_scope("lines"), "product_id")


def test_a_column_goes_before_an_alias() -> None:
    scope = _scope("lines")
    assert _resolved(scope, "pieces", pieces="ticket") == _resolved(scope, "pieces")
    assert _resolved(scope, "t", t="pieces") == _resolved(scope, "pieces")


def test_an_unknown_column_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _resolved(_scope("stores"), "town")
    assert refused.value.hint == "Known columns: city, opened, store_id."


def test_the_unit_of_each_item_is_its_own() -> None:
    scope = _scope("lines a JOIN customers b USING (household_id)")
    assert [_resolved(scope, f"{alias}.household_id") for alias in "ab"] == [UnitColumn(0), UnitColumn(1)]
    assert _resolved(scope, "household_id") == UnitColumn(0)


def test_aliases_are_written_out_a_limited_number_of_times() -> None:
    scope = _scope("lines")
    for _ in range(EXPANSIONS_LIMIT):
        _resolved(scope, "a", a="pieces")
    with pytest.raises(QueryNotPrivateError) as refused:
        _resolved(scope, "a", a="pieces")
    assert refused.value.code == "too-complex"


def test_the_right_side_of_a_left_join_is_one_source_however_many_it_has() -> None:
    inner = _relation("products p JOIN stores s ON store_id = product_id")
    scope = _scope("lines")
    join = sqlglot.parse_one("SELECT 1 FROM lines LEFT JOIN t ON pieces = x").args["joins"][0]
    scope.add_outer("t", View(inner, {"x": Column(1, "store_id", inner.sources[1].columns[0][1])}), join)
    relation = scope.relation(exp.Select(), SCHEMA)
    assert isinstance(relation.sources[1], Derived)
    assert _resolved(scope, "t.x") == Column(1, "c0", inner.sources[1].columns[0][1])


def test_a_shifted_expression_names_sources_further_on() -> None:
    one = _resolved(_scope("lines"), "pieces")
    assert isinstance(one, Column)
    both = Call(Function.EQUAL, (one, Column(1, "members", one.type)), one.type)
    assert shifted(both, 3) == Call(
        Function.EQUAL, (Column(3, "pieces", one.type), Column(4, "members", one.type)), one.type
    )
    assert renumbered(shifted(both, 3), {3: 1, 4: 0}) == renumbered(both, {0: 1, 1: 0})
