"""What is read as a statement: its limits, the places of mistakes, and parameters as values."""

from __future__ import annotations

import logging
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from queries.errors import QueryNotPrivateError, SqlSyntaxError
from queries.parameters import TEXT_LIMIT
from queries.parse import (
    COLUMNS_LIMIT,
    LITERALS_LIMIT,
    NESTING_LIMIT,
    SQL_BYTES_LIMIT,
    TOKENS_LIMIT,
    parse,
    position,
)
from queries.stated import read
from tests.queries.retailer import Statement, statements

TOO_LARGE = {
    "bytes": "SELECT 1 -- " + "a" * SQL_BYTES_LIMIT,
    "bytes of letters": "SELECT '" + "å" * (SQL_BYTES_LIMIT // 2) + "'",
    "words": "SELECT a" + ",a" * (TOKENS_LIMIT // 2),
    "columns": "SELECT a" + ", a" * COLUMNS_LIMIT,
    "literals": "SELECT 1" + ",1" * LITERALS_LIMIT,
    "texts": "SELECT ''" + ",''" * LITERALS_LIMIT,
    "parentheses": "SELECT " + "(" * (NESTING_LIMIT + 1) + "1" + ")" * (NESTING_LIMIT + 1),
    "brackets": "SELECT " + "[" * (NESTING_LIMIT + 1),
    "CASE": "SELECT " + "CASE WHEN " * (NESTING_LIMIT + 1),
    "NOT": "SELECT " + "NOT " * (NESTING_LIMIT + 1) + "a",
    "minus": "SELECT " + "- " * (NESTING_LIMIT + 1) + "1",
    "a sum": "SELECT a" + " + a" * 1_000,
    "a sum and a difference in turn": "SELECT a" + " + a - a" * 500,
    "parentheses that are never closed": "SELECT " + "(" * 5_000,
}


@pytest.mark.parametrize("sql", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_statement_beyond_the_limits_is_refused(sql: str) -> None:
    with pytest.raises(SqlSyntaxError):
        parse(sql, {})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a IN (1" + ",1" * (LITERALS_LIMIT - 1) + ")",
        "SELECT a" + ", a" * (COLUMNS_LIMIT - 1),
        "SELECT a" + " AND a" * 1_000,
        "SELECT a" + " || a" * 1_000,
    ],
    ids=["literals", "columns", "AND", "texts put together"],
)
def test_a_statement_within_the_limits_is_read(sql: str) -> None:
    assert isinstance(parse(sql, {}), exp.Select)


NESTED = [
    ("(", ")"),
    ("ABS(", ")"),
    ("NOT (", ")"),
    ("CASE WHEN ", " THEN 1 END"),
    ("CAST(", " AS INT)"),
    ("(SELECT ", ")"),
    ("a FROM (SELECT ", ") AS t"),
]


@pytest.mark.parametrize(("opening", "closing"), NESTED)
def test_fifty_levels_are_read_however_deep_the_caller_stands(opening: str, closing: str) -> None:
    sql = "SELECT " + opening * NESTING_LIMIT + "1" + closing * NESTING_LIMIT

    def deep(calls: int) -> exp.Query:
        return deep(calls - 1) if calls else parse(sql, {})

    assert isinstance(deep(300), exp.Select)


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\ud800"])
def test_control_characters_and_half_letters_are_refused(character: str) -> None:
    with pytest.raises(SqlSyntaxError):
        parse(f"SELECT 'a{character}b'", {})


@pytest.mark.parametrize("space", ["\t", "\n", "\r\n", "  "])
def test_white_space_is_no_control_character(space: str) -> None:
    assert parse(f"SELECT{space}1", {}) == parse("SELECT 1", {})


PLACES = {
    "SELECT a FROM t WHERE b LIKE 'x' ESCAPE '!'": (1, 23),
    "SELECT a,\n  unknown_function(b)\nFROM t": (2, 3),
    "SELECT a\nFROM t\nWHERE a = 1\n  AND REGEXP_MATCHES(b, 'x')": (4, 7),
    "SELECT å, repeat(a, 3) FROM t": (1, 11),
    "SELECT a FROM t, LATERAL (SELECT 1) AS u": (1, 34),
    "SELECT _a FROM t": (1, 8),
    "SELECT a FROM\n\n\n   read_csv('x')": (4, 4),
    "-- a comment\nSELECT a FROM _t": (2, 15),
}


@pytest.mark.parametrize(("sql", "place"), PLACES.items())
def test_a_refusal_has_the_line_and_the_column_of_the_first_word(sql: str, place: tuple[int, int]) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        parse(sql, {})
    assert (refusal.value.line, refusal.value.column) == place


@pytest.mark.parametrize(
    ("sql", "line"),
    [("SELECT (1", 1), ("SELECT 1\nFROM", 2), ("SELECT 1\nFROM a\nWHERE (b = 2", 3), ("SELECT a b c", 1)],
)
def test_a_mistake_has_its_line_and_a_text_without_names_of_the_parser(sql: str, line: int) -> None:
    with pytest.raises(SqlSyntaxError) as mistake:
        parse(sql, {})
    assert mistake.value.line == line
    assert mistake.value.column >= 1
    assert not re.search(r"class|Token|sqlglot|expressions", mistake.value.message)


WORDS = """SELECT FROM lines ( ) , * ' " $x ? 1 a . GROUP BY WITH AS JOIN ON = -- /* ; [ { CASE END :: INTERVAL DATE IN
NOT OVER"""


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WORDS.split()) | st.text(max_size=4), max_size=14))
def test_any_text_is_read_or_refused(words: list[str]) -> None:
    said = ""
    try:
        parse(" ".join(words), {})
    except SqlSyntaxError as error:
        said = error.message
    except QueryNotPrivateError as error:
        said = error.reason
    assert not re.search(r"<class|<Token|sqlglot", said)


