"""The emitted SQL: no value of a row can make it fail, and the unit stands in joins and filters only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest
import sqlglot
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from queries import emit
from queries.axes import groups_of
from queries.errors import IllegalPlanError
from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    VARCHAR,
    Aggregation,
    Block,
    Call,
    Column,
    Dated,
    Derived,
    Expression,
    Join,
    Literal,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    Source,
    ThresholdKeys,
    Type,
)
from tests.queries.expressions import CENTS, COLUMNS, TABLE, TYPES, calls_of, expressions, functions_of

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a tree that fails is found again by itself


@pytest.fixture(scope="module")
def nasty() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(TABLE)
        yield connection


def _run(connection: duckdb.DuckDBPyConnection, *trees: Expression) -> None:
    listed = ", ".join(emit.sql_of(tree) for tree in trees)
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

    @settings(max_examples=5, suppress_health_check=list(HealthCheck), phases=_PHASES)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        trees = [
            data.draw(st.sampled_from(results).flatmap(lambda type_: calls_of(function, type_, 1))) for _ in range(6)
        ]
        _run(nasty, *trees)

    check()


@settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=_PHASES)
@given(st.lists(st.sampled_from(TYPES).flatmap(expressions), min_size=6, max_size=12))
def test_nested_functions_have_a_value_or_null_for_every_row(
    nasty: duckdb.DuckDBPyConnection, trees: list[Expression]
) -> None:
    _run(nasty, *trees)


def _number(column: str = "i", source: int = 0) -> Column:
    return Column(source, column, INTEGER)


T = Scan("t", private=True, columns=COLUMNS)
OTHER = Scan("other", private=True, columns=(("i", INTEGER), ("b", BOOLEAN)))
PUBLIC = Scan("p", private=False, columns=(("i", INTEGER), ("b", BOOLEAN)))


@st.composite
def relations(draw: st.DrawFn, depth: int = 2) -> Relation:
    """Relations over private and public tables, subqueries included, as far as they can be constructed."""
    first = draw(st.sampled_from([T, OTHER]) if depth else st.just(T))
    joins: list[Join] = []
    for index in range(1, 1 + draw(st.integers(0, 3))):
        source: Source = draw(st.sampled_from([T, OTHER, PUBLIC]))
        if depth and draw(st.booleans()):
            inner = draw(relations(depth - 1))
            source = Derived(inner, (Column(0, "i", INTEGER), Column(0, "b", BOOLEAN)))
        name = "c0" if isinstance(source, Derived) else "i"
        condition = Call(Function.EQUAL, (_number(), _number(name, index)), BOOLEAN)
        joins.append(Join(source, draw(st.sampled_from([(), (condition,)])), draw(st.booleans())))
    where = draw(st.lists(expressions(BOOLEAN, 1), max_size=2)) if first is T else []
    return Relation(first, tuple(joins), tuple(where))


def _private(relation: Relation) -> int:
    """The number of private tables in a relation, subqueries included."""
    return sum(
        _private(source.relation) if isinstance(source, Derived) else source.private for source in relation.sources
    )


@settings(max_examples=60, suppress_health_check=list(HealthCheck), phases=_PHASES)
@given(relations(), st.booleans())
def test_private_sources_are_always_joined_on_the_unit(relation: Relation, thresholded: bool) -> None:  # noqa: FBT001
    keys = ThresholdKeys((_number(),), 3, 1, 1) if thresholded else PublicKeys()
    block = Block((Measure(MeasureKind.SUM, _number(), 1), Measure(MeasureKind.UNITS, None, 1)), 10**9)
    aggregation = Aggregation(relation, keys, (block,), 100)
    sql = emit.contributions(aggregation, groups_of(aggregation), (17, 23))
    tree = sqlglot.parse_one(sql, dialect="duckdb")
    _check_units(tree, (17, 23))
    assert len(list(tree.find_all(exp.Table))) >= _private(relation)


def _check_units(tree: exp.Expr, units: tuple[int, int]) -> None:
    """Every SELECT joins its private sources on the unit; every private table is read for the units of the range."""
    for select in tree.find_all(exp.Select):
        sources = [select.args["from_"].this, *(join.this for join in select.args.get("joins") or [])]
        private = [source.alias for source in sources if _is_private(source)]
        for alias in private[1:]:
            join = next(j for j in select.args["joins"] if j.this.alias == alias)
            wanted = {f"{alias}._u", f"{private[0]}._u"}
            parts = join.args["on"].flatten() if isinstance(join.args["on"], exp.And) else [join.args["on"]]
            assert any(isinstance(p, exp.EQ) and {p.this.sql(), p.expression.sql()} == wanted for p in parts)
    filtered = [table for table in tree.find_all(exp.Table) if table.db == "main" and str(table.catalog) == "private"]
    for table in filtered:
        where = table.find_ancestor(exp.Select)
        assert where is not None
        text = where.sql(dialect="duckdb")
        assert str(units[0]) in text
        assert str(units[1]) in text
    for column in tree.find_all(exp.Column):
        if column.name == "_u":
            assert isinstance(
                column.parent, exp.EQ | exp.GTE | exp.LT | exp.LTE | exp.GT | exp.Between | exp.Alias | exp.Select
            )


VISITS = Dated("visits", private=True, columns=(("n", INTEGER),), months=12, first=2, last=4)
CARDS = Scan("cards", private=True, columns=(("n", INTEGER),))


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        (Relation(VISITS), "{visits} AS s0"),
        (Relation(VISITS, (Join(VISITS),)), "{visits} AS s0 JOIN {visits} AS s1 ON s1._u = s0._u"),
        (
            Relation(VISITS, (Join(CARDS), Join(VISITS, left=True))),
            "{visits} AS s0 JOIN {cards} AS s1 ON s1._u = s0._u // 12 LEFT JOIN {visits} AS s2 ON s2._u = s0._u",
        ),
        (
            Relation(CARDS, (Join(CARDS, left=True), Join(VISITS), Join(CARDS))),
            (
                "{cards} AS s0 LEFT JOIN {cards} AS s1 ON s1._u = s0._u JOIN {visits} AS s2 ON s2._u // 12 = s0._u "
                "JOIN {cards} AS s3 ON s3._u = s2._u // 12"
            ),
        ),
    ],
)
def test_months_are_joined_with_themselves_and_with_their_account(relation: Relation, expected: str) -> None:
    visits = '(SELECT * FROM private.main."visits" WHERE _u >= 30 AND _u < 50 AND _u % 12 BETWEEN 2 AND 4)'
    cards = '(SELECT * FROM private.main."cards" WHERE _u >= 2 AND _u < 5)'
    assert emit.from_sql(relation, (30, 50)) == expected.format(visits=visits, cards=cards)


def test_months_that_are_not_read_are_left_out_of_all_units() -> None:
    assert emit.from_sql(Relation(VISITS), None).endswith("WHERE _u % 12 BETWEEN 2 AND 4) AS s0")


def test_the_unit_of_a_row_is_the_one_with_a_month() -> None:
    block = Block((Measure(MeasureKind.ROWS, None, 1),), 10**9)
    aggregation = Aggregation(Relation(CARDS, (Join(VISITS),)), PublicKeys(), (block,), 100)
    assert emit.contributions(aggregation, groups_of(aggregation), (0, 12)).startswith("SELECT s1._u AS u")


def _is_private(source: exp.Expr) -> bool:
    return any(str(table.catalog) == "private" for table in source.find_all(exp.Table))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "a\0b"])
def test_what_is_no_literal_is_not_emitted(value: float | str) -> None:
    with pytest.raises(IllegalPlanError):
        emit.sql_of(Literal(value, VARCHAR if isinstance(value, str) else DOUBLE))


@pytest.mark.parametrize("text", ["'", "''; DROP TABLE t; --", "\\'", "\n", "$$", "E'\\x27'", "😀", "a" * 1000, "{0}"])
def test_a_text_is_only_ever_a_text(text: str, nasty: duckdb.DuckDBPyConnection) -> None:
    row = nasty.execute(f"SELECT {emit.sql_of(Literal(text, VARCHAR))}").fetchone()
    assert row == (text,)


@pytest.mark.parametrize("name", ['a"b', "a b", "select", '"; DROP TABLE t; --'])
def test_a_name_is_only_ever_a_name(name: str) -> None:
    tree = sqlglot.parse_one(f"SELECT {emit.sql_of(Column(0, name, INTEGER))}", dialect="duckdb")
    column = tree.find(exp.Column)
    assert column is not None
    assert (column.name, column.table, len(list(tree.walk()))) == (name, "s0", 4)


def test_days_are_added_only_where_they_are_written_out() -> None:
    for days in (_number(), Literal(10**7, INTEGER)):
        with pytest.raises(IllegalPlanError):
            emit.sql_of(Call(Function.ADD_DAYS, (Column(0, "day", DATE), days), DATE))


def _value(nasty: duckdb.DuckDBPyConnection, function: Function, type_: Type, *values: Literal) -> object:
    row = nasty.execute(f"SELECT {emit.sql_of(Call(function, values, type_))}").fetchone()
    return None if row is None else row[0]


def _day(text: str) -> Literal:
    return Literal(text, DATE)


EXACT_RESULTS: list[tuple[Function, Type, tuple[Literal, ...], object]] = [
    (Function.LEAST, INTEGER, (Literal(None, INTEGER), Literal(100, INTEGER)), None),
    (Function.GREATEST, INTEGER, (Literal(3, INTEGER), Literal(100, INTEGER), Literal(7, INTEGER)), 100),
    (Function.ADD, INTEGER, (Literal(2**63 - 1, INTEGER), Literal(1, INTEGER)), None),
    (Function.MULTIPLY, INTEGER, (Literal(-(2**63), INTEGER), Literal(-1, INTEGER)), None),
    (Function.NEGATE, INTEGER, (Literal(-(2**63), INTEGER),), None),
    (Function.ABSOLUTE, INTEGER, (Literal(-(2**63), INTEGER),), None),
    (Function.INTEGER_DIVIDE, INTEGER, (Literal(-(2**63), INTEGER), Literal(-1, INTEGER)), None),
    (Function.INTEGER_DIVIDE, INTEGER, (Literal(7, INTEGER), Literal(0, INTEGER)), None),
    (Function.MODULO, INTEGER, (Literal(7, INTEGER), Literal(0, INTEGER)), None),
    (Function.DIVIDE, DOUBLE, (Literal(7.0, DOUBLE), Literal(0.0, DOUBLE)), None),
    (Function.FROM_DOUBLE, INTEGER, (Literal(1e300, DOUBLE),), None),
    (Function.TO_INTEGER, INTEGER, (Literal("x", VARCHAR),), None),
    (Function.RESCALE, INTEGER, (Literal(150, CENTS),), 2),
    (Function.RESCALE, INTEGER, (Literal(-150, CENTS),), -2),
    (Function.RESCALE, INTEGER, (Literal(149, CENTS),), 1),
    (Function.RESCALE, CENTS, (Literal(2**62, INTEGER),), None),
    (Function.ADD_DAYS, DATE, (_day("2026-01-31"), Literal(1, INTEGER)), date(2026, 2, 1)),
    (Function.ADD_DAYS, DATE, (_day("9999-12-31"), Literal(1, INTEGER)), None),
    (Function.ADD_DAYS, DATE, (_day("0001-01-01"), Literal(-1, INTEGER)), None),
    (Function.ADD_DAYS, DATE, (_day("9999-12-30"), Literal(1, INTEGER)), date(9999, 12, 31)),
    (Function.DAYS_BETWEEN, INTEGER, (_day("2026-03-01"), _day("2026-02-01")), 28),
    (Function.TRUNCATE_WEEK, DATE, (_day("0001-01-01"),), date(1, 1, 1)),
    (Function.SAME, BOOLEAN, (Literal(None, INTEGER), Literal(None, INTEGER)), True),
]


@pytest.mark.parametrize(("function", "type_", "values", "expected"), EXACT_RESULTS)
def test_limits_give_null_and_never_a_wrong_value(
    function: Function, type_: Type, values: tuple[Literal, ...], expected: object, nasty: duckdb.DuckDBPyConnection
) -> None:
    assert _value(nasty, function, type_, *values) == expected
