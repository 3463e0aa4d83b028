"""Scalar expressions in normal form: one expression for what is the same, types that are kept, and folded constants."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.function_names import Function
from queries.plan import BOOLEAN, DATE, DOUBLE, INTEGER, TRUE, VARCHAR, Call, Column, Expression, Kind, Literal, Type
from queries.scalars import UnitColumn, conjunction, conjuncts, exact_type, rescaled, scalar

CENTS, MILLIS = Type(Kind.DECIMAL, 2), Type(Kind.DECIMAL, 3)
COLUMNS = {
    "i": INTEGER,
    "j": INTEGER,
    "c": CENTS,
    "d": MILLIS,
    "x": DOUBLE,
    "s": VARCHAR,
    "t": VARCHAR,
    "b": BOOLEAN,
    "e": BOOLEAN,
    "day": DATE,
}


def _resolve(column: exp.Column) -> Expression | UnitColumn:
    return UnitColumn(0) if column.name == "unit" else Column(0, column.name, COLUMNS[column.name])


def _scalar(text: str) -> Expression:
    return scalar(sqlglot.parse_one(text, dialect="duckdb"), _resolve)


SAME = [
    ("i < j", "j > i"),
    ("i <= j", "j >= i"),
    ("i = j", "j = i"),
    ("i <> j", "j != i"),
    ("i = j", "i == j"),
    ("NOT i = j", "i <> j"),
    ("NOT i <> j", "i = j"),
    ("NOT i < j", "j <= i"),
    ("NOT i <= j", "j < i"),
    ("i < 3", "NOT i >= 3"),
    ("i > 2", "i >= 3"),
    ("c < 2.5", "c <= 2.49"),
    ("day < DATE '2026-03-01'", "day <= '2026-02-28'"),
    ("NOT (b AND e)", "NOT b OR NOT e"),
    ("NOT (b OR NOT e)", "NOT b AND e"),
    ("b AND (b OR e)", "b"),
    ("b OR (b AND e)", "b"),
    ("b = TRUE", "b"),
    ("b <> TRUE", "NOT b"),
    ("b = FALSE", "NOT b"),
    ("i IN (1)", "i = 1"),
    ("1 IN (i)", "i = 1"),
    ("i = 1 OR i = 2", "i IN (1, 2)"),
    ("i IN (1) OR b OR i IN (2, 3)", "b OR i IN (1, 2, 3)"),
    ("i <> 1 AND i <> 2", "i NOT IN (1, 2)"),
    ("i NOT IN (1, 3) AND i <> 2", "i NOT IN (1, 2, 3)"),
    ("i NOT BETWEEN 1 AND 5", "i < 1 OR i > 5"),
    ("i = NULL", "CAST(NULL AS BOOLEAN)"),
    ("i IS NOT DISTINCT FROM NULL", "i IS NULL"),
    ("NULL IS NULL", "TRUE"),
    ("s LIKE 'abc'", "s = 'abc'"),
    ("s LIKE 'abc%'", "STARTS_WITH(s, 'abc')"),
    ("s LIKE '%abc%'", "CONTAINS(s, 'abc')"),
    ("i + 1", "1 + i"),
    ("i * j", "j * i"),
    ("i - 1", "i + -1"),
    ("1 + 2 * 3", "7"),
    ("9223372036854775807 + 1", "NULL + NULL"),
    ("GREATEST(i, j)", "GREATEST(j, i)"),
    ("COALESCE(i, COALESCE(j, 0))", "COALESCE(i, j, 0, 5)"),
    ("COALESCE(NULL, i)", "i"),
    ("CASE WHEN i IS NULL THEN 0 ELSE i END", "COALESCE(i, 0)"),
    ("CASE WHEN i IS NOT NULL THEN i ELSE 0 END", "IFNULL(i, 0)"),
    ("CASE WHEN FALSE THEN 1 WHEN b THEN 2 WHEN TRUE THEN 3 ELSE 4 END", "CASE WHEN b THEN 2 ELSE 3 END"),
    ("CASE WHEN b THEN TRUE ELSE FALSE END", "b IS TRUE"),
    ("CASE WHEN b IS TRUE THEN 1 END", "CASE WHEN b THEN 1 END"),
    ("NOT NOT b", "b"),
    ("(b)", "b"),
    ("b AND e", "e AND b"),
    ("b OR e", "e OR b"),
    ("b AND (e AND i = 1)", "(i = 1 AND b) AND e"),
    ("b AND b", "b"),
    ("b AND TRUE", "b"),
    ("b AND FALSE", "FALSE"),
    ("b OR TRUE", "TRUE"),
    ("b OR FALSE", "b"),
    ("1 = 1 AND b", "b"),
    ("i BETWEEN 1 AND 5", "i >= 1 AND i <= 5"),
    ("i NOT BETWEEN 1 AND 5", "NOT (i >= 1 AND i <= 5)"),
    ("i IN (1, 2)", "i IN (2, 1, 2)"),
    ("i NOT IN (1, 2)", "NOT i IN (2, 1)"),
    ("s NOT LIKE 'a'", "NOT s LIKE 'a'"),
    ("s NOT ILIKE 'a'", "NOT s ILIKE 'a'"),
    ("s IS NOT NULL", "NOT s IS NULL"),
    ("i IS DISTINCT FROM j", "NOT (j IS NOT DISTINCT FROM i)"),
    ("c = 1.5", "c = 1.50"),
    ("c = '1.5'", "1.500 = c"),
    ("i = 1", "i = 1.0"),
    ("i < 1e2", "i < 100"),
    ("day = '2026-01-01'", "day = DATE '2026-01-01'"),
    ("day >= DATE '2026-01-01' + 1", "day >= '2026-01-02'"),
    ("day < DATE '2026-01-08' - INTERVAL 1 WEEK", "day < '2026-01-01'"),
    ("-(-3)", "3"),
    ("ABS(-3)", "3"),
    ("CAST(c AS DECIMAL(9, 2))", "c"),
    ("CAST(s AS VARCHAR)", "s"),
    ("CAST(i AS BIGINT)", "i"),
    ("ROUND(c, 2)", "c"),
    ("ROUND(c, 0)", "CAST(c AS INTEGER)"),
    ("YEAR(day)", "EXTRACT(year FROM day)"),
    ("DATE_TRUNC('day', day)", "day"),
    ("IF(b, i, j)", "CASE WHEN b THEN i ELSE j END"),
    ("CASE i WHEN 1 THEN 'a' END", "CASE WHEN i = 1 THEN 'a' END"),
    ("CASE WHEN b THEN i END", "CASE WHEN b THEN i ELSE NULL END"),
    ("COALESCE(i)", "i"),
    ("GREATEST(i)", "i"),
    ("LEAST(i, i)", "i"),
    ("LEAST(i, NULL)", "LEAST(NULL, i)"),
    ("s || t || 'a'", "(s || t) || 'a'"),
    ("LEFT(s, 3)", "SUBSTRING(s, 1, 3)"),
    ("DATE_DIFF('day', DATE '2026-01-01', day)", "day - DATE '2026-01-01'"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_expression_are_one(one: str, other: str) -> None:
    assert _scalar(one) == _scalar(other)


DIFFERENT = [
    ("i <= 2", "i <= 3"),
    ("i < 3", "i < 3.5"),
    ("NOT i < j", "i < j"),
    ("NOT (b AND e)", "NOT b AND NOT e"),
    ("i = 1 OR j = 2", "i IN (1, 2)"),
    ("i <> 1 OR i <> 2", "i NOT IN (1, 2)"),
    ("i IN (1, 2)", "i IN (1, 2, NULL)"),
    ("s LIKE 'a_c'", "s = 'a_c'"),
    ("s LIKE 'a%c'", "STARTS_WITH(s, 'a')"),
    ("s LIKE '%abc'", "CONTAINS(s, 'abc')"),
    ("s LIKE 'a\\\\b'", "s = 'a\\\\b'"),
    ("i - j", "i + j"),
    ("b IS TRUE", "b"),
    ("b IS FALSE", "NOT b"),
    ("COALESCE(i, 0, j)", "COALESCE(i, j, 0)"),
    ("CASE WHEN b THEN 1 ELSE 2 END", "CASE WHEN NOT b THEN 2 ELSE 1 END"),
    ("i < j", "i > j"),
    ("i < j", "i <= j"),
    ("i - j", "j - i"),
    ("i / j", "j / i"),
    ("i // j", "i % j"),
    ("b", "NOT b"),
    ("b AND e", "b OR e"),
    ("NOT b", "b IS NOT TRUE"),
    ("i = j", "i IS NOT DISTINCT FROM j"),
    ("s LIKE 'a'", "s ILIKE 'a'"),
    ("s = 'a'", "s = 'A'"),
    ("s || t", "t || s"),
    ("s || t", "CONCAT(s, t)"),
    ("COALESCE(i, j)", "COALESCE(j, i)"),
    ("CASE WHEN b THEN 1 WHEN e THEN 2 END", "CASE WHEN e THEN 2 WHEN b THEN 1 END"),
    ("LEAST(i, j)", "GREATEST(i, j)"),
    ("ROUND(c, 1)", "ROUND(c, 0)"),
    ("WEEK(day)", "MONTH(day)"),
    ("day + 1", "day - 1"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_expressions_stay_apart(one: str, other: str) -> None:
    assert _scalar(one) != _scalar(other)


TYPES = [
    ("i + j", INTEGER),
    ("i + c", CENTS),
    ("c + d", MILLIS),
    ("c * i", CENTS),
    ("c * d", Type(Kind.DECIMAL, 5)),
    ("c * c * d * d", DOUBLE),
    ("i / j", DOUBLE),
    ("i // 2", INTEGER),
    ("c % 2", CENTS),
    ("c + 1.2345", Type(Kind.DECIMAL, 4)),
    ("i + 1e-12", DOUBLE),
    ("c + x", DOUBLE),
    ("-c", CENTS),
    ("ABS(i)", INTEGER),
    ("LEAST(i, c)", CENTS),
    ("COALESCE(c, 0)", CENTS),
    ("NULLIF(i, 0)", INTEGER),
    ("CASE WHEN b THEN c ELSE d END", MILLIS),
    ("CASE WHEN b THEN NULL ELSE day END", DATE),
    ("ROUND(x, 2)", CENTS),
    ("ROUND(x)", INTEGER),
    ("CAST(c AS DOUBLE)", DOUBLE),
    ("CAST(s AS INTEGER)", INTEGER),
    ("CAST(b AS INTEGER)", INTEGER),
    ("CAST(day AS VARCHAR)", VARCHAR),
    ("LENGTH(s)", INTEGER),
    ("s || 'a'", VARCHAR),
    ("day - day", INTEGER),
    ("day + 7", DATE),
    ("MONTH(day)", INTEGER),
    ("DATE_TRUNC('month', day)", DATE),
    ("i > 1", BOOLEAN),
    ("s IS NULL", BOOLEAN),
    ("1.50", Type(Kind.DECIMAL, 1)),
    ("9223372036854775807", INTEGER),
    ("9223372036854775808", DOUBLE),
    ("0.0000000001", DOUBLE),
]


@pytest.mark.parametrize(("text", "type_"), TYPES)
def test_an_expression_has_its_type(text: str, type_: Type) -> None:
    assert _scalar(text).type == type_


FOLDED = [
    ("1 < 2", True),
    ("'a' = 'b'", False),
    ("1.0 = 1", True),
    ("DATE '2026-01-01' < DATE '2026-01-02'", True),
    ("NOT TRUE", False),
    ("DATE '2026-01-31' + 1", "2026-02-01"),
    ("DATE '9999-12-31' + 1", None),
    ("-5", -5),
]


@pytest.mark.parametrize(("text", "value"), FOLDED)
def test_constants_are_folded(text: str, value: object) -> None:
    found = _scalar(text)
    assert isinstance(found, Literal)
    assert found.value == value


@pytest.mark.parametrize(
    "text", ["unit", "unit = 'a'", "LENGTH(unit)", "COALESCE(s, unit)", "CASE WHEN b THEN unit END"]
)
def test_the_unit_stands_in_no_expression(text: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        _scalar(text)
    assert refusal.value.code == "unit-in-expression"


def test_conjunctions_are_taken_apart_and_put_together() -> None:
    parts = conjuncts(_scalar("b AND i = 1 AND s = 'a'"))
    assert len(parts) == 3
    assert conjunction(parts) == _scalar("s = 'a' AND b AND i = 1")
    assert conjuncts(TRUE) == ()
    assert conjunction(()) == TRUE
    assert conjuncts(_scalar("b")) == (_scalar("b"),)


def test_literals_are_rescaled_where_nothing_is_lost() -> None:
    assert rescaled(Literal(5, INTEGER), 2) == Literal(500, CENTS)
    assert rescaled(Literal(500, CENTS), 2) == Literal(500, CENTS)
    beyond = rescaled(Literal(2**62, INTEGER), 2)
    assert isinstance(beyond, Call)
    assert beyond.function is Function.RESCALE
    assert exact_type(0) == INTEGER