def test_the_parser_keeps_the_statement_out_of_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for sql in ("EXPLAIN SELECT canary FROM lines", "VACUUM canary", "SELECT canary canary canary"):
        with pytest.raises((QueryNotPrivateError, SqlSyntaxError)):
            parse(sql, {})
    assert "canary" not in caplog.text


# parameters


def _bound(value: object) -> str:
    return parse("SELECT $x AS y", {"x": value}).sql(dialect="duckdb")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (-1, "-1"),
        (1.5, "1.5"),
        (1e-7, "0.0000001"),
        (Decimal("-2.50"), "-2.50"),
        (True, "TRUE"),
        (None, "NULL"),
        ("a", "'a'"),
        ("it's", "'it''s'"),
        ("'; DROP TABLE lines; --", "'''; DROP TABLE lines; --'"),
        ("$y", "'$y'"),
        ("", "''"),
    ],
)
def test_a_parameter_is_a_value_and_nothing_else(value: object, text: str) -> None:
    assert _bound(value) == f"SELECT {text} AS y"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        10**30,
        Decimal("Infinity"),
        "a\0",
        "\ud800",
        "a" * (TEXT_LIMIT + 1),
        [1],
        {},
        b"a",
    ],
)
def test_what_is_no_simple_value_is_no_parameter(value: object) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        _bound(value)
    assert refusal.value.code == "unknown-parameter"


def test_parameters_are_named_or_numbered() -> None:
    assert parse("SELECT ?, ?", {"1": 5, "2": 6}).sql() == "SELECT 5, 6"
    assert parse("SELECT $a, $b, $a", {"a": 5, "b": 6}).sql() == "SELECT 5, 6, 5"


def test_parameters_without_a_name_are_numbered_as_they_are_read() -> None:
    sql = "SELECT ?, (SELECT a FROM t WHERE b = (1 + (2 * ?))) FROM u WHERE c IN ? AND d < ?"
    given = {"1": 5, "2": 6, "3": [7, 8], "4": 9}
    plain = "SELECT 5, (SELECT a FROM t WHERE b = (1 + (2 * 6))) FROM u WHERE c IN (7, 8) AND d < 9"
    assert parse(sql, given).sql(dialect="duckdb") == plain


@pytest.mark.parametrize(("sql", "params"), [("SELECT $a", {}), ("SELECT 1", {"a": 1}), ("SELECT ?", {"2": 1})])
def test_every_parameter_has_a_value_and_every_value_a_parameter(sql: str, params: dict[str, object]) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        parse(sql, params)
    assert refusal.value.code == "unknown-parameter"


def test_a_parameter_cannot_be_a_table_or_a_column() -> None:
    for sql in ("SELECT a FROM $t", "SELECT t.$c FROM t", "SELECT a FROM t ORDER BY a LIMIT 1 OFFSET $o; SELECT 1"):
        with pytest.raises((QueryNotPrivateError, SqlSyntaxError)):
            parse(sql, {"t": "lines", "c": "a", "o": 1})


def test_the_place_of_nothing_is_unknown() -> None:
    assert position(None) == (None, None)


@pytest.mark.parametrize("statement", statements("accepted"), ids=lambda statement: statement.name)
def test_an_accepted_statement_means_the_same_after_it_was_written_out(statement: Statement) -> None:
    tree = read(statement.sql, statement.params).tree
    assert parse(tree.sql(dialect="duckdb"), {}).sql(dialect="duckdb") == tree.sql(dialect="duckdb")
